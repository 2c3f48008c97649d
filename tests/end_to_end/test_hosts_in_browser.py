"""A live figure moves in Notebook 7 and Voila, as in JupyterLab (test_figure_in_browser.py)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lab import Host, Lab, notebook7, save_notebook, voila

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Two more servers to start take a minute: more than `make test` has to spare.
pytestmark = [pytest.mark.browser, pytest.mark.soak, pytest.mark.timeout(240)]

Open = Callable[["Browser", Path, Path], AbstractContextManager[Host]]

HOSTS: dict[str, Open] = {"notebook": notebook7, "voila": voila}
NEWEST = "document.querySelector('.js-plotly-plot')?.data?.[0].x?.at(-1)"
FIGURE = """
import itertools, threading, time
import tickerkit as tk

figure = tk.LiveFigure(data=[{"type": "scatter", "name": "AAPL"}])

def append():
    for x in itertools.count():
        figure.append(x, x % 10)
        time.sleep(0.05)

threading.Thread(target=append, daemon=True).start()
figure
"""


@pytest.fixture(scope="module", params=HOSTS)
def host(
    request: pytest.FixtureRequest, chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    """Open a notebook that shows a figure, to which a thread appends, and run it."""
    pytest.importorskip(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    save_notebook(folder / "figure.ipynb", FIGURE)
    with HOSTS[request.param](chromium, folder / "figure.ipynb", folder) as host:
        if isinstance(host, Lab):
            host.run_all()
        yield host


def see_it_move(host: Host) -> None:
    """Wait for the figure, and then for a point that is newer than those it came with."""
    host.until(f"() => {NEWEST} !== undefined")
    newest = float(host.figures()[0]["lines"][0]["newest"])
    host.until(f"() => Number({NEWEST}) > {newest}", 10)
    assert (host.failures(), host.errors) == ([], [])


def test_a_live_figure_moves(host: Host, artifacts: Path, request: pytest.FixtureRequest) -> None:
    """It is there and its newest point goes on, with no error in the page or in a cell."""
    see_it_move(host)
    assert [len(figure["lines"]) for figure in host.figures()] == [1]
    host.page.screenshot(path=artifacts / f"host-{request.node.callspec.id}.png")


@pytest.mark.parametrize("host", ["notebook"], indirect=True)
def test_a_further_cell_runs_and_is_saved(host: Lab) -> None:
    """A cell that is written in the page shows the figure once more, and is in the file."""
    cell = host.run_cell("figure  # again")
    host.until("() => document.querySelectorAll('.js-plotly-plot')[1]?.data")
    host.save()
    saved = json.loads(host.run("print(open('figure.ipynb').read())"))["cells"][-1]
    assert "".join(saved["source"]) == cell["source"] == "figure  # again"
    assert saved["execution_count"] == cell["execution_count"] == 2
    assert saved["outputs"]


@pytest.mark.parametrize("host", ["notebook"], indirect=True)
def test_it_moves_after_a_reload(host: Lab) -> None:
    """A reloaded page shows the figure as it is now, and it goes on."""
    host.reload()
    see_it_move(host)
