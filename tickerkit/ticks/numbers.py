"""Numbers: which numbers a float64 and an int64 hold exactly, so that no value is rounded.

A further column is float64. It is int64 where the values need it: `trade_id` always, another column
once a whole number beyond 2**53 comes, if all its values so far are whole. Why not int64 for every
column that begins with whole numbers? Because a temperature of 21 may be followed by one of 21.5.
In an int64 column 0 stands for no value, since numpy's integers have no NaN.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

import numpy as np
import numpy.typing as npt

from tickerkit.limits import MAX_EXACT_INT, MAX_INT64

__all__ = [
    "ID_COLUMNS",
    "is_exact_number",
    "is_number",
    "to_exact_integer",
    "to_integers",
]

# Columns that are int64 in every log, frame and recording.
ID_COLUMNS = ("trade_id",)

# JSON's notation, and what some venues write: "+1", ".5", "1."; but not "1_000", "nan" or " 1".
# No two parts match the same digits: long text that is no number is refused in linear time.
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
INTEGER = re.compile(r"0|-?[1-9]\d{0,18}", re.ASCII)


def is_number(text: str) -> bool:
    """Return whether `text` is a number in the notation of JSON or of a venue."""
    return NUMBER.fullmatch(text) is not None


def is_exact_number(text: str) -> bool:
    """Return whether `text` is a number of which a float64 holds all digits.

    A number with leading zeros is text: an identifier such as "007".
    """
    if not is_number(text):
        return False
    digits = text.lstrip("+-")
    if digits[0] == "0" and digits[1:2].isdigit():
        return False
    if len(text) <= 15 and "e" not in text and "E" not in text:
        return True  # 15 digits always fit
    try:
        return Decimal(text) == Decimal(repr(float(text)))
    except InvalidOperation:  # an exponent of 20 digits, or infinity
        return False


def to_exact_integer(value: float | int | str) -> int | None:
    """Return the integer that a value is, None if it is none of 64 bits."""
    if isinstance(value, str):
        if not INTEGER.fullmatch(value):
            return None
        value = int(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= MAX_EXACT_INT else None
    return value if -MAX_INT64 - 1 <= value <= MAX_INT64 else None


def to_integers(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64] | None:
    """Return a column of floats as int64, 0 for NaN; None if that would change a value.

    That is so if a value has a fraction, is beyond 2**53 or is minus zero, and if there are both
    zeros and missing values, which would become the same.
    """
    missing = np.isnan(values)
    known = np.where(missing, 1.0, values)
    if not ((known == np.trunc(known)) & (np.abs(known) <= MAX_EXACT_INT)).all():
        return None
    zero = known == 0
    if (zero & np.signbit(known)).any() or (zero.any() and missing.any()):
        return None
    whole: npt.NDArray[np.int64] = np.where(missing, 0.0, values).astype(np.int64)
    return whole
