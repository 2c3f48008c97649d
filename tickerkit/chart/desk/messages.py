"""Messages: the custom messages between a dashboard in the kernel and its pages, and its traits.

messages.d.ts has the same table for the page. Its comments describe units, fields, and how a lost
message is replaced. A test compares the two tables.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias, TypedDict

__all__ = [
    "AwayMessage",
    "ChooseMessage",
    "DeskChoices",
    "DeskEvent",
    "DeskMenu",
    "DeskRow",
    "EventsMessage",
    "FeedState",
    "FromKernel",
    "FromPage",
    "HereMessage",
    "IndicatorEntry",
    "OtherColumn",
    "RecordMessage",
    "RecordState",
    "RowsMessage",
    "StatusMessage",
    "SymbolEntry",
    "ViewEntry",
]


class RowsMessage(TypedDict):
    """The rows of the watchlist that changed, or all of them."""

    kind: Literal["rows"]
    whole: bool
    rows: list[DeskRow]
    gone: list[str]


class DeskRow(TypedDict):
    """What changed in the row of a symbol."""

    id: str
    feed: NotRequired[int]
    symbol: NotRequired[str]
    place: NotRequired[int]
    column: NotRequired[str]
    label: NotRequired[str]
    unit: NotRequired[str]
    decimals: NotRequired[int]
    last: NotRequired[float | None]
    move: NotRequired[int]
    change: NotRequired[float | None]
    bid: NotRequired[float | None]
    ask: NotRequired[float | None]
    spread: NotRequired[float | None]
    size: NotRequired[float | None]
    others: NotRequired[list[float | None]]
    other_decimals: NotRequired[list[int]]
    rate: NotRequired[float]
    time_ms: NotRequired[float]
    age_s: NotRequired[float]
    status: NotRequired[str]
    pace_s: NotRequired[float | None]
    lag_ms: NotRequired[float | None]
    gaps: NotRequired[int]
    missing: NotRequired[int]
    repaired: NotRequired[int]
    detail: NotRequired[str]
    is_stale: NotRequired[bool]
    spark: NotRequired[list[float | None]]


class StatusMessage(TypedDict):
    """The state of the feeds and of the recording; also the sign that the kernel lives."""

    kind: Literal["status"]
    every_s: float
    feeds: list[FeedState]
    record: RecordState


class FeedState(TypedDict):
    """The state of one feed."""

    name: str
    url: str
    status: str
    reason: str
    ticks: int
    rate: float
    symbols: int
    gaps: int
    lag_ms: float | None
    note: str
    error: str


class RecordState(TypedDict):
    """Whether the dashboard records, and a line about the recording."""

    is_on: bool
    text: str
    error: str


class EventsMessage(TypedDict):
    """Events of the ribbon, in the order of their numbers."""

    kind: Literal["events"]
    is_past: bool
    events: list[DeskEvent]


class DeskEvent(TypedDict):
    """One event of the ribbon."""

    number: int
    type: Literal["alert", "gap", "message"]
    feed: int
    symbol: str
    text: str
    time_ms: float
    notify: bool
    sound: bool


# A page shows the dashboard. Not written as a class, because `from` is a keyword of Python.
HereMessage = TypedDict(
    "HereMessage", {"kind": Literal["here"], "page": str, "from": NotRequired[int]}
)


class AwayMessage(TypedDict):
    """A page no longer shows the dashboard."""

    kind: Literal["away"]
    page: str


class ChooseMessage(TypedDict):
    """The user has chosen something; `choices` has what changes, as in `DeskChoices`."""

    kind: Literal["choose"]
    choices: dict[str, str | float | bool | list[str] | None]


class RecordMessage(TypedDict):
    """Starts or ends a recording of every feed."""

    kind: Literal["record"]
    is_on: bool


class DeskChoices(TypedDict):
    """The trait `_choices`: what the dashboard shows. Only the kernel sets it."""

    view: Literal["percent", "price", "candles"]
    volume: bool
    feed: int
    symbol: str | None
    column: str
    window: str | int
    bar: str | float
    indicators: list[str]
    extent: Literal["visible", "all"]
    paused: bool
    sort: str
    descending: bool
    filter: str


class DeskMenu(TypedDict):
    """The trait `_menu`: what can be chosen."""

    feeds: list[str]
    views: list[ViewEntry]
    symbols: list[SymbolEntry]
    columns: list[str]
    shows_columns: bool
    windows: list[str | int]
    bars: list[str | float]
    indicators: list[IndicatorEntry]
    others: list[OtherColumn]
    is_quoted: bool
    is_market: bool
    zone: str
    height: int


class ViewEntry(TypedDict):
    """A view of the chart."""

    view: str
    label: str
    description: str


class SymbolEntry(TypedDict):
    """A symbol that the chart can show."""

    feed: int
    symbol: str


class IndicatorEntry(TypedDict):
    """An indicator that the chart can show."""

    text: str
    name: str
    description: str


class OtherColumn(TypedDict):
    """A further column of numbers in the watchlist, for symbols without a price."""

    column: str
    label: str
    unit: str


FromKernel: TypeAlias = RowsMessage | StatusMessage | EventsMessage
FromPage: TypeAlias = HereMessage | AwayMessage | ChooseMessage | RecordMessage
