"""Messages: the custom messages between the chart's widgets and their pages.

messages.d.ts has the same table for the page. Its comments describe units, fields, and how a lost
message is replaced. A test compares the two tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NotRequired, TypeAlias, TypedDict

__all__ = [
    "AskPlotlyMessage",
    "CancelMessage",
    "DownloadMessage",
    "DownloadRequest",
    "EndMessage",
    "FailedMessage",
    "FigureNote",
    "FreezeMessage",
    "HereMessage",
    "KernelMessage",
    "LiveSettings",
    "NextMessage",
    "PageMessage",
    "PartMessage",
    "PictureMessage",
    "PlotlyMessage",
    "PointsMessage",
    "StateMessage",
    "TracePoints",
    "TraceWindow",
    "WantMessage",
]


class PointsMessage(TypedDict):
    """Points of some traces; the buffers hold the columns of each trace, x first."""

    kind: Literal["points"]
    traces: list[TracePoints]


class TracePoints(TypedDict):
    """The points of one trace in a `PointsMessage`: they replace all from `start` on."""

    uid: str
    epoch: int
    start: int
    first: int
    names: NotRequired[Sequence[str]]
    rows: NotRequired[int]


class FreezeMessage(TypedDict):
    """Asks the pages for a picture of the figure."""

    kind: Literal["freeze"]


# A page reports that it shows the figure, or asks for points. Not written as a class, because
# `from` is a keyword of Python.
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


class StateMessage(TypedDict):
    """Asks for the figure's state, because messages to a page that was not ready may be lost."""

    kind: Literal["state"]


class PlotlyMessage(TypedDict):
    """plotly.js in the buffer, uncompressed."""

    kind: Literal["plotly"]


class AskPlotlyMessage(TypedDict):
    """Asks for plotly.js, because the page can't decompress."""

    kind: Literal["plotly"]


class PartMessage(TypedDict):
    """One part of a file, in the buffer."""

    kind: Literal["part"]
    job: str
    number: int
    compressed: bool
    lines: int
    total_lines: int | None


class EndMessage(TypedDict):
    """All parts of a file have been sent."""

    kind: Literal["end"]
    job: str
    number: int
    name: str
    bytes: int


class FailedMessage(TypedDict):
    """A file can't be sent; `reason` is a sentence for the user."""

    kind: Literal["failed"]
    job: str
    reason: str


class WantMessage(TypedDict):
    """Asks for a file; `job` is the page's name for it."""

    kind: Literal["want"]
    job: str
    compressed: bool


class NextMessage(TypedDict):
    """Confirms all parts before `number`. With `again`, asks for all unconfirmed parts again."""

    kind: Literal["next"]
    job: str
    number: int
    again: bool


class CancelMessage(TypedDict):
    """The user has cancelled the download, or the file was damaged."""

    kind: Literal["cancel"]
    job: str


class TraceWindow(TypedDict):
    """The positions of the points of one trace that a figure's state holds."""

    epoch: int
    next: int
    names: Sequence[str]
    whole: bool
    rows: NotRequired[int]


class LiveSettings(TypedDict):
    """The settings in a figure's state, in addition to plotly's data and layout."""

    labels: bool
    smooth: bool
    theme: Literal["auto", "light", "dark"] | None
    zone: str
    host: Literal["jupyter", "marimo", "colab"]
    key: str


class FigureNote(TypedDict):
    """A sentence that a figure shows about itself; no note if `text` is empty."""

    kind: Literal["info", "waiting", "lost", "ended"]
    text: str


KernelMessage: TypeAlias = PointsMessage | FreezeMessage | PlotlyMessage
PageMessage: TypeAlias = HereMessage | PictureMessage | StateMessage | AskPlotlyMessage
DownloadMessage: TypeAlias = PartMessage | EndMessage | FailedMessage
DownloadRequest: TypeAlias = WantMessage | NextMessage | CancelMessage
