"""Growing: a Parquet recording that any program can read while it is written."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from numbered import ticks
from soaks import share_of

from tickerkit.log import Gap
from tickerkit.storage import load
from tickerkit.storage.earlier_files import finish
from tickerkit.storage.parquet import growing, growing_file
from tickerkit.storage.parquet.growing import GrowingParquet
from tickerkit.storage.paths import files_of, working_path
from tickerkit.storage.verify import verify

GROUP = 100


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make row groups small, and copies rest for no time."""
    monkeypatch.setattr(growing, "ROWS_AT_ONCE", GROUP)
    monkeypatch.setattr(growing, "MIN_GROUP_ROWS", GROUP // 10)
    monkeypatch.setattr(growing_file, "REST_S", 0.0)


class Clock:
    """A clock that the tests set, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def seqs(path: Path) -> list[int]:
    """Return the seqs that another program finds in a Parquet file."""
    found: list[int] = pq.read_table(path)["seq"].to_pylist()
    return found


def some(start: int, stop: int, **more: Any) -> pd.DataFrame:
    """Return ticks with these seqs, and the columns of every recording."""
    frame = ticks(*range(start, stop))
    frame.insert(4, "size", 1.0)
    frame.insert(5, "received", frame["time"])
    return frame.assign(**more)


def grow(file: GrowingParquet, frame: pd.DataFrame) -> None:
    """Append ticks in two halves, none of which is a whole row group."""
    half = len(frame) // 2
    for part in (frame.iloc[:half], frame.iloc[half:]):
        file.append(part.reset_index(drop=True))


def test_waiting_rows_become_a_row_group(tmp_path: Path) -> None:
    """A whole one at once, some after a minute, few not; the CSV has only what is in none."""
    path, clock = tmp_path / "t.parquet", Clock()
    file = GrowingParquet(path, clock=clock)
    file.append(some(1, 100))
    assert not path.exists()
    file.append(some(100, 120))
    assert seqs(path) == list(range(1, 120))
    assert len(load(working_path(path)).frame) == 0
    file.append(some(120, 125))
    clock.now += 61
    file.settle()
    assert len(seqs(path)) == 119
    file.append(some(125, 150))
    assert len(seqs(path)) == 149
    file.append(some(150, 155))
    assert load(path).frame["seq"].tolist() == list(range(1, 155))
    file.close()
    finish(path)
    assert [each.name for each in tmp_path.iterdir()] == ["t.parquet"]
    assert seqs(path) == list(range(1, 155))
    assert pq.ParquetFile(path).num_row_groups == 3
    assert verify(path).problems == []


def test_whole_row_groups_do_not_pass_through_the_csv(tmp_path: Path) -> None:
    """They are visible after some seconds, or when fewer rows follow, and in order."""
    path, clock = tmp_path / "t.parquet", Clock()
    file = GrowingParquet(path, clock=clock)
    file.append(some(1, 6))
    assert file.next_count(50, 10) == 10
    assert file.next_count(500, 10) == GROUP
    for start in range(6, 406, GROUP):
        file.append(some(start, start + GROUP))
    assert len(load(working_path(path)).frame) == 0
    assert seqs(path) == list(range(1, 6))
    clock.now += 3
    file.settle()
    assert seqs(path) == list(range(1, 406))
    file.append(some(406, 406 + GROUP))
    assert file.next_count(20, 10) == 20
    file.append(some(406 + GROUP, 530))
    assert seqs(path) == list(range(1, 530))
    file.append(some(530, 532))
    assert file.last is not None
    assert (file.rows, file.last.seq) == (531, 531)
    file.close()
    finish(path)
    assert seqs(path) == list(range(1, 532))


def test_ticks_come_back_identical(tmp_path: Path) -> None:
    """Types, categories and their order, gaps, misfits, units and the source."""
    path = tmp_path / "t.parquet"
    parts = [some(1, 150), some(150, 170), some(170, 400)]
    words = pd.CategoricalDtype(pd.Index(["S2", "never", "S0", "S1"], dtype="str"))
    parts = [part.astype({"symbol": words, "epoch": "str"}) for part in parts]
    parts = [part.assign(n=np.int64(7), epoch=pd.Categorical(part["epoch"])) for part in parts]
    file = GrowingParquet(path, source="ws://here", symbols=["S0", "S1", "S2"])
    gap = Gap("e1", 400, 410, "lost")
    for part in parts:
        file.note_units({"price": "USD"})
        grow(file, part)
    file.note_gaps([gap])
    file.note_misfits({"note": 2})
    file.close()
    finish(path)
    found = load(path)
    pd.testing.assert_frame_equal(found.frame, pd.concat(parts, ignore_index=True))
    assert found.gaps[["from", "to"]].to_numpy().tolist() == [[400, 410]]
    assert (found.source, found.symbols) == ("ws://here", ["S0", "S1", "S2"])
    assert (dict(found.misfits), dict(found.units)) == ({"note": 2}, {"price": "USD"})
    assert found.warning is None


def test_new_columns_and_other_types_are_in_one_file(tmp_path: Path) -> None:
    """Rows lack the columns that came later, or that a later run doesn't know."""
    path = tmp_path / "t.parquet"
    file = GrowingParquet(path)
    file.append(some(1, 150, n=np.int64(3)))
    file.append(some(150, 160, n=np.int64(3)))
    file.append(some(160, 300, n=np.int64(3), bid=1.5))
    file.append(some(300, 450, n=0.5, bid=2.5))
    file.close()
    finish(path)
    again = GrowingParquet(path)
    again.append(some(450, 600))
    again.append(some(600, 750, n=np.int64(4), bid=1.5))
    again.close()
    finish(path)
    frame = load(path).frame
    assert frame["seq"].tolist() == list(range(1, 750))
    assert frame["n"].sum() == 299 * 3 + 150 * 0.5 + 150 * 4
    assert frame["bid"].isna().sum() == 159 + 150
    assert verify(path).problems == []


def test_integers_that_rows_lack_stay_integers(tmp_path: Path) -> None:
    """Of two runs, the second lacks a column of integers."""
    path, large = tmp_path / "t.parquet", 2**60 + 1
    for part in (some(1, 150, n=large), some(150, 300), some(300, 450, n=large)):
        file = GrowingParquet(path)
        file.append(part)
        file.close()
        finish(path)
    found = load(path).frame["n"]
    assert found.dropna().unique().tolist() == [large]
    assert found.isna().sum() == 150


def test_integers_of_a_file_that_gets_more_columns_stay_exact(tmp_path: Path) -> None:
    """Each further column writes the file again, and the next run continues it."""
    path, large = tmp_path / "t.parquet", 2**60 + 1
    for parts in (
        [some(1, 150), some(150, 300, n=large), some(300, 450, n=large, bid=1.5)],
        [some(450, 600, ask=2.5)],
    ):
        file = GrowingParquet(path)
        for part in parts:
            file.append(part)
        file.close()
        finish(path)
    found = load(path).frame["n"]
    assert found.dropna().unique().tolist() == [large]
    assert found.isna().sum() == 149 + 150


class Killed(BaseException):
    """Stands for the end of a process."""


@contextlib.contextmanager
def killed_at(number: int, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """End the program before a call that changes the disk: the one of this number, from 0."""
    left = [number]

    def stopping(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return function(*arguments, **options)

        return call

    with patch.context() as change:
        for place, names in (
            (os, ("link", "fsync", "write", "truncate", "ftruncate")),
            (Path, ("replace", "unlink", "write_bytes")),
            (shutil, ("copyfile",)),
        ):
            for name in names:
                change.setattr(place, name, stopping(getattr(place, name)))
        yield


@pytest.mark.parametrize("step", [29, pytest.param(29 // share_of(29), marks=pytest.mark.soak)])
def test_no_tick_is_lost_or_doubled_wherever_the_program_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Before each call that changes the disk: what was appended is there, and the rest follows."""
    whole, moment = tmp_path / "whole", 0
    while True:
        path = tmp_path / str(moment) / "t.parquet"
        done = 0
        file = GrowingParquet(path)
        try:
            with killed_at(moment, monkeypatch):
                for start in range(1, 500, 40):
                    file.append(some(start, start + 40))
                    done = start + 39
                file.close()
                finish(path)
                whole.touch()
        except Killed:
            file.abandon()
        visible = seqs(path) if path.exists() else []
        assert visible == list(range(1, len(visible) + 1))
        found = load(path).frame["seq"].tolist()
        assert found == list(range(1, len(found) + 1))
        assert done <= len(found) <= done + 40
        again = GrowingParquet(path)
        assert again.last is None or again.last.seq == len(found)
        again.append(some(len(found) + 1, len(found) + 151))
        again.close()
        finish(path)
        assert seqs(path) == list(range(1, len(found) + 151))
        assert verify(path).problems == []
        assert [each.name for each in path.parent.iterdir()] == ["t.parquet"]
        shutil.rmtree(path.parent)
        if whole.exists():
            break
        moment += step
    assert moment > 50


def test_row_group_that_can_not_be_written_waits_in_the_csv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it can be, it is made; nothing is written twice."""
    path, clock, errors = tmp_path / "t.parquet", Clock(), []
    file = GrowingParquet(path, on_error=errors.append, clock=clock)
    grow(file, some(1, 150))
    with monkeypatch.context() as change:

        def fail(_: int) -> None:
            raise OSError(errno.ENOSPC, "the disk is full")

        change.setattr(growing_file.os, "fsync", fail)
        grow(file, some(150, 300))
        grow(file, some(300, 450))
        assert [error.errno for error in errors] == [errno.ENOSPC]
        assert len(seqs(path)) == 149
        assert load(path).frame["seq"].tolist() == list(range(1, 450))
        change.setattr(growing, "MAX_LOG_ROWS", 200)
        with pytest.raises(OSError, match="full"):
            file.append(some(450, 500))
    clock.now += 11
    file.append(some(450, 500))
    assert seqs(path) == list(range(1, 500))
    file.close()
    finish(path)
    assert seqs(path) == list(range(1, 500))


def test_file_that_was_moved_begins_again(tmp_path: Path) -> None:
    """The writer sees it; nothing is in both files."""
    path = tmp_path / "t.parquet"
    file = GrowingParquet(path)
    grow(file, some(1, 150))
    assert file.is_intact
    path.rename(tmp_path / "old.parquet")
    assert not file.is_intact
    file.abandon()
    again = GrowingParquet(path)
    again.append(some(150, 300))
    again.close()
    finish(path)
    assert seqs(tmp_path / "old.parquet") == list(range(1, 150))
    assert seqs(path) == list(range(150, 300))


def test_file_that_was_moved_is_not_written_again(tmp_path: Path) -> None:
    """Neither it nor what is now at its path: rows wait until the file is opened again."""
    path, clock = tmp_path / "t.parquet", Clock()
    file = GrowingParquet(path, clock=clock)
    grow(file, some(1, 150))
    file.append(some(150, 170))
    path.rename(tmp_path / "old.parquet")
    path.write_bytes(b"another")
    clock.now += growing.MAX_WAIT_S
    file.settle()
    file.finish()
    file.close()
    assert path.read_bytes() == b"another"
    assert seqs(tmp_path / "old.parquet") == list(range(1, 150))
    assert load(working_path(path)).frame["seq"].tolist() == list(range(150, 170))


def test_abandoned_file_says_which_rows_are_in_no_file(tmp_path: Path) -> None:
    """While it catches up, rows are in memory only for a moment."""
    path = tmp_path / "t.parquet"
    file = GrowingParquet(path, clock=Clock())
    for start in (1, 101, 201):
        file.append(some(start, start + GROUP))
    visible = seqs(path)
    assert file.rows_ahead == 300 - len(visible) > 0
    file.abandon()
    assert file.last is not None
    assert file.last.seq == len(visible)


def test_program_that_has_opened_the_file_reads_it_to_the_end(tmp_path: Path) -> None:
    """Whatever is written meanwhile: it has read the list of row groups."""
    path = tmp_path / "t.parquet"
    file = GrowingParquet(path)
    readers = []
    for start in range(1, 1000, 120):
        grow(file, some(start, start + 120))
        readers.append(pq.ParquetFile(path, page_checksum_verification=True))
    for number, reader in enumerate(readers, 1):
        assert reader.read()["seq"].to_pylist() == list(range(1, 120 * number + 1))
        reader.close()
    file.close()


def test_copies_that_can_not_have_two_names_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk without hard links."""

    def fail(*_: Any) -> None:
        raise OSError(errno.EPERM, "no hard links")

    monkeypatch.setattr(growing_file.os, "link", fail)
    path = tmp_path / "t.parquet"
    file = GrowingParquet(path)
    for start in range(1, 1000, 120):
        grow(file, some(start, start + 120))
        assert seqs(path) == list(range(1, start + 120))
    assert file.size_on_disk >= path.stat().st_size
    assert len(files_of(path)) >= 2
    file.close()


def test_size_is_about_that_of_the_finished_file(tmp_path: Path) -> None:
    """Also before there is a row group: `rotate` goes by it."""
    path = tmp_path / "t.parquet"
    file = GrowingParquet(path)
    sizes = []
    for start in range(1, 300, 30):
        file.append(some(start, start + 30))
        sizes.append(file.size)
    file.close()
    finish(path)
    assert 0.3 < sizes[-1] / path.stat().st_size < 1.5
    assert sizes[0] > 0
