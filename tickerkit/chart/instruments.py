"""Instruments: value, decimals and place of each symbol of a feed, the same in all charts."""

from __future__ import annotations

import threading
import weakref
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from tickerkit.decimals import MIN_DECIMALS, Decimals, find_new
from tickerkit.log import Latest, Rows, TickLog
from tickerkit.runtime.forking import on_fork
from tickerkit.ticks import Array

__all__ = ["PRICES", "Instruments"]

# From how many of the newest ticks decimals are learnt when the first chart is made.
MAX_ROWS = 100_000
# A symbol's price is that of its trades, or the middle of bid and ask.
PRICES = ("price", "bid", "ask")


class Places:
    """The order of a log's symbols, which decides the colours in all of its charts."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.by_symbol: dict[str, int] = {}
        # By column, what its charts share.
        self.instruments: dict[str, Instruments] = {}


_by_log: weakref.WeakKeyDictionary[TickLog, Places] = weakref.WeakKeyDictionary()
# Locks may be held by threads that a forked child doesn't have.
on_fork(in_child=_by_log.clear)


class Instruments:
    """What is common to all charts of a log's column: values, decimals, and the symbols' order.

    The order decides the colours: first the symbols that were asked for, in that order, then the
    others as charts first draw them. An instrument keeps its place, and so its colour, in the
    charts of all columns.

    A tick's value is its number in the column. In the column price that is the price of a trade.
    While a symbol has only quotes, it is the middle of bid and ask; while it has neither, as a
    thermometer, it is the first of its other numbers, a substitute.

    Args:
        column: the name of the column.
        places: the order of the symbols.
    """

    def __init__(self, column: str = "price", places: Places | None = None) -> None:
        self._lock = threading.Lock()
        self._row = 0
        self._column = column
        self._places = places or Places()
        # By symbol and the column that is its value.
        self._decimals: defaultdict[tuple[str, str], Decimals] = defaultdict(Decimals)
        # By symbol code, with room for more: whether it has traded, or been quoted; and otherwise
        # which of `_substitutes` is its value, -1 for none.
        self._has_traded = self._has_quoted = np.zeros(0, dtype=bool)
        self._substitute = np.zeros(0, dtype=np.int64)
        self._substitutes: list[str] = []
        self._codes: dict[str, int] = {}
        # By symbol code: what its decimals know, see `find_new`; -1 for a symbol without decimals.
        self._scale = self._largest = np.zeros(0)

    @classmethod
    def of(cls, log: TickLog, column: str = "price") -> Instruments:
        """Return the instruments of a log's column."""
        places = _by_log.setdefault(log, Places())
        return places.instruments.setdefault(column, cls(column, places))

    # --- order --------------------------------------------------------------------------------

    def place(self, symbol: str) -> int:
        """Return the place of a symbol, from 0; a new symbol gets the next one."""
        with self._places.lock:
            known = self._places.by_symbol
            return known.setdefault(symbol, len(known))

    def sort(self, symbols: Iterable[str]) -> list[str]:
        """Return symbols in the order of their places; those without a place come last."""
        known = self._places.by_symbol
        last = len(known)
        return sorted(symbols, key=lambda symbol: known.get(symbol, last))

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
            codes = rows.array("symbol")  # (n,), as all below
            self._make_room(len(rows.dictionaries["symbol"].words))
            quotes: list[Array] = []
            if self._column == "price":
                quotes = _find_quotes(rows)
                self._learn_kinds(rows, quotes)
            columns = [self.values(rows), *quotes]
            # Usually no tick changes anything.
            scale, largest = self._scale[codes], self._largest[codes]
            is_new = largest < 0
            for column in columns:
                is_new |= find_new(np.abs(column), scale, largest)
            if is_new.any():
                self._learn_decimals(rows, codes[is_new], [each[is_new] for each in columns])

    def _make_room(self, count: int) -> None:
        if count > len(self._scale):
            self._has_traded = _widen(self._has_traded, 2 * count, False)
            self._has_quoted = _widen(self._has_quoted, 2 * count, False)
            self._substitute = _widen(self._substitute, 2 * count, -1)
            self._scale = _widen(self._scale, 2 * count, 1)
            self._largest = _widen(self._largest, 2 * count, -1)

    def _learn_decimals(self, rows: Rows, codes: Array, columns: list[Array]) -> None:
        """Add values to the decimals of their symbols; all arrays have the shape (n,)."""
        words = rows.dictionaries["symbol"].words
        for code in np.unique(codes[codes >= 0]).tolist():
            symbol = words[code]
            self._codes[symbol] = code
            key = symbol, self.column(symbol)
            if key not in self._decimals:
                self._decimals[key] = Decimals(MIN_DECIMALS if key[1] in PRICES else 0)
            is_its = codes == code
            for column in columns:
                self._decimals[key].add(column[is_its])
            self._scale[code], self._largest[code] = self._decimals[key].known

    def _learn_kinds(self, rows: Rows, quotes: list[Array]) -> None:
        """Note which symbols have trades, which have quotes, and what the others have instead."""
        codes = rows.array("symbol")  # (n,), as all below
        if self._has_traded[codes].all():
            return
        self._has_traded[codes[(codes >= 0) & ~np.isnan(rows.array("price"))]] = True
        for side in quotes:
            self._has_quoted[codes[(codes >= 0) & ~np.isnan(side)]] = True
        has_price = self._has_traded | self._has_quoted
        self._substitute_by(has_price, -1)
        if not (~has_price & (self._substitute < 0))[codes].any():
            return
        for name in rows.value_names():
            is_open = ~has_price & (self._substitute < 0)
            numbers = rows.numbers(name)
            is_side = name in PRICES and (name == "price" or quotes)
            if is_side or numbers is None or not is_open[codes].any():
                continue
            found = np.unique(codes[(codes >= 0) & ~np.isnan(numbers) & is_open[codes]])
            if len(found):
                if name not in self._substitutes:
                    self._substitutes.append(name)
                self._substitute_by(found, self._substitutes.index(name))

    def _substitute_by(self, codes: Array, index: int) -> None:
        """Set which of `_substitutes` is the value of some symbols; -1 for their price."""
        before = self._substitute.copy()
        self._substitute[codes] = index
        self._largest[before != self._substitute] = -1  # its decimals are those of another column

    def has_traded(self, code: int) -> bool:
        """Return whether a symbol, given by its code in the log, has had a trade."""
        return code < len(self._has_traded) and bool(self._has_traded[code])

    def column(self, symbol: str) -> str:
        """Return the column that a symbol's value is from: "price" for the middle of quotes too."""
        code = self._codes.get(symbol, -1)
        index = int(self._substitute[code]) if 0 <= code < len(self._substitute) else -1
        return self._column if index < 0 else self._substitutes[index]

    def values(self, rows: Rows) -> Array:
        """Return the value of each tick, shape (rows,); NaN where it has none.

        The rows are rows of the log up to the last `update`.
        """
        if self._column != "price":
            numbers = rows.numbers(self._column)
            return np.full(len(rows), np.nan) if numbers is None else numbers
        codes, values = rows.array("symbol"), rows.array("price")
        if quotes := _find_quotes(rows):
            bid, ask = quotes
            values = np.where(self._has_traded[codes], values, (bid + ask) / 2)
        for index, name in enumerate(self._substitutes):
            is_used = self._substitute[codes] == index
            if is_used.any() and (numbers := rows.numbers(name)) is not None:
                values = np.where(is_used, numbers, values)
        return values

    def newest(self, latest: Latest, codes: Array) -> Array:
        """Return the newest value of symbols, shape (n,); NaN where a symbol has none.

        It is that of `values`, but for the middle of quotes: bid and ask may be of two ticks.

        Args:
            latest: the newest number of each column; it knows no tick after the last `update`.
            codes: the codes of the symbols in the log, shape (n,).
        """

        def pick(name: str) -> Array:
            numbers = latest.numbers(name)
            return np.full(len(codes), np.nan) if numbers is None else numbers[codes]

        if self._column != "price":
            return pick(self._column)
        middle = (pick("bid") + pick("ask")) / 2
        values: Array = np.where(self._has_traded[codes], pick("price"), middle)
        for index, name in enumerate(self._substitutes):
            values = np.where(self._substitute[codes] == index, pick(name), values)
        return values

    def decimals(self, symbol: str) -> int:
        """Return with how many decimals a symbol's values are shown."""
        return self._decimals[symbol, self.column(symbol)].count


def _find_quotes(rows: Rows) -> list[Array]:
    """Return the columns bid and ask, shape (rows,) each; an empty list without quotes."""
    bid, ask = rows.numbers("bid"), rows.numbers("ask")
    return [] if bid is None or ask is None else [bid, ask]


def _widen(values: Array, size: int, value: int) -> Array:
    """Return an array of this size that begins with these values."""
    wider = np.full(size, value, dtype=values.dtype)
    wider[: len(values)] = values
    return wider
