"""Codec: encodes rows of a log as JSON: columns for v1, objects for others."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tickerkit.limits import MAX_EXACT_INT
from tickerkit.log import FIXED, Latest, Rows
from tickerkit.log.dictionary import Dictionary
from tickerkit.protocol.messages import TextColumn, Ticks, encode
from tickerkit.protocol.symbols import Symbols
from tickerkit.ticks import Array

# From this many values on, the check for whole numbers costs less than it saves.
MIN_VALUES_AS_INTS = 64


def encode_columns(rows: Rows, symbols: Symbols, *, alone: bool = False) -> bytes | None:
    """Encode rows as a `ticks` message.

    Args:
        rows: the rows, all of one epoch.
        symbols: only the ticks of these; None for all.
        alone: give each column of text a dictionary of its own, so that the message can be read
            without those before it.

    Returns:
        The message; None if no tick is selected and no word first appears in these rows. New
        words are sent to filtered clients, too: codes in later segments refer to them.
    """
    # Each column below has shape (T,), T being the number of ticks selected.
    chosen = _row_selector(rows, symbols)
    seq = rows.array("seq")[chosen]
    # For each text column, the words that first appear in these rows. A client may start at any
    # segment: from these words and those of hello, it knows every code that follows.
    words = {
        name: (0, []) if alone else _new_words(rows, rows.dictionaries[name])
        for name in _text_names(rows)
    }
    if not len(seq) and not any(new for _, new in words.values()):
        return None

    def text(name: str) -> TextColumn:
        codes = rows.array(name)[chosen]
        if alone:
            return _own_dictionary(codes, rows.dictionaries[name].words)
        start, new = words[name]
        return TextColumn(codes.tolist(), start, new)

    more: dict[str, list[float | None] | TextColumn] = {}
    ints: dict[str, list[int]] = {}
    texts: dict[str, list[str | None]] = {}
    for name in rows.names():
        if name in FIXED:
            continue
        # A column without a value in these rows is left out: most logs have columns in which only
        # a few symbols have values.
        if name in words:
            if words[name][1] or (rows.array(name)[chosen] >= 0).any():
                more[name] = text(name)
        elif (values := rows.array(name)[chosen]).dtype.kind == "i":
            if values.any():
                ints[name] = values.tolist()
        elif values.dtype == object:
            if any(value is not None for value in values):
                texts[name] = values.tolist()
        elif len(values) and not np.isnan(values).all():
            more[name] = _to_list(values)
    size = rows.array("size")[chosen]
    message = Ticks(
        seq=int(seq[0]) if len(seq) else int(rows.array("seq")[-1]),
        count=len(seq),
        time=_to_differences(rows.array("time")[chosen]),
        symbol=text("symbol"),
        price=_to_list(rows.array("price")[chosen]),
        size=None if np.isnan(size).all() else _to_list(size),
        steps=None if not len(seq) or seq[-1] - seq[0] + 1 == len(seq) else np.diff(seq).tolist(),
        more=more,
        ints=ints,
        texts=texts,
    )
    # msgspec writes NaN as null: JSON has no NaN.
    return encode(message)


def encode_objects(rows: Rows, symbols: Symbols) -> bytes | None:
    """Encode rows as an array of objects, for `/ticks`; None if no tick is selected."""
    chosen = _row_selector(rows, symbols)
    columns = {name: rows.array(name)[chosen] for name in rows.names()}
    return encode(_objects(rows.dictionaries, columns)) if len(columns["seq"]) else None


def encode_latest(latest: Latest, codes: Array) -> bytes:
    """Encode the newest values of some symbols, by their codes, as an array of objects, for `/`."""
    columns = {name: values[codes] for name, values in latest.values.items()}
    return encode(_objects(latest.dictionaries, columns))


def _objects(
    dictionaries: dict[str, Dictionary], columns: dict[str, npt.NDArray[Any]]
) -> list[dict[str, Any]]:
    """Return a dict for each tick, with the fixed fields and the further fields that it has.

    Each column has shape (T,), T being the number of ticks.
    """
    # Work column by column: numpy formats all times at once, and `tolist` makes Python's numbers,
    # which msgspec writes faster than numpy's.
    times = np.datetime_as_string(columns["time"].view("datetime64[ns]"), unit="ns")
    symbols = dictionaries["symbol"].words
    objects = [
        {"symbol": symbols[code], "price": price, "size": size, "time": f"{time}Z", "seq": seq}
        for code, price, size, time, seq in zip(
            columns["symbol"].tolist(),
            columns["price"].tolist(),
            columns["size"].tolist(),
            times.tolist(),
            columns["seq"].tolist(),
            strict=True,
        )
    ]
    for name in columns:
        if name in FIXED:
            continue
        words = dictionaries[name].words if name in dictionaries else None
        none = 0 if words is None and columns[name].dtype.kind == "i" else None
        for tick, value in zip(objects, columns[name].tolist(), strict=True):
            if words is not None:
                if value >= 0:
                    tick[name] = words[value]
            elif value == value and value is not None and value != none:
                tick[name] = value
    return objects


def _row_selector(rows: Rows, symbols: Symbols) -> Any:
    """Return an index that selects the rows of `symbols`: a slice, or a bool for each row."""
    if symbols is None:
        return slice(None)
    return symbols.select(rows.array("symbol"), rows.dictionaries["symbol"])


def _text_names(rows: Rows) -> list[str]:
    return [name for name in rows.names() if name in rows.dictionaries and name != "epoch"]


def _new_words(rows: Rows, words: Dictionary) -> tuple[int, list[str]]:
    """Return the code of the first word that first appears in `rows`, and all such words."""
    start = words.size_at(rows.start)
    return start, words.words[start : words.size_at(rows.stop)]


def _own_dictionary(codes: Array, words: list[str]) -> TextColumn:
    """Return a column of text with only the words that it uses.

    Args:
        codes: for each tick a code into `words`, -1 for no value; shape (T,).
        words: all words of the column.
    """
    # A table instead of `np.unique`, which sorts. The code -1 stands at the end of the table.
    used = np.zeros(len(words) + 1, dtype=bool)
    used[codes] = True
    present = np.flatnonzero(used[:-1])
    table = np.full(len(words) + 1, -1, dtype=np.int32)
    table[present] = np.arange(len(present))
    return TextColumn(table[codes].tolist(), 0, [words[code] for code in present.tolist()])


def _to_differences(values: npt.NDArray[np.int64]) -> list[int]:
    """Return the first value, then the difference of each value to the one before it."""
    return [int(values[0]), *(values[1:] - values[:-1]).tolist()] if len(values) else []


def _to_list(values: npt.NDArray[np.float64]) -> Any:
    """Return numbers for JSON: as integers if all are whole, which takes a third of the time."""
    # No negative numbers: as an integer, -0.0 would lose its sign.
    exact = len(values) >= MIN_VALUES_AS_INTS and (np.abs(values) < MAX_EXACT_INT).all()
    if exact and not np.signbit(values).any():
        whole = values.astype(np.int64)
        if (whole == values).all():
            return whole.tolist()
    return values.tolist()
