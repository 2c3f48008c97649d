"""Joined: several recordings as one, and a part of one as a recording."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tickerkit.log import Position, select
from tickerkit.storage.recording import Recording

__all__ = ["ENDINGS", "select_part", "combine", "last_tick", "recordings_in"]

PACKED = ("", ".gz", ".zst")
ENDINGS = (".parquet", *(f".{kind}{end}" for kind in ("csv", "jsonl") for end in PACKED))
BESIDE = ".meta.jsonl"
KINDS = {"i": "number", "u": "number", "f": "number", "b": "bool", "M": "time"}
RAW = ".raw.jsonl"


def recordings_in(folder: Path) -> list[Path]:
    """Return the recordings in a folder, in the order of their names."""
    names = {path.name for path in folder.iterdir() if path.is_file() and path.name[0] != "."}
    some = {name for name in names if name.endswith(ENDINGS) and not name.endswith(BESIDE)}
    stems = {_stem(name) for name in some if RAW not in name}
    beside = {
        name
        for name in some
        # The messages of a recording, and what is not yet in its Parquet file.
        if (RAW in name and _stem(name) in stems) or name.removesuffix(".csv") in some - {name}
    }
    return [folder / name for name in sorted(some - beside)]


def _stem(name: str) -> str:
    """Return the name of a recording without its endings."""
    return name.removesuffix(".gz").removesuffix(".zst").rpartition(".")[0].removesuffix(".raw")


def last_tick(recording: Recording) -> Position | None:
    """Return the position of the last tick, or of a gap after it; None where there is none."""
    frame = recording.frame
    if not len(frame) or not {"seq", "epoch"} <= set(frame.columns):
        return None
    epoch, seq = str(frame["epoch"].iloc[-1]), int(frame["seq"].iloc[-1])
    gaps = recording.gaps[recording.gaps["epoch"] == epoch]
    told = gaps["to"].max() if len(gaps) else None
    return Position(epoch, seq if told is None or pd.isna(told) else max(seq, int(told)))


def combine(recordings: Iterable[Recording]) -> Recording:
    """Return recordings as one, in their order.

    Ticks stay as they are: what two of them hold is there twice. Columns that one does not have are
    empty there; a column of numbers in one and of text in another is text. Of a file of all symbols
    and one of some, the whole is one of all.

    Raises:
        ValueError: there is none.
    """
    each = list(recordings)
    if not each:
        raise ValueError("there is no recording to join; name at least one")
    if len(each) == 1:
        return each[0]
    filled = [recording.frame for recording in each if len(recording.frame)]
    frames = filled or [each[0].frame]
    names = list(dict.fromkeys(str(name) for frame in frames for name in frame.columns))
    made = {name: _column(frames, name) for name in names}
    gaps = [recording.gaps for recording in each if len(recording.gaps)]
    return Recording(
        pd.DataFrame(made, copy=False),
        pd.concat(gaps, ignore_index=True).drop_duplicates(ignore_index=True)
        if gaps
        else each[0].gaps,
        _symbols(each),
        next((recording.warning for recording in each if recording.warning is not None), None),
        "; ".join(dict.fromkeys(recording.source for recording in each if recording.source)),
        all(recording.own for recording in each),
    )


def _symbols(recordings: list[Recording]) -> list[str] | None:
    named = [recording.symbols for recording in recordings]
    if None in named:
        return None
    return list(dict.fromkeys(symbol for some in named for symbol in some or ()))


def _column(frames: list[pd.DataFrame], name: str) -> Any:
    """Return a column of several frames, of one type."""
    parts = [frame.get(name) for frame in frames]
    there = [part for part in parts if part is not None]
    kinds = {KINDS.get(part.dtype.kind, "text") for part in there}
    if "text" in kinds or len(kinds) > 1:
        there = [part.astype("category") for part in there]
        words = list(dict.fromkeys(str(w) for part in there for w in part.cat.categories))
        dtype = pd.CategoricalDtype(pd.Index(words, dtype="str"))
        codes = [
            np.full(len(frame), -1, dtype=np.int32)
            if part is None
            else _codes(part.astype("category"), words)
            for frame, part in zip(frames, parts, strict=True)
        ]
        return pd.Categorical.from_codes(np.concatenate(codes), dtype=dtype)
    kind = there[0].dtype
    filled = [
        pd.Series(np.nan if kind.kind != "M" else pd.NaT, index=frame.index, dtype=_nullable(kind))
        if part is None
        else part
        for frame, part in zip(frames, parts, strict=True)
    ]
    return pd.concat(filled, ignore_index=True).array


def _codes(part: pd.Series[Any], words: list[str]) -> Any:
    place = {word: code for code, word in enumerate(words)}
    codes = [*(place[str(word)] for word in part.cat.categories), -1]
    return np.array(codes, dtype=np.int32)[part.cat.codes.to_numpy()]


def _nullable(dtype: Any) -> Any:
    if dtype.kind == "b":
        return pd.BooleanDtype()
    return dtype if dtype.kind in "fM" else np.dtype(np.float64)


def select_part(
    recording: Recording,
    symbols: Sequence[str] | None = None,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
) -> Recording:
    """Select a part of a recording; see `tickerkit.log.select`.

    The part of some symbols is a recording of these symbols: a jump in seq is no gap there.

    Args:
        recording: the whole.
        symbols: only these; None for all.
        start: only ticks at this time or later.
        end: only ticks before this time.
    """
    only = recording.symbols
    frame, gaps = select(
        recording.frame,
        recording.gaps,
        symbols=symbols,
        start=start,
        end=end,
        complete=only is None,
    )
    if symbols is not None:
        only = [symbol for symbol in symbols if only is None or symbol in only]
    return recording._replace(frame=frame, gaps=gaps, symbols=only)
