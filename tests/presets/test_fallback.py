"""Fallback: another preset is used if it is proved that trades do not come, and only then."""

from __future__ import annotations

import json
import random

import pytest
from soaks import examples, soak

from tickerkit.presets import Fallback, Fetch, Link, Reconnect, Venue, VenueEvent
from tickerkit.presets.files import list_presets, load_preset
from tickerkit.ticks import Batch

SYMBOL = "BTCUSDT"


class World:
    """Binance USD-M with one symbol, and a client that does as its machine wants."""

    def __init__(self, rng: random.Random, *, refuses: bool = False) -> None:
        self.rng = rng
        self.refuses = refuses
        self.now = 0.0
        self.newest = 1000
        self.is_mute = False
        self.got: list[int] = []
        self.mutes = 0  # since the newest live trade
        self.fallback: Fallback | None = None
        self.fetches: list[Fetch] = []
        self.venue = Venue(load_preset("binance-usdm"), [SYMBOL], ("trades",))
        self.link = self.open(resumes=False)

    def open(self, *, resumes: bool) -> Link:
        [socket] = self.venue.sockets()
        link, events = self.venue.open(socket, self.now, resumes=resumes)
        [request] = map(json.loads, link.take_sends(self.now))
        answer = {"error": {"msg": "Invalid"}} if self.refuses else {"result": None}
        self.take(events)
        text = json.dumps({**answer, "id": request["id"]})
        self.take(self.venue.receive(link, [text], self.now, 0))
        return link

    def trade(self, count: int) -> None:
        """Trade; a subscription that is mute brings nothing of it."""
        for _ in range(count):
            self.newest += 1
            if self.is_mute or self.refuses:
                continue
            row = {
                "e": "trade",
                "s": SYMBOL,
                "t": self.newest,
                "p": "1",
                "q": "1",
                "T": 1,
                "m": True,
            }
            text = json.dumps({"stream": "btcusdt@trade", "data": row})
            self.mutes = 0
            self.take(self.venue.receive(self.link, [text], self.now, 0))

    def take(self, events: list[VenueEvent]) -> None:
        for event in events:
            match event:
                case Batch():
                    self.got += event.columns["trade_id"].tolist()  # type: ignore[union-attr]
                case Fetch():
                    self.fetches.append(event)
                case Fallback():
                    self.fallback = event
                    self.mutes += 1
                case Reconnect():
                    self.mutes += 1
                    self.venue.close(self.link, self.now, by_venue=False)
                    self.is_mute = self.rng.random() < 0.5
                    self.link = self.open(resumes=False)

    def pass_time(self, seconds: float, trades_per_s: float) -> None:
        end = self.now + seconds
        while self.now < end and self.fallback is None:
            self.now += 0.5
            self.trade(int(self.rng.random() < trades_per_s / 2))
            self.take(self.venue.tick(self.now))
            for fetch in [each for each in self.fetches if each.at <= self.now]:
                self.fetches.remove(fetch)
                rows = [
                    {"id": each, "price": "1", "qty": "1", "time": 1, "isBuyerMaker": True}
                    for each in range(max(self.newest - 999, 1001), self.newest + 1)
                ]
                self.take(self.venue.backfilled(fetch, [json.dumps(rows)], self.now))


@pytest.mark.parametrize("seeds", [examples(30), soak(100)])
def test_other_preset_is_used_after_two_proofs_that_trades_do_not_come(seeds: int) -> None:
    """A live trade in between cancels the first proof."""
    fallbacks = 0
    for seed in range(seeds):
        rng = random.Random(seed)
        world = World(rng)
        world.is_mute = rng.random() < 0.3
        for _ in range(rng.randint(2, 5)):
            world.pass_time(rng.choice([5.0, 40.0, 120.0]), rng.choice([0.0, 0.2, 1.5]))
            assert world.mutes == 2 if world.fallback else world.mutes < 2, seed
            world.is_mute = world.is_mute or rng.random() < 0.3
        fallbacks += world.fallback is not None
        assert len(set(world.got)) == len(world.got), seed
    assert 0 < fallbacks < seeds


def test_subscription_that_never_brings_a_trade_is_replaced_within_a_minute() -> None:
    """The event names the symbol, and the other preset."""
    world = World(random.Random(1))
    world.rng.random = lambda: 0.4  # type: ignore[method-assign]  # no connection cures it
    world.is_mute = True
    world.pass_time(60.0, 1.0)
    assert world.fallback == ("binance-usdm-agg", SYMBOL, "do not come, though it trades")


def test_refused_subscription_is_replaced_if_its_symbol_trades() -> None:
    """A symbol that does not trade may be an unknown one."""
    world = World(random.Random(1), refuses=True)
    world.pass_time(300.0, 0.0)
    assert world.fallback is None
    world.pass_time(60.0, 1.0)
    assert world.fallback == ("binance-usdm-agg", SYMBOL, "are refused, though it trades")


def test_preset_and_its_fallback_take_the_same_symbols() -> None:
    """And the same keys; a fallback has no fallback of its own."""
    for preset in map(load_preset, list_presets()):
        if preset.fallback is not None:
            other = load_preset(preset.fallback)
            assert (other.symbols, other.keys, other.fallback) == (
                preset.symbols,
                preset.keys,
                None,
            )
