"""Decode: `ticks` messages of a server, which may be hostile, as batches."""

from __future__ import annotations

from collections.abc import Sized

import numpy as np
import numpy.typing as npt

from tickerkit.errors import ProtocolError
from tickerkit.limits import MAX_COLUMNS
from tickerkit.log import FIXED, MAX_SEQ
from tickerkit.protocol.messages import TextColumn, Ticks
from tickerkit.protocol.words import ReceivedWords
from tickerkit.ticks import Batch, Column, Text

__all__ = ["decode_ticks"]

# A server sends 4,096 at most.
MAX_TICKS = 2**14
MAX_NAME_CHARACTERS = 1000


def decode_ticks(message: Ticks, words: ReceivedWords) -> tuple[Batch, npt.NDArray[np.int64]]:
    """Return the ticks of a message and their seqs, and add its words to the dictionaries.

    Args:
        message: the message.
        words: the words of each text column so far in this epoch; those of the message are added.

    Returns:
        The ticks, and their seqs: int64, shape (message.count,).

    Raises:
        ProtocolError: the columns differ in length, a code has no word, seqs don't increase, a
            number is too large, or there are too many ticks, columns or words.
    """
    count = message.count
    if count > MAX_TICKS:
        raise ProtocolError(1007, f"a ticks message has {count} ticks, more than {MAX_TICKS}")
    further = [*message.more, *message.ints, *message.texts]
    if len(further) > MAX_COLUMNS:
        raise ProtocolError(1007, f"a ticks message has more than {MAX_COLUMNS} further columns")
    if any(len(name) > MAX_NAME_CHARACTERS for name in further):
        problem = f"the name of a column has more than {MAX_NAME_CHARACTERS} characters"
        raise ProtocolError(1007, problem)
    _check_length(message.time, count, "times")
    if wrong := set(FIXED).intersection(further):
        problem = f"a ticks message has the fixed column {wrong.pop()} as a further one"
        raise ProtocolError(1007, problem)
    columns: dict[str, Column] = {
        "symbol": _text("symbol", message.symbol, words, count, min_code=0),
        "price": _numbers(message.price, count),
        "size": np.full(count, np.nan) if message.size is None else _numbers(message.size, count),
    }
    for name, column in message.more.items():
        if isinstance(column, TextColumn):
            columns[name] = _text(name, column, words, count, min_code=-1)
        else:
            columns[name] = _numbers(column, count)
    for name, integers in message.ints.items():
        columns[name] = _integers(integers, count)
    for name, texts in message.texts.items():
        _check_length(texts, count, "texts")
        words.forget(name)
        columns[name] = Text.of(texts)
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


def _check_length(values: Sized, count: int, what: str) -> None:
    if len(values) != count:
        raise ProtocolError(1007, f"a ticks message has {len(values)} of {count} {what}")


def _numbers(values: list[float | None], count: int) -> npt.NDArray[np.float64]:
    _check_length(values, count, "values")
    return np.fromiter(values, np.float64, count)  # null becomes NaN


def _integers(values: list[int], count: int) -> npt.NDArray[np.int64]:
    _check_length(values, count, "integers")
    try:
        return np.fromiter(values, np.int64, count)
    except OverflowError:
        raise ProtocolError(1007, "an integer of a ticks message is beyond 64 bits") from None


def _text(
    name: str, column: TextColumn, words: ReceivedWords, count: int, *, min_code: int
) -> Text:
    known = words.extend(name, column.start, column.words)
    _check_length(column.codes, count, "codes")
    try:
        codes = np.fromiter(column.codes, np.int32, count)
    except OverflowError:
        raise ProtocolError(1007, "a code of a ticks message is beyond 32 bits") from None
    if count and not (min_code <= codes.min() and codes.max() < len(known)):
        raise ProtocolError(1007, "a code of a ticks message has no word")
    return Text(codes, known)
