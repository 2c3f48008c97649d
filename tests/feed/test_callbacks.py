"""Tests of callbacks: a user's function that gets each batch of new ticks."""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest
from cells import Kernel

import tickerkit as tk
from tickerkit.errors import InvalidArgument
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
    """Return a function that starts a callback, which is stopped after the test."""
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


def test_callback_gets_each_new_tick_once(log: TickLog, start: Start, until: Until) -> None:
    """The function gets frames of the ticks appended since it was added, in order."""
    append(log, 1)
    frames: list[pd.DataFrame] = []
    start(frames.append)
    for price in range(2, 52):
        append(log, price)
    until(lambda: sum(map(len, frames)) == 50)
    assert pd.concat(frames)["price"].tolist() == list(range(2, 52))
    assert list(frames[0].columns) == list(log.frame().columns)


def test_writing_to_a_frame_does_not_change_the_log(
    log: TickLog, start: Start, until: Until
) -> None:
    """The function may change its frame."""
    done = threading.Event()

    def spoil(frame: pd.DataFrame) -> None:
        frame.loc[:, "price"] = -1.0
        done.set()

    start(spoil)
    append(log, 1, 2, 3)
    assert done.wait(5)
    assert log.frame()["price"].tolist() == [1, 2, 3]


def test_callback_error_is_counted_and_stops_nothing(
    log: TickLog, start: Start, until: Until
) -> None:
    """The error is kept as text, and the function gets the next batch all the same."""
    seen: list[float] = []

    def fail(frame: pd.DataFrame) -> None:
        seen.extend(frame["price"])
        raise ValueError("no good")

    callback = start(fail)
    for price in range(3):
        append(log, price)
        until(lambda price=price: callback.faults.count == price + 1)
    assert seen == [0, 1, 2]
    line = fail.__code__.co_firstlineno + 2
    last = f"ValueError: no good (test_callbacks.py, line {line})"
    assert callback.faults.last == last
    assert repr(callback) == f"<Callback fail failing, 3 errors, last {last}>"


def test_card_of_a_failing_callback_shows_the_traceback(
    log: TickLog, start: Start, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    """The traceback begins at the user's function; the log has it once."""

    def average(frame: pd.DataFrame) -> object:
        return frame["<prcie>"].mean() if fails else None

    fails = True
    callback = start(average)
    for price in range(3):
        append(log, price)
        until(lambda price=price: callback.faults.count == price + 1)
    card = callback._repr_html_()
    line = average.__code__.co_firstlineno + 1
    assert f"KeyError: &#x27;&lt;prcie&gt;&#x27; (test_callbacks.py, line {line})" in card
    assert "failing" in card
    _, _, shown = card.partition("Traceback (most recent call last):")
    assert "frame[&quot;&lt;prcie&gt;&quot;].mean()" in shown
    assert "tickerkit/feed" not in shown
    assert [record.exc_info is not None for record in caplog.records] == [True]
    assert caplog.records[0].getMessage().startswith("on_ticks(average): KeyError")
    fails = False
    append(log, 9)
    until(lambda: callback.status == "running")
    callback.stop()
    assert callback.status == "stopped"
    assert "prcie" in callback._repr_html_(), "the error stays readable"


def test_error_raised_by_tickerkit_in_a_callback_names_the_line(
    log: TickLog, start: Start, until: Until
) -> None:
    """A callback that uses tickerkit wrongly is told where."""
    callback = start(lambda _: log.rows().array("no such column"))
    append(log, 1)
    until(lambda: callback.faults.count)
    assert "(test_callbacks.py, line " in callback.faults.last
    assert "no such column" in callback.faults.last_traceback


def yield_nothing(frame: pd.DataFrame) -> Iterator[None]:
    """Yield once: a call of it runs nothing."""
    yield None


@pytest.mark.parametrize(
    "function",
    [
        "x",
        None,
        5,
        [print],
        lambda: 1,
        lambda frame, other: None,
        yield_nothing,
        functools.partial(lambda frame: None, 1),
    ],
)
def test_function_that_cannot_take_a_frame_is_refused(function: Any) -> None:
    """The error names the argument at once, and no thread is started."""
    with tk.serve(port=0) as server, tk.connect(server.url) as feed:
        with pytest.raises(InvalidArgument, match="callback=") as raised:
            feed.on_ticks(function)
        assert raised.value.argument == "callback"
        assert not feed._state.callbacks


def test_feed_names_the_newest_error_of_its_callbacks(until: Until) -> None:
    """The repr, the card and the stats name the error of the callback that failed last."""

    def fail(frame: pd.DataFrame) -> None:
        raise ValueError(f"no {frame['symbol'].iloc[-1]}")

    with tk.serve(port=0) as server, tk.connect(server.url) as feed:
        feed.on_ticks(lambda frame: frame.missing if "A" in set(frame["symbol"]) else None)
        feed.on_ticks(lambda frame: fail(frame) if "B" in set(frame["symbol"]) else None)
        for symbol, error in [("A", "AttributeError"), ("B", "ValueError: no B (test_callbacks")]:
            server.publish({"symbol": symbol, "price": 1})
            until(lambda error=error: error in feed.stats["last_error"])
            assert f"; last error: {feed.stats['last_error']}>" in repr(feed)
            assert error in feed._repr_html_()


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_callback_that_exits_does_not_end_its_thread(
    error: type[BaseException],
    log: TickLog,
    start: Start,
    until: Until,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """`sys.exit` in a callback is counted like any other error, and nothing is printed."""
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
    assert callback.faults.last.startswith(f"{error.__name__} (test_callbacks.py, line ")
    assert capfd.readouterr() == ("", "")


def test_coroutine_function_is_awaited(log: TickLog, start: Start, until: Until) -> None:
    """Coroutines run one after another, on one event loop of the callback."""
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


def test_slow_callback_gets_larger_batches(log: TickLog, start: Start, until: Until) -> None:
    """Ticks that arrive during a call are in the next one: they never queue as batches."""
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


def test_ticks_dropped_before_a_callback_are_counted(start: Start, until: Until) -> None:
    """Ticks that the log drops before the function gets them are counted as errors."""
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


def test_stop_calls_the_function_a_last_time(log: TickLog, start: Start) -> None:
    """It gets the ticks that have arrived, and none after; stop is idempotent."""
    seen: list[float] = []
    callback = start(lambda frame: seen.extend(frame["price"]))
    append(log, 1)
    callback.stop()
    append(log, 2)
    callback.stop()
    assert seen == [1]
    assert not any("lambda" in each.name for each in threading.enumerate())


def test_callable_without_a_name_is_called(log: TickLog, start: Start, until: Until) -> None:
    """Any callable can be a callback."""

    class Taker:
        ticks = 0

        def __call__(self, frame: pd.DataFrame) -> None:
            self.ticks += len(frame)

    taker = Taker()
    callback = start(taker)
    append(log, 1, 2)
    until(lambda: taker.ticks == 2)
    assert "Taker" in repr(callback)


def test_long_error_is_shortened_in_the_repr(log: TickLog, start: Start, until: Until) -> None:
    """The repr stays one line of reasonable length."""

    def fail(_: pd.DataFrame) -> None:
        raise ValueError("line\n" * 10_000)

    callback = start(fail)
    append(log, 1)
    until(lambda: callback.faults.count)
    assert len(repr(callback)) < 500
    assert "\n" not in repr(callback)
    assert sys.getsizeof(callback.faults.last) < 1000


def test_callback_that_replaces_another_misses_nothing(
    kernel: Kernel, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ticks that arrive between the end of one and the start of the other go to the other."""
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
