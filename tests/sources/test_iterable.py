"""Tests of iterable: a source of any iterable or async iterable of ticks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from peers import Kept

from tickerkit.sources import IterableSource

TICKS = [{"symbol": "AAPL", "price": float(n)} for n in range(5)]


def iterated(items: Any) -> Kept:
    """Run a source of the items to its end; return what it sent."""
    out = Kept()
    out.run(IterableSource(items))
    return out


async def drip() -> AsyncIterator[dict[str, Any]]:
    """Yield the ticks, with a pause before each."""
    for tick in TICKS:
        await asyncio.sleep(0)
        yield tick


@pytest.mark.parametrize(
    "items", [TICKS, tuple(TICKS), iter(TICKS), (tick for tick in TICKS), drip()]
)
def test_items_are_sent_in_order(items: Any) -> None:
    """Lists, iterators, generators and async generators work."""
    assert iterated(items).sent == TICKS


def test_items_are_sent_unchanged() -> None:
    """An item may be a tick, several, or JSON text; the server decides whether it is valid."""
    items = [TICKS[0], TICKS, '{"symbol": "A", "price": 1}', None]
    assert iterated(items).sent == items


def test_iterator_that_raises_ends_the_source() -> None:
    """The error is raised after the items before it were sent."""

    def failing() -> Iterator[object]:
        yield TICKS[0]
        raise ValueError("no more")

    out = Kept()
    with pytest.raises(ValueError, match="no more"):
        asyncio.run(IterableSource(failing()).run(out))
    assert out.sent == TICKS[:1]


def test_endless_iterator_can_be_cancelled() -> None:
    """The generator is closed."""
    closed: list[bool] = []

    def endless() -> Iterator[object]:
        try:
            while True:
                yield TICKS[0]
        finally:
            closed.append(True)

    out, source = Kept(100), IterableSource(endless())
    out.run(source)
    assert len(out.sent) == 100
    assert closed == [True]


def test_endless_async_iterator_can_be_cancelled() -> None:
    """The async generator is closed."""
    closed: list[bool] = []

    async def endless() -> AsyncIterator[object]:
        try:
            while True:
                yield TICKS[0]
        finally:
            closed.append(True)

    out, source = Kept(100), IterableSource(endless())
    out.run(source)
    assert len(out.sent) == 100
    assert closed == [True]


def test_repr_names_the_iterable() -> None:
    """It has the type of the iterable."""
    assert repr(IterableSource([])) == "ticks of a list"
