"""Dashboard: state, chart, prices, downloads and recordings of a feed."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from peers import plain_server

import tickerkit as tk
from tickerkit.chart.widgets import dashboard
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


@pytest.fixture
def server() -> Iterator[tk.TickServer]:
    """Run a server without a source; tests publish ticks."""
    with tk.serve(None, port=0) as server:
        yield server


@pytest.fixture
def feed(server: tk.TickServer) -> Iterator[tk.Feed]:
    """Connect a feed to the server."""
    with tk.connect(server.url) as feed:
        yield feed


def drawn(board: tk.Dashboard) -> list[float]:
    """Return the y of the first line."""
    traces = board.figure.data
    return [] if not traces or traces[0].y is None else list(traces[0].y)


def test_dashboard_shows_state_prices_and_chart(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """It shows the feed's state, and a row and a line for each symbol."""
    board = feed.dashboard()
    server.publish(TICKS)
    until(lambda: "421.90" in board._prices.value and len(board.figure.data) == 2)
    assert "187.25" in board._prices.value
    assert "live" in board._state.value
    assert "2 ticks" in board._state.value
    assert board._symbol.options == ("all symbols", "AAPL", "MSFT")


def test_price_move_is_shown_by_an_arrow(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Up and down differ by more than their colour."""
    board = feed.dashboard()
    server.publish(TICKS)
    until(lambda: "187.25" in board._prices.value)
    assert "▲" not in board._prices.value
    server.publish({"symbol": "AAPL", "price": 188})
    until(lambda: "▲ 188.00" in board._prices.value)
    server.publish({"symbol": "AAPL", "price": 187})
    until(lambda: "▼ 187.00" in board._prices.value)


def cells(board: tk.Dashboard) -> list[list[str]]:
    """Return the texts of the table's cells, by row."""
    rows = re.findall(r"<tr.*?</tr>", board._prices.value)
    found = [re.findall(r"<td.*?>(.*?)</td>", row) for row in rows]
    return [[re.sub(r"<.*?>", "", cell).strip() for cell in row] for row in found]


def test_quotes_without_trades_are_shown_with_their_middle(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Bid and ask have columns; the middle has arrows, and all have the same decimals."""
    board = feed.dashboard()
    quote = {"symbol": "EURUSD", "bid": 1.1095, "ask": 1.1096, "time": "2026-11-23T10:00:00Z"}
    server.publish([quote, {"symbol": "A", "bid": 1, "time": "2026-11-23T10:00:00Z"}])
    until(lambda: len(cells(board)) == 3)
    assert cells(board) == [
        ["symbol", "price", "bid", "ask", "size", "UTC"],
        ["EURUSD", "mid 1.10955", "1.10950", "1.10960", "", "10:00:00"],
        ["A", "–", "1.00", "–", "", "10:00:00"],
    ]
    server.publish(quote | {"bid": 1.1094})
    until(lambda: cells(board)[1][1] == "▼ mid 1.10950")
    server.publish([{"symbol": "EURUSD", "price": 1.2}, {"symbol": "A", "price": 1}])
    until(lambda: cells(board)[1][1] == "▲ 1.20000")
    assert cells(board)[0] == ["symbol", "price", "size", "UTC"]
    assert "nan" not in board._prices.value


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
        board = feed.wait(3).dashboard()
        until(lambda: "feed.fields: a guess" in board._state.value)
        board.close()


def test_menu_of_columns_is_shown_where_there_are_others_than_prices(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """The views of a market have a button named price already."""
    board = feed.dashboard()
    server.publish({"symbol": "A", "price": 1, "bid": 0.9, "ask": 1.1})
    until(lambda: set(board._column.options) == {"price", "bid", "ask"})
    assert board._column.layout.display == "none"
    server.publish({"symbol": "A", "price": 2, "yield": 0.03})
    until(lambda: "yield" in board._column.options and board._column.layout.display is None)


def test_dashboard_of_sensors_shows_their_numbers(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Where there is no price, the first column of numbers is shown, and others can be chosen."""
    board = feed.dashboard()
    server.publish(SENSORS)
    until(lambda: (board._kind.value, board._kind.label) == ("price", "temperature"))
    until(lambda: board.figure.layout.yaxis.ticksuffix == "" and drawn(board) == [21.5])
    until(lambda: board._column.options == ("temperature", "humidity"))
    until(lambda: board._column.layout.display is None)
    expected = [
        ["symbol", "temperature", "humidity", "UTC"],
        ["kitchen", "21.5", "40", "10:00:00"],
        ["garden", "8", "", "10:00:00"],
    ]
    until(lambda: cells(board) == expected)
    server.publish({"symbol": "kitchen", "temperature": 21, "time": "2026-11-23T10:00:01Z"})
    until(lambda: cells(board)[1][1] == "▼ 21.0")
    board._column.value = "humidity"
    until(lambda: drawn(board) == [40])
    assert board._kind.label == "humidity"
    until(lambda: cells(board)[0] == ["symbol", "humidity", "temperature", "UTC"])
    # No arrow: another column is no move. The temperature has the decimals of all its values.
    assert cells(board)[1] == ["kitchen", "40", "21.0", "10:00:01"]
    board._kind.value = "percent"
    until(lambda: board.figure.layout.yaxis.ticksuffix == " %" and drawn(board) == [40])


def test_dashboard_of_sensors_begins_with_their_numbers(
    server: tk.TickServer, feed: tk.Feed
) -> None:
    """Where ticks are held already, it is not first drawn in percent."""
    server.publish(SENSORS)
    feed.wait(2)
    board = feed.dashboard()
    assert (board._kind.label, board._column.value) == ("temperature", "temperature")
    assert board.figure.layout.yaxis.ticksuffix == ""


def test_prices_and_sensors_share_a_dashboard(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A symbol without a price is shown with its first number, which is named."""
    board = feed.dashboard(y="price")
    server.publish([TICKS[0], SENSORS[0]])
    expected = [
        ["AAPL", "187.25", "100", "10:00:00"],
        ["kitchen", "temperature 21.5", "", "10:00:00"],
    ]
    until(lambda: cells(board)[1:] == expected)
    assert board._column.options == ("price", "temperature", "humidity")
    assert board._kind.value == "price"


@pytest.mark.parametrize("y", ["humidity", "percent"])
def test_column_that_is_asked_for_is_shown(
    server: tk.TickServer, feed: tk.Feed, until: Until, y: str
) -> None:
    """`y` names a column; percent is shown of the first one where there is no price."""
    board = feed.dashboard(y=y)
    server.publish(SENSORS)
    until(lambda: board._column.value == ("humidity" if y == "humidity" else "temperature"))
    until(lambda: drawn(board) == [40 if y == "humidity" else 21.5])
    assert board._kind.value == ("price" if y == "humidity" else "percent")


def test_column_named_percent_is_drawn_as_it_is(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Its values are those of the column, and not those of the price."""
    server.publish({**TICKS[0], "percent": 40})
    feed.wait(1)
    board = feed.dashboard(y="price")
    board._column.value = "percent"
    until(lambda: drawn(board) == [40])


def test_small_prices_can_be_read(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """The decimals are those of all prices of the symbol, not of the newest."""
    server.publish([{"symbol": "SHIB", "price": price} for price in (0.0000123, 0.00001)])
    feed.wait(2)
    board = feed.dashboard()
    until(lambda: cells(board)[1:] and cells(board)[1][1] == "0.0000100")


def test_symbols_are_in_the_order_asked_for(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Table, menu and chart show them, and no others."""
    board = feed.dashboard(symbols=["AAPL", "MSFT"])
    server.publish([{"symbol": "NVDA", "price": 1}, *reversed(TICKS)])
    until(lambda: [row[0] for row in cells(board)] == ["symbol", "AAPL", "MSFT"])
    assert board._symbol.options == ("all symbols", "AAPL", "MSFT")
    until(lambda: [t.name for t in board.figure.data] == ["AAPL", "MSFT"])


def test_options_of_the_chart_are_those_of_the_dashboard(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Kind, y, bar and time zone are shown at first."""
    server.publish(TICKS)
    feed.wait(2)
    board = feed.dashboard("candles+volume", "AAPL", tz="Asia/Tokyo", bar="1min", window=50)
    until(lambda: [t.type for t in board.figure.data] == ["candlestick", "bar"])
    assert (board._kind.value, board._window.value, board.figure.tz) == (
        "candles",
        50,
        "Asia/Tokyo",
    )
    until(lambda: cells(board)[1:] == [["AAPL", "187.25", "100", "19:00:00"]])
    assert cells(board)[0][-1] == "Tokyo"
    price = feed.dashboard(y="price")
    until(lambda: drawn(price) == [187.25])


@pytest.mark.parametrize("options", [{"kind": "pie"}, {"y": ""}, {"tz": "Mars"}])
def test_invalid_option_is_refused(feed: tk.Feed, options: dict[str, str]) -> None:
    """The error names the option and its value."""
    (name, value) = next(iter(options.items()))
    with pytest.raises(ValueError, match=f"{name}='{value}'"):
        feed.dashboard(**options)


def test_prices_from_before_a_restart_are_dimmed(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Until its next tick, a symbol may no longer be quoted."""
    board = feed.dashboard()
    server.publish(TICKS)
    until(lambda: len(cells(board)) == 3)
    assert "opacity:.45" not in board._prices.value
    server.log.begin()
    server.publish({"symbol": "MSFT", "price": 5})
    until(lambda: "5.00" in board._prices.value)
    dimmed = re.findall(r'<tr style="opacity:.45">.*?<b>(.*?)</b>', board._prices.value)
    assert dimmed == ["AAPL"]


def test_symbols_of_an_earlier_server_are_not_offered(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """They leave the table and the menu; a choice stays, as what the chart shows."""
    board, chosen = feed.dashboard(), feed.dashboard()
    server.publish(TICKS)
    until(lambda: len(cells(board)) == 3 and len(chosen._symbol.options) == 3)
    chosen._symbol.value = "AAPL"
    server.stop()
    with tk.serve(None, port=server.port) as restarted:
        restarted.publish({"symbol": "BTC-USD", "price": 60_000})
        until(lambda: "BTC-USD" in board._symbol.options, timeout_s=20)
        assert board._symbol.options == ("all symbols", "BTC-USD")
        until(lambda: [row[0] for row in cells(board)] == ["symbol", "BTC-USD"])
        until(lambda: chosen._symbol.options == ("all symbols", "BTC-USD", "AAPL"))
        assert chosen._symbol.value == "AAPL"


def test_one_gap_is_singular(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """The state line counts ticks and gaps in English."""
    board = feed.dashboard()
    server.publish(TICKS[0])
    feed.wait(1)
    feed._state.gaps.add(Gap("an epoch", 3, 9, "test"))
    until(lambda: "1 tick ·" in board._state.value and "1 gap</span>" in board._state.value)
    assert "1 tick of 1 symbol, 1 gap" in repr(feed)


def test_lost_connection_is_shown(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """The state changes although no tick comes."""
    board = feed.dashboard()
    until(lambda: "live" in board._state.value)
    server.stop()
    until(lambda: "reconnecting" in board._state.value)
    assert board._state.value.count("reconnecting") == 1


def test_controls_change_the_chart(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """Kind, symbol and window redraw the chart, which then follows the newest points."""
    board = feed.dashboard()
    server.publish(TICKS)
    until(lambda: "MSFT" in board._symbol.options)
    board._symbol.value = "MSFT"
    until(lambda: [t.name for t in board.figure.data] == ["MSFT"])
    server.publish({"symbol": "NVDA", "price": 1})
    until(lambda: "NVDA" in board._symbol.options)
    assert board._symbol.value == "MSFT"
    board._kind.value = "candles"
    until(lambda: [t.type for t in board.figure.data] == ["candlestick"])
    board._kind.value = "price"
    until(lambda: drawn(board) == [421.9])
    board.figure.follow = False
    board.figure.update_layout(xaxis_range=["2026-11-23", "2026-11-24"], yaxis_range=[0, 1])
    board._window.value = "30s"
    assert board.figure.follow
    assert board.figure.layout.xaxis.range is board.figure.layout.yaxis.range is None


def test_pause_button_and_zoom_agree(feed: tk.Feed) -> None:
    """The button holds the chart, shows that a zoom holds it, and releases both."""
    board = feed.dashboard()
    board._pause.value = True
    assert not board.figure.follow
    assert board._pause.description == "Resume"
    board._pause.value = False
    assert board.figure.follow
    board.figure.follow = False  # as a zoom in the page does
    assert board._pause.value
    board._kind.value = "price"
    assert (board.figure.follow, board._pause.value) == (True, False)
    assert board._pause.description == "Pause"


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
    until(lambda: "../a<b" in board._symbol.options)
    board._extent.value = "all ticks held"
    name, content = downloaded(board)
    assert re.fullmatch(r"ticks-\d{8}-\d{6}\.csv", name)
    assert content == feed.to_csv(tmp_path / "all.csv").read_bytes()
    board._symbol.value = "../a<b"
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


def test_record_button_starts_and_stops_a_recording(
    feed: tk.Feed, recorders: list[Recorder], until: Until
) -> None:
    """It shows file, ticks and errors, escaped, and is red while it records."""
    button = feed.dashboard()._record
    button.value = True
    assert (button.button_style, len(recorders)) == ("danger", 1)
    assert "captures/&lt;b&gt;.csv, 1,234 ticks, 5.6 MB" in button.note.value
    recorders[0].stats |= {"written": 2000, "last_error": "disk <full>"}
    recorders[0].status = "failing"
    until(lambda: "failing: " in button.note.value)
    assert "2,000 ticks" in button.note.value
    assert "disk &lt;full&gt;" in button.note.value
    button.value = False
    assert recorders[0].status == "stopped"
    assert (button.button_style, button.description) == ("", "Record")
    assert "recorded: captures" in button.note.value


def test_recording_continues_without_its_dashboard(
    feed: tk.Feed, recorders: list[Recorder], until: Until
) -> None:
    """A later dashboard shows it; a recorder of the user is not shown."""
    recorders.append(Recorder())
    board = feed.dashboard()
    assert not board._record.value
    board._record.value = True
    board.close()
    later = feed.dashboard()
    assert later._record.value
    recorders[1].stop()
    until(lambda: not later._record.value)
    assert [each.status for each in recorders] == ["recording", "stopped"]


def test_failed_recording_shows_the_error(
    feed: tk.Feed, recorders: list[Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The button is released, and the error is shown beside it."""

    def refuse(_: str) -> None:
        raise PermissionError("no <way>")

    monkeypatch.setattr(feed, "record", refuse)
    button = feed.dashboard()._record
    button.value = True
    assert not button.value
    assert "no &lt;way&gt;" in button.note.value


def test_symbols_are_escaped(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """A symbol that looks like HTML is shown as text."""
    board = feed.dashboard()
    server.publish({"symbol": "<img src=x onerror=alert(1)>", "price": 1})
    until(lambda: "onerror" in board._prices.value)
    assert "<img" not in board._prices.value
    assert "&lt;img" in board._prices.value


def test_rerun_cell_reuses_its_dashboard(feed: tk.Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The widget is the same object."""
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("cell", "run 1"))
    board = feed.dashboard()
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("cell", "run 2"))
    assert feed.dashboard() is board


def test_dashboard_follows_the_feed_that_took_over(
    server: tk.TickServer, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When only the feed's cell is run again, the dashboard shows the new feed's state."""
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("cell of connect", "run 1"))
    board = tk.connect(server.url).dashboard()
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("cell of connect", "run 2"))
    with tk.connect(server.url):
        server.publish(TICKS)
        until(lambda: "2 ticks" in board._state.value)
        assert "live" in board._state.value


def test_table_shows_at_most_forty_symbols(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """The last row shows how many more symbols there are."""
    board = feed.dashboard()
    server.publish([{"symbol": f"S{n}", "price": 1} for n in range(100)])
    until(lambda: "60 more" in board._prices.value)


def test_close_ends_its_threads(feed: tk.Feed) -> None:
    """After close nothing draws, and a second close does nothing."""
    board = feed.dashboard()
    board.close()
    board.close()
