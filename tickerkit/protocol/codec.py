"""Codec: encodes rows of a log as JSON, columns for v1 or objects for others, and decodes v1."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tickerkit.errors import ProtocolError
from tickerkit.log import FIXED, MAX_SEQ, Latest, Rows
from tickerkit.log.dictionary import Dictionary
from tickerkit.protocol.messages import TextColumn, Ticks, encode
from tickerkit.ticks import MAX_EXACT_INT, Batch, Column, Text

Symbols: TypeAlias = frozenset[str] | None

# From this many values on, the check for whole numbers costs less than it saves.
MIN_VALUES_AS_INTS = 64


def encode_columns(rows: Rows, symbols: Symbols) -> bytes | None:
    """Encode rows as a `ticks` message.

    Args:
        rows: the rows, all of one epoch.
        symbols: only the ticks of these; None for all.

    Returns:
        The message; None if no tick is selected and no word first appears in these rows. New
        words are sent to filtered clients, too: codes in later segments refer to them.
    """
    # Each column below has shape (T,), T being the number of ticks selected.
    chosen = _row_selector(rows, symbols)
    seq = rows.array("seq")[chosen]
    # For each text column, the words that first appear in these rows. A client may start at any
    # segment: from these words and those of hello, it knows every code that follows.
    words = {name: _new_words(rows, rows.dictionaries[name]) for name in _text_names(rows)}
    if not len(seq) and not any(new for _, new in words.values()):
        return None

    def text(name: str) -> TextColumn:
        start, new = words[name]
        return TextColumn(rows.array(name)[chosen].tolist(), start, new)

    more: dict[str, list[float | None] | TextColumn] = {}
    for name in rows.names():
        if name in FIXED:
            continue
        # A column without a value in these rows is left out: most logs have columns in which only
        # a few symbols have values.
        if name in words:
            if words[name][1] or (rows.array(name)[chosen] >= 0).any():
                more[name] = text(name)
        elif len(values := rows.array(name)[chosen]) and not np.isnan(values).all():
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
    )
    # msgspec writes NaN as null: JSON has no NaN.
    return encode(message)


def encode_objects(rows: Rows, symbols: Symbols) -> bytes | None:
    """Encode rows as an array of objects, for `/ticks`; None if no tick is selected."""
    chosen = _row_selector(rows, symbols)
    columns = {name: rows.array(name)[chosen] for name in rows.names()}
    return encode(_objects(rows.dictionaries, columns)) if len(columns["seq"]) else None


def encode_latest(latest: Latest, symbols: Symbols) -> bytes | None:
    """Encode the newest values of each symbol as an array of objects, for `/`; None if empty."""
    codes = latest.codes()
    if symbols is not None:
        codes = codes[np.isin(codes, latest.log.symbol_codes(sorted(symbols)))]
    columns = {name: values[codes] for name, values in latest.values.items()}
    return encode(_objects(latest.log.dictionaries, columns)) if len(codes) else None


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
        for tick, value in zip(objects, columns[name].tolist(), strict=True):
            if words is not None and value >= 0:
                tick[name] = words[value]
            elif words is None and value == value:
                tick[name] = value
    return objects


def _row_selector(rows: Rows, symbols: Symbols) -> Any:
    """Return an index that selects the rows of `symbols`: a slice, or a bool for each row."""
    if symbols is None:
        return slice(None)
    return np.isin(rows.array("symbol"), rows.dictionaries["symbol"].known_codes(sorted(symbols)))


def _text_names(rows: Rows) -> list[str]:
    return [name for name in rows.names() if name in rows.dictionaries and name != "epoch"]


def _new_words(rows: Rows, words: Dictionary) -> tuple[int, list[str]]:
    """Return the code of the first word that first appears in `rows`, and all such words."""
    start = words.size_at(rows.start)
    return start, words.words[start : words.size_at(rows.stop)]


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


def decode_ticks(
    message: Ticks, words: dict[str, list[str]]
) -> tuple[Batch, npt.NDArray[np.int64]]:
    """Return the ticks of a message and their seqs, and add its words to the dictionaries.

    Args:
        message: the message.
        words: the words of each text column so far in this epoch; those of the message are added.

    Returns:
        The ticks, and their seqs: int64, shape (message.count,).

    Raises:
        ProtocolError: the columns differ in length, a code has no word, seqs don't increase, or a
            number is too large.
    """
    count = message.count
    if len(message.time) != count:
        raise ProtocolError(1007, f"a ticks message has {len(message.time)} of {count} times")
    if wrong := message.more.keys() & set(FIXED):
        raise ProtocolError(1007, f"a ticks message has the fixed column {wrong.pop()} in `more`")
    columns: dict[str, Column] = {
        "symbol": _text(message.symbol, words.setdefault("symbol", []), count, min_code=0),
        "price": _numbers(message.price, count),
        "size": np.full(count, np.nan) if message.size is None else _numbers(message.size, count),
    }
    for name, column in message.more.items():
        if isinstance(column, TextColumn):
            columns[name] = _text(column, words.setdefault(name, []), count, min_code=-1)
        else:
            columns[name] = _numbers(column, count)
    # Check the sum of the steps with Python's integers: a hostile peer's could overflow int64.
    if message.steps is None:
        last, steps = message.seq + max(count - 1, 0), None
    else:
        steps = message.steps
        if len(steps) != max(count - 1, 0) or min(steps, default=1) < 1:
            problem = "the seqs of a ticks message don't increase, or don't match its count"
            raise ProtocolError(1007, problem)
        last = message.seq + sum(steps)
    if last > MAX_SEQ:
        raise ProtocolError(1007, "a seq of a ticks message is beyond 64 bits")
    seq = np.arange(count, dtype=np.int64)  # (count,); up to `+=`, relative to the first seq
    if steps:
        np.cumsum(np.array(steps, dtype=np.int64), out=seq[1:])
    seq += message.seq
    # A late tick has a negative difference. A sum beyond 64 bits wraps round without an error.
    try:
        time = np.cumsum(np.fromiter(message.time, np.int64, count))
    except OverflowError:
        raise ProtocolError(1007, "a time of a ticks message is beyond 64 bits") from None
    return Batch(count, time, columns), seq


def _numbers(values: list[float | None], count: int) -> npt.NDArray[np.float64]:
    array = np.fromiter(values, np.float64, len(values))  # null becomes NaN
    if len(array) != count:
        raise ProtocolError(1007, f"a column of a ticks message has {len(array)} of {count} values")
    return array


def _text(column: TextColumn, words: list[str], count: int, *, min_code: int) -> Text:
    if column.start > len(words):
        problem = f"a ticks message adds words from {column.start} on, after only {len(words)}"
        raise ProtocolError(1007, problem)
    # Keep the known words after those of the message: hello may have listed words that are newer.
    words[column.start :] = [*column.words, *words[column.start + len(column.words) :]]
    try:
        codes = np.fromiter(column.codes, np.int32, len(column.codes))
    except OverflowError:
        raise ProtocolError(1007, "a code of a ticks message is beyond 32 bits") from None
    if len(codes) != count:
        raise ProtocolError(1007, f"a column of a ticks message has {len(codes)} of {count} codes")
    if count and not (min_code <= codes.min() and codes.max() < len(words)):
        raise ProtocolError(1007, "a code of a ticks message has no word")
    return Text(codes, words)
