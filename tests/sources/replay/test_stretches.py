"""Tests of stretches: recordings joined to one tape, and the gaps in and between them."""

from __future__ import annotations

from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tickerkit.errors import RecordingError, RecordingWarning
from tickerkit.sources.replay import files, stretches
from tickerkit.sources.replay.inputs import check_recordings
from tickerkit.sources.replay.stretches import StretchReader
from tickerkit.sources.replay.tape import Tape
from tickerkit.storage import CsvFile, write_csv, write_parquet
from tickerkit.storage.scan import Scan
from tickerkit.ticks import Batch

Rows = list[tuple[str, int]]
Listed = list[tuple[str, int, int | None]]
ANOTHER = "another epoch begins"


def frame(rows: Rows) -> pd.DataFrame:
    """Return ticks of these epochs and seqs, priced by their seq."""
    epochs, seqs = [epoch for epoch, _ in rows], [seq for _, seq in rows]
    columns = {"seq": seqs, "time": 10**18, "symbol": "A", "price": seqs, "epoch": epochs}
    return pd.DataFrame(columns).astype({"epoch": "category"})


def gaps(listed: Listed) -> pd.DataFrame:
    """Return gaps of these epochs, from and to, whose reasons are a, b, c, ..."""
    rows = [(*gap, "abcdef"[index]) for index, gap in enumerate(listed)]
    made = pd.DataFrame(rows, columns=["epoch", "from", "to", "reason"])
    return made.astype({"from": "Int64", "to": "Int64"})


class Read:
    """Recordings read to their end.

    Attributes:
        tape: their ticks.
        reports: their damage, and their rejected rows.
        reader: the reader.
    """

    def __init__(self, what: Any) -> None:
        self.reader = StretchReader(check_recordings(what))
        self.tape = Tape(self.reader.open())
        self.batches: list[Batch] = []
        self.reports: list[Warning | Batch] = []
        while not self.tape.is_whole:
            found = self.reader.read_on()
            if found.ticks is not None:
                self.tape.add(found.ticks)
                self.batches.append(found.ticks)
            self.tape.gaps += found.gaps
            self.reports += found.reports
            self.tape.is_whole = found.is_last

    @property
    def prices(self) -> list[list[float]]:
        """The prices of each stretch."""
        return [np.asarray(batch.columns["price"]).tolist() for batch in self.batches]


def read(folder: Path, *files: tuple[Rows, Listed]) -> Tape:
    """Read files that hold these rows and list these gaps."""
    paths = [
        write_csv(frame(rows), folder / f"{index}.csv", gaps=gaps(listed))
        for index, (rows, listed) in enumerate(files)
    ]
    return Read(paths).tape


def placed(tape: Tape) -> list[tuple[int, int | None, str]]:
    """Return the row, count and reason of each gap of a tape."""
    return [(row, gap.count, gap.reason) for row, gap in tape.gaps]


@pytest.mark.parametrize(
    ("rows", "listed", "found"),
    [
        ([("x", 1), ("x", 5)], [("x", 2, 4)], [(1, 3, "a")]),
        ([("x", 1), ("x", 5)], [], []),
        ([("x", 4)], [("x", 1, 3)], [(0, 3, "a")]),
        ([("x", 1)], [("x", 2, 4)], [(1, 3, "a")]),
        ([("x", 1), ("y", 1)], [], [(1, None, ANOTHER)]),
        ([("x", 1), ("y", 1)], [("x", 2, None)], [(1, None, "a")]),
        ([("x", 1), ("y", 4)], [("y", 1, 3)], [(1, None, ANOTHER), (1, 3, "a")]),
        ([("x", 1), ("y", 4)], [("x", 2, 3)], [(1, 2, "a"), (1, None, ANOTHER)]),
        (
            [("x", 1), ("z", 4)],
            [("x", 2, None), ("y", 1, None), ("z", 1, 3)],
            [(1, None, "a"), (1, None, "b"), (1, 3, "c")],
        ),
        ([("x", 1), ("x", 2)], [("x", 3, None)], [(2, None, "a")]),
        ([], [("x", 1, 3)], []),
    ],
)
def test_listed_gaps_lie_before_the_tick_after_them(
    tmp_path: Path,
    rows: Rows,
    listed: Listed,
    found: list[tuple[int, int | None, str]],
) -> None:
    """Or after the last tick of their epoch; an unlisted jump of seq is no gap."""
    if not rows:
        found = [(0, None, "a")]
    assert placed(read(tmp_path, (rows, listed))) == found


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ([("x", 1)], [("x", 2)], []),
        ([("x", 1)], [("x", 9)], []),
        ([("x", 1)], [("y", 1)], [(1, None, ANOTHER)]),
        ([("x", 1)], [("x", 1)], [(1, None, ANOTHER)]),
        ([("x", 1)], [], []),
    ],
)
def test_recordings_of_one_epoch_continue(
    tmp_path: Path,
    first: Rows,
    second: Rows,
    found: list[tuple[int, int | None, str]],
) -> None:
    """Between them is a gap where another epoch begins, or the same one begins again."""
    made = read(tmp_path, (first, []), (second, []))
    assert placed(made) == found
    assert made.count == len(first) + len(second)


def test_missing_file_is_a_gap(tmp_path: Path) -> None:
    """Between the files of one recording a jump of seq is one, unless it is listed."""
    for day, seqs in ((1, (5, 6)), (3, (1, 2)), (2, (9, 10))):  # the first clock was wrong
        path = tmp_path / f"t-2026010{day}T000000Z.csv"
        write_csv(frame([("x", seq) for seq in seqs]), path)
    made = Read(tmp_path).tape
    assert [(row, count) for row, count, _ in placed(made)] == [(2, 2), (4, 2)]
    assert [gap.first for _, gap in made.gaps] == [3, 7]


def test_gap_listed_by_the_next_recording_is_reported_once(tmp_path: Path) -> None:
    """A listed end of an epoch replaces the gap of the change of epochs."""
    made = read(tmp_path, ([("x", 1)], []), ([("y", 1)], [("x", 2, None)]))
    assert placed(made) == [(1, None, "a")]


def test_invalid_rows_move_no_gap(tmp_path: Path) -> None:
    """A gap lies before the same tick, whatever was refused before it."""
    rows = frame([("x", 1), ("x", 2), ("x", 5)]).astype({"price": float})
    rows.loc[1, "price"] = float("nan")
    made = Read(write_csv(rows, tmp_path / "t.csv", gaps=gaps([("x", 3, 4)])))
    assert placed(made.tape) == [(1, 2, "a")]
    assert [each.refused for each in made.reports if isinstance(each, Batch)] == [1]
    assert list(made.batches[0].columns) == ["symbol", "price", "size"]


def test_warning_of_a_damaged_recording_is_reported(tmp_path: Path) -> None:
    """The ticks that were read are there, too."""
    path = write_csv(frame([("x", 1), ("x", 2)]), tmp_path / "t.csv")
    path.write_bytes(path.read_bytes()[:-5])
    made = Read(path)
    assert [type(each) for each in made.reports] == [RecordingWarning]
    assert made.tape.count == 1


def test_frame_without_epochs_has_no_gaps() -> None:
    """Without seqs nothing is known of missing ticks."""
    plain = pd.DataFrame({"symbol": ["A", "B"], "price": [1.0, 2.0]})
    assert placed(Read(plain).tape) == []


def test_part_ends_with_its_recording(tmp_path: Path) -> None:
    """Rows count through all recordings."""
    made = read(tmp_path, ([("x", 1), ("x", 2)], []), ([("x", 3)], []))
    assert [made.next_break(row) for row in range(3)] == [2, 2, 3]
    assert [each.start for each in made.outlines] == [0, 2]


def test_unfinished_parquet_file_is_read(tmp_path: Path) -> None:
    """Its ticks so far are in a CSV file beside it."""
    with CsvFile(tmp_path / "_a.parquet.csv") as file:
        file.append(frame([("x", 1)]))
    assert Read(tmp_path / "a.parquet").tape.count == 1


def test_recordings_are_read_in_the_order_given(tmp_path: Path) -> None:
    """A folder in the list is read in order of name."""
    for name, seq in (("b.csv", 2), ("a.csv", 3), ("more/c.csv", 4)):
        write_csv(frame([("x", seq)]), tmp_path / name)
    made = Read([tmp_path / "b.csv", tmp_path / "a.csv", str(tmp_path / "more")])
    assert made.prices == [[2], [3], [4]]


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.csv.zst", "t.parquet"])
def test_stretch_is_read_again_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """In any order, and whatever was refused in it."""
    monkeypatch.setattr(files, "Scan", partial(Scan, max_rows=7))
    rows = frame([("x", seq) for seq in range(1, 100)]).astype({"price": float})
    rows.loc[[3, 30, *range(70, 77)], "price"] = float("nan")
    (write_parquet if name == "t.parquet" else write_csv)(rows, tmp_path / name)
    made = Read(tmp_path / name)
    assert made.tape.count == 90
    numbers = range(len(made.batches))
    for number in [*numbers, *reversed(numbers), *numbers[::3]]:
        again = made.reader.read_again(number)
        assert np.asarray(again.columns["price"]).tolist() == made.prices[number]


def test_few_of_many_files_are_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece of a file that was closed is read again as well."""
    monkeypatch.setattr(stretches, "MAX_OPEN", 2)
    monkeypatch.setattr(files, "Scan", partial(Scan, max_rows=2))
    for number in range(6):
        rows: Rows = [("x", 5 * number + seq) for seq in range(1, 6)]
        write_csv(frame(rows), tmp_path / f"t-2026010{number + 1}T000000Z.csv")
    made = Read(tmp_path)
    assert list(chain.from_iterable(made.prices)) == list(range(1, 31))
    for number in [17, 2, 16, 0, 9, *range(18)]:
        again = made.reader.read_again(number)
        assert np.asarray(again.columns["price"]).tolist() == made.prices[number]
        assert len(made.reader._open) <= 2


def test_piece_that_is_gone_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file was changed after it was played."""
    made = Read(write_csv(frame([("x", 1)]), tmp_path / "t.csv"))
    monkeypatch.setattr(Scan, "pieces", lambda *_: iter(()))
    with pytest.raises(RecordingError):
        made.reader.read_again(0)
