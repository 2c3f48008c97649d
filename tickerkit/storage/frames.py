"""Frames: several frames of ticks combined to one, and the types that fit all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionDtype

from tickerkit.limits import MAX_EXACT_INT, MAX_INT64
from tickerkit.ticks import ID_COLUMNS, to_integers
from tickerkit.ticks.dataframe import is_within

__all__ = ["NULLABLE", "combine_frames", "common_types", "conform", "regroup"]

KINDS = {"i": "number", "u": "number", "f": "number", "b": "bool", "M": "time"}
# The type of a combined column that some of the frames lack, by the kind of the others.
NULLABLE = {"i": pd.Int64Dtype(), "u": pd.UInt64Dtype(), "b": pd.BooleanDtype()}


def combine_frames(frames: list[pd.DataFrame], *, consume: bool = False) -> pd.DataFrame:
    """Combine frames in their order.

    A column that a frame lacks is empty in its rows: NaN, NaT, or missing in a nullable type. A
    column that holds numbers in one frame and text in another becomes text.

    Args:
        frames: at least one.
        consume: whether to remove each column from its frames once it is combined, so that not
            all of them are in memory twice.
    """
    frames = [frame for frame in frames if len(frame)] or frames[:1]
    types = common_types(frames, lambda name: (each[name] for each in frames if name in each))
    columns = {}
    for name, kind in types.items():
        columns[name] = _combine_column(frames, name, kind)
        for frame in frames if consume else ():
            if name in frame:
                del frame[name]
    return pd.DataFrame(columns, copy=False)


def regroup(frames: Iterable[pd.DataFrame], rows: int) -> Iterator[pd.DataFrame]:
    """Yield the rows of frames in frames of `rows` rows; the last one may have fewer."""
    held: list[pd.DataFrame] = []
    count = 0
    for frame in frames:
        held.append(frame)
        count += len(frame)
        if count < rows:
            continue
        whole = held[0] if len(held) == 1 else combine_frames(held)
        for start in range(0, count - rows + 1, rows):
            is_all = count == rows
            yield whole if is_all else whole.iloc[start : start + rows].reset_index(drop=True)
        left = count % rows
        held, count = ([whole.iloc[-left:].reset_index(drop=True)], left) if left else ([], 0)
    if held:
        yield combine_frames(held)


def common_types(
    samples: Sequence[pd.DataFrame], values: Callable[[str], Iterable[pd.Series[Any]]]
) -> dict[str, Any]:
    """Return the columns of several inputs, and for each the type that holds the values of all.

    Args:
        samples: some rows of each input: its columns and their types.
        values: called with the name of a column whose values decide about its type; returns the
            values of all inputs that have it, in any number of parts.

    Returns:
        By name, a type; None for text, whose categories may differ from frame to frame.
    """
    found: dict[str, Any] = {}
    for name in dict.fromkeys(str(name) for sample in samples for name in sample.columns):
        dtypes = [sample[name].dtype for sample in samples if name in sample]
        kinds = {KINDS.get(dtype.kind, "text") for dtype in dtypes}
        kind = _number_kind(dtypes, partial(values, name)) if kinds == {"number"} else dtypes[0]
        if "text" in kinds or len(kinds) > 1 or kind is None:
            found[name] = None
            continue
        if len(dtypes) < len(samples):
            kind = NULLABLE.get(kind.kind, kind)
        found[name] = np.dtype(np.int64) if name in ID_COLUMNS and kind.kind == "i" else kind
    return found


def conform(frame: pd.DataFrame, types: Mapping[str, Any]) -> pd.DataFrame:
    """Return a frame with the columns and types of `common_types`."""
    columns = {}
    for name, kind in types.items():
        part = frame.get(name)
        if kind is None:
            columns[name] = _as_text(part, len(frame))
        elif part is None or part.dtype != kind:
            columns[name] = _as_type(part, len(frame), name, kind).array
        else:
            columns[name] = part.array
    return pd.DataFrame(columns, copy=False)


def _combine_column(frames: list[pd.DataFrame], name: str, kind: Any) -> Any:
    parts = [frame.get(name) for frame in frames]
    if kind is not None:
        filled = [
            _as_type(part, len(frame), name, kind)
            for frame, part in zip(frames, parts, strict=True)
        ]
        return pd.concat(filled, ignore_index=True).array
    texts = [_as_text(part, len(frame)) for frame, part in zip(frames, parts, strict=True)]
    categories = texts[0].categories
    if all(text.categories is categories for text in texts):
        codes = [text.codes for text in texts]
    else:
        words = dict.fromkeys(word for text in texts for word in text.categories)
        place = {word: code for code, word in enumerate(words)}
        categories = pd.Index(list(words), dtype="str")
        codes = [_translate(text, place) for text in texts]
    return pd.Categorical.from_codes(np.concatenate(codes), dtype=pd.CategoricalDtype(categories))


def _as_type(part: Any, rows: int, name: str, kind: Any) -> Any:
    """Return a column as another type; one that is lacking is empty."""
    is_id = name in ID_COLUMNS and kind == np.int64
    if part is not None:
        if isinstance(part.dtype, ExtensionDtype) and not is_id:
            # In a file, only some of the pieces may lack values.
            kind = NULLABLE.get(kind.kind, kind)
        # `astype` makes no copy of a column that has the type.
        return (part.fillna(0) if is_id and part.dtype != kind else part).astype(kind)
    missing: Any = {"f": np.nan, "M": pd.NaT}.get(kind.kind, pd.NA)
    return pd.Series(0 if is_id else missing, index=range(rows), dtype=kind)


def _as_text(part: Any, rows: int) -> Any:
    """Return a column as text, whose categories are text; one that is lacking is empty."""
    if part is None:
        codes = np.full(rows, -1, dtype=np.int8)
        return pd.Categorical.from_codes(
            codes, dtype=pd.CategoricalDtype(pd.Index([], dtype="str"))
        )
    text = part.astype("category").array
    if text.categories.dtype == "str":
        return text
    words = list(dict.fromkeys(map(str, text.categories)))
    place = {word: code for code, word in enumerate(words)}
    dtype = pd.CategoricalDtype(pd.Index(words, dtype="str"))
    return pd.Categorical.from_codes(_translate(text, place), dtype=dtype)


def _translate(text: Any, place: Mapping[str, int]) -> Any:
    """Return the code of each text of a column, shape (rows,); `place` has the code by text."""
    codes = [*(place[str(word)] for word in text.categories), -1]
    return np.array(codes, dtype=np.int32)[text.codes]


def _number_kind(dtypes: Sequence[Any], values: Callable[[], Iterable[pd.Series[Any]]]) -> Any:
    """Return the type that holds the numbers of all parts exactly; None if there is none."""
    if len({dtype.kind for dtype in dtypes}) == 1:
        nullable = (dtype for dtype in dtypes if isinstance(dtype, ExtensionDtype))
        return next(nullable, dtypes[0])
    is_exact = is_whole = fits = True
    for part in values():
        if part.dtype.kind == "f":
            numbers = part.to_numpy(np.float64, na_value=np.nan)
            is_whole = is_whole and to_integers(numbers[~np.isnan(numbers)]) is not None
        else:
            is_exact = is_exact and is_within(part, MAX_EXACT_INT)
            fits = fits and is_within(part, MAX_INT64)
    if is_exact:
        return np.dtype(np.float64)
    return NULLABLE["i"] if is_whole and fits else None
