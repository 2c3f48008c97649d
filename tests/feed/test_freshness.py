"""Tests of freshness: how each symbol of a feed comes."""

from __future__ import annotations

import pandas as pd

from tickerkit.feed.freshness import symbol_freshness
from tickerkit.log import TickLog
from tickerkit.log.pace import Arrivals
from tickerkit.ticks import read_ticks

S = 1_000_000_000
BEGIN_NS = 1_790_000_000 * S


def test_each_symbol_has_a_status_by_its_own_pace() -> None:
    """A slow symbol is live where a fast one is quiet, and one without a tick is asked for."""
    log = TickLog(10_000)
    arrivals = Arrivals(log)
    for index in range(300):
        ticks = [{"symbol": "fast", "price": 1.0}]
        if index % 50 == 0:
            ticks.append({"symbol": "slow", "price": 1.0})
        moment_ns = BEGIN_NS + index * S // 10
        log.append(
            read_ticks([{**tick, "time": moment_ns} for tick in ticks]), received=moment_ns + S
        )
    now_ns = BEGIN_NS + 30 * S + 20 * S
    table = symbol_freshness(log, arrivals, ["fast", "never"], now_ns).set_index("symbol")
    assert table["status"].to_dict() == {"fast": "quiet", "slow": "live", "never": "asked"}
    assert table["pace_s"].round(6).dropna().to_dict() == {"fast": 0.1, "slow": 5.0}
    assert table["rows"].to_dict() == {"fast": 300, "slow": 6, "never": 0}
    assert table["lag_s"].dropna().tolist() == [1.0, 1.0]
    assert table.loc["fast", "last"] == pd.Timestamp(BEGIN_NS + 299 * S // 10 + S, tz="UTC")
    assert pd.isna(table.loc["never", "last"])


def test_feed_without_ticks_has_no_rows() -> None:
    """The columns are there all the same."""
    log = TickLog(10)
    frame = symbol_freshness(log, Arrivals(log), None, BEGIN_NS)
    assert len(frame) == 0
    assert [*frame] == ["symbol", "status", "last", "pace_s", "lag_s", "rows"]
