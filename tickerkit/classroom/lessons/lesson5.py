"""Lesson 5, nothing lost: a client that counts what it loses, and one that does not read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from tickerkit.classroom.lessons.across_gaps import ACROSS_GAPS
from tickerkit.classroom.lessons.exercise import Exercise, Prediction
from tickerkit.classroom.lessons.holes import HOLES
from tickerkit.classroom.lessons.resuming import RESUMING

__all__ = ["EXERCISES", "PREDICTIONS", "collect", "read_nothing"]

MAX_S = 8.0
PAUSE_S = 0.05
RECEIVE_S = 5.0


def collect(url: str, ticks: int) -> list[int]:
    """Return the numbers of the next ticks, as a client gets them that only connects again.

    Args:
        url: the address of `/ticks`.
        ticks: how many to get; fewer come if that takes longer than 8 seconds.
    """
    seqs: list[int] = []
    deadline = time.monotonic() + MAX_S
    while len(seqs) < ticks and time.monotonic() < deadline:
        try:
            with connect(url) as client:
                while len(seqs) < ticks:
                    data = json.loads(client.recv(RECEIVE_S))
                    seqs += [tick["seq"] for tick in data if isinstance(data, list)]
        except (ConnectionClosed, InvalidHandshake, OSError):
            time.sleep(PAUSE_S)
    return seqs[:ticks]


@contextmanager
def read_nothing(url: str) -> Iterator[None]:
    """Be connected, and read no message until the end of the block.

    Args:
        url: the address.
    """
    # A queue of one message: the library stops reading from the socket.
    with connect(url, max_queue=1, ping_interval=None, close_timeout=PAUSE_S):
        yield


EXERCISES: tuple[Exercise, ...] = (HOLES, RESUMING, ACROSS_GAPS)

PREDICTIONS = {
    "5p1": Prediction(
        "A client loses its connection and comes back some times in a second. Does it get all "
        "ticks: yes or no?",
        "no",
        "Without saying where it was, it gets what comes from now on.",
    ),
    "5p2": Prediction(
        "A client has tick 5. The server holds the newest 100 ticks and has just made tick 400. "
        "How many ticks are lost for the client?",
        295,
        "The server still has 301 to 400. Lost are 6 to 300: 295 ticks.",
    ),
    "5p3": Prediction(
        "One client reads nothing. Do the other clients get their prices later than before: yes or "
        "no?",
        "no",
        "Each client has its own place in the log. A slow one only falls behind by itself.",
    ),
}
