"""Passage: one connection through a tap, as its tables describe it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tickerkit.classroom.link import Link
from tickerkit.protocol import SUBPROTOCOL
from tickerkit.wire import Conversation, Head

__all__ = ["Handshake", "Passage"]

# For how long a page of tickerkit waits for a message.
PATIENCE_S = 9


class Handshake(NamedTuple):
    """What a file needs to know of a connection, beside its frames.

    Attributes:
        link: its number.
        client: the client's address.
        since_ns: when the client connected.
        request: the request, without secrets unless they are shown; empty if none came.
        request_ns: when it came.
        answer: the answer, likewise.
        answer_ns: when it came.
        is_websocket: whether the server has switched to the websocket protocol.
        ended_ns: when the connection ended; 0 before.
        ended_by: who ended it.
        is_reset: whether the tap has reset it.
    """

    link: int
    client: str
    since_ns: int
    request: bytes
    request_ns: int
    answer: bytes
    answer_ns: int
    is_websocket: bool
    ended_ns: int
    ended_by: str
    is_reset: bool


@dataclass(eq=False)
class Passage:
    """A connection through a tap.

    Attributes:
        number: its number, from 1.
        since_ns: when the client connected.
        client: the client's address.
        link: what passes its bytes.
        conversation: what reads its frames.
        ended: how it ended; empty before.
        ended_ns: when it ended; 0 before.
    """

    number: int
    since_ns: int
    client: str
    link: Link
    conversation: Conversation
    ended: str = ""
    ended_ns: int = 0

    @property
    def gives_up_ns(self) -> int | None:
        """When a page of tickerkit takes the connection for dead; None unless frames to it wait.

        Other clients wait as long as pings come, and those pass.
        """
        since_ns = self.conversation.wires["client"].held_since_ns
        request = self.conversation.request
        if since_ns is None or request is None or "Mozilla" not in request.get("user-agent"):
            return None
        if SUBPROTOCOL not in request.get("sec-websocket-protocol"):
            return None
        wish = parse_qs(urlsplit(request.path).query).get("patience", [""])[0]
        patience_s = int(wish) if wish.isdecimal() and len(wish) < 6 else 0
        return since_ns + (patience_s or PATIENCE_S) * 10**9

    def set_ended(self) -> None:
        """Record when and how the connection ended."""
        self.ended_ns = self.link.now_ns
        if self.link.error is not None:
            self.ended = f"the server could not be reached: {self.link.error}"
            return
        conversation = self.conversation
        self.ended = f"by the {self.link.ended_by or 'client'}"
        if conversation.closed_by:
            self.ended += f"; close {conversation.close_code} by the {conversation.closed_by}"

    def describe(self, hide: Callable[[bytes], bytes]) -> dict[str, Any]:
        """Return the row of `Tap.links`.

        Args:
            hide: removes the secrets of a head.
        """
        conversation = self.conversation
        to_client, to_server = conversation.wires["client"], conversation.wires["server"]
        request, answer = conversation.request, conversation.answer
        pings = conversation.summarize_pings()
        return {
            "link": self.number,
            "since": self.since_ns,
            "client": self.client,
            "path": "" if request is None else Head(hide(request.data)).path,
            "status": 0 if answer is None else answer.status,
            "frames_to_client": to_client.witness.frames,
            "frames_to_server": to_server.witness.frames,
            "bytes_to_client": to_client.bytes,
            "bytes_to_server": to_server.bytes,
            "held": to_client.held + to_server.held,
            "ping_client_ms": pings["client"],
            "ping_server_ms": pings["server"],
            "ended": self.ended,
        }

    def make_handshake(self, hide: Callable[[bytes], bytes]) -> Handshake:
        """Return what a file needs to know of the connection."""
        conversation = self.conversation
        request, answer = conversation.request, conversation.answer
        times_ns = conversation.head_times_ns
        return Handshake(
            self.number,
            self.client,
            self.since_ns,
            b"" if request is None else hide(request.data),
            times_ns.get("server", 0),
            b"" if answer is None else hide(answer.data),
            times_ns.get("client", 0),
            conversation.is_open,
            self.ended_ns,
            self.link.ended_by,
            self.link.is_reset,
        )

    def describe_handshake(self, hide: Callable[[bytes], bytes]) -> str:
        """Return request and answer as text, with the headers that the tap has changed."""
        conversation = self.conversation
        heads = [each for each in (conversation.request, conversation.answer) if each is not None]
        texts = [hide(head.data).decode("latin-1").strip() for head in heads]
        if texts and (changes := conversation.describe_changes()):
            texts.insert(1, changes)
        return "\n\n".join(text.replace("\r\n", "\n") for text in texts)
