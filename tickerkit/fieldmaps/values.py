"""Value: how the value of one column is read out of a row: its path, unit and conversions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

import numpy as np
from msgspec import UNSET

from tickerkit.errors import BadTick, FieldMapError
from tickerkit.fieldmaps.paths import Path, parse_path
from tickerkit.formatting import format_choices, format_value
from tickerkit.ticks import NO_TIME, SIDES
from tickerkit.ticks.fields import (
    NUMBER_FIELDS,
    OWN_COLUMNS,
    TIME_FIX,
    MisfitError,
    may_be_column,
    read_symbol,
    read_time,
)
from tickerkit.ticks.levels import is_levels
from tickerkit.ticks.numbers import INTEGER, is_exact_number, is_number

__all__ = ["Value", "check_keys", "parse_value"]

UNITS_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
UNITS = (*UNITS_NS, "iso", "int")
UNIT = re.compile(r":([A-Za-z]+)$")
# How venues write the taker's side of a trade. Another spelling needs a map.
TAKER_SIDES = dict.fromkeys(("buy", "b", "bid"), "buy") | dict.fromkeys(
    ("sell", "s", "ask", "a"), "sell"
)
# The entries of a value that is a table.
ENTRIES = (
    *("from", "value", "unit", "after", "before", "map", "zero", "abs", "buy", "sell", "sign"),
    "remembered",
)
# The entries of an order book's side that is a table.
SIDE_ENTRIES = ("from", "price", "size")


@dataclass(frozen=True, slots=True)
class Value:
    """How one column is read.

    Attributes:
        column: its name.
        path: where the value is; None if it is `fixed`.
        fixed: the value of every row, where `path` is None.
        unit: of a time `s`, `ms`, `us`, `ns` or `iso`; of an id `int`; otherwise None.
        after: text after which the value begins in what is found; None for all of it.
        before: text before which it ends; None for all of it.
        words: the values that a word stands for: word to value. None for no mapping.
        is_signed: whether a negative number is a sell, another one a buy.
        zero_is_none: whether 0 stands for no value.
        absolute: whether the sign of a number is left out.
        is_remembered: whether what is found is a key of what the reading remembers.
        level: where price and size are in a level of an order book's side: names or positions.
    """

    column: str
    path: Path | None
    fixed: str | float | None = None
    unit: str | None = None
    after: str | None = None
    before: str | None = None
    words: Mapping[Any, Any] | None = None
    is_signed: bool = False
    zero_is_none: bool = False
    absolute: bool = False
    is_remembered: bool = False
    level: tuple[str | int, str | int] = (0, 1)

    @property
    def is_plain(self) -> bool:
        """Whether the value is what is found: no part of it, and nothing that it stands for."""
        return self.words is None and self.after is None and self.before is None

    @property
    def is_plain_number(self) -> bool:
        """Whether the value is a number that needs no conversion but that of numeric text."""
        return self.path is not None and self.column in NUMBER_FIELDS and self.is_plain

    def convert(self, given: Any) -> Any:
        """Return a value as `BatchBuilder` takes it; None if it stands for no value.

        Raises:
            BadTick: the value is not of the column's kind.
            MisfitError: the value is left out of its tick.
        """
        if given is UNSET or given is None or given == "":
            return None
        if self.column in SIDES:
            return self._read_levels(given)
        if self.after is not None or self.before is not None:
            given = self._cut(given)
        if self.words is not None:
            return self._word(given)
        if self.column == "side":
            return self._read_side(given)
        if self.column == "time":
            return self._read_time(given)
        if self.column == "symbol":
            return given
        if self.unit == "int" or self.column == "trade_id":
            return self._read_id(given)
        if self.absolute or self.zero_is_none:
            return self._number(given)
        if self.column not in NUMBER_FIELDS and isinstance(given, str) and is_exact_number(given):
            return float(given)  # most venues send numbers as text
        return given

    def _read_levels(self, given: Any) -> Any:
        """Return the levels of an order book's side as pairs of price and size."""
        if self.level == (0, 1) or not is_levels(given):
            return given
        price, size = self.level
        try:
            return [(each[price], each[size]) for each in given]
        except (LookupError, TypeError):  # which level it is, is found when they are read
            return given

    def _cut(self, given: Any) -> Any:
        """Return the part of a text between `after` and `before`."""
        if not isinstance(given, str):
            raise BadTick(self.column, given, "is not text", "leave out after and before")
        if self.after is not None:
            head, found, given = given.partition(self.after)
            if not found:
                problem = f"does not contain {format_value(self.after)}"
                raise BadTick(self.column, head, problem, "correct the map")
        return given.partition(self.before)[0] if self.before is not None else given

    def _word(self, given: Any) -> Any:
        assert self.words is not None
        try:
            found = self.words.get(given, UNSET)
        except TypeError:  # a list or an object
            found = UNSET
        # In Python True equals 1, in JSON it does not.
        if found is UNSET or any(
            key == given and isinstance(key, bool) != isinstance(given, bool) for key in self.words
        ):
            if self.column == "symbol":  # a tick can't do without its symbol
                fix = "add it to the map of symbols, or leave such rows out by when"
                raise BadTick("symbol", given, "is not in the map of symbols", fix)
            raise MisfitError
        return found

    def _read_side(self, given: Any) -> str | None:
        """Return `buy` or `sell`."""
        if self.is_signed:
            number = self._number(given)
            if isinstance(number, bool) or not isinstance(number, int | float | None):
                raise MisfitError
            return None if not number else "sell" if number < 0 else "buy"
        side = TAKER_SIDES.get(given.lower()) if isinstance(given, str) else None
        if side is None:
            raise MisfitError
        return side

    def _read_time(self, given: Any) -> np.datetime64 | None:
        """Return a time, by its unit."""
        number = isinstance(given, int | float | Decimal) or (
            isinstance(given, str) and is_number(given)
        )
        if self.unit is not None and number == (self.unit == "iso"):
            wanted = "ISO-8601 text" if self.unit == "iso" else f"a number of {self.unit}"
            raise BadTick("time", given, f"is not {wanted}", "correct the unit in the map")
        if not isinstance(given, int | float | str) or isinstance(given, bool):
            raise BadTick("time", given, "is not a time", TIME_FIX)
        time = read_time(given, UNITS_NS.get(self.unit or ""))
        return None if time == NO_TIME else np.datetime64(time, "ns")

    def _read_id(self, given: Any) -> Any:
        """Return an id as an integer; None for text that is no integer, such as a UUID."""
        if isinstance(given, str):
            return int(given) if INTEGER.fullmatch(given) else None
        return given

    def _number(self, given: Any) -> Any:
        """Return a number without what the column leaves out; another value as it is."""
        number = given
        if isinstance(given, str) and is_number(given):
            number = float(given)
        if isinstance(number, bool) or not isinstance(number, int | float):
            return given
        if self.zero_is_none and number == 0:
            return None
        return abs(number) if self.absolute else number


def parse_value(column: str, given: object) -> Value:
    """Read an entry of a field map: how a column is read.

    Args:
        column: the column's name.
        given: a path, with a unit after a colon (`"T:ms"`); or a table with `from` (a path) or
            `value` (the same for all rows), and `unit`, `after` and `before` (text around the
            value), `map` (word to value), `zero = "none"`, `abs = true`; for `side` also `buy` and
            `sell` (the words that stand for them), or `sign = true`; for `bids` and `asks` `price`
            and `size` (where these are in a level: names or positions). `remembered = true` stands
            for what an earlier message said of the value, by the map's `remember`.

    Raises:
        FieldMapError: it can't be understood.
    """
    if column in OWN_COLUMNS:
        fix = f'name it otherwise, as in "source_{column}"'
        raise FieldMapError(column, given, "is a column of the log's own", fix)
    if not may_be_column(column):
        raise FieldMapError(column, given, "can't be a column", "use a shorter, printable name")
    if column in SIDES:
        return _parse_side(column, given)
    if not isinstance(given, Mapping):
        path, unit = _split_unit(column, given)
        return _check_unit(column, Value(column, path, unit=unit))
    check_keys(column, given, ENTRIES)
    for key, kind in (("after", str), ("before", str), ("map", Mapping), ("unit", str)):
        if key in given and not isinstance(given[key], kind):
            fix = "pass a table" if kind is Mapping else "pass text"
            raise FieldMapError(f"{column}.{key}", given[key], "has another type", fix)
        if key in ("after", "before") and given.get(key) == "":
            raise FieldMapError(f"{column}.{key}", "", "is empty", f"leave out {key}")
    for key in ("abs", "sign", "remembered"):
        if not isinstance(given.get(key, False), bool):
            raise FieldMapError(f"{column}.{key}", given[key], "has another type", "pass true")
    if given.get("zero", "none") != "none":
        raise FieldMapError(f"{column}.zero", given["zero"], "is unknown", 'pass "none"')
    if ("from" in given) == ("value" in given):
        raise FieldMapError(column, given, "has no place", "give it one of: from, value")
    if "value" in given:
        fixed = given["value"]
        if isinstance(fixed, bool) or not isinstance(fixed, str | int | float):
            fix = "pass text or a number"
            raise FieldMapError(f"{column}.value", fixed, "is neither text nor a number", fix)
        if column == "symbol":
            try:
                read_symbol(fixed)
            except BadTick as error:
                raise FieldMapError("symbol.value", fixed, error.problem, error.fix) from None
        return Value(column, None, fixed)
    path, unit = _split_unit(f"{column}.from", given["from"])
    value = Value(
        column,
        path,
        unit=given.get("unit", unit),
        after=given.get("after"),
        before=given.get("before"),
        words=_words(column, given),
        is_signed=given.get("sign", False),
        zero_is_none="zero" in given,
        absolute=given.get("abs", False),
        is_remembered=given.get("remembered", False),
    )
    return _check_unit(column, value)


def _parse_side(column: str, given: object) -> Value:
    """Read how the levels of an order book's side are read."""
    if not isinstance(given, Mapping):
        return Value(column, parse_path(column, given))
    check_keys(column, given, SIDE_ENTRIES)
    if "from" not in given:
        raise FieldMapError(column, given, "has no place", "give it from: the path of the levels")
    for key in ("price", "size"):
        place = given.get(key, 0)
        if isinstance(place, bool) or not isinstance(place, str | int):
            fix = "pass the name of the field in a level, or its position"
            raise FieldMapError(f"{column}.{key}", place, "has another type", fix)
    path = parse_path(f"{column}.from", given["from"])
    return Value(column, path, level=(given.get("price", 0), given.get("size", 1)))


def check_keys(place: str, given: Mapping[Any, Any], known: tuple[str, ...]) -> None:
    """Check the keys of a table of a map.

    Raises:
        FieldMapError: a key is not one of those known; the error names the nearest one.
    """
    for key in given:
        if key not in known:
            near = get_close_matches(str(key), known, 1)
            fix = f"did you mean {format_value(near[0])}?" if near else ""
            where = f"{place}.{key}" if place else str(key)
            raise FieldMapError(
                where, given[key], "is unknown", fix or f"expected {format_choices(known)}"
            )


def _words(column: str, given: Mapping[Any, Any]) -> dict[Any, Any] | None:
    """Return which value each word stands for."""
    words: dict[Any, Any] = {}
    if "map" in given:
        for word, stands_for in given["map"].items():
            if isinstance(stands_for, bool) or not isinstance(stands_for, str | int | float):
                fix = "map each word to text or a number"
                raise FieldMapError(f"{column}.map.{word}", stands_for, "is neither", fix)
            words[word] = stands_for
    for side in ("buy", "sell"):
        if side in given:
            if column != "side":
                fix = "give it to side, or use map"
                raise FieldMapError(f"{column}.{side}", given[side], "is unknown here", fix)
            listed = given[side] if isinstance(given[side], list | tuple) else [given[side]]
            for word in listed:
                if not isinstance(word, str | int | float | bool):
                    fix = "pass text, a number, true or false, or a list of these"
                    raise FieldMapError(f"side.{side}", word, "can't stand for a side", fix)
                words[word] = side
    return words or None


def _split_unit(key: str, given: object) -> tuple[Path, str | None]:
    """Return a path and its unit, of text such as `T:ms`."""
    if isinstance(given, str) and (match := UNIT.search(given)) and not given.endswith('"'):
        unit = match[1]
        if unit not in UNITS:
            fix = f"the units are {format_choices(UNITS)}"
            raise FieldMapError(key, given, f"has the unknown unit {format_value(unit)}", fix)
        return parse_path(key, given[: match.start()]), unit
    return parse_path(key, given), None


def _check_unit(column: str, value: Value) -> Value:
    """Return a value whose unit is one of its column."""
    unit = value.unit
    if unit is not None and unit not in UNITS:
        fix = f"the units are {format_choices(UNITS)}"
        raise FieldMapError(f"{column}.unit", unit, "is unknown", fix)
    if unit is not None and (unit == "int") == (column == "time"):
        fix = "a time has s, ms, us, ns or iso; another column int, or none"
        raise FieldMapError(column, unit, "is not a unit of this column", fix)
    return value
