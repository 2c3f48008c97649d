"""Venue tables: what venues can do, and what is known of subscriptions, as frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tickerkit.presets.files import list_presets, load_preset
from tickerkit.presets.preset import Preset

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["freshness_frame", "venues"]

# The row of `venues` that stands for all exchanges of ccxt.
CCXT = {
    "title": "other exchanges, through ccxt",
    "example": "BTC/USDT",
    "quotes": "none",
    "gaps": "unknown",
    "backfill": "",
    "keys": "",
    "checked": "",
    "about": (
        "second class: trades only, no raw messages, each break is a gap of unknown size; "
        "pip install 'tickerkit[ccxt]'"
    ),
}
MAX_AGE_S = 2e9  # 63 years; pandas has no times before 1678 and after 2261


def freshness_frame(rows: Sequence[Mapping[str, Any]], now_ns: int | None = None) -> pd.DataFrame:
    """Return the rows of `Venue.freshness` as the frame that `VenueSource.freshness` describes.

    Args:
        rows: the rows.
        now_ns: when they were true, in epoch ns; None for now.
    """
    import pandas as pd

    names = ["symbol", "channel", "status", "last_s", "pace_s", "lag_s", "rows", "gaps"]
    table = pd.DataFrame(list(rows), columns=[*names, "missing", "repaired", "refusal"])
    # Of a replay, a file says them.
    ages_s = table["last_s"].astype("float64").clip(-MAX_AGE_S, MAX_AGE_S)
    ages = pd.to_timedelta(ages_s, unit="s")
    now = pd.Timestamp.now("UTC") if now_ns is None else pd.Timestamp(now_ns, tz="UTC")
    table["last_s"] = now.as_unit("ns") - ages.astype("timedelta64[ns]")
    table = table.rename(columns={"last_s": "last"})
    return table.astype({"pace_s": "float64", "lag_s": "float64"})


def venues() -> pd.DataFrame:
    """Return the venues that tickerkit knows, with what each can do.

    The last row stands for all exchanges of ccxt, by its names: `"ccxt:mexc"`.

    Example:
        >>> tk.venues().loc["kraken", "quotes"]
    """
    import pandas as pd

    presets = [load_preset(name) for name in list_presets()]
    table = {
        "title": [each.title for each in presets],
        "example": [", ".join(each.symbols.examples[:2]) for each in presets],
        "quotes": [each.quotes for each in presets],
        "gaps": [_proof(each) for each in presets],
        "backfill": ["" if each.backfill is None else each.backfill.reach for each in presets],
        "keys": [", ".join(each.keys.values()) for each in presets],
        "checked": [each.checked for each in presets],
        "about": [each.about for each in presets],
    }
    frame = pd.DataFrame(table, index=pd.Index(list_presets(), name="venue"))
    frame.loc["ccxt:…"] = CCXT
    return frame


def _proof(preset: Preset) -> str:
    """Return how exactly missing trades are known."""
    if preset.trade_ids == {"dense"}:
        return "by trade id"
    return (
        "by overlap"
        if "none" not in preset.trade_ids and preset.backfill is not None
        else "unknown"
    )
