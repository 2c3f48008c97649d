"""Mischief: frames changed on purpose, each with the close code that should follow."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from tickerkit.wire.header import (
    BINARY,
    CLOSE,
    CONTINUATION,
    KEY_BYTES,
    PING,
    TEXT,
    Header,
    Toward,
    apply_mask,
    make_frame,
    make_header,
    parse_header,
)

__all__ = ["CORRUPTIONS", "Change", "Order", "corrupt", "fragment", "make_key", "truncate"]

RSV1, RSV2 = 4, 2
UNKNOWN_OPCODE = 3
LONG_PING_BYTES = 126
# More than any peer accepts in one message.
TOO_LARGE = 2**40


class Change(NamedTuple):
    """What passes in place of a frame.

    Attributes:
        frames: the frames that pass.
        about: what was done.
        ends: whether the connection is closed after them.
    """

    frames: list[bytes]
    about: str
    ends: bool = False


class _Frame(NamedTuple):
    header: Header
    payload: bytes  # unmasked
    toward: Toward

    def make(
        self,
        payload: bytes | None = None,
        *,
        opcode: int | None = None,
        fin: bool | None = None,
        rsv: int | None = None,
        key: bytes | None = None,
    ) -> bytes:
        """Return the frame's bytes, with some of its parts replaced."""
        header = self.header
        return make_frame(
            header.opcode if opcode is None else opcode,
            self.payload if payload is None else payload,
            header.key if key is None else key,
            fin=header.fin if fin is None else fin,
            rsv=header.rsv if rsv is None else rsv,
        )


# Returns what to do with a frame; None if the order is for a later one.
Order = Callable[[bytes, Toward], Change | None]


class Corruption(NamedTuple):
    """A way to corrupt a frame.

    Attributes:
        close_code: the code with which the peer should close the connection; None if it should
            keep it open. After a wrong length, which bytes are read as the next header is chance:
            it may also be 1007 or 1009. Chromium closes with 1002 instead of 1007, and without a
            close frame instead of 1009.
        about: what it does.
        change: returns the frames to pass; None if the frame is not of the right kind.
    """

    close_code: int | None
    about: str
    change: Callable[[_Frame], list[bytes] | None]


def make_key(toward: Toward) -> bytes:
    """Return a new masking key for a frame toward the server; none toward the client."""
    return os.urandom(KEY_BYTES) if toward == "server" else b""


def _is_data(frame: _Frame) -> bool:
    return frame.header.opcode < CLOSE


def _is_text(frame: _Frame) -> bool:
    """Return whether a frame is a whole message of text, deflated or not."""
    return frame.header.opcode == TEXT and frame.header.fin and bool(frame.payload)


def _set_rsv2(frame: _Frame) -> list[bytes]:
    return [frame.make(rsv=frame.header.rsv | RSV2)]


def _set_opcode(frame: _Frame) -> list[bytes] | None:
    return [frame.make(opcode=UNKNOWN_OPCODE)] if _is_data(frame) else None


def _flip_mask(frame: _Frame) -> list[bytes]:
    return [frame.make(key=b"" if frame.header.masked else os.urandom(KEY_BYTES))]


def _continue_nothing(frame: _Frame) -> list[bytes] | None:
    is_message = frame.header.opcode in (TEXT, BINARY) and frame.header.fin
    return [frame.make(opcode=CONTINUATION, rsv=0)] if is_message else None


def _send_long_ping(frame: _Frame) -> list[bytes]:
    ping = make_frame(PING, b"x" * LONG_PING_BYTES, make_key(frame.toward))
    return [ping, frame.make()]


def _lengthen(frame: _Frame) -> list[bytes] | None:
    return _claim_length(frame, frame.header.length + 1) if _is_data(frame) else None


def _claim_huge_length(frame: _Frame) -> list[bytes] | None:
    return _claim_length(frame, TOO_LARGE) if _is_data(frame) else None


def _claim_length(frame: _Frame, length: int) -> list[bytes]:
    header = frame.header
    head = make_header(header.opcode, length, header.key, fin=header.fin, rsv=header.rsv)
    return [head + (apply_mask(frame.payload, header.key) if header.key else frame.payload)]


def _break_utf8(frame: _Frame) -> list[bytes] | None:
    if not _is_text(frame):
        return None
    # On a connection that deflates, a message may be sent as it is.
    is_deflated = frame.header.rsv & RSV1
    payload = b"\xff" if is_deflated else b"\xff" + frame.payload[1:]
    return [frame.make(payload, rsv=frame.header.rsv & ~RSV1)]


def _break_json(frame: _Frame) -> list[bytes] | None:
    # Later messages may refer to a deflated one, so that it must not be replaced.
    if not _is_text(frame) or frame.header.rsv & RSV1:
        return None
    # The last character may have several bytes in UTF-8.
    text = frame.payload.decode("utf-8", "replace")
    return [frame.make((text[:-1] + "\\").encode())]


CORRUPTIONS = {
    "rsv": Corruption(1002, "RSV2 set", _set_rsv2),
    "opcode": Corruption(1002, "opcode 3, which has no meaning", _set_opcode),
    "mask": Corruption(1002, "mask bit inverted", _flip_mask),
    "continuation": Corruption(1002, "continuation without a start", _continue_nothing),
    "ping": Corruption(1002, "a ping of 126 bytes before it", _send_long_ping),
    "length": Corruption(1002, "length one too large", _lengthen),
    "utf8": Corruption(1007, "first byte 0xFF, which no UTF-8 has", _break_utf8),
    "size": Corruption(1009, "length of 1 TiB", _claim_huge_length),
    "json": Corruption(None, "JSON without its end", _break_json),
}


def corrupt(kind: str) -> Order:
    """Return the order to corrupt the next frame that is of the right kind.

    "utf8" is for messages of text in one frame, "json" for those that are not deflated, "opcode",
    "length" and "size" for frames of data, "continuation" for messages of one frame.
    """
    corruption = CORRUPTIONS[kind]

    def change(data: bytes, toward: Toward) -> Change | None:
        frame = _read(data, toward)
        frames = corruption.change(frame)
        return None if frames is None else Change(frames, corruption.about)

    return change


def fragment(parts: int) -> Order:
    """Return the order to split the next frame of data that has so many bytes into fragments."""

    def change(data: bytes, toward: Toward) -> Change | None:
        frame = _read(data, toward)
        header, size = frame.header, len(frame.payload)
        if not _is_data(frame) or size < parts:
            return None
        edges = [size * part // parts for part in range(parts + 1)]
        frames = [
            frame.make(
                frame.payload[start:stop],
                opcode=header.opcode if start == 0 else CONTINUATION,
                rsv=header.rsv if start == 0 else 0,
                fin=header.fin and stop == size,
                key=make_key(toward) if header.masked else b"",
            )
            for start, stop in pairwise(edges)
        ]
        return Change(frames, f"split into {parts} fragments")

    return change


def truncate(data: bytes, toward: Toward) -> Change | None:
    """Return half of a frame, after which the connection is closed."""
    return Change([data[: max(len(data) // 2, 1)]], "cut in half", ends=True)


def _read(data: bytes, toward: Toward) -> _Frame:
    header = parse_header(data)
    assert header is not None  # only whole frames are changed
    payload = data[header.size :]
    return _Frame(header, apply_mask(payload, header.key) if header.key else payload, toward)
