"""Mutated messages of venues: no crash, each error is named, and a bad row affects no other row.

The messages are those of the documentation and the recordings. What the machine makes of them goes
into a log, as in a server: a trade's id may be any integer.
"""

from __future__ import annotations

import json
import random
from copy import deepcopy
from itertools import islice, product
from pathlib import Path
from typing import Any

import pytest
from mutations import LEAVES, Mutations, as_message
from recordings import recordings, wire_texts
from soaks import soak
from venue_rows import map_of, rows_of

from tickerkit.errors import BadTick
from tickerkit.fieldmaps import FieldReader
from tickerkit.log import Gaps, TickLog, refuse_excess
from tickerkit.presets import Fetch, Link, Missing, Reconnect, Venue, VenueEvent
from tickerkit.presets.files import list_presets, load_preset
from tickerkit.ticks import Batch

NAMES = list_presets()
FOLDER = Path(__file__).parent / "documented"
DOCUMENTED = {name: json.loads((FOLDER / f"{name}.json").read_text("utf-8")) for name in NAMES}
KEYS = {"key": "K", "secret": "S", "token": "T"}
RECORDED = 100
# What costs the message: NaN and Infinity are not JSON, half a pair of surrogates is not Unicode.
NOT_JSON = ("NaN", "Infinity", '"\\ud800"')
VALUES = [leaf for leaf in LEAVES if json.dumps(leaf) not in NOT_JSON]
WHOLE = -(-1_000_000 // len(NAMES))


def seeds_of(name: str, folder: Path | None) -> list[bytes]:
    """Return messages of a venue: documented ones, and recorded ones if there are any."""
    documented = DOCUMENTED[name]
    messages = [*documented["greetings"], *documented["ends"], *documented["without_rows"]]
    messages += [documented["pong"], documented["ping"]]
    messages += [each["message"] for each in documented["reads"]]
    messages += [each["message"] for case in documented["answers"] for each in case["messages"]]
    seeds = [json.dumps(each).encode() for each in messages]
    word = name.partition("-")[0]
    for path in recordings(folder) if folder is not None else []:
        if path.name.startswith(word):
            seeds += [text.encode() for text in islice(wire_texts(path), RECORDED)]
    return seeds


class Machine:
    """A venue with a log, which takes what happens as a source and a server do."""

    def __init__(self, name: str, rng: random.Random) -> None:
        preset = load_preset(name)
        self.rng = rng
        self.now = 0.0
        self.errors = 0
        self.venue = Venue(preset, preset.symbols.examples, ("trades", "quotes"), KEYS)
        self.log = TickLog(1000)
        self.gaps = Gaps(self.log)
        past = DOCUMENTED[name]["past"]
        seeds = [] if past is None else [json.dumps(past["message"]).encode()]
        self.past = Mutations(seeds, rng)
        self.asked: list[Fetch] = []
        self.links = [self.venue.open(each, 0.0)[0] for each in self.venue.sockets()]

    def take(self, data: str | bytes, link: Link | None = None) -> None:
        """Take a message of a connection; None for any."""
        self.now += 0.001
        self.answer()
        link = link or self.rng.choice(self.links)
        self.handle(self.venue.receive(link, [data], self.now, int(self.now * 1e9)))

    def pass_time(self) -> None:
        """Let time pass, after which a connection ends."""
        self.now += self.rng.choice((0.1, 6.0, 40.0))
        self.handle(self.venue.tick(self.now))
        for number, link in enumerate(self.links):
            link.take_sends(self.now)
            self.handle([*link.tick(self.now)])
            if self.rng.random() < 0.1:
                self.handle(self.venue.close(link, self.now, by_venue=True))
                self.links[number], events = self.venue.open(link.socket, self.now, resumes=True)
                self.handle(events)
        assert all(isinstance(row["status"], str) for row in self.venue.freshness(self.now))

    def answer(self) -> None:
        """Answer the requests that are due: with a mutated answer, or with none."""
        due = [each for each in self.asked if each.at <= self.now]
        self.asked = [each for each in self.asked if each.at > self.now]
        for fetch in due:
            has_answer = self.venue.wants(fetch) and self.rng.random() < 0.8
            messages = [as_message(self.past.next())] if has_answer else None
            self.handle(self.venue.backfilled(fetch, messages, self.now))

    def handle(self, events: list[VenueEvent]) -> None:
        """Take events, as a server does."""
        for event in events:
            match event:
                case Batch():
                    rows_of([event])
                    for error in event.errors:
                        assert isinstance(error, BadTick)
                    self.errors += event.refused
                    self.log.append(refuse_excess(self.log, event), received=0)
                case Missing():
                    self.gaps.miss(event.count, event.reason)
                case Fetch():
                    self.asked.append(event)
                case BadTick():
                    self.errors += 1
                    assert str(event)
                case _:
                    assert isinstance(event, Reconnect) or type(event).__name__ == "Fallback"


def find_recordings() -> Path | None:
    """Return the folder of recorded data; None if there is none."""
    import os

    folder = os.environ.get("TICKERKIT_DATA")
    return None if folder is None else Path(folder)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [150, soak(WHOLE)])
def test_mutated_messages_never_stop_the_machine(name: str, count: int) -> None:
    """Each error is a BadTick; whole messages are read as before, and the log holds what came."""
    rng = random.Random(count)
    machine = Machine(name, rng)
    seeds = seeds_of(name, find_recordings())
    mutations = Mutations(seeds, rng)
    for number in range(count):
        data = as_message(mutations.next())
        try:
            machine.take(data)
            if number % 50 == 0:
                machine.pass_time()
        except Exception as error:
            raise AssertionError(f"message {number}: {data[:1000]!r}") from error
    assert machine.errors
    before = machine.log.stop
    for seed in seeds:
        for link in machine.links:
            machine.take(seed, link)
    assert machine.log.stop > before


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "general"])
@pytest.mark.parametrize("name", NAMES)
def test_bad_row_affects_no_other_row(name: str, typed: bool) -> None:
    """The rows before and after it are read as without it, and its error is named."""
    rng, tried = random.Random(3), 0
    fields = map_of(load_preset(name))
    reads = DOCUMENTED[name]["reads"]
    before = [json.dumps(each["message"]) for each in reads if not each["ticks"]]
    for each, reading in product(reads, fields.readings):
        message = deepcopy(each["message"])
        chains = None if reading.rows is None else reading.rows.walk(message)
        rows = find_list(message, chains[0][-1]) if chains else None
        if rows is None or not isinstance(rows[0], dict | list):
            continue
        good = rows[0]
        for bad in make_bad_rows(good, rng):
            found = []
            for middle in ([], [bad]):
                rows[:] = [good, *middle, good]
                reader = FieldReader(fields, typed=typed)
                reader.read(before)
                found.append(reader.read([json.dumps(message)]))
            expected, read = (rows_of(taken.batches) for taken in found)
            for row in expected:
                assert row in read, bad
                read.remove(row)
            errors = [error for batch in found[1].batches for error in batch.errors]
            assert len(read) + len(errors) <= 1
            assert all(isinstance(error, BadTick) for error in errors)
            tried += 1
    assert bool(tried) == any(reading.rows is not None for reading in fields.readings)


def find_list(tree: Any, row: Any) -> list[Any] | None:
    """Return the list that has a row; None if there is none."""
    if isinstance(tree, list) and any(each is row for each in tree):
        return tree
    inner = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return next((found for each in inner if (found := find_list(each, row)) is not None), None)


def make_bad_rows(good: Any, rng: random.Random) -> list[Any]:
    """Return rows that differ from a good one in a value or a key, or that are no rows at all."""
    bad: list[Any] = list(VALUES)
    for key in good if isinstance(good, dict) else range(len(good)):
        for leaf in rng.sample(VALUES, 4):
            row = deepcopy(good)
            row[key] = leaf
            bad.append(row)
        row = deepcopy(good)
        del row[key]
        bad.append(row)
    return bad


@pytest.mark.parametrize("bad", [1, 25])
def test_refused_row_is_counted_once(bad: int) -> None:
    """Its error is an event, and its batch does not count it again."""
    venue = Venue(load_preset("kraken"), ["BTC/USD"])
    link, _ = venue.open(venue.sockets()[0], 0.0)
    row = {"symbol": "BTC/USD", "side": "buy", "qty": 2.0, "timestamp": "2026-11-23T10:00:00Z"}
    prices = [1.5, *["abc"] * bad]
    rows = [{**row, "price": price, "trade_id": n} for n, price in enumerate(prices, 1)]
    message = json.dumps({"channel": "trade", "type": "update", "data": rows})
    events = venue.receive(link, [message], 1.0, 1)
    refused = sum(each.refused for each in events if isinstance(each, Batch))
    assert refused + sum(isinstance(each, BadTick) for each in events) == bad


def kraken_trade(**values: Any) -> str:
    """Return a message of one trade."""
    row = {"symbol": "BTC/USD", "side": "buy", "qty": 2.0, "price": 1.5, "trade_id": 1, **values}
    row.setdefault("timestamp", "2026-11-23T10:00:00Z")
    return json.dumps({"channel": "trade", "type": "update", "data": [row]})


def test_value_that_is_left_out_of_a_venues_trade_is_counted() -> None:
    """Also when the trade itself is held back or came before."""
    venue, log = Venue(load_preset("kraken"), ["BTC/USD"]), TickLog(100)
    link, _ = venue.open(venue.sockets()[0], 0.0)
    for side in ("neither", {"of": 2}):
        for event in venue.receive(link, [kraken_trade(side=side)], 1.0, 1):
            if isinstance(event, Batch):
                log.append(event, received=1)
    assert len(log) == 1
    assert log.misfits == {"side": 2}


@pytest.mark.parametrize("trade_id", [None, "", "b5a8", 0])
def test_trade_without_a_readable_id_is_not_taken_for_another_one(trade_id: object) -> None:
    """Nothing tells whether it came twice, and it proves nothing about those that are missing."""
    venue = Venue(load_preset("kraken"), ["BTC/USD"])
    link, _ = venue.open(venue.sockets()[0], 0.0)
    ids = [5, trade_id, trade_id, 6]
    events = [
        event
        for number in ids
        for event in venue.receive(link, [kraken_trade(trade_id=number)], 1.0, 1)
    ]
    assert all(isinstance(event, Batch) for event in events)
    assert sum(event.count for event in events) == 4
