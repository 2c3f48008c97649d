"""Dashboard: chart, watchlist, state, choices, downloads and recordings of a feed or several."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from desk_receiver import DeskReceiver
from peers import plain_server

import tickerkit as tk
from tickerkit.chart.desk import dashboard, exchange
from tickerkit.feed import readers
from tickerkit.log import Gap
from tickerkit.runtime import rerun

Until = Callable[..., None]
TICKS = [
    {"symbol": "AAPL", "price": 187.25, "size": 100, "time": "2026-11-23T10:00:00Z"},
    {"symbol": "MSFT", "price": 421.9, "time": "2026-11-23T10:00:01Z"},
]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for changes of the feed's state, which are no ticks, more than once a second."""
    monkeypatch.setattr(readers, "IDLE_S", 0.05)
    monkeypatch.setattr(dashboard, "INTERVAL_S", 0.02)
    monkeypatch.setattr(tk.Dashboard, "min_interval_s", 0.02)
    monkeypatch.setattr(exchange, "COUNTS_INTERVAL_S", 0.02)


def drawn(board: tk.Dashboard) -> list[float]:
    """Return the y of the first line."""
    traces = board.figure.data
    return [] if not traces or traces[0].y is None else list(traces[0].y)


def test_dashboard_shows_state_rows_and_chart(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """It shows the feed's state, and a row and a line for each symbol."""
    page = DeskReceiver(feed.dashboard())
    server.publish(TICKS)
    until(lambda: page.symbols == ["AAPL", "MSFT"] and len(page.board.figure.data) == 2)
    assert page.show("MSFT", "last", "decimals", "size") == (421.9, 2, None)
    assert page.show("AAPL", "last", "size", "time_ms") == (187.25, 100, 1795428000000)
    until(lambda: (page.feed["status"], page.feed["ticks"]) == ("live", 2))
    until(lambda: page.menu_symbols == ["AAPL", "MSFT"])


def test_price_move_has_a_direction(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """It stays until the next move."""
    page = DeskReceiver(feed.dashboard())
    server.publish(TICKS)
    until(lambda: page.show("AAPL", "last", "move") == (187.25, 0))
    server.publish({"symbol": "AAPL", "price": 188})
    until(lambda: page.show("AAPL", "last", "move") == (188, 1))
    server.publish({"symbol": "AAPL", "price": 187})
    until(lambda: page.show("AAPL", "last", "move") == (187, -1))
    server.publish({"symbol": "AAPL", "price": 187, "size": 5})
    until(lambda: page.show("AAPL", "size", "move") == (5, -1))


def test_quotes_without_trades_are_shown_with_their_middle(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Bid, ask and spread have columns; the middle moves, and all have the same decimals."""
    page = DeskReceiver(feed.dashboard())
    names = ("last", "label", "move", "bid", "ask", "spread", "decimals")
    quote = {"symbol": "EURUSD", "bid": 1.1095, "ask": 1.1096, "time": "2026-11-23T10:00:00Z"}
    server.publish([quote, {"symbol": "A", "bid": 1, "time": "2026-11-23T10:00:00Z"}])
    until(lambda: len(page.rows) == 2)
    assert page.show("EURUSD", *names) == (1.10955, "mid", 0, 1.1095, 1.1096, 0.0001, 5)
    assert page.show("A", *names) == (None, "", 0, 1, None, None, 2)
    until(lambda: page.board._menu["is_quoted"])
    server.publish(quote | {"bid": 1.1094})
    until(lambda: page.show("EURUSD", "last", "move") == (1.1095, -1))
    server.publish([{"symbol": "EURUSD", "price": 1.2}, {"symbol": "A", "price": 1}])
    until(lambda: page.show("EURUSD", "last", "label", "move") == (1.2, "", 1))
    json.dumps(page.messages, allow_nan=False)


SENSORS = [
    {"symbol": "kitchen", "temperature": 21.5, "humidity": 40, "time": "2026-11-23T10:00:00Z"},
    {"symbol": "garden", "temperature": 8, "size": 3, "time": "2026-11-23T10:00:00Z"},
]


def test_state_says_that_a_field_map_is_a_guess(until: Until) -> None:
    """A foreign websocket may be understood wrongly: `feed.fields` shows how it is read."""

    def handle(peer: Any) -> None:
        for number in range(3):
            peer.send(json.dumps({"s": "BTC", "p": f"{100 + number}.5"}))
        peer.recv()

    with plain_server(handle) as url, tk.connect(url) as feed:
        page = DeskReceiver(feed.wait(3).dashboard())
        until(lambda: "feed.fields: a guess" in page.feed.get("note", ""))
        page.board.close()


def test_menu_of_columns_is_of_use_where_there_are_others_than_prices(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """The views of a market have a button named price already."""
    board = feed.dashboard()
    server.publish({"symbol": "A", "price": 1, "bid": 0.9, "ask": 1.1})
    until(lambda: set(board._menu["columns"]) == {"price", "bid", "ask"})
    assert not board._menu["shows_columns"]
    server.publish({"symbol": "A", "price": 2, "yield": 0.03})
    until(lambda: "yield" in board._menu["columns"])
    until(lambda: board._menu["shows_columns"])


def labels(board: tk.Dashboard) -> list[str]:
    """Return the labels of the views."""
    return [each["label"] for each in board._menu["views"]]


def test_dashboard_of_sensors_shows_their_numbers(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Where there is no price, the first column of numbers is shown, and others can be chosen."""
    board = feed.dashboard()
    page = DeskReceiver(board)
    names = ("last", "label", "decimals", "move", "others", "other_decimals")
    server.publish(SENSORS)
    until(lambda: (board.choices["view"], labels(board)[1]) == ("price", "temperature"))
    until(lambda: board.figure.layout.yaxis.ticksuffix == "" and drawn(board) == [21.5])
    until(lambda: board._menu["columns"] == ["temperature", "humidity"])
    until(lambda: board._menu["shows_columns"])
    until(lambda: page.show("kitchen", *names) == (21.5, "", 1, 0, [40], [0]))
    assert page.show("garden", *names) == (8, "", 0, 0, [None], [0])
    until(lambda: [each["column"] for each in board._menu["others"]] == ["humidity"])
    until(lambda: not board._menu["is_market"])
    server.publish({"symbol": "kitchen", "temperature": 21, "time": "2026-11-23T10:00:01Z"})
    until(lambda: page.show("kitchen", *names) == (21, "", 1, -1, [40], [0]))
    page.choose(column="humidity")
    until(lambda: drawn(board) == [40])
    until(lambda: labels(board)[1] == "humidity")
    # No move: another column is none. The temperature has the decimals of all its values.
    until(lambda: page.show("kitchen", *names) == (40, "", 0, 0, [21], [1]))
    page.choose(view="percent")
    until(lambda: board.figure.layout.yaxis.ticksuffix == " %" and drawn(board) == [40])


def test_dashboard_of_sensors_begins_with_their_numbers(
    server: tk.TickServer, feed: tk.Feed
) -> None:
    """Where ticks are held already, it is not first drawn in percent."""
    server.publish(SENSORS)
    feed.wait(2)
    board = feed.dashboard()
    assert (board._choices["view"], board._choices["column"]) == ("price", "temperature")
    assert board.figure.layout.yaxis.ticksuffix == ""


def test_prices_and_sensors_share_a_dashboard(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A symbol without a price is shown with its first number, which is named."""
    page = DeskReceiver(feed.dashboard(y="price"))
    server.publish([TICKS[0], SENSORS[0]])
    names = ("last", "label", "size", "others")
    until(lambda: page.show("kitchen", *names) == (21.5, "temperature", None, []))
    assert page.show("AAPL", *names) == (187.25, "", 100, [])
    until(lambda: page.board._menu["columns"] == ["price", "temperature", "humidity"])
    assert page.board.choices["view"] == "price"


@pytest.mark.parametrize("y", ["humidity", "percent"])
def test_column_that_is_asked_for_is_shown(
    server: tk.TickServer, feed: tk.Feed, until: Until, y: str
) -> None:
    """`y` names a column; percent is shown of the first one where there is no price."""
    board = feed.dashboard(y=y)
    server.publish(SENSORS)
    column = "humidity" if y == "humidity" else "temperature"
    until(lambda: board.choices["column"] == column)
    until(lambda: drawn(board) == [40 if y == "humidity" else 21.5])
    assert board.choices["view"] == ("price" if y == "humidity" else "percent")


def test_column_named_percent_is_drawn_as_it_is(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Its values are those of the column, and not those of the price."""
    server.publish({**TICKS[0], "percent": 40})
    feed.wait(1)
    board = feed.dashboard(y="price")
    board.choose(column="percent")
    until(lambda: drawn(board) == [40])


def test_small_prices_can_be_read(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """The decimals are those of all prices of the symbol, not of the newest."""
    server.publish([{"symbol": "SHIB", "price": price} for price in (0.0000123, 0.00001)])
    feed.wait(2)
    page = DeskReceiver(feed.dashboard())
    until(lambda: page.show("SHIB", "last", "decimals") == (0.00001, 7))


def test_symbols_are_in_the_order_asked_for(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Rows, menu and chart show them, and no others."""
    page = DeskReceiver(feed.dashboard(symbols=["AAPL", "MSFT"]))
    server.publish([{"symbol": "NVDA", "price": 1}, *reversed(TICKS)])
    until(lambda: page.symbols == ["AAPL", "MSFT"])
    until(lambda: page.menu_symbols == ["AAPL", "MSFT"])
    until(lambda: [t.name for t in page.board.figure.data] == ["AAPL", "MSFT"])


def test_options_of_the_chart_are_those_of_the_dashboard(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Kind, y, bar and time zone are shown at first."""
    server.publish(TICKS)
    feed.wait(2)
    board = feed.dashboard("candles+volume", "AAPL", tz="Asia/Tokyo", bar="1min", window=50)
    until(lambda: {t.type for t in board.figure.data} == {"candlestick", "bar"})
    chosen = [board.choices[name] for name in ("view", "volume", "window", "bar")]
    assert chosen == ["candles", True, 50, "1min"]
    assert (board.figure.tz, board._menu["zone"]) == ("Asia/Tokyo", "Asia/Tokyo")
    assert 50 in board._menu["windows"]
    price = feed.dashboard(y="price")
    until(lambda: drawn(price) == [187.25])


@pytest.mark.parametrize("options", [{"kind": "pie"}, {"y": ""}, {"tz": "Mars"}])
def test_invalid_option_is_refused(feed: tk.Feed, options: dict[str, str]) -> None:
    """The error names the option and its value."""
    (name, value) = next(iter(options.items()))
    with pytest.raises(ValueError, match=f"{name}='{value}'"):
        feed.dashboard(**options)


def test_prices_from_before_a_restart_are_marked(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Until its next tick, a symbol may no longer be quoted."""
    page = DeskReceiver(feed.dashboard())
    server.publish(TICKS)
    until(lambda: len(page.rows) == 2)
    assert not page.row("AAPL")["is_stale"]
    server.log.begin()
    server.publish({"symbol": "MSFT", "price": 5})
    until(lambda: page.show("MSFT", "last", "is_stale") == (5, False))
    assert page.row("AAPL")["is_stale"]


def test_symbols_of_an_earlier_server_are_not_offered(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """They leave the rows and the menu; a choice stays, as what the chart shows."""
    page, chosen = DeskReceiver(feed.dashboard()), DeskReceiver(feed.dashboard())
    server.publish(TICKS)
    until(lambda: len(page.rows) == 2 and len(chosen.rows) == 2)
    chosen.choose(symbol="AAPL")
    server.stop()
    with tk.serve(None, port=server.port) as restarted:
        restarted.publish({"symbol": "BTC-USD", "price": 60_000})
        until(lambda: page.symbols == ["BTC-USD"], timeout_s=20)
        until(lambda: page.menu_symbols == ["BTC-USD"])
        until(lambda: chosen.menu_symbols == ["BTC-USD", "AAPL"])
        assert chosen.board.choices["symbol"] == "AAPL"


def test_gap_is_counted_and_told(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """The state counts it; the ribbon says which ticks are missing, and why."""
    page = DeskReceiver(feed.dashboard())
    server.publish(TICKS[0])
    feed.wait(1)
    feed._state.gaps.add(Gap("an epoch", 3, 9, "the log was full"))
    until(lambda: page.feed.get("gaps") == 1 and page.events)
    assert page.events[0]["type"] == "gap"
    assert page.events[0]["text"] == "7 ticks are missing (3 to 9): the log was full"
    assert page.events[0]["time_ms"] == 1795428000000


def test_alert_that_fires_is_told(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """The ribbon has it with its symbol, and whether the browser is to notify."""
    page = DeskReceiver(feed.dashboard())
    feed.alert("AAPL", above=200, notify=True)
    server.publish(TICKS[0])
    server.publish({**TICKS[0], "price": 201})
    until(lambda: page.events)
    (event,) = page.events
    assert (event["type"], event["symbol"], event["notify"]) == ("alert", "AAPL", True)
    assert event["time_ms"] == 1795428000000
    assert "200" in event["text"]


def test_rows_say_how_their_symbols_come(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A symbol that was asked for has a row before its first tick, if the feed names it."""
    page = DeskReceiver(feed.dashboard())
    server.publish(TICKS)
    until(lambda: page.row("AAPL").get("status") == "live")


def test_lost_connection_is_shown(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """The state changes although no tick comes, and the ribbon says it."""
    page = DeskReceiver(feed.dashboard())
    until(lambda: page.feed.get("status") == "live")
    server.stop()
    until(lambda: page.feed["status"] == "reconnecting")
    assert page.feed["reason"]
    until(lambda: any(each["text"].startswith("reconnecting") for each in page.events))


def test_choices_change_the_chart(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """View, symbol and window redraw the chart, which then follows the newest points."""
    board = feed.dashboard()
    page = DeskReceiver(board)
    server.publish(TICKS)
    until(lambda: "MSFT" in page.menu_symbols)
    page.choose(symbol="MSFT")
    until(lambda: [t.name for t in board.figure.data] == ["MSFT"])
    server.publish({"symbol": "NVDA", "price": 1})
    until(lambda: "NVDA" in page.menu_symbols)
    assert board.choices["symbol"] == "MSFT"
    page.choose(view="candles")
    until(lambda: [t.type for t in board.figure.data] == ["candlestick"])
    page.choose(view="price")
    until(lambda: drawn(board) == [421.9])
    board.figure.follow = False
    board.figure.update_layout(xaxis_range=["2026-11-23", "2026-11-24"], yaxis_range=[0, 1])
    page.choose(window="30s")
    assert board.figure.follow
    assert board.figure.layout.xaxis.range is board.figure.layout.yaxis.range is None
    until(lambda: board._choices["window"] == "30s")


def test_legend_is_shown_where_nothing_else_names_the_lines(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A chosen symbol is named above the chart; of many lines, their labels have names."""
    board = feed.dashboard()
    server.publish(TICKS)
    until(lambda: len(board.figure.data) == 2)
    assert board.figure.layout.showlegend
    board.choose(symbol="AAPL")
    assert not board.figure.layout.showlegend
    board.choose(symbol=None)
    assert board.figure.layout.showlegend
    server.publish([{"symbol": f"S{n}", "price": 1} for n in range(5)])
    until(lambda: not board.figure.layout.showlegend)


@pytest.mark.parametrize(
    "choices",
    [{"view": "pie"}, {"window": 0}, {"window": "soon"}, {"feed": 3}, {"symbol": 5}, {"sort": []}],
)
def test_invalid_choice_is_told_and_changes_nothing(
    feed: tk.Feed, until: Until, choices: dict[str, Any]
) -> None:
    """The ribbon says why, by which the page knows that its choice does not count."""
    board = feed.dashboard()
    page, before = DeskReceiver(board), dict(board.choices)
    page.choose(paused=True, **choices)
    until(lambda: page.events)
    assert page.events[0]["type"] == "message"
    assert next(iter(choices)) in page.events[0]["text"]
    assert board.choices == before
    assert board.figure.follow


def test_indicators_are_drawn_and_offered(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """By the text that the menu has, or with other parameters; a pane makes the chart higher."""
    server.publish(TICKS)
    feed.wait(2)
    board = feed.dashboard("candles", "AAPL", indicators="sma(5)")
    page = DeskReceiver(board)
    until(lambda: len(board.figure.data) > 1)
    assert "rsi(14)" in {each["text"] for each in board._menu["indicators"]}
    height = board.figure.layout.height
    page.choose(indicators=["sma(5)", "RSI( 7 )"])
    assert board.choices["indicators"] == ["sma(5)", "rsi(7)"]
    assert board.figure.layout.height > height
    assert board.figure.layout.showlegend
    page.choose(indicators=[])
    assert board.figure.layout.height == height
    page.choose(indicators=["rsj(7)"])
    until(lambda: page.events)
    assert "rsi" in page.events[0]["text"]
    assert board.choices["indicators"] == []


def test_view_of_one_symbol_says_which_it_is(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Candles, and indicators over lines, choose the first symbol; lines show all again."""
    board = feed.dashboard("candles")
    assert board.choices["symbol"] is None
    server.publish(TICKS)
    until(lambda: board.choices["symbol"] == "AAPL")
    until(lambda: [t.name for t in board.figure.data] == ["AAPL"])
    board.choose(symbol=None)
    assert board.choices["symbol"] == "AAPL"
    board.choose(view="price")
    assert board.choices["symbol"] is None
    until(lambda: {t.name for t in board.figure.data} == {"AAPL", "MSFT"})
    board.choose(indicators=["sma(5)"])
    assert board.choices["symbol"] == "AAPL"
    board.choose(symbol="MSFT")
    board.choose(indicators=[])
    assert board.choices["symbol"] == "MSFT"


def test_indicator_of_ones_own_can_be_chosen_again(feed: tk.Feed) -> None:
    """A page knows it by its name alone."""

    def spread(bars: Any) -> Any:
        return bars["high"] - bars["low"]

    board = feed.dashboard("candles", indicators=[spread, "sma(5)"])
    assert board.choices["indicators"] == ["spread", "sma(5)"]
    board.choose(indicators=["sma(5)"])
    board.choose(indicators=["spread"])
    assert board.choices["indicators"] == ["spread"]


def test_choice_by_code_is_checked(feed: tk.Feed) -> None:
    """An unknown name raises, and an invalid value."""
    board = feed.dashboard()
    with pytest.raises(tk.InvalidArgument, match="colour"):
        board.choose(colour="red")
    with pytest.raises(tk.InvalidArgument, match="extent"):
        board.choose(extent="some")


def test_pause_and_zoom_agree(feed: tk.Feed, until: Until) -> None:
    """A pause holds the chart, a zoom is a pause, and a resume releases both."""
    board = feed.dashboard()
    page = DeskReceiver(board)
    page.choose(paused=True)
    assert not board.figure.follow
    page.choose(paused=False)
    assert board.figure.follow
    board.figure.follow = False  # as a zoom in the page does
    until(lambda: board._choices["paused"])
    page.choose(view="price")
    assert (board.figure.follow, board.choices["paused"]) == (True, False)
    until(lambda: not board._choices["paused"])


def test_unknown_option_is_refused_without_warning(
    feed: tk.Feed, recwarn: pytest.WarningsRecorder
) -> None:
    """Deleting the unfinished dashboard prints nothing."""
    with pytest.raises(TypeError, match="theme"):
        feed.dashboard(theme="dark")
    gc.collect()
    assert not recwarn.list


def downloaded(board: tk.Dashboard) -> tuple[str, bytes]:
    """Return name and bytes of the file that a click on Download saves."""
    file = board._make_file()
    return file.name, b"".join(file.blocks)


def test_download_holds_all_ticks_of_the_chosen_symbol(
    server: tk.TickServer, feed: tk.Feed, until: Until, tmp_path: Path
) -> None:
    """The bytes are those of `to_csv`; the name contains the symbol."""
    board = feed.dashboard()
    server.publish([*TICKS, {"symbol": "../a<b", "price": 1}])
    feed.wait(3)
    board.choose(extent="all")
    name, content = downloaded(board)
    assert re.fullmatch(r"ticks-\d{8}-\d{6}\.csv", name)
    assert content == feed.to_csv(tmp_path / "all.csv").read_bytes()
    board.choose(symbol="../a<b")
    name, content = downloaded(board)
    assert re.fullmatch(r"ticks-\.\./a<b-\d{8}-\d{6}\.csv", name)
    (tmp_path / "one.csv").write_bytes(content)
    # A download is one file, without the sidecar that has types and gaps; reading it says so.
    with pytest.warns(tk.RecordingWarning, match=r"one\.csv\.meta\.jsonl"):
        assert tk.read_csv(tmp_path / "one.csv")["price"].tolist() == [1]


def test_download_holds_the_visible_window(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """It is the last window, the window held still, or the zoomed range."""
    ticks = [
        {"symbol": "AAPL", "price": n, "time": f"2026-11-23T10:{n:02}:00Z"} for n in range(1, 21)
    ]

    def minutes() -> list[int]:
        lines = downloaded(board)[1].decode().splitlines()[1:]
        return [int(line.split(",")[1][14:16]) for line in lines]

    board = feed.dashboard()
    server.publish(ticks[:10])
    until(lambda: feed.log.stop == 10)
    assert minutes() == [5, 6, 7, 8, 9, 10]
    board.figure.follow = False
    server.publish(ticks[10:])
    until(lambda: feed.log.stop == 20)
    assert minutes() == [5, 6, 7, 8, 9, 10]
    board.figure.update_layout(xaxis_range=["2026-11-23 10:01:30.0001", "2026-11-23 10:04"])
    assert minutes() == [2, 3, 4]
    board.figure.follow = True
    assert minutes() == [15, 16, 17, 18, 19, 20]


class Recorder:
    """Stands in for the recorder that `feed.record` returns."""

    path = "captures/<b>.csv"
    status = "recording"

    def __init__(self) -> None:
        self.stats = {"written": 1234, "bytes": 5_600_000, "last_error": ""}

    def stop(self) -> None:
        """Stop."""
        self.status = "stopped"


@pytest.fixture
def recorders(feed: tk.Feed, monkeypatch: pytest.MonkeyPatch) -> list[Recorder]:
    """Have the feed use stand-ins for recorders; return them."""
    made: list[Recorder] = []

    def record(folder: str) -> Recorder:
        assert folder == "captures/"
        made.append(Recorder())
        return made[-1]

    monkeypatch.setattr(feed, "record", record)
    monkeypatch.setattr(tk.Feed, "recorders", made)
    return made


def test_record_starts_and_stops_a_recording(
    feed: tk.Feed, recorders: list[Recorder], until: Until
) -> None:
    """The state has file, ticks and errors."""
    page = DeskReceiver(feed.dashboard())
    page.post("record", is_on=True)
    assert len(recorders) == 1
    expected = {"is_on": True, "text": "captures/<b>.csv, 1,234 ticks, 5.6 MB", "error": ""}
    until(lambda: page.status.get("record") == expected)
    recorders[0].stats |= {"written": 2000, "last_error": "disk full"}
    recorders[0].status = "failing"
    until(lambda: page.status["record"]["text"].startswith("failing: "))
    assert "2,000 ticks" in page.status["record"]["text"]
    assert page.status["record"]["error"] == "disk full"
    page.post("record", is_on=False)
    assert recorders[0].status == "stopped"
    until(lambda: not page.status["record"]["is_on"])
    assert page.status["record"]["text"].startswith("recorded: captures")


def test_recording_continues_without_its_dashboard(
    feed: tk.Feed, recorders: list[Recorder], until: Until
) -> None:
    """A later dashboard shows it; a recorder of the user is not shown."""
    recorders.append(Recorder())
    page = DeskReceiver(feed.dashboard())
    until(lambda: page.status)
    assert not page.status["record"]["is_on"]
    page.post("record", is_on=True)
    page.board.close()
    later = DeskReceiver(feed.dashboard())
    until(lambda: later.status and later.status["record"]["is_on"])
    recorders[1].stop()
    until(lambda: not later.status["record"]["is_on"])
    assert [each.status for each in recorders] == ["recording", "stopped"]


def test_failed_recording_shows_the_error(
    feed: tk.Feed, recorders: list[Recorder], monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """It is not on, and the error is in the state."""

    def refuse(_: str) -> None:
        raise PermissionError("no way")

    monkeypatch.setattr(feed, "record", refuse)
    page = DeskReceiver(feed.dashboard())
    page.post("record", is_on=True)
    until(lambda: "no way" in page.status.get("record", {}).get("error", ""))
    assert not page.status["record"]["is_on"]


def test_rerun_cell_reuses_its_dashboard(feed: tk.Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The widget is the same object, with what was chosen; with other arguments it is replaced."""
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("cell", "run 1"))
    board = feed.dashboard()
    board.choose(view="price", sort="change", filter="AA")
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("cell", "run 2"))
    assert feed.dashboard() is board
    assert (board.choices["view"], board.choices["sort"]) == ("price", "change")
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("cell", "run 3"))
    other = feed.dashboard(window="1min")
    assert other is not board
    assert board.figure.closed
    names = ("view", "window", "sort", "filter")
    assert [other.choices[name] for name in names] == ["percent", "1min", "change", "AA"]


def test_page_may_ask_for_anything(feed: tk.Feed, until: Until) -> None:
    """What no dashboard can show is told in its ribbon, and changes nothing."""
    page = DeskReceiver(feed.dashboard())
    until(lambda: page.status)
    before = page.board.choices
    for wrong in (10**400, 0, -1, None, [], "soon", "9" * 300 + "d", float("nan")):
        page.post("choose", choices={"window": wrong})
        page.post("choose", choices={"bar": wrong, "view": "candles"})
    assert page.board.choices == before
    page.post("choose", choices=[])
    page.post("nothing")
    page.post("here", page=[])
    until(lambda: any("window" in each["text"] for each in page.events))


def test_closed_dashboard_leaves_its_choices_to_the_next_run(
    feed: tk.Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cell is run again after `close()`."""
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("cell", "run 1"))
    board = feed.dashboard()
    board.choose(view="candles", window="30s")
    board.close()
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("cell", "run 2"))
    again = feed.dashboard()
    assert again is not board
    assert (again.choices["view"], again.choices["window"]) == ("candles", "30s")


def test_dashboard_follows_the_feed_that_took_over(
    server: tk.TickServer, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When only the feed's cell is run again, the dashboard shows the new feed's state."""
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("cell of connect", "run 1"))
    page = DeskReceiver(tk.connect(server.url).dashboard())
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("cell of connect", "run 2"))
    with tk.connect(server.url):
        server.publish(TICKS)
        until(lambda: page.feed.get("ticks") == 2 and page.feed["status"] == "live")


def test_show_replaces_the_rows(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """Rows and events are those of the new feed; the old one is followed no more."""
    page = DeskReceiver(feed.dashboard())
    server.publish(TICKS)
    until(lambda: len(page.rows) == 2)
    with tk.serve(None, port=0) as other, tk.connect(other.url) as another:
        other.publish({"symbol": "BTC", "price": 5})
        another.wait(1)
        page.board.show(another)
        until(lambda: page.symbols == ["BTC"])
        until(lambda: [t.name for t in page.board.figure.data] == ["BTC"])
        page.board.close()


def test_several_feeds_share_a_dashboard(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Rows of both, a state for each, and a chart of the one whose row is chosen."""
    with tk.serve(None, port=0) as other, tk.connect(other.url) as another:
        board = tk.dashboard(feed, another, y="price")
        page = DeskReceiver(board)
        server.publish(TICKS)
        other.publish([{"symbol": "AAPL", "price": 5}, SENSORS[0]])
        until(lambda: len(page.rows) == 4)
        assert {(row["feed"], row["symbol"], row["last"]) for row in page.rows.values()} == {
            (0, "AAPL", 187.25),
            (0, "MSFT", 421.9),
            (1, "AAPL", 5),
            (1, "kitchen", 21.5),
        }
        until(lambda: len(page.status["feeds"]) == 2)
        names = [each["name"] for each in page.status["feeds"]]
        assert names == [f"127.0.0.1:{server.port}", f"127.0.0.1:{other.port}"]
        page.choose(feed=1, symbol="AAPL")
        until(lambda: drawn(board) == [5])
        page.choose(feed=0)
        until(lambda: [t.name for t in board.figure.data] == ["AAPL", "MSFT"])
        assert board.choices["symbol"] is None
        board.close()


def test_dashboard_without_a_feed_is_refused() -> None:
    """The error says what to pass."""
    with pytest.raises(tk.InvalidArgument, match="feed"):
        tk.dashboard()
    with pytest.raises(tk.InvalidArgument, match="feed"):
        tk.dashboard("AAPL")


def test_page_that_leaves_gets_nothing(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """Once it is back it gets everything whole."""
    page, other = DeskReceiver(feed.dashboard()), DeskReceiver(feed.dashboard())
    until(lambda: page.status)
    page.leave()
    server.publish(TICKS)
    until(lambda: len(other.rows) == 2)
    assert not page.rows
    page.post("here", page="page", **{"from": 0})
    until(lambda: len(page.rows) == 2)
    assert page.messages[-1]["whole"]


def test_many_symbols_have_a_row_each(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """The page shows those in view."""
    page = DeskReceiver(feed.dashboard())
    server.publish([{"symbol": f"S{n}", "price": 1} for n in range(500)])
    until(lambda: len(page.rows) == 500)


def test_close_ends_its_threads(feed: tk.Feed) -> None:
    """After close nothing draws or reads, and a second close does nothing."""
    board = feed.dashboard()
    assert repr(board) == f"<Dashboard of {feed.name} {feed.status}>"
    board.close()
    board.close()
    assert repr(board) == "<Dashboard closed>"
    assert all(each.follower.ended for each in board._shown)
    assert board.figure.closed
