"""Files: how they are replaced, appended to, compressed and decompressed.

A compressed file is a sequence of members (gzip members or zstd frames), one for each write. Any
program for the format reads the sequence as one stream. A flipped bit or a cut-off end damages one
member only; all others can be read.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import mmap
import os
import re
import secrets
import shutil
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, TypeAlias

import zstandard

from tickerkit.errors import RecordingError, RecordingExists
from tickerkit.storage.zstd_frames import MAX_BLOCK_BYTES, ZstdCuts
from tickerkit.validation import check_choice, check_path

__all__ = [
    "COMPRESSIONS",
    "MODES",
    "AppendFile",
    "Damage",
    "Mode",
    "check_regular",
    "check_unlocked",
    "compress",
    "compression_of",
    "is_locked",
    "is_packed",
    "prepare_path",
    "read_last_member",
    "read_members",
    "replacing",
    "unreadable",
]

Mode: TypeAlias = Literal["new", "append", "overwrite"]
MODES = ("new", "append", "overwrite")
APPEND_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)

COMPRESSIONS = {"gzip": ".gz", "zstd": ".zst"}
MAGIC = {"gzip": b"\x1f\x8b\x08", "zstd": b"\x28\xb5\x2f\xfd"}
# The first bytes of a member that `compress` wrote. Those of gzip are longer than the magic number,
# so that they hardly ever occur within compressed data.
MEMBER_START = {"gzip": MAGIC["gzip"] + bytes(5), "zstd": MAGIC["zstd"]}
LEVELS = {"gzip": 6, "zstd": 3}
CHUNK_BYTES = 2**20
# A slow disk shows progress after each piece.
PIECE_BYTES = 2**18
# How much is decompressed at once: 20 KB may be a gigabyte of zeros.
MAX_PIECE_BYTES = 2**23
# A file of another program may be one large member. To save memory, content beyond this size is
# yielded before the checksum of the member has been verified.
MAX_UNVERIFIED_BYTES = 2**26


def prepare_path(path: str | os.PathLike[str], mode: str, modes: Sequence[str] = MODES) -> Path:
    """Check the path of a file to write, and create its folder.

    Args:
        path: of the file.
        mode: as given by the user.
        modes: those that the user may pass.

    Raises:
        RecordingExists: the file exists, and mode is "new".
        InvalidArgument: the mode is unknown, or the path is not one.
    """
    check_path("path", path)
    check_choice("mode", mode, modes)
    target = Path(path).expanduser()
    if mode == "new" and target.exists():
        raise RecordingExists(target, can_append="append" in modes)
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(target)
    return target


def _remove_leftovers(target: Path) -> None:
    """Remove the temporary files that a killed process has left while it replaced a file."""
    name = re.escape(target.name[:100])
    pattern = re.compile(rf"\.{name}(\.meta\.jsonl)?\.[0-9a-f]{{8}}\.tmp")
    for each in target.parent.iterdir():
        if pattern.fullmatch(each.name):
            # Another process may be writing it, or may just have renamed it.
            with contextlib.suppress(OSError):
                if not is_locked(each):
                    each.unlink()


def check_regular(path: Path) -> None:
    """Raise OSError if a path leads to no regular file: reading a pipe could wait forever."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is no regular file", path)


def unreadable(path: Path, error: OSError) -> RecordingError:
    """Return the error of a recording that the system can't read."""
    return RecordingError(path, (error.strerror or str(error)).lower())


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` when the block ends without an error.

    On an error the temporary file is removed, and `path` stays as it was.
    """
    # A symbolic link stays: the file that it points to is replaced.
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    # Not made by tempfile, which would let only the owner read the file.
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            _lock(file.fileno())
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


class AppendFile:
    """A file that grows by appends.

    A failed append is undone by cutting the file back, which needs no disk space. Only a crash can
    leave part of an append at the end of the file.

    Args:
        path: the file, created if it is missing. With the suffix `.gz` or `.zst`, each append
            becomes a compressed member.
        fsync: whether each append waits until it is on the disk.
        exclusive: whether to lock the file against other writers.

    Attributes:
        path: the file.
        size: its size in bytes, without what a failed append has left in it.
        passed_bytes: how many bytes the system took so far, those of failed appends included.

    Raises:
        RecordingError: another writer has locked the file.
        OSError: the file can't be opened.
    """

    def __init__(self, path: Path, *, fsync: bool = False, exclusive: bool = False) -> None:
        self.path = path
        self._fsync, self._exclusive = fsync, exclusive
        self._compression = compression_of(path)
        self._file = -1
        self.passed_bytes = 0
        self.open()
        self.size = os.fstat(self._file).st_size

    def open(self) -> None:
        """Open the file unless it is open. A failed call can be repeated."""
        if self._file >= 0:
            return
        self._file = os.open(self.path, APPEND_FLAGS, 0o666)
        if self._exclusive and not _lock(self._file):
            self.close()
            raise _in_use(self.path)

    def reopen(self, size: int) -> None:
        """Open the file that has replaced this one; `size` is its size in bytes."""
        self.close()
        self.size = size
        self.open()

    def restart(self, data: bytes) -> None:
        """Replace the file by a new one with this data; programs that read the old one continue.

        Raises:
            OSError: the file is as it was.
        """
        target = Path(os.path.realpath(self.path))
        temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.tmp")
        file = os.open(temporary, APPEND_FLAGS | os.O_EXCL, 0o666)
        try:
            if self._exclusive:
                _lock(file)
            os.write(file, compress(data, self._compression))
            if os.name == "nt":  # Windows can't replace an open file
                self.close()
            temporary.replace(target)
        except BaseException:
            os.close(file)
            temporary.unlink(missing_ok=True)
            raise
        self.close()
        self._file, self.size = file, os.fstat(file).st_size

    def append(self, data: bytes) -> None:
        """Append all of the data; if that fails, append nothing and raise OSError."""
        self._write(compress(data, self._compression))

    def replace_end(self, start: int, data: bytes) -> None:
        """Replace all bytes from `start` on by data; if that fails, put them back."""
        with self.path.open("rb") as file:
            file.seek(start)
            old = file.read()
        self.cut(start)
        try:
            if data:
                self.append(data)
        except BaseException:
            with contextlib.suppress(OSError):  # there is room: it was there before
                self._write(old)
            raise

    def _write(self, data: bytes) -> None:
        found = os.fstat(self._file).st_size
        if found < self.size:
            raise OSError(errno.EIO, "another program has shortened the file")
        if found > self.size:  # an earlier append failed, and its part could not be cut off
            os.ftruncate(self._file, self.size)
        try:
            left = memoryview(data)
            while left:
                passed = os.write(self._file, left[:PIECE_BYTES])
                self.passed_bytes += passed
                left = left[passed:]
            if self._fsync:
                os.fsync(self._file)
        except BaseException:
            self.cut(self.size)
            raise
        self.size += len(data)

    def cut(self, size: int) -> None:
        """Cut the file back to a size; if that fails, the next append tries again."""
        self.size = size
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, size)

    @property
    def is_intact(self) -> bool:
        """Whether the path still leads to this file, and no other program has shortened it."""
        try:
            found = self.path.stat()
        except OSError:
            return False
        own = os.fstat(self._file) if self._file >= 0 else found
        same = (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino)
        return same and found.st_size >= self.size

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._file >= 0:
            file, self._file = self._file, -1
            with contextlib.suppress(OSError):  # `append` has reported the full disk already
                os.close(file)


def _lock(file: int) -> bool:
    """Lock a file; return False if another writer has locked it."""
    try:
        import fcntl
    except ImportError:  # Windows has no such locks: go on without one
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a network file system without locks: go on without one
        return True
    return True


def _in_use(path: Path) -> RecordingError:
    problem = "another program or another cell is recording to it"
    fix = "stop that recording, or record to another file"
    return RecordingError(path, f"{problem}; {fix}", "written")


def check_unlocked(path: Path) -> None:
    """Raise RecordingError if there is a file that another writer has locked."""
    if path.exists() and is_locked(path):
        raise _in_use(path)


def is_locked(path: Path) -> bool:
    """Return whether another writer has locked a file."""
    with path.open("rb") as file:
        return not _lock(file.fileno())


# --- compression ----------------------------------------------------------------------------------


class Damage(NamedTuple):
    """The bytes `start` to `stop` of a file, which can't be decompressed.

    If the last member is cut off, both are the size of the file. `line` is the number of the line
    after the damage, 0 if that isn't known.
    """

    start: int
    stop: int
    line: int = 0


def compression_of(path: Path) -> str | None:
    """Return "gzip", "zstd" or None, by the suffix of a file to write."""
    return next((name for name, end in COMPRESSIONS.items() if path.suffix == end), None)


def compress(data: bytes, compression: str | None) -> bytes:
    """Compress data into one member; None leaves it as it is."""
    if compression == "gzip":
        # Without a time stamp, so that the same ticks make the same file.
        return gzip.compress(data, LEVELS["gzip"], mtime=0)
    if compression == "zstd":
        return zstandard.ZstdCompressor(level=LEVELS["zstd"], write_checksum=True).compress(data)
    return data


def read_members(
    path: Path,
    on_damage: Callable[[Damage], object],
    max_bytes: int = CHUNK_BYTES * 16,
    *,
    limits: tuple[int, int | None] = (0, None),
    on_read: Callable[[int], object] = lambda at: None,
) -> Iterator[bytes]:
    """Yield the decompressed content of a file, member by member.

    Args:
        path: the file. Its compression is detected by its content, else by its suffix.
        on_damage: called for each damaged stretch, after everything before it was yielded.
        max_bytes: at most how much of an uncompressed file is yielded at once.
        limits: where to begin in an uncompressed file, and where to end in any; None for its end.
        on_read: called with the place in the file up to which it was read, before each yield.

    Raises:
        OSError: the file can't be read.
    """
    at, stop = limits
    check_regular(path)
    with path.open("rb") as file:
        kind = _kind_of(path, file.read(4))
        size = os.fstat(file.fileno()).st_size
        stop = size if stop is None else min(stop, size)
        if kind is None:
            file.seek(at)
            while piece := file.read(min(max_bytes, max(stop - at, 0))):
                at += len(piece)
                on_read(at)
                yield piece
        elif stop:
            with mmap.mmap(file.fileno(), stop, access=mmap.ACCESS_READ) as memory:
                yield from _decompress(memory, kind, on_damage, on_read)


def is_packed(path: Path) -> bool:
    """Return whether a file is compressed, by its content, else by its suffix.

    Raises:
        OSError: the file can't be read.
    """
    check_regular(path)
    with path.open("rb") as file:
        return _kind_of(path, file.read(4)) is not None


def _kind_of(path: Path, head: bytes) -> str | None:
    """Return the compression of a file with these first bytes."""
    kind = next((name for name, magic in MAGIC.items() if head.startswith(magic)), None)
    # Without a magic number the suffix decides: a flipped bit may be in the number.
    return kind or (compression_of(path) if head else None)


def read_last_member(path: Path) -> tuple[int, bytes]:
    """Return where the last member of a compressed file begins, and its decompressed content.

    Raises:
        OSError: the file can't be read.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        unpack = _unpack_gzip if memory[:3] == MAGIC["gzip"] else _unpack_zstd
        start, at, held = 0, 0, b""
        while at < len(memory):
            start, pieces = at, list(unpack(memory, at))
            if not pieces:  # only a part of its header is there
                return start, b""
            at, held = pieces[-1].stop, b"".join(piece.data for piece in pieces)
        return start, held


def _decompress(
    memory: mmap.mmap,
    kind: str,
    on_damage: Callable[[Damage], object],
    on_read: Callable[[int], object],
) -> Iterator[bytes]:
    magic, at, end = MAGIC[kind], 0, len(memory)
    unpack = _unpack_gzip if kind == "gzip" else _unpack_zstd
    while at < end:
        held: list[bytes] = []
        size, start, is_whole = 0, at, False
        try:
            if memory[at : at + len(magic)] != magic[: end - at]:
                raise ValueError
            for piece in unpack(memory, start):
                at, is_whole = piece.stop, piece.is_last
                held.append(piece.data)
                size += len(piece.data)
                if size > MAX_UNVERIFIED_BYTES:
                    on_read(at)
                    yield b"".join(held)
                    held, size = [], 0
            # A flipped bit in a length makes the decompressor take in the members that follow. So
            # a member without an end is damaged if others follow it; else it is cut off.
            if not is_whole and memory.find(MEMBER_START[kind], start + 1) >= 0:
                raise ValueError
        except (ValueError, zlib.error, zstandard.ZstdError):
            found = memory.find(MEMBER_START[kind], start + 1)
            at = end if found < 0 else found
            on_damage(Damage(start, at))
            continue
        # Of a member that is cut off, everything before the cut is correct.
        on_read(at)
        if size:
            yield b"".join(held)
        if not is_whole:
            on_damage(Damage(end, end))


class _Piece(NamedTuple):
    """A piece of a member: the place after it, its content, and whether the member ends there."""

    stop: int
    data: bytes
    is_last: bool


def _unpack_gzip(memory: mmap.mmap, at: int) -> Iterator[_Piece]:
    """Decompress the member at a place, in pieces of a limited size."""
    decompressor = zlib.decompressobj(31)
    while not decompressor.eof:
        chunk = memory[at : at + CHUNK_BYTES]
        data = decompressor.decompress(chunk, MAX_PIECE_BYTES)
        if not chunk and not data:
            return
        # At the end of a member, `unconsumed_tail` is that of the call before.
        ended = decompressor.eof
        left = decompressor.unused_data if ended else decompressor.unconsumed_tail
        at += len(chunk) - len(left)
        yield _Piece(at, data, ended)


def _unpack_zstd(memory: mmap.mmap, at: int) -> Iterator[_Piece]:
    """Decompress the frame at a place, in pieces of a limited size."""
    decompressor, cuts = zstandard.ZstdDecompressor().decompressobj(), ZstdCuts(memory, at)
    while not decompressor.eof:
        chunk = memory[at : cuts.next_cut(MAX_PIECE_BYTES // MAX_BLOCK_BYTES)]
        if not chunk:
            return
        data = decompressor.decompress(chunk)
        at += len(chunk) - len(decompressor.unused_data)
        yield _Piece(at, data, decompressor.eof)
