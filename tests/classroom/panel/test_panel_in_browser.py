"""Panel in a real browser: rows, bits, orders, and hostile payloads; and so in JupyterLab."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lab import Jupyter
from page_sides import show_page_side
from peers import dial, echo, plain_server

import tickerkit as tk
from tickerkit.classroom import Tap
from tickerkit.classroom.panel import widget

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

Until = Callable[..., None]
RECEIVE = """([message, buffers]) => window.receive(
    message, buffers.map((bytes) => new DataView(new Uint8Array(bytes).buffer)),
)"""
# Runs code in the notebook's kernel, and does not wait.
BEGIN = """code => {
    const { sessionContext } = window.jupyterapp.shell.currentWidget.context;
    const { done } = sessionContext.session.kernel.requestExecute({ code });
    done.then(() => { window.hasEnded = true; });
}"""
HOSTILE = "<img src=x onerror=alert(1)>\u202e\x00[31m"
SHOWN = "<img src=x onerror=alert(1)>⟨U+202E⟩⟨00⟩[31m"

CELL = """
import contextlib, threading
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import serve
import tickerkit as tk

def echo(peer):
    with contextlib.suppress(ConnectionClosed):
        for message in peer:
            peer.send(message)

server = serve(echo, "127.0.0.1", 0)
threading.Thread(target=server.serve_forever, daemon=True).start()
tap = tk.tap("ws://127.0.0.1:%d/" % server.socket.getsockname()[1])
peer = connect(tap.url, proxy=None).__enter__()

def ask(text):
    peer.send(text)
    return peer.recv(5)

hostile = ask("<img src=x onerror=alert(1)>\\u202e\\x00[31m")
for number in range(100):
    ask('{"symbol": "AAPL", "price": %d}' % number)
tap
"""
ROWS = ".tk-space .tk-row"


class Shown:
    """A panel and its page, without a notebook: `exchange` carries the messages between them."""

    def __init__(self, tap: Tap, page: Page) -> None:
        self.panel, self.page = tap._make_panel(), page
        self._sent: list[tuple[Any, Any]] = []
        self.panel.send = lambda content, buffers=None: self._sent.append((content, buffers or []))
        show_page_side(page, widget.Panel)

    def exchange(self) -> bool:
        """Carry the messages of both sides; return True."""
        for message in self.page.evaluate("() => window.sent.splice(0)"):
            self.panel._handle_message(None, message, [])
        self.panel.flush()
        for content, buffers in self._sent:
            self.page.evaluate(RECEIVE, [content, [list(each) for each in buffers]])
        self._sent.clear()
        return True

    def has(self, selector: str, text: str) -> bool:
        """Exchange messages; return whether an element with a text is in the page."""
        return self.exchange() and self.page.locator(selector, has_text=text).count() > 0


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Open an empty page."""
    page = chromium.new_page()
    yield page
    page.close()


def test_page_shows_rows_in_view_and_gives_orders(
    page: Page, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """Only rows in view are elements; payloads stay text; keys and refusals work."""
    monkeypatch.setattr(widget.SENDER, "request", lambda _: None)
    with plain_server(echo) as url, tk.tap(url) as tap, dial(tap.url) as peer:
        for text in (HOSTILE, *(f'{{"symbol": "AAPL", "price": {n}}}' for n in range(100))):
            peer.send(text)
            peer.recv(5)
        shown = Shown(tap, page)
        until(lambda: shown.has(ROWS, '"price": 99}'))
        assert 10 < page.locator(ROWS).count() < 40

        search = page.get_by_label("filter of frames")
        search.fill('opcode == text and not "AAPL" and mask')
        page.locator(ROWS, has_text=SHOWN).click()
        until(lambda: shown.has("h5", "unmasked"))
        until(lambda: shown.has(".tk-facts", "one read of the tap"))
        assert page.locator(".tk-box .tk-name").all_inner_texts() == [
            *("FIN", "RSV1", "RSV2", "RSV3", "opcode", "MASK", "length", "masking key", "payload"),
        ]
        assert page.locator(".tk-panel img").count() == 0
        search.fill("opcod == 9")
        assert "Unknown field opcod" in page.get_by_role("alert").inner_text()
        search.fill("")

        page.locator(".tk-scroller").press("Space")
        until(lambda: shown.has("button", "Run"))
        peer.send("held")
        until(lambda: shown.has(".tk-numbers", "held 1"))
        page.locator(".tk-scroller").press("n")
        until(lambda: shown.has(ROWS, "held for"))
        tap.stop()
        page.get_by_role("button", name="Drop").click()
        until(lambda: shown.has(".tk-refused", "call tk.tap again"))
        shown.panel.close()


@pytest.mark.package
def test_panel_shows_frames_and_gives_orders(
    jupyter: Jupyter, tmp_path: Path, artifacts: Path
) -> None:
    """Only rows in view are elements; payloads stay text; buttons and keys reach the tap."""
    pytest.importorskip("jupyterlab")
    with jupyter.open(CELL, tmp_path) as lab:
        lab.run_all()
        page = lab.page
        page.locator(".tk-numbers", has_text="202 frames").wait_for()
        page.locator(ROWS, has_text='"price": 99}').last.wait_for()
        assert 10 < page.locator(ROWS).count() < 40

        search = page.get_by_label("filter of frames")
        search.fill('opcode == text and not "AAPL" and mask')
        page.locator(ROWS, has_text="<img src=x onerror=alert(1)>⟨U+202E⟩⟨00⟩[31m").click()
        page.locator("h5", has_text="inflated").wait_for()  # the whole frame has come
        assert page.locator(".tk-box .tk-name").all_inner_texts() == [
            *("FIN", "RSV1", "RSV2", "RSV3", "opcode", "MASK", "length", "masking key", "payload"),
        ]
        page.screenshot(path=artifacts / "panel.png", clip=page.locator(".tk-panel").bounding_box())
        assert page.locator(".tk-panel img").count() == 0
        page.get_by_label("ladder").check()
        page.locator(".tk-ladder").wait_for()
        assert not page.locator(".tk-head", has_text="opcode").get_by_text("mask").is_visible()
        page.get_by_label("ladder").uncheck()
        search.fill("opcod == 9")
        page.get_by_role("alert").filter(has_text="Unknown field opcod").wait_for()
        search.fill("")

        page.locator(".tk-scroller").press("Space")
        page.get_by_role("button", name="Run", exact=True).wait_for()
        lab.run("peer.send('held')")
        page.locator(".tk-numbers", has_text="held 1").wait_for()
        page.locator(".tk-scroller").press("n")
        page.locator(ROWS, has_text="held for").wait_for()

        # A button works while the kernel is busy: until it has worked.
        page.evaluate(BEGIN, "while tap.status == 'holding': pass")
        page.get_by_role("button", name="Run", exact=True).click()
        page.wait_for_function("() => window.hasEnded")
        lab.run("tap.stop()")
        page.get_by_role("button", name="Drop").click()
        page.locator(".tk-refused", has_text="call tk.tap again").wait_for()
        assert lab.failures() == []
        assert lab.errors == []
