"""The code of a benchmark's notebook: a figure of each library, and ticks for it."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Push = Callable[[Array, Array], None]
SIZE = {"width": 900, "height": 450}
REPORT_EVERY_S = 0.2
_keep: list[object] = []


class Sent:
    """Counts the comm messages that the kernel sends."""

    def __init__(self) -> None:
        from IPython import get_ipython

        self.count = 0
        kernel = getattr(get_ipython(), "kernel", None)
        if kernel is None:  # in marimo
            return
        session = kernel.session
        send = session.send

        def counted(stream: Any, kind: Any, *args: Any, **kwargs: Any) -> Any:
            name = kind if isinstance(kind, str) else kind.get("msg_type")
            self.count += name == "comm_msg"
            return send(stream, kind, *args, **kwargs)

        session.send = counted


class Beat(threading.Thread):
    """Calls `step` at a fixed rate once the file `go` exists, and reports its figures.

    The report goes to a file, not through the page: a page that is behind would answer late.
    """

    def __init__(self, name: str, step: Callable[[float], None], rate: float) -> None:
        super().__init__(name="bench", daemon=True)
        self.go, self.reports = Path(f"{name}.go"), Path(f"{name}.jsonl")
        self.step, self.rate = step, rate
        self.sent = Sent()
        self.pushes, self.push_s = 0, 0.0

    def run(self) -> None:
        while not self.go.exists():
            self.report()
            time.sleep(0.02)
        due = reported = time.time()
        while True:
            time.sleep(max(0.0, due - time.time()))
            now = time.time()
            try:
                self.step(now)
            except Exception as error:
                self.report(f"{type(error).__name__}: {error}")
                return
            self.pushes += 1
            self.push_s += time.time() - now
            due = max(due + 1 / self.rate, time.time())
            if now - reported > REPORT_EVERY_S:
                reported = now
                self.report()
                if not self.go.exists():
                    return

    def report(self, error: str = "") -> None:
        state = {
            "at": time.time(),
            "pid": os.getpid(),
            "pushes": self.pushes,
            "push_s": self.push_s,
            "comm": self.sent.count,
            "error": error,
        }
        with self.reports.open("a") as file:
            file.write(json.dumps(state) + "\n")


class Walk:
    """A random walk, one step each millisecond; x is the time of the step, as epoch ms."""

    def __init__(self, window: int, per_s: float = 1000) -> None:
        self.random = np.random.default_rng(1)
        self.per_s = per_s
        self.start: float | None = None
        self.made = 0
        self.price = 100.0
        # At most a second ago: the difference to the first tick is the time that the page takes.
        past = time.time() * 1000 - 1000
        self.x = past - np.arange(window)[::-1] * 1000 / per_s
        self.y = self.prices(window)

    def prices(self, count: int) -> Array:
        prices = self.price + self.random.normal(0, 0.01, count).cumsum()
        self.price = float(prices[-1])
        return prices

    def until(self, now: float) -> tuple[Array, Array]:
        if self.start is None:
            self.start = now
        due = int((now - self.start) * self.per_s)
        x = self.start * 1000 + np.arange(self.made + 1, due + 1) * 1000 / self.per_s
        self.made = due
        return x, self.prices(len(x)) if len(x) else np.empty(0)


class Held:
    """The newest points as arrays, as the author of a notebook would keep them."""

    def __init__(self, x: Array, y: Array) -> None:
        self.size = self.end = len(x)
        self.columns = np.empty((2, 2 * len(x) + 100_000))
        self.columns[:, : len(x)] = x, y

    def add(self, x: Array, y: Array) -> tuple[Array, Array]:
        if self.end + len(x) > self.columns.shape[1]:
            self.columns[:, : self.size] = self.columns[:, self.end - self.size : self.end]
            self.end = self.size
        self.columns[:, self.end : self.end + len(x)] = x, y
        self.end += len(x)
        newest = self.columns[:, self.end - self.size : self.end]
        return newest[0], newest[1]


# --- one line, in each library ----------------------------------------------------------------


def plain(x: Array, y: Array) -> tuple[object, Push]:
    import plotly.graph_objects as go

    held = Held(x, y)
    fig = go.FigureWidget(data=[go.Scatter(x=x, y=y, mode="lines")], layout=SIZE)

    def push(some_x: Array, some_y: Array) -> None:
        with fig.batch_update():
            fig.data[0].x, fig.data[0].y = held.add(some_x, some_y)

    return fig, push


def ours(x: Array, y: Array) -> tuple[object, Push]:
    import plotly.graph_objects as go

    import tickerkit as tk

    layout = {**SIZE, "xaxis": {"type": "date"}}
    fig = tk.LiveFigure(data=[go.Scatter(x=x, y=y, mode="lines")], layout=layout, window=len(x))
    return fig, fig.append


def bokeh(x: Array, y: Array) -> tuple[object, Push]:
    from bokeh.io import output_notebook, push_notebook, show
    from bokeh.models import ColumnDataSource
    from bokeh.plotting import figure
    from bokeh.resources import INLINE

    output_notebook(INLINE, hide_banner=True)
    source = ColumnDataSource({"x": x, "y": y})
    plot = figure(**SIZE, x_axis_type="datetime")
    plot.line("x", "y", source=source)
    handle = show(plot, notebook_handle=True)
    window = len(x)

    def push(some_x: Array, some_y: Array) -> None:
        source.stream({"x": some_x, "y": some_y}, window)
        push_notebook(handle=handle)

    return None, push


def xy(x: Array, y: Array) -> tuple[object, Push]:
    import xy as library

    # Its append refuses times (0.0.8), and of numbers as large as epoch milliseconds it makes a
    # single upright line: so milliseconds of the day. It has no window: the oldest points stay.
    day = time.time() // 86_400 * 86_400_000
    chart = library.line_chart(library.line(x - day, y), **SIZE)
    widget = chart.widget()

    def push(some_x: Array, some_y: Array) -> None:
        chart.append(0, some_x - day, some_y)

    return widget, push


def perspective(x: Array, y: Array) -> tuple[object, Push]:
    import perspective as library
    from perspective.widget import PerspectiveWidget

    table = library.table({"x": "datetime", "y": "float"}, limit=len(x))
    table.update({"x": x.astype(np.int64).tolist(), "y": y.tolist()})
    # The page has its own copy of the table and requests nothing; this costs no frames.
    mode = "client-server"
    widget = PerspectiveWidget(
        table, plugin="X/Y Line", columns=["x", "y"], settings=False, binding_mode=mode
    )
    widget.layout.width, widget.layout.height = f"{SIZE['width']}px", f"{SIZE['height']}px"

    def push(some_x: Array, some_y: Array) -> None:
        table.update({"x": some_x.astype(np.int64).tolist(), "y": some_y.tolist()})

    return widget, push


def resampler(x: Array, y: Array) -> tuple[object, Push]:
    import plotly.graph_objects as go
    from plotly_resampler import FigureWidgetResampler

    held = Held(x, y)
    fig = FigureWidgetResampler(go.Figure(layout=SIZE))
    fig.add_trace(go.Scatter(mode="lines"), hf_x=x, hf_y=y)

    def push(some_x: Array, some_y: Array) -> None:
        fig.hf_data[0]["x"], fig.hf_data[0]["y"] = held.add(some_x, some_y)
        fig.reload_data()

    return fig, push


LINES = {each.__name__: each for each in (plain, ours, bokeh, xy, perspective, resampler)}


def line(
    name: str, library: str, window: int, rate: float, figures: int = 1, per_s: float = 1000
) -> None:
    """Show figures of a library; they stream once `go` exists."""
    walk = Walk(window, per_s)
    pushes: list[Push] = []
    for _ in range(figures):
        figure, push = LINES[library](walk.x, walk.y)
        pushes.append(push)
        show(figure)

    def step(now: float) -> None:
        x, y = walk.until(now)
        if len(x):
            for push in pushes:
                push(x, y)

    Beat(name, step, rate).start()


def show(figure: object) -> None:
    from IPython.display import display

    if figure is not None:
        _keep.append(figure)
        display(figure)


# --- candles with volume ----------------------------------------------------------------------


def candles(name: str, library: str, bars: int, rate: float) -> None:
    """Show candles with volume; the last bar changes."""
    import plotly.graph_objects as go

    random = np.random.default_rng(1)
    now = time.time() * 1000
    time_ = now - np.arange(bars)[::-1] * 1000.0
    close = 100 + random.normal(0, 0.05, bars).cumsum()
    open_ = np.concatenate([[100], close[:-1]])
    high = np.maximum(open_, close) + 0.03
    low = np.minimum(open_, close) - 0.03
    volume = random.uniform(100, 200, bars)
    # Room for the last bar to change, so that the axes stay the same.
    high[-2], low[-2], volume[-2] = high.max() + 1, low.min() - 1, 300
    columns = {"open": open_, "high": high, "low": low, "close": close}
    traces = [
        go.Candlestick(x=time_, **columns, name="price"),
        go.Bar(x=time_, y=volume, yaxis="y2", name="volume"),
    ]
    layout = {
        **SIZE,
        "showlegend": False,
        "xaxis": {"type": "date", "rangeslider": {"visible": False}},
        "yaxis": {"domain": [0.25, 1]},
        "yaxis2": {"domain": [0, 0.2]},
    }
    live = library == "ours"
    if live:
        import tickerkit as tk

        fig = tk.LiveFigure(data=traces, layout=layout, window=bars)
    else:
        fig = go.FigureWidget(data=traces, layout=layout)
    show(fig)

    def step(_: float) -> None:
        close[-1] = random.uniform(low[-2], high[-2])
        high[-1], low[-1] = max(open_[-1], close[-1]), min(open_[-1], close[-1])
        volume[-1] = random.uniform(100, 300)
        if live:
            fig.append_bars(time_[-1:], open_[-1:], high[-1:], low[-1:], close[-1:], volume[-1:])
            return
        with fig.batch_update():
            price, amount = fig.data
            price.open, price.high, price.low, price.close = open_, high, low, close
            amount.y = volume

    Beat(name, step, rate).start()


# --- a feed with charts -----------------------------------------------------------------------


def feed(name: str, charts: int, rate: float) -> None:
    """Serve ticks, receive them and show charts; write the lag of each tick to a file."""
    import tickerkit as tk

    symbols = [f"S{index}" for index in range(10)]
    server = tk.serve(tk.simulate(symbols, rate=rate / len(symbols), seed=1), port=0)
    received = tk.connect(server.url)
    _keep.extend([server, received])
    for index in range(charts):
        show(received.chart(symbols=symbols[index % len(symbols)], window=100_000))
    taken = [0]
    lags = Path(f"{name}.lags")

    def step(_: float) -> None:
        frame = received.frame()
        new = frame.iloc[taken[0] :]
        taken[0] = len(frame)
        lag = (new["received"] - new["time"]).dt.total_seconds().to_numpy() * 1000
        with lags.open("a") as file:
            for value in lag:
                file.write(f"{value:.3f}\n")

    Beat(name, step, 1.0).start()
