"""Tables of a tap: its frames and its connections, as DataFrames and as JSON lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd

from tickerkit.wire import TEXT, Inflater, Toward, WireFrame

__all__ = ["FrameRow", "make_frames_table", "make_json_lines", "make_links_table", "make_rows"]

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


def make_rows(
    first: int,
    frames: Sequence[WireFrame],
    inflaters: Mapping[int, Mapping[Toward, Inflater]],
    *,
    last: int | None = None,
    link: int | None = None,
) -> list[FrameRow]:
    """Return a row for each frame; deflated ones are inflated.

    Args:
        first: the number of the first frame.
        frames: all frames that the log holds, since deflated ones refer to earlier ones.
        inflaters: copies for each direction of a connection that deflates, by its number.
        last: only the newest so many.
        link: only those of one connection.
    """
    chosen: Sequence[int] = range(len(frames))
    if link is not None:
        chosen = [index for index in chosen if frames[index].link == link]
    if last is not None:
        chosen = chosen[max(len(chosen) - last, 0) :]
    contents = _inflate(frames, inflaters) if inflaters else {}
    rows = []
    for index in chosen:
        frame = frames[index]
        seq, head, note = first + index, frame.head, frame.note
        payload, problem = contents.get(index, (frame.payload, ""))
        note = f"{note}; {problem}".strip("; ") if problem else note
        rows.append(
            FrameRow(
                seq,
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
                payload,
                note,
            )
        )
    return rows


def _inflate(
    frames: Sequence[WireFrame], inflaters: Mapping[int, Mapping[Toward, Inflater]]
) -> dict[int, tuple[bytes, str]]:
    """Return the content of each frame of connections that deflate, by its index."""
    return {
        index: inflaters[frame.link][frame.toward].inflate(frame)
        for index, frame in enumerate(frames)
        # A frame that the tap made is not part of what the sender has deflated.
        if frame.link in inflaters and frame.read >= 0
    }


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
