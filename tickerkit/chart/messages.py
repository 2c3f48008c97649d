"""Messages: what the chart's widgets and their pages send each other, beside their traits.

messages.d.ts has the same table for the page, with comments on units, on fields and on what makes
up for a lost message; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NotRequired, TypeAlias, TypedDict

__all__ = [
    "CancelMessage",
    "DownloadMessage",
    "DownloadRequest",
    "EndMessage",
    "FailedMessage",
    "FreezeMessage",
    "HereMessage",
    "KernelMessage",
    "LiveSettings",
    "NextMessage",
    "PageMessage",
    "PartMessage",
    "PictureMessage",
    "PointsMessage",
    "TracePoints",
    "TraceWindow",
    "WantMessage",
]


class PointsMessage(TypedDict):
    """Points of some traces; the buffers have their columns, x first."""

    kind: Literal["points"]
    traces: list[TracePoints]


class TracePoints(TypedDict):
    """The points of one trace in a `PointsMessage`: they replace all from `start` on."""

    uid: str
    epoch: int
    start: int
    first: int
    names: NotRequired[Sequence[str]]


class FreezeMessage(TypedDict):
    """Asks the pages for a picture."""

    kind: Literal["freeze"]


# In this form, since `from` is a keyword of Python. A page shows the figure, or asks for points.
HereMessage = TypedDict(
    "HereMessage",
    {
        "kind": Literal["here"],
        "page": str,
        "from": NotRequired[dict[str, tuple[int | None, int]]],
    },
)


class PictureMessage(TypedDict):
    """A picture of the figure, as PNG in the buffer."""

    kind: Literal["picture"]
    width: float
    height: float


class PartMessage(TypedDict):
    """One part of a file, in the buffer."""

    kind: Literal["part"]
    job: str
    number: int
    packed: bool
    lines: int
    of: int | None


class EndMessage(TypedDict):
    """All parts of a file have been sent."""

    kind: Literal["end"]
    job: str
    number: int
    name: str
    bytes: int


class FailedMessage(TypedDict):
    """A file can't be sent; `words` says why, and what to do."""

    kind: Literal["failed"]
    job: str
    words: str


class WantMessage(TypedDict):
    """Asks for a file; `job` is the page's name for it."""

    kind: Literal["want"]
    job: str
    packed: bool


class NextMessage(TypedDict):
    """Confirms all parts before `number`; with `again` asks for those after it once more."""

    kind: Literal["next"]
    job: str
    number: int
    again: bool


class CancelMessage(TypedDict):
    """The user has cancelled the download, or the file was damaged."""

    kind: Literal["cancel"]
    job: str


class TraceWindow(TypedDict):
    """Where the points stand that a figure's state has of a trace."""

    epoch: int
    next: int
    names: Sequence[str]
    whole: bool


class LiveSettings(TypedDict):
    """What a figure's state has beside plotly's data and layout."""

    labels: bool
    theme: Literal["auto", "light", "dark"] | None
    zone: str


KernelMessage: TypeAlias = PointsMessage | FreezeMessage
PageMessage: TypeAlias = HereMessage | PictureMessage
DownloadMessage: TypeAlias = PartMessage | EndMessage | FailedMessage
DownloadRequest: TypeAlias = WantMessage | NextMessage | CancelMessage
