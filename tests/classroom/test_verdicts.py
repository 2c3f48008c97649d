"""Verdicts: what real peers do with the frames that a tap corrupts: a package of npm, a browser."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from peers import dial, plain_server
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

import tickerkit as tk
from tickerkit.classroom import Tap
from tickerkit.wire import CLOSE, CORRUPTIONS, DIRECTIONS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Until = Callable[..., None]
MODULES = Path(__file__).parents[2] / ".ci" / "js" / "node_modules"
MESSAGE = '[{"symbol": "AAPL", "price": 187.25}]'
# After "length", a large message is read as headers, of which one is wrong. A peer that closes
# while unread data is left resets the connection, and its close frame may be lost.
MORE = [MESSAGE, "a" * 70_000]
AFTER_LENGTH = (1002, 1007, 1009, None)
# A browser has no other codes for what it refuses, and closes without one where it gives up.
IN_BROWSERS: dict[str, int | None] = {"utf8": 1002, "size": None}
SERVE = """
import { WebSocketServer } from "ws";
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, maxPayload: 2 ** 20 });
server.on("listening", () => console.log(server.address().port));
server.on("connection", (socket) => socket.on("error", () => {}));
"""
CONNECT = """
import WebSocket from "ws";
const [address, ...kinds] = process.argv.slice(2);
for (const kind of kinds) {
  const socket = new WebSocket(address, { maxPayload: 2 ** 20 });
  let count = 0;
  socket.on("open", () => socket.send(kind));
  socket.on("error", () => {});
  socket.on("message", () => { if (++count === 3) socket.close(); });
  await new Promise((resolve) => socket.on("close", resolve));
}
"""
BROWSE = """async ([address, kinds]) => {
  for (const kind of kinds) {
    const socket = new WebSocket(address);
    let count = 0;
    socket.onopen = () => socket.send(kind);
    socket.onmessage = () => { if (++count === 3) socket.close(); };
    await new Promise((resolve) => { socket.onclose = resolve; });
  }
}"""


@pytest.fixture(scope="module")
def node() -> str:
    """Return the path of Node.js; skip where it, or its package ws, is missing."""
    path = shutil.which("node")
    if path is None or not (MODULES / "ws").is_dir():
        pytest.skip("Node.js with the package ws was not found")
    return path


def write_script(folder: Path, source: str) -> Path:
    """Write a module that finds the package."""
    (folder / "node_modules").symlink_to(MODULES, target_is_directory=True)
    path = folder / "peer.mjs"
    path.write_text(source, encoding="utf-8")
    return path


def list_messages(kind: str) -> list[str]:
    """Return the messages to send, of which the first is corrupted."""
    return [MESSAGE, *MORE] if kind in ("length", "json") else [MESSAGE]


@contextlib.contextmanager
def corrupting_tap() -> Iterator[Tap]:
    """Put a tap on a server that has the next frame corrupted as the client asks, and sends."""
    taps: list[Tap] = []

    def answer(peer: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            kind = str(peer.recv())
            taps[0].corrupt(kind, "client")
            for message in list_messages(kind):
                peer.send(message)
            peer.recv()

    with plain_server(answer) as url, tk.tap(url) as tap:
        taps.append(tap)
        yield tap


def find_codes(tap: Tap, sender: str) -> list[int | None]:
    """Return the code with which each connection was closed by a peer; None without a frame."""
    frames = tap.frames()
    codes: list[int | None] = []
    for link in tap.links["link"]:
        is_close = (frames["link"] == link) & (frames["opcode"] == CLOSE)
        found = frames[is_close & (frames["toward"] != sender)]["payload"]
        payload = found.iloc[0] if len(found) else b""
        codes.append(int.from_bytes(payload[:2], "big") if payload else None)
    return codes


def check(codes: list[int | None], others: dict[str, int | None]) -> None:
    """Compare codes with those of the table, in its order; "json" stays open until the end."""
    for (kind, corruption), code in zip(CORRUPTIONS.items(), codes, strict=True):
        if kind == "length":
            assert code in AFTER_LENGTH, kind
        else:
            assert code == others.get(kind, corruption.close_code), kind


@pytest.mark.process
@pytest.mark.parametrize("toward", DIRECTIONS)
def test_package_of_npm_closes_as_the_table_says(
    node: str, tmp_path: Path, toward: str, until: Until
) -> None:
    """Both as the client and as the server."""
    if toward == "client":
        script = write_script(tmp_path, CONNECT)
        with corrupting_tap() as tap:
            subprocess.run([node, script, tap.url, *CORRUPTIONS], check=True, timeout=60)
            until(lambda: tap.links["ended"].str.len().all())
            check(find_codes(tap, "client"), {})
        return
    script = write_script(tmp_path, SERVE)
    with subprocess.Popen([node, script], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            with tk.tap(f"ws://127.0.0.1:{int(process.stdout.readline())}/") as tap:
                for number, kind in enumerate(CORRUPTIONS, 1):
                    with dial(tap.url) as peer, contextlib.suppress(ConnectionClosed, TimeoutError):
                        until(lambda count=number: len(tap.links) == count)
                        tap.corrupt(kind, "server")
                        for message in list_messages(kind):
                            peer.send(message)
                        peer.recv(0.5 if kind == "json" else 10)
                check(find_codes(tap, "server"), {"json": 1000})
        finally:
            process.terminate()


@pytest.mark.browser
def test_browser_closes_as_the_table_says(chromium: Browser, until: Until) -> None:
    """It has fewer codes than the RFC."""
    page = chromium.new_page()
    try:
        with corrupting_tap() as tap:
            page.evaluate(BROWSE, [tap.url, list(CORRUPTIONS)])
            until(lambda: tap.links["ended"].str.len().all())
            check(find_codes(tap, "client"), IN_BROWSERS)
    finally:
        page.close()
