"""Shapes: messages that a field map does not name, counted by what they look like."""

from __future__ import annotations

from typing import Any

from tickerkit.formatting import format_value
from tickerkit.limits import OTHERS
from tickerkit.ticks import printable

__all__ = ["ShapeCounts", "shape_of"]

# Keys whose text tells one kind of message from another, in most venues' messages.
KINDS = ("type", "event", "e", "channel", "op", "method", "action", "T", "status", "code")
MAX_SHAPES = 100
MAX_KEYS = 8
MAX_TEXT = 32


class ShapeCounts:
    """Counts messages by their shape; at most 100 shapes, and the rest together.

    Attributes:
        counts: how many messages of each shape have come.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def add(self, message: Any) -> None:
        """Count a decoded message."""
        shape = shape_of(message)
        if shape not in self.counts and len(self.counts) >= MAX_SHAPES:
            shape = OTHERS
        self.counts[shape] = self.counts.get(shape, 0) + 1


def shape_of(message: Any) -> str:
    """Return what a message looks like: its keys, and the text of those that tell its kind.

    Example:
        >>> shape_of({"type": "heartbeat", "sequence": 5, "product_id": "BTC-USD"})
        '{type: "heartbeat", sequence, product_id}'
    """
    if isinstance(message, dict):
        keys = [_describe(key, value) for key, value in list(message.items())[:MAX_KEYS]]
        return f"{{{', '.join(keys)}{', …' if len(message) > MAX_KEYS else ''}}}"
    if isinstance(message, list):
        return f"[{shape_of(message[0]) if message and not isinstance(message[0], list) else '…'}]"
    if isinstance(message, str):
        return _quote(message)
    return format_value(message) if message is None or isinstance(message, bool) else "number"


def _describe(key: str, value: Any) -> str:
    name = printable(key[:MAX_TEXT])
    name = name if name.isprintable() else format_value(name)
    return f"{name}: {_quote(value)}" if key in KINDS and isinstance(value, str) else name


def _quote(text: str) -> str:
    """Return a text in double quotes, as JSON has it; a long one is cut."""
    cut = text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"
    return '"' + "".join(c if c.isprintable() else "?" for c in printable(cut)) + '"'
