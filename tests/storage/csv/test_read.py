"""CSV: recordings come back identical, other programs' files as far as possible."""

from __future__ import annotations

import csv
import gzip
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from soaks import examples

import tickerkit.storage.csv.foreign as foreign_module
import tickerkit.storage.csv.read as csv_module
import tickerkit.storage.csv.text as lines_module
import tickerkit.storage.csv.write as write_module
import tickerkit.storage.text_file as text_file_module
from tickerkit.errors import RecordingError, RecordingExists, RecordingWarning
from tickerkit.log import Gap, Gaps, TickLog
from tickerkit.storage import (
    csv_lines,
    load,
    read_csv,
    read_gaps,
    read_parquet,
    write_csv,
    write_parquet,
)
from tickerkit.storage.sidecar import sidecar_path
from tickerkit.ticks import read_ticks

T0 = 1_763_000_000_123_456_789
NASTY = ["NA", "NULL", "TRUE", "false", "1e5", "007", "=1+1", "nan", "None", "-", "a,b", 'q"q', '"']
NASTY += [
    "Ünïcode",
    "🚀",
    "株価",
    " padded ",
    "'",
    "\\",
    "#1",
    "a\\,b",
    "0",
    "inf",
    "NaT",
    '""',
    "﻿x",
]


def log_frame(*ticks: dict[str, object]) -> pd.DataFrame:
    """Return the frame of a log that took these ticks."""
    log = TickLog()
    batch = read_ticks(ticks)
    assert not batch.errors
    log.append(batch, received=T0)
    return log.frame()


def assert_comes_back(frame: pd.DataFrame, folder: Path, name: str = "ticks.csv") -> None:
    """Write the frame, read it back, and compare it to the last bit."""
    back = read_csv(write_csv(frame, folder / name, mode="overwrite"))
    pd.testing.assert_frame_equal(back, frame, check_exact=True)
    for column in frame.select_dtypes("float64"):
        bits = [each[column].fillna(0.5).to_numpy().view(np.int64) for each in (back, frame)]
        assert (bits[0] == bits[1]).all(), column


@pytest.fixture(params=[16_000_000, 100, 7], ids=lambda size: f"{size} bytes at once")
def block_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Read files in blocks of some size, so that a block may end anywhere."""
    monkeypatch.setattr(csv_module, "BYTES_AT_ONCE", request.param)
    return int(request.param)


def write(folder: Path, text: str | bytes) -> Path:
    """Write a file by hand."""
    path = folder / "foreign.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


# --- round trip -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ticks.csv", "ticks.csv.gz", "new/folders/ticks.csv"])
def test_log_comes_back_identical(tmp_path: Path, name: str) -> None:
    """Every column has the same values and type, also in a compressed file."""
    frame = log_frame(
        {
            "symbol": "AAPL",
            "price": 0.1 + 0.2,
            "size": 100,
            "time": "2026-11-22T10:00:00.123456789Z",
        },
        {"symbol": "MSFT", "bid": 421.9, "ask": 421.91, "venue": "X"},
        {"symbol": "AAPL", "price": 187, "side": "buy", "temperature": -5.5e-300},
    )
    assert_comes_back(frame, tmp_path, name)


def test_file_has_plain_names_times_and_numbers(tmp_path: Path) -> None:
    """ISO times with nanoseconds and Z, the shortest numbers, and nothing for a missing value."""
    frame = log_frame({"symbol": "AAPL", "price": 187.25, "time": 1_763_000_000.5, "venue": "a,b"})
    path = write_csv(frame, tmp_path / "t.csv")
    epoch = frame["epoch"][0]
    assert path.read_text() == (
        "seq,time,symbol,price,size,received,epoch,venue\n"
        "1,2025-11-13T02:13:20.500000000Z,AAPL,187.25,,2025-11-13T02:13:20.123456789Z,"
        f'{epoch},"a,b"\n'
    )


def test_empty_log_comes_back_empty(tmp_path: Path) -> None:
    """A frame without rows keeps its columns and their types."""
    assert_comes_back(TickLog().frame(), tmp_path)
    assert_comes_back(log_frame({"symbol": "A", "price": 1, "bid": 2}).iloc[:0], tmp_path)


def test_symbols_of_any_form_come_back(tmp_path: Path, block_size: int) -> None:
    """Text that other programs read as missing, a number, a formula or a quote is a symbol."""
    frame = log_frame(*({"symbol": s, "price": i} for i, s in enumerate([*NASTY, *NASTY[::-1]])))
    assert_comes_back(frame, tmp_path)
    assert read_csv(tmp_path / "ticks.csv")["symbol"].tolist() == [*NASTY, *NASTY[::-1]]


def test_numeric_symbols_stay_text(tmp_path: Path) -> None:
    """Shares with numbers as symbols, as in Shanghai, do not become numbers."""
    assert_comes_back(log_frame({"symbol": "600519", "price": 1}), tmp_path)


def test_text_comes_back_with_line_breaks_and_quotes(tmp_path: Path, block_size: int) -> None:
    """Line breaks and zero characters are kept; empty text and missing text are different."""
    notes = ["a\nb", "a\r\nb", "\r", "\n", '",\n"', "", None, "\0", "a\0b", "a\0c", "\t", " ", '""']
    frame = log_frame(*({"symbol": "A", "price": 1, "note": note, "last": 1} for note in notes))
    assert_comes_back(frame, tmp_path)
    assert (
        read_csv(tmp_path / "ticks.csv")["note"].astype(object).replace({np.nan: None}).tolist()
        == notes
    )


def test_column_names_come_back(tmp_path: Path) -> None:
    """A name may hold commas, quotes and blanks."""
    frame = log_frame({"symbol": "A", "price": 1, "a,b": 1, 'say "x"': 2, " ": 3, "=1": 4})
    assert_comes_back(frame, tmp_path)


def test_numbers_come_back_to_the_last_bit(tmp_path: Path, block_size: int) -> None:
    """The largest, the smallest, minus zero, and numbers without a short text."""
    numbers = [
        0.0,
        -0.0,
        1 / 3,
        0.1 + 0.2,
        5e-324,
        1.7976931348623157e308,
        -1e16,
        2.0**53 + 2,
        1e22,
    ]
    frame = log_frame(*({"symbol": "A", "price": x, "x": -x} for x in numbers))
    assert_comes_back(frame, tmp_path)


def test_infinities_come_back(tmp_path: Path) -> None:
    """A user's frame may hold infinities, in known columns and in others."""
    frame = pd.DataFrame({"symbol": ["A", "B"], "price": [np.inf, -np.inf], "x": [-np.inf, 1.5]})
    frame["symbol"] = frame["symbol"].astype("category")
    assert_comes_back(frame, tmp_path)


def test_times_come_back_to_the_nanosecond(tmp_path: Path) -> None:
    """Every nanosecond from 1678 to 2261 is kept."""
    times = [0, -1, 1, T0, -(10**9), 1 - 9_200_000_000 * 10**9, 9_200_000_000 * 10**9 + 999_999_999]
    frame = log_frame(*({"symbol": "A", "price": 1, "time": pd.Timestamp(t)} for t in times))
    assert_comes_back(frame, tmp_path)


def test_slice_of_a_log_comes_back(tmp_path: Path) -> None:
    """Rows from the middle come back with their categories, in order."""
    frame = log_frame(*({"symbol": s, "price": 1} for s in "ABCBA"))
    assert_comes_back(frame.iloc[2:4].reset_index(drop=True), tmp_path)


words = st.text(st.characters(codec="utf-8"), max_size=8)


@settings(
    deadline=None,
    max_examples=examples(60),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*NASTY, "AAPL", "MSFT"]),
            st.floats(allow_nan=False, allow_infinity=False),
            st.one_of(st.none(), words.map(lambda word: f"-{word}")),
            st.one_of(st.none(), st.just(""), words.map(lambda word: f"{word}x")),
            st.integers(-(2**62), 2**62),
        ),
        max_size=20,
    ),
    st.sampled_from([11, 64, 16_000_000]),
)
def test_any_ticks_come_back(
    tmp_path: Path, ticks: list[tuple[str, float, str | None, str | None, int]], size: int
) -> None:
    """The file gives back all text and numbers that ticks can hold, in blocks of any size."""
    first = {"symbol": "FIRST", "price": 1.0, "a": "-", "b": "x", "time": pd.Timestamp(0)}
    rows = [
        {"symbol": s, "price": p, "a": a, "b": b, "time": pd.Timestamp(t)}
        for s, p, a, b, t in ticks
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_module, "BYTES_AT_ONCE", size)
        assert_comes_back(log_frame(first, *rows), tmp_path)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (["1", "2.5", "-3e-7"], "float64"),
        (["9007199254740993", "1"], "category"),
        (["0.1234567890123456789"], "category"),
        (["0.30000000000000004", "187.25"], "float64"),
        (["007", "1"], "category"),
        (["-01", "1"], "category"),
        (["0.5", "0", "-0.25"], "float64"),
        (["1e400"], "category"),
        (["1e-99999999999999999999"], "category"),
        (["1", "x"], "category"),
        (["1_000"], "category"),
        (["nan", "1"], "category"),
        (["true"], "category"),
    ],
)
def test_text_becomes_numbers_only_without_a_sidecar(
    tmp_path: Path, values: list[str], dtype: str, block_size: int
) -> None:
    """Without the sidecar, text becomes numbers if a float64 holds every digit."""
    frame = log_frame(*({"symbol": "A", "price": 1, "id": value} for value in values))
    path = write_csv(frame, tmp_path / "t.csv")
    assert read_csv(path)["id"].tolist() == values
    sidecar_path(path).unlink()
    with pytest.warns(RecordingWarning, match="types of columns are inferred"):
        back = read_csv(path)["id"]
    assert back.dtype == dtype
    assert back.tolist() == (values if dtype == "category" else [float(v) for v in values])


def test_frame_of_any_types_is_written(tmp_path: Path) -> None:
    """Nullable integers, booleans and times of other zones have their usual text."""
    times = pd.to_datetime(["2026-01-05T10:00:00", None])
    frame = pd.DataFrame(
        {
            "symbol": ["A", "B"],
            "price": pd.array([1, None], dtype="Int64"),
            "naive": times,
            "local": times.tz_localize("America/New_York"),
            "big": np.array([2**64 - 1, 0], dtype=np.uint64),
            "flag": [True, False],
            "mixed": [1.5, "x"],
            "single": np.array([0.5, np.nan], dtype=np.float32),
        },
        index=[7, 9],
    )
    path = write_csv(frame, tmp_path / "t.csv")
    assert path.read_text().splitlines() == [
        "symbol,price,naive,local,big,flag,mixed,single",
        "A,1,2026-01-05T10:00:00.000000000Z,2026-01-05T15:00:00.000000000Z,"
        "18446744073709551615,true,1.5,0.5",
        "B,,,,0,false,x,",
    ]


@pytest.mark.parametrize("more", ["x,x", ",y,"])
def test_header_that_names_a_column_twice_is_not_that_of_a_recording(
    tmp_path: Path, more: str
) -> None:
    """Such a file is another program's, or is damaged; the error names the column."""
    header = f"seq,time,symbol,price,size,received,epoch,{more}"
    row = "1,2026-11-22T10:00:00Z,A,1.0,2,2026-11-22T10:00:00Z,e" + "," * (more.count(",") + 1)
    path = write(tmp_path, f"{header}\n{row}\n")
    with pytest.raises(RecordingError, match="two columns are named"):
        read_csv(path)


def test_lines_are_made_without_a_header() -> None:
    """The lines of a frame can be appended to a file that has a header."""
    frame = log_frame(*({"symbol": "A", "price": i} for i in range(3)))
    whole = b"".join(csv_lines(frame))
    rest = b"".join(csv_lines(frame.iloc[1:], header=False))
    assert whole.endswith(rest)
    assert rest.count(b"\n") == 2


def test_hundred_thousand_rows_come_back(tmp_path: Path) -> None:
    """More rows than are written or read at once come back in order."""
    count = 150_000
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "time": pd.to_datetime(T0 + np.arange(count) * 1_000_003, utc=True),
            "symbol": pd.Categorical.from_codes(random.integers(0, 3, count), ["A", "B", 'C"']),
            "price": random.normal(size=count),
            "further": random.normal(size=count),
        }
    )
    assert_comes_back(frame, tmp_path)


# --- the file takes its place whole ---------------------------------------------------------------


class FullDiskError(OSError):
    """What a disk says that has no room."""


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is in the folder, and the old file can be read."""
    path = write_csv(log_frame({"symbol": "OLD", "price": 1}), tmp_path / "t.csv")
    old = path.read_bytes()
    lines = write_module.csv_lines

    def failing(frame: pd.DataFrame, **_: object) -> Iterator[bytes]:
        yield next(lines(frame))
        raise FullDiskError

    monkeypatch.setattr(write_module, "csv_lines", failing)
    for name in ("t.csv", "t.csv.gz", "other.csv"):
        with pytest.raises(FullDiskError):
            write_csv(log_frame({"symbol": "NEW", "price": 2}), tmp_path / name, mode="overwrite")
    assert path.read_bytes() == old
    assert sorted(tmp_path.iterdir()) == [path, sidecar_path(path)]
    assert read_csv(path)["symbol"].tolist() == ["OLD"]


def test_replaced_file_keeps_its_mode_and_links(tmp_path: Path) -> None:
    """A new file has the permissions of the old one; a link to it stays a link."""
    path = write_csv(log_frame({"symbol": "OLD", "price": 1}), tmp_path / "t.csv")
    path.chmod(0o640)
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    write_csv(log_frame({"symbol": "NEW", "price": 1}), link, mode="overwrite")
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert read_csv(path)["symbol"].tolist() == ["NEW"]


def test_same_ticks_make_the_same_file(tmp_path: Path) -> None:
    """A compressed file holds neither a time of writing nor a temporary name."""
    frame = log_frame({"symbol": "A", "price": 1})
    files = [write_csv(frame, tmp_path / name).read_bytes() for name in ("a.csv.gz", "b.csv.gz")]
    assert files[0] == files[1]
    assert gzip.decompress(files[0]) == b"".join(csv_lines(frame))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    """Such a frame could not be read back; nothing is written."""
    with pytest.raises(ValueError, match="columns are named 'a'"):
        write_csv(pd.DataFrame([[1, 2]], columns=["a", "a"]), tmp_path / "t.csv")
    assert list(tmp_path.iterdir()) == []


# --- damaged files --------------------------------------------------------------------------------


def test_recording_cut_anywhere_gives_its_whole_lines(tmp_path: Path, block_size: int) -> None:
    """All rows before the cut come back, with a warning."""
    frame = log_frame(
        *({"symbol": s, "price": 1.25, "note": f'{s}\n"x",'} for s in ("A", "B,", 'C"'))
    )
    whole = b"".join(csv_lines(frame))
    rows = b"".join(csv_lines(frame, header=False))
    header = len(whole) - len(rows)
    path = tmp_path / "t.csv"
    ends = np.cumsum(
        [len(b"".join(csv_lines(frame.iloc[i : i + 1], header=False))) for i in range(3)]
    )
    for cut in range(header, len(whole) + 1):
        path.write_bytes(whole[:cut])
        kept = int((header + ends <= cut).sum())
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            back = read_csv(path)
        assert len(back) == kept, cut
        assert back["price"].tolist() == [1.25] * kept
        torn = cut - (header + ends[kept - 1] if kept else header)
        messages = [w.message for w in warned]
        # The file has no sidecar, which is named as well if there are rows.
        expected = ["torn"] * bool(torn) + ["no sidecar"] * bool(kept)
        assert len(messages) == bool(expected)
        if messages:
            assert isinstance(messages[0], RecordingWarning)
            assert [each.kind for each in messages[0].problems] == expected
            assert not torn or f"{torn} bytes left out" in str(messages[0])


def test_warning_points_at_the_caller(tmp_path: Path) -> None:
    """The warning names the line of code that read the file."""
    path = write(tmp_path, "symbol,price\nA,1\nB")
    with pytest.warns(UserWarning, match="cut off") as warned:
        read_csv(path)
    assert warned[0].filename == __file__


def test_foreign_file_may_end_without_a_line_break(tmp_path: Path) -> None:
    """A last line with all its fields is a row, if another program wrote the file."""
    assert read_csv(write(tmp_path, "symbol,price\nA,1\nB,2"))["price"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("symbol,price\nA,1\nB,2,3\nC,4\n", "row 2 has 3 fields, the header has 2"),
        ("symbol,price\nA,1,9\nB\nC,4\n", "row 1 has 3 fields, the header has 2"),
        ("symbol,price\nA,1\nB\nC,4\n", "row 2 has 1 fields, the header has 2"),
        ("symbol,price\nA,1\nB,abc\n", "price in row 2 is 'abc', which is not a number"),
        ("symbol,price\nA,1_000\n", "price in row 1 is '1_000', which is not a number"),
        ("symbol,price,time\nA,1,soon\n", "time in row 1 is 'soon', which is not a time"),
        ("symbol,price,time\nA,1,2026-13-01T00:00:00.000000000Z\n", "time in row 1"),
        ("symbol,price,time\nA,1,2026-11-22T10:00:01.00000000+Z\n", "time in row 1"),
        ("symbol,price,time\nA,1,9999-01-01T00:00:00.000000000Z\n", "time in row 1"),
        ("symbol,price,time\nA,1,2026-01-01T00:00:00." + "1" * 40 + "\n", "time in row 1"),
        ("seq,symbol,price\n1,A,1\n,A,1\n", "seq in row 2 is '', which is not an integer"),
        ("seq,symbol,price\n1.5,A,1\n", "seq in row 1 is '1.5', which is not an integer"),
        ("seq,symbol,price\n9223372036854775808,A,1\n", "seq in row 1 is '9223372036854775808'"),
        ("symbol,price,price\nA,1,2\n", "two columns are named 'price'"),
        ("symbol,price\rA,1\rB,2\r", "its lines end in carriage returns"),
        ("symbol,price\n" + "A" * 140_000 + "\n", "row 1 has 1 fields, the header has 2"),
        (b"symbol,price\n\xff\xfe,1\n", "not UTF-8 text after row 0"),
        (b"symbol,price\n\xff,1,2\n", "not UTF-8 text after row 0"),
        (b"\xff\xfes\0y\0", "not UTF-8 text; a recording has a header"),
    ],
)
def test_damaged_foreign_file_is_refused_with_its_place(
    tmp_path: Path, text: str | bytes, problem: str, block_size: int
) -> None:
    """The error names the row, the value and the problem; nothing is guessed."""
    with pytest.raises(RecordingError) as refused:
        read_csv(write(tmp_path, text))
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "14400464,1674100,100,P,20002000,0\n14400465,1674100,1400,P,20002000,0\n",
        "DateTime,Price,Volume\n2013-09-01,1640.25,8\n",
        "symbol,size\nA,1\n",
        "price\n1\n",
        "symbol;price\nA;1,5\n",
        "",
        "\n",
        "one line only",
    ],
)
def test_file_without_ticks_is_refused(tmp_path: Path, text: str) -> None:
    """The error names the columns that a recording needs."""
    with pytest.raises(RecordingError, match=r"header with a column symbol.* one of numbers"):
        read_csv(write(tmp_path, text))


def test_file_of_a_sensor_is_read(tmp_path: Path) -> None:
    """A recording needs a symbol and one column of numbers, of any name."""
    frame = read_csv(write(tmp_path, "symbol,temperature\nkitchen,21.5\nkitchen,\n"))
    assert frame["temperature"].tolist()[0] == 21.5
    assert read_ticks(frame).count == 1


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """A path without a file, or with a folder, is an error with the path."""
    with pytest.raises(RecordingError, match=r"none\.csv can't be read as ticks: no such file"):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(RecordingError, match="is a directory"):
        read_csv(tmp_path)


def test_damaged_compressed_foreign_file_is_refused(tmp_path: Path) -> None:
    """A wrong bit is an error with its place; a file that is cut off has a warning."""
    text = b"symbol,price\n" + b"".join(b"A,%d\n" % number for number in range(1000))
    whole = gzip.compress(text)
    path = write(tmp_path, whole[:-20])
    with pytest.warns(RecordingWarning, match="is damaged: row"):
        assert len(read_csv(path)) < 1000
    path.write_bytes(whole[:100] + b"\0" + whole[101:])
    with pytest.raises(RecordingError, match="damaged at byte"):
        read_csv(path)


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.csv.zst"])
def test_wrong_bit_loses_no_other_line(tmp_path: Path, name: str) -> None:
    """Every other line comes back, and a warning names the damaged one."""
    random = np.random.default_rng(7)
    ticks = [{"symbol": NASTY[i % 20], "price": i / 7, "note": f"n,{i}"} for i in range(300)]
    frame = log_frame(*ticks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines_module, "ROWS_AT_ONCE", 50)
        patch.setattr(text_file_module, "ROWS_AT_ONCE", 50)
        path = write_csv(frame, tmp_path / name)
    whole = path.read_bytes()
    for bit in random.integers(0, len(whole) * 8, examples(120)).tolist():
        wrong = bytearray(whole)
        wrong[bit // 8] ^= 1 << bit % 8
        path.write_bytes(wrong)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            back = read_csv(path)
        if not warned and name != "t.csv":  # in a header field without meaning
            pd.testing.assert_frame_equal(back, frame)
            continue
        assert [each.category for each in warned] == [RecordingWarning], bit
        # Plain text loses one line, or two if the bit was between them; else a member is lost.
        least = 298 if name == "t.csv" else 250
        assert least <= len(back) <= 301, bit
        kept = back.merge(frame, how="inner", on=["seq", "price"])
        assert len(kept) >= least - 1, bit


def test_wrong_bit_in_the_header_costs_nothing(tmp_path: Path) -> None:
    """The names of the columns are known from the sidecar, or by the usual header."""
    frame = log_frame({"symbol": "A", "price": 1, "note": "x"})
    path = write_csv(frame, tmp_path / "t.csv")
    path.write_bytes(path.read_bytes().replace(b"price", b"prhce"))
    with pytest.warns(RecordingWarning, match="not as written"):
        pd.testing.assert_frame_equal(read_csv(path), frame)
    sidecar_path(path).unlink()
    with pytest.warns(RecordingWarning, match="types of columns are inferred"):
        assert read_csv(path).columns.tolist() == frame.columns.tolist()


def test_rows_missing_at_the_end_are_reported(tmp_path: Path) -> None:
    """The sidecar knows how many rows a file had that was cut between two lines."""
    frame = log_frame(*({"symbol": "A", "price": i} for i in range(10)))
    path = write_csv(frame, tmp_path / "t.csv")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:8]))
    with pytest.warns(RecordingWarning, match="written, but missing") as warned:
        assert len(read_csv(path)) == 7
    [problem] = warned[0].message.problems  # type: ignore[union-attr]
    assert (problem.kind, problem.unit) == ("missing", "line")
    assert [(place.first, place.last) for place in problem.places] == [(9, 11)]


# --- modes, spreadsheets, gaps --------------------------------------------------------------------


def test_existing_file_is_overwritten_only_on_request(tmp_path: Path) -> None:
    """Mode "new" refuses an existing file; "append" and "overwrite" accept it."""
    frame = log_frame({"symbol": "A", "price": 1}, {"symbol": "B", "price": 2})
    path = write_csv(frame.iloc[:1], tmp_path / "t.csv")
    with pytest.raises(RecordingExists, match=r't\.csv exists; pass mode="append" or'):
        write_csv(frame, path)
    write_csv(frame.iloc[1:], path, mode="append")
    pd.testing.assert_frame_equal(read_csv(path), frame)
    write_csv(frame.iloc[1:], path, mode="overwrite")
    assert read_csv(path)["symbol"].tolist() == ["B"]
    with pytest.raises(ValueError, match="mode='replace'; expected 'new'"):
        write_csv(frame, path, mode="replace")  # type: ignore[arg-type]


def test_missing_and_large_integers_come_back(tmp_path: Path) -> None:
    """No row is lost, nor a digit, also beyond 64 bits."""
    frame = pd.DataFrame(
        {
            "seq": [1, 2],
            "symbol": pd.Categorical(["A", "B"]),
            "price": 1.5,
            "epoch": pd.Categorical(["e", "e"]),
            "trade": pd.array([2**63 - 1, None], dtype="Int64"),
        }
    )
    path = write_csv(frame, tmp_path / "t.csv")
    pd.testing.assert_frame_equal(read_csv(path), frame)
    large = frame.assign(trade=np.array([2**64 - 1, 1], dtype=np.uint64))
    path = write_csv(large, tmp_path / "large.csv")
    assert read_csv(path)["trade"].tolist() == [str(2**64 - 1), "1"]


@pytest.mark.parametrize("values", [[2**60 + 1, 7], [True, False]], ids=["whole", "yes and no"])
@pytest.mark.parametrize("later", [False, True], ids=["goes", "comes"])
def test_column_may_come_or_go_between_appends(
    tmp_path: Path, values: list[object], later: bool
) -> None:
    """It is empty in the rows that do not have it."""
    base = {"symbol": pd.Categorical(["A", "B"]), "price": 1.5, "epoch": pd.Categorical(["e", "e"])}
    without = pd.DataFrame({"seq": [1, 2], **base})
    has = without.assign(extra=values)
    path = tmp_path / "t.csv"
    first, second = (without, has) if later else (has, without)
    write_csv(first, path)
    write_csv(second, path, mode="append")
    extra = read_csv(path)["extra"]
    expected = [pd.NA, pd.NA, *values] if later else [*values, pd.NA, pd.NA]
    assert extra.isna().tolist() == [value is pd.NA for value in expected]
    assert extra.dropna().tolist() == values


def test_escaped_file_stays_escaped_when_appended_to(tmp_path: Path) -> None:
    """So do new columns; a file that is not escaped can't become half escaped."""
    words = pd.Categorical(["=1+1", "'=x"])
    base = {"symbol": words, "price": 1.5, "epoch": pd.Categorical(["e", "e"]), "=name": 1.0}
    frame = pd.DataFrame({"seq": [1, 2], **base})
    path = write_csv(frame, tmp_path / "t.csv", escape_formulas=True)
    pd.testing.assert_frame_equal(read_csv(path), frame)
    write_csv(frame, path, mode="append", escape_formulas=True)
    write_csv(frame.assign(**{"@more": 2.0}), path, mode="append")
    assert read_csv(path)["symbol"].tolist() == [*words] * 3
    assert list(read_csv(path)) == [*frame, "@more"]
    text = path.read_bytes()
    assert text.startswith(b"\xef\xbb\xbfseq")
    assert b",=" not in text
    assert b",@" not in text
    plain = write_csv(frame, tmp_path / "plain.csv")
    with pytest.raises(RecordingError, match="without escape_formulas"):
        write_csv(frame, plain, mode="append", escape_formulas=True)
    assert len(read_csv(plain)) == 2


def test_escaped_file_holds_no_formula_and_comes_back(tmp_path: Path) -> None:
    """Text that a spreadsheet would run begins with ' in the file alone."""
    frame = log_frame(
        *({"symbol": s, "price": -1.5, "note": f"{s}x"} for s in ["=1+1", "-", "+A", "@x", "'=1"]),
        {"symbol": "株価", "price": 1, "note": "\tx"},
    )
    path = write_csv(frame, tmp_path / "t.csv", escape_formulas=True)
    text = path.read_text(encoding="utf-8-sig")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    cells = [cell for row in csv.reader(text.splitlines()) for cell in (row[2], row[7])]
    assert not [cell for cell in cells if cell[0] in "=+-@\t"]
    pd.testing.assert_frame_equal(read_csv(path), frame)
    assert pd.read_csv(path)["price"].tolist() == frame["price"].tolist()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_escaped_file_holds_no_formula_for_any_separator(tmp_path: Path, separator: str) -> None:
    """Where cells end at semicolons or tabs, no cell begins with a formula either."""
    starts = ["=1+1", "+A", "-1", "@x", "\t=1", '"=1"', "'=1", "'\"=1"]
    texts = [
        f"{before}{start}" for before in (";", "\t", "\r", "\n", "a;b;", "") for start in starts
    ]
    texts += [text * 2 for text in texts] + [";", "a-b", "a=b", ";'", "'", ";;", ";a"]
    frame = log_frame(*({"symbol": "A", "price": 1, "note": text} for text in texts))
    path = write_csv(frame, tmp_path / "t.csv", escape_formulas=True)
    text = path.read_bytes().decode("utf-8-sig")
    # With quotes or without: whatever a program makes of quotes inside a cell.
    rows = [*csv.reader(text.splitlines(), delimiter=separator), *_split(text, separator)]
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if cell.lstrip('"').startswith(("=", "+", "-", "@"))]
    pd.testing.assert_frame_equal(read_csv(path), frame)


def _split(text: str, separator: str) -> list[list[str]]:
    """Split lines into cells, as if quotes had no meaning; commas separate only within quotes."""
    if separator == ",":
        return list(csv.reader(text.splitlines(keepends=True)))
    return [line.split(separator) for line in text.splitlines()]


def test_pandas_reads_a_recording_without_options(tmp_path: Path) -> None:
    """A recording is a plain CSV file: names, numbers, and times that pandas knows."""
    frame = log_frame({"symbol": "AAPL", "price": 187.25, "size": 100, "time": T0})
    back = pd.read_csv(write_csv(frame, tmp_path / "t.csv"), parse_dates=["time"])
    assert back.columns.tolist() == frame.columns.tolist()
    assert back["price"].tolist() == [187.25]
    assert back["time"][0] == frame["time"][0]


def test_floats_have_a_point_or_an_exponent(tmp_path: Path) -> None:
    """So a program that infers types from the first rows doesn't take them for integers."""
    values = [100.0, -0.0, 0.0, 1e9, 9_999_999_999.0, 1e10, 12e9, 1e15, 2.0**53, 1e17, 0.5, 1e-7]
    for column in (values, [1.0, 2.0, 12e9], [1.0, None, 3.0], [None, 0.25, 7.0], [None, None]):
        frame = log_frame({"symbol": "A", "price": 1}).head(0)
        frame = frame.reindex(range(len(column))).assign(seq=range(len(column)))
        frame["price"] = np.array(column, dtype=float)
        [_, *lines] = b"".join(csv_lines(frame)).decode().splitlines()
        texts = [line.split(",")[3] for line in lines]
        assert [None if not text else float(text) for text in texts] == column
        assert all("." in text or "e" in text for text in texts if text)
        assert [text for text in texts if text.startswith("-")] in (["-0.0"], [])
        assert_comes_back(frame.astype({"symbol": "category", "epoch": "category"}), tmp_path)
    assert texts == ["", ""]


def test_integers_of_a_float_column_are_easy_to_read(tmp_path: Path) -> None:
    """A column of integers has no exponents."""
    frame = log_frame({"symbol": "A", "price": 100, "size": 12e9}, {"symbol": "A", "price": 100.25})
    lines = b"".join(csv_lines(frame[["price", "size"]])).decode().splitlines()
    assert lines == ["price,size", "100.0,12000000000.0", "100.25,"]


def test_times_come_back_from_the_first_to_the_last(tmp_path: Path) -> None:
    """Also those of the first second, whose start is outside the range of 64 bits."""
    first, last = 1 - 2**63, 2**63 - 1
    times = [first, first + 1, first + 854_775_806, first + 854_775_807, 0, last]
    frame = log_frame(*({"symbol": "A", "price": n, "time": T0} for n in range(len(times))))
    frame["time"] = pd.to_datetime(times, utc=True)
    frame["received"] = pd.to_datetime([first] * len(times), utc=True)
    assert_comes_back(frame, tmp_path)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ([[1, 2], None], "legs has lists"),
        (pd.array(["9999-12-31", None], dtype="datetime64[s]"), "legs has a time outside"),
    ],
    ids=["lists", "year 9999"],
)
def test_values_without_a_text_are_refused(tmp_path: Path, values: object, match: str) -> None:
    """The error names the column; Parquet takes such values."""
    frame = log_frame(*[{"symbol": "A", "price": 1}] * 2).assign(legs=values)
    with pytest.raises(ValueError, match=match):
        write_csv(frame, tmp_path / "t.csv")
    assert not list(tmp_path.iterdir())
    assert len(read_parquet(write_parquet(frame, tmp_path / "t.parquet"))) == 2


def test_gaps_come_back(tmp_path: Path) -> None:
    """The sidecar holds them with the times of both sides."""
    log = TickLog()
    gaps = Gaps(log)
    log.append(read_ticks([{"symbol": "A", "price": 1}]), received=T0)
    gaps.add(Gap(log.epoch, 2, 5, "too slow"))
    gaps.add(Gap("old", 7, None, "a restart, it seems"))
    log.append(read_ticks({"symbol": "A", "price": 1}), received=T0 + 5, seq=np.array([6]))
    path = write_csv(log.frame(), tmp_path / "t.csv", gaps=gaps.frame(), symbols=["A"])
    pd.testing.assert_frame_equal(read_gaps(path), gaps.frame())
    assert load(path).symbols == ["A"]
    sidecar_path(path).unlink()
    with pytest.warns(RecordingWarning, match="gaps are not known"):
        assert read_gaps(path).empty


def test_quote_without_an_end_ends_the_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the row before it, and memory stays bounded."""
    monkeypatch.setattr(csv_module, "BYTES_AT_ONCE", 100)
    monkeypatch.setattr(foreign_module, "MAX_LINE_BYTES", 1000)
    path = write(tmp_path, 'symbol,price\nA,1\n"B,1\n' + "C,1\n" * 1000)
    with pytest.raises(RecordingError, match="the line or the quote after row 1 has no end"):
        read_csv(path)


# --- foreign files --------------------------------------------------------------------------------


def test_foreign_file_is_read_with_types(tmp_path: Path, block_size: int) -> None:
    """Names stay, the usual texts mean missing, and blank lines do not count."""
    frame = read_csv(
        write(
            tmp_path,
            "\ufeffs,last,time,size,venue,temperature\r\n"
            'A,1.5,1763000000123,NaN,"N,Y",1\r\n'
            "\r\n"
            "B, 2 ,1763000000.5,null,,\r\n"
            'A,3,"2025-11-13 02:13:20+01:00",5,"",-2.5\r\n'
            'A,3,,"",5" pipe,-2.5\r\n',
        )
    )
    assert frame.columns.tolist() == ["s", "last", "time", "size", "venue", "temperature"]
    assert frame["s"].dtype == "category"
    assert frame["last"].tolist() == [1.5, 2.0, 3.0, 3.0]
    assert frame["time"].dtype == pd.DatetimeTZDtype("ns", "UTC")
    seconds = (frame["time"] - pd.Timestamp("2025-11-13T02:13:20Z")).dt.total_seconds()
    assert seconds.fillna(-1).tolist() == [0.123, 0.5, -3600, -1]
    assert frame["size"].tolist()[2] == 5
    assert frame["size"].isna().tolist() == [True, True, False, True]
    assert frame["venue"].astype(object).fillna("none").tolist() == ["N,Y", "none", "", '5" pipe']
    assert frame["temperature"].iloc[[0, 2, 3]].tolist() == [1.0, -2.5, -2.5]


@pytest.mark.parametrize(
    "time",
    [
        *("1763000000", "1763000000000", "1763000000000000", "1763000000000000000", "1.763e9"),
        *("2025-11-13T02:13:20Z", "2025-11-13 02:13:20", "20251113T021320"),
        "2025-11-12T21:13:20-05:00",
    ],
)
def test_times_are_read_by_the_rules_of_ticks(tmp_path: Path, time: str) -> None:
    """ISO-8601 in its forms and an epoch in s, ms, µs or ns are the same time."""
    frame = read_csv(write(tmp_path, f"symbol,price,time\nA,1,{time}\n"))
    assert frame["time"][0].value == 1_763_000_000 * 10**9
    assert read_ticks(frame).time[0] == 1_763_000_000 * 10**9


def test_symbol_and_price_are_enough(tmp_path: Path) -> None:
    """A file of two columns is read, and no columns are added."""
    frame = read_csv(write(tmp_path, "price,symbol\n1,NA\n2,B\n"))
    assert frame.columns.tolist() == ["price", "symbol"]
    assert read_ticks(frame).count == 2


def test_quotes_around_every_field_change_nothing(tmp_path: Path, block_size: int) -> None:
    """Some programs write files in which everything is quoted."""
    text = '"seq","time","symbol","price"\n"1","2025-11-13T02:13:20.000000001Z","A","1.5"\n'
    frame = read_csv(write(tmp_path, text + '"2","","B",""\n'))
    assert frame["seq"].tolist() == [1, 2]
    assert frame["time"].isna().tolist() == [False, True]
    assert frame["price"].isna().tolist() == [False, True]


def test_gzip_is_detected_by_content(tmp_path: Path) -> None:
    """A compressed file may have any name."""
    path = write(tmp_path, gzip.compress(b"symbol,price\nA,1\n"))
    assert read_csv(str(path))["price"].tolist() == [1.0]


def test_path_may_begin_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the user's home, for reading and writing."""
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    monkeypatch.setenv("USERPROFILE", os.fspath(tmp_path))
    write_csv(log_frame({"symbol": "A", "price": 1}), "~/t.csv")
    assert (tmp_path / "t.csv").exists()
    assert len(read_csv("~/t.csv")) == 1


# --- real recordings ------------------------------------------------------------------------------


def test_real_day_of_trades_comes_back(recorded: Path, tmp_path: Path) -> None:
    """250,601 trades come back identical, with numeric codes as text."""
    day: Any = pd.read_csv(
        recorded / "ticks" / "lean-spy-20131007-trade.csv.gz",
        names=["time", "price", "size", "exchange", "condition", "suspicious"],
        dtype={"exchange": str, "condition": str},
    )
    day["time"] = pd.to_datetime(1_381_118_400_000 + day["time"], unit="ms", utc=True)
    log = TickLog()
    log.append(read_ticks(day.assign(symbol="SPY", price=day["price"] / 10_000)), received=T0)
    frame = log.frame()
    back = read_csv(write_csv(frame, tmp_path / "spy.csv"))
    pd.testing.assert_frame_equal(back, frame, check_exact=True)


def test_real_day_of_quotes_comes_back(recorded: Path, tmp_path: Path) -> None:
    """Of each quote with only a bid or an ask, the other side stays missing."""
    names = ["time", "bid", "bid_size", "ask", "ask_size", "exchange", "condition", "suspicious"]
    day: Any = pd.read_csv(recorded / "ticks" / "lean-ibm-20131008-quote.csv.gz", names=names)
    for name in ("bid", "ask"):
        day[name] = (day[name] / 10_000).where(day[name] > 0)
    day["time"] = pd.to_datetime(1_381_204_800_000 + day["time"], unit="ms", utc=True)
    log = TickLog()
    log.append(read_ticks(day.assign(symbol="IBM")), received=T0)
    assert len(log) == 125_750
    assert_comes_back(log.frame(), tmp_path)


def test_real_foreign_file_is_read(recorded: Path, tmp_path: Path) -> None:
    """Half a million futures trades are read, once the header has the names of ticks."""
    with gzip.open(recorded / "ticks" / "mlfinpy-es-2013-tick_data.csv.gz", "rt") as file:
        file.readline()
        rows = file.read()
    path = tmp_path / "es.csv"
    path.write_text("time,price,size,symbol\n" + rows.replace("\n", ",ES\n"))
    frame = read_csv(path)
    assert len(frame) == 500_000
    assert str(frame["time"][0]) == "2013-09-01 17:00:00.083000+00:00"
    assert frame["price"].iloc[:2].tolist() == [1640.25, 1640.25]
    batch = read_ticks(frame)
    assert (batch.count, batch.refused) == (500_000, 0)


def test_name_of_another_format_is_refused(tmp_path: Path) -> None:
    """No program could open a CSV file called .parquet, or the opposite."""
    frame = pd.DataFrame({"symbol": ["AAPL"], "price": [1.0]})
    with pytest.raises(ValueError, match="to_parquet writes"):
        write_csv(frame, tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="to_csv writes"):
        write_parquet(frame, tmp_path / "a.csv.gz")
    assert not list(tmp_path.iterdir())


def test_wrong_reader_names_the_right_one(tmp_path: Path) -> None:
    """The error does not show the first bytes of the file."""
    frame = pd.DataFrame({"symbol": ["AAPL"], "price": [1.0]})
    path = write_parquet(frame, tmp_path / "a.parquet")
    with pytest.raises(RecordingError, match="read_parquet"):
        read_csv(path)
    path = write_csv(frame, tmp_path / "a.csv")
    with pytest.raises(RecordingError, match="read_csv"):
        read_parquet(path)


def test_escaped_symbol_with_a_line_break_is_read(tmp_path: Path) -> None:
    """The sidecar knows it without the `'`: it is no damage."""
    frame = log_frame({"symbol": "A", "price": 1}, {"symbol": "B", "price": 2})
    frame["symbol"] = frame["symbol"].cat.rename_categories(["=1\n=2", "B"])
    path = write_csv(frame, tmp_path / "t.csv", escape_formulas=True)
    pd.testing.assert_frame_equal(read_csv(path), frame)


def test_foreign_column_is_text_if_one_value_is(tmp_path: Path, block_size: int) -> None:
    """It may be the first one or the last one; then the others are text as well."""
    rows = [f"A,{row},{row},{row},{row}" for row in range(20)]
    rows[0], rows[-1] = "A,0,x,0,0", "A,19,19,y,19"
    found = read_csv(write(tmp_path, "\n".join(["symbol,price,early,late,never", *rows, ""])))
    texts = [*map(str, range(20))]
    assert found["early"].tolist() == ["x", *texts[1:]]
    assert found["late"].tolist() == [*texts[:-1], "y"]
    assert found["never"].tolist() == [*range(20)]
