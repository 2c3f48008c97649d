"""Dashboard: a feed at a glance."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tickerkit as tk
from tickerkit import cells

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


def test_save_writes_what_is_held(
    server: tk.TickServer,
    feed: tk.Feed,
    until: Until,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The button writes a CSV beside the notebook, and says where."""
    monkeypatch.chdir(tmp_path)
    board = feed.dashboard()
    server.publish(TICKS)
    feed.wait(2)
    board._save.click()
    (written,) = tmp_path.glob("ticks-*.csv")
    assert written.name in board._note.value
    assert tk.read_csv(written)["price"].tolist() == [187.25, 421.9]


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
    monkeypatch.setattr(cells, "_current", lambda: ("cell", "run 1"))
    board = feed.dashboard()
    monkeypatch.setattr(cells, "_current", lambda: ("cell", "run 2"))
    assert feed.dashboard() is board


def test_it_goes_on_when_only_the_feeds_cell_is_run_again(
    server: tk.TickServer, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dashboard of another cell shows the state of the feed that took over, not "stopped"."""
    monkeypatch.setattr(cells, "_current", lambda: ("cell of connect", "run 1"))
    board = tk.connect(server.url).dashboard()
    monkeypatch.setattr(cells, "_current", lambda: ("cell of connect", "run 2"))
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
