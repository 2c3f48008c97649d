"""LiveFigure: a plotly FigureWidget that points can be appended to, from any thread."""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Protocol

import ipywidgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import plotly.io as pio
import traitlets
from plotly.basedatatypes import Undefined

from tickerkit.chart.figure.comms import stay_heard
from tickerkit.chart.figure.inputs import numbers_of, pair_of, points_of
from tickerkit.chart.figure.plotlyjs import page_side, plotly_js, why_not
from tickerkit.chart.figure.snapshot import Displays
from tickerkit.chart.figure.streams import Stream, Streams
from tickerkit.chart.figure.threadsafe import LockedFigure, new_lock
from tickerkit.chart.figure.timezone import Clock
from tickerkit.chart.figure.window import BAR, LINE, TIME, Window, as_text, as_x
from tickerkit.ticks import Array

__all__ = ["LiveFigure"]

BARS = ("candlestick", "ohlc")
LINES = ("scatter", "scattergl", "bar")
DATA = {"x", "y", *BAR}
THEMES = ("auto", "light", "dark")
SHADE = "tickerkit gap"


class Stoppable(Protocol):
    """What draws on a figure, in a thread of its own."""

    def stop(self) -> object:
        """End it; twice is no complaint."""


class LiveFigure(LockedFigure):
    """A plotly `FigureWidget` with one method more: `append`.

    Everything of plotly's works on it as before. Only new points travel to the page, which holds
    the window and draws it once a frame: as lines through the first, lowest, highest and last
    point of each pixel column, which is what plotly would draw of all of them. So an update costs
    the same at any window, and zooming in shows every point, without asking the kernel. While the
    user looks at a part, the chart holds still; a double click follows again.

    Points of scatter (lines, steps, markers, areas), bar, candlestick and OHLC traces stream like
    this. To other traces with x and y `append` works the plain way: it sends at most 2,000 points
    ten times a second. So it does everywhere where plotly's version is one that tickerkit does not
    know; a warning says so.

    One thread sends, at most 60 times a second, 20 times when there are more than three figures.
    What no page takes is not kept. A lock makes changes from several threads wait for each other.

    Args:
        data: traces, as for `FigureWidget`; points they have are the first of their windows.
        layout: as for `FigureWidget`.
        window: how much of each trace is kept: a number of points, or a time such as "5min"
            before the newest x (of numbers: so many seconds).
        tz: the time zone that times are shown in, such as "America/New_York"; said on the axis.
            Times without a zone count as UTC.
        theme: "auto" follows the page's theme, light or dark, where no template is set; or "light"
            or "dark".
        labels: whether the newest values are shown at the right edge and in the legend.
        **options: as for `FigureWidget`.

    Raises:
        ValueError: if window, tz or theme are none that there are.

    Example:
        >>> fig = tk.LiveFigure(data=[{"type": "scatter", "name": "AAPL"}], window=10_000)
        >>> fig.append(datetime.now(UTC), 187.25)
    """

    _esm = page_side()
    _plotly = traitlets.Instance(ipywidgets.Widget, allow_none=True).tag(
        sync=True, **ipywidgets.widget_serialization
    )
    _places = traitlets.Dict().tag(sync=True)
    _live = traitlets.Dict().tag(sync=True)
    _follow = traitlets.Bool(True).tag(sync=True)

    def __init__(
        self,
        data: Any = None,
        layout: Any = None,
        window: int | str = 100_000,
        *,
        tz: str = "UTC",
        theme: str = "auto",
        labels: bool = True,
        **options: Any,
    ) -> None:
        if theme not in THEMES:
            raise ValueError(f"theme={theme!r} is none; pass one of {', '.join(map(repr, THEMES))}")
        lock = new_lock()
        # Before plotly's own start, which already sends.
        self.__dict__["_lock"] = lock
        self.__dict__["_clock"] = Clock(tz)
        self.__dict__["_theme"] = theme
        self.__dict__["_labels"] = labels
        self.__dict__["_streams"] = Streams(window, lock, self._send_points, self._send_plainly)
        self.__dict__["_drawers"] = []
        self.__dict__["_displays"] = Displays()
        if why_not():
            _warn_once()
        super().__init__(data, layout, **options)
        self.on_msg(self._heard)
        stay_heard(self)
        # plotly sends its own before it has data, or not at all before the figure is shown.
        self.send_state(["_widget_data", "_widget_layout", "_places", "_live"])

    @traitlets.default("_plotly")
    def _default_plotly(self) -> Any:
        return None if why_not() else plotly_js()

    @property
    def window(self) -> int | str:
        """How much of each trace is kept; may be set: a smaller one lets the oldest points go."""
        size: int | str = self._streams.size
        return size

    @window.setter
    def window(self, size: int | str) -> None:
        Window(size)  # refuses what is no window, before anything is changed
        with self._lock:
            self._streams.resize(size)
            self._show_all()

    @property
    def follow(self) -> bool:
        """Whether the chart moves with the newest points; may be set, and is when a user zooms."""
        return bool(self._follow)

    @follow.setter
    def follow(self, following: bool) -> None:
        with self._lock:
            self._follow = bool(following)

    def zoomed(self) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        """Return the time, in UTC, between the ends of a date axis x that was zoomed; else None.

        Raises:
            ValueError: if the ends are no times.
        """
        axis = self.layout.xaxis
        if self.follow or axis.range is None or axis.autorange is True:
            return None
        ends = [
            pd.Timestamp(end, unit="ms" if isinstance(end, int | float) else None)
            for end in axis.range
        ]
        first, last = sorted(end.tz_localize(None) for end in ends)
        stretch: tuple[pd.Timestamp, pd.Timestamp] = self._clock.meant(first, last)
        return stretch

    def append(self, x: Any, y: Any = None, trace: int | str = 0) -> None:
        """Append points; returns at once, from any thread.

        Nothing is lost under load: what can't be sent yet gathers, and is drawn with the next
        frame. If anything of the input is wrong, nothing of it is appended.

        Args:
            x: an array or a scalar, of numbers or times; or a dict of (x, y) by trace; or a Series
                of y, whose index is x.
            y: as many numbers; NaN breaks the line.
            trace: the trace's index or name.

        Raises:
            ValueError: if x and y differ in length, there is no such trace, it is one of bars of
                open, high, low and close, or x is neither of numbers nor of times.

        Example:
            >>> fig.append({"AAPL": (times, prices), "MSFT": (now, 402.5)})
        """
        points = x if isinstance(x, Mapping) else {trace: (x, y)}
        ready = []
        for name, pair in points.items():
            some_x, some_y = pair_of(pair, name)
            xs, ys = as_x(some_x), numbers_of(some_y, name)
            if len(xs) != len(ys):
                raise ValueError(f"trace {name!r}: {len(xs)} of x and {len(ys)} of y; pass as many")
            ready.append((name, xs, {"y": ys}))
        with self._lock:
            indices = [self._index(name) for name, _, _ in ready]
            given = [
                (index, xs, columns)
                for index, (_, xs, columns) in zip(indices, ready, strict=True)
                if len(xs)
            ]
            streams = [self._stream(index, LINE) for index, _, _ in given]
            shown = [
                self._to_show(stream, xs) for stream, (_, xs, _) in zip(streams, given, strict=True)
            ]
            for stream, xs, (_, _, columns) in zip(streams, shown, given, strict=True):
                self._streams.changed(stream, stream.window.add(xs, columns))
            self._show(streams)

    def append_bars(
        self,
        time: Any,
        open: Any,  # noqa: A002
        high: Any,
        low: Any,
        close: Any,
        volume: Any = None,
        trace: int | str | None = None,
    ) -> None:
        """Append bars, or put newer ones in the place of those of the same time.

        So the bar that is still open is updated in place by giving it again. Returns at once, from
        any thread.

        Args:
            time: an array or a scalar: when each bar starts, ascending.
            open: as many numbers; so `high`, `low`, `close`.
            high: see `open`.
            low: see `open`.
            close: see `open`.
            volume: as many numbers; they go to the figure's first trace of type bar.
            trace: index or name of a candlestick or OHLC trace; by default the first. A figure
                without one gets one, and bars of the volume below it.

        Raises:
            ValueError: if they differ in length or don't ascend, or there is no such trace.

        Example:
            >>> fig = tk.LiveFigure()
            >>> fig.append_bars("2026-11-23 10:00", 187.2, 187.9, 187.1, 187.4, volume=1200)
        """
        xs = as_x(time)
        values = (open, high, low, close) if volume is None else (open, high, low, close, volume)
        columns = [numbers_of(each, trace) for each in values]
        if any(len(each) != len(xs) for each in columns):
            lengths = ", ".join(str(len(each)) for each in columns)
            raise ValueError(f"{len(xs)} times, and {lengths} values; pass as many of each")
        if not len(xs):
            return
        if len(xs) > 1 and not (xs[1:] > xs[:-1]).all():
            raise ValueError("bars must ascend in time; sort them, and give each time once")
        with self._lock:
            index = self._bars_index(trace)
            ready = [(self._stream(index, BAR), dict(zip(BAR, columns, strict=False)))]
            if volume is not None:
                volumes = self._index_of_type(("bar",), "volume")
                ready.append((self._stream(volumes, LINE), {"y": columns[4]}))
            shown = [self._to_show(stream, xs) for stream, _ in ready]
            for (stream, named), xs in zip(ready, shown, strict=True):
                self._streams.changed(stream, stream.window.merge(xs, named))
            self._show([stream for stream, _ in ready])

    def clear(self) -> None:
        """Let go of all points; the traces stay."""
        with self._lock:
            for index, props in enumerate(self._data):
                if props.get("type", "scatter") in (*LINES, *BARS):
                    self._stream(index, BAR if props.get("type") in BARS else LINE)
            self._streams.clear()
            self._show_all()

    def freeze(self) -> None:
        """Put a static picture in the place of the figure, wherever it is shown, and close it.

        The picture is made by a page that shows the figure, as it is there; so it comes when the
        cell has ended. Where no page answers within 5 seconds, plotly's own static form is shown.

        Raises:
            TickerkitError: if the page was loaded again since the figure was shown; it stays.
        """
        self._displays.must_be_known()
        self.end()
        self._displays.freeze(self)

    def draws(self, drawer: Stoppable) -> None:
        """Tell what draws on the figure, to be stopped when it is closed or drawn on anew."""
        self._drawers.append(drawer)

    def end(self) -> None:
        """Stop what draws on the figure; it stays as it is."""
        drawers = self._drawers[:]
        del self._drawers[: len(drawers)]
        for drawer in drawers:
            drawer.stop()

    def close(self) -> None:
        """Close the widget, and end what draws on it. Deleted too, it leaves the memory."""
        if "_displays" not in self.__dict__:
            return  # it was refused by its arguments, and never came to be
        self.end()
        with self._lock:
            self._streams.close()
            # Else a page counts its views once more when they go, and fails to tell.
            self._view_count = None
            super().close()

    # --- windows ------------------------------------------------------------------------------

    def _index(self, trace: int | str) -> int:
        names = [props.get("name") for props in self._data]
        if isinstance(trace, str) and trace in names:
            return names.index(trace)
        if isinstance(trace, int) and -len(names) <= trace < len(names):
            return trace % len(names)
        raise ValueError(f"there is no trace {trace!r}; the figure has {names}")

    def _index_of_type(self, types: Iterable[str], what: str) -> int:
        for index, props in enumerate(self._data):
            if props.get("type", "scatter") in types:
                return index
        raise ValueError(f"the figure has no trace for the {what}; add one of {' or '.join(types)}")

    def _bars_index(self, trace: int | str | None) -> int:
        if trace is not None:
            return self._index(trace)
        if not self._data:
            self.add_candles()
        return self._index_of_type(BARS, "bars")

    def add_candles(self, name: str = "price", *, volume: bool = True) -> None:
        """Add a trace of candles, and below it one of their volume with the same x axis."""
        traces: list[Any] = [go.Candlestick(name=name)]
        layout: dict[str, Any] = {"xaxis": {"rangeslider": {"visible": False}}}
        if volume:
            grey = {"color": "rgba(128,128,128,.6)"}
            traces.append(go.Bar(name="volume", yaxis="y2", marker=grey))
            layout["xaxis"]["anchor"] = "y2"
            below = {"domain": [0, 0.22], "nticks": 3}
            layout |= {"yaxis": {"domain": [0.27, 1]}, "yaxis2": below}
        self.add_traces(traces)
        self.update_layout(layout)

    def shade(self, stretches: Sequence[tuple[np.datetime64, np.datetime64]]) -> None:
        """Shade stretches of time, given in UTC, over the whole height."""
        look = {"fillcolor": "#808080", "opacity": 0.2, "line": {"width": 0}, "name": SHADE}
        place = {"type": "rect", "xref": "x", "yref": "y domain", "y0": 0, "y1": 1}
        shown = [self._clock.shown(np.array(each, dtype=TIME)) for each in stretches]
        new = [{**look, **place, "x0": str(x0), "x1": str(x1)} for x0, x1 in shown]
        # All at once: plotly copies all shapes for each change of one.
        self.layout.shapes = [*self.layout.shapes, *new]

    def oldest(self) -> np.datetime64:
        """Return the oldest time held of all traces, as shown."""
        with self._lock:
            windows = [stream.window for stream in self._streams.by_trace.values()]
        return min(
            (window.x[0] for window in windows if len(window)), default=np.datetime64(0, "ns")
        )

    def _stream(self, index: int, names: tuple[str, ...]) -> Stream:
        props = self._data[index]
        kind = props.get("type", "scatter")
        if (kind in BARS) != (names == BAR):
            method = "append_bars" if kind in BARS else "append"
            raise ValueError(f"trace {index} is a {kind}; its points come by {method}()")
        stream: Stream | None = self._streams.by_trace.get(props["uid"])
        if stream is None:
            plain = why_not() is not None or kind not in (*LINES, *BARS)
            stream = self._streams.new(names, plain=plain)
            # All of it must be understood before anything of the trace is replaced.
            xs, columns = points_of(props, names, index)
            self._streams.by_trace[props["uid"]] = stream
            if len(xs):
                stream.window.add(self._to_show(stream, xs, zone=False), columns)
        return stream

    def _to_show(self, stream: Stream, xs: Array, *, zone: bool = True) -> Array:
        """Return x as the figure shows it, after seeing that it fits what is there."""
        stream.window.must_fit(xs)
        if xs.dtype != TIME:
            return xs
        if zone:
            xs = self._clock.shown(xs)
        typed = "type" in self._layout_obj._props.get("xaxis", {})
        if not stream.axis_said or self._clock.changed or not typed:
            stream.axis_said = True
            self._say_zone()
        return xs

    def _say_zone(self) -> None:
        """Make the axes of streamed times date axes, and write the zone on those that bear text."""
        changes: dict[str, Any] = {}
        for props in self._data:
            stream = self._streams.by_trace.get(props["uid"])
            if stream is None or not stream.axis_said:
                continue
            name = "xaxis" + props.get("xaxis", "x")[1:]
            axis = self._layout_obj._props.get(name, {})
            title = axis.get("title", {}).get("text")
            if "type" not in axis:
                changes[f"{name}_type"] = "date"
            ours = title is None or title in self._clock.labels
            if ours and title != self._clock.label and axis.get("showticklabels", True):
                changes[f"{name}_title"] = {"text": self._clock.label, "font": {"size": 11}}
        self._clock.changed = False
        if changes:
            self.update_layout(changes)

    def _show(self, streams: Iterable[Stream]) -> None:
        """Let `data` show the windows as they are: views of them, so that it costs nothing."""
        by_stream = {id(stream): stream for stream in streams}
        for props in self._data:
            stream = self._streams.by_trace.get(props["uid"])
            if stream is not None and id(stream) in by_stream:
                props["x"] = stream.window.x
                for name in stream.window.names:
                    props[name] = stream.window.column(name)

    def _show_all(self) -> None:
        self._show(self._streams.by_trace.values())

    # --- messages -----------------------------------------------------------------------------

    def _send_points(self, content: dict[str, Any], buffers: list[memoryview]) -> None:
        if self.comm is not None:
            self.send(content, buffers)

    def _send_plainly(self, uid: str, columns: Mapping[str, Array]) -> None:
        index = next((i for i, props in enumerate(self._data) if props["uid"] == uid), None)
        if index is not None and self.comm is not None:
            restyle = {name: [values] for name, values in columns.items()}
            super()._send_restyle_msg(restyle, index)

    def _heard(self, _: Any, content: Any, buffers: list[memoryview]) -> None:
        """Take a message from a page."""
        if not isinstance(content, dict):
            return
        if content.get("kind") == "picture":
            self._displays.replace(self, content, buffers)
        elif content.get("kind") == "here":
            with self._lock:
                self._displays.heard(str(content.get("page")))
                self._streams.answer(content)

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> Any:
        """Return what a page is told: as things are now, so that a reloaded page is right.

        Of each window as many points as make a picture; the page asks for the others.
        """
        with self._lock:
            if "_layout_obj" in self.__dict__ and (key is None or "_places" in key):
                pictures = {uid: self._streams.picture(uid) for uid in self._streams.by_trace}
                data = []
                for props in self._data:
                    picture, _ = pictures.get(props["uid"], ({}, {}))
                    rest = {name: each for name, each in props.items() if name not in picture}
                    data.append(deepcopy(rest) | picture)
                # Set past the traits: the pages that have followed need no message.
                self._trait_values["_widget_data"] = data
                self._trait_values["_widget_layout"] = deepcopy(self._layout_obj._props)
                self._trait_values["_places"] = {uid: place for uid, (_, place) in pictures.items()}
                self._trait_values["_live"] = {
                    "theme": self._page_theme(),
                    "labels": self._labels,
                    "zone": self._clock.name,
                }
            return super().get_state(key, drop_defaults)

    def _page_theme(self) -> str | None:
        if self._theme != "auto":
            return str(self._theme)
        default = pio.templates[pio.templates.default] if pio.templates.default else None
        mine = self._layout_obj._props.get("template")
        is_default = mine is None or (default is not None and mine == default.to_plotly_json())
        return "auto" if is_default else None

    def _ipython_display_(self) -> None:
        """Show the figure, so that a picture can take its place later."""
        self._displays.show(self._repr_mimebundle_())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **options: Any) -> Any:
        # plotly's own sends all data once more; here the page has them, or asks.
        return {
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self._model_id,
            },
            "text/plain": type(self).__name__,
        }

    def _send_restyle_msg(self, restyle_data: Any, *args: Any, **kwargs: Any) -> None:
        self._forget_replaced(restyle_data, *args, **kwargs)
        super()._send_restyle_msg(restyle_data, *args, **kwargs)

    def _send_update_msg(
        self, restyle_data: Any, relayout_data: Any, *args: Any, **kw: Any
    ) -> None:
        self._forget_replaced(restyle_data, *args, **kw)
        super()._send_update_msg(restyle_data, relayout_data, *args, **kw)

    def _send_animate_msg(
        self, styles_data: Any, relayout_data: Any, trace_indexes: Any, animation_opts: Any
    ) -> None:
        with self._lock:
            for index, style in zip(trace_indexes or [], styles_data, strict=False):
                self._forget_replaced({name: [value] for name, value in style.items()}, [index])
        super()._send_animate_msg(styles_data, relayout_data, trace_indexes, animation_opts)

    def _forget_replaced(
        self, restyle: Any, trace_indexes: Any = None, source_view_id: Any = None
    ) -> None:
        """Let go of the windows of traces whose data were set anew, the plain way.

        The page draws only a part of a window's points: it is sent the columns that stay as well.
        """
        indexes = self._normalize_trace_indexes(trace_indexes)
        for name, values in (restyle or {}).items():
            if re.split(r"[.\[]", name)[0] not in DATA:
                continue
            each = values if isinstance(values, list) else [values]
            for turn, index in enumerate(indexes):
                if each and each[turn % len(each)] is not Undefined:
                    self._forget(index)

    def _forget(self, index: int) -> None:
        props = self._data[index]
        stream = self._streams.by_trace.pop(props["uid"], None)
        if stream is not None and not stream.plain:
            names = ("x", *stream.window.names)
            columns = {name: [as_text(np.asarray(props[name]))] for name in names if name in props}
            super()._send_restyle_msg(columns, index)

    def _send_deleteTraces_msg(self, delete_inds: Any) -> None:  # noqa: N802
        self._streams.keep({props["uid"] for props in self._data})
        super()._send_deleteTraces_msg(delete_inds)


@functools.cache
def _warn_once() -> None:
    warnings.warn(
        f"This version of plotly ({_version()}) can't be streamed to point by point: {why_not()}. "
        "Figures work, and append() sends at most 2,000 points ten times a second; "
        "plotly 6.0 to 7.1 do better.",
        stacklevel=4,
    )


def _version() -> str:
    import plotly

    return str(plotly.__version__)
