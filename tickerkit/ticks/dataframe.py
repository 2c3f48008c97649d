"""DataFrame: ticks read from a frame, column by column."""

from __future__ import annotations

from contextlib import suppress
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tickerkit.errors import BadTick
from tickerkit.limits import (
    MAX_EXACT_INT,
    MAX_INT64,
    MAX_NAME_LENGTH,
    MAX_TEXT_LENGTH,
    MAX_TICK_TEXT_LENGTH,
)
from tickerkit.ticks.batch import NO_TIME, Array, Batch, Column, Text
from tickerkit.ticks.builder import MAX_ERRORS
from tickerkit.ticks.fields import (
    NEVER_NEGATIVE,
    NUMBER_FIELDS,
    OWN_COLUMNS,
    VALUE_FIX,
    may_be_column,
    may_be_value,
    price_field,
    printable,
    read_number,
    read_symbol,
    read_time,
    symbol_field,
)
from tickerkit.ticks.numbers import ID_COLUMNS, to_exact_integer


def read_frame(frame: pd.DataFrame, first_row: int = 0) -> Batch:
    """Read the ticks of a DataFrame; a missing value means that the tick lacks this field.

    If there is no column named time, a DatetimeIndex is used as the time.

    Args:
        frame: the ticks.
        first_row: how errors number the first row, if the frame is a piece of a longer one.
    """
    if "time" not in frame.columns and isinstance(frame.index, pd.DatetimeIndex):
        frame = frame.assign(time=frame.index)
    # Address columns by position, since several may have the same name. The last one is used, as
    # with a repeated key in JSON.
    names = {str(name): place for place, name in enumerate(frame.columns)}
    symbol = symbol_field(names)
    price = price_field(names)
    if symbol is None:
        hint = 'rename the column that holds the symbols to "symbol"'
        error = BadTick("symbol", list(names)[:10], "is missing", hint)
        return _refuse_all(len(frame), [error] if len(frame) else [])
    # Here and below, each array has one entry for each row of the frame.
    refused = np.zeros(len(frame), dtype=bool)
    errors: list[BadTick] = []
    misfits: dict[str, int] = {}

    def refuse(bad: Array, key: str, problem: str, fix: str) -> None:
        """Refuse the rows where `bad` is true, unless they are refused already."""
        if len(new := np.flatnonzero(bad & ~refused)):
            some = new[: MAX_ERRORS - len(errors)]
            given = frame.iloc[:, names[key]] if key in names else None
            for row in some:
                value = given.iloc[row] if given is not None else "no value"
                errors.append(
                    BadTick(key, value, problem, f"{fix} (row {first_row + row} of the frame)")
                )
            refused[new] = True

    columns: dict[str, Column] = {}
    symbols, bad = _read_symbols(frame.iloc[:, names[symbol]])
    refuse(
        bad, symbol, "is not a symbol", f"use printable text of 1 to {MAX_NAME_LENGTH} characters"
    )
    columns["symbol"] = symbols
    has_value = np.zeros(len(frame), dtype=bool)
    for key, place in names.items():
        name = "price" if key == price else key
        if name not in NUMBER_FIELDS:
            continue
        numbers, bad = _read_numbers(frame.iloc[:, place])
        refuse(bad, key, "is not a finite number", "send a number")
        if name in NEVER_NEGATIVE:
            refuse(numbers < 0, key, "is negative", "send a size of 0 or more")
        if may_be_value(name):
            has_value |= ~np.isnan(numbers)
        columns[name] = numbers
    time = np.full(len(frame), NO_TIME)
    if "time" in names:
        time, bad = _read_times(frame.iloc[:, names["time"]])
        fix = "use datetimes, ISO-8601 text, or Unix time in s, ms, us or ns"
        refuse(bad, "time", "is not a time", fix)
    text_lengths = np.zeros(len(frame), dtype=np.int64)
    for key, place in names.items():
        if key in (symbol, price, "time", *OWN_COLUMNS) or key in NUMBER_FIELDS:
            continue
        series = frame.iloc[:, place]
        if series.isna().all():
            continue
        column, left_out = None, int(series.notna().sum())
        if may_be_column(key):
            column, left_out = _read_ids(series) if key in ID_COLUMNS else _read_other(series)
        if isinstance(column, Text):
            column, too_long = _limit_text(column, text_lengths)
            left_out += too_long
        if left_out:
            misfits[key] = left_out
        if column is None:
            continue
        if not isinstance(column, Text):
            refuse(np.isinf(column), key, "is not finite", "leave the cell empty")
            if may_be_value(key):
                has_value |= ~np.isnan(column) if column.dtype.kind == "f" else series.notna()
        columns[key] = column
    refuse(~has_value, price or "price", "is missing", VALUE_FIX)
    for name in ("price", "size"):
        columns.setdefault(name, np.full(len(frame), np.nan))
    batch = Batch(len(frame), time, columns)
    if refused.any():
        batch = batch.where(~refused)
        batch.refused, batch.errors = int(refused.sum()), errors
        batch.kept = np.flatnonzero(~refused)
    batch.misfits = misfits
    return batch


def _refuse_all(refused: int, errors: list[BadTick]) -> Batch:
    none = np.empty(0)
    columns: dict[str, Column] = {"symbol": Text.of([]), "price": none, "size": none}
    no_rows = np.empty(0, dtype=np.int64)
    return Batch(0, no_rows, columns, refused, errors, kept=no_rows)


def _read_symbols(series: pd.Series[Any]) -> tuple[Text, Array]:
    """Return a column as symbols, and for each row whether it has no valid symbol."""
    try:
        codes, found = _factorize(series)
    except TypeError:  # some values are lists or other unhashable objects
        codes, found = np.arange(len(series)), list(series)
    # Each different symbol is checked once: a frame of millions of ticks has few.
    words, wrong = [""] * len(found), [True] * len(found)
    for code, word in enumerate(found):
        with suppress(BadTick):
            words[code] = read_symbol(word)
            wrong[code] = False
    # One entry for each word, and a last one for the code -1, a missing symbol.
    return Text(codes, words), np.array([*wrong, True])[codes]


def _read_numbers(series: pd.Series[Any]) -> tuple[npt.NDArray[np.float64], Array]:
    """Return a column as float64, and for each row whether its value is not a finite number."""
    if series.dtype.kind in "iuf":
        numbers = series.to_numpy(dtype=np.float64, na_value=np.nan)
        return numbers, np.isinf(numbers)
    numbers = np.full(len(series), np.nan)
    bad = np.zeros(len(series), dtype=bool)
    for row, (value, missing) in enumerate(zip(series, series.isna(), strict=True)):
        try:
            found = None if missing else read_number("", value, never_negative=False)
        except BadTick:
            bad[row] = True
        else:
            numbers[row] = np.nan if found is None else found
    return numbers, bad


def _read_times(series: pd.Series[Any]) -> tuple[npt.NDArray[np.int64], Array]:
    """Return a column as epoch ns, and for each row whether its value is not a time."""
    if series.dtype.kind == "M":
        utc = pd.DatetimeIndex(series)
        utc = utc.tz_localize("UTC") if utc.tz is None else utc.tz_convert("UTC")
        # If one time is out of bounds, each is read by itself below, so that only that row is bad.
        with suppress(pd.errors.OutOfBoundsDatetime):
            return utc.as_unit("ns").asi8, np.zeros(len(series), dtype=bool)
    times = np.full(len(series), NO_TIME)
    bad = np.zeros(len(series), dtype=bool)
    for row, (value, missing) in enumerate(zip(series, series.isna(), strict=True)):
        try:
            times[row] = NO_TIME if missing else read_time(value)
        except BadTick:
            bad[row] = True
    return times, bad


def _read_ids(series: pd.Series[Any]) -> tuple[Column | None, int]:
    """Return a column as int64, 0 for none, and how many values are no integers of 64 bits."""
    if series.dtype == np.int64:
        return series.to_numpy(), 0
    try:
        codes, words = _factorize(series)
    except TypeError:
        return None, int(series.notna().sum())
    numbers: list[int | None] = []
    for word in words:
        if isinstance(word, Integral) and not isinstance(word, bool | np.bool_):
            numbers.append(to_exact_integer(int(word)))
        else:
            plain = float(word) if isinstance(word, Real) else word
            numbers.append(to_exact_integer(plain) if isinstance(plain, float | str) else None)
    # A last entry for each, which the code -1 of a missing value takes.
    column = np.array([*(number or 0 for number in numbers), 0], dtype=np.int64)[codes]
    unfit = np.array([*(number is None for number in numbers), False], dtype=bool)[codes]
    return column, int(unfit.sum())


def _read_other(series: pd.Series[Any]) -> tuple[Column | None, int]:
    """Return a further column, and how many of its values are left out.

    It holds numbers if they all are, otherwise text. It is None if it holds nested objects, which
    no column can. Integers beyond 2**53 stay integers.
    """
    kind = pd.api.types.infer_dtype(series, skipna=True)
    if kind == "floating" or (kind == "integer" and is_within(series, MAX_EXACT_INT)):
        return series.to_numpy(dtype=np.float64, na_value=np.nan), 0
    if kind == "mixed-integer-float":
        numbers = series.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
        rounded = [isinstance(v, Integral) and abs(int(v)) > MAX_EXACT_INT for v in series]
        numbers[rounded] = np.nan
        return numbers, sum(rounded)
    if kind == "integer" and is_within(series, MAX_INT64):
        missing = series.isna()
        if not (missing.any() and (series.dropna() == 0).any()):  # which would become the same
            return series.where(~missing, 0).to_numpy(dtype=np.int64), 0
    try:
        codes, words = _factorize(series)
    except TypeError:
        return None, int(series.notna().sum())
    return Text(codes, [_to_word(word) for word in words]), 0


def _limit_text(column: Text, lengths: Array) -> tuple[Text, int]:
    """Return a column without the texts that are too long, and how many these are.

    Args:
        column: the column.
        lengths: for each row the length of the texts so far, to which those of this column are
            added; int64, shape (N,).
    """
    sizes = np.array([*map(len, column.words), 0], dtype=np.int64)[column.codes]
    fits = (sizes <= MAX_TEXT_LENGTH) & (lengths + sizes <= MAX_TICK_TEXT_LENGTH)
    lengths += np.where(fits, sizes, 0)
    if fits.all():
        return column, 0
    return Text(np.where(fits, column.codes, -1), column.words), int(len(fits) - fits.sum())


def is_within(series: pd.Series[Any], limit: int) -> bool:
    """Return whether all integers of a column are between `-limit` and `limit`."""
    present = series.dropna()
    return present.empty or -limit <= int(present.min()) <= int(present.max()) <= limit


def _factorize(series: pd.Series[Any]) -> tuple[Array, list[Any]]:
    """Return for each row a code, -1 for a missing value; and the value of each code."""
    codes, words = pd.factorize(series, use_na_sentinel=True)
    return codes.astype(np.int32), list(words)


def _to_word(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    return printable(str(value))
