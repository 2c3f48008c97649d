"""Freshness: how each symbol of a feed comes, by the pace at which it usually does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tickerkit.log import TickLog
from tickerkit.log.pace import MIN_QUIET_NS, NEVER_NS, Arrivals, quiet_after_ns
from tickerkit.ticks import NS_PER_S, UTC_NS

__all__ = ["symbol_freshness"]


def symbol_freshness(
    log: TickLog, arrivals: Arrivals, wanted: Sequence[str] | None, now_ns: int
) -> pd.DataFrame:
    """Return a row for each symbol, with the columns that `Feed.freshness` always has.

    Args:
        log: the log.
        arrivals: what is known of its symbols; it is updated.
        wanted: the symbols that were asked for: those without a tick have a row, too.
        now_ns: the time, epoch ns.
    """
    arrivals.update()
    counts, words = arrivals.pace.counts, log.dictionaries["symbol"].words
    codes = np.flatnonzero(counts)
    received, times = arrivals.received[codes], arrivals.time[codes]
    paces = arrivals.pace.newest[codes]
    limits = quiet_after_ns(paces)
    limits[limits == NEVER_NS] = MIN_QUIET_NS  # after its first ticks a symbol has no pace yet
    symbols = [words[code] for code in codes.tolist()]
    known = set(symbols)
    silent = [name for name in dict.fromkeys(wanted or ()) if name not in known]
    none = np.full(len(silent), np.nan)
    status = np.where(now_ns - received > limits, "quiet", "live").tolist()
    last = np.append(received, np.full(len(silent), pd.NaT.value))
    return pd.DataFrame(
        {
            "symbol": pd.Series([*symbols, *silent], dtype="str"),
            "status": pd.Series([*status, *["asked"] * len(silent)], dtype="str"),
            "last": pd.array(last, dtype=UTC_NS),
            "pace_s": np.append(np.where(paces > 0, paces / NS_PER_S, np.nan), none),
            "lag_s": np.append((received - times) / NS_PER_S, none),
            "rows": np.append(counts[codes], np.zeros(len(silent), dtype=np.int64)),
        }
    )
