"""Arrow: a log's rows as an Arrow table over the log's memory, which DuckDB and Polars read.

Numbers, times and the codes of text are not copied: the table's buffers are the log's arrays, which
stay in memory as long as the table does. Arrow marks a missing value by a bit beside the numbers,
and not by NaN. So these bits are the only thing to compute, and to keep: for each full block of
rows once, since no row ever changes. A table has one chunk for each block, and programs with
several threads share the chunks among them.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from tickerkit.log.dictionary import Dictionary
from tickerkit.log.rows import Rows, Snapshot
from tickerkit.ticks import TIME_COLUMNS, Array

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ArrowTables"]

BLOCK_ROWS = 131_072
UNKNOWN: Any = object()
# Text that each row has.
FULL = ("symbol", "epoch")
# DuckDB asks an object for its columns, and some milliseconds later for its rows, in another thread
# perhaps. A column that begins in between would make the query fail. So for this time, the rows
# have the columns that were returned last.
SAME_COLUMNS_S = 2.0


class ArrowTables:
    """Makes Arrow tables of one log; several threads may use it at once."""

    def __init__(self) -> None:
        # The bits of each full block of a column, None where no value is missing.
        self._validity: dict[tuple[str, int], Array | None] = {}
        self._words: dict[str, tuple[Dictionary, int, pa.Array]] = {}
        # The columns that were told last, and when.
        self._declared: tuple[list[str], float] = ([], -math.inf)

    def add_full_blocks(self, state: Snapshot, row: int) -> None:
        """Compute the bits of the blocks that have become full since a row was the next.

        The writer calls it, so that the first table of a large log takes no longer than others. It
        costs some ns for each tick.
        """
        for start in range(row - row % BLOCK_ROWS, state.stop - BLOCK_ROWS + 1, BLOCK_ROWS):
            if start >= state.start:
                rows = Rows(state, start, start + BLOCK_ROWS)
                for name in rows.names():
                    if _can_lack(name, rows):
                        self._known_validity(name, rows.array(name), start)
        self._forget(state.start)

    def table(self, rows: Rows) -> pa.Table:
        """Return rows as a table; see `TickLog.to_arrow`."""
        import pyarrow as pa

        self._forget(rows.state.start)
        starts = [rows.start, *range(_block_end(rows.start), rows.stop, BLOCK_ROWS)]
        stops = [*starts[1:], rows.stop]
        columns = {}
        for name in rows.names():
            values = rows.array(name)
            kind = self._kind(name, values, rows)
            chunks = []
            for start, stop in zip(starts, stops, strict=True):
                part = values[start - rows.start : stop - rows.start]
                bits = self._known_validity(name, part, start) if _can_lack(name, rows) else None
                chunks.append(_make_chunk(kind, part, bits))
            columns[name] = pa.chunked_array(chunks)
        return pa.table(columns)

    def tell_columns(self, table: pa.Table) -> pa.Schema:
        """Return the columns of a table; for a moment, `keep_columns` returns no others."""
        self._declared = (table.column_names, time.monotonic())
        return table.schema

    def keep_columns(self, table: pa.Table) -> pa.Table:
        """Return a table with the columns that were told last, if that was a moment ago.

        A log never loses a column. But another thread may have been told of one that is not in
        this table yet.
        """
        names, since = self._declared
        is_recent = time.monotonic() - since < SAME_COLUMNS_S
        return table.select(names) if is_recent and len(names) < table.num_columns else table

    def _kind(self, name: str, values: Array, rows: Rows) -> tuple[pa.DataType, pa.Array | None]:
        """Return the type of a column, and its words if it has a dictionary."""
        import pyarrow as pa

        if (dictionary := rows.dictionaries.get(name)) is not None:
            words = self._known_words(name, dictionary, dictionary.size_at(rows.stop))
            return pa.dictionary(pa.from_numpy_dtype(values.dtype), pa.string()), words
        if values.dtype == object:
            return pa.string(), None
        if name in TIME_COLUMNS:
            return pa.timestamp("ns", "UTC"), None
        return pa.from_numpy_dtype(values.dtype), None

    def _known_words(self, name: str, dictionary: Dictionary, count: int) -> pa.Array:
        """Return the first words of a dictionary, as they were made for an earlier table."""
        known = self._words.get(name)
        if known is None or known[0] is not dictionary or known[1] != count:
            known = dictionary, count, _make_texts(dictionary.words[:count])
            self._words[name] = known
        return known[2]

    def _known_validity(self, name: str, values: Array, row: int) -> Array | None:
        """Return the bits of some rows: computed before, if they are a full block."""
        if row % BLOCK_ROWS or len(values) < BLOCK_ROWS:
            return _make_validity(values)
        key = (name, row // BLOCK_ROWS)
        # Another thread may forget the block meanwhile, if the log drops its rows.
        found: Array | None = self._validity.get(key, UNKNOWN)
        if found is UNKNOWN:
            found = self._validity[key] = _make_validity(values)
        return found

    def _forget(self, start: int) -> None:
        """Forget the bits of blocks that the log no longer holds whole."""
        gone = [key for key in list(self._validity) if key[1] * BLOCK_ROWS < start]
        for key in gone:
            self._validity.pop(key, None)


def _block_end(row: int) -> int:
    """Return the row at which the block of a row ends."""
    return row - row % BLOCK_ROWS + BLOCK_ROWS


def _can_lack(name: str, rows: Rows) -> bool:
    """Return whether values of a column can be missing, other than those of free text."""
    is_number = rows.state.arrays[name].dtype.kind == "f"
    return is_number or (name in rows.dictionaries and name not in FULL)


def _make_chunk(
    kind: tuple[pa.DataType, pa.Array | None], values: Array, bits: Array | None
) -> pa.Array:
    """Return a part of a column over the memory of its values, shape (rows,)."""
    import pyarrow as pa

    if values.dtype == object:
        return _make_texts(values)
    arrow_type, words = kind
    buffers = [None if bits is None else pa.py_buffer(bits), pa.py_buffer(values)]
    if words is None:
        return pa.Array.from_buffers(arrow_type, len(values), buffers)
    return pa.DictionaryArray.from_buffers(arrow_type, len(values), buffers, words)


def _make_validity(values: Array) -> Array | None:
    """Return a bit for each value that is not missing: not NaN, or not the code -1.

    None if no value is missing. That is found out first, since it takes a fifth of the time: the
    maximum of numbers is NaN if one of them is.

    Args:
        values: shape (rows,).

    Returns:
        The bits, packed as Arrow has them, shape (rows / 8,).
    """
    if not len(values):
        return None
    is_number = values.dtype.kind == "f"
    if not (np.isnan(values.max()) if is_number else values.min() < 0):
        return None
    is_known = ~np.isnan(values) if is_number else values >= 0
    return np.packbits(is_known, bitorder="little")


def _make_texts(texts: Any) -> pa.Array:
    """Return texts as a column; what is no valid Unicode becomes "?"."""
    import pyarrow as pa

    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        valid = [None if t is None else t.encode("utf-8", "replace").decode() for t in texts]
        return pa.array(valid, pa.string())
