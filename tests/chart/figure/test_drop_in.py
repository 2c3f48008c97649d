"""A LiveFigure in the place of a FigureWidget: the same calls have the same results.

plotly publishes its own tests in no package, so the calls that they make are listed here: each runs
on both classes, and state, messages to the page, results and errors are compared.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
import plotly.express as px
import plotly.graph_objects as go
import plotly.io as pio
import pytest
from plotly.subplots import make_subplots
from plotly.utils import PlotlyJSONEncoder

import tickerkit as tk

pytestmark = pytest.mark.soak

Make = Callable[..., Any]
FRAME = pd.DataFrame({"x": [1, 2, 3, 4], "y": [3.5, 2, np.nan, 1], "name": list("abab")})
UIDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def pair(make: Make) -> Any:
    """Return a figure of a scatter and of a bar trace."""
    traces = [
        go.Scatter(y=[3, 2, 1], marker={"color": "green"}, name="a"),
        go.Bar(y=[3, 2, 1, 0, -1], marker={"opacity": 0.5}, name="b"),
    ]
    return make(traces, {"xaxis": {"range": [-1, 4]}, "width": 1000})


def grid(make: Make) -> Any:
    """Return a figure of 2 by 2 subplots."""
    return make(make_subplots(rows=2, cols=2, subplot_titles="abcd", specs=[[{}, {}], [{}, {}]]))


def change(
    *changes: Callable[[Any], Any], start: Callable[[Make], Any] = pair
) -> Callable[[Make], Any]:
    """Return a case: the results of changes to a figure, and the figure."""

    def run(make: Make) -> Any:
        figure = start(make)
        return [*(each(figure) for each in changes), figure]

    return run


def assign(path: str, value: Any) -> Callable[[Any], None]:
    """Return a change that assigns a property."""
    return lambda figure: figure.__setitem__(path, value)


def batch(kind: str) -> Callable[[Any], None]:
    """Return a change that assigns several properties in one batch."""

    def run(figure: Any) -> None:
        with getattr(figure, kind)():
            figure.data[0].marker.color = "yellow"
            figure.data[1].marker.opacity = 0.9
            figure.data[0].y = [5, 6, 7]
            figure.layout.xaxis.range = [10, 20]
            figure.add_shape(type="line", x0=0, x1=1, y0=0, y1=1)
            figure.add_annotation(text="a", x=0, y=0)

    return run


def call_back(figure: Any) -> Any:
    """Return what callbacks for changes and for clicks were called with."""
    calls: list[Any] = []

    def note(*values: Any) -> None:
        calls.append([str(value) for value in values])

    figure.data[0].on_change(note, "x", "y")
    figure.layout.on_change(note, ("xaxis", "range"), "yaxis.range", "width")
    figure.data[0].on_click(note)
    figure.data[0].on_selection(note)
    figure.data[0].x = [11, 22, 33]
    figure.update({"layout": {"yaxis": {"range": [11, 22]}}})
    figure.plotly_restyle({"x": [[11, 22], [1, 11]]}, trace_indexes=[0, 1])
    figure.on_edits_completed(lambda: calls.append("completed"))
    points = {"xs": [11], "ys": [3], "point_indexes": [0], "trace_indexes": [0]}
    for event in ("plotly_click", "plotly_selected"):
        figure._js2py_pointsCallback = {"event_type": event, "points": points}
    figure._js2py_relayout = {
        "relayout_data": {"xaxis.range[0]": 1, "xaxis.range[1]": 2, "lastInputTime": 1},
        "source_view_id": "v",
    }
    figure._js2py_restyle = {
        "style_data": {"visible": ["legendonly"]},
        "style_traces": [1],
        "source_view_id": "v",
    }
    figure._js2py_update = {
        "style_data": {"opacity": [0.5]},
        "style_traces": [0],
        "layout_data": {"width": 500},
        "source_view_id": "v",
    }
    uids = [trace.uid for trace in figure.data]
    figure._js2py_traceDeltas = {
        "trace_edit_id": figure._last_trace_edit_id,
        "trace_deltas": [{"uid": uid, "showlegend": True, "mode": "lines"} for uid in uids[:1]],
    }
    figure._js2py_layoutDelta = {
        "layout_edit_id": figure._last_layout_edit_id,
        "layout_delta": {"height": 450},
    }
    calls.append([figure.data[0].showlegend, figure.layout.height])
    return calls


def watch(figure: Any) -> Any:
    """Return the calls of plotly's own methods that send, which its tests replace."""
    kinds = ("restyle", "relayout", "update", "animate", "addTraces", "deleteTraces", "moveTraces")
    names = [f"_send_{kind}_msg" for kind in kinds]
    for name in names:
        setattr(figure, name, MagicMock())
    for kind in ("batch_update", "batch_animate"):
        batch(kind)(figure)
    figure.data[1].marker = {"color": "red"}
    figure.add_traces([go.Sankey(), go.Bar()])
    figure.data = figure.data[:0:-1]
    figure.plotly_update({"name": ["c", "d", "e"]}, {"width": 1})
    return [str(getattr(figure, name).mock_calls) for name in names]


def without_template(make: Make) -> Any:
    """Return a figure made while plotly has no default template."""
    default = pio.templates.default
    pio.templates.default = None
    try:
        return pair(make)
    finally:
        pio.templates.default = default


def write(method: str, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
    """Return a change that writes nothing: it returns the text that a method makes."""

    def run(figure: Any) -> Any:
        return UIDS.sub("", getattr(figure, method)(*args, **kwargs))

    return run


def write_json(figure: Any) -> str:
    """Return what write_json writes."""
    written = io.StringIO()
    figure.write_json(written)
    return UIDS.sub("", written.getvalue())


CASES: dict[str, Callable[[Make], Any]] = {
    "nothing": lambda make: make(),
    "one trace": lambda make: make(go.Scatter(y=[1])),
    "dict": lambda make: make({"type": "bar", "y": [1, 2]}),
    "dict of a figure": lambda make: make(
        {"data": [{"type": "pie", "values": [1]}], "layout": {"width": 3 * 100}}
    ),
    "figure": lambda make: make(go.Figure(go.Scatter(y=[1]), {"title": {"text": "t"}})),
    "json": lambda make: make(pio.from_json(px.line(FRAME, x="x", y="y").to_json())),
    "line": lambda make: make(px.line(FRAME, x="x", y="y", color="name", title="t")),
    "facets": lambda make: make(px.scatter(FRAME, x="x", y="y", facet_col="name")),
    "histogram": lambda make: make(px.histogram(FRAME, x="y", marginal="box")),
    "map": lambda make: make(px.density_heatmap(FRAME, x="x", y="y")),
    "widget": lambda make: make(go.FigureWidget(go.Scatter(y=[1]))),
    "subplots": grid,
    "keywords": lambda make: make(
        data=[{"type": "bar"}], layout_title_text="t", layout={"width": 200}
    ),
    "underscores": lambda make: make([], {"title_text": "t", "xaxis_range": [1, 2]}, None, False),
    "skipped": lambda make: make([{"type": "bar", "bogus": 1}], {"bogus": 2}, skip_invalid=True),
    "no template": lambda make: make([], {"template": None}),
    "dark": lambda make: make([], {"template": "plotly_dark"}),
    "frames": lambda make: make(frames=[go.Frame(name="f")]),
    "frames later": change(assign("frames", [{}])),
    "wrong keyword": lambda make: make([{"type": "bar"}], bogus=1),
    "wrong property": lambda make: make([{"type": "bar", "bogus": 1}]),
    "wrong value": lambda make: make([{"type": "bar", "showlegend": "bad"}]),
    "wrong layout": lambda make: make([], {"paper_bgcolor": "bogus"}),
    "wrong type": lambda make: make([{"type": "bogus"}]),
    "wrong data": lambda make: make(5),
    "text": lambda make: make("text"),
    "add traces": change(
        lambda f: f.add_scatter(x=[1, 2], y=[2, 1], marker_line_color="green") and None,
        lambda f: f.add_traces([go.Sankey(arrangement="snap"), {"type": "histogram"}]) and None,
        lambda f: f.add_trace(go.Heatmap(z=[[1, 2], [3, 4]])) and None,
        lambda f: f.add_ohlc(open=[1], high=[2], low=[0], close=[1]) and None,
        lambda f: f.add_trace({"type": "bogus"}),
    ),
    "add in a grid": change(
        lambda f: f.add_trace(go.Scatter(y=[1]), row=2, col=1) and None,
        lambda f: f.add_traces([{"y": [1]}, {"y": [2]}], rows=[1, 2], cols=[2, 2]) and None,
        lambda f: f.append_trace(go.Bar(y=[1]), 1, 1) and None,
        lambda f: f.add_hline(y=1, row="all", col=1) and None,
        lambda f: f.add_vrect(x0=0, x1=1, annotation_text="v", row=1, col=2) and None,
        lambda f: f.update_xaxes(title_text="x", row=2) and None,
        lambda f: f.update_yaxes({"type": "log"}, col=1) and None,
        lambda f: f.update_traces(opacity=0.5, selector={"type": "bar"}) and None,
        lambda f: [each.x for each in f.select_annotations(selector={"text": "a"})],
        lambda f: str(f.get_subplot(1, 1)),
        lambda f: f.print_grid(),
        start=grid,
    ),
    "row too high": change(lambda f: f.add_trace(go.Bar(), row=3, col=1), start=grid),
    "no grid": change(lambda f: f.add_trace(go.Bar(), row=1, col=1)),
    "subplots twice": change(lambda f: f.set_subplots(2, 3), start=grid),
    "set subplots": change(lambda f: f.set_subplots(2, 2) and None, start=lambda make: make()),
    "of subplots": lambda make: make_subplots(2, 1, figure=make()),
    "assign": change(
        lambda f: setattr(f.data[0].marker, "color", "red"),
        lambda f: setattr(f.data[0], "marker", {"color": "blue"}),
        lambda f: setattr(f.layout.title.font, "family", "courier"),
        assign("layout.xaxis.range", (-10, 10)),
        assign("data[1].y", np.arange(4)),
        assign("layout", {"width": 100}),
        lambda f: setattr(f, "layout", go.Layout(height=300)),
        lambda f: f.layout.update(title_text="t") and None,
        lambda f: setattr(f.layout, "shapes", [{"type": "rect"}, {}]),
        lambda f: setattr(f.layout.shapes[1], "x0", 5),
        lambda f: setattr(f.layout, "annotations", ()),
    ),
    "read": change(
        lambda f: [f["layout.width"], f[("data", 0, "marker", "color")], "data" in f, list(f)],
        lambda f: ["data[5]" in f, f.data[0].name, f.data[-1].type, len(f.data)],
        lambda f: [f.data[0] == f.data[0], f.data[0] == f.data[1], f == go.Figure(f), f == 5],
        lambda f: re.sub("LiveFigure|FigureWidget", "", repr(f)),
        lambda f: f["bogus"],
    ),
    "attributes": change(
        lambda f: [f[()] is f, set(f) == {"data", "layout", "frames"}, "frames" in f, f.frames],
        lambda f: [f == MagicMock(), f.layout == MagicMock(), f["data"] == f.data],
        lambda f: json.dumps(f, cls=PlotlyJSONEncoder, sort_keys=True),
        lambda f: f.bogus,
    ),
    "wrong item": change(assign("bogus", "val")),
    "own attribute": change(lambda f: setattr(f, "bogus", "val")),
    "mocked": change(watch),
    "no default": without_template,
    "wrong assignment": change(assign("layout.xaxis.range", "bogus")),
    "wrong path": change(assign("layout.bogus", 1)),
    "wrong attribute": change(lambda f: setattr(f.layout, "bogus", 1)),
    "wrong y": change(lambda f: setattr(f.data[0], "y", 5)),
    "wrong trace": change(lambda f: f.plotly_restyle({"y": [[1]]}, trace_indexes=7)),
    "wrong restyle": change(lambda f: f.plotly_restyle({"bogus": 1})),
    "wrong update": change(lambda f: f.update_traces(bogus=1)),
    "wrong callback": change(lambda f: f.layout.xaxis.on_change(print, "bogus")),
    "new data": change(assign("data", [go.Bar()])),
    "same data twice": change(lambda f: setattr(f, "data", [f.data[0], f.data[0]])),
    "reorder": change(
        lambda f: setattr(f, "data", f.data[::-1]),
        lambda f: [trace.name for trace in f.data],
        lambda f: setattr(f.data[0], "y", [0]),
        lambda f: setattr(f, "data", [f.data[1]]),
        lambda f: setattr(f, "data", ()),
        lambda f: f.add_bar(y=[1]) and None,
    ),
    "restyle": change(
        lambda f: f.plotly_restyle({"marker.color": "blue"}, 0),
        lambda f: f.plotly_restyle({"marker.color": ["red", "black"], "y": [[1], [2]]}, [0, 1]),
        lambda f: f.plotly_restyle({"name": "c"}),
        lambda f: f.plotly_relayout({"xaxis.range": [1, 2], "title.text": "t"}),
        lambda f: f.plotly_relayout({"xaxis.range": [1, 2]}),
        lambda f: f.plotly_update({"marker.color": "blue"}, {"yaxis.range": [1, 2]}, [1]),
    ),
    "update": change(
        lambda f: f.update({"data": [{"y": [9]}, {"opacity": 0.1}]}) and None,
        lambda f: f.update(data={0: {"marker.color": "blue"}}) and None,
        lambda f: f.update({"data_0_marker_color": "red", "data[1].marker.size": 3}) and None,
        lambda f: f.update(layout={"title": {"text": "t"}}, overwrite=True) and None,
        lambda f: f.update_layout(yaxis_title="y", legend={"x": 0.5}) and None,
        lambda f: f.update_layout({"xaxis2": {"overlaying": "x"}}, overwrite=False) and None,
        lambda f: f.update_traces({"line.width": 3}, selector=0) and None,
        lambda f: f.for_each_trace(lambda trace: trace.update(name="n")) and None,
        lambda f: f.for_each_xaxis(lambda axis: axis.update(showgrid=False)) and None,
        lambda f: f.data[0].update({"marker": {"size": 4}}, overwrite=True) and None,
    ),
    "update of nothing": change(
        lambda f: f.update(data=[go.Scatter(y=[2]), go.Bar(y=[1])]) and None,
        start=lambda make: make(layout={"width": 1000}),
    ),
    "overwrite": change(lambda f: f.update(overwrite=True, data=[go.Scatter(y=[1])]) and None),
    "batch_update": change(batch("batch_update")),
    "batch_animate": change(batch("batch_animate")),
    "shapes": change(
        lambda f: f.add_hline(y=1, annotation_text="h") and None,
        lambda f: f.add_vline(x=1) and None,
        lambda f: f.add_hrect(y0=0, y1=1, line_width=0) and None,
        lambda f: f.add_layout_image(source="data:image/png;base64,") and None,
        lambda f: f.add_annotation(text="t", x=1, y=1) and None,
        lambda f: f.update_shapes(line_color="red") and None,
        lambda f: f.update_annotations(font_size=20) and None,
        lambda f: f.for_each_shape(lambda shape: shape.update(opacity=0.2)) and None,
    ),
    "callbacks": change(call_back),
    "export": change(
        write("to_json"),
        write("to_json", pretty=True, remove_uids=True),
        write_json,
        lambda f: f.to_ordered_dict()["layout"]["width"],
        lambda f: f.show() is f,
        lambda f: go.Figure(f).to_dict()["layout"]["width"],
        lambda f: pio.to_json(f, remove_uids=True),
    ),
    "image": change(lambda f: f.to_image("bogus")),
    "full figure": change(lambda f: f.full_figure_for_development(as_dict="no")),
    "pop": change(lambda f: str(f.layout.pop("width")), lambda f: f.pop("layout") and None),
    "pop wrong": change(lambda f: f.pop("bogus")),
    "copy": change(lambda f: __import__("copy").deepcopy(f)),
    "reduce": change(lambda f: UIDS.sub("", str(f.__reduce__()[1]))),
}


def run(case: Callable[[Make], Any], kind: Make) -> list[str]:
    """Return all that can be observed of a case with a class, as text."""
    seen: list[str] = []
    made: list[Any] = []

    def note(value: Any) -> None:
        # At once: plotly changes the objects in its messages later.
        shown = value.to_plotly_json() if isinstance(value, go.FigureWidget) else value
        seen.append(UIDS.sub("", json.dumps(shown, default=str, sort_keys=True)))

    def make(*args: Any, **kwargs: Any) -> Any:
        figure = kind(*args, **kwargs)
        made.append(figure)
        for name in figure.trait_names():
            if name.startswith("_py2js_"):
                figure.observe(lambda change: note([change["name"], change["new"]]), name)
        return figure

    try:
        result = case(make)
        for each in result if isinstance(result, list) else [result]:
            note(each)
    except Exception as error:
        note([type(error).__name__, re.sub("LiveFigure|FigureWidget", "", str(error))])
    for figure in made:
        note(figure)
        figure.close()
    return seen


@pytest.mark.parametrize("name", CASES)
def test_same_call_has_the_same_result(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Messages, results, errors and state are those of a FigureWidget."""
    expected = run(CASES[name], go.FigureWidget), capsys.readouterr()
    assert (run(CASES[name], tk.LiveFigure), capsys.readouterr()) == expected
