"""Tests of simulate: a market that follows from a seed, is plausible, and is paced by a clock."""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from commands import run_python

from tickerkit.errors import InvalidArgument, SourceError
from tickerkit.log import TickLog
from tickerkit.sources.simulate import SimulatedMarket, simulate
from tickerkit.ticks import Batch, Levels, Text

S = 10**9
T0 = 1_763_000_000 * S


def table(batches: list[Batch]) -> pd.DataFrame:
    """Return batches as a frame, `time` as int64 nanoseconds."""
    parts = []
    for batch in batches:
        columns: dict[str, Any] = {"time": batch.time}
        for name, column in batch.columns.items():
            columns[name] = (
                np.array(column.words)[column.codes] if isinstance(column, Text) else column
            )
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def first(source: SimulatedMarket, blocks: int = 1) -> pd.DataFrame:
    """Return the first blocks of the stream."""
    return table(list(itertools.islice(source.ticks(), blocks)))


class World:
    """A clock that only sleeping moves, and an outlet that notes what it got and when.

    Args:
        until: the time, in s from the start, at which the source is asked to stop.
        late: adds to the length of a sleep, by the time at which it starts.
    """

    def __init__(self, until: float, late: Callable[[float], float] = lambda now: 0.0) -> None:
        self.now = T0
        self.until = until
        self.late = late
        self.sent: list[tuple[int, Batch]] = []
        self.sleeps = 0

    def clock(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> Awaitable[object]:
        assert seconds >= 0
        self.sleeps += 1
        self.now += math.ceil(seconds * S) + round(self.late((self.now - T0) / S) * S)
        if self.now > T0 + self.until * S:
            raise asyncio.CancelledError
        return asyncio.sleep(0)

    async def send(self, ticks: object) -> None:
        assert isinstance(ticks, Batch)
        assert ticks.count > 0
        self.sent.append((self.now, ticks))

    async def wait_for_readers(self, count: int) -> None:
        raise AssertionError

    async def wait_until_read(self, max_behind: int) -> None:
        raise AssertionError

    def report(self, error: BaseException) -> None:
        raise error

    def run(self, symbols: list[str], rate: float, seed: int = 1) -> pd.DataFrame:
        """Run a source in this world until the end; return all that it sent."""
        source = SimulatedMarket(symbols, rate, seed, clock=self.clock, sleep=self.sleep)
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(source.run(self))
        return table([batch for _, batch in self.sent])


# --- the same seed, the same ticks ----------------------------------------------------------------


def test_same_seed_gives_the_same_ticks() -> None:
    """Each call of `ticks` starts the stream again."""
    source = simulate(["AAPL", "MSFT"], seed=7)
    pd.testing.assert_frame_equal(first(source, 5), first(simulate("AAPL,MSFT", seed=7), 5))
    pd.testing.assert_frame_equal(first(source, 2), first(source, 2))


def test_another_seed_gives_other_ticks() -> None:
    """Everything but the start prices differs."""
    one, other = (first(simulate(["AAPL"], seed=seed)) for seed in (1, 2))
    assert (one["price"] != other["price"]).mean() > 0.5
    assert (one["time"] != other["time"]).all()


def test_random_seed_is_shown() -> None:
    """A stream with a random seed can be made again."""
    source = simulate(["AAPL"])
    assert source.seed != simulate(["AAPL"]).seed
    assert repr(source) == f"<Simulated AAPL at 20 ticks/s each, seed {source.seed}>"
    pd.testing.assert_frame_equal(first(source), first(simulate(["AAPL"], seed=source.seed)))


@pytest.mark.parametrize("rate", [5.0, 40.0, 5_000.0])
@pytest.mark.parametrize("late_s", [0.0, 0.003, 0.5])
def test_ticks_do_not_depend_on_timing(rate: float, late_s: float) -> None:
    """However late the machine wakes, the stream and its due times are the same."""
    world = World(until=4, late=lambda now: late_s * (math.sin(now * 99) + 1))
    sent = world.run(["AAPL", "MSFT"], rate)
    stream = first(simulate(["AAPL", "MSFT"], rate, seed=1), 12)[: len(sent)]
    pd.testing.assert_frame_equal(sent.assign(time=sent["time"] - T0), stream)


def test_start_price_is_the_same_in_every_process() -> None:
    """It does not depend on Python's salted hash."""
    code = (
        "from tickerkit.sources.simulate import simulate\n"
        "prices = next(simulate('FOO,BAR', seed=3).ticks()).columns['price'][:5].tolist()\n"
        "print(hash('FOO'), prices)"
    )
    salt = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    salted, _, prices = run_python("-c", code, PYTHONHASHSEED=salt).stdout.strip().partition(" ")
    here = next(simulate("FOO,BAR", seed=3).ticks()).columns["price"][:5].tolist()
    assert prices == str(here)
    assert salted != str(hash("FOO"))


# --- believable -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def market() -> pd.DataFrame:
    """Return half an hour of four symbols."""
    return first(simulate("AAPL,MSFT,KO,ACME", rate=20, seed=11), 36)


def test_trades_are_at_the_bid_or_the_ask(market: pd.DataFrame) -> None:
    """Buyers pay the ask, sellers get the bid, both about as often; the ask is above the bid."""
    buys = market["side"] == "buy"
    assert (market["price"] == np.where(buys, market["ask"], market["bid"])).all()
    assert (market["bid"] < market["ask"]).all()
    assert 0.45 < buys.mean() < 0.55


def test_prices_are_whole_cents(market: pd.DataFrame) -> None:
    """Prices, bids and asks are the floats nearest to whole cents, and above zero."""
    for name in ("price", "bid", "ask"):
        values = market[name].to_numpy()
        assert (values == np.round(values * 100) / 100).all()
        assert (values > 0).all()
        assert all(len(repr(value).partition(".")[2]) <= 2 for value in values[:1000].tolist())


def test_spreads_grow_with_the_price(market: pd.DataFrame) -> None:
    """A spread is 1 to 3 cents for most shares, most often 1, and more for an expensive share."""
    cents = ((market["ask"] - market["bid"]) * 100).round().groupby(market["symbol"])
    assert set(cents.get_group("KO")) == {1, 2, 3}
    assert cents.get_group("KO").mode()[0] == 1
    assert cents.get_group("MSFT").min() > 1


def test_prices_start_at_plausible_values() -> None:
    """AAPL starts near its real price, unknown symbols between 15 and 400, each elsewhere."""
    assert abs(first(simulate("AAPL", seed=1))["price"][0] - 187.25) < 0.1
    names = [f"X{number}" for number in range(300)]
    starts = first(simulate(names, rate=1000, seed=1)).groupby("symbol")["price"].first()
    assert len(starts) == 300
    assert starts.between(14.9, 402).all()
    assert starts.nunique() > 290


def minute_moves(frame: pd.DataFrame, symbol: str) -> npt.NDArray[np.float64]:
    """Return the log returns of each minute of a symbol's mid price."""
    one = frame[frame["symbol"] == symbol]
    mid = pd.Series(
        (one["bid"] + one["ask"]).to_numpy() / 2, index=pd.to_datetime(one["time"].to_numpy())
    )
    moves: npt.NDArray[np.float64] = np.diff(np.log(mid.resample("1min").last().to_numpy()))
    return moves


def test_prices_move_visibly_in_a_minute() -> None:
    """A typical minute moves a price by 0.1 to 0.25 %, which is many spreads."""
    frame = first(simulate("AAPL,MSFT,KO,ACME", rate=1, seed=5), 30)
    for symbol in ("AAPL", "MSFT", "KO", "ACME"):
        typical = minute_moves(frame, symbol).std()
        assert 1.5e-4 * 60**0.5 * 0.9 < typical < 3e-4 * 60**0.5 * 1.1


def test_returns_are_correlated() -> None:
    """Returns of any two symbols correlate by about 0.4."""
    frame = first(simulate("AAPL,MSFT,KO,ACME", rate=1, seed=5), 60)
    moves = [minute_moves(frame, symbol)[:900] for symbol in ("AAPL", "MSFT", "KO", "ACME")]
    pairs = np.corrcoef(moves)[np.triu_indices(4, k=1)]
    assert (pairs > 0.2).all()
    assert (pairs < 0.6).all()


def test_returns_have_no_memory() -> None:
    """A minute does not predict the next: a random walk that continues from block to block."""
    moves = minute_moves(first(simulate("KO", rate=1, seed=9), 60), "KO")
    assert abs(np.corrcoef(moves[1:], moves[:-1])[0, 1]) < 0.05
    assert np.abs(moves).max() < 6 * moves.std()


def test_intervals_are_exponential(market: pd.DataFrame) -> None:
    """Their mean is one over the rate, and their standard deviation equals the mean."""
    for _, one in market.groupby("symbol"):
        gaps = np.diff(one["time"].to_numpy()) / S
        assert (gaps >= 0).all()
        assert gaps.mean() == pytest.approx(1 / 20, rel=0.05)
        assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)


def test_sizes_are_round_lots(market: pd.DataFrame) -> None:
    """Most are one or two lots, few are many; an expensive share has smaller lots."""
    sizes = market.groupby("symbol")["size"]
    for symbol, lot in (("AAPL", 100), ("MSFT", 40)):
        lots = sizes.get_group(symbol).to_numpy() / lot
        assert (lots == np.round(lots)).all()
        assert lots.min() == 1
        assert np.median(lots) <= 2
        assert 10 < lots.max() <= 500


def test_penny_share_stays_above_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bid of a share that falls is at least a cent, below the ask."""
    monkeypatch.setitem(sys.modules["tickerkit.sources.simulate"].__dict__["STARTS"], "DUST", 1e-6)
    frame = first(simulate("DUST", rate=1e-3, seed=1), 3)
    assert frame["bid"].min() == 0.01
    assert (frame["ask"] > frame["bid"]).all()


# --- pacing ---------------------------------------------------------------------------------------


def test_low_rate_sends_each_tick_when_it_is_due() -> None:
    """At 40 ticks per second each tick is sent alone."""
    world = World(until=20)
    world.run(["AAPL", "MSFT"], 20)
    assert len(world.sent) == pytest.approx(800, rel=0.15)
    assert all(batch.count == 1 for _, batch in world.sent)
    assert all(0 <= at - int(batch.time[0]) < 1000 for at, batch in world.sent)


def test_high_rate_sends_batches_every_10_ms() -> None:
    """At 200,000 ticks per second there are about 100 wake-ups per second, none too early."""
    world = World(until=2)
    sent = world.run(["AAPL", "MSFT"], 100_000)
    assert len(sent) == pytest.approx(400_000, rel=0.01)
    # Some wake-ups send two batches: the due ticks may lie in two blocks of the stream.
    assert len(world.sent) < 320
    for at, batch in world.sent:
        assert at - 12_000_000 < int(batch.time[0])
        assert int(batch.time[-1]) <= at
        assert batch.count <= 4096


def test_stall_is_caught_up_exactly() -> None:
    """After three seconds without the machine the due ticks are sent at once, and no others."""
    stalled: list[float] = []

    def late(now: float) -> float:
        if now > 1 and not stalled:
            stalled.append(now)
            return 3.0
        return 0.0

    world = World(until=6, late=late)
    sent = world.run(["AAPL"], 1000)
    woke = min(at for at, _ in world.sent if at > T0 + (stalled[0] + 3) * S)
    caught_up = sum(batch.count for at, batch in world.sent if at == woke)
    due = (sent["time"] > T0 + stalled[0] * S) & (sent["time"] <= woke)
    assert caught_up == pytest.approx(3000, rel=0.1)
    assert abs(caught_up - due.sum()) <= 15
    assert (np.diff(sent["time"]) >= 0).all()
    assert max(batch.count for at, batch in world.sent if at > woke) < 40


@pytest.mark.parametrize("jump_s", [8 * 3600.0, -3600.0])
def test_clock_jump_is_ignored(jump_s: float) -> None:
    """After hours asleep, or with a clock set back, the market continues where it was."""
    world = World(until=1e9)
    sent_before: list[int] = []

    def late(now: float) -> float:
        if now > 2 and not sent_before:
            sent_before.append(len(world.sent))
            world.until = now + jump_s + 5
            return jump_s
        return 0.0

    world.late = late
    sent = world.run(["AAPL"], 50)
    after = sent["time"][sent_before[0] :] - (T0 + (world.until - 5) * S)
    assert sent_before[0] == pytest.approx(100, rel=0.4)
    assert len(after) == pytest.approx(250, rel=0.3)
    assert after.between(0, 5.1 * S).all()


def test_source_wakes_once_a_second_when_idle() -> None:
    """At one tick a day it still notices a clock that is set."""
    world = World(until=100)
    source = SimulatedMarket(["AAPL"], 1e-4, 1, clock=world.clock, sleep=world.sleep)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(source.run(world))
    assert world.sent == []
    assert world.sleeps <= 102


def test_source_uses_the_wall_clock() -> None:
    """By default, ticks come at about the rate and have the time of day."""

    async def some() -> list[Batch]:
        got: list[Batch] = []

        class Out(World):
            async def send(self, ticks: object) -> None:
                assert isinstance(ticks, Batch)
                got.append(ticks)
                if sum(batch.count for batch in got) >= 200:
                    raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await simulate(["AAPL"], rate=2000, seed=1).run(Out(0))
        return got

    before = time.time_ns()
    times = np.concatenate([batch.time for batch in asyncio.run(some())])
    assert before <= times[0]
    assert times[-1] <= time.time_ns()


def test_log_takes_the_ticks() -> None:
    """All columns arrive, text as categories."""
    log = TickLog()
    log.append(next(simulate(["AAPL", "MSFT"], seed=1).ticks()), received=T0)
    frame = log.frame()
    assert set(frame["side"].cat.categories) == {"buy", "sell"}
    assert set(frame["symbol"].cat.categories) == {"AAPL", "MSFT"}
    assert not frame.isna().any().any()


def test_200_000_ticks_per_second_take_less_than_half_a_core() -> None:
    """A million ticks are made in half of the five seconds in which they are due."""
    stream = simulate(["AAPL", "MSFT"], 100_000, seed=1).ticks()
    start = time.process_time()
    for _ in range(1_000_000 // 4096):
        next(stream)
    assert time.process_time() - start < 2.5


# --- arguments ------------------------------------------------------------------------------------


def test_symbols_may_be_a_list_or_text() -> None:
    """Text is split at commas and stripped; the order is kept."""
    assert simulate(" AAPL, MSFT ").symbols == ["AAPL", "MSFT"]
    assert simulate(("MSFT", "AAPL")).symbols == ["MSFT", "AAPL"]
    assert simulate("Ünïcode,🚀,=1+1").symbols == ["Ünïcode", "🚀", "=1+1"]


@pytest.mark.parametrize(
    ("symbols", "problem"),
    [
        ([], "expected a list of symbols"),
        ("", "expected a list of symbols"),
        ("  ", "expected a list of symbols"),
        ("AAPL,,MSFT", "expected a list of symbols"),
        (["AAPL", "AAPL"], "AAPL is in it twice"),
        ([1], "expected a list of symbols"),
        (["A" * 65], "symbol is too long"),
        (["A\n"], "control characters"),
        (None, "expected a list of symbols"),
    ],
)
def test_invalid_symbols_are_refused(symbols: Any, problem: str) -> None:
    """The error has the reason."""
    with pytest.raises(SourceError, match=problem):
        simulate(symbols)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), 1e-9, 1e9, "fast", None])
def test_invalid_rate_is_refused(rate: Any) -> None:
    """The error names the limits."""
    with pytest.raises(SourceError, match=r"Invalid rate=.*1e-05 to 10,000,000"):
        simulate(["AAPL"], rate=rate)


@pytest.mark.parametrize("seed", [-1, 1.5, "x"])
def test_invalid_seed_is_refused(seed: Any) -> None:
    """A seed is a whole number of at least 0."""
    with pytest.raises(SourceError, match=r"Invalid seed=.*a whole number"):
        simulate(["AAPL"], seed=seed)


def test_repr_counts_many_symbols() -> None:
    """It stays short, however many symbols there are."""
    source = simulate([f"S{number}" for number in range(100)], rate=0.5, seed=1)
    assert repr(source) == "<Simulated 100 symbols at 0.5 ticks/s each, seed 1>"


@pytest.mark.parametrize("count", [1, 3, 5000])
def test_first_ticks_are_one_of_each_symbol_in_the_order_given(count: int) -> None:
    """So a list by first ticks is in this order; later ticks are of random symbols."""
    symbols = [f"S{number}" for number in reversed(range(count))]
    batch = next(simulate(symbols, seed=1).ticks())
    column = batch.columns["symbol"]
    first = [column.words[code] for code in column.codes[:count]]
    assert first == symbols[: batch.count]


def test_books_surround_the_quotes_and_change_no_tick() -> None:
    """Each book has the bid and ask of its symbol's newest tick, and levels around them."""
    plain, booked = simulate("AAPL,BTC-USD", seed=3), simulate("AAPL,BTC-USD", 20, 3, 30)
    one, other = next(plain.ticks()), next(booked.ticks())
    for name, column in one.columns.items():
        values = column.codes if isinstance(column, Text) else column
        same = other.columns[name]
        assert np.array_equal(values, same.codes if isinstance(same, Text) else same), name

    async def make() -> list[Levels]:
        booked._begin_run()
        try:
            return booked._complete(other.part(0, 100)).books
        finally:
            booked._end_run()

    books = asyncio.run(make())
    assert [book.symbol for book in books] == ["AAPL", "BTC-USD"]
    codes = other.columns["symbol"].codes[:100]  # type: ignore[union-attr]
    for code, book in enumerate(books):
        row = int(np.flatnonzero(codes == code)[-1])
        for side, name, sign in ((book.bids, "bid", -1), (book.asks, "ask", 1)):
            assert side is not None
            assert side[0, 0] == other.columns[name][row]  # type: ignore[index]
            assert len(side) == 30
            assert (np.diff(sign * side[:, 0]) > 0).all()
            assert (side[:, 1] > 0).all()


def test_levels_of_a_simulation_are_checked() -> None:
    """A log holds at most 1,000 of each side."""
    with pytest.raises(InvalidArgument, match="levels"):
        simulate("AAPL", levels=1001)
