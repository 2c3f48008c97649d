"""Rules: what a simulated venue allows and how it answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any

from tickerkit.errors import InvalidArgument
from tickerkit.formatting import format_choices, format_value
from tickerkit.validation import check_choice

__all__ = ["FAULTS", "Rules", "Window", "change_rules"]

# What can happen to trades on their way, and to the connection that they are sent on.
FAULTS = ("skipped", "doubled", "shuffled", "half", "cut", "closed")


@dataclass(frozen=True, slots=True)
class Rules:
    """What a simulated venue allows and how it answers; durations in seconds, None for no limit.

    Attributes:
        acks: how subscriptions are confirmed: "each" (one answer for each symbol), "all" (one for
            the request) or "never".
        unknown: what happens to an unknown symbol: "refuse" (an error names it), "ignore" (it is
            confirmed like the others, and stays silent) or "close" (the connection ends without a
            message, 1006).
        snapshot: how many past trades come first after a subscription.
        heartbeat_s: how often a heartbeat is sent to clients that have subscribed.
        ping_within_s: a client that sends no message for so long is disconnected.
        messages_per_s: a client that sends more frames within a second is disconnected; pings and
            pongs of the protocol count.
        connects_per_minute: more connections are answered with HTTP 429.
        connections: more connections at a time are answered with HTTP 429.
        max_violations: after so many violations of a limit the client is banned.
        ban_s: how long a ban lasts; it is answered with HTTP 429 and `Retry-After`.
        life_s: age at which a connection is cut.
        notice_s: how long before that the end is announced; None for not at all.
        pages: how REST pages, of the made-up venue: "after" an id, "before" one, or only the
            "newest" trades.
        rows_per_page: how many trades an answer has at most.
        requests_per_s: more requests are answered with HTTP 429.
        rest_reach: how many of the newest trades REST has; None for all.
        rest_lag_s: how old a trade must be for REST to have it.
        rest_failures: the share of requests that fail: with HTTP 500, or half an answer.
        faults: the share of messages with trades that suffer each fault: "skipped" (not sent),
            "doubled" (sent twice), "shuffled" (ids out of order), "half" (half a frame, then the
            connection ends), "cut" (the connection ends, 1006), "closed" (with a close frame).
    """

    acks: str = "all"
    unknown: str = "refuse"
    snapshot: int = 0
    heartbeat_s: float | None = None
    ping_within_s: float | None = None
    messages_per_s: float | None = None
    connects_per_minute: float | None = None
    connections: int | None = None
    max_violations: int = 3
    ban_s: float = 60.0
    life_s: float | None = None
    notice_s: float | None = None
    pages: str = "after"
    rows_per_page: int = 1000
    requests_per_s: float | None = None
    rest_reach: int | None = None
    rest_lag_s: float = 0.0
    rest_failures: float = 0.0
    faults: Mapping[str, float] = field(default_factory=dict)


def change_rules(rules: Rules, changes: Mapping[str, Any]) -> Rules:
    """Return rules with changes.

    Raises:
        InvalidArgument: there is no rule of this name, or it has no such value.
    """
    names = [each.name for each in fields(Rules)]
    for name in changes:
        if name not in names:
            near = get_close_matches(name, names, 1)
            expected = format_value(near[0]) if near else format_choices(names)
            raise InvalidArgument("rules", name, expected)
    changed = replace(rules, **changes)
    check_choice("acks", changed.acks, ("each", "all", "never"))
    check_choice("unknown", changed.unknown, ("refuse", "ignore", "close"))
    check_choice("pages", changed.pages, ("after", "before", "newest"))
    for fault in changed.faults:
        check_choice("faults", fault, FAULTS)
    return changed


class Window:
    """Counts events within a time."""

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self._times: deque[float] = deque()

    def add(self, now: float) -> int:
        """Add an event; return how many there are within the time."""
        self._times.append(now)
        while self._times[0] <= now - self._length_s:
            self._times.popleft()
        return len(self._times)
