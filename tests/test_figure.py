"""LiveFigure: a FigureWidget with append, from any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

import tickerkit as tk
from tickerkit.chart.figure import EXPORTS, MOST_POINTS

Until = Callable[..., None]


@pytest.fixture
def figure() -> Iterator[tk.LiveFigure]:
    """Give a figure of two named lines."""
    figure = tk.LiveFigure(data=[go.Scatter(name="AAPL"), go.Scatter(name="MSFT")], window=10_000)
    yield figure
    figure.close()


def xs(figure: tk.LiveFigure, trace: int = 0) -> list[float]:
    """Return the x of a trace as it is now."""
    return [] if figure.data[trace].x is None else list(figure.data[trace].x)


def test_it_is_a_figure_widget(figure: tk.LiveFigure) -> None:
    """Everything of plotly's works on it as on its own."""
    assert isinstance(figure, go.FigureWidget)
    figure.update_layout(title="ticks")
    figure.add_trace(go.Bar(x=[1, 2], y=[3, 4], name="volume"))
    with figure.batch_update():
        figure.data[2].y = [5, 6]
        figure.layout.yaxis.title = "price"
    assert figure.to_dict()["layout"]["title"]["text"] == "ticks"
    assert [trace.name for trace in figure.data] == ["AAPL", "MSFT", "volume"]
    assert list(figure.data[2].y) == [5, 6]


def test_appended_points_are_drawn(figure: tk.LiveFigure, until: Until) -> None:
    """Points appended one by one, as arrays, by index or by name arrive in order."""
    figure.append(1, 10)
    figure.append([2, 3], [20, 30], trace="AAPL")
    figure.append({"AAPL": ([4], [40]), 1: ([1, 2], [5, 6])})
    until(lambda: xs(figure) == [1, 2, 3, 4] and xs(figure, 1) == [1, 2])
    assert list(figure.data[0].y) == [10, 20, 30, 40]


def test_append_does_not_wait_for_the_drawing(figure: tk.LiveFigure, until: Until) -> None:
    """It returns while another thread holds the drawing up."""
    drawing, go_on = threading.Event(), threading.Event()
    draw = figure._draw

    def slow() -> None:
        drawing.set()
        assert go_on.wait(10)
        draw()

    figure._draw = slow
    figure.append(1, 1)
    assert drawing.wait(10)
    for x in range(2, 500):
        figure.append(x, x)
    assert xs(figure) == []
    go_on.set()
    until(lambda: xs(figure) == list(range(1, 500)))


def test_what_is_appended_is_coalesced(figure: tk.LiveFigure, until: Until) -> None:
    """A thousand appends make a few messages, not a thousand."""
    sent = []
    send = figure._send_restyle_msg
    figure._send_restyle_msg = lambda *args, **kwargs: (sent.append(1), send(*args, **kwargs))
    for x in range(1000):
        figure.append(x, x)
    until(lambda: len(xs(figure)) == 1000)
    assert 1 <= len(sent) < 20


def test_no_thread_is_left_when_all_is_drawn(figure: tk.LiveFigure, until: Until) -> None:
    """The thread that draws ends when there is nothing more to draw."""
    figure.append(1, 1)
    until(lambda: xs(figure) == [1])
    until(lambda: not [t for t in threading.enumerate() if t.name == "tickerkit figure"])


def test_appends_from_many_threads_lose_nothing(figure: tk.LiveFigure, until: Until) -> None:
    """Eight threads append while the main thread changes the layout: all arrive, in order."""
    figure.add_traces([go.Scatter(name=str(n)) for n in range(8)])

    def append(name: str) -> None:
        for x in range(0, 1000, 10):
            figure.append(np.arange(x, x + 10), np.arange(10), trace=name)

    threads = [threading.Thread(target=append, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    count = 0
    while any(thread.is_alive() for thread in threads):
        figure.update_layout(title=f"{count}")
        count += 1
    until(lambda: all(xs(figure, n + 2) == list(range(1000)) for n in range(8)))
    assert figure.layout.title.text == str(count - 1)


def test_many_points_are_drawn_as_few(figure: tk.LiveFigure, until: Until) -> None:
    """Of a large window at most 2,000 points go to the page, the highest among them."""
    y = np.zeros(9000)
    y[4567] = 1
    figure.append(np.arange(9000), y)
    until(lambda: xs(figure))
    assert len(xs(figure)) <= MOST_POINTS
    assert max(figure.data[0].y) == 1


def test_the_window_slides_and_can_be_changed(figure: tk.LiveFigure, until: Until) -> None:
    """A smaller window lets the oldest points go."""
    figure.append(np.arange(100), np.arange(100))
    until(lambda: len(xs(figure)) == 100)
    figure.window = 10
    until(lambda: xs(figure) == list(range(90, 100)))
    figure.append(100, 100)
    until(lambda: xs(figure) == list(range(91, 101)))


def test_points_given_at_first_are_in_the_window(until: Until) -> None:
    """A trace that has points already keeps them, and goes on after them."""
    figure = tk.LiveFigure(data=[go.Scatter(x=[1, 2], y=[1, 2])])
    figure.append(3, 3)
    until(lambda: xs(figure) == [1, 2, 3])
    figure.close()


def test_clear_lets_go_of_all_points(figure: tk.LiveFigure, until: Until) -> None:
    """After clear the traces are there, without points."""
    figure.append([1, 2], [1, 2])
    until(lambda: xs(figure) == [1, 2])
    figure.clear()
    until(lambda: xs(figure) == [])
    assert len(figure.data) == 2


def test_times_stay_times(figure: tk.LiveFigure, until: Until) -> None:
    """Timestamps are drawn as dates, in UTC."""
    figure.append(pd.Timestamp("2026-11-23 10:00", tz="Europe/Berlin"), 1)
    until(lambda: xs(figure) == ["2026-11-23T09:00:00.000"])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda f: f.append([1, 2], [1]), "2 of x and 1 of y"),
        (lambda f: f.append(1, 1, trace=5), "no trace 5"),
        (lambda f: f.append(1, 1, trace="IBM"), "no trace 'IBM'"),
        (lambda f: setattr(f, "window", 0), "window=0"),
    ],
)
def test_wrong_input_says_what_is_wrong(
    figure: tk.LiveFigure, call: Callable[[tk.LiveFigure], None], words: str
) -> None:
    """What can't be appended is refused at once, and nothing of it is kept."""
    with pytest.raises(ValueError, match=words):
        call(figure)
    assert xs(figure) == []


def test_closing_ends_what_draws_on_it() -> None:
    """A closed figure stops whoever draws on it, once."""

    class Drawer:
        stopped = 0

        def stop(self) -> None:
            self.stopped += 1

    figure, drawer = tk.LiveFigure(), Drawer()
    figure.draws(drawer)
    figure.close()
    figure.close()
    assert drawer.stopped == 1
    figure.append({})


def test_our_page_side_is_added_to_plotlys() -> None:
    """This version of plotly exports what our page side builds on."""
    own, plotlys = str(tk.LiveFigure._esm), str(go.FigureWidget._esm)
    assert EXPORTS.search(plotlys)
    assert own.startswith(plotlys[:1000])
    assert "prototype.remove = function" in own[len(plotlys) :]
    assert "View.prototype" not in own[len(plotlys) :]
