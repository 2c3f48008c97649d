"""Arrow: a log as a table for pyarrow, Polars, DuckDB and pandas, also while ticks come."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from soaks import soak

from tickerkit.log import TickLog
from tickerkit.log import arrow as arrow_module
from tickerkit.log import tick_log as tick_log_module
from tickerkit.ticks import read_ticks

T0 = 1_763_000_000 * 10**9


def tick(n: int) -> dict[str, object]:
    """Return the n-th tick; each fourth is a quote, and each third has no note."""
    fields: dict[str, object] = {"symbol": f"S{n % 5}", "time": T0 + n, "volume": n}
    if n % 4 == 3:
        return fields | {"bid": n / 2, "ask": n / 2 + 1}
    return fields | {"price": float(n), "size": 1.0} | ({} if n % 3 else {"note": f"n{n % 7}"})


def make_log(count: int, keep: int = 10_000, step: int = 37) -> TickLog:
    """Return a log to which ticks were appended in parts."""
    log = TickLog(keep)
    for start in range(0, count, step):
        append(log, range(start, min(start + step, count)))
    return log


def append(log: TickLog, numbers: range) -> None:
    """Append ticks to a log."""
    log.append(read_ticks([tick(n) for n in numbers]), received=T0)


@pytest.fixture
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_module, "BLOCK_ROWS", 64)
    monkeypatch.setattr(tick_log_module, "BLOCK_ROWS", 64)


def test_table_equals_the_frame() -> None:
    """A table has the rows, the columns and the types of the frame."""
    log = make_log(500)
    pd.testing.assert_frame_equal(log.to_arrow().to_pandas(), log.frame())


@pytest.mark.usefixtures("_small_blocks")
def test_table_equals_the_frame_while_the_log_drops_rows() -> None:
    """What was computed for earlier tables stays right when rows are dropped and moved."""
    log = TickLog(300)
    for start in range(0, 3_000, 41):
        append(log, range(start, start + 41))
        table = log.to_arrow()
        table.validate(full=True)
        pd.testing.assert_frame_equal(table.to_pandas(), log.frame())
    assert len(log._arrow._validity) <= 8 * len(log.columns())


@pytest.mark.usefixtures("_small_blocks")
def test_missing_numbers_are_found_as_ticks_come() -> None:
    """The first table of a long log looks only at the newest block."""
    log = make_log(500, step=300)
    assert {block for name, block in log._arrow._validity if name == "price"} == set(range(7))
    pd.testing.assert_frame_equal(log.to_arrow().to_pandas(), log.frame())


def test_missing_numbers_are_null() -> None:
    """A quote has no price: SQL's averages leave it out, which NaN would make NaN."""
    log = make_log(400)
    table, frame = log.to_arrow(), log.frame()
    for name in ("price", "size", "bid", "ask", "note"):
        assert table[name].null_count == frame[name].isna().sum() > 0
    assert table["volume"].null_count == 0
    feed = log
    sql = "select symbol::varchar as symbol, avg(price) as price from feed group by 1 order by 1"
    found = duckdb.sql(sql).df().set_index("symbol")["price"]
    assert feed is log
    pd.testing.assert_series_equal(
        found,
        frame.astype({"symbol": "str"}).groupby("symbol")["price"].mean(),
        check_index_type=False,
    )


def test_numbers_are_not_copied() -> None:
    """The table's buffers lie in the log's memory."""
    log = make_log(500)
    table = log.to_arrow()
    for name in ("seq", "time", "price", "symbol"):
        chunk = table[name].chunk(0)
        values = chunk.indices if name == "symbol" else chunk
        assert values.buffers()[1].address == log.rows().array(name).ctypes.data


def test_table_keeps_its_memory() -> None:
    """A table outlives its log, and lets the memory go with itself."""
    log = make_log(500)
    frame = log.frame().copy()
    memory = weakref.ref(log.rows().array("price").base)
    table = log.to_arrow()
    del log
    gc.collect()
    pd.testing.assert_frame_equal(table.to_pandas(), frame)
    del table
    gc.collect()
    assert memory() is None


def test_table_stays_as_it_is_while_ticks_come() -> None:
    """Ticks, words, symbols and columns that come later are in later tables only."""
    log = make_log(100)
    table, frame = log.to_arrow(), log.frame().copy()
    more = [{"symbol": f"NEW{n}", "price": 1, "later": 2.5, "note": f"w{n}"} for n in range(300)]
    log.append(read_ticks(more), received=T0)
    pd.testing.assert_frame_equal(table.to_pandas(), frame)
    later = log.to_arrow()
    assert later["later"].null_count == 100
    assert later.schema.field("symbol").type.index_type == pa.int16()
    pd.testing.assert_frame_equal(later.to_pandas(), log.frame())


def test_free_text_and_large_integers_are_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text without a dictionary is text, also with half a character; integers stay exact."""
    monkeypatch.setattr("tickerkit.log.columns.MAX_WORDS", 20)
    log = TickLog(1_000)
    rows: list[Any] = [
        {"symbol": "A", "price": n, "id": f"u{n}", "count": 2**60 + n if n > 50 else n + 1}
        for n in range(100)
    ]
    for row in rows:
        log.append(read_ticks([row]), received=T0)
    table = log.to_arrow()
    assert table["id"].to_pylist() == [row["id"] for row in rows]
    assert table["count"].to_pylist() == [row["count"] for row in rows]
    assert arrow_module._make_texts(["a", None, "\ud800"]).to_pylist() == ["a", None, "?"]


def test_selection_is_that_of_the_frame() -> None:
    """A table takes symbols and the newest ticks as `frame` does."""
    log = make_log(500)
    for symbol, last in (("S1", None), ("S1,S3", 20), (None, 20), ("nothing", None), (None, 0)):
        found = log.to_arrow(symbol, last).to_pandas()
        pd.testing.assert_frame_equal(found, log.frame(symbol, last))


def test_empty_log_is_an_empty_table() -> None:
    """A log without a tick has its columns."""
    log = TickLog(10)
    assert log.to_arrow().num_rows == 0
    assert pl.DataFrame(log).columns == log.columns()


def test_log_is_a_table_of_polars_pandas_and_pyarrow() -> None:
    """Each reads the log itself, with every value."""
    log = make_log(500)
    frame = log.frame()
    polars = pl.DataFrame(log)
    assert polars["price"].null_count() == frame["price"].isna().sum()
    assert polars["symbol"].to_list() == frame["symbol"].tolist()
    assert polars["time"].dtype == pl.Datetime("ns", "UTC")
    pd.testing.assert_frame_equal(pa.table(log).to_pandas(), frame)
    again = pd.DataFrame.from_arrow(log)
    assert again["price"].equals(frame["price"])
    assert again["symbol"].astype("str").tolist() == frame["symbol"].tolist()


def test_column_that_begins_during_a_query_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB asks for the columns before the rows: they are the same, for a moment."""
    log = make_log(10)
    before = pa.schema(log).names
    log.append(read_ticks([{"symbol": "A", "price": 1, "later": 1.5}]), received=T0)
    for _ in range(2):  # a query may read a log twice
        at_once = pa.table(log)
        assert at_once.column_names == before
        assert at_once.num_rows == 11
    assert pa.schema(log).names == pa.table(log).column_names == [*before, "later"]
    log.append(read_ticks([{"symbol": "A", "price": 1, "newest": 1.5}]), received=T0)
    monkeypatch.setattr(arrow_module, "SAME_COLUMNS_S", 0)
    assert "newest" in pa.table(log).column_names


@pytest.mark.parametrize(("snapshots", "rate"), [(40, 20_000), soak(1_000, 2_000_000)])
def test_no_snapshot_is_torn(snapshots: int, rate: int) -> None:
    """Each snapshot shows whole ticks in order, while ticks, words and columns come fast."""
    rate = min(rate, 100_000)
    log = TickLog(150_000)
    made = [read_ticks([fast_tick(n) for n in range(k, k + 500)]) for k in range(0, 5_000, 500)]
    stopping = threading.Event()

    def write() -> None:
        began, count = time.monotonic(), 0
        while not stopping.is_set():
            log.append(made[count // 500 % 10], received=T0)
            count += 500
            stopping.wait(max(began + count / rate - time.monotonic(), 0))

    log.append(made[-1], received=T0)  # the columns of each tick are there from the start
    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    try:
        for number in range(100 * snapshots):
            if number >= snapshots and len(seen) > 1:
                break
            if number % 4:
                assert_whole(pa.table(log))
            else:
                found = duckdb.sql(
                    "select count(*) - count(price), count(*) filter (price % 4 = 3),"
                    " max(seq) - min(seq) + 1 - count(*) from log"
                ).fetchall()
                assert found[0][1:] == (0, 0)
            seen.add(log.stop)
    finally:
        stopping.set()
        writer.join()
    assert len(seen) > 1


def fast_tick(n: int) -> dict[str, object]:
    """Return a tick whose values all follow from its number, which repeats after 5,000."""
    fields: dict[str, object] = {"symbol": f"S{n}", "time": T0 + n, "number": n}
    if n > 1_000:
        fields["later"] = n / 4
    return fields | ({"bid": n / 2} if n % 4 == 3 else {"price": float(n)})


def assert_whole(table: pa.Table) -> None:
    """Check that each row of a table has the values that follow from its number."""
    numbers = table["number"].to_numpy().astype(np.int64) if table.num_rows else np.zeros(0, int)
    seq = table["seq"].to_numpy()
    assert (np.diff(seq) == 1).all()
    assert ((seq + 4_499) % 5_000 == numbers).all()
    is_quote = numbers % 4 == 3
    assert (table["price"].is_null().to_numpy() == is_quote).all()
    assert (table["price"].fill_null(-1).to_numpy()[~is_quote] == numbers[~is_quote]).all()
    assert ((table["time"].cast(pa.int64()).to_numpy() - T0) == numbers).all()
    words = np.array([int(word[1:]) for word in table["symbol"].chunk(0).dictionary.to_pylist()])
    if len(numbers):
        codes = np.concatenate([np.asarray(each.indices) for each in table["symbol"].chunks])
        assert (words[codes] == numbers).all()
    if "later" in table.column_names:
        assert (table["later"].is_null().to_numpy() == (numbers <= 1_000)).all()
