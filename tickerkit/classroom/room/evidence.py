"""Evidence: what the wire of one seat has shown; the tasks of a class are judged by it alone."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from tickerkit.classroom.room.observations import (
    MAX_QUOTED,
    Fault,
    Leave,
    Probe,
    Said,
    parse_seq,
    read_seqs,
)
from tickerkit.classroom.room.outages import Outage
from tickerkit.classroom.room.questions import Question
from tickerkit.protocol.messages import Subscribe
from tickerkit.wire import BINARY, CLOSE, WireFrame
from tickerkit.wire.header import PING, PONG, TEXT

__all__ = ["Evidence"]

# A slow client answers late: a pong to a ping that is forgotten would count as a wrong one.
MAX_PROBES = 8
MAX_QUESTIONS = 5
MAX_TEXT_BYTES = 4096
EVERY_TICK_PATH = "/ticks"
# Notes about a frame that are no fault of its sender.
HARMLESS = {"unasked pong", "cut off"}
FIN_BIT, OPCODE_BITS = 0x80, 0x0F
NO_STATUS, NO_CLOSE_FRAME, TRY_LATER = 1005, 1006, 1013


class Evidence(msgspec.Struct):
    """What the wire of one seat has shown.

    It is about the newest connection of the seat: frames of earlier ones are ignored. Its size is
    bounded, whatever the client sends. All times are in seconds since the epoch.

    Attributes:
        connects: how many connections were accepted.
        is_named: whether the newest came with a name in its address.
        refused: why the newest attempt was refused; empty if it was accepted.
        link: the number of the newest connection; -1 while there is none.
        connected_at: when it began.
        is_every_tick: whether it is at `/ticks`.
        sent: how many frames the client has sent on it.
        probes: its newest pings.
        pings: how many pings it has had.
        silent: the number of the ping without a pong for which the server closed the connection
            before; 0 if there was none, or once a pong was right.
        fault: its first frame that breaks a rule.
        binary: the number of its newest binary frame; 0 if there is none.
        said: its newest message that is wrong.
        is_subscribed: whether a subscribe message was taken on it.
        symbols: of what the client was sent every tick since `first_seq`; None for all.
        first_seq: from which tick on the client was sent every tick that it wanted; 0 before the
            first. It outlasts a connection if the client resumes.
        last_seq: the newest tick that was sent, or after which the client resumed.
        gap: the newest gap that was sent.
        gaps: how many gaps were sent.
        questions: the newest questions.
        outages: the breaks that count, and the newest ones.
        server_code: the code with which the server closed the newest connection; 0 if it did not.
        has_closed: whether the client has sent a close frame, and not as an answer to one.
        leave: how the client has ended a connection the last time; None before.
        partial: the beginning of a message in fragments.
    """

    connects: int = 0
    is_named: bool = False
    refused: str = ""
    link: int = -1
    connected_at: float = 0.0
    is_every_tick: bool = True
    sent: int = 0
    probes: list[Probe] = []
    pings: int = 0
    silent: int = 0
    fault: Fault | None = None
    binary: int = 0
    said: Said | None = None
    is_subscribed: bool = False
    symbols: list[str] | None = None
    first_seq: int = 0
    last_seq: int = 0
    gap: tuple[int, int] | None = None
    gaps: int = 0
    questions: list[Question] = []
    outages: list[Outage] = []
    server_code: int = 0
    has_closed: bool = False
    leave: Leave | None = None
    partial: bytes = b""

    @property
    def is_connected(self) -> bool:
        """Whether the seat has a connection."""
        return self.link >= 0

    @property
    def outage(self) -> Outage | None:
        """The break after which the client is not back, or has no tick; None without one."""
        newest = self.outages[-1] if self.outages else None
        return newest if newest is not None and newest.ticked_at is None else None

    # --- connections --------------------------------------------------------------------------

    def connect(self, now: float, link: int, path: str) -> None:
        """Take a connection that was accepted.

        Args:
            now: the time.
            link: its number, which its frames have.
            path: the path and query of its request.
        """
        parts = urlsplit(path)
        query = parse_qs(parts.query)
        after = parse_seq(query.get("after", [""])[-1])
        self.connects += 1
        if self.server_code == TRY_LATER and self.probes and not self.probes[-1].is_right:
            self.silent = self.probes[-1].number
        self.is_named, self.refused = bool(query.get("name", [""])[-1].strip()), ""
        self.link, self.connected_at = link, now
        self.is_every_tick = parts.path.rstrip("/").endswith(EVERY_TICK_PATH)
        self.sent = self.pings = self.binary = self.server_code = 0
        self.probes, self.fault, self.said, self.partial = [], None, None, b""
        self.is_subscribed = self.has_closed = False
        if (outage := self.outage) is not None:
            outage.take_return(now, after, self.last_seq)
        if after is None or not self.first_seq - 1 <= after <= self.last_seq:
            self.first_seq, self.symbols = 0, None
        self.last_seq = after or 0

    def refuse(self, now: float, reason: str) -> None:
        """Take an attempt to connect that was refused."""
        self.refused = reason
        if (outage := self.outage) is not None:
            outage.take_attempt(now)

    def disconnect(self, now: float, link: int, *, is_ours: bool = False) -> None:
        """Take the end of a TCP connection.

        Args:
            now: the time.
            link: its number.
            is_ours: whether the room has ended it, as on an order of the teacher's.
        """
        if link != self.link:
            return
        self.link = -1
        outage = self.outage
        if outage is not None and outage.ended_at is None:
            outage.ended_at = now
        elif not (self.has_closed or self.server_code or is_ours):
            self.leave = Leave(NO_CLOSE_FRAME)

    # --- frames -------------------------------------------------------------------------------

    def take(self, frame: WireFrame) -> None:
        """Take a frame of the seat's wire; those that the room sends are in it too."""
        if frame.link != self.link or not frame.header:
            return
        now = frame.time_ns / 1e9
        if frame.toward == "server":
            self._take_from_client(frame, now)
        else:
            self._take_from_server(frame, now)

    def _take_from_client(self, frame: WireFrame, now: float) -> None:
        self.sent += 1
        notes = [note for note in frame.notes if note not in HARMLESS]
        if notes and self.fault is None:
            self.fault = Fault(self.sent, notes[0])
        fin, opcode = frame.header[0] >= FIN_BIT, frame.header[0] & OPCODE_BITS
        if opcode == PONG:
            self._take_pong(frame.payload)
        elif opcode == CLOSE:
            # In a break that has begun, the client may close what no longer answers.
            if not self.server_code and self.outage is None:
                self.has_closed = True
                code = int.from_bytes(frame.payload[:2], "big") or NO_STATUS
                reason = frame.payload[2:].decode("utf-8", "replace")
                self.leave = Leave(code, reason[:MAX_QUOTED])
        elif opcode == BINARY:
            self.binary = self.sent
            self.said = Said(self.sent, "binary")
        elif opcode <= TEXT and not notes:
            self.partial += frame.payload[: MAX_TEXT_BYTES + 1 - len(self.partial)]
            if fin:
                text, self.partial = self.partial, b""
                self._take_text(text, now)

    def _take_pong(self, payload: bytes) -> None:
        waiting = [probe for probe in self.probes if not probe.is_right]
        for probe in waiting:
            if probe.payload == payload:
                probe.pong_bytes, probe.is_right, self.silent = len(payload), True, 0
                return
        if waiting:
            waiting[-1].pong_bytes = len(payload)

    def _take_text(self, text: bytes, now: float) -> None:
        if len(text) > MAX_TEXT_BYTES:
            self.said = Said(self.sent, "long")
            return
        try:
            message = msgspec.json.decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            self.said = Said(self.sent, "json", text[:MAX_QUOTED].decode("utf-8", "replace"))
            return
        kind = message.get("type") if isinstance(message, dict) else None
        if kind == "subscribe":
            self._take_subscribe(message)
        elif kind == "answer":
            for question in self.questions:
                question.take_answer(message, now)
        elif kind not in ("note", "error"):
            self.said = Said(self.sent, "type", str(kind)[:MAX_QUOTED])

    def _take_subscribe(self, message: Any) -> None:
        try:
            wanted = msgspec.convert(message, Subscribe)
        except msgspec.ValidationError:
            quoted = str(message.get("symbols"))[:MAX_QUOTED]
            self.said = Said(self.sent, "symbols", quoted)
            return
        # More would be kept for each seat; a question is about one of these.
        symbols = None if wanted.symbols is None else [each[:64] for each in wanted.symbols[:8]]
        if symbols != self.symbols:
            self.first_seq = 0
        self.is_subscribed, self.symbols, self.said = True, symbols, None

    def _take_from_server(self, frame: WireFrame, now: float) -> None:
        opcode, payload = frame.header[0] & OPCODE_BITS, frame.payload
        if opcode == PING:
            self.pings += 1
            self.probes = [*self.probes[1 - MAX_PROBES :], Probe(self.pings, payload, now)]
        elif opcode == CLOSE:
            if not self.has_closed:
                self.server_code = int.from_bytes(payload[:2], "big") or NO_STATUS
        elif opcode == TEXT and payload[:1] == b"[":
            # At `/` come the newest prices, with seqs between which others are missing.
            if self.is_every_tick:
                self._take_ticks(payload, now)
        elif opcode == TEXT and payload[:1] == b"{" and len(payload) < MAX_TEXT_BYTES:
            self._take_object(payload, now)

    def _take_ticks(self, payload: bytes, now: float) -> None:
        seqs = read_seqs(payload)
        if seqs is None:
            return
        if not self.first_seq or seqs[0] <= self.last_seq:  # the seqs of a new epoch begin again
            self.first_seq = seqs[0]
        self.last_seq = seqs[1]
        if (outage := self.outage) is not None and outage.back_at is not None:
            outage.ticked_at = now

    def _take_object(self, payload: bytes, now: float) -> None:
        try:
            message = msgspec.json.decode(payload)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return
        kind = message.get("type")
        if kind == "gap":
            first, last = message.get("from"), message.get("to")
            self.gaps += 1
            self.first_seq = 0
            if isinstance(first, int) and isinstance(last, int):
                self.gap, self.last_seq = (first, last), max(last, self.last_seq)
        elif kind == "ask":
            for question in self.questions:
                if question.id == message.get("id"):
                    question.at = now

    # --- what the room does -------------------------------------------------------------------

    def add_question(self, question: Question) -> None:
        """Take a question that is sent to the client."""
        self.questions = [*self.questions[1 - MAX_QUESTIONS :], question]

    def newest_questions(self, task: str, count: int) -> list[Question]:
        """Return the newest questions of a task, at most so many."""
        return [each for each in self.questions if each.task == task][-count:]

    def forget(self) -> None:
        """Forget what was done for tasks; the connection goes on."""
        self.probes, self.questions, self.outages = [], [], []
        self.fault, self.said, self.leave = None, None, None
        self.binary = self.silent = 0
