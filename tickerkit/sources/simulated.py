"""SimulatedSource: what all sources of made-up ticks have in common: symbols, rate and seed."""

from __future__ import annotations

import itertools
import secrets
import time
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Sequence
from hashlib import blake2b
from numbers import Real
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tickerkit.errors import BadTick, InvalidArgument, SourceError
from tickerkit.sources.base import Outlet, Source
from tickerkit.sources.simulation_control import SimulationControl
from tickerkit.ticks import NS_PER_S, Batch, Column
from tickerkit.ticks.fields import read_symbol
from tickerkit.validation import parse_symbols

__all__ = ["MakeColumns", "SimulatedSource", "name_fraction"]

# Makes the columns of the ticks of some symbols at some times, given the time before them; see
# `_Market.trade` of `simulate.py`.
MakeColumns: TypeAlias = Callable[
    [np.random.Generator, npt.NDArray[np.int32], int, npt.NDArray[np.int64]], dict[str, Column]
]

BLOCK_TICKS = 4096
# Ticks per second and symbol: one a day, and more than any machine keeps up with.
MIN_RATE, MAX_RATE = 1e-5, 1e7

# Up to this many ticks per second in all, each tick is sent alone; above, all that are due are sent
# every 10 ms.
MAX_SINGLE_RATE = 100.0
BATCH_INTERVAL_NS = 10_000_000
MAX_SLEEP_S = 1.0
MAX_STALL_NS = 60 * NS_PER_S

EXPECTED_SYMBOLS = 'expected a list of symbols, or text such as "AAPL,MSFT"'


class SimulatedSource(SimulationControl, Source):
    """Made-up ticks, which any thread may pause, and make faster or slower.

    Args:
        symbols: a list, or comma-separated text.
        rate: ticks per second for each symbol.
        seed: a whole number of at least 0, or None for a random seed.
        clock: returns the time in epoch ns.
        sleep: waits for a number of seconds; by default, less if an order comes.

    Attributes:
        symbols: the symbols, in the order given.
        rate: ticks per second for each symbol.
        seed: the seed of the random numbers.
    """

    def __init__(
        self,
        symbols: str | Sequence[str],
        rate: float = 20.0,
        seed: int | None = None,
        *,
        clock: Callable[[], int] = time.time_ns,
        sleep: Callable[[float], Awaitable[object]] | None = None,
    ) -> None:
        super().__init__(clock)
        self.symbols = _check_symbols(symbols)
        self.rate = _check_rate(rate)
        is_number = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
        if seed is not None and (not is_number or seed < 0):
            raise SourceError(seed, "expected a whole number of at least 0", "seed")
        self.seed = secrets.randbits(32) if seed is None else int(seed)
        self._sleep = sleep

    def __repr__(self) -> str:
        names = ",".join(self.symbols)
        shown = names if len(names) <= 40 else f"{len(self.symbols)} symbols"
        return f"<Simulated {shown} at {self.rate:g} ticks/s each, seed {self.seed}>"

    def ticks(self) -> Iterator[Batch]:
        """Yield the ticks, endless, without waiting; each call starts with the first tick.

        Yields:
            Batches of 4,096 ticks; `time` is in nanoseconds from the start of the stream.
        """
        # Random numbers are drawn block by block, so another block size would give other ticks.
        random = np.random.default_rng(self.seed)
        make_columns = self._begin()
        mean_gap = NS_PER_S / (self.rate * len(self.symbols))
        now = 0
        for number in itertools.count():
            gaps = random.exponential(mean_gap, BLOCK_TICKS).astype(np.int64)
            times = now + np.cumsum(gaps)
            codes = random.integers(len(self.symbols), size=BLOCK_TICKS, dtype=np.int32)
            if number == 0:
                # One of each symbol, so that lists show them in the order given.
                opening = np.arange(min(len(self.symbols), BLOCK_TICKS), dtype=np.int32)
                codes[: len(opening)] = opening
            yield Batch(BLOCK_TICKS, times, make_columns(random, codes, now, times))
            now = int(times[-1])

    @abstractmethod
    def _begin(self) -> MakeColumns:
        """Return what makes the columns, block by block, from the first tick on."""

    async def run(self, out: Outlet) -> None:
        self._begin_run()
        try:
            await self._run(out)
        finally:
            self._end_run()

    async def _run(self, out: Outlet) -> None:
        sleep = self._sleep or self._wait_for_order
        blocks = self.ticks()
        block, sent = next(blocks), 0
        total_rate = self.rate * len(self.symbols)
        last_now = self._clock()
        while True:
            now = self._clock()
            # A clock that was set back, or is far ahead since the machine slept: the market
            # continues as if no time had passed.
            if not 0 <= now - last_now <= MAX_STALL_NS:
                self._skip(now - last_now)
            last_now = now
            due = int(np.searchsorted(block.time, self._find_place(now), side="right"))
            if due > sent:
                await out.send(self._complete(self._change(block.part(sent, due))))
                sent = due
            if sent == block.count:
                block, sent = next(blocks), 0
                # Lets the server cancel this task while the source catches up.
                await sleep(0)
                continue
            is_slow = total_rate * self.speed <= MAX_SINGLE_RATE
            next_wake = max(
                self._find_moment(int(block.time[sent])),
                now + (0 if is_slow else BATCH_INTERVAL_NS),
            )
            wait = max(next_wake - self._clock(), 0) / NS_PER_S
            # It sleeps a second at most, to notice a clock that is set meanwhile.
            await sleep(min(wait, MAX_SLEEP_S))

    def _change(self, part: Batch) -> Batch:
        """Change ticks that are due as somebody has ordered; `time` is that within the stream."""
        return part


def name_fraction(name: str, salt: str) -> float:
    """Return a number from 0 to 1 that depends only on a name: the same in every process."""
    digest = blake2b(f"{salt}:{name}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


def _check_symbols(symbols: str | Sequence[str]) -> list[str]:
    try:
        names = parse_symbols("symbols", symbols)
    except InvalidArgument:
        names = None
    if names is None:
        raise SourceError(symbols, EXPECTED_SYMBOLS, "symbols")
    known: set[str] = set()
    for name in names:
        try:
            read_symbol(name)
        except BadTick as error:
            raise SourceError(symbols, str(error), "symbols") from None
        if name in known:
            raise SourceError(symbols, f"{name} is in it twice; give each symbol once", "symbols")
        known.add(name)
    return names


def _check_rate(rate: float) -> float:
    is_number = isinstance(rate, Real) and not isinstance(rate, bool)
    if not is_number or not MIN_RATE <= rate <= MAX_RATE:
        problem = f"expected ticks per second for each symbol, {MIN_RATE:g} to {MAX_RATE:,.0f}"
        raise SourceError(rate, problem, "rate")
    return float(rate)
