"""Hostile files: what unpacks without end, or waits for ever, is refused by name."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from commands import run_python
from flipper import READERS
from numbered import ticks
from soaks import examples

import tickerkit as tk
import tickerkit.storage.csv.foreign as foreign_module
import tickerkit.storage.csv.read as csv_module
import tickerkit.storage.files as files_module
import tickerkit.storage.memory as memory_module
import tickerkit.storage.raw as raw_module
from tickerkit.errors import RecordingError, TickerkitError
from tickerkit.storage import load, read_parquet, write_csv, write_jsonl, write_parquet
from tickerkit.storage.files import read_members
from tickerkit.storage.sidecar import sidecar_path
from tickerkit.storage.verify import verify

MB = 10**6
FLIPPER = Path(__file__).parents[1] / "helpers" / "flipper.py"


def pack(data: bytes, name: str) -> bytes:
    """Compress data into a single member, by the suffix of a file's name."""
    if name.endswith(".gz"):
        return gzip.compress(data, 6)
    return zstandard.ZstdCompressor(level=3).compress(data)


@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv.zst"])
def test_member_is_unpacked_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A member of 64 MB of zeros is never in memory as a whole, and its content is right."""
    monkeypatch.setattr(files_module, "MAX_UNVERIFIED_BYTES", 0)
    path = tmp_path / name
    path.write_bytes(pack(bytes(64 * MB), name) + pack(b"end", name))
    pieces = list(read_members(path, lambda damage: pytest.fail(str(damage))))
    assert max(map(len, pieces)) <= files_module.MAX_PIECE_BYTES
    assert sum(map(len, pieces)) == 64 * MB + 3
    assert pieces[-1] == b"end"


@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv.zst"])
@pytest.mark.parametrize("seed", range(examples(6)))
def test_pieces_are_the_content_of_any_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, seed: int
) -> None:
    """Members of all sizes, with little and much that repeats, are read to the byte."""
    monkeypatch.setattr(files_module, "MAX_PIECE_BYTES", 2**17)
    monkeypatch.setattr(files_module, "CHUNK_BYTES", 1000)
    random = np.random.default_rng(seed)
    contents = []
    for size in (0, 1, 5, 3000, 400_000, 1 + seed):
        contents.append(random.integers(0, 256, size, dtype=np.uint8).tobytes())
        contents.append(random.integers(0, 2, size, dtype=np.uint8).tobytes() + bytes(size * 3))
    path = tmp_path / name
    path.write_bytes(b"".join(pack(content, name) for content in contents))
    found = b"".join(read_members(path, lambda damage: pytest.fail(str(damage))))
    assert found == b"".join(contents)
    path.write_bytes(path.read_bytes()[:-1])
    damage: list[object] = []
    cut = b"".join(read_members(path, damage.append))
    assert b"".join(contents).startswith(cut)
    assert damage


def test_frames_of_all_settings_are_unpacked(tmp_path: Path) -> None:
    """With and without a checksum, a content size and a window: zstd's other programs."""
    data = b"".join(b"%d,%d\n" % (n, n % 7) for n in range(60_000))
    frames = []
    for checksum in (True, False):
        for has_size in (True, False):
            packer = zstandard.ZstdCompressor(
                level=3, write_checksum=checksum, write_content_size=has_size
            )
            frames.append(packer.compress(data))
            stream = packer.compressobj()
            frames.append(stream.compress(data) + stream.flush())
    path = tmp_path / "t.csv.zst"
    path.write_bytes(b"".join(frames))
    found = b"".join(read_members(path, lambda damage: pytest.fail(str(damage))))
    assert found == data * len(frames)


@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv.zst", "t.jsonl.gz", "t.jsonl.zst"])
@pytest.mark.parametrize("is_recording", [True, False])
def test_file_without_line_breaks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, is_recording: bool
) -> None:
    """Zeros without end are given up after some megabytes, also behind rows of a recording."""
    monkeypatch.setattr(files_module, "MAX_UNVERIFIED_BYTES", MB)
    monkeypatch.setattr(csv_module, "MAX_OPEN_BYTES", 3 * MB)
    monkeypatch.setattr(foreign_module, "MAX_LINE_BYTES", 3 * MB)
    monkeypatch.setattr(raw_module, "MAX_LINE_BYTES", 3 * MB)
    path = tmp_path / name
    if is_recording:
        (write_csv if "csv" in name else write_jsonl)(ticks(1, 2, 3), path)
        with path.open("ab") as file:
            file.write(pack(bytes(60 * MB), name))
    else:
        path.write_bytes(pack(bytes(60 * MB), name))
    unpacked = 0
    original = files_module._unpack_gzip if name.endswith(".gz") else files_module._unpack_zstd

    def counted(*args: object) -> object:
        nonlocal unpacked
        for each in original(*args):  # type: ignore[arg-type]
            unpacked += len(each.data)
            yield each

    monkeypatch.setattr(files_module, original.__name__, counted)
    with pytest.raises(RecordingError):
        load(path)
    assert unpacked < 40 * MB


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.csv.zst", "t.jsonl", "foreign.csv"])
def test_file_larger_than_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The error says how much it needs and how much there is; of Parquet nothing is read first."""
    frame, path = ticks(*range(1, 100_001)), tmp_path / name
    if name == "t.parquet":
        write_parquet(frame, path)
    elif name == "t.jsonl":
        write_jsonl(frame, path)
    else:
        write_csv(frame, path)
    if name == "foreign.csv":
        path.write_bytes(b"sym" + path.read_bytes()[3:].replace(b",symbol,", b",ticker,", 1))
        sidecar_path(path).unlink()
    monkeypatch.setattr(memory_module, "max_bytes", lambda: 2 * MB)
    with pytest.raises(RecordingError, match="memory, and there are 2"):
        load(path)
    monkeypatch.setattr(memory_module, "max_bytes", lambda: 100 * MB)
    assert len(load(path).frame) == 100_000


def test_this_machine_has_memory() -> None:
    """The limit is this machine's memory, or what this process may have."""
    memory_module.max_bytes.cache_clear()
    assert memory_module.max_bytes() > 100 * MB


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("name", ["t.csv", "t.csv.zst", "t.parquet", "t.jsonl"])
def test_pipe_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    """A pipe in place of a recording is an error; one in place of a sidecar is left alone."""
    os.mkfifo(tmp_path / name)
    with pytest.raises(RecordingError, match="regular file"):
        verify(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipe_in_place_of_a_sidecar_is_not_waited_for(tmp_path: Path) -> None:
    """The recording is read as one that has lost its sidecar."""
    path = tmp_path / "t.csv"
    path.write_bytes(b"seq,time,symbol,price,size,received,epoch\n")
    os.mkfifo(sidecar_path(path))
    assert len(load(path).frame) == 0


# --- files of other programs ----------------------------------------------------------------------


def write_foreign(path: Path, **columns: object) -> Path:
    """Write a Parquet file as another program does, without pandas' metadata."""
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_times_of_a_foreign_parquet_file_are_utc(
    tmp_path: Path, unit: str, zone: str | None
) -> None:
    """Times without a zone are UTC; those of a zone are converted to UTC."""
    seconds = 1_795_600_800
    per_s = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    times = pa.array([seconds * per_s, (seconds - 120) * per_s]).cast(pa.timestamp(unit, zone))
    path = write_foreign(tmp_path / "t.parquet", symbol=["A", "B"], price=[1.5, 2.0], time=times)
    report = verify(path)
    assert (report.start, report.end) == (
        pd.Timestamp((seconds - 120) * 10**9, tz="UTC"),
        pd.Timestamp(seconds * 10**9, tz="UTC"),
    )
    assert str(report.end) == str(pd.Timestamp(seconds, unit="s", tz="UTC"))
    assert report.notes[-1].startswith("times go back")


def test_time_outside_the_range_is_an_error(tmp_path: Path) -> None:
    """A foreign file with the year 9999 can't be read as ticks."""
    times = pa.array([253_402_300_799]).cast(pa.timestamp("s"))
    path = write_foreign(tmp_path / "t.parquet", symbol=["A"], price=[1.5], time=times)
    with pytest.raises(RecordingError, match="1678 to 2261"):
        load(path)


def test_foreign_parquet_file_needs_symbol_and_price(tmp_path: Path) -> None:
    """A table of something else is no recording."""
    path = write_foreign(tmp_path / "t.parquet", name=["A"], amount=[1.5])
    with pytest.raises(RecordingError, match="'name', 'amount'"):
        verify(path)
    assert len(read_parquet(path)) == 1


# --- each way of reading --------------------------------------------------------------------------


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("file", ["t.csv", "t.jsonl", "t.parquet"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_no_way_of_reading_waits_for_a_pipe(tmp_path: Path, name: str, file: str) -> None:
    """A pipe is refused by name in place of a recording."""
    os.mkfifo(tmp_path / file)
    with pytest.raises(TickerkitError):
        READERS[name](tmp_path / file)


@pytest.mark.parametrize("name", READERS)
def test_each_way_of_reading_takes_times_without_a_zone(tmp_path: Path, name: str) -> None:
    """They are UTC, as in files of DuckDB and Polars."""
    times = pa.array([1_795_600_800 * 10**9, None]).cast(pa.timestamp("ns"))
    path = write_foreign(tmp_path / "t.parquet", symbol=["A", "B"], price=[1.5, 2.0], time=times)
    READERS[name](path)
    moment = pd.Timestamp(1_795_600_800, unit="s", tz="UTC")
    assert tk.read(path, start=moment)["time"].tolist() == [moment]


@pytest.mark.soak
@pytest.mark.process
@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv.zst", "t.jsonl.gz", "t.jsonl.zst"])
def test_bomb_takes_little_memory(tmp_path: Path, name: str) -> None:
    """Two gigabytes of zeros, or of line breaks, are refused or read by a process of 300 MB."""
    for content in (bytes(MB), b"\n" * MB):
        path = tmp_path / name
        packed = pack(content, name)
        path.write_bytes(packed * 2000)
        done = run_python(FLIPPER, path, path, "0", "0", timeout_s=600)
        assert done.returncode == 0, done.stderr[-2000:]
        found = json.loads(done.stdout)
        assert found["grew"] < 300 * MB, found
