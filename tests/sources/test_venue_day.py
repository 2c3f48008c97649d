"""A day of each venue on a simulated clock: its limits are kept, and planned ends leave no gap."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest
from simulated_clock import run_simulated
from simulated_source import KEYS, Notes, make_symbols, open_venue
from soaks import soak
from venue_dialects import DIALECTS

from tickerkit.presets import Venue
from tickerkit.presets.files import list_presets, load_preset
from tickerkit.sources.venue import VenueSource

DAY_S = 86400
SYMBOLS = 8
TRADE_EVERY_S = 20.0


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
    symbols = make_symbols(preset, SYMBOLS)
    fake = open_venue(preset, dialect, symbols, monkeypatch)
    out = Notes(preset)
    venue = Venue(preset, symbols, ("trades", "quotes"), KEYS)
    tasks = [
        asyncio.create_task(each)
        for each in (fake.trade(TRADE_EVERY_S), VenueSource(venue).run(out))
    ]

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
    assert all("can't connect" in str(error) for error in out.errors)
    reported, breaks = len(out.errors), len(out.gaps)
    accepted, ended = fake.accepted, fake.cuts
    for at in (0.22, 0.28, 0.34):
        await wait_until(at)
        if dialect.notice is not None:
            await fake.announce_end()
    await wait_until(1.4)
    quotes = dict(out.quotes)
    for symbol in symbols:
        fake.trade_once(symbol, symbol)
    await asyncio.sleep(1.0)
    if dialect.quote is not None:
        assert all(out.quotes[symbol] > quotes[symbol] for symbol in symbols)
    assert fake.violations == []
    ends = (dialect.life_s is not None) + 3 * (dialect.notice is not None)
    assert fake.accepted == accepted + ends * len(preset.sockets)
    assert fake.cuts == ended, "a connection was not replaced before its end"
    assert out.errors[reported:] == []
    assert venue.shapes.counts == {}
    assert out.gaps[breaks:] == [], "an end that was planned left a gap"
    rows = venue.freshness(fake.loop.time())
    assert {row["status"] for row in rows} == {"live"}
    assert len(rows) == len(symbols) * (1 if name == "finnhub" else 2)
    out.compare(fake)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("name", list_presets())
@pytest.mark.parametrize("day_s", [1200, soak(DAY_S)])
def test_planned_ends_leave_no_gap_and_limits_are_kept(
    name: str, day_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After breaks without notice each trade came once, or is in a gap; all symbols are live."""
    random.seed(1)
    run_simulated(live_a_day(name, day_s, monkeypatch))
