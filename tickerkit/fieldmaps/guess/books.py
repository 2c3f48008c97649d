"""Books: the best bid and ask of order books, where each message has a whole book."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tickerkit.fieldmaps.guess.candidates import Candidate
from tickerkit.fieldmaps.guess.places import is_numeric

__all__ = ["find_best"]

PRICES = ("price", "px", "p")
SIZES = ("size", "qty", "quantity", "amount", "sz", "q", "v", "s", "liquidity")


class _Level(NamedTuple):
    """A level of a book: price and size, and where in it they are."""

    price: float
    size: float | None
    price_path: str
    size_path: str


def find_best(rows: Sequence[Candidate]) -> dict[str, str] | None:
    """Return the paths of the best bid and ask and their sizes, as columns; None for no books.

    Where a list is empty, has a level without size, or is not in the order of its prices, only
    changes of a book are sent: its first level is not the best one.
    """
    columns: dict[str, str] = {}
    prices: dict[str, list[float]] = {}
    for side in ("bid", "ask"):
        found = [_best_of(row, side) for row in rows]
        paths = {each[1] for each in found if each is not None}
        if None in found or len(paths) != 1:
            return None
        [(price, size)] = paths
        columns[side] = price
        if size:
            columns[f"{side}_size"] = size
        prices[side] = [each[0] for each in found if each is not None]
    if not all(bid <= ask for bid, ask in zip(prices["bid"], prices["ask"], strict=True)):
        return None
    return columns


def _best_of(row: Candidate, side: str) -> tuple[float, tuple[str, str]] | None:
    """Return the best price of a side, and the paths of price and size."""
    path, items = row.books.get(side, ("", None))
    if not items:
        return None
    is_nested = isinstance(items, list) and isinstance(items[0], list | dict)
    levels = [_read_level(item) for item in (items if is_nested else [items])]
    prices = [each.price for each in levels if each is not None and each.size != 0]
    if len(prices) < len(levels) or prices != sorted(prices, reverse=side == "bid"):
        return None
    best, start = levels[0], f"{path}[0]" if is_nested else path
    assert best is not None
    return best.price, (start + best.price_path, start + best.size_path if best.size_path else "")


def _read_level(item: Any) -> _Level | None:
    if isinstance(item, dict):
        price = next((key for key in PRICES if is_numeric(item.get(key))), None)
        if price is None:
            return None
        size = next((key for key in SIZES if is_numeric(item.get(key))), None)
        quantity = None if size is None else float(item[size])
        return _Level(float(item[price]), quantity, f".{price}", f".{size}" if size else "")
    if not isinstance(item, list) or not item or not is_numeric(item[0]):
        return None
    place = 2 if len(item) == 3 else 1  # Kraken and Bitfinex put a count in between
    if len(item) <= place or not is_numeric(item[place]):
        return _Level(float(item[0]), None, "[0]", "")
    return _Level(float(item[0]), float(item[place]), "[0]", f"[{place}]")
