"""TickLog under load: its rows move while frames of it are read, kept and written to."""

from __future__ import annotations

import gc
import random
import sys
import threading
import weakref
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest
from soaks import share_of

from tickerkit.log import TickLog
from tickerkit.log import compaction as compaction_module
from tickerkit.ticks import read_ticks

KEEP = 500
MAX_KEPT = 12


@pytest.fixture(autouse=True)
def threads_switch_often() -> Iterator[None]:
    """Switch threads often; by default, three that compute let a fourth run once in 15 ms."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def tick(n: int) -> dict[str, object]:
    """Return the n-th tick: new symbols, new words and new columns come all the time."""
    return {
        "symbol": f"S{n // 50}",
        "price": n,
        "size": n % 7,
        "time": n,
        "note": f"n{n // 30 % 999}",
        f"c{n // 400 % 30}": 2 * n,
    }


def assert_as_appended(frame: pd.DataFrame) -> None:
    """Check that a frame holds exactly what was appended under its seqs."""
    seq = frame["seq"].to_numpy()
    assert (np.diff(seq) == 1).all()
    n = seq - 1
    assert (frame["price"].to_numpy() == n).all()
    assert (frame["size"].to_numpy() == n % 7).all()
    assert (frame["time"].array.asi8 == n * 10**9).all()  # type: ignore[union-attr]
    assert frame["symbol"].tolist() == [f"S{each}" for each in n // 50]
    assert frame["note"].tolist() == [f"n{each}" for each in n // 30 % 999]
    for name in frame.columns:
        if name.startswith("c"):
            here = n // 400 % 30 == int(name[1:])
            assert np.array_equal(frame[name], np.where(here, 2.0 * n, np.nan), equal_nan=True)


def fingerprint(frame: pd.DataFrame) -> bytes:
    """Return a number that changes when any value of a frame does."""
    return pd.util.hash_pandas_object(frame).to_numpy().tobytes()


def load(log: TickLog, count: int) -> None:
    """Append ticks while threads read, keep and write to frames; check every kept frame."""
    done = threading.Event()
    faults: list[BaseException] = []
    log.append(read_ticks(tick(0)), received=0)
    looks = [0, 0, 0]

    def keep(chance: random.Random) -> Callable[[], None]:
        kept: list[tuple[pd.DataFrame, bytes]] = []

        def look() -> None:
            frame = log.frame()
            assert_as_appended(frame)
            kept.append((frame, fingerprint(frame)))
            if len(kept) > MAX_KEPT:
                frame, was = kept.pop(chance.randrange(MAX_KEPT))
                assert fingerprint(frame) == was
                assert_as_appended(frame)
            if done.is_set():
                for frame, was in kept:
                    assert fingerprint(frame) == was
                    assert_as_appended(frame)

        return look

    def write(chance: random.Random) -> Callable[[], None]:
        kept: list[tuple[pd.DataFrame, bytes]] = []

        def look() -> None:
            frame = log.frame()
            if len(frame):
                name = chance.choice(["price", "size", "seq"])
                frame.loc[chance.randrange(len(frame)) :, name] = -77
                frame.loc[0, "symbol"] = frame["symbol"].iloc[-1]
                frame["time"] = frame["time"].max()
            kept.append((frame, fingerprint(frame)))
            if len(kept) > MAX_KEPT or done.is_set():
                for frame, was in kept:
                    assert fingerprint(frame) == was
                del kept[::2]

        return look

    def rows(chance: random.Random) -> Callable[[], None]:
        kept = []

        def look() -> None:
            rows = log.rows()
            kept.append((rows, {name: rows.array(name).copy() for name in rows.names()}))
            if len(kept) > MAX_KEPT or done.is_set():
                for rows, copies in kept:
                    for name, copy in copies.items():
                        assert np.array_equal(rows.array(name), copy, equal_nan=True), name
                    assert_as_appended(rows.frame())
                del kept[::2]

        return look

    def run(which: int, look: Callable[[], None]) -> None:
        try:
            while not done.is_set():
                look()
                looks[which] += 1
            look()
        except BaseException as error:
            faults.append(error)

    threads = [
        threading.Thread(target=run, args=(which, make(random.Random(which))))
        for which, make in enumerate((keep, write, rows))
    ]
    for thread in threads:
        thread.start()
    chance = random.Random(9)
    while (log.stop < count or min(looks) < MAX_KEPT + 3) and not faults:
        some = [tick(n) for n in range(log.stop, log.stop + chance.randint(1, 60))]
        log.append(read_ticks(some), received=0)
    done.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert_as_appended(log.frame())


def test_frames_never_change_while_rows_move(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Under load, whatever others write, a frame holds what was appended under its seqs."""
    monkeypatch.setattr(compaction_module, "MIN_ROWS", 64)
    monkeypatch.setattr(compaction_module, "COPIED_PER_ROW", 2)
    load(TickLog(KEEP), 5_000)


@pytest.mark.soak
def test_frames_never_change_in_a_long_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same over 500,000 ticks, or over CI's share."""
    monkeypatch.setattr(compaction_module, "MIN_ROWS", 64)
    monkeypatch.setattr(compaction_module, "COPIED_PER_ROW", 2)
    load(TickLog(KEEP), share_of(500_000))


def test_arrays_are_freed_with_their_last_frame() -> None:
    """However often rows moved, only the newest arrays exist, and those of frames that are kept."""
    log = TickLog(2000)
    arrays: list[weakref.ref[np.ndarray]] = []
    kept: list[pd.DataFrame] = []
    moves = 0
    for n in range(0, 40_000, 200):
        log.append(read_ticks([tick(each) for each in range(n, n + 200)]), received=0)
        newest = log.state.arrays["seq"]
        if not arrays or arrays[-1]() is not newest:
            arrays.append(weakref.ref(newest))
            moves += 1
        frame = log.frame()
        if n in (10_000, 30_000):
            kept.append(frame)
        most = (2000 + compaction_module.MIN_ROWS) * 8
        assert all(each.nbytes <= most for each in log.state.arrays.values())
    assert moves > 20
    del frame, newest
    for alive in (3, 2, 1):
        gc.collect()
        assert sum(each() is not None for each in arrays) == alive
        del kept[:1]
