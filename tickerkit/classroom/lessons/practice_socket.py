"""A websocket for practice: what is sent on it is kept as the bytes that a wire would carry."""

from __future__ import annotations

from random import Random

from tickerkit.wire.header import BINARY, CLOSE, KEY_BYTES, PING, PONG, TEXT, make_frame

__all__ = ["PracticeSocket"]


class PracticeSocket:
    """Has the methods of a client of the library websockets, as far as they send.

    Attributes:
        sent: opcode and payload of each frame.
        wire: the bytes of all frames, masked as a client masks them.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.sent: list[tuple[int, bytes]] = []
        self.wire = bytearray()

    def send(self, message: str | bytes) -> None:
        """Send a message: text or bytes."""
        if isinstance(message, str):
            self._write(TEXT, message.encode())
        elif isinstance(message, bytes | bytearray | memoryview):
            self._write(BINARY, bytes(message))
        else:
            raise TypeError(f"send() takes text or bytes, not {type(message).__name__}")

    def ping(self, data: str | bytes = b"") -> None:
        """Send a ping."""
        self._write(PING, data.encode() if isinstance(data, str) else bytes(data))

    def pong(self, data: str | bytes = b"") -> None:
        """Send a pong."""
        self._write(PONG, data.encode() if isinstance(data, str) else bytes(data))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame."""
        self._write(CLOSE, code.to_bytes(2, "big") + reason.encode())

    def _write(self, opcode: int, payload: bytes) -> None:
        self.sent.append((opcode, payload))
        self.wire += make_frame(opcode, payload, self._rng.randbytes(KEY_BYTES))
