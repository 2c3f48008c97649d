"""LiveFigure: a plotly FigureWidget that points can be appended to, from any thread."""

from __future__ import annotations

import functools
import re
import threading
import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from importlib import resources
from typing import Any, Protocol

import numpy as np
import plotly.graph_objects as go

from tickerkit.chart.window import Window, as_x, plotly_x

__all__ = ["LiveFigure"]

EXPORTS = re.compile(r"export\s*\{[^}]*?([\w$]+) as FigureView\b[^}]*\}")
EVERY_S = 0.1
MOST_POINTS = 2000


def _page_side() -> Any:
    """Return plotly's module for the page with ours after it, or plotly's alone.

    Ours only adds to what plotly exports. Where a version exports something else, its own is used
    as it is. As text, since a path would keep every figure in memory for ever.
    """
    plotlys = go.FigureWidget._esm
    bundle = str(plotlys)
    found = EXPORTS.search(bundle, max(len(bundle) - 20_000, 0))
    if found is None:
        return plotlys
    ours = (resources.files(__package__) / "figure.js").read_text("utf-8")
    return f"{bundle}\n{ours.replace('View.prototype', f'{found[1]}.prototype')}"


class Stoppable(Protocol):
    """What draws on a figure, in a thread of its own."""

    def stop(self) -> object:
        """End it; twice is no complaint."""


class LiveFigure(go.FigureWidget):  # type: ignore[misc]
    """A plotly `FigureWidget` with one method more: `append`.

    Everything of plotly's works on it as before. What is appended gathers, and is drawn at most 10
    times a second and with at most 2,000 points for each trace: of more, the lowest and highest
    of each stretch, so that no spike is lost. One thread sends, and a lock makes changes from
    other threads wait for each other.

    Args:
        data: traces, as for `FigureWidget`; points they have are the first of their windows.
        layout: as for `FigureWidget`.
        window: how much of each trace is kept: a number of points, or a time such as "5min"
            before the newest x (of numbers: so many seconds).
        **options: as for `FigureWidget`.

    Example:
        >>> fig = tk.LiveFigure(data=[{"type": "scatter", "name": "AAPL"}], window=10_000)
        >>> fig.append(datetime.now(UTC), 187.25)
    """

    _esm = _page_side()

    def __init__(
        self,
        data: Any = None,
        layout: Any = None,
        window: int | str = 100_000,
        **options: Any,
    ) -> None:
        # Before plotly's own start, which already sends.
        self.__dict__["_lock"] = threading.RLock()
        self.__dict__["_windows"] = {}
        super().__init__(data, layout, **options)
        self._window_size: int | str = window
        Window(window)
        self._dirty = threading.Event()
        self._sender: threading.Thread | None = None
        self._sent_at = 0.0
        self._drawers: list[Stoppable] = []
        for index, trace in enumerate(self.data):
            if getattr(trace, "x", None) is not None and getattr(trace, "y", None) is not None:
                self._window_of(index).add(as_x(trace.x), np.asarray(trace.y, dtype=np.float64))

    @property
    def window(self) -> int | str:
        """How much of each trace is kept; may be set: a smaller one lets the oldest points go."""
        return self._window_size

    @window.setter
    def window(self, size: int | str) -> None:
        Window(size)  # refuses what is no window, before anything is changed
        with self._lock:
            for index, old in list(self._windows.items()):
                new = Window(size)
                new.add(*old.points())
                self._windows[index] = new
            self._window_size = size
        self._touch()

    def append(self, x: Any, y: Any = None, trace: int | str = 0) -> None:
        """Append points; returns at once, from any thread.

        Args:
            x: an array or a scalar, of numbers or times; or a dict of (x, y) by trace.
            y: as many numbers; NaN breaks the line.
            trace: the trace's index or name.

        Raises:
            ValueError: if x and y differ in length, or there is no such trace.
        """
        self._add(x if isinstance(x, Mapping) else {trace: (x, y)})
        self._touch()

    def append_now(self, points: Mapping[int | str, tuple[Any, Any]]) -> None:
        """Append points by trace and draw in this thread, for a thread that paces itself."""
        self._add(points)
        self._draw()

    def clear(self) -> None:
        """Let go of all points; the traces stay."""
        with self._lock:
            self._windows.clear()
            for index in range(len(self.data)):
                self._window_of(index)
        self._touch()

    def replace(self, restyle: Mapping[str, Any], trace: int = 0) -> None:
        """Set whole arrays of a trace at once, under the figure's lock; from any thread."""
        with self._lock:
            self.plotly_restyle({name: [values] for name, values in restyle.items()}, trace)

    def draws(self, drawer: Stoppable) -> None:
        """Tell what draws on the figure, to be stopped when it is closed or drawn on anew."""
        self._drawers.append(drawer)

    def end(self) -> None:
        """Stop what draws on the figure; it stays as it is."""
        drawers, self._drawers = self._drawers, []
        for drawer in drawers:
            drawer.stop()

    def close(self) -> None:
        """Close the widget, and end what draws on it."""
        self.end()
        with self._lock:
            super().close()

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> Any:
        """Return what a page is told: as things are now, so that a reloaded page is right."""
        with self._lock:
            if key is None and "_layout_obj" in self.__dict__:
                # plotly keeps these as they were when the figure was last shown. Set past the
                # traits: the pages that have followed need no message.
                self._trait_values["_widget_data"] = deepcopy(self._data)
                self._trait_values["_widget_layout"] = deepcopy(self._layout_obj._props)
            return super().get_state(key, drop_defaults)

    # --- drawing ------------------------------------------------------------------------------

    def _index(self, trace: int | str) -> int:
        names = [each.name for each in self.data]
        if isinstance(trace, str) and trace in names:
            return names.index(trace)
        if isinstance(trace, int) and -len(names) <= trace < len(names):
            return trace % len(names)
        raise ValueError(f"there is no trace {trace!r}; the figure has {names}")

    def _window_of(self, index: int) -> Window:
        if index not in self._windows:
            self._windows[index] = Window(self._window_size)
        window: Window = self._windows[index]
        return window

    def _add(self, points: Mapping[int | str, tuple[Any, Any]]) -> None:
        ready = []
        for name, (some_x, some_y) in points.items():
            xs, ys = as_x(some_x), np.atleast_1d(np.asarray(some_y, dtype=np.float64))
            if len(xs) != len(ys):
                raise ValueError(f"trace {name!r}: {len(xs)} of x and {len(ys)} of y; pass as many")
            ready.append((self._index(name), xs, ys))
        with self._lock:
            for index, xs, ys in ready:
                self._window_of(index).add(xs, ys)

    def _touch(self) -> None:
        """See that a thread will draw; it ends when there is nothing more to draw."""
        self._dirty.set()
        with self._lock:
            if self._sender is None:
                self._sender = threading.Thread(
                    target=self._draw_while_dirty, name="tickerkit figure", daemon=True
                )
                self._sender.start()

    def _draw_while_dirty(self) -> None:
        while True:
            time.sleep(max(0.0, self._sent_at + EVERY_S - time.monotonic()))
            self._sent_at = time.monotonic()
            self._dirty.clear()
            self._draw()
            with self._lock:
                if not self._dirty.is_set():
                    self._sender = None
                    return

    def _draw(self) -> None:
        with self._lock:
            indices = sorted(index for index in self._windows if index < len(self.data))
            if not indices or self.comm is None:
                return
            points = [self._windows[index].points(MOST_POINTS) for index in indices]
            self.plotly_restyle(
                {"x": [plotly_x(x) for x, _ in points], "y": [y for _, y in points]}, indices
            )


def _locked(name: str) -> Callable[..., Any]:
    method = getattr(go.FigureWidget, name)

    @functools.wraps(method)
    def locked(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self.__dict__["_lock"]:
            return method(self, *args, **kwargs)

    return locked


# A widget's traits lose updates when two threads set them at once: so all messages, out and in,
# and all that changes the figure's data take turns.
for _name in (
    "_handle_msg",
    "_relayout_child",
    "_repr_mimebundle_",
    "_restyle_child",
    "_send_addTraces_msg",
    "_send_animate_msg",
    "_send_deleteTraces_msg",
    "_send_moveTraces_msg",
    "_send_relayout_msg",
    "_send_restyle_msg",
    "_send_update_msg",
    "add_traces",
    "plotly_relayout",
    "plotly_restyle",
    "plotly_update",
):
    setattr(LiveFigure, _name, _locked(_name))
