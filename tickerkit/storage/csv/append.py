"""Appending: a CSV recording that is open and grows, valid to its last whole line at any moment.

What is added goes into the file as whole lines in a single write, after what the file had: a crash
tears at most the last line, and a write that fails is cut off again, which needs no space. One
writer at a time.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
import zlib
from collections.abc import Iterable, Sequence
from itertools import chain
from os import PathLike

import pandas as pd

from tickerkit.errors import RecordingError
from tickerkit.log import Gap, Position, gap_frame
from tickerkit.storage.atomic import Mode, prepare_path, replacing
from tickerkit.storage.compression import compress, compression_of, read_members
from tickerkit.storage.csv.encode import BYTE_ORDER_MARK, csv_lines, header_line
from tickerkit.storage.csv.quoting import mask_quoted, whole_lines
from tickerkit.storage.sidecar import (
    Block,
    Columns,
    Head,
    Line,
    Sidecar,
    columns_from_frame,
    read_sidecar,
    sidecar_path,
    to_bytes,
)

__all__ = ["FLAGS", "CsvFile", "write_all"]

BLOCK_BYTES = 2**18
FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)


class CsvFile:
    """A CSV recording that rows are added to.

    Every method that writes raises OSError when the disk is full or the like; then nothing of it
    is in the file, and the same may be tried again.

    Args:
        path: the file; one that ends in `.gz` or `.zst` is compressed, each addition by itself.
        mode: "append" goes on with a recording that is there (its torn end is cut off), "new"
            refuses, "overwrite" begins anew.
        source: where the ticks come from.
        symbols: those that are recorded, None for all.
        fsync: have each addition on the disk before going on: no power failure loses it.

    Attributes:
        path: the file.
        rows: how many rows it has.
        names: its columns.
        size: how many bytes it has, as it stands on the disk.
        last: epoch and seq of the last row, None without one.
        told: the last gap that was noted.
        escape_formulas: whether text in it is marked against spreadsheets, as `write_csv` does it.

    Raises:
        RecordingExists: there is a file, and mode is "new".
        RecordingError: what is to be gone on with is no recording of tickerkit's.
        OSError: it can't be opened.

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
        self.rows = self.size = 0
        self.last: Position | None = None
        self.told: Gap | None = None
        self.escape_formulas = False
        self._fsync = fsync
        self._compression = compression_of(self.path)
        self.names: list[str] = []
        self._kinds: dict[str, str] = {}
        self._words: dict[str, list[str]] = {}
        self._text = self._crc = self._proved = 0
        # What the sidecar still has to be told: it may be on a full disk, too.
        self._untold: list[Line] = [
            Head(time.time_ns(), source, None if symbols is None else list(symbols))
        ]
        if mode == "overwrite":
            sidecar_path(self.path).unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
        there = self.path.exists() and self.path.stat().st_size > 0
        if not there:
            sidecar_path(self.path).unlink(missing_ok=True)
        # Whether the sidecar is to be made anew from what is still to be told.
        self._anew = self._closed = False
        self._file = -1
        self._beside = -1
        try:
            self._open()
            if there:
                self._go_on()
        except BaseException:
            self._let_go()
            raise

    def _open(self) -> None:
        """Open both files, unless they are open; what fails here may be tried again."""
        if self._file >= 0:
            return
        try:
            self._open_both()
        except BaseException:
            self._let_go()
            raise

    def _open_both(self) -> None:
        self._file = os.open(self.path, FLAGS, 0o666)
        if not _locked(self._file):
            problem = "another program, or another cell, is recording to it"
            fix = "stop that, or record to another file"
            raise RecordingError(self.path, f"{problem}; {fix}", "written")
        self._beside = os.open(sidecar_path(self.path), FLAGS, 0o666)

    def _let_go(self) -> None:
        for file in (self._file, self._beside):
            if file >= 0:
                with contextlib.suppress(OSError):  # a full disk says so once more
                    os.close(file)
        self._file = self._beside = -1

    def _go_on(self) -> None:
        """Find out what is there, and cut off what was torn."""
        from tickerkit.storage.csv.api import read_file, write_csv

        content = read_file(self.path)
        warning, sidecar = content.warning, content.sidecar
        if not content.own:
            problem = "it is no recording of tickerkit's that could be gone on with"
            raise RecordingError(self.path, f"{problem}; record to another file", "added to")
        if warning is not None and (warning.lines or warning.holes or warning.changed):
            problem = f"{'; '.join(warning.problems)}; record to another file"
            raise RecordingError(self.path, problem, "added to")
        self.escape_formulas = sidecar is not None and sidecar.escape_formulas
        torn = 0 if warning is None else warning.torn_bytes
        proved = sidecar.blocks[-1].size if sidecar and sidecar.blocks else 0
        cut = not self._compression and os.fstat(self._file).st_size - torn < proved
        if warning is not None and (warning.missing or cut or self._compression):
            gaps = None if sidecar is None else gap_frame(sidecar.gaps)
            self._let_go()
            write_csv(
                content.frame,
                self.path,
                gaps=gaps,
                mode="overwrite",
                escape_formulas=self.escape_formulas,
                source=sidecar.source if sidecar else "",
                symbols=sidecar.symbols if sidecar else None,
            )
            self._open()
            sidecar, torn = read_sidecar(self.path), 0
        self.names = [str(name) for name in content.frame.columns]
        self.rows, self.size = len(content.frame), os.fstat(self._file).st_size - torn
        os.ftruncate(self._file, self.size)
        if self.rows and {"seq", "epoch"} <= set(self.names):
            newest = content.frame.iloc[-1]
            self.last = Position(str(newest["epoch"]), int(newest["seq"]))
        known = sidecar.columns.kinds if sidecar else columns_from_frame(content.frame).kinds
        self._kinds = dict(known)
        if sidecar and sidecar.is_old:
            self._untold = [*sidecar.heads, *sidecar.gaps, *self._untold]
            self._anew = True
        # Its words may become more from now on.
        self._untold.append(Columns(dict(known)))
        self.told = sidecar.gaps[-1] if sidecar and sidecar.gaps else None
        blocks = sidecar.blocks if sidecar else []
        os.ftruncate(self._beside, sidecar.size if sidecar else 0)
        self._text = self._proved = blocks[-1].size if blocks else 0
        if not self._compression and self._text < self.size:
            with self.path.open("rb") as file:
                file.seek(self._text)
                while part := file.read(2**20):
                    self._crc = zlib.crc32(part, self._crc)
            self._text = self.size
            self._prove()

    # --- adding -------------------------------------------------------------------------------

    def append(self, frame: pd.DataFrame, gaps: Iterable[Gap] = ()) -> None:
        """Add rows; columns that the file does not have are added to it, empty before these.

        Args:
            frame: the rows.
            gaps: those that lie before or among them; noted if the rows are written.
        """
        if not len(frame) and self.names:
            return
        self._open()
        names = [str(name) for name in frame.columns]
        header = not self.names
        if header:
            self.names = names
        elif new := [name for name in names if name not in self.names]:
            self._widen(new)
        self._learn(columns_from_frame(frame, words=False).kinds)
        if names != self.names:
            frame = frame.reindex(columns=self.names)
        text = b"".join(csv_lines(frame, header=header, escape_formulas=self.escape_formulas))
        untold, anew, told = list(self._untold), self._anew, self.told
        beside = os.fstat(self._beside).st_size
        try:
            self.tell(gaps)
            self._tell()
            self._write(compress(text, self._compression))
        except BaseException:
            if header:
                self.names = []
            # Until the rows can be written, the gap before them may become larger.
            self._untold, self._anew, self.told = untold, anew, told
            if not anew and self._beside >= 0:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._beside, beside)
            raise
        self.rows += len(frame)
        self._words = columns_from_frame(frame).words
        self._text += len(text)
        self._crc = zlib.crc32(text, self._crc)
        if len(frame) and {"seq", "epoch"} <= set(names):
            newest = frame.iloc[-1]
            self.last = Position(str(newest["epoch"]), int(newest["seq"]))
        if self._text - self._proved >= BLOCK_BYTES:
            self._prove()

    @property
    def on_disk(self) -> int:
        """How much it takes on the disk, together with what stands beside it."""
        beside = os.fstat(self._beside).st_size if self._beside >= 0 else 0
        return self.size + beside

    def tell(self, gaps: Iterable[Gap]) -> None:
        """Note gaps; they are written with the next rows, or at the end."""
        for gap in gaps:
            self._untold.append(gap)
            self.told = gap

    def _write(self, data: bytes) -> None:
        # What an earlier failure has left, should cutting it off have failed as well.
        there = os.fstat(self._file).st_size
        if there < self.size:
            raise OSError(errno.EIO, "another program has cut off a part of it")
        if there > self.size:
            os.ftruncate(self._file, self.size)
        try:
            write_all(self._file, data)
            if self._fsync:
                os.fsync(self._file)
        except BaseException:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self.size)
            raise
        self.size += len(data)

    def _learn(self, kinds: dict[str, str]) -> None:
        """Take note of the kinds of columns; of one that changes its kind the values decide."""
        merged = dict(self._kinds)
        for name in self.names:
            known, kind = merged.get(name), kinds.get(name)
            if kind is not None and kind != known:
                merged[name] = kind if known is None else "any"
        if merged != self._kinds:
            self._kinds = merged
            self._untold.append(Columns({name: merged.get(name, "any") for name in self.names}))

    def _prove(self) -> None:
        """Have the sidecar tell how much there is, and its checksum."""
        self._untold.append(Block(self.rows, self._text, self._crc))
        self._proved, self._crc = self._text, 0

    def _tell(self) -> None:
        """Write what the sidecar still has to be told."""
        if not self._untold:
            return
        data = to_bytes(self._untold)
        if self._anew:
            with replacing(sidecar_path(self.path)) as out:
                out.write(data)
            self._anew = False
            self._untold.clear()
            self._let_go()
            self._open()
            return
        size = os.fstat(self._beside).st_size
        try:
            write_all(self._beside, data)
            if self._fsync:
                os.fsync(self._beside)
        except BaseException:
            with contextlib.suppress(OSError):
                os.ftruncate(self._beside, size)
            raise
        self._untold.clear()

    def _widen(self, new: list[str]) -> None:
        """Make the file anew with further columns: there is no other place for their names."""
        sidecar = read_sidecar(self.path) or Sidecar()
        names, commas = [*self.names, *new], b"," * len(new)
        text = crc = size = 0
        first = (BYTE_ORDER_MARK if self.escape_formulas else b"") + header_line(
            names, escape_formulas=self.escape_formulas
        )
        with replacing(self.path) as out:
            rest, header = b"", True
            for piece in chain(read_members(self.path, lambda _: None), [b""]):
                rest += piece
                whole = whole_lines(mask_quoted(rest))
                block, rest = rest[:whole], rest[whole:]
                if header and block:
                    block = block[block.find(b"\n") + 1 :]
                    widened = first + _widened(block, commas)
                    header = False
                else:
                    widened = _widened(block, commas)
                if widened:
                    data = compress(widened, self._compression)
                    out.write(data)
                    size, text, crc = (
                        size + len(data),
                        text + len(widened),
                        zlib.crc32(widened, crc),
                    )
        # From here on it has the columns; should anything fail below, it is not widened again. The
        # sidecar of before is passed over, having other names, until it is made anew.
        kinds = {name: self._kinds.get(name, "any") for name in self.names}
        # Of the blocks one is left: the text has other bytes now.
        told: list[Line] = [*sidecar.heads, Columns(kinds), *sidecar.gaps]
        left: list[Line] = [line for line in self._untold if isinstance(line, Head | Gap)]
        self._untold = [*told, Block(self.rows, text, crc), *left]
        self._anew = True
        self.names, self.size = names, size
        self._text = self._proved = text
        self._crc = 0
        self._let_go()
        self._open()

    # --- its end ------------------------------------------------------------------------------

    @property
    def is_there(self) -> bool:
        """Whether the file is still at its path and as long as it was: nobody moved or cut it."""
        try:
            found = self.path.stat()
        except OSError:
            return False
        ours = os.fstat(self._file) if self._file >= 0 else found
        same = (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)
        return same and found.st_size >= self.size

    def close(self) -> None:
        """Write what is left of the sidecar; twice is no complaint.

        Raises:
            OSError: that can't be written; the rows are in the file. It may be tried again.
        """
        if self._closed:
            return
        try:
            self._open()
            if self._text > self._proved:
                self._prove()
            if self._words:  # it has no more of them now
                self._untold.append(Columns(dict(self._kinds), self._words))
                self._words = {}
            self._tell()
            self._closed = True
        finally:
            self._let_go()

    def abandon(self) -> None:
        """Let go of the files as they are: they are no longer ours."""
        self._closed = True
        self._let_go()

    def __enter__(self) -> CsvFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _widened(block: bytes, commas: bytes) -> bytes:
    """Return lines with further empty cells."""
    if b'"' not in block:
        return block.replace(b"\n", commas + b"\n")
    ends = [at.start() for at in re.finditer(b"\n", mask_quoted(block))]
    starts = [0, *(end + 1 for end in ends)]
    return b"".join(block[a:b] + commas + b"\n" for a, b in zip(starts, ends, strict=False))


def write_all(file: int, data: bytes) -> None:
    """Write all of it, however many calls that takes."""
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]


def _locked(file: int) -> bool:
    """Return whether the file is ours alone; where there are no such locks, it is taken to be."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a network's file system without locks
        return True
    return True
