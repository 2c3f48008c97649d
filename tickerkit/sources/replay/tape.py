"""Playlist: the ticks of one or several recordings, in order, and where some are missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tickerkit.errors import SourceError
from tickerkit.log import Position, locate_gaps
from tickerkit.ticks import Batch, read_ticks
from tickerkit.ticks.fields import has_price, symbol_field

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Given", "Seam", "Tape", "check_recordings", "read", "recordings"]

ANOTHER_EPOCH = "another epoch begins"

Given: TypeAlias = "str | PathLike[str] | Iterable[str | PathLike[str]] | pd.DataFrame"


class Seam(NamedTuple):
    """Where ticks are missing.

    Attributes:
        row: before which row.
        missing: how many; None where that is not known, and a new epoch begins.
        reason: why.
    """

    row: int
    missing: int | None
    reason: str


@dataclass
class Tape:
    """All ticks of a replay, as they come one after the other.

    Attributes:
        batches: the ticks of each recording.
        seams: where some are missing, by row.
        warnings: what is damaged of them and was left out.
        ends: before which rows a batch must end: at a seam, and where a recording does.
    """

    batches: list[Batch]
    seams: list[Seam]
    warnings: list[Warning] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._starts = np.cumsum([0, *(batch.count for batch in self.batches)])
        self.ends: list[int] = sorted({*self._starts.tolist(), *(seam.row for seam in self.seams)})
        times = [batch.time for batch in self.batches]
        self.times = np.concatenate(times) if times else np.empty(0, dtype=np.int64)

    @property
    def count(self) -> int:
        """How many ticks there are."""
        return len(self.times)

    def part(self, start: int, stop: int) -> Batch:
        """Return some rows, of which all are of one recording."""
        index = int(np.searchsorted(self._starts, start, side="right")) - 1
        first = int(self._starts[index])
        return self.batches[index].part(start - first, stop - first)

    def refused(self) -> Iterator[Batch]:
        """Yield for each recording that held what is no tick a batch of none, which tells it."""
        for batch in self.batches:
            if batch.refused or batch.misfits:
                # Parts of a batch do not carry what was refused of the whole.
                told = batch.part(0, 0)
                told.refused, told.errors, told.misfits = batch.refused, batch.errors, batch.misfits
                yield told


def check_recordings(what: Given) -> list[Path] | pd.DataFrame:
    """Return the paths, or the frame as it is now.

    Raises:
        SourceError: if there is no such file, no recording in a folder, or no ticks in a frame.
    """
    import pandas as pd

    if isinstance(what, pd.DataFrame):
        return _checked_frame(what)
    if isinstance(what, str | PathLike):
        return [_checked_path(what)]
    paths = list(what) if isinstance(what, Iterable) and not isinstance(what, bytes) else []
    if not paths or not all(isinstance(path, str | PathLike) for path in paths):
        problem = "replay takes the path of a recording, a list of paths, or a DataFrame of ticks"
        raise SourceError(what, problem)
    return [_checked_path(path) for path in paths]


def recordings(path: Path) -> list[Path]:
    """Return the recordings in a folder, in order of name; a file is the only one."""
    if not path.is_dir():
        return [path]
    from tickerkit.storage.combine import recordings_in

    return recordings_in(path)


def read(what: list[Path] | pd.DataFrame) -> Tape:
    """Read all of it, into memory.

    Raises:
        RecordingError: if a file can't be read.
    """
    joint = _Joint()
    if isinstance(what, list):
        from tickerkit.storage import load

        for path in what:
            for each in recordings(path):
                found = load(each)
                joint.add(found.frame, found.gaps)
                if (warning := getattr(found, "warning", None)) is not None:
                    joint.warnings.append(warning)
    else:
        joint.add(what, None)
    return joint.tape()


class _Joint:
    """Puts recordings together, and finds the seams in them and between them."""

    def __init__(self) -> None:
        self.warnings: list[Warning] = []
        self._batches: list[Batch] = []
        self._seams: list[Seam] = []
        self._rows = 0
        self._last: Position | None = None

    def tape(self) -> Tape:
        return Tape(self._batches, self._seams, self.warnings)

    def add(self, frame: pd.DataFrame, gaps: pd.DataFrame | None) -> None:
        batch = read_ticks(frame)
        rows = np.arange(batch.count) if batch.kept is None else batch.kept
        epochs = _Epochs(frame, rows)
        seams = [*epochs.listed(gaps), *epochs.changes()]
        if epochs.begin_anew(self._last):
            seams.append((0, 1, None, ANOTHER_EPOCH))
        seams.sort(key=lambda seam: seam[:2])
        told = {row for row, rank, count, _ in seams if rank == 0 and count is None}
        for row, rank, count, reason in seams:
            if rank != 1 or row not in told:
                self._seams.append(Seam(self._rows + row, count, reason))
        self._batches.append(batch)
        self._rows += batch.count
        self._last = epochs.last() or self._last


class _Epochs:
    """The epochs of a recording's rows, and their seqs.

    A seam here is a row, a rank (what belongs to the epoch before, then that another begins, then
    what belongs to that one), a count and a reason.
    """

    def __init__(self, frame: pd.DataFrame, rows: npt.NDArray[np.int_]) -> None:
        import pandas as pd

        self.count = len(rows)
        self.codes = np.zeros(self.count, dtype=int)
        self.names: list[str] = []
        self.seqs: npt.NDArray[np.int64] | None = None
        if "epoch" in frame and "seq" in frame and pd.api.types.is_numeric_dtype(frame["seq"]):
            codes, names = pd.factorize(frame["epoch"].iloc[rows])
            self.codes, self.names = codes, [str(name) for name in names]
            self._ticks = frame[["seq", "epoch"]].iloc[rows]
            seqs = self._ticks["seq"]
            self.seqs = seqs.to_numpy(dtype=np.float64, na_value=0).astype(np.int64)

    def changes(self) -> Iterator[tuple[int, int, int | None, str]]:
        """Yield where another epoch begins."""
        for row in np.flatnonzero(np.diff(self.codes)) + 1:
            yield int(row), 1, None, ANOTHER_EPOCH

    def begin_anew(self, last: Position | None) -> bool:
        """Return whether these do not go on from the last epoch and seq of a recording before."""
        if last is None or self.seqs is None or not self.count:
            return False
        return last.epoch != self._name(0) or int(self.seqs[0]) <= last.seq

    def last(self) -> Position | None:
        if self.seqs is None or not self.count:
            return None
        return Position(self._name(-1), int(self.seqs[-1]))

    def _name(self, row: int) -> str:
        code = int(self.codes[row])
        return self.names[code] if code >= 0 else ""

    def listed(self, gaps: pd.DataFrame | None) -> Iterator[tuple[int, int, int | None, str]]:
        """Yield where the gaps are that a recording lists."""
        import pandas as pd

        if gaps is None or not len(gaps) or self.seqs is None:
            return
        columns = (gaps[name].tolist() for name in ("epoch", "from", "to", "reason"))
        for row, epoch, first, last, reason in zip(
            locate_gaps(self._ticks, gaps).tolist(), *columns, strict=True
        ):
            # A gap of an epoch without ticks belongs to the gap before it.
            within = row < self.count and self._name(row) == str(epoch)
            unknown = str(epoch) not in self.names or pd.isna(first) or pd.isna(last)
            count = None if unknown or last < first else int(last) - int(first) + 1
            yield row, 2 if within else 0, count, "" if pd.isna(reason) else str(reason)


def _checked_path(given: str | PathLike[str]) -> Path:
    from tickerkit.storage.paths import working_path

    path = Path(given).expanduser()
    if not path.exists() and not working_path(path).exists():
        raise SourceError(str(given), f"there is no file at {path.absolute()}")
    if not recordings(path):
        raise SourceError(str(given), f"{path.absolute()} is a folder without a recording in it")
    return path


def _checked_frame(given: pd.DataFrame) -> pd.DataFrame:
    names = {str(name) for name in given.columns}
    if symbol_field(names) is None:
        raise SourceError(list(names), "the frame has no column symbol")
    if not has_price(names):
        raise SourceError(list(names), "the frame has no column price, bid or ask")
    # Copied when either is written to: what is replayed is the frame as it is now.
    return given.copy(deep=False)
