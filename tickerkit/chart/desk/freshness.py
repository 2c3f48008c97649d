"""summarize_freshness: how each symbol of a feed comes, over all of its subscriptions."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pandas as pd

__all__ = ["SymbolState", "summarize_freshness"]

MAX_REFUSAL_LENGTH = 60
MAX_STATUS_LENGTH = 20
# Where the subscriptions of a symbol differ, the first of these that one of them has is shown.
WORST_FIRST = ("refused", "mute", "asked", "quiet", "live")


class SymbolState(NamedTuple):
    """How a symbol comes; the fields are those of `DeskRow`.

    Attributes:
        status: "live", "quiet", "mute", or another one of a venue.
        pace_s: the usual time from one tick to the next.
        lag_ms: how long after its time the newest trade came.
        gaps: number of gaps.
        missing: number of ticks missing in them.
        repaired: number of ticks that were repaired.
        detail: the status of each subscription where they differ, and why one was refused.
    """

    status: str
    pace_s: float | None
    lag_ms: float | None
    gaps: int
    missing: int
    repaired: int
    detail: str


def summarize_freshness(freshness: pd.DataFrame) -> dict[str, SymbolState]:
    """Return the state of each symbol; trades and quotes of a symbol share one.

    Args:
        freshness: as `Feed.freshness` returns it; columns that only a venue has may be missing.
    """
    records: dict[str, list[dict[str, Any]]] = {}
    for record in freshness.to_dict("records"):
        named = {str(name): value for name, value in record.items()}
        records.setdefault(str(named["symbol"]), []).append(named)
    return {symbol: _summarize(each) for symbol, each in records.items()}


def _summarize(records: list[dict[str, Any]]) -> SymbolState:
    # Of a replay, a file says them.
    statuses = [str(each.get("status") or "")[:MAX_STATUS_LENGTH] for each in records]
    parts = []
    if len(set(statuses)) > 1:
        parts.append(
            ", ".join(
                f"{str(each.get('channel', ''))[:MAX_STATUS_LENGTH]} {status}".strip()
                for each, status in zip(records, statuses, strict=True)
            )
        )
    refusals = [text for each in records if (text := str(each.get("refusal") or ""))]
    parts += [text[:MAX_REFUSAL_LENGTH] for text in refusals[:1]]
    status = next((each for each in WORST_FIRST if each in statuses), statuses[0])
    pace_s, lag_s = _find_number(records, "pace_s"), _find_number(records, "lag_s")
    return SymbolState(
        status,
        # It changes a little with each tick: with more digits all rows would be sent again.
        None if pace_s is None else float(f"{pace_s:.1e}"),
        None if lag_s is None else round(lag_s * 1000, 1),
        _count(records, "gaps"),
        _count(records, "missing"),
        _count(records, "repaired"),
        ": ".join(parts),
    )


def _find_number(records: list[dict[str, Any]], name: str) -> float | None:
    """Return the first number that there is; None for none."""
    numbers = (each.get(name) for each in records)
    return next((float(each) for each in numbers if each is not None and math.isfinite(each)), None)


def _count(records: list[dict[str, Any]], name: str) -> int:
    counts = (each.get(name) for each in records)
    return sum(int(each) for each in counts if each is not None and math.isfinite(each))
