"""The tutorial's own files: mended by the notebook's steps, and its page in a real browser.

The files are not part of the project: `TICKERKIT_DATA` names the folder that has them.
"""

from __future__ import annotations

import functools
import http.server
import os
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tutorial import FAULTS, said

import tickerkit as tk

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LESSONS = Path(__file__).parents[2] / "notebooks" / "lessons"
NOTEBOOK = LESSONS / "3a_the_tutorial_that_does_not_run.ipynb"
# The cells before this one are the tutorial's steps; the notebook shows the files that they made.
SHOWS_FILES = "from pathlib import Path"
NAMES = ("server.py", "index.html")
PORT = 8000
LINES = "() => [...document.querySelectorAll('#stock-list li')].map(line => line.innerText)"


@pytest.fixture(scope="module")
def printed(recorded: Path) -> dict[str, str]:
    """Return the tutorial's own files, by name, or skip where there are none."""
    folder = recorded / "tutorial"
    if not folder.is_dir():
        pytest.skip("the tutorial's own files are missing: TICKERKIT_DATA has no folder tutorial")
    return {name: (folder / name).read_text(encoding="utf-8") for name in NAMES}


@pytest.fixture(scope="module")
def mended(printed: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run the notebook's steps on the tutorial's own files; return their folder and the output."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    replaced = []
    for cell in notebook.cells:
        for name, text in printed.items():
            if cell.source.startswith(f"%%writefile {name}\n"):
                cell.source = f"%%writefile {name}\n{text}"
                replaced.append(name)
    assert replaced == list(NAMES)
    starts = [cell.source.startswith(SHOWS_FILES) for cell in notebook.cells]
    notebook.cells = notebook.cells[: starts.index(True)]
    folder = tmp_path_factory.mktemp("tutorial")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(tk.__file__).parents[1]))
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        patch.setenv("TICKERKIT_LESSONS", str(folder / "lessons.json"))
        resources = {"metadata": {"path": str(folder)}}
        client = NotebookClient(notebook, timeout=60, kernel_name="python3", resources=resources)
        return folder, said(client.execute())


@pytest.mark.package
@pytest.mark.process
def test_the_notebooks_steps_mend_the_tutorials_own_server(
    printed: dict[str, str], mended: tuple[Path, str]
) -> None:
    """Its faults are those of the notebook's server, in the same order; its page stays as it is."""
    folder, text = mended
    shown = [*FAULTS, "error while attempting to bind on address"]
    places = [text.find(words) for words in shown]
    assert -1 not in places, shown[places.index(-1)]
    assert places == sorted(places)
    assert "has this change already" not in text
    # IPython removes spaces at the ends of lines.
    page = (folder / "index.html").read_text(encoding="utf-8").split()
    assert page == printed["index.html"].split()
    # Of the printed server all stays but its end and three places.
    lines = [line.rstrip() for line in (folder / "server.py").read_text("utf-8").splitlines()]
    lines_before = [line.rstrip() for line in printed["server.py"].splitlines()]
    gone = [line for line in lines_before if line not in lines]
    assert len(gone) == 5


def test_the_notebooks_files_have_the_tutorials_names() -> None:
    """The notebook's server and page differ from the tutorial's in their wording only."""
    source = NOTEBOOK.read_text(encoding="utf-8")
    for name in (
        *("%%writefile server.py", "%%writefile index.html", "python -m http.server"),
        *("async def send_stock_prices(websocket, path)", "stock_prices = fetch_stock_prices()"),
        *("await websocket.send(stock_prices)", "await asyncio.sleep(10)"),
        *("asyncio.get_event_loop().run_until_complete(", "asyncio.get_event_loop().run_forever()"),
        *("<title>Stock Ticker</title>", "<h1>Stock Ticker</h1>", "function connect()"),
        *("function updateStockPrices(", "connect()", "stock-list", "ws://localhost:8000"),
    ):
        assert name in source, name


def fetch_stock_prices() -> list[dict[str, Any]]:
    """Return prices as the tutorial would have them."""
    return [
        {"symbol": symbol, "price": round(price + random.random(), 2)}
        for symbol, price in (("AAPL", 187.0), ("MSFT", 402.0), ("NVDA", 118.0))
    ]


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files without logging."""

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def page(
    chromium: Browser, printed: dict[str, str], tmp_path: Path, artifacts: Path
) -> Iterator[Page]:
    """Serve the tutorial's page, unchanged, as `python -m http.server 8001` would, and open it.

    The test must serve prices on port 8000 before it calls `page.reload()`: the page connects once.
    """
    (tmp_path / "index.html").write_text(printed["index.html"], encoding="utf-8")
    handler = functools.partial(QuietHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        page = chromium.new_page(viewport={"width": 480, "height": 320})
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"http://localhost:{server.server_port}/")
        yield page
        page.screenshot(path=artifacts / "tutorial_page.png")
        page.close()
        server.shutdown()
        thread.join()
    assert faults == []


def require_port() -> None:
    """Skip the test if another program has the port that the tutorial's page names."""
    try:
        socket.create_server(("127.0.0.1", PORT)).close()
    except OSError as error:
        if os.environ.get("TICKERKIT_REQUIRE_BROWSER") == "1":
            raise
        pytest.skip(f"the tutorial's page needs port {PORT}: {error}")


@pytest.mark.browser
@pytest.mark.package
@pytest.mark.process
def test_the_tutorials_page_lists_the_prices_of_its_mended_server(
    page: Page, mended: tuple[Path, str]
) -> None:
    """The mended server.py, started as a script, and the page, as printed."""
    require_port()
    command = [sys.executable, "server.py"]
    with subprocess.Popen(command, cwd=mended[0], stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            wait_for_port(server)
            page.reload()
            page.wait_for_function(f"({LINES})().length === 3")
            lines: list[str] = page.evaluate(LINES)
        finally:
            server.terminate()
        assert server.stderr.read() == ""
    assert [line.partition(": $")[0] for line in lines] == ["AAPL", "MSFT", "NVDA"]
    assert page.title() == "Stock Ticker"


def wait_for_port(server: subprocess.Popen[str]) -> None:
    """Wait until a program listens on the port."""
    while server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", PORT)).close()
        except OSError:
            continue
        return
    raise AssertionError("the server has ended")


@pytest.mark.browser
def test_the_tutorials_page_lists_prices_that_move(page: Page, until: Callable[..., None]) -> None:
    """With tk.serve, the page lists each share once, with its newest price."""
    require_port()
    with tk.serve(fetch_stock_prices, every=0.2, port=PORT) as prices:
        page.reload()
        page.wait_for_function(f"({LINES})().length === 3")
        first: list[str] = page.evaluate(LINES)
        assert [line.partition(": $")[0] for line in first] == ["AAPL", "MSFT", "NVDA"]
        page.wait_for_function(
            f"before => ({LINES})().every((line, i) => line !== before[i])", arg=first
        )
        shown = set(page.evaluate(LINES))
        sent = {f"{tick.symbol}: ${tick.price:g}" for tick in prices.log.frame().itertuples()}
        assert shown <= sent
        assert list(prices.clients["kind"]) == ["prices"]
        page.goto("about:blank")
        until(lambda: prices.clients.empty, what="the server forgets the page that was left")
