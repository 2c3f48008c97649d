"""Lesson 4, when the wire breaks: how connections end, and when clients come back."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tickerkit.classroom.lessons.back_off import BACK_OFF
from tickerkit.classroom.lessons.diagnosis import DIAGNOSIS
from tickerkit.classroom.lessons.exercise import Exercise, Prediction
from tickerkit.classroom.lessons.survivor import SURVIVOR

__all__ = ["EXERCISES", "PREDICTIONS", "how_it_ends", "show_crowd"]

RECEIVE_S = 5.0
CLOSE_S = 0.2
CLIENTS = 30
CROWD_S = 8
# Finer than the jitter of a first wait of about a second, or its bar would look like no jitter.
STEPS_A_SECOND = 4

# What the client notes of itself would appear below the cell, beside what `how_it_ends` returns.
_LOGGER = logging.getLogger("tickerkit.lessons.client")
_LOGGER.disabled = True


def how_it_ends(
    url: str,
    end: Callable[..., object] | None = None,
    *arguments: Any,
    wait: float = 1.5,
    ping: float | None = None,
) -> str:
    """Connect as a plain client, break the connection, and return what the client sees.

    Args:
        url: the address.
        end: breaks the connection; called after the first message. None to break nothing.
        arguments: what `end` is called with.
        wait: how many seconds to look at it.
        ping: send a ping each so many seconds, and expect its pong within the same time; None to
            send none.
    """
    options: dict[str, Any] = {"ping_interval": ping, "ping_timeout": ping}
    with connect(url, close_timeout=CLOSE_S, logger=_LOGGER, **options) as client:
        client.recv(RECEIVE_S)
        if end is not None:
            end(*arguments)
        begin, count = time.monotonic(), 0
        try:
            while (left := begin + wait - time.monotonic()) > 0:
                client.recv(left)
                count += 1
        except TimeoutError:
            pass
        except ConnectionClosed as error:
            return f"code {client.close_code} after {time.monotonic() - begin:.1f} s: {error}"
    return f"still open after {wait:g} s, {count} messages came"


def show_crowd(delays: Callable[[int], Sequence[float]], clients: int = CLIENTS) -> None:
    """Print when clients come back to a server that all of them lost at the same moment.

    Args:
        delays: returns the waits of one client before its attempts, in seconds.
        clients: how many there are.
    """
    attempts: Counter[int] = Counter()
    for _ in range(clients):
        at = 0.0
        for wait in delays(CROWD_S * STEPS_A_SECOND):
            at += wait
            attempts[int(at * STEPS_A_SECOND)] += 1
    for step in range(CROWD_S * STEPS_A_SECOND):
        count = attempts[step]
        print(f"{step / STEPS_A_SECOND:5.2f} s {'█' * count} {count or ''}")


EXERCISES: tuple[Exercise, ...] = (DIAGNOSIS, BACK_OFF, SURVIVOR)

PREDICTIONS = {
    "4p1": Prediction(
        "The connection is reset: there is no close frame. Which close code does the program "
        "report?",
        1006,
        "1006 is never on the wire. It stands for: no close frame came.",
    ),
    "4p2": Prediction(
        "A text message has a byte 0xFF in it, which is no UTF-8. With which code does the client "
        "close?",
        1007,
        "1007 means that the payload is invalid. 1002 is for frames that break the protocol.",
    ),
    "4p3": Prediction(
        "Everything is held back, and the client sends no pings. Will it notice within "
        "1.5 seconds: yes or no?",
        "no",
        "Nothing tells it. TCP itself is silent when there is nothing to send.",
    ),
    "4p4": Prediction(
        "30 clients lose their server. Each waits 1 s, then 2 s, then 4 s. How many come at the "
        "same moment?",
        30,
        "They were cut off together, and they wait the same, so they come back together.",
    ),
}
