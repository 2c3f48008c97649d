"""Tests of tape: recordings joined to one, and the gaps in and between them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tickerkit import storage
from tickerkit.errors import SourceError
from tickerkit.sources.replay.tape import Tape, check_recordings, find_recordings, read_tape
from tickerkit.storage import CsvFile, Recording, write_csv

Rows = list[tuple[str, int]]
Listed = list[tuple[str, int | None, int | None]]
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


def tape(monkeypatch: pytest.MonkeyPatch, *files: tuple[Rows, Listed]) -> Tape:
    """Read files that hold these rows and list these gaps."""
    held = {f"{index}.csv": Recording(frame(a), gaps(b)) for index, (a, b) in enumerate(files)}
    monkeypatch.setattr(storage, "load", lambda path: held[path.name])
    return read_tape([Path(name) for name in held])


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
        ([("x", 1), ("x", 2)], [("x", None, 4)], [(2, None, "a")]),
        ([], [("x", 1, 3)], []),
    ],
)
def test_listed_gaps_lie_before_the_tick_after_them(
    monkeypatch: pytest.MonkeyPatch,
    rows: Rows,
    listed: Listed,
    found: list[tuple[int, int | None, str]],
) -> None:
    """Or after the last tick of their epoch; an unlisted jump of seq is no gap."""
    if not rows:
        found = [(0, None, "a")]
    assert placed(tape(monkeypatch, (rows, listed))) == found


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
    monkeypatch: pytest.MonkeyPatch,
    first: Rows,
    second: Rows,
    found: list[tuple[int, int | None, str]],
) -> None:
    """Between them is a gap where another epoch begins, or the same one begins again."""
    made = tape(monkeypatch, (first, []), (second, []))
    assert placed(made) == found
    assert made.count == len(first) + len(second)


def test_missing_file_is_a_gap(tmp_path: Path) -> None:
    """Between the files of one recording a jump of seq is one, unless it is listed."""
    for day, seqs in ((1, (5, 6)), (3, (1, 2)), (2, (9, 10))):  # the first clock was wrong
        path = tmp_path / f"t-2026010{day}T000000Z.csv"
        write_csv(frame([("x", seq) for seq in seqs]), path)
    made = read_tape(check_recordings(tmp_path))
    assert [(row, count) for row, count, _ in placed(made)] == [(2, 2), (4, 2)]
    assert [gap.first for _, gap in made.gaps] == [3, 7]


def test_gap_listed_by_the_next_recording_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listed end of an epoch replaces the gap of the change of epochs."""
    made = tape(monkeypatch, ([("x", 1)], []), ([("y", 1)], [("x", 2, None)]))
    assert placed(made) == [(1, None, "a")]


def test_invalid_rows_move_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap lies before the same tick, whatever was refused before it."""
    rows = frame([("x", 1), ("x", 2), ("x", 5)]).astype({"price": float})
    rows.loc[1, "price"] = float("nan")
    monkeypatch.setattr(storage, "load", lambda _: Recording(rows, gaps([("x", 3, 4)])))
    made = read_tape([Path("t.csv")])
    assert placed(made) == [(1, 2, "a")]
    assert [batch.refused for batch in made.rejections()] == [1]
    assert list(made.part(1, 2).columns) == ["symbol", "price", "size"]


def test_warning_of_a_damaged_recording_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ticks that were read are there, too."""
    torn = UserWarning("the last line is torn")
    found = Recording(frame([("x", 1)]), gaps([]), warning=torn)  # type: ignore[arg-type]
    monkeypatch.setattr(storage, "load", lambda _: found)
    made = read_tape([Path("t.csv")])
    assert (made.warnings, made.count) == ([torn], 1)


def test_frame_without_epochs_has_no_gaps() -> None:
    """Without seqs nothing is known of missing ticks."""
    plain = pd.DataFrame({"symbol": ["A", "B"], "price": [1.0, 2.0]})
    assert placed(read_tape(plain)) == []


def test_part_ends_with_its_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows count through all recordings."""
    made = tape(monkeypatch, ([("x", 1), ("x", 2)], []), ([("x", 3)], []))
    assert made.breaks == [0, 2, 3]
    prices = [made.part(0, 2).columns["price"], made.part(2, 3).columns["price"]]
    assert [list(each) for each in prices] == [[1, 2], [3]]  # type: ignore[arg-type]


def test_folder_holds_its_recordings_in_order_of_name(tmp_path: Path) -> None:
    """Sidecars, hidden files, other files and folders are left out."""
    for name in ("b.csv", "a.parquet", "c.jsonl.gz", "b.csv.meta.jsonl", ".d.csv", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "e.csv").mkdir()
    assert [each.name for each in find_recordings(tmp_path)] == ["a.parquet", "b.csv", "c.jsonl.gz"]
    with pytest.raises(SourceError, match="is a folder without a recording"):
        check_recordings([tmp_path / "e.csv"])
    with pytest.raises(SourceError, match="a list of paths"):
        check_recordings([])


def test_unfinished_parquet_file_is_read(tmp_path: Path) -> None:
    """Its ticks so far are in a CSV file beside it."""
    with CsvFile(tmp_path / "a.parquet.csv") as file:
        file.append(frame([("x", 1)]))
    assert read_tape(check_recordings(tmp_path / "a.parquet")).count == 1
    with pytest.raises(SourceError, match="no file"):
        check_recordings(tmp_path / "b.parquet")


def test_recordings_are_read_in_the_order_given(tmp_path: Path) -> None:
    """A folder in the list is read in order of name."""
    for name, seq in (("b.csv", 2), ("a.csv", 3), ("more/c.csv", 4)):
        write_csv(frame([("x", seq)]), tmp_path / name)
    made = read_tape(
        check_recordings([tmp_path / "b.csv", tmp_path / "a.csv", str(tmp_path / "more")])
    )
    assert [list(each.columns["price"]) for each in made.batches] == [[2], [3], [4]]  # type: ignore[arg-type]
