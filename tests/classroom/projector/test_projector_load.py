"""Projector under load: what passes is shown, or counted; nothing is lost in between."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from peers import LOCAL, dial, handshake
from soaks import soak
from websockets.exceptions import ConnectionClosed

import tickerkit as tk
from tickerkit.wire.header import make_frame

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

Until = Callable[..., None]
FRAME = make_frame(1, b'{"symbol": "AAPL", "price": 187.25}'.ljust(95), b"abcd")
BATCHES_PER_S = 50


@contextlib.contextmanager
def swallowing_server() -> Iterator[int]:
    """Answer a handshake, and read everything; yield the port."""
    with socket.create_server((LOCAL, 0)) as listener:

        def serve() -> None:
            peer, _ = listener.accept()
            with peer, contextlib.suppress(ConnectionError):
                peer.recv(65_536)
                peer.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
                while peer.recv(2**18):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join(10)


class Counter(threading.Thread):
    """Counts what a page gets over its websocket."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address.replace("http", "ws") + "socket"
        self.rows = self.left_out = 0
        self.next = 1
        self.start()

    def run(self) -> None:
        with dial(self.address, max_size=None) as page:
            page.send(json.dumps({"kind": "here", "page": "count", "from": 1}))
            with contextlib.suppress(ConnectionClosed):
                while True:
                    message = json.loads(page.recv())
                    assert message["start"] == self.next
                    self.next = message["stop"]
                    self.rows += len(message["rows"])
                    self.left_out += message["stop"] - message["start"] - len(message["rows"])


@pytest.mark.parametrize("per_s", [1_000, 20_000])
@pytest.mark.parametrize("seconds", [soak(120)])
def test_all_frames_are_shown_or_counted(
    chromium: Browser, per_s: int, seconds: int, until: Until
) -> None:
    """A thousand a second all have rows; of twenty thousand the others are counted exactly."""
    page = chromium.new_page()
    try:
        with swallowing_server() as port, tk.tap(f"ws://{LOCAL}:{port}/") as tap:
            page.goto(tap.projector)
            counter = Counter(tap.projector)
            with handshake(tap.port) as peer:
                until(lambda: len(tap.links) and tap.links["status"][0] == 101)
                due = time.monotonic()
                for _ in range(seconds * BATCHES_PER_S):
                    peer.sendall(FRAME * (per_s // BATCHES_PER_S))
                    due += 1 / BATCHES_PER_S
                    time.sleep(max(due - time.monotonic(), 0))
                sent = seconds * per_s
                until(lambda: counter.next == sent + 1)
                page.locator(".tk-numbers", has_text=f"{sent:,} frames").wait_for()
                shown = page.locator(".tk-numbers").inner_text()
            assert counter.rows + counter.left_out == sent
            if per_s == 1_000:
                assert counter.left_out == 0
                assert "not shown" not in shown
            else:
                assert "not shown" in shown
        counter.join(10)
    finally:
        page.close()
