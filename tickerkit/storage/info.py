"""Info: what a recording holds: ticks, span, symbols, gaps, columns, size and source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tickerkit.errors import Problem
from tickerkit.log import Gap
from tickerkit.storage.extent import Extent, ExtentBuilder
from tickerkit.storage.files import compression_of
from tickerkit.storage.jsonl import is_tick_lines
from tickerkit.storage.outline import merge_columns, read_outline
from tickerkit.storage.paths import files_of, is_jsonl
from tickerkit.storage.scan import Scan
from tickerkit.storage.sidecar import Columns, Sidecar, add_counts
from tickerkit.ticks.fields import SYMBOL_NAMES

__all__ = ["Info", "Inspection", "join_infos", "size_of"]

# The columns from which an extent is found.
NEEDED = ("seq", "epoch", "time", "received", *SYMBOL_NAMES)


@dataclass(frozen=True, slots=True)
class Info:
    """What a recording holds, or several together.

    Attributes:
        path: the file, or the folder.
        files: how many recordings there are.
        format: "CSV", "Parquet", "JSON lines" or "raw frames", and the compression.
        size_bytes: the size of all its files, with sidecars and raw frames.
        is_finished: whether no program is still to write to it, as far as it says.
        extent: how far its ticks reach.
        only: the symbols that were recorded; None for all.
        gaps: the gaps that it lists.
        misfits: how many values were left out, by column.
        kinds: the kind of each column, see `sidecar.Columns`.
        units: the unit of each column that has one.
        source: where the ticks came from; empty if that isn't known.
        problems: what is damaged or unfinished, as far as it was seen.
    """

    path: Path
    files: int
    format: str
    size_bytes: int
    is_finished: bool
    extent: Extent
    only: list[str] | None
    gaps: list[Gap]
    misfits: dict[str, int]
    kinds: dict[str, str]
    units: dict[str, str]
    source: str
    problems: list[Problem] = field(default_factory=list)


class Inspection:
    """Finds what a recording holds: by its sidecar or footer, or else by its rows.

    Args:
        path: a recording of any format.

    Attributes:
        info: what it holds; after the last step.

    Example:
        >>> inspection = Inspection(path)
        >>> for share in inspection.steps():
        ...     print(f"{share:.0%}")
        >>> inspection.info.extent.rows
    """

    info: Info

    def __init__(self, path: Path) -> None:
        self._path = path

    def steps(self) -> Iterator[float]:
        """Read what is needed; yield which share of the rows has been read, 0 to 1, if they are.

        Raises:
            RecordingError: the recording can't be read.
        """
        outline = read_outline(self._path)
        about, extent, kinds = outline.about, outline.extent, outline.kinds
        problems, is_finished = outline.problems, outline.is_finished
        if extent is None:
            scan = Scan(self._path, NEEDED if kinds else None)
            builder = ExtentBuilder()
            for piece in scan.pieces():
                builder.add(piece.frame)
                kinds = kinds or Columns.from_frame(piece.frame).kinds
                yield scan.share
            about, extent, problems = scan.sidecar, builder.extent, scan.problems
        self.info = _describe(self._path, about, extent, kinds, problems, is_finished=is_finished)


def _describe(
    path: Path,
    about: Sidecar,
    extent: Extent,
    kinds: dict[str, str],
    problems: list[Problem],
    *,
    is_finished: bool,
) -> Info:
    return Info(
        path,
        1,
        _find_format(path),
        size_of(path),
        is_finished,
        extent,
        about.symbols,
        about.gaps,
        about.misfits,
        kinds,
        about.units,
        about.source,
        problems,
    )


def _find_format(path: Path) -> str:
    if path.suffix == ".parquet":
        return "Parquet"
    name = "CSV"
    if is_jsonl(path):
        name = "JSON lines" if is_tick_lines(path) else "raw frames"
    compression = compression_of(path)
    return name if compression is None else f"{name} with {compression}"


def size_of(path: Path) -> int:
    """Return the size of a recording's files in bytes, with sidecars and raw frames."""
    return sum(each.stat().st_size for each in files_of(path) if each.exists())


def join_infos(path: Path, infos: Sequence[Info]) -> Info:
    """Return what several recordings hold together; `path` is what they are called."""
    builder = ExtentBuilder()
    misfits: dict[str, int] = {}
    for info in infos:
        builder.add_extent(info.extent)
        misfits = add_counts(misfits, info.misfits)
    gaps = {(gap.epoch, gap.first, gap.last): gap for info in infos for gap in info.gaps}
    named = [info.only for info in infos]
    only = None
    if None not in named:
        only = list(dict.fromkeys(symbol for each in named for symbol in each or ()))
    return Info(
        path,
        len(infos),
        ", ".join(dict.fromkeys(info.format for info in infos)),
        sum(info.size_bytes for info in infos),
        all(info.is_finished for info in infos),
        builder.extent,
        only,
        list(gaps.values()),
        misfits,
        merge_columns(info.kinds for info in infos),
        {name: unit for info in infos for name, unit in info.units.items()},
        "; ".join(dict.fromkeys(info.source for info in infos if info.source)),
        [problem.within(info.path.name) for info in infos for problem in info.problems],
    )
