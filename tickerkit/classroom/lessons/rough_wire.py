"""Rough wires: a student's client runs behind a proxy that breaks each of its connections."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from statistics import median
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tickerkit.classroom.faults import random_faults
from tickerkit.classroom.lessons.exercise import AnswerError
from tickerkit.classroom.lessons.judging import describe
from tickerkit.classroom.lessons.refusal import Refusal
from tickerkit.classroom.proxy import FaultProxy
from tickerkit.server import serve
from tickerkit.sources import simulate
from tickerkit.wire import Fault

__all__ = [
    "NOTHING_TAKEN",
    "NOT_CAUGHT",
    "NOT_CAUGHT_IN_HANDSHAKE",
    "NO_WAIT",
    "RETURNED",
    "RoughWire",
]

# Of the connections, these are reset before the handshake is complete.
IN_HANDSHAKE = range(2, 5)
MIN_PAUSE_S = 0.015
MORE_CALLS = 3
RATE = 1000

RETURNED = "Your function returned after a break. Connect again, in a loop without an end."
NOT_CAUGHT = "A break ended your client. Catch ConnectionClosed, and connect again."
NOT_CAUGHT_IN_HANDSHAKE = (
    "Connecting failed, and that ended your client. `connect` must be inside of `try`, too."
)
NO_WAIT = "It connects again at once, hundreds of times a second. Wait in between."
NOTHING_TAKEN = "Your function never called take()."


class _EndError(BaseException):
    """Ends the student's client, which catches errors, but should not catch everything."""


class RoughWire:
    """A server of ticks, and a proxy that breaks each connection to it.

    Args:
        breaks: how many breaks a client has to survive.

    Attributes:
        calls: how often the client has called `take`.
        broken: how many connections were broken.
    """

    def __init__(self, breaks: int) -> None:
        self.calls = self.broken = 0
        self._breaks, self._after = breaks, 0
        self._begins: list[float] = []
        self._refusal: Refusal | None = None

    def run(self, answer: Any, check: Callable[[Any], None], rng: Random) -> None:
        """Run a client until it has survived the breaks.

        Args:
            answer: the student's function; it gets the address of `/ticks`, and `take`.
            check: called with what the client takes; raises `Refusal` if that is wrong.
            rng: draws prices and faults.

        Raises:
            Refusal: the client ends, or takes what is wrong.
        """
        source = simulate("AAPL", rate=RATE, seed=rng.randrange(2**16))
        with (
            serve(source, port=0) as server,
            FaultProxy(server.url, self._plan, rng.randrange(2**16)) as proxy,
        ):

            def take(given: Any) -> None:
                self.calls += 1
                self.broken = proxy.broken
                try:
                    check(given)
                except Refusal as refusal:
                    self._refusal = refusal
                    raise _EndError from None
                # A later connection brings it, not what was on the way.
                self._after += self.broken >= self._breaks and len(self._begins) > self._breaks
                if self._after > MORE_CALLS:
                    raise _EndError

            try:
                self._call(answer, f"{proxy.url}ticks", take)
            finally:
                self.broken = proxy.broken

    def _call(self, answer: Any, url: str, take: Callable[[Any], None]) -> None:
        try:
            came = answer(url, take)
            if inspect.iscoroutine(came):
                asyncio.run(came)
        except _EndError:
            return self._judge_end()
        except AnswerError as error:
            if isinstance(error.error, _EndError):
                return self._judge_end()
            self._explain(error.error)
            raise
        except Exception as error:  # of a coroutine
            self._explain(error)
            raise
        self._check_pauses()
        if self.calls:
            raise Refusal(RETURNED)
        raise Refusal(NOTHING_TAKEN, written=False)

    def _judge_end(self) -> None:
        if self._refusal is not None:
            raise self._refusal
        self._check_pauses()

    def _plan(self, rng: Random) -> Sequence[Fault]:
        self._begins.append(time.monotonic())
        if len(self._begins) in IN_HANDSHAKE:
            return [Fault("reset", rng.randrange(60))]
        return random_faults(rng)

    def _check_pauses(self) -> None:
        pauses = [later - earlier for earlier, later in pairwise(self._begins)]
        failed = pauses[IN_HANDSHAKE.start - 1 : IN_HANDSHAKE.stop - 1]
        if failed and median(failed) < MIN_PAUSE_S:
            raise Refusal(NO_WAIT, f"pauses of {describe([round(each, 3) for each in failed])} s")

    def _explain(self, error: BaseException) -> None:
        """Raise a refusal if an error is that of a broken connection."""
        if isinstance(error, ConnectionClosed | InvalidHandshake | OSError | EOFError):
            is_late = len(self._begins) in IN_HANDSHAKE
            said = NOT_CAUGHT_IN_HANDSHAKE if is_late else NOT_CAUGHT
            raise Refusal(said, f"{type(error).__name__}: {error}") from None
