"""Status: the names and the states of the feeds in a dashboard."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tickerkit.chart.desk.messages import FeedState

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = ["describe_feed", "name_feeds"]


def describe_feed(feed: Feed, name: str) -> FeedState:
    """Return a feed's status and counts; texts are as they came, to be shown as text."""
    log = feed.log
    newest = log.rows(log.stop - 1)
    lag_ms = None
    if len(newest):
        lag_ns = int(newest.array("received")[-1]) - int(newest.array("time")[-1])
        lag_ms = round(lag_ns / 1e6, 1)
    notes = [
        f"served by {feed.served_by}" if feed.served_by else "",
        f"feed.fields: {feed.fields_note}" if feed.fields_note else "",
    ]
    errors = [feed.last_error, feed.source_problem]
    return {
        "name": name,
        "url": feed.url,
        "status": feed.status,
        "reason": feed.status_reason,
        "ticks": log.stop,
        "rate": round(log.rate(time.time_ns()), 1),
        "symbols": len(log.symbols()),
        "gaps": feed.gap_count,
        "lag_ms": lag_ms,
        "note": "; ".join(filter(None, notes)),
        "error": "; ".join(filter(None, errors)),
    }


def name_feeds(feeds: Sequence[Feed]) -> list[str]:
    """Return a short name of each feed; equal ones are counted."""
    names: list[str] = []
    for feed in feeds:
        name, number = feed.name, 2
        while name in names:
            name, number = f"{feed.name} ({number})", number + 1
        names.append(name)
    return names
