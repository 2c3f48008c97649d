"""Orders: what a tap can be asked to do with the connections through it."""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import Callable

from tickerkit.classroom.passage import Passage
from tickerkit.errors import InvalidArgument
from tickerkit.validation import check_choice, check_number, check_text
from tickerkit.wire import (
    BINARY,
    CORRUPTIONS,
    DIRECTIONS,
    TEXT,
    Gate,
    Line,
    Order,
    Toward,
    corrupt,
    fragment,
    truncate,
)

__all__ = ["Orders"]

CLOSE_TIMEOUT_S = 2.0
MAX_REASON_BYTES = 123
MAX_FRAGMENTS = 1_000
OWN_PING = b"tk"
TRICKLE_GAP_S = 0.001


class Orders(ABC):
    """The orders of a tap.

    They are for the connections that are open, or for the one that `link` names. Each returns how
    many connections it was given to.
    """

    # What later connections begin with.
    _is_held = False
    _rate: float | None = None
    _delay_s = _jitter_s = 0.0

    @abstractmethod
    def _order(self, order: Callable[[Passage], object], link: int | None) -> int:
        """Call `order` with connections on the event loop; return how many there were."""

    def hold(self, link: int | None = None) -> int:
        """Hold back frames from the next one on; pings and pongs pass.

        At 1,000 held frames or 1 MiB the tap stops reading, and the sender has to wait. A feed or a
        server closes the connection when nothing has come for 8 to 13 seconds.
        """
        return self._set_gates(lambda gate: gate.hold(), link, is_held=True)

    def step(self, frames: int = 1, link: int | None = None) -> int:
        """Let frames pass while the others are held: those that wait, or the next to come."""
        check_number("frames", frames, 1, whole=True)

        def step(passage: Passage) -> None:
            passage.conversation.step(frames, passage.link.now_ns)

        self._set_gates(lambda gate: gate.hold() if gate.is_free else None, link, is_held=True)
        return self._order(step, link)

    def run(self, rate: float | None = None, link: int | None = None) -> int:
        """Let all frames pass, or so many per second, by connection."""
        check_number("rate", rate, 0.001, optional=True)
        is_held = rate is not None
        return self._set_gates(lambda gate: gate.run(rate), link, is_held=is_held, rate=rate)

    def drop(self, link: int | None = None) -> int:
        """Reset the connections; both ends lose what is on the way."""
        return self._order(lambda passage: passage.link.end("reset"), link)

    def stall(self, seconds: float, link: int | None = None) -> int:
        """Let nothing pass for so long, then all of it at once."""
        check_number("seconds", seconds, 0)

        def stall(line: Line, now_ns: int) -> None:
            line.stall_until(now_ns + int(min(seconds, 1e6) * 1e9))

        return self._order_lines(stall, link)

    def delay(self, seconds: float, jitter: float = 0.0, link: int | None = None) -> int:
        """Let everything pass later by `seconds`, and by up to `jitter` seconds more.

        It holds for later connections too, unless `link` is given; `delay(0)` ends it.
        """
        check_number("seconds", seconds, 0, 3600)
        check_number("jitter", jitter, 0, 3600)
        if link is None:
            self._delay_s, self._jitter_s = seconds, jitter
        return self._order_lines(lambda line, _: line.delay(seconds, jitter), link)

    def trickle(self, count: int = 500, link: int | None = None) -> int:
        """Let the next bytes of each direction pass one by one, a millisecond after each other."""
        check_number("count", count, 1, whole=True)
        return self._order_lines(lambda line, _: line.trickle(count, TRICKLE_GAP_S), link)

    def truncate(self, toward: Toward = "client", link: int | None = None) -> int:
        """Let half of the next frame pass, then close the TCP connection."""
        return self._change(truncate, toward, link)

    def corrupt(self, kind: str, toward: Toward = "client", link: int | None = None) -> int:
        """Corrupt the next frame of the right kind; the receiver should close with a code.

        Args:
            kind: with code 1002 "rsv" (RSV2 set), "opcode" (opcode 3), "mask" (mask bit inverted),
                "continuation" (without a start), "ping" (of 126 bytes) and "length" (one too
                large); with 1007 "utf8" (a byte 0xFF in text); with 1009 "size" (a length of
                1 TiB). A browser closes with 1002 instead of 1007, and without a code instead of
                1009. "json" breaks the JSON of a message, which is no fault of the websocket.
            toward: the peer that gets the frame.
            link: the number of a connection.
        """
        check_choice("kind", kind, tuple(CORRUPTIONS))
        return self._change(corrupt(kind), toward, link)

    def fragment(self, parts: int, toward: Toward = "client", link: int | None = None) -> int:
        """Split the next frame of data that has so many bytes into fragments."""
        check_number("parts", parts, 2, MAX_FRAGMENTS, whole=True)
        return self._change(fragment(int(parts)), toward, link)

    def ping(self, toward: Toward = "client", link: int | None = None) -> int:
        """Send a ping; its pong is not passed on, and `links` has the round trip."""
        check_choice("toward", toward, DIRECTIONS)

        def ping(passage: Passage) -> None:
            payload = OWN_PING + os.urandom(6)
            passage.conversation.ping(toward, payload, passage.link.now_ns)

        return self._order(ping, link)

    def close(self, code: int = 1000, reason: str = "", link: int | None = None) -> int:
        """Send a close frame to both ends, and pass nothing more.

        Their answers are not passed on. The TCP connection is closed after both, or 2 seconds.
        """
        check_number("code", code, 0, 65_535, whole=True)
        expected = f"text of at most {MAX_REASON_BYTES} bytes"
        check_text("reason", reason, expected)
        if len(reason.encode("utf-8", "replace")) > MAX_REASON_BYTES or not _is_encodable(reason):
            raise InvalidArgument("reason", reason, expected)

        def close(passage: Passage) -> None:
            passage.conversation.close(int(code), reason, passage.link.now_ns)
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, passage.link.end, "close")

        return self._order(close, link)

    def send(self, data: str | bytes, toward: Toward = "client", link: int | None = None) -> int:
        """Send a message, of text or of bytes, when no other message is in progress."""
        check_choice("toward", toward, DIRECTIONS)
        if not isinstance(data, bytes) and not (isinstance(data, str) and _is_encodable(data)):
            raise InvalidArgument("data", data, "text or bytes")
        opcode = TEXT if isinstance(data, str) else BINARY
        payload = data.encode() if isinstance(data, str) else data

        def send(passage: Passage) -> None:
            wire = passage.conversation.wires[toward]
            wire.inject(opcode, payload, passage.link.now_ns)

        return self._order(send, link)

    def _change(self, order: Order, toward: Toward, link: int | None) -> int:
        check_choice("toward", toward, DIRECTIONS)
        return self._order(lambda each: each.conversation.wires[toward].order(order), link)

    def _order_lines(self, order: Callable[[Line, int], None], link: int | None) -> int:
        def order_lines(passage: Passage) -> None:
            for line in passage.link.lines.values():
                order(line, passage.link.now_ns)

        return self._order(order_lines, link)

    def _set_gates(
        self,
        order: Callable[[Gate], object],
        link: int | None,
        *,
        is_held: bool,
        rate: float | None = None,
    ) -> int:
        if link is None:
            self._is_held, self._rate = is_held, rate
        return self._order(lambda passage: order(passage.conversation.gate), link)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True
