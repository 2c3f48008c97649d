"""Wrong bits: one of them never makes a recording unreadable, and what it costs is named."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numbered import gaps
from soaks import soak

import tickerkit.storage.parquet.write as parquet_module
from tickerkit.log import TickLog
from tickerkit.storage import CsvFile, Recording, load, write_csv, write_jsonl, write_parquet
from tickerkit.storage.parquet.table import KEY
from tickerkit.storage.raw_lines import connected_line, dropped_line, frame_line
from tickerkit.storage.sidecar import encode_lines, parse_lines, sidecar_path
from tickerkit.storage.verify import verify
from tickerkit.ticks import read_ticks

T0 = 1_763_000_000_123_456_789


def make_frame(rows: int = 30) -> pd.DataFrame:
    """Return ticks with text, numbers, and text that looks like numbers or like formulas."""
    log = TickLog(epoch="e1")
    log.append(
        read_ticks(
            [
                {
                    "symbol": ["AAPL", "NA", "=1+1"][n % 3],
                    "price": 100 + n / 4,
                    "cond": "2000" if n % 2 else None,
                    "bid": float(n),
                }
                for n in range(rows)
            ]
        ),
        received=T0,
    )
    return log.frame()


def flips(data: bytes, count: int, first: int = 0, last: int | None = None) -> Iterator[bytes]:
    """Yield the data with one flipped bit, `count` times, in the bytes `first` to `last`."""
    bits = range(8 * first, 8 * (len(data) if last is None else last))
    # The step is odd, so that all bits of a byte are flipped.
    step = max(len(bits) // count, 1) | 1
    for bit in bits[::step]:
        wrong = bytearray(data)
        wrong[bit // 8] ^= 1 << bit % 8
        yield bytes(wrong)


def assert_same_or_named(found: Recording, whole: Recording) -> None:
    """Check that the ticks are the same, and the rest too unless a warning names the damage."""
    pd.testing.assert_frame_equal(found.frame, whole.frame, check_categorical=False)
    if found.warning is None:
        pd.testing.assert_frame_equal(found.frame, whole.frame)
        pd.testing.assert_frame_equal(found.gaps, whole.gaps)
        assert (found.symbols, found.source) == (whole.symbols, whole.source)
    else:
        assert {problem.kind for problem in found.warning.problems} == {"sidecar"}


@pytest.mark.parametrize("count", [30, soak(10_000)])
@pytest.mark.parametrize(
    "write",
    [
        write_csv,
        write_jsonl,
        lambda *args, **about: write_csv(*args, escape_formulas=True, **about),
    ],
    ids=["csv", "jsonl", "escaped csv"],
)
def test_wrong_bit_in_a_sidecar_costs_its_own_line(
    tmp_path: Path, write: Callable[..., Path], count: int
) -> None:
    """Ticks and their types are read in any case; a line that is lost is named."""
    path = tmp_path / ("t.jsonl" if write is write_jsonl else "t.csv")
    listed = gaps((31, 35), (40, None))
    listed["last_before"] = listed["first_after"] = pd.Timestamp(T0, tz="UTC")
    write(make_frame(), path, gaps=listed, source="ws://here", symbols=["AAPL", "NA", "=1+1"])
    whole, sidecar = load(path), sidecar_path(path)
    assert whole.warning is None
    for wrong in flips(sidecar.read_bytes(), count):
        sidecar.write_bytes(wrong)
        assert_same_or_named(load(path), whole)


@pytest.mark.parametrize("count", [20, soak(2_000)])
def test_recording_continues_after_a_wrong_bit_in_its_sidecar(tmp_path: Path, count: int) -> None:
    """Rows can be appended, those before are as they were, and the damage is still named."""
    path = tmp_path / "t.csv"
    with CsvFile(path, source="ws://here", symbols=["AAPL", "NA", "=1+1"]) as file:
        file.append(make_frame().iloc[:20])
        file.note_gaps([])
    sidecar, text = sidecar_path(path), path.read_bytes()
    for wrong in flips(sidecar.read_bytes(), count):
        path.write_bytes(text)
        sidecar.write_bytes(wrong)
        before = load(path)
        with CsvFile(path, mode="append") as file:
            file.append(make_frame().iloc[20:])
        found = load(path)
        assert found.frame["price"].tolist() == make_frame()["price"].tolist()
        assert (found.warning is None) == (before.warning is None)


@pytest.mark.parametrize("count", [30, soak(10_000)])
def test_wrong_bit_in_the_metadata_of_a_parquet_file_costs_a_line(
    tmp_path: Path, count: int
) -> None:
    """The ticks are read, and the line that is lost is named."""
    listed = gaps((31, 35), (40, None))
    listed["last_before"] = pd.Timestamp(T0, tz="UTC")
    path = write_parquet(make_frame(), tmp_path / "t.parquet", gaps=listed, symbols=["AAPL", "NA"])
    whole, data = load(path), path.read_bytes()
    at = data.rindex(KEY + b"\x18")  # its copy in the schema of arrow is in base64
    end = data.index(b'"sum":', data.rindex(b'{"type":')) + 10
    for wrong in flips(data, count, at + len(KEY) + 3, end):
        path.write_bytes(wrong)
        assert_same_or_named(load(path), whole)


@pytest.mark.parametrize("flipped", [60, soak(2000)])
def test_wrong_bit_in_the_rows_of_a_parquet_file_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flipped: int
) -> None:
    """It costs the rows of its group, which are named; no row is read wrong."""
    monkeypatch.setattr(parquet_module, "ROWS_AT_ONCE", 10)
    frame = make_frame()
    path = write_parquet(frame, tmp_path / "t.parquet")
    data = path.read_bytes()
    end = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    random = np.random.default_rng(5)
    for bit in random.integers(8 * 4, 8 * end, flipped).tolist():
        wrong = bytearray(data)
        wrong[bit // 8] ^= 1 << bit % 8
        path.write_bytes(wrong)
        found = load(path)
        assert len(found.frame) in (20, 30), bit
        expected = frame[frame["seq"].isin(found.frame["seq"])].reset_index(drop=True)
        pd.testing.assert_frame_equal(found.frame, expected, check_categorical=False)
        assert (found.warning is None) == (len(found.frame) == 30)


@pytest.mark.parametrize("count", [40, soak(10_000)])
@pytest.mark.parametrize("kind", ["raw", "jsonl"])
def test_wrong_bit_in_lines_of_json_costs_its_own_line(
    tmp_path: Path, kind: str, count: int
) -> None:
    """Raw frames and ticks as JSON lines: all other ticks are read."""
    path, rows = tmp_path / "t.jsonl", 6
    if kind == "jsonl":
        write_jsonl(make_frame(rows), path)
    else:
        tick = b'{"symbol":"A","price":1.5,"time":1763000000}'
        lines = [connected_line(T0, "ws://here", "", "e1", 4), dropped_line(T0, 3)]
        lines += [frame_line(T0 + n, tick) for n in range(rows)]
        path.write_bytes(b"".join(lines))
    data = path.read_bytes()
    for wrong in flips(data, count):
        path.write_bytes(wrong)
        found = load(path)
        assert len(found.frame) >= rows - 2
        verify(path)


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"gap","epoch":"e1","from":5,"to":6,"reason":"x","last_before":97950000000000000000}',
        b'{"type":"gap","epoch":"e1","from":1000000000000000000000000000000,"to":6,"reason":"x"}',
        b'{"type":"gap","epoch":"e1","from":5,"to":9223372036854775808,"reason":"x"}',
        b'{"type":"gap","epoch":"e1","from":-5,"to":6,"reason":"x"}',
        b"{" * 5000,
    ],
    ids=["time", "first", "last", "negative", "deep"],
)
def test_values_beyond_64_bits_are_damage(tmp_path: Path, line: bytes) -> None:
    """A line without a checksum, of another program, is checked by its values."""
    path = write_csv(make_frame(), tmp_path / "t.csv")
    with sidecar_path(path).open("ab") as file:
        file.write(line + b"\n")
    report = verify(path)
    assert [problem.kind for problem in report.problems] == ["sidecar"]
    assert "t.csv.meta.jsonl" in report.problems[0].places[0].about
    assert report.gaps.empty


@pytest.mark.parametrize("line", [b'{"t":%d,"frame":%b}', b'{"t":1,"connected":"","seq":%d}%.0b'])
def test_raw_line_with_a_number_beyond_its_range_is_damaged(tmp_path: Path, line: bytes) -> None:
    """Such a number can't be a time or a seq; the line is left out and named."""
    path = tmp_path / "t.raw.jsonl"
    tick = b'{"symbol":"A","price":1.5}'
    path.write_bytes(frame_line(T0, tick) + line % (2**63, tick) + b"\n" + frame_line(T0, tick))
    found = load(path)
    assert len(found.frame) == 2
    assert found.warning is not None
    assert found.warning.problems[0].places[0].first == 2


def test_lines_of_a_sidecar_have_their_checksums() -> None:
    """A line of an older file, without one, is read; one that doesn't match is not."""
    whole = parse_lines(b'{"type":"head","made":1,"source":"s"}\n')
    assert whole.source == "s"
    [line] = encode_lines(whole.heads).splitlines(keepends=True)
    assert parse_lines(line).heads == whole.heads
    assert parse_lines(line.replace(b'"s"', b'"t"')).damaged == [1]
    later = encode_lines(whole.heads).replace(b"head", b"tail")
    assert parse_lines(later).damaged == [1]


def test_lost_sidecar_is_named(tmp_path: Path) -> None:
    """A recording without its sidecar is read with a warning, and verified with a note."""
    path = write_csv(make_frame(), tmp_path / "t.csv")
    sidecar_path(path).unlink()
    found = load(path)
    assert found.warning is not None
    assert not found.warning.is_damaged
    assert "t.csv.meta.jsonl" in str(found.warning)
    report = verify(path)
    assert report.ok
    assert "t.csv.meta.jsonl" in report.notes[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with CsvFile(path, mode="append") as file:
            file.append(make_frame())
    assert load(path).warning is None
