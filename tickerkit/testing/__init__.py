"""Testing: a simulator of venues, for tests of field maps, presets and notebooks."""

from tickerkit.testing.fake_venue import FakeVenue
from tickerkit.testing.market import Quote, Trade
from tickerkit.testing.rules import Rules

__all__ = ["FakeVenue", "Quote", "Rules", "Trade"]
