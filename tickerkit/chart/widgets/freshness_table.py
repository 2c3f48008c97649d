"""render_freshness: the state of a venue's subscriptions, by symbol, as an HTML table."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from tickerkit.formatting import MISSING, format_count
from tickerkit.runtime.cards import GREEN, NUMBER_STYLE, RED, YELLOW, escape

__all__ = ["render_freshness"]

MAX_ROWS = 12
MAX_REFUSAL_LENGTH = 60
COLOURS = {"live": GREEN, "quiet": "inherit", "mute": RED, "refused": RED}
HEAD = ("symbol", "status", "last", "lag", "gaps", "repaired")
TABLE_STYLE = f"{NUMBER_STYLE};border-spacing:.8em .1em;font-size:90%;line-height:1.5"
LEFT_STYLE, RIGHT_STYLE = "padding:0;text-align:left", "padding:0;text-align:right"
STYLES = (LEFT_STYLE, LEFT_STYLE, *[RIGHT_STYLE] * 4)


def render_freshness(freshness: pd.DataFrame, symbols: Sequence[str]) -> str:
    """Return the table; empty for a feed that is not a venue's.

    Trades and quotes of a symbol share a row; where their statuses differ, both are named. `last`
    is the age of the newest row of either, `lag` how long after its time the newest trade came.
    At most 12 symbols are shown; those with a mute or refused subscription come first.

    Args:
        freshness: as `Feed.freshness` returns it.
        symbols: the symbols to show, in this order; others follow, since they have no tick yet.
    """
    if not len(freshness) or "channel" not in freshness:
        return ""
    now = pd.Timestamp.now("UTC")
    is_unwell = freshness["status"].isin(("mute", "refused"))
    unwell = set(freshness["symbol"][is_unwell])
    known = dict.fromkeys(freshness["symbol"])
    ordered = dict.fromkeys([*(symbol for symbol in symbols if symbol in known), *known])
    names = sorted(ordered, key=lambda name: name not in unwell)
    # Of the shown symbols only: a venue may have hundreds of them, four times a second.
    shown = freshness[freshness["symbol"].isin(names[:MAX_ROWS])]
    parts = dict(iter(shown.groupby("symbol", sort=False)))
    rows = [_render_row(symbol, parts[symbol], now) for symbol in names[:MAX_ROWS]]
    if len(names) > MAX_ROWS:
        rows.append(f"<tr><td colspan={len(HEAD)}>… and {len(names) - MAX_ROWS:,} more</td></tr>")
    head = _join_cells(HEAD)
    return f'<table style="{TABLE_STYLE}"><tr style="opacity:.6">{head}</tr>{"".join(rows)}</table>'


def _render_row(symbol: str, part: pd.DataFrame, now: pd.Timestamp) -> str:
    # Of a replay, a file says them.
    channels, states = map(escape, part["channel"]), map(escape, part["status"])
    statuses = dict(zip(channels, states, strict=True))
    is_one = len(set(statuses.values())) == 1
    texts = [
        f'<span style="color:{COLOURS.get(status, YELLOW)}">'
        f"{status if is_one else f'{channel} {status}'}</span>"
        for channel, status in ([*statuses.items()][:1] if is_one else statuses.items())
    ]
    refusal = next(filter(None, part["refusal"]), "")
    if refusal:
        texts[-1] += f": {escape(refusal[:MAX_REFUSAL_LENGTH])}"
    last = part["last"].max()
    lags = part["lag_s"].dropna()
    gaps, missing = int(part["gaps"].sum()), int(part["missing"].sum())
    gap = f"{gaps:,} ({format_count(missing, 'trade')})" if missing else f"{gaps:,}"
    cells = [
        escape(symbol),
        ", ".join(texts),
        MISSING if pd.isna(last) else _format_age((now - last).total_seconds()),
        _format_lag(float(lags.iloc[0]) if len(lags) else math.nan),
        gap if gaps or missing else "",
        f"{repaired:,}" if (repaired := int(part["repaired"].sum())) else "",
    ]
    return f"<tr>{_join_cells(cells)}</tr>"


def _join_cells(cells: Sequence[str]) -> str:
    pairs = zip(STYLES, cells, strict=True)
    return "".join(f'<td style="{style}">{cell}</td>' for style, cell in pairs)


def _format_age(age_s: float) -> str:
    """Return an age: "0.3 s", "12 s", "5 min", "3 h"."""
    age_s = max(age_s, 0.0)
    if age_s < 120:
        return f"{age_s:.1f} s" if age_s < 9.95 else f"{age_s:.0f} s"
    return f"{age_s / 60:.0f} min" if age_s < 7200 else f"{age_s / 3600:.0f} h"


def _format_lag(lag_s: float) -> str:
    """Return a lag, which is negative where the venue's clock is ahead: "12 ms", "−1.27 s"."""
    if math.isnan(lag_s):
        return MISSING
    sign = "−" if lag_s < 0 else ""
    size = abs(lag_s)
    return f"{sign}{size * 1000:.0f} ms" if size < 0.9995 else f"{sign}{size:.2f} s"
