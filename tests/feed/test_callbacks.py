"""callbacks: a function of the user's that is given each batch of new ticks."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator

import pandas as pd
import pytest
from cells import Kernel

import tickerkit as tk
from tickerkit.feed.callbacks import Callback
from tickerkit.log import TickLog
from tickerkit.ticks import read_ticks

Until = Callable[..., None]
Start = Callable[[Callable[[pd.DataFrame], object]], Callback]


@pytest.fixture
def log() -> TickLog:
    """Return an empty log."""
    return TickLog(1000)


@pytest.fixture
def start(log: TickLog) -> Iterator[Start]:
    """Return a function that begins a callback, which is stopped in the end."""
    callbacks: list[Callback] = []

    def begin(function: Callable[[pd.DataFrame], object]) -> Callback:
        callbacks.append(Callback(log, function))
        return callbacks[-1]

    yield begin
    for callback in callbacks:
        callback.stop()


def append(log: TickLog, *prices: float) -> None:
    """Append a tick for each price."""
    log.append(read_ticks([{"symbol": "A", "price": price} for price in prices]), received=1)


def test_each_tick_comes_once_as_a_frame(log: TickLog, start: Start, until: Until) -> None:
    """The function is given frames of what was appended since, in order."""
    append(log, 1)
    frames: list[pd.DataFrame] = []
    start(frames.append)
    for price in range(2, 52):
        append(log, price)
    until(lambda: sum(map(len, frames)) == 50)
    assert pd.concat(frames)["price"].tolist() == list(range(2, 52))
    assert list(frames[0].columns) == list(log.frame().columns)


def test_what_is_written_to_a_frame_stays_there(log: TickLog, start: Start, until: Until) -> None:
    """The function may change its frame; the log does not change with it."""
    done = threading.Event()

    def spoil(frame: pd.DataFrame) -> None:
        frame.loc[:, "price"] = -1.0
        done.set()

    start(spoil)
    append(log, 1, 2, 3)
    assert done.wait(5)
    assert log.frame()["price"].tolist() == [1, 2, 3]


def test_errors_are_counted_and_stop_nothing(log: TickLog, start: Start, until: Until) -> None:
    """What the function raises is told in words, and the next batch comes all the same."""
    seen: list[float] = []

    def fail(frame: pd.DataFrame) -> None:
        seen.extend(frame["price"])
        raise ValueError("no good")

    callback = start(fail)
    for price in range(3):
        append(log, price)
        until(lambda price=price: callback.faults.count == price + 1)
    assert seen == [0, 1, 2]
    assert callback.faults.last == "ValueError: no good"
    assert repr(callback) == "<Callback fail, 3 errors, last ValueError: no good>"


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_nothing_it_raises_ends_the_thread(
    error: type[BaseException],
    log: TickLog,
    start: Start,
    until: Until,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Even `sys.exit` in a callback is an error like any other, and nothing is printed."""
    calls: list[int] = []

    def leave(frame: pd.DataFrame) -> None:
        calls.append(len(frame))
        raise error

    callback = start(leave)
    append(log, 1)
    until(lambda: callback.faults.count == 1)
    append(log, 2)
    until(lambda: callback.faults.count == 2)
    assert calls == [1, 1]
    assert callback.faults.last == error.__name__
    assert capfd.readouterr() == ("", "")


def test_an_async_function_is_awaited(log: TickLog, start: Start, until: Until) -> None:
    """Coroutines run one after another, on one loop of the callback's own."""
    seen: list[float] = []
    loops = set()

    async def take(frame: pd.DataFrame) -> None:
        await asyncio.sleep(0.001)
        loops.add(asyncio.get_running_loop())
        seen.extend(frame["price"])
        if 3 in frame["price"].to_numpy():
            raise ValueError("three")

    callback = start(take)
    for price in range(10):
        append(log, price)
    until(lambda: len(seen) == 10)
    assert seen == list(range(10))
    assert len(loops) == 1
    until(lambda: callback.faults.count == 1)
    callback.stop()
    assert loops.pop().is_closed()


def test_a_slow_function_gets_larger_batches(log: TickLog, start: Start, until: Until) -> None:
    """What comes while it is busy gathers, and is handed on at once: never a queue."""
    batches: list[int] = []
    busy, release = threading.Event(), threading.Event()

    def take(frame: pd.DataFrame) -> None:
        batches.append(len(frame))
        busy.set()
        release.wait(20)

    start(take)
    append(log, 0)
    assert busy.wait(5)
    for price in range(1, 500):
        append(log, price)
    release.set()
    until(lambda: sum(batches) == 500)
    assert batches == [1, 499]


def test_what_it_was_too_slow_for_is_told(start: Start, until: Until) -> None:
    """Ticks that the log dropped before they came to the function are counted, not hidden."""
    log = TickLog(10)
    busy, release = threading.Event(), threading.Event()
    seen: list[float] = []

    def take(frame: pd.DataFrame) -> None:
        seen.extend(frame["price"])
        busy.set()
        release.wait(20)

    callback = Callback(log, take)
    append(log, 0)
    assert busy.wait(5)
    for price in range(1, 1011):
        append(log, price)
    release.set()
    until(lambda: len(seen) == 11)
    callback.stop()
    assert callback.faults.count == 1000
    assert callback.faults.last.startswith("1,000 ticks were dropped")


def test_stop_hands_on_what_there_is_and_no_more(log: TickLog, start: Start) -> None:
    """After stop the function is not called again, and stopping twice is no complaint."""
    seen: list[float] = []
    callback = start(lambda frame: seen.extend(frame["price"]))
    append(log, 1)
    callback.stop()
    append(log, 2)
    callback.stop()
    assert seen == [1]
    assert not any("lambda" in each.name for each in threading.enumerate())


def test_any_callable_will_do(log: TickLog, start: Start, until: Until) -> None:
    """A callable without a name is called as well."""

    class Taker:
        ticks = 0

        def __call__(self, frame: pd.DataFrame) -> None:
            self.ticks += len(frame)

    taker = Taker()
    callback = start(taker)
    append(log, 1, 2)
    until(lambda: taker.ticks == 2)
    assert "Taker" in repr(callback)


def test_an_endless_error_is_not_endless_in_the_repr(
    log: TickLog, start: Start, until: Until
) -> None:
    """The repr stays one line of reasonable length."""

    def fail(_: pd.DataFrame) -> None:
        raise ValueError("line\n" * 10_000)

    callback = start(fail)
    append(log, 1)
    until(lambda: callback.faults.count)
    assert len(repr(callback)) < 500
    assert "\n" not in repr(callback)
    assert sys.getsizeof(callback.faults.last) < 1000


def test_one_that_replaces_another_misses_nothing(
    kernel: Kernel, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes between the end of the one and the start of the other is for the other."""
    seen: list[float] = []
    with tk.serve(port=0) as server, tk.connect(server.url) as feed:

        def stop_late(callback: Callback) -> None:
            stop(callback)
            server.publish({"symbol": "A", "price": 2})
            feed.wait(1)

        kernel.run("cell")
        feed.on_ticks(lambda frame: seen.extend(frame["price"]))
        server.publish({"symbol": "A", "price": 1})
        feed.wait(1)
        kernel.run("cell")
        with monkeypatch.context() as patch:
            stop = Callback.stop
            patch.setattr(Callback, "stop", stop_late)
            second = feed.on_ticks(lambda frame: seen.extend(frame["price"]))
        until(lambda: seen == [1, 2])
        second.stop()
        server.publish({"symbol": "A", "price": 3})
        feed.wait(1)
        kernel.run("cell")
        feed.on_ticks(lambda frame: seen.extend(frame["price"]))
        server.publish({"symbol": "A", "price": 4})
        until(lambda: len(seen) == 3)
    assert seen == [1, 2, 4], "one that the user has stopped is not replaced"
