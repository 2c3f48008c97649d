"""AlertLines: the alerts of `tickerkit watch`, and what they fired as lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tickerkit.alerts.text import parse_alert
from tickerkit.cli.terminal import escape_controls

if TYPE_CHECKING:
    from tickerkit.alerts import AlertEvent
    from tickerkit.feed import Feed

__all__ = ["AlertLines"]


class AlertLines:
    """Adds alerts to a feed, and reads what they fired.

    Args:
        feed: the feed.
        texts: the alerts in words, as `parse_alert` reads them.
        past: whether the ticks from before now count: those of a source that began with the feed.
    """

    def __init__(self, feed: Feed, texts: Sequence[str], *, past: bool) -> None:
        self._feed = feed
        self._next = 0
        for text in texts:
            feed.alert(**parse_alert(text), past=past)

    @property
    def is_behind(self) -> bool:
        """Whether ticks that have come are not judged yet."""
        return self._feed.unjudged > 0

    def read(self) -> list[str]:
        """Return a line for each event since the last call, oldest first."""
        self._next, events = self._feed.alert_events(self._next)
        return [_format_event(event) for event in events]


def _format_event(event: AlertEvent) -> str:
    return f"{event.time:%Y-%m-%dT%H:%M:%SZ}  alert: {escape_controls(event.text)}"
