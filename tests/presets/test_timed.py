"""TimedStream: of trades whose ids are in no order, each comes once, or a gap stands for it."""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np
import pytest
from soaks import examples, soak

from tickerkit.presets.timed import TimedStream
from tickerkit.presets.trades import Fetch, Missing, TradeEvent
from tickerkit.ticks import Batch, Text

MS = 10**6


class Trade(NamedTuple):
    """A trade: its time in ms, its id, and when it was made by the test's clock."""

    time: int
    id: int
    at: float


def batch_of(rows: list[tuple[int, int]], origin: str = "live") -> Batch:
    """Return trades with these times in ms, and ids."""
    count = len(rows)
    codes = np.zeros(count, dtype=np.int32)
    return Batch(
        count,
        np.array([time * MS for time, _ in rows], dtype=np.int64),
        {
            "symbol": Text(codes, ["A"]),
            "price": np.ones(count),
            "size": np.ones(count),
            "trade_id": np.array([each for _, each in rows], dtype=np.int64),
            "origin": Text(codes, [origin]),
        },
    )


def ids_of(event: TradeEvent) -> list[int]:
    """Return the ids of trades."""
    assert isinstance(event, Batch)
    return event.columns["trade_id"].tolist()  # type: ignore[union-attr]


class Venue:
    """A venue with its trades, its REST interface, and what a reader got of them."""

    def __init__(self, rng: random.Random, pages: str) -> None:
        self.rng = rng
        self.pages = pages
        self.page = rng.choice([5, 12, 40, 1000])
        self.lag_s = rng.choice([0.0, 0.0, 0.3, 0.9])
        self.trades: list[Trade] = []
        self.order: dict[int, float] = {}  # REST has the trades of an instant in another order
        self.stream = TimedStream("A", pages=pages, rows_per_page=self.page)
        self.got: list[int] = []
        self.gaps: list[int] = []  # how many trades had come at each gap
        self.fetches: list[Fetch] = []
        self.sent: set[int] = set()
        self.now = 1.0

    def trade(self, count: int) -> list[Trade]:
        """Make trades, some of them in one instant."""
        new = []
        for _ in range(count):
            last = self.trades[-1].time if self.trades else 0
            time = max(last, int(self.now * 1000)) + self.rng.choice([0, 0, 0, 1, 3])
            each = Trade(time, self.rng.getrandbits(60) + 1, self.now)
            self.trades.append(each)
            self.order[each.id] = self.rng.random()
            new.append(each)
        return new

    def take(self, events: list[TradeEvent]) -> None:
        for event in events:
            match event:
                case Batch():
                    self.got += ids_of(event)
                case Fetch():
                    self.fetches.append(event)
                case Missing():
                    assert event.count is None
                    self.gaps.append(len(self.got))

    def live(self, new: list[Trade], origin: str = "live") -> None:
        while new:
            size = self.rng.randint(1, 9)
            part, new = new[:size], new[size:]
            if origin == "live":
                self.sent |= {each.id for each in part}
            batch = batch_of([(each.time, each.id) for each in part], origin)
            self.take(self.stream.receive(batch, self.now))

    def answer(self) -> None:
        """Answer each request for past trades, or fail."""
        for _ in range(200):
            ready = [each for each in self.fetches if each.at <= self.now]
            if not ready:
                return
            fetch = ready[0]
            self.fetches.remove(fetch)
            if self.rng.random() < 0.1:
                self.take(self.stream.backfilled(fetch, None, self.now))
                continue
            seen = [each for each in self.trades if each.at + self.lag_s <= self.now]
            seen = sorted(seen, key=lambda each: (each.time, self.order[each.id]))
            if self.pages == "after":
                since = (fetch.after_ns or 0) // MS
                rows = [each for each in seen if each.time >= since][: self.page]
            else:
                rows = seen[-self.page :]
            batch = batch_of([(each.time, each.id) for each in rows])
            self.take(self.stream.backfilled(fetch, batch, self.now))

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 0.25)
            self.take(self.stream.tick(self.now))
            self.answer()


@pytest.mark.parametrize("pages", ["after", "newest"])
@pytest.mark.parametrize("seeds", [examples(900), soak(5000)])
def test_each_trade_comes_once_or_a_gap_stands_in_its_place(pages: str, seeds: int) -> None:
    """Over disconnects within an instant, doubled trades, snapshots, and REST that fails or lags.

    REST has the trades of one instant in an order of its own, and may end amid one.
    """
    repaired = hidden = 0
    for seed in range(seeds):
        rng = random.Random(seed)
        venue = Venue(rng, pages)
        lost: dict[int, int] = {}  # by id, the newest trade that came before it was lost
        venue.live(venue.trade(rng.randint(1, 12)))
        begin = venue.trades[0].time
        for _ in range(rng.randint(1, 8)):
            match rng.choice(["break", "break", "double", "calm"]):
                case "break":
                    newest = next(t.id for t in reversed(venue.trades) if t.id in venue.sent)
                    gone = venue.trade(rng.choice([0, 0, 1, 2, 5, 30]))
                    lost |= {each.id: newest for each in gone}
                    is_live = rng.random() < 0.5
                    venue.take(venue.stream.resume(venue.now, is_live=is_live))
                    if rng.random() < 0.5:
                        venue.answer()
                    if rng.random() < 0.2:
                        venue.live(venue.trades[-rng.randint(1, 6) :], "snapshot")
                    if rng.random() < 0.7:
                        venue.live(venue.trade(rng.randint(1, 6)))
                    if not is_live:
                        venue.stream.settle(venue.now)
                    venue.answer()
                case "double":
                    new = venue.trade(2)
                    venue.live([*new, *new])
                case _:
                    venue.live(venue.trade(rng.randint(1, 12)))
            if rng.random() < 0.7:
                venue.pass_time(rng.choice([0.5, 2.0, 8.0]))
        venue.live(venue.trade(1))
        venue.pass_time(20.0)

        assert not venue.stream.is_holding, seed
        assert len(set(venue.got)) == len(venue.got), seed  # none twice
        assert venue.sent <= set(venue.got), seed  # what came is never lost
        times = {each.id: each.time for each in venue.trades}
        assert set(venue.got) <= times.keys(), seed
        for each in venue.trades:
            if each.id in venue.got or each.time < begin:
                repaired += each.id in lost and each.id in venue.got
                continue
            hidden += 1
            before = venue.got.index(lost[each.id])
            later = [n for n, other in enumerate(venue.got) if times[other] > each.time]
            after = min((n for n in later if n > before), default=len(venue.got))
            assert any(before < at <= after for at in venue.gaps), (seed, each)
    assert repaired > seeds  # else this test proves nothing
    assert hidden > seeds


def test_trades_of_a_break_come_before_the_live_ones_if_past_trades_overlap() -> None:
    """REST has an instant before the last one, and one after the first live one."""
    stream = TimedStream("A", pages="newest")
    stream.receive(batch_of([(1, 7), (2, 3), (2, 9)]), 0.0)
    [fetch] = stream.resume(1.0)
    assert isinstance(fetch, Fetch)
    assert stream.receive(batch_of([(5, 4), (6, 1)]), 1.1) == []
    page = batch_of([(1, 7), (2, 3), (2, 8), (2, 9), (3, 2), (5, 4), (5, 5), (6, 1)])
    past, live = stream.backfilled(fetch, page, 1.2)
    assert ids_of(past) == [8, 2, 5]
    assert past.columns["origin"].words == ["backfill"]  # type: ignore[union-attr]
    assert ids_of(live) == [4, 1]
    assert (stream.repaired, stream.gaps) == (3, 0)


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ([(2, 9), (5, 4), (6, 1)], "it may begin amid the last instant"),
        ([(1, 7), (2, 3), (5, 4), (6, 1)], "it lacks a trade of the last instant"),
        ([(1, 7), (2, 3), (2, 9), (6, 1), (7, 2)], "it lacks the first live trade"),
        ([(3, 8), (5, 4), (6, 1)], "it begins later"),
    ],
)
def test_past_trades_that_prove_nothing_leave_a_gap(page: list[tuple[int, int]], why: str) -> None:
    """The gap names the instants between which trades may be missing."""
    stream = TimedStream("A", pages="newest")
    stream.receive(batch_of([(1, 7), (2, 3), (2, 9)]), 0.0)
    [fetch] = stream.resume(1.0)
    assert isinstance(fetch, Fetch)
    stream.receive(batch_of([(5, 4)]), 1.1)
    events = [*stream.backfilled(fetch, batch_of(page), 1.2), *stream.tick(9.0)]
    [gap] = [each for each in events if isinstance(each, Missing)]
    assert gap.count is None, why
    assert "between 1970-01-01T00:00:00.002Z and " in gap.reason
    assert ids_of(events[-1]) == [4]


def test_first_live_instant_is_whole_once_rest_had_time_to_take_it() -> None:
    """A page may end within the instant; a page asked for a second later has all of it."""
    stream = TimedStream("A", pages="newest")
    stream.receive(batch_of([(1, 7), (2, 3)]), 0.0)
    [fetch] = stream.resume(1.0)
    stream.receive(batch_of([(5, 4)]), 1.1)
    [again] = stream.backfilled(fetch, batch_of([(1, 7), (2, 3), (5, 4)]), 1.2)  # type: ignore[arg-type]
    assert isinstance(again, Fetch)
    assert again.at == 2.2
    past, live = stream.backfilled(again, batch_of([(1, 7), (2, 3), (5, 6), (5, 4)]), 2.3)
    assert (ids_of(past), ids_of(live)) == ([6], [4])


def test_busy_symbol_is_not_held_back_once_past_trades_can_prove_nothing() -> None:
    """The newest page begins after the break; later ones begin later still."""
    stream = TimedStream("A", pages="newest")
    stream.receive(batch_of([(1, 7)]), 0.0)
    [fetch] = stream.resume(1.0)
    assert isinstance(fetch, Fetch)
    stream.receive(batch_of([(50, 4)]), 1.1)
    events = stream.backfilled(fetch, batch_of([(40, 2), (45, 3), (50, 4)]), 1.2)
    assert [type(each) for each in events] == [Missing, Batch, Batch]


def test_connections_without_a_live_trade_are_one_break() -> None:
    """The past trades from the last live trade to the next one prove that nothing is missing."""
    stream = TimedStream("A", pages="newest")
    stream.receive(batch_of([(1, 7), (2, 3)]), 0.0)
    stream.resume(1.0)
    [fetch] = stream.resume(2.0)
    assert isinstance(fetch, Fetch)
    stream.receive(batch_of([(5, 4)]), 2.1)
    page = batch_of([(1, 7), (2, 3), (3, 2), (5, 4), (6, 1)])
    past, live = stream.backfilled(fetch, page, 2.2)
    assert (ids_of(past), ids_of(live)) == ([2], [4])


def test_trades_whose_ids_repeat_on_another_day_come_each() -> None:
    """A trade is identified by its time and id together."""
    stream = TimedStream("A", pages=None)
    stream.receive(batch_of([(1, 7)]), 0.0)
    [batch] = stream.receive(batch_of([(1, 7), (90, 7)]), 1.0)
    assert batch.time.tolist() == [90 * MS]  # type: ignore[union-attr]
