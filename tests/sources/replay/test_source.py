"""Tests of replay: what is sent, and when, with a clock that only sleeping moves."""

from __future__ import annotations

import asyncio
import math
import pickle
import threading
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from soaks import examples

from tickerkit.errors import RecordingError, SourceError, Stopped, TickerkitError
from tickerkit.log import TickLog
from tickerkit.runtime.workers import Worker
from tickerkit.sources.replay import files
from tickerkit.sources.replay import tape as tapes
from tickerkit.sources.replay.source import ReplaySource, replay
from tickerkit.storage import CsvFile, write_csv, write_jsonl, write_parquet
from tickerkit.storage.scan import Piece, Scan
from tickerkit.storage.sidecar import sidecar_path
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
    """A clock that only sleeping moves, and an outlet that keeps what is sent with its time."""

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
        """Replay to the end; return when each batch was sent, and its number of ticks."""
        source = ReplaySource(given, speed, wait_for, clock=self.clock, sleep=self.sleep)
        asyncio.run(source.run(self))
        return [(round(at, 6), batch.count) for at, batch in self.sent]

    @property
    def due(self) -> list[float]:
        """When each tick was sent, in seconds."""
        return [at for at, batch in self.sent for _ in range(batch.count)]

    @property
    def prices(self) -> list[float]:
        """The prices of all ticks that were sent, in order."""
        return [x for _, batch in self.sent for x in np.asarray(batch.columns["price"]).tolist()]


# --- when -----------------------------------------------------------------------------------------


def test_ticks_are_as_far_apart_as_recorded() -> None:
    """The first is sent at once, and times stay as recorded."""
    world = World()
    assert world.run(recording([0, 1, 1.5, 60])) == [(0, 1), (1, 1), (1.5, 1), (60, 1)]
    assert [int(batch.time[0]) - T0 for _, batch in world.sent] == [0, S, 1.5 * S, 60 * S]


@pytest.mark.parametrize(("speed", "at"), [(10, [0, 0.1, 6]), (0.5, [0, 2, 120])])
def test_speed_divides_the_intervals(speed: float, at: list[float]) -> None:
    """At speed 10 a minute passes in six seconds, at half speed in two minutes."""
    assert [when for when, _ in World().run(recording([0, 1, 60]), speed)] == at


def test_ticks_due_together_are_one_batch() -> None:
    """Ticks of the same time, or due within 5 ms; others are not."""
    times = [0, 0, 0, 0.004, 0.0051, 1, 1, 1.003]
    assert World().run(recording(times)) == [(0, 4), (0.0051, 1), (1, 3)]


def test_burst_waits_for_a_reader_that_must_get_every_tick() -> None:
    """A paced replay runs no further ahead of its slowest reader than `max_behind`, if that is set.

    Without it, it waits for no reader, as a live source doesn't.
    """
    world, times = World(), np.zeros(10_000)
    source = ReplaySource(recording(times), clock=world.clock, sleep=world.sleep)
    source.max_behind = 5_000
    asyncio.run(source.run(world))
    sends = [i for i, event in enumerate(world.events) if event == "send"]
    assert [world.events[i - 1] for i in sends] == ["read 5000"] * 3
    world = World()
    world.run(recording(times))
    assert set(world.events) == {"send"}


def test_burst_is_sent_in_batches() -> None:
    """A million ticks of one time are sent at once, 4,096 at a time, in their order."""
    world = World()
    sent = world.run(recording(np.zeros(1_000_000)))
    assert {at for at, _ in sent} == {0}
    assert max(count for _, count in sent) == 4096
    assert world.prices == list(range(1_000_000))


def test_late_ticks_do_not_stretch_the_replay() -> None:
    """A late tick is due together with the newest one before it."""
    assert World().run(recording([0, 2, 1, 1.5, 3])) == [(0, 1), (2, 3), (3, 1)]


def test_interleaved_streams_do_not_stretch_the_replay() -> None:
    """Two streams whose clocks differ by a second take as long as recorded."""
    times = [at + (0 if row % 2 else -1) for row, at in enumerate(np.arange(10, 20, 0.1))]
    sent = World().run(recording(times))
    assert sent[-1][0] == pytest.approx(10.9, abs=0.2)


def test_recorded_clock_that_was_set_back_continues() -> None:
    """Where times step back by an hour, the next tick is due at once."""
    assert World().run(recording([0, 3600, 10, 11])) == [(0, 1), (3600, 2), (3601, 1)]


def test_recording_without_times_is_sent_at_once() -> None:
    """It has no pace."""
    world = World()
    assert world.run(recording([0, 1, 2]).drop(columns="time")) == [(0, 3)]
    assert (world.sent[0][1].time == NO_TIME).all()


def test_tick_without_a_time_is_due_with_the_one_before() -> None:
    """A missing time, also the first, delays nothing."""
    frame = recording([0, 1, 2, 3])
    frame.loc[[0, 2], "time"] = pd.NaT
    assert World().run(frame) == [(0, 3), (2, 1)]


@settings(deadline=None, max_examples=examples(50))
@given(st.lists(st.floats(-20, 20), min_size=1, max_size=40), st.sampled_from([0.5, 1.0, 7.0]))
def test_ticks_are_sent_in_order_when_due(steps: list[float], speed: float) -> None:
    """Whatever the times, each tick is sent when it is due, or up to 5 ms before."""
    world = World()
    world.run(recording(np.cumsum(steps)), speed)
    assert world.prices == list(range(len(steps)))
    times = np.cumsum(steps)
    due = (np.maximum.accumulate(times) - times[0]) / speed
    at = np.concatenate([np.full(batch.count, at) for at, batch in world.sent])
    assert (at >= due - 0.0051).all()
    assert (at <= due + 0.0001).all()


def test_delayed_replay_catches_up() -> None:
    """Woken half a second late, it sends all ticks that are due, and does not end later."""
    world = World(late_s=0.5)
    sent = world.run(recording(np.arange(0, 10, 0.1)))
    assert sum(count for _, count in sent) == 100
    assert sent[-1][0] < 10.5
    assert max(count for _, count in sent) <= 7


# --- readers --------------------------------------------------------------------------------------


def test_wait_for_starts_the_clock_with_the_readers() -> None:
    """Nothing is sent before enough readers are connected."""
    world = World(readers_come_after_s=30)
    assert world.run(recording([0, 1]), wait_for=2) == [(30, 1), (31, 1)]
    assert world.events[0] == "readers 2"


def test_infinite_speed_waits_for_the_slowest_reader() -> None:
    """Before each batch of 4,096 ticks it waits until no reader is far behind."""
    world = World()
    sent = world.run(recording(np.arange(10_000)), math.inf)
    assert sent == [(0, 4096), (0, 4096), (0, 1808)]
    assert world.events == ["read 16384", "send"] * 3
    assert world.prices == list(range(10_000))


def test_finite_speed_waits_for_no_reader() -> None:
    """As live, a slow reader falls behind."""
    world = World()
    world.run(recording([0, 0, 1]))
    assert world.events == ["send", "send"]


# --- commands -------------------------------------------------------------------------------------


class Live(World):
    """A world with the real clock, and a source that runs in a thread of its own."""

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


def test_replay_paused_before_it_is_served_starts_paused(until: Until) -> None:
    """The recording is read, so its times are known; steps and seeks work."""
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


def test_command_ends_a_long_wait(until: Until) -> None:
    """An hour before the next tick, a new speed has an effect at once."""
    with Live(recording([0, 3600, 7200])).start() as world:
        until(lambda: world.prices == [0])
        assert world.source.state == "playing"
        world.source.speed = 1e9
        until(lambda: world.source.state == "ended")
        assert world.prices == [0, 1, 2]


def test_replay_that_holds_at_its_end_can_be_restarted(until: Until) -> None:
    """Without hold_at_end it ends once it is played on."""
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


def test_ended_replay_refuses_commands_and_can_be_served_again(until: Until) -> None:
    """Each command raises Stopped; another run starts at the beginning."""
    with Live(recording([0, 1]), speed=math.inf) as world:
        source = world.start().source
        until(lambda: source.state == "ended")
        for word in (source.play, source.pause, source.step, source.restart):
            with pytest.raises(Stopped, match="the replay is stopped; serve it again"):
                word()
        world.start()
        until(lambda: world.prices == [0, 1, 0, 1] and source.state == "ended")
        assert source.sent == 2


def test_watcher_is_called_for_each_change(until: Until) -> None:
    """For the start, a command, a pause at the end, and the end."""
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


def test_replay_in_another_process_refuses_commands() -> None:
    """Commands given before it is sent go along."""
    source = replay(recording([0, 1]), speed=2)
    source.pause()
    there = pickle.loads(pickle.dumps(source))
    assert (there.state, there.speed) == ("paused", 2)
    source.on_sent_to_process()
    for command in (source.play, source.controls, lambda: setattr(source, "speed", 3)):
        with pytest.raises(TickerkitError, match="serve it without process=True"):
            command()


def test_invalid_commands_raise_at_once() -> None:
    """The error names the argument."""
    source = replay(recording([0]))
    with pytest.raises(SourceError, match=r"speed=.*a number above 0"):
        source.speed = 0
    with pytest.raises(ValueError, match="ticks=0"):
        source.step(0)
    with pytest.raises(ValueError, match="Invalid time="):
        source.seek("noon")


# --- what -----------------------------------------------------------------------------------------


def test_recording_is_replayed_from_its_file(tmp_path: Path) -> None:
    """All columns come back but those that the server makes."""
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


def test_file_is_read_when_the_replay_starts(tmp_path: Path) -> None:
    """Making the source only checks that the file exists."""
    path = tmp_path / "ticks.csv"
    path.write_text("not yet")
    source = replay(path)
    path.unlink()
    write_csv(recording([0]), path)
    world = World()
    asyncio.run(source.run(world))
    assert world.sent[0][1].count == 1


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read files in pieces of 5 rows, and forget those that aren't needed."""
    monkeypatch.setattr(files, "Scan", partial(Scan, max_rows=5))
    monkeypatch.setattr(tapes, "MAX_IDLE_BYTES", 0)


def write_later(frame: pd.DataFrame, path: Path, *, known_end: bool) -> Path:
    """Write a recording; without a known end it is one that was not finished."""
    with CsvFile(path) as file:
        file.append(frame)
        if not known_end:
            sidecar = sidecar_path(path).read_bytes()
    if not known_end:
        sidecar_path(path).write_bytes(sidecar)
    return path


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("speed", [0.5, 7.0, math.inf])
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet", "t.jsonl"])
def test_recording_of_many_pieces_is_replayed_as_its_frame(
    tmp_path: Path, speed: float, name: str
) -> None:
    """Each tick at the same time, in the same order, and the same rows are refused."""
    prices = np.where(np.arange(123) % 50 == 7, np.nan, np.arange(123))
    frame = recording(np.cumsum(np.arange(123) % 3) / 100, price=prices, note="n")
    frame.loc[[0, 1, 60], "time"] = pd.NaT
    write = {".csv": write_csv, ".gz": write_csv, ".parquet": write_parquet, ".jsonl": write_jsonl}
    path = tmp_path / name
    write[path.suffix](frame, path)
    one, other = World(), World()
    one.run(frame, speed)
    other.run(path, speed)
    assert one.prices == other.prices == [each for each in prices.tolist() if each == each]
    assert one.due == pytest.approx(other.due, abs=0.006)
    refused = [sum(batch.refused for _, batch in world.sent) for world in (one, other)]
    assert refused == [3, 3]


@pytest.mark.usefixtures("small_pieces")
def test_errors_number_the_rows_of_the_file(tmp_path: Path) -> None:
    """Not those of a piece of it."""
    prices = np.where(np.arange(30) == 17, np.nan, 1.0)
    world = World()
    world.run(write_csv(recording(np.arange(30), price=prices), tmp_path / "t.csv"), math.inf)
    errors = [str(error) for _, batch in world.sent for error in batch.errors]
    assert len(errors) == 1
    assert "(row 17 of the frame)" in errors[0]


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("known_end", [True, False])
def test_long_recording_is_moved_to_any_place(
    tmp_path: Path, until: Until, known_end: bool
) -> None:
    """Also to one that was not read yet, or that was forgotten."""
    frame = recording(np.arange(100))
    path = write_later(frame, tmp_path / "t.csv", known_end=known_end)
    with Live(path) as world:
        source = world.source
        source.pause()
        world.start()
        until(lambda: source.end == frame["time"].iloc[-1])
        wanted: list[float] = []

        def has_come() -> bool:
            return world.prices == wanted

        for at in (90, 3, 50.5, 0, 99, 42):
            source.seek(at)
            assert source.position in (frame["time"].iloc[math.ceil(at)], to_time(at))
            source.step(2)
            wanted += [float(row) for row in range(100) if at <= row < at + 2]
            until(has_come)
        source.seek("2100-01-01")
        source.speed = math.inf
        source.play()
        until(lambda: source.state == "ended")
        assert world.prices == [*wanted, 99.0]
        assert source.position == source.end


def to_time(at_s: float) -> pd.Timestamp:
    """Return a number of seconds from the start as a time."""
    return pd.Timestamp(T0 + round(at_s * S), tz="UTC")


@pytest.mark.usefixtures("small_pieces")
def test_first_tick_comes_before_the_rest_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """The end is known from what the recording says about itself."""
    may_go_on = threading.Event()
    pieces = Scan.pieces

    def slow(scan: Scan, first: int = 0) -> Iterator[Piece]:
        for piece in pieces(scan, first):
            assert piece.number < 5 or may_go_on.wait(30)
            yield piece

    monkeypatch.setattr(Scan, "pieces", slow)
    frame = recording(np.arange(100))
    with Live(write_csv(frame, tmp_path / "t.csv"), speed=1000.0).start() as world:
        until(lambda: len(world.prices) == 20)
        assert world.source.end == frame["time"].iloc[-1]
        assert world.source.state == "playing"
        world.source.pause()
        may_go_on.set()
        world.source.play()
        until(lambda: world.source.state == "ended")
        assert world.prices == list(range(100))


@pytest.mark.usefixtures("small_pieces")
def test_file_that_is_cut_while_it_is_replayed_is_an_error(tmp_path: Path) -> None:
    """What was read before was sent."""
    path = write_csv(recording(np.arange(100)), tmp_path / "t.csv")
    source = replay(path, math.inf, loop=True)
    world = World()
    send = world.send

    async def cut(ticks: object) -> None:
        if len(world.sent) == 15:
            path.write_bytes(path.read_bytes()[:500])
        await send(ticks)

    world.send = cut  # type: ignore[method-assign]
    with pytest.raises(RecordingError):
        asyncio.run(source.run(world))
    assert world.prices[:50] == list(range(50))
    assert source.state == "ended"


def test_frame_is_replayed_as_it_was_given() -> None:
    """Later changes of the frame have no effect."""
    frame = recording([0, 1])
    source = replay(frame, math.inf)
    frame["price"] = -1.0
    world = World()
    asyncio.run(source.run(world))
    assert world.prices == [0.0, 1.0]


def test_invalid_rows_are_reported_and_the_others_sent() -> None:
    """The rejections are sent once, for the server to count."""
    world = World()
    world.run(recording([0, 1, 2], price=[1.0, np.nan, 3.0]))
    assert [(batch.count, batch.refused) for _, batch in world.sent] == [(0, 1), (1, 0), (1, 0)]
    assert world.sent[0][1].errors[0].field == "price"


def test_empty_recording_ends_at_once() -> None:
    """At any speed."""
    for speed in (1.0, math.inf):
        assert World().run(recording([]), speed) == []


def test_real_day_is_replayed_whole_and_in_order(recorded: Path) -> None:
    """250,601 trades are replayed at full speed, every value in its place."""
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


def test_missing_file_is_refused_at_once(tmp_path: Path) -> None:
    """The error has the full path; a folder without recordings is refused, too."""
    missing = tmp_path / ("long" * 30) / "ticks.csv"
    with pytest.raises(SourceError) as caught:
        replay(str(missing))
    assert f"there is no file at {missing}" in str(caught.value)
    with pytest.raises(SourceError, match="is a folder"):
        replay(tmp_path)


@pytest.mark.parametrize("speed", [0, -1, float("nan"), "fast", None])
def test_invalid_speed_is_refused(speed: Any) -> None:
    """A speed is a number above 0."""
    with pytest.raises(SourceError, match=r"speed=.*a number above 0"):
        replay(recording([0]), speed)


@pytest.mark.parametrize("wait_for", [-1, 1.5, "2", True])
def test_invalid_wait_for_is_refused(wait_for: Any) -> None:
    """The number of readers is a whole number of at least 0."""
    with pytest.raises(SourceError, match="number of readers"):
        replay(recording([0]), wait_for=wait_for)


def test_frame_without_ticks_is_refused() -> None:
    """A frame without a symbol or without any price."""
    with pytest.raises(SourceError, match="no column symbol"):
        replay(pd.DataFrame({"price": [1.0]}))
    with pytest.raises(SourceError, match="none of a price or another number"):
        replay(pd.DataFrame({"symbol": ["A"]}))
    with pytest.raises(SourceError, match="a list of paths, or a DataFrame"):
        replay([1, 2])  # type: ignore[arg-type]


def test_repr_has_the_recording_and_the_speed(tmp_path: Path) -> None:
    """The recording is a file name or a number of ticks."""
    assert repr(replay(recording([0, 1]), 10)) == "<Replayed 2 ticks at speed 10>"
    path = write_csv(recording([0]), tmp_path / "t.csv")
    assert repr(replay(path, math.inf)) == f"<Replayed {path} at speed inf>"
