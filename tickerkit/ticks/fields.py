"""The fields of a tick: their names and limits, and how one value of each is read."""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Context, Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np

from tickerkit.errors import BadTick
from tickerkit.limits import (
    MAX_COLUMNS,
    MAX_EXACT_INT,
    MAX_INT64,
    MAX_NAME_LENGTH,
    MAX_NESTING,
    MAX_TEXT_LENGTH,
    MAX_UNIT_LENGTH,
)
from tickerkit.ticks.batch import NO_TIME
from tickerkit.ticks.numbers import ID_COLUMNS, is_number

# The accepted names of the symbol and of the price. If a tick has several, the first one here is
# used.
SYMBOL_NAMES = ("symbol", "s", "sym", "ticker")
PRICE_NAMES = ("price", "p", "last")
# Fields that must be numbers; any other field may be text.
NUMBER_FIELDS = frozenset({"price", "size", "bid", "ask", "bid_size", "ask_size", "volume"})
NEVER_NEGATIVE = frozenset({"size", "bid_size", "ask_size"})
# Columns that the log fills itself.
OWN_COLUMNS = ("seq", "received", "epoch")
# Numbers that make no tick by themselves: a size says nothing without a price.
NO_VALUES = NEVER_NEGATIVE | {*ID_COLUMNS, *OWN_COLUMNS, "symbol", "time"}

# Control characters, and surrogates, which UTF-8 can't encode.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
FRACTION = re.compile(r"[.,](\d+)", re.ASCII)
UNITS = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "D": 86400 * 10**9,
    "W": 7 * 86400 * 10**9,
}
VALUE_FIX = "give a price, a bid, an ask, or another field that is a number"
TIME_FIX = "send ISO-8601 text, or Unix time in s, ms, us or ns"
# A context of its own: the caller's may round to few digits, or raise.
EXACT = Context(prec=60, traps=[])


class MisfitError(Exception):
    """No column can hold the value; the tick is accepted without it."""


def symbol_field(names: Container[str]) -> str | None:
    """Return the name of the symbol among the names of fields; None if it is missing."""
    return next((name for name in SYMBOL_NAMES if name in names), None)


def price_field(names: Container[str]) -> str | None:
    """Return the name of the price of a trade among the names of fields; None if it is missing."""
    return next((name for name in PRICE_NAMES if name in names), None)


def may_be_value(name: str) -> bool:
    """Return whether a number of this name makes a tick: any but a size, an id, a seq or a time."""
    return name not in NO_VALUES


def may_have_value(names: Iterable[str]) -> bool:
    """Return whether the names of fields include one that may hold the number of a tick."""
    fields = set(names)
    return any(map(may_be_value, fields - {symbol_field(fields)}))


def read_symbol(value: object) -> str:
    """Return `value` if it is a valid symbol; raises `BadTick` otherwise."""
    if not isinstance(value, str):
        raise BadTick("symbol", value, "is not text", 'send text such as "AAPL"')
    if not value.strip():
        raise BadTick("symbol", value, "is empty", "give each tick its symbol")
    if len(value) > MAX_NAME_LENGTH:
        raise BadTick("symbol", value, "is too long", f"use at most {MAX_NAME_LENGTH} characters")
    if UNPRINTABLE.search(value):
        raise BadTick("symbol", value, "holds control characters", "use printable text")
    return str.__str__(value)


def read_number(key: str, value: object, *, never_negative: bool) -> float | None:
    """Return `value` as a float, None for None; raises `BadTick` if it is not a number."""
    if type(value) is float:
        number = value
    elif type(value) is int:
        number = float(_int64(key, value))
    elif value is None:
        return None
    elif isinstance(value, bool | np.bool_):
        raise BadTick(key, value, "is a boolean", "send a number")
    elif isinstance(value, str) and is_number(value):
        number = float(value)
    elif not isinstance(value, Real | Decimal) or isinstance(value, np.timedelta64):
        raise BadTick(key, value, "is not a number", "send a number or numeric text")
    elif isinstance(value, Integral):
        number = float(_int64(key, int(value)))
    else:
        number = _float(value)
    if not math.isfinite(number):
        raise BadTick(key, value, "is not finite", "leave the field out or send null")
    if never_negative and number < 0:
        raise BadTick(key, value, "is negative", "send a size of 0 or more")
    return number


def _float(value: Real | Decimal) -> float:
    """Return a number as a float; NaN if it is too large, or Decimal's signalling NaN."""
    try:
        return float(value)
    except (OverflowError, ValueError):
        return math.nan


def _int64(key: str, value: int) -> int:
    if not -(2**63) <= value < 2**64:
        raise BadTick(key, value, "is beyond 64 bits", "send it as text")
    return value


def read_other(key: str, value: object) -> float | int | str | None:
    """Return the value of a further field as a number or text, None for None.

    A whole number beyond 2**53 is an int, if it has at most 64 bits with its sign, else text.

    Raises:
        BadTick: the value is invalid.
        MisfitError: the value is valid, but no column can hold it.
    """
    if value is None:
        return None
    if isinstance(value, str):
        if len(value) > MAX_TEXT_LENGTH:
            raise MisfitError
        return printable(value)
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, np.timedelta64):
        raise MisfitError
    if isinstance(value, Integral):
        whole = _int64(key, int(value))
        if abs(whole) <= MAX_EXACT_INT:
            return float(whole)
        return whole if whole <= MAX_INT64 else str(whole)
    if isinstance(value, Real | Decimal):
        return read_number(key, value, never_negative=False)
    _check_depth(key, value)
    raise MisfitError


def printable(text: str) -> str:
    """Return text that can be encoded as UTF-8: surrogates become question marks."""
    text = str.__str__(text)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _check_depth(key: str, value: object) -> None:
    """Raise `BadTick` if the value of a field nests deeper than `MAX_NESTING`."""
    level = [value] if isinstance(value, dict | list | tuple) else []
    for _ in range(MAX_NESTING - 1):
        # By id, so that each object is visited once: unlike in JSON, an object may contain itself,
        # or the same object many times.
        inner: dict[int, dict[Any, Any] | list[Any] | tuple[Any, ...]] = {}
        for outer in level:
            for item in outer.values() if isinstance(outer, dict) else outer:
                if isinstance(item, dict | list | tuple):
                    inner[id(item)] = item
        level = [*inner.values()]
    if level:
        raise BadTick(key, value, "is nested too deep", f"nest at most {MAX_NESTING} levels")


def may_be_column(name: str) -> bool:
    """Return whether a further field with this name gets a column."""
    return 0 < len(name) <= MAX_NAME_LENGTH and not UNPRINTABLE.search(name)


def is_unit(unit: object) -> bool:
    """Return whether a value can be the unit of a column: short, printable text."""
    return (
        isinstance(unit, str)
        and 0 < len(unit) <= MAX_UNIT_LENGTH
        and unit.isprintable()
        and unit.strip() == unit
    )


def select_units(units: Mapping[Any, Any]) -> dict[str, str]:
    """Return the units that can be shown, of columns that may exist; as many as a log has columns.

    Another program may have written them.
    """
    names = [
        name
        for name, unit in units.items()
        if isinstance(name, str) and may_be_column(name) and is_unit(unit)
    ]
    return {name: units[name] for name in names[:MAX_COLUMNS]}


def number_text(value: float | int) -> str:
    """Return the text of a number in a column of text: `5` for 5.0."""
    if isinstance(value, int):
        return str(value)
    return str(int(value)) if value.is_integer() and abs(value) < MAX_EXACT_INT else repr(value)


def read_time(value: object, unit_ns: int | None = None) -> int:
    """Return a time as nanoseconds since 1970 UTC, `NO_TIME` for None; raises `BadTick`.

    Args:
        value: ISO-8601 text, a datetime, or Unix time as a number or numeric text.
        unit_ns: how many ns the unit of Unix time has; by default its magnitude decides.
    """
    nanoseconds: int | None = None
    if value is None:
        return NO_TIME
    if type(value) is int:
        nanoseconds = value * (unit_ns or judge_unit(abs(value)))
    elif isinstance(value, bool | np.bool_ | np.timedelta64):
        raise BadTick("time", value, "is not a time", TIME_FIX)
    elif isinstance(value, Integral):
        nanoseconds = int(value) * (unit_ns or judge_unit(abs(int(value))))
    elif isinstance(value, str):
        nanoseconds = _text_time(value, unit_ns)
    elif isinstance(value, datetime):
        # pandas' NaT is a datetime, the only one that isn't equal to itself.
        if value != value:
            return NO_TIME
        nanoseconds = _datetime_ns(value)
    elif isinstance(value, np.datetime64):
        if np.isnat(value):
            return NO_TIME
        nanoseconds = _datetime64_ns(value)
    elif isinstance(value, Decimal):
        nanoseconds = _epoch_ns(value, unit_ns)
    elif isinstance(value, Real):
        nanoseconds = _epoch_ns(Decimal(repr(_float(value))), unit_ns)
    if nanoseconds is None or not NO_TIME < nanoseconds < 2**63:
        raise BadTick("time", value, "is not a time", TIME_FIX)
    return nanoseconds


def judge_unit(magnitude: int | Decimal) -> int:
    """Return how many ns the unit of a Unix time has, judged by its magnitude.

    Below 10**11 it is in seconds: 10**11 s is in the year 5138, 10**11 ms is in 1973. The limits
    of ms and µs are the same moments.
    """
    if magnitude < 10**11:
        return 10**9
    if magnitude < 10**14:
        return 10**6
    return 10**3 if magnitude < 10**17 else 1


def _epoch_ns(epoch: Decimal, unit_ns: int | None) -> int | None:
    """Return a Unix time as nanoseconds, None if it can't be a time."""
    # Check the exponent first: as an integer, 1e1000000000 would have a billion digits.
    if not epoch.is_finite() or epoch.adjusted() > 20:
        return None
    return round(EXACT.multiply(epoch, unit_ns or judge_unit(EXACT.abs(epoch))))


def _text_time(text: str, unit_ns: int | None) -> int | None:
    if is_number(text):
        return _epoch_ns(EXACT.create_decimal(text), unit_ns)
    # datetime reads at most six digits of a fraction: digits seven to nine are added below.
    fraction = FRACTION.search(text)
    digits = fraction.group(1)[:9].ljust(9, "0") if fraction else "0" * 9
    try:
        moment = datetime.fromisoformat(FRACTION.sub(f".{digits[:6]}", text, count=1))
    except ValueError:
        return None
    # Check that the digits are a fraction: datetime reads "2026-11-22.05" as five o'clock.
    whole = _datetime_ns(moment) if moment.microsecond == int(digits[:6]) else None
    return None if whole is None else whole + int(digits[6:])


def _datetime_ns(moment: datetime) -> int | None:
    """Return a datetime as epoch ns, with the nanoseconds of a pandas Timestamp."""
    extra = getattr(moment, "nanosecond", 0)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    except (ArithmeticError, ValueError):  # pandas raises when a unit overflows
        return None
    return (since.days * 86400 + since.seconds) * 10**9 + since.microseconds * 1000 + int(extra)


def _datetime64_ns(moment: np.datetime64) -> int:
    """Return numpy's datetime as epoch ns. numpy's own conversion overflows without an error."""
    unit, step = np.datetime_data(moment.dtype)
    if unit not in UNITS:
        # Years and months have no fixed length, so convert them to days; ps, fs and as to ns.
        unit, step = ("D", 1) if unit in ("Y", "M") else ("ns", 1)
        moment = moment.astype(f"datetime64[{unit}]")
    return int(moment.astype(np.int64)) * step * UNITS[unit]
