"""Board: of each symbol the newest values, which way its price moved, and how often it came."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tickerkit.feed import Feed

__all__ = ["Board", "Quote"]


@dataclass(frozen=True, slots=True)
class Quote:
    """One symbol as of now.

    Attributes:
        symbol: the symbol.
        price: of the last trade; NaN where there was none.
        size: of the last trade.
        bid: the best bid, NaN where there is none.
        ask: the best ask, NaN where there is none.
        time: of its newest tick.
        ticks: how many came.
        move: 1 or -1 for the way its price moved last, 0 when it never did.
        new: whether a tick came since the last look.
    """

    symbol: str
    price: float
    size: float
    bid: float
    ask: float
    time: pd.Timestamp
    ticks: int
    move: int
    new: bool


class Board:
    """What `tickerkit watch` shows of a feed."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self._reader = feed.log.reader(feed.log.start)
        self._ticks: Counter[int] = Counter()
        self._seen: dict[str, Quote] = {}

    def look(self, most: int | None = None) -> list[Quote]:
        """Return the quotes of the first `most` symbols, in the order in which they first came."""
        self._count()
        frame = self.feed.latest()
        frame = frame if most is None else frame.head(most)
        nothing = np.full(len(frame), np.nan)
        prices, sizes, bids, asks = (
            frame[name].to_numpy() if name in frame and frame[name].dtype == float else nothing
            for name in ("price", "size", "bid", "ask")
        )
        codes = self.feed.log.dictionaries["symbol"].codes
        quotes = []
        for index, (symbol, time) in enumerate(zip(frame.index, frame["time"], strict=True)):
            last = self._seen.get(symbol)
            price, ticks = float(prices[index]), self._ticks[codes[symbol]]
            move = 0
            if last is not None:
                move = (price > last.price) - (price < last.price) or last.move
            values = (price, float(sizes[index]), float(bids[index]), float(asks[index]))
            new = last is None or last.ticks != ticks
            quote = Quote(symbol, *values, time=time, ticks=ticks, move=move, new=new)
            self._seen[symbol] = quote
            quotes.append(quote)
        return quotes

    def _count(self) -> None:
        rows = self._reader.read()
        if len(rows):
            codes, counts = np.unique(rows.array("symbol"), return_counts=True)
            self._ticks.update(dict(zip(codes.tolist(), counts.tolist(), strict=True)))
