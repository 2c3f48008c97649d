"""Wire: a file that keeps each frame as it came over the wire, one line of JSON for each."""

from __future__ import annotations

import base64
import contextlib
import os
from pathlib import Path

import msgspec

from tickerkit.storage.atomic import Mode, prepare_path
from tickerkit.storage.compression import compress, compression_of
from tickerkit.storage.csv.append import FLAGS, write_all

__all__ = ["WireFile", "connected_line", "dropped_line", "frame_line", "made_line"]

_encode = msgspec.json.Encoder().encode


def frame_line(time_ns: int, data: str | bytes) -> bytes:
    """Return the line of a frame: as it is, if it is JSON on one line, else as text or base64."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)
    try:
        raw.decode()
        msgspec.json.decode(raw)
    except (UnicodeError, msgspec.MsgspecError, RecursionError):
        json = False
    else:
        json = b"\n" not in raw and b"\r" not in raw
    if json:
        return b'{"t":%d,"frame":%b}\n' % (time_ns, raw)
    try:
        return _encode({"t": time_ns, "text": raw.decode()}) + b"\n"
    except UnicodeError:
        return _encode({"t": time_ns, "base64": base64.b64encode(raw).decode()}) + b"\n"


def connected_line(
    time_ns: int,
    url: str,
    protocol: str,
    epoch: str = "",
    seq: int = 0,
    symbols: list[str] | None = None,
) -> bytes:
    """Return the line with which a connection begins.

    Of a plain websocket, which numbers nothing, also which epoch and seq the feed goes on from;
    and, where these are chosen, the symbols.
    """
    line: dict[str, object] = {"t": time_ns, "connected": url, "protocol": protocol}
    if not protocol:
        line |= {"epoch": epoch, "seq": seq}
    if symbols is not None:
        line["symbols"] = symbols
    return _encode(line) + b"\n"


def made_line(time_ns: int, hello: bytes) -> bytes:
    """Return the line of a hello that nobody sent: what was known when the lines begin."""
    return b'{"t":%d,"made":true,"frame":%b}\n' % (time_ns, hello)


def dropped_line(time_ns: int, count: int) -> bytes:
    """Return the line that stands where frames could not be kept."""
    return _encode({"t": time_ns, "dropped": count}) + b"\n"


class WireFile:
    """A file of lines that is added to; an addition is in it whole, or raises OSError.

    Attributes:
        path: the file.
        size: how many bytes it has.
    """

    def __init__(self, path: Path, mode: Mode, *, fsync: bool = False) -> None:
        self.path = prepare_path(path, mode)
        self._compression = compression_of(self.path)
        self._fsync = fsync
        self._file = os.open(self.path, FLAGS | (os.O_TRUNC if mode == "overwrite" else 0), 0o666)
        self.size = os.fstat(self._file).st_size
        if self.size and not self._compression:
            # A line that a crash has torn would swallow the one after it.
            with self.path.open("rb") as file:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    self.append(b"\n")

    def append(self, lines: bytes) -> None:
        """Add lines."""
        try:
            write_all(self._file, compress(lines, self._compression))
            if self._fsync:
                os.fsync(self._file)
        except BaseException:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self.size)
            raise
        self.size = os.fstat(self._file).st_size

    def close(self) -> None:
        """End; twice is no complaint."""
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)

    def __enter__(self) -> WireFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def abandon(self) -> None:
        """Let go of the file."""
        self.close()
