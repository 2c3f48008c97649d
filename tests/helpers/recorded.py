"""Recorded ticks: frames of known ticks, and folders that a recorder writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tickerkit.log import Gap, TickLog
from tickerkit.storage.recording_writer import RecordingWriter
from tickerkit.ticks import UTC_NS, read_ticks

START = pd.Timestamp("2026-11-29T10:00", tz="UTC")


def ticks(first: int = 1, count: int = 300, epoch: str = "e", **columns: Any) -> pd.DataFrame:
    """Return ticks of three symbols, one a second."""
    seqs = np.arange(first, first + count)
    times = START + pd.to_timedelta(seqs, unit="s")
    return pd.DataFrame(
        {
            "seq": seqs,
            "time": times.astype(UTC_NS),
            "symbol": pd.Categorical(np.array(["AAPL", "600519", "NA"])[seqs % 3]),
            "price": seqs / 8,
            "size": 1.0,
            "received": times.astype(UTC_NS),
            "epoch": pd.Categorical([epoch] * count),
            **columns,
        }
    )


def values(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with its text as plain text: of files, the categories differ."""
    text = [name for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype)]
    return frame.astype(dict.fromkeys(text, "str"))


class Growing:
    """A folder that is recorded, a tick a second.

    Args:
        folder: the folder, or the path of a file.
        start: the seq of the first tick is one more.
        how: arguments of `RecordingWriter`.

    Attributes:
        log: the ticks so far.
        now: the recorder's clock, in s.
    """

    def __init__(self, folder: Path, start: int = 0, **how: Any) -> None:
        self.now = START.timestamp() + start
        self.log = TickLog(100_000, epoch="e")
        self._start = start
        self._reader = self.log.reader(0)
        self._writer = RecordingWriter(folder, clock=lambda: self.now, **how)
        self._writer.begin(self.log, 0)

    def add(self, count: int, gaps: Sequence[Gap] = (), **columns: float) -> None:
        """Record further ticks, and gaps."""
        frame = ticks(self._start + len(self.log) + 1, count, **columns)
        rows = frame.drop(columns=["seq", "received", "epoch"]).to_dict("records")
        received = frame["received"].iloc[0].value
        seqs = frame["seq"].to_numpy()
        self.log.append(read_ticks(rows), received=received, epoch="e", seq=seqs)
        self.now += count
        self._writer.take(self._reader.read(), lambda *_: list(gaps))

    def close(self) -> None:
        """Finish the recording."""
        self._writer.close()
