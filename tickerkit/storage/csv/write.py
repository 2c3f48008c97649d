"""Writing CSV: whole files, and recordings that grow row by row.

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

from tickerkit.errors import InvalidArgument, RecordingError, RecordingExists
from tickerkit.log import Gap, Position, gaps_from_frame
from tickerkit.storage.csv.parts import parts_of, prepare_part, remove_parts
from tickerkit.storage.csv.read import read_part
from tickerkit.storage.csv.text import (
    BYTE_ORDER_MARK,
    ROWS_AT_ONCE,
    csv_lines,
)
from tickerkit.storage.files import (
    AppendFile,
    Mode,
    compress,
    compression_of,
    prepare_path,
    replacing,
)
from tickerkit.storage.sidecar import (
    Block,
    Columns,
    Content,
    End,
    Head,
    Line,
    Misfits,
    Sidecar,
    encode_lines,
    merge_kinds,
    misfit_lines,
    read_sidecar,
    sidecar_path,
)
from tickerkit.validation import check_flag, check_path

__all__ = ["CsvFile", "write_csv"]

# Each block with a checksum has at least this size, but for the last.
BLOCK_BYTES = 2**18
# A file with another suffix, such as .xlsx, would have the name of another format.
TEXT_SUFFIXES = ("", ".csv", ".txt")


def write_csv(
    frame: pd.DataFrame,
    path: str | PathLike[str],
    *,
    gaps: pd.DataFrame | None = None,
    misfits: Mapping[str, int] | None = None,
    mode: Mode = "new",
    escape_formulas: bool = False,
    source: str = "",
    symbols: Sequence[str] | None = None,
) -> Path:
    """Write ticks to a CSV file, which `read_csv` reads back as an identical frame.

    A small file beside the CSV, `ticks.csv.meta.jsonl`, holds the types of the columns, the gaps
    and checksums. The CSV can be read without it; the types are then inferred.

    An older file is replaced only when the new one is complete; after a failure it is as it was. A
    million rows take a third of a second; besides the frame, the text of 16,384 rows is in memory.

    Args:
        frame: the ticks, such as `TickLog.frame` returns, with any columns. The index is not
            written.
        path: the file. Missing folders are created. The suffix `.gz` or `.zst` compresses it.
        gaps: the ticks that are missing, with the columns of `Feed.gaps`.
        misfits: how many values of the ticks were left out, by column.
        mode: "new" refuses an existing file, "overwrite" replaces it, "append" adds the ticks to
            it, if it is a recording.
        escape_formulas: whether to make the file safe for spreadsheets: text that they would run
            as a formula gets a `'` in front, and the file starts with the mark by which they
            recognise UTF-8. `read_csv` removes both. Later appends to the file do the same.
        source: where the ticks came from.
        symbols: the symbols that the ticks were selected by; None for all. In a recording of some
            symbols, a jump in seq is no gap.

    Returns:
        The path.

    Raises:
        RecordingExists: the file exists, and mode is "new".
        RecordingError: mode is "append", and the file can't be appended to.
        InvalidArgument: an argument is invalid, such as a path with the suffix of another format.
        ValueError: two columns have the same name.
        OSError: the file can't be written.

    Example:
        >>> write_csv(log.frame(), "ticks.csv")
    """
    check_flag("escape_formulas", escape_formulas)
    check_path("path", path)
    if Path(str(path).removesuffix(".gz").removesuffix(".zst")).suffix not in TEXT_SUFFIXES:
        expected = "a name that ends in .csv, .csv.gz or .csv.zst; to_parquet writes .parquet"
        raise InvalidArgument("path", str(path), expected)
    path = prepare_path(path, mode)
    listed = gaps_from_frame(gaps) if gaps is not None else []
    if mode == "append" and path.exists():
        with CsvFile(path, mode="append", source=source, symbols=symbols) as file:
            if escape_formulas and not file.escape_formulas:
                problem = "it was written without escape_formulas=True; write another file"
                raise RecordingError(path, problem, "appended to")
            file.append(frame)
            file.note_gaps(listed)
            file.note_misfits(misfits or {})
        return path
    chosen = None if symbols is None else list(symbols)
    head = Head(time.time_ns(), source, chosen, escape_formulas)
    _write_whole(frame, path, head, [*listed, *misfit_lines(misfits or {})])
    return path


def _write_whole(frame: pd.DataFrame, path: Path, head: Head, others: Iterable[Line]) -> None:
    columns = Columns.from_frame(frame)
    lines: list[Line] = [head, Columns(columns.kinds), columns, *others]
    compression, size = compression_of(path), 0
    with replacing(path) as out:
        for number, text in enumerate(csv_lines(frame, escape_formulas=head.escape_formulas)):
            text = BYTE_ORDER_MARK + text if head.escape_formulas and not number else text
            out.write(compress(text, compression))
            size += len(text)
            rows = min(number * ROWS_AT_ONCE, len(frame))
            lines.append(Block(rows, size, zlib.crc32(text)))
        end = msgspec.structs.replace(End.from_frame(frame), size=out.tell())
        # The sidecar and the parts of an older file would be wrong for this one.
        remove_parts(path)
        sidecar_path(path).unlink(missing_ok=True)
    with replacing(sidecar_path(path)) as out:
        out.write(encode_lines([*lines, head, end]))


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
            self._end = End.from_frame(read_part(parts[-2]).frame)

    def _open(self, part: Path) -> None:
        """Open the file of a part, or create it."""
        self.rows = 0
        self.names: list[str] = []
        self._kinds: dict[str, str] = {}
        self._words: dict[str, list[str]] = {}
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
        """Read the existing file, cut off an incomplete line at its end, and go on from there."""
        content = read_part(self._part)
        if not content.own:
            problem = "it is not a tickerkit recording; record to another file"
            raise RecordingError(self.path, problem, "appended to")
        kinds = {problem.kind for problem in content.problems}
        if kinds & {"damaged", "undecodable", "changed"}:
            problem = f"{'; '.join(map(str, content.problems))}; record to another file"
            raise RecordingError(self.path, problem, "appended to")
        sidecar, torn = content.sidecar, content.torn_bytes
        compressed = compression_of(self.path) is not None
        covered = sidecar.blocks[-1].size if sidecar.blocks else 0
        # To cut off the end is not enough if rows before it are missing, if a checksum covers more
        # than is left, or if the end is within a compressed member.
        is_short = not compressed and self._file.size - torn < covered
        if kinds - {"sidecar", "no sidecar"} and ("missing" in kinds or is_short or compressed):
            sidecar, torn = self._write_again(content), 0
        self.escape_formulas = sidecar.escape_formulas
        self.names = [str(name) for name in content.frame.columns]
        self.rows = len(content.frame)
        self._file.cut(self._file.size - torn)
        self._sidecar.cut(sidecar.size)
        self._end = End.from_frame(content.frame)
        self._kinds = dict(sidecar.columns.kinds or Columns.from_frame(content.frame).kinds)
        # Later appends may bring more categories, so `close` writes them all.
        self._pending.append(Columns(dict(self._kinds)))
        self.last_gap = sidecar.gaps[-1] if sidecar.gaps else None
        self._text = self._covered = sidecar.blocks[-1].size if sidecar.blocks else 0
        if not compressed and self._text < self._file.size:
            with self._part.open("rb") as file:
                file.seek(self._text)
                while part := file.read(2**20):
                    self._crc = zlib.crc32(part, self._crc)
            self._text = self._file.size
            self._note_block()

    def _write_again(self, content: Content) -> Sidecar:
        """Replace the file by its readable rows, if cutting off its end is not enough."""
        sidecar = content.sidecar
        about = (sidecar.source, sidecar.symbols, sidecar.escape_formulas)
        head = Head(time.time_ns(), *about, self._part != self.path)
        self._release()  # Windows can't replace an open file
        _write_whole(content.frame, self._part, head, sidecar.lasting_lines)
        self._file.reopen(self._part.stat().st_size)
        self._sidecar.reopen(sidecar_path(self._part).stat().st_size)
        return read_sidecar(self._part) or Sidecar()

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
        text = BYTE_ORDER_MARK + text if is_first and self.escape_formulas else text
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
        kept = [line for line in self._pending if isinstance(line, Head | Gap | Misfits)]
        self._file.cut(0)
        self._sidecar.cut(0)
        self._pending = [*about.heads, *about.lasting_lines, *kept]
        self.names, self._kinds = [], {}
        self._text = self._covered = self._crc = 0

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
                self._pending.append(Columns(dict(self._kinds), self._words))
                self._words = {}
            end = msgspec.structs.replace(self._end, rows=self.rows, size=self._file.size)
            pending = [line for line in self._pending if type(line) is not End]
            self._pending = [*pending, self._head, end]
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
