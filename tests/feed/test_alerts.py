"""Tests of a feed's alerts: each fires once, wherever the feed and the cell go on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cells import Kernel
from soaks import soak

import tickerkit as tk
from tickerkit.alerts import AlertEvent
from tickerkit.classroom import FaultProxy, random_faults
from tickerkit.errors import InvalidArgument
from tickerkit.feed import alert_book, alert_delivery

Until = Callable[..., None]

S = 1_000_000_000
BEGIN_NS = 1_790_000_000 * S
COLUMNS = ["alert", "kind", "symbol", "price", "value", "seq", "time", "text"]


@pytest.fixture
def server() -> Iterator[tk.TickServer]:
    """Return a server without a source."""
    with tk.serve(None, port=0) as server:
        yield server


@pytest.fixture
def feed(server: tk.TickServer, until: Until) -> Iterator[tk.Feed]:
    """Return a feed that is connected."""
    with tk.connect(server.url, history=None) as feed:
        until(lambda: feed.status == "live")
        yield feed


def publish(server: tk.TickServer, *prices: float, symbol: str = "A") -> None:
    """Publish a tick for each price."""
    server.publish([{"symbol": symbol, "price": price} for price in prices])


def fired(feed: tk.Feed) -> list[float]:
    """Return the values of the events."""
    return [float(each) for each in feed.alerts["value"]]


def settle(feed: tk.Feed, server: tk.TickServer, until: Until) -> None:
    """Wait until every tick is judged."""
    alerts = feed._state.alert_book
    until(lambda: feed.log.last_seq == server.log.last_seq)
    until(lambda: all(each.judge.row == feed.log.stop for each in alerts._threads.values()))


def test_event_has_all_of_the_tick_that_fired(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """The list and the callback have seq, epoch, symbol, price, times, and which alert it was."""
    events: list[AlertEvent] = []
    alert = feed.alert("A", above=200, call=events.append, notify=True)
    assert alert.status == "waiting"
    publish(server, 199, 200, 201, 202)
    until(lambda: events)
    [row] = feed.alerts.to_dict("records")
    tick = feed.frame().iloc[2]
    assert (row["seq"], row["epoch"], row["price"]) == (3, tick["epoch"], 201)
    assert (row["time"], row["received"]) == (tick["time"], tick["received"])
    assert (row["alert"], row["text"]) == ("A > 200", "A is above 200: 201")
    assert feed.alert_events() == (1, events)
    assert (events[0].level, events[0].notify, events[0].sound) == (200, True, False)
    assert (alert.count, alert.status, feed.active_alerts) == (1, "running", [alert])
    assert repr(alert) == "<Alert 'A > 200' running, fired 1 time>"
    alert.stop()
    publish(server, 199, 201)
    feed.wait(2)
    assert (alert.count, alert.status, feed.active_alerts) == (1, "stopped", [])


def test_alert_waits_for_a_number_in_its_column(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """It says what it waits for, so that a misspelt column does not go unnoticed."""
    level = feed.alert("A", above=200, column="temperature")
    lag = feed.alert("A", lag=3600)
    assert repr(level) == "<Alert 'A temperature > 200' waiting for a tick, fired 0 times>"
    publish(server, 199)
    settle(feed, server, until)
    missing = "a tick with a number in the column 'temperature'"
    assert repr(level) == f"<Alert 'A temperature > 200' waiting for {missing}, fired 0 times>"
    assert escape(missing) in level._repr_html_()
    assert (level.status, lag.status) == ("waiting", "running")
    server.publish([{"symbol": "A", "temperature": 199.0}])
    until(lambda: level.status == "running")


def test_alert_begins_with_the_next_tick(
    server: tk.TickServer, feed: tk.Feed, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows the value before, and fires for what came before only if asked to."""
    monkeypatch.setattr(alert_book, "NEW_S", 0.0)
    publish(server, 1, 3, 1)
    feed.wait(3)
    feed.alert(above=2, name="new")
    feed.alert(above=2, past=True, name="all")
    publish(server, 3)
    until(lambda: len(feed.alerts) == 3)
    assert feed.alerts.groupby("alert")["seq"].apply(list).to_dict() == {"all": [2, 4], "new": [4]}


def test_alert_of_a_new_feed_judges_a_replay_that_is_over() -> None:
    """The list is that of a slow replay, although no tick comes any more; history is left out."""
    prices = [1.0, 3, 1, 3]
    ticks = pd.DataFrame(
        {
            "symbol": "A",
            "price": prices,
            "time": pd.date_range("2026-11-02", periods=4, freq="s", tz="UTC"),
        }
    )
    replay = tk.replay(ticks, speed=float("inf"), wait_for=1)
    with tk.serve(replay, port=0) as server, tk.connect(server) as feed:
        feed.wait(4)
        feed.alert("A", above=2)
        assert fired(feed) == [3, 3]
        with tk.connect(server) as late:
            late.wait(4)
            late.alert("A", above=2)
            assert fired(late) == []


def test_later_alert_knows_symbols_that_no_other_watched(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """The values before it are those of the log, whatever the alerts before it have looked at."""
    feed.alert("B", above=2)
    publish(server, 1)
    settle(feed, server, until)
    publish(server, 1, symbol="B")
    settle(feed, server, until)
    feed.alert("A", above=2)
    publish(server, 3)
    until(lambda: fired(feed) == [3])


def test_history_is_of_before_the_alert(server: tk.TickServer, until: Until) -> None:
    """What a server sends of before the feed connected fires only if asked for."""
    publish(server, 1, 3, 1)
    with tk.connect(server.url) as feed:
        feed.alert(above=2, name="new")
        feed.alert(above=2, past=True, name="all")
        feed.wait(3)
        publish(server, 3)
        until(lambda: len(feed.alerts) == 3)
        found = feed.alerts.groupby("alert")["seq"].apply(list)
        assert found.to_dict() == {"all": [2, 4], "new": [4]}


def test_rerun_cells_fire_each_once(server: tk.TickServer, kernel: Kernel, until: Until) -> None:
    """The alert goes on, also while the feed's cell is run again or the feed was stopped."""
    calls: list[int] = []
    for run in range(6):
        kernel.run("feed")
        feed = tk.connect(server.url, history=None)
        kernel.run("alert")
        alert = feed.alert(above=2, call=lambda event: calls.append(event.seq), past=True)
        publish(server, 1, 3)
        if run == 2:
            feed.stop()
            publish(server, 1, 3)
        settle(feed, server, until) if run != 2 else None
    until(lambda: len(calls) == 7)
    assert calls == [2, 4, 6, 8, 10, 12, 14]
    assert feed.alerts["seq"].tolist() == calls
    assert (alert.count, len(feed.active_alerts)) == (7, 1)


def test_rerun_cell_replaces_a_callback_that_blocks(
    server: tk.TickServer, kernel: Kernel, until: Until
) -> None:
    """The event in its hands is not repeated, and the next ones go to the new function."""
    feed = tk.connect(server.url)
    until(lambda: feed.status == "live")
    may_go = threading.Event()
    first: list[int] = []
    second: list[int] = []

    def wait(event: AlertEvent) -> None:
        first.append(event.seq)
        may_go.wait(20)

    kernel.run("alert")
    feed.alert(above=2, call=wait)
    publish(server, 1, 3, 1, 3)
    until(lambda: first and len(feed.alerts) == 2)
    kernel.run("alert")
    feed.alert(above=2, call=lambda event: second.append(event.seq))
    may_go.set()
    until(lambda: second == [4])
    publish(server, 1, 3)
    until(lambda: second == [4, 6])
    assert first == [2]


def test_rerun_cell_with_another_condition_replaces_it(
    server: tk.TickServer, kernel: Kernel, until: Until
) -> None:
    """The new condition begins with the next tick, and knows the one before."""
    feed = tk.connect(server.url)
    until(lambda: feed.status == "live")
    kernel.run("alert")
    first = feed.alert(above=2)
    publish(server, 1, 3)
    until(lambda: fired(feed) == [3])
    kernel.run("alert")
    second = feed.alert(above=3)
    publish(server, 4, 5)
    until(lambda: fired(feed) == [3, 4])
    assert (first.status, second.status) == ("stopped", "running")
    assert feed.active_alerts == [second]


def test_rerun_cell_replaces_an_own_condition(
    server: tk.TickServer, kernel: Kernel, until: Until
) -> None:
    """The new function goes on with what the last one said."""
    feed = tk.connect(server.url)
    until(lambda: feed.status == "live")
    for _ in range(3):
        kernel.run("alert")
        alert = feed.alert("A", when=lambda ticks: ticks["price"] > 2)
        publish(server, 1, 3, 3)
        settle(feed, server, until)
        publish(server, 3)
        settle(feed, server, until)
    assert feed.alerts["seq"].tolist() == [2, 6, 10]
    assert feed.alerts["text"][0] == "A meets A when"
    assert alert.count == 3


def test_slow_callback_delays_nothing_else(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Other alerts are judged and delivered meanwhile; the slow one gets all of its events."""
    may_go = threading.Event()
    slow: list[float] = []
    quick: list[float] = []

    def wait(event: AlertEvent) -> None:
        may_go.wait(20)
        slow.append(event.value)

    feed.alert(above=2, call=wait)
    feed.alert(above=2, call=lambda event: quick.append(event.value))
    for price in (3, 4, 5):
        publish(server, 1, price)
    until(lambda: quick == [3, 4, 5])
    assert slow == []
    may_go.set()
    until(lambda: slow == [3, 4, 5])


def test_errors_are_counted_and_stop_nothing(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A callback or a condition that raises is failing until it no longer does."""

    def fail(event: AlertEvent) -> None:
        if event.value < 5:
            raise ValueError("no good")

    def rule(ticks: pd.DataFrame) -> Any:
        return ticks["bid"] > 2

    alert = feed.alert(above=2, call=fail)
    own = feed.alert(when=rule)
    publish(server, 1, 3)
    until(lambda: alert.status == "failing" and own.status == "failing")
    assert "no good (test_alerts.py, line" in alert.faults.last
    assert "KeyError: 'bid' (test_alerts.py, line" in own.faults.last
    assert "Traceback" in alert._repr_html_()
    assert "test_alerts.py" in feed.stats["last_error"]
    server.publish({"symbol": "A", "price": 1, "bid": 1})
    server.publish({"symbol": "A", "price": 5, "bid": 3})
    until(lambda: alert.status == "running" and own.status == "running" and own.count == 1)


class Hook:
    """An HTTP server that answers with these statuses, and then with 200."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.events: list[dict[str, Any]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = hook.statuses.pop(0) if hook.statuses else 200
                if status == 200:
                    hook.events.append(json.loads(body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/secret-of-the-hook"

    def __enter__(self) -> Hook:
        self.thread = threading.Thread(
            target=self.http.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


def test_webhook_gets_each_event_in_order(
    server: tk.TickServer,
    feed: tk.Feed,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An answer of 503 is tried again, one of 400 is not; the address is shown nowhere."""
    caplog.set_level("DEBUG")
    monkeypatch.setattr(alert_delivery, "FIRST_DELAY_S", 0.01)
    with Hook(503, 429, 200, 400) as hook:
        alert = feed.alert(above=2, webhook=hook.url)
        publish(server, 1, 3, 1, 4, 1, 5)
        until(lambda: [each["value"] for each in hook.events] == [3, 5])
        until(lambda: alert.status == "running")
        first = hook.events[0]
        assert (first["alert"], first["symbol"], first["seq"]) == ("every symbol > 2", "A", 2)
        assert pd.Timestamp(first["time"]) == feed.frame()["time"][1]
        assert alert.faults.count == 3
        assert "answers HTTP 400; this event is left out" in alert.faults.last
        assert "secret" not in f"{alert!r}{alert._repr_html_()}{alert.faults.last}{caplog.text}"
        feed.stop()


def test_rerun_cell_with_another_webhook_loses_no_event(
    server: tk.TickServer, kernel: Kernel, until: Until
) -> None:
    """It gets what the last one could not be given."""
    feed = tk.connect(server.url)
    until(lambda: feed.status == "live")
    kernel.run("alert")
    alert = feed.alert(above=2, webhook="http://127.0.0.1:9/x")
    publish(server, 1, 3, 1, 4)
    until(lambda: alert.faults.count and len(feed.alerts) == 2)
    with Hook() as hook:
        kernel.run("alert")
        feed.alert(above=2, webhook=hook.url)
        publish(server, 1, 5)
        until(lambda: [each["value"] for each in hook.events] == [3, 4, 5])
        feed.stop()


def test_dead_webhook_delays_nothing(server: tk.TickServer, feed: tk.Feed, until: Until) -> None:
    """The same alert's callback gets its events, and the feed stops within seconds."""
    calls: list[float] = []
    alert = feed.alert(
        above=2, webhook="http://127.0.0.1:9/x", call=lambda event: calls.append(event.value)
    )
    publish(server, 1, 3, 1, 4)
    until(lambda: calls == [3, 4])
    until(lambda: alert.faults.count)
    assert "the webhook at 127.0.0.1 can't be reached (ConnectError)" in alert.faults.last
    feed.stop()
    assert alert.status == "stopped"


def test_csv_has_a_line_for_each_event(
    server: tk.TickServer, feed: tk.Feed, until: Until, tmp_path: Path
) -> None:
    """Alerts may share a file, which goes on in a later session."""
    path = tmp_path / "new" / "alerts.csv"
    feed.alert(above=2, csv=path, name='a "b", c')
    feed.alert(below=2, csv=str(path), name="down")
    publish(server, 1, 3, 1, 3)
    until(lambda: path.exists() and path.read_text().count("\n") == 4)
    found = pd.read_csv(path, dtype_backend="numpy_nullable")
    assert sorted(found["alert"]) == ['a "b", c', 'a "b", c', "down"]
    assert pd.to_datetime(found["time"]).tolist()
    other = tmp_path / "other.csv"
    other.write_text("something,else\n1,2\n")
    with pytest.raises(InvalidArgument, match="one that alerts were written to"):
        feed.alert(above=2, csv=other)


def test_silence_without_any_tick_is_noticed(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """The clock notices it while the feed is connected; a later tick fires nothing more."""
    feed.alert("A", silence="50ms")
    publish(server, 1)
    until(lambda: len(feed.alerts) == 1)
    publish(server, 1, symbol="B")
    settle(feed, server, until)
    assert feed.alerts[["kind", "symbol", "seq"]].to_numpy().tolist() == [["silence", "A", 1]]


def test_alert_may_be_stopped_in_its_callback_and_in_its_condition(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Neither deadlocks."""
    first = feed.alert(above=2, call=lambda _: first.stop())

    def rule(ticks: pd.DataFrame) -> Any:
        second.stop()
        return ticks["price"] > 2

    second = feed.alert(when=rule)
    publish(server, 1, 3)
    until(lambda: {first.status, second.status} == {"stopped"})


def test_condition_that_blocks_holds_up_nothing(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """It is called in its thread only; its alert and the feed stop meanwhile."""
    may_go = threading.Event()
    entered: list[str] = []
    ended: list[str] = []

    def block(ticks: pd.DataFrame) -> Any:
        entered.append(threading.current_thread().name)
        may_go.wait(20)
        first.stop()
        ended.append("")
        return ticks["price"] > 2

    publish(server, 1)
    until(lambda: len(feed.log))
    first, _ = feed.alert(when=block), feed.alert(when=block, name="second")
    until(lambda: len(entered) == 2)
    assert {*entered} == {"tickerkit alerts"}
    first.stop()
    feed.stop()
    assert ended == []
    may_go.set()
    until(lambda: len(ended) == 2)


def test_rerun_cell_replaces_a_condition_that_blocks(
    server: tk.TickServer, kernel: Kernel, until: Until
) -> None:
    """The new function judges the ticks from those on at which the last one blocks."""
    feed = tk.connect(server.url)
    until(lambda: feed.status == "live")
    may_go, entered = threading.Event(), threading.Event()

    def block(ticks: pd.DataFrame) -> Any:
        if ticks["price"].iloc[-1] > 2:
            entered.set()
            may_go.wait(20)
        return ticks["price"] > 2

    kernel.run("alert")
    feed.alert(when=block)
    publish(server, 1)
    settle(feed, server, until)
    publish(server, 3)
    entered.wait(20)
    publish(server, 1)
    kernel.run("alert")
    alert = feed.alert(when=lambda ticks: ticks["price"] > 2)
    publish(server, 3)
    until(lambda: feed.alerts["seq"].tolist() == [2, 4])
    may_go.set()
    feed.stop()
    assert (feed.alerts["seq"].tolist(), alert.count) == ([2, 4], 2)


def test_condition_of_a_symbol_keeps_failing_while_others_tick(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Also if it asks the interpreter to exit."""

    def leave(_: pd.DataFrame) -> Any:
        raise SystemExit

    alert = feed.alert("A", when=leave)
    publish(server, 1)
    publish(server, 1, symbol="B")
    settle(feed, server, until)
    assert (alert.status, alert.faults.count) == ("failing", 1)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"above": 1, "crossing": 2},
        {"above": "1"},
        {"above": float("inf")},
        {"move": 1},
        {"within": "5min"},
        {"move": 0, "within": "5min"},
        {"silence": "soon"},
        {"silence": 0},
        {"gap": True, "symbol": "A"},
        {"lag": -1},
        {"lag": 1, "bars": "1min"},
        {"above": 1, "bars": "soon"},
        {"when": 5},
        {"when": lambda: True},
        {"above": 1, "call": "print"},
        {"above": 1, "webhook": "ftp://x"},
        {"above": 1, "csv": ""},
        {"above": 1, "notify": "yes"},
        {"above": 1, "name": " "},
    ],
    ids=lambda arguments: " ".join(arguments) or "none",
)
def test_wrong_arguments_are_refused(feed: tk.Feed, arguments: dict[str, Any]) -> None:
    """Nothing is left running."""
    with pytest.raises((InvalidArgument, tk.InvalidType)):
        feed.alert(**arguments)
    assert feed.active_alerts == []


def watch_all(feed: tk.Feed) -> None:
    """Add an alert of each kind that judges by the ticks alone."""
    feed.alert(above=100, past=True)
    feed.alert("A,B", crossing=100.5, past=True)
    feed.alert(move=0.3, within="500ms", past=True)
    feed.alert(silence="150ms", past=True)
    feed.alert(gap=True, past=True)


def test_live_and_replays_have_the_same_list(
    server: tk.TickServer, feed: tk.Feed, until: Until, tmp_path: Path
) -> None:
    """Live, replayed at once and replayed in real time, each alert fires at the same ticks."""
    chance = np.random.default_rng(3)
    count, path = 1500, tmp_path / "ticks.csv"
    ticks = pd.DataFrame(
        {
            "symbol": chance.choice(["A", "B", "C"], count, p=[0.6, 0.395, 0.005]),
            "time": pd.to_datetime(BEGIN_NS + np.arange(count) * 1_000_000, utc=True),
            "price": (100 + np.cumsum(chance.normal(0, 0.05, count))).round(2),
        }
    )
    watch_all(feed)
    while len(ticks):
        size = int(chance.integers(1, 60))
        server.publish(ticks.iloc[:size])
        ticks = ticks.iloc[size:]
    settle(feed, server, until)
    live = feed.alerts[COLUMNS]
    assert set(live["kind"]) == {"above", "crossing", "move", "silence"}
    feed.to_csv(path)
    for speed in (1, float("inf")):
        with tk.live(tk.replay(path, speed=speed)) as replayed:
            watch_all(replayed)
            until(lambda feed=replayed: feed.log.stop == count, 30)
            alerts = replayed._state.alert_book
            until(lambda book=alerts: all(e.judge.row == count for e in book._threads.values()))
            pd.testing.assert_frame_equal(replayed.alerts[COLUMNS], live)


CASES = [(4_000, 200, 8, 4), soak(1_000_000, 10_000, 200, 20)]


@pytest.mark.parametrize(("ticks", "crossings", "breaks", "reruns"), CASES)
def test_each_crossing_fires_once_however_often_the_wire_breaks(
    ticks: int,
    crossings: int,
    breaks: int,
    reruns: int,
    kernel: Kernel,
    until: Until,
    tmp_path: Path,
) -> None:
    """Through disconnects and re-runs of both cells; and a replay has the same list."""
    chance = np.random.default_rng(7)
    prices = 99 + chance.random(ticks).round(4) / 2
    up = np.sort(chance.choice(np.arange(2, ticks, 2), crossings, replace=False))
    prices[up] = 101.0
    calls: list[tuple[str, int]] = []
    path = tmp_path / "ticks.csv"

    def run_cells(url: str) -> tk.Feed:
        kernel.run("feed")
        feed = tk.connect(url, history=None, keep=2 * ticks)
        kernel.run("alert")
        feed.alert("A", above=100, call=lambda event: calls.append((event.epoch, event.seq)))
        return feed

    with (
        tk.serve(None, port=0, history=2 * ticks) as server,
        FaultProxy(server.url, random_faults, 5) as proxy,
    ):
        feed = run_cells(proxy.url)
        until(lambda: feed.status == "live", 60)
        step = ticks // (4 * breaks)
        for start in range(0, ticks, step):
            stop = min(start + step, ticks)
            times = pd.to_datetime(BEGIN_NS + np.arange(start, stop) * 1_000_000, utc=True)
            server.publish(
                pd.DataFrame({"symbol": "A", "time": times, "price": prices[start:stop]})
            )
            if start // step % max(ticks // step // reruns, 1) == 1:
                feed = run_cells(proxy.url)
            if proxy.broken < breaks:
                broken = proxy.broken
                proxy.reset()
                until(lambda before=broken: proxy.broken > before or not proxy.reset(), 60)
                until(lambda current=feed: current.log.last_seq == server.log.last_seq, 60)
        proxy.plan = None
        settle(feed, server, until)
        assert proxy.broken >= breaks
        live = feed.alerts
        assert live["seq"].tolist() == (up + 1).tolist()
        until(lambda: [seq for _, seq in calls] == (up + 1).tolist())
        feed.to_csv(path)
    with tk.live(tk.replay(path, speed=float("inf"))) as replayed:
        replayed.alert("A", above=100, past=True)
        until(lambda: len(replayed.alerts) == crossings, 120)
        pd.testing.assert_frame_equal(replayed.alerts[COLUMNS], live[COLUMNS])
