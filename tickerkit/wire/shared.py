"""Shared: what the two directions of a connection have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from tickerkit.wire.faults import Kind
from tickerkit.wire.frame_log import FrameLog
from tickerkit.wire.gate import Gate
from tickerkit.wire.header import Toward
from tickerkit.wire.heads import Head
from tickerkit.wire.pings import Pings

__all__ = ["Shared"]


class Shared(ABC):
    """The state of a connection, and what one direction asks of the whole.

    Args:
        link: its number.
        log: where its frames go.
        gate: whether frames pass.
        end: called to end the connection, with "truncate" or "close".

    Attributes:
        link: as given.
        log: as given.
        gate: as given.
        end: as given.
        pings: the pings toward each peer.
        is_open: whether the server has switched to the websocket protocol.
        is_closing: whether the tap closes the websocket.
        closed_by: the peer that sent the first close frame, or "tap"; empty before.
        close_code: the code of that frame.
    """

    def __init__(self, link: int, log: FrameLog, gate: Gate, end: Callable[[Kind], object]) -> None:
        self.link = link
        self.log = log
        self.gate = gate
        self.end = end
        self.pings: dict[Toward, Pings] = {"client": Pings(), "server": Pings()}
        self.is_open = self.is_closing = False
        self.closed_by = ""
        self.close_code = 0

    def take_close(self, sender: str, code: int) -> None:
        """Take a close frame of a peer, or of the tap."""
        if not self.closed_by:
            self.closed_by, self.close_code = sender, code

    @abstractmethod
    def rewrites(self, toward: Toward) -> bool:
        """Return whether the head of a direction may have to be changed."""

    @abstractmethod
    def take_head(self, toward: Toward, head: Head, now_ns: int) -> Head:
        """Take the request or the answer; return it as it is to be sent."""

    @abstractmethod
    def take_close_answer(self, toward: Toward) -> None:
        """Take the answer to a close frame of the tap's."""

    @abstractmethod
    def flush_injections(self, now_ns: int) -> None:
        """Send the frames of the tap's that may be sent now, in both directions."""
