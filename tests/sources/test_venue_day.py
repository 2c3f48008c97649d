"""A day of each venue on a simulated clock: its limits are kept, and planned ends leave no gap."""

from __future__ import annotations

import asyncio
import random
import sys
from dataclasses import replace
from functools import partial

import httpx
import pytest
from simulated_clock import run_simulated
from simulated_venue import SimulatedVenue
from soaks import soak
from venue_dialects import DIALECTS
from venue_rows import rows_of

from tickerkit.presets import Venue
from tickerkit.presets.files import list_presets, load_preset
from tickerkit.presets.preset import Preset
from tickerkit.sources import venue_connection
from tickerkit.sources.venue import VenueSource
from tickerkit.ticks import Batch

venue_module = sys.modules[VenueSource.__module__]

DAY_S = 86400
KEYS = {"key": "K", "secret": "S", "token": "T"}
SYMBOLS = 8


class Notes:
    """The outlet of a source: notes what comes, and when."""

    def __init__(self, *, has_ids: bool) -> None:
        self.loop = asyncio.get_running_loop()
        self._has_ids = has_ids
        # In their order: the trades of each symbol, by id or else by time in ms; None for a gap.
        self.trades: dict[str, list[int | None]] = {}
        self.gaps: list[tuple[float, int | None, str]] = []
        self.errors: list[BaseException] = []

    async def send(self, ticks: object) -> None:
        assert isinstance(ticks, Batch)
        for row in rows_of([ticks]):
            if "price" in row:
                key = row["trade_id"] if self._has_ids else row["time"] // 10**6
                self.trades.setdefault(row["symbol"], []).append(key)

    async def gap(self, count: int | None, reason: str) -> None:
        self.gaps.append((self.loop.time(), count, reason))
        for each in self.trades.values():
            each.append(None)

    def report(self, error: BaseException) -> None:
        self.errors.append(error)


def make_symbols(preset: Preset) -> list[str]:
    """Return some symbols, as the venue spells them."""
    first, names = preset.symbols.examples[0], [f"S{number}" for number in range(SYMBOLS)]
    if "BTC" not in first.upper():
        return names
    return [first.replace("BTC", each).replace("btc", each.lower()) for each in names]


async def live_a_day(name: str, day_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a source at a venue: breaks first, then announced ends, then a day until its 24-hour cut.

    A shorter day has shorter lives of connections, too.
    """
    preset, dialect = load_preset(name), DIALECTS[name]
    if dialect.life_s is not None:
        dialect = replace(dialect, life_s=day_s)
        sockets = (replace(each, life_s=day_s) for each in preset.sockets)
        assert all(each.life_s == DAY_S for each in preset.sockets)
        preset = replace(preset, sockets=tuple(sockets))
    symbols = make_symbols(preset)
    backfill = preset.backfill
    fake = SimulatedVenue(
        dialect,
        symbols,
        is_dense=preset.trade_ids == {"dense"},
        messages_per_s=max(*(each.messages_per_s for each in preset.sockets), 1.0),
        requests_per_s=1.0 if backfill is None else backfill.requests_per_s,
        trade_every_s=20.0,
    )
    monkeypatch.setattr(venue_connection, "connect", fake.connect)
    transport = httpx.MockTransport(fake.answer)
    monkeypatch.setattr(httpx, "AsyncClient", partial(httpx.AsyncClient, transport=transport))
    has_ids = not preset.trade_ids & {"random", "none"}
    out = Notes(has_ids=has_ids)
    venue = Venue(preset, symbols, ("trades", "quotes"), KEYS)
    tasks = [asyncio.create_task(each) for each in (fake.trade(), VenueSource(venue).run(out))]

    async def wait_until(day: float) -> None:
        assert not any(each.done() for each in tasks)
        await asyncio.sleep(day * day_s - fake.loop.time())

    for at in (0.05, 0.1):
        await wait_until(at)
        fake.cut()
    await wait_until(0.15)
    fake.is_down = True
    fake.cut()
    await wait_until(0.17)
    fake.is_down = False
    await wait_until(0.22)
    breaks, accepted, ended = len(out.gaps), fake.accepted, fake.cuts
    for at in (0.22, 0.28, 0.34):
        await wait_until(at)
        if dialect.notice is not None:
            await fake.announce_end()
    await wait_until(1.4)
    for symbol in symbols:
        fake.trade_once(symbol, symbol)
    await asyncio.sleep(1.0)
    assert fake.violations == []
    ends = (dialect.life_s is not None) + 3 * (dialect.notice is not None)
    assert fake.accepted == accepted + ends * len(preset.sockets)
    assert fake.cuts == ended, "a connection was not replaced before its end"
    assert out.errors == []
    assert venue.shapes.counts == {}
    assert out.gaps[breaks:] == [], "an end that was planned left a gap"
    rows = venue.freshness(fake.loop.time())
    assert {row["status"] for row in rows} == {"live"}
    assert len(rows) == len(symbols) * (1 if name == "finnhub" else 2)
    compare(fake, out, has_ids=has_ids)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def compare(fake: SimulatedVenue, out: Notes, *, has_ids: bool) -> None:
    """Check that each trade came once, or that a gap stands in its place."""
    for symbol, traded in fake.trades.items():
        came = out.trades[symbol]
        keys = [number if has_ids else time_ns // 10**6 for number, time_ns in traded]
        places = {key: place for place, key in enumerate(came) if key is not None}
        assert len(places) == sum(key is not None for key in came), f"{symbol}: a trade came twice"
        assert places.keys() <= set(keys)
        expected = keys[keys.index(min(places)) :]
        for number, key in enumerate(expected):
            if key in places:
                continue
            before = next(each for each in reversed(expected[:number]) if each in places)
            after = next(each for each in expected[number:] if each in places)
            first, last = sorted((places[before], places[after]))
            assert None in came[first:last], f"{symbol}: {key} is missing in silence"
        assert len(places) > len(expected) / 2


@pytest.mark.parametrize("name", list_presets())
@pytest.mark.parametrize("day_s", [1200, soak(DAY_S)])
def test_planned_ends_leave_no_gap_and_limits_are_kept(
    name: str, day_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After breaks without notice each trade came once, or is in a gap; all symbols are live."""
    random.seed(1)
    run_simulated(live_a_day(name, day_s, monkeypatch))
