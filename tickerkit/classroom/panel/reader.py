"""Reader: reads the frames of a tap for its panel, as rows of messages."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from tickerkit.classroom.frame_cursor import Batch, FrameCursor, ReadFrame
from tickerkit.classroom.panel.messages import FramesMessage, TapState
from tickerkit.classroom.passage import Passage
from tickerkit.wire import Fields, FrameLog, Head, Inflater, Toward, WireFrame

__all__ = ["FrameReader", "TapFacts", "WholeFrame"]

PREVIEW_BYTES = 120
MAX_LISTED_LINKS = 100
MAX_CONTENT_BYTES = 2**20
# How many events a connection has: request, answer and end.
MAX_EVENTS = 3
OWN, CHANGED, KEPT, INFLATED = 1, 2, 4, 8
# What a server adds to the key of a request (RFC 6455, section 1.3).
ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

T = TypeVar("T")
Row = tuple[int, int, int, int, int, int, str, str, str, int]
Event = tuple[int, int, str, str, str]


class WholeFrame(NamedTuple):
    """A frame with its whole content.

    Attributes:
        frame: the frame.
        content: its payload, inflated.
        problem: why the content is not inflated; empty if it is, or needn't be.
    """

    frame: WireFrame
    content: bytes
    problem: str


class TapFacts(NamedTuple):
    """What a tap says of itself, as in `TapState`."""

    status: str
    address: str
    server: str
    rate: float | None
    compression: bool


class _News(NamedTuple):
    batch: Batch
    events: list[Event]
    state: TapState


class FrameReader:
    """A position in the frames of a tap. One thread reads, which is not the event loop's.

    Args:
        log: the frames.
        passages: the connections, by their numbers.
        hide: removes the secrets of a head.
        describe: returns the state of the tap, without its connections.
        call: calls a function where the frames are written.
    """

    def __init__(
        self,
        log: FrameLog,
        passages: Mapping[int, Passage],
        hide: Callable[[bytes], bytes],
        describe: Callable[[], TapFacts],
        call: Callable[..., Any],
    ) -> None:
        self._log, self._passages = log, passages
        self._hide, self._describe, self._call = hide, describe, call
        self._cursor = FrameCursor(log, passages)
        self._events_read: set[tuple[int, str]] = set()

    def rewind(self, start: int) -> None:
        """Read from a frame on that was read before, and what happened to connections, too."""
        self._cursor.rewind(start)
        self._events_read.clear()

    def read(self, max_rows: int) -> FramesMessage:
        """Return what is new; of more than `max_rows` frames, the newest have rows."""
        batch, events, state = self._call(self._take_news)
        rows = [_make_row(each) for each in self._cursor.read(batch, batch.stop - max_rows)]
        return {
            "kind": "frames",
            "start": batch.start,
            "stop": batch.stop,
            "rows": rows,
            "events": events,
            "state": state,
        }

    def find(self, seq: int) -> WholeFrame | None:
        """Return a frame with its whole content; None if the tap no longer holds it."""
        first, frames, copies = self._call(self._take_link, seq)
        index = seq - first
        if not 0 <= index < len(frames):
            return None
        wanted = WireFrame._make(frames[index])
        content, problem = wanted.payload, ""
        if copies is not None and wanted.read >= 0:
            inflater = copies[wanted.toward]
            for frame in map(WireFrame._make, frames[: index + 1]):
                if (frame.link, frame.toward) == (wanted.link, wanted.toward) and frame.read >= 0:
                    content, problem = inflater.inflate(frame)
        return WholeFrame(wanted, content[:MAX_CONTENT_BYTES], problem)

    # --- on the event loop --------------------------------------------------------------------

    def _take_news(self) -> _News:
        passages = self._passages
        events = [event for passage in passages.values() for event in self._take_events(passage)]
        if len(self._events_read) > MAX_EVENTS * len(passages):
            self._events_read = {key for key in self._events_read if key[0] in passages}
        return _News(self._cursor.take(), sorted(events), self._summarize())

    def _take_link(self, seq: int) -> tuple[int, list[Fields], dict[Toward, Inflater] | None]:
        first, frames = self._log.read()
        if not 0 <= seq - first < len(frames):
            return first, [], None
        link = frames[seq - first][1]
        passage = self._passages.get(link)
        copies = None if passage is None else passage.conversation.copy_inflaters()
        return first, frames, copies

    def _take_events(self, passage: Passage) -> Iterator[Event]:
        """Yield what has happened to a connection since the last time."""
        conversation = passage.conversation
        request, answer = conversation.request, conversation.answer
        times_ns = conversation.head_times_ns
        if request is not None and self._is_new(passage, "request"):
            head = Head(self._hide(request.data))
            text = f"{_decode(head.data)}\n\n{conversation.describe_changes()}".strip()
            yield passage.number, times_ns["server"] // 1000, "request", head.line, text
        if answer is not None and self._is_new(passage, "answer"):
            line, text = answer.line, _decode(self._hide(answer.data))
            if request is not None and answer.get("sec-websocket-accept"):
                line, text = _check_accept(request, answer, line, text)
            yield passage.number, times_ns["client"] // 1000, "answer", line, text
        if passage.ended and self._is_new(passage, "end"):
            yield passage.number, passage.ended_ns // 1000, "end", f"ended {passage.ended}", ""

    def _is_new(self, passage: Passage, what: str) -> bool:
        key = passage.number, what
        if key in self._events_read:
            return False
        self._events_read.add(key)
        return True

    def _summarize(self) -> TapState:
        open_passages = [each for each in self._passages.values() if not each.ended]
        wires = [wire for each in open_passages for wire in each.conversation.wires.values()]
        since_ns = [wire.held_since_ns for wire in wires if wire.held_since_ns is not None]
        now_ns = open_passages[0].link.now_ns if open_passages else 0
        ends_ns = [each.gives_up_ns for each in open_passages if each.gives_up_ns is not None]
        links = []
        for passage in open_passages[-MAX_LISTED_LINKS:]:
            pings = passage.conversation.summarize_pings()
            links.append((passage.number, passage.client, pings["client"], pings["server"]))
        passages, facts = self._passages.values(), self._describe()
        return TapState(
            status=facts.status,
            address=facts.address,
            server=facts.server,
            rate=facts.rate,
            compression=facts.compression,
            frames=self._log.stop - 1,
            bytes=sum(wire.bytes for each in passages for wire in each.conversation.wires.values()),
            held=sum(wire.held for wire in wires),
            held_s=round((now_ns - min(since_ns)) / 1e9) if since_ns else 0,
            gives_up_s=round((min(ends_ns) - now_ns) / 1e9) if ends_ns else None,
            links=links,
        )


def _make_row(read: ReadFrame) -> Row:
    seq, frame, content, problem, is_inflated = read
    about = frame.about
    flags = OWN if frame.read < 0 else 0
    if about:
        flags |= CHANGED if frame.came or about.startswith("changed by the tap") else 0
        flags |= KEPT if about.startswith("kept back") or "; kept back" in about else 0
    note = frame.note if frame.notes else about
    return (
        seq,
        frame.time_ns // 1000,
        frame.link,
        0 if frame.toward == "client" else 1,
        flags | (INFLATED if is_inflated else 0),
        frame.length,
        frame.header.hex(),
        content[:PREVIEW_BYTES].hex(),
        f"{note}; {problem}".strip("; ") if problem else note,
        frame.late_ns // 1000,
    )


def _check_accept(request: Head, answer: Head, line: str, text: str) -> tuple[str, str]:
    """Return the line and the text of an answer, with what is to be said of its accept key."""
    key = request.get("sec-websocket-key")
    digest = hashlib.sha1((key + ACCEPT_SUFFIX).encode("latin-1"), usedforsecurity=False).digest()
    right = base64.b64encode(digest).decode()
    is_right = answer.get("sec-websocket-accept") == right
    word = "right" if is_right else f"wrong, expected {right}"
    about = f"Sec-WebSocket-Accept is base64(sha1(key + {ACCEPT_SUFFIX})): {word} (RFC 6455, 4.2.2)"
    return f"{line}; accept key {'right' if is_right else 'wrong'}", f"{text}\n\n{about}"


def _decode(head: bytes) -> str:
    return head.decode("latin-1").strip().replace("\r\n", "\n")
