"""Earlier files: what the runs before have left of a recording, judged by content, not by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from tickerkit.errors import RecordingError
from tickerkit.log import Gap, Position
from tickerkit.storage.csv.append import CsvFile
from tickerkit.storage.csv.parts import parts_of
from tickerkit.storage.files import is_locked
from tickerkit.storage.parquet.finish import from_csv
from tickerkit.storage.parquet.read import read_metadata
from tickerkit.storage.partitions import partition_files
from tickerkit.storage.paths import Naming, working_path
from tickerkit.storage.scan import Scan
from tickerkit.storage.sidecar import End, Sidecar, read_sidecar

__all__ = [
    "LastTick",
    "find_last_tick",
    "finish",
    "is_unfinished",
    "last_tick_in",
    "leave_out_open",
    "read_abouts",
]

OnSkip = Callable[[Exception], object]


class LastTick(NamedTuple):
    """Where a recording ended.

    Attributes:
        position: of its last tick, or of the end of a gap after it.
        rows: how many ticks are in the file of that tick.
    """

    position: Position
    rows: int


def read_abouts(naming: Naming, on_skip: OnSkip) -> dict[Path, Sidecar]:
    """Return what each file of a recording says about itself, oldest name first.

    Args:
        naming: the names of the files.
        on_skip: called with the error of each of several files that can't be read.

    Raises:
        RecordingError: the only file can't be read.
    """
    found = {}
    for path in naming.files():
        try:
            found[path] = _read_about(path)
        except (RecordingError, OSError) as error:
            if not naming.timed:
                raise
            on_skip(error)
    return found


def find_last_tick(naming: Naming, on_skip: OnSkip) -> LastTick | None:
    """Find the newest tick in the files of a recording; see `read_abouts` and `last_tick_in`."""
    return last_tick_in(read_abouts(naming, on_skip), on_skip if naming.timed else None)


def last_tick_in(abouts: Mapping[Path, Sidecar], on_skip: OnSkip | None) -> LastTick | None:
    """Find the newest tick in some files.

    The names of files don't decide: the clock may have been wrong. The newest epoch is the one that
    no file lists as ended; of several, the one with the newest tick, by `time`.

    Args:
        abouts: the files, and what each says about itself.
        on_skip: called with the error of each file that can't be read; None to raise it.

    Returns:
        None if there are no ticks.
    """
    ends: list[End] = []
    gaps: list[Gap] = []
    for path, about in abouts.items():
        try:
            end, listed = _read_end(path, about)
        except (RecordingError, OSError) as error:
            if on_skip is None:
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


def _read_end(path: Path, about: Sidecar) -> tuple[End, list[Gap]]:
    """Return the last row of a file, and its gaps; only an unfinished file is read to its end."""
    written = working_path(path) if working_path(path).exists() else path
    if written == path and partition_files(path) and about.end is not None:
        return about.end, about.gaps
    if written == path and not written.stat().st_size:  # created when the disk was full
        return End(0), []
    end, is_whole = about.end, len(parts_of(written)) == 1
    if is_whole and end is not None and end.size in (0, written.stat().st_size):
        return end, about.gaps
    scan, end = Scan(path, ["seq", "epoch", "time"]), End(0)
    for piece in scan.pieces():
        if len(piece.frame):
            end = End.from_frame(piece.frame)
    return msgspec.structs.replace(end, rows=scan.rows), scan.sidecar.gaps


def leave_out_open(abouts: Mapping[Path, Sidecar]) -> dict[Path, Sidecar]:
    """Return the files but for those that another recorder writes to, or that can't be opened."""

    def is_open(path: Path) -> bool:
        try:
            return is_locked(working_path(path))
        except OSError:
            return True

    return {
        path: about for path, about in abouts.items() if about.end is not None or not is_open(path)
    }


def is_unfinished(path: Path, about: Sidecar) -> bool:
    """Return whether a crash has left a file unfinished."""
    return bool(about.heads) and about.end is None and working_path(path).exists()


def finish(path: Path, partition: Sequence[str] = ()) -> None:
    """Finish a file: make Parquet of the CSV beside it, or write the end of a CSV.

    Args:
        path: the file.
        partition: the keys by which Parquet files are laid out.

    Raises:
        RecordingError: it is damaged, or is being written to.
        OSError: it can't be written.
    """
    if (csv := working_path(path)) == path:
        # The newest head tells the next run whether the file is one of its own.
        for head in _read_about(path).heads[-1:]:
            CsvFile(path, source=head.source, symbols=head.symbols).close()
    elif csv.exists():
        if is_locked(csv):
            raise RecordingError(csv, "another program or cell is recording to it", "converted")
        from_csv(path, partition)


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
        if path.exists():
            about = read_metadata(path).join(about)
        about.end = None
        return about
    return read_sidecar(path) or Sidecar()
