"""Shared frames: one DataFrame over all of a log's arrays; every frame is a slice of it.

A slice of a frame that the log keeps takes 27 µs, whatever the number of rows. A new frame over the
requested rows would take ten times as long. Neither copies anything, so two things protect the log
from a user who writes to a frame:

- The memory is read-only, see `memory`. Nothing can write to it through a frame.
- pandas copies a frame's memory before a write, but only if pandas knows of another frame over the
  same memory. If it knew of no other, it would write to the memory in place, which fails. So one
  more block, which is never freed, is added to the blocks that pandas knows of. Therefore every
  ordinary write works, also on a frame or a Series that outlives its log and all other frames.

Categories can't grow in place, so a new word in a text column requires a new shared frame. The two
frames share the codes: no row of the old frame has a new word.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import pandas as pd

from tickerkit.log.dictionary import Dictionary, code_dtype
from tickerkit.ticks import TIME_COLUMNS, UTC_NS, Array

__all__ = ["SharedFrames"]

# pandas keeps weak references to all blocks over some memory. It sees this Series' block as one.
_NEVER_FREED = pd.Series([0])


class _Column(NamedTuple):
    """A column as pandas takes it.

    Attributes:
        array: the array that it lies in.
        words: how many words its dictionary had; 0 for numbers.
        values: the column.
    """

    array: Array
    words: int
    values: Any


class _SharedFrame(NamedTuple):
    """A frame over all rows of some arrays.

    Attributes:
        version: the version of the log's columns and words that it shows; -1 for none.
        columns: its columns.
        frame: the frame.
    """

    version: int
    columns: Mapping[str, _Column]
    frame: pd.DataFrame


class SharedFrames:
    """The newest shared frame over one set of arrays, built when it is first asked for."""

    def __init__(self) -> None:
        self._newest = _SharedFrame(-1, {}, pd.DataFrame())

    def whole(
        self, arrays: Mapping[str, Array], version: int, dictionaries: Mapping[str, Dictionary]
    ) -> pd.DataFrame:
        """Return the frame over all rows of `arrays`.

        Several threads may call this at once, also for an older version: that is built again.
        """
        newest = self._newest
        if newest.version == version:
            return newest.frame
        columns = {
            name: _make_column(name, array, dictionaries.get(name), newest.columns.get(name))
            for name, array in arrays.items()
        }
        frame = pd.DataFrame({name: each.values for name, each in columns.items()}, copy=False)
        _copy_on_each_write(frame)
        if version > newest.version:
            self._newest = _SharedFrame(version, columns, frame)
        return frame


def _make_column(
    name: str, array: Array, dictionary: Dictionary | None, known: _Column | None
) -> _Column:
    """Return a column over the memory of an array, shape (rows,); `known` if it is the same."""
    words: list[str] = []
    if dictionary is not None:
        # Only as many words as fit the codes' type: the writer may have added more meanwhile.
        limit = next(n for n in (126, 32_766, None) if n is None or code_dtype(n) == array.dtype)
        words = dictionary.words[:limit]
    if known is not None and known.array is array and known.words == len(words):
        return known
    values: Any = array
    if dictionary is not None:
        dtype = pd.CategoricalDtype(pd.Index(words, dtype="str"))
        values = pd.Categorical.from_codes(array, dtype=dtype, validate=False)
    elif array.dtype == object:  # by itself, pandas would copy text to a type of its own
        values = pd.Series(array, dtype=object, copy=False)
    elif name in TIME_COLUMNS:
        values = pd.array(array, dtype=UTC_NS, copy=False)
    return _Column(array, len(words), values)


def _copy_on_each_write(frame: pd.DataFrame) -> None:
    """Make pandas copy the memory of a frame, or of a part of it, before each write."""
    # Not public. Where pandas has no such thing, a write to a frame that is alone with its memory
    # raises ValueError.
    with suppress(AttributeError, TypeError):
        for block in frame._mgr.blocks:
            block.refs.add_reference(_NEVER_FREED._mgr.blocks[0])  # type: ignore[attr-defined]
