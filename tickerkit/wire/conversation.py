"""Conversation: one websocket connection through a tap: its handshake and both directions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tickerkit.wire.faults import Kind
from tickerkit.wire.frame_log import Fields, FrameLog, WireFrame
from tickerkit.wire.gate import Gate
from tickerkit.wire.header import CLOSE, PING, Toward
from tickerkit.wire.heads import Head
from tickerkit.wire.inflate import Inflater
from tickerkit.wire.line import Line
from tickerkit.wire.shared import Shared
from tickerkit.wire.wire import Wire

__all__ = ["Conversation"]

SWITCHING_PROTOCOLS = 101


class Conversation(Shared):
    """A connection between a client and a server, read while it passes.

    It does no I/O and looks at no clock: each call has the time, in nanoseconds since the epoch.

    Args:
        link: its number.
        log: where its frames go.
        lines: what sends the bytes of each direction.
        gate: whether frames pass.
        end: called to end the connection, with "truncate" or "close".
        rewrite: returns the headers to change in the request, by lower-case name, None to remove
            one; by default the request passes as it came.

    Attributes:
        wires: its two directions.
        request: the request as it came; None before.
        answer: the answer of the server; None before.
        changed: the headers of the request that were changed, with their new values; None for one
            that was removed.
        head_times_ns: when the request (toward the server) and the answer were whole.
    """

    def __init__(
        self,
        link: int,
        log: FrameLog,
        lines: Mapping[Toward, Line],
        gate: Gate,
        end: Callable[[Kind], object],
        rewrite: Callable[[Head], Mapping[str, str | None]] | None = None,
    ) -> None:
        super().__init__(link, log, gate, end)
        self.request: Head | None = None
        self.answer: Head | None = None
        self.changed: dict[str, str | None] = {}
        self.head_times_ns: dict[Toward, int] = {}
        self.wires: dict[Toward, Wire] = {
            toward: Wire(self, toward, line) for toward, line in lines.items()
        }
        self._rewrite = rewrite
        self._unanswered: set[Toward] = set()
        self._inflaters: dict[Toward, Inflater] | None = None

    # --- orders -------------------------------------------------------------------------------

    def step(self, frames: int, now_ns: int) -> None:
        """Let frames pass while the others wait: those that wait, the oldest first, or the next."""
        for _ in range(frames):
            wires = [wire for wire in self.wires.values() if wire.held]
            if wires:
                min(wires, key=lambda wire: wire.held_since_ns or 0).pass_one(now_ns)
            else:
                self.gate.step()

    def ping(self, toward: Toward, payload: bytes, now_ns: int) -> None:
        """Send a ping of the tap's; its pong is not passed on."""
        self.wires[toward].inject(PING, payload, now_ns)

    def close(self, code: int, reason: str, now_ns: int) -> None:
        """Send a close frame to both peers, and pass nothing more.

        `end("close")` is called when both have answered.
        """
        if self.is_closing:
            return
        payload = code.to_bytes(2, "big") + reason.encode()
        for wire in self.wires.values():
            wire.inject(CLOSE, payload, now_ns)
        self.take_close("tap", code)
        # The frames toward the client carry the answer of the server, and the other way round.
        self._unanswered = {"client", "server"}
        self.is_closing = True
        self.gate.run()
        self.advance(now_ns)

    # --- bytes --------------------------------------------------------------------------------

    def feed(self, toward: Toward, data: bytes, now_ns: int) -> None:
        """Take the bytes of one read, and pass them on."""
        self.wires[toward].feed(data, now_ns)

    def advance(self, now_ns: int) -> None:
        """Pass what may pass by now, in both directions."""
        for wire in self.wires.values():
            wire.advance(now_ns)

    def finish(self, now_ns: int) -> None:
        """Take the end of the connection, and drop what still waits; idempotent."""
        for wire in self.wires.values():
            wire.finish(now_ns)
            wire.discard()

    # --- called by its wires ------------------------------------------------------------------

    def flush_injections(self, now_ns: int) -> None:
        """Send the frames of the tap's that may be sent now."""
        for wire in self.wires.values():
            wire.flush_injections(now_ns)

    def rewrites(self, toward: Toward) -> bool:
        """Return whether the head of a direction may have to be changed."""
        return toward == "server" and self._rewrite is not None

    def take_head(self, toward: Toward, head: Head, now_ns: int) -> Head:
        """Take the request or the answer; return it as it is to be sent."""
        self.head_times_ns[toward] = now_ns
        return self._take_request(head) if toward == "server" else self._take_answer(head)

    def _take_request(self, request: Head) -> Head:
        self.request = request
        self.wires["server"].phase = "frames" if request.asks_for_websocket else "opaque"
        rewritten = self._rewrite(request) if self._rewrite is not None else {}
        self.changed = {name: value for name, value in rewritten.items() if request.get(name)}
        return request.replace(self.changed)

    def _take_answer(self, answer: Head) -> Head:
        self.answer = answer
        if answer.status != SWITCHING_PROTOCOLS or self.request is None:
            for wire in self.wires.values():
                wire.read_as_bytes()
            return answer
        self.wires["client"].phase = "frames"
        deflate = answer.deflate
        if deflate is not None:
            for wire in self.wires.values():
                wire.expect_deflated()
            self._inflaters = {
                "client": Inflater(deflate.server_bits, deflate.server_resets),
                "server": Inflater(deflate.client_bits, deflate.client_resets),
            }
        self.is_open = True
        return answer

    def take_close_answer(self, toward: Toward) -> None:
        """Take the answer to a close frame of the tap's."""
        self._unanswered.discard(toward)
        if not self._unanswered:
            self.end("close")

    # --- for display --------------------------------------------------------------------------

    def describe_changes(self) -> str:
        """Return the headers of the request that the tap has changed, as lines; "" if none."""
        lines = [
            f"{name}: {'removed' if value is None else value}"
            for name, value in self.changed.items()
        ]
        return "\n".join(["changed by the tap:", *lines]) if lines else ""

    def drop(self, fields: Fields) -> None:
        """Take a frame that leaves the log: later ones may refer to its content."""
        if self._inflaters is not None:
            frame = WireFrame._make(fields)
            if frame.read >= 0:  # what the tap made is not part of what the sender has deflated
                self._inflaters[frame.toward].inflate(frame)

    def copy_inflaters(self) -> dict[Toward, Inflater] | None:
        """Return inflaters for the frames that the log holds; None if they are not deflated."""
        if self._inflaters is None:
            return None
        return {toward: each.copy() for toward, each in self._inflaters.items()}

    def summarize_pings(self) -> dict[Toward, float | None]:
        """Return the newest round trip to each peer in milliseconds."""
        return {
            toward: None if pings.round_trip_ns is None else pings.round_trip_ns / 1e6
            for toward, pings in self.pings.items()
        }
