"""The table of a venue's subscriptions, below the prices of a dashboard."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from peers import free_port

import tickerkit as tk
from tickerkit.chart.widgets import dashboard, freshness_table
from tickerkit.chart.widgets.freshness_table import render_freshness
from tickerkit.feed import readers
from tickerkit.sources import freshness_frame
from tickerkit.testing import FakeVenue

Until = Callable[..., None]


def row(symbol: str, channel: str = "trades", **more: Any) -> dict[str, Any]:
    """Return a row of `Venue.freshness`."""
    known = {"status": "live", "last_s": 0.25, "pace_s": 1.0, "lag_s": 0.012, "rows": 5}
    none = {"gaps": 0, "missing": 0, "repaired": 0, "refusal": ""}
    return {"symbol": symbol, "channel": channel, **known, **none, **more}


def cells(*rows: dict[str, Any], symbols: tuple[str, ...] = ()) -> list[list[str]]:
    """Return the texts of the table's cells."""
    html = render_freshness(freshness_frame(rows), symbols)
    lines = re.findall("<tr.*?</tr>", html)
    return [
        [re.sub("<.*?>", "", each) for each in re.findall("<td.*?</td>", line)] for line in lines
    ]


def test_feed_that_is_not_a_venues_has_no_table() -> None:
    """The dashboard then shows nothing there."""
    assert render_freshness(freshness_frame([]), ["AAPL"]) == ""


def test_trades_and_quotes_of_a_symbol_share_a_row() -> None:
    """Where their statuses differ, both are named."""
    rows = [row("A"), row("A", "quotes", lag_s=None), row("B"), row("B", "quotes", status="mute")]
    assert cells(*rows, symbols=("A", "B"))[1:] == [
        ["B", "trades live, quotes mute", "0.3 s", "12 ms", "", ""],
        ["A", "live", "0.3 s", "12 ms", "", ""],
    ]


def test_gaps_and_repairs_are_counted() -> None:
    """With the number of missing trades, where that is known."""
    rows = [
        row("A", gaps=2, missing=15, repaired=1200, last_s=75, lag_s=-1.27),
        row("B", gaps=1, last_s=400),
        row("C", last_s=None, lag_s=None, status="asked"),
    ]
    assert cells(*rows)[1:] == [
        ["A", "live", "75 s", "−1.27 s", "2 (15 trades)", "1,200"],
        ["B", "live", "7 min", "12 ms", "1", ""],
        ["C", "asked", "–", "–", "", ""],
    ]


def test_refusal_is_shown_in_its_own_words() -> None:
    """Its text comes from a venue: markup in it has no effect."""
    html = render_freshness(freshness_frame([row("<b>", status="refused", refusal="no <i>")]), [])
    assert "&lt;b&gt;" in html
    assert ": no &lt;i&gt;" in html


def test_what_a_file_says_is_no_markup() -> None:
    """Of a replay, the channel and the status come from a file."""
    rows = [row("A", "<img>"), row("A", "quotes", status="<script>")]
    html = render_freshness(freshness_frame(rows), [])
    assert "<img>" not in html
    assert "<script>" not in html
    assert "&lt;img&gt; live, " in re.sub("<.*?>", "", html)


@pytest.mark.parametrize("age_s", [math.inf, -math.inf, 1e300, -1e300, 1e11])
def test_age_that_no_time_has_is_bounded(age_s: float) -> None:
    """A damaged file must not stop the dashboard."""
    assert "live" in render_freshness(freshness_frame([row("A", last_s=age_s)]), [])


def test_mute_and_refused_symbols_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many symbols, the last ones are only counted."""
    monkeypatch.setattr(freshness_table, "MAX_ROWS", 2)
    rows = [row("A"), row("B"), row("C", status="refused", refusal="unknown")]
    table = cells(*rows, symbols=("B", "A"))
    assert [line[0] for line in table] == ["symbol", "C", "B", "… and 1 more"]


def test_dashboard_of_a_venue_shows_its_subscriptions(
    until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is updated with the prices."""
    monkeypatch.setattr(readers, "IDLE_S", 0.05)
    monkeypatch.setattr(dashboard, "INTERVAL_S", 0.02)
    with FakeVenue("kraken", ["BTC/USD"]) as fake:
        source = tk.venue("kraken", "BTC/USD", url=fake.url, rest=fake.rest)
        with tk.live(source) as feed:
            board = feed.dashboard()
            until(lambda: "live" in board._freshness.value)
            assert board._freshness.layout.display is None
            assert "BTC/USD" in board._freshness.value
            board.close()


def test_dashboard_of_a_stopped_feed_shows_no_live_subscription(
    until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notebook keeps what was shown last: that it is stopped."""
    monkeypatch.setattr(readers, "IDLE_S", 0.05)
    monkeypatch.setattr(dashboard, "INTERVAL_S", 0.02)
    with FakeVenue("kraken", ["BTC/USD"]) as fake:
        source = tk.venue("kraken", "BTC/USD", url=fake.url, rest=fake.rest)
        with tk.live(source) as feed:
            board = feed.dashboard()
            until(lambda: "live" in board._freshness.value)
        until(lambda: "stopped" in board._state.value)
        assert (board._freshness.value, board._freshness.layout.display) == ("", "none")
        board.close()


def test_dashboard_says_that_a_venue_is_not_reached(
    until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The feed itself is live: it is connected to the server on this machine."""
    monkeypatch.setattr(dashboard, "INTERVAL_S", 0.02)
    with tk.live(tk.venue("kraken", "BTC/USD", url=f"ws://127.0.0.1:{free_port()}")) as feed:
        board = feed.dashboard()
        until(lambda: "kraken:BTC/USD: connection refused; trying again" in board._state.value)
        board.close()
