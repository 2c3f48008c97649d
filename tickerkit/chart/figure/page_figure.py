"""PageFigure: a plotly FigureWidget with tickerkit's page side, its state and its messages."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
import plotly.io as pio
import traitlets

from tickerkit.chart.figure.compatibility import find_incompatibility, warn_if_incompatible
from tickerkit.chart.figure.displays import Displays
from tickerkit.chart.figure.given_times import has_times, map_times, to_text
from tickerkit.chart.figure.page_side import build_page_side
from tickerkit.chart.figure.percent import compute_change, find_base_uid
from tickerkit.chart.figure.plotlyjs import get_shared_plotly_js, read_plotly_js
from tickerkit.chart.figure.senders import choose_sender, pack_message
from tickerkit.chart.figure.streams import Stream, Streams
from tickerkit.chart.figure.theme import apply_theme
from tickerkit.chart.figure.threadsafe import LockedFigure, make_lock
from tickerkit.chart.figure.time_axes import TimeAxes
from tickerkit.chart.figure.traces import find_replaced
from tickerkit.chart.figure.volume_colours import make_volume_marker
from tickerkit.chart.figure.window import Window
from tickerkit.chart.messages import FigureNote, PointsMessage
from tickerkit.errors import InvalidType
from tickerkit.runtime.hosts import find_host, is_open
from tickerkit.runtime.subshells import deliver_as_addressed
from tickerkit.ticks import Array
from tickerkit.validation import check_choice, check_flag

__all__ = ["PageFigure"]

THEMES = ("auto", "light", "dark")
# plotly's button that uploads a figure to plotly's cloud is left out: prices may be licensed.
CONFIG = {"showSendToCloud": False}
EXPECTED_DATA = "traces or a figure, such as px.line(frame)"
STATE = ("_widget_data", "_widget_layout", "_places", "_live")


class PageFigure(LockedFigure):
    """The part of a live figure that exchanges state and messages with its pages.

    A page receives traces, layout and a preview of the appended points in the widget's state, when
    it loads the figure. Later changes of traces and layout arrive as plotly's own messages, and
    new points as messages of `Streams`. The page sends plotly's own messages, reports that name the
    points it holds, and images.

    The arguments are those of `LiveFigure`.
    """

    _config: Any  # a trait of plotly's
    _esm = build_page_side()
    _plotly = traitlets.Instance(ipywidgets.Widget, allow_none=True).tag(
        sync=True, **ipywidgets.widget_serialization
    )
    # By trace uid: which points of the trace's window the state holds. See `Streams.preview`.
    _places = traitlets.Dict().tag(sync=True)
    _live = traitlets.Dict().tag(sync=True)
    _follow = traitlets.Bool(True).tag(sync=True)
    _note = traitlets.Dict().tag(sync=True)
    # How many seconds the x axis shows at most while it follows; None for all points.
    _span = traitlets.Float(None, allow_none=True).tag(sync=True)

    def __init__(
        self,
        data: Any,
        layout: Any,
        frames: Any,
        skip_invalid: bool,
        *,
        window: int | str,
        tz: str,
        theme: str,
        labels: bool,
        smooth: bool,
        **options: Any,
    ) -> None:
        check_choice("theme", theme, THEMES)
        check_flag("labels", labels)
        check_flag("smooth", smooth)
        if isinstance(data, pd.DataFrame | pd.Series | np.ndarray):
            raise InvalidType("data", type(data).__name__, EXPECTED_DATA)
        # Set before plotly's own `__init__`, which already sends messages.
        self._lock = make_lock()
        self._time_axes = TimeAxes(tz)
        self._theme = theme
        self._labels = labels
        self._smooth = smooth
        self._host = find_host()
        if self._host == "marimo":
            self._esm = build_page_side(with_plotly=True)
        self._streams = Streams(window, self._lock, self._send_points, self._send_plainly)
        self._key = uuid.uuid4().hex
        self._streams.sender = choose_sender(self._host, self._key, self)
        # The messages of an answer to a page that asks; None while messages are sent at once.
        self._answer: list[dict[str, Any]] | None = None
        self._displays = Displays(self._host)
        # By trace uid: the column that is in local time though the trace has no stream any more.
        self._kept_times: dict[str, tuple[str, Array]] = {}
        warn_if_incompatible()
        super().__init__(data, layout, frames, skip_invalid, **options)
        self._config = {**CONFIG, **self._config}
        if isinstance(data, PageFigure):
            self._take_times(data)
        self._label_time_axes()
        self._span = Window(window).span_s
        self.on_msg(self._handle_message)
        deliver_as_addressed(self)
        # plotly's `__init__` sends these traits before they have data, or not at all.
        self.send_state(STATE)

    @traitlets.default("_plotly")
    def _default_plotly(self) -> Any:
        is_shared = self._host != "marimo" and find_incompatibility() is None
        return get_shared_plotly_js() if is_shared else None

    @property
    def closed(self) -> bool:
        """Whether the figure can't be shown any more: it was closed, or marimo ran its cell again.

        A figure that is closed keeps its data; `append` still adds points to them.
        """
        return not is_open(self.comm)

    @property
    def tz(self) -> str:
        """The time zone of the figure's times."""
        return self._time_axes.zone

    def show_note(self, note: FigureNote) -> None:
        """Show a sentence about the figure on it, in place of the one before; "" for none."""
        with self._lock:
            self._note = {**note}

    def to_dict(self) -> Any:
        """Return the figure as a dict, as pages show it.

        Times are in its zone, lines may be percentages, and volume has the colours of the candles.
        """
        with self._lock:
            figure = super().to_dict()
            keep_naive = self.tz == "UTC"
            template = figure["layout"].get("template", {})
            for shown, props in zip(figure["data"], self._data, strict=True):
                stream = self._streams.by_trace.get(props["uid"])
                local = {name: shown[name] for name in self._find_local(props) if name in shown}
                shown |= map_times(shown, self._time_axes.convert, keep_naive=keep_naive) | local
                if stream is not None and find_base_uid(props):
                    shown["y"] = self._compute_change(props, stream.window.column("y"))
                marker = make_volume_marker(props, self._data, template)
                shown |= {"marker": marker} if marker else {}
            layout = figure["layout"]
            layout |= map_times(layout, self._time_axes.convert, keep_naive=keep_naive)
            return figure

    def _compute_change(self, props: Mapping[str, Any], values: Array) -> Array:
        """Return the values of a trace as their change; see `find_base_uid`."""
        base = self._streams.by_trace.get(find_base_uid(props) or "")
        return compute_change(values, base.window.column("y") if base else None)

    # --- exports ------------------------------------------------------------------------------

    # In the theme in which pages show the figure, with a config that uploads nothing.

    def to_html(self, config: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Return the figure as HTML, as `FigureWidget` does."""
        return pio.to_html(self._export(), {**CONFIG, **(config or {})}, *args, **kwargs)

    def write_html(self, file: Any, config: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Write the figure as HTML, as `FigureWidget` does."""
        return pio.write_html(self._export(), file, {**CONFIG, **(config or {})}, *args, **kwargs)

    def to_image(self, *args: Any, **kwargs: Any) -> Any:
        """Return the figure as an image, as `FigureWidget` does; it needs the package kaleido."""
        return pio.to_image(self._export(), *args, **kwargs)

    def write_image(self, *args: Any, **kwargs: Any) -> Any:
        """Write the figure as an image, as `FigureWidget` does; it needs the package kaleido."""
        return pio.write_image(self._export(), *args, **kwargs)

    def _export(self) -> Any:
        """Return the figure as a dict, in its theme."""
        with self._lock:
            figure, theme = self.to_dict(), self._choose_theme()
        if theme is not None:
            layout = figure["layout"]
            layout["template"] = apply_theme(layout.get("template", {}), theme)
        return figure

    # --- times given by plotly's own API ------------------------------------------------------

    # Such times stay in `data` as given; pages and exports show them in the figure's zone. The
    # times of a stream are local times in `data`, as in the stream's window.

    def _find_local(self, props: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the name of the column of a trace that is in local time; or no name.

        It is the x of the trace's stream, or of an earlier stream if its times are still there.
        """
        stream = self._streams.by_trace.get(props["uid"])
        if stream is not None:
            return (stream.x_name,)
        name, times = self._kept_times.get(props["uid"], ("x", None))
        return (name,) if times is not None and props.get(name) is times else ()

    def _keep_times(self, props: Mapping[str, Any], stream: Stream) -> None:
        """Note that a trace keeps the local times of its stream, which ends."""
        times = props.get(stream.x_name)
        if not isinstance(times, np.ndarray) or not has_times(times):
            return
        if np.may_share_memory(times, stream.window.x):
            self._kept_times[props["uid"]] = stream.x_name, times

    def _show_times(self, value: Any) -> Any:
        """Return a value with its times as the local times that pages show, as text."""
        return map_times(value, lambda times: to_text(self._time_axes.convert(times)))

    def _take_times(self, source: PageFigure) -> None:
        """Take over the times of the figure from which this one was made."""
        for props, own in zip(self._data, source._data, strict=True):
            for name in source._find_local(own):
                if not has_times(own.get(name)):
                    continue
                if source.tz == self.tz:
                    self._kept_times[props["uid"]] = name, props[name]
                else:
                    props[name] = source._time_axes.convert_back(own[name])

    def _label_time_axes(self) -> None:
        """Write the zone on the axes of times; declare those of streams date axes."""
        live, given = [], []
        for trace, props in zip(self._data_objs, self._data, strict=True):
            stream = self._streams.by_trace.get(props["uid"])
            if stream is not None:
                live += [props] if stream.has_time_axis else []
            elif has_times(props.get("x")) and "xaxis" in trace:
                given.append(props)
        layout = self._layout_obj._props
        changes = self._time_axes.layout_changes(given, layout, is_live=False)
        changes |= self._time_axes.layout_changes(live, layout, is_live=True)
        if changes:
            self.update_layout(changes)

    # --- state and display --------------------------------------------------------------------

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> Any:
        """Return the widget's current state for a page.

        plotly's own state would be outdated after a reload: it is the state at the first display.
        This state holds a preview of each window; the page then asks for the other points.
        """
        with self._lock:
            # plotly's constructor calls this method before the figure has a layout.
            if "_layout_obj" in self.__dict__ and (key is None or "_places" in key):
                self._refresh_state()
            return super().get_state(key, drop_defaults)

    def _refresh_state(self) -> None:
        """Set the traits without a message: pages that are open already have everything."""
        previews = {uid: self._streams.preview(uid) for uid in self._streams.by_trace}
        data = []
        for props in self._data:
            columns, place = previews.get(props["uid"], ({}, {}))
            if columns and not place and find_base_uid(props):
                columns["y"] = self._compute_change(props, columns["y"])
            others = {name: value for name, value in props.items() if name not in columns}
            if not columns:
                columns = {name: to_text(others.pop(name)) for name in self._find_local(props)}
            data.append(self._show_times(deepcopy(others)) | columns)
        self._trait_values["_widget_data"] = data
        self._trait_values["_widget_layout"] = self._show_times(deepcopy(self._layout_obj._props))
        self._trait_values["_places"] = {uid: place for uid, (_, place) in previews.items()}
        self._trait_values["_live"] = {
            "theme": self._choose_theme(),
            "labels": self._labels,
            "smooth": self._smooth,
            "zone": self._time_axes.zone,
            "host": self._host,
            "key": self._key,
        }

    def _choose_theme(self) -> str | None:
        """Return the theme for the page to apply; None if the user has set a template."""
        if self._theme != "auto":
            return str(self._theme)
        default = pio.templates.default  # a name, a Template, or None
        default = pio.templates[default] if isinstance(default, str) else default
        template = self._layout_obj._props.get("template")
        is_default = template is None or (
            default is not None and template == default.to_plotly_json()
        )
        return "auto" if is_default else None

    def _ipython_display_(self) -> None:
        """Show the figure in an output that `freeze` can find."""
        self._displays.show(self._repr_mimebundle_())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **options: Any) -> Any:
        # plotly's own method sends all data again; tickerkit's page side holds or requests them.
        # But marimo calls this before it makes the page side, from the state at that moment.
        if self._host == "marimo":
            self.send_state(STATE)
        return {
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self._model_id,
            },
            "text/plain": type(self).__name__,
        }

    # --- messages -----------------------------------------------------------------------------

    def _send_points(self, content: PointsMessage, buffers: list[memoryview]) -> None:
        if self._answer is not None:
            self._answer.append(pack_message(content, buffers))
        elif not self.closed:
            self.send(content, buffers)

    def pull(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is new since the positions in a page's report; see `senders`."""
        with self._lock:
            messages: list[dict[str, Any]] = []
            self._answer = messages
            try:
                self._handle_message(self, report, [])
                self._streams.flush()
            finally:
                self._answer = None
            # plotly counts them. Those that a thread has made may not have arrived.
            edits = self._last_trace_edit_id + self._last_layout_edit_id
            return {"edits": edits, "messages": messages}

    def _send_plainly(self, uid: str, columns: Mapping[str, Array]) -> None:
        index = next((i for i, props in enumerate(self._data) if props["uid"] == uid), None)
        if index is not None and not self.closed:
            props = self._data[index]
            if find_base_uid(props):
                columns = {**columns, "y": self._compute_change(props, columns["y"])}
            restyle = {name: [values] for name, values in columns.items()}
            super()._send_restyle_msg(restyle, index)

    def _handle_message(self, _: Any, content: Any, buffers: list[memoryview]) -> None:
        """Handle a custom message of a page; unknown messages are ignored."""
        if not isinstance(content, dict):
            return
        if content.get("kind") == "picture":
            self._displays.replace(self, content, buffers)
        elif content.get("kind") == "here":
            with self._lock:
                self._displays.note_page(str(content.get("page")))
                self._streams.handle_report(content)
        elif content.get("kind") == "state":
            self.send_state(STATE)
        elif content.get("kind") == "plotly":
            self.send({"kind": "plotly"}, [read_plotly_js()])

    # --- plotly's messages to the page --------------------------------------------------------

    # Data that the user sets with plotly's API replace the points appended to the trace.

    def _send_restyle_msg(self, restyle_data: Any, *args: Any, **kwargs: Any) -> None:
        self._drop_replaced(restyle_data, *args, **kwargs)
        super()._send_restyle_msg(self._show_times(restyle_data), *args, **kwargs)
        if "x" in restyle_data:
            self._label_time_axes()

    def _send_update_msg(
        self, restyle_data: Any, relayout_data: Any, *args: Any, **kwargs: Any
    ) -> None:
        self._drop_replaced(restyle_data, *args, **kwargs)
        shown = self._show_times([restyle_data, relayout_data])
        super()._send_update_msg(*shown, *args, **kwargs)
        if "x" in (restyle_data or {}):
            self._label_time_axes()

    def _send_relayout_msg(self, layout_data: Any, *args: Any, **kwargs: Any) -> None:
        super()._send_relayout_msg(self._show_times(layout_data), *args, **kwargs)

    def _send_addTraces_msg(self, new_traces_data: Any) -> None:  # noqa: N802
        super()._send_addTraces_msg(self._show_times(new_traces_data))
        self._label_time_axes()

    def _send_animate_msg(
        self, styles_data: Any, relayout_data: Any, trace_indexes: Any, animation_opts: Any
    ) -> None:
        with self._lock:
            for index, style in zip(trace_indexes or [], styles_data, strict=False):
                self._drop_replaced({name: [value] for name, value in style.items()}, [index])
        shown = self._show_times([styles_data, relayout_data])
        super()._send_animate_msg(*shown, trace_indexes, animation_opts)

    def _send_deleteTraces_msg(self, delete_inds: Any) -> None:  # noqa: N802
        uids = {props["uid"] for props in self._data}
        self._streams.retain(uids)
        self._kept_times = {uid: kept for uid, kept in self._kept_times.items() if uid in uids}
        super()._send_deleteTraces_msg(delete_inds)

    def _drop_replaced(
        self, restyle: Any, trace_indexes: Any = None, source_view_id: Any = None
    ) -> None:
        """Drop the streams of traces whose data a restyle replaces."""
        indices = self._normalize_trace_indexes(trace_indexes)
        for index in sorted(find_replaced(restyle, indices, self._data)):
            self._drop_stream(index)

    def _drop_stream(self, index: int) -> None:
        """Drop a trace's stream; send its whole columns: the page's Plotly has a part of them."""
        props = self._data[index]
        stream = self._streams.by_trace.pop(props["uid"], None)
        if stream is None:
            return
        self._keep_times(props, stream)
        if not stream.is_plain:
            columns = {name: [props[name]] for name in stream.window.names if name in props}
            if "x" in props:
                is_local = "x" in self._find_local(props)
                columns["x"] = [to_text(props["x"]) if is_local else props["x"]]
            super()._send_restyle_msg(self._show_times(columns), index)
