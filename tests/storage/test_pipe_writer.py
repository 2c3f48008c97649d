"""PipeWriter: lines on an open file have the text of a recording, each row once."""

from __future__ import annotations

import errno
import io
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import tickerkit as tk
from tickerkit.log import Gap, TickLog
from tickerkit.storage import pipe_writer as pipe_writer_module
from tickerkit.storage.csv.append import CsvFile
from tickerkit.storage.pipe_writer import PipeWriter
from tickerkit.ticks import read_ticks

ODD = ["AAPL", 'say "so"', "a,b", "=1+1", "línea", "\u202eright to left", " blank "]


class Pipe:
    """A pipe whose other end a thread reads to its end.

    Attributes:
        file: the end to write to.
    """

    def __init__(self) -> None:
        self._other, self.file = os.pipe()
        self._got = io.BytesIO()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while data := os.read(self._other, 2**16):
            self._got.write(data)

    def end(self) -> bytes:
        """Close the pipe, and return all that came through it."""
        os.close(self.file)
        self._thread.join()
        os.close(self._other)
        return self._got.getvalue()


@pytest.fixture
def log() -> TickLog:
    """Return a log of ticks with odd text, missing values and large integers."""
    log = TickLog(100_000, epoch="e")
    rows = [
        {"symbol": ODD[n % len(ODD)], "price": n / 7, "size": n or None, "trade_id": 2**53 + n}
        for n in range(40_000)
    ]
    log.append(read_ticks(rows), received=10**18)
    return log


@pytest.fixture
def broken() -> Iterator[int]:
    """Return a pipe that nobody reads any more."""
    other, file = os.pipe()
    os.close(other)
    yield file
    os.close(file)


def no_gaps(start: int, stop: int) -> list[Gap]:
    """Return no gaps."""
    return []


def test_csv_is_that_of_a_file(log: TickLog, tmp_path: Path) -> None:
    """All bytes are the same, the header and the order of columns included."""
    pipe, rows = Pipe(), log.rows()
    writer = PipeWriter(pipe.file)
    writer.begin(log, 0)
    for start in range(0, 40_000, 10_000):
        writer.take(rows.part(start, start + 10_000), no_gaps)
    writer.close()
    with CsvFile(tmp_path / "ticks.csv", mode="new") as file:
        file.append(rows.frame())
    text = pipe.end()
    assert text == (tmp_path / "ticks.csv").read_bytes()
    assert (writer.written, writer.lost, writer.row) == (40_000, 0, 40_000)
    assert writer.bytes == len(text)


def test_json_lines_have_the_values_of_the_log(log: TickLog) -> None:
    """Each tick is an object on a line of its own."""
    pipe = Pipe()
    writer = PipeWriter(pipe.file, "jsonl")
    writer.begin(log, 0)
    writer.take(log.rows(), no_gaps)
    writer.close()
    found = pd.DataFrame([json.loads(line) for line in pipe.end().splitlines()])
    wanted = log.rows().frame()
    for name in ("seq", "price", "symbol", "trade_id"):
        assert found[name].tolist() == wanted[name].tolist()
    assert found["size"].isna().sum() == 1


def test_write_that_fails_is_continued_at_its_byte(
    log: TickLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stdout may be a file on a full disk: when there is room again, no row is cut or repeated."""
    pipe, write, left = Pipe(), os.write, [100_000]

    def write_some(file: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        passed = write(file, data[: left[0]])
        left[0] -= passed
        return passed

    writer = PipeWriter(pipe.file)
    writer.begin(log, 0)
    with monkeypatch.context() as patch:
        patch.setattr(pipe_writer_module.os, "write", write_some)
        for _ in range(3):
            with pytest.raises(OSError, match=r"No space left"):
                writer.take(log.rows(writer.row), no_gaps)
        assert writer.row == writer.written == 0
        left[0] = 2_000_000
        with pytest.raises(OSError, match=r"No space left"):
            writer.take(log.rows(writer.row), no_gaps)
    assert 0 < writer.row < 40_000
    writer.take(log.rows(writer.row), no_gaps)
    frame = tk_frame(pipe.end())
    assert frame["seq"].tolist() == list(range(1, 40_001))


def tk_frame(text: bytes) -> pd.DataFrame:
    """Return the ticks of CSV."""
    return pd.read_csv(io.BytesIO(text))


def test_rows_that_the_log_dropped_are_lost(log: TickLog) -> None:
    """They are counted once, and the others follow."""
    pipe = Pipe()
    writer = PipeWriter(pipe.file)
    writer.begin(log, 0)
    writer.take(log.rows(100, 200), no_gaps)
    writer.take(log.rows(200, 300), no_gaps)
    writer.leave_out(310, no_gaps)
    assert (writer.lost, writer.written) == (110, 200)
    assert tk_frame(pipe.end())["seq"].tolist() == list(range(101, 301))


def test_columns_after_the_header_are_counted(log: TickLog) -> None:
    """CSV leaves them out; JSON lines have them."""
    one, two = Pipe(), Pipe()
    late = TickLog(100, epoch="e")
    csv, jsonl = PipeWriter(one.file), PipeWriter(two.file, "jsonl")
    for row in ({"symbol": "A", "price": 1.5}, {"symbol": "A", "price": 2.5, "liq": 7.5}):
        late.append(read_ticks([row]), received=1)
        for writer in (csv, jsonl):
            writer.take(late.rows(writer.row), no_gaps)
    header, *lines = one.end().splitlines()
    assert (b"liq" in header, len(lines), csv.misfits) == (False, 2, {"liq": 1})
    assert (b'"liq":7.5' in two.end(), jsonl.misfits) == (True, {})


def test_pipe_without_a_reader_is_passed_over(log: TickLog, broken: int) -> None:
    """Nothing raises, and no row counts as lost: nobody wants them."""
    writer = PipeWriter(broken)
    writer.begin(log, 0)
    assert writer.find_reader() is (os.name != "posix")
    writer.take(log.rows(0, 10), no_gaps)
    assert not writer.find_reader()
    writer.leave_out(40_000, no_gaps)
    writer.close()
    assert (writer.written, writer.lost) == (0, 0)


def test_csv_without_rows_has_its_header() -> None:
    """A program that reads it finds a table without rows."""
    pipe, log = Pipe(), TickLog(10, epoch="e")
    writer = PipeWriter(pipe.file)
    writer.begin(log, 0)
    writer.close()
    assert list(tk_frame(pipe.end()).columns) == list(log.frame().columns)


def test_pipe_that_takes_nothing_now_is_waited_for(log: TickLog) -> None:
    """Another program may have made it non-blocking."""
    pipe = Pipe()
    os.set_blocking(pipe.file, False)
    writer = PipeWriter(pipe.file)
    writer.begin(log, 0)
    writer.take(log.rows(), no_gaps)
    assert len(tk_frame(pipe.end())) == 40_000


def test_unknown_format_is_refused() -> None:
    """The error has the argument."""
    with pytest.raises(tk.InvalidArgument) as caught:
        PipeWriter(1, "parquet")
    assert caught.value.argument == "format"
