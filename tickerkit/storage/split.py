"""Split: the ticks of a conversion in a file for each day, hour or symbol, in hive folders.

The ticks are sorted by file with a temporary file, and then one file after the other is written. So
thousands of files need no more memory than one.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from tickerkit.errors import InvalidArgument, RecordingError
from tickerkit.log import Gap
from tickerkit.storage.between_files import ELSEWHERE
from tickerkit.storage.convert import Conversion
from tickerkit.storage.extent import ExtentBuilder
from tickerkit.storage.frames import regroup
from tickerkit.storage.output import write_stream
from tickerkit.storage.parquet.table import ROWS_AT_ONCE
from tickerkit.storage.partitions import (
    NO_VALUE,
    RECORDING,
    Template,
    parse_partition,
    partition_path,
)
from tickerkit.storage.paths import ENDINGS
from tickerkit.storage.sidecar import Partition, Sidecar, sidecar_path
from tickerkit.storage.sorting import Block, Ints, Key, Sorter, merge_runs
from tickerkit.storage.tally import Tally
from tickerkit.ticks import NO_TIME, NS_PER_S
from tickerkit.ticks.fields import symbol_field

__all__ = ["parse_layout", "write_split"]

HOUR_NS = 3_600 * NS_PER_S
PERIODS_NS = {"day": 24 * HOUR_NS, "hour": HOUR_NS}
DEFAULT_NAME = "ticks.parquet"


def parse_layout(path: Path, keys: str | None = None) -> Template | None:
    """Return how the files of a path to write to are laid out; None if that is one file.

    Args:
        path: a path with folders such as `day={date}`; or with `keys` one without: a folder, or the
            name of each file in it.
        keys: by what files are laid out, separated by commas: "day", "hour", "symbol".

    Raises:
        InvalidArgument: a folder or a key is unknown, or the files have another format.
    """
    found = Template.parse(path)
    if keys is not None:
        if found is not None:
            raise InvalidArgument("split", keys, "None for a path that has the folders itself")
        is_file = path.name.endswith(ENDINGS)
        root, name = (path.parent, path.name) if is_file else (path, DEFAULT_NAME)
        return Template(root, parse_partition(keys, "split"), name)
    if found is not None and not found.name.endswith(ENDINGS):
        raise InvalidArgument("path", found.name, f"a name with {' '.join(ENDINGS)}")
    return found


def write_split(
    conversion: Conversion,
    layout: Template,
    *,
    escape_formulas: bool = False,
    on_share: Callable[[float], object] = lambda share: None,
) -> tuple[Tally, int]:
    """Write the ticks of a conversion to the files of a layout.

    All files appear when the last one is written; those of an earlier conversion to the layout are
    removed then.

    Args:
        conversion: the ticks.
        layout: where the files are.
        escape_formulas: whether CSV files are safe for spreadsheets, see `write_csv`.
        on_share: called with the share of the files that is written, 0 to 1.

    Returns:
        What was written, and the number of files.

    Raises:
        RecordingError: a recording can't be read, or has no symbols or times to split by.
        OSError: a file can't be written.
    """
    layout.root.parent.mkdir(parents=True, exist_ok=True)
    place = layout.root.with_name(f".{layout.root.name}.{secrets.token_hex(4)}.tmp")
    try:
        with Sorter(layout.root.parent) as sorter:
            splitter = _Splitter(conversion, layout)
            for frame in conversion.frames():
                sorter.add(splitter.block(frame))
            about = conversion.about(escape_formulas=escape_formulas)
            as_text = conversion.infinite_columns() if ".jsonl" in layout.name else set()
            taken, written = set[str](), 0
            gaps = splitter.place_gaps(about.gaps)
            pieces = _pieces(merge_runs(sorter.runs()))
            for rank, blocks in groupby(pieces, key=itemgetter(0)):
                period, values = splitter.files[rank]
                writer = _FileWriter(about, gaps.get(period, []), Partition(values))
                written += write_stream(
                    partition_path(place / RECORDING / layout.name, values, taken),
                    regroup(writer.frames(block for _, block in blocks), ROWS_AT_ONCE),
                    writer.about,
                    escape_formulas=escape_formulas,
                    as_text=as_text,
                    last=[writer.partition],
                ).rows
                about = msgspec.structs.replace(about, misfits={})  # once is enough
                on_share(written / splitter.tally.rows)
        if splitter.files:
            _publish(place, layout)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return splitter.tally, len(splitter.files)


class _Splitter:
    """Finds to which file each tick belongs.

    Attributes:
        files: the period and the values of each file, in order of appearance.
        tally: what is known of all ticks.
    """

    def __init__(self, conversion: Conversion, layout: Template) -> None:
        self._layout, self._path = layout, conversion.first_path
        # How long the ticks of a file last; None if it isn't by time.
        self._period_ns = min(
            (PERIODS_NS[key] for key in layout.keys if key in PERIODS_NS), default=None
        )
        self.files: list[tuple[int, dict[str, str]]] = []
        self.tally = Tally()
        self._ranks: dict[tuple[int, str], int] = {}
        self._extents: dict[int, ExtentBuilder] = {}

    def block(self, frame: pd.DataFrame) -> Block:
        """Return the next ticks, keyed by the number of their file and of the tick."""
        numbers = np.arange(self.tally.rows, self.tally.rows + len(frame))
        self.tally.add(frame)
        periods, symbols = self._periods(frame), self._symbols(frame)
        codes, names = pd.factorize(symbols, use_na_sentinel=False)
        period_codes, known = pd.factorize(periods)
        both, pairs = pd.factorize(period_codes * (len(names) or 1) + codes)
        ranks = []
        for pair in pairs.tolist():
            period, name = divmod(pair, len(names))
            symbol = names[name]
            ranks.append(self._rank(int(known[period]), "" if pd.isna(symbol) else str(symbol)))
        for code, period in enumerate(known.tolist()):
            part = frame if len(known) == 1 else frame[period_codes == code]
            self._extents.setdefault(period, ExtentBuilder()).add(part)
        if "symbol" in self._layout.keys and self._layout.name.endswith(".parquet"):
            frame = frame.drop(columns="symbol", errors="ignore")  # as in recorded partitions
        return Block(frame, np.array(ranks, dtype=np.int64)[both], numbers)

    def _rank(self, period: int, symbol: str) -> int:
        rank = self._ranks.setdefault((period, symbol), len(self._ranks))
        if rank == len(self.files):
            self.files.append((period, self._values(period, symbol)))
        return rank

    def _values(self, period: int, symbol: str) -> dict[str, str]:
        """Return the values of a file's folders."""
        found = dict.fromkeys(self._layout.keys, NO_VALUE)
        if self._period_ns is not None and period != NO_TIME:
            time = pd.Timestamp(period * self._period_ns)
            hour = "%H" if "day" in found else "%Y-%m-%dT%H"
            found |= {"day": f"{time:%Y-%m-%d}", "hour": time.strftime(hour)}
        return {
            key: symbol or NO_VALUE if key == "symbol" else found[key] for key in self._layout.keys
        }

    def _periods(self, frame: pd.DataFrame) -> Ints:
        length = self._period_ns
        if length is None:
            return np.zeros(len(frame), dtype=np.int64)
        if "time" not in frame or frame["time"].dtype.kind != "M":
            raise RecordingError(self._path, "it has no times to split by", "split")
        times = pd.DatetimeIndex(frame["time"]).as_unit("ns").asi8
        return np.where(times == NO_TIME, NO_TIME, times // length)

    def _symbols(self, frame: pd.DataFrame) -> Any:
        if "symbol" not in self._layout.keys:
            return np.zeros(len(frame), dtype=np.int8)
        if (name := symbol_field(frame)) is None:
            raise RecordingError(self._path, "it has no symbols to split by", "split")
        return frame[name]

    def place_gaps(self, gaps: Iterable[Gap]) -> dict[int, list[Gap]]:
        """Return for each period the gaps before one of its ticks, or after the last of all."""
        ends = {
            period: {epoch.epoch: epoch.last for epoch in each.extent.epochs}
            for period, each in sorted(self._extents.items())
        }
        placed: dict[int, list[Gap]] = {}
        for gap in gaps:
            here = [period for period, each in ends.items() if gap.epoch in each]
            last = gap.last
            after = [each for each in here if last is not None and ends[each][gap.epoch] > last]
            for period in after[:1] or here[-1:] or list(ends)[:1]:
                placed.setdefault(period, []).append(gap)
        return placed


class _FileWriter:
    """Finds what is known of the ticks of one file."""

    def __init__(self, whole: Sidecar, gaps: Sequence[Gap], partition: Partition) -> None:
        self.partition = partition
        self._whole, self._gaps = whole, list(gaps)
        self._is_complete = whole.symbols is None and "symbol" not in partition.values
        # The row, epoch and seq of the last tick.
        self._last: tuple[int, str, int] | None = None

    def frames(self, blocks: Iterable[Block]) -> Iterator[pd.DataFrame]:
        """Yield the ticks, and note which are in other files."""
        for block in blocks:
            if self._is_complete and {"epoch", "seq"} <= set(block.frame):
                self._note_elsewhere(block)
            yield block.frame

    def _note_elsewhere(self, block: Block) -> None:
        """Note a gap where the ticks of an epoch go on in this file after some in others.

        Such ticks are late, or early, at the end of a day.
        """
        rows = block.numbers
        at = [0, *(np.flatnonzero(np.diff(rows) > 1) + 1).tolist()]
        epochs, seqs = block.frame["epoch"], block.frame["seq"]
        for row in at:
            before = (
                self._last
                if row == 0
                else (int(rows[row - 1]), str(epochs.iloc[row - 1]), int(seqs.iloc[row - 1]))
            )
            epoch, seq = str(epochs.iloc[row]), int(seqs.iloc[row])
            if before and before[0] + 1 < rows[row] and before[1] == epoch and before[2] + 1 < seq:
                self._gaps.append(Gap(epoch, before[2] + 1, seq - 1, ELSEWHERE))
        self._last = int(rows[-1]), str(epochs.iloc[-1]), int(seqs.iloc[-1])

    def about(self) -> Sidecar:
        """Return what else the file says."""
        return msgspec.structs.replace(self._whole, gaps=self._gaps)


def _pieces(blocks: Iterable[Block]) -> Iterator[tuple[int, Block]]:
    """Yield the rows of each file, with the number of the file."""
    for block in blocks:
        cuts = [0, *(np.flatnonzero(np.diff(block.ranks)) + 1).tolist(), len(block.ranks)]
        for start, stop in pairwise(cuts):
            part = block if stop - start == len(block.ranks) else block.rows(start, stop)
            yield Key(int(part.ranks[0]), 0).rank, part


def _publish(place: Path, layout: Template) -> None:
    """Move the files to where they belong, and remove those that were there."""
    root = layout.root
    if root.exists():
        for path in root.glob("/".join([*(f"{key}=*" for key in layout.keys), layout.name])):
            sidecar_path(path).unlink(missing_ok=True)
            path.unlink()
    else:
        place.rename(root)
        return
    for path in sorted(place.rglob("*")):
        target = root / path.relative_to(place)
        if path.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
