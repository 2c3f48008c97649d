"""Streams: the windows of a figure's traces, and what of them the pages have not been sent."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tickerkit.chart.figure.scheduler import SENDER, PresenceLease
from tickerkit.chart.figure.window import BAR, LINE, Window, as_text, milliseconds
from tickerkit.ticks import Array

__all__ = ["Stream", "Streams"]

PICTURE_POINTS = 4000
PICTURE_BARS = 500
PLAIN_POINTS = 2000
PLAIN_EVERY_S = 0.1
_epochs = itertools.count(1)


@dataclass
class Stream:
    """The window of one trace, and up to where it was sent.

    Attributes:
        plain: whether it is one that the page can't stream: it is sent as a picture each time.
        sent: the position up to which pages were sent it; -1 while they don't know this epoch.
        axis_said: whether the figure's axis is known to be one of times.
        epoch: a number that no other run of positions has: a page that holds another starts anew.
    """

    window: Window
    plain: bool = False
    sent: int = -1
    axis_said: bool = False
    epoch: int = field(default_factory=lambda: next(_epochs))


class Streams:
    """What a figure's traces were given by append, on its way to the pages.

    A page is a reader of each trace's window, at a position: a message says from which position its
    points are, and takes the place of all from there on. So it may come twice, and a page that
    finds one missing asks for all from where it stands. What no page takes is not kept: the window
    is all that there is to send.

    Args:
        size: of the windows, see `Window`.
        lock: held while anything of the figure changes.
        send: sends a message with its buffers to the pages.
        send_plainly: has plotly send a trace's columns, for the traces that are plain.
    """

    def __init__(
        self,
        size: int | str,
        lock: threading.RLock,
        send: Callable[[dict[str, Any], list[memoryview]], None],
        send_plainly: Callable[[str, dict[str, Array]], None],
    ) -> None:
        Window(size)  # refuses what is no window
        self.size = size
        self.by_trace: dict[str, Stream] = {}
        self.messages = 0
        self._lock = lock
        self._send = send
        self._send_plainly = send_plainly
        self._lease = PresenceLease()

    @property
    def every_s(self) -> float:
        """Return how long to wait at least between two messages, for what is sent plainly."""
        # A copy: it is asked without the lock, while traces come and go.
        return PLAIN_EVERY_S if any(each.plain for each in [*self.by_trace.values()]) else 0.0

    def new(self, names: tuple[str, ...] = LINE, *, plain: bool = False) -> Stream:
        """Return an empty stream; it counts once it is in `by_trace`."""
        return Stream(Window(self.size, names), plain)

    def changed(self, stream: Stream, position: int) -> None:
        """Note that a window changed from a position on, and see that it is sent."""
        stream.sent = min(stream.sent, position)
        SENDER.want(self)

    def resize(self, size: int | str) -> None:
        """Give all windows another size; what they then don't hold goes."""
        Window(size)
        self.size = size
        for stream in self.by_trace.values():
            old = stream.window
            stream.window = Window(size, old.names)
            if len(old):
                stream.window.add(old.x, {name: old.column(name) for name in old.names})
            self._restart(stream)

    def clear(self) -> None:
        """Let go of all points."""
        for stream in self.by_trace.values():
            stream.window = Window(self.size, stream.window.names)
            self._restart(stream)

    def _restart(self, stream: Stream) -> None:
        stream.epoch, stream.sent = next(_epochs), -1
        SENDER.want(self)

    def keep(self, uids: set[str]) -> None:
        """Let go of the windows of all other traces."""
        self.by_trace = {uid: each for uid, each in self.by_trace.items() if uid in uids}

    def answer(self, message: Mapping[str, Any]) -> None:
        """Take a page's message: that it is there, or from which positions on it wants points."""
        ended = self._lease.ended
        self._lease.renew()
        for uid, (epoch, position) in message.get("from", {}).items():
            if uid in self.by_trace:
                stream = self.by_trace[uid]
                stream.sent = min(stream.sent, position if epoch == stream.epoch else -1)
        if ended or "from" in message:
            SENDER.want(self)

    def flush(self) -> None:
        """Send what has not been sent."""
        with self._lock:
            if self._lease.ended:
                return
            traces: list[dict[str, Any]] = []
            buffers: list[memoryview] = []
            for uid, stream in self.by_trace.items():
                window = stream.window
                if stream.sent == window.stop:
                    continue
                if stream.plain:
                    x, columns = window.thin(PLAIN_POINTS)
                    named = {"x": as_text(x)} | dict(zip(window.names, columns, strict=True))
                    stream.sent = window.stop
                    self._send_plainly(uid, named)
                    continue
                start, x, columns = window.since(stream.sent)
                traces.append(
                    {"uid": uid, "epoch": stream.epoch, "start": start, "first": window.start}
                    | ({"names": window.names} if start == window.start else {})
                )
                buffers += [np.array(each).data for each in (milliseconds(x), *columns)]
                stream.sent = window.stop
            if traces:
                self.messages += 1
                self._send({"kind": "points", "traces": traces}, buffers)

    def picture(self, uid: str) -> tuple[dict[str, Array], dict[str, Any]]:
        """Return what a page shows of a trace until it has all: columns, and where they stand."""
        stream = self.by_trace[uid]
        window = stream.window
        x, columns = window.thin(PICTURE_BARS if window.names == BAR else PICTURE_POINTS)
        whole = len(x) == len(window)
        shown = {"x": as_text(x) if stream.plain else milliseconds(x)} | dict(
            zip(window.names, columns, strict=True)
        )
        if stream.plain:
            return shown, {}
        place = {"epoch": stream.epoch, "next": window.stop, "names": window.names, "whole": whole}
        return {name: np.array(each) for name, each in shown.items()}, place

    def close(self) -> None:
        """Send nothing more."""
        SENDER.forget(self)
        self.by_trace.clear()
