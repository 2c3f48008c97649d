"""Line: the last step of one direction: bytes that pass at once, later, one by one, or no more."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Sequence

from tickerkit.wire.faults import CLOSING_KINDS, Fault, Kind

__all__ = ["Line"]

SECOND_NS = 1_000_000_000
TRICKLE_BYTES = 500
NEVER_NS = 2**63


class Line:
    """Sends the bytes of one direction, in order.

    Where nothing is asked of it, it sends the object that it was given. It looks at no clock: each
    call has the time, and `due_ns` says when to call `advance` next.

    Args:
        send: called with the bytes to write.
        note_fault: called with the kind of each fault that occurs. The kinds that end the
            connection are the last that the line does.
        faults: what to do after how many bytes.
        max_bytes: from so many waiting bytes on, it is full.

    Attributes:
        passed: how many bytes were given to `send`.
        waiting_bytes: how many bytes wait.
        has_ended: whether a fault has ended the connection.
        late_ns: by how much the bytes that it took last are delayed, as far as known when they
            came.
    """

    def __init__(
        self,
        send: Callable[[bytes], object],
        note_fault: Callable[[Kind], object] = lambda kind: None,
        faults: Sequence[Fault] = (),
        max_bytes: int = 65_536,
    ) -> None:
        self.passed = 0
        self.waiting_bytes = 0
        self.has_ended = False
        self.late_ns = 0
        self._send, self._note_fault = send, note_fault
        self._faults = deque(sorted(faults, key=lambda fault: fault.after))
        self._max_bytes = max_bytes
        self._is_stalled = False
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._stalled_until_ns = 0
        self._ends: Fault | None = None  # at the end of the present stall
        self._delay_ns = self._jitter_ns = self._last_due_ns = 0
        self._trickle_bytes = self._trickle_gap_ns = self._trickle_due_ns = 0
        self._is_plain = False
        self._update()

    @property
    def is_full(self) -> bool:
        """Whether so much waits that no more should be read."""
        return self.waiting_bytes >= self._max_bytes

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    @property
    def is_stalled(self) -> bool:
        """Whether nothing passes for now."""
        return self._is_stalled or bool(self._stalled_until_ns)

    @property
    def is_delayed(self) -> bool:
        """Whether everything passes later."""
        return bool(self._delay_ns)

    def _update(self) -> None:
        """Find out whether bytes may pass at once; call it after each change."""
        self._is_plain = not (
            self._waiting
            or self._faults
            or self._is_stalled
            or self._trickle_bytes
            or self._delay_ns
            or self._stalled_until_ns
            or self.has_ended
        )
        if self._is_plain:
            self.late_ns = 0

    # --- orders -------------------------------------------------------------------------------

    def stall(self, is_stalled: bool = True) -> None:
        """Pass nothing until it is called with False."""
        self._is_stalled = is_stalled
        self._update()

    def stall_until(self, time_ns: int) -> None:
        """Pass nothing until then, and all of it at once then."""
        self._stalled_until_ns = max(self._stalled_until_ns, time_ns)
        self._update()

    def resume(self) -> None:
        """Pass everything at once again, also what waits."""
        self._is_stalled, self._stalled_until_ns = False, 0
        self._delay_ns = self._jitter_ns = 0
        self._waiting = deque((0, data) for _, data in self._waiting)
        self._last_due_ns = 0
        self._update()

    def delay(self, delay_s: float, jitter_s: float = 0.0) -> None:
        """Pass everything later by so much, and by up to `jitter_s` more; the order stays."""
        self._delay_ns, self._jitter_ns = int(delay_s * SECOND_NS), int(jitter_s * SECOND_NS)
        if not self._delay_ns and self._jitter_ns:
            self._delay_ns = 1
        self._update()

    def trickle(self, count: int = TRICKLE_BYTES, gap_s: float = 0.0) -> None:
        """Pass the next bytes one by one, with a pause after each."""
        self._trickle_bytes, self._trickle_gap_ns = count, int(gap_s * SECOND_NS)
        self._update()

    def discard(self) -> None:
        """Drop what waits, and pass nothing more."""
        self.has_ended = True
        self._waiting.clear()
        self.waiting_bytes = 0
        self._update()

    # --- bytes --------------------------------------------------------------------------------

    def feed(self, data: bytes, now_ns: int) -> None:
        """Take bytes; send them at once unless something was asked for."""
        if self._is_plain:
            self.passed += len(data)
            self._send(data)
            return
        if self.has_ended:
            return
        due_ns = now_ns
        if self._delay_ns:
            due_ns += self._delay_ns + random.randrange(self._jitter_ns + 1)
        self._last_due_ns = due_ns = max(due_ns, self._last_due_ns)
        stalled_until_ns = self._stalled_until_ns if self._stalled_until_ns < NEVER_NS else 0
        trickling_ns = min(len(data), self._trickle_bytes) * self._trickle_gap_ns
        self.late_ns = max(due_ns, stalled_until_ns) + trickling_ns - now_ns
        self._waiting.append((due_ns, data))
        self.waiting_bytes += len(data)
        self.advance(now_ns)

    def advance(self, now_ns: int) -> None:
        """Send what is due; of bytes that pass one by one, at most one."""
        if not self._is_plain:
            self._send_due(now_ns)
            self._update()

    def _send_due(self, now_ns: int) -> None:
        if self._stalled_until_ns and now_ns >= self._stalled_until_ns:
            self._stalled_until_ns = 0
            if self._ends is not None:
                self._end(self._ends.kind)
        while self._waiting and not self._is_held(now_ns):
            due_ns, data = self._waiting.popleft()
            if due_ns > now_ns:
                self._waiting.appendleft((due_ns, data))
                return
            self.waiting_bytes -= len(data)
            trickle_bytes = self._trickle_bytes
            rest = self._pass(data, now_ns)
            if rest and not self.has_ended:
                self._waiting.appendleft((due_ns, rest))
                self.waiting_bytes += len(rest)
            if self._trickle_bytes < trickle_bytes:
                return

    @property
    def due_ns(self) -> int | None:
        """When `advance` is to be called next; None if no time will change anything."""
        if self._stalled_until_ns:
            return self._stalled_until_ns if self._stalled_until_ns < NEVER_NS else None
        if not self._waiting or self._is_stalled or self.has_ended:
            return None
        return max(self._waiting[0][0], self._trickle_due_ns)

    def _is_held(self, now_ns: int) -> bool:
        is_stalled = self._is_stalled or self.has_ended or bool(self._stalled_until_ns)
        return is_stalled or now_ns < self._trickle_due_ns

    def _pass(self, data: bytes, now_ns: int) -> bytes:
        """Send data up to the next fault; return what is left of it."""
        size = len(data)
        fault = self._faults[0] if self._faults else None
        if fault is not None and fault.after < self.passed + size:
            # A close first passes everything read, so it mostly falls between two messages.
            if fault.kind != "close":
                size = max(fault.after - self.passed, 0)
        else:
            fault = None
        if self._trickle_bytes and size:
            fault = fault if size == 1 else None
            size = 1
            self._trickle_bytes -= 1
            self._trickle_due_ns = now_ns + self._trickle_gap_ns
        if size:
            self.passed += size
            self._send(data if size == len(data) else data[:size])
        if fault is not None:
            self._faults.popleft()
            self._begin(fault, now_ns)
        return data[size:]

    def _begin(self, fault: Fault, now_ns: int) -> None:
        if fault.kind in CLOSING_KINDS:
            self._end(fault.kind)
        elif fault.kind == "trickle":
            self.trickle()
            self._note_fault("trickle")
        else:
            is_endless = fault.duration_s == math.inf
            wait_ns = NEVER_NS if is_endless else int(fault.duration_s * SECOND_NS)
            self.stall_until(min(now_ns + wait_ns, NEVER_NS))
            if fault.kind == "stall":
                self._ends = fault
            else:
                self._note_fault("delay")

    def _end(self, kind: Kind) -> None:
        self.discard()
        self._note_fault(kind)
