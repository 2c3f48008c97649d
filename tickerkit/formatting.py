"""Formatting: values, sizes, counts and text of anyone's, as they stand in messages for people."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["format_choices", "format_count", "format_size", "format_value", "one_line"]

MAX_VALUE_LENGTH = 80
MAX_LINE_LENGTH = 300


def format_value(value: object) -> str:
    """Return `value` as it may stand in an error: printable, on one line, and short."""
    try:
        # Of a long text only the beginning is looked at.
        text = ascii(value[:MAX_VALUE_LENGTH] if isinstance(value, str | bytes) else value)
    except Exception:  # an integer of 5,000 digits, endless nesting, a faulty repr
        text = f"<{type(value).__name__}>"
    text = re.sub(r"[^ -~]", " ", text)
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[: MAX_VALUE_LENGTH - 1]}…"


def one_line(text: str) -> str:
    """Return text of anyone's as it may stand in a status: printable, on one line, not endless."""
    words = " ".join(text[: 4 * MAX_LINE_LENGTH].split())
    words = "".join(each if each.isprintable() else " " for each in words)
    return words if len(words) <= MAX_LINE_LENGTH else f"{words[: MAX_LINE_LENGTH - 1]}…"


def format_choices(values: Iterable[object]) -> str:
    """Return "'a', 'b' or 'c'": the values that an argument accepts, for an error."""
    *rest, last = map(repr, values)
    return f"{', '.join(rest)} or {last}" if rest else last


def format_count(number: int, what: str) -> str:
    """Return "1 tick", "2 ticks"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def format_size(number: float) -> str:
    """Return a number of bytes for reading: "5.1 MB"."""
    if number < 1000:
        return f"{number} bytes"
    units = iter(("kB", "MB", "GB"))
    while number >= 999.5:
        number, unit = number / 1000, next(units)
    return f"{number:.1f} {unit}" if number < 9.95 else f"{number:.0f} {unit}"
