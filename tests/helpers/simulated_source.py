"""A source at a simulated venue: what joins the two, and what notes the ticks that come."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial

import httpx
import pytest
from simulated_venue import Dialect, SimulatedVenue
from venue_rows import rows_of

from tickerkit.presets.preset import Preset
from tickerkit.sources import venue_connection
from tickerkit.ticks import Batch

__all__ = ["KEYS", "Notes", "make_symbols", "open_venue"]

CLIENT = httpx.AsyncClient
KEYS = {"key": "K", "secret": "S", "token": "T"}


class Notes:
    """The outlet of a source.

    Attributes:
        trades: the trades of each symbol in the order in which they came: ids, or times in ms where
            the venue has none that rise; None for a gap.
        quotes: how many quotes of each symbol came.
        gaps: when they were noted, their size and reason.
        errors: what was reported.
    """

    def __init__(self, preset: Preset) -> None:
        self.loop = asyncio.get_running_loop()
        self.has_ids = not preset.trade_ids & {"random", "none"}
        self.trades: dict[str, list[int | None]] = {}
        self.quotes: Counter[str] = Counter()
        self.gaps: list[tuple[float, int | None, str]] = []
        self.errors: list[BaseException] = []

    async def send(self, ticks: object) -> None:
        """Note ticks."""
        assert isinstance(ticks, Batch)
        for row in rows_of([ticks]):
            self.quotes[row["symbol"]] += "bid" in row
            if "price" in row:
                key = row["trade_id"] if self.has_ids else row["time"] // 10**6
                self.trades.setdefault(row["symbol"], []).append(key)

    async def gap(self, count: int | None, reason: str) -> None:
        """Note a gap."""
        self.gaps.append((self.loop.time(), count, reason))
        for each in self.trades.values():
            each.append(None)

    def report(self, error: BaseException) -> None:
        """Note an error."""
        self.errors.append(error)

    def compare(self, fake: SimulatedVenue) -> None:
        """Check that each trade came once, or that a gap stands in its place."""
        for symbol, traded in fake.trades.items():
            came = self.trades.get(symbol, [])
            keys = [number if self.has_ids else time_ns // 10**6 for number, time_ns in traded]
            places = {key: place for place, key in enumerate(came) if key is not None}
            assert len(places) == sum(key is not None for key in came), f"{symbol}: one came twice"
            assert places.keys() <= set(keys)
            if not places:
                continue
            expected = keys[keys.index(min(places)) :]
            for number, key in enumerate(expected):
                if key in places:
                    continue
                before = next(each for each in reversed(expected[:number]) if each in places)
                after = next(each for each in expected[number:] if each in places)
                first, last = sorted((places[before], places[after]))
                assert None in came[first:last], f"{symbol}: {key} is missing in silence"
            assert len(places) > len(expected) / 2


def make_symbols(preset: Preset, count: int) -> list[str]:
    """Return some symbols, as the venue spells them."""
    first, names = preset.symbols.examples[0], [f"S{number}" for number in range(count)]
    if "BTC" not in first.upper():
        return names
    return [first.replace("BTC", each).replace("btc", each.lower()) for each in names]


def open_venue(
    preset: Preset, dialect: Dialect, symbols: list[str], monkeypatch: pytest.MonkeyPatch
) -> SimulatedVenue:
    """Return a simulated venue, to which all connections and requests of sources go."""
    backfill = preset.backfill
    fake = SimulatedVenue(
        dialect,
        symbols,
        is_dense=preset.trade_ids == {"dense"},
        messages_per_s=max(*(each.messages_per_s for each in preset.sockets), 1.0),
        requests_per_s=1.0 if backfill is None else backfill.requests_per_s,
    )
    monkeypatch.setattr(venue_connection, "connect", fake.connect)
    transport = httpx.MockTransport(fake.answer)
    monkeypatch.setattr(httpx, "AsyncClient", partial(CLIENT, transport=transport))
    return fake
