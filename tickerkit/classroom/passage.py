"""Passage: one connection through a tap, as its tables describe it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tickerkit.classroom.link import Link
from tickerkit.wire import Conversation, Head

__all__ = ["Passage"]


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
    """

    number: int
    since_ns: int
    client: str
    link: Link
    conversation: Conversation
    ended: str = ""

    def set_ended(self) -> None:
        """Take down how the connection ended."""
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

    def describe_handshake(self, hide: Callable[[bytes], bytes]) -> str:
        """Return request and answer as text, with the headers that the tap has changed."""
        conversation = self.conversation
        heads = [each for each in (conversation.request, conversation.answer) if each is not None]
        texts = [hide(head.data).decode("latin-1").strip() for head in heads]
        if conversation.changed and texts:
            changes = [f"{name}: {value}" for name, value in conversation.changed.items()]
            texts.insert(1, "\n".join(["changed by the tap:", *changes]))
        return "\n\n".join(text.replace("\r\n", "\n") for text in texts)
