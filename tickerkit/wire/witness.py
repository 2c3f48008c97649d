"""Witness: judges the frames of one direction as they pass, and appends them to the log."""

from __future__ import annotations

from tickerkit.wire.cutter import Cut
from tickerkit.wire.header import CLOSE, PING, PONG, Toward, apply_mask, other_end, parse_header
from tickerkit.wire.notes import Judge
from tickerkit.wire.shared import Shared

__all__ = ["Witness", "unmask"]

# The read of a frame that the tap made.
OWN_READ = -1
NO_STATUS = 1005


class Witness:
    """Records the frames of one direction in the log, each with its notes.

    Args:
        shared: the connection.
        toward: the peer that the frames go to.

    Attributes:
        judge: gives the notes.
        frames: how many frames it has recorded.
    """

    def __init__(self, shared: Shared, toward: Toward) -> None:
        self.judge = Judge(toward)
        self.frames = 0
        self._shared, self._toward = shared, toward
        self._peer = other_end(toward)

    def note(self, cut: Cut, now_ns: int, about: str = "", late_ns: int = 0) -> None:
        """Record a frame that passed, `late_ns` after it came, or was kept back."""
        header, payload, length, _, read, offset, reads = cut
        if header[1] > 0x7F:
            payload = apply_mask(payload, header[-4:])
        notes = self.judge.judge(header, payload, length)
        if header[0] & 0x08:
            notes, about = self._note_control(header[0] & 0x0F, payload, now_ns, notes, about)
        self.frames += 1
        shared = self._shared
        frame = (now_ns, shared.link, self._toward, header, payload, length, notes, about)
        shared.log.append((*frame, read, offset, reads, b"", late_ns))

    def _note_control(
        self, opcode: int, payload: bytes, now_ns: int, notes: tuple[str, ...], about: str
    ) -> tuple[tuple[str, ...], str]:
        shared = self._shared
        if opcode == PING:
            shared.pings[self._toward].add(payload, shared.log.stop, now_ns)
        elif opcode == PONG:
            answer = shared.pings[self._peer].answer(payload, now_ns)
            if answer is None:
                return (*notes, "unasked pong"), about
            whose = "the tap's ping" if answer.is_own else "ping"
            text = f"answers {whose} {answer.seq}: {self._peer} {answer.round_trip_ns / 1e6:.1f} ms"
            return notes, f"{text}; {about}" if about else text
        elif opcode == CLOSE:
            code = int.from_bytes(payload[:2], "big") if len(payload) > 1 else NO_STATUS
            shared.take_close(self._peer, code)
        return notes, about

    def note_made(
        self,
        frame: bytes,
        now_ns: int,
        about: str,
        judge: Judge,
        came: bytes = b"",
        cut: Cut | None = None,
        *,
        is_cut_off: bool = False,
        late_ns: int = 0,
    ) -> None:
        """Record a frame that the tap made.

        Args:
            frame: its bytes.
            now_ns: when it was made.
            about: what to say about it.
            judge: gives its notes; a copy, since the peer that sends knows nothing of the frame.
            came: the frame in whose place it was sent.
            cut: that frame.
            is_cut_off: whether the frame is not whole.
            late_ns: how long it was kept.
        """
        header = parse_header(frame)
        if header is None:  # half of a very short frame
            self._append(now_ns, frame, b"", 0, ("cut off",), about, cut, came, late_ns)
            return
        head, payload = frame[: header.size], frame[header.size :]
        if header.key:
            payload = apply_mask(payload, header.key)
        notes = judge.judge(head, payload, header.length)
        if is_cut_off:
            notes = ("cut off",)
        self._append(now_ns, head, payload, header.length, notes, about, cut, came, late_ns)

    def note_end(self, cut: Cut, now_ns: int) -> None:
        """Record a frame that the end of the connection cut off."""
        payload = unmask(cut) if parse_header(cut.header) else b""
        self._append(now_ns, cut.header, payload, cut.length, ("cut off",), "", cut)

    def note_lost(self, cut: Cut, now_ns: int) -> None:
        """Record a header after which no frame can be found."""
        self._append(now_ns, cut.header, b"", 0, ("lost",), "", cut)

    def _append(
        self,
        now_ns: int,
        header: bytes,
        payload: bytes,
        length: int,
        notes: tuple[str, ...],
        about: str,
        cut: Cut | None,
        came: bytes = b"",
        late_ns: int = 0,
    ) -> None:
        read, offset, reads = (OWN_READ, 0, 0) if cut is None else cut[4:]
        self.frames += 1
        shared = self._shared
        frame = (now_ns, shared.link, self._toward, header, payload, length, notes, about)
        shared.log.append((*frame, read, offset, reads, came, late_ns))


def unmask(cut: Cut) -> bytes:
    """Return the payload of a frame, unmasked."""
    header = cut.header
    return apply_mask(cut.payload, header[-4:]) if header[1] > 0x7F else cut.payload
