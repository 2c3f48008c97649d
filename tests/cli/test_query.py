"""`tickerkit query`: SQL over recordings of every format."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from commands import InProcess
from numbered import ticks

from tickerkit.cli import main
from tickerkit.log import TickLog
from tickerkit.storage import write_csv, write_parquet
from tickerkit.storage.recording_writer import RecordingWriter
from tickerkit.ticks import read_ticks

COUNT = "select count(*) as n from ticks"


def run(*arguments: object) -> int:
    """Run the command."""
    return main(["query", *map(str, arguments)])


@pytest.fixture
def log() -> TickLog:
    """Return a log of trades and quotes of two symbols, with nanoseconds."""
    log = TickLog(100, epoch="e")
    rows = [
        {
            "symbol": "AAPL" if n % 2 else "600519",
            "time": 1_763_000_000_000_000_001 + n * 10**9,
            **({"bid": n / 2} if n % 3 == 0 else {"price": float(n)}),
        }
        for n in range(20)
    ]
    log.append(read_ticks(rows), received=10**18)
    return log


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet", "captures"])
def test_each_format_is_a_table(
    log: TickLog, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Means are those of pandas: what a quote lacks is null. The table has the file's name."""
    frame, path = log.frame(), tmp_path / name
    if name == "captures":
        writer = RecordingWriter(path, partition="day,symbol")
        writer.begin(log, 0)
        writer.take(log.rows(), lambda *_: [])
        writer.close()
    else:
        (write_parquet if name.endswith("parquet") else write_csv)(frame, path)
    table = "captures" if name == "captures" else "t"
    sql = f"select symbol, avg(price) as mean, max(time) as last from {table} group by 1 order by 1"
    assert run(sql, path, "--json") == 0
    rows = list(map(json.loads, capsys.readouterr().out.splitlines()))
    by_symbol = frame.astype({"symbol": "str"}).groupby("symbol")
    expected = by_symbol["price"].mean()
    assert {row["symbol"]: row["mean"] for row in rows} == pytest.approx(expected.to_dict())
    assert [pd.Timestamp(row["last"]) for row in rows] == by_symbol["time"].max().tolist()


def test_files_together_are_the_table_ticks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is a table by its own name as well; a column that one lacks is null there."""
    one = write_csv(ticks(1, 2, 3), tmp_path / "day-1.csv")
    other = write_parquet(ticks(4, 5).assign(bid=1.5), tmp_path / "day-2.parquet")
    sql = (
        "select (select count(*) from ticks) a, (select count(*) from day_1) b, "
        "(select count(*) from day_2) c, (select count(bid) from ticks) d"
    )
    assert run(sql, one, other, "--csv") == 0
    assert capsys.readouterr().out == "a,b,c,d\n5,3,2,2\n"


def test_files_of_one_name_are_one_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No row of either is lost, though both are read into memory."""
    paths = [tmp_path / folder / "trades.csv" for folder in "ab"]
    for path, frame in zip(paths, (ticks(1, 2, 3), ticks(4, 5)), strict=True):
        path.parent.mkdir()
        write_csv(frame, path)
    for table in ("ticks", "trades"):
        assert run(f"select seq from {table} order by 1", *paths, "--csv") == 0
        assert capsys.readouterr().out.split() == ["seq", "1", "2", "3", "4", "5"]


def test_columns_of_one_name_are_all_in_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The further ones are numbered."""
    path = write_csv(ticks(1, 2), tmp_path / "t.csv")
    sql = "select a.seq, b.seq from ticks a, ticks b where a.seq < b.seq"
    assert run(sql, path, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"seq": 1, "seq_1": 2}


def test_recording_that_grows_is_read(
    log: TickLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The newest ticks of a Parquet file are in the CSV beside it."""
    writer = RecordingWriter(tmp_path / "t.parquet")
    writer.begin(log, 0)
    writer.take(log.rows(), lambda *_: [])
    assert run(COUNT, tmp_path / "t.parquet", "--csv") == 0
    found = capsys.readouterr()
    assert found.out == "n\n20\n"
    assert "_t.parquet.csv" in found.err
    writer.close()


def test_recording_that_grows_has_days(
    log: TickLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rows of today are not in the folders of their day yet."""
    time = log.frame()["time"].iloc[0]
    for count in (20, 21):
        writer = RecordingWriter(tmp_path, clock=lambda: 1.8e9, partition="day")
        writer.begin(log, 0)
        writer.take(log.rows(), lambda *_: [])
        sql = f"select count(*) from ticks where day = '{time.date()}'"
        assert run(sql, tmp_path, "--csv") == 0
        assert capsys.readouterr().out.split()[1] == str(count)
        writer.close()
        # A recorder repeats no tick that an earlier one has recorded.
        log.append(read_ticks({"symbol": "AAPL", "price": 1, "time": time.value}), received=10**18)


def test_damage_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What can be read is queried, and the exit code is 1."""
    path = write_csv(ticks(1, 2, 3), tmp_path / "t.csv")
    path.write_bytes(path.read_bytes().replace(b"\n2,", b"\nx,"))
    assert run(COUNT, path, "--csv") == 1
    found = capsys.readouterr()
    assert found.out == "n\n2\n"
    assert "t.csv" in found.err


def test_damaged_parquet_is_reported(
    log: TickLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a recording in partitions the others are queried; a file alone is refused in one line."""
    writer = RecordingWriter(tmp_path / "captures", partition="symbol")
    writer.begin(log, 0)
    writer.take(log.rows(), lambda *_: [])
    writer.close()
    damaged = next((tmp_path / "captures").glob("symbol=AAPL/*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert run(COUNT, tmp_path / "captures", "--csv") == 1
    found = capsys.readouterr()
    assert found.out == "n\n10\n"
    assert f"symbol=AAPL/{damaged.name}" in found.err
    assert run(COUNT, damaged) == 1
    assert "is not a Parquet file" in capsys.readouterr().err


def test_table_shows_the_first_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A long result says how many more there are; text can't control the terminal."""
    path = write_csv(ticks(*range(1, 101)), tmp_path / "t.csv")
    assert run("select seq, 'a\x1b[2J' as text from ticks", path) == 0
    out = capsys.readouterr().out
    assert "\\x1b[2J" in out
    assert "\x1b" not in out
    assert "and 50 further rows" in out
    assert len([line for line in out.splitlines() if "2J" in line]) == 50


def test_statement_without_a_result_prints_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """COPY writes its file."""
    path = write_csv(ticks(1, 2), tmp_path / "t.csv")
    assert run(f"copy (from ticks) to '{tmp_path / 'out.parquet'}'", path, "--csv") == 0
    assert len(pd.read_parquet(tmp_path / "out.parquet")) == 2


@pytest.mark.parametrize(
    ("sql", "code", "said"),
    [
        ("select pric from ticks", 2, 'column "pric" not found'),
        ("selec", 2, "syntax error"),
        ("from nowhere", 2, "there are the tables t, ticks; Catalog Error"),
        ("select cast(symbol as int) from ticks", 1, "Could not convert"),
    ],
)
def test_wrong_sql_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sql: str, code: int, said: str
) -> None:
    """The error is DuckDB's, without a traceback and without the query."""
    path = write_csv(ticks(1, 2), tmp_path / "t.csv")
    assert run(sql, path) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tickerkit: ")
    assert said in line


def test_without_duckdb_the_package_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line says what to install."""
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert run(COUNT, write_csv(ticks(1), tmp_path / "t.csv")) == 1
    assert 'pip install "tickerkit[sql]"' in capsys.readouterr().err


def test_wrong_files_and_options_are_usage_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line says what to pass."""
    threads = set(threading.enumerate())
    path = write_csv(ticks(1), tmp_path / "t.csv")
    assert run(COUNT, tmp_path / "no.csv") == 2
    assert run(COUNT, path, "--csv", "--json") == 2
    assert "--csv and --json" in capsys.readouterr().err
    assert set(threading.enumerate()) <= threads


def test_interrupt_ends_a_long_query(
    start: Callable[..., InProcess], until: Callable[..., None], tmp_path: Path
) -> None:
    """Ctrl-C stops DuckDB."""
    path = write_csv(ticks(*range(1, 1_000)), tmp_path / "t.csv")
    sql = "select count(*) from ticks a, ticks b, ticks c, ticks d where a.price + d.price < 0"
    command = start("query", sql, str(path))
    until(lambda: any(each.name == "tickerkit query" for each in threading.enumerate()))
    assert command.end() == 1
    assert command.err == "tickerkit: stopped\n"


def test_one_unreadable_file_ends_no_query(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All others are queried, and the exit code is 1."""
    write_csv(ticks(1, 2, 3), tmp_path / "a.csv")
    write_parquet(ticks(4, 5), tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_bytes(b"PAR1")
    (tmp_path / "d.csv").write_bytes(b"no,ticks\n1,2\n")
    assert run(COUNT, tmp_path, "--csv") == 1
    found = capsys.readouterr()
    assert found.out == "n\n5\n"
    assert "c.parquet" in found.err
    assert "d.csv" in found.err
