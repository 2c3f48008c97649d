"""CompiledMap: a field map as msgspec types, so that messages are decoded and read in C.

A map names a few of a message's fields. From these, types are made at run time: names become a
struct, positions a struct that is an array, `[]` a list. msgspec then decodes only these fields,
and numbers in text become floats on the way. What msgspec accepts but a tick does not (`"nan"`, a
negative size) is found in whole columns; such messages are read again, the general way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import compress, pairwise
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import UNSET, UnsetType

from tickerkit.errors import BadTick
from tickerkit.fieldmaps.batches import join_batches
from tickerkit.fieldmaps.columns import (
    UnreadableError,
    fixed_column,
    read_further,
    read_integers,
    read_numbers,
    read_symbols,
    read_times,
)
from tickerkit.fieldmaps.fields import FIRST_FRAME, MESSAGE, Condition, FieldMap, Reading
from tickerkit.fieldmaps.paths import ITEMS, VALUES, Path, Step
from tickerkit.fieldmaps.values import Value
from tickerkit.ticks import ID_COLUMNS, NO_TIME, SIDES, Batch, Column, Text
from tickerkit.ticks.fields import NUMBER_FIELDS, MisfitError, may_be_value, read_other
from tickerkit.ticks.masks import is_all

__all__ = ["UNREADABLE", "CompiledMap", "compile_map"]

# What decoding raises for a message that the typed way can't read.
UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)

MAX_POSITION = 256
# What msgspec takes in no name of a field.
UNFIT = re.compile(r'[\\"\x00-\x1f\ud800-\udfff]')


class _UncompilableError(Exception):
    """The map needs two types at one place, or remembers earlier messages."""


class _Node:
    """A place in a message: what the map's paths want of it."""

    def __init__(self) -> None:
        self.names: dict[str, _Node] = {}
        self.places: dict[int, _Node] = {}
        self.items: _Node | None = None
        self.kinds: set[Any] = set()

    def at(self, step: Step) -> _Node:
        if step is ITEMS:
            self.items = self.items or _Node()
            return self.items
        if step == VALUES:
            raise _UncompilableError
        if isinstance(step, str):
            if UNFIT.search(step):
                raise _UncompilableError
            return self.names.setdefault(step, _Node())
        if step > MAX_POSITION:
            raise _UncompilableError
        return self.places.setdefault(step, _Node())

    @property
    def is_either(self) -> bool:
        """Whether some messages have an object here, and others a list."""
        return bool(self.names and self.items) and not self.places and not self.kinds

    def build(self) -> tuple[Any, Any]:
        """Return the msgspec type of this place, and its default."""
        if self.is_either:
            # Some messages have an object here, others a list of rows.
            rows, one = _Node(), _Node()
            rows.items, one.names = self.items, self.names
            (listed, _), (single, default) = rows.build(), one.build()
            return listed | single | None, default
        if bool(self.names) + bool(self.places) + bool(self.items) + bool(self.kinds) > 1:
            raise _UncompilableError
        if self.items:
            return list[self.items.build()[0]] | UnsetType, UNSET  # type: ignore[misc]
        if self.names:
            fields = [(f"f{n}", *node.build()) for n, node in enumerate(self.names.values())]
            rename = {f"f{n}": name for n, name in enumerate(self.names)}
            kind: Any = msgspec.defstruct("Object", fields, frozen=True, gc=False, rename=rename)
            return kind, kind()
        if self.places:
            fields = [
                (f"f{n}", *(self.places[n].build() if n in self.places else (object, UNSET)))
                for n in range(max(self.places) + 1)
            ]
            kind = msgspec.defstruct("Array", fields, frozen=True, gc=False, array_like=True)
            return kind, kind()
        kind = next(iter(self.kinds)) if len(self.kinds) == 1 else object
        return (object, UNSET) if kind is object else (kind | None | UnsetType, UNSET)

    def name_of(self, step: str | int) -> str:
        """Return the attribute of a step in the struct."""
        return f"f{step}" if isinstance(step, int) else f"f{list(self.names).index(step)}"


class _Getter(NamedTuple):
    """Where a value is: of the message (level 0), an item of an outer list, or the row."""

    level: int
    get: Callable[[Any], Any]


class _CompiledReading(NamedTuple):
    lists: list[Callable[[Any], Any]]
    rest: Callable[[Any], Any] | None
    when: list[tuple[_Getter, Condition]]
    old: list[tuple[_Getter, Condition]]
    columns: list[tuple[_Getter | None, Value]]
    ids_rise: bool
    is_numbered: bool


def compile_map(fields: FieldMap) -> CompiledMap | None:
    """Return a map as types; None if it can only be read the general way."""
    try:
        return CompiledMap(fields)
    except _UncompilableError:
        return None


class CompiledMap:
    """Reads messages by types made from a field map.

    Args:
        fields: the map.
    """

    def __init__(self, fields: FieldMap) -> None:
        root = _Node()
        plans: list[Callable[[], _CompiledReading]] = []
        for reading in fields.readings:
            if reading.merge or reading.remember or reading.old == FIRST_FRAME:
                raise _UncompilableError
            plans.append(_plan(root, reading))
        kind, _ = root.build()
        self._decode = msgspec.json.Decoder(kind, strict=False).decode
        self._readings = [finish() for finish in plans]

    def decode(self, messages: Iterator[str | bytes], decoded: list[Any]) -> None:
        """Decode messages, and add them to `decoded`.

        Raises:
            msgspec.MsgspecError, UnicodeError, RecursionError: the message after those decoded is
                not JSON, or has other types.
        """
        decode, add = self._decode, decoded.append
        for data in messages:
            add(decode(data))

    def read(self, messages: list[Any]) -> tuple[Batch | None, list[int]] | None:
        """Read decoded messages.

        Returns:
            The ticks, and the numbers of the messages in which the map names no row. None if a
            value is invalid, or rows are not in order.
        """
        known = np.zeros(len(messages), dtype=bool)
        parts: list[tuple[npt.NDArray[np.int64], Batch]] = []
        try:
            for each in self._readings:
                index, levels = _select_rows(each, messages, known)
                if len(index):
                    parts.append((index, _read_columns(each, index, levels)))
            # A single part is in order.
            batch = parts[0][1] if len(parts) == 1 else None
            if len(parts) > 1:
                batch = join_batches([part for _, part in parts], [index for index, _ in parts])
        except (UnreadableError, ValueError):
            return None
        return batch, np.flatnonzero(~known).tolist()


def _plan(root: _Node, reading: Reading) -> Callable[[], _CompiledReading]:
    """Add a reading's paths to the tree; return a function that makes its getters from it."""
    steps = reading.rows.steps if reading.rows else ()
    prefixes: list[tuple[Step, ...]] = [()]
    for n, step in enumerate(steps):
        if step is ITEMS:
            prefixes.append(steps[: n + 1])
    row_steps = steps[len(prefixes[-1]) :]

    def place(path: Path, kind: Any) -> tuple[int, tuple[Step, ...]]:
        level = 0 if path.from_message else len(prefixes) - 1 - path.up
        inner = (
            (*row_steps, *path.steps)
            if level == len(prefixes) - 1 and not path.from_message
            else path.steps
        )
        if not inner:
            raise _UncompilableError
        node = root
        for step in (*prefixes[level], *inner):
            node = node.at(step)
        node.kinds |= {kind} - {None}
        return level, inner

    def condition(each: Condition) -> tuple[int, tuple[Step, ...], Condition]:
        # Whether a value is there is known of a value of any type.
        return (*place(each.path, None if each.present is not None else object), each)

    node = root
    for step in steps:
        node = node.at(step)
    for value in reading.values:
        _check_value(value)
    values = [
        (None if value.path is None else place(value.path, _kind_of(value)), value)
        for value in reading.values
    ]
    when = [condition(each) for each in reading.when]
    old = [condition(each) for each in reading.old if isinstance(each, Condition)]

    def getter(prefix: tuple[Step, ...], inner: Iterable[Step]) -> Callable[[Any], Any]:
        node, names, may_fail = root, [], False
        for step in prefix:
            node = node.at(step)
        for step in inner:
            assert step is not ITEMS
            may_fail |= node.is_either
            names.append(node.name_of(step))
            node = node.at(step)
        if not names:
            return lambda item: item
        get = attrgetter(".".join(names))
        return _get_or_unset(get) if may_fail else get

    def reach(level: int, inner: Iterable[Step]) -> _Getter:
        return _Getter(level, getter(prefixes[level], inner))

    def finish() -> _CompiledReading:
        lists = [getter(outer, inner[len(outer) : -1]) for outer, inner in pairwise(prefixes)]
        return _CompiledReading(
            lists,
            getter(prefixes[-1], row_steps) if row_steps else None,
            [(reach(level, inner), each) for level, inner, each in when],
            [(reach(level, inner), each) for level, inner, each in old],
            [(None if at is None else reach(*at), value) for at, value in values],
            reading.ids_rise,
            reading.is_numbered,
        )

    return finish


def _get_or_unset(get: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a getter for places that may have a list or null instead of an object."""

    def get_or_unset(item: Any) -> Any:
        try:
            return get(item)
        except AttributeError:
            return UNSET

    return get_or_unset


def _check_value(value: Value) -> None:
    """Raise if a value may break a rule of its column: the general way names the problem."""
    if value.column in SIDES:
        is_fit = False  # levels cost far more than the fields of their messages
    elif value.path is not None:
        # A part of a text, or what a word stands for, may be no number.
        is_fit = value.column not in NUMBER_FIELDS or value.is_plain
    else:
        is_fit = value.column not in (*NUMBER_FIELDS, *ID_COLUMNS, "time") and _is_kept(value)
    if not is_fit:
        raise _UncompilableError


def _is_kept(value: Value) -> bool:
    """Return whether a column keeps a value that is the same in each row, as it is."""
    try:
        return read_other(value.column, value.fixed) == value.fixed
    except (BadTick, MisfitError):
        return False


def _kind_of(value: Value) -> Any:
    """Return the type that msgspec decodes a value as."""
    if value.is_plain_number:
        return float
    if value.column == "symbol":
        return str
    return int if value.column == "time" and value.unit in ("ms", "us", "ns") else object


def _select_rows(
    each: _CompiledReading, messages: list[Any], known: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], list[list[Any]]]:
    """Return the rows of a reading.

    Returns:
        For each row the number of its message, and for each level (the message, the items of outer
        lists, the row) a list with an entry for each row.
    """
    index = np.arange(len(messages))
    levels: list[list[Any]] = [messages]
    for getter, condition in each.when:
        if getter.level == 0:
            index, levels = _keep(index, levels, map(condition.test, map(getter.get, levels[0])))
            if not len(index):
                return index, levels
    for get in each.lists:
        lists = list(map(get, levels[-1]))
        has_list = np.array([type(items) is list for items in lists], dtype=bool)
        counts = [len(items) if has else 0 for items, has in zip(lists, has_list, strict=True)]
        # A message whose lists are all empty is known, and has no rows.
        listed = np.bincount(index, weights=has_list, minlength=len(messages))
        items_of = np.bincount(index, weights=counts, minlength=len(messages))
        known |= (listed > 0) & (items_of == 0)
        index = np.repeat(index, counts)
        levels = [
            [item for item, count in zip(level, counts, strict=True) for _ in range(count)]
            for level in levels
        ]
        levels.append([item for items in compress(lists, has_list) for item in items])
    for getter, condition in each.when:
        if getter.level:
            values = map(getter.get, levels[getter.level])
            index, levels = _keep(index, levels, map(condition.test, values))
    if not each.when:
        index, levels = _keep_named(each, index, levels)
    known[index] = True
    return index, levels


def _keep(
    index: npt.NDArray[np.int64], levels: list[list[Any]], chosen: Iterable[bool]
) -> tuple[npt.NDArray[np.int64], list[list[Any]]]:
    mask = list(chosen)
    return (
        (index, levels)
        if all(mask)
        else (index[np.array(mask, dtype=bool)], [list(compress(level, mask)) for level in levels])
    )


def _keep_named(
    each: _CompiledReading, index: npt.NDArray[np.int64], levels: list[list[Any]]
) -> tuple[npt.NDArray[np.int64], list[list[Any]]]:
    """Keep the rows that have a symbol and another value, where the map has no `when`."""
    has_value = np.zeros(len(index), dtype=bool)
    has_symbol = np.ones(len(index), dtype=bool)
    for getter, value in each.columns:
        if getter is None or value.column == "time":
            continue
        values = map(getter.get, levels[getter.level])
        there = np.array([found is not UNSET for found in values], dtype=bool)
        if value.column == "symbol":
            has_symbol &= there
        else:
            has_value |= there
    return _keep(index, levels, (has_value & has_symbol).tolist())


def _read_columns(
    each: _CompiledReading, index: npt.NDArray[np.int64], levels: list[list[Any]]
) -> Batch:
    """Return the rows as columns; raises `UnreadableError` for an invalid value."""
    count = len(index)
    time = np.full(count, NO_TIME)
    columns: dict[str, Column] = {}
    for getter, value in each.columns:
        if getter is None:
            columns[value.column] = fixed_column(value, count)
            continue
        found = list(map(getter.get, levels[getter.level]))
        if value.column == "time":
            time = read_times(value, found)
            continue
        column: Column | None
        if value.column == "symbol":
            column = read_symbols(value, found)
        elif value.is_plain_number:
            column = read_numbers(value, found)
        elif value.column in ID_COLUMNS or value.unit == "int":
            column = read_integers(value, found)
        else:
            column = read_further(value, found)
        if column is not None:
            columns[value.column] = column
    if each.is_numbered:
        columns[MESSAGE] = index.astype(np.float64)
    for name in ("price", "size"):
        columns.setdefault(name, np.full(count, np.nan))
    ids = columns.get("trade_id") if each.ids_rise else None
    if each.lists and count > 1 and _is_out_of_order(index, time, ids):
        raise UnreadableError
    has_value = np.zeros(count, dtype=bool)
    for name, column in columns.items():
        if isinstance(column, np.ndarray) and may_be_value(name):
            has_value |= column != 0 if column.dtype.kind == "i" else ~np.isnan(column)
            if is_all(has_value):
                break
    else:
        raise UnreadableError
    if each.old:
        old = np.ones(count, dtype=bool)
        for getter, condition in each.old:
            old &= list(map(condition.test, map(getter.get, levels[getter.level])))
        words = ["live"] if not old.any() else ["snapshot"] if old.all() else ["live", "snapshot"]
        columns["origin"] = Text(old.astype(np.int32) * (len(words) - 1), words)
    return Batch(count, time, columns)


def _is_out_of_order(
    index: npt.NDArray[np.int64], time: npt.NDArray[np.int64], ids: Column | None
) -> bool:
    """Return whether rows of one message came with falling times, or falling ids at one time."""
    same = index[1:] == index[:-1]
    falls = time[1:] < time[:-1]
    if isinstance(ids, np.ndarray):
        falls |= (time[1:] == time[:-1]) & (ids[1:] < ids[:-1])
    return bool((same & falls).any())
