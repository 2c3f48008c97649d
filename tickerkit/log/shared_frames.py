"""Shared frames: one DataFrame over all of a log's arrays; every frame is a slice of it.

Why not make a new DataFrame over the requested rows? Because writing to it would change the log.
Before a write to a frame, pandas copies the frame's memory, but only if pandas knows of another
frame over the same memory. It knows of no other frame over the log's arrays, so it would write
into them. A slice of a frame that the log keeps is safe: pandas knows of both. A slice costs the
same as a new frame: 27 µs, whatever the number of rows.

Two rules follow, each with a test:

- A shared frame is kept as long as its arrays are in use, also after a new column or word has made
  a new shared frame necessary. If the log dropped the old frame, a slice of it could be the only
  frame over its memory that pandas knows of, and a write to the slice would change the log
  (measured).
- If an earlier shared frame has a column over the same array, the new frame takes the column from
  it. So pandas knows that both frames show the same memory.

Categories can't grow in place. So a new word in a text column requires a new shared frame. If a
frame shows the column's codes already, the new frame also requires a copy of the codes: pandas
doesn't notice that two Categoricals share their codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from tickerkit.log.dictionary import MAX_WORDS, Dictionary, code_dtype
from tickerkit.ticks import TIME_COLUMNS, UTC_NS, Array

__all__ = ["MAX_FRAMES", "SharedFrames"]

# If a frame shows a column, a new word in it makes one more shared frame to keep. At this many,
# the log moves to fresh arrays, and drops the shared frames together with the old arrays.
MAX_FRAMES = 64


class _SharedFrame(NamedTuple):
    """A frame over all rows of some arrays.

    Attributes:
        arrays: the arrays, by column.
        frame: the frame.
        version: the version of the log's columns and words that it shows.
    """

    arrays: Mapping[str, Array]
    frame: pd.DataFrame
    version: int


class SharedFrames:
    """The shared frames over one set of arrays, oldest first, built when first asked for."""

    def __init__(self) -> None:
        self._frames: dict[int, _SharedFrame] = {}
        # By version, the arrays of the frames that exist or are being built.
        self._shown: dict[int, Mapping[str, Array]] = {}

    def __len__(self) -> int:
        return len(self._frames)

    def shows(self, name: str, array: Array) -> bool:
        """Return whether a frame shows an array, or is being built with it.

        The categories of such a column can no longer grow.
        """
        return any(arrays.get(name) is array for arrays in list(self._shown.values()))

    def whole(
        self, arrays: Mapping[str, Array], version: int, dictionaries: dict[str, Dictionary]
    ) -> pd.DataFrame:
        """Return the frame over all rows of `arrays`.

        Several threads may call this at once, also for an older version. `setdefault` stores the
        frame of one thread. The others start over and take columns from that frame, so that
        pandas knows of all frames that share an array.
        """
        self._shown.setdefault(version, arrays)
        while True:
            earlier = list(self._frames.values())
            for shared in reversed(earlier):
                if shared.version == version:
                    return shared.frame
            columns = {
                name: _make_column(name, array, dictionaries.get(name), earlier)
                for name, array in arrays.items()
            }
            index = earlier[-1].frame.index if earlier else None
            frame = pd.DataFrame(columns, index=index, copy=False)
            built = _SharedFrame(arrays, frame, version)
            if self._frames.setdefault(len(earlier), built) is built:
                return frame


def _make_column(
    name: str, array: Array, dictionary: Dictionary | None, earlier: list[_SharedFrame]
) -> Any:
    """Return a column for a DataFrame, over the memory of `array`."""
    for shared in reversed(earlier):
        if shared.arrays.get(name) is array:
            return shared.frame[name]
    if dictionary is None:
        return pd.array(array, dtype=UTC_NS, copy=False) if name in TIME_COLUMNS else array
    # Only as many words as fit the codes' type: the writer may have added more meanwhile.
    limit = next(n for n in (126, 32_766, MAX_WORDS) if code_dtype(n) == array.dtype)
    dtype = pd.CategoricalDtype(pd.Index(dictionary.words[:limit], dtype="str"))
    return pd.Categorical.from_codes(array, dtype=dtype, validate=False)
