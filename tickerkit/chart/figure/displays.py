"""Displays: the outputs of a notebook that show one figure, and the image that replaces them."""

from __future__ import annotations

import base64
import threading
import uuid
from typing import Any

import ipywidgets
import plotly.graph_objects as go
import plotly.io as pio

from tickerkit.chart.figure.threadsafe import LockedFigure
from tickerkit.errors import TickerkitError
from tickerkit.runtime.hosts import Host

__all__ = ["Displays"]

ANSWER_TIMEOUT_S = 5.0


class Displays:
    """The outputs that show one figure; `freeze` puts an image in their place.

    A cell's output is updated through its display id. Only the page that received the figure knows
    the id; after a reload, the page no longer does. If the figure is inside a box of widgets, the
    image replaces it among the children of the box.

    Args:
        host: what runs the notebook.
    """

    def __init__(self, host: Host = "jupyter") -> None:
        self._host = host
        self._ids: list[str] = []
        self._displayed_page: str | None = None
        self._newest_page: str | None = None
        self._timeout: threading.Timer | None = None

    def show(self, bundle: dict[str, Any]) -> None:
        """Show a figure's MIME bundle in the running cell."""
        from IPython.display import publish_display_data

        self._ids.append(uuid.uuid4().hex)
        self._displayed_page = None
        publish_display_data(  # type: ignore[no-untyped-call]
            bundle, transient={"display_id": self._ids[-1]}
        )

    def note_page(self, page: str) -> None:
        """Note that a page shows the figure; a reload gives a page a new id."""
        self._newest_page = page
        if self._displayed_page is None:
            self._displayed_page = page

    def check_page(self) -> None:
        """Raise a TickerkitError in marimo, or if the page was reloaded since it got the figure."""
        if self._host == "marimo":
            raise TickerkitError(
                "Can't freeze the figure: marimo can't replace the output of a cell. Keep it by "
                'fig.write_html("figure.html"), or show go.Figure(fig.to_dict()) in its place.'
            )
        if self._ids and self._newest_page != self._displayed_page:
            raise TickerkitError(
                "Can't freeze the figure: the page was reloaded since the figure was shown, and no "
                "longer knows its output. Run the figure's cell again, then freeze it."
            )

    def freeze(self, figure: LockedFigure) -> None:
        """Ask the pages for an image of the figure; the first image replaces the figure.

        Without an answer within 5 seconds, plotly's own static form replaces the figure.
        """
        if figure.comm is None or self._timeout is not None:
            return
        self._timeout = threading.Timer(ANSWER_TIMEOUT_S, self.replace, (figure, None, []))
        self._timeout.daemon = True
        self._timeout.name = "tickerkit freeze"
        self._timeout.start()
        figure.send({"kind": "freeze"})

    def replace(
        self, figure: LockedFigure, content: dict[str, Any] | None, buffers: list[memoryview]
    ) -> None:
        """Show an image instead of a figure, and close the figure.

        Args:
            figure: the figure.
            content: the page's answer, with `width` and `height`; None for no answer.
            buffers: the image as PNG; empty for no answer.
        """
        timeout, self._timeout = self._timeout, None
        if timeout is None:
            return
        timeout.cancel()
        if content is not None and buffers:
            png = bytes(buffers[0])
            size = {name: content[name] for name in ("width", "height")}
            bundle = {"image/png": base64.b64encode(png).decode(), "text/plain": "(a frozen chart)"}
            image: Any = ipywidgets.Image(value=png, format="png", **size)
        else:
            size, static = {}, go.Figure(figure._export())
            bundle = pio.renderers["plotly_mimetype"].to_mimebundle(static.to_plotly_json())
            image = ipywidgets.HTML("(a frozen chart)")
        self._update_outputs(bundle, {"image/png": size} if size else {})
        for box in list(ipywidgets.Widget.widgets.values()):
            if isinstance(box, ipywidgets.Box) and any(each is figure for each in box.children):
                box.children = [image if each is figure else each for each in box.children]
        figure.close()

    def _update_outputs(self, bundle: dict[str, Any], metadata: dict[str, Any]) -> None:
        if not self._ids:
            return
        from IPython.display import publish_display_data

        for display_id in self._ids:
            publish_display_data(  # type: ignore[no-untyped-call]
                bundle, metadata, transient={"display_id": display_id}, update=True
            )
