"""simulate: a market made up from a seed, believable enough for a demo, a class or a load test."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from tickerkit.errors import BadTick, SourceError
from tickerkit.sources.base import Outlet, Source
from tickerkit.ticks import NS_PER_S, Array, Batch, Text
from tickerkit.ticks.fields import read_symbol

__all__ = ["SimulatedSource", "simulate"]

BLOCK = 4096
SLOWEST, FASTEST = 1e-5, 1e7  # ticks per second: one a day, and what no machine keeps up with

# At up to so many ticks per second each goes out by itself; above, all that are due every 10 ms.
SINGLY = 100.0
PAUSE_NS = 10_000_000
LONGEST_SLEEP_S = 1.0
LONGEST_STALL_NS = 60 * NS_PER_S

# Standard deviation of the log price per root of a second. A share of 20 % a year moves 0.8e-4 in
# a second of trading, which a chart of one minute hardly shows: a cent or two per tick drowns it.
# At these a share of $200 moves 23 to 46 cents in a typical minute.
CALMEST, WILDEST = 1.5e-4, 3e-4
# Share of the market in every symbol's variance, and so the correlation of any two.
COMMON = 0.4

LOW_START, HIGH_START = 15.0, 400.0
# The round lots of American exchanges: (start price below which, shares).
LOTS = ((250.0, 100), (1_000.0, 40), (10_000.0, 10), (math.inf, 1))
LOTS_MEAN, LOTS_SPREAD, MAX_LOTS = 0.3, 1.0, 500
# Odds of a spread of one, two or three cents; another cent for each $250 of price.
TIGHT, TIGHT_OR_MIDDLE = 0.6, 0.9
CENTS_PER_STEP = 25_000
# A drift over years of running stays within what a float holds to the cent.
DEAREST = 1e9

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
    symbols: str | Sequence[str], rate: float = 20.0, seed: int | None = None
) -> SimulatedSource:
    """Return a source of made-up trades with quotes, endless and paced by the clock.

    Log returns are normal, share a market factor (any two symbols correlate by 0.4) and are two
    or three times as lively as a real share's, so that a minute of chart moves. Each tick is a
    trade at the bid or the ask, with `symbol`, `price`, `size`, `bid`, `ask` and `side`.

    The same symbols, rate and seed give the same ticks, whatever the machine does; only their
    `time`, when each is due by the clock, differs. Up to 100 ticks per second in all each goes out
    when it is due, above that in batches of all that are due, every 10 ms. After a stall those
    that were due come at once, none besides; after more than a minute (a laptop that slept) the
    market goes on where it stood. Two hundred thousand ticks a second cost a twentieth of a core.

    Args:
        symbols: a list, or text such as `"AAPL,MSFT"`. Well-known ones start near a believable
            price, others at one that follows from the name.
        rate: ticks per second for each symbol, on average; they come at random moments.
        seed: any whole number from 0; a random one by default, shown by `repr`.

    Raises:
        SourceError: no symbols, a symbol twice or one that can't be; a rate or seed out of range.

    Example:
        >>> server = serve(simulate(["AAPL", "MSFT"], seed=1))
    """
    return SimulatedSource(symbols, rate, seed)


class SimulatedSource(Source):
    """Made-up ticks; see `simulate`.

    Args:
        symbols: a list, or comma-separated text.
        rate: ticks per second for each symbol.
        seed: a whole number from 0, or None for a random one.
        clock: the time in epoch ns.
        sleep: waits for some seconds.

    Attributes:
        symbols: the symbols, in the order given.
        rate: ticks per second for each symbol.
        seed: what the ticks follow from.
    """

    def __init__(
        self,
        symbols: str | Sequence[str],
        rate: float = 20.0,
        seed: int | None = None,
        *,
        clock: Callable[[], int] = time.time_ns,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.symbols = _checked_symbols(symbols)
        self.rate = _checked_rate(rate)
        if seed is not None and (not isinstance(seed, int | np.integer) or seed < 0):
            raise SourceError(seed, "a seed is a whole number from 0")
        self.seed = secrets.randbits(32) if seed is None else int(seed)
        self._clock = clock
        self._sleep = sleep

    def __repr__(self) -> str:
        names = ",".join(self.symbols)
        shown = names if len(names) <= 40 else f"{len(self.symbols)} symbols"
        return f"<Simulated {shown} at {self.rate:g} ticks/s each, seed {self.seed}>"

    def ticks(self) -> Iterator[Batch]:
        """Yield the ticks, endless, from the first at each call, without waiting for any clock.

        Returns:
            Batches of 4,096 ticks; `time` is in nanoseconds from the start of the stream.
        """
        # The size is fixed: random numbers are drawn block by block, so that another size would
        # be another stream.
        random = np.random.default_rng(self.seed)
        market = _Market(self.symbols)
        mean_gap = NS_PER_S / (self.rate * len(self.symbols))
        now = 0
        while True:
            gaps = random.exponential(mean_gap, BLOCK).astype(np.int64)
            times = now + np.cumsum(gaps)
            yield Batch(BLOCK, times, market.trade(random, now, times))
            now = int(times[-1])

    async def run(self, out: Outlet) -> None:
        blocks = self.ticks()
        block, sent = next(blocks), 0
        pause = 0 if self.rate * len(self.symbols) <= SINGLY else PAUSE_NS
        start = seen = self._clock()
        while True:
            now = self._clock()
            # Set back, or far ahead since the machine slept: as if no time had passed.
            if not 0 <= now - seen <= LONGEST_STALL_NS:
                start += now - seen
            seen = now
            due = int(np.searchsorted(block.time, now - start, side="right"))
            if due > sent:
                part = block.part(sent, due)
                part.time = part.time + start
                await out.send(part)
                sent = due
            if sent == block.count:
                block, sent = next(blocks), 0
                # Catching up is no reason to keep a request to stop waiting.
                await self._sleep(0)
                continue
            next_wake = max(start + int(block.time[sent]), now + pause)
            wait = max(next_wake - self._clock(), 0) / NS_PER_S
            # In naps, so that a clock that is set meanwhile is noticed.
            await self._sleep(min(wait, LONGEST_SLEEP_S))


class _Market:
    """The state that prices follow from: one common random walk, and one for each symbol."""

    def __init__(self, symbols: list[str]) -> None:
        self.symbols = symbols
        starts = np.array([_start_price(symbol) for symbol in symbols])
        self.log_start = np.log(starts)
        self.volatility = np.array([_liveliness(symbol) for symbol in symbols])
        self.lot = np.array([next(lot for top, lot in LOTS if start < top) for start in starts])
        self.common = 0.0
        self.own = np.zeros(len(symbols))
        self.last = np.zeros(len(symbols), dtype=np.int64)

    def trade(
        self, random: np.random.Generator, now: int, times: npt.NDArray[np.int64]
    ) -> dict[str, npt.NDArray[np.float64] | Text]:
        """Return the columns of trades at these times, the last trade before having been at `now`.

        All draws are made whatever comes of them, so that each block takes as many.
        """
        count = len(times)
        codes = random.integers(len(self.symbols), size=count, dtype=np.int32)
        common_steps = random.standard_normal(count)
        own_steps = random.standard_normal(count)
        width = random.random(count)
        buys = random.integers(2, size=count, dtype=np.int8) == 1
        lots = random.lognormal(LOTS_MEAN, LOTS_SPREAD, count)

        gaps = np.diff(times, prepend=now) / NS_PER_S
        common = self.common + np.cumsum(np.sqrt(gaps) * common_steps)
        self.common = float(common[-1])
        own = self._own_walks(codes, times, own_steps)
        walk = math.sqrt(COMMON) * common + math.sqrt(1 - COMMON) * own
        value = np.exp(self.log_start[codes] + self.volatility[codes] * walk)
        cents = np.minimum(value, DEAREST) * 100

        spread = 1 + (width > TIGHT).astype(np.int64) + (width > TIGHT_OR_MIDDLE)
        spread += (cents // CENTS_PER_STEP).astype(np.int64)
        bid = np.maximum(np.rint(cents - spread / 2), 1).astype(np.int64)
        ask = bid + spread
        sizes = np.clip(np.rint(lots), 1, MAX_LOTS) * self.lot[codes]
        return {
            "symbol": Text(codes, self.symbols),
            # Whole cents over 100 give the very float that "187.25" is read as.
            "price": np.where(buys, ask, bid) / 100,
            "size": sizes,
            "bid": bid / 100,
            "ask": ask / 100,
            "side": Text((~buys).astype(np.int8), ["buy", "sell"]),
        }

    def _own_walks(self, codes: Array, times: Array, steps: Array) -> npt.NDArray[np.float64]:
        """Return where each trade's symbol stands in its own walk, and remember the last of each.

        The rows are put in order of symbol, so that one cumulative sum walks all of them: what
        it had before each symbol's first row is taken off again.
        """
        order = np.argsort(codes, kind="stable")
        sorted_codes, sorted_times = codes[order], times[order]
        first = np.flatnonzero(np.diff(sorted_codes, prepend=-1))
        last = np.append(first[1:], len(codes)) - 1
        present = sorted_codes[first]
        before = np.empty_like(sorted_times)
        before[1:] = sorted_times[:-1]
        before[first] = self.last[present]
        walked = np.cumsum(np.sqrt((sorted_times - before) / NS_PER_S) * steps)
        offset = self.own[present]
        offset[1:] -= walked[last[:-1]]
        walked += np.repeat(offset, last - first + 1)
        self.own[present] = walked[last]
        self.last[present] = sorted_times[last]
        own = np.empty(len(codes))
        own[order] = walked
        return own


def _fraction(name: str, salt: str) -> float:
    """Return a number from 0 to 1 that follows from a name, the same in every process."""
    digest = blake2b(f"{salt}:{name}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


def _start_price(symbol: str) -> float:
    known = STARTS.get(symbol.upper())
    if known is not None:
        return known
    return float(LOW_START * (HIGH_START / LOW_START) ** _fraction(symbol, "start"))


def _liveliness(symbol: str) -> float:
    return CALMEST + (WILDEST - CALMEST) * _fraction(symbol, "volatility")


def _checked_symbols(symbols: str | Sequence[str]) -> list[str]:
    if isinstance(symbols, str):
        names = [name.strip() for name in symbols.split(",")] if symbols.strip() else []
    else:
        try:
            names = list(symbols)
        except TypeError:
            raise SourceError(symbols, 'give symbols as a list, or as "AAPL,MSFT"') from None
    if not names:
        raise SourceError(symbols, 'there are no symbols; give a list, or text as "AAPL,MSFT"')
    known: set[str] = set()
    for name in names:
        try:
            read_symbol(name)
        except BadTick as error:
            raise SourceError(symbols, str(error)) from None
        if name in known:
            raise SourceError(symbols, f"the symbol {name} is there twice")
        known.add(name)
    return names


def _checked_rate(rate: float) -> float:
    try:
        number = float(rate)
    except (TypeError, ValueError):
        number = math.nan
    if not number > 0:
        raise SourceError(rate, "the rate, in ticks per second per symbol, is a number above 0")
    if not SLOWEST <= number <= FASTEST:
        raise SourceError(rate, f"the rate is from {SLOWEST:g} to {FASTEST:,.0f} ticks per second")
    return number
