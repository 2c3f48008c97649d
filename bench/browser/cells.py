"""The code of the heavier cases: more points, more lines, more figures, other traces and hosts."""

from __future__ import annotations

import http.server
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.browser.in_kernel import SIZE, Array, Beat, Push, Walk, show

LINES = 5
# Points of each line that one frame brings in the FIFO test, at 1,000,000 points a line.
FIFO_POINTS = 100_000
AHEAD = 2
SMALL = {"width": 270, "height": 165, "margin": {"l": 40, "r": 10, "t": 10, "b": 25}}
HEAT = 500
MARIMO_POINTS = 100_000


# --- five lines -------------------------------------------------------------------------------


def five_of_ours(x: Array, ys: Array) -> tuple[object, Push]:
    import plotly.graph_objects as go

    import tickerkit as tk

    traces = [go.Scatter(x=x, y=y, mode="lines", name=str(at)) for at, y in enumerate(ys)]
    layout = {**SIZE, "xaxis": {"type": "date"}}
    fig = tk.LiveFigure(data=traces, layout=layout, window=len(x))

    def push(some_x: Array, some_ys: Array) -> None:
        fig.append({at: (some_x, y) for at, y in enumerate(some_ys)})

    return fig, push


def five_of_bokeh(x: Array, ys: Array) -> tuple[object, Push]:
    from bokeh.io import output_notebook, push_notebook, show
    from bokeh.models import ColumnDataSource
    from bokeh.plotting import figure
    from bokeh.resources import INLINE

    output_notebook(INLINE, hide_banner=True)
    source = ColumnDataSource({"x": x, **{f"y{at}": y for at, y in enumerate(ys)}})
    plot = figure(**SIZE, x_axis_type="datetime")
    for at in range(len(ys)):
        plot.line("x", f"y{at}", source=source)
    handle = show(plot, notebook_handle=True)
    window = len(x)

    def push(some_x: Array, some_ys: Array) -> None:
        new = {"x": some_x, **{f"y{at}": y for at, y in enumerate(some_ys)}}
        source.stream(new, window)
        push_notebook(handle=handle)

    return None, push


def five_of_xy(x: Array, ys: Array) -> tuple[object, Push]:
    import xy as library

    day = time.time() // 86_400 * 86_400_000
    chart = library.line_chart(*[library.line(x - day, y) for y in ys], **SIZE)
    widget = chart.widget()

    def push(some_x: Array, some_ys: Array) -> None:
        for at, y in enumerate(some_ys):
            chart.append(at, some_x - day, y)

    return widget, push


FIVE = {"ours": five_of_ours, "bokeh": five_of_bokeh, "xy": five_of_xy}


def five(name: str, library: str, window: int, rate: float) -> None:
    """Show five lines of so many points, with 1,000 new points a second each."""
    walk = Walk(window)
    figure, push = FIVE[library](walk.x, np.array([walk.y + at for at in range(LINES)]))
    show(figure)

    def step(now: float) -> None:
        x, y = walk.until(now)
        if len(x):
            push(x, np.array([y + at for at in range(LINES)]))

    Beat(name, step, rate).start()


def fifo(name: str, window: int, port: int) -> None:
    """Show five lines of so many points; each drawn frame brings 100,000 new points a line.

    The page requests /NEWEST, the newest x that it has drawn, at this port. At most two updates are
    on their way. x is a count.
    """
    import plotly.graph_objects as go

    import tickerkit as tk

    random = np.random.default_rng(1)
    steps = random.uniform(-5, 5, (LINES, window)).cumsum(axis=1)
    x = np.arange(float(window))
    traces = [go.Scatter(x=x, y=y, mode="lines", name=str(at)) for at, y in enumerate(steps)]
    fig = tk.LiveFigure(data=traces, layout=SIZE, window=window)
    show(fig)
    drawn = threading.Condition()
    newest = [window]

    class Requests(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()
            with drawn:
                newest[0] = max(newest[0], int(self.path[1:]) + 1)
                drawn.notify()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Requests)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sent = [window]

    def step(_: float) -> None:
        with drawn:
            drawn.wait_for(lambda: sent[0] < newest[0] + AHEAD * FIFO_POINTS, timeout=5)
        at = sent[0] % window  # the values of the window, over and over
        new = np.arange(sent[0], sent[0] + FIFO_POINTS, dtype=float)
        sent[0] += FIFO_POINTS
        fig.append({each: (new, y[at : at + FIFO_POINTS]) for each, y in enumerate(steps)})

    Beat(name, step, 1000).start()


# --- twenty figures ---------------------------------------------------------------------------


def twenty(name: str, window: int, rate: float, figures: int = 20) -> None:
    """Show small live figures in a grid, all of them in view."""
    import ipywidgets
    import plotly.graph_objects as go

    import tickerkit as tk

    walk = Walk(window)
    layout = {**SMALL, "showlegend": False, "xaxis": {"type": "date"}}
    figs = [
        tk.LiveFigure([go.Scatter(x=walk.x, y=walk.y, mode="lines")], layout, window=window)
        for _ in range(figures)
    ]
    show(ipywidgets.GridBox(figs, layout={"grid_template_columns": "repeat(4, 272px)"}))

    def step(now: float) -> None:
        x, y = walk.until(now)
        if len(x):
            for fig in figs:
                fig.append(x, y)

    Beat(name, step, rate).start()


# --- a heat map -------------------------------------------------------------------------------


def heat(name: str, library: str, rate: float) -> None:
    """Show a heat map of 500 x 500, whose newest column comes `rate` times a second."""
    import plotly.graph_objects as go

    import tickerkit as tk

    random = np.random.default_rng(1)
    z = random.normal(0, 1, (HEAT, HEAT)).cumsum(axis=0)
    x = time.time() * 1000 - 1000 - np.arange(HEAT)[::-1] * 1000 / rate
    layout = {**SIZE, "xaxis": {"type": "date"}}
    trace = go.Heatmap(x=x, z=z)
    live = library == "ours"
    fig: Any = (
        tk.LiveFigure([trace], layout, window=HEAT) if live else go.FigureWidget([trace], layout)
    )
    show(fig)
    held = [x, z]

    def step(now: float) -> None:
        column = random.normal(0, 1, HEAT).cumsum()
        if live:
            fig.append_column(now * 1000, column, trace=0)
            return
        held[0] = np.append(held[0][1:], now * 1000)
        held[1] = np.column_stack([held[1][:, 1:], column])
        with fig.batch_update():
            fig.data[0].x, fig.data[0].z = held

    Beat(name, step, rate).start()


# --- a first figure, and marimo ---------------------------------------------------------------


def first(library: str) -> None:
    """Show a figure of 1,000 points."""
    import plotly.graph_objects as go

    import tickerkit as tk

    make = tk.LiveFigure if library == "ours" else go.FigureWidget
    show(make(data=[go.Scatter(y=np.arange(1000.0) % 50, mode="lines")], layout=SIZE))


def marimo(name: str, rate: float) -> object:
    """Return a live figure of 1,000 ticks a second, for marimo.

    Once the file `all` exists, the points that are missing of 100,000 follow within seconds.
    """
    import plotly.graph_objects as go

    import tickerkit as tk

    fig = tk.LiveFigure([go.Scatter(mode="lines")], {**SIZE, "xaxis": {"type": "date"}})
    walk = Walk(1)
    wanted = Path(f"{name}.all")
    made = [0]

    def step(now: float) -> None:
        x, _ = walk.until(now)
        if wanted.exists():
            x = now * 1000 + np.arange(2000.0) / 1000
        x = x[: MARIMO_POINTS - made[0]]
        if len(x):
            fig.append(x, np.arange(made[0], made[0] + len(x)))
            made[0] += len(x)

    Beat(name, step, rate).start()
    return fig
