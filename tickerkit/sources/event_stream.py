"""EventParser: Server-Sent Events cut out of the bytes of an HTTP response; no I/O.

By the WHATWG's HTML standard, section 9.2.6. No library does it, because those that read from httpx
hold a line or an event without an end in memory, without a limit.
"""

from __future__ import annotations

import re

__all__ = ["EventParser"]

MAX_EVENT_BYTES = 16 * 2**20
MAX_ID_BYTES = 4096
MAX_RETRY_S = 600.0
BOM = b"\xef\xbb\xbf"
LINE_END = re.compile(rb"\r\n|\r|\n")
# What may stand in a header: an id goes back to the server in one.
SENDABLE_ID = re.compile(rb"[!-~\x80-\xff](?:[ -~\x80-\xff]*[!-~\x80-\xff])?")


class EventParser:
    r"""Reads the bytes of an event stream.

    It holds at most 16 MiB of an event that is not complete. A longer one is left out.

    Attributes:
        last_id: the id of the newest event, to be sent in `Last-Event-ID`; empty without an id, and
            for one that a header can't hold.
        retry_s: the `retry` of the server: the shortest delay before the next connection, at most
            600; None if the server has not sent it.
        too_long: how many events were left out; the source sets it to 0 when it has reported them.

    Example:
        >>> EventParser().read(b'id: 7\ndata: {"price": 1}\n\n')
        [b'{"price": 1}']
    """

    def __init__(self) -> None:
        self.last_id = b""
        self.retry_s: float | None = None
        self.too_long = 0
        self.start_connection()

    def start_connection(self) -> None:
        """Begin a response: an incomplete event is dropped, the last id is kept."""
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._id = self.last_id
        self._is_too_long = False
        self._begins = True
        self._skips_newline = False

    def read(self, chunk: bytes) -> list[bytes]:
        """Return the data of the events that are complete now; those without data are left out."""
        if self._skips_newline and chunk:
            # The carriage return at the end of the previous chunk has ended the line.
            chunk = chunk.removeprefix(b"\n")
            self._skips_newline = False
        if self._begins:
            chunk = bytes(self._rest) + chunk
            self._rest.clear()
            if BOM.startswith(chunk):
                self._rest += chunk if chunk != BOM else b""
                self._begins = chunk != BOM
                return []
            chunk, self._begins = chunk.removeprefix(BOM), False
        self._skips_newline = chunk.endswith(b"\r")
        first, *lines = LINE_END.split(chunk)
        self._hold(first)
        events = []
        for line in lines:
            event = self._take_line(bytes(self._rest))
            self._rest.clear()
            if event is not None:
                events.append(event)
            self._hold(line)
        return events

    def _hold(self, part: bytes) -> None:
        """Hold a part of a line; of an event that is too long, only whether the line is blank."""
        self._size += len(part)
        if self._size > MAX_EVENT_BYTES:
            self._is_too_long = True
            self._data.clear()
        if part and self._is_too_long:
            self._rest[:] = b":"
        else:
            self._rest += part

    def _take_line(self, line: bytes) -> bytes | None:
        """Take a line; return the data of the event that it ends."""
        if not line:
            return self._dispatch()
        if self._is_too_long:
            return None
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            return None
        self._size -= len(line)
        if name == b"id" and b"\0" not in value:
            self._id = value
        elif name == b"retry" and value.isdigit():
            self.retry_s = min(int(value[:20]) / 1000, MAX_RETRY_S)
        return None

    def _dispatch(self) -> bytes | None:
        data, is_too_long = self._data, self._is_too_long
        self._data, self._size, self._is_too_long = [], 0, False
        if is_too_long:
            self.too_long += 1
            return None
        is_sendable = len(self._id) <= MAX_ID_BYTES and SENDABLE_ID.fullmatch(self._id)
        self.last_id = self._id if is_sendable else b""
        return b"\n".join(data) if data else None
