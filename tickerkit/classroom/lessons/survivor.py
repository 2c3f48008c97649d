"""Exercise 4c: a client that connects again after each break, and waits in between."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from statistics import median
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tickerkit.classroom.faults import random_faults
from tickerkit.classroom.lessons.exercise import AnswerError, Exercise, Outcome
from tickerkit.classroom.lessons.judging import NO_FUNCTION, describe
from tickerkit.classroom.lessons.refusal import Refusal
from tickerkit.classroom.proxy import FaultProxy
from tickerkit.server import serve
from tickerkit.sources import simulate
from tickerkit.wire import Fault

__all__ = ["SURVIVOR"]

BREAKS = 5
# Of the connections, these are reset before the handshake is complete.
IN_HANDSHAKE = range(2, 5)
MIN_PAUSE_S = 0.02
MORE_MESSAGES = 3
RATE = 1000

SOLUTION = """
import random
import time

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect


def survive(url, take):
    wait = 0.05
    while True:
        try:
            with connect(url) as client:
                for message in client:
                    take(message)
                    wait = 0.05
        except (ConnectionClosed, InvalidHandshake, OSError):
            pass
        time.sleep(wait * random.uniform(0.5, 1))
        wait = min(1, 2 * wait)
"""

RETURNED = "Your function returned after a break. Connect again, in a loop without an end."
NOT_CAUGHT = "A break ended your client. Catch ConnectionClosed, and connect again."
NOT_CAUGHT_IN_HANDSHAKE = (
    "Connecting failed, and that ended your client. `connect` must be inside of `try`, too."
)
NO_WAIT = "It connects again at once, hundreds of times a second. Wait in between."
NOTHING_TAKEN = "Call take(message) for each message."

WRONG = {
    '''
from websockets.sync.client import connect
def survive(url, take):
    with connect(url) as client:
        for message in client:
            take(message)
''': NOT_CAUGHT,
    '''
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
def survive(url, take):
    with connect(url) as client:
        try:
            for message in client:
                take(message)
        except ConnectionClosed:
            return
''': RETURNED,
    '''
import time
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
def survive(url, take):
    while True:
        with connect(url) as client:
            try:
                for message in client:
                    take(message)
            except ConnectionClosed:
                pass
        time.sleep(0.05)
''': NOT_CAUGHT_IN_HANDSHAKE,
    SOLUTION.replace("        time.sleep(wait * random.uniform(0.5, 1))\n", ""): NO_WAIT,
    '''
def survive(url, take):
    return None
''': NOTHING_TAKEN,
}  # fmt: skip


class _EnoughError(BaseException):
    """Ends the student's client, which catches errors, but should not catch everything."""


class _Trial:
    """What a client does behind a proxy that breaks each of its connections."""

    def __init__(self) -> None:
        self.messages = 0
        self._after = 0
        self._begins: list[float] = []
        self.proxy: FaultProxy | None = None

    def plan(self, rng: Random) -> Sequence[Fault]:
        """Return the faults of the next connection."""
        self._begins.append(time.monotonic())
        if len(self._begins) in IN_HANDSHAKE:
            return [Fault("reset", rng.randrange(60))]
        return random_faults(rng)

    def take(self, message: object) -> None:
        """Take a message of the student's client; end the client when it has survived."""
        if not isinstance(message, str | bytes):
            raise Refusal("take() gets a message, as it came.", describe(message))
        self.messages += 1
        assert self.proxy is not None
        if self.proxy.broken >= BREAKS and len(self._begins) > BREAKS:
            self._after += 1
        if self._after > MORE_MESSAGES:
            raise _EnoughError

    def check_pauses(self) -> None:
        """Raise an error if the client did not wait after failed attempts."""
        pauses = [later - earlier for earlier, later in pairwise(self._begins)]
        failed = pauses[IN_HANDSHAKE.start - 1 : IN_HANDSHAKE.stop - 1]
        if failed and median(failed) < MIN_PAUSE_S:
            raise Refusal(NO_WAIT, f"pauses of {describe([round(each, 3) for each in failed])} s")

    @property
    def is_in_handshake(self) -> bool:
        """Whether the newest connection is one of those that end in the handshake."""
        return len(self._begins) in IN_HANDSHAKE


def _judge(answer: Any, rng: Random) -> Outcome:
    kind = f"a client that takes messages, and goes on after {BREAKS} breaks"
    if not callable(answer):
        return Outcome(False, 0, NO_FUNCTION, kind, describe(answer))
    trial = _Trial()
    source = simulate("AAPL", rate=RATE, seed=rng.randrange(2**16))
    with (
        serve(source, port=0) as server,
        FaultProxy(server.url, trial.plan, rng.randrange(2**16)) as proxy,
    ):
        trial.proxy = proxy
        try:
            _run(answer, f"{proxy.url}ticks", trial)
            trial.check_pauses()
        except Refusal as refusal:
            return refusal.make_outcome(proxy.broken if trial.messages else 0, kind)
        praise = f"{proxy.broken} breaks, and {trial.messages:,} messages came all the same."
    return Outcome(True, BREAKS, praise)


def _run(answer: Any, url: str, trial: _Trial) -> None:
    """Run the client until it has survived."""
    try:
        came = answer(url, trial.take)
        if inspect.iscoroutine(came):
            asyncio.run(came)
    except _EnoughError:
        return
    except AnswerError as error:
        if isinstance(error.error, _EnoughError):
            return
        if isinstance(error.error, Refusal):
            raise error.error from None
        _explain(error.error, trial)
        raise
    except Exception as error:  # of a coroutine
        _explain(error, trial)
        raise
    trial.check_pauses()
    if trial.messages:
        raise Refusal(RETURNED)
    raise Refusal(NOTHING_TAKEN, written=False)


def _explain(error: BaseException, trial: _Trial) -> None:
    """Raise a refusal if an error is that of a broken connection."""
    if isinstance(error, ConnectionClosed | InvalidHandshake | OSError | EOFError):
        said = NOT_CAUGHT_IN_HANDSHAKE if trial.is_in_handshake else NOT_CAUGHT
        raise Refusal(said, f"{type(error).__name__}: {error}") from None


SURVIVOR = Exercise(
    key="4c",
    task="survive(url, take): call take(message) for each message, whatever breaks.",
    judge=_judge,
    hints=(
        "An endless loop: connect, take messages until the connection ends, wait, again.",
        "Both `connect` and the loop over the messages belong inside of one `try`.",
        "Catch ConnectionClosed, InvalidHandshake and OSError; then time.sleep(0.05), and growing.",
    ),
    solution=SOLUTION,
    wrong=WRONG,
)
