"""Messages: the custom messages between a ladder in the kernel and its pages.

messages.d.ts has the same table for the page; a test compares the two.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias, TypedDict

__all__ = ["AwayMessage", "BookMessage", "FromPage", "HereMessage"]


class BookMessage(TypedDict):
    """The best levels of the newest book, and the state of the feed."""

    kind: Literal["book"]
    symbol: str
    levels: int
    decimals: int
    size_decimals: int
    time_ms: float | None
    status: str
    note: str
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


# A page shows the ladder. Not written as a class, because `from` is a keyword of Python.
HereMessage = TypedDict(
    "HereMessage", {"kind": Literal["here"], "page": str, "from": NotRequired[int]}
)


class AwayMessage(TypedDict):
    """A page no longer shows the ladder."""

    kind: Literal["away"]
    page: str


FromPage: TypeAlias = HereMessage | AwayMessage
