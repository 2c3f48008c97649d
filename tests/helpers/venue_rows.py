"""Rows that field maps read, in a form that tests can compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tickerkit.fieldmaps import FieldMap, FieldReader
from tickerkit.fieldmaps.fields import MESSAGE
from tickerkit.presets.preset import Preset
from tickerkit.ticks import NO_TIME, Batch, Text


def map_of(preset: Preset, channels: Sequence[str] = ("trades", "quotes")) -> FieldMap:
    """Return the field maps of all sockets of a preset as one, as far as channels need them."""
    reads = [read for socket in preset.sockets for read in socket.reads]
    return FieldMap(tuple(read.reading for read in reads if read.channel in channels), None)


def rows_of(batches: Iterable[Batch]) -> list[dict[str, Any]]:
    """Return ticks as dicts of the columns that have a value; times are epoch ns."""
    rows: list[dict[str, Any]] = []
    for batch in batches:
        columns: dict[str, list[Any]] = {"time": batch.time.tolist()}
        for name, column in batch.columns.items():
            if isinstance(column, Text):
                columns[name] = [
                    column.words[code] if code >= 0 else None for code in column.codes.tolist()
                ]
            else:
                columns[name] = np.asarray(column).tolist()
        for number in range(batch.count):
            row = {name: values[number] for name, values in columns.items()}
            row.pop(MESSAGE, None)
            rows.append({name: value for name, value in row.items() if has_value(name, value)})
    return rows


def has_value(name: str, value: Any) -> bool:
    """Return whether a column has a value in a row."""
    if name == "time":
        return bool(value != NO_TIME)
    return value is not None and value == value and not (name == "trade_id" and value == 0)


def read_rows(
    fields: FieldMap, messages: Sequence[str | bytes], *, typed: bool = True
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Return the rows of messages, and the messages without rows; no row may be refused."""
    taken = FieldReader(fields, typed=typed).read(messages)
    refused = [error for batch in taken.batches for error in batch.errors]
    assert not refused, refused[:3]
    return rows_of(taken.batches), taken.others


def tick(symbol: str, time: int | None, **values: Any) -> Mapping[str, Any]:
    """Return a row without the columns that have no value."""
    row = {"symbol": symbol, "time": time, **values}
    return {name: value for name, value in row.items() if value is not None}
