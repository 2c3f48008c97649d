"""Formatting: values, numbers, times and a peer's text, for messages that people read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

__all__ = [
    "MISSING",
    "format_choices",
    "format_count",
    "format_elapsed",
    "format_line",
    "format_measure",
    "format_number",
    "format_size",
    "format_span",
    "format_time",
    "format_value",
]

MAX_VALUE_LENGTH = 80
MAX_LINE_LENGTH = 300
BYTES_PER_KB = 1000
MAX_PLACES, MAX_SMALL_PLACES = 8, 12
SIZE_UNITS = ("kB", "MB", "GB")
# What is shown for a missing value.
MISSING = "–"


def format_value(value: object) -> str:
    """Return the repr of a value for an error: printable ASCII, on one line, at most 80 characters.

    It never raises: a value without a usable repr is named by its type, as in `<list>`.
    """
    try:
        # Cut long text first, so that a megabyte isn't escaped for 80 characters.
        text = ascii(value[:MAX_VALUE_LENGTH] if isinstance(value, str | bytes) else value)
    except Exception:  # an integer of 5,000 digits, endless nesting, a faulty __repr__
        text = f"<{type(value).__name__}>"
    text = re.sub(r"[^ -~]", " ", text)
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[: MAX_VALUE_LENGTH - 1]}…"


def format_line(text: str) -> str:
    """Return text from anywhere on one printable line of at most 300 characters."""
    line = " ".join(text[: 4 * MAX_LINE_LENGTH].split())
    line = "".join(char if char.isprintable() else " " for char in line)
    return line if len(line) <= MAX_LINE_LENGTH else f"{line[: MAX_LINE_LENGTH - 1]}…"


def format_choices(values: Iterable[object]) -> str:
    """Return the values that an argument accepts, for an error: "'a', 'b' or 'c'"."""
    *rest, last = map(repr, values)
    return f"{', '.join(rest)} or {last}" if rest else last


def format_count(number: int, noun: str) -> str:
    """Return a number of things: "1 tick", "2,000 ticks"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_number(value: float, min_decimals: int = 0) -> str:
    """Return a number with up to 8 decimals, and at least `min_decimals`: "65,432.10".

    A number below 1, such as 0.000012345, has up to 12. A number too large or too small for that
    has an exponent; NaN is a dash.
    """
    if value != value:  # NaN
        return MISSING
    if value and not 1e-6 <= abs(value) < 1e15:
        return f"{value:g}"
    places = MAX_PLACES if abs(value) >= 1 else MAX_SMALL_PLACES
    whole, _, decimals = f"{value:,.{places}f}".rstrip("0").partition(".")
    decimals = decimals.ljust(min_decimals, "0")
    return f"{whole}.{decimals}" if decimals else whole


def format_measure(value: float) -> str:
    """Return a number with at most eight digits: "21.5", "1,013.25"; NaN is a dash."""
    return format_number(float(f"{value:.8g}"))


def format_size(size: float) -> str:
    """Return a number of bytes: "812 bytes", "5.1 MB", "120 GB"."""
    if size < BYTES_PER_KB:
        return format_count(int(size), "byte")
    for unit in SIZE_UNITS:
        size /= BYTES_PER_KB
        if size < 999.5 or unit == SIZE_UNITS[-1]:
            break
    return f"{size:.1f} {unit}" if size < 9.95 else f"{size:,.0f} {unit}"


def format_time(moment: datetime, *, date: bool = True, decimals: int = 0) -> str:
    """Return a time: "2026-11-24 10:00:00", or "10:00:00.123" without its date, with 3 decimals.

    The time zone is not named; tickerkit's times are UTC.
    """
    text = f"{moment:%Y-%m-%d %H:%M:%S}" if date else f"{moment:%H:%M:%S}"
    return f"{text}.{moment.microsecond:06d}"[: len(text) + 1 + decimals] if decimals else text


def format_span(start: datetime, end: datetime) -> str:
    """Return a span of time; the date is written once if it is the same at both ends."""
    return f"{format_time(start)} to {format_time(end, date=start.date() != end.date())} UTC"


def format_elapsed(seconds: float) -> str:
    """Return a length of time in its largest unit: "0.4 s", "12 min", "3.5 hours", "2.1 days"."""
    if abs(seconds) < 60:
        return f"{seconds:.1f} s" if abs(seconds) < 10 else f"{seconds:.0f} s"
    if abs(seconds) < 3600:
        return f"{seconds / 60:.0f} min"
    if abs(seconds) < 2 * 86_400:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 86_400:.1f} days"
