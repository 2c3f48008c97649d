"""A seat's wire in memory: a student without a socket, whose frames pass a real conversation.

Time is simulated, a tenth of a second with each step: the challenge of the seat is asked what is
due, its orders are executed as a class's server does it, and ticks are sent meanwhile.
"""

from __future__ import annotations

import json
from typing import Any

from tickerkit.classroom.room.challenges import Challenge
from tickerkit.classroom.room.plan import make_plan
from tickerkit.classroom.room.truth import LogTruth
from tickerkit.classroom.room.wire_orders import Ask, Break, Order, Ping, Skip, Slow, skip_ticks
from tickerkit.log import TickLog
from tickerkit.ticks import read_ticks
from tickerkit.wire import (
    BINARY,
    CLOSE,
    TEXT,
    Conversation,
    FrameLog,
    Gate,
    Line,
    WireFrame,
    truncate,
)
from tickerkit.wire.header import PING, PONG, make_frame, parse_header

__all__ = ["BINARY", "CLOSE", "KEY", "PONG", "TEXT", "SeatWire", "Student"]

STEP_S = 0.1
KEY = b"\1\2\3\4"
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


class Student:
    """A student's program that does all seven tasks; subclasses make one mistake each.

    Attributes:
        ticks: the ticks that it has, as (seq, symbol, price).
        waits: how long it waits before each attempt, the next one first.
    """

    wait_s = 0.5
    every_path = "/ticks"

    def __init__(self) -> None:
        self.ticks: list[tuple[int, str, float]] = []
        self.gap: list[int] = []
        self.wire: SeatWire | None = None
        self.tries = 0
        self.attempts = 0
        self.come_at = 0.0
        self.is_done = False
        self.data = b""

    # --- what a subclass may do wrong ---------------------------------------------------------

    def path(self) -> str:
        """Return the path and query of its next request."""
        after = f"&after={self.ticks[-1][0]}" if self.ticks else ""
        return f"{self.every_path}?token=otter42&name=ana{after}"

    def next_wait(self) -> float:
        """Return how long it waits before it comes back: longer each time, and never the same."""
        return self.wait_s * 2**self.tries * (1 + 0.13 * (self.attempts % 7))

    def start(self) -> None:
        """Begin a connection."""
        self.send(TEXT, json.dumps({"type": "subscribe", "symbols": None}).encode())

    def take_ping(self, payload: bytes) -> None:
        """Answer a ping."""
        self.send(PONG, payload)

    def answer(self, message: dict[str, Any]) -> object:
        """Return the answer to a question."""
        if message["question"] == "gap":
            return self.gap
        first, last = message["from"], message["to"]
        prices = [
            price
            for seq, symbol, price in self.ticks
            if symbol == message["symbol"] and first <= seq <= last
        ]
        if message["question"] == "count":
            return len(prices)
        return round(min(prices) if message["question"] == "min" else prices[-1], 2)

    def leave(self) -> None:
        """End the connection for good."""
        self.send(CLOSE, (1000).to_bytes(2, "big") + b"all done")
        assert self.wire is not None
        self.wire.end()

    # --- the protocol -------------------------------------------------------------------------

    def send(self, opcode: int, payload: bytes, key: bytes = KEY, **more: Any) -> None:
        """Send a frame."""
        assert self.wire is not None
        self.wire.take_from_student(make_frame(opcode, payload, key, **more))

    def receive(self, data: bytes) -> None:
        """Take bytes."""
        self.data += data
        while (head := parse_header(self.data)) is not None:
            stop = head.size + head.length
            if len(self.data) < stop:
                return
            payload, self.data = self.data[head.size : stop], self.data[stop:]
            if head.opcode == PING:
                self.take_ping(payload)
            elif head.opcode == CLOSE:
                self.send(CLOSE, payload)
            elif head.opcode == TEXT:
                self.take_message(json.loads(payload))

    def take_message(self, message: Any) -> None:
        """Take a message: ticks, a gap or a question."""
        if isinstance(message, list):
            self.tries = 0
            self.ticks += [(each["seq"], each["symbol"], each["price"]) for each in message]
        elif message["type"] == "gap":
            self.gap = [message["from"], message["to"]]
        elif message["type"] == "ask":
            reply = {"type": "answer", "id": message["id"], "value": self.answer(message)}
            self.send(TEXT, json.dumps(reply).encode())

    def lose(self, now: float) -> None:
        """Take the end of the connection."""
        self.data = b""
        self.come_at = now + self.next_wait()
        self.tries += 1
        self.attempts += 1


class SeatWire:
    """The wire of a seat, a student at one end and a class's server at the other.

    Attributes:
        now: the simulated time, in seconds since the epoch.
        challenge: the seat's challenge.
        broken: the kinds of the breaks so far.
    """

    def __init__(self, student: Student, name: str | None = None, **plan: Any) -> None:
        self.now = 1_000_000.0
        self.log = TickLog(100_000)
        self.truth = LogTruth(self.log)
        self.challenge = Challenge("ana")
        self.challenge.begin(make_plan(name, now=self.now, **plan))
        self.tasks: dict[str, dict[str, Any]] = {}
        self.student = student
        student.wire = self
        self.frames = FrameLog(10_000_000)
        self.read = 1
        self.link = 0
        self.conversation: Conversation | None = None
        self.arrived: list[bytes] = []
        self.row = 0
        self.per_step = 10
        self.broken: list[str] = []
        self.refused_until = self.reset_at = 0.0
        self.is_half = False

    @property
    def now_ns(self) -> int:
        """The simulated time."""
        return int(self.now * 1e9)

    def run(self, seconds: float, *, until: int | None = None) -> None:
        """Let time pass, or stop when so many tasks are passed."""
        for _ in range(round(seconds / STEP_S)):
            self.step()
            if until is not None and self.challenge.score.passed >= until:
                return

    def begin(self, name: str | None = None, **plan: Any) -> None:
        """Begin another challenge."""
        self.tasks |= self.challenge.snapshot(self.now)
        self.challenge.begin(make_plan(name, now=self.now, **plan), self.tasks)

    def list_tasks(self) -> list[dict[str, Any]]:
        """Return the tasks as the seat's messages have them."""
        assert self.challenge.plan is not None
        return self.challenge.plan.list_tasks(self.challenge.snapshot(self.now))

    def step(self) -> None:
        """Let a tenth of a second pass."""
        self.now += STEP_S
        self.publish()
        student = self.student
        # A program that comes back in a loop tries more often than there are steps.
        while self.conversation is None and not student.is_done and student.come_at <= self.now:
            before = student.come_at or self.now
            self.connect(before)
        if self.conversation is not None:
            if 0 < self.reset_at <= self.now:
                self.end()
                return
            self.send_ticks()
            if self.conversation is not None:
                self.conversation.advance(self.now_ns)
            self.deliver()
        for order in self.challenge.due(self.now, self.truth):
            self.execute(order)
        self.deliver()
        self.challenge.judge(self.now)
        if {"1", "2", "3", "4", "5", "6"} <= set(self.challenge.passed) and not student.is_done:
            student.is_done = True
            student.leave()

    def publish(self) -> None:
        """Append ticks to the log."""
        stop = self.log.last_seq
        ticks = [
            {"symbol": "AB"[n % 2], "price": 100 + n * 7 % 1000 / 100, "size": 1}
            for n in range(stop, stop + self.per_step)
        ]
        self.log.append(read_ticks(ticks), received=self.now_ns)

    def connect(self, at: float) -> None:
        """Let the student try to connect."""
        evidence, student = self.challenge.evidence, self.student
        if at < self.refused_until:
            evidence.refuse(at, "the room refuses for a moment")
            student.lose(at)
            return
        self.link += 1
        path = student.path()
        query = dict(part.split("=") for part in path.partition("?")[2].split("&"))
        lines = {
            "client": Line(self.arrived.append),
            "server": Line(lambda data: None),
        }
        self.conversation = Conversation(self.link, self.frames, lines, Gate(), self.end_by)
        self.row = int(query["after"]) if "after" in query else self.log.last_seq
        evidence.connect(at, self.link, path)
        request = f"GET {path} HTTP/1.1\r\nUpgrade: websocket\r\n\r\n".encode()
        self.conversation.feed("server", request, self.now_ns)
        self.conversation.feed("client", ANSWER, self.now_ns)
        student.data = b""
        self.arrived.clear()  # the answer of the handshake
        student.start()

    def send_ticks(self) -> None:
        """Send what the log has, as the server does."""
        rows = self.log.rows(self.row)
        if not len(rows):
            return
        words = self.log.dictionaries["symbol"].words
        columns = (rows.array(name).tolist() for name in ("symbol", "price", "seq"))
        message = [
            {"symbol": words[code], "price": price, "size": 1, "seq": seq}
            for code, price, seq in zip(*columns, strict=True)
        ]
        self.row = self.log.last_seq
        self.send(json.dumps(message, separators=(",", ":")).encode())

    def send(self, message: bytes) -> None:
        """Send a message to the student."""
        if self.conversation is not None:
            self.conversation.feed("client", make_frame(TEXT, message), self.now_ns)

    def take_from_student(self, frame: bytes) -> None:
        """Take a frame of the student's."""
        if self.conversation is not None:
            self.conversation.feed("server", frame, self.now_ns)

    def deliver(self) -> None:
        """Let the student take what has arrived, and the evidence what has passed."""
        self.take_frames()
        while self.arrived and self.conversation is not None:
            self.student.receive(self.arrived.pop(0))
        self.take_frames()

    def take_frames(self) -> None:
        """Give the evidence what has passed."""
        start, fields = self.frames.read(self.read)
        self.read = start + len(fields)
        for each in fields:
            self.challenge.evidence.take(WireFrame._make(each))

    def end_by(self, kind: object) -> None:
        """End the TCP connection on an order of the conversation."""
        self.end()

    def end(self) -> None:
        """End the TCP connection."""
        self.take_frames()
        self.conversation, self.reset_at = None, 0.0
        self.challenge.evidence.disconnect(self.now, self.link)
        if not self.student.is_done:
            self.student.lose(self.now)

    def execute(self, order: Order) -> None:
        """Execute an order, as a class's server does."""
        assert self.conversation is not None
        match order:
            case Ping(payload):
                self.conversation.ping("client", payload, self.now_ns)
            case Ask(message):
                self.send(json.dumps(message).encode())
            case Slow(rate):
                self.conversation.gate.run(rate)
            case Skip():
                skip_ticks(self.conversation, self.now_ns)
            case Break(kind, seconds):
                self.broken.append(kind)
                self.break_wire(kind, seconds)

    def break_wire(self, kind: str, seconds: float) -> None:
        """Break the wire in one of the ways."""
        assert self.conversation is not None
        if kind == "half":
            self.conversation.wires["client"].order(truncate)
        elif kind == "restart":
            close = make_frame(CLOSE, (1012).to_bytes(2, "big") + b"the server restarts")
            self.conversation.feed("client", close, self.now_ns)
            self.end()
        elif kind == "stall":
            self.reset_at = self.now + seconds
            for wire in self.conversation.wires.values():
                wire.line.stall()
        else:
            self.refused_until = self.now + seconds if kind == "refuse" else 0.0
            self.end()
