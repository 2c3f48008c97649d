"""Makers and relays of a stream in this process: what they hold, and what the stream holds."""

from __future__ import annotations

import asyncio
from typing import Any

from peers import dial, receive

import tickerkit as tk
from tickerkit.brokers import NatsBroker
from tickerkit.log import Position
from tickerkit.protocol import Subscribe
from tickerkit.protocol.messages import encode
from tickerkit.streams import StreamMessage

__all__ = ["Script", "held", "prices", "read_stream", "resume", "row", "seqs"]


def row(price: float, symbol: str = "A", **more: Any) -> dict[str, Any]:
    """Return a tick."""
    return {"symbol": symbol, "price": price, **more}


def prices(first: int, last: int) -> list[dict[str, Any]]:
    """Return ticks whose prices count."""
    return [row(price) for price in range(first, last + 1)]


def held(log: tk.TickLog) -> list[dict[str, Any]]:
    """Return the ticks of a log with all that makes them equal to those of another log."""
    frame = log.frame().drop(columns="received").astype(object)
    rows: list[dict[str, Any]] = frame.where(frame.notna(), None).to_dict("records")
    return rows


def seqs(log: tk.TickLog) -> list[int]:
    """Return the seqs of a log."""
    found: list[int] = log.frame()["seq"].tolist()
    return found


def read_stream(url: str) -> list[StreamMessage]:
    """Return the messages that a stream holds."""

    async def work() -> list[StreamMessage]:
        async with NatsBroker(url) as broker:
            return [each.message async for each in broker.read(1, 10_000) if each.message]

    return asyncio.run(work())


def resume(server: tk.TickServer, epoch: str, seq: int) -> list[dict[str, Any]]:
    """Connect as a reader that stands elsewhere; return the messages after the hello.

    Raises:
        ConnectionClosed: the server closes the connection instead of an answer.
    """
    with dial(server.url, subprotocols=["tickerkit.v1"]) as peer:
        assert receive(peer)["type"] == "hello"
        peer.send(encode(Subscribe(None, Position(epoch, seq), None)).decode())
        messages = [receive(peer)]
        while messages[-1]["type"] not in ("at", "ticks"):
            messages.append(receive(peer))
        return messages


class Script(tk.Source):
    """A source that sends what a test wrote down.

    Args:
        *steps: ticks to send, and pairs for `gap`.
        ends: whether it ends then.
    """

    def __init__(self, *steps: Any, ends: bool = True) -> None:
        self.steps, self.ends = steps, ends

    async def run(self, out: tk.Outlet) -> None:
        for step in self.steps:
            await (out.gap(*step) if isinstance(step, tuple) else out.send(step))
        if not self.ends:
            await asyncio.Event().wait()
