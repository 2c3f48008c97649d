"""Saving: a machine continues as another one, from any moment on."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import numpy as np
import pytest
from venue_rows import rows_of

from tickerkit.presets import Fetch, Venue, VenueEvent
from tickerkit.presets.files import list_presets, load_preset
from tickerkit.presets.preset import parse_preset
from tickerkit.presets.saving import Saver, write_preset
from tickerkit.presets.venue import SAVED
from tickerkit.testing import FakeVenue
from tickerkit.ticks import Batch, Text

# What a venue is given, and what belongs to its connections.
GIVEN = {"preset", "symbols", "channels", "keys", "_wanted", "_ids", "shapes", "links", "_ready"}


def test_all_that_a_venue_knows_is_saved() -> None:
    """A new attribute is among the saved ones, or among those that it is given."""
    assert set(vars(Venue(load_preset("kraken"), ["BTC/USD"]))) == {*SAVED, *GIVEN}


def test_all_that_a_connection_knows_is_saved() -> None:
    """A new attribute of a link is among the saved ones, or it belongs to this moment only."""
    venue = Venue(load_preset("bitfinex"), ["tBTCUSD"])
    link, _ = venue.open(venue.sockets()[0], 0.0)
    saved = {"has_rows", "_machine", "_books", "_number", "_steps", "_single", "_confirmed"}
    saved |= {"_asked_at", "_asks", "_sent", "_outbox"}
    given = {"socket", "reads_trades", "_wanted", "_events", "_newest", "_depth", "_wants_books"}
    given |= {"_quotes_by_book", "_quotes_by_levels"}
    # They decide when to connect again, which is recorded.
    times = {"_began", "_heard_at", "_now", "_ping_at", "_has_moved"}
    assert set(vars(link)) == saved | given | times


def test_what_a_connection_said_before_is_known_later() -> None:
    """Channel numbers and the order book of Bitfinex, and the newest rows of a map that merges."""
    venue = Venue(load_preset("bitfinex"), ["tBTCUSD"])
    other = Venue(venue.preset, ["tBTCUSD"])
    [socket] = venue.sockets()
    link, _ = venue.open(socket, 0.0)
    begin = [
        {"event": "subscribed", "channel": "trades", "chanId": 17, "symbol": "tBTCUSD"},
        {"event": "subscribed", "channel": "book", "chanId": 18, "symbol": "tBTCUSD"},
        [18, [[100.0, 1, 2.0], [101.0, 1, -3.0]], 1],
    ]
    venue.receive(link, [json.dumps(each) for each in begin], 1.0, 1)
    saved = json.loads(msgspec.json.encode([venue.save(), link.save()]))
    other.restore(saved[0])
    again, _ = other.open(socket, 0.0)
    again.restore(saved[1])
    later = [[17, "te", [7, 1723161255342, -0.5, 100.5], 2], [18, [100.5, 1, 1.0], 3]]
    texts = [json.dumps(each) for each in later]
    found = show(venue.receive(link, texts, 2.0, 2))
    assert show(other.receive(again, texts, 2.0, 2)) == found
    rows = [row for batch in found for row in batch]  # type: ignore[attr-defined]
    assert [row.get("price", row.get("bid")) for row in rows] == [100.5, 100.5]


def test_values_of_any_kind_come_back() -> None:
    """Over JSON: also infinities, keys that are no text, and columns with missing values."""
    columns = {"price": np.array([1.5, np.nan]), "trade_id": np.array([2**60, 0])}
    batch = Batch(2, np.array([1, -5]), {**columns, "symbol": Text(np.array([0, -1]), ["A"])})
    value: dict[Any, Any] = {
        ("A", 1): {1, 2},
        7: [float("inf"), None, True],
        "b": (frozenset(), batch),
    }
    saver = Saver(())
    found = saver.restore(json.loads(msgspec.json.encode(saver.save(value))))
    [before], [after] = [[each["b"][1]] for each in (value, found)]
    assert rows_of([after]) == rows_of([before])
    assert after.columns["trade_id"].tolist() == [2**60, 0]
    assert {**found, "b": 0} == {**value, "b": 0}
    with pytest.raises(TypeError, match="Random"):
        saver.save(random.Random(1))
    with pytest.raises(KeyError):
        saver.restore({"~": "system", "value": {}})


@pytest.mark.parametrize("name", list_presets())
def test_each_preset_is_written_as_it_was(name: str) -> None:
    """Also with other limits."""
    preset = load_preset(name)
    table = json.loads(json.dumps(write_preset(preset)))
    assert parse_preset(table) == preset


def show(events: list[VenueEvent]) -> list[object]:
    """Return events in a form that can be compared."""
    return [rows_of([each]) if isinstance(each, Batch) else str(each) for each in events]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", ["dense", "unique", "random"])
def test_restored_machine_continues_as_the_saved_one(name: str, seed: int) -> None:
    """After live trades, holes, breaks and answers of REST, saved at a random moment."""
    rng = random.Random(seed)
    preset = FakeVenue(name).preset
    venue, other = Venue(preset, ["AAA"]), None
    [socket] = venue.sockets()
    link, _ = venue.open(socket, 0.0)
    links = [link]
    now, number, switch = 0.0, 1000, rng.randrange(10, 60)
    fetches: list[Fetch] = []
    compared = 0
    for step in range(90):
        now += rng.choice([0.01, 0.3, 2.0])
        machines = [venue] if other is None else [venue, other]
        if step == switch:
            saved = json.loads(msgspec.json.encode([venue.save(), link.save()]))
            other = Venue(preset, ["AAA"])
            other.restore(saved[0])
            links = [link, other.open(socket, 0.0)[0]]
            links[1].restore(saved[1])
            continue
        kind = rng.random()
        if kind < 0.15:
            ends = [
                m.close(each, now, by_venue=True) for m, each in zip(machines, links, strict=True)
            ]
            opened = [m.open(socket, now, resumes=True) for m in machines]
            links = [each for each, _ in opened]
            link = links[0]
            found = [[*end, *events] for end, (_, events) in zip(ends, opened, strict=True)]
            sends = [each.take_sends(now) for each in links]
            assert sends[0] == sends[-1]
        elif kind < 0.3 and fetches:
            fetch = fetches.pop(0)
            first = number - rng.randrange(1, 30)
            rows = [trade(name, each) for each in range(first, number)]
            text = None if rng.random() < 0.3 else [json.dumps(rows)]
            found = [m.backfilled(fetch, text, now) for m in machines]
        elif kind < 0.45:
            found = [m.tick(now) for m in machines]
        else:
            number += rng.choice([0, 0, 0, 3])
            number += 1
            text = [
                json.dumps({"type": "trades", "symbol": "AAA", "trades": [trade(name, number)]})
            ]
            found = [m.receive(each, text, now, 5) for m, each in zip(machines, links, strict=True)]
        fetches += [each for each in found[0] if isinstance(each, Fetch)]
        assert show(found[0]) == show(found[-1])
        compared += len(found) == 2 and bool(found[0])
        assert venue.freshness(now) == machines[-1].freshness(now)
    assert compared > 5


def trade(name: str, number: int) -> dict[str, Any]:
    """Return a trade as the made-up venue writes it."""
    trade_id: Any = number * 7919 % 100_003 if name == "random" else number
    return {"id": trade_id, "price": 1.0, "size": 1.0, "time": number * 10**6, "side": "buy"}


@pytest.mark.parametrize("kind", ["U100", "S9", "complex128", "no-type"])
def test_array_of_large_items_is_refused(kind: str) -> None:
    """A file may ask for texts of gigabytes; only numbers are saved."""
    saved = {"~": "array", "value": [kind, ["1"]]}
    with pytest.raises(TypeError):
        Saver(()).restore(saved)
