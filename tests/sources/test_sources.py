"""Tests of `as_source`: it makes a source of whatever `tk.serve` was given."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tickerkit.errors import SourceError
from tickerkit.sources import (
    IterableSource,
    Outlet,
    PollSource,
    ReplaySource,
    SimulatedMarket,
    SimulatedSensors,
    Source,
    as_source,
    is_websocket_url,
    replay,
    simulate,
)

TICK = {"symbol": "AAPL", "price": 187.25}


class Own(Source):
    """A user's source."""

    async def run(self, out: Outlet) -> None:
        """Make one tick."""
        await out.send(TICK)


async def drip() -> AsyncIterator[dict[str, Any]]:
    """Yield a tick."""
    yield TICK


def drop() -> Iterator[dict[str, Any]]:
    """Yield a tick."""
    yield TICK


async def fetch() -> dict[str, Any]:
    """Return a tick."""
    return TICK


def test_source_is_returned_unchanged() -> None:
    """None stays None, too."""
    source = simulate(["A"])
    assert as_source(source) is source
    own = Own()
    assert as_source(own) is own
    assert as_source(None) is None


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (lambda: TICK, PollSource),
        (fetch, PollSource),
        (TICK, IterableSource),
        ([TICK], IterableSource),
        (iter([TICK]), IterableSource),
        (drop, IterableSource),
        (drop(), IterableSource),
        (drip, IterableSource),
        (drip(), IterableSource),
        (pd.DataFrame([TICK]), ReplaySource),
        ("sim:AAPL,MSFT", SimulatedMarket),
        ("sensors:kitchen,garden", SimulatedSensors),
        ("sim: AAPL , MSFT,", SimulatedMarket),
    ],
)
def test_each_kind_of_value_makes_its_source(given: object, kind: type[Source]) -> None:
    """Functions are polled, iterables iterated, frames replayed."""
    assert type(as_source(given)) is kind


@pytest.mark.parametrize(
    ("text", "is_url"),
    [
        ("ws://127.0.0.1:8000/", True),
        ("wss://host/stream", True),
        ("mqtt://host/home/#", False),
        ("mqtts://host/home/#", False),
        ("events:https://host/stream", False),
        ("kraken:BTC/USD", False),
        ("ticks.csv", False),
    ],
)
def test_address_of_a_websocket_is_distinguished_from_other_sources(
    text: str, is_url: bool
) -> None:
    """So that `tk.live` and `tickerkit record` connect to it, and serve the others."""
    assert is_websocket_url(text) is is_url


def test_every_is_the_interval_of_a_poll() -> None:
    """A function is polled at the given interval."""
    source = as_source(lambda: TICK, every=2.5)
    assert isinstance(source, PollSource)
    assert source.every == 2.5


@pytest.mark.parametrize("name", ["ticks.csv", "ticks"])
def test_path_is_replayed(name: str, tmp_path: Path) -> None:
    """A path or its text, with or without a suffix."""
    path = tmp_path / name
    path.write_text("symbol,price\nAAPL,1\n")
    for given in (path, str(path)):
        source = as_source(given)
        assert isinstance(source, ReplaySource)
        assert source.path == path


def test_folder_is_replayed(tmp_path: Path) -> None:
    """A path or its text."""
    (tmp_path / "ticks.csv").write_text("symbol,price\nAAPL,1\n")
    for given in (tmp_path, str(tmp_path)):
        assert isinstance(as_source(given), ReplaySource)


def test_missing_recording_is_named(tmp_path: Path) -> None:
    """The error has the absolute path."""
    with pytest.raises(SourceError, match="there is no file at"):
        as_source(str(tmp_path / "missing.csv"))
    with pytest.raises(SourceError, match="there is no file at"):
        as_source(tmp_path / "missing")


@pytest.mark.parametrize("given", [17, 1.5, True, b"bytes", object(), dict, Own, "nonsense", ""])
def test_other_values_are_refused(given: object) -> None:
    """The error shows the value, and lists the accepted kinds."""
    with pytest.raises(SourceError, match=r"can't be a source of ticks: .*sim:AAPL,MSFT") as caught:
        as_source(given)
    assert caught.value.source is given


def test_simulation_without_symbols_is_refused() -> None:
    """`sim:` alone has no symbols."""
    with pytest.raises((SourceError, ValueError)):
        as_source("sim:")


@pytest.mark.parametrize(
    "source",
    [
        simulate(["A"], seed=1),
        replay(pd.DataFrame([TICK])),
        PollSource(drop, 1),
        IterableSource([TICK]),
    ],
)
def test_source_can_be_pickled_before_it_runs(source: Source) -> None:
    """Also a generator function, whose generator can't be pickled."""
    assert repr(pickle.loads(pickle.dumps(source))) == repr(source)
    again = pickle.loads(pickle.dumps(as_source(drop)))
    assert list(again.items) == [TICK]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("krakn:BTC/USD", "knows no venue 'krakn'; did you mean 'kraken:BTC/USD'?"),
        ("Kraken:BTC/USD", "knows no venue 'Kraken'; did you mean 'kraken:BTC/USD'?"),
        ("kraken", "the venue's symbols are missing; add them, as in 'kraken:BTC/USD'"),
        ("kraken:", "the venue's symbols are missing; add them, as in 'kraken:BTC/USD'"),
        ("ccxt:mexc", "the venue's symbols are missing; add them, as in 'ccxt:mexc:BTC/USD'"),
    ],
)
def test_venue_that_is_misspelt_is_told_from_a_recording(given: str, text: str) -> None:
    """The error proposes what was meant."""
    with pytest.raises(SourceError) as caught:
        as_source(given)
    assert text in str(caught.value)
