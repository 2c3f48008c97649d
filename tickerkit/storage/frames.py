"""Frames: several frames of ticks combined to one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

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
    if "text" in kinds or len(kinds) > 1:
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
    kind: Any = present[0].dtype
    if len({part.dtype.kind for part in present}) > 1:
        kind = np.dtype(np.float64)
    elif len(present) < len(frames):
        kind = NULLABLE.get(kind.kind, kind)
    missing = {"f": np.nan, "M": pd.NaT}.get(kind.kind, pd.NA)
    filled = [
        pd.Series(missing, index=frame.index, dtype=kind) if part is None else part.astype(kind)
        for frame, part in zip(frames, parts, strict=True)
    ]
    return pd.concat(filled, ignore_index=True).array


def _translate(part: pd.Series[Any], place: dict[str, int]) -> Any:
    """Return the code of each text of a column, shape (rows,); `place` has the code by text."""
    codes = [*(place[str(word)] for word in part.cat.categories), -1]
    return np.array(codes, dtype=np.int32)[part.cat.codes.to_numpy()]
