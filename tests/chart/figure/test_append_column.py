"""LiveFigure.append_column, and append to traces that are no lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

import tickerkit as tk

Until = Callable[..., None]
NOON = "2026-11-23T12:00:00Z"


@pytest.fixture
def figure() -> Iterator[tk.LiveFigure]:
    """Give a heat map of three rows, with two columns of its own, and a line before it."""
    own = go.Heatmap(name="levels", x=[0, 1], y=[10, 20, 30], z=[[1, 2], [3, 4], [5, 6]])
    figure = tk.LiveFigure([go.Scatter(), own], window=4)
    yield figure
    figure.close()


def test_columns_follow_the_traces_own(figure: tk.LiveFigure) -> None:
    """One column or several; z has the shape (rows, columns), and y stays."""
    figure.append_column(2, [7, 8, 9])
    figure.append_column([3, 4], np.arange(6).reshape(3, 2), trace="levels")
    heat = figure.data[1]
    assert heat.x.tolist() == [1, 2, 3, 4]
    assert heat.z.tolist() == [[2, 7, 0, 1], [4, 8, 2, 3], [6, 9, 4, 5]]
    assert list(heat.y) == [10, 20, 30]
    assert figure.to_dict()["data"][1]["z"]["shape"] == "3, 4"


def test_message_holds_only_the_new_columns(figure: tk.LiveFigure, until: Until) -> None:
    """Its size does not depend on the window; the first message says how many rows there are."""
    sent: list[tuple[Any, Any]] = []
    figure.send = lambda content, buffers=None: sent.append((content["traces"][0], buffers))
    figure.append_column(2, [7, 8, 9])
    until(lambda: len(sent) == 1)
    figure.append_column(3, [np.nan, 8, np.inf])
    until(lambda: len(sent) == 2)
    (first, _), (second, buffers) = sent
    assert (first["start"], first["names"], first["rows"]) == (0, ("z",), 3)
    assert (second["start"], second["epoch"]) == (3, first["epoch"])
    assert "rows" not in second
    assert [len(each) * each.itemsize for each in buffers] == [8, 3 * 8]


def test_state_holds_the_cells_row_by_row(figure: tk.LiveFigure) -> None:
    """The state has z as bytes; a large heat map as every second, fourth, ... column."""
    figure.append_column(2, [7, 8, 9])
    state = figure.get_state()
    place, z = state["_places"][figure.data[1].uid], state["_widget_data"][1]["z"]
    assert (place["rows"], place["next"], place["whole"]) == (3, 3, True)
    assert np.frombuffer(z["buffer"]).reshape(z["shape"]).tolist() == figure.data[1].z.tolist()
    large = tk.LiveFigure([go.Heatmap()], window=1000)
    large.append_column(np.arange(1000.0), np.zeros((500, 1000)))
    assert large.get_state()["_widget_data"][0]["z"]["shape"] == [500, 501]
    large.close()


def test_clear_allows_another_number_of_rows(figure: tk.LiveFigure) -> None:
    """After it, the first column decides about rows, and about numbers or times."""
    figure.clear()
    assert figure.data[1].z.size == 0
    figure.append_column(NOON, [1, 2])
    assert figure.data[1].z.tolist() == [[1], [2]]
    assert figure.layout.xaxis.type == "date"


def test_smaller_window_drops_the_oldest_columns(figure: tk.LiveFigure) -> None:
    """The window may be set, as for lines."""
    figure.append_column([2, 3], np.ones((3, 2)))
    figure.window = 2
    assert figure.data[1].z.tolist() == [[1, 1]] * 3


def test_rows_may_be_named_while_columns_come(figure: tk.LiveFigure) -> None:
    """Setting y keeps the columns; setting z replaces them."""
    figure.append_column(2, [7, 8, 9])
    figure.data[1].y = ["low", "mid", "high"]
    figure.append_column(3, [7, 8, 9])
    assert figure.data[1].z.shape == (3, 4)
    figure.data[1].update(x=[1], z=[[1], [2], [3]])
    figure.append_column(3, [7, 8, 9])
    assert figure.data[1].z.tolist() == [[1, 7], [2, 8], [3, 9]]


def test_empty_columns_change_nothing(figure: tk.LiveFigure) -> None:
    """No columns may also be an empty array with rows."""
    figure.append_column([], [])
    figure.append_column([], np.empty((3, 0)))
    assert list(figure.data[1].x) == [0, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f.append_column(2, [1, 2]), "Trace 1 has 3 rows and z has 2"),
        (lambda f: f.append_column(2, None), "Invalid z=None; expected the numbers of one column"),
        (lambda f: f.append_column(2, ["a", "b", "c"]), "Invalid z="),
        (lambda f: f.append_column(2, [1j, 2, 3]), "Invalid z="),
        (lambda f: f.append_column(2, [[1, 2], [3]]), "Invalid z="),
        (lambda f: f.append_column(2, 3), "Invalid z=3"),
        (lambda f: f.append_column(2, np.ones((3, 2))), "x has 1 columns and z has 2"),
        (lambda f: f.append_column([2, 3], [1, 2, 3]), "2 columns and z is one column"),
        (lambda f: f.append_column(None, [1, 2, 3]), "Invalid x=None"),
        (lambda f: f.append_column(NOON, [1, 2, 3]), "Can't append times"),
        (lambda f: f.append_column([NOON, NOON[:-1]], np.ones((3, 2))), "expected a zone as in"),
        (lambda f: f.append_column(2, [1, 2, 3], trace=5), "Invalid trace=5"),
        (lambda f: f.append_column(2, [1, 2, 3], trace=0), r"scatter; pass its points to append\("),
        (lambda f: f.append(2, 3, trace=1), r"heatmap; pass its columns to append_column\("),
        (lambda f: tk.LiveFigure().append_column(2, [1]), "no trace for columns"),
        (lambda f: f.append(1, 2, z=3), "type scatter, which has no z"),
    ],
)
def test_invalid_columns_are_refused_whole(
    figure: tk.LiveFigure, call: Callable[[tk.LiveFigure], None], message: str
) -> None:
    """The error names what is wrong, and nothing is appended."""
    with pytest.raises(ValueError, match=message):
        call(figure)
    assert [list(figure.data[1].x), figure.data[0].x] == [[0, 1], None]


@pytest.mark.parametrize(
    ("trace", "message"),
    [
        (go.Heatmap(x=[0, 1, 2], z=[[1, 2]]), "x has 3 values and z has 2 columns"),
        (go.Heatmap(x=["a", "b"], z=[[1, 2]]), "Invalid x='a'"),
        (go.Heatmap(x=[0, 1], y=[0, 0], z=[1, 2]), "numbers in two dimensions"),
        (go.Heatmap(z=[[1, 2]], transpose=True), "not transposed"),
    ],
)
def test_heat_map_of_another_form_refuses_columns_and_stays(trace: Any, message: str) -> None:
    """Its own cells stay as they were."""
    figure = tk.LiveFigure([trace])
    with pytest.raises(ValueError, match=message):
        figure.append_column(2, [1])
    assert figure.to_dict()["data"][0]["z"] == figure.data[0].to_plotly_json()["z"]
    figure.close()


@pytest.mark.parametrize("trace", [{"x0": "2026-11-23 12:00", "dx": 1000}, {}])
def test_missing_x_is_that_of_plotly(trace: dict[str, Any]) -> None:
    """By x0 and dx, which may be a time and milliseconds."""
    figure = tk.LiveFigure([go.Heatmap(z=[[1, 2]], **trace)])
    figure.append_column("2026-11-23 12:00:02" if trace else 2, [3])
    assert len(set(np.diff(figure.data[0].x))) == 1
    figure.close()


def test_values_alone_go_to_the_axis_of_the_trace(until: Until) -> None:
    """A histogram's are x, and a box's y, unless the trace says otherwise."""
    traces = [go.Histogram(), go.Box(), go.Violin(orientation="h"), go.Histogram(y=[1])]
    figure = tk.LiveFigure(traces)
    sent: dict[str, Any] = {}
    figure._streams._send_plainly = sent.__setitem__
    for index in range(4):
        figure.append([5, 6], trace=index)
    figure.append({0: [7, 8, 9], 1: 7})
    assert [list(figure.data[0].x), list(figure.data[1].y)] == [[5, 6, 7, 8, 9], [5, 6, 7]]
    assert [list(figure.data[2].x), list(figure.data[3].y)] == [[5, 6], [1, 5, 6]]
    until(lambda: len(sent) == 4)
    assert [list(each) for each in sent.values()] == [["x"], ["y"], ["x"], ["y"]]
    with pytest.raises(ValueError, match="has points of values alone"):
        figure.append(1, 2)
    figure.close()


def test_distribution_is_sent_as_an_even_sample(until: Until) -> None:
    """The extremes of stretches would stand for a line, but have another distribution."""
    figure = tk.LiveFigure([go.Histogram()])
    sent: list[Any] = []
    figure._streams._send_plainly = lambda uid, columns: sent.append(columns["x"])
    values = np.random.default_rng(5).normal(size=20_000)
    figure.append(values)
    until(lambda: bool(sent))
    assert len(sent[0]) <= 2001
    assert abs(sent[0].std() - 1) < 0.05
    figure.close()


def test_points_in_space_have_three_columns() -> None:
    """A scatter3d trace takes z, and its window is a tail."""
    figure = tk.LiveFigure([go.Scatter3d(x=[0], y=[0], z=[0])], window=3)
    figure.append([1, 2], [3, 4], z=[5, 6])
    figure.append({0: (3, 5, 7)})
    assert [list(figure.data[0][name]) for name in "xyz"] == [[1, 2, 3], [3, 4, 5], [5, 6, 7]]
    with pytest.raises(ValueError, match="needs x, y and z"):
        figure.append(1, 2)
    with pytest.raises(ValueError, match="z has 1"):
        figure.append([1, 2], [1, 2], z=3)
    figure.close()
