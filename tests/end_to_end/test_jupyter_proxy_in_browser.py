"""Behind jupyter-server-proxy, as on JupyterHub: the page, its websocket, and a feed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from lab import jupyter_server

import tickerkit as tk
from tickerkit.errors import FeedFailed

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("jupyter_server_proxy")
pytestmark = [pytest.mark.browser, pytest.mark.soak, pytest.mark.timeout(120)]

TOKEN = "open-sesame"
QUOTES = "[...document.querySelectorAll('#prices .quote')].map(e => e.innerText)"


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a Jupyter server with a token; yield its URL."""
    with jupyter_server(tmp_path_factory.mktemp("jupyter"), TOKEN) as url:
        yield url


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Open an empty page without cookies; an error in its scripts fails the test."""
    errors: list[str] = []
    page = chromium.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


def serve(token: str | None = None) -> tk.TickServer:
    """Serve moving prices."""
    return tk.serve(tk.simulate(["AAPL", "MSFT"], rate=20, seed=3), port=0, token=token)


def wait_for_moving_prices(page: Page) -> None:
    """Wait until prices are shown, and until they change."""
    page.wait_for_function(f"() => {QUOTES}.length === 2")
    first = page.evaluate(f"() => {QUOTES}.join()")
    page.wait_for_function(f"first => {QUOTES}.join() !== first", arg=first)


def test_page_works_through_the_proxy(jupyter: str, page: Page) -> None:
    """It loads below a longer path, its websocket connects, and prices move."""
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    with serve() as server:
        page.goto(f"{jupyter}/proxy/{server.port}/?token={TOKEN}")
        wait_for_moving_prices(page)
        assert server.clients["kind"].tolist() == ["v1"]
    assert sockets[0].startswith(f"{jupyter.replace('http', 'ws')}/proxy/{server.port}/")


def test_hub_is_admitted_by_its_public_url(
    jupyter: str, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown host is refused with the fix; JUPYTERHUB_PUBLIC_URL makes it known."""
    hub = jupyter.replace("127.0.0.1", "hub.localhost")
    with serve() as server:
        page.goto(f"{hub}/proxy/{server.port}/?token={TOKEN}")
        name = hub.removeprefix("http://")
        assert f'pass hosts=["{name}"]' in page.inner_text("body")
    monkeypatch.setenv("JUPYTERHUB_PUBLIC_URL", f"{hub}/")
    with serve() as server:
        assert server.page == f"{hub}/proxy/{server.port}/"
        page.goto(server.page)
        wait_for_moving_prices(page)


def test_token_of_the_server_passes_the_proxy(jupyter: str, page: Page) -> None:
    """A user logged in at Jupyter still needs the server's token, and its link contains it."""
    with serve(token="of the server") as server:
        page.goto(f"{jupyter}/api/status?token={TOKEN}")  # sets the cookie of a login
        page.goto(f"{jupyter}/proxy/{server.port}/")
        assert "This server requires a token" in page.inner_text("body")
        page.goto(f"{jupyter}/proxy/{server.port}/{server.page.rpartition('/')[2]}")
        wait_for_moving_prices(page)


def test_feed_works_through_the_proxy(jupyter: str) -> None:
    """With Jupyter's token it receives every tick; without it, it fails with Jupyter's status."""
    with serve() as server:
        url = f"{jupyter.replace('http', 'ws')}/proxy/{server.port}/"
        for feed in (tk.connect(url, token=TOKEN), tk.connect(f"{url}?token={TOKEN}")):
            seqs = feed.wait(20).frame()["seq"]
            assert seqs.tolist() == list(range(seqs.iloc[0], seqs.iloc[0] + len(seqs)))
            feed.stop()
        for wrong in (None, "nonsense"):
            with tk.connect(url, token=wrong) as feed, pytest.raises(FeedFailed, match="403"):
                feed.wait(1)
