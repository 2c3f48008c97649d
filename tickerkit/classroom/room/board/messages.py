"""Messages: the custom messages between a class's board in the kernel and its pages.

messages.d.ts has the same table for the page. Its comments describe units, fields, and how a lost
message is replaced. A test compares the two tables. Messages that the panel of a tap has, too, are
in its tables.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, TypedDict

from tickerkit.classroom.panel.messages import AnswerMessage, AwayMessage, HereMessage

__all__ = [
    "ChangesMessage",
    "ClassFacts",
    "ClassMessage",
    "ClassState",
    "FromKernel",
    "FromPage",
    "OrderMessage",
]


class ClassFacts(TypedDict):
    """What does not change while the class lasts."""

    code: str
    page: str
    others: list[tuple[str, str]]
    qr: str
    wifi_qr: str
    ssid: str
    tasks: list[tuple[int, str]]
    challenges: list[tuple[str, str]]
    traps: list[tuple[str, str, str, bool]]
    orders: list[str]


class ClassState(TypedDict):
    """What is shown beside the students."""

    status: str
    students: int
    connected: int
    reached: list[str]
    is_unreached: bool
    can_steer: bool
    paused: bool
    speed: float
    symbols: list[str]
    challenge: str
    until: float | None


class ClassMessage(TypedDict):
    """The facts, for a page that has not got them."""

    kind: Literal["class"]
    facts: ClassFacts


class ChangesMessage(TypedDict):
    """The students and lines of the journal that have changed from `start` to `stop`."""

    kind: Literal["changes"]
    start: int
    stop: int
    rows: list[tuple[str, str, str, int, int, float | None, str, float | None, str]]
    gone: list[str]
    journal: list[tuple[int, float, str, str, str]]
    state: ClassState


class OrderMessage(TypedDict):
    """An order of the teacher."""

    kind: Literal["order"]
    id: str
    name: str
    arguments: dict[str, str | float | None]


FromKernel: TypeAlias = ClassMessage | ChangesMessage | AnswerMessage
FromPage: TypeAlias = HereMessage | AwayMessage | OrderMessage
