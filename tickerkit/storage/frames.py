"""Frames: several frames of ticks combined to one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionDtype

from tickerkit.limits import MAX_EXACT_INT, MAX_INT64
from tickerkit.ticks import ID_COLUMNS, to_integers
from tickerkit.ticks.dataframe import is_within

__all__ = ["combine_frames"]

KINDS = {"i": "number", "u": "number", "f": "number", "b": "bool", "M": "time"}
# The type of a combined column that some of the frames lack, by the kind of the others.
NULLABLE = {"i": pd.Int64Dtype(), "u": pd.UInt64Dtype(), "b": pd.BooleanDtype()}


def combine_frames(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Combine frames in their order.

    A column that a frame lacks is empty in its rows: NaN, NaT, or missing in a nullable type. A
    column that holds numbers in one frame and text in another becomes text.
    """
    frames = [frame for frame in frames if len(frame)] or frames[:1]
    names = list(dict.fromkeys(str(name) for frame in frames for name in frame.columns))
    return pd.DataFrame({name: _combine_column(frames, name) for name in names}, copy=False)


def _combine_column(frames: list[pd.DataFrame], name: str) -> Any:
    parts = [frame.get(name) for frame in frames]
    present = [part for part in parts if part is not None]
    kinds = {KINDS.get(part.dtype.kind, "text") for part in present}
    kind = _number_kind(present) if kinds == {"number"} else present[0].dtype
    if "text" in kinds or len(kinds) > 1 or kind is None:
        texts = [None if part is None else part.astype("category") for part in parts]
        words = dict.fromkeys(
            str(word) for part in texts if part is not None for word in part.cat.categories
        )
        place = {word: code for code, word in enumerate(words)}
        codes = [
            np.full(len(frame), -1, dtype=np.int32) if part is None else _translate(part, place)
            for frame, part in zip(frames, texts, strict=True)
        ]
        dtype = pd.CategoricalDtype(pd.Index(list(words), dtype="str"))
        return pd.Categorical.from_codes(np.concatenate(codes), dtype=dtype)
    if len(present) < len(frames):
        kind = NULLABLE.get(kind.kind, kind)
    if name in ID_COLUMNS and kind.kind == "i":
        kind = np.dtype(np.int64)
        parts = [part if part is None else part.fillna(0) for part in parts]
    missing: Any = {"f": np.nan, "M": pd.NaT}.get(kind.kind, pd.NA)
    missing = 0 if kind == np.int64 else missing
    filled = [
        pd.Series(missing, index=frame.index, dtype=kind) if part is None else part.astype(kind)
        for frame, part in zip(frames, parts, strict=True)
    ]
    return pd.concat(filled, ignore_index=True).array


def _number_kind(parts: list[pd.Series[Any]]) -> Any:
    """Return the type that holds the numbers of all parts exactly; None if there is none."""
    kinds = {part.dtype.kind for part in parts}
    if len(kinds) == 1:
        nullable = (p.dtype for p in parts if isinstance(p.dtype, ExtensionDtype))
        return next(nullable, parts[0].dtype)
    if all(is_within(part, MAX_EXACT_INT) for part in parts if part.dtype.kind != "f"):
        return np.dtype(np.float64)
    floats = [
        part.to_numpy(np.float64, na_value=np.nan) for part in parts if part.dtype.kind == "f"
    ]
    is_whole = all(to_integers(each[~np.isnan(each)]) is not None for each in floats)
    fits = all(is_within(part, MAX_INT64) for part in parts if part.dtype.kind != "f")
    return NULLABLE["i"] if is_whole and fits else None


def _translate(part: pd.Series[Any], place: dict[str, int]) -> Any:
    """Return the code of each text of a column, shape (rows,); `place` has the code by text."""
    codes = [*(place[str(word)] for word in part.cat.categories), -1]
    return np.array(codes, dtype=np.int32)[part.cat.codes.to_numpy()]
