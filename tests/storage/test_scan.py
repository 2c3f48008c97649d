"""Scans: a recording of any format piece by piece, the same as read whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tickerkit.storage.csv.read as csv_module
from tickerkit.errors import RecordingError
from tickerkit.storage import CsvFile, load, write_csv, write_jsonl, write_parquet
from tickerkit.storage.frame_builder import FrameBuilder
from tickerkit.storage.frames import combine_frames
from tickerkit.storage.parquet.write import write_partitions
from tickerkit.storage.partitions import RECORDING
from tickerkit.storage.paths import working_path
from tickerkit.storage.raw_lines import connected_line, frame_line
from tickerkit.storage.scan import Piece, Scan
from tickerkit.storage.sidecar import Head, Sidecar

T0 = 1_763_000_000_123_456_789
ROWS = 200
NAMES = ["t.csv", "t.csv.gz", "t.csv.zst", "t.parquet", "t.jsonl", "t.jsonl.zst"]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a few lines of CSV at once."""
    monkeypatch.setattr(csv_module, "BYTES_AT_ONCE", 1_000)


def make_frame(rows: int = ROWS) -> pd.DataFrame:
    """Return ticks with columns of all types; some depend on values in the last rows."""
    number = np.arange(rows)
    late = number > rows - 5
    return pd.DataFrame(
        {
            "seq": number + 1,
            "time": pd.to_datetime(T0 + number * 1_000_003, utc=True),
            "symbol": pd.Categorical.from_codes(number % 3, ["A", "b,", 'C"\n']),
            "price": np.where(number % 7 == 0, np.nan, number / 4),
            "size": number.astype(float),
            "received": pd.to_datetime([T0] * rows, utc=True).as_unit("ns"),
            "epoch": pd.Categorical.from_codes(number // 150, ["e1", "e2"]),
            "count": pd.arrays.IntegerArray(number, late),
            "trade_id": number * 2**40,
            "flag": number % 2 == 0,
            "note": pd.Categorical.from_codes(np.where(late, 0, -1), ["late"]),
        }
    )


def write(frame: pd.DataFrame, path: Path) -> Path:
    """Write a recording in the format of its name."""
    writers: dict[str, Callable[..., Path]] = {".csv": write_csv, ".jsonl": write_jsonl}
    return writers.get(f".{path.name.split('.')[1]}", write_parquet)(frame, path)


def pieces(
    path: Path, columns: Sequence[str] | None = None, rows: int = 30
) -> tuple[Scan, list[Piece]]:
    """Return a scan of a file that has ended, and its pieces."""
    scan = Scan(path, columns, rows)
    return scan, list(scan.pieces())


def types_of(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the types of columns, without the categories of text."""
    return {name: dtype.name for name, dtype in frame.dtypes.items()}


@pytest.mark.parametrize("name", NAMES)
def test_pieces_are_the_frame(tmp_path: Path, name: str) -> None:
    """They have its rows in order, its types, and a known size."""
    path = write(make_frame(), tmp_path / name)
    scan, found = pieces(path)
    assert [len(piece.frame) for piece in found] == [30] * 6 + [20]
    assert [(piece.number, piece.row) for piece in found] == [(n, 30 * n) for n in range(7)]
    assert all(types_of(piece.frame) == types_of(make_frame()) for piece in found)
    assert all(piece.frame.index.equals(pd.RangeIndex(len(piece.frame))) for piece in found)
    pd.testing.assert_frame_equal(combine_frames([piece.frame for piece in found]), make_frame())
    assert (scan.rows, scan.share, scan.problems, scan.own) == (ROWS, 1.0, [], True)
    pd.testing.assert_frame_equal(load(path).frame, make_frame())


@pytest.mark.parametrize("name", NAMES)
def test_scan_begins_again_at_any_piece(tmp_path: Path, name: str) -> None:
    """The pieces are the same."""
    scan, found = pieces(write(make_frame(), tmp_path / name))
    for piece in found:
        again = list(scan.pieces(piece.number))
        assert [(each.number, each.row) for each in again] == [
            (each.number, each.row) for each in found[piece.number :]
        ]
        for one, other in zip(again, found[piece.number :], strict=True):
            pd.testing.assert_frame_equal(one.frame, other.frame)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("columns", [["price"], ["count", "none", "seq"], ["note", "symbol"], []])
def test_scan_reads_the_columns_asked_for(tmp_path: Path, name: str, columns: list[str]) -> None:
    """In the order asked for; those that the file lacks are left out."""
    _, found = pieces(write(make_frame(), tmp_path / name), columns)
    kept = [each for each in columns if each != "none"]
    assert sum(len(piece.frame) for piece in found) == ROWS
    if kept:
        whole = combine_frames([piece.frame for piece in found])
        pd.testing.assert_frame_equal(whole, make_frame()[kept])


@pytest.mark.parametrize("name", NAMES)
def test_recording_without_rows_has_one_piece(tmp_path: Path, name: str) -> None:
    """It has the columns."""
    scan, [piece] = pieces(write(make_frame().iloc[:0], tmp_path / name))
    assert list(piece.frame) == list(make_frame())
    assert (len(piece.frame), scan.rows, scan.share) == (0, 0, 1.0)


def test_types_hold_in_all_pieces_of_another_programs_file(tmp_path: Path) -> None:
    """A column that has text in its last row is text in the first ones."""
    path = tmp_path / "t.csv"
    lines = [f"A,{n},{n}.50,{n},{n * 10**16}\n" for n in range(100)]
    path.write_text("s,price,code,level,trade_id\n" + "".join(lines) + "A,1,x,,\n")
    scan, found = pieces(path)
    assert not scan.own
    kinds = {"s": "category", "price": "float64", "code": "category", "level": "float64"}
    for piece in found:
        assert types_of(piece.frame) == {**kinds, "trade_id": "int64"}
    assert found[0].frame["code"].tolist()[:2] == ["0.50", "1.50"]
    whole = combine_frames([piece.frame for piece in found])
    pd.testing.assert_frame_equal(whole, load(path).frame)
    again = list(scan.pieces(2))
    pd.testing.assert_frame_equal(again[0].frame, found[2].frame)


@pytest.mark.parametrize("columns", [None, ["extra", "seq"]])
def test_parts_of_a_csv_recording_are_scanned_as_one(
    tmp_path: Path, columns: list[str] | None
) -> None:
    """Columns that come later are there from the first piece on."""
    path, frame = tmp_path / "t.csv", make_frame()
    with CsvFile(path) as file:
        file.append(frame[["seq", "symbol", "price", "epoch"]].iloc[:100])
        file.append(frame.iloc[100:].assign(extra=7))
    whole = load(path).frame
    scan, found = pieces(path, columns)
    wanted = whole if columns is None else whole[columns]
    assert all(types_of(piece.frame) == types_of(wanted) for piece in found)
    pd.testing.assert_frame_equal(combine_frames([piece.frame for piece in found]), wanted)
    again = list(scan.pieces(4))
    assert [piece.row for piece in again] == [piece.row for piece in found[4:]]
    pd.testing.assert_frame_equal(again[0].frame, found[4].frame)


@pytest.mark.parametrize("columns", [None, ["price"], ["symbol", "seq"]])
@pytest.mark.parametrize("has_parquet", [True, False])
def test_unfinished_parquet_is_scanned_with_its_newest_rows(
    tmp_path: Path, columns: list[str] | None, has_parquet: bool
) -> None:
    """Rows that are in the Parquet file and in the CSV beside it come once."""
    path, frame = tmp_path / "t.parquet", make_frame()
    if has_parquet:
        write(frame.iloc[:100], path)
    with CsvFile(working_path(path)) as file:
        file.append(frame.iloc[80 if has_parquet else 0 :])
    scan, found = pieces(path, columns)
    wanted = frame if columns is None else frame[columns]
    pd.testing.assert_frame_equal(combine_frames([piece.frame for piece in found]), wanted)
    assert [problem.kind for problem in scan.problems] == ["unfinished"]
    whole = load(path)
    assert whole.warning is not None
    assert whole.warning.problems == scan.problems
    again = list(scan.pieces(4))
    assert [piece.row for piece in again] == [piece.row for piece in found[4:]]


@pytest.mark.parametrize("columns", [None, ["price"], ["symbol", "seq"]])
def test_partitions_are_scanned_in_the_order_of_arrival(
    tmp_path: Path, columns: list[str] | None
) -> None:
    """As one recording; a file that can't be read is left out."""
    path, frame = tmp_path / RECORDING / "t.parquet", make_frame()
    frame["symbol"] = frame["symbol"].cat.rename_categories(["A", "B", "C"])
    write_partitions(frame, path, Sidecar(heads=[Head(1)]), ("day", "symbol"))
    scan, found = pieces(path, columns)
    whole = load(path).frame
    wanted = whole if columns is None else whole[columns]
    back = combine_frames([piece.frame for piece in found])
    pd.testing.assert_frame_equal(back, wanted, check_categorical=False)
    assert (scan.problems, scan.own) == ([], True)
    again = list(scan.pieces(4))
    pd.testing.assert_frame_equal(again[0].frame, found[4].frame)
    next(tmp_path.glob("*/symbol=A/*")).write_bytes(b"none")
    scan, found = pieces(path, columns)
    assert [problem.kind for problem in scan.problems] == ["damaged"]
    assert scan.rows == (frame["symbol"] != "A").sum()


def test_raw_frames_are_scanned(tmp_path: Path) -> None:
    """A column that comes in the last frame is there from the first piece on."""
    path = tmp_path / "t.raw.jsonl"
    lines = [connected_line(T0, "ws://here", "", "e1", 4)]
    for n in range(100):
        more = b',"note":"x"' if n == 99 else b""
        tick = b'{"symbol":"A","price":%d,"time":%d%b}' % (n, 1_763_000_000 + n, more)
        lines.append(frame_line(T0 + n, tick))
    path.write_bytes(b"".join(lines))
    scan, found = pieces(path)
    assert [len(piece.frame) for piece in found] == [30, 30, 30, 10]
    whole = combine_frames([piece.frame for piece in found])
    pd.testing.assert_frame_equal(whole, load(path).frame)
    assert found[0].frame["note"].isna().all()
    assert scan.sidecar.gaps == []


def test_damage_is_known_when_the_scan_has_ended(tmp_path: Path) -> None:
    """It is the same as when the file is read whole."""
    path = write_csv(make_frame(), tmp_path / "t.csv")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\n90,", b"\nxx,", 1)[:-10])
    scan, found = pieces(path)
    whole = load(path)
    assert scan.warning is not None
    assert whole.warning is not None
    assert scan.problems == whole.warning.problems
    assert {problem.kind for problem in scan.problems} == {"damaged", "torn"}
    pd.testing.assert_frame_equal(combine_frames([piece.frame for piece in found]), whole.frame)
    rows = np.arange(len(whole.frame))
    assert scan.labels.labels(rows).tolist() == whole.labels.labels(rows).tolist()


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.csv.zst"])
def test_pieces_are_read_again_while_a_scan_goes_on(tmp_path: Path, name: str) -> None:
    """The scan isn't disturbed: it finds the same pieces, and the same damage."""
    path, frame = tmp_path / name, make_frame()
    with CsvFile(path) as file:
        for row in range(0, ROWS, 20):
            file.append(frame.iloc[row : row + 20])
    text = bytearray(path.read_bytes())
    middle = len(text) // 2
    text[middle : middle + 30] = bytes(30)
    path.write_bytes(text)
    alone, disturbed = Scan(path, max_rows=8), Scan(path, max_rows=8)
    expected = [(piece.row, len(piece.frame)) for piece in alone.pieces()]
    found = []
    for piece in disturbed.pieces():
        found.append((piece.row, len(piece.frame)))
        again = next(disturbed.pieces(piece.number // 2))
        assert again.row == expected[again.number][0]
    assert found == expected
    assert alone.problems == disturbed.problems != []
    assert alone.rows == disturbed.rows


def test_rows_that_come_during_a_scan_are_not_read(tmp_path: Path) -> None:
    """They may be of other types than the columns had when it began."""
    path = write_csv(make_frame(), tmp_path / "t.csv")
    scan = Scan(path, None, 30)
    with path.open("ab") as file:
        file.write(path.read_bytes().splitlines(keepends=True)[-1])
    assert sum(len(piece.frame) for piece in scan.pieces()) == ROWS


def test_error_comes_after_the_pieces_before_it(tmp_path: Path) -> None:
    """Another program's file is read up to the row that can't be read."""
    path = tmp_path / "t.csv"
    path.write_text("symbol,price\n" + "A,1\n" * 300 + "A,much\n")
    read = []
    with pytest.raises(RecordingError):
        read.extend(piece.row for piece in Scan(path, None, 30).pieces())
    assert len(read) > 2


@pytest.mark.parametrize("size", [1, 7, 199])
def test_builder_makes_one_frame_of_pieces(size: int) -> None:
    """Also if only some pieces have missing integers, or text with many categories."""
    words = [f"w{n:03}" for n in range(ROWS)]
    frame = make_frame().assign(word=pd.Categorical(words))
    builder = FrameBuilder()
    for start in range(0, ROWS, size):
        part = frame.iloc[start : start + size].reset_index(drop=True)
        part["word"] = part["word"].cat.remove_unused_categories()
        if not part["count"].isna().any():
            part["count"] = part["count"].astype(np.int64)
        builder.add(part, expected=50)
    pd.testing.assert_frame_equal(builder.frame(), frame)
