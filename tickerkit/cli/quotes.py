"""Quotes: the newest values of each symbol, the direction of its price, and its count of ticks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tickerkit.feed import Feed

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
        time: time of the newest tick.
        ticks: number of ticks so far.
        move: 1 if the price's last change was up, -1 if it was down, 0 if it never changed.
        is_new: whether a tick came since the previous read.
    """

    symbol: str
    price: float
    size: float
    bid: float
    ask: float
    time: pd.Timestamp
    ticks: int
    move: int
    is_new: bool


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
        codes = self.feed.log.dictionaries["symbol"].codes
        quotes = []
        for index, (symbol, time) in enumerate(zip(frame.index, frame["time"], strict=True)):
            previous = self._previous.get(symbol)
            price, ticks = float(prices[index]), self._ticks[codes[symbol]]
            move = 0
            if previous is not None:
                move = (price > previous.price) - (price < previous.price) or previous.move
            values = (price, float(sizes[index]), float(bids[index]), float(asks[index]))
            is_new = previous is None or previous.ticks != ticks
            quote = Quote(symbol, *values, time=time, ticks=ticks, move=move, is_new=is_new)
            self._previous[symbol] = quote
            quotes.append(quote)
        return quotes

    def _count_ticks(self) -> None:
        rows = self._reader.read()
        if len(rows):
            codes, counts = np.unique(rows.array("symbol"), return_counts=True)
            self._ticks.update(dict(zip(codes.tolist(), counts.tolist(), strict=True)))
