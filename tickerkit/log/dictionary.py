"""Dictionary: the words of a text column, and the type of the codes into it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["MAX_WORDS", "Dictionary", "code_dtype"]

# A column with more different words is free text, whose dictionary would cost more than it saves.
MAX_WORDS = 65_536


class Dictionary:
    """The dictionary of a text column: words in the order in which they first appeared.

    Words are only ever added, so any thread may read a dictionary while the writer adds to it.

    Attributes:
        words: each word; its index is its code.
        first_row: for each word, the row in which it first appeared (never decreasing).
        codes: the code of each word.
    """

    def __init__(self) -> None:
        self.words: list[str] = []
        self.first_row: list[int] = []
        self.codes: dict[str, int] = {}

    def add(self, word: str, row: int) -> int:
        """Add a new word, and return its code; -1 if the dictionary is full."""
        code = len(self.words)
        if code >= MAX_WORDS:
            return -1
        # `words` before `codes`: another thread that finds a code must find its word.
        self.words.append(word)
        self.first_row.append(row)
        self.codes[word] = code
        return code

    def known_codes(self, words: Iterable[str]) -> list[int]:
        """Return the codes of `words`, without the words that have not appeared."""
        return [self.codes[word] for word in words if word in self.codes]

    def size_at(self, row: int) -> int:
        """Return how many words had appeared before `row`."""
        return bisect_left(self.first_row, row)


def code_dtype(words: int) -> np.dtype[Any]:
    """Return the integer type that pandas uses for the codes of this many categories.

    pandas copies codes of any other type, without a warning.
    """
    return np.dtype(np.int8 if words < 127 else np.int16 if words < 32_767 else np.int32)
