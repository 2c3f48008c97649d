"""Columns: converts the columns of a batch to the numbers or codes that a log's arrays hold.

A code is an index into the words of a `Dictionary`; -1 is a missing value. A further column is one
that is not in `FIXED`.
"""

from __future__ import annotations

import numpy as np

from tickerkit.log.dictionary import MAX_WORDS, Dictionary
from tickerkit.log.memory import allocate, writable
from tickerkit.ticks import Array, Batch, Column, Text, is_number, number_text

__all__ = ["FIXED", "MAX_COLUMNS", "ColumnEncoder"]

FIXED = ("seq", "time", "symbol", "price", "size", "received", "epoch")
# How many further columns a log may have.
MAX_COLUMNS = 32
# How many columns `misfits` counts by name.
MAX_MISFITS = 1000


class ColumnEncoder:
    """Encodes the columns of batches for one log.

    The first value of a column decides whether the column holds text or numbers; it never changes.
    Later values of the other type are converted. A value that can't be converted is left out.

    Attributes:
        dictionaries: the dictionary of each text column.
        misfits: for each column, how many values were left out.
    """

    def __init__(self) -> None:
        self.dictionaries: dict[str, Dictionary] = {"symbol": Dictionary(), "epoch": Dictionary()}
        self.misfits: dict[str, int] = {}

    def add_misfits(self, name: str, count: int) -> None:
        """Add to the number of values of a column that were left out."""
        if count:
            if name not in self.misfits and len(self.misfits) >= MAX_MISFITS:
                name = "(others)"
            self.misfits[name] = self.misfits.get(name, 0) + count

    def add_columns(self, arrays: dict[str, Array], batch: Batch, used: int) -> None:
        """Add an array for each new column of a batch, empty in the first `used` rows.

        If the log has `MAX_COLUMNS` further columns, the values of a new one count as misfits.
        """
        size = len(arrays["seq"])
        for name, column in batch.columns.items():
            if name in arrays:
                continue
            if len(arrays) - len(FIXED) >= MAX_COLUMNS:
                self.add_misfits(name, _count_values(column))
                continue
            if isinstance(column, Text):
                self.dictionaries[name] = Dictionary()
            arrays[name] = allocate(size, np.int8 if isinstance(column, Text) else np.float64)
            writable(arrays[name])[:used] = self.missing(name)

    def missing(self, name: str) -> float:
        """Return what a further column holds for a tick without a value: -1 for text, or NaN."""
        return -1 if name in self.dictionaries else np.nan

    def fitting_symbols(self, batch: Batch) -> Array | None:
        """Return for each tick whether the dictionary has room for its symbol; None for all."""
        symbols = batch.columns["symbol"]
        assert isinstance(symbols, Text)
        known = self.dictionaries["symbol"]
        room = MAX_WORDS - len(known.words)
        if len(symbols.words) <= room:
            return None
        used = np.unique(symbols.codes).tolist()
        new = [code for code in used if symbols.words[code] not in known.codes]
        if len(new) <= room:
            return None
        fits: Array = ~np.isin(symbols.codes, new[room:])
        self.add_misfits("symbol", int(batch.count - fits.sum()))
        return fits

    def numbers(self, name: str, column: Column) -> Array:
        """Return a column as float64; words that are not numbers become NaN and are counted."""
        if not isinstance(column, Text):
            return column
        values = [float(word) if is_number(word) else np.nan for word in column.words]
        # One entry for each word, and a last one, NaN, for the code -1.
        numbers: Array = np.array([*values, np.nan])[column.codes]
        numbers[np.isinf(numbers)] = np.nan
        self.add_misfits(name, int(np.isnan(numbers).sum() - (column.codes < 0).sum()))
        return numbers

    def codes(self, name: str, column: Column, row: int) -> Array:
        """Return a column as the log's codes, and add its new words to the dictionary.

        Args:
            name: the name of the column.
            column: the column, with codes of its own if it is text.
            row: the number that its first row gets in the log.
        """
        known, text = self.dictionaries[name], _as_text(column)
        # The log's code for each of the column's own codes, and a last entry for the code -1.
        table = np.full(len(text.words) + 1, -1, dtype=np.int32)
        # A long batch seldom has a new word. Without one, its rows need not be visited one by one.
        if len(text.words) < len(text.codes) and all(map(known.codes.__contains__, text.words)):
            table[:-1] = [known.codes[word] for word in text.words]
            codes: Array = table[text.codes]
            return codes
        # Words are added in the order of the rows, each with the first row that has it.
        row_codes = text.codes.tolist()
        # The first row of each code: a dict keeps the last entry for a key, so build it backwards.
        firsts = dict(zip(reversed(row_codes), range(len(row_codes) - 1, -1, -1), strict=True))
        full = False
        for code in dict.fromkeys(row_codes):
            if code >= 0 and (own := known.codes.get(text.words[code])) is not None:
                table[code] = own
            elif code >= 0:
                table[code] = own = known.add(text.words[code], row + firsts[code])
                full = full or own < 0
        codes = table[text.codes]
        if full:
            self.add_misfits(name, int((codes < 0).sum() - (text.codes < 0).sum()))
        return codes


def _as_text(column: Column) -> Text:
    if isinstance(column, Text):
        return column
    return Text.of(None if v != v else number_text(v) for v in column.tolist())


def _count_values(column: Column) -> int:
    missing = column.codes < 0 if isinstance(column, Text) else np.isnan(column)
    return int(len(missing) - missing.sum())
