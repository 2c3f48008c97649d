"""FieldMap: which messages of a websocket are rows, and where in them the fields of a tick are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from operator import is_, is_not
from typing import Any

from msgspec import UNSET

from tickerkit.errors import FieldMapError
from tickerkit.fieldmaps.paths import Path, parse_path
from tickerkit.fieldmaps.values import Value, check_keys, parse_value
from tickerkit.formatting import format_choices, format_value
from tickerkit.limits import MAX_UNIT_LENGTH
from tickerkit.ticks.fields import is_unit

__all__ = [
    "FIRST_FRAME",
    "MESSAGE",
    "Condition",
    "FieldMap",
    "Reading",
    "parse_conditions",
    "parse_fields",
]

# What a map says besides its columns, and the columns that have a meaning of their own.
TABLES = ("rows", "when", "old", "merge", "remember", "units")
FIELDS = (
    "symbol",
    "price",
    "size",
    "time",
    "side",
    "bid",
    "ask",
    "bid_size",
    "ask_size",
    "bids",
    "asks",
    "trade_id",
)
WORDS = (*TABLES, *FIELDS)
# The rows of the first message of each symbol after the subscription are old.
FIRST_FRAME = "first frame per symbol"
MESSAGE = "message_number"
# Columns that can't be the only number of a tick.
NO_NUMBERS = ("symbol", "time", "side", "trade_id")
NEAR = 0.8


@dataclass(frozen=True, slots=True)
class Condition:
    """A value that a message, or a row of it, must have.

    Attributes:
        path: where the value is.
        values: the values that it may have; empty if `starts` or `present` decides.
        starts: text that it begins with; None if it may begin with any.
        present: whether there is a value, or none; None if another attribute decides.
    """

    path: Path
    values: tuple[Any, ...] = ()
    starts: str | None = None
    present: bool | None = None

    @property
    def test(self) -> Callable[[Any], bool]:
        """The fastest function of a value that returns what `holds` returns."""
        if self.present is not None:
            return partial(is_not if self.present else is_, UNSET)
        is_text = self.starts is None and all(isinstance(wanted, str) for wanted in self.values)
        return self.values.__contains__ if is_text else self.holds

    def holds(self, value: Any) -> bool:
        """Return whether a value is as wanted; `UNSET` stands for none."""
        if self.present is not None:
            return (value is not UNSET) == self.present
        if self.starts is not None:
            return isinstance(value, str) and value.startswith(self.starts)
        # In Python True equals 1, in JSON it does not.
        return any(
            value == wanted and isinstance(value, bool) == isinstance(wanted, bool)
            for wanted in self.values
        )


@dataclass(frozen=True, slots=True)
class Remember:
    """What messages say that later rows need, until the connection ends.

    Attributes:
        when: what such a message has.
        key: where the value is by which later rows refer to it.
        value: where the value is that it stands for.
    """

    when: tuple[Condition, ...]
    key: Path
    value: Path


@dataclass(frozen=True, slots=True)
class Reading:
    """How one kind of message is read.

    Attributes:
        rows: the path to the rows; None where the message is one row.
        when: what must hold for a row.
        old: what holds for rows from before the subscription; `FIRST_FRAME`, or empty for none.
        merge: whether a row has only what has changed, and the rest is as in the row before of
            the same symbol.
        values: how each column is read.
        remember: what earlier messages say that rows need; None for nothing.
        ids_rise: whether later trades have larger ids: then ids decide the order of rows.
        is_numbered: whether rows have a column `MESSAGE`: the number of their message among those
            that were read together.
    """

    rows: Path | None
    when: tuple[Condition, ...]
    old: tuple[Condition, ...] | str
    merge: bool
    values: tuple[Value, ...]
    remember: Remember | None = None
    ids_rise: bool = True
    is_numbered: bool = False


@dataclass(frozen=True, slots=True)
class FieldMap:
    """How the messages of a websocket are read as ticks.

    Attributes:
        readings: one for each kind of message. A message may be read by several.
        given: the map as it was written.
        units: the unit of each column that has one, as it is shown: "°C".
    """

    readings: tuple[Reading, ...]
    given: Any = field(compare=False)
    units: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __repr__(self) -> str:
        return f"fields={self.given!r}"


def parse_fields(given: object) -> FieldMap:
    """Read a field map.

    Args:
        given: a table of `rows` (path to the rows, `"data[]"`), `when` (path to wanted value),
            `old`, `merge`, `remember`, `units` (column to unit) and columns (path, or table of
            conversions); or a list of such tables, one for each kind of message.

    Raises:
        FieldMapError: an entry can't be understood; the error names it, and the nearest known one.

    Example:
        >>> parse_fields({"rows": "data[]", "symbol": "s", "price": "p", "time": "T:ms"})
    """
    if isinstance(given, FieldMap):
        return given
    tables = [given] if isinstance(given, Mapping) else given
    if not isinstance(tables, Sequence) or isinstance(tables, str | bytes) or not tables:
        fix = 'pass a dict, as in {"symbol": "s", "price": "p"}, or a list of dicts'
        raise FieldMapError("fields", given, "is not a map", fix)
    readings = tuple(_parse_reading(table) for table in tables)
    units: dict[str, str] = {}
    for table in tables:
        for column, unit in _parse_units(table).items():
            if units.setdefault(column, unit) != unit:
                fix = "give the column of one table another name"
                raise FieldMapError(f"units.{column}", unit, "is its second unit", fix)
    return FieldMap(readings, given, units)


def _parse_units(table: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the units of a table's columns."""
    units = table.get("units", {})
    if not isinstance(units, Mapping):
        fix = 'pass columns with their units, as in {"temperature": "°C"}'
        raise FieldMapError("units", units, "is not a table", fix)
    check_keys("units", units, tuple(each for each in table if each not in TABLES))
    for column, unit in units.items():
        if not is_unit(unit):
            fix = f"pass text of 1 to {MAX_UNIT_LENGTH} characters"
            raise FieldMapError(f"units.{column}", unit, "is not a unit", fix)
    return units


def _parse_reading(table: object) -> Reading:
    if not isinstance(table, Mapping):
        fix = 'pass a dict, as in {"symbol": "s", "price": "p"}'
        raise FieldMapError("fields", table, "is not a map", fix)
    for key, entry in table.items():
        if not isinstance(key, str):
            raise FieldMapError("fields", key, "is not a name", "name columns by text")
        # Any other name is a column's. One that is nearly a known name is most likely misspelt.
        near = get_close_matches(key, WORDS, 1, NEAR)
        if key not in WORDS and near and not isinstance(entry, Mapping):
            fix = (
                f"did you mean {format_value(near[0])}? For a column of that name, write "
                f'{{"from": {format_value(entry)}}}'
            )
            raise FieldMapError(key, entry, "is unknown", fix)
    if "symbol" not in table:
        fix = 'give "symbol" a path, or {"value": "kitchen"} if all rows are of one'
        raise FieldMapError("fields", dict(table), "has no symbol", fix)
    columns = {key: entry for key, entry in table.items() if key not in TABLES}
    if not set(columns) - set(NO_NUMBERS):
        fix = "add a column with a number, such as price, bid or temperature"
        raise FieldMapError("fields", dict(table), "has no number", fix)
    rows = table.get("rows")
    path = None if rows is None else parse_path("rows", rows, is_rows=True)
    levels = 0 if path is None else path.steps.count(None)
    values = tuple(parse_value(column, entry) for column, entry in columns.items())
    when = parse_conditions("when", table.get("when", {}))
    old = table.get("old", ())
    if isinstance(old, str):
        if old != FIRST_FRAME:
            fix = f"pass a table like that of when, or {format_value(FIRST_FRAME)}"
            raise FieldMapError("old", old, "is unknown", fix)
    else:
        old = parse_conditions("old", old or {})
    paths = [each.path for each in (*when, *(old if isinstance(old, tuple) else ()))]
    for each in (*paths, *(value.path for value in values if value.path is not None)):
        if each.up > levels:
            fix = f"the row lies in {levels} lists; write as many ^ at most"
            raise FieldMapError("fields", each.text, "leaves more lists than there are", fix)
    merge = table.get("merge", False)
    if not isinstance(merge, bool):
        raise FieldMapError("merge", merge, "has another type", "pass true or false")
    remember = _parse_remember(table["remember"]) if "remember" in table else None
    if any(value.is_remembered for value in values) != (remember is not None):
        fix = 'write both: remember, and a column of {"from": …, "remembered": True}'
        raise FieldMapError("remember", table.get("remember"), "is half of two", fix)
    return Reading(path, when, old, merge, values, remember)


def _parse_remember(given: object) -> Remember:
    if not isinstance(given, Mapping):
        fix = 'pass {"when": …, "key": path, "value": path}'
        raise FieldMapError("remember", given, "is not a table", fix)
    check_keys("remember", given, ("when", "key", "value"))
    for key in ("when", "key", "value"):
        if key not in given:
            raise FieldMapError(f"remember.{key}", None, "is missing", f"add {key}")
    return Remember(
        parse_conditions("remember.when", given["when"]),
        parse_path("remember.key", given["key"]),
        parse_path("remember.value", given["value"]),
    )


def parse_conditions(key: str, given: object) -> tuple[Condition, ...]:
    """Read a table of paths and the values wanted there.

    Raises:
        FieldMapError: an entry can't be understood.
    """
    if not isinstance(given, Mapping):
        fix = 'pass paths with the wanted values, as in {"type": "trade"}'
        raise FieldMapError(key, given, "is not a table", fix)
    return tuple(_parse_condition(f"{key}.{path}", path, wanted) for path, wanted in given.items())


def _parse_condition(key: str, text: object, wanted: object) -> Condition:
    path = parse_path(key, text)
    if isinstance(wanted, Mapping):
        if list(wanted) != ["present"] or not isinstance(wanted["present"], bool):
            expected = format_choices(({"present": True}, {"present": False}))
            raise FieldMapError(key, wanted, "is unknown", f"expected {expected}")
        return Condition(path, present=wanted["present"])
    if isinstance(wanted, str) and wanted.endswith("*"):
        return Condition(path, starts=wanted[:-1])
    listed = tuple(wanted) if isinstance(wanted, list | tuple) else (wanted,)
    for value in listed:
        if value is not None and not isinstance(value, str | int | float | bool):
            fix = "pass text, a number, true, false, or a list of these"
            raise FieldMapError(key, wanted, "can't be compared", fix)
    return Condition(path, values=listed)
