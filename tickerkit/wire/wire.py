"""Wire: one direction of a connection: passes its bytes on, reads its frames, obeys orders."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from tickerkit.wire.cutter import MAX_DEFLATED_BYTES, Cut, Cutter
from tickerkit.wire.header import (
    CLOSE,
    PING,
    PONG,
    Toward,
    make_frame,
    other_end,
)
from tickerkit.wire.heads import MAX_HEAD_BYTES, Head, find_head_end
from tickerkit.wire.line import Line
from tickerkit.wire.mischief import Change, Order, make_key
from tickerkit.wire.shared import Shared
from tickerkit.wire.witness import Witness, unmask

__all__ = ["Wire"]

# What waits at a gate: then reading stops, and TCP holds the sender up.
MAX_WAITING_BYTES = 2**20
MAX_WAITING_FRAMES = 1_000
SHORTEST_HELD_NS = 1_000_000


class _Waiting(NamedTuple):
    data: bytes
    cut: Cut | None  # None for bytes that are not read as frames
    came_ns: int


class _Injection(NamedTuple):
    opcode: int
    payload: bytes


class Wire:
    """One direction of a connection through a tap.

    While nothing is asked of it, the bytes of each read are passed on as they are, before any of
    them is looked at. Otherwise frames are collected until they are whole, and pass one after the
    other: through the gate, then changed if so ordered. Once a part of a frame has passed, the rest
    passes unchanged. A frame of more than 1 MiB begins to pass before its end has come, so it can't
    be changed.

    Args:
        shared: the connection.
        toward: the peer that the bytes go to.
        line: what sends them.

    Attributes:
        phase: "head", then "frames"; "opaque" where what follows is not a websocket.
        bytes: how many bytes came.
        witness: records its frames.
        opaque_bytes: how many bytes passed that were not read as frames.
    """

    def __init__(self, shared: Shared, toward: Toward, line: Line) -> None:
        self.toward: Toward = toward
        self.line = line
        self.witness = Witness(shared, toward)
        self.phase = "head"
        self.bytes = self.opaque_bytes = 0
        self._shared = shared
        self._peer = other_end(toward)
        self._cutter = Cutter()
        # The pings that the frames of this direction answer.
        self._answered = shared.pings[self._peer]
        self._head = b""
        # Whether a part of the frame in progress has passed.
        self._is_within = False
        self._tail: list[bytes] = []
        self._tail_bytes = 0
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._has_close_waiting = self._has_sent_close = False
        self._orders: deque[Order] = deque()
        self._injections: deque[_Injection] = deque()

    @property
    def held(self) -> int:
        """How many frames wait at the gate."""
        return sum(each.cut is not None for each in self._waiting)

    @property
    def waiting_bytes(self) -> int:
        """How many bytes wait: at the gate, for the end of their frame, and in the line."""
        return self._waiting_bytes + self._tail_bytes + self.line.waiting_bytes

    @property
    def held_since_ns(self) -> int | None:
        """When the first of the frames that wait came; None if none waits."""
        return self._waiting[0].came_ns if self._waiting else None

    @property
    def is_full(self) -> bool:
        """Whether so much waits that no more should be read."""
        waiting = self._waiting_bytes + self._tail_bytes
        is_many = len(self._waiting) >= MAX_WAITING_FRAMES
        return is_many or waiting >= MAX_WAITING_BYTES or self.line.is_full

    @property
    def is_empty(self) -> bool:
        """Whether everything that came has been passed on."""
        return not (self._waiting or self._tail or self.line.waiting_bytes)

    # --- orders -------------------------------------------------------------------------------

    def order(self, order: Order) -> None:
        """Change the next frame that the order applies to."""
        self._orders.append(order)

    def inject(self, opcode: int, payload: bytes, now_ns: int) -> None:
        """Send a frame of the tap's as soon as no other frame is in progress.

        A frame of data also waits for the end of the message in progress. After a close frame it is
        dropped.
        """
        self._injections.append(_Injection(opcode, payload))
        self.flush_injections(now_ns)

    def flush_injections(self, now_ns: int) -> None:
        """Send the frames of the tap's that may be sent now."""
        while self._injections and self._shared.is_open and not self._is_within:
            opcode, payload = self._injections[0]
            if opcode < CLOSE and self.witness.judge.in_message:
                return
            self._injections.popleft()
            if self.witness.judge.has_closed or self._has_sent_close:
                continue
            frame = make_frame(opcode, payload, make_key(self.toward))
            if opcode == PING:
                pings = self._shared.pings[self.toward]
                pings.add(payload, self._shared.log.stop, now_ns, is_own=True)
            self.line.feed(frame, now_ns)
            judge, late_ns = self.witness.judge.copy(), self.line.late_ns
            self.witness.note_made(frame, now_ns, "sent by the tap", judge, late_ns=late_ns)
            self._has_sent_close |= opcode == CLOSE

    # --- bytes --------------------------------------------------------------------------------

    def feed(self, data: bytes, now_ns: int) -> None:
        """Take the bytes of one read."""
        self.bytes += len(data)
        if self._is_within and self._cutter.skip(data):  # the rest of a frame passes unchanged
            self.line.feed(data, now_ns)
            return
        shared = self._shared
        if (
            self._waiting
            or self._tail
            or self._orders
            or self._injections
            or self._answered.own
            or not shared.gate.is_free
            or shared.is_closing
            or (self.phase == "head" and shared.rewrites(self.toward))
        ):
            self._filter(data, now_ns)
            return
        self.line.feed(data, now_ns)
        if self.phase == "frames":
            self._read_frames(data, 0, now_ns)
            return
        start = self._read_head(data, now_ns)[0] if self.phase == "head" else 0
        if self.phase == "frames":
            self._read_frames(data, start, now_ns)
        elif self.phase == "opaque":
            self.opaque_bytes += len(data) - start
        shared.flush_injections(now_ns)

    def _read_frames(self, data: bytes, start: int, now_ns: int) -> None:
        cutter, late_ns = self._cutter, self.line.late_ns
        about = _describe_wait(0, late_ns) if late_ns else ""
        for cut in cutter.feed(data, start):
            self.witness.note(cut, now_ns, about, late_ns)
        self._is_within = cutter.is_within_frame
        if cutter.is_lost:
            self._lose_place(now_ns)

    def advance(self, now_ns: int) -> None:
        """Pass what the gate admits by now."""
        gate = self._shared.gate
        while self._waiting and (self._waiting[0].cut is None or gate.admits(now_ns)):
            self._pass_first(now_ns)
        is_large = self._tail_bytes >= MAX_WAITING_BYTES
        if is_large and not self._waiting and gate.admits(now_ns):
            self._pass_tail(now_ns)
        self.line.advance(now_ns)

    def pass_one(self, now_ns: int) -> None:
        """Pass the first of the frames that wait, whatever the gate says."""
        self._pass_first(now_ns)
        while self._waiting and self._waiting[0].cut is None:
            self._pass_first(now_ns)

    def _pass_first(self, now_ns: int) -> None:
        waiting = self._waiting.popleft()
        self._waiting_bytes -= len(waiting.data)
        self._has_close_waiting &= bool(self._waiting)
        self._emit(waiting, now_ns)

    @property
    def due_ns(self) -> int | None:
        """When `advance` is to be called next; None if no time will change anything."""
        gate_ns = self._shared.gate.due_ns if self._waiting else None
        dues = [due for due in (gate_ns, self.line.due_ns) if due is not None]
        return min(dues, default=None)

    def finish(self, now_ns: int) -> None:
        """Record a frame that the end of the connection cut off; idempotent."""
        cut = self._cutter.take_rest() if not self._cutter.is_lost else None
        if cut is not None and self.phase == "frames":
            self.phase = "opaque"
            self.witness.note_end(cut, now_ns)

    def discard(self) -> None:
        """Drop what waits, once nothing can be passed any more."""
        for waiting in self._waiting:
            if waiting.cut is not None:
                self.witness.note(waiting.cut, waiting.came_ns, "kept back: the connection ended")
        self._waiting.clear()
        self._orders.clear()
        self._injections.clear()
        self._tail, self._tail_bytes, self._waiting_bytes = [], 0, 0
        self.line.discard()

    def end_input(self, now_ns: int) -> None:
        """Note that the sender has ended; the beginning of an unfinished frame passes."""
        self.finish(now_ns)
        self.read_as_bytes()

    def expect_deflated(self) -> None:
        """Take RSV1 for a message that is deflated, and keep more of each payload."""
        self.witness.judge.deflates = True
        self._cutter.max_kept = MAX_DEFLATED_BYTES

    def read_as_bytes(self) -> None:
        """Read no more frames: what follows is passed on, and counted."""
        self.phase, self._is_within = "opaque", False
        if self._tail:
            rest = b"".join(self._tail)
            self._tail, self._tail_bytes = [], 0
            self._wait(_Waiting(rest, None, 0))

    def _read_head(self, data: bytes, now_ns: int) -> tuple[int, Head | None]:
        """Take data of the head; return where it ends in the data, and the head to send.

        The head is None while its end has not come, and if it is too long for one.
        """
        before = len(self._head)
        self._head += data
        stop = find_head_end(self._head)
        if 0 <= stop <= MAX_HEAD_BYTES:
            head = self._shared.take_head(self.toward, Head(self._head[:stop]), now_ns)
            self._head = b""
            return stop - before, head
        if len(self._head) > MAX_HEAD_BYTES:
            self.phase = "opaque"
        return len(data), None

    # --- frames, one by one -------------------------------------------------------------------

    def _filter(self, data: bytes, now_ns: int) -> None:
        position = 0
        if self.phase == "head":
            position = self._filter_head(data, now_ns)
        if self.phase == "frames":
            for cut in self._cutter.feed(data, position):
                piece = data[position : cut.stop]
                position = cut.stop
                if self._is_within:
                    self._is_within = False
                    self.line.feed(piece, now_ns)
                    late_ns = self.line.late_ns
                    self.witness.note(cut, now_ns, _describe_wait(0, late_ns), late_ns)
                    self.flush_injections(now_ns)
                else:
                    whole = b"".join((*self._tail, piece))
                    self._tail, self._tail_bytes = [], 0
                    self._arrive(_Waiting(whole, cut, now_ns), now_ns)
            if self._cutter.is_lost:
                self._lose_place(now_ns)
        rest = data[position:]
        if not rest:
            return
        if self._is_within:
            self.line.feed(rest, now_ns)
        elif self.phase == "frames":
            self._tail.append(rest)
            self._tail_bytes += len(rest)
            if self._tail_bytes >= MAX_WAITING_BYTES:
                self.advance(now_ns)
        else:
            self._wait(_Waiting(rest, None, now_ns))
            self.advance(now_ns)

    def _filter_head(self, data: bytes, now_ns: int) -> int:
        rewrites = self._shared.rewrites(self.toward)
        stop, head = self._read_head(data, now_ns)
        if not rewrites:
            self.line.feed(data if stop == len(data) else data[:stop], now_ns)
        elif head is not None:
            self.line.feed(head.data, now_ns)
        elif self.phase == "opaque":  # too long for a head
            self.line.feed(self._head, now_ns)
        self._shared.flush_injections(now_ns)
        return stop

    def _arrive(self, frame: _Waiting, now_ns: int) -> None:
        opcode = frame.data[0] & 0x0F
        overtakes = opcode in (PING, PONG) and not self._has_close_waiting
        if overtakes or (not self._waiting and self._shared.gate.admits(now_ns)):
            self._emit(frame, now_ns)
            return
        self._has_close_waiting |= opcode == CLOSE
        self._wait(frame)

    def _wait(self, waiting: _Waiting) -> None:
        self._waiting.append(waiting)
        self._waiting_bytes += len(waiting.data)

    def _emit(self, frame: _Waiting, now_ns: int) -> None:
        """Pass a whole frame, or what is ordered in its place, or nothing."""
        data, cut, came_ns = frame
        if cut is None:
            self.opaque_bytes += len(data)
            self.line.feed(data, now_ns)
            return
        opcode = data[0] & 0x0F
        shared = self._shared
        if shared.is_closing:
            self.witness.note(cut, came_ns, "kept back by the tap, which closes")
            if opcode == CLOSE:
                shared.take_close_answer(self.toward)
            return
        if opcode == PONG and self._answered.is_own(unmask(cut)):
            self.witness.note(cut, came_ns, "kept back by the tap")
            return
        for order in self._orders:
            change = order(data, self.toward)
            if change is not None:
                self._orders.remove(order)
                self._emit_change(change, frame, now_ns)
                return
        self.line.feed(data, now_ns)
        held_ns, late_ns = now_ns - came_ns, self.line.late_ns
        about = _describe_wait(held_ns, late_ns)
        self.witness.note(cut, came_ns, about, held_ns + late_ns)
        self.flush_injections(now_ns)

    def _emit_change(self, change: Change, frame: _Waiting, now_ns: int) -> None:
        data, cut, came_ns = frame
        assert cut is not None
        judge = self.witness.judge.copy()
        for number, changed in enumerate(change.frames):
            self.line.feed(changed, now_ns)
            came = data if number == 0 else b""
            about = f"changed by the tap: {change.about}"
            late_ns = now_ns - came_ns + self.line.late_ns
            self.witness.note_made(
                *(changed, came_ns, about, judge, came, cut),
                is_cut_off=change.ends,
                late_ns=late_ns,
            )
        self.witness.judge.judge(cut.header, unmask(cut), cut.length)
        if change.ends:
            self._shared.end("truncate")
        self.flush_injections(now_ns)

    def _pass_tail(self, now_ns: int) -> None:
        """Pass the beginning of a frame that is too large to wait for its end."""
        for part in self._tail:
            self.line.feed(part, now_ns)
        self._tail, self._tail_bytes, self._is_within = [], 0, True

    def _lose_place(self, now_ns: int) -> None:
        cut = self._cutter.take_rest()
        if cut is not None and self.phase == "frames":
            self.witness.note_lost(cut, now_ns)
        self._is_within = False
        self.read_as_bytes()


def _describe_wait(held_ns: int, late_ns: int) -> str:
    """Return how long a frame was held, and delayed after that; empty if shorter than 1 ms."""
    waits = {"held for": held_ns, "delayed by": late_ns}
    return "; ".join(
        f"{word} {wait_ns / 1e9:.3f} s"
        for word, wait_ns in waits.items()
        if wait_ns >= SHORTEST_HELD_NS
    )
