"""Reader of raw frames: the ticks that a feed received, piece by piece or whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tickerkit.errors import RecordingError
from tickerkit.storage.content import Content
from tickerkit.storage.files import unreadable
from tickerkit.storage.frames import combine_frames, conform, regroup
from tickerkit.storage.memory import check_size
from tickerkit.storage.raw import MAX_HELD, FrameDecoder, LineReader
from tickerkit.storage.raw_lines import decode_line
from tickerkit.storage.reader import ROWS_AT_ONCE, Reader
from tickerkit.storage.sidecar import Head, Sidecar

__all__ = ["RawReader", "read_raw"]


def read_raw(path: Path) -> Content:
    """Read the ticks in raw frames, as a feed would have received them; see `RawReader`."""
    reader = RawReader(path, max_rows=MAX_HELD // 2)
    frames, rows, size = [], 0, 0
    for frame in reader.decode():
        frames.append(frame)
        rows += len(frame)
        size += int(frame.memory_usage(index=False).sum())
        check_size(path, rows, size)
    return Content(
        combine_frames(frames, consume=True),
        reader.sidecar,
        reader.problems,
        torn_bytes=reader.torn_bytes,
        states=reader.states,
    )


class RawReader(Reader):
    """Reads the ticks in raw frames, as a feed would have received them.

    Lines that can't be read and messages that break the protocol are left out, and are problems.
    Messages of a venue that hold no ticks are ignored. Frames before the first line of a connection
    are read as those of a plain websocket. The last frame may bring a further column, so all frames
    are decoded once before the first piece. To begin at a later piece, they are decoded again.

    Raises:
        RecordingError: there is no such file, or it has no line of a frame.
    """

    def __init__(
        self, path: Path, columns: Sequence[str] | None = None, max_rows: int = ROWS_AT_ONCE
    ) -> None:
        super().__init__(path, columns, max_rows)
        try:
            self._size = path.stat().st_size
        except OSError as error:
            raise unreadable(path, error) from None
        self._types: dict[str, Any] | None = None
        self._passed = 0

    def decode(self) -> Iterator[pd.DataFrame]:
        """Yield the ticks; each frame has the columns and types that are known by then."""
        lines = LineReader(self.path, decode_line, self._size)
        decoder = FrameDecoder(lines)
        for frame in decoder.frames(self.max_rows):
            self.share = (self._passed + lines.at / max(self._size, 1)) / 2
            yield frame
        if lines.number and not decoder.understood:
            problem = "it has no line of a raw frame; pass JSON lines of ticks or of raw frames"
            raise RecordingError(self.path, problem)
        head = Head(0, symbols=decoder.symbols)
        self.sidecar = Sidecar([head], gaps=decoder.gaps, misfits=decoder.misfits)
        self.sidecar.units = decoder.units
        self.problems, self.torn_bytes = lines.problems(), lines.torn_bytes
        self.states = decoder.states

    def types(self) -> dict[str, Any]:
        if self._types is None:
            last = pd.DataFrame()
            for last in self.decode():  # noqa: B007
                pass
            self._types = {name: last[name].dtype for name in self._choose(map(str, last.columns))}
            self._passed = 1
        return self._types

    def pieces(self, first: int = 0) -> Iterator[pd.DataFrame]:
        types = {
            name: None if isinstance(dtype, pd.CategoricalDtype) else dtype
            for name, dtype in self.types().items()
        }
        frames = (_conform(frame, types) for frame in self.decode())
        yield from islice(regroup(frames, self.max_rows), first, None)


def _conform(frame: pd.DataFrame, types: Mapping[str, Any]) -> pd.DataFrame:
    """Return a frame with the columns and types of the log at its end.

    A column of integers may have begun as one of floats; 0 stands for a missing one.
    """
    for name, dtype in types.items():
        if dtype == np.int64:
            frame[name] = frame[name].fillna(0) if name in frame else 0
    return conform(frame, types)
