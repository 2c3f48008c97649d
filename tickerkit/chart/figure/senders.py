"""Senders: who sends the points of a figure: a thread of the process, or each page that asks."""

from __future__ import annotations

import base64
import sys
import weakref
from collections.abc import Mapping
from typing import Any, Protocol

from tickerkit.runtime.hosts import Host
from tickerkit.runtime.scheduler import SENDER, Sendable

__all__ = [
    "PULL_FUNCTION",
    "PointsSender",
    "Pullable",
    "PulledByPages",
    "choose_sender",
    "pack_message",
]

# The name under which a page of Google Colab calls `_answer`.
PULL_FUNCTION = "tickerkit.pull"


class PointsSender(Protocol):
    """Calls a figure's `flush` soon after a request."""

    def request(self, figure: Sendable) -> None:
        """Have the figure's points sent."""

    def discard(self, figure: Sendable) -> None:
        """Drop the figure's request."""


class Pullable(Protocol):
    """A figure whose pages ask for its points."""

    def pull(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is new since the positions in a page's `HereMessage`."""


class PulledByPages:
    """Sends nothing: in Google Colab, messages of background threads do not reach a page.

    There each page asks for its figure's points by `google.colab.kernel.invokeFunction`, ten times
    a second. The kernel answers while it is idle: during a cell, a figure stands still.
    """

    def __init__(self) -> None:
        self._figures: weakref.WeakValueDictionary[str, Pullable] = weakref.WeakValueDictionary()

    def add(self, key: str, figure: Pullable) -> None:
        """Answer the pages that ask for a figure by this key."""
        self._figures[key] = figure
        sys.modules["google.colab"].output.register_callback(PULL_FUNCTION, self._answer)

    def request(self, figure: Sendable) -> None:
        """Do nothing: the points wait in the figure's windows."""

    def discard(self, figure: Sendable) -> None:
        """Do nothing, as in `request`."""

    def _answer(self, key: str, report: Mapping[str, Any]) -> Any:
        from IPython.display import JSON

        figure = self._figures.get(key)
        answer = {} if figure is None else figure.pull(report)
        return JSON(answer)  # type: ignore[no-untyped-call]


_pulled = PulledByPages()


def choose_sender(host: Host, key: str, figure: Pullable) -> PointsSender:
    """Return who sends a figure's points.

    A thread does in Jupyter, and in marimo since 0.24: there a widget's comm knows its session, so
    no `mo.Thread` is needed.

    Args:
        host: what runs the notebook.
        key: identifies the figure for its pages.
        figure: the figure.
    """
    if host != "colab":
        return SENDER
    _pulled.add(key, figure)
    return _pulled


def pack_message(content: Mapping[str, Any], buffers: list[memoryview]) -> dict[str, Any]:
    """Return a message as JSON; its buffers are base64."""
    packed = [base64.b64encode(each).decode() for each in buffers]
    return {"content": dict(content), "buffers": packed}
