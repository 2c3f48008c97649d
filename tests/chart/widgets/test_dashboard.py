"""Dashboard: a feed at a glance."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tickerkit as tk
from tickerkit.runtime import rerun

Until = Callable[..., None]
TICKS = [
    {"symbol": "AAPL", "price": 187.25, "size": 100, "time": "2026-11-23T10:00:00Z"},
    {"symbol": "MSFT", "price": 421.9, "time": "2026-11-23T10:00:01Z"},
]


@pytest.fixture
def server() -> Iterator[tk.TickServer]:
    """Give a server that serves only what is published by hand."""
    with tk.serve(None, port=0) as server:
        yield server


@pytest.fixture
def feed(server: tk.TickServer) -> Iterator[tk.Feed]:
    """Give a feed from that server."""
    with tk.connect(server.url) as feed:
        yield feed


def drawn(board: tk.Dashboard) -> list[float]:
    """Return what its first line shows."""
    traces = board.figure.data
    return [] if not traces or traces[0].y is None else list(traces[0].y)


def test_it_shows_state_prices_and_chart(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """The feed's state, a row for each symbol, and a line for each are there."""
    board = feed.dashboard()
    server.publish(TICKS)
    until(lambda: "421.90" in board._prices.value and len(board.figure.data) == 2)
    assert "187.25" in board._prices.value
    assert "live" in board._state.value
    assert "2 ticks" in board._state.value
    assert board._symbol.options == ("all symbols", "AAPL", "MSFT")


def test_a_move_is_shown_by_colour_and_arrow(
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


def test_it_tells_when_the_connection_is_lost(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Without any tick coming, the state still changes."""
    board = feed.dashboard()
    until(lambda: "live" in board._state.value)
    server.stop()
    until(lambda: "reconnecting" in board._state.value)


def test_its_controls_change_the_chart(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """Kind, symbol and window are chosen; to choose one follows the newest points again."""
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


def test_pause_and_a_zoom_are_one(feed: tk.Feed) -> None:
    """The button holds the chart, shows that a zoom holds it, and lets it go on."""
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


def test_a_wrong_option_is_refused_without_noise(
    feed: tk.Feed, recwarn: pytest.WarningsRecorder
) -> None:
    """What never came to be has nothing to close."""
    with pytest.raises(TypeError, match="theme"):
        feed.dashboard(theme="dark")
    gc.collect()
    assert not recwarn.list


def downloaded(board: tk.Dashboard) -> tuple[str, bytes]:
    """Return name and bytes of what a click on Download would bring."""
    file = board._file()
    return file.name, b"".join(file.blocks)


def test_download_brings_what_is_held_of_the_symbol_chosen(
    server: tk.TickServer, feed: tk.Feed, until: Until, tmp_path: Path
) -> None:
    """The bytes are those of `to_csv`; the name tells the symbol, in safe characters."""
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
    assert tk.read_csv(tmp_path / "one.csv")["price"].tolist() == [1]


def test_download_brings_the_window_that_is_seen(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """It is the last window, or what is held still, or the part that was zoomed to."""
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
    """Stands in for what `feed.record` returns."""

    path = "captures/<b>.csv"
    status = "recording"

    def __init__(self) -> None:
        self.stats = {"written": 1234, "bytes": 5_600_000, "last_error": ""}

    def stop(self) -> None:
        """End."""
        self.status = "stopped"


@pytest.fixture
def recorders(feed: tk.Feed, monkeypatch: pytest.MonkeyPatch) -> list[Recorder]:
    """Give the feed a stand-in for recorders; return those it has."""
    made: list[Recorder] = []

    def record(folder: str) -> Recorder:
        assert folder == "captures/"
        made.append(Recorder())
        return made[-1]

    monkeypatch.setattr(feed, "record", record)
    monkeypatch.setattr(tk.Feed, "recorders", made)
    return made


def test_the_record_button_begins_and_ends_a_recording(
    feed: tk.Feed, recorders: list[Recorder], until: Until
) -> None:
    """It says where to and how much, and what is wrong, all escaped; red while it records."""
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


def test_a_recording_belongs_to_the_feed(
    feed: tk.Feed, recorders: list[Recorder], until: Until
) -> None:
    """It goes on when its dashboard is closed, and a later one shows it; not one of the user's."""
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


def test_a_recording_that_can_not_begin_says_why(
    feed: tk.Feed, recorders: list[Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The button springs back, and the error stands beside it."""

    def refuse(_: str) -> None:
        raise PermissionError("no <way>")

    monkeypatch.setattr(feed, "record", refuse)
    button = feed.dashboard()._record
    button.value = True
    assert not button.value
    assert "no &lt;way&gt;" in button.note.value


def test_all_that_came_over_the_wire_is_escaped(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A symbol that looks like HTML is shown as it is."""
    board = feed.dashboard()
    server.publish({"symbol": "<img src=x onerror=alert(1)>", "price": 1})
    until(lambda: "onerror" in board._prices.value)
    assert "<img" not in board._prices.value
    assert "&lt;img" in board._prices.value


def test_a_run_of_the_same_cell_shows_the_same_dashboard(
    feed: tk.Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The widgets are the same again, and its threads are not doubled."""
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("cell", "run 1"))
    board = feed.dashboard()
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("cell", "run 2"))
    assert feed.dashboard() is board


def test_it_goes_on_when_only_the_feeds_cell_is_run_again(
    server: tk.TickServer, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dashboard of another cell shows the state of the feed that took over, not "stopped"."""
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("cell of connect", "run 1"))
    board = tk.connect(server.url).dashboard()
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("cell of connect", "run 2"))
    with tk.connect(server.url):
        server.publish(TICKS)
        until(lambda: "2 ticks" in board._state.value)
        assert "live" in board._state.value


def test_many_symbols_make_a_short_table(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Of hundreds of symbols the first are shown, and how many more there are."""
    board = feed.dashboard()
    server.publish([{"symbol": f"S{n}", "price": 1} for n in range(100)])
    until(lambda: "60 more" in board._prices.value)


def test_closing_it_ends_its_threads(feed: tk.Feed) -> None:
    """After close nothing draws, and closing twice is no complaint."""
    board = feed.dashboard()
    board.close()
    board.close()
