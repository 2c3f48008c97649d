"""Earlier files: what the runs before have left of a recording, judged by content, not by name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from tickerkit.errors import RecordingError
from tickerkit.log import Gap, Position, gaps_from_frame
from tickerkit.storage.csv.append import CsvFile
from tickerkit.storage.csv.parts import parts_of
from tickerkit.storage.files import is_locked
from tickerkit.storage.parquet import from_csv, read_metadata
from tickerkit.storage.paths import Naming, working_path
from tickerkit.storage.recording import load
from tickerkit.storage.sidecar import End, Head, Sidecar, read_sidecar

__all__ = ["LastTick", "find_last_tick", "finish", "own_files", "unfinished_files"]


class LastTick(NamedTuple):
    """Where a recording ended.

    Attributes:
        position: of its last tick, or of the end of a gap after it.
        rows: how many ticks are in the file of that tick.
    """

    position: Position
    rows: int


def find_last_tick(
    naming: Naming,
    on_skip: Callable[[Exception], object],
    accept: Callable[[Head], bool] = lambda _: True,
) -> LastTick | None:
    """Find the newest tick in the files of a recording.

    The names of files don't decide: the clock may have been wrong. The newest epoch is the one that
    no file lists as ended; of several, the one with the newest tick, by `time`.

    Args:
        naming: the names of the files.
        on_skip: called with the error of each of several files that can't be read.
        accept: whether to consider the files of a run, by their newest head.

    Returns:
        None if there are no ticks.

    Raises:
        RecordingError: the only file can't be read.
    """
    ends: list[End] = []
    gaps: list[Gap] = []
    for path in naming.files():
        try:
            heads = _read_about(path).heads
            if heads and not accept(heads[-1]):
                continue
            end, listed = _read_end(path)
        except (RecordingError, OSError) as error:
            if not naming.timed:
                raise
            on_skip(error)
            continue
        if end.epoch:
            ends.append(end)
        gaps += listed
    if not ends:
        return None
    closed = {gap.epoch for gap in gaps if gap.last is None}
    ends = [end for end in ends if end.epoch not in closed] or ends
    times: dict[str, int] = {}
    for end in ends:
        times[end.epoch] = max(times.get(end.epoch, 0), end.time or 0)
    newest = max(ends, key=lambda end: (times[end.epoch], end.seq))
    return LastTick(Position(newest.epoch, _reach(newest, gaps)), newest.rows)


def _reach(end: End, gaps: Iterable[Gap]) -> int:
    """Return the seq up to which an epoch is written or listed."""
    return max([end.seq, *(gap.last or 0 for gap in gaps if gap.epoch == end.epoch)])


def _read_end(path: Path) -> tuple[End, list[Gap]]:
    """Return the last row of a file, and its gaps; only an unfinished file is read whole."""
    written = working_path(path) if working_path(path).exists() else path
    if not written.stat().st_size:  # created when the disk was full
        return End(0), []
    about = _read_about(path)
    end = about.end
    is_whole = len(parts_of(written)) == 1
    if is_whole and end is not None and end.size in (0, written.stat().st_size):
        return end, about.gaps
    found = load(path)
    return End.from_frame(found.frame), gaps_from_frame(found.gaps)


def own_files(naming: Naming, accept: Callable[[Head], bool]) -> list[Path]:
    """Return the files of the earlier runs whose newest head is accepted, oldest name first."""
    found = []
    for path in naming.files():
        with contextlib.suppress(RecordingError, OSError):
            heads = _read_about(path).heads
            if heads and accept(heads[-1]):
                found.append(path)
    return found


def unfinished_files(naming: Naming) -> list[Path]:
    """Return the files of several that a crash has left unfinished, and that nobody writes to."""
    found = []
    for path in naming.files() if naming.timed else ():
        with contextlib.suppress(RecordingError, OSError):
            about, csv = _read_about(path), working_path(path)
            if about.heads and about.end is None and csv.exists() and not is_locked(csv):
                found.append(path)
    return found


def finish(path: Path) -> None:
    """Finish a file: make Parquet of the CSV beside it, or write the end of a CSV.

    Raises:
        RecordingError: it is damaged, or is being written to.
        OSError: it can't be written.
    """
    if (csv := working_path(path)) == path:
        CsvFile(path).close()
    elif csv.exists():
        if is_locked(csv):
            raise RecordingError(csv, "another program or cell is recording to it", "converted")
        from_csv(csv, path)


def _read_about(path: Path) -> Sidecar:
    """Return what a recording says about itself, without reading its rows.

    Of an unfinished Parquet file, that is the sidecar of the CSV beside it, without an end.

    Raises:
        RecordingError: it is a damaged Parquet file.
    """
    if (csv := working_path(path)) != path:
        if not csv.exists():
            return read_metadata(path)
        about = read_sidecar(csv) or Sidecar()
        about.end = None
        return about
    return read_sidecar(path) or Sidecar()
