"""Tables of a tap: its frames and its connections, as DataFrames and as JSON lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd

from tickerkit.classroom.frame_cursor import ReadFrame
from tickerkit.wire import TEXT, Toward

__all__ = ["FrameRow", "make_frames_table", "make_json_lines", "make_links_table", "make_row"]

FRAME_TYPES = {
    "seq": "int64",
    "time": "datetime64[ns, UTC]",
    "link": "int64",
    "toward": "str",
    "opcode": "int64",
    "fin": "bool",
    "rsv": "int64",
    "masked": "bool",
    "key": "str",
    "length": "int64",
    "header": "str",
    "payload": "object",
    "note": "str",
}
LINK_TYPES = {
    "link": "int64",
    "since": "datetime64[ns, UTC]",
    "client": "str",
    "path": "str",
    "status": "int64",
    "frames_to_client": "int64",
    "frames_to_server": "int64",
    "bytes_to_client": "int64",
    "bytes_to_server": "int64",
    "held": "int64",
    "ping_client_ms": "float64",
    "ping_server_ms": "float64",
    "ended": "str",
}


class FrameRow(NamedTuple):
    """A frame as `frames()` shows it; for the columns see `Tap.frames`."""

    seq: int
    time: int
    link: int
    toward: Toward
    opcode: int
    fin: bool
    rsv: int
    masked: bool
    key: str
    length: int
    header: str
    payload: bytes
    note: str


def make_row(read: ReadFrame) -> FrameRow:
    """Return the row of a frame."""
    frame, head, note = read.frame, read.frame.head, read.frame.note
    return FrameRow(
        read.seq,
        frame.time_ns,
        frame.link,
        frame.toward,
        head.opcode,
        head.fin,
        head.rsv,
        head.masked,
        head.key.hex(" "),
        frame.length,
        frame.header.hex(" "),
        read.content,
        f"{note}; {read.problem}".strip("; ") if read.problem else note,
    )


def make_frames_table(rows: Sequence[FrameRow]) -> pd.DataFrame:
    """Return the table of `Tap.frames`."""
    columns: dict[str, Any] = dict(
        zip(FRAME_TYPES, zip(*rows, strict=True) if rows else [()] * 13, strict=True)
    )
    columns["time"] = _to_times(columns["time"])
    columns["payload"] = pd.Series(columns["payload"], dtype="object")
    return pd.DataFrame(columns).astype(FRAME_TYPES)


def make_json_lines(rows: Iterable[FrameRow]) -> Iterable[bytes]:
    """Yield a line for each row: the payload in hex, and as text where the frame is text."""
    encode = msgspec.json.Encoder().encode
    for row in rows:
        line = row._asdict()
        seconds, rest_ns = divmod(row.time, 10**9)
        line["time"] = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns:09d}Z"
        line["payload"] = row.payload.hex()
        if row.opcode == TEXT:
            line["text"] = row.payload.decode("utf-8", "replace")
        yield encode(line) + b"\n"


def make_links_table(links: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the table of `Tap.links`."""
    rows = list(links)
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in LINK_TYPES}
    columns["since"] = _to_times(columns["since"])
    return pd.DataFrame(columns).astype(LINK_TYPES)


def _to_times(times_ns: Sequence[int]) -> Any:
    return pd.to_datetime(np.array(times_ns, dtype="int64"), utc=True)
