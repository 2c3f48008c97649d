"""simulate: a source of made-up trades and quotes, for a demo, a class or a load test."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tickerkit.errors import Stopped
from tickerkit.limits import MAX_LEVELS
from tickerkit.sources.crashes import Crashes
from tickerkit.sources.simulated import MakeColumns, SimulatedSource, name_fraction
from tickerkit.sources.simulated_books import SimulatedBooks
from tickerkit.ticks import NS_PER_S, Array, Batch, Column, Text
from tickerkit.validation import check_choice, check_number

__all__ = ["SimulatedMarket", "simulate"]

# Standard deviation of the log price per square root of a second. A share with a volatility of 20 %
# a year moves by 0.8e-4 in a second of trading; on a chart of one minute, the cent or two between
# bid and ask would hide that. With these limits, a share of $200 moves 23 to 46 cents in a typical
# minute.
MIN_VOLATILITY, MAX_VOLATILITY = 1.5e-4, 3e-4
# Share of the market in every symbol's variance, and so the correlation of any two symbols.
MARKET_SHARE = 0.4

MIN_START, MAX_START = 15.0, 400.0
# The round lots of American exchanges: (start price below which, shares).
LOTS = ((250.0, 100), (1_000.0, 40), (10_000.0, 10), (math.inf, 1))
LOG_LOTS_MEAN, LOG_LOTS_SIGMA, MAX_LOTS = 0.3, 1.0, 500
# Probability of a spread of one cent, and of one or two; else it is three. Each $250 of price adds
# a cent.
P_ONE_CENT, P_TWO_CENTS = 0.6, 0.9
CENTS_PER_SPREAD_CENT = 25_000
# A price that drifts for years stays within what a float64 holds to the cent.
MAX_PRICE = 1e9
# A crash: the part by which a price changes, and how long it takes.
MIN_PART, MAX_PART, MAX_OVER_S = -0.99, 10.0, 3600.0

# Prices at which well-known symbols start, in their currency.
STARTS = {
    "AAPL": 187.25,
    "AMD": 162.40,
    "AMZN": 184.70,
    "BA": 178.10,
    "BRK.B": 452.30,
    "BTC-USD": 97_350.00,
    "DIS": 101.60,
    "ETH-USD": 3_420.00,
    "GOOG": 176.30,
    "GOOGL": 174.80,
    "IBM": 212.90,
    "INTC": 31.45,
    "JPM": 209.80,
    "KO": 63.15,
    "META": 504.20,
    "MSFT": 421.90,
    "NFLX": 648.50,
    "NVDA": 121.80,
    "ORCL": 139.70,
    "QQQ": 479.10,
    "SPY": 545.60,
    "TSLA": 197.40,
    "V": 271.30,
    "XOM": 113.90,
}


def simulate(
    symbols: str | Sequence[str],
    rate: float = 20.0,
    seed: int | None = None,
    levels: int = 0,
) -> SimulatedMarket:
    """Return a source of made-up trades with quotes, endless and paced by the clock.

    Log returns are normal, share a market factor (any two symbols correlate by 0.4) and are two
    or three times as volatile as a real share's, so that a chart of one minute moves. Each tick is
    a trade at the bid or the ask, with `symbol`, `price`, `size`, `bid`, `ask` and `side`.

    The same symbols, rate and seed give the same ticks on every machine and under any load; only
    `time`, when each tick is due by the clock, differs. The first ticks are one of each symbol, in
    the order given. Up to 100 ticks per second in all, each
    tick is sent when it is due; above, all that are due are sent as a batch every 10 ms. After a
    stall, the ticks that were due are sent at once; after one of more than a minute (a laptop that
    slept) the market continues where it was. Two hundred thousand ticks per second take a
    twentieth of a core.

    Args:
        symbols: a list, or text such as `"AAPL,MSFT"`. Well-known symbols start near a plausible
            price, others at a price that follows from their name.
        rate: ticks per second for each symbol, on average, from 1e-5 to 10 million; they come at
            random moments.
        seed: a whole number of at least 0; random by default, and then shown by `repr`.
        levels: how many levels each side of the order books has, for `feed.book` and
            `feed.ladder`; 0 for no books. Books come with the ticks, at most ten a second for each
            symbol. The ticks are the same with books as without.

    Returns:
        The source, to be served.

    Raises:
        SourceError: there are no symbols, one is given twice or is invalid, or the rate or the
            seed is out of range.
        InvalidArgument: `levels` is not a whole number from 0 to 1,000.

    Example:
        >>> server = tk.serve(tk.simulate(["AAPL", "MSFT"], seed=1))
    """
    return SimulatedMarket(symbols, rate, seed, levels=levels)


class SimulatedMarket(SimulatedSource):
    """Made-up trades and quotes; made by `tk.simulate`. The other arguments are those of the base.

    Any thread may steer it: `pause`, `play`, `speed` and `crash`.

    Args:
        levels: how many levels each side of the order books has; 0 for no books.
    """

    _crashes: Crashes
    _books: SimulatedBooks | None = None

    def __init__(
        self,
        symbols: str | Sequence[str],
        rate: float = 20.0,
        seed: int | None = None,
        *,
        levels: int = 0,
        clock: Callable[[], int] = time.time_ns,
        sleep: Callable[[float], Awaitable[object]] | None = None,
    ) -> None:
        check_number("levels", levels, 0, MAX_LEVELS, whole=True)
        super().__init__(symbols, rate, seed, clock=clock, sleep=sleep)
        self.levels = levels

    def _begin(self) -> MakeColumns:
        return _Market(self.symbols).trade

    def _begin_run(self) -> None:
        self._crashes = Crashes(len(self.symbols))
        if self.levels:
            market = _Market(self.symbols)
            steps = 1 + np.exp(market.log_start).astype(np.int64) * 100 // CENTS_PER_SPREAD_CENT
            self._books = SimulatedBooks(self.symbols, self.seed, market.lot, steps, self.levels)
        super()._begin_run()

    def crash(self, symbol: str, part: float = -0.2, over: float = 30.0) -> None:
        """Change a price by a part of it, evenly over some seconds; it stays there.

        Args:
            symbol: one of its symbols.
            part: -0.2 is a fall by a fifth, 0.1 a rise by a tenth; more than -1.
            over: seconds of the market, which are fewer of the clock at a higher speed.

        Raises:
            Stopped: no server runs it.
            InvalidArgument: an argument is invalid.
        """
        check_choice("symbol", symbol, self.symbols)
        check_number("part", part, MIN_PART, MAX_PART)
        check_number("over", over, 0, MAX_OVER_S)
        if self._loop is None:
            raise Stopped("market", "serve it first")
        with self._command(f"crash {symbol} {part:+.0%} over {over:g} s"):
            start_ns = self._stream.at_ns(self._clock())
            self._crashes.add(self.symbols.index(symbol), float(part), start_ns, float(over))

    def _change(self, part: Batch) -> Batch:
        symbol = part.columns["symbol"]
        assert isinstance(symbol, Text)
        with self._lock:
            factors = self._crashes.find_factors(symbol.codes, part.time)
        if factors is not None:
            part.columns = part.columns | _multiply_prices(part.columns, factors)
        return part

    def _complete(self, part: Batch) -> Batch:
        part = super()._complete(part)
        if self._books is not None:
            part.books = self._books.make(part)
        return part


class _Market:
    """The state of the simulated market: a common random walk, and one for each symbol.

    Args:
        symbols: the symbols.

    Attributes:
        symbols: the symbols.
        log_start: shape (symbols,), logarithm of each start price.
        volatility: shape (symbols,), in log price per square root of a second.
        lot: shape (symbols,), shares in a round lot.
        common: position of the common random walk.
        own: shape (symbols,), position of each symbol's own random walk.
        last: shape (symbols,), time of each symbol's last trade, in ns.
    """

    def __init__(self, symbols: list[str]) -> None:
        self.symbols = symbols
        starts = np.array([_start_price(symbol) for symbol in symbols])
        self.log_start = np.log(starts)
        self.volatility = np.array([_volatility(symbol) for symbol in symbols])
        self.lot = np.array([next(lot for top, lot in LOTS if start < top) for start in starts])
        self.common = 0.0
        self.own = np.zeros(len(symbols))
        self.last = np.zeros(len(symbols), dtype=np.int64)

    def trade(
        self,
        random: np.random.Generator,
        codes: npt.NDArray[np.int32],
        now: int,
        times: npt.NDArray[np.int64],
    ) -> dict[str, Column]:
        """Return the columns of one trade at each of these times; each column has shape (ticks,).

        Every block draws the same number of random numbers, whatever their values, so that the
        stream follows from the seed alone.

        Args:
            random: the source of random numbers.
            codes: shape (ticks,), the index of each trade's symbol.
            now: time of the last trade before these, in ns.
            times: shape (ticks,), in ns, never decreasing.
        """
        count = len(times)
        common_steps = random.standard_normal(count)
        own_steps = random.standard_normal(count)
        width = random.random(count)
        buys = random.integers(2, size=count, dtype=np.int8) == 1
        lots = random.lognormal(LOG_LOTS_MEAN, LOG_LOTS_SIGMA, count)

        gaps = np.diff(times, prepend=now) / NS_PER_S
        common = self.common + np.cumsum(np.sqrt(gaps) * common_steps)
        self.common = float(common[-1])
        own = self._own_walks(codes, times, own_steps)
        walk = math.sqrt(MARKET_SHARE) * common + math.sqrt(1 - MARKET_SHARE) * own
        value = np.exp(self.log_start[codes] + self.volatility[codes] * walk)
        cents = np.minimum(value, MAX_PRICE) * 100

        spread = 1 + (width > P_ONE_CENT).astype(np.int64) + (width > P_TWO_CENTS)
        spread += (cents // CENTS_PER_SPREAD_CENT).astype(np.int64)
        bid = np.maximum(np.rint(cents - spread / 2), 1).astype(np.int64)
        ask = bid + spread
        sizes = np.clip(np.rint(lots), 1, MAX_LOTS) * self.lot[codes]
        return {
            "symbol": Text(codes, self.symbols),
            # Whole cents divided by 100 give exactly the float64 that "187.25" is parsed to.
            "price": np.where(buys, ask, bid) / 100,
            "size": sizes,
            "bid": bid / 100,
            "ask": ask / 100,
            "side": Text((~buys).astype(np.int8), ["buy", "sell"]),
        }

    def _own_walks(self, codes: Array, times: Array, steps: Array) -> npt.NDArray[np.float64]:
        """Return the symbol's own random walk at each trade, and remember where each walk ends.

        A loop over symbols would cost as many numpy calls as there are symbols. Instead the trades
        are sorted by symbol, and one cumulative sum runs through all of them; the sum
        before a symbol's first trade is then subtracted from all trades of the symbol.

        Args:
            codes: shape (ticks,), the symbol of each trade.
            times: shape (ticks,), in ns, never decreasing.
            steps: shape (ticks,), standard normal.

        Returns:
            Shape (ticks,), in the order of `codes`.
        """
        # Shape (ticks,), sorted by symbol, then by time.
        order = np.argsort(codes, kind="stable")
        sorted_codes, sorted_times = codes[order], times[order]
        # Shape (symbols present,): index of the first and the last trade of each, and its code.
        first = np.flatnonzero(np.diff(sorted_codes, prepend=-1))
        last = np.append(first[1:], len(codes)) - 1
        present = sorted_codes[first]
        # Shape (ticks,): time of the same symbol's trade before, maybe of an earlier block.
        before = np.empty_like(sorted_times)
        before[1:] = sorted_times[:-1]
        before[first] = self.last[present]
        walked = np.cumsum(np.sqrt((sorted_times - before) / NS_PER_S) * steps)
        # Shape (symbols present,): end of each walk in earlier blocks, minus the sum before its
        # first trade here.
        offset = self.own[present]
        offset[1:] -= walked[last[:-1]]
        walked += np.repeat(offset, last - first + 1)
        self.own[present] = walked[last]
        self.last[present] = sorted_times[last]
        own = np.empty(len(codes))
        own[order] = walked
        return own


def _multiply_prices(
    columns: Mapping[str, Column], factors: npt.NDArray[np.float64]
) -> dict[str, Column]:
    """Return the prices, multiplied and in whole cents, with the ask above the bid.

    Args:
        columns: each of shape (ticks,).
        factors: shape (ticks,).
    """
    price, bid, ask = (columns[name] for name in ("price", "bid", "ask"))
    assert not isinstance(price, Text)
    assert not isinstance(bid, Text)
    assert not isinstance(ask, Text)
    bid_cents = np.maximum(np.rint(bid * factors * 100), 1)
    ask_cents = np.maximum(np.rint(ask * factors * 100), bid_cents + 1)
    trades = np.where(price == ask, ask_cents, bid_cents)
    return {"price": trades / 100, "bid": bid_cents / 100, "ask": ask_cents / 100}


def _start_price(symbol: str) -> float:
    known = STARTS.get(symbol.upper())
    if known is not None:
        return known
    return float(MIN_START * (MAX_START / MIN_START) ** name_fraction(symbol, "start"))


def _volatility(symbol: str) -> float:
    return MIN_VOLATILITY + (MAX_VOLATILITY - MIN_VOLATILITY) * name_fraction(symbol, "volatility")
