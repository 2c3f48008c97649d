"""Displays: where a figure is shown in the notebook, so that a picture can take its place."""

from __future__ import annotations

import base64
import threading
import uuid
from typing import TYPE_CHECKING, Any

import ipywidgets
import plotly.graph_objects as go
import plotly.io as pio

from tickerkit.errors import TickerkitError

if TYPE_CHECKING:
    from tickerkit.chart.figure.figure import LiveFigure

__all__ = ["Displays"]

ANSWER_S = 5.0


class Displays:
    """The outputs that show one figure; of those inside of boxes the boxes."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._shown_in: str | None = None
        self._newest: str | None = None
        self._waiting: threading.Timer | None = None

    def show(self, bundle: dict[str, Any]) -> None:
        """Show a figure's bundle in the cell that runs."""
        from IPython.display import publish_display_data

        self._ids.append(uuid.uuid4().hex)
        self._shown_in = None
        publish_display_data(  # type: ignore[no-untyped-call]
            bundle, transient={"display_id": self._ids[-1]}
        )

    def heard(self, page: str) -> None:
        """Note that a page shows the figure; after a reload it is another one."""
        self._newest = page
        if self._shown_in is None:
            self._shown_in = page

    def must_be_known(self) -> None:
        """Refuse to look for outputs in a page that was loaded since: it can't find them."""
        if self._ids and self._newest != self._shown_in:
            raise TickerkitError(
                "The page was loaded again since this figure was shown, and no longer tells where "
                "that is: run the figure's cell once more, then freeze it."
            )

    def freeze(self, figure: LiveFigure) -> None:
        """Ask the pages for a picture of a figure; the first one takes its place."""
        if figure.comm is None or self._waiting is not None:
            return
        self._waiting = threading.Timer(ANSWER_S, self.replace, (figure, None, []))
        self._waiting.daemon = True
        self._waiting.name = "tickerkit freeze"
        self._waiting.start()
        figure.send({"kind": "freeze"})

    def replace(
        self, figure: LiveFigure, content: dict[str, Any] | None, buffers: list[memoryview]
    ) -> None:
        """Put a picture in the place of a figure, and close the figure."""
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        waiting.cancel()
        if content is not None and buffers:
            png = bytes(buffers[0])
            size = {name: content[name] for name in ("width", "height")}
            bundle = {"image/png": base64.b64encode(png).decode(), "text/plain": "(a frozen chart)"}
            picture: Any = ipywidgets.Image(value=png, format="png", **size)
        else:
            size, drawing = {}, go.Figure(figure.to_dict())
            bundle = pio.renderers["plotly_mimetype"].to_mimebundle(drawing.to_plotly_json())
            picture = ipywidgets.HTML("(a frozen chart)")
        self._show_instead(bundle, {"image/png": size} if size else {})
        for box in list(ipywidgets.Widget.widgets.values()):
            if isinstance(box, ipywidgets.Box) and any(each is figure for each in box.children):
                box.children = [picture if each is figure else each for each in box.children]
        figure.close()

    def _show_instead(self, bundle: dict[str, Any], metadata: dict[str, Any]) -> None:
        if not self._ids:
            return
        from IPython.display import publish_display_data

        for each in self._ids:
            publish_display_data(  # type: ignore[no-untyped-call]
                bundle, metadata, transient={"display_id": each}, update=True
            )
