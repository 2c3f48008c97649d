"""Quotes: the newest values of each symbol, the direction of its price, and its count of ticks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from tickerkit.feed import Feed
from tickerkit.ticks.fields import may_be_value

__all__ = ["Quote", "QuoteReader"]


@dataclass(frozen=True, slots=True)
class Quote:
    """The newest values of one symbol.

    Attributes:
        symbol: the symbol.
        price: price of the last trade; NaN if there was none.
        size: size of the last trade; NaN if unknown.
        bid: the best bid; NaN if unknown.
        ask: the best ask; NaN if unknown.
        numbers: of a symbol without price, bid and ask: its other numbers by column; else empty.
        time: time of the newest tick.
        ticks: number of ticks so far.
        move: 1 if the last change of the price, or else of the first of `numbers`, was up, -1 if it
            was down, 0 if it never changed.
        is_new: whether a tick came since the previous read.
    """

    symbol: str
    price: float
    size: float
    bid: float
    ask: float
    numbers: dict[str, float]
    time: pd.Timestamp
    ticks: int
    move: int
    is_new: bool

    @property
    def column(self) -> str:
        """The column of `value`."""
        return next(iter(self.numbers), "price")

    @property
    def value(self) -> float:
        """The price, or else the first of `numbers`."""
        return self.numbers[self.column] if self.numbers else self.price


class QuoteReader:
    """Reads a feed's quotes, and compares them with those of the previous read."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self._reader = feed.log.reader(feed.log.start)
        self._ticks: Counter[int] = Counter()
        self._previous: dict[str, Quote] = {}

    def read(self, max_symbols: int | None = None) -> list[Quote]:
        """Return the quotes of the first symbols, in the order of their first ticks."""
        self._count_ticks()
        frame = self.feed.latest()
        frame = frame if max_symbols is None else frame.head(max_symbols)
        missing = np.full(len(frame), np.nan)
        prices, sizes, bids, asks = (
            frame[name].to_numpy() if name in frame and frame[name].dtype == float else missing
            for name in ("price", "size", "bid", "ask")
        )
        others = {
            name: _to_floats(frame[name])
            for name in map(str, frame)
            if may_be_value(name) and name not in ("price", "bid", "ask")
            if frame[name].dtype.kind in "if"
        }
        codes = self.feed.log.dictionaries["symbol"].codes
        quotes = []
        for index, (symbol, time) in enumerate(zip(frame.index, frame["time"], strict=True)):
            previous = self._previous.get(symbol)
            ticks = self._ticks[codes[symbol]]
            price, size, bid, ask = (float(each[index]) for each in (prices, sizes, bids, asks))
            numbers = {}
            if price != price and bid != bid and ask != ask:
                found = {name: float(values[index]) for name, values in others.items()}
                numbers = {name: value for name, value in found.items() if value == value}
            is_new = previous is None or previous.ticks != ticks
            quote = Quote(
                symbol,
                price,
                size,
                bid,
                ask,
                numbers,
                time=time,
                ticks=ticks,
                move=0,
                is_new=is_new,
            )
            if previous is not None and previous.column == quote.column:
                before, now = previous.value, quote.value
                quote = replace(quote, move=(now > before) - (now < before) or previous.move)
            self._previous[symbol] = quote
            quotes.append(quote)
        return quotes

    def _count_ticks(self) -> None:
        rows = self._reader.read()
        if len(rows):
            codes, counts = np.unique(rows.array("symbol"), return_counts=True)
            self._ticks.update(dict(zip(codes.tolist(), counts.tolist(), strict=True)))


def _to_floats(column: pd.Series) -> npt.NDArray[np.float64]:
    """Return the values of a column, shape (symbols,), NaN for none: 0 in a column of integers."""
    values = column.to_numpy()
    if values.dtype.kind == "f":
        return np.asarray(values)
    return np.where(values == 0, np.nan, values)
