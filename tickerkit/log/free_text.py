"""Free text: columns whose texts hardly repeat, so that a dictionary costs more than it saves.

A text column begins as codes into a dictionary. Order ids or headlines never repeat: their
dictionary would grow without end, each frame would build an index of it, and each new client would
be sent it. So beyond `MAX_WORDS` different texts the column gives up its dictionary, and its array
holds the text of each tick: Python's strings, which are freed with the rows. Why not arrow's
strings, which take half the memory? They lie in one block that can't grow in place, and a frame
could not be a slice of it.
"""

from __future__ import annotations

import sys
from collections import deque

import numpy as np

from tickerkit.limits import MAX_FREE_TEXT_BYTES, MAX_TEXT_LENGTH
from tickerkit.log.memory import allocate, writable
from tickerkit.ticks import Array, Text

__all__ = ["FreeTexts"]

# The memory is known to be freed in steps of this size.
STEP_BYTES = 2**20


class FreeTexts:
    """Makes the arrays of a log's columns of free text, within a limit of memory for all of them.

    Each text counts for each tick that has it, even if the ticks share one string.
    """

    def __init__(self) -> None:
        self._total_bytes = self._noted_bytes = self._freed_bytes = 0
        # For steps of memory, the row up to which they belong, and the total up to there.
        self._steps: deque[tuple[int, int]] = deque()

    def convert(self, array: Array, used: int, words: list[str], row: int) -> Array:
        """Return the array of a column that gives up its dictionary.

        Args:
            array: the codes.
            used: how many of them are written.
            words: the words of the dictionary.
            row: the number of the row after these.
        """
        known = np.empty(len(words) + 1, dtype=object)
        known[:-1] = words
        sizes = np.array([*map(sys.getsizeof, words), 0], dtype=np.int64)
        codes = array[:used]
        texts = allocate(len(array), object)
        writable(texts)[:used] = known[codes]
        self._count(int(sizes[codes].sum()), row)
        return texts

    def fit(self, text: Text, base: int, row: int) -> tuple[Array, int]:
        """Return the texts for the rows from `row` on, shape (N,), None for no text.

        Args:
            text: the texts.
            base: the number of the oldest row in memory.
            row: the number of the first of these rows.

        Returns:
            The texts, and how many are left out: too long, or beyond the limit of memory.
        """
        while self._steps and self._steps[0][0] <= base:
            self._freed_bytes = self._steps.popleft()[1]
        words, room = text.words, MAX_FREE_TEXT_BYTES - self._total_bytes + self._freed_bytes
        texts = np.empty(len(text.codes), dtype=object)
        size_bytes = left_out = 0
        for index, code in enumerate(text.codes.tolist()):
            if code < 0:
                continue
            word = words[code]
            size_bytes += sys.getsizeof(word)
            if len(word) > MAX_TEXT_LENGTH or size_bytes > room:
                size_bytes -= sys.getsizeof(word)
                left_out += 1
            else:
                texts[index] = word
        self._count(size_bytes, row + len(texts))
        return texts, left_out

    def _count(self, size_bytes: int, row: int) -> None:
        self._total_bytes += size_bytes
        if self._total_bytes - self._noted_bytes >= STEP_BYTES:
            self._noted_bytes = self._total_bytes
            self._steps.append((row, self._total_bytes))
