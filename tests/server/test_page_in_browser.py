"""The server's page in a real browser."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from peers import dial

import tickerkit as tk

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

QUOTES = "() => [...document.querySelectorAll('#prices .quote')].map(e => e.innerText.trim())"
STATE = "() => document.querySelector('#state').dataset.state"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files without logging."""

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def server() -> Iterator[tk.TickServer]:
    """Return a server of simulated ticks."""
    with tk.serve(tk.simulate(["AAPL", "MSFT", "NVDA"], rate=20, seed=3), port=0) as server:
        yield server


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Return an empty page; errors of its scripts fail the test."""
    errors: list[str] = []
    page = chromium.new_page(viewport={"width": 900, "height": 700})
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


def test_page_lists_moving_prices(server: tk.TickServer, page: Page, artifacts: Path) -> None:
    """Each symbol is listed as `SYMBOL: $PRICE`, and the prices change."""
    page.goto(server.page)
    page.wait_for_function("() => document.querySelectorAll('#prices .quote').length === 3")
    first = page.evaluate(QUOTES)
    assert sorted(quote.split(": $")[0] for quote in first) == ["AAPL", "MSFT", "NVDA"]
    assert all(float(quote.split(": $")[1]) > 0 for quote in first)
    page.wait_for_function(f"before => JSON.stringify(({QUOTES})()) !== before", arg=_json(first))
    assert page.locator("#empty").is_hidden()
    page.screenshot(path=artifacts / "page.png")
    assert page.evaluate(STATE) == "live"


def test_page_shows_the_numbers_of_sensors(page: Page, artifacts: Path) -> None:
    """Without a price, the first number is shown like one; its name and the others are below."""
    with tk.serve(None, port=0) as server:
        page.goto(server.page)
        for temperature in (21, 21.5, 22.25, 22):
            sensor = {"symbol": "kitchen", "temperature": temperature, "humidity": 40}
            server.publish([sensor, {"symbol": "<b>", "<i>": 1.5}, {"symbol": "AAPL", "price": 1}])
        expected = ["kitchen: 22.00\ntemperature · humidity 40", "<b>: 1.5\n<i>", "AAPL: $1.00"]
        page.wait_for_function(
            f"expected => JSON.stringify(({QUOTES})()) === expected",
            arg=json.dumps(expected, ensure_ascii=False, separators=(",", ":")),
        )
        page.screenshot(path=artifacts / "page-sensors.png")


def test_page_fits_a_phone_and_dark_mode(
    server: tk.TickServer, chromium: Browser, artifacts: Path
) -> None:
    """On a narrow screen nothing is cut off, and a dark system gets a dark page."""
    page = chromium.new_page(viewport={"width": 390, "height": 800}, color_scheme="dark")
    page.goto(server.page)
    page.wait_for_function("() => document.querySelectorAll('#prices .quote').length === 3")
    page.screenshot(path=artifacts / "page-phone-dark.png")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    colour = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert sum(int(part) for part in colour[4:-1].split(",")[:3]) < 150
    page.close()


def test_page_reconnects_by_itself(server: tk.TickServer, page: Page) -> None:
    """It shows that the server is gone, and continues when the server is back."""
    page.goto(server.page)
    page.wait_for_function(f"() => ({STATE})() === 'live'")
    port = server.port
    server.stop()
    page.wait_for_function(f"() => ({STATE})() === 'reconnecting'")
    with tk.serve([{"symbol": "BACK", "price": 1.5}], port=port):
        page.wait_for_function(f"() => ({QUOTES})().includes('BACK: $1.50')")


def test_page_says_for_a_moment_that_the_server_was_started_again(page: Page) -> None:
    """The note goes by itself, and its element stays in the tree for screen readers."""
    page.clock.install()
    with tk.serve(None, port=0) as server:
        server.publish([{"symbol": "OLD", "price": 1.0}, {"symbol": "AAPL", "price": 2.0}])
        page.goto(server.page)
        page.wait_for_function(f"() => ({QUOTES})().includes('AAPL: $2.00')")
        assert page.get_by_role("status").count() == 2  # the state, and the empty note
        assert page.locator("#note-close").is_hidden()
        with tk.serve(None, port=server.port) as new:
            new.publish({"symbol": "AAPL", "price": 3.0})
            note = "The server was started again; prices go on from here."
            page.get_by_text(note).wait_for()
            page.wait_for_function(f"() => ({QUOTES})().includes('AAPL: $3.00')")
            page.clock.fast_forward(11_000)
            page.wait_for_function("() => document.querySelector('#note-text').innerText === ''")


def test_symbols_are_listed_in_the_order_given(page: Page) -> None:
    """A simulation begins with one tick of each symbol."""
    symbols = ["NVDA", "AAPL", "MSFT", "TSLA", "IBM"]
    with tk.serve(tk.simulate(symbols, rate=2, seed=5), port=0) as server:
        page.goto(server.page)
        page.wait_for_function("() => document.querySelectorAll('#prices .quote').length === 5")
        assert [quote.split(":")[0] for quote in page.evaluate(QUOTES)] == symbols


def test_page_uses_the_token_of_its_address(page: Page, artifacts: Path) -> None:
    """With the token in its address the page connects; without it, there is a box to enter it."""
    with tk.serve([{"symbol": "AAPL", "price": 2.0}], port=0, token="secret token/1") as server:
        page.goto(server.page)
        page.wait_for_function(f"() => ({QUOTES})().includes('AAPL: $2.00')")
        answer = page.goto(server.page.partition("?")[0])
        assert answer is not None
        assert answer.status == 401
        assert "requires a token" in page.inner_text("body")
        page.screenshot(path=artifacts / "token.png")
        page.get_by_label("Token").fill("wrong")
        page.keyboard.press("Enter")
        page.get_by_text("Wrong token").wait_for()
        page.get_by_label("Token").fill("secret token/1")
        page.get_by_role("button").click()
        page.wait_for_function(f"() => ({QUOTES})().includes('AAPL: $2.00')")


def test_page_shows_why_its_websocket_is_refused(page: Page) -> None:
    """A server with a new token closes with the reason; the page waits, and shows it."""
    with tk.serve(None, port=0, token="first") as server:
        server.publish({"symbol": "AAPL", "price": 2.0})
        page.goto(server.page)
        page.wait_for_function(f"() => ({QUOTES})().includes('AAPL: $2.00')")
        with tk.serve(None, port=server.port, token="second") as new:
            page.get_by_text("Wrong token").wait_for()
            page.wait_for_function(f"() => ({STATE})() === 'refused'")
            assert new.stats["turned_away"] == 1


@pytest.mark.parametrize("origin", ["file", "server"])
def test_page_of_any_origin_is_let_in_with_the_token(
    origin: str, page: Page, tmp_path: Path
) -> None:
    """A file or a page of another web server needs only the token; without it, it learns why."""
    script = """<ul id="out"></ul><script>
      const add = (text) => { out.appendChild(document.createElement("li")).innerText = text; };
      for (const address of ADDRESSES) {
        const socket = new WebSocket(address);
        socket.onmessage = (event) => add(JSON.parse(event.data)[0].symbol);
        socket.onclose = (event) => add(`${event.code} ${event.reason}`);
      }
    </script>"""
    with tk.serve(None, "0.0.0.0", port=0) as server, contextlib.ExitStack() as stack:
        server.publish({"symbol": "AAPL", "price": 2.0})
        addresses = [server.url, server.url.partition("?")[0]]
        file = tmp_path / "index.html"
        file.write_text(script.replace("ADDRESSES", repr(addresses)), encoding="utf-8")
        if origin == "file":
            page.goto(file.as_uri())
        else:
            handler = functools.partial(QuietHandler, directory=str(tmp_path))
            other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
            stack.enter_context(other)
            thread = threading.Thread(target=other.serve_forever)
            thread.start()
            stack.callback(thread.join)
            stack.callback(other.shutdown)
            page.goto(f"http://localhost:{other.server_port}/")
        page.get_by_text("AAPL", exact=True).wait_for()
        page.get_by_text("1008 This server requires a token").wait_for()


def test_page_reports_a_full_server_and_connects_later(page: Page) -> None:
    """A browser hides the 503 from its page; the server reports it by plain HTTP."""
    with tk.serve(None, port=0, max_clients=1) as server:
        server.publish({"symbol": "AAPL", "price": 2.0})
        with dial(server.url):
            page.goto(server.page)
            page.get_by_text("The server is full: 1 are connected.").wait_for()
        page.wait_for_function(f"() => ({QUOTES})().includes('AAPL: $2.00')")


def test_symbols_are_not_markup(page: Page) -> None:
    """A symbol that looks like HTML is listed as text, and no code in it runs."""
    symbol = "<img src=x onerror=document.title='hit'>"
    with tk.serve([{"symbol": symbol, "price": 1.0}], port=0) as server:
        page.goto(server.page)
        page.wait_for_function("() => document.querySelectorAll('#prices .quote').length === 1")
        assert page.evaluate(QUOTES) == [f"{symbol}: $1.00"]
        assert page.evaluate("() => document.querySelectorAll('#prices img').length") == 0
        assert page.title() != "hit"


def _json(value: list[str]) -> str:
    import json

    return json.dumps(value, separators=(",", ":"))
