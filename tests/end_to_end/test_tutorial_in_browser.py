"""The tutorial's own page, unchanged, in a real browser."""

from __future__ import annotations

import functools
import http.server
import os
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import tickerkit as tk

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

FOLDER = Path(__file__).parents[2] / "notebooks"
LINES = "() => [...document.querySelectorAll('#stock-prices li')].map(line => line.innerText)"


def fetch_stock_prices() -> list[dict[str, Any]]:
    """Return prices as the tutorial would have them."""
    return [
        {"symbol": symbol, "price": round(price + random.random(), 2)}
        for symbol, price in (("AAPL", 187.0), ("MSFT", 402.0), ("NVDA", 118.0))
    ]


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def page_address() -> Iterator[str]:
    """Serve the notebooks' folder as `python -m http.server` would; give the page's address."""
    handler = functools.partial(QuietHandler, directory=str(FOLDER))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}/tutorial_page.html"
        server.shutdown()
        thread.join()


@pytest.fixture
def prices() -> Iterator[tk.TickServer]:
    """Serve prices on port 8000, which the tutorial's page has written into it."""
    try:
        server = tk.serve(fetch_stock_prices, every=0.2, port=8000)
    except tk.PortTaken as error:
        if os.environ.get("TICKERKIT_REQUIRE_BROWSER") == "1":
            raise
        pytest.skip(f"the tutorial's page wants port 8000: {error}")
    with server:
        yield server


def test_the_page_is_the_tutorials() -> None:
    """The page speaks as the tutorial does, and knows nothing of tickerkit."""
    page = (FOLDER / "tutorial_page.html").read_text(encoding="utf-8")
    assert 'new WebSocket("ws://localhost:8000")' in page
    assert "JSON.parse(event.data)" in page
    assert "const stock of prices" in page
    assert ".innerText = `${stock.symbol}: $${stock.price}`" in page
    assert "tickerkit" not in page


def test_the_tutorials_page_lists_prices_that_move(
    chromium: Browser,
    artifacts: Path,
    page_address: str,
    prices: tk.TickServer,
    until: Callable[..., None],
) -> None:
    """The page, from a second local web server, lists each share once, with its newest price."""
    page = chromium.new_page(viewport={"width": 480, "height": 320})
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(page_address)
    page.wait_for_function(f"({LINES})().length === 3")
    first: list[str] = page.evaluate(LINES)
    assert [line.partition(": $")[0] for line in first] == ["AAPL", "MSFT", "NVDA"]
    page.wait_for_function(
        f"before => ({LINES})().every((line, i) => line !== before[i])", arg=first
    )
    page.screenshot(path=artifacts / "tutorial_page.png")
    shown = set(page.evaluate(LINES))
    sent = {f"{tick.symbol}: ${tick.price:g}" for tick in prices.log.frame().itertuples()}
    assert shown <= sent
    assert list(prices.clients["kind"]) == ["prices"]
    page.close()
    until(lambda: prices.clients.empty, what="the server forgets the page that was closed")
    assert faults == []
