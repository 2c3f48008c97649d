"""Streams: per-trace windows, and the position up to which each has been sent to the pages."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tickerkit.chart.figure.column_window import ColumnWindow, make_window
from tickerkit.chart.figure.senders import PointsSender
from tickerkit.chart.figure.window import BAR_COLUMNS, LINE_COLUMNS, Window
from tickerkit.chart.figure.x_values import to_iso_text, to_milliseconds
from tickerkit.chart.messages import PointsMessage, TracePoints, TraceWindow
from tickerkit.runtime.presence import PresenceLease
from tickerkit.runtime.scheduler import SENDER
from tickerkit.ticks import Array

__all__ = ["Stream", "Streams"]

MAX_PREVIEW_POINTS = 4000
MAX_PREVIEW_BARS = 500
# Of a heat map: how many values of z, in whole columns.
MAX_PREVIEW_CELLS = 250_000
MAX_PLAIN_POINTS = 2000
MAX_PLAIN_CELLS = 20_000
PLAIN_INTERVAL_S = 0.1
_epochs = itertools.count(1)


@dataclass
class Stream:
    """The window of one trace, and the position up to which it was sent.

    Attributes:
        window: the points held.
        is_plain: True if tickerkit's page side can't stream this trace. Then a decimated copy of
            the whole window is sent each time, by plotly's own message.
        is_sampled: True if an even sample of the points stands for all of them, as in a histogram;
            otherwise their extremes do, as in a line.
        x_name: the trace's property that holds the window's x; "y" for the values of a box.
        sent: the position up to which points were sent; -1 while pages don't know the epoch.
        has_time_axis: whether the figure's layout declares the trace's x axis a date axis.
        epoch: the number of this run of positions, unique in the process. A page that holds another
            epoch needs the whole window.
    """

    window: Window
    is_plain: bool = False
    is_sampled: bool = False
    x_name: str = "x"
    sent: int = -1
    has_time_axis: bool = False
    epoch: int = field(default_factory=lambda: next(_epochs))

    @property
    def data(self) -> dict[str, Array]:
        """The trace's columns by name: views of the window, not copies."""
        window = self.window
        if isinstance(window, ColumnWindow):
            return {"x": window.x, "z": window.column("z").T}
        return {self.x_name: window.x} | {name: window.column(name) for name in window.names}

    def choose_plainly(self) -> dict[str, Array]:
        """Return the columns to send by plotly's own message: of a part of the points."""
        window = self.window
        if isinstance(window, ColumnWindow):
            x, (z,) = window.sample(max(2, MAX_PLAIN_CELLS // max(1, window.rows)))
            return {"x": to_iso_text(x), "z": z.T}
        choose = window.sample if self.is_sampled else window.decimate
        x, columns = choose(MAX_PLAIN_POINTS)
        named = dict(zip(window.names, columns, strict=True))
        return {self.x_name: to_iso_text(x)} | named


class Streams:
    """The appended points of a figure's traces, and how they reach the pages.

    A page is a reader of each trace's window, at a position. A message gives the position of its
    first point, and its points replace everything that a page has from there on. So a message may
    arrive twice without harm. A page that misses a message reports its position and receives the
    rest.

    Under load nothing is queued: points that can't be sent yet wait in the window, and points that
    leave the window unsent are dropped. While no page reports, nothing is sent.

    Why not plotly's own messages: they carry whole columns, which the page redraws one message
    after the other. With a window of 100,000 points a message of 1.6 MB was on the screen after
    1.5 s (median, growing); with new points only, 1.1 kB, after 30 ms. Why no confirmation of each
    message by the page: it made latency worse, 106 instead of 27 ms (median, 10,000 points).

    Args:
        size: size of the windows, see `Window`.
        lock: held during every change of the figure.
        send: sends a message with its buffers to the pages.
        send_plainly: sends a plain trace's columns by plotly's own message.

    Attributes:
        size: as given.
        by_trace: the streams by uid of their traces.
        wanted_interval_s: the shortest time between two messages that is asked for, as by a
            dashboard, which sends more than its chart; 0 for none.

    Raises:
        ValueError: if `size` is invalid.
    """

    def __init__(
        self,
        size: int | str,
        lock: threading.RLock,
        send: Callable[[PointsMessage, list[memoryview]], None],
        send_plainly: Callable[[str, dict[str, Array]], None],
    ) -> None:
        Window(size)  # raises if the size is invalid
        self.size = size
        self.by_trace: dict[str, Stream] = {}
        self._lock = lock
        # Calls `flush`; see `senders`.
        self.sender: PointsSender = SENDER
        self._send = send
        self._send_plainly = send_plainly
        self._lease = PresenceLease()
        self.wanted_interval_s = 0.0

    @property
    def min_interval_s(self) -> float:
        """The shortest time between two messages; longer than asked for if a trace is plain."""
        # A copy: the sender reads this without the lock, while other threads add and remove traces.
        has_plain = any(each.is_plain for each in [*self.by_trace.values()])
        return max(PLAIN_INTERVAL_S if has_plain else 0.0, self.wanted_interval_s)

    def new(self, names: tuple[str, ...] = LINE_COLUMNS, *, is_plain: bool = False) -> Stream:
        """Return an empty stream; it is sent once it is in `by_trace`."""
        return Stream(make_window(self.size, names), is_plain)

    def note_change(self, stream: Stream, position: int) -> None:
        """Note that a window changed from a position on, and request sending it."""
        stream.sent = min(stream.sent, position)
        self.sender.request(self)

    def resize(self, size: int | str) -> None:
        """Change the size of all windows; points beyond a smaller one are dropped.

        Raises:
            ValueError: if `size` is invalid; then nothing changes.
        """
        Window(size)
        self.size = size
        for stream in self.by_trace.values():
            old = stream.window
            stream.window = make_window(size, old.names)
            if len(old):
                stream.window.add(old.x, {name: old.column(name) for name in old.names})
            self._restart(stream)

    def clear(self) -> None:
        """Drop all points."""
        for stream in self.by_trace.values():
            stream.window = make_window(self.size, stream.window.names)
            self._restart(stream)

    def _restart(self, stream: Stream) -> None:
        stream.epoch, stream.sent = next(_epochs), -1
        self.sender.request(self)

    def retain(self, uids: set[str]) -> None:
        """Keep only the streams of these traces."""
        self.by_trace = {uid: each for uid, each in self.by_trace.items() if uid in uids}

    def handle_report(self, message: Mapping[str, Any]) -> None:
        """Handle a page's report: the page shows the figure, and may ask for points.

        Args:
            message: a `HereMessage`. Its `from`, if any, maps a trace's uid to the epoch and the
                position from which the page needs points.
        """
        ended = self._lease.ended
        self._lease.renew()
        for uid, (epoch, position) in message.get("from", {}).items():
            if uid in self.by_trace:
                stream = self.by_trace[uid]
                stream.sent = min(stream.sent, position if epoch == stream.epoch else -1)
        if ended or "from" in message:
            self.sender.request(self)

    def flush(self) -> None:
        """Send all points that were not sent yet, in one message; nothing if no page reports."""
        with self._lock:
            if self._lease.ended:
                return
            traces: list[TracePoints] = []
            buffers: list[memoryview] = []
            for uid, stream in self.by_trace.items():
                window = stream.window
                if stream.sent == window.stop:
                    continue
                if stream.is_plain:
                    stream.sent = window.stop
                    self._send_plainly(uid, stream.choose_plainly())
                    continue
                start, x, columns = window.since(stream.sent)
                points: TracePoints = {
                    "uid": uid,
                    "epoch": stream.epoch,
                    "start": start,
                    "first": window.start,
                }
                if start == window.start:
                    points["names"] = window.names
                    if isinstance(window, ColumnWindow):
                        points["rows"] = window.rows
                traces.append(points)
                buffers += [np.array(each).ravel().data for each in (to_milliseconds(x), *columns)]
                stream.sent = window.stop
            if traces:
                self._send({"kind": "points", "traces": traces}, buffers)

    def preview(self, uid: str) -> tuple[dict[str, Any], Mapping[str, object]]:
        """Return the points of a trace that a page shows until it has received all points.

        Returns:
            The decimated columns by name, and their `TraceWindow`, which is empty for a plain
            trace.
        """
        stream = self.by_trace[uid]
        if stream.is_plain:
            return stream.choose_plainly(), {}
        window = stream.window
        x, columns = window.decimate(_max_preview(window))
        shown: dict[str, Any] = {"x": np.array(to_milliseconds(x))}
        place: TraceWindow = {
            "epoch": stream.epoch,
            "next": window.stop,
            "names": window.names,
            "whole": len(x) == len(window),
        }
        if isinstance(window, ColumnWindow):
            place["rows"] = window.rows
            # In this form, plotly sends an array of two dimensions as bytes, not as text.
            z = np.ascontiguousarray(columns[0].T)
            shown["z"] = {"dtype": "float64", "shape": z.shape, "buffer": z.ravel().data}
        else:
            shown |= {
                name: np.array(each) for name, each in zip(window.names, columns, strict=True)
            }
        return shown, place

    def close(self) -> None:
        """Stop sending, and drop all streams."""
        self.sender.discard(self)
        self.by_trace.clear()


def _max_preview(window: Window) -> int:
    if isinstance(window, ColumnWindow):
        return max(2, MAX_PREVIEW_CELLS // max(1, window.rows))
    return MAX_PREVIEW_BARS if window.names == BAR_COLUMNS else MAX_PREVIEW_POINTS
