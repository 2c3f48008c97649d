"""StreamedFigure: a page figure whose traces have windows of appended points."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tickerkit.chart.figure.compatibility import find_incompatibility
from tickerkit.chart.figure.given_times import has_times
from tickerkit.chart.figure.inputs import (
    read_trace_columns,
    read_trace_points,
    read_trace_values,
)
from tickerkit.chart.figure.page_figure import PageFigure
from tickerkit.chart.figure.streams import Stream
from tickerkit.chart.figure.traces import (
    SAMPLED_TYPES,
    STREAMED_TYPES,
    VALUE_TYPES,
    check_columns,
    find_trace,
    find_value_axis,
)
from tickerkit.chart.figure.window import HEAT_COLUMNS, VALUE_COLUMNS
from tickerkit.chart.figure.x_values import TIME
from tickerkit.ticks import Array

__all__ = ["StreamedFigure"]


class StreamedFigure(PageFigure):
    """The part of a live figure that makes the streams of its traces, and keeps `data` up to date.

    The arguments are those of `LiveFigure`.
    """

    def _get_stream(self, index: int, names: tuple[str, ...]) -> Stream:
        """Return a trace's stream; the first call creates it from the trace's own points.

        Raises:
            ValueError: if the trace takes other columns, or its own points can't be appended to.
        """
        props = self._data[index]
        check_columns(props.get("type", "scatter"), names, index)
        stream: Stream | None = self._streams.by_trace.get(props["uid"])
        if stream is None:
            stream = self._make_stream(props, names)
            is_local = stream.x_name in self._find_local(props)
            # This may raise, so the stream is registered after it.
            if names == HEAT_COLUMNS:
                xs, columns = read_trace_columns(props, index)
            elif names == VALUE_COLUMNS:
                xs, columns = read_trace_values(props, stream.x_name)
            else:
                xs, columns = read_trace_points(props, names, index)
            self._streams.by_trace[props["uid"]] = stream
            if len(xs):
                # Text is on the axis as it stands, datetimes are shown in the figure's zone.
                if has_times(props.get(stream.x_name)) and not is_local:
                    xs = self._time_axes.convert(xs)
                stream.window.add(self._prepare_x(stream, xs, to_local=False), columns)
        elif stream.window.names != names:
            has = "values alone" if names else "x and y"
            raise ValueError(
                f"Trace {index} has points of {has}; pass these, or call clear() first"
            )
        return stream

    def _make_stream(self, props: Any, names: tuple[str, ...]) -> Stream:
        kind = props.get("type", "scatter")
        is_plain = find_incompatibility() is not None or kind not in STREAMED_TYPES
        stream = self._streams.new(names, is_plain=is_plain)
        stream.is_sampled = kind in SAMPLED_TYPES
        if names == VALUE_COLUMNS:
            stream.x_name = find_value_axis(props)
        return stream

    def _takes_values(self, trace: Any) -> bool:
        """Return whether a trace takes values without y; an unknown trace is an error elsewhere."""
        try:
            kind = self._data[find_trace(self._data, trace)].get("type")
        except ValueError:
            return False
        return kind in VALUE_TYPES

    def _prepare_x(self, stream: Stream, xs: Array, *, to_local: bool = True) -> Array:
        """Return x, shape (n,), with times in local time; declare its axis a date axis if needed.

        Raises:
            ValueError: if x holds times and the window numbers, or the other way round.
        """
        stream.window.check_x_type(xs)
        if xs.dtype != TIME:
            return xs
        if to_local:
            xs = self._time_axes.to_local(xs)
        if stream.is_sampled:  # not on a flat x axis, or plotly's own type of axis is right
            return xs
        has_type = "type" in self._layout_obj._props.get("xaxis", {})
        if not stream.has_time_axis or self._time_axes.label_changed or not has_type:
            stream.has_time_axis = True
            self._label_time_axes()
        return xs

    def _update_data(self, streams: Iterable[Stream]) -> None:
        """Set the columns in `data` to views of the streams' windows; nothing is copied."""
        changed = {id(stream) for stream in streams}
        for props in self._data:
            stream = self._streams.by_trace.get(props["uid"])
            if stream is not None and id(stream) in changed:
                props.update(stream.data)
