"""Frames of ticks and of gaps, with given seqs and the columns of a recording."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tickerkit.log import gap_frame

T0 = 1_763_978_400 * 10**9
MS = 10**6


def ticks(*seqs: int, epoch: str = "e1") -> pd.DataFrame:
    """Return a frame of ticks with these seqs."""
    times = pd.to_datetime(T0 + np.array(seqs, dtype=np.int64) * MS, utc=True)
    return pd.DataFrame(
        {
            "seq": np.array(seqs, dtype=np.int64),
            "time": times,
            "symbol": pd.Categorical([f"S{seq % 3}" for seq in seqs]),
            "price": np.arange(len(seqs)) + 0.5,
            "epoch": pd.Categorical([epoch] * len(seqs)),
        }
    )


def gaps(*ranges: tuple[int, int | None], epoch: str = "e1") -> pd.DataFrame:
    """Return gaps with these first and last seqs."""
    frame = gap_frame([]).reindex(range(len(ranges)))
    frame["epoch"] = epoch
    frame["from"] = pd.array([first for first, _ in ranges], dtype="Int64")
    frame["to"] = pd.array([last for _, last in ranges], dtype="Int64")
    frame["reason"] = "lost"
    return frame
