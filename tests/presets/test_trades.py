"""TradeStream: each trade exactly once, or in a gap that names it."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
from soaks import examples, soak

from tickerkit.presets.trades import Fetch, Missing, TradeEvent, TradeStream
from tickerkit.ticks import Batch, Text


def trades(ids: list[int]) -> Batch:
    """Return trades with these ids."""
    count = len(ids)
    return Batch(
        count,
        np.array(ids, dtype=np.int64) * 1000,
        {
            "symbol": Text(np.zeros(count, dtype=np.int32), ["A"]),
            "price": np.array(ids, dtype=np.float64),
            "size": np.ones(count),
            "trade_id": np.array(ids, dtype=np.int64),
        },
    )


class Venue:
    """A venue with its trades, its REST interface, and what a reader got of them."""

    def __init__(self, rng: random.Random, *, dense: bool, pages: str | None, reach: int) -> None:
        self.rng = rng
        self.dense = dense
        self.pages = pages
        self.reach = reach
        self.ids: list[int] = []
        self.stream = TradeStream("A", is_dense=dense, pages=pages)
        self.got: list[int] = []
        self.gaps: list[tuple[int, int]] = []
        self.unknown: list[int] = []  # how many trades had come at each gap of unknown size
        self.fetches: list[Fetch] = []
        self.now = 0.0
        self.lag, self.lag_until = 0, 0.0
        self.sent: set[int] = set()

    def trade(self, count: int) -> list[int]:
        """Make trades; return their ids."""
        new = []
        for _ in range(count):
            step = 1 if self.dense else self.rng.choice([1, 1, 2, 5])
            self.ids.append((self.ids[-1] if self.ids else 1000) + step)
            new.append(self.ids[-1])
        return new

    def take(self, events: list[TradeEvent]) -> None:
        for event in events:
            match event:
                case Batch():
                    self.got += event.columns["trade_id"].tolist()  # type: ignore[union-attr]
                case Fetch():
                    self.fetches.append(event)
                case Missing(count=None):
                    self.unknown.append(len(self.got))
                case Missing():
                    first, last = (
                        re.findall(r"\d+", event.reason)[0],
                        re.findall(r"\d+", event.reason)[-1],
                    )
                    assert int(last) - int(first) + 1 == event.count
                    self.gaps.append((int(first), int(last)))

    def live(self, ids: list[int]) -> None:
        while ids:
            size = self.rng.randint(1, 9)
            part, ids = ids[:size], ids[size:]
            self.sent |= set(part)
            self.take(self.stream.receive(trades(part), self.now))

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
            lag = self.lag if self.now < self.lag_until else 0
            seen = self.ids[: len(self.ids) - lag] if lag else self.ids
            seen = seen[-self.reach :]
            page = 10
            if self.pages == "after":
                rows = [each for each in seen if each > fetch.after][:page]
            elif self.pages == "before" and fetch.before is not None:
                rows = [each for each in seen if each < fetch.before][-page:]
            else:
                rows = seen[-page:]
            self.take(self.stream.backfilled(fetch, trades(rows), self.now))

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 0.5)
            self.take(self.stream.tick(self.now))
            self.answer()


@pytest.mark.parametrize("pages", ["after", "before", "newest", None])
@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("seeds", [examples(900), soak(5000)])
def test_each_trade_comes_once_or_is_in_a_gap(dense: bool, pages: str | None, seeds: int) -> None:
    """Over disconnects, holes, doubled and late trades, and REST that fails, lags or ends early."""
    for seed in range(seeds):
        rng = random.Random(seed)
        venue = Venue(rng, dense=dense, pages=pages, reach=rng.choice([5, 12, 40, 1000]))
        lost: dict[int, int] = {}  # by id, the newest trade that came before it was lost
        venue.live(first := venue.trade(rng.randint(1, 12)))
        begins = first[0]
        for _ in range(rng.randint(1, 8)):
            match rng.choice(["break", "hole", "double", "late", "calm"]):
                case "break":
                    newest = max(venue.sent)
                    lost |= dict.fromkeys(venue.trade(rng.choice([0, 0, 1, 5, 30])), newest)
                    venue.take(venue.stream.resume(venue.now))
                    venue.lag, venue.lag_until = rng.choice([0, 0, 1, 3]), venue.now + 2.0
                    if rng.random() < 0.7:
                        venue.live(venue.trade(rng.randint(1, 6)))
                    venue.answer()
                case "hole":
                    new = venue.trade(rng.randint(3, 9))
                    gone = new[1 : rng.randint(2, len(new) - 1)]
                    venue.live([each for each in new if each not in gone])
                case "double":
                    new = venue.trade(2)
                    venue.live([*new, *new])
                case "late":
                    new = venue.trade(3)
                    venue.live([new[0], new[2], new[1]])
                case _:
                    venue.live(venue.trade(rng.randint(1, 12)))
            if rng.random() < 0.6:
                venue.pass_time(rng.choice([0.5, 2.0, 8.0]))
        venue.live(venue.trade(1))
        venue.pass_time(20.0)

        assert len(set(venue.got)) == len(venue.got), seed  # none twice
        missing = {each for each in venue.ids if each >= begins} - set(venue.got)
        listed = {each for first, last in venue.gaps for each in range(first, last + 1)}
        if dense:
            assert not listed & set(venue.got), seed  # no false gap
            assert missing == listed or venue.unknown, seed
        assert venue.sent <= set(venue.got), seed  # what came is never lost
        for trade_id in missing & lost.keys():
            if not dense:
                # A break of which trades are missing has a gap of unknown size: after what had come
                # before, and before what came later.
                before = venue.got.index(lost[trade_id])
                after = min(n for n, each in enumerate(venue.got) if each > trade_id)
                assert any(before < at <= after for at in venue.unknown), seed


def test_trades_of_a_break_come_in_order_before_the_live_ones() -> None:
    """Live trades are held back while REST is asked."""
    stream = TradeStream("A", is_dense=True, pages="after")
    assert len(stream.receive(trades([1, 2]), 0.0)) == 1
    [fetch] = stream.resume(1.0)
    assert stream.receive(trades([6, 7]), 1.1) == []
    [batch] = stream.backfilled(fetch, trades([3, 4, 5, 6]), 1.2)  # type: ignore[arg-type]
    assert batch.columns["trade_id"].tolist() == [3, 4, 5, 6, 7]  # type: ignore[union-attr]
    origin = batch.columns["origin"]  # type: ignore[union-attr]
    assert [origin.words[code] if code >= 0 else "live" for code in origin.codes] == [
        *["backfill"] * 3,
        *["live"] * 2,
    ]
    assert stream.repaired == 3


def test_trades_that_rest_has_not_are_a_gap_with_their_ids() -> None:
    """The gap lies where the trades would have been."""
    stream = TradeStream("A", is_dense=True, pages="newest")
    stream.receive(trades([1, 2]), 0.0)
    [fetch] = stream.resume(1.0)
    stream.receive(trades([9]), 1.1)
    gap, batch = stream.backfilled(fetch, trades([6, 7, 8]), 1.2)  # type: ignore[arg-type]
    assert gap == Missing("A", 3, "A trades 3 to 5 did not come")
    assert batch.columns["trade_id"].tolist() == [6, 7, 8, 9]  # type: ignore[union-attr]


def test_trades_without_dense_ids_come_in_order_where_rest_begins_after_live_ones() -> None:
    """The gap lies before the first live trade, whatever REST still has of the later ones."""
    stream = TradeStream("A", is_dense=False, pages="newest")
    stream.receive(trades([10, 12]), 0.0)
    [fetch] = stream.resume(1.0)
    assert stream.receive(trades([30, 31, 35, 37]), 1.1) == []
    stream.backfilled(fetch, trades([35, 37, 38]), 1.2)  # type: ignore[arg-type]
    stream.receive(trades([38, 39]), 1.3)
    gap, batch = stream.tick(9.0)
    assert gap.count is None  # type: ignore[union-attr]
    assert gap.reason.endswith("between 12 and 30")  # type: ignore[union-attr]
    assert batch.columns["trade_id"].tolist() == [30, 31, 35, 37, 38, 39]  # type: ignore[union-attr]


def test_connections_without_a_live_trade_are_one_break() -> None:
    """The past trades from the last live trade to the next one prove that nothing is missing."""
    stream = TradeStream("A", is_dense=False, pages="newest")
    stream.receive(trades([10, 12]), 0.0)
    stream.resume(1.0)
    [fetch] = stream.resume(2.0)
    stream.receive(trades([30]), 2.1)
    [batch] = stream.backfilled(fetch, trades([10, 12, 20, 30]), 2.2)  # type: ignore[arg-type]
    assert batch.columns["trade_id"].tolist() == [20, 30]  # type: ignore[union-attr]


def test_column_of_two_kinds_keeps_the_first() -> None:
    """A venue may send text where REST has a number: the trades come all the same."""
    stream = TradeStream("A", is_dense=True, pages="after")
    stream.receive(trades([1, 2]), 0.0)
    [fetch] = stream.resume(1.0)
    live, past = trades([5, 6]), trades([3, 4])
    live.columns["kind"] = Text.of(["MARKET", "ADL"])
    past.columns["kind"] = np.array([1.0, 2.0])
    stream.receive(live, 1.1)
    [batch] = stream.backfilled(fetch, past, 1.2)  # type: ignore[arg-type]
    assert batch.columns["trade_id"].tolist() == [3, 4, 5, 6]  # type: ignore[union-attr]
    kinds = batch.columns["kind"]  # type: ignore[union-attr]
    assert [kinds.words[code] if code >= 0 else None for code in kinds.codes] == [
        *[None] * 2,
        *["MARKET", "ADL"],
    ]


def test_integers_become_floats_where_live_trades_have_floats() -> None:
    """A number beyond 2**53 makes the column of past trades one of integers; 0 stands for none."""
    stream = TradeStream("A", is_dense=True, pages="after")
    stream.receive(trades([1]), 0.0)
    [fetch] = stream.resume(1.0)
    live, past = trades([4]), trades([2, 3])
    live.columns["offset"] = np.array([7.0])
    past.columns["offset"] = np.array([2**60, 0])
    stream.receive(live, 1.1)
    [batch] = stream.backfilled(fetch, past, 1.2)  # type: ignore[arg-type]
    np.testing.assert_equal(batch.columns["offset"], [2.0**60, np.nan, 7.0])  # type: ignore[union-attr]


def test_request_for_trades_that_were_given_up_is_not_wanted() -> None:
    """It would only hold back the requests for later ones."""
    stream = TradeStream("A", is_dense=True, pages="after")
    _, fetch = stream.receive(trades([1, 2, 5]), 0.0)
    assert isinstance(fetch, Fetch)
    assert stream.wants(fetch)
    assert stream.tick(9.0) == [Missing("A", 2, "A trades 3 to 4 did not come")]
    assert not stream.wants(fetch)
