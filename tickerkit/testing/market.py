"""Market: what is traded at a simulated venue: made up, or as recorded; no I/O."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from tickerkit.errors import InvalidArgument
from tickerkit.formatting import format_choices

__all__ = ["Market", "Quote", "Trade"]

FIRST_PRICE = 100.0
SPREAD = 0.02
STEP = 0.01


class Trade(NamedTuple):
    """A trade: its id, its time in epoch ns, and the taker's side."""

    id: int
    time_ns: int
    price: float
    size: float
    side: str


class Quote(NamedTuple):
    """The best bid and ask, and the time in epoch ns."""

    bid: float
    bid_size: float
    ask: float
    ask_size: float
    time_ns: int


class Market:
    """The trades of some symbols, with ids.

    Args:
        symbols: the symbols.
        seed: seed of the made-up prices.
        ids: the ids: "dense" (those of a symbol count up by one), "unique" (one count with holes
            is shared by all symbols) or "random".
        ticks: recorded trades to play in place of made-up ones, as dicts with `symbol`, `price`,
            `size` and `side`.

    Attributes:
        trades: all trades so far, by symbol.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        seed: int = 0,
        *,
        ids: str = "dense",
        ticks: Iterable[Mapping[str, Any]] | None = None,
    ) -> None:
        self.trades: dict[str, list[Trade]] = {symbol: [] for symbol in symbols}
        self._rng = random.Random(seed)
        self._ids = ids
        self._prices = dict.fromkeys(symbols, FIRST_PRICE)
        self._next_ids = {symbol: self._rng.randint(1000, 10**6) for symbol in symbols}
        self._next_id = self._rng.randint(10**6, 10**9)
        self._ticks: dict[str, Iterator[Mapping[str, Any]]] | None = None
        if ticks is not None:
            rows = list(ticks)
            self._ticks = {
                symbol: iter([row for row in rows if row["symbol"] == symbol]) for symbol in symbols
            }

    def trade(self, symbol: str, count: int = 1) -> list[Trade]:
        """Make trades; fewer if there are no more recorded ones.

        Raises:
            InvalidArgument: the symbol is unknown.
        """
        if symbol not in self.trades:
            raise InvalidArgument("symbol", symbol, format_choices(list(self.trades)))
        now_ns = time.time_ns()
        new = [
            Trade(self._take_id(symbol), now_ns, price, size, side)
            for price, size, side in self._values(symbol, count)
        ]
        self.trades[symbol] += new
        return new

    def quote(self, symbol: str) -> Quote:
        """Return a bid and an ask around the newest price."""
        price, rng = self._prices[symbol], self._rng
        bid, ask = round(price - SPREAD / 2, 4), round(price + SPREAD / 2, 4)
        sizes = [round(rng.uniform(0.1, 9.9), 2) for _ in range(2)]
        return Quote(bid, sizes[0], ask, sizes[1], time.time_ns())

    def _values(self, symbol: str, count: int) -> Iterator[tuple[float, float, str]]:
        if self._ticks is not None:
            for row in islice(self._ticks[symbol], count):
                side = row.get("side") or "buy"
                self._prices[symbol] = float(row["price"])
                yield self._prices[symbol], float(row.get("size") or 0.0), str(side)
            return
        rng, price = self._rng, self._prices[symbol]
        for _ in range(count):
            price = max(round(price + rng.choice((-STEP, 0.0, STEP)), 4), 1.0)
            self._prices[symbol] = price
            side = rng.choice(("buy", "sell"))
            # A buyer takes the ask, a seller the bid.
            at = price + SPREAD / 2 if side == "buy" else price - SPREAD / 2
            yield round(at, 4), round(rng.uniform(0.01, 5.0), 3), side

    def _take_id(self, symbol: str) -> int:
        if self._ids == "random":
            return self._rng.getrandbits(53) + 1
        if self._ids == "dense":
            self._next_ids[symbol] += 1
            return self._next_ids[symbol]
        self._next_id += self._rng.choice((1, 1, 2, 5))
        return self._next_id
