"""Tests of the judge: what fires depends on the ticks and their order, not on their batches."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
import pytest

from tickerkit.alerts import Fired, Judge, Watch, moves, parse_spec
from tickerkit.log import Gaps, TickLog
from tickerkit.ticks import read_ticks

S = 1_000_000_000
BEGIN_NS = 1_790_000_000 * S


class Market(NamedTuple):
    """A log with its gaps."""

    log: TickLog
    gaps: Gaps


@pytest.fixture
def market() -> Market:
    """Return an empty log and its gaps."""
    log = TickLog(100_000)
    return Market(log, Gaps(log))


def append(market: Market, *values: tuple[float, str, float | None], **more: Any) -> None:
    """Append a tick for each time in seconds, symbol and price."""
    for at_s, symbol, price in values:
        time_ns = BEGIN_NS + round(at_s * S)
        tick = {"symbol": symbol, "time": time_ns, **more}
        tick |= {"bid": 1.0} if price is None else {"price": price}
        market.log.append(read_ticks([tick]), received=time_ns)


def judge(market: Market, cuts: Sequence[int] = (), **spec: Any) -> list[Fired]:
    """Return what an alert fires over all ticks, read in batches that end at these rows."""
    when = spec.get("when")
    found = parse_spec(**spec)
    errors: list[Exception] = []
    watch = Watch(found.make_conditions(when, "rule"), found.symbols, errors.append)
    machine = Judge(market.log, market.gaps, 0)
    machine.watches = [watch]
    fired: list[Fired] = []
    start = 0
    for stop in [*sorted(cuts), market.log.stop]:
        fired += machine.take(market.log.rows(start, stop))
        start = stop
    assert errors == []
    return fired


def seqs(fired: Sequence[Fired]) -> list[int]:
    """Return the seqs of the ticks that fired."""
    return [each.tick.seq for each in fired]


def test_above_fires_on_the_way_up_only(market: Market) -> None:
    """It fires from ≤ to >, once for each time, and never at the first tick."""
    prices = [201, 200, 201, 202, 199, 200, 200.5]
    append(market, *((i, "A", price) for i, price in enumerate(prices)))
    assert seqs(judge(market, above=200)) == [3, 7]
    assert seqs(judge(market, below=200)) == [5]
    assert [each.firing.kind for each in judge(market, above=200, below=200)] == [
        *("above", "below", "above")
    ]


def test_crossing_is_to_the_other_side(market: Market) -> None:
    """A value that touches the level and returns has not crossed it."""
    prices = [200, 199, 200, 199, 200, 201, 200, 200, 201, 199]
    append(market, *((i, "A", price) for i, price in enumerate(prices)))
    for cut in range(10):
        assert seqs(judge(market, [cut], crossing=200)) == [6, 10]


def test_symbols_are_judged_by_themselves(market: Market) -> None:
    """A value is compared with the last one of its own symbol; quotes in between do not count."""
    append(market, (0, "A", 1), (1, "B", 9), (2, "A", None), (3, "B", 1), (4, "A", 9), (5, "C", 9))
    assert [each.tick.symbol for each in judge(market, above=5)] == ["A"]
    assert seqs(judge(market, above=5, symbol="B,C")) == []
    assert seqs(judge(market, below=5, symbol="B")) == [4]


def test_move_measures_from_the_tick_that_fired(market: Market) -> None:
    """A rise of 3 % within the time fires three times for 1 %, and a slow one never."""
    append(market, *((i, "A", 100 * 1.002**i) for i in range(17)))
    assert len(judge(market, move=1, within="10s")) == 3
    assert judge(market, move=1, within="4s") == []
    [fall] = judge(market, move=3.2, within="1min")
    assert fall.firing.text.startswith("rises by 3.25 % within 1 min")


def test_bar_is_judged_when_it_closes(market: Market) -> None:
    """With the first tick of a later bar; what comes late is in no bar."""
    append(market, (0, "A", 1), (1, "A", 9), (5, "A", 1), (6, "A", 9), (7, "A", 2), (9, "A", 9))
    append(market, (3, "A", 0), (10, "A", 1), (11, "A", 0), (15, "A", 0))
    # The closes are 9, 9 and 0: each with the tick of the next bar.
    assert seqs(judge(market, bars="5s", above=5)) == []
    assert seqs(judge(market, bars="5s", below=5)) == [10]
    frames: list[pd.DataFrame] = []

    def keep(bars: pd.DataFrame) -> bool:
        frames.append(bars)
        return len(bars) > 1

    assert seqs(judge(market, bars="5s", when=keep)) == [8]
    assert frames[-1][["open", "high", "low", "close", "ticks"]].to_numpy().tolist() == [
        *([1, 9, 1, 9, 2], [1, 9, 1, 9, 4], [1, 1, 0, 0, 2])
    ]
    assert frames[-1].index[0] == pd.Timestamp(BEGIN_NS, tz="UTC")


def slow_moves(market: Market, percent: float, within_s: int) -> list[int]:
    """Return the seqs of moves, looked for in the plainest way."""
    rows, found = market.log.rows(), []
    windows: dict[int, list[tuple[int, float]]] = {}
    columns = (rows.array(name).tolist() for name in ("symbol", "time", "price", "seq"))
    for code, time_ns, price, seq in zip(*columns, strict=True):
        if price == price:
            window = windows.setdefault(code, [])
            now_ns = max([time_ns, *(moment for moment, _ in window)])
            window.append((now_ns, price))
            window[:] = [each for each in window if each[0] >= now_ns - within_s * S]
            low, high = min(p for _, p in window), max(p for _, p in window)
            if max(price / low - 1, 1 - price / high) * 100 > percent - 1e-9:
                found.append(seq)
                window[:] = [(now_ns, price)]
    return found


def test_moves_are_those_of_the_plainest_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the percentage and the time, and however many values wait to be gone through."""
    market = random_market(3, 600)
    cuts = sorted(random.Random(4).sample(range(600), 100))
    for max_waiting in (10, 65_536):
        monkeypatch.setattr(moves, "MAX_WAITING", max_waiting)
        for percent, within_s in ((1.0, 7), (0.25, 1), (0.5, 900), (2.0, 60)):
            found = judge(market, cuts, move=percent, within=f"{within_s}s")
            assert seqs(found) == slow_moves(market, percent, within_s)


def test_silence_is_noticed_by_the_ticks_of_others(market: Market) -> None:
    """It fires with the last tick of the symbol, once, and again after its next one."""
    append(market, *((i, "A", 1.0) for i in range(3)), *((i, "B", 1.0) for i in range(3, 60)))
    append(market, (60, "A", 1.0), *((i, "B", 1.0) for i in range(61, 100)))
    fired = judge(market, silence="30s")
    assert [(each.tick.symbol, each.tick.seq) for each in fired] == [("A", 3), ("A", 61)]
    assert fired[0].firing.text == "is silent: no tick for 30 s"


def test_own_pace_decides_what_silence_is(market: Market) -> None:
    """A symbol with a tick each 5 s is silent after 100 s, one with ten a second after 10 s."""
    fast = [(i / 10, "fast", 1.0) for i in range(1000)]
    slow = [(i * 5.0, "slow", 1.0) for i in range(20)]
    append(market, *sorted(fast + slow))
    append(market, *((100 + i, "clock", 1.0) for i in range(200)))
    fired = judge(market, silence=True)
    assert [(each.tick.symbol, each.firing.value) for each in fired] == [
        ("fast", 10),
        ("slow", 100),
    ]


def test_clock_stands_still_in_a_gap(market: Market) -> None:
    """That nothing came in a gap says nothing about a symbol."""
    append(market, *((i, "A", 1.0) for i in range(10)), *((i, "B", 1.0) for i in range(10, 20)))
    market.gaps.miss(5, "the server has dropped them")
    append(market, *((i + 500, "B", 1.0) for i in range(15)))
    assert judge(market, silence="30s") == []
    [fired] = judge(market, gap=True)
    assert (fired.tick.seq, fired.firing.value, fired.tick.symbol) == (26, 5, "")
    assert fired.firing.text == "5 ticks are missing: the server has dropped them"


def test_clock_of_this_machine_notices_the_same_silence(market: Market) -> None:
    """Without a later tick the time goes on; a later tick then fires nothing more."""
    append(market, *((i, "A", 1.0) for i in range(3)))
    spec = parse_spec("A", silence="30s")
    machine = Judge(market.log, market.gaps, 0)
    machine.watches = [Watch(spec.make_conditions(None, ""), spec.symbols, print)]
    list(machine.take(market.log.rows()))
    now_ns = BEGIN_NS + 2 * S
    assert machine.wake(now_ns + 30 * S, S) == []
    [fired] = machine.wake(now_ns + 31 * S, S)
    assert (fired.tick.symbol, fired.tick.seq) == ("A", 3)
    append(market, (60, "B", 1.0))
    assert list(machine.take(market.log.rows())) == []


def test_own_condition_fires_where_it_becomes_true(market: Market) -> None:
    """The function judges frames of ticks; its first word on a symbol fires nothing."""
    append(market, *((i, "A", price) for i, price in enumerate([3, 1, 3, 3, 1, 3])))
    assert seqs(judge(market, [2, 3], when=lambda ticks: ticks["price"] > 2)) == [3, 6]


SPECS: list[dict[str, Any]] = [
    {"above": 100.0},
    {"below": 100.0, "symbol": "A,B"},
    {"crossing": 100.0},
    {"move": 1.0, "within": "7s"},
    {"move": 0.5, "within": "900s", "symbol": "A"},
    {"silence": "12s"},
    {"silence": True},
    {"gap": True},
    {"when": lambda ticks: ticks["price"] > 100},
    {"column": "bid", "crossing": 99.0},
    {"bars": "5s", "above": 100.0},
    {"bars": "5s", "crossing": 99.0, "column": "bid", "symbol": "A,B"},
    {"bars": "5s", "move": 1.0, "within": "30s"},
    {"bars": "5s", "when": lambda bars: bars["close"] > bars["close"].rolling(3).mean()},
]


def random_market(seed: int, ticks: int) -> Market:
    """Return a log of five symbols at different paces, with late ticks, quotes, gaps and pauses."""
    chance = random.Random(seed)
    log = TickLog(100_000)
    market = Market(log, Gaps(log))
    price, at_s = dict.fromkeys("ABCDE", 100.0), 0.0
    for _ in range(ticks):
        symbol = chance.choice("AAAAAABBBBCCD")
        at_s += chance.choice([0, 0.001, 0.3, 1]) if chance.random() < 0.995 else 40
        price[symbol] = round(price[symbol] + chance.choice([-0.25, 0, 0.25]), 2)
        moment = at_s - chance.choice([0, 0, 0, 3])
        if chance.random() < 0.1:
            append(market, (moment, symbol, None))
        else:
            append(market, (moment, symbol, price[symbol]), bid=price[symbol] - 1)
        if chance.random() < 0.005:
            market.gaps.miss(3, "lost")
    return market


def test_batches_do_not_matter() -> None:
    """One batch of all ticks, batches of one, and any others fire the same."""
    ticks = 700
    market = random_market(1, ticks)
    some = sorted(random.Random(2).sample(range(ticks), 20))
    for spec in SPECS:
        whole = [repr((each.tick, each.firing[1:6])) for each in judge(market, **spec)]
        assert whole, spec
        for cuts in (range(1, ticks), some):
            found = judge(market, cuts, **spec)
            # As text: NaN equals nothing.
            assert [repr((each.tick, each.firing[1:6])) for each in found] == whole, spec
