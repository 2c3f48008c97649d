"""Tests of recorder: it writes the ticks of a feed to files."""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import math
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cells import Kernel
from recordings import recorded_day, recordings, wire_texts
from soaks import share_of
from websockets.sync.server import serve

import tickerkit as tk
from tickerkit.feed import Feed, Recorder
from tickerkit.feed.frame_buffer import FrameBuffer
from tickerkit.log import Gap, Gaps, TickLog
from tickerkit.runtime.portal import portal
from tickerkit.storage import files as files_module
from tickerkit.storage import load
from tickerkit.storage.paths import recordings_in
from tickerkit.storage.verify import verify
from tickerkit.ticks import read_ticks

Until = Callable[..., None]
FLUSH_S = 0.01


@contextlib.contextmanager
def portal_entered() -> Iterator[None]:
    """Run the background thread, for a recorder that is made before its feed is started."""
    portal.enter("test")
    try:
        yield
    finally:
        portal.leave("test")


@pytest.fixture
def log() -> TickLog:
    """Return an empty log that holds a hundred ticks."""
    return TickLog(100, epoch="e")


@pytest.fixture
def start(log: TickLog) -> Iterator[Callable[..., Recorder]]:
    """Return a function that starts a recorder, which is stopped after the test."""
    made: list[Recorder] = []

    def begin(path: Path, **how: Any) -> Recorder:
        made.append(Recorder(log, Gaps(log), path, flush_s=FLUSH_S, **how))
        return made[-1]

    yield begin
    for each in made:
        each.stop()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Return a function that makes the disk full, or empty again."""
    write, full = os.write, [False]

    def counted(file: int, data: bytes) -> int:
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data)

    monkeypatch.setattr(files_module.os, "write", counted)

    def fill(state: bool) -> None:
        full[0] = state

    return fill


def append(log: TickLog, count: int = 1) -> None:
    """Append some ticks."""
    log.append(read_ticks([{"symbol": "A", "price": 1}] * count), received=1)


def numbers(path: Path) -> list[int]:
    """Return the seqs in an undamaged recording."""
    found = load(path)
    assert found.warning is None
    return [int(seq) for seq in found.frame["seq"]]


def test_frames_that_are_dropped_last_are_counted_in_the_file(
    start: Callable[..., Recorder], tmp_path: Path
) -> None:
    """Though no later message came: else the file would seem to be whole."""
    buffer = FrameBuffer(max_bytes=1)
    recorder = start(tmp_path / "ticks.csv", frames=buffer)
    for _ in range(4):
        buffer.add(1, b"{}")
    recorder.stop()
    assert recorder.stats["frames_dropped"] == 4
    [line] = (tmp_path / "ticks.raw.jsonl").read_bytes().splitlines()
    assert json.loads(line)["dropped"] == 4


def test_recorder_shows_its_progress(
    log: TickLog, start: Callable[..., Recorder], tmp_path: Path, until: Until
) -> None:
    """In its repr, its card, its stats, and in `tk.status()`."""
    recorder = start(tmp_path / "ticks.csv")
    append(log, 3)
    until(lambda: recorder.stats["written"] == 3)
    assert recorder.status == "recording"
    assert f"<Recorder {tmp_path / 'ticks.csv'} recording, 3 ticks, " in repr(recorder)
    assert "recording" in recorder._repr_html_()
    assert tk.status()["kind"].tolist() == ["recorder"]
    append(log, 2)
    recorder.stop()
    recorder.stop()
    assert numbers(tmp_path / "ticks.csv") == [1, 2, 3, 4, 5]
    assert recorder.status == "stopped"
    assert recorder.stats["bytes"] == sum(each.stat().st_size for each in tmp_path.iterdir())
    assert len(tk.status()) == 0


def test_stopped_recorder_can_be_garbage_collected(log: TickLog, tmp_path: Path) -> None:
    """A weak reference to it dies."""
    recorder = Recorder(log, Gaps(log), tmp_path / "ticks.csv")
    reference = weakref.ref(recorder)
    with recorder:
        pass
    del recorder
    gc.collect()
    assert reference() is None


def test_full_disk_is_retried_and_leaves_a_gap(
    log: TickLog,
    start: Callable[..., Recorder],
    disk: Callable[[bool], None],
    tmp_path: Path,
    until: Until,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The recorder reports it, retries, and lists the ticks that the log dropped meanwhile."""
    recorder = start(tmp_path / "ticks.csv")
    append(log, 5)
    until(lambda: recorder.stats["written"] == 5)
    disk(True)
    append(log, 10)
    until(lambda: recorder.stats["errors"] >= 3)
    assert recorder.status == "failing"
    assert recorder.stats["last_error"] == "ticks.csv can't be written: the disk is full"
    assert recorder.stats["behind"] == 10
    assert numbers(tmp_path / "ticks.csv") == [1, 2, 3, 4, 5]
    append(log, 190)
    disk(False)
    until(lambda: recorder.status == "recording")
    append(log)
    recorder.stop()
    assert numbers(tmp_path / "ticks.csv") == [1, 2, 3, 4, 5, *range(106, 207)]
    gaps = tk.read_gaps(tmp_path / "ticks.csv")
    assert gaps[["from", "to", "reason"]].values.tolist() == [[6, 105, "not recorded"]]
    assert recorder.stats["lost"] == 100
    assert capfd.readouterr() == ("", "")


def test_stop_while_failing_counts_unwritten_ticks(
    log: TickLog,
    start: Callable[..., Recorder],
    disk: Callable[[bool], None],
    tmp_path: Path,
    until: Until,
) -> None:
    """It tries once more, and ends; nothing is raised."""
    recorder = start(tmp_path / "ticks.csv")
    append(log, 5)
    until(lambda: recorder.stats["written"] == 5)
    disk(True)
    append(log, 7)
    until(lambda: recorder.status == "failing")
    recorder.stop()
    assert recorder.stats["lost"] == 7
    assert "7 ticks were not written" in recorder.stats["last_error"]
    disk(False)
    assert numbers(tmp_path / "ticks.csv") == [1, 2, 3, 4, 5]


class SlowDisk:
    """A disk that takes the pieces of a file one by one.

    Args:
        piece_s: how long it needs for each; None if it hangs until `answer` is called.
    """

    def __init__(self, piece_s: float | None) -> None:
        self._piece_s = piece_s
        self._write, self._answers = os.write, threading.Event()

    def write(self, file: int, data: bytes) -> int:
        self._answers.wait(self._piece_s)
        return self._write(file, data)

    def answer(self) -> None:
        """Be fast from now on."""
        self._answers.set()


@pytest.fixture
def big_log() -> TickLog:
    """Return a log for a hundred thousand ticks."""
    return TickLog(100_000, epoch="e")


def fill(log: TickLog, count: int) -> None:
    """Append many ticks, of about 70 bytes each in a file."""
    rows = [{"symbol": "A", "price": number} for number in range(count)]
    log.append(read_ticks(rows), received=1)


@pytest.mark.parametrize("name", ["ticks.csv", "ticks.csv.gz"])
def test_stop_waits_while_bytes_are_written(
    big_log: TickLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """A disk that needs longer for the backlog than the limit for one that hangs loses nothing."""
    monkeypatch.setattr("tickerkit.feed.recorder.MAX_STALL_S", 1.0)
    monkeypatch.setattr(files_module, "PIECE_BYTES", 2**17 if name.endswith("csv") else 2**14)
    recorder = Recorder(big_log, Gaps(big_log), tmp_path / name, flush_s=10)
    monkeypatch.setattr(files_module.os, "write", SlowDisk(0.15).write)
    fill(big_log, 20_000)
    recorder.stop()
    assert numbers(tmp_path / name) == list(range(1, 20_001))
    assert (recorder.stats["written"], recorder.stats["lost"]) == (20_000, 0)
    assert recorder.stats["errors"] == 0


def test_ticks_left_by_stop_are_lost_and_a_gap(
    big_log: TickLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """After its time limit, `stop` counts and lists what is not written."""
    monkeypatch.setattr("tickerkit.feed.recorder.MAX_STOP_S", 0.0)
    recorder = Recorder(big_log, Gaps(big_log), tmp_path / "ticks.csv", flush_s=10)
    monkeypatch.setattr(files_module.os, "write", SlowDisk(0.02).write)
    fill(big_log, 60_000)
    recorder.stop()
    stats = recorder.stats
    assert stats["written"] + stats["lost"] == 60_000
    assert stats["lost"] > 0
    report = verify(tmp_path / "ticks.csv")
    assert report.problems == []
    assert report.gaps[["from", "to"]].values.tolist() == [[stats["written"] + 1, 60_000]]
    assert f"{stats['lost']:,} ticks were not written" in stats["last_error"]


def test_stop_does_not_wait_for_a_disk_that_hangs(
    big_log: TickLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, until: Until
) -> None:
    """What it has not taken counts as lost, until it answers and the file is finished."""
    monkeypatch.setattr("tickerkit.feed.recorder.MAX_STALL_S", 0.1)
    disk = SlowDisk(None)
    recorder = Recorder(big_log, Gaps(big_log), tmp_path / "ticks.csv", flush_s=10)
    monkeypatch.setattr(files_module.os, "write", disk.write)
    fill(big_log, 1000)
    recorder.stop()
    assert recorder.status == "stopped"
    assert recorder.stats["lost"] == 1000
    assert "the disk did not answer" in recorder.stats["last_error"]
    disk.answer()
    until(lambda: recorder.stats["lost"] == 0)
    assert numbers(tmp_path / "ticks.csv") == list(range(1, 1001))


def test_recorder_writes_early_when_much_waits(log: TickLog, tmp_path: Path, until: Until) -> None:
    """A quarter of the log does not wait for the next flush; ticks that come slowly do."""
    with Recorder(log, Gaps(log), tmp_path / "ticks.csv", flush_s=60) as recorder:
        for written in (25, 50):
            append(log, 20)
            append(log, 5)
            until(lambda written=written: recorder.stats["written"] == written)
        append(log, 24)
        assert recorder.stats["behind"] == 24
    assert numbers(tmp_path / "ticks.csv") == list(range(1, 75))


def test_dropped_ticks_have_a_reason(log: TickLog, tmp_path: Path) -> None:
    """Without an error of the disk, the recorder says that the log was too small."""
    recorder = Recorder(log, Gaps(log), tmp_path / "ticks.csv", flush_s=60)
    append(log, 200)
    recorder.stop()
    assert recorder.stats["lost"] > 0
    assert "pass a larger keep=" in recorder.stats["last_error"]


def test_feed_reads_nothing_while_too_much_is_unwritten(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, until: Until
) -> None:
    """What a disk that hangs does not take stays on the server; then all of it comes."""
    disk = SlowDisk(None)
    server = tk.serve(None, port=0)
    feed = Feed(server.url, None, 0, 20_000, None, max_unwritten=10_000)
    with portal_entered(), feed.record(tmp_path / "ticks.csv", flush_s=FLUSH_S) as recorder:
        feed.start()
        feed.wait(0)
        until(lambda: feed.status == "live")
        monkeypatch.setattr(files_module.os, "write", disk.write)
        for _ in range(30):
            server.publish([{"symbol": "A", "price": number} for number in range(2000)])
        until(lambda: recorder.behind >= 10_000)
        assert feed.log.stop < 20_000
        disk.answer()
        feed.wait(60_000, timeout=30)
        feed.stop()
    assert numbers(tmp_path / "ticks.csv") == list(range(1, 60_001))
    assert (len(feed.gaps), recorder.stats["lost"], feed.stats["reconnects"]) == (0, 0, 0)


def test_gaps_of_the_feed_are_recorded_in_their_places(
    log: TickLog, tmp_path: Path, until: Until
) -> None:
    """A gap is written with the tick after it, or when the recorder stops."""
    gaps = Gaps(log)
    recorder = Recorder(log, gaps, tmp_path / "ticks.csv", flush_s=FLUSH_S)
    append(log, 2)
    gaps.add(Gap("e", 3, 4, "one"))
    gaps.add(Gap("e", 5, 6, "and another"))
    log.append(read_ticks({"symbol": "A", "price": 1}), received=1, epoch="e", seq=np.array([7]))
    until(lambda: recorder.stats["written"] == 3)
    gaps.add(Gap("e", 8, None, "restarted"))
    recorder.stop()
    pd.testing.assert_frame_equal(tk.read_gaps(tmp_path / "ticks.csv"), gaps.frame())


def test_record_raises_at_once_for_invalid_arguments(tmp_path: Path) -> None:
    """Also for an existing file, one that isn't a recording, and a path that can't be created."""
    server = tk.serve(tk.simulate("A"), port=0)
    feed = tk.connect(server.url)
    (tmp_path / "ticks.csv").write_text("no,ticks\n1,2\n")
    with pytest.raises(tk.RecordingExists):
        feed.record(tmp_path / "ticks.csv", mode="new")
    with pytest.raises(tk.RecordingError):
        feed.record(tmp_path / "ticks.csv")
    with pytest.raises(OSError, match="ticks"):
        feed.record(tmp_path / "ticks.csv" / "folder")
    with pytest.raises(ValueError, match="flush_s"):
        feed.record(tmp_path / "other.csv", flush_s=-1)
    with pytest.raises(ValueError, match="rotate"):
        feed.record(tmp_path / "other.csv", rotate="week")
    assert feed.recorders == []
    feed.stop()


def test_rerun_cell_continues_the_recording(tmp_path: Path, kernel: Kernel, until: Until) -> None:
    """In the same file, without a tick lost or repeated, also with a new feed."""
    server = tk.serve(tk.simulate("A", rate=2000), port=0)
    for path in (tmp_path / "ticks.csv", tmp_path / "ticks.parquet", tmp_path / "folder"):
        kernel.run("connect")
        feed = tk.connect(server.url)
        for run in range(3):
            kernel.run(f"record {path}")
            recorder = feed.record(path, flush_s=FLUSH_S, mode="new")
            assert feed.recorders == [recorder]
            until(lambda recorder=recorder: recorder.stats["written"] > 50)
            if run == 1:
                kernel.run("connect")
                feed = tk.connect(server.url)
                assert feed.recorders == [recorder]
        feed.stop()
        assert feed.recorders == []
        files = [
            each
            for each in sorted(tmp_path.glob("folder/*") if path.suffix == "" else [path])
            if not each.name.endswith(".jsonl")
        ]
        assert len(files) == 1
        seq = numbers(files[0])
        assert seq == list(range(seq[0], seq[0] + len(seq)))
        assert seq[-1] == feed.log.last_seq
    kernel.current = None


def test_rerun_cell_continues_a_partitioned_recording(
    tmp_path: Path, kernel: Kernel, until: Until
) -> None:
    """In the same file: the folder then has one file of each symbol."""
    server = tk.serve(tk.simulate("A,B", rate=2000), port=0)
    feed = tk.connect(server.url)
    written = 0
    for _ in range(3):
        kernel.run("record")
        recorder = feed.record(tmp_path, flush_s=FLUSH_S, partition="symbol")
        assert recorder.path == tmp_path
        until(lambda recorder=recorder: recorder.stats["written"] > 50)
        written += recorder.stats["written"]
    feed.stop()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["symbol=A", "symbol=B"]
    assert len(list(tmp_path.rglob("*.parquet"))) == 2
    (path,) = recordings_in(tmp_path)
    seq = numbers(path)
    assert len(seq) >= written
    assert seq == list(range(seq[0], feed.log.last_seq + 1))
    kernel.current = None


def test_stopping_the_feed_finishes_the_file(tmp_path: Path, until: Until) -> None:
    """It has every tick received, and the address they came from."""
    server = tk.serve(tk.simulate(["A", "B"], rate=1000), port=0)
    with tk.connect(server.url, ["A"], history=0) as feed:
        recorder = feed.record(tmp_path / "ticks.csv", flush_s=10)
        feed.wait(100)
    found = load(tmp_path / "ticks.csv")
    assert found.symbols == ["A"]
    assert found.frame["seq"].tolist()[-1] == feed.log.last_seq
    assert recorder.status == "stopped"
    assert recorder.stats["behind"] == 0


def test_export_selects_by_symbol_and_time(tmp_path: Path) -> None:
    """The gaps within the selection are listed."""
    server = tk.serve(tk.simulate(["A", "B"], rate=1000), port=0)
    with tk.connect(server.url) as feed:
        feed.wait(200)
    whole = feed.frame("A")
    start, end = whole["time"].iloc[10], whole["time"].iloc[20]
    feed.to_csv(tmp_path / "a.csv", "A", start=start, end=str(end))
    wanted = whole.iloc[10:20].reset_index(drop=True)
    for name, write in (("a.csv", feed.to_csv), ("a.parquet", feed.to_parquet)):
        write(tmp_path / name, "A", start=start, end=str(end), mode="overwrite")
        found = load(tmp_path / name)
        pd.testing.assert_frame_equal(found.frame, wanted, check_categorical=False)
        assert found.symbols == ["A"]
    naive = whole["time"].iloc[10].tz_localize(None)
    assert len(tk.read_csv(feed.to_csv(tmp_path / "b.csv", start=naive))) > 0
    with pytest.raises(tk.RecordingExists):
        feed.to_csv(tmp_path / "b.csv")
    for name in ("start", "end"):
        with pytest.raises(tk.InvalidArgument, match=name):
            feed.to_csv(tmp_path / "c.csv", **{name: "noon"})


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_value_that_was_left_out_counts_once_in_repeated_exports(tmp_path: Path, name: str) -> None:
    """An export that appends adds those since the last one; a new file has all of them."""
    server = tk.serve(port=0)
    path = tmp_path / name
    with tk.connect(server.url) as feed:
        write = feed.to_csv if name == "a.csv" else feed.to_parquet
        for note in (1, "text", "text", "more"):
            server.publish({"symbol": "A", "price": 1.0, "note": note})
            feed.wait(1)
            write(path, last=1, mode="append")
        assert feed.stats["misfits"] == {"note": 3}
        assert load(path).misfits == {"note": 3}
        write(path, mode="overwrite")
        write(path, last=1, mode="append")
        assert load(path).misfits == {"note": 3}


def test_export_lists_the_late_ticks_that_it_leaves_out(tmp_path: Path) -> None:
    """A late tick outside `last=` stands between newer ones; without it the file isn't damaged."""
    server = tk.serve(port=0)
    for number in (0, 100, 1, 101):
        server.publish({"symbol": "A", "price": 1.0, "time": 1_700_000_000 + number})
    with tk.connect(server.url) as feed:
        feed.wait(4)
    report = verify(feed.to_csv(tmp_path / "a.csv", last="10s"))
    assert report.rows == 2
    assert report.problems == []
    assert report.gaps["from"].tolist() == [3]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("IBM", 20_000),
        *(
            pytest.param(name, share_of(500_000), marks=pytest.mark.soak, id=f"{name}-soak")
            for name in ("SPY", "IBM", "ES")
        ),
    ],
)
def test_recorded_day_is_recorded_again_identical(
    recorded: Path, tmp_path: Path, name: str, rows: int
) -> None:
    """Replayed at full speed, recorded and read back, it equals what the feed had."""
    day = recorded_day(recorded, name)[:rows]
    server = tk.serve(tk.replay(day, speed=math.inf, wait_for=2), port=0)
    with tk.connect(server.url, keep=10_000_000) as feed:
        feed.record(tmp_path / "ticks.csv", flush_s=0.2)
        feed.record(tmp_path / "ticks.parquet", flush_s=0.2)
        with tk.connect(server.url, keep=1):  # the replay begins with it
            feed.wait(len(day), timeout=120)
        feed.stop()
    assert len(feed.frame()) == len(day)
    for path in (tmp_path / "ticks.csv", tmp_path / "ticks.parquet"):
        found = load(path)
        assert found.warning is None
        pd.testing.assert_frame_equal(found.frame, feed.frame())


@pytest.mark.soak
def test_raw_frames_are_recorded_byte_for_byte(
    recorded: Path, tmp_path: Path, until: Until
) -> None:
    """The raw lines hold a venue's messages as they were sent."""
    for source in recordings(recorded)[:6]:
        texts = list(wire_texts(source))[:5000]

        begun = threading.Event()

        def send(peer: Any, texts: list[str] = texts, begun: threading.Event = begun) -> None:
            begun.wait(10)
            for text in texts:
                peer.send(text)

        with serve(send, "127.0.0.1", 0) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            port = server.socket.getsockname()[1]
            path = tmp_path / source.name.partition(".")[0] / "ticks.csv"
            feed = tk.connect(f"ws://127.0.0.1:{port}/")
            feed.record(path, raw=True)
            begun.set()
            until(lambda feed=feed: feed.status == "ended", 60)
            feed.stop()
            server.shutdown()
            thread.join()
        lines = path.with_name("ticks.raw.jsonl").read_bytes().split(b"\n")
        kept = [line[line.index(b'"frame":') + 8 : -1] for line in lines if b'"frame":' in line]
        assert [text.encode() for text in texts] == kept
        assert load(path.with_name("ticks.raw.jsonl")).warning is None
