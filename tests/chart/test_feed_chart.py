"""chart: a live figure of a feed's ticks, as lines or candles."""

from __future__ import annotations

import html
import importlib
from collections.abc import Callable

import numpy as np
import plotly.graph_objects as go
import pytest

import tickerkit as tk
from tickerkit.chart.feed_chart import draw_feed
from tickerkit.chart.labels import escape_label
from tickerkit.chart.palette import COLOURS
from tickerkit.log import Gap
from tickerkit.runtime import rerun

pytestmark = pytest.mark.usefixtures("quick")

Until = Callable[..., None]


def tick(symbol: str, price: float | None, second: int, **more: object) -> dict[str, object]:
    """Make a tick at a second after 10:00."""
    return {"symbol": symbol, "price": price, "time": f"2026-11-23T10:00:{second:02}Z", **more}


def lines(figure: tk.LiveFigure) -> dict[str, list[float]]:
    """Return the y of each line, by its name."""
    return {t.name: [] if t.y is None else list(t.y) for t in figure.data}


def test_chart_draws_a_line_for_each_symbol(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """History is drawn first, then each new tick; a new symbol gets a new line."""
    server.publish([tick("AAPL", 1, 0), tick("MSFT", 10, 0), tick("AAPL", 2, 1)])
    feed.wait(3)
    figure = feed.chart()
    until(lambda: lines(figure) == {"AAPL": [1, 2], "MSFT": [10]})
    server.publish([tick("AAPL", 3, 2), tick("NVDA", 7, 2)])
    until(lambda: lines(figure) == {"AAPL": [1, 2, 3], "MSFT": [10], "NVDA": [7]})
    assert list(figure.data[0].x) == [np.datetime64(f"2026-11-23T10:00:0{n}") for n in range(3)]
    assert figure.layout.xaxis.type == "date"


def test_chart_draws_only_the_given_symbols(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Other symbols are left out, also those that appear later."""
    figure = feed.chart(symbols="MSFT")
    server.publish([tick("AAPL", 1, 0), tick("MSFT", 10, 0)])
    server.publish([tick("NVDA", 1, 1), tick("MSFT", 11, 1)])
    until(lambda: lines(figure) == {"MSFT": [10, 11]})


def test_chart_draws_the_column_that_is_asked_for(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """The column names the axis, and its values have the decimals that they need."""
    server.publish([tick("kitchen", None, 0, temperature=21.5, humidity=40)])
    server.publish([tick("AAPL", 187.25, 1), tick("kitchen", None, 2, temperature=22, humidity=41)])
    feed.wait(3)
    figure = feed.chart(y="humidity")
    until(lambda: lines(figure) == {"kitchen": [40, 41]})
    assert figure.layout.yaxis.title.text == "humidity"
    assert figure.layout.yaxis.tickformat == ",.0f"
    assert figure.data[0].yhoverformat == ",.0f"
    prices = feed.chart(symbols="AAPL")
    until(lambda: lines(prices) == {"AAPL": [187.25]})
    assert not prices.layout.yaxis.title.text


def test_chart_of_a_sensor_draws_its_first_number(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Without any price the chart is not empty: it shows the first column of numbers."""
    figure = feed.chart()
    server.publish([tick("kitchen", None, 0, temperature=21.5, humidity=40)])
    server.publish(
        [tick("kitchen", None, 1, humidity=41), tick("kitchen", None, 2, temperature=22)]
    )
    until(lambda: lines(figure) == {"kitchen": [21.5, 22]})
    until(lambda: figure.layout.yaxis.title.text == "temperature")
    assert figure.layout.yaxis.tickformat == ",.1f"


def test_several_symbols_show_their_changes_by_default(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Prices of different shares would be flat lines; one symbol shows its price."""
    figure = feed.chart()
    server.publish([tick("AAPL", 100, 0)])
    until(lambda: lines(figure) == {"AAPL": [100]})
    assert figure.layout.yaxis.tickformat == ",.2f"
    server.publish([tick("AAPL", 101, 1), tick("MSFT", 400, 1), tick("MSFT", 402, 2)])
    until(lambda: lines(figure) == {"AAPL": [100, 101], "MSFT": [400, 402]})
    assert [list(trace["y"]) for trace in figure.to_dict()["data"]] == [[0, 1], [0, 0.5]]
    assert {trace.yhoverformat for trace in figure.data} == {"+,.2f"}
    assert (figure.layout.yaxis.tickformat, figure.layout.yaxis.ticksuffix) == ("+,.2f", " %")
    prices = feed.chart(y="price", window="6min")
    until(lambda: lines(prices) == {"AAPL": [100, 101], "MSFT": [400, 402]})
    assert prices.layout.yaxis.tickformat == ",.2f"


def test_several_sensors_show_their_values_by_default(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A change of a temperature in percent means nothing."""
    figure = feed.chart(symbols="kitchen, garage")
    server.publish([tick("kitchen", None, 0, temperature=21), tick("garage", None, 0, load=7)])
    until(lambda: lines(figure) == {"kitchen": [21], "garage": [7]})
    assert figure.layout.yaxis.ticksuffix == ""


def test_line_of_other_numbers_ends_when_its_symbol_has_a_price(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A volume of the day is not mixed into a line of prices."""
    figure = feed.chart()
    server.publish([tick("AAPL", None, 0, volume=1e6)])
    until(lambda: lines(figure) == {"AAPL": [1e6]})
    server.publish([tick("AAPL", 187.25, 1, volume=2e6)])
    until(lambda: lines(figure) == {"AAPL": [187.25]})
    until(lambda: figure.layout.yaxis.title.text == "")
    assert figure.data[0].yhoverformat == ",.2f"


def test_candles_show_the_column_that_is_asked_for(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """The first symbol that has such numbers is drawn, with the sizes of these ticks as volume."""
    server.publish([tick("AAPL", 187.25, 0), tick("kitchen", None, 1, temperature=21.5)])
    server.publish([tick("kitchen", None, 2, temperature=-3), tick("kitchen", None, 3, humidity=9)])
    feed.wait(4)
    figure = feed.chart("candles+volume", y="temperature", bar="5s")
    until(lambda: len(figure.data) == 2 and figure.data[0].close is not None)
    candles, volume = figure.data
    assert (candles.name, list(candles.high), list(candles.close)) == ("kitchen", [21.5], [-3])
    assert list(volume.y) == [0]
    until(lambda: figure.layout.yaxis.title.text == "temperature")


def test_chart_of_an_unknown_column_says_which_there_are(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """The column may come later, so that it is no error."""
    server.publish([tick("kitchen", None, 0, temperature=21.5, note="x")])
    feed.wait(1)
    figure = feed.chart(y="temprature")
    text = "waiting for the first temprature; there are numbers in temperature"
    until(lambda: figure._note["text"] == text)
    server.publish([tick("kitchen", None, 1, temprature=7)])
    until(lambda: lines(figure) == {"kitchen": [7]})
    assert figure._note["text"] == ""


def test_column_with_markup_in_its_name_is_shown_as_text(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Plotly would run it otherwise."""
    figure = feed.chart()
    server.publish([tick("kitchen", None, 0, **{"<b>x</b>": 1})])
    until(lambda: figure.layout.yaxis.title.text == "&lt;b>x&lt;/b>")


def test_percent_is_the_change_since_the_first_tick_in_the_window(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """The data are prices, from which pages compute percentages; an exported figure has these."""
    figure = feed.chart(y="percent", window="1s")
    figure.add_scatter(x=[1], y=[2], name="mine")
    server.publish([tick("AAPL", 100, 0), tick("MSFT", 10, 0)])
    server.publish([tick("AAPL", 200, 5), tick("MSFT", 50, 5)])
    server.publish([tick("AAPL", 202, 6), tick("MSFT", 45, 6)])
    expected = {"mine": [2], "AAPL": [200, 202], "MSFT": [50, 45]}
    until(lambda: lines(figure) == expected)
    exported = go.Figure(figure.to_dict())
    assert {t.name: list(t.y) for t in exported.data} == {
        "mine": [2],
        "AAPL": pytest.approx([0, 1]),
        "MSFT": pytest.approx([0, -10]),
    }


def test_charts_made_at_different_moments_show_the_same_percentages(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Whatever an earlier chart has shown before, the window decides; so after a restart."""
    earlier = feed.chart(y="percent", window="2s")
    server.publish(tick("AAPL", 100, 0))
    until(lambda: lines(earlier) == {"AAPL": [100]})
    server.stop()
    with tk.serve(None, port=server.port) as restarted:
        restarted.publish([tick("AAPL", 50, 8), tick("AAPL", 60, 9), tick("AAPL", 55, 10)])
        until(lambda: lines(earlier)["AAPL"][-1:] == [55], timeout_s=20)
        later = feed.chart(y="percent", window="2s")
        until(lambda: lines(later).get("AAPL", [])[-1:] == [55])
    for figure in (earlier, later):
        assert list(figure.to_dict()["data"][0]["y"])[-3:] == pytest.approx([0, 20, 10])


def test_symbol_with_only_quotes_is_drawn_at_the_midpoint(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Quotes between trades are not drawn; without a trade, the middle of bid and ask is."""
    figure = feed.chart()
    server.publish([tick("EURUSD", None, 0, bid=1.0, ask=1.5), tick("AAPL", 5, 0)])
    server.publish([tick("AAPL", None, 1, bid=7, ask=9), tick("EURUSD", None, 1, bid=2, ask=3)])
    until(lambda: lines(figure) == {"EURUSD": [1.25, 2.5], "AAPL": [5]})


def test_candles_of_a_symbol_with_only_quotes_are_those_of_the_midpoint(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """With its first trade, the bars become those of trades."""
    figure = feed.chart("candles+volume", symbols="EURUSD", bar="10s")
    server.publish(
        [
            tick("EURUSD", None, 1, bid=1, ask=2),
            tick("EURUSD", None, 2, bid=2, ask=3),
            tick("EURUSD", None, 3, bid=1),
            tick("AAPL", 9, 3),
        ]
    )
    until(lambda: figure.data and figure.data[0].close is not None)
    assert [list(figure.data[0][name]) for name in ("open", "high", "low", "close")] == [
        [1.5],
        [2.5],
        [1.5],
        [2.5],
    ]
    server.publish(tick("EURUSD", 7, 11))
    until(lambda: list(figure.data[0].close)[-1:] == [7])


@pytest.mark.parametrize(
    ("ticks", "decimals"),
    [
        ([tick("AAPL", 187.25, 0), tick("AAPL", 187, 1)], 2),
        ([tick("BTC-USD", 65_432.1, 0), tick("BTC-USD", 65_000, 1)], 2),
        ([tick("SHIB", 0.0000123, 0), tick("SHIB", 0.00001, 1)], 7),
        ([tick("EURUSD", 1.11, 0), tick("EURUSD", 1.1095, 1)], 4),
        ([tick("EURUSD", None, n, bid=1.1095, ask=1.1096) for n in (0, 1)], 5),
    ],
    ids=["AAPL", "BTC", "SHIB", "EURUSD", "quotes"],
)
@pytest.mark.parametrize("kind", ["line", "candles"])
def test_values_have_the_decimals_of_the_instrument(
    server: tk.TickServer, feed: tk.Feed, until: Until, kind: str, ticks: object, decimals: int
) -> None:
    """Hovering, the label, the legend and the axis show the tick size, however many dollars."""
    figure = feed.chart(kind)
    server.publish(ticks)
    until(lambda: figure.data and figure.data[0].x is not None and not figure._note["text"])
    assert figure.data[0].yhoverformat == f",.{decimals}f"
    assert figure.layout.yaxis.tickformat == f",.{decimals}f"


def test_axis_of_different_instruments_has_the_fewest_decimals(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Each line keeps its own; a later tick with more decimals changes those of its line."""
    figure = feed.chart(y="price")
    server.publish([tick("BTC-USD", 65_432.1, 0), tick("SHIB", 0.0000123, 0)])
    until(lambda: len(lines(figure)) == 2)
    until(lambda: [t.yhoverformat for t in figure.data] == [",.2f", ",.7f"])
    assert figure.layout.yaxis.tickformat == ",.2f"
    server.publish(tick("BTC-USD", 65_432.125, 1))
    until(lambda: figure.data[0].yhoverformat == ",.3f")
    until(lambda: figure.layout.yaxis.tickformat == ",.3f")


def test_percentages_have_one_format(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """Axis, label and hovering show a sign and two decimals, whatever the instrument."""
    figure = feed.chart(y="percent")
    server.publish([tick("SHIB", 0.0000123, 0), tick("AAPL", 187.25, 0)])
    until(lambda: len(lines(figure)) == 2)
    assert {t.yhoverformat for t in figure.data} == {"+,.2f"}
    assert (figure.layout.yaxis.tickformat, figure.layout.yaxis.ticksuffix) == ("+,.2f", " %")


def colours(figure: tk.LiveFigure) -> dict[str, str]:
    """Return the colour of each line, by its name."""
    return {t.name: t.line.color for t in figure.data if t.line.color}


def test_lines_are_in_the_order_asked_for(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Whichever symbol ticks first; so are their colours."""
    figure = feed.chart(symbols=["AAPL", "MSFT"])
    server.publish([tick("MSFT", 10, 0), tick("AAPL", 1, 1)])
    until(lambda: lines(figure) == {"AAPL": [1], "MSFT": [10]})
    assert [t.name for t in figure.data] == ["AAPL", "MSFT"]
    assert colours(figure) == {"AAPL": COLOURS[0], "MSFT": COLOURS[1]}


def test_symbols_of_the_feed_give_the_order(server: tk.TickServer, until: Until) -> None:
    """A feed of chosen symbols has their order in each of its charts."""
    with tk.connect(server.url, symbols=["AAPL", "MSFT"]) as feed:
        figure = feed.chart()
        server.publish([tick("MSFT", 10, 0), tick("AAPL", 1, 1)])
        until(lambda: lines(figure) == {"AAPL": [1], "MSFT": [10]})
        assert colours(figure) == {"AAPL": COLOURS[0], "MSFT": COLOURS[1]}


def test_symbol_has_one_colour_in_all_charts(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A chart of fewer symbols, and one with traces of the user, have the same colours."""
    server.publish([tick("NVDA", 1, 0), tick("AAPL", 1, 0), tick("MSFT", 10, 0)])
    feed.wait(3)
    whole = feed.chart()
    until(lambda: len(lines(whole)) == 3)
    own = feed.chart(symbols=["MSFT"])
    own.add_scatter(x=[1], y=[2], name="mine")
    until(lambda: lines(own) == {"MSFT": [10], "mine": [2]})
    later = feed.chart()
    later.add_scatter(x=[1], y=[2], name="mine")
    until(lambda: len(lines(later)) == 4)
    for figure in (own, later):
        assert colours(figure).items() <= colours(whole).items()
    # The user's trace takes its colour from the layout, and there the first symbols' come last.
    assert list(own.layout.colorway) == list(reversed(COLOURS))


def note(figure: tk.LiveFigure) -> tuple[str, str]:
    """Return the kind and the text of the note that a figure shows."""
    return figure._note["kind"], figure._note["text"]


def test_lost_connection_is_shown_since_when(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """The chart says it without a new tick, in its own time zone; also one made later."""
    server.publish(tick("AAPL", 1, 0))
    feed.wait(1)
    figure = feed.chart(tz="Asia/Tokyo")
    until(lambda: lines(figure) == {"AAPL": [1]})
    until(lambda: note(figure) == ("info", ""))
    server.stop()
    until(lambda: note(figure)[0] == "lost")
    since = feed.status_since.tz_convert("Asia/Tokyo")
    assert note(figure)[1] == f"no connection since {since:%H:%M:%S}"
    later = feed.chart(kind="candles")
    until(lambda: note(later) == ("lost", f"no connection since {feed.status_since:%H:%M:%S}"))


def test_note_goes_when_the_connection_is_back(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """The chart of a feed that reconnects is bright again."""
    server.publish(tick("AAPL", 1, 0))
    feed.wait(1)
    figure = feed.chart()
    until(lambda: note(figure) == ("info", ""))
    server.stop()
    until(lambda: note(figure)[0] == "lost")
    with tk.serve(None, port=server.port):
        until(lambda: note(figure) == ("info", ""), timeout_s=20)


def test_stopped_feed_is_shown(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """The chart of a feed that was stopped says when."""
    server.publish(tick("AAPL", 1, 0))
    feed.wait(1)
    figure = feed.chart()
    until(lambda: lines(figure) == {"AAPL": [1]})
    feed.stop()
    assert note(figure) == ("ended", f"stopped at {feed.status_since:%H:%M:%S}")


def test_empty_chart_says_what_it_waits_for(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A misspelt symbol is named beside those that there are."""
    empty = feed.chart()
    until(lambda: note(empty) == ("waiting", "waiting for the first tick"))
    server.publish([tick("AAPL", 1, 0), tick("MSFT", 1, 0)])
    until(lambda: note(empty) == ("info", ""))
    for kind in ("line", "candles"):
        figure = feed.chart(kind, symbols="APPL")
        text = "waiting for the first tick of APPL; there are AAPL, MSFT"
        until(lambda figure=figure, text=text: note(figure) == ("waiting", text))
    some = feed.chart(symbols=["AAPL", "APPL"])
    until(lambda: note(some) == ("info", text))


def test_chart_without_a_server_says_so(until: Until) -> None:
    """The reason is that of the feed."""
    with tk.connect("ws://127.0.0.1:9/") as feed:
        figure = feed.chart()
        until(lambda: "nothing listens there yet" in note(figure)[1])
        assert note(figure)[0] == "waiting"


def test_lines_of_an_earlier_server_are_hidden(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """They are in neither legend nor labels until the symbol's next tick.

    Lines that were asked for, and candles, stay; the chart says what it waits for.
    """
    server.publish([tick("AAPL", 1, 0), tick("MSFT", 2, 0)])
    feed.wait(2)
    whole, asked = feed.chart(), feed.chart(symbols=["AAPL", "MSFT"])
    bars = feed.chart("candles")
    until(lambda: len(lines(whole)) == 2 and len(bars.data) == 1)
    server.stop()
    with tk.serve(None, port=server.port) as restarted:
        restarted.publish([tick("BTC-USD", 60_000, 5), tick("MSFT", 3, 5)])
        until(lambda: shown(whole) == {"MSFT", "BTC-USD"}, timeout_s=20)
        later = feed.chart()
        until(lambda: shown(later) == {"MSFT", "BTC-USD"})
        assert shown(asked) == {"AAPL", "MSFT"}
        text = "waiting for the first tick of AAPL; there are MSFT, BTC-USD"
        for figure in (asked, bars):
            until(lambda figure=figure: note(figure) == ("info", text))
        candles = feed.chart("candles")
        until(lambda: [t.name for t in candles.data] == ["MSFT"])
        restarted.publish(tick("AAPL", 4, 6))
        until(lambda: note(asked) == ("info", ""))
        until(lambda: note(bars) == ("info", "2 more symbols; choose with symbols="))
        for figure in (whole, later):
            until(lambda figure=figure: shown(figure) == {"AAPL", "MSFT", "BTC-USD"})
            until(lambda figure=figure: lines(figure)["AAPL"][-1] == 4)
            assert lines(figure)["AAPL"][0] == 1


def shown(figure: tk.LiveFigure) -> set[str]:
    """Return the names of the lines that are not hidden."""
    return {t.name for t in figure.data if t.visible is not False}


def test_candles_show_bars_of_one_symbol(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """The open bar is updated as ticks come, and new bars follow."""
    figure = feed.chart(kind="candles", symbols="AAPL", bar="10s", window="1min")
    server.publish([tick("AAPL", 5, 1), tick("MSFT", 99, 1), tick("AAPL", 7, 2)])
    until(lambda: figure.data and figure.data[0].close is not None)
    assert (list(figure.data[0].open), list(figure.data[0].high)) == ([5], [7])
    server.publish([tick("AAPL", 4, 9), tick("AAPL", 6, 11)])
    until(lambda: list(figure.data[0].close) == [4, 6])
    assert list(figure.data[0].low) == [4, 6]
    assert figure.data[0].x[0] == np.datetime64("2026-11-23T10:00")
    assert figure.data[0].name == "AAPL"


def test_volume_is_drawn_below_candles(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """Each bar's volume counts all ticks of the bar, late ones included."""
    figure = feed.chart(kind="candles+volume", symbols="AAPL", bar="10s", window="1min")
    server.publish([tick("AAPL", 5, 1) | {"size": 10}, tick("AAPL", 7, 12) | {"size": 1}])
    until(lambda: len(figure.data) == 2 and figure.data[1].y is not None)
    assert list(figure.data[1].y) == [10, 1]
    assert figure.layout.hoversubplots == "axis"  # hovering shows the volume with the prices
    server.publish([tick("AAPL", 9, 13) | {"size": 2}, tick("AAPL", 1, 3) | {"size": 5}])
    until(lambda: list(figure.data[1].y) == [15, 3])
    assert (list(figure.data[0].low), list(figure.data[0].high)) == ([1, 7], [5, 9])
    assert figure.data[1].yaxis == "y2"


def test_candles_equal_the_bars_of_the_feed(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """However ticks are batched, the bars drawn are those of feed.bars()."""
    figure = feed.chart(kind="candles+volume", symbols="AAPL", bar="10s", window=1000)
    rng = np.random.default_rng(3)
    for second in range(0, 60, 3):
        server.publish(
            [tick("AAPL", float(rng.normal(100)), second + n) | {"size": 1.0} for n in range(3)]
        )
        feed.wait(3)
    bars = feed.bars("10s", "AAPL")
    # The volume is written last: a test that reads meanwhile may find the prices without it.
    until(lambda: len(figure.data) == 2 and np.array_equal(figure.data[1].y, bars["volume"]))
    for name in ("open", "high", "low", "close"):
        assert list(figure.data[0][name]) == list(bars[name])


def test_gap_breaks_lines_and_is_shaded(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """No line is drawn across ticks that will never come."""
    figure = feed.chart()
    server.publish([tick("AAPL", 1, 0), tick("MSFT", 5, 0)])
    feed.wait(2)
    feed._state.gaps.add(Gap("an epoch", 3, 9, "test"))
    server.publish([tick("AAPL", 2, 8), tick("AAPL", 3, 9)])
    until(lambda: len(lines(figure).get("AAPL", [])) == 4)
    assert np.array_equal(lines(figure)["AAPL"], [1, np.nan, 2, 3], equal_nan=True)
    until(lambda: len(figure.layout.shapes) == 1)
    shade = figure.layout.shapes[0]
    assert (shade.x0[:19], shade.x1[:19]) == ("2026-11-23T10:00:00", "2026-11-23T10:00:08")
    # The line of a symbol whose next tick comes much later breaks, too.
    server.publish(tick("MSFT", 6, 20))
    until(lambda: len(lines(figure)["MSFT"]) == 3)
    assert np.array_equal(lines(figure)["MSFT"], [5, np.nan, 6], equal_nan=True)
    server.publish([tick("MSFT", 7, 21), tick("AAPL", 4, 21)])
    until(lambda: len(lines(figure)["MSFT"]) == 4)
    assert np.array_equal(lines(figure)["AAPL"], [1, np.nan, 2, 3, 4], equal_nan=True)


def test_shade_of_a_gap_ends_where_older_ticks_go_on(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Trades that were held back after a break come behind newer quotes of the same venue."""
    figure = feed.chart()
    server.publish([tick("AAPL", 1, 0), tick("MSFT", 5, 9)])
    feed.wait(2)
    feed._state.gaps.add(Gap("an epoch", 3, 9, "test"))
    server.publish([tick("AAPL", 2, 4), tick("AAPL", 3, 10)])
    until(lambda: len(figure.layout.shapes) == 1)
    shade = figure.layout.shapes[0]
    assert (shade.x0[:19], shade.x1[:19]) == ("2026-11-23T10:00:00", "2026-11-23T10:00:04")


def test_traces_and_shapes_of_the_user_stay(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """They get no ticks, and stay when a gap leaves the window."""
    figure = feed.chart(window=3)
    figure.add_scatter(x=[1], y=[2], name="mine")
    figure.add_hline(y=1)
    server.publish(tick("AAPL", 1, 0))
    until(lambda: lines(figure) == {"mine": [2], "AAPL": [1]})
    feed._state.gaps.add(Gap("an epoch", 2, 9, "test"))
    server.publish(tick("AAPL", 2, 8))
    until(lambda: len(figure.layout.shapes) == 2)
    for second in range(10, 20):
        server.publish(tick("AAPL", 3, second))
    until(lambda: len(figure.layout.shapes) == 1)
    assert figure.layout.shapes[0].name is None
    assert list(figure.data[0].y) == [2]


def test_candles_are_drawn_beside_traces_of_the_user(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A trace that was added first doesn't prevent the candles."""
    figure = feed.chart(kind="candles", symbols="AAPL", bar="10s")
    figure.add_scatter(x=[1], y=[2], name="mine")
    server.publish(tick("AAPL", 5, 1))
    until(lambda: len(figure.data) == 2 and figure.data[1].close is not None)
    assert list(figure.data[1].close) == [5]


def test_times_are_shown_in_the_given_zone(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """The axis is labelled with the zone."""
    figure = feed.chart(tz="Asia/Tokyo")
    server.publish([tick("AAPL", 1, 0)])
    until(lambda: lines(figure) == {"AAPL": [1]})
    assert figure.data[0].x[0] == np.datetime64("2026-11-23T19:00")
    assert figure.layout.xaxis.title.text == "Asia/Tokyo"


def test_symbol_is_shown_as_text(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """A symbol that contains plotly's markup is shown unchanged."""
    figure = feed.chart()
    server.publish([tick('<a href="javascript:alert(1)">x</a>', 1, 0)])
    until(lambda: figure.data)
    assert figure.data[0].name == '&lt;a href="javascript:alert(1)">x&lt;/a>'


def test_at_most_twenty_lines_are_drawn(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """A feed of hundreds of symbols gets twenty lines, and says how many are missing."""
    figure = feed.chart()
    server.publish([tick(f"S{n}", n + 1, 0) for n in range(100)])
    until(lambda: len(figure.data) == 20)
    server.publish([tick("S0", 5, 1), tick("S99", 5, 1)])
    until(lambda: lines(figure)["S0"] == [1, 5])
    assert len(figure.data) == 20
    until(lambda: note(figure) == ("info", "80 more symbols; choose with symbols="))


def test_chart_ends_with_the_feed(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """After feed.stop() the figure keeps its points, and no thread draws."""
    figure = feed.chart()
    server.publish(tick("AAPL", 1, 0))
    until(lambda: lines(figure) == {"AAPL": [1]})
    feed.stop()
    server.publish(tick("AAPL", 2, 1))
    assert lines(figure) == {"AAPL": [1]}


def test_redrawing_leaves_one_follower(feed: tk.Feed) -> None:
    """However often a figure is redrawn, the feed keeps only the last follower."""
    figure = feed.chart()
    for _ in range(5):
        draw_feed(feed, figure, "line", None, "1min")
    assert len(feed._state.followers) == 1
    figure.close()


def test_rerun_cell_reuses_its_figure(
    server: tk.TickServer, feed: tk.Feed, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figure is the same object, with lines and gaps drawn once; another cell gets its own."""
    server.publish(tick("AAPL", 1, 0))
    feed.wait(1)
    feed._state.gaps.add(Gap("an epoch", 2, 9, "test"))
    server.publish(tick("AAPL", 2, 1))
    feed.wait(1)
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("cell", "run 1"))
    figure = feed.chart()
    until(lambda: len(figure.layout.shapes) == 1)
    figure.add_hline(y=1, annotation_text="x")
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("cell", "run 2"))
    assert feed.chart() is figure
    assert len(figure.layout.annotations) == 0
    until(lambda: len(lines(figure).get("AAPL", [])) == 3)
    figure.stop_drawing()
    assert np.array_equal(lines(figure)["AAPL"], [1, np.nan, 2], equal_nan=True)
    assert len(figure.layout.shapes) == 1
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("another cell", "run 3"))
    assert feed.chart() is not figure


def test_smooth_is_a_setting_of_the_page(feed: tk.Feed) -> None:
    """A chart of a feed is smooth by default."""
    assert feed.chart().get_state()["_live"]["smooth"] is True
    assert feed.chart(smooth=False).get_state()["_live"]["smooth"] is False


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "pie"}, "kind='pie'"),
        ({"y": ""}, "y=''"),
        ({"y": 7}, "y=7"),
        ({"window": "soon"}, "soon"),
        ({"smooth": "no"}, "smooth='no'"),
    ],
)
def test_invalid_option_is_refused(feed: tk.Feed, options: dict[str, str], message: str) -> None:
    """The error names the option and its value."""
    with pytest.raises(ValueError, match=message):
        feed.chart(**options)


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        (r"$\href{javascript:x}{y}$", r"&#36;\href&#123;javascript:x}&#123;y}&#36;"),
        ("%{y}", "%&#123;y}"),
        ("<b>&lt;", "&lt;b>&amp;lt;"),
        ("BRK.B", "BRK.B"),
    ],
)
def test_label_escapes_what_plotly_interprets(symbol: str, name: str) -> None:
    """Formulas, template fields and markup are shown as text."""
    assert escape_label(symbol) == name
    assert html.unescape(name) == symbol


def test_chart_of_a_feed_cannot_be_uploaded(feed: tk.Feed) -> None:
    """Plotly's button that sends a chart to its cloud is left out: prices may be licensed."""
    assert feed.chart()._config["showSendToCloud"] is False


def test_chart_begins_with_a_bounded_number_of_ticks(
    server: tk.TickServer, feed: tk.Feed, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chart of a long log reads its newest ticks only."""
    monkeypatch.setattr(importlib.import_module("tickerkit.chart.feed_chart"), "MAX_ROWS", 2)
    server.publish([tick("AAPL", price, price) for price in (1, 2, 3)])
    feed.wait(3)
    figure = feed.chart()
    until(lambda: lines(figure) == {"AAPL": [2, 3]})
