"""Levels: reads the bids and asks of an order book in a tick."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from tickerkit.errors import BadTick
from tickerkit.limits import MAX_INT64, MAX_LEVELS
from tickerkit.ticks.batch import NO_LEVELS, Side
from tickerkit.ticks.fields import read_number

__all__ = ["SIDES", "best_of", "is_levels", "read_side"]

# The fields of a tick that have levels.
SIDES = ("bids", "asks")
LEVEL_FIX = "send each level as [price, size]"
# The types of numbers, and the characters of numeric text, that numpy converts as `read_number`.
PLAIN_TYPES = {float, int, str}
PLAIN_CHARACTERS = frozenset("0123456789+-.eE")


def is_levels(value: object) -> bool:
    """Return whether the value of a field `bids` or `asks` is levels, and not a column's value."""
    return isinstance(value, list | tuple | np.ndarray)


def read_side(name: str, given: Sequence[Any] | npt.NDArray[Any]) -> tuple[Side, int]:
    """Return the levels of one side, the best first, and how many were too many.

    Levels of size 0 are left out. Of two levels with one price the later one counts. Beyond
    `MAX_LEVELS` the worst are left out.

    Args:
        name: "bids" or "asks".
        given: the levels: `[price, size]` each, in any order, numbers or numeric text; what follows
            the size is ignored.

    Raises:
        BadTick: a level is invalid; the error names the field and its place, such as `bids[3]`.

    Example:
        >>> read_side("bids", [[187.2, 100], [187.25, "300"]])[0].tolist()
        [[187.25, 300.0], [187.2, 100.0]]
    """
    if len(given) == 0:
        return NO_LEVELS, 0
    found = _convert(given)
    levels = _convert_one_by_one(name, given) if found is None else found
    levels = levels[levels[:, 1] > 0]
    keys = levels[:, 0] if name == "asks" else -levels[:, 0]
    if not (keys[1:] > keys[:-1]).all():
        # The last one first, so that of equal prices `unique` takes the one that was given last.
        levels, keys = levels[::-1], keys[::-1]
        levels = levels[np.unique(keys, return_index=True)[1]]
    kept = levels[:MAX_LEVELS]
    return kept, len(levels) - len(kept)


def best_of(side: Side | None) -> tuple[float | None, float | None]:
    """Return the price and the size of the best level; None if there is none."""
    if side is None or not len(side):
        return None, None
    price, size = side[0].tolist()
    return price, size


def _convert(given: Sequence[Any] | npt.NDArray[Any]) -> Side | None:
    """Return levels as an array, shape (levels, 2); None if one needs a closer look.

    Why not one by one at once? A book of 1,000 levels would take a millisecond instead of a tenth.
    """
    try:
        if not isinstance(given, np.ndarray):
            pairs = [(level[0], level[1]) for level in given if type(level) in (list, tuple)]
            types = set(map(type, chain.from_iterable(pairs)))
            if len(pairs) != len(given) or not types <= PLAIN_TYPES:
                return None
            if str in types and not _is_plain(chain.from_iterable(pairs)):
                return None
            given = np.array(pairs, dtype=np.float64)
        elif given.ndim != 2 or given.shape[1] < 2 or given.dtype.kind not in "iuf":
            return None
        levels = given[:, :2].astype(np.float64)
    except (ValueError, TypeError, OverflowError, LookupError):
        return None
    # A larger number may be an integer beyond 64 bits; the comparison is false for NaN, too.
    is_plain = (np.abs(levels) < MAX_INT64).all() and not (levels[:, 1] < 0).any()
    return levels if is_plain else None


def _is_plain(values: Iterable[Any]) -> bool:
    """Return whether all texts among values are made of digits, signs, points and exponents."""
    return frozenset("".join(each for each in values if type(each) is str)) <= PLAIN_CHARACTERS


def _convert_one_by_one(name: str, given: Sequence[Any] | npt.NDArray[Any]) -> Side:
    levels = np.empty((len(given), 2))
    for place, level in enumerate(given):
        key = f"{name}[{place}]"
        if not is_levels(level) or len(level) < 2:
            raise BadTick(key, level, "is not a level", LEVEL_FIX)
        for part, (word, value) in enumerate(zip(("price", "size"), level, strict=False)):
            number = read_number(f"{key} {word}", value, never_negative=part == 1)
            if number is None:
                raise BadTick(f"{key} {word}", value, "is missing", LEVEL_FIX)
            levels[place, part] = number
    return levels
