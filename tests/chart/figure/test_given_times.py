"""Given times: times passed by plotly's own API are shown in the figure's zone, to the ns."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import plotly.express as px
import plotly.graph_objects as go
import pytest

import tickerkit as tk
from tickerkit.chart.figure.given_times import has_times, map_times, to_text

TIMES = pd.Series(pd.date_range("2026-11-23T10:00:00.000000007Z", periods=2, freq="1s", unit="ns"))
FRAME = pd.DataFrame({"time": TIMES, "price": [1.0, 2.0]})
LATER = pd.Timestamp("2026-11-23T10:00:02.000000007Z")
NEW_YORK = [f"2026-11-23T05:00:0{second}.000000007" for second in range(3)]
MakeFigure = Callable[..., tk.LiveFigure]


@pytest.fixture
def make() -> Iterator[MakeFigure]:
    """Make figures in New York's time, and close them after the test."""
    made = []

    def make(*args: Any, tz: str = "America/New_York") -> tk.LiveFigure:
        made.append(tk.LiveFigure(*args, tz=tz))
        return made[-1]

    yield make
    for figure in made:
        figure.close()


def shown(figure: tk.LiveFigure, trace: int = 0) -> Any:
    """Return the x of a trace as a page receives it, when it loads the figure."""
    return figure.get_state(["_widget_data", "_places"])["_widget_data"][trace]["x"]


def sent(figure: tk.LiveFigure, kind: str) -> list[Any]:
    """Collect plotly's messages of a kind, from now on."""
    messages: list[Any] = []
    figure.observe(
        lambda change: change["new"] and messages.append(change["new"]), f"_py2js_{kind}"
    )
    return messages


def test_figure_of_a_frame_has_its_times_at_once(make: MakeFigure) -> None:
    """Pages and exports have local times, data the given ones; append continues behind them."""
    figure = make(px.line(FRAME, x="time", y="price"))
    assert list(figure.data[0].x) == list(TIMES.to_numpy(dtype="datetime64[ns]"))
    assert shown(figure) == NEW_YORK[:2]
    assert to_text(figure.to_dict()["data"][0]["x"]) == NEW_YORK[:2]
    figure.append(LATER, 3)
    assert to_text(figure.data[0].x) == NEW_YORK


def test_zone_is_written_on_the_axis(make: MakeFigure) -> None:
    """The label is there before the first append; the type of the axis is left to plotly."""
    figure = make([go.Scatter(x=TIMES, y=[1, 2])])
    assert figure.layout.xaxis.title.text == "America/New_York"
    assert figure.layout.xaxis.type is None
    for values in ([1, 2], ["2026-11-23", "2026-11-24"]):
        assert make([go.Scatter(x=values, y=[1, 2])]).layout.xaxis.title.text is None
    assert make([go.Scatter3d(x=TIMES, y=[1, 2], z=[1, 2])]).layout.xaxis.title.text is None


@pytest.mark.parametrize(
    "times",
    [
        TIMES,
        TIMES.dt.tz_localize(None),
        TIMES.dt.tz_localize(None).to_numpy(),
        TIMES.dt.tz_convert("Asia/Tokyo").to_list(),
        [TIMES[0], TIMES[1].tz_localize(None)],
    ],
)
def test_times_in_every_form_are_shown_in_the_zone(make: MakeFigure, times: Any) -> None:
    """Series, arrays and lists; a list keeps the zone of each of its times."""
    assert shown(make([go.Bar(x=times, y=[1, 2])])) == NEW_YORK[:2]


@pytest.mark.parametrize("kind", [list, np.array])
def test_dates_are_the_same_in_each_zone(make: MakeFigure, kind: Callable[..., Any]) -> None:
    """They are no moments: a bar of a day stays at its day, without the name of a zone."""
    dates = [datetime.date(2026, 11, 23), None, datetime.date(2026, 11, 24)]
    figure = make([go.Bar(x=kind(dates), y=[1, 2, 3], customdata=[[each] for each in dates])])
    assert shown(figure) == ["2026-11-23", None, "2026-11-24"]
    assert figure.layout.xaxis.title.text is None
    days = np.array(dates, dtype="datetime64[D]")
    assert shown(make([go.Bar(x=days, y=[1, 2, 3])])) == shown(figure)


def test_text_is_shown_as_it_stands(make: MakeFigure) -> None:
    """As in plotly, text on an axis is a local time, whatever zone it names; append keeps it."""
    figure = make([go.Scatter(x=["2026-11-23T05:00:00Z"], y=[1])])
    assert shown(figure) == ["2026-11-23T05:00:00Z"]
    figure.append("2026-11-23T10:00:01Z", 2)
    hours = [f"2026-11-23T05:00:0{second}.000000000" for second in range(2)]
    assert to_text(figure.data[0].x) == hours


def test_messages_of_plotly_have_local_times(make: MakeFigure) -> None:
    """Times of added traces, assigned columns, ranges and shapes."""
    figure = make([go.Scatter(y=[1, 2])])
    kinds = ("addTraces", "restyle", "update", "relayout", "animate")
    added, restyled, updated, relaid, animated = [sent(figure, kind) for kind in kinds]
    figure.add_candlestick(x=TIMES, open=[1, 2], high=[1, 2], low=[1, 2], close=[1, 2])
    assert added[0]["trace_data"][0]["x"] == NEW_YORK[:2]
    figure.data[0].x = TIMES
    assert restyled[0]["restyle_data"]["x"] == [NEW_YORK[:2]]
    figure.update_layout(xaxis_range=[TIMES[0], LATER])
    assert updated[-1]["layout_data"]["xaxis.range"] == [NEW_YORK[0], NEW_YORK[2]]
    figure.add_vline(x=LATER)
    assert relaid[0]["relayout_data"]["shapes"][0]["x0"] == NEW_YORK[2]
    assert str(figure.to_dict()["layout"]["shapes"][0]["x0"]) == NEW_YORK[2]
    with figure.batch_animate():
        figure.data[0].x = TIMES + pd.Timedelta("1s")
    assert animated[0]["style_data"] == [{"x": NEW_YORK[1:]}]
    assert shown(figure) == NEW_YORK[1:]


def test_replaced_y_leaves_the_times_where_they_are(make: MakeFigure) -> None:
    """A window has local times; they aren't moved again when the trace is no longer streamed."""
    figure = make(px.line(FRAME, x="time", y="price"))
    figure.append(LATER, 3)
    restyled = sent(figure, "restyle")
    figure.data[0].y = [7, 8, 9]
    assert restyled[0]["restyle_data"]["x"] == [NEW_YORK]
    assert shown(figure) == NEW_YORK
    assert shown(make(figure)) == NEW_YORK
    assert shown(make(figure, tz="UTC"))[0] == "2026-11-23T10:00:00.000000007"
    figure.append(LATER + pd.Timedelta("1s"), 10)
    assert to_text(figure.data[0].x)[:3] == NEW_YORK
    figure.data[0].x = TIMES
    assert shown(figure) == NEW_YORK[:2]


def test_values_of_a_histogram_are_moved_once(make: MakeFigure) -> None:
    """Its times may be on the y axis, and are appended alone."""
    figure = make([go.Histogram(y=TIMES)])
    figure.append(LATER)
    assert to_text(figure.to_dict()["data"][0]["y"]) == NEW_YORK
    assert to_text(figure.data[0].y) == NEW_YORK


def test_closed_figure_exports_its_times(make: MakeFigure) -> None:
    """The times of its streams are not moved again."""
    figure = make(px.line(FRAME, x="time", y="price"))
    figure.append(LATER, 3)
    figure.close()
    assert to_text(figure.to_dict()["data"][0]["x"]) == NEW_YORK
    assert shown(make(figure)) == NEW_YORK


def test_replaced_y_leaves_numbers_as_they_are(make: MakeFigure) -> None:
    """A trace of numbers that is no longer streamed has its numbers in the page's state."""
    figure = make([go.Scatter(x=[1, 2], y=[1, 2])])
    figure.append(3, 3)
    figure.data[0].y = [7, 8, 9]
    assert np.frombuffer(shown(figure)["buffer"]).tolist() == [1, 2, 3]


def test_in_utc_the_json_is_that_of_a_plain_figure(make: MakeFigure) -> None:
    """Times without a zone are exported as they were given."""
    plain = px.line(FRAME, x="time", y="price")
    for values in (FRAME["time"], TIMES.dt.tz_localize(None).to_list()):
        plain.data[0].x = values
        ours, theirs = (json.loads(each.to_json()) for each in (make(plain, tz="UTC"), plain))
        assert ours == theirs


def test_mapping_keeps_everything_else() -> None:
    """Values without times are the same objects; what can't be read as times stays."""
    numbers = np.arange(3)
    value = {"a": numbers, "b": [1, 2], "c": [{"d": "2026-11-23"}], "e": [TIMES[0], "soon"]}
    mapped = map_times(value, to_text)
    assert mapped["a"] is numbers
    assert mapped["b"] is value["b"]
    assert mapped == value
    table = np.array([["x", TIMES[0]], ["y", None]], dtype=object)
    stamp = "2026-11-23T10:00:00.000000007"
    assert map_times({"t": table}, to_text)["t"].tolist() == [["x", stamp], ["y", None]]
    assert to_text(np.array(["2026-11-23", "NaT"], dtype="datetime64[ns]"))[1] is None
    assert has_times([None, TIMES[0]])
    assert not has_times("2026-11-23")
    assert map_times(pd.NaT, to_text) is pd.NaT
