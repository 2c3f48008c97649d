"""A live feed as a table: SQL, Polars, pandas and pyarrow read it by its name while ticks come."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import tickerkit as tk

TRADE = {"symbol": "AAPL", "price": 2.0, "size": 1.0}
QUOTE = {"symbol": "AAPL", "bid": 1.0, "ask": 3.0}


@pytest.fixture
def served() -> Iterator[tuple[tk.TickServer, tk.Feed]]:
    """Return a server, and a feed that has its first two trades."""
    with tk.serve(None, port=0) as server, tk.connect(server.url) as feed:
        server.publish([TRADE, {**TRADE, "symbol": "MSFT", "price": 5.0}])
        feed.wait(2)
        yield server, feed


def test_sql_reads_the_feed_by_its_name(
    served: tuple[tk.TickServer, tk.Feed], until: Callable[..., None]
) -> None:
    """Each query has the ticks of its moment; quotes do not disturb an average of prices."""
    server, feed = served
    sql = "select symbol, avg(price), count(*) from feed group by 1 order by 1"
    assert duckdb.sql(sql).fetchall() == [("AAPL", 2.0, 1), ("MSFT", 5.0, 1)]
    server.publish([QUOTE, {**TRADE, "price": 4.0}])
    until(lambda: feed.log.stop == 4)
    assert duckdb.sql(sql).fetchall() == [("AAPL", 3.0, 3), ("MSFT", 5.0, 1)]


def test_relation_reads_the_feed_again(
    served: tuple[tk.TickServer, tk.Feed], until: Callable[..., None]
) -> None:
    """A query that is kept gives the newest ticks, also after a column has begun."""
    server, feed = served
    assert feed.log.stop == 2
    found = duckdb.sql("select count(*) as n from feed")
    assert found.fetchall() == [(2,)]
    server.publish([QUOTE] * 3)
    until(lambda: found.fetchall() == [(5,)])


def test_feed_and_log_of_the_server_are_tables(served: tuple[tk.TickServer, tk.Feed]) -> None:
    """Polars, pandas and pyarrow take either."""
    server, feed = served
    for ticks in (feed, server.log):
        assert pl.DataFrame(ticks)["price"].to_list() == [2.0, 5.0]
        assert pd.DataFrame.from_arrow(ticks)["price"].tolist() == [2.0, 5.0]
        assert pa.table(ticks)["symbol"].to_pylist() == ["AAPL", "MSFT"]
    assert feed.to_arrow("MSFT")["price"].to_pylist() == [5.0]
    assert feed.to_arrow(last=1)["price"].to_pylist() == [5.0]


def test_table_outlives_the_feed(served: tuple[tk.TickServer, tk.Feed]) -> None:
    """A stopped feed is a table, and one taken before stays as it was."""
    _, feed = served
    table = feed.to_arrow()
    feed.stop()
    assert table.equals(feed.to_arrow())


def test_trades_of_one_feed_join_quotes_of_another(
    served: tuple[tk.TickServer, tk.Feed], until: Callable[..., None]
) -> None:
    """Joined as the ticks come, each trade has the quote that was current at its time."""
    server, trades = served
    with tk.serve(None, port=0) as other, tk.connect(other.url) as quotes:
        for n in range(5):
            other.publish([{**QUOTE, "bid": float(n), "time": 1_763_000_000 + 10 * n}])
            server.publish([{**TRADE, "time": 1_763_000_000 + 10 * n + 5}])
            until(lambda n=n: (trades.log.stop, quotes.log.stop) == (3 + n, 1 + n))
            joined = tk.asof(trades, quotes, tolerance="6s")
            assert joined["bid"].dropna().tolist() == [float(each) for each in range(n + 1)]
