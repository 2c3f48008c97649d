"""Simulated books: made-up order books around the bid and ask of simulated trades."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tickerkit.log import EARLIER_NS
from tickerkit.ticks import Batch, Levels, Side, Text

__all__ = ["SimulatedBooks"]

# How sizes are spread: of the logarithm, and the part of prices with a large size, and how large.
LOG_SIZE_SIGMA, WALL_PART, WALL_FACTOR = 0.6, 0.04, 6.0
# A level two thirds of `DEEP` levels from the best has twice its size.
DEEP = 15.0
# How long a size stays, on average, and by which share it changes at most.
CHANGE_NS, CHANGE_PART = 3_000_000_000, 0.5


class SimulatedBooks:
    """Makes an order book for each symbol that has traded, at most ten a second.

    A level's size follows from its price and the time alone: a large order stays at its price while
    the market moves. No random number is drawn: the ticks are the same with books as without.

    Args:
        symbols: the symbols.
        seed: the seed of the ticks.
        lots: shape (symbols,), shares in a round lot.
        steps: shape (symbols,), cents between two levels.
        levels: how many levels each side has.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        seed: int,
        lots: npt.NDArray[np.int64],
        steps: npt.NDArray[np.int64],
        levels: int,
    ) -> None:
        self._symbols = symbols
        self._seed = seed
        self._lots = lots
        self._steps = steps
        self._levels = levels
        self._made_ns = np.zeros(len(symbols), dtype=np.int64)

    def make(self, ticks: Batch) -> list[Levels]:
        """Return the book of each symbol among ticks, as it is after its newest tick."""
        symbols, bids, asks = (ticks.columns[name] for name in ("symbol", "bid", "ask"))
        assert isinstance(symbols, Text)
        assert not isinstance(bids, Text)
        assert not isinstance(asks, Text)
        newest = np.full(len(self._symbols), -1)
        newest[symbols.codes] = np.arange(ticks.count)
        books = []
        for code in np.flatnonzero(newest >= 0).tolist():
            row = newest[code]
            time_ns = int(ticks.time[row])
            if 0 <= time_ns - self._made_ns[code] < EARLIER_NS:
                continue
            self._made_ns[code] = time_ns
            sides = [
                self._make_side(code, round(best * 100), sign, time_ns)
                for best, sign in ((bids[row], -1), (asks[row], 1))
            ]
            books.append(Levels(self._symbols[code], sides[0], sides[1], time_ns))
        return books

    def _make_side(self, code: int, best: int, sign: int, time_ns: int) -> Side:
        """Return the levels of a side, from the best price in cents away."""
        step = int(self._steps[code])
        cents = best // step * step + sign * step * np.arange(self._levels + 1)
        # The best price is the quote's; the others lie on multiples of the step.
        cents = np.concatenate([[best], cents[(cents - best) * sign > 0]])[: self._levels]
        cents = cents[cents > 0]
        place = self._noise(code, cents)
        # At different moments for each price.
        age = self._noise(code, cents, 1)
        moment = (time_ns / CHANGE_NS + age).astype(np.int64)
        change = 1 + CHANGE_PART * (2 * self._noise(code, cents, moment + 2) - 1)
        walls = np.where(place < WALL_PART, WALL_FACTOR, 1.0)
        depth = 1 + np.arange(len(cents)) / DEEP
        size = np.exp(LOG_SIZE_SIGMA * (4 * age - 2)) * walls * depth * change
        return np.column_stack([cents / 100, np.maximum(np.rint(size * 5), 1) * self._lots[code]])

    def _noise(
        self, code: int, cents: npt.NDArray[np.int64], salt: int | npt.NDArray[np.int64] = 0
    ) -> npt.NDArray[np.float64]:
        """Return a number from 0 to 1 for each price, always the same one."""
        mixed = cents.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        # Python's integers: numpy warns when the product of two of its own overflows.
        mixed ^= np.uint64((self._seed * 2**16 + code) * 0xC2B2AE3D27D4EB4F % 2**64)
        mixed += np.asarray(salt).astype(np.uint64) * np.uint64(0x165667B19E3779F9)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
        return mixed.astype(np.float64) / 2**64
