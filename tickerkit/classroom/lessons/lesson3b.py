"""Lesson 3b, server and client in a notebook: how long a busy cell silences a server."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from itertools import pairwise

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tickerkit.classroom.lessons.exercise import Exercise, Prediction
from tickerkit.classroom.lessons.small_server import SMALL_SERVER

__all__ = ["EXERCISES", "PREDICTIONS", "longest_pause"]

# Some messages more, so that the pause has an end.
AFTER_S = 0.6
RECEIVE_S = 10.0


async def longest_pause(url: str, compute: Callable[[], object]) -> float:
    """Listen in a thread while this cell computes; return the longest pause between messages.

    Args:
        url: the address of a server that sends all the time.
        compute: what the cell does meanwhile, without `await`.

    Returns:
        Seconds.
    """
    times: list[float] = []
    has_begun, is_over = threading.Event(), threading.Event()

    def listen() -> None:
        try:
            with connect(url) as client:
                while not is_over.is_set():
                    client.recv(RECEIVE_S)
                    times.append(time.monotonic())
                    has_begun.set()
        except ConnectionClosed:
            pass
        finally:
            has_begun.set()

    listening = asyncio.create_task(asyncio.to_thread(listen))
    await asyncio.to_thread(has_begun.wait)
    try:
        if not listening.done():  # it has connected
            compute()
        await asyncio.sleep(AFTER_S)
    finally:
        is_over.set()
        await listening
    return max((later - earlier for earlier, later in pairwise(times)), default=0.0)


EXERCISES: tuple[Exercise, ...] = (SMALL_SERVER,)

PREDICTIONS = {
    "3b1": Prediction(
        "Two clients of this server connect at the same moment. Do they get the same prices: yes "
        "or no?",
        "no",
        "Each client has its own coroutine, and each coroutine calls fetch_stock_prices by itself.",
    ),
    "3b2": Prediction(
        "Three clients are connected, and one sends a message. How many of the three get it?",
        3,
        "broadcast sends to every connection of the server, and the sender has one, too.",
    ),
    "3b3": Prediction(
        "A server on the kernel's loop sends 5 messages a second. A cell computes for 1.5 seconds. "
        "How long is the longest pause between two messages, in seconds?",
        1.5,
        "While a cell computes, the kernel's loop stands still, and with it the server.",
        near=0.4,
    ),
}
