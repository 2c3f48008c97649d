"""LiveFigure: a plotly FigureWidget that appends points and shades gaps, from any thread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from tickerkit.chart.figure.column_window import ColumnWindow
from tickerkit.chart.figure.inputs import parse_bars, parse_columns, parse_points
from tickerkit.chart.figure.streamed_figure import StreamedFigure
from tickerkit.chart.figure.traces import (
    BAR_TYPES,
    HEAT_TYPES,
    STREAMED_TYPES,
    find_trace,
    find_trace_of_type,
    find_traces,
    list_columns,
    make_candles,
)
from tickerkit.chart.figure.window import (
    BAR_COLUMNS,
    HEAT_COLUMNS,
    LINE_COLUMNS,
    Window,
)
from tickerkit.chart.figure.x_values import TIME
from tickerkit.errors import InvalidArgument
from tickerkit.validation import check_flag

__all__ = ["SHADE_NAME", "LiveFigure"]

# The name of the shapes that `shade` adds; it distinguishes them from the user's shapes.
SHADE_NAME = "tickerkit gap"
# The look of these shapes: of every gap in a line chart. Translucent grey suits light and dark.
SHADE_STYLE = {"fillcolor": "#808080", "opacity": 0.2, "line": {"width": 0}}
FULL_HEIGHT = {"type": "rect", "xref": "x", "yref": "y domain", "y0": 0, "y1": 1}


class Drawer(Protocol):
    """Something that draws on a figure from a thread of its own."""

    def stop(self) -> object:
        """Stop drawing; idempotent."""


class LiveFigure(StreamedFigure):
    """A plotly `FigureWidget` to which points can be appended.

    All of plotly's Python API still works. `append` sends only the new points to the page. The page
    holds the window and draws at most once per frame: lines through the first, lowest, highest and
    last point of each pixel column, which show the same pixels as lines through all points. So the
    cost of an update does not depend on the window, and zooming in shows every point without a
    request to the kernel. A chart that the user has zoomed does not move; after a double click it
    follows the newest points again.

    Points of scatter (lines, steps, markers, areas), scattergl, bar, candlestick and OHLC traces,
    and columns of heat maps, are streamed like this. Histograms, boxes, violins, scatter3d,
    waterfalls, funnels and histograms of two dimensions are redrawn as a whole: `append` sends at
    most 2,000 points of their window, at most ten times a second. The same applies to all traces if
    tickerkit doesn't know the installed version of plotly; creating a figure then gives a warning.

    Under load, points that can't be sent yet are sent together in the next message. There are
    at most 60 messages a second for each figure. More than four figures that send share 240 a
    second, but each sends 22, and all 480 at most. While no page shows the figure, nothing is sent;
    the window keeps the newest points. The figure may be changed from several threads: a lock
    serialises the changes.

    Datetimes that plotly's own API is given (`px.line(frame)`, `add_scatter`, `fig.data[0].x = …`)
    are shown in the zone `tz`, too; `fig.data` keeps them as given until points are appended to the
    trace, then it has local times. Without a zone they count as UTC. plotly itself drops the zone
    of a column and keeps its local times; give such a column as `column.dt.tz_convert("UTC")`.
    Text and dates without a time of day stay as they are. `pio.from_json` makes no other classes
    than plotly's: pass its figure to `LiveFigure`.

    Args:
        data: traces or a figure, as for `FigureWidget`: `tk.LiveFigure(px.line(frame))`. Their
            points are the first points of their windows.
        layout: as for `FigureWidget`.
        frames: as for `FigureWidget`, which does not support frames.
        skip_invalid: as for `FigureWidget`.
        window: how much of each trace is kept: a number of points (of columns for a heat map), or a
            time such as "5min" before the newest x (for an x of numbers: that many seconds). While
            the chart follows, the x axis is at most that long.
        tz: the time zone in which times are shown, such as "America/New_York"; it is written on
            the axis, unless that has a title. Times without a zone count as UTC, whatever `tz` is:
            give a local time its zone, as in `datetime.now().astimezone()`.
        theme: "light" or "dark"; or "auto", which follows the page's theme while no template is
            set.
        labels: whether to show the newest values at the right edge and in the legend.
        smooth: whether lines move evenly where messages reach the page in clumps or fewer than 50
            times a second, as on a hub or in VS Code. Points are then shown over the frames until
            the next message, so up to 50 ms later, and the page draws more often, for at most four
            figures. Where each frame has a message, it changes nothing; where messages come once a
            frame, but about when it begins, a point may wait for one frame. False shows each
            point with the frame after it comes: for the least delay, or the least work of the page.
        **options: as for `FigureWidget`.

    Raises:
        ValueError: if `window`, `tz` or `theme` is invalid, or `data` is a frame or an array.

    Example:
        >>> fig = tk.LiveFigure(data=[{"type": "scatter", "name": "AAPL"}], window=10_000)
        >>> fig.append(datetime.now(UTC), 187.25)
    """

    def __init__(
        self,
        data: Any = None,
        layout: Any = None,
        frames: Any = None,
        skip_invalid: bool = False,
        *,
        window: int | str = 100_000,
        tz: str = "UTC",
        theme: str = "auto",
        labels: bool = True,
        smooth: bool = True,
        **options: Any,
    ) -> None:
        self._drawers: list[Drawer] = []
        super().__init__(
            data,
            layout,
            frames,
            skip_invalid,
            window=window,
            tz=tz,
            theme=theme,
            labels=labels,
            smooth=smooth,
            **options,
        )

    @property
    def window(self) -> int | str:
        """How much of each trace is kept: a number of points or a time, as in the constructor.

        It may be set. A smaller window drops the oldest points, and pages receive the rest again.
        An invalid value raises a ValueError and changes nothing.
        """
        size: int | str = self._streams.size
        return size

    @window.setter
    def window(self, size: int | str) -> None:
        span_s = Window(size).span_s  # raises if the size is invalid, before anything changes
        with self._lock:
            self._span = span_s
            self._streams.resize(size)
            self._update_data(self._streams.by_trace.values())

    @property
    def follow(self) -> bool:
        """Whether the chart moves with the newest points.

        It may be set: False holds the chart still, True follows again and drops the user's zoom.
        A zoom in the page sets it to False, a double click to True. Points are appended either way.
        """
        return bool(self._follow)

    @follow.setter
    def follow(self, following: bool) -> None:
        check_flag("follow", following)
        with self._lock:
            self._follow = bool(following)

    @property
    def message_interval_s(self) -> float:
        """The shortest time between two messages to pages, where it is longer than usual; else 0.

        It may be set, by a widget that sends messages of its own beside the figure's. A message
        after a pause is still sent at once.
        """
        return float(self._streams.wanted_interval_s)

    @message_interval_s.setter
    def message_interval_s(self, interval_s: float) -> None:
        self._streams.wanted_interval_s = interval_s

    # --- points -------------------------------------------------------------------------------

    def append(
        self,
        x: Any,
        y: Any = None,
        trace: int | str | None = None,
        *,
        z: Any = None,
        replace: bool = False,
    ) -> None:
        """Append points to traces; returns at once, from any thread.

        `fig.data` has the points when this returns. Under load no point inside the window is lost:
        points that can't be sent yet are sent together in the next message. If any part of the
        input is wrong, nothing is appended.

        x need not rise. Of a cloud of points, or of a curve in the plane, each point is drawn, or
        an even sample of 20,000.

        A histogram, a box or a violin also takes values alone, as x without y. The page shows an
        even sample of at most 2,000 points of these traces and of scatter3d, ten times a second, or
        as often as it can draw them: so the bars of a histogram with a larger window count the
        sample.

        Args:
            x: a scalar or an array of shape (n,) of numbers or times; or a Series of y, whose index
                is x; or a mapping of trace to (x, y), (x, y, z) or Series, with each trace once.
            y: a scalar or an array of shape (n,), converted to float64. NaN breaks a line, and so
                does an infinite value.
            trace: the trace's index or name; by default the trace that has the name of the Series,
                otherwise the first.
            z: as `y`, for a scatter3d trace.
            replace: whether the points that a trace has from its first new x on are dropped, as to
                revise the last point of a moving average. x must ascend then.

        Raises:
            ValueError: if x and y differ in length; if there is no such trace, it is named twice
                (by name and by index), or it takes bars, columns, or no points of x and y; if x is
                neither numbers nor times, some times have a zone and others none, or the trace has
                numbers and x is times or the other way round.

        Example:
            >>> fig.append({"AAPL": (times, prices), "MSFT": (now, 402.5)})
        """
        check_flag("replace", replace)
        if trace is None:
            names = {props.get("name") for props in self._data}
            is_named = isinstance(x, pd.Series) and isinstance(x.name, str) and x.name in names
            trace = x.name if is_named else 0
        points = parse_points(x, y, z, trace, self._takes_values)
        if replace and any((xs[1:] < xs[:-1]).any() for xs, _ in points.values()):
            raise InvalidArgument("x", x, "values that ascend, to replace points")
        with self._lock:
            # An unknown trace is an error even if there are no points for it.
            indices = find_traces(self._data, points)
            added = [
                (self._get_stream(index, tuple(columns)), xs, columns)
                for index, (xs, columns) in zip(indices, points.values(), strict=True)
                if len(xs)
            ]
            shown = [self._prepare_x(stream, xs) for stream, xs, _ in added]
            for xs, (stream, _, columns) in zip(shown, added, strict=True):
                add = stream.window.replace if replace else stream.window.add
                self._streams.note_change(stream, add(xs, columns))
            self._update_data([stream for stream, _, _ in added])

    def append_column(self, x: Any, z: Any, trace: int | str | None = None) -> None:
        """Append columns to a heat map; returns at once, from any thread.

        Only the new columns are sent to the page. `fig.data[i].z` has all columns of the window
        when this returns, with the shape (rows, columns); `fig.data[i].x` has their x, and
        `fig.data[i].y` stays. Under load no column inside the window is lost: columns that can't be
        sent yet are sent together in the next message. If any part of the input is wrong, nothing
        is appended.

        The window counts columns, or is a time. Kernel and page each hold 8 bytes for each value
        in it: pass a window that suits the chart, such as `LiveFigure(..., window=500)`.

        Args:
            x: where the column is: a number or a time; or an array of shape (n,).
            z: the values of the column, of shape (rows,); for several columns of shape (rows, n),
                as plotly's own z. They are converted to float64. NaN and infinite values are holes.
            trace: index or name of a heat map; by default the first one.

        Raises:
            ValueError: if the columns held have another number of rows; if x and z differ in
                length; if there is no such trace, or it is no heat map; if z has something else
                than numbers, or x is wrong as for `append`.

        Example:
            >>> fig = tk.LiveFigure([go.Heatmap(y=frequencies)], window=500)
            >>> fig.append_column(datetime.now(UTC), levels)
        """
        xs, values = parse_columns(x, z)
        with self._lock:
            if trace is None:
                index = find_trace_of_type(self._data, HEAT_TYPES, "columns")
            else:
                index = find_trace(self._data, trace)
            stream = self._get_stream(index, HEAT_COLUMNS)
            if not len(xs):
                return
            window = stream.window
            assert isinstance(window, ColumnWindow)
            window.check_rows(values.shape[1], index)
            shown = self._prepare_x(stream, xs)
            self._streams.note_change(stream, window.add(shown, {"z": values}))
            self._update_data([stream])

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
        """Append bars; a bar replaces the bar that has the same time.

        To update the bar that is still open, pass it again. Returns at once, from any thread. If
        any part of the input is wrong, nothing is appended.

        Args:
            time: a scalar or an array of shape (n,), ascending: when each bar starts.
            open: a scalar or an array of shape (n,), converted to float64.
            high: as `open`.
            low: as `open`.
            close: as `open`.
            volume: as `open`; it is drawn by the figure's first trace of type bar.
            trace: index or name of a candlestick or OHLC trace; by default the first one. A figure
                without traces gets one, and below it a bar trace for the volume.

        Raises:
            ValueError: if lengths differ, times don't ascend, or there is no such trace.

        Example:
            >>> fig = tk.LiveFigure()
            >>> fig.append_bars("2026-11-23 10:00", 187.2, 187.9, 187.1, 187.4, volume=1200)
        """
        values = {"open": open, "high": high, "low": low, "close": close}
        if volume is not None:
            values["volume"] = volume
        xs, columns = parse_bars(time, values)
        if not len(xs):
            return
        volumes = columns.pop("volume", None)
        with self._lock:
            index = self._find_bars_trace(trace)
            added = [(self._get_stream(index, BAR_COLUMNS), columns)]
            if volumes is not None:
                volume_index = find_trace_of_type(self._data, ("bar",), "the volume")
                added.append((self._get_stream(volume_index, LINE_COLUMNS), {"y": volumes}))
            shown = [self._prepare_x(stream, xs) for stream, _ in added]
            for (stream, each), x in zip(added, shown, strict=True):
                self._streams.note_change(stream, stream.window.merge(x, each))
            self._update_data([stream for stream, _ in added])

    def trim_to(self, traces: Iterable[int], others: Iterable[int]) -> None:
        """Drop the points of other traces that lie before the first point of some traces.

        So marks and moving averages don't stretch the axis beyond the window of their line.

        Args:
            traces: indices of the traces.
            others: indices of the others, whose points are in the order of x.
        """
        with self._lock:
            streams = self._streams.by_trace
            main = [streams.get(self._data[index]["uid"]) for index in traces]
            starts = [each.window.x[0] for each in main if each and len(each.window)]
            if not starts:
                return
            oldest = min(starts)
            found = [streams.get(self._data[index]["uid"]) for index in others]
            trimmed = [each for each in found if each and each.window.drop_before(oldest)]
            for stream in trimmed:
                # The newest point again, with the new start.
                self._streams.note_change(stream, stream.window.stop - 1)
            self._update_data(trimmed)

    def clear(self) -> None:
        """Drop all points, including those that traces were created with; the traces stay."""
        with self._lock:
            for props in self._data:
                kind = props.get("type", "scatter")
                if kind in STREAMED_TYPES and props["uid"] not in self._streams.by_trace:
                    # Not of the trace's own points: their columns may differ in length.
                    stream = self._make_stream(props, list_columns(kind)[0])
                    self._streams.by_trace[props["uid"]] = stream
            self._streams.clear()
            self._update_data(self._streams.by_trace.values())

    def oldest_time(self) -> np.datetime64:
        """Return the earliest start of a window, in the figure's time zone; 1970 without points."""
        with self._lock:
            windows = [stream.window for stream in self._streams.by_trace.values()]
        return min(
            (window.x[0] for window in windows if len(window)), default=np.datetime64(0, "ns")
        )

    # --- traces and layout --------------------------------------------------------------------

    def add_candles(self, name: str = "price", *, volume: bool = True) -> None:
        """Add a candlestick trace, and below it a bar trace of its volume with the same x axis.

        Each bar of the volume has the colour of its candle, and is grey where there is no candle.
        A `marker.color` that you set on the bar trace replaces these colours.
        """
        traces, layout = make_candles(name, volume=volume)
        self.add_traces(traces)
        self.update_layout(layout)

    def shade(self, ranges: Sequence[tuple[np.datetime64, np.datetime64]]) -> None:
        """Shade ranges of time over the whole height of the chart.

        Args:
            ranges: start and end of each, in UTC.
        """
        shown = [self._time_axes.to_local(np.array(each, dtype=TIME)) for each in ranges]
        new = [
            {**SHADE_STYLE, **FULL_HEIGHT, "name": SHADE_NAME, "x0": str(x0), "x1": str(x1)}
            for x0, x1 in shown
        ]
        # In one assignment: plotly copies all shapes whenever one changes.
        self.layout.shapes = [*self.layout.shapes, *new]

    def zoomed_range(self) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        """Return the range in UTC to which the x axis is zoomed; None while the chart follows.

        Raises:
            ValueError: if the ends of the axis can't be read as times.
        """
        axis = self.layout.xaxis
        if self.follow or axis.range is None or axis.autorange is True:
            return None
        ends = [
            pd.Timestamp(end, unit="ms" if isinstance(end, int | float) else None)
            for end in self._show_times([*axis.range])
        ]
        start, end = sorted(each.tz_localize(None) for each in ends)
        zoomed: tuple[pd.Timestamp, pd.Timestamp] = self._time_axes.to_utc(start, end)
        return zoomed

    # --- life ---------------------------------------------------------------------------------

    def add_drawer(self, drawer: Drawer) -> None:
        """Register a drawer: `stop_drawing`, `freeze` and `close` stop it."""
        self._drawers.append(drawer)

    def stop_drawing(self) -> None:
        """Stop all drawers; the figure keeps what they have drawn."""
        drawers = self._drawers[:]
        del self._drawers[: len(drawers)]
        for drawer in drawers:
            drawer.stop()

    def freeze(self) -> None:
        """Replace the figure by an image wherever it is shown, and close the figure.

        A page that shows the figure makes the image, so the image appears after the cell has ended.
        Without an answer within 5 seconds, plotly's own static form is shown instead.

        Raises:
            TickerkitError: if the page was reloaded since the figure was shown. The figure then
                stays open.
        """
        self._displays.check_page()
        self.stop_drawing()
        self._displays.freeze(self)

    def close(self) -> None:
        """Stop all drawers and close the widget; idempotent.

        The figure's memory is freed as soon as no variable refers to the figure.
        """
        if "_displays" not in self.__dict__:
            return  # the constructor has raised, and the widget is being deleted
        self.stop_drawing()
        with self._lock:
            streams = self._streams.by_trace
            if streams:  # else there may be no data: the constructor has raised
                for props in self._data:
                    if props["uid"] in streams:
                        self._keep_times(props, streams[props["uid"]])
            self._streams.close()
            # Otherwise a page would update the count when its views close, and log an error.
            self._view_count = None
            super().close()

    # --- windows ------------------------------------------------------------------------------

    def _find_bars_trace(self, trace: int | str | None) -> int:
        if trace is not None:
            return find_trace(self._data, trace)
        if not self._data:
            self.add_candles()
        return find_trace_of_type(self._data, BAR_TYPES, "bars")
