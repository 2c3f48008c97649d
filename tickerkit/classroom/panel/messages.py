"""Messages: the custom messages between a tap's panel in the kernel and its pages.

messages.d.ts has the same table for the page. Its comments describe units, fields, and how a lost
message is replaced. A test compares the two tables.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias, TypedDict

__all__ = [
    "AnswerMessage",
    "AskMessage",
    "AwayMessage",
    "FramesMessage",
    "FromKernel",
    "FromPage",
    "HereMessage",
    "OrderMessage",
    "PayloadMessage",
    "TapState",
]


class FramesMessage(TypedDict):
    """The newest frames from `start` to `stop`, what happened to connections, and the state."""

    kind: Literal["frames"]
    start: int
    stop: int
    rows: list[tuple[int, int, int, int, int, int, str, str, str, int]]
    events: list[tuple[int, int, str, str, str]]
    state: TapState


class TapState(TypedDict):
    """The state of the tap and of its open connections."""

    status: str
    address: str
    server: str
    frames: int
    bytes: int
    held: int
    held_s: float
    gives_up_s: float | None
    rate: float | None
    compression: bool
    links: list[tuple[int, str, float | None, float | None]]


class PayloadMessage(TypedDict):
    """One frame whole: the buffers are its payload unmasked, and the same inflated."""

    kind: Literal["payload"]
    seq: int
    length: int
    read: int
    offset: int
    reads: int
    came: str
    problem: str


class AnswerMessage(TypedDict):
    """What an order has done; `text` is a sentence for the user."""

    kind: Literal["answer"]
    id: str
    ok: bool
    text: str


# A page shows the panel, or a class's board. Not written as a class, because `from` is a keyword
# of Python.
HereMessage = TypedDict(
    "HereMessage", {"kind": Literal["here"], "page": str, "from": NotRequired[int]}
)


class AwayMessage(TypedDict):
    """A page no longer shows the panel or the board."""

    kind: Literal["away"]
    page: str


class AskMessage(TypedDict):
    """Asks for one frame whole."""

    kind: Literal["ask"]
    seq: int


class OrderMessage(TypedDict):
    """Calls a method of the tap."""

    kind: Literal["order"]
    id: str
    name: str
    arguments: dict[str, str | float | bool | None]


FromKernel: TypeAlias = FramesMessage | PayloadMessage | AnswerMessage
FromPage: TypeAlias = HereMessage | AwayMessage | AskMessage | OrderMessage
