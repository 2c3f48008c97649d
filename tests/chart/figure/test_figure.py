"""LiveFigure: points appended from any thread, and the messages that carry them to the pages."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import plotly.io as pio
import pytest

import tickerkit as tk
from tickerkit.chart.figure.plotlyjs import get_shared_plotly_js
from tickerkit.runtime.presence import LEASE_S, PresenceLease

Until = Callable[..., None]
Sent = list[tuple[dict[str, Any], list[memoryview]]]

NOON = "2026-11-23T12:00:00Z"


@pytest.fixture
def figure() -> Iterator[tk.LiveFigure]:
    """Give a figure of two named lines."""
    figure = tk.LiveFigure(data=[go.Scatter(name="AAPL"), go.Scatter(name="MSFT")], window=10_000)
    yield figure
    figure.close()


@pytest.fixture
def sent(figure: tk.LiveFigure) -> Sent:
    """Collect the messages that the figure sends to its pages."""
    messages: Sent = []
    figure.send = lambda content, buffers=None: messages.append((content, buffers))
    return messages


def received(sent: Sent, figure: tk.LiveFigure) -> dict[int, list[float]]:
    """Return by trace the x that a page holds after all messages; assert that none is missing."""
    uids = [trace.uid for trace in figure.data]
    held: dict[int, tuple[int, int, list[float]]] = {n: (0, 0, []) for n in range(len(uids))}
    for content, buffers in list(sent):
        buffer = 0
        for each in content["traces"]:
            index = uids.index(each["uid"])
            epoch, first, points = held[index]
            if each["start"] == each["first"]:
                epoch, first, points = each["epoch"], each["first"], []
            assert epoch == each["epoch"]
            assert first <= each["start"] <= first + len(points), "points are missing"
            new = np.frombuffer(buffers[buffer], dtype=np.float64).tolist()
            points = [*points[: each["start"] - first], *new]
            held[index] = (epoch, each["first"], points[each["first"] - first :])
            buffer += 2
    return {index: points for index, (_, _, points) in held.items()}


def xs(figure: tk.LiveFigure, trace: int = 0) -> list[float]:
    """Return the current x of a trace."""
    return [] if figure.data[trace].x is None else list(figure.data[trace].x)


def test_figure_is_a_figure_widget(figure: tk.LiveFigure) -> None:
    """All of plotly's Python API works on it."""
    assert isinstance(figure, go.FigureWidget)
    figure.update_layout(title="ticks")
    figure.add_trace(go.Bar(x=[1, 2], y=[3, 4], name="volume"))
    with figure.batch_update():
        figure.data[2].y = [5, 6]
        figure.layout.yaxis.title = "price"
    assert figure.to_dict()["layout"]["title"]["text"] == "ticks"
    assert [trace.name for trace in figure.data] == ["AAPL", "MSFT", "volume"]
    assert list(figure.data[2].y) == [5, 6]


def test_append_adds_points_in_order(figure: tk.LiveFigure, until: Until) -> None:
    """Points appended one by one, as arrays, by index or by name are in `data` in order."""
    figure.append(1, 10)
    figure.append([2, 3], [20, 30], trace="AAPL")
    figure.append({"AAPL": ([4], [40]), 1: ([1, 2], [5, 6])})
    until(lambda: xs(figure) == [1, 2, 3, 4] and xs(figure, 1) == [1, 2])
    assert list(figure.data[0].y) == [10, 20, 30, 40]


def test_append_replaces_points_from_the_first_new_x_on(figure: tk.LiveFigure) -> None:
    """The last point of a moving average is revised; x that does not ascend changes nothing."""
    figure.append([1, 2, 3], [10, 20, 30])
    figure.append({"AAPL": ([3, 4], [31, 40]), "MSFT": (1, 5)}, replace=True)
    assert (xs(figure), list(figure.data[0].y)) == ([1, 2, 3, 4], [10, 20, 31, 40])
    figure.append(2, 21, replace=True)
    assert (xs(figure), list(figure.data[0].y)) == ([1, 2], [10, 21])
    with pytest.raises(tk.TickerkitError, match="ascend"):
        figure.append([2, 1], [0, 0], replace=True)
    assert xs(figure) == [1, 2]


def test_trim_drops_what_lies_before_the_first_point_of_the_main_trace(
    figure: tk.LiveFigure,
) -> None:
    """Marks don't stretch the axis; the last of them may go, too."""
    figure.append({"AAPL": ([5, 6], [1, 1]), "MSFT": ([3, 4, 5], [1, 2, 3])})
    figure.trim_to([0], [1])
    assert (xs(figure, 1), list(figure.data[1].y)) == ([5], [3])
    figure.append([8], [1], replace=True)
    figure.window = 1
    figure.trim_to([0], [1])
    assert (xs(figure), xs(figure, 1)) == ([8], [])
    figure.append(9, 9, trace=1)
    assert xs(figure, 1) == [9]


def test_append_takes_the_index_of_a_series_as_x(figure: tk.LiveFigure) -> None:
    """A pandas Series is y, and its index is x."""
    index = pd.date_range("2026-11-23T10:00", periods=2, freq="1s", tz="UTC")
    figure.append(pd.Series([1.5, 2.5], index=index))
    figure.append({"MSFT": pd.Series([3.5], index=index[:1])})
    assert list(figure.data[0].x) == list(index.tz_localize(None).to_numpy())
    assert list(figure.data[1].y) == [3.5]


def test_series_goes_to_the_trace_of_its_name(figure: tk.LiveFigure) -> None:
    """A Series with another name, or a trace that is given, go where they did."""
    figure.append(pd.Series([1.0], name="MSFT"))
    figure.append(pd.Series([2.0], name="price"))
    figure.append(pd.Series([3.0], name="MSFT"), trace=0)
    assert [list(trace.y) for trace in figure.data] == [[2, 3], [1]]


def test_arguments_are_in_the_order_of_plotly() -> None:
    """A live figure takes the positional arguments of a FigureWidget."""
    data, layout = [{"type": "scatter", "wrong": 1}], {"height": 300}
    with pytest.raises(ValueError, match="wrong"):
        tk.LiveFigure(data, layout, None)
    figure = tk.LiveFigure(data, layout, None, True)
    assert (figure.data[0].type, figure.layout.height, figure.window) == ("scatter", 300, 100_000)
    figure.close()


def test_default_template_may_be_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plotly takes a Template as well as its name; the figure still follows the page's theme."""
    template = go.layout.Template(layout={"font": {"size": 17}})
    monkeypatch.setattr(pio.templates, "default", template)
    figure = tk.LiveFigure()
    assert figure.layout.template.layout.font.size == 17
    assert figure.get_state()["_live"]["theme"] == "auto"
    figure.layout.template = go.layout.Template(layout={"font": {"size": 9}})
    assert figure.get_state()["_live"]["theme"] is None
    figure.close()


def test_clear_drops_columns_of_unequal_length(figure: tk.LiveFigure) -> None:
    """After it, points can be appended again."""
    figure.data[0].y = [1, 2, 3]
    figure.data[0].x = [1, 2]
    with pytest.raises(ValueError, match=r"columns have \[2, 3\] points"):
        figure.append(1, 1)
    figure.clear()
    figure.append(5, 6)
    assert (xs(figure), list(figure.data[0].y)) == ([5], [6])


def test_span_of_the_axis_is_that_of_the_window(figure: tk.LiveFigure) -> None:
    """A page shows no more than the window, even if one trace has no new points."""
    assert figure.get_state()["_span"] is None
    figure.window = "5min"
    assert figure.get_state()["_span"] == 300
    other = tk.LiveFigure(window="1s")
    assert other.get_state()["_span"] == 1
    other.close()


def test_append_returns_before_points_are_sent(figure: tk.LiveFigure, sent: Sent) -> None:
    """`data` has the points at once, while messages are still on their way."""
    for x in range(500):
        figure.append(x, x)
    assert xs(figure) == list(range(500))
    assert len(sent) < 100


def test_message_holds_only_new_points(figure: tk.LiveFigure, sent: Sent, until: Until) -> None:
    """Each message begins where the last one ended; the first holds the whole window."""
    figure.append(np.arange(1000), np.arange(1000))
    until(lambda: received(sent, figure)[0] == list(range(1000)))
    figure.append([1000, 1001], [1, 2])
    until(lambda: len(received(sent, figure)[0]) == 1002)
    first, last = sent[0][0]["traces"][0], sent[-1][0]["traces"][0]
    assert (first["start"], first["first"], first["names"]) == (0, 0, ("y",))
    assert (last["start"], last["first"]) == (1000, 0)
    assert sum(len(each.cast("B")) for each in sent[-1][1]) == 2 * 2 * 8


def test_many_appends_make_few_messages(figure: tk.LiveFigure, sent: Sent, until: Until) -> None:
    """A thousand appends are sent in fewer than a hundred messages."""
    for x in range(1000):
        figure.append(x, x)
    until(lambda: len(received(sent, figure)[0]) == 1000)
    assert 1 <= len(sent) < 100


def test_sending_thread_ends_when_all_is_sent(figure: tk.LiveFigure, until: Until) -> None:
    """The thread that sends ends once nothing is pending."""
    figure.append(1, 1)
    until(lambda: not [t for t in threading.enumerate() if t.name == "tickerkit figures"])


def test_change_during_a_batch_of_another_thread_is_kept(
    figure: tk.LiveFigure, until: Until
) -> None:
    """It is no part of the batch, which would drop it at its end."""

    def hide() -> None:
        figure.layout.showlegend = False

    thread = threading.Thread(target=hide)
    with figure.batch_update():
        figure.layout.title.text = "batch"
        thread.start()
        until(lambda: figure.layout.showlegend is False)
    thread.join()
    assert (figure.layout.showlegend, figure.layout.title.text) == (False, "batch")


def test_appends_from_many_threads_lose_no_point(until: Until) -> None:
    """Eight threads append 10,000 points each while the main thread changes the layout.

    Every point arrives, in the order of its thread, in the figure and in the messages.
    """
    figure = tk.LiveFigure(data=[go.Scatter(name=str(n)) for n in range(8)])
    sent: Sent = []
    figure.send = lambda content, buffers=None: sent.append((content, buffers))

    def append(name: str) -> None:
        for x in range(0, 10_000, 10):
            figure.append(np.arange(x, x + 10), np.arange(10), trace=name)

    threads = [threading.Thread(target=append, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    count = 0
    while any(thread.is_alive() for thread in threads):
        figure.update_layout(title=f"{count}")
        count += 1
    for thread in threads:
        thread.join()
    assert all(xs(figure, n) == list(range(10_000)) for n in range(8))
    until(lambda: received(sent, figure) == {n: list(range(10_000)) for n in range(8)})
    assert figure.layout.title.text == str(count - 1)
    figure.close()


def test_appends_from_many_threads_to_one_trace_lose_no_point(
    figure: tk.LiveFigure, sent: Sent, until: Until
) -> None:
    """Every point is in the trace, and each thread's points are in order."""
    figure.window = 100_000

    def append(number: int) -> None:
        for x in range(number * 10_000, (number + 1) * 10_000, 100):
            figure.append(np.arange(x, x + 100), np.zeros(100))

    threads = [threading.Thread(target=append, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: received(sent, figure)[0] == xs(figure))
    for number in range(8):
        mine = [x for x in xs(figure) if number * 10_000 <= x < (number + 1) * 10_000]
        assert mine == list(range(number * 10_000, (number + 1) * 10_000))


def test_page_that_misses_points_receives_them_again(
    figure: tk.LiveFigure, sent: Sent, until: Until
) -> None:
    """A page reports its position and receives the rest; with another epoch it receives all."""
    figure.append(np.arange(100), np.arange(100))
    until(lambda: len(received(sent, figure)[0]) == 100)
    uid, epoch = figure.data[0].uid, sent[0][0]["traces"][0]["epoch"]
    for asked, start in ((([epoch, 60]), 60), ([epoch - 1, 60], 0), ([None, -1], 0)):
        sent.clear()
        figure._handle_custom_msg({"kind": "here", "from": {uid: asked, "gone": [1, 1]}}, [])
        until(lambda: bool(sent))
        assert sent[0][0]["traces"][0]["start"] == start


def test_points_wait_while_no_page_reports(figure: tk.LiveFigure, sent: Sent, until: Until) -> None:
    """A minute after the last report, points stay in the window until a page reports again."""
    now = [0.0]
    figure._streams._lease = PresenceLease(lambda: now[0], idle_since=lambda: 0.0)
    now[0] = LEASE_S + 1
    figure.append(np.arange(10), np.arange(10))
    figure._streams.flush()
    assert sent == []
    figure._handle_custom_msg({"kind": "here"}, [])
    until(lambda: received(sent, figure)[0] == list(range(10)))


def test_state_holds_a_preview_and_its_position(figure: tk.LiveFigure) -> None:
    """The state holds few points of a large window, the highest among them, and the position."""
    y = np.zeros(9000)
    y[4567] = 1
    figure.append(np.arange(9000), y)
    figure.append([1, 2], [3, 4], trace=1)
    state = figure.get_state()
    large, small = state["_widget_data"]
    shown = np.frombuffer(large["y"]["buffer"], dtype=np.float64)
    assert len(shown) <= 4000
    assert shown.max() == 1
    places = [state["_places"][trace.uid] for trace in figure.data]
    assert [(place["next"], place["whole"]) for place in places] == [(9000, False), (2, True)]
    assert np.frombuffer(small["x"]["buffer"]).tolist() == [1, 2]


def test_data_set_by_plotly_replace_appended_points(figure: tk.LiveFigure) -> None:
    """After a trace's y was assigned, append continues after the assigned points."""
    figure.append([1, 2, 3], [1, 2, 3])
    figure.data[0].update(x=[7, 8], y=[70, 80])
    assert figure._streams.by_trace == {}
    figure.append(9, 90)
    assert (xs(figure), list(figure.data[0].y)) == ([7, 8, 9], [70, 80, 90])


def test_window_follows_its_trace_when_traces_move(figure: tk.LiveFigure) -> None:
    """Windows belong to traces, not to indices: traces may be reordered and removed."""
    figure.append({"AAPL": (1, 10), "MSFT": (1, 20)})
    figure.data = figure.data[::-1]
    figure.append({"AAPL": (2, 11), "MSFT": (2, 21)})
    assert list(figure.data[0].y) == [20, 21]
    figure.data = figure.data[1:]
    figure.append(3, 12, trace="AAPL")
    assert list(figure.data[0].y) == [10, 11, 12]
    assert len(figure._streams.by_trace) == 1


def test_exports_hold_the_current_window(figure: tk.LiveFigure) -> None:
    """`to_dict` and `to_html` contain the appended points."""
    figure.append(pd.date_range("2026-11-23", periods=3, freq="1s"), [1.5, 2.5, 3.5])
    written = figure.to_dict()["data"][0]
    assert len(written["x"]) == 3
    assert "2026-11-23T00:00:02" in figure.to_html(include_plotlyjs=False)


@pytest.mark.filterwarnings("ignore:Widget.widgets is deprecated")
def test_frozen_figure_without_a_page_keeps_its_theme(
    figure: tk.LiveFigure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The static form that replaces a figure if no page answers is drawn as the page drew it."""
    published: list[dict[str, Any]] = []
    note = lambda bundle, metadata: published.append(bundle)  # noqa: E731
    monkeypatch.setattr(figure._displays, "_update_outputs", note)
    exported = go.Figure(figure._export()).layout.template
    figure.freeze()
    figure._displays.replace(figure, None, [])
    static = go.Figure(published[0]["application/vnd.plotly.v1+json"]).layout.template
    assert static.layout.plot_bgcolor == exported.layout.plot_bgcolor


def test_smaller_window_drops_the_oldest_points(figure: tk.LiveFigure, until: Until) -> None:
    """The window may be set, and slides as points are appended."""
    figure.append(np.arange(100), np.arange(100))
    until(lambda: len(xs(figure)) == 100)
    figure.window = 10
    until(lambda: xs(figure) == list(range(90, 100)))
    figure.append(100, 100)
    until(lambda: xs(figure) == list(range(91, 101)))


@pytest.mark.parametrize("point", [(10**400, 1), (1, 10**400), (1, [10**400])])
def test_numbers_beyond_float64_are_refused(point: tuple[Any, Any]) -> None:
    """The error is one of tickerkit's, and names the argument."""
    figure = tk.LiveFigure(data=[go.Scatter()])
    with pytest.raises(tk.InvalidArgument, match=r"Invalid [xy]="):
        figure.append(*point)
    figure.close()


def test_masked_values_are_missing() -> None:
    """They break a line as NaN does; the trace's index may be numpy's."""
    figure = tk.LiveFigure(data=[go.Scatter()])
    figure.append([1, 2], np.ma.masked_array([1, 2], mask=[False, True]), trace=np.int64(0))
    assert np.isnan(figure.data[0].y).tolist() == [False, True]
    figure.close()


@pytest.mark.parametrize("unit", ["us", "ns"])
def test_append_continues_after_points_without_a_time(unit: str) -> None:
    """Points without a time are not drawn, and the trace keeps them."""
    times = np.array(["2026-11-23", "NaT"], dtype=f"datetime64[{unit}]")
    figure = tk.LiveFigure([{"type": "scatter", "x": times, "y": [1, 2]}])
    figure.append("2026-11-24", 3)
    assert np.isnat(figure.data[0].x).tolist() == [False, True, False]
    figure.close()


def test_append_continues_after_the_traces_own_points(until: Until) -> None:
    """The points that a trace was made with stay in the window."""
    figure = tk.LiveFigure(data=[go.Scatter(x=[1, 2], y=[1, 2])])
    figure.append(3, 3)
    until(lambda: xs(figure) == [1, 2, 3])
    figure.close()


@pytest.mark.parametrize(
    "trace",
    [
        go.Scatter(y=[1, 2, 3]),
        go.Scatter(x0=0, dx=1, y=[1, 2, 3]),
        go.Figure(go.Scatter(x=np.arange(3), y=np.arange(1, 4))).to_plotly_json()["data"][0],
    ],
)
def test_points_in_every_form_of_plotly_stay(trace: Any) -> None:
    """Without x, with x0 and dx, or in plotly's JSON: append continues after the points."""
    figure = tk.LiveFigure(data=[trace])
    figure.append(3, 4)
    assert (xs(figure), list(figure.data[0].y)) == ([0, 1, 2, 3], [1, 2, 3, 4])
    figure.close()


def test_trace_of_categories_refuses_points_and_stays() -> None:
    """Each append raises, and the trace keeps its points."""
    figure = tk.LiveFigure(data=[go.Bar(x=["a", "b"], y=[1, 2])])
    for _ in range(2):
        with pytest.raises(ValueError, match="Invalid x='a'"):
            figure.append(3, 4)
    assert list(figure.data[0].x) == ["a", "b"]
    figure.close()


def test_empty_append_changes_nothing(figure: tk.LiveFigure) -> None:
    """Empty arrays leave the axis without a type; an unknown trace is still an error."""
    figure.append([], [])
    assert figure.layout.xaxis.type is None
    figure.append([1, 2], [3, 4])
    figure.append([], [])
    assert xs(figure) == [1, 2]
    with pytest.raises(ValueError, match="Invalid trace='IBM'"):
        figure.append([], [], trace="IBM")


def test_assigned_column_is_sent_with_the_others(figure: tk.LiveFigure) -> None:
    """Plotly in the page has a part of a window: when y is assigned, the whole x is sent too."""
    figure.append({"AAPL": (np.arange(9), np.arange(9)), "MSFT": (1, 1)})
    restyled = []
    figure.observe(lambda change: restyled.append(change["new"]), "_py2js_restyle")
    figure.data[0].y = -figure.data[0].y
    first, second = [each for each in restyled if each]
    assert list(first["restyle_data"]["x"][0]) == list(range(9))
    assert list(second["restyle_data"]["y"][0]) == [-n for n in range(9)]
    figure.append(9, -9, trace="AAPL")
    assert xs(figure) == list(range(10))
    assert xs(figure, 1) == [1]


def test_batch_drops_only_windows_whose_data_it_sets(figure: tk.LiveFigure) -> None:
    """One message sets the colour of one trace and the data of another."""
    figure.append({"AAPL": (1, 10), "MSFT": (1, 20)})
    with figure.batch_update():
        figure.data[0].line.color = "red"
        figure.data[1].y = [21]
    assert list(figure._streams.by_trace) == [figure.data[0].uid]
    figure.append(2, 11, trace="AAPL")
    assert list(figure.data[0].y) == [10, 11]


def test_animated_data_replace_appended_points(figure: tk.LiveFigure) -> None:
    """After batch_animate, append continues after the new points."""
    figure.append([1, 2], [10, 20])
    with figure.batch_animate():
        figure.data[0].y = [30, 40]
    figure.append(3, 50)
    assert list(figure.data[0].y) == [30, 40, 50]


def test_append_restores_the_date_axis_of_a_new_layout(figure: tk.LiveFigure) -> None:
    """Times travel as numbers, so the axis must be declared a date axis again."""
    figure.append("2026-11-23T10:00:00Z", 1)
    figure.layout = {"title": {"text": "replaced"}}
    assert figure.layout.xaxis.type is None
    figure.append("2026-11-23T10:00:01Z", 2)
    assert figure.layout.xaxis.type == "date"


def test_clear_drops_all_points(figure: tk.LiveFigure, until: Until) -> None:
    """After clear the traces are there, without points."""
    figure.append([1, 2], [1, 2])
    until(lambda: xs(figure) == [1, 2])
    figure.clear()
    until(lambda: xs(figure) == [])
    assert len(figure.data) == 2


def test_times_make_a_labelled_date_axis(figure: tk.LiveFigure) -> None:
    """Timestamps are converted to UTC, and the axis is a date axis labelled UTC."""
    figure.append(pd.Timestamp("2026-11-23 10:00", tz="Europe/Berlin"), 1)
    assert figure.data[0].x[0] == np.datetime64("2026-11-23T09:00")
    assert (figure.layout.xaxis.type, figure.layout.xaxis.title.text) == ("date", "UTC")


def test_title_of_the_user_stays() -> None:
    """The zone is written only on an axis without a title."""
    figure = tk.LiveFigure(data=[go.Scatter()], layout={"xaxis": {"title": {"text": "when"}}})
    figure.append("2026-11-23T10:00:00Z", 1)
    assert figure.layout.xaxis.title.text == "when"
    figure.close()


def test_times_are_shown_in_the_time_zone() -> None:
    """Local times are shown; the label has the time when clocks go back and an hour comes twice."""
    figure = tk.LiveFigure(data=[go.Scatter()], tz="America/New_York")
    figure.append("2026-11-01T05:30:00Z", 1)
    assert figure.data[0].x[0] == np.datetime64("2026-11-01T01:30")
    assert figure.layout.xaxis.title.text == "America/New_York"
    figure.append(["2026-11-01T05:59:00Z", "2026-11-01T06:30:00Z"], [2, 3])
    assert figure.data[0].x[-1] == np.datetime64("2026-11-01T01:30")
    assert "an hour comes twice, 2026-11-01 06:30 UTC" in figure.layout.xaxis.title.text
    figure.close()


def test_append_bars_updates_a_bar_in_place() -> None:
    """A figure without traces gets candles and volume; a bar passed again replaces the old one."""
    figure = tk.LiveFigure()
    figure.append_bars("2026-11-23T10:00:00Z", 1, 3, 0.5, 2, 100)
    figure.append_bars("2026-11-23T10:00:00Z", 1, 4, 0.5, 3, 150)
    times = pd.date_range("2026-11-23T10:00", periods=2, freq="1min", tz="UTC")
    figure.append_bars(times, [1, 3], [5, 4], [0.5, 2], [3, 4], [200, 10])
    candles, volume = figure.data
    assert (candles.type, volume.type) == ("candlestick", "bar")
    assert (list(candles.high), list(candles.close)) == ([5, 4], [3, 4])
    assert list(volume.y) == [200, 10]
    assert volume.yaxis == "y2"
    figure.close()


def test_append_bars_draws_on_ohlc_traces() -> None:
    """A trace of type ohlc takes bars without volume."""
    figure = tk.LiveFigure(data=[go.Ohlc(name="AAPL")])
    figure.append_bars([1, 2], [1, 2], [3, 4], [0, 1], [2, 3], trace="AAPL")
    assert list(figure.data[0].low) == [0, 1]
    figure.close()


def test_unknown_trace_types_are_sent_whole(until: Until) -> None:
    """A box plot can't be streamed: its window is sent by plotly's message."""
    figure = tk.LiveFigure(data=[go.Box()])
    sent = []
    figure._send_plainly = figure._streams._send_plainly = lambda uid, columns: sent.append(columns)
    figure.append([1, 2], [3, 4])
    until(lambda: bool(sent))
    assert sent[-1]["y"].tolist() == list(figure.data[0].y) == [3, 4]
    figure.close()


def test_figures_share_one_plotly_js(figure: tk.LiveFigure) -> None:
    """No figure's state contains plotly.js; the shared model is made again after it was closed."""
    other = tk.LiveFigure()
    assert other._plotly is figure._plotly is get_shared_plotly_js()
    assert len(str(figure.get_state()["_esm"])) < 200_000
    get_shared_plotly_js().close()
    assert get_shared_plotly_js().comm is not None
    other.close()


def test_closed_figure_is_freed(until: Until) -> None:
    """After close and del, nothing refers to a figure that has streamed."""
    figure = tk.LiveFigure(data=[go.Scatter()])
    figure.append(np.arange(1000), np.arange(1000))
    gone = weakref.ref(figure)
    figure.close()
    del figure

    def is_gone() -> bool:
        gc.collect()
        return gone() is None

    until(is_gone)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f.append([1, 2], [1]), "x has 2 points and y has 1"),
        (lambda f: f.append(187.3), "Trace 0: y is missing"),
        (lambda f: f.append([187.3, 187.4]), "Trace 0: y is missing"),
        (lambda f: f.append({"AAPL": 187.3}), "Trace 'AAPL': y is missing"),
        (lambda f: f.append({"AAPL": [1, 2, 3]}), "Trace 'AAPL': y is missing"),
        (lambda f: f.append(1, 1, trace=5), "Invalid trace=5"),
        (lambda f: f.append(1, 1, trace="IBM"), "Invalid trace='IBM'"),
        (lambda f: setattr(f, "window", 0), "window=0"),
        (lambda f: f.append("soon", 1), "Invalid x='soon'"),
        (lambda f: f.append(1, 1, trace=True), "Invalid trace=True"),
        (lambda f: f.append(1, "x"), "Invalid y='x'"),
        (lambda f: f.append(1, np.datetime64("2026-11-23", "ns")), "Invalid y="),
        (lambda f: f.append([1, 2], np.zeros((2, 2))), "Invalid y=.*in one dimension"),
        (lambda f: f.append(np.zeros((2, 2)), [1, 2]), "Invalid x=.*in one dimension"),
        (lambda f: f.append([[1, 2], [3]], [1, 2]), "Invalid x=.*in one dimension"),
        (lambda f: f.append_bars([1], *[np.zeros((1, 2))] * 4), "Invalid open=.*one dimension"),
        (lambda f: setattr(f, "follow", "yes"), "Invalid follow='yes'"),
        (lambda f: f.append({0: (1, 1), 1: ([1, 2], 1)}), "x has 2 points and y has 1"),
        (lambda f: f.append({"AAPL": (NOON, 1), 0: (1, 1)}), "Invalid trace=0; expected each"),
        (lambda f: f.append({0: (1, 1), -2: (2, 2)}), "Invalid trace=-2; expected each"),
        (lambda f: f.append_bars(1, 1, 1, 1, 1), "no trace for bars"),
        (
            lambda f: f.append_bars(1, 1, 1, 1, 1, trace=0),
            r"type scatter; pass its points to append",
        ),
        (lambda f: f.append_bars([2, 1], *[[1, 1]] * 4), "must ascend"),
        (lambda f: f.append_bars([1, 2], *[[1]] * 4), "time 2, open 1"),
        (lambda f: tk.LiveFigure(tz="Mars"), "Invalid tz='Mars'"),
        (lambda f: tk.LiveFigure(theme="pink"), "Invalid theme='pink'"),
        (lambda f: tk.LiveFigure(pd.DataFrame()), "data='DataFrame'; expected traces or a figure"),
        (lambda f: tk.LiveFigure(smooth="no"), "Invalid smooth='no'"),  # type: ignore[arg-type]
        (lambda f: f.append(None, 1), "Invalid x=None"),
        (lambda f: f.append([NOON, None], [1, 2]), "Invalid x="),
        (lambda f: tk.LiveFigure([go.Heatmap()]).append(1, 1), r"columns to append_column\(\)"),
        (lambda f: tk.LiveFigure([go.Pie()]).append(1, 1), "type pie, which has no points"),
    ],
)
def test_invalid_input_is_refused_whole(
    figure: tk.LiveFigure, call: Callable[[tk.LiveFigure], None], message: str
) -> None:
    """The error names what is wrong, and nothing is appended."""
    with pytest.raises(ValueError, match=message):
        call(figure)
    assert xs(figure) == []


def test_close_stops_drawers_once() -> None:
    """Closing a figure twice stops its drawers once."""

    class Drawer:
        stopped = 0

        def stop(self) -> None:
            self.stopped += 1

    figure, drawer = tk.LiveFigure(), Drawer()
    figure.add_drawer(drawer)
    figure.close()
    figure.close()
    assert drawer.stopped == 1
    figure.append({})


def test_zoomed_range_is_in_utc() -> None:
    """The ends may be text, numbers, reversed, or in an hour that comes twice."""
    figure = tk.LiveFigure(data=[go.Scatter()], tz="Europe/Berlin")

    def zoomed(*ends: object) -> list[str] | None:
        figure.layout.xaxis.range = ends
        found = figure.zoomed_range()
        return found and [f"{end:%Y-%m-%d %H:%M}" for end in found]

    assert zoomed("2026-07-01 10:00", "2026-07-01 11:00") is None
    figure.follow = False
    assert zoomed("2026-07-01 11:00", "2026-07-01 10:00:00.0001") == [
        "2026-07-01 08:00",
        "2026-07-01 09:00",
    ]
    berlin = pd.Timestamp("2026-07-01 11:00", tz="Europe/Berlin")
    assert zoomed(pd.Timestamp("2026-07-01 08:00"), berlin) == [
        "2026-07-01 08:00",
        "2026-07-01 09:00",
    ]
    assert zoomed(0, 3_600_000) == ["1969-12-31 23:00", "1970-01-01 00:00"]
    twice = ["2026-10-25 00:30", "2026-10-25 01:30"]
    assert zoomed("2026-10-25 02:30", "2026-10-25 02:30") == twice
    assert zoomed("1500-01-01", "2500-01-01") is not None
    with pytest.raises(ValueError, match="far"):
        zoomed("far", "away")
    figure.layout.xaxis.autorange = True
    assert figure.zoomed_range() is None
    figure.close()
