"""Extent: how far the ticks of a file reach is in its sidecar, exactly."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numbered import MS, T0, ticks

import tickerkit.storage.extent
from tickerkit.storage import CsvFile, write_csv, write_jsonl, write_parquet
from tickerkit.storage.extent import EpochExtent, Extent, ExtentBuilder
from tickerkit.storage.parquet.read import read_metadata
from tickerkit.storage.sidecar import parse_lines, read_sidecar, sidecar_path

WRITERS = {".csv": write_csv, ".gz": write_csv, ".jsonl": write_jsonl, ".parquet": write_parquet}
NAMES = ["ticks.csv", "ticks.csv.gz", "ticks.jsonl", "ticks.parquet"]


def extent_in(path: Path) -> Extent | None:
    """Return the extent that a file states."""
    if path.suffix == ".parquet":
        return read_metadata(path).extent
    sidecar = read_sidecar(path)
    return None if sidecar is None else sidecar.extent


def extent_of(*frames: pd.DataFrame) -> Extent:
    """Return the extent of frames that come one after another."""
    builder = ExtentBuilder()
    for frame in frames:
        builder.add(frame)
    return builder.extent


@pytest.mark.parametrize("name", NAMES)
def test_whole_file_states_its_extent(tmp_path: Path, name: str) -> None:
    """Rows, epochs, times and symbols."""
    path = tmp_path / name
    WRITERS[path.suffix](pd.concat([ticks(3, 4, 9), ticks(1, 2, epoch="e2")]), path)
    found = extent_in(path)
    assert found == Extent(
        5,
        [EpochExtent("e1", 3, 9, 3), EpochExtent("e2", 1, 2, 2)],
        ascending=True,
        start=T0 + MS,
        end=T0 + 9 * MS,
        symbols=["S0", "S1", "S2"],
        symbol_count=3,
    )


def test_recording_that_grows_states_its_extent_when_it_is_closed(tmp_path: Path) -> None:
    """Also one that was continued, and not while it is being written."""
    path = tmp_path / "ticks.csv"
    with CsvFile(path) as file:
        file.append(ticks(1, 2))
        file.append(ticks(3))
    with CsvFile(path) as file:
        file.append(ticks(5))
        sidecar = read_sidecar(path)
        assert sidecar is not None
        assert sidecar.extent is None
    found = extent_in(path)
    assert found is not None
    assert (found.rows, found.epochs) == (4, [EpochExtent("e1", 1, 5, 4)])


@pytest.mark.parametrize("seed", range(5))
def test_extent_is_that_of_all_rows(seed: int) -> None:
    """However the rows are cut into pieces, and in whatever order they are."""
    rng = np.random.default_rng(seed)
    frame = pd.concat(
        [ticks(*rng.integers(1, 50, 20).tolist(), epoch=f"e{i}") for i in range(3)]
    ).sample(frac=1, random_state=seed, ignore_index=True)
    cuts = [0, *sorted(rng.integers(0, 60, 4).tolist()), 60]
    found = extent_of(*(frame.iloc[a:b] for a, b in pairwise(cuts)))
    grouped = frame.groupby("epoch", sort=False)["seq"].agg(["min", "max", "count"])
    assert [(e.epoch, e.first, e.last, e.rows) for e in found.epochs] == list(
        grouped.itertuples(name=None)
    )
    assert found.symbols == list(frame["symbol"].unique())
    assert not found.ascending
    ordered = frame.sort_values("seq").drop_duplicates(["epoch", "seq"], ignore_index=True)
    assert extent_of(ordered.iloc[:20], ordered.iloc[20:]).ascending
    assert not extent_of(ordered.iloc[20:], ordered.iloc[:20]).ascending


def test_received_is_that_of_the_first_tick_of_an_epoch() -> None:
    """By it, several recordings are in order of arrival."""
    frame = ticks(4, 1)
    frame["received"] = frame["time"] + pd.Timedelta("1s")
    [epoch] = extent_of(frame).epochs
    assert epoch.received == T0 + 4 * MS + 1_000_000_000


def test_foreign_ticks_have_an_extent() -> None:
    """Without seq there are no epochs; without an epoch it is empty; missing times don't count."""
    frame = pd.DataFrame({"sym": ["B", None, "A"], "last": [1.0, 2.0, 3.0]})
    assert extent_of(frame) == Extent(3, [], symbols=["B", "A"], symbol_count=2)
    frame["seq"] = [4, 5, 6]
    frame["time"] = pd.to_datetime(["2026-01-02", None, "2026-01-01"], utc=True)
    found = extent_of(frame)
    assert found.epochs == [EpochExtent("", 4, 6, 3)]
    assert found.start == pd.Timestamp("2026-01-01").as_unit("ns").value
    assert found.end == pd.Timestamp("2026-01-02").as_unit("ns").value
    assert extent_of(frame.iloc[:0]) == Extent(0, [], symbols=[])


def test_extents_add_up() -> None:
    """Those of several files are that of all their rows."""
    frames = [ticks(1, 2), ticks(5, 6), ticks(1, epoch="e2")]
    builder = ExtentBuilder()
    for frame in frames:
        builder.add_extent(extent_of(frame))
    assert builder.extent == extent_of(*frames)
    builder.add_extent(extent_of(ticks(4)))
    assert not builder.ascending


def test_too_many_epochs_have_no_extent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line would be too large."""
    monkeypatch.setattr(tickerkit.storage.extent, "MAX_EPOCHS", 2)
    builder = ExtentBuilder()
    for number in range(4):
        builder.add(ticks(1, epoch=f"e{number}"))
    assert (builder.lines, builder.rows, len(builder.extent.epochs)) == ([], 4, 4)


def test_rows_after_the_extent_make_it_unknown(tmp_path: Path) -> None:
    """A line other than the head and the end comes only from a program that goes on writing."""
    path = write_csv(ticks(1, 2), tmp_path / "ticks.csv")
    data = sidecar_path(path).read_bytes()
    assert parse_lines(data).extent is not None
    block = next(line for line in data.splitlines(keepends=True) if b'"type":"block"' in line)
    assert parse_lines(data + block).extent is None
