"""Bars of a feed: indicators stay right through re-runs, a server's restart, gaps and threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from cells import Kernel
from indicator_references import REFERENCES, assert_equal_columns, random_bars

import tickerkit as tk
from tickerkit.errors import InvalidArgument
from tickerkit.server import TickServer

Until = Callable[..., None]
ALL = list(REFERENCES)


@pytest.fixture
def server() -> TickServer:
    """Return a server without a source; tests publish to it."""
    return tk.serve(None, port=0)


def ticks(start: int, stop: int, symbol: str = "AAPL") -> pd.DataFrame:
    """Return ticks number `start` to `stop`, four for each bar of a minute."""
    bars = random_bars(500)
    return pd.DataFrame({
        "symbol": symbol,
        "time": bars.index.repeat(4) + pd.to_timedelta(np.tile(range(4), 500), unit="s"),
        "price": bars[["open", "high", "low", "close"]].to_numpy().ravel(),
        "size": np.repeat(bars["volume"].to_numpy(), 4) / 4,
    }).iloc[start:stop]  # fmt: skip


def test_indicators_of_a_feed_equal_their_references(server: TickServer) -> None:
    """`feed.bars` adds their columns behind `ticks`, and says what is missing."""
    feed = tk.connect(server.url, history=None)
    server.publish(ticks(0, 2_000))
    frame = feed.wait(2_000).bars("1min", "AAPL", indicators=ALL)
    for text in ALL:
        assert_equal_columns(frame, text)
    assert frame.columns[5:7].tolist() == ["ticks", "sma(20)"]
    assert frame.attrs == {"revised": 0, "gaps": 0}
    assert feed.bars("1min", "AAPL").attrs == {}
    newest = feed.bars("1min", "AAPL", indicators=ALL, last=7)
    pd.testing.assert_frame_equal(newest, frame.tail(7), check_freq=False)
    arrays = feed.bar_arrays("1min", "AAPL", indicators=ALL, since_ns=frame.index[-7].value)
    assert list(arrays) == ["time", *frame.columns]
    for name in frame:
        assert np.array_equal(arrays[name], newest[name], equal_nan=True)


def test_rerun_cell_goes_on_with_the_columns(server: TickServer, kernel: Kernel) -> None:
    """An indicator with a state does not begin anew, though its first bars were dropped."""
    kernel.run("cell")
    feed = tk.connect(server.url, keep=400, history=None)
    parts = []
    for start in range(0, 2_000, 200):
        server.publish(ticks(start, start + 200))
        feed.wait(200)
        parts.append(feed.bars("1min", "AAPL", indicators=["ema(20)", "obv"], last=50))
        kernel.run("cell")
        feed = tk.connect(server.url, keep=400, history=None)
    whole = pd.concat(parts)
    whole = whole[~whole.index.duplicated(keep="last")]
    assert len(whole) == 500
    for text in ("ema(20)", "obv"):
        assert_equal_columns(whole, text)


def test_columns_go_on_over_a_restart_and_its_gap(server: TickServer, until: Until) -> None:
    """Bars of a new epoch continue those of the old one; the frame counts the gap."""
    feed = tk.connect(server.url, history=None)
    server.publish(ticks(0, 1_000))
    feed.wait(1_000).bars("1min", indicators=ALL)
    server.stop()
    until(lambda: feed.status == "reconnecting")
    server = tk.serve(None, port=server.port)
    server.publish(ticks(1_202, 2_000))
    frame = feed.wait(798).bars("1min", "AAPL", indicators=ALL)
    assert frame.attrs == {"revised": 0, "gaps": 1}
    assert len(frame) == 450
    for text in ALL:
        assert_equal_columns(frame, text)


def test_late_ticks_are_counted_as_revised_bars(server: TickServer) -> None:
    """A tick of an older bar changes the columns from there on."""
    feed = tk.connect(server.url, history=None)
    server.publish(ticks(0, 400))
    before = feed.wait(400).bars("1min", "AAPL", indicators=["sma(20)", "rsi(14)"])
    server.publish(ticks(200, 201).assign(price=500.0))
    frame = feed.wait(1).bars("1min", "AAPL", indicators=["sma(20)", "rsi(14)"])
    assert frame.attrs["revised"] == 1
    is_same = np.isclose(frame["sma(20)"], before["sma(20)"], rtol=1e-12, equal_nan=True)
    assert np.flatnonzero(~is_same).tolist() == list(range(50, 70))
    assert_equal_columns(frame, "rsi(14)")


def test_threads_may_ask_at_once(server: TickServer) -> None:
    """A chart's thread and a cell share the columns; each answer is of one moment."""
    feed = tk.connect(server.url, history=None)
    server.publish(ticks(0, 400))
    feed.wait(400)
    wrong: list[str] = []

    def ask() -> None:
        for _ in range(50):
            arrays = feed.bar_arrays("1min", "AAPL", indicators=ALL)
            if len({len(each) for each in arrays.values()}) != 1:
                wrong.append("lengths")

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for start in range(400, 800, 8):
        server.publish(ticks(start, start + 8))
    for thread in threads:
        thread.join()
    frame = feed.wait(400).bars("1min", "AAPL", indicators=ALL)
    for text in ALL:
        assert_equal_columns(frame, text)
    assert not wrong


def test_own_function_may_ask_the_feed(server: TickServer) -> None:
    """A ratio of two symbols is a function that asks for the other's bars."""
    feed = tk.connect(server.url, history=None)
    server.publish(ticks(0, 400))
    server.publish(ticks(0, 400, "MSFT"))

    def ratio(bars: pd.DataFrame) -> pd.Series:
        return bars["close"] / feed.bars("1min", "MSFT")["close"]

    assert (feed.wait(800).bars("1min", "AAPL", indicators=ratio)["ratio"] == 1).all()


def test_unknown_indicator_is_refused_with_the_nearest(server: TickServer) -> None:
    """The error points to the table of indicators."""
    feed = tk.connect(server.url)
    with pytest.raises(InvalidArgument, match=r"'sma' is the nearest\); tk\.indicators"):
        feed.bars("1min", indicators="smaa(20)")
    assert "sma" in tk.indicators().index


def test_table_of_indicators_is_shown_without_a_cut() -> None:
    """A notebook cuts texts of more than 50 characters."""
    assert "..." not in repr(tk.indicators()["description"])
