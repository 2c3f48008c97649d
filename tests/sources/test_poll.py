"""poll: a source that asks a function every few seconds."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from peers import Kept

import tickerkit as tk
from tickerkit.errors import SourceError
from tickerkit.sources.poll import PollSource

TICK = {"symbol": "AAPL", "price": 187.25}
SOON = 0.001


def polled(func: Callable[[], object], count: int) -> Kept:
    """Poll a function so many times; return what came of it."""
    out = Kept(count)
    out.run(PollSource(func, SOON))
    return out


def test_the_function_is_called_at_once_and_again() -> None:
    """What it returns is handed on as it is, call after call."""
    calls = iter(range(100))
    out = polled(lambda: {**TICK, "n": next(calls)}, 5)
    assert out.sent == [{**TICK, "n": n} for n in range(5)]


def test_the_first_call_does_not_wait() -> None:
    """With an hour between two calls there is a first price now."""
    began = time.monotonic()
    out = Kept(1)
    out.run(tk.poll(lambda: TICK, every=3600))
    assert out.sent == [TICK]
    assert time.monotonic() - began < 5


def test_coroutine_functions_are_awaited() -> None:
    """An async function works as well, and so does one that returns an awaitable."""

    async def fetch() -> dict[str, Any]:
        await asyncio.sleep(0)
        return TICK

    assert polled(fetch, 2).sent == [TICK, TICK]
    assert polled(lambda: fetch(), 2).sent == [TICK, TICK]
    assert polled(functools.partial(fetch), 2).sent == [TICK, TICK]


def test_errors_are_reported_and_polling_goes_on() -> None:
    """A call that raises is reported, and the next one is made as if nothing had been."""
    answers = iter([KeyError("gone"), TICK, SystemExit("leave"), asyncio.CancelledError(), TICK])

    def fetch() -> object:
        answer = next(answers)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    out = polled(fetch, 5)
    assert out.sent == [TICK, TICK]
    assert [type(error) for error in out.errors] == [KeyError, SystemExit, asyncio.CancelledError]


def test_being_stopped_is_no_error() -> None:
    """Cancelled while the function awaits, it ends, and reports nothing."""
    out = Kept()

    async def main() -> None:
        task = asyncio.create_task(PollSource(lambda: asyncio.sleep(60), 1).run(out))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert out.errors == []


def test_whatever_it_returns_is_handed_on() -> None:
    """Whether it is a tick is for the server to say."""
    answers = iter([None, 17, "nonsense", [TICK]])
    assert polled(lambda: next(answers), 4).sent == [None, 17, "nonsense", [TICK]]


def test_calls_keep_their_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that a call takes does not add to the time between two calls."""
    clock, waits = [0.0], []
    sleep = asyncio.sleep

    async def wait(seconds: float) -> None:
        waits.append(round(seconds, 6))
        clock[0] += seconds
        await sleep(0)

    def fetch() -> dict[str, Any]:
        clock[0] += durations.pop(0)
        return TICK

    async def main() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: clock[0])
        monkeypatch.setattr(asyncio, "sleep", wait)
        await PollSource(fetch, 10).run(Kept(5))

    durations = [1.0, 2.0, 35.0, 1.0, 1.0]
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert waits == [9, 8, 0, 9, 9]


def test_a_function_that_blocks_is_called_in_a_thread_of_its_own() -> None:
    """A server polls in a worker thread, never in its own or the caller's."""
    seen: list[threading.Thread] = []

    def fetch() -> dict[str, Any]:
        seen.append(threading.current_thread())
        return TICK

    with tk.serve(fetch, port=0) as server, tk.connect(server.url) as feed:
        feed.wait(1)
    assert seen[0].name == "tickerkit poll(fetch, every=10)"


@pytest.mark.parametrize("func", [None, 17, "text", TICK])
def test_only_a_function_can_be_polled(func: Any) -> None:
    """A result in place of a function is refused, with the likely reason."""
    with pytest.raises(SourceError, match="without calling it"):
        tk.poll(func)


@pytest.mark.parametrize("every", [0, -1, float("nan"), "5", None])
def test_the_time_between_calls_is_above_zero(every: Any) -> None:
    """No time, a negative one, or what is none is refused."""
    with pytest.raises(SourceError, match="seconds above 0"):
        tk.poll(lambda: TICK, every=every)


def test_it_says_what_it_polls() -> None:
    """The repr names the function and the beat."""

    def fetch_stock_prices() -> None:
        """Fetch nothing."""

    assert repr(tk.poll(fetch_stock_prices)) == "poll(fetch_stock_prices, every=10)"
    assert "every=2.5" in repr(tk.poll(functools.partial(fetch_stock_prices), every=2.5))
