"""Stretches: recordings read piece by piece, in the order of play, and pieces of them again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tickerkit.errors import RecordingError
from tickerkit.sources.replay.inputs import find_recordings
from tickerkit.sources.replay.placing import GapPlacer
from tickerkit.sources.replay.tape import PlacedGap
from tickerkit.ticks import Batch
from tickerkit.ticks.dataframe import read_frame

if TYPE_CHECKING:
    import pandas as pd

    from tickerkit.sources.replay.files import OpenFile
    from tickerkit.sources.replay.survey import Surveyed
    from tickerkit.storage.extent import Extent

__all__ = ["Found", "StretchReader"]

# How many recordings are open: those that were read last.
MAX_OPEN = 16


class Found(NamedTuple):
    """What is found where a replay's recordings are read on.

    Attributes:
        ticks: the ticks of the next stretch, at least one; None at the end.
        gaps: the gaps that lie before one of them, or after the last tick.
        states: the states of a venue's subscriptions.
        reports: the damage of a recording, and empty batches that carry its rejected rows.
        is_last: whether that was all. If it isn't known yet, the next is empty.
    """

    ticks: Batch | None
    gaps: Sequence[PlacedGap] = ()
    states: Sequence[tuple[int, Mapping[str, Any]]] = ()
    reports: Sequence[Warning | Batch] = ()
    is_last: bool = False

    def join(self, later: Found) -> Found:
        """Return what was found here and later; at most one of them has ticks."""
        return Found(
            later.ticks if self.ticks is None else self.ticks,
            [*self.gaps, *later.gaps],
            [*self.states, *later.states],
            [*self.reports, *later.reports],
        )


class _Origin(NamedTuple):
    """Where a stretch comes from: the number of its file and piece, and how many ticks it has."""

    file: int
    piece: int
    size: int


class StretchReader:
    """Reads recordings stretch by stretch; at no time more than two pieces are in memory.

    Not for several threads at once.

    Args:
        what: the recordings, in the order of play; or a frame, which is one stretch.
    """

    def __init__(self, what: list[Path] | pd.DataFrame) -> None:
        self._what = what
        self._files: list[Surveyed] = []
        self._steps = self._read_all()
        self._held: Found | None = None
        # How much of the newest file was read.
        self._share = 0.0
        self._origins: list[_Origin] = []
        # By number of the file, the one that was used last at the end.
        self._open: dict[int, OpenFile] = {}

    def open(self) -> int | None:
        """Look at the recordings; return the latest time in them, None if that isn't known.

        Raises:
            RecordingError: a file can't be read. All methods raise it.
        """
        if not isinstance(self._what, list):
            return None
        from tickerkit.sources.replay.survey import survey

        self._files = survey([file for path in self._what for file in find_recordings(path)])
        extents = [file.extent for file in self._files]
        ends = [each.end for each in extents if each is not None and each.end is not None]
        return max(ends, default=None) if None not in extents else None

    def read_on(self) -> Found:
        """Read the next stretch."""
        found = Found(None)
        while (step := self._held or next(self._steps, None)) is not None:
            self._held = None
            if step.ticks is not None and found.ticks is not None:
                self._held = step
                return found
            found = found.join(step)
            if found.ticks is not None and not self._is_at_end:
                return found
        return found._replace(is_last=True)

    @property
    def _is_at_end(self) -> bool:
        """Whether the last piece was probably read: then the next read takes no time."""
        return not self._files or (
            self._origins[-1].file == len(self._files) - 1 and self._share >= 1
        )

    def read_again(self, number: int) -> Batch:
        """Read a stretch that was read before."""
        file, number, size = self._origins[number]
        piece = self._open_file(file).read_again(number)
        ticks = None if piece is None else read_frame(piece.frame)
        if ticks is None or ticks.count < size:
            raise RecordingError(self._files[file].path, "it was changed while it was replayed")
        return ticks.part(0, size)  # the last piece may have grown

    def _open_file(self, number: int) -> OpenFile:
        from tickerkit.sources.replay.files import OpenFile

        found = self._open.pop(number, None) or OpenFile(self._files[number].path)
        self._open[number] = found
        if len(self._open) > MAX_OPEN:
            del self._open[next(iter(self._open))]
        return found

    def _read_all(self) -> Iterator[Found]:
        """Yield what is found in each piece, and at the end of each file."""
        if not isinstance(self._what, list):
            yield _read_piece(self._what, GapPlacer([], {}, None, 0), 0)
            return
        last, row = None, 0
        for index, surveyed in enumerate(self._files):
            placer = GapPlacer(surveyed.gaps, _count_rows(surveyed.extent), last, row)
            file, states = self._open_file(index), 0
            for piece in file.pieces():
                found = _read_piece(piece.frame, placer, piece.row)
                if found.ticks is not None:
                    origin = _Origin(index, piece.number, found.ticks.count)
                    self._origins.append(origin)
                    row += found.ticks.count
                self._share = file.scan.share
                yield found._replace(states=file.scan.states[states:])
                states = len(file.scan.states)
            last, warning = placer.last, file.scan.warning
            reports = [] if warning is None else [warning]
            yield Found(None, placer.finish(), file.scan.states[states:], reports)


def _count_rows(extent: Extent | None) -> dict[str, int]:
    """Return how many rows a recording has of each epoch."""
    return {} if extent is None else {each.epoch: each.rows for each in extent.epochs}


def _read_piece(frame: pd.DataFrame, placer: GapPlacer, first_row: int) -> Found:
    ticks = read_frame(frame, first_row)
    gaps = placer.add(frame, ticks.kept)
    reports: list[Warning | Batch] = []
    if ticks.refused or ticks.misfits:
        # A part of a batch doesn't carry the errors of the whole.
        empty = ticks.part(0, 0)
        empty.refused, empty.errors, empty.misfits = ticks.refused, ticks.errors, ticks.misfits
        reports.append(empty)
    return Found(ticks if ticks.count else None, gaps, (), reports)
