"""summarize_freshness: how the symbols of a feed come, and a venue's dashboard."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from desk_receiver import DeskReceiver
from peers import free_port

import tickerkit as tk
from tickerkit.chart.desk import watchlist
from tickerkit.chart.desk.freshness import SymbolState, summarize_freshness
from tickerkit.feed import readers
from tickerkit.sources import freshness_frame
from tickerkit.testing import FakeVenue

Until = Callable[..., None]


def row(symbol: str, channel: str = "trades", **more: Any) -> dict[str, Any]:
    """Return a row of `Venue.freshness`."""
    known = {"status": "live", "last_s": 0.25, "pace_s": 1.0, "lag_s": 0.012, "rows": 5}
    none = {"gaps": 0, "missing": 0, "repaired": 0, "refusal": ""}
    return {"symbol": symbol, "channel": channel, **known, **none, **more}


def summarize(*rows: dict[str, Any]) -> dict[str, SymbolState]:
    """Return the states of the symbols in rows of `Venue.freshness`."""
    return summarize_freshness(freshness_frame(rows))


def test_feed_that_is_not_a_venues_has_no_states() -> None:
    """Its frame may be empty, or have only the columns that every feed has."""
    assert summarize() == {}
    plain = pd.DataFrame({"symbol": ["A"], "status": ["quiet"], "pace_s": [2.0]})
    assert summarize_freshness(plain) == {"A": SymbolState("quiet", 2.0, None, 0, 0, 0, "")}


def test_trades_and_quotes_of_a_symbol_share_a_state() -> None:
    """Where their statuses differ, the worse one is shown, and both are named."""
    rows = [row("A"), row("A", "quotes", lag_s=None), row("B"), row("B", "quotes", status="mute")]
    assert summarize(*rows) == {
        "A": SymbolState("live", 1.0, 12.0, 0, 0, 0, ""),
        "B": SymbolState("mute", 1.0, 12.0, 0, 0, 0, "trades live, quotes mute"),
    }


def test_gaps_and_repairs_are_counted() -> None:
    """With the number of missing trades, where that is known."""
    states = summarize(
        row("A", gaps=2, missing=15, repaired=1200, lag_s=-1.27),
        row("A", "quotes", gaps=1),
        row("C", last_s=None, lag_s=None, pace_s=None, status="asked"),
    )
    assert states["A"] == SymbolState("live", 1.0, -1270.0, 3, 15, 1200, "")
    assert states["C"] == SymbolState("asked", None, None, 0, 0, 0, "")


def test_refusal_is_shown_in_its_own_words() -> None:
    """Its text comes from a venue: it is cut, and a page shows it as text."""
    (state,) = summarize(row("<b>", status="refused", refusal="no " * 100)).values()
    assert (state.status, state.detail) == ("refused", ("no " * 100)[:60])


def test_what_a_file_says_is_cut() -> None:
    """Of a replay, the channel and the status come from a file."""
    (state,) = summarize(row("A", "x" * 500), row("A", "quotes", status="y" * 500)).values()
    assert len(state.status) <= 20
    assert len(state.detail) < 100


@pytest.mark.parametrize("age_s", [math.inf, -math.inf, 1e300, -1e300, 1e11])
def test_age_that_no_time_has_is_bounded(age_s: float) -> None:
    """A damaged file must not stop the dashboard."""
    assert summarize(row("A", last_s=age_s, lag_s=age_s))["A"].status == "live"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the freshness more than once a second."""
    monkeypatch.setattr(readers, "IDLE_S", 0.05)
    monkeypatch.setattr(watchlist, "FRESHNESS_INTERVAL_S", 0.02)
    monkeypatch.setattr(tk.Dashboard, "min_interval_s", 0.02)


@pytest.mark.usefixtures("quick")
def test_dashboard_of_a_venue_shows_its_subscriptions(until: Until) -> None:
    """A row has the status of its symbol; once the feed is stopped, no symbol is live."""
    with FakeVenue("kraken", ["BTC/USD"]) as fake:
        source = tk.venue("kraken", "BTC/USD", url=fake.url, rest=fake.rest)
        with tk.live(source) as feed:
            page = DeskReceiver(feed.dashboard())
            until(lambda: page.row("BTC/USD").get("status") == "live")
        until(lambda: page.feed["status"] == "stopped")
        until(lambda: page.row("BTC/USD").get("status") == "")
        page.board.close()


@pytest.mark.usefixtures("quick")
def test_dashboard_says_that_a_venue_is_not_reached(until: Until) -> None:
    """The feed itself is live: it is connected to the server on this machine."""
    with tk.live(tk.venue("kraken", "BTC/USD", url=f"ws://127.0.0.1:{free_port()}")) as feed:
        page = DeskReceiver(feed.dashboard())
        expected = "kraken:BTC/USD: connection refused; trying again"
        until(lambda: expected in page.feed.get("error", ""))
        assert page.feed["name"] == "kraken:BTC/USD"
        page.board.close()
