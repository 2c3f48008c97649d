"""PageFigure: a plotly FigureWidget with tickerkit's page side, its state and its messages."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import ipywidgets
import numpy as np
import plotly.io as pio
import traitlets

from tickerkit.chart.figure.compatibility import find_incompatibility, warn_if_incompatible
from tickerkit.chart.figure.displays import Displays
from tickerkit.chart.figure.page_side import build_page_side
from tickerkit.chart.figure.percent import compute_change, is_percent
from tickerkit.chart.figure.plotlyjs import get_shared_plotly_js
from tickerkit.chart.figure.streams import Streams
from tickerkit.chart.figure.subshells import deliver_as_addressed
from tickerkit.chart.figure.threadsafe import LockedFigure, make_lock
from tickerkit.chart.figure.time_axes import TimeAxes
from tickerkit.chart.figure.traces import find_replaced
from tickerkit.chart.figure.window import Window
from tickerkit.chart.figure.x_values import to_iso_text
from tickerkit.chart.messages import FigureNote, PointsMessage
from tickerkit.ticks import Array
from tickerkit.validation import check_choice, check_flag

__all__ = ["PageFigure"]

THEMES = ("auto", "light", "dark")


class PageFigure(LockedFigure):
    """The part of a live figure that exchanges state and messages with its pages.

    A page receives traces, layout and a preview of the appended points in the widget's state, when
    it loads the figure. Later changes of traces and layout arrive as plotly's own messages, and
    new points as messages of `Streams`. The page sends plotly's own messages, reports that name the
    points it holds, and images.

    The arguments are those of `LiveFigure`.
    """

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
        **options: Any,
    ) -> None:
        check_choice("theme", theme, THEMES)
        check_flag("labels", labels)
        # Set before plotly's own `__init__`, which already sends messages.
        self._lock = make_lock()
        self._time_axes = TimeAxes(tz)
        self._theme = theme
        self._labels = labels
        self._streams = Streams(window, self._lock, self._send_points, self._send_plainly)
        self._displays = Displays()
        warn_if_incompatible()
        super().__init__(data, layout, frames, skip_invalid, **options)
        self._span = Window(window).span_s
        self.on_msg(self._handle_message)
        deliver_as_addressed(self)
        # plotly's `__init__` sends these traits before they have data, or not at all.
        self.send_state(["_widget_data", "_widget_layout", "_places", "_live"])

    @traitlets.default("_plotly")
    def _default_plotly(self) -> Any:
        return None if find_incompatibility() else get_shared_plotly_js()

    @property
    def tz(self) -> str:
        """The time zone of the figure's times."""
        return self._time_axes.zone

    def show_note(self, note: FigureNote) -> None:
        """Show a sentence about the figure on it, in place of the one before; "" for none."""
        with self._lock:
            self._note = {**note}

    def to_dict(self) -> Any:
        """Return the figure as a dict; it has percentages where pages show percentages."""
        with self._lock:
            figure = super().to_dict()
            for shown, props in zip(figure["data"], self._data, strict=True):
                stream = self._streams.by_trace.get(props["uid"])
                if stream is not None and is_percent(props):
                    shown["y"] = compute_change(stream.window.column("y"))
            return figure

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
            if columns and not place and is_percent(props):
                columns["y"] = compute_change(columns["y"])
            others = {name: value for name, value in props.items() if name not in columns}
            data.append(deepcopy(others) | columns)
        self._trait_values["_widget_data"] = data
        self._trait_values["_widget_layout"] = deepcopy(self._layout_obj._props)
        self._trait_values["_places"] = {uid: place for uid, (_, place) in previews.items()}
        self._trait_values["_live"] = {
            "theme": self._choose_theme(),
            "labels": self._labels,
            "zone": self._time_axes.zone,
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
        if self.comm is not None:
            self.send(content, buffers)

    def _send_plainly(self, uid: str, columns: Mapping[str, Array]) -> None:
        index = next((i for i, props in enumerate(self._data) if props["uid"] == uid), None)
        if index is not None and self.comm is not None:
            if is_percent(self._data[index]):
                columns = {**columns, "y": compute_change(columns["y"])}
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

    # --- plotly's messages to the page --------------------------------------------------------

    # Data that the user sets with plotly's API replace the points appended to the trace.

    def _send_restyle_msg(self, restyle_data: Any, *args: Any, **kwargs: Any) -> None:
        self._drop_replaced(restyle_data, *args, **kwargs)
        super()._send_restyle_msg(restyle_data, *args, **kwargs)

    def _send_update_msg(
        self, restyle_data: Any, relayout_data: Any, *args: Any, **kwargs: Any
    ) -> None:
        self._drop_replaced(restyle_data, *args, **kwargs)
        super()._send_update_msg(restyle_data, relayout_data, *args, **kwargs)

    def _send_animate_msg(
        self, styles_data: Any, relayout_data: Any, trace_indexes: Any, animation_opts: Any
    ) -> None:
        with self._lock:
            for index, style in zip(trace_indexes or [], styles_data, strict=False):
                self._drop_replaced({name: [value] for name, value in style.items()}, [index])
        super()._send_animate_msg(styles_data, relayout_data, trace_indexes, animation_opts)

    def _send_deleteTraces_msg(self, delete_inds: Any) -> None:  # noqa: N802
        self._streams.retain({props["uid"] for props in self._data})
        super()._send_deleteTraces_msg(delete_inds)

    def _drop_replaced(
        self, restyle: Any, trace_indexes: Any = None, source_view_id: Any = None
    ) -> None:
        """Drop the streams of traces whose data a restyle replaces."""
        indices = self._normalize_trace_indexes(trace_indexes)
        for index in sorted(find_replaced(restyle, indices)):
            self._drop_stream(index)

    def _drop_stream(self, index: int) -> None:
        """Drop a trace's stream; send its whole columns: the page's Plotly has a part of them."""
        props = self._data[index]
        stream = self._streams.by_trace.pop(props["uid"], None)
        if stream is not None and not stream.is_plain:
            names = ("x", *stream.window.names)
            columns = {
                name: [to_iso_text(np.asarray(props[name]))] for name in names if name in props
            }
            super()._send_restyle_msg(columns, index)
