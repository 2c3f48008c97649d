"""Choices: what a dashboard shows, and the check of what a page has chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tickerkit.bars import interval_ns
from tickerkit.chart.desk.messages import DeskChoices
from tickerkit.chart.figure.window import parse_window
from tickerkit.errors import InvalidArgument
from tickerkit.validation import check_choice, check_flag, check_number, check_text

__all__ = ["FREE", "VIEWS", "check_choices", "check_feeds"]

VIEWS = {
    "percent": "a line for each symbol: its change since the first tick in the window",
    "price": "a line for each symbol: its values; a price may be the middle of quotes",
    "candles": "bars of one symbol",
}
EXTENTS = ("visible", "all")
# What no argument of the dashboard says: it is kept when the cell is run with other arguments.
FREE = ("extent", "sort", "descending", "filter")
MAX_TEXT_LENGTH = 256
MAX_INDICATORS = 20


def check_choices(given: Mapping[str, Any], feeds: int) -> DeskChoices:
    """Return what a page has chosen, as the part of `DeskChoices` that changes.

    Args:
        given: what the page has sent; unknown names are left out.
        feeds: how many feeds there are.

    Raises:
        InvalidArgument: a value is invalid.
    """
    checks: dict[str, Callable[[str, Any], object]] = {
        "view": lambda name, value: check_choice(name, value, VIEWS),
        "volume": check_flag,
        "feed": lambda name, value: check_number(name, value, 0, feeds - 1, whole=True),
        "symbol": lambda name, value: _check_short(name, "" if value is None else value),
        "column": _check_short,
        "window": lambda _, value: parse_window(value),
        "bar": lambda name, value: interval_ns(value, name),
        "indicators": _check_indicators,
        "extent": lambda name, value: check_choice(name, value, EXTENTS),
        "paused": check_flag,
        "sort": _check_short,
        "descending": check_flag,
        "filter": _check_short,
    }
    for name, check in checks.items():
        if name in given:
            check(name, given[name])
    return {name: given[name] for name in checks if name in given}  # type: ignore[return-value]


def check_feeds(feeds: Sequence[object]) -> None:
    """Raise `InvalidArgument` if there is no feed, or one is not a feed."""
    expected = "a feed, as tk.connect returns it, or several"
    if not feeds:
        raise InvalidArgument("feeds", feeds, expected)
    for feed in feeds:
        if not hasattr(feed, "follow"):
            raise InvalidArgument("feeds", feed, expected)


def _check_short(name: str, value: object) -> None:
    expected = f"text of at most {MAX_TEXT_LENGTH} characters"
    check_text(name, value, expected)
    if len(str(value)) > MAX_TEXT_LENGTH:
        raise InvalidArgument(name, value, expected)


def _check_indicators(name: str, value: object) -> None:
    expected = f"a list of at most {MAX_INDICATORS} texts such as 'sma(20)'"
    if not isinstance(value, list) or len(value) > MAX_INDICATORS:
        raise InvalidArgument(name, value, expected)
    for each in value:
        _check_short(name, each)
