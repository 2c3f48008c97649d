"""iterate: a source of any iterable or async iterable of ticks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from peers import Kept

from tickerkit.sources import IterableSource

TICKS = [{"symbol": "AAPL", "price": float(n)} for n in range(5)]


def iterated(items: Any) -> Kept:
    """Iterate to the end; return what came of it."""
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
def test_each_item_is_handed_on_in_order(items: Any) -> None:
    """Lists, iterators, generators and async generators give their items one by one."""
    assert iterated(items).sent == TICKS


def test_items_are_handed_on_as_they_are() -> None:
    """An item may be a tick, several, or JSON text; whether it is one is for the server to say."""
    items = [TICKS[0], TICKS, '{"symbol": "A", "price": 1}', None]
    assert iterated(items).sent == items


def test_an_iterator_that_raises_is_finished() -> None:
    """Its error comes out, after what it gave before."""

    def failing() -> Iterator[object]:
        yield TICKS[0]
        raise ValueError("no more")

    out = Kept()
    with pytest.raises(ValueError, match="no more"):
        asyncio.run(IterableSource(failing()).run(out))
    assert out.sent == TICKS[:1]


def test_an_endless_iterator_can_be_stopped() -> None:
    """One that never waits leaves a moment in which to be cancelled, and is closed."""
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


def test_an_endless_async_iterator_can_be_stopped() -> None:
    """An async generator that never waits is stopped and closed just so."""
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


def test_it_says_what_it_iterates() -> None:
    """The repr names the kind of iterable."""
    assert repr(IterableSource([])) == "ticks of a list"
