"""LogTruth: answers a class's questions from the log of its server."""

from __future__ import annotations

import numpy as np

from tickerkit.log import TickLog

__all__ = ["LogTruth"]


class LogTruth:
    """Answers questions about the ticks of a log's newest epoch.

    It copies nothing: a question takes as long as numpy takes for the range that is asked about.

    Args:
        log: the log.
    """

    def __init__(self, log: TickLog) -> None:
        self._log = log

    def list_symbols(self) -> list[str]:
        """Return the symbols that have ticks."""
        return list(self._log.dictionaries["symbol"].words)

    def find(self, kind: str, symbol: str, first: int, last: int) -> float | None:
        """Return the count, min or last price of a symbol's ticks from seq `first` to `last`.

        None if there is no such tick, or if the log no longer holds all of them.
        """
        log = self._log
        if not log.runs:
            return None
        rows = log.rows(log.runs[-1].start)
        seqs = rows.array("seq")
        if not len(seqs) or seqs[0] > first or seqs[-1] < last:
            return None
        start, stop = np.searchsorted(seqs, [first, last + 1]).tolist()
        code = log.dictionaries["symbol"].codes.get(symbol)
        if code is None:
            return None
        is_asked = rows.array("symbol")[start:stop] == code
        if kind == "count":
            return int(is_asked.sum())
        prices = rows.array("price")[start:stop][is_asked]
        prices = prices[~np.isnan(prices)]
        if not len(prices):
            return None
        return float(prices.min() if kind == "min" else prices[-1])
