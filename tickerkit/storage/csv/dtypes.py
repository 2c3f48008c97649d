"""Columns of a frame to be, filled with the cells of a text that others may have written."""

from __future__ import annotations

import re
import secrets
from decimal import Decimal, InvalidOperation
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from tickerkit.errors import BadTick
from tickerkit.ticks import NO_TIME, TIME_COLUMNS, UTC_NS, Array, is_number
from tickerkit.ticks.fields import NUMBER_FIELDS, read_time

# What pandas' splitter can't tell from nothing, `""`, and what it ends a text at, the character
# zero, go through it under names that no file holds.
EMPTY, ZERO = f"empty-{secrets.token_hex(8)}", f"zero-{secrets.token_hex(8)}"
NONE = frozenset({"", EMPTY, "nan", "nat", "na", "n/a", "null", "none"})
INFINITE = ("inf", "-inf")

# Room for any time and any whole number; a cell that fills it may have been longer.
WIDTH = 48
FIXED = f"S{WIDTH}"


def restore_column(word: str) -> str:
    """Return a text that went through the splitter as it stood in the file."""
    return "" if word == EMPTY else word.replace(ZERO, "\0")


class BadCellError(Exception):
    """A cell that is not of its column's type; `row` counts from the first of those added."""

    def __init__(self, row: int, value: str, problem: str) -> None:
        self.row, self.value, self.problem = row, value, problem


class Column(Protocol):
    """A column of the frame to be, that takes the cells of one block after the other."""

    @property
    def dtype(self) -> object:
        """What the splitter makes of its cells: bytes of fixed width, or text."""

    def add(self, cells: Array) -> None: ...
    def done(self) -> object: ...


def column_of(name: str, symbol: str, price: str) -> Column:
    """Return an empty column for what is named so, given the names of symbols and prices."""
    if name == "seq":
        return _Counts()
    if name in TIME_COLUMNS:
        return _Times()
    if name == price or name in NUMBER_FIELDS:
        return _Numbers()
    return _Words(text_only=name in (symbol, "epoch"))


class _Counts:
    """Whole numbers, none missing."""

    dtype = FIXED

    def __init__(self) -> None:
        self.parts: list[Array] = []

    def add(self, cells: Array) -> None:
        try:
            if not _all_in(cells, b"0123456789-"):
                raise ValueError
            self.parts.append(cells.astype(np.int64))
        except (ValueError, OverflowError):
            row = next(row for row, cell in enumerate(cells) if not _is_count(cell))
            raise BadCellError(row, _decoded(cells[row]), "no whole number of 64 bits") from None

    def done(self) -> object:
        return _joined(self.parts, np.int64)


class _Times:
    """Times: ours by the column, others one by one."""

    dtype = FIXED

    def __init__(self) -> None:
        self.parts: list[Array] = []

    def add(self, cells: Array) -> None:
        times = np.full(len(cells), NO_TIME)
        own = _like_ours(cells)
        try:
            times[own] = cells[own].astype("S29").astype("M8[ns]").view(np.int64)
        except ValueError:  # such as a month 13; which row it is, is found below
            own[:] = False
        others = np.flatnonzero(~own)
        codes, texts = pd.factorize(cells[others].astype(object))
        known = np.empty(len(texts), dtype=np.int64)
        for code, text in enumerate(map(_decoded, texts)):
            try:
                known[code] = _time_ns(text)
            except BadTick as error:
                row = int(others[np.argmax(codes == code)])
                raise BadCellError(row, text, f"no time; {error.fix}") from None
        times[others] = known[codes]
        self.parts.append(times)

    def done(self) -> object:
        return pd.array(_joined(self.parts, np.int64), dtype=UTC_NS, copy=False)


class _Numbers:
    """Numbers; what is missing, in any of the usual spellings, is NaN."""

    dtype = object

    def __init__(self) -> None:
        self.parts: list[Array] = []

    def add(self, cells: Array) -> None:
        codes, words = pd.factorize(cells)
        known = np.empty(len(words))
        for code, word in enumerate(map(str.strip, words)):
            if is_number(word) or word in INFINITE:
                known[code] = float(word)
            elif word.lower() in NONE:
                known[code] = np.nan
            else:
                raise BadCellError(int(np.argmax(codes == code)), word, "no number")
        self.parts.append(known[codes])

    def done(self) -> object:
        return _joined(self.parts, np.float64)


class _Words:
    """Text, or numbers where every word is one."""

    dtype = object

    def __init__(self, *, text_only: bool) -> None:
        self.text_only = text_only
        self.codes: dict[str, int] = {"": -1}
        self.parts: list[Array] = []

    def add(self, cells: Array) -> None:
        codes, words = pd.factorize(cells)
        known = [self.codes.setdefault(word, len(self.codes) - 1) for word in words]
        self.parts.append(np.array(known, dtype=np.int32)[codes])

    def done(self) -> object:
        words = list(self.codes)[1:]
        codes = _joined(self.parts, np.int32)
        if not self.text_only and all(map(safe_number, words)):
            return np.array([*map(float, words), np.nan])[codes]
        dtype = pd.CategoricalDtype([restore_column(word) for word in words])
        return pd.Categorical.from_codes(codes, dtype=dtype)


def safe_number(word: str) -> bool:
    """Return whether a float of `word` says all that it says."""
    if word in INFINITE:
        return True
    if not is_number(word):
        return False
    digits = word.lstrip("+-")
    if digits[0] == "0" and digits[1:2].isdigit():
        return False
    if len(word) <= 15 and "e" not in word and "E" not in word:
        return True  # so many digits always survive
    try:
        return Decimal(word) == Decimal(repr(float(word)))
    except InvalidOperation:  # an exponent of 20 digits
        return False


def _joined(parts: list[Array], dtype: npt.DTypeLike) -> Array:
    return np.concatenate(parts) if parts else np.empty(0, dtype=dtype)


def _decoded(cell: bytes) -> str:
    return cell.decode("utf-8", "replace")


def _is_count(cell: bytes) -> bool:
    return bool(re.fullmatch(rb"-?\d{1,19}", cell)) and -(2**63) <= int(cell) < 2**63


def _time_ns(text: str) -> int:
    if len(text.encode()) >= WIDTH:
        raise BadTick("time", text, "is too long", "give it in at most nine digits of a second")
    text = text.strip()
    return NO_TIME if text.lower() in NONE else read_time(text)


def _bytes(cells: Array) -> npt.NDArray[np.uint8]:
    """Return cells of fixed width as a matrix of their bytes, zero after their ends."""
    return np.ascontiguousarray(cells).view(np.uint8).reshape(len(cells), WIDTH)


def _all_in(cells: Array, characters: bytes) -> bool:
    """Return whether no cell is empty, and all hold only these characters."""
    fits = np.zeros(256, dtype=bool)
    fits[[*characters, 0]] = True
    matrix = _bytes(cells)
    return bool(fits[matrix].all() and matrix[:, 0].all())


PATTERN = np.frombuffer(b"dddd-dd-ddTdd:dd:dd.dddddddddZ\0", dtype=np.uint8)
MARKS = np.flatnonzero(PATTERN != ord("d"))  # noqa: SIM300 - the constant is the array
DIGITS = np.flatnonzero(PATTERN == ord("d"))  # noqa: SIM300


def _like_ours(cells: Array) -> npt.NDArray[np.bool_]:
    """Return which cells look as we write times, within the years that 64 bits of ns hold."""
    matrix = _bytes(cells)
    # Not left to numpy: it also reads times with blanks and offsets among the digits.
    own = (matrix[:, DIGITS] - np.uint8(ord("0")) < 10).all(axis=1)
    own &= (matrix[:, MARKS] == PATTERN[MARKS]).all(axis=1)
    year = cells.astype("S4")
    fits: npt.NDArray[np.bool_] = own & (year >= b"1678") & (year <= b"2261")
    return fits
