"""Notes: what is wrong or remarkable about a frame, from one table that names the RFC's section."""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from typing import NamedTuple

from tickerkit.wire.header import CLOSE, CONTINUATION, OPCODE_NAMES, TEXT, Toward

__all__ = ["NOTES", "Judge", "Note", "describe_notes"]


class Note(NamedTuple):
    """A rule of the protocol, and what a frame did to it.

    Attributes:
        section: where the rule is.
        text: what the frame did.
    """

    section: str
    text: str


NOTES = {
    "unmasked": Note("RFC 6455, 5.1", "a frame toward the server must be masked"),
    "masked": Note("RFC 6455, 5.1", "a frame toward the client must not be masked"),
    "rsv": Note("RFC 6455, 5.2", "a reserved bit is set that no extension has given a meaning"),
    "rsv1": Note("RFC 7692, 6.1", "RSV1 is for the first frame of a message only"),
    "opcode": Note("RFC 6455, 5.2", "this opcode has no meaning"),
    "length": Note("RFC 6455, 5.2", "the length must be written in as few bytes as possible"),
    "control length": Note("RFC 6455, 5.5", "a control frame has at most 125 bytes of payload"),
    "control fragment": Note("RFC 6455, 5.5", "a control frame must not be fragmented"),
    "no start": Note("RFC 6455, 5.4", "a continuation without a message to continue"),
    "unfinished": Note("RFC 6455, 5.4", "a message begins within another message"),
    "utf8": Note("RFC 6455, 8.1", "the text is not valid UTF-8"),
    "close length": Note("RFC 6455, 5.5.1", "a close payload is empty, or begins with two bytes"),
    "close code": Note("RFC 6455, 7.4", "this close code must not be sent"),
    "close reason": Note("RFC 6455, 5.5.1", "the reason is not valid UTF-8"),
    "after close": Note("RFC 6455, 5.5.1", "a frame after the close frame"),
    "unasked pong": Note("RFC 6455, 5.5.3", "this pong answers no ping, which is allowed"),
    "cut off": Note("RFC 6455, 7.1.5", "the connection ended within this frame"),
    "lost": Note(
        "RFC 6455, 5.2",
        "no frame has such a length; what follows is not read as frames",
    ),
}

FINAL_TEXT = 0x81
FINAL_DATA = (FINAL_TEXT, 0x82)
RSV1 = 4
MAX_CONTROL_BYTES = 125
LENGTH_7, LENGTH_16 = 126, 65_536
# The codes that an endpoint may send (RFC 6455, 7.4.1 and 7.4.2, and IANA's registry).
SENDABLE = {1000, 1001, 1002, 1003, *range(1007, 1015)}
APPLICATION_CODES = range(3000, 5000)


def describe_notes(names: Iterable[str]) -> str:
    """Return notes as text, each with its section."""
    return "; ".join(f"{NOTES[name].text} ({NOTES[name].section})" for name in names)


class Judge:
    """Judges the frames of one direction, in order; it refuses none.

    Args:
        toward: the peer that the frames go to.

    Attributes:
        deflates: whether permessage-deflate was agreed, which gives RSV1 a meaning.
        in_message: whether a message has begun, and its last frame has not come.
        has_closed: whether a close frame has come.
    """

    __slots__ = (
        "_base_size",
        "_decoder",
        "_is_text",
        "_masks",
        "deflates",
        "has_closed",
        "in_message",
    )

    def __init__(self, toward: Toward) -> None:
        self._masks = toward == "server"
        self._base_size = 6 if self._masks else 2
        self.deflates = self.in_message = self.has_closed = False
        # Whether the message is text that can be checked as it comes: not deflated.
        self._is_text = False
        self._decoder: codecs.IncrementalDecoder | None = None

    def copy(self) -> Judge:
        """Return a judge in the same state; it doesn't know the text of a message in progress."""
        other = Judge("server" if self._masks else "client")
        other.deflates, other.in_message = self.deflates, self.in_message
        other.has_closed = self.has_closed
        return other

    def judge(self, header: bytes, payload: bytes, length: int) -> tuple[str, ...]:
        """Return the names of the notes that a frame gets.

        Args:
            header: the whole header.
            payload: the payload, unmasked, or its beginning.
            length: the length of the whole payload.
        """
        first = header[0]
        # A header of the smallest size also has the right mask bit: all sizes of masked headers
        # differ from those of unmasked ones.
        size = self._base_size
        if length >= LENGTH_7:
            size += 2 if length < LENGTH_16 else 8
        if (
            first in FINAL_DATA
            and len(header) == size
            and not self.in_message
            and not self.has_closed
        ):
            if first == FINAL_TEXT:
                try:
                    codecs.utf_8_decode(payload, "strict", len(payload) == length)
                except UnicodeDecodeError:
                    return ("utf8",)
            return ()
        notes: list[str] = []
        masked = header[1] > 0x7F
        if masked != self._masks:
            notes.append("masked" if masked else "unmasked")
        shortest = size - self._base_size + 2 + (4 if masked else 0)
        if len(header) != shortest:
            notes.append("length")
        if self.has_closed:
            notes.append("after close")
        opcode = first & 0x0F
        if opcode not in OPCODE_NAMES:
            notes.append("opcode")
        elif opcode >= CLOSE:
            notes += self._judge_control(first, payload, length)
        else:
            notes += self._judge_data(first, payload, length)
        return tuple(notes)

    def _judge_control(self, first: int, payload: bytes, length: int) -> list[str]:
        notes = []
        if first >> 4 & 7:
            notes.append("rsv")
        if first < 0x80:
            notes.append("control fragment")
        if length > MAX_CONTROL_BYTES:
            notes.append("control length")
        if first & 0x0F == CLOSE:
            self.has_closed = True
            if length == 1:
                notes.append("close length")
            elif length:
                code = int.from_bytes(payload[:2], "big")
                if code not in SENDABLE and code not in APPLICATION_CODES:
                    notes.append("close code")
                try:
                    codecs.utf_8_decode(payload[2:], "strict", len(payload) == length)
                except UnicodeDecodeError:
                    notes.append("close reason")
        return notes

    def _judge_data(self, first: int, payload: bytes, length: int) -> list[str]:
        notes = []
        opcode, fin, rsv = first & 0x0F, first >= 0x80, first >> 4 & 7
        allowed = RSV1 if self.deflates else 0
        if rsv & ~allowed:
            notes.append("rsv")
        if opcode == CONTINUATION:
            if not self.in_message:
                notes.append("no start")
                self._is_text = False
            if rsv & allowed:
                notes.append("rsv1")
        else:
            if self.in_message:
                notes.append("unfinished")
            self._is_text = opcode == TEXT and not rsv & allowed
            self._decoder = codecs.getincrementaldecoder("utf-8")() if self._is_text else None
        if self._is_text and self._decoder is not None:
            whole = len(payload) == length
            try:
                self._decoder.decode(payload, final=fin and whole)
            except UnicodeDecodeError:
                notes.append("utf8")
                self._decoder = None
            else:
                if not whole:  # the text after the bytes that were kept is not known
                    self._decoder = None
        self.in_message = not fin
        if fin:
            self._decoder = None
        return notes
