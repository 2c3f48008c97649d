"""Tests of poll: a source that calls a function every few seconds."""

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
    """Poll a function a number of times; return what was sent and reported."""
    out = Kept(count)
    out.run(PollSource(func, SOON))
    return out


def test_results_are_sent_call_after_call() -> None:
    """Each result is sent unchanged."""
    calls = iter(range(100))
    out = polled(lambda: {**TICK, "n": next(calls)}, 5)
    assert out.sent == [{**TICK, "n": n} for n in range(5)]


def test_first_call_is_immediate() -> None:
    """With an hour between calls there is a price at once."""
    began = time.monotonic()
    out = Kept(1)
    out.run(tk.poll(lambda: TICK, every=3600))
    assert out.sent == [TICK]
    assert time.monotonic() - began < 5


def test_coroutine_functions_are_awaited() -> None:
    """A function that returns an awaitable works as well."""

    async def fetch() -> dict[str, Any]:
        await asyncio.sleep(0)
        return TICK

    assert polled(fetch, 2).sent == [TICK, TICK]
    assert polled(lambda: fetch(), 2).sent == [TICK, TICK]
    assert polled(functools.partial(fetch), 2).sent == [TICK, TICK]


def test_errors_are_reported_and_polling_continues() -> None:
    """The next call is made as if nothing had happened."""
    answers = iter([KeyError("gone"), TICK, SystemExit("leave"), asyncio.CancelledError(), TICK])

    def fetch() -> object:
        answer = next(answers)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    out = polled(fetch, 5)
    assert out.sent == [TICK, TICK]
    assert [type(error) for error in out.errors] == [KeyError, SystemExit, asyncio.CancelledError]


def test_cancelled_poll_reports_no_error() -> None:
    """It ends while the function awaits."""
    out = Kept()

    async def main() -> None:
        task = asyncio.create_task(PollSource(lambda: asyncio.sleep(60), 1).run(out))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert out.errors == []


def test_invalid_results_are_sent_too() -> None:
    """The server decides whether a result is a tick."""
    answers = iter([None, 17, "nonsense", [TICK]])
    assert polled(lambda: next(answers), 4).sent == [None, 17, "nonsense", [TICK]]


def test_calls_keep_their_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that a call takes doesn't add to the interval."""
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


def test_function_is_called_in_a_worker_thread() -> None:
    """It may block, since it isn't called in the server's or the caller's thread."""
    seen: list[threading.Thread] = []

    def fetch() -> dict[str, Any]:
        seen.append(threading.current_thread())
        return TICK

    with tk.serve(fetch, port=0) as server, tk.connect(server.url) as feed:
        feed.wait(1)
    assert seen[0].name == "tickerkit poll(fetch, every=10)"


@pytest.mark.parametrize("func", [None, 17, "text", TICK])
def test_only_a_function_can_be_polled(func: Any) -> None:
    """A result instead of a function is refused, with the likely reason."""
    with pytest.raises(SourceError, match="without calling it"):
        tk.poll(func)


@pytest.mark.parametrize("every", [0, -1, float("nan"), "5", None])
def test_every_must_be_above_zero(every: Any) -> None:
    """Zero, negative numbers, NaN and other types are refused."""
    with pytest.raises(SourceError, match="seconds above 0"):
        tk.poll(lambda: TICK, every=every)


def test_repr_names_the_function_and_the_interval() -> None:
    """It works for functions without a name, too."""

    def fetch_stock_prices() -> None:
        """Fetch nothing."""

    assert repr(tk.poll(fetch_stock_prices)) == "poll(fetch_stock_prices, every=10)"
    assert "every=2.5" in repr(tk.poll(functools.partial(fetch_stock_prices), every=2.5))
