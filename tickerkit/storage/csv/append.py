"""Appending to CSV: a recording that grows row by row, and continues after a crash.

Rows are appended as whole lines in a single write. A write that fails is undone. A crash can cut
off the last line, and damages nothing else. A lock ensures that a file has one writer at a time.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from os import PathLike
from pathlib import Path

import msgspec
import pandas as pd

from tickerkit.errors import RecordingError, RecordingExists
from tickerkit.formatting import format_size
from tickerkit.log import Gap, Position
from tickerkit.storage.csv.parts import parts_of, prepare_part, remove_parts
from tickerkit.storage.csv.read import CsvReader
from tickerkit.storage.csv.text import csv_lines
from tickerkit.storage.extent import Extent, ExtentBuilder
from tickerkit.storage.files import (
    AppendFile,
    Mode,
    check_unlocked,
    compression_of,
    prepare_path,
    read_last_member,
    replacing,
)
from tickerkit.storage.sidecar import (
    Block,
    Columns,
    End,
    Head,
    Line,
    Misfits,
    Sidecar,
    Units,
    WordCollector,
    encode_lines,
    merge_kinds,
    merge_words,
    misfit_lines,
    read_sidecar,
    sidecar_path,
)

__all__ = ["CsvFile"]

# Each block with a checksum has at least this size, but for the last.
BLOCK_BYTES = 2**18
# What an append compresses is smaller. A larger member is that of another program.
MAX_MEMBER_BYTES = 2**26


class CsvFile:
    """A CSV recording that is open for appending.

    Each method that writes raises OSError if it fails, as on a full disk. Nothing of that call is
    in the file then, and the same call can be repeated.

    Args:
        path: the file. The suffix `.gz` or `.zst` compresses it, each append by itself.
        mode: "append" continues an existing recording, whose torn end is cut off; "new" refuses
            an existing file; "overwrite" starts an empty one.
        source: where the ticks come from.
        symbols: the symbols that are recorded, None for all.
        fsync: whether each append waits until it is on the disk, so that a power failure loses
            nothing that was appended.

    Attributes:
        path: the file.
        rows: how many rows it has.
        names: its columns.
        last_gap: the last gap noted.
        escape_formulas: whether text is escaped for spreadsheets, as `write_csv` does it.

    Raises:
        RecordingExists: the file exists, and mode is "new".
        RecordingError: the file exists and can't be appended to, or another program writes to it.
        OSError: the file can't be opened.

    Example:
        >>> with CsvFile("ticks.csv", mode="append") as file:
        ...     file.append(feed.frame())
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        mode: Mode = "append",
        source: str = "",
        symbols: Sequence[str] | None = None,
        fsync: bool = False,
    ) -> None:
        self.path = prepare_path(path, mode)
        parts = parts_of(self.path)
        if mode == "new" and parts:
            raise RecordingExists(self.path)
        if mode == "overwrite":
            for part in parts:
                check_unlocked(part)
            remove_parts(self.path)
            sidecar_path(self.path).unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
            parts = []
        # The size on disk of the parts before the open one.
        self._earlier_bytes = sum(_size_on_disk(part) for part in parts[:-1])
        self._fsync, self._source = fsync, source
        self._symbols = None if symbols is None else list(symbols)
        self._end = End(0)
        self.last_gap: Gap | None = None
        self.escape_formulas = False
        self._open(parts[-1] if parts else self.path)
        if not self._end.epoch and len(parts) > 1:  # a crash came before the part had a row
            for piece in CsvReader(parts[-2], ["seq", "epoch", "time"]).pieces():
                self._end = End.from_frame(piece) if len(piece) else self._end

    def _open(self, part: Path) -> None:
        """Open the file of a part, or create it."""
        self.rows = 0
        self.names: list[str] = []
        self._kinds: dict[str, str] = {}
        # The categories of text columns: those of the rows before, and of the last append.
        self._earlier_words: dict[str, list[str]] = {}
        self._words: dict[str, list[str]] = {}
        self._units: dict[str, str] = {}
        self._extent = ExtentBuilder()
        # The bytes of text before compression, how many of them are in blocks, and the checksum of
        # the rest.
        self._text = self._covered = self._crc = 0
        # Lines that aren't in the sidecar yet. They wait here while the disk is full.
        self._head = self._make_head(part)
        self._pending: list[Line] = [self._head]
        self._is_closed = False
        exists = part.exists() and part.stat().st_size > 0
        if not exists:
            sidecar_path(part).unlink(missing_ok=True)
        with ExitStack() as stack:
            self._file = AppendFile(part, fsync=self._fsync, exclusive=True)
            stack.callback(self._file.close)
            self._sidecar = AppendFile(sidecar_path(part), fsync=self._fsync)
            stack.callback(self._sidecar.close)
            self._part = part
            if exists:
                self._resume()
            stack.pop_all()  # without an error both stay open

    def _make_head(self, part: Path) -> Head:
        escaped, is_part = self.escape_formulas, part != self.path
        return Head(time.time_ns(), self._source, self._symbols, escaped, is_part)

    def _resume(self) -> None:
        """Read the existing file, and cut off an incomplete line at its end."""
        content = CsvReader(self._part, alone=False)
        columns, words = Columns({}), WordCollector()
        for piece in content.pieces():
            columns = Columns.from_frame(piece)
            words.add(columns)
            self._extent.add(piece)
            self.rows += len(piece)
            if len(piece):
                self._end = msgspec.structs.replace(End.from_frame(piece), rows=self.rows)
        if not content.own:
            problem = "it is not a tickerkit recording; record to another file"
            raise RecordingError(self.path, problem, "appended to")
        kinds = {problem.kind for problem in content.problems}
        if kinds & {"damaged", "undecodable", "changed"}:
            problem = f"{'; '.join(map(str, content.problems))}; record to another file"
            raise RecordingError(self.path, problem, "appended to")
        sidecar = content.sidecar
        compressed = compression_of(self.path) is not None
        if "torn" in kinds and compressed:
            self._cut_member()
        else:
            self._file.cut(self._file.size - content.torn_bytes)
        # The checksums of text that is no longer there go.
        blocks = [block for block in sidecar.blocks if block.rows <= self.rows]
        if not compressed:
            blocks = [block for block in blocks if block.size <= self._file.size]
        if len(blocks) < len(sidecar.blocks):
            self._write_sidecar_again(sidecar, blocks)
        else:
            self._sidecar.cut(sidecar.size)
        self.escape_formulas = sidecar.escape_formulas
        self.last_gap = sidecar.gaps[-1] if sidecar.gaps else None
        self._units = dict(sidecar.units)
        if self._file.size:  # else the header was cut off as well
            self.names = list(columns.kinds)
            self._kinds = dict(sidecar.columns.kinds or columns.kinds)
            self._earlier_words = self._words = words.ordered(sidecar.columns.words)
            # Later appends may bring more categories, so `close` writes them all.
            self._pending.append(Columns(dict(self._kinds)))
        self._text = self._covered = blocks[-1].size if blocks else 0
        if not compressed and self._text < self._file.size:
            with self._part.open("rb") as file:
                file.seek(self._text)
                while part := file.read(2**20):
                    self._crc = zlib.crc32(part, self._crc)
            self._text = self._file.size
            self._note_block()

    def _cut_member(self) -> None:
        """Replace a compressed member that is cut off by one of its whole lines."""
        start, text = read_last_member(self._part)
        if len(text) > MAX_MEMBER_BYTES:
            problem = f"its end is cut off, in a member of {format_size(len(text))}"
            raise RecordingError(self.path, f"{problem}; record to another file", "appended to")
        self._file.replace_end(start, text[: text.rfind(b"\n") + 1])

    def _write_sidecar_again(self, sidecar: Sidecar, blocks: list[Block]) -> None:
        """Replace the sidecar by one that has only some of its blocks."""
        columns = Columns(sidecar.columns.kinds)
        lines = [*sidecar.lasting_lines, columns, *blocks]
        self._sidecar.close()  # Windows can't replace an open file
        with replacing(self._sidecar.path) as out:
            out.write(encode_lines(lines))
            size = out.tell()
        self._sidecar.reopen(size)

    # --- appending ----------------------------------------------------------------------------

    def append(self, frame: pd.DataFrame, gaps: Iterable[Gap] = ()) -> None:
        """Append rows. New columns begin another part, see `parts`; older rows lack them.

        Args:
            frame: the rows.
            gaps: the gaps before or among the rows. They are noted only if the rows are written.
        """
        if not len(frame) and self.names:
            return
        names = [str(name) for name in frame.columns]
        if self.names and not set(names) <= set(self.names):
            self._begin_part()
        self._file.open()
        self._sidecar.open()
        self._is_closed = False
        is_first = not self.names
        if is_first:
            self.names = names
        columns = Columns.from_frame(frame)
        pending, last_gap, kinds = list(self._pending), self.last_gap, self._kinds
        self._note_kinds(columns.kinds)
        if names != self.names:
            frame = frame.reindex(columns=self.names)
        text = b"".join(csv_lines(frame, header=is_first, escape_formulas=self.escape_formulas))
        size = self._sidecar.size
        try:
            self.note_gaps(gaps)
            self._write_sidecar()
            self._file.append(text)
        except BaseException:
            if is_first:
                self.names = []
            # By the time the rows can be written, the gap before them may be larger.
            self._pending, self.last_gap, self._kinds = pending, last_gap, kinds
            self._sidecar.cut(size)
            raise
        self.rows += len(frame)
        self._extent.add(frame)
        self._words = columns.words
        self._text += len(text)
        self._crc = zlib.crc32(text, self._crc)
        if (end := End.from_frame(frame)).epoch:
            self._end = end
        if self._text - self._covered >= BLOCK_BYTES:
            self._note_block()

    def note_gaps(self, gaps: Iterable[Gap]) -> None:
        """Note gaps, which are written with the next rows, or by `close`."""
        for gap in gaps:
            self._pending.append(gap)
            self.last_gap = gap

    def note_misfits(self, counts: Mapping[str, int]) -> None:
        """Note how many values are not in the file, by column, as `note_gaps` does."""
        self._pending += misfit_lines(counts)

    def note_units(self, units: Mapping[str, str]) -> None:
        """Note the units of columns, as `note_gaps` does; those that are noted are left out."""
        new = {name: unit for name, unit in units.items() if self._units.get(name) != unit}
        if new:
            self._units |= new
            self._pending.append(Units(new))

    def _note_kinds(self, kinds: dict[str, str]) -> None:
        """Merge kinds of columns."""
        merged = dict(self._kinds)
        for name in self.names:
            known, kind = merged.get(name), kinds.get(name)
            if kind is not None and kind != known:
                merged[name] = kind if known is None else merge_kinds(known, kind)
        if merged != self._kinds:
            self._kinds = merged
            self._pending.append(Columns({name: merged.get(name, "any") for name in self.names}))

    def _note_block(self) -> None:
        """Note a block of all text since the last block."""
        self._pending.append(Block(self.rows, self._text, self._crc))
        self._covered, self._crc = self._text, 0

    def _write_sidecar(self) -> None:
        """Write the pending lines."""
        if not self._pending:
            return
        self._sidecar.append(encode_lines(self._pending))
        self._pending.clear()

    def _begin_part(self) -> None:
        """Continue in another file, whose header has more columns; a failed call can be repeated.

        A file without rows gets the other header itself.
        """
        if self.rows:
            self.close()
            state, size = dict(vars(self)), self.size_on_disk
            try:
                self._open(prepare_part(self.path))
            except BaseException:
                vars(self).update(state)
                raise
            self._earlier_bytes = size
            return
        self._file.open()
        self._sidecar.open()
        about = read_sidecar(self._part) or Sidecar()
        kept = [line for line in self._pending if isinstance(line, Head | Gap | Misfits | Units)]
        self._file.cut(0)
        self._sidecar.cut(0)
        self._pending = [*about.lasting_lines, *kept]
        self.names, self._kinds = [], {}
        self._text = self._covered = self._crc = 0

    def restart(self) -> None:
        """Begin again with the header alone, in a new file: the rows so far are kept elsewhere.

        So are gaps and misfits. A program that reads the old file goes on reading it.

        Raises:
            OSError: the rows are still in the file. The call can be repeated.
        """
        empty = pd.DataFrame(columns=self.names)
        header = b"".join(csv_lines(empty, escape_formulas=self.escape_formulas))
        if self._part != self.path:
            self._file.close()
            self._file = AppendFile(self.path, fsync=self._fsync, exclusive=True)
        sidecar_path(self.path).unlink(missing_ok=True)
        self._file.restart(header)
        self._sidecar.close()
        remove_parts(self.path)
        self._part, self._earlier_bytes, self.rows = self.path, 0, 0
        self._head = self._make_head(self.path)
        self._pending = [self._head, Columns(dict(self._kinds))]
        self._earlier_words, self._words, self._units = {}, {}, {}
        self._extent = ExtentBuilder()
        self._text, self._covered, self._crc = len(header), 0, zlib.crc32(header)
        self._sidecar = AppendFile(sidecar_path(self.path), fsync=self._fsync)

    # --- closing ------------------------------------------------------------------------------

    @property
    def last(self) -> Position | None:
        """The position of the last row, None without one."""
        return self._end.position

    @property
    def size(self) -> int:
        """The size of the open part in bytes, without its sidecar."""
        return self._file.size

    @property
    def row_bytes(self) -> float:
        """How many bytes a row takes; 0 if that isn't known."""
        return self.size / self.rows if self.rows else 0.0

    @property
    def head(self) -> Head:
        """What the sidecar says about this program."""
        return self._head

    @property
    def size_on_disk(self) -> int:
        """The size of all parts and their sidecars in bytes."""
        return self._earlier_bytes + self._file.size + self._sidecar.size

    @property
    def passed_bytes(self) -> int:
        """How many bytes the system took so far, those of failed appends included."""
        return self._file.passed_bytes + self._sidecar.passed_bytes

    @property
    def is_intact(self) -> bool:
        """Whether the file is still at its path, and no other program has shortened it."""
        return self._file.is_intact

    def close(self) -> None:
        """Write the rest of the sidecar, and close the files; idempotent.

        Raises:
            OSError: the sidecar can't be written. All rows are in the file, and the call can be
                repeated.
        """
        if self._is_closed:
            return
        try:
            self._file.open()
            self._sidecar.open()
            if self._text > self._covered:
                self._note_block()
            if self._words:  # after the last append, these are all categories
                self._words = merge_words(self._earlier_words, self._words)
                self._pending.append(Columns(dict(self._kinds), self._words))
                self._words = {}
            end = msgspec.structs.replace(self._end, rows=self.rows, size=self._file.size)
            pending = [line for line in self._pending if not isinstance(line, Extent | End)]
            self._pending = [*pending, *self._extent.lines, self._head, end]
            self._write_sidecar()
        finally:
            self._release()
        self._is_closed = True

    def abandon(self) -> None:
        """Close the files as they are, as a crash would."""
        self._is_closed = True
        self._release()

    def _release(self) -> None:
        self._file.close()
        self._sidecar.close()

    def __enter__(self) -> CsvFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _size_on_disk(part: Path) -> int:
    return sum(each.stat().st_size for each in (part, sidecar_path(part)) if each.exists())
