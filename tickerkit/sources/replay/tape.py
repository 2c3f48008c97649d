"""Tape: the ticks of recordings in the order of play, and the gaps in and between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tickerkit.errors import InvalidArgument, SourceError
from tickerkit.log import Gap, Position, locate_gaps
from tickerkit.sources.replay.clock import due_times, forward_fill
from tickerkit.sources.replay.place import Place
from tickerkit.ticks import NO_TIME, NS_PER_S, Batch, read_ticks
from tickerkit.ticks.fields import may_have_value, select_units, symbol_field
from tickerkit.validation import check_path

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "PlacedGap",
    "Recordings",
    "Tape",
    "check_recordings",
    "find_recordings",
    "find_units",
    "read_tape",
]

ANOTHER_EPOCH = "another epoch begins"

Recordings: TypeAlias = "str | PathLike[str] | Iterable[str | PathLike[str]] | pd.DataFrame"


class PlacedGap(NamedTuple):
    """A gap, and the row of the tape that comes right after it."""

    row: int
    gap: Gap


class Tape:
    """All ticks of a replay, in the order of play; rows count through all recordings from 0.

    Args:
        batches: the ticks of each recording.
        gaps: the gaps, in order of row. A gap whose end isn't known ends its epoch: the next tick
            begins another epoch.
        warnings: the damage of the recordings; damaged ticks were left out.
        states: the states of a venue's subscriptions, as in `Recording.states`.

    Attributes:
        breaks: rows before which a batch must end: after a recording, and at a gap.
        times: shape (ticks,), in ns; a tick without a time has that of the tick before.
        due_ns: shape (ticks,), when each tick is due, in ns after the first; never decreasing.
    """

    def __init__(
        self,
        batches: Sequence[Batch],
        gaps: Sequence[PlacedGap] = (),
        warnings: Sequence[Warning] = (),
        states: Sequence[tuple[int, Mapping[str, Any]]] = (),
    ) -> None:
        self.batches = batches
        self.gaps = gaps
        self.warnings = warnings
        self.states = states
        # Row of the first tick of each recording, and of the end of the last one.
        self._starts = np.cumsum([0, *(batch.count for batch in batches)])
        self.breaks: list[int] = sorted({*self._starts.tolist(), *(gap.row for gap in gaps)})
        times = [batch.time for batch in batches]
        raw_times = np.concatenate(times) if times else np.empty(0, dtype=np.int64)
        self.times = forward_fill(raw_times)
        self.due_ns = due_times(raw_times)
        self._latest_times = np.maximum.accumulate(self.times)

    @property
    def count(self) -> int:
        """Number of ticks."""
        return len(self.times)

    @property
    def has_times(self) -> bool:
        """Whether any tick has a time."""
        return bool(self.count) and int(self.times[0]) != NO_TIME

    @property
    def start_ns(self) -> int | None:
        """Time of the first tick; None without times."""
        return int(self.times[0]) if self.has_times else None

    @property
    def end_ns(self) -> int | None:
        """The latest time; None without times."""
        return int(self._latest_times[-1]) if self.has_times else None

    def part(self, start: int, stop: int) -> Batch:
        """Return the rows `start` to `stop`, which must be of one recording."""
        index = int(np.searchsorted(self._starts, start, side="right")) - 1
        first = int(self._starts[index])
        return self.batches[index].part(start - first, stop - first)

    def find(self, place: Place) -> int:
        """Return the first row at or after a place. A place outside the tape is its nearer end."""
        if not self.has_times:
            return 0
        start, end = int(self.times[0]), int(self._latest_times[-1])
        if isinstance(place, float):
            place = start + round(min(max(place * NS_PER_S, 0.0), float(end - start)))
        return int(np.searchsorted(self._latest_times, min(max(place, start), end)))

    def rejections(self) -> Iterator[Batch]:
        """For each recording with rejected rows, yield an empty batch that carries the errors."""
        for batch in self.batches:
            if batch.refused or batch.misfits:
                # A part of a batch doesn't carry the errors of the whole.
                empty = batch.part(0, 0)
                empty.refused, empty.errors = batch.refused, batch.errors
                empty.misfits = batch.misfits
                yield empty


def check_recordings(what: Recordings) -> list[Path] | pd.DataFrame:
    """Return the paths of the recordings, or a snapshot of the frame.

    Raises:
        SourceError: a file doesn't exist, a folder has no recording, or a frame has no ticks.
    """
    import pandas as pd

    if isinstance(what, pd.DataFrame):
        return _check_frame(what)
    if isinstance(what, str | PathLike):
        return [_check_path(what)]
    paths = list(what) if isinstance(what, Iterable) and not isinstance(what, bytes) else []
    if not paths or not all(isinstance(path, str | PathLike) for path in paths):
        problem = "replay takes the path of a recording, a list of paths, or a DataFrame of ticks"
        raise SourceError(what, problem)
    return [_check_path(path) for path in paths]


def find_recordings(path: Path) -> list[Path]:
    """Return the recordings in a folder and its partitions; for a file, only the file."""
    if not path.is_dir():
        return [path]
    from tickerkit.storage.paths import recordings_in

    return recordings_in(path)


def find_units(what: list[Path] | pd.DataFrame) -> dict[str, str]:
    """Return the units of the columns of recordings, without reading their rows.

    Of a folder, the newest file has them all.
    """
    if not isinstance(what, list):
        given = what.attrs.get("units")
        return select_units(given) if isinstance(given, Mapping) else {}
    from tickerkit.storage.recording import read_units

    files = [file for path in what for file in find_recordings(path)[-1:]]
    return {name: unit for file in files for name, unit in read_units(file).items()}


def read_tape(what: list[Path] | pd.DataFrame) -> Tape:
    """Read recordings, whole, into memory.

    What is missing between the files of one recording becomes a gap.

    Raises:
        RecordingError: a file can't be read.
    """
    splicer = _Splicer()
    if isinstance(what, list):
        from tickerkit.storage import load
        from tickerkit.storage.between_files import in_order

        files = [file for path in what for file in find_recordings(path)]
        for recording in in_order(files, [load(file) for file in files]):
            splicer.add(recording.frame, recording.gaps)
            splicer.states += recording.states
            if recording.warning is not None:
                splicer.warnings.append(recording.warning)
    else:
        splicer.add(what, None)
    return splicer.tape()


class _Splicer:
    """Joins recordings to one tape, and finds the gaps in and between them."""

    def __init__(self) -> None:
        self.warnings: list[Warning] = []
        self.states: list[tuple[int, Mapping[str, Any]]] = []
        self._batches: list[Batch] = []
        self._gaps: list[PlacedGap] = []
        self._rows = 0
        self._last: Position | None = None

    def tape(self) -> Tape:
        return Tape(self._batches, self._gaps, self.warnings, self.states)

    def add(self, frame: pd.DataFrame, gaps: pd.DataFrame | None) -> None:
        batch = read_ticks(frame)
        rows = np.arange(batch.count) if batch.kept is None else batch.kept
        numbering = _Numbering(frame, rows)
        self._gaps += [
            PlacedGap(self._rows + placed.row, placed.gap)
            for placed in numbering.find_gaps(gaps, self._last)
        ]
        self._batches.append(batch)
        self._rows += batch.count
        self._last = numbering.position(-1) or self._last


class _Numbering:
    """The epoch and seq of each tick of a recording, if it has these columns.

    Args:
        frame: the recording.
        rows: the rows that are ticks.
    """

    def __init__(self, frame: pd.DataFrame, rows: npt.NDArray[np.int64]) -> None:
        import pandas as pd

        self._ticks: pd.DataFrame | None = None
        if {"epoch", "seq"} <= set(frame) and pd.api.types.is_numeric_dtype(frame["seq"]):
            self._ticks = frame[["seq", "epoch"]].iloc[rows]
            # Shapes (ticks,), (epochs,) and (ticks,).
            self._codes, names = pd.factorize(self._ticks["epoch"])
            self._names = [str(name) for name in names]
            seqs = self._ticks["seq"].to_numpy(dtype=np.float64, na_value=0)
            self._seqs = seqs.astype(np.int64)

    def position(self, row: int) -> Position | None:
        """Return the position of a tick; None if the recording has no positions."""
        if self._ticks is None or not len(self._ticks):
            return None
        code = int(self._codes[row])
        return Position(self._names[code] if code >= 0 else "", int(self._seqs[row]))

    def find_gaps(self, listed: pd.DataFrame | None, before: Position | None) -> list[PlacedGap]:
        """Return the gaps, in the order of play: those listed, and one where an epoch begins.

        Args:
            listed: the gaps that the recording lists.
            before: position of the last tick of the recording before.
        """
        if self._ticks is None:
            return []
        # The order of gaps at one row: 0, ticks are missing at the end of the old epoch; 1, another
        # epoch begins; 2, ticks are missing at its start.
        found = [
            (placed.row, 2 * continues, placed.gap) for placed, continues in self._place(listed)
        ]
        ended = {row for row, rank, gap in found if not rank and gap.last is None}
        found += [(row, 1, gap) for row, gap in self._epoch_changes(before) if row not in ended]
        found.sort(key=lambda each: each[:2])
        return [PlacedGap(row, gap) for row, _, gap in found]

    def _epoch_changes(self, before: Position | None) -> Iterator[PlacedGap]:
        """Yield the rows at which another epoch begins, or the same one begins again."""
        first = self.position(0)
        if before is not None and first is not None and not _continues(before, first):
            yield PlacedGap(0, Gap(before.epoch, before.seq + 1, None, ANOTHER_EPOCH))
        for row in (np.flatnonzero(np.diff(self._codes)) + 1).tolist():
            last = self.position(row - 1)
            assert last is not None
            yield PlacedGap(row, Gap(last.epoch, last.seq + 1, None, ANOTHER_EPOCH))

    def _place(self, listed: pd.DataFrame | None) -> Iterator[tuple[PlacedGap, bool]]:
        """Yield each listed gap, and whether the tick after it is of the same epoch."""
        import pandas as pd

        if listed is None or not len(listed) or self._ticks is None:
            return
        rows = locate_gaps(self._ticks, listed).tolist()
        columns = (listed[name].tolist() for name in ("epoch", "from", "to", "reason"))
        for row, epoch, first, last, reason in zip(rows, *columns, strict=True):
            after = self.position(row) if row < len(self._ticks) else None
            # The length of a gap is used only if the recording has ticks of its epoch.
            known = str(epoch) in self._names and not (pd.isna(first) or pd.isna(last))
            gap = Gap(
                str(epoch),
                0 if pd.isna(first) else int(first),
                int(last) if known and last >= first else None,
                "" if pd.isna(reason) else str(reason),
            )
            yield PlacedGap(row, gap), after is not None and after.epoch == str(epoch)


def _continues(before: Position, after: Position) -> bool:
    return after.epoch == before.epoch and after.seq > before.seq


def _check_path(given: str | PathLike[str]) -> Path:
    from tickerkit.storage.paths import working_path

    try:
        check_path("what", given)
    except InvalidArgument as error:
        raise SourceError(given, f"expected {error.expected}", "what") from None
    path = Path(given).expanduser()
    if not path.exists() and not working_path(path).exists():
        raise SourceError(str(given), f"there is no file at {path.absolute()}")
    if not find_recordings(path):
        raise SourceError(str(given), f"{path.absolute()} is a folder without a recording in it")
    return path


def _check_frame(frame: pd.DataFrame) -> pd.DataFrame:
    names = {str(name) for name in frame.columns}
    if symbol_field(names) is None:
        problem = "the frame has only these columns, and no column symbol"
        raise SourceError(sorted(names), problem, fix="add one with the symbol of each tick")
    if not may_have_value(names):
        problem = "the frame has only these columns, and none of a price or another number"
        raise SourceError(sorted(names), problem, fix="add one")
    # A copy-on-write copy: later changes of the user's frame don't change the replay.
    return frame.copy(deep=False)
