"""Recording: what a file holds, whatever its form: ticks, and which of them are missing."""

from __future__ import annotations

import warnings
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tickerkit.errors import RecordingWarning
from tickerkit.log import gap_frame
from tickerkit.storage.csv.api import read_file
from tickerkit.storage.sidecar import Sidecar

__all__ = ["Recording", "load", "read_gaps"]


class Recording(NamedTuple):
    """What a file holds.

    Attributes:
        frame: the ticks.
        gaps: the ranges that are missing, as `Feed.gaps` tells them.
        symbols: those that were recorded, None for all: of some only, a jump of seq is no gap.
        warning: what is damaged and was left out, if anything is.
        source: where the ticks came from, as far as that is known.
        own: whether tickerkit wrote it.
    """

    frame: pd.DataFrame
    gaps: pd.DataFrame
    symbols: list[str] | None = None
    warning: RecordingWarning | None = None
    source: str = ""
    own: bool = True


def load(path: str | PathLike[str]) -> Recording:
    """Read a recording of any form.

    Args:
        path: a CSV or Parquet file, or one of raw frames, `.jsonl`, compressed or not.

    Raises:
        RecordingError: no such file, or not a recording.
    """
    path = Path(path).expanduser()
    if path.name.endswith((".jsonl", ".jsonl.gz", ".jsonl.zst")):
        from tickerkit.storage.frames.read import load_raw

        return load_raw(path)
    if path.suffix == ".parquet":
        from tickerkit.storage.parquet import load_parquet

        frame, beside, warning = load_parquet(path)
        own = bool(beside.heads)
    else:
        content = read_file(path)
        frame, own, warning = content.frame, content.own, content.warning
        beside = content.sidecar or Sidecar()
    gaps = gap_frame(beside.gaps)
    return Recording(frame, gaps, beside.symbols, warning, beside.source, own)


def read_gaps(path: str | PathLike[str]) -> pd.DataFrame:
    """Return the ticks that are known to be missing of a recording, as `Feed.gaps` tells them.

    Args:
        path: a CSV or Parquet file.

    Raises:
        RecordingError: no such file, or not a recording.

    Example:
        >>> tk.read_gaps("ticks.csv")[["from", "to", "reason"]]
    """
    found = load(path)
    if found.warning is not None:
        warnings.warn(found.warning, stacklevel=2)
    return found.gaps
