"""Other programs read what tickerkit writes: the same rows, sums and types, also while it grows."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from recorded import Growing

from tickerkit.storage import write_csv, write_parquet

MAIN = ["seq", "time", "symbol", "price"]


class Sums(NamedTuple):
    """What all programs must agree on."""

    rows: dict[str, int]
    prices: dict[str, float]
    bids: int
    seqs: int
    start_ns: int
    end_ns: int
    types: str


def kind(column: object) -> str:
    """Return a letter for the type of a column, whatever a program calls it."""
    name = str(column).lower()
    if name.startswith("dictionary"):
        return "s"
    if "time" in name:
        return "t" if "utc" in name or "tz" in name or "time zone" in name else "?"
    if "int" in name:
        return "i"
    return "f" if "float" in name or "double" in name else "s"


def sums(rows: pd.DataFrame, types: list[object]) -> Sums:
    """Return the sums of rows that a program has read, and its types of the main columns."""
    by_symbol = rows.astype({"symbol": "str"}).groupby("symbol")
    times = pd.to_datetime(rows["time"], utc=True).astype("datetime64[ns, UTC]")
    return Sums(
        by_symbol.size().to_dict(),
        by_symbol["price"].sum().to_dict(),
        int(rows["bid"].notna().sum()),
        int(rows["seq"].sum()),
        times.min().value,
        times.max().value,
        "".join(map(kind, types)),
    )


def by_pandas(path: str) -> Sums:
    """Read by pandas; to it, `NA` would be no text, and a time is text."""
    if path.endswith(".parquet") or Path(path).is_dir():
        rows = pd.read_parquet(path)
    else:
        rows = pd.read_csv(
            path, parse_dates=["time", "received"], keep_default_na=False, na_values={"bid": [""]}
        )
    return sums(rows, [rows[name].dtype for name in MAIN])


def by_polars(path: str) -> Sums:
    """Read by Polars, lazily."""
    if path.endswith((".csv", ".gz", ".zst")):
        rows = pl.scan_csv(path, try_parse_dates=True).collect()
    else:
        pattern = f"{path}/**/*.parquet" if Path(path).is_dir() else path
        rows = pl.scan_parquet(pattern, hive_partitioning=pattern != path).collect()
    return sums(rows.to_pandas(), [rows.schema[name] for name in MAIN])


def by_duckdb(path: str) -> Sums:
    """Read by DuckDB, by the name of a file or a pattern."""
    pattern = f"{path}/**/*.parquet" if Path(path).is_dir() else path
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        hive = f"read_parquet('{pattern}', union_by_name=true)"
        rows = connection.sql(f"from {hive if Path(path).is_dir() else repr(pattern)}")
        types = dict(zip(rows.columns, rows.types, strict=True))
        return sums(rows.df(), [types[name] for name in MAIN])


def by_pyarrow(path: str) -> Sums:
    """Read by a data set of pyarrow."""
    if path.endswith((".csv", ".gz")):
        rows = pa_csv.read_csv(path)
    elif path.endswith(".zst"):
        with pa.input_stream(path, compression="zstd") as file:
            rows = pa_csv.read_csv(file)
    else:
        rows = ds.dataset(path, partitioning="hive").to_table()
    return sums(rows.to_pandas(), [rows.schema.field(name).type for name in MAIN])


READERS = [by_pandas, by_polars, by_duckdb, by_pyarrow]


def expected(frame: pd.DataFrame) -> Sums:
    """Return what the programs must read."""
    return sums(frame, [frame[name].dtype for name in MAIN])._replace(types="itsf")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """Return a folder with the same ticks in each form, and the ticks."""
    folder = tmp_path_factory.mktemp("written")
    growing = Growing(folder / "hive", partition=("day", "symbol"))
    growing.add(3_000, bid=2.5)
    growing.close()
    frame = growing.log.frame()
    for name in ("a.csv", "a.csv.gz", "a.csv.zst"):
        write_csv(frame, folder / name)
    write_parquet(frame, folder / "a.parquet")
    return folder, frame


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.csv.zst", "a.parquet", "hive"])
def test_others_read_the_same(
    written: tuple[Path, pd.DataFrame], name: str, read: Callable[[str], Sums]
) -> None:
    """Rows, sums and times are equal to the last bit; `NA` and `600519` are text."""
    folder, frame = written
    found = read(str(folder / name))
    if name.startswith("a.csv") and read in (by_polars, by_duckdb):
        # They read times of CSV in whole microseconds.
        assert abs(found.start_ns - expected(frame).start_ns) < 1_000
        assert abs(found.end_ns - expected(frame).end_ns) < 1_000
        found = found._replace(start_ns=expected(frame).start_ns, end_ns=expected(frame).end_ns)
    assert found == expected(frame)


@pytest.mark.parametrize("read", READERS)
def test_others_read_a_csv_that_grows(tmp_path: Path, read: Callable[[str], Sums]) -> None:
    """At any moment, they read the rows so far."""
    growing = Growing(tmp_path / "t.csv")
    for _ in range(3):
        growing.add(100, bid=2.5)
        found = read(str(tmp_path / "t.csv"))
        assert (found.rows, found.prices) == expected(growing.log.frame())[:2]
    growing.close()


def test_others_read_a_parquet_file_that_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two ticks, all of them read the same first rows, and no program needs the rest."""
    monkeypatch.setattr("tickerkit.storage.parquet.growing.MAX_WAIT_S", 0.0)
    growing = Growing(tmp_path / "t.parquet")
    visible = 0
    for _ in range(3):
        growing.add(5_000, bid=2.5)
        growing.add(10, bid=2.5)
        before, visible = visible, pq.read_metadata(tmp_path / "t.parquet").num_rows
        assert before <= visible <= len(growing.log)
        for read in READERS:
            found = read(str(tmp_path / "t.parquet"))
            assert found == expected(growing.log.frame().head(visible)), read.__name__
    assert visible >= 5_000
    growing.close()


@pytest.mark.soak
@pytest.mark.process
@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
def test_libreoffice_reads_numbers_and_text(written: tuple[Path, pd.DataFrame]) -> None:
    """Numbers are numbers, also in its cells; times and symbols are text, and none is a formula."""
    folder, frame = written
    office = folder / "office"
    command = ["soffice", "--headless", f"-env:UserInstallation=file://{office / 'profile'}"]
    options = ["--infilter=CSV:44,34,76,1", "--convert-to", "fods", "--outdir", str(office)]
    subprocess.run(
        [*command, *options, str(folder / "a.csv")], check=True, capture_output=True, timeout=100
    )
    rows = read_cells(office / "a.fods")
    assert [value for _, value in rows[0]] == list(frame.columns)
    cells = [dict(zip(frame.columns, row, strict=True)) for row in rows[1:]]
    for name in ("seq", "price", "bid"):
        assert {row[name][0] for row in cells} == {"float"}
        assert [float(row[name][1]) for row in cells] == frame[name].tolist()
    for name in ("time", "symbol"):
        expected_text = (
            frame[name].dt.strftime("%Y-%m-%dT%H:%M:%S.%f000Z") if name == "time" else frame[name]
        )
        assert [row[name][1] for row in cells] == expected_text.astype("str").tolist()


def read_cells(path: Path) -> list[list[tuple[str, str]]]:
    """Return the type and value of each cell in a spreadsheet, as OpenDocument has it."""
    table, office = (
        f"{{urn:oasis:names:tc:opendocument:xmlns:{name}:1.0}}" for name in ("table", "office")
    )
    rows = []
    for row in ElementTree.parse(path).iter(f"{table}table-row"):
        cells: list[tuple[str, str]] = []
        for cell in row.iter(f"{table}table-cell"):
            kind = cell.get(f"{office}value-type", "")
            text = cell.get(f"{office}value") or "".join(cell.itertext()).strip()
            cells += [(kind, text)] * (
                int(cell.get(f"{table}number-columns-repeated", 1)) if kind else 1
            )
        rows += [cells] if any(kind for kind, _ in cells) else []
    return rows
