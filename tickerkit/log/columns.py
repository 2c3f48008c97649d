"""Columns: turns the columns of a batch into what a log's arrays hold: numbers or codes."""

from __future__ import annotations

import numpy as np

from tickerkit.limits import (
    MAX_COLUMNS,
    MAX_DICTIONARIES_BYTES,
    MAX_DICTIONARY_BYTES,
    MAX_EXACT_INT,
    MAX_MISFIT_NAMES,
    MAX_NAME_LENGTH,
    MAX_SYMBOLS,
    MAX_TEXT_LENGTH,
    MAX_WORDS,
    OTHERS,
)
from tickerkit.log.dictionary import Dictionary, code_dtype, count_bytes
from tickerkit.log.free_text import FreeTexts
from tickerkit.log.memory import allocate, writable
from tickerkit.ticks import (
    ID_COLUMNS,
    Array,
    Batch,
    Column,
    Text,
    is_exact_number,
    number_text,
    printable,
    to_exact_integer,
    to_integers,
)

__all__ = ["FIXED", "ColumnEncoder"]

FIXED = ("seq", "time", "symbol", "price", "size", "received", "epoch")
# Beyond so many epochs, those of dropped ticks are forgotten: seldom, since it reads all rows.
MIN_EPOCHS = 1024


class ColumnEncoder:
    """Encodes the columns of batches for one log.

    A column holds text or numbers for good: the type of its first value decides. Later values of
    the other type are converted; those that can't be, exactly, are left out and counted. A column
    of whole numbers becomes int64 when a number beyond 2**53 comes. A column of text gives up its
    dictionary when that is full, see `free_text`.

    Attributes:
        dictionaries: the dictionary of each text column that has one; replaced when one goes.
        misfits: how many values were left out, by column.
        left_out: the sum of `misfits`.
        changes: counts the new columns, new types and new words.
    """

    def __init__(self) -> None:
        self.dictionaries: dict[str, Dictionary] = {"symbol": Dictionary(), "epoch": Dictionary()}
        self.misfits: dict[str, int] = {}
        self.left_out = self.changes = 0
        self._free_texts = FreeTexts()
        self._max_epochs = MIN_EPOCHS

    def add_misfits(self, name: str, count: int) -> None:
        """Add to the number of values of a column that were left out."""
        if count:
            name = printable(name[:MAX_NAME_LENGTH])  # a name can be as long as a message
            if name not in self.misfits and len(self.misfits) >= MAX_MISFIT_NAMES:
                name = OTHERS
            self.misfits[name] = self.misfits.get(name, 0) + count
            self.left_out += count

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
            if name in ID_COLUMNS:
                arrays[name] = allocate(size, np.int64)
            elif isinstance(column, Text):
                self.dictionaries[name] = Dictionary()
                arrays[name] = allocate(size, np.int8)
            else:
                arrays[name] = allocate(size, column.dtype)
            writable(arrays[name])[:used] = self.missing(name, arrays[name])
            self.changes += 1

    def missing(self, name: str, array: Array) -> float | None:
        """Return the value of a further column for a tick that has none."""
        if array.dtype == object:
            return None
        if name in self.dictionaries:
            return -1
        return 0 if array.dtype.kind == "i" else np.nan

    def fitting_symbols(self, batch: Batch) -> Array | None:
        """Return for each tick whether the dictionary has room for its symbol; None for all."""
        symbols = batch.columns["symbol"]
        assert isinstance(symbols, Text)
        known = self.dictionaries["symbol"]
        room = MAX_SYMBOLS - len(known.words)
        # Usually decided by this: a batch has no more new symbols than ticks.
        if min(len(symbols.words), batch.count) <= room:
            return None
        used = np.unique(symbols.codes).tolist()
        new = [code for code in used if symbols.words[code] not in known.codes]
        if len(new) <= room:
            return None
        fits: Array = ~np.isin(symbols.codes, new[room:])
        return fits

    def encode(
        self, name: str, column: Column, array: Array, start: int, row: int
    ) -> tuple[Array, Array]:
        """Encode a column of a batch.

        Args:
            name: the column.
            column: its values, shape (N,).
            array: the array that holds the column so far.
            start: the index in the array where the values go.
            row: the number of the row at this index.

        Returns:
            The array for the column, a fresh one if `array` can't hold the values; and what to put
            there, shape (N,).
        """
        if name == "epoch" and len(self.dictionaries[name].words) >= self._max_epochs:
            array = self._forget_epochs(array, start)
        if (dictionary := self.dictionaries.get(name)) is not None:
            words = len(dictionary.words)
            codes = self._codes(name, _as_text(column), row)
            if codes is not None:
                if len(dictionary.words) > words:
                    self.changes += 1
                    array = self._array_for_words(name, array, start)
                return array, codes
            # Snapshots from before share the old dict, whose codes they have.
            self.dictionaries = {key: d for key, d in self.dictionaries.items() if key != name}
            array = self._free_texts.convert(array, start, dictionary.words, row)
            self.changes += 1
        if array.dtype == object:
            texts, left_out = self._free_texts.fit(_as_text(column), row - start, row)
            self.add_misfits(name, left_out)
            return array, texts
        if name in FIXED and not isinstance(column, Text):
            return array, column
        if array.dtype.kind == "f" and not isinstance(column, Text) and column.dtype.kind == "i":
            # This reads all rows of the column, once: 50 ms for five million.
            whole = to_integers(array[:start])
            if whole is not None:
                self.changes += 1
                array = allocate(len(array), np.int64)
                writable(array)[:start] = whole
        return array, self._numbers(name, column, array.dtype.kind)

    def _numbers(self, name: str, column: Column, kind: str) -> Array:
        """Return a column as float64 or int64; what that can't hold exactly is left out."""
        if isinstance(column, Text):
            return self._numbers_from_words(name, column, kind)
        if column.dtype.kind == kind:
            return column
        if kind == "f":
            fits = (column >= -MAX_EXACT_INT) & (column <= MAX_EXACT_INT)
            numbers: Array = np.where(fits & (column != 0), column, np.nan)
            self.add_misfits(name, int(len(column) - fits.sum()))
            return numbers
        known = ~np.isnan(column)
        fits = known & (column == np.trunc(column)) & (np.abs(column) <= MAX_EXACT_INT)
        self.add_misfits(name, int(known.sum() - fits.sum()))
        whole: Array = np.where(fits, column, 0).astype(np.int64)
        return whole

    def _numbers_from_words(self, name: str, column: Text, kind: str) -> Array:
        # Of a long dictionary a batch uses few words.
        used, places = np.unique(column.codes, return_inverse=True)
        words = [column.words[code] if code >= 0 else None for code in used.tolist()]
        missing: float = 0 if kind == "i" else np.nan
        numbers: list[float | None]
        if kind == "i":
            numbers = [None if word is None else to_exact_integer(word) for word in words]
        else:
            numbers = [
                None if word is None or not is_exact_number(word) else float(word) for word in words
            ]
        unfit = [word is not None and n is None for word, n in zip(words, numbers, strict=True)]
        self.add_misfits(name, int(np.array(unfit, dtype=bool)[places].sum()))
        dtype = np.int64 if kind == "i" else np.float64
        values = np.array([missing if n is None else n for n in numbers], dtype=dtype)
        result: Array = values[places]
        return result

    def _codes(self, name: str, text: Text, row: int) -> Array | None:
        """Return the codes of a column that begins at `row`, adding its new words.

        None if the dictionary has no room for them. `table` has the log's code for each of the
        text's, and a last entry that the code -1 takes.
        """
        known = self.dictionaries[name]
        table = np.full(len(text.words) + 1, -1, dtype=np.int32)
        # A long batch seldom has a new word. Without one, its rows need not be visited one by one.
        if len(text.words) <= len(text.codes) and all(map(known.codes.__contains__, text.words)):
            table[:-1] = [known.codes[word] for word in text.words]
            codes: Array = table[text.codes]
            return codes
        # Words are added in the order of the rows, each with the first row that has it.
        row_codes = text.codes.tolist()
        # The first row of each code: a dict keeps the last entry for a key, so build it backwards.
        firsts = dict(zip(reversed(row_codes), range(len(row_codes) - 1, -1, -1), strict=True))
        new: list[int] = []
        is_too_long = False
        for code in dict.fromkeys(row_codes):
            if code < 0:
                continue
            if (own := known.codes.get(text.words[code])) is not None:
                table[code] = own
            elif len(text.words[code]) > MAX_TEXT_LENGTH and name not in FIXED:
                is_too_long = True
            else:
                new.append(code)
        if new and name not in FIXED and not self._has_room(known, [text.words[c] for c in new]):
            return None
        for code in new:
            table[code] = known.add(text.words[code], row + firsts[code])
        codes = table[text.codes]
        if is_too_long:
            self.add_misfits(name, int((codes < 0).sum() - (text.codes < 0).sum()))
        return codes

    def _forget_epochs(self, array: Array, used: int) -> Array:
        """Return the array of the epochs, with a dictionary of those that its rows have.

        A log may see any number of epochs, one for each reconnect of a plain websocket, but its
        rows have only some. Nobody keeps their codes, unlike those of words, which clients have.
        """
        old, new = self.dictionaries["epoch"], Dictionary()
        is_used = np.zeros(len(old.words), dtype=bool)
        is_used[array[:used]] = True
        for code in np.flatnonzero(is_used).tolist():
            new.add(old.words[code], old.first_row[code])
        fresh = allocate(len(array), code_dtype(len(new.words)))
        writable(fresh)[:used] = (np.cumsum(is_used) - 1)[array[:used]]
        # Snapshots from before share the old dict, whose codes they have.
        self.dictionaries = {**self.dictionaries, "epoch": new}
        self._max_epochs = max(MIN_EPOCHS, 2 * len(new.words))
        self.changes += 1
        return fresh

    def _has_room(self, dictionary: Dictionary, words: list[str]) -> bool:
        """Return whether the dictionary of a further column has room for new words."""
        if len(dictionary.words) + len(words) > MAX_WORDS:
            return False
        size_bytes = sum(map(count_bytes, words))
        all_bytes = sum(
            each.size_bytes for key, each in self.dictionaries.items() if key not in FIXED
        )
        return (
            dictionary.size_bytes + size_bytes <= MAX_DICTIONARY_BYTES
            and all_bytes + size_bytes <= MAX_DICTIONARIES_BYTES
        )

    def _array_for_words(self, name: str, array: Array, used: int) -> Array:
        """Return the array for a text column's codes after its dictionary has grown.

        It is a new array if the codes need a wider type.
        """
        dtype = code_dtype(len(self.dictionaries[name].words))
        if array.dtype == dtype:
            return array
        fresh = allocate(len(array), dtype)
        writable(fresh)[:used] = array[:used]
        return fresh


def _as_text(column: Column) -> Text:
    if isinstance(column, Text):
        return column
    if column.dtype.kind == "i":  # 0 stands for no value
        return Text.of(number_text(value) if value else None for value in column.tolist())
    return Text.of(None if v != v else number_text(v) for v in column.tolist())


def _count_values(column: Column) -> int:
    if isinstance(column, Text):
        missing = column.codes < 0
    else:
        missing = np.isnan(column) if column.dtype.kind == "f" else column == 0
    return int(len(missing) - missing.sum())
