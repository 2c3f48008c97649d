"""Mute subscriptions on a simulated clock: a busy one is found soon, a quiet one is never mute.

The pace is recorded: that of a busy pair, and that of a share through a day, whose longest pause is
71 minutes.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate, cycle, pairwise, takewhile
from pathlib import Path

import pandas as pd
import pytest
from recordings import wire_texts
from simulated_clock import run_simulated
from simulated_source import KEYS, Notes, make_symbols, open_venue
from soaks import soak
from venue_dialects import DIALECTS

from tickerkit.presets import Fetch, Reconnect, Venue, VenueEvent
from tickerkit.presets.files import list_presets, load_preset
from tickerkit.sources.venue import VenueSource

DAY_S = 38_200
QUIET = 20
MUTE_AT_S = 30.0
WITH_PAST_TRADES = [name for name in list_presets() if load_preset(name).backfill is not None]


class WatchedVenue(Venue):
    """Notes which subscriptions are said to be mute, and when."""

    def __init__(self, name: str, symbols: Sequence[str]) -> None:
        super().__init__(load_preset(name), symbols, ("trades", "quotes"), KEYS)
        self.said: list[tuple[float, str]] = []

    def backfilled(
        self, fetch: Fetch, messages: Sequence[str | bytes] | None, now: float
    ) -> list[VenueEvent]:
        events = super().backfilled(fetch, messages, now)
        for each in events:
            if isinstance(each, Reconnect):
                assert self.lives[fetch.symbol, "trades"].status(now) == "mute"
                self.said.append((now, fetch.symbol))
        return events


@cache
def read_busy_pauses(folder: Path) -> list[float]:
    """Return the pauses between the recorded trades of SOLUSDT: four trades a second."""
    [path] = (folder / "frames").glob("bybit_v5-linear-tickers_trade.jsonl.gz")
    frames = [json.loads(text) for text in wire_texts(path)]
    rows = [frame for frame in frames if frame.get("topic") == "publicTrade.SOLUSDT"]
    times = [row["T"] / 1000 for frame in rows for row in frame["data"]]
    return [max(later - earlier, 0.001) for earlier, later in pairwise(times)]


@cache
def read_day(folder: Path) -> list[float]:
    """Return when IBM traded on a day, in seconds since its first trade."""
    path = folder / "ticks" / "lean-ibm-20131008-trade.csv.gz"
    times = pd.read_csv(path, header=None)[0] / 1000
    # Apart by two milliseconds, so that times tell trades apart.
    apart = 0.002 * pd.RangeIndex(len(times)).to_series()
    return ((times - times.iloc[0] - apart).cummax() + apart + 5.0).tolist()


def repeat(pauses: list[float], start: float) -> Iterator[float]:
    """Return times with the same pauses again and again."""
    return accumulate(cycle(pauses), initial=start)


async def mute_a_busy_symbol(
    name: str, begins: bool, recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check that it is said, while many quiet symbols are looked after, too."""
    preset = load_preset(name)
    assert preset.backfill is not None
    # A subscription that has not brought anything is proved mute by three requests; what is known
    # of it from before takes one of them.
    count = QUIET if begins else min(QUIET, int(3 * preset.backfill.requests_per_s))
    busy, *quiet = make_symbols(preset, min(1 + count, preset.sockets[0].symbols_per_socket or 1))
    fake = open_venue(preset, DIALECTS[name], [busy, *quiet], monkeypatch)
    venue, out = WatchedVenue(name, [busy, *quiet]), Notes(preset)
    pauses, day = read_busy_pauses(recorded), read_day(recorded)
    tasks = [asyncio.create_task(VenueSource(venue).run(out))]
    await asyncio.sleep(10.0)  # subscribed
    if not begins:
        fake.mute(busy)
    tasks.append(asyncio.create_task(fake.trade_at(busy, repeat(pauses, fake.loop.time()))))
    for number, symbol in enumerate(quiet):
        times = [each + number + 10.0 for each in day[number :: 3 * QUIET]]
        tasks.append(asyncio.create_task(fake.trade_at(symbol, times)))
    muted_at = fake.loop.time()
    if begins:
        await asyncio.sleep(MUTE_AT_S)
        muted_at = fake.loop.time()
        fake.mute(busy)
    await asyncio.sleep(40.0)
    assert not any(each.done() for each in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [symbol for _, symbol in venue.said] == [busy]
    assert venue.said[0][0] - muted_at < 30.0
    assert fake.violations == []
    assert out.trades[busy][-1] is not None
    out.compare(fake)


@pytest.mark.parametrize("name", WITH_PAST_TRADES)
@pytest.mark.parametrize("begins", [True, False], ids=["stops", "never begins"])
def test_mute_subscription_of_a_busy_symbol_is_said_within_30_s(
    name: str, begins: bool, recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And trades come again, on another connection."""
    random.seed(1)
    run_simulated(mute_a_busy_symbol(name, begins, recorded, monkeypatch))


async def live_a_recorded_day(
    name: str, day_s: float, recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check that nothing is said to be mute, of a symbol with the day's pace and of rarer ones."""
    preset = load_preset(name)
    symbols = make_symbols(preset, 4)
    fake = open_venue(preset, DIALECTS[name], symbols, monkeypatch)
    venue, out = WatchedVenue(name, symbols), Notes(preset)
    tasks = [asyncio.create_task(VenueSource(venue).run(out))]
    for symbol, every in zip(symbols, (1, 10, 100, 1000), strict=True):
        times = takewhile(lambda each: each < day_s, read_day(recorded)[::every])
        tasks.append(asyncio.create_task(fake.trade_at(symbol, times)))
    seen: set[str] = set()
    while fake.loop.time() < day_s:
        await asyncio.sleep(10.0)
        seen |= {life.status(fake.loop.time()) for life in venue.lives.values()}
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert venue.said == []
    assert "mute" not in seen
    assert "quiet" in seen  # else this test proves nothing
    assert fake.accepted == len(preset.sockets)
    assert fake.violations == []
    out.compare(fake)


@pytest.mark.parametrize("name", ["kraken", "bybit", "bybit-linear"])
@pytest.mark.parametrize("day_s", [1200, soak(DAY_S)])
def test_symbol_without_trades_is_never_said_to_be_mute(
    name: str, day_s: int, recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a day with bursts and pauses, of ids that count up, ids that rise, and others."""
    random.seed(1)
    run_simulated(live_a_recorded_day(name, day_s, recorded, monkeypatch))
