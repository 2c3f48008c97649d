"""Convert: recordings as one stream of ticks, in part or sorted, and what is known of all of them.

The ticks pass through memory piece by piece, so the size of the recordings doesn't matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tickerkit.errors import RecordingError, RecordingWarning
from tickerkit.log import Selection, gap_frame, gaps_from_frame, keep_rows
from tickerkit.storage.between_files import Part, find_elsewhere, find_missing, order
from tickerkit.storage.coverage import Coverage
from tickerkit.storage.extent import Extent, ExtentBuilder
from tickerkit.storage.files import Mode, prepare_path
from tickerkit.storage.frames import common_types, conform, regroup
from tickerkit.storage.merge import Merge
from tickerkit.storage.outline import read_outline
from tickerkit.storage.output import append_csv, write_stream
from tickerkit.storage.parquet.table import ROWS_AT_ONCE
from tickerkit.storage.paths import is_jsonl
from tickerkit.storage.recording import Recording, combine
from tickerkit.storage.scan import Scan
from tickerkit.storage.sidecar import Sidecar
from tickerkit.storage.tally import Tally

__all__ = ["Conversion", "write_conversion"]

# How much of the time of sorting it takes to find out the order, about.
SURVEY_SHARE = 0.2


class Conversion:
    """The ticks of several recordings, one after the other, sorted, or in part.

    Args:
        paths: the recordings.
        sort: whether the ticks are in order of arrival, see `Merge`. Otherwise the recordings
            follow each other in the given order, but for the files of one recording, see `order`.
        dedupe: whether each tick comes once; needs `sort`.
        folder: where a temporary file may be.
        on_share: called with the share that is done, 0 to 1, after each piece. What it raises ends
            the conversion.

    Raises:
        RecordingError: there is no such file, or it is not a recording. The other methods raise it,
            too.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        sort: bool = False,
        dedupe: bool = False,
        folder: Path | None = None,
        on_share: Callable[[float], object] = lambda share: None,
    ) -> None:
        self._sources = [_Source(path, self._report) for path in paths]
        self._sort, self._dedupe, self._folder = sort, dedupe, folder
        self._on_share = on_share
        self._symbols: list[str] | None = None
        self._start: pd.Timestamp | None = None
        self._end: pd.Timestamp | None = None
        self._selection = Selection(from_start=True, to_end=True, list_left_out=False)
        self._coverage: Coverage | None = None
        self._merge: Merge | None = None
        self._emitted = 0

    def select(
        self,
        symbols: Sequence[str] | None = None,
        start: pd.Timestamp | None = None,
        end: pd.Timestamp | None = None,
    ) -> None:
        """Select a part of the ticks: of some symbols, and from `start` on, before `end`."""
        self._symbols = None if symbols is None else list(symbols)
        self._start, self._end = start, end

    @property
    def first_path(self) -> Path:
        """The first of the recordings."""
        return self._sources[0].path

    @property
    def rows(self) -> int:
        """How many ticks were read so far, before the selection."""
        return sum(source.rows for source in self._sources)

    @property
    def warnings(self) -> list[RecordingWarning]:
        """What is damaged in the recordings; complete when the frames have been iterated."""
        return [each for source in self._sources if (each := source.recording.warning) is not None]

    @property
    def has_times(self) -> bool:
        """Whether the recordings have a column of times."""
        samples = [source.sample() for source in self._sources]
        return any("time" in each and each["time"].dtype.kind == "M" for each in samples)

    def earliest(self) -> pd.Timestamp | None:
        """Return the earliest time; None if no tick has a time."""
        times = [source.earliest() for source in self._sources]
        known = [time for time in times if time is not None]
        return pd.Timestamp(min(known), unit="ns", tz="UTC") if known else None

    def infinite_columns(self) -> set[str]:
        """Return the columns of floats that have an infinite value."""
        found: set[str] = set()
        for source in self._sources:
            sample = source.sample()
            names = [str(name) for name in sample if sample[name].dtype.kind == "f"]
            for frame in source.frames(names) if names else ():
                found |= {
                    name
                    for name in names
                    if np.isinf(frame[name].to_numpy(np.float64, na_value=0)).any()
                }
        return found

    def frames(self, before: _Source | None = None) -> Iterator[pd.DataFrame]:
        """Yield the selected ticks in frames of 131,072 rows; there is at least one frame.

        Args:
            before: a recording whose ticks all come first, as they are.
        """
        self._selection = self._make_selection()
        self._emitted = 0
        whole = self._merged() if self._sort else self._chained()
        parts: Iterator[pd.DataFrame] = map(self._take, whole)
        if before is not None:
            parts = self._behind(before, parts)
        yield from regroup(parts, ROWS_AT_ONCE)

    def about(self, *, escape_formulas: bool = False) -> Sidecar:
        """Return what is known of the selected ticks, when the frames have been iterated."""
        found = [source.recording for source in self._sources]
        if len(found) > 1:
            parts = [source.part() for source in self._sources]
            missing, elsewhere = find_missing(parts, as_one=True), find_elsewhere(parts)
            for index, part in enumerate(parts):
                listed = [*missing.get(part.path, ()), *part.gaps]
                gaps = gap_frame([gap for gap in listed if gap not in elsewhere])
                found[index] = found[index]._replace(gaps=gaps)
        whole = combine(found)
        gaps, symbols = whole.gaps, whole.symbols
        if self._coverage is not None:
            gaps = gap_frame(self._coverage.subtract(gaps_from_frame(gaps)))
        gaps = self._selection.gaps(gaps, with_left_out=symbols is None)
        if self._symbols is not None:
            symbols = [each for each in self._symbols if symbols is None or each in symbols]
        return Sidecar.describe(
            whole.source,
            symbols,
            gaps,
            whole.misfits,
            whole.units,
            escape_formulas=escape_formulas,
        )

    def _make_selection(self) -> Selection:
        by_time = self._start is not None or self._end is not None
        return Selection(
            from_start=self._start is None,
            to_end=self._end is None,
            list_left_out=by_time and self._symbols is None,
        )

    def _take(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the selected ones of the next ticks."""
        self._emitted += len(frame)
        self._report()
        if self._coverage is not None:
            self._coverage.add(frame)
        return self._selection.take(frame, keep_rows(frame, self._symbols, self._start, self._end))

    def _chained(self) -> Iterator[pd.DataFrame]:
        """Yield the ticks of the recordings, one after the other."""
        if len(self._sources) == 1:
            yield from self._sources[0].frames()
            return
        parts = [source.part() for source in self._sources]
        self._sources = [self._sources[index] for index in order(parts)]
        samples = [sample for source in self._sources if len(sample := source.sample())]
        types = common_types(samples or [self._sources[0].sample()], self._values)
        for source in self._sources:
            for frame in source.frames():
                yield conform(frame, types)

    def _merged(self) -> Iterator[pd.DataFrame]:
        """Yield the ticks of all recordings in order of arrival."""
        opens = [source.frames for source in self._sources]
        merge = Merge(opens, dedupe=self._dedupe, folder=self._folder)
        if not merge.has_order:
            raise RecordingError(
                self._sources[0].path, "it has neither seq and epoch nor time to sort by", "sorted"
            )
        for source, survey in zip(self._sources, merge.surveys, strict=True):
            source.note_extent(survey.extent.extent)
        parts = [source.part() for source in self._sources]
        listed = [gap for part in parts for gap in part.gaps]
        listed += [gap for gaps in find_missing(parts, as_one=True).values() for gap in gaps]
        self._coverage = Coverage(listed, merge.epochs) if merge.by_seq else None
        self._merge = merge
        yield from merge.frames()

    def _behind(self, first: _Source, parts: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """Yield the ticks of a recording, and then others, with the same types."""
        head = next(parts)

        def values(name: str) -> Iterator[pd.Series[Any]]:
            yield from (frame[name] for frame in first.frames([name]) if name in frame)
            yield from self._values(name)

        sample = first.sample()
        types = common_types([sample, head] if len(sample) else [head], values)
        for frame in first.frames():
            yield conform(frame, types)
        yield conform(head, types)
        for frame in parts:
            yield conform(frame, types)

    def _values(self, name: str) -> Iterator[pd.Series[Any]]:
        """Yield the values of a column."""
        for source in self._sources:
            yield from (frame[name] for frame in source.frames([name]) if name in frame)

    def _report(self) -> None:
        total = sum(source.size for source in self._sources) or 1
        read = sum(source.size * source.share for source in self._sources) / total
        if self._sort:
            rows = sum(each.rows for each in self._merge.surveys) if self._merge else 0
            written = self._emitted / max(rows, 1)
            done = (read + written) / 2
            read = SURVEY_SHARE + (1 - SURVEY_SHARE) * done if self._merge else SURVEY_SHARE * read
        self._on_share(min(read, 1.0))


def write_conversion(
    conversion: Conversion, path: Path, mode: Mode, *, escape_formulas: bool = False
) -> Tally:
    """Write the ticks of a conversion to one file; return what was written.

    Args:
        conversion: the ticks.
        path: the file, whose name chooses the format.
        mode: "new" refuses an existing file, "overwrite" replaces it when all is written,
            "append" adds to it. If that fails, the file is as it was.
        escape_formulas: whether a CSV is safe for spreadsheets, see `write_csv`.

    Raises:
        RecordingExists: the file exists, and mode is "new".
        RecordingError: a recording can't be read, or the file can't be appended to.
        OSError: the file can't be written.
    """
    path = prepare_path(path, mode)
    if mode == "append" and path.exists():
        if path.suffix != ".parquet":
            return append_csv(path, conversion.frames(), conversion.about)
        before = _Source(path, lambda: None)

        def about() -> Sidecar:
            if (warning := before.recording.warning) is not None:
                problem = f"{'; '.join(map(str, warning.problems))}; write another file"
                raise RecordingError(path, problem, "appended to")
            return before.about.join(conversion.about())

        return write_stream(path, conversion.frames(before), about)
    as_text = conversion.infinite_columns() if is_jsonl(path) else set()
    return write_stream(
        path,
        conversion.frames(),
        partial(conversion.about, escape_formulas=escape_formulas),
        escape_formulas=escape_formulas,
        as_text=as_text,
    )


class _Source:
    """A recording that is read, perhaps several times."""

    def __init__(self, path: Path, report: Callable[[], object]) -> None:
        self.path, self._report = path, report
        self.size = path.stat().st_size if path.exists() else 0
        self.share = 0.0
        self.rows = 0
        self._scan: Scan | None = None
        self._sample: pd.DataFrame | None = None
        self._extent: Extent | None = None
        self._extents: dict[tuple[str, ...], Extent] = {}
        self._outline = read_outline(path)

    def frames(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """Yield the ticks from the first one on, with only some columns if these are given."""
        scan = Scan(self.path, columns)
        for piece in scan.pieces():
            self.share, self.rows = scan.share, scan.rows
            self._report()
            yield piece.frame
        self._scan = scan

    def sample(self) -> pd.DataFrame:
        """Return the first tick."""
        if self._sample is None:
            frames = self.frames()
            self._sample = next(frames)
            while not len(self._sample) and (frame := next(frames, None)) is not None:
                self._sample = frame
            self._sample = self._sample.head(1)
        return self._sample

    def earliest(self) -> int | None:
        """Return the earliest time in epoch ns, None without one."""
        return self._find_extent("time").start

    def note_extent(self, extent: Extent) -> None:
        """Note how far the ticks reach."""
        self._extent = extent

    def part(self) -> Part:
        """Return what must be known to compare the file with others."""
        return Part.from_extent(self.path, self.about, self._find_extent("epoch", "seq"))

    def _find_extent(self, *columns: str) -> Extent:
        """Return how far the ticks reach: as the file says, or by reading some columns once."""
        if self._extent is None and self._outline.is_finished:
            self._extent = self._outline.extent
        if self._extent is not None:
            return self._extent
        if columns not in self._extents:
            found = ExtentBuilder()
            for frame in self.frames(columns):
                found.add(frame)
            self._extents[columns] = found.extent
        return self._extents[columns]

    @property
    def about(self) -> Sidecar:
        """What the file says about itself; complete when all ticks were read."""
        return self._outline.about if self._scan is None else self._scan.sidecar

    @property
    def recording(self) -> Recording:
        """What is known of the ticks, without them; complete when all were read."""
        about, scan = self.about, self._scan
        return Recording(
            pd.DataFrame(),
            gap_frame(about.gaps),
            about.symbols,
            None if scan is None else scan.warning,
            about.source,
            scan is None or scan.own,
            misfits=about.misfits,
            units=about.units,
        )
