"""Recording: what a file holds: ticks, and which of them are missing."""

from __future__ import annotations

from os import PathLike
from typing import NamedTuple

import pandas as pd

from tickerkit.storage.csv import read_csv

__all__ = ["GAP_DTYPES", "Recording", "load"]

GAP_DTYPES = {
    "epoch": "str",
    "from": "Int64",
    "to": "Int64",
    "last_before": "datetime64[ns, UTC]",
    "first_after": "datetime64[ns, UTC]",
    "reason": "str",
}


class Recording(NamedTuple):
    """What a file holds.

    Attributes:
        frame: the ticks.
        gaps: the ranges that are missing, as `Feed.gaps` tells them.
    """

    frame: pd.DataFrame
    gaps: pd.DataFrame


def load(path: str | PathLike[str]) -> Recording:
    """Read a recording."""
    none = {name: pd.Series([], dtype=dtype) for name, dtype in GAP_DTYPES.items()}
    return Recording(read_csv(path), pd.DataFrame(none))
