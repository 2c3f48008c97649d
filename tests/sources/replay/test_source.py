"""Replaying a recording: what is sent, and when, in a world whose clock only sleeping moves."""

from __future__ import annotations

import asyncio
import math
import pickle
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickerkit.errors import SourceError, Stopped, TickerkitError
from tickerkit.log import TickLog
from tickerkit.runtime.workers import Worker
from tickerkit.sources.replay.source import ReplaySource, replay
from tickerkit.storage import write_csv
from tickerkit.ticks import NO_TIME, Batch, read_ticks

Until = Callable[..., None]
S = 10**9
T0 = 1_763_000_000 * S


def recording(times_s: list[float] | np.ndarray[Any, Any], **more: object) -> pd.DataFrame:
    """Return a frame with ticks at these seconds after `T0`, priced 0, 1, 2, ..."""
    stamps = T0 + np.round(np.asarray(times_s, dtype=float) * S).astype(np.int64)
    columns = {
        "time": pd.to_datetime(stamps, utc=True),
        "symbol": "AAPL",
        "price": np.arange(len(stamps), dtype=float),
    }
    return pd.DataFrame({**columns, **more})


class World:
    """A clock that only sleeping moves, readers as told, and all that was sent with its time."""

    def __init__(self, *, late_s: float = 0.0, readers_come_after_s: float = 0.0) -> None:
        self.now = 5 * S
        self.late_s = late_s
        self.readers_come_after_s = readers_come_after_s
        self.events: list[str] = []
        self.sent: list[tuple[float, Batch]] = []

    def clock(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> Awaitable[object]:
        assert seconds > 0
        self.now += math.ceil((seconds + self.late_s) * S)
        return asyncio.sleep(0)

    async def send(self, ticks: object) -> None:
        assert isinstance(ticks, Batch)
        self.events.append("send")
        self.sent.append((self.now / S - 5, ticks))

    async def gap(self, count: int | None, reason: str) -> None:
        self.events.append(f"gap {count} {reason}")

    async def wait_for_readers(self, count: int) -> None:
        self.events.append(f"readers {count}")
        self.now += round(self.readers_come_after_s * S)

    async def wait_until_read(self, max_behind: int) -> None:
        self.events.append(f"read {max_behind}")

    def report(self, error: BaseException) -> None:
        raise error

    def run(self, given: Any, speed: float = 1.0, wait_for: int = 0) -> list[tuple[float, int]]:
        """Replay until the end; return when each batch went out, and how many it had."""
        source = ReplaySource(given, speed, wait_for, clock=self.clock, sleep=self.sleep)
        asyncio.run(source.run(self))
        return [(round(at, 6), batch.count) for at, batch in self.sent]

    @property
    def prices(self) -> list[float]:
        """The prices of all that was sent, in order."""
        return [x for _, batch in self.sent for x in np.asarray(batch.columns["price"]).tolist()]


# --- when -----------------------------------------------------------------------------------------


def test_ticks_come_as_far_apart_as_recorded() -> None:
    """The first comes at once, each other when its time has passed; times stay as recorded."""
    world = World()
    assert world.run(recording([0, 1, 1.5, 60])) == [(0, 1), (1, 1), (1.5, 1), (60, 1)]
    assert [int(batch.time[0]) - T0 for _, batch in world.sent] == [0, S, 1.5 * S, 60 * S]


@pytest.mark.parametrize(("speed", "at"), [(10, [0, 0.1, 6]), (0.5, [0, 2, 120])])
def test_speed_divides_the_differences(speed: float, at: list[float]) -> None:
    """At speed 10 a minute passes in six seconds, at half speed in two minutes."""
    assert [when for when, _ in World().run(recording([0, 1, 60]), speed)] == at


def test_rows_due_together_go_out_as_one_batch() -> None:
    """Ticks of the same time, or due within 5 ms, are one batch; others are not."""
    times = [0, 0, 0, 0.004, 0.0051, 1, 1, 1.003]
    assert World().run(recording(times)) == [(0, 4), (0.0051, 1), (1, 3)]


def test_a_burst_goes_out_in_chunks() -> None:
    """A million rows of one time are sent at once, 4,096 at a time, in their order."""
    world = World()
    sent = world.run(recording(np.zeros(1_000_000)))
    assert {at for at, _ in sent} == {0}
    assert max(count for _, count in sent) == 4096
    assert world.prices == list(range(1_000_000))


def test_late_ticks_do_not_stretch_the_replay() -> None:
    """A time that steps back is due with the newest before it, and the end is when it was."""
    assert World().run(recording([0, 2, 1, 1.5, 3])) == [(0, 1), (2, 3), (3, 1)]


def test_interleaved_clocks_that_differ_do_not_stretch_the_replay() -> None:
    """Two streams of which one is a second behind take as long as recorded, not many times that."""
    times = [at + (0 if row % 2 else -1) for row, at in enumerate(np.arange(10, 20, 0.1))]
    sent = World().run(recording(times))
    assert sent[-1][0] == pytest.approx(10.9, abs=0.2)


def test_a_clock_that_was_set_back_goes_on_from_there() -> None:
    """Where times step back by an hour, the next is due at once, later ones as far apart."""
    assert World().run(recording([0, 3600, 10, 11])) == [(0, 1), (3600, 2), (3601, 1)]


def test_without_times_all_comes_at_once() -> None:
    """A recording without a time column has no pace."""
    world = World()
    assert world.run(recording([0, 1, 2]).drop(columns="time")) == [(0, 3)]
    assert (world.sent[0][1].time == NO_TIME).all()


def test_a_tick_without_a_time_is_due_with_the_one_before() -> None:
    """A missing time among others, the first included, holds nothing up."""
    frame = recording([0, 1, 2, 3])
    frame.loc[[0, 2], "time"] = pd.NaT
    assert World().run(frame) == [(0, 3), (2, 1)]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-20, 20), min_size=1, max_size=40), st.sampled_from([0.5, 1.0, 7.0]))
def test_nothing_is_sent_before_it_is_due_or_out_of_order(steps: list[float], speed: float) -> None:
    """Whatever the times: order is kept, and each row goes out when it is due, or 5 ms before."""
    world = World()
    world.run(recording(np.cumsum(steps)), speed)
    assert world.prices == list(range(len(steps)))
    times = np.cumsum(steps)
    due = (np.maximum.accumulate(times) - times[0]) / speed
    at = np.concatenate([np.full(batch.count, at) for at, batch in world.sent])
    assert (at >= due - 0.0051).all()
    assert (at <= due + 0.0001).all()


def test_it_catches_up_when_it_was_held_up() -> None:
    """Woken half a second late, it sends all that is due by then, and the end is not late twice."""
    world = World(late_s=0.5)
    sent = world.run(recording(np.arange(0, 10, 0.1)))
    assert sum(count for _, count in sent) == 100
    assert sent[-1][0] < 10.5
    assert max(count for _, count in sent) <= 7


# --- readers --------------------------------------------------------------------------------------


def test_the_clock_starts_when_the_readers_are_there() -> None:
    """Given `wait_for`, nothing is sent before so many readers are there, and the pace is kept."""
    world = World(readers_come_after_s=30)
    assert world.run(recording([0, 1]), wait_for=2) == [(30, 1), (31, 1)]
    assert world.events[0] == "readers 2"


def test_full_speed_goes_as_the_slowest_reader_takes_it() -> None:
    """At infinite speed chunks of 4,096 rows go out, before each a wait for who is behind."""
    world = World()
    sent = world.run(recording(np.arange(10_000)), math.inf)
    assert sent == [(0, 4096), (0, 4096), (0, 1808)]
    assert world.events == ["read 16384", "send"] * 3
    assert world.prices == list(range(10_000))


def test_a_paced_replay_waits_for_no_reader() -> None:
    """At a finite speed it is as live: whoever is slow falls behind."""
    world = World()
    world.run(recording([0, 0, 1]))
    assert world.events == ["send", "send"]


# --- steered --------------------------------------------------------------------------------------


class Live(World):
    """A world whose clock is the real one, and a source that runs in a thread of its own."""

    def __init__(self, given: Any, **options: Any) -> None:
        super().__init__()
        self.source = ReplaySource(given, **options)
        self.worker: Worker | None = None

    def start(self) -> Live:
        self.worker = Worker("tickerkit test", lambda: self.source.run(self))
        return self

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        if self.worker is not None:
            assert self.worker.cancel(10)


def test_one_that_was_paused_before_starts_paused(until: Until) -> None:
    """It is read, so that its times are known, and waits; steps and a seek work at once."""
    with Live(recording(np.arange(0, 100, 10))) as world:
        source = world.source
        assert (source.state, source.position, source.start) == ("waiting", None, None)
        source.pause()
        world.start()
        until(lambda: source.end is not None)
        assert (source.state, source.sent) == ("paused", 0)
        assert source.position == source.start == pd.Timestamp(T0, tz="UTC")
        source.step(3)
        until(lambda: world.prices == [0, 1, 2])
        source.seek(pd.Timestamp(T0 + 65 * S, tz="UTC"))
        assert source.position == pd.Timestamp(T0 + 70 * S, tz="UTC")
        source.step()
        until(lambda: world.prices == [0, 1, 2, 7])
        assert world.events == ["send", "gap None the replay was moved to 02:14:30", "send"]
        assert (source.state, source.sent) == ("paused", 4)
        source.speed = math.inf
        source.play()
        until(lambda: source.state == "ended")
        assert world.prices == [0, 1, 2, 7, 8, 9]


def test_a_long_wait_is_woken(until: Until) -> None:
    """An hour before the next tick, another speed, a seek and a pause are heard at once."""
    with Live(recording([0, 3600, 7200])).start() as world:
        until(lambda: world.prices == [0])
        assert world.source.state == "playing"
        world.source.speed = 1e9
        until(lambda: world.source.state == "ended")
        assert world.prices == [0, 1, 2]


def test_one_that_stays_is_moved_from_its_end(until: Until) -> None:
    """It pauses there; let go it ends when it is played on."""
    with Live(recording([0, 1]), speed=math.inf) as world:
        source = world.source
        source.hold_at_end = True
        world.start()
        until(lambda: source.state == "paused")
        assert source.position == source.end
        source.restart()
        until(lambda: len(world.prices) == 4 and source.state == "paused")
        source.hold_at_end = False
        source.play()
        until(lambda: source.state == "ended")
        assert world.prices == [0, 1, 0, 1]


def test_at_its_end_it_can_be_steered_no_more_and_served_again(until: Until) -> None:
    """Each word says so; another run begins at the top."""
    with Live(recording([0, 1]), speed=math.inf) as world:
        source = world.start().source
        until(lambda: source.state == "ended")
        for word in (source.play, source.pause, source.step, source.restart):
            with pytest.raises(Stopped, match="the replay is stopped; serve it again"):
                word()
        world.start()
        until(lambda: world.prices == [0, 1, 0, 1] and source.state == "ended")
        assert source.sent == 2


def test_who_watches_is_told_of_every_change(until: Until) -> None:
    """That it starts, is steered, pauses by itself and ends."""
    with Live(recording([0, 1]), speed=math.inf) as world:
        states: list[str] = []
        world.source.hold_at_end = True
        unwatch = world.source.watch(lambda: states.append(world.source.state))
        world.start()
        until(lambda: states[-1:] == ["paused"])
        world.source.seek(0)
        assert states[-1] == "paused"
        unwatch()
        unwatch()
    assert world.source.state == "ended"
    assert states[0] == "waiting"
    assert "playing" in states
    assert "ended" not in states


def test_one_in_another_process_can_not_be_steered() -> None:
    """What is told before goes along; after, each word says that it can't be."""
    source = replay(recording([0, 1]), speed=2)
    source.pause()
    there = pickle.loads(pickle.dumps(source))
    assert (there.state, there.speed) == ("paused", 2)
    source.on_sent_to_process()
    for steer in (source.play, source.controls, lambda: setattr(source, "speed", 3)):
        with pytest.raises(TickerkitError, match="serve it without process=True"):
            steer()


def test_steps_and_speeds_are_checked() -> None:
    """Where they are given."""
    source = replay(recording([0]))
    with pytest.raises(SourceError, match=r"speed=.*a number above 0"):
        source.speed = 0
    with pytest.raises(ValueError, match="ticks=0"):
        source.step(0)
    with pytest.raises(ValueError, match="Invalid time="):
        source.seek("noon")


# --- what -----------------------------------------------------------------------------------------


def test_a_recording_is_replayed_from_its_file(tmp_path: Path) -> None:
    """A CSV recording comes back with all its columns, but for those that the server makes anew."""
    log = TickLog()
    ticks = [{"symbol": s, "price": i, "bid": i - 1, "side": "buy"} for i, s in enumerate("ABA", 5)]
    log.append(read_ticks(ticks), received=T0)
    path = write_csv(log.frame(), tmp_path / "ticks.csv")
    world = World()
    assert world.run(path) == [(0, 3)]
    columns = set(world.sent[0][1].columns)
    assert columns == {"symbol", "price", "size", "bid", "side"}
    served = TickLog()
    served.append(world.sent[0][1], received=1)
    ours = ["seq", "received", "epoch"]
    pd.testing.assert_frame_equal(
        served.frame().drop(columns=ours), log.frame().drop(columns=ours), check_categorical=False
    )


def test_a_file_is_read_when_the_replay_starts(tmp_path: Path) -> None:
    """Making the source only looks whether the file is there; what it holds then is replayed."""
    path = tmp_path / "ticks.csv"
    path.write_text("not yet")
    source = replay(path)
    path.unlink()
    write_csv(recording([0]), path)
    world = World()
    asyncio.run(source.run(world))
    assert world.sent[0][1].count == 1


def test_a_frame_is_replayed_as_it_was_given() -> None:
    """Changing the frame after making the source changes nothing of the replay."""
    frame = recording([0, 1])
    source = replay(frame, math.inf)
    frame["price"] = -1.0
    world = World()
    asyncio.run(source.run(world))
    assert world.prices == [0.0, 1.0]


def test_rows_that_are_no_ticks_are_told_and_the_others_sent() -> None:
    """What is refused of a frame is handed on once, for the server to count, with the errors."""
    world = World()
    world.run(recording([0, 1, 2], price=[1.0, np.nan, 3.0]))
    assert [(batch.count, batch.refused) for _, batch in world.sent] == [(0, 1), (1, 0), (1, 0)]
    assert world.sent[0][1].errors[0].field == "price"


def test_an_empty_recording_ends_at_once() -> None:
    """A frame of no ticks sends nothing and is finished, at any speed."""
    for speed in (1.0, math.inf):
        assert World().run(recording([]), speed) == []


def test_a_real_day_is_served_whole_and_in_order(recorded: Path) -> None:
    """A day of 250,601 real trades goes through at full speed, every value where it was."""
    day = pd.read_csv(
        recorded / "ticks" / "lean-spy-20131007-trade.csv.gz",
        names=["time", "price", "size", "exchange", "condition", "suspicious"],
        dtype={"exchange": str, "condition": str},
    )
    midnight = pd.Timestamp("2013-10-07", tz="America/New_York").as_unit("ns").value
    day["time"] = pd.to_datetime(midnight + day["time"] * 10**6, utc=True)
    frame = day.assign(symbol="SPY", price=day["price"] / 10_000)
    world = World()
    world.run(frame, math.inf)
    log = TickLog()
    for _, batch in world.sent:
        log.append(batch, received=0)
    served = log.frame()
    assert len(served) == 250_601
    for name in day.columns:
        assert (served[name].astype(frame[name].dtype) == frame[name]).all(), name


# --- arguments ------------------------------------------------------------------------------------


def test_a_missing_file_is_told_at_once(tmp_path: Path) -> None:
    """A path where nothing is, or a folder, is refused when the source is made, in full."""
    missing = tmp_path / ("long" * 30) / "ticks.csv"
    with pytest.raises(SourceError) as told:
        replay(str(missing))
    assert f"there is no file at {missing}" in str(told.value)
    with pytest.raises(SourceError, match="is a folder"):
        replay(tmp_path)


@pytest.mark.parametrize("speed", [0, -1, float("nan"), "fast", None])
def test_bad_speeds_are_refused(speed: Any) -> None:
    """A speed is a number above 0."""
    with pytest.raises(SourceError, match=r"speed=.*a number above 0"):
        replay(recording([0]), speed)


@pytest.mark.parametrize("wait_for", [-1, 1.5, "2", True])
def test_bad_numbers_of_readers_are_refused(wait_for: Any) -> None:
    """The number of readers is a whole one, from 0."""
    with pytest.raises(SourceError, match="number of readers"):
        replay(recording([0]), wait_for=wait_for)


def test_a_frame_that_holds_no_ticks_is_refused() -> None:
    """A frame without a symbol or without any price is refused when the source is made."""
    with pytest.raises(SourceError, match="no column symbol"):
        replay(pd.DataFrame({"price": [1.0]}))
    with pytest.raises(SourceError, match="no column price, bid or ask"):
        replay(pd.DataFrame({"symbol": ["A"]}))
    with pytest.raises(SourceError, match="a list of paths, or a DataFrame"):
        replay([1, 2])  # type: ignore[arg-type]


def test_repr_says_what_and_how_fast(tmp_path: Path) -> None:
    """The one line names the file or the number of ticks, and the speed."""
    assert repr(replay(recording([0, 1]), 10)) == "<Replayed 2 ticks at speed 10>"
    path = write_csv(recording([0]), tmp_path / "t.csv")
    assert repr(replay(path, math.inf)) == f"<Replayed {path} at speed inf>"
