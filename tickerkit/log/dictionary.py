"""Dictionary: the words of a text column, and the type of the codes into it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["Dictionary", "code_dtype", "count_bytes"]


class Dictionary:
    """The dictionary of a text column: words in the order in which they first appeared.

    Words are only ever added, so any thread may read a dictionary while the writer adds to it.

    Attributes:
        words: each word; its index is its code.
        first_row: for each word, the row in which it first appeared (never decreasing).
        codes: the code of each word.
        size_bytes: how many bytes of UTF-8 the words have.
    """

    def __init__(self) -> None:
        self.words: list[str] = []
        self.first_row: list[int] = []
        self.codes: dict[str, int] = {}
        self.size_bytes = 0

    def add(self, word: str, row: int) -> int:
        """Add a new word, and return its code."""
        code = len(self.words)
        # `words` before `codes`: another thread that finds a code must find its word.
        self.words.append(word)
        self.first_row.append(row)
        self.codes[word] = code
        self.size_bytes += count_bytes(word)
        return code

    def known_codes(self, words: Iterable[str]) -> list[int]:
        """Return the codes of `words`, without the words that have not appeared."""
        return [self.codes[word] for word in words if word in self.codes]

    def size_at(self, row: int) -> int:
        """Return how many words had appeared before `row`."""
        return bisect_left(self.first_row, row)


def count_bytes(word: str) -> int:
    """Return how many bytes of UTF-8 a word has; at least one, so that all words cost some."""
    return max(len(word) if word.isascii() else len(word.encode("utf-8", "replace")), 1)


def code_dtype(words: int) -> np.dtype[Any]:
    """Return the integer type that pandas uses for the codes of this many categories.

    pandas copies codes of any other type, without a warning.
    """
    return np.dtype(np.int8 if words < 127 else np.int16 if words < 32_767 else np.int32)
