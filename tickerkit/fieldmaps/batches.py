"""Batches: the rows of several batches in one order, and the columns that such rows need."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tickerkit.ticks import NO_TIME, Batch, Column, Text
from tickerkit.ticks.masks import is_all, is_any

__all__ = [
    "drop_keys",
    "fill_origin",
    "fill_time",
    "has_origin",
    "join_batches",
    "join_mixed",
    "mark_origin",
    "trade_ids",
    "trade_keys",
]

# A column of ids that are not integers, such as UUIDs. They identify trades; no log has them.
KEY_COLUMN = "trade_key"


def join_batches(batches: Sequence[Batch], keys: Sequence[npt.NDArray[np.int64]]) -> Batch:
    """Return the rows of several batches as one, in the order of their keys.

    Args:
        batches: at least one batch.
        keys: for each batch an array, shape `(batch.count,)`. Rows with equal keys stay in order.

    Raises:
        ValueError: a column has several kinds: text, integers or floats.
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
    times = np.concatenate([batch.time for batch in batches])[order]
    return Batch(
        len(order), times, columns, books=[book for each in batches for book in each.books]
    )


def join_mixed(batches: Sequence[Batch], keys: Sequence[npt.NDArray[np.int64]]) -> Batch:
    """Return the rows of several batches as `join_batches` does, whatever their columns are.

    A column that is text in one batch and a number in another keeps the kind that it has first; the
    other values are left out. Integers become floats where another batch has floats.
    """
    kinds: dict[str, set[str]] = {}
    for batch in batches:
        for name, column in batch.columns.items():
            kinds.setdefault(name, set()).add(_kind_of(column))
    is_text: dict[str, bool] = {}
    alike = []
    for batch in batches:
        columns = {
            name: _to_floats(column) if kinds[name] >= {"i", "f"} else column
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
    if is_all(column.codes >= 0):
        return batch
    words = column.words if "live" in column.words else [*column.words, "live"]
    codes = np.where(column.codes < 0, words.index("live"), column.codes)
    return Batch(batch.count, batch.time, {**batch.columns, "origin": Text(codes, words)})


def fill_time(batch: Batch, time_ns: int) -> Batch:
    """Return ticks whose time is `time_ns` where they have none, if that is known: above 0."""
    if time_ns <= 0:
        return batch
    is_missing = batch.time == NO_TIME
    if is_any(is_missing):
        batch = replace(batch, time=np.where(is_missing, time_ns, batch.time))
    if any(book.time == NO_TIME for book in batch.books):
        books = [
            book._replace(time=time_ns) if book.time == NO_TIME else book for book in batch.books
        ]
        batch = replace(batch, books=books)
    return batch


def has_origin(batch: Batch, origin: str) -> npt.NDArray[np.bool_]:
    """Return which ticks have `origin` in the column `origin`, shape (batch.count,)."""
    column = batch.columns.get("origin")
    if not isinstance(column, Text) or origin not in column.words:
        return np.zeros(batch.count, dtype=bool)
    return np.asarray(column.codes == column.words.index(origin))


def trade_ids(batch: Batch) -> npt.NDArray[np.int64]:
    """Return the trade ids of ticks, 0 for a tick without one."""
    ids = batch.columns.get("trade_id")
    if isinstance(ids, np.ndarray):
        return ids.astype(np.int64, copy=False)
    return np.zeros(batch.count, dtype=np.int64)


def trade_keys(batch: Batch) -> list[Hashable]:
    """Return what identifies each trade: text, or its trade id; None or 0 for a trade without."""
    keys = batch.columns.get(KEY_COLUMN)
    if isinstance(keys, Text):
        return [keys.words[code] if code >= 0 else None for code in keys.codes.tolist()]
    return list(trade_ids(batch).tolist())


def drop_keys(batch: Batch) -> Batch:
    """Return ticks without the ids that are not integers."""
    if KEY_COLUMN not in batch.columns:
        return batch
    columns = {name: each for name, each in batch.columns.items() if name != KEY_COLUMN}
    return replace(batch, columns=columns)


def _kind_of(column: Column) -> str:
    return "text" if isinstance(column, Text) else column.dtype.kind


def _to_floats(column: Column) -> Column:
    """Return integers as floats; 0, which stands for none, is NaN. Other columns stay."""
    if isinstance(column, Text) or column.dtype.kind != "i":
        return column
    return np.where(column == 0, np.nan, column)


def _join_column(columns: Sequence[Column | None], batches: Sequence[Batch]) -> Column:
    kinds = {_kind_of(column) for column in columns if column is not None}
    if len(kinds) > 1:
        raise ValueError("a column has several kinds: text, integers or floats")
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
