"""Lines of raw frames: what arrived over a websocket, as one JSON line per frame.

    {"t":…,"connected":"ws://…","protocol":"tickerkit.v1"}     a connection begins
    {"t":…,"frame":{"type":"ticks",…}}                         a frame of JSON, byte for byte
    {"t":…,"text":"…"} or {"t":…,"base64":"…"}                 any other frame
    {"t":…,"made":true,"frame":{"type":"hello",…}}             a frame that the recorder made
    {"t":…,"dropped":17}                                       frames that could not be kept

`t` is the time of receipt in epoch ns. A connection that selects symbols has `symbols`. One without
a protocol is a plain websocket; it has `epoch` and `seq`, and its ticks count on from `seq` + 1.

A source that reads other servers has further lines: all that happened to its machine, in order.

    {"t":…,"now":…,"source":{"kind":"venue","preset":{…},…}}   what the machine is made of
    {"t":…,"now":…,"source":{…},"reason":"…"}                  another machine, and why
    {"t":…,"now":…,"on":1,"opened":"wss://…","reason":"…"}     a connection began, after a gap
    {"t":…,"now":…,"on":1,"opened":"wss://…","joined":{…}}     it was open before the file began
    {"t":…,"now":…,"on":1,"sent":"…"}                          a message to the server
    {"t":…,"now":…,"on":1,"frame":{…}}                         a frame on this connection
    {"t":…,"now":…,"on":1,"due":true}                          nothing came until it was due
    {"t":…,"now":…,"due":true} and "resumed":true              the same for the whole source
    {"t":…,"now":…,"fetch":[…],"request":"GET …","status":200,"frame":{…}}      a REST answer
    {"t":…,"now":…,"on":1,"closed":1006,"reason":"…","by_venue":true}           it ended
    {"t":…,"now":…,"on":1,"failed":"…"}                        why it ended, or was not made

`now` is the machine's clock in seconds. Keys, tokens and signatures are `…`.
"""

from __future__ import annotations

import base64
import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import msgspec

from tickerkit.limits import MAX_EXACT_INT
from tickerkit.log import TimeNs
from tickerkit.storage.files import AppendFile, Mode, compression_of, prepare_path

__all__ = [
    "NOT_JSON",
    "Line",
    "RawFile",
    "connected_line",
    "decode_line",
    "dropped_line",
    "event_line",
    "frame_line",
    "made_line",
]

# What `msgspec.json.decode` raises for text that isn't JSON.
NOT_JSON = (msgspec.MsgspecError, ValueError, RecursionError)

_encode = msgspec.json.Encoder().encode


def frame_line(time_ns: int, data: str | bytes) -> bytes:
    """Return the line of a frame: JSON without line breaks as it is, else text or base64."""
    return b'{"t":%d,%b}\n' % (time_ns, _frame_entry(data))


def event_line(
    time_ns: int, now: float, on: int, facts: dict[str, Any], data: str | bytes | None = None
) -> bytes:
    """Return the line of something that happened to a source, see `RawEvent`."""
    about = {"t": time_ns, "now": now, **({"on": on} if on else {}), **facts}
    line = _encode(about)
    return line + b"\n" if data is None else b"%b,%b}\n" % (line[:-1], _frame_entry(data))


def _frame_entry(data: str | bytes) -> bytes:
    """Return the entry of a line that holds a frame."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)
    try:
        text = raw.decode()
    except UnicodeError:
        return b'"base64":%b' % _encode(base64.b64encode(raw).decode())
    with suppress(*NOT_JSON):
        msgspec.json.decode(raw)
        if b"\n" not in raw and b"\r" not in raw:
            return b'"frame":%b' % raw
    return b'"text":%b' % _encode(text)


def connected_line(
    time_ns: int,
    url: str,
    protocol: str,
    epoch: str = "",
    seq: int = 0,
    symbols: list[str] | None = None,
) -> bytes:
    """Return the line of a connection."""
    line: dict[str, object] = {"t": time_ns, "connected": url, "protocol": protocol}
    if not protocol:
        line |= {"epoch": epoch, "seq": seq}
    if symbols is not None:
        line["symbols"] = symbols
    return _encode(line) + b"\n"


def made_line(time_ns: int, hello: bytes) -> bytes:
    """Return the line of a hello that the recorder makes when it begins a file.

    The server's own hello is in an earlier file if the connection is older than the file.
    """
    return b'{"t":%d,"made":true,"frame":%b}\n' % (time_ns, hello)


def dropped_line(time_ns: int, count: int) -> bytes:
    """Return the line that says how many frames could not be kept."""
    return _encode({"t": time_ns, "dropped": count}) + b"\n"


class RawFile(AppendFile):
    """A file of lines that is open for appending."""

    def __init__(self, path: Path, mode: Mode, *, fsync: bool = False) -> None:
        path = prepare_path(path, mode)
        if mode == "overwrite":
            path.unlink(missing_ok=True)
        super().__init__(path, fsync=fsync)
        if self.size and not compression_of(path):
            # End a line that a crash has cut off, or the next line would be damaged with it.
            with path.open("rb") as file:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    self.append(b"\n")


class Line(msgspec.Struct):
    """A line of a file of raw frames; an entry that it does not have is None or empty."""

    t: TimeNs | None = None
    frame: msgspec.Raw = msgspec.Raw(b"")
    text: str | None = None
    base64: str | None = None
    connected: str | None = None
    protocol: str = ""
    epoch: str = ""
    seq: Annotated[int, msgspec.Meta(ge=0, le=MAX_EXACT_INT)] = 0
    symbols: list[str] | None = None
    dropped: int = 0
    now: float = 0.0
    on: int = 0
    source: dict[str, Any] | None = None
    opened: str | None = None
    socket: int = 0
    resumes: bool = False
    joined: dict[str, Any] | None = None
    sent: str | None = None
    due: bool = False
    resumed: bool = False
    fetch: list[Any] | None = None
    status: int = 0
    closed: int | msgspec.UnsetType | None = msgspec.UNSET
    by_venue: bool = False
    failed: str | None = None
    reason: str = ""

    def data(self) -> str | bytes | None:
        """Return the frame; None if the line has none."""
        if self.base64 is not None:
            return base64.b64decode(self.base64, validate=True)
        return bytes(self.frame) or self.text


_decoder = msgspec.json.Decoder(Line)


def decode_line(text: bytes) -> Line:
    """Return a line, or raise one of `NOT_JSON`."""
    line = _decoder.decode(text)
    line.data()  # raises if its base64 is invalid
    return line
