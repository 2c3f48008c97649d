"""Parts: the bars of some trades, as arrays, and the bars that several such make together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tickerkit.ticks import Array

__all__ = ["PartialBars", "Trades", "merge", "aggregate"]

# Up to so many symbols, looking for each is faster than sorting.
FEW = 16


class Trades(NamedTuple):
    """Ticks as arrays of the same length, of which the first is row `start`.

    Codes are into `words`, times in ns; a price of NaN is no trade.
    """

    start: int
    words: list[str]
    codes: Array
    time: Array
    price: Array
    size: Array


class PartialBars(NamedTuple):
    """Bars as arrays of the same length, ascending by code, then by slot.

    A slot is a bar's time in intervals since 1970, `row` that of its first trade.
    """

    codes: Array
    slots: Array
    row: Array
    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array
    ticks: Array


NONE = PartialBars(*(np.empty(0, dtype=kind) for kind in ("i1", "i8", "i8", *5 * ["f8"], "i8")))


def aggregate(trades: Trades, length: int, listed: Array | None) -> PartialBars:
    """Return the bars of trades, of the symbols that are listed."""
    start, _, codes, time, price, size = trades
    there = ~np.isnan(price)
    if listed is not None:
        there &= listed.take(codes)
    order = None if there.all() else np.flatnonzero(there)
    if order is not None:
        codes, time = codes.take(order), time.take(order)
    slots = time // length
    sort, starts = _grouped(codes, slots)
    if not len(starts):
        return NONE
    firsts = starts if sort is None else sort[starts]
    codes, slots = codes[firsts], slots[firsts]
    if sort is not None:
        order = sort if order is None else order.take(sort)
    if order is not None:
        price, size = price.take(order), size.take(order)
    ends = np.append(starts[1:], len(price))
    volume = np.add.reduceat(size, starts)
    if np.isnan(volume).any():
        volume = np.add.reduceat(np.nan_to_num(size, nan=0.0), starts)
    return PartialBars(
        codes,
        slots,
        start + (starts if order is None else order[starts]),
        price[starts],
        np.maximum.reduceat(price, starts),
        np.minimum.reduceat(price, starts),
        price[ends - 1],
        volume,
        ends - starts,
    )


def merge(parts: list[PartialBars]) -> PartialBars:
    """Return the bars that successive parts make together."""
    every = PartialBars(*(np.concatenate(each) for each in zip(NONE, *parts, strict=True)))
    order, starts = _grouped(every.codes, every.slots)
    more = np.ones(len(every.row), dtype=bool)
    more[starts] = False
    rest = np.flatnonzero(more)
    bar = np.searchsorted(starts, rest, side="right") - 1
    if order is not None:
        starts, rest = order[starts], order[rest]
    # Most bars are whole in one part: only what the others have more is put to them.
    made = PartialBars(*(each[starts] for each in every))
    np.maximum.at(made.high, bar, every.high[rest])
    np.minimum.at(made.low, bar, every.low[rest])
    made.close[bar] = every.close[rest]
    np.add.at(made.volume, bar, every.volume[rest])
    np.add.at(made.ticks, bar, every.ticks[rest])
    return made


def _grouped(codes: Array, slots: Array) -> tuple[Array | None, Array]:
    """Return how to sort by code, then slot, equals as they came, and where groups start then.

    The first is None where they are sorted already.
    """
    if not len(codes):
        return None, np.empty(0, dtype=np.intp)
    low, high = int(codes.min()), int(codes.max())
    least, span = int(slots.min()), int(slots.max()) - int(slots.min()) + 1
    if span * (high - low + 1) < 2**63:
        keys = slots - least
    else:
        moments, keys = np.unique(slots, return_inverse=True)
        span = len(moments)
    order = None
    if low != high:
        keys += np.multiply(codes, span, dtype=np.int64) - low * span
        if high - low < FEW:
            order = np.concatenate([np.flatnonzero(codes == c) for c in range(low, high + 1)])
        else:
            order = np.argsort(codes, kind="stable")
    starts = _starts(keys if order is None else keys.take(order))
    firsts = keys[starts if order is None else order[starts]]
    if np.any(firsts[1:] < firsts[:-1]):  # some are late
        order = np.argsort(keys, kind="stable")
        starts = _starts(keys[order])
    return order, starts


def _starts(keys: Array) -> Array:
    """Return where a new group of equal keys starts."""
    new = np.ones(len(keys), dtype=bool)
    np.not_equal(keys[1:], keys[:-1], out=new[1:])
    return np.flatnonzero(new)
