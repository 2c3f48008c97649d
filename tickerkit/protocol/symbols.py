"""Symbols: those that a client wants, as a set with a mask by code."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from tickerkit.log.dictionary import Dictionary
from tickerkit.ticks import Array

__all__ = ["SymbolFilter", "Symbols"]


class SymbolFilter(frozenset[str]):
    """Symbols that a client wants.

    Why a mask? A segment's rows are selected by one lookup for each row. To look up 10,000 symbols
    for each segment took 2.8 ms, for each tick and client. The mask takes a byte for each symbol
    of the log, and is extended as new symbols come.
    """

    _dictionary: Dictionary | None = None
    _mask: Array = np.zeros(0, dtype=bool)
    _masked = 0

    def select(self, codes: Array, dictionary: Dictionary) -> Array:
        """Return for each code whether its symbol is wanted.

        Args:
            codes: codes of symbols, shape (N,).
            dictionary: the log's symbols.

        Returns:
            An array of bool, shape (N,).
        """
        if dictionary is not self._dictionary:
            self._dictionary, self._mask, self._masked = dictionary, np.zeros(0, dtype=bool), 0
        if self._masked < len(dictionary.words):
            self._extend(dictionary)
        chosen: Array = self._mask[codes]
        return chosen

    def _extend(self, dictionary: Dictionary) -> None:
        start, stop = self._masked, len(dictionary.words)
        if stop > len(self._mask):
            # Room for twice as many, so that new symbols seldom need a new array.
            mask = np.zeros(max(stop, 2 * start), dtype=bool)
            mask[:start] = self._mask[:start]
            self._mask = mask
        if len(self) < stop - start:
            self._mask[dictionary.known_codes(self)] = True
        else:
            self._mask[start:stop] = [word in self for word in dictionary.words[start:stop]]
        self._masked = stop


Symbols: TypeAlias = SymbolFilter | None
