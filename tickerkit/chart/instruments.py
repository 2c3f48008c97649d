"""Instruments: value, decimals and place of each symbol of a feed, the same in all charts."""

from __future__ import annotations

import threading
import weakref
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from tickerkit.decimals import Decimals
from tickerkit.log import Rows, TickLog
from tickerkit.runtime.forking import on_fork
from tickerkit.ticks import Array

__all__ = ["Instruments"]

# From how many of the newest ticks decimals are learnt when the first chart is made.
MAX_ROWS = 100_000

_by_log: weakref.WeakKeyDictionary[TickLog, Instruments] = weakref.WeakKeyDictionary()
# Locks may be held by threads that a forked child doesn't have.
on_fork(in_child=_by_log.clear)


class Instruments:
    """What is common to all charts of a log: values, decimals, and the order of the symbols.

    The order decides the colours: first the symbols that were asked for, in that order, then the
    others as charts first draw them. An instrument keeps its place, and so its colour.

    A tick's value is the price of a trade. While a symbol has only quotes, it is the middle of bid
    and ask.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._row = 0
        self._decimals: defaultdict[str, Decimals] = defaultdict(Decimals)
        self._places: dict[str, int] = {}
        self._has_traded = np.zeros(0, dtype=bool)  # by symbol code

    @classmethod
    def of(cls, log: TickLog) -> Instruments:
        """Return the instruments of a log."""
        return _by_log.setdefault(log, cls())

    # --- order --------------------------------------------------------------------------------

    def place(self, symbol: str) -> int:
        """Return the place of a symbol, from 0; a new symbol gets the next one."""
        with self._lock:
            return self._places.setdefault(symbol, len(self._places))

    def sort(self, symbols: Iterable[str]) -> list[str]:
        """Return symbols in the order of their places; those without a place come last."""
        last = len(self._places)
        return sorted(symbols, key=lambda symbol: self._places.get(symbol, last))

    # --- values -------------------------------------------------------------------------------

    def update(self, log: TickLog) -> None:
        """Learn from the ticks that are new in the log.

        It costs by the number of new ticks, once for all charts.
        """
        with self._lock:
            if log.stop == self._row:
                return
            rows = log.rows(max(self._row, log.stop - MAX_ROWS))
            self._row = rows.stop
            codes, prices = rows.array("symbol"), rows.array("price")  # (n,), as all below
            words = rows.dictionaries["symbol"].words
            if len(words) > len(self._has_traded):
                room = np.zeros(2 * len(words), dtype=bool)
                room[: len(self._has_traded)] = self._has_traded
                self._has_traded = room
            self._has_traded[codes[(codes >= 0) & ~np.isnan(prices)]] = True
            columns = [self.values(rows), *_find_quotes(rows)]
            order = np.argsort(codes, kind="stable")
            starts = np.flatnonzero(np.diff(codes[order], prepend=-1))  # of each symbol's rows
            for part in np.split(order, starts)[1:]:
                decimals = self._decimals[words[codes[part[0]]]]
                for column in columns:
                    decimals.add(column[part])

    def has_traded(self, code: int) -> bool:
        """Return whether a symbol, given by its code in the log, has had a trade."""
        return code < len(self._has_traded) and bool(self._has_traded[code])

    def values(self, rows: Rows) -> Array:
        """Return the value of each tick, shape (rows,); NaN where it has none.

        The rows are rows of the log up to the last `update`.
        """
        prices = rows.array("price")
        quotes = _find_quotes(rows)
        if not quotes:
            return prices
        bid, ask = quotes
        values: Array = np.where(self._has_traded[rows.array("symbol")], prices, (bid + ask) / 2)
        return values

    def decimals(self, symbol: str) -> int:
        """Return with how many decimals a symbol's values are shown."""
        return self._decimals[symbol].count


def _find_quotes(rows: Rows) -> list[Array]:
    """Return the columns bid and ask, shape (rows,) each; an empty list without quotes."""
    if not {"bid", "ask"} <= set(rows.names()):
        return []
    return [rows.array("bid"), rows.array("ask")]
