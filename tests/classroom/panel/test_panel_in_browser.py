"""Panel in a real JupyterLab and a real browser: rows, bits, orders, and hostile payloads."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import Jupyter

pytest.importorskip("jupyterlab")
pytestmark = [pytest.mark.browser, pytest.mark.package, pytest.mark.timeout(240)]

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


def test_panel_shows_frames_and_gives_orders(
    jupyter: Jupyter, tmp_path: Path, artifacts: Path
) -> None:
    """Only rows in view are elements; payloads stay text; buttons and keys reach the tap."""
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
        lab.run("tap.stop()")
        page.get_by_role("button", name="Drop").click()
        page.locator(".tk-refused", has_text="call tk.tap again").wait_for()
        assert lab.failures() == []
        assert lab.errors == []
