"""Batches: joining ticks of several batches, in an order."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tickerkit.ticks import NO_TIME, Batch, Column, Text

__all__ = [
    "drop_keys",
    "fill_origin",
    "fill_time",
    "join_batches",
    "join_mixed",
    "mark_origin",
    "trade_ids",
    "trade_keys",
]

# A column of ids that are no integers, such as UUIDs. They tell trades apart, and go into no log.
KEY_COLUMN = "trade_key"


def join_batches(batches: Sequence[Batch], keys: Sequence[npt.NDArray[np.int64]]) -> Batch:
    """Return the rows of several batches as one, in the order of their keys.

    Args:
        batches: at least one batch.
        keys: for each batch an array, shape `(batch.count,)`. Rows with equal keys stay in order.

    Raises:
        ValueError: a column is text in one batch and a number in another.
    """
    if len(batches) == 1 and (np.diff(keys[0]) >= 0).all():
        return batches[0]
    order = np.argsort(np.concatenate(keys), kind="stable")
    names = dict.fromkeys(name for batch in batches for name in batch.columns)
    columns: dict[str, Column] = {}
    for name in names:
        column = _join_column([batch.columns.get(name) for batch in batches], batches)
        columns[name] = (
            Text(column.codes[order], column.words) if isinstance(column, Text) else column[order]
        )
    return Batch(len(order), np.concatenate([batch.time for batch in batches])[order], columns)


def join_mixed(batches: Sequence[Batch], keys: Sequence[npt.NDArray[np.int64]]) -> Batch:
    """Return the rows of several batches as `join_batches` does, whatever their columns are.

    A column that is text in one batch and a number in another keeps the kind that it has first; the
    other values are left out.
    """
    is_text: dict[str, bool] = {}
    alike = []
    for batch in batches:
        columns = {
            name: column
            for name, column in batch.columns.items()
            if is_text.setdefault(name, isinstance(column, Text)) == isinstance(column, Text)
        }
        alike.append(replace(batch, columns=columns))
    return join_batches(alike, keys)


def mark_origin(batch: Batch, origin: str) -> Batch:
    """Return ticks whose column `origin` is `origin` in every row."""
    codes = np.zeros(batch.count, dtype=np.int32)
    return Batch(batch.count, batch.time, {**batch.columns, "origin": Text(codes, [origin])})


def fill_origin(batch: Batch) -> Batch:
    """Return ticks whose column `origin` is `live` in each row that has none."""
    column = batch.columns.get("origin")
    if not isinstance(column, Text):
        return mark_origin(batch, "live")
    if (column.codes >= 0).all():
        return batch
    words = column.words if "live" in column.words else [*column.words, "live"]
    codes = np.where(column.codes < 0, words.index("live"), column.codes)
    return Batch(batch.count, batch.time, {**batch.columns, "origin": Text(codes, words)})


def fill_time(batch: Batch, time_ns: int) -> Batch:
    """Return ticks whose time is `time_ns` where they have none, if that is known: above 0."""
    is_missing = batch.time == NO_TIME
    if time_ns <= 0 or not is_missing.any():
        return batch
    return replace(batch, time=np.where(is_missing, time_ns, batch.time))


def trade_ids(batch: Batch) -> npt.NDArray[np.int64]:
    """Return the trade ids of ticks, 0 for a tick without one."""
    ids = batch.columns.get("trade_id")
    if isinstance(ids, np.ndarray):
        return ids.astype(np.int64, copy=False)
    return np.zeros(batch.count, dtype=np.int64)


def trade_keys(batch: Batch) -> list[Hashable]:
    """Return what tells the trades of an instant apart: text, or trade ids; None or 0 for none."""
    keys = batch.columns.get(KEY_COLUMN)
    if isinstance(keys, Text):
        return [keys.words[code] if code >= 0 else None for code in keys.codes.tolist()]
    return list(trade_ids(batch).tolist())


def drop_keys(batch: Batch) -> Batch:
    """Return ticks without the ids that are no integers."""
    if KEY_COLUMN not in batch.columns:
        return batch
    columns = {name: each for name, each in batch.columns.items() if name != KEY_COLUMN}
    return replace(batch, columns=columns)


def _join_column(columns: Sequence[Column | None], batches: Sequence[Batch]) -> Column:
    kinds = {
        "text" if isinstance(column, Text) else column.dtype.kind
        for column in columns
        if column is not None
    }
    if len(kinds) > 1:
        raise ValueError("a column is text in one batch and a number in another")
    if kinds == {"text"}:
        words: dict[str, int] = {}
        codes = []
        for column, batch in zip(columns, batches, strict=True):
            if not isinstance(column, Text):
                codes.append(np.full(batch.count, -1, dtype=np.int32))
                continue
            new = [words.setdefault(word, len(words)) for word in column.words]
            codes.append(np.array([*new, -1], dtype=np.int32)[column.codes])
        return Text(np.concatenate(codes), list(words))
    empty = 0 if kinds == {"i"} else np.nan
    return np.concatenate(
        [
            np.full(batch.count, empty) if column is None else column
            for column, batch in zip(columns, batches, strict=True)
        ]
    )
