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
    """Run a Jupyter server that wants a token, and give its address."""
    with jupyter_server(tmp_path_factory.mktemp("jupyter"), TOKEN) as url:
        yield url


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Give an empty page without cookies; errors of its scripts fail the test."""
    errors: list[str] = []
    page = chromium.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


def serve(token: str | None = None) -> tk.TickServer:
    """Serve prices that move."""
    return tk.serve(tk.simulate(["AAPL", "MSFT"], rate=20, seed=3), port=0, token=token)


def see_prices_move(page: Page) -> None:
    """Wait until prices are shown, and then others."""
    page.wait_for_function(f"() => {QUOTES}.length === 2")
    first = page.evaluate(f"() => {QUOTES}.join()")
    page.wait_for_function(f"first => {QUOTES}.join() !== first", arg=first)


def test_the_page_works_through_the_proxy(jupyter: str, page: Page) -> None:
    """It loads below a longer path, its websocket connects, and prices move."""
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    with serve() as server:
        page.goto(f"{jupyter}/proxy/{server.port}/?token={TOKEN}")
        see_prices_move(page)
        assert server.clients["kind"].tolist() == ["v1"]
    assert sockets[0].startswith(f"{jupyter.replace('http', 'ws')}/proxy/{server.port}/")


def test_a_hub_is_known_by_its_name(
    jupyter: str, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under another name it is refused in words; where the hub tells its name, it is let in."""
    hub = jupyter.replace("127.0.0.1", "hub.localhost")
    with serve() as server:
        page.goto(f"{hub}/proxy/{server.port}/?token={TOKEN}")
        name = hub.removeprefix("http://")
        assert f'pass hosts=["{name}"]' in page.inner_text("body")
    monkeypatch.setenv("JUPYTERHUB_PUBLIC_URL", f"{hub}/")
    with serve() as server:
        assert server.page == f"{hub}/proxy/{server.port}/"
        page.goto(server.page)
        see_prices_move(page)


def test_the_servers_own_token_passes_the_proxy(jupyter: str, page: Page) -> None:
    """Who is logged in at Jupyter opens the link with the server's token; without it is refused."""
    with serve(token="of the server") as server:
        page.goto(f"{jupyter}/api/status?token={TOKEN}")  # from here on a cookie tells who it is
        page.goto(f"{jupyter}/proxy/{server.port}/")
        assert "This server requires a token" in page.inner_text("body")
        page.goto(f"{jupyter}/proxy/{server.port}/{server.page.rpartition('/')[2]}")
        see_prices_move(page)


def test_a_feed_works_through_the_proxy(jupyter: str) -> None:
    """With Jupyter's token it gets every tick; without, Jupyter refuses it, and it says so."""
    with serve() as server:
        url = f"{jupyter.replace('http', 'ws')}/proxy/{server.port}/"
        for feed in (tk.connect(url, token=TOKEN), tk.connect(f"{url}?token={TOKEN}")):
            seqs = feed.wait(20).frame()["seq"]
            assert seqs.tolist() == list(range(seqs.iloc[0], seqs.iloc[0] + len(seqs)))
            feed.stop()
        for wrong in (None, "nonsense"):
            with tk.connect(url, token=wrong) as feed, pytest.raises(FeedFailed, match="403"):
                feed.wait(1)
