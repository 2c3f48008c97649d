"""Tests of feed: a connection that fills a log in the background, and the ways to read it."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import json
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cells import Kernel
from commands import environment
from peers import LOCAL, Wire, free_port, plain_server, raw_server, refusing
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

import tickerkit as tk
from tickerkit.errors import FeedFailed, InvalidArgument, Stopped, WaitTimeout
from tickerkit.feed import Feed
from tickerkit.log import Gap, Rows
from tickerkit.runtime import registry
from tickerkit.server import TickServer

Until = Callable[..., None]

COLUMNS = ["seq", "time", "symbol", "price", "size", "received", "epoch"]


@pytest.fixture
def server() -> TickServer:
    """Return a server without a source; tests publish to it."""
    return tk.serve(None, port=0)


def ticks(*prices: float, symbol: str = "AAPL") -> list[dict[str, Any]]:
    """Return a tick for each price."""
    return [{"symbol": symbol, "price": price} for price in prices]


def prices(feed: Feed) -> list[float]:
    """Return the prices that a feed holds."""
    return list(feed.frame()["price"])


def names() -> list[str]:
    """Return the names of tickerkit's threads."""
    return [each.name for each in threading.enumerate() if each.name.startswith("tickerkit")]


def live(feed: Feed, until: Until) -> Feed:
    """Wait until a feed is live."""
    until(lambda: feed.status == "live", what=f"{feed} to be live")
    return feed


# --- connecting -------------------------------------------------------------------------------


def test_connect_returns_at_once(until: Until) -> None:
    """Where nothing listens yet the feed says so, and is live once a server starts."""
    port = free_port()
    began = time.monotonic()
    feed = tk.connect(f"ws://{LOCAL}:{port}")
    assert time.monotonic() - began < 2
    assert feed.status == "connecting"
    until(lambda: "nothing listens there yet" in repr(feed))
    server = tk.serve(None, port=port)
    live(feed, until)
    server.publish(ticks(1))
    assert prices(feed.wait(1)) == [1]


@pytest.mark.parametrize("form", ["{url}", "{page}", f"{LOCAL}:{{port}}", "localhost:{port}/x"])
def test_connect_accepts_addresses_of_all_forms(server: TickServer, form: str) -> None:
    """The websocket's address, the page's, and host and port alone all work."""
    server.publish(ticks(1))
    feed = tk.connect(form.format(url=server.url, page=server.page, port=server.port))
    assert prices(feed.wait(1)) == [1]
    assert feed.url.startswith("ws://")


def test_token_may_be_in_the_address_or_an_argument() -> None:
    """Without the right token the feed fails, and says what to pass."""
    server = tk.serve(ticks(1), port=0, token="sesame")
    plain = f"ws://{LOCAL}:{server.port}/"
    for feed in (
        tk.connect(server.url),
        tk.connect(server.page),
        tk.connect(plain, token="sesame"),
        tk.connect(f"{plain}?token=nonsense", token="sesame"),
    ):
        assert prices(feed.wait(1)) == [1]
        assert feed.url == plain
    feed = tk.connect(plain, token="nonsense")
    with pytest.raises(FeedFailed, match="Wrong token"):
        feed.wait(1)
    with pytest.raises(FeedFailed, match="requires a token"):
        tk.connect(plain).wait(1)


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "token="), (403, "refused"), (404, "nothing at this path")]
)
def test_refusal_fails_the_feed(status: int, reason: str) -> None:
    """The status, the repr and wait() say why, and wait() raises at once."""
    with refusing(status) as url:
        feed = tk.connect(url)
        began = time.monotonic()
        with pytest.raises(FeedFailed, match=reason) as caught:
            feed.wait(1, timeout=60)
        assert time.monotonic() - began < 10
    assert caught.value.url == url
    assert feed.status == "failed"
    assert reason in repr(feed)
    assert reason in feed.status_detail
    with pytest.raises(FeedFailed):
        feed.wait(1)


def test_port_without_a_websocket_fails_the_feed() -> None:
    """The error says that something else listens there."""
    with raw_server(b"220 mail.example ESMTP\r\n") as url:
        feed = tk.connect(url)
        with pytest.raises(FeedFailed, match="websocket protocol"):
            feed.wait(1)


@pytest.mark.parametrize("url", ["ftp://example.org", "ws://[::1", "ws://h:99999", "", "ws://"])
def test_invalid_address_is_refused_at_once(url: str) -> None:
    """No feed is made that would fail, or try for ever."""
    with pytest.raises(InvalidArgument, match="url=") as caught:
        tk.connect(url)
    assert caught.value.value == url
    assert (tk.status().empty, names()) == (True, [])


@pytest.mark.parametrize(
    "url", ["ftp://me:secret@h/?token=secret", "ws//me:secret@h", "ws://h:0/?token=secret"]
)
def test_error_of_an_invalid_address_has_no_secrets(url: str) -> None:
    """A token in it, or a name and a password, are not shown."""
    with pytest.raises(InvalidArgument) as caught:
        tk.connect(url)
    assert "secret" not in f"{caught.value} {caught.value.value}"


def test_failed_feed_can_be_stopped() -> None:
    """Its thread ends, and its status is stopped."""
    with refusing(403) as url:
        feed = tk.connect(url)
        with pytest.raises(FeedFailed):
            feed.wait(1)
        feed.stop()
    assert (feed.status, names()) == ("stopped", [])


@pytest.mark.parametrize("options", [{"history": -1}, {"keep": 0}, {"keep": -5}])
def test_invalid_argument_raises_at_once(options: dict[str, int]) -> None:
    """Nothing is left running."""
    with pytest.raises(ValueError, match=r"(history|keep)=(-1|0|-5);"):
        tk.connect("ws://h/", **options)
    assert names() == []
    assert registry.running() == []


# --- any other websocket ----------------------------------------------------------------------


def test_plain_server_fills_a_feed(until: Until) -> None:
    """Its JSON becomes rows; when it comes back, the break is a gap without an end."""
    port = free_port()
    sent = threading.Event()

    def handler(peer: ServerConnection) -> None:
        peer.send(json.dumps(ticks(1, 2)))
        peer.send(json.dumps({"s": "MSFT", "p": "3.5", "time": 1_700_000_000, "bid": 3}))
        sent.wait(20)
        peer.close(1011)

    with plain_server(handler, port) as url:
        feed = tk.connect(url)
        assert prices(feed.wait(3)) == [1, 2, 3.5]
        assert feed.frame()["seq"].tolist() == [1, 2, 3]
        sent.set()
    until(lambda: feed.status == "reconnecting")
    sent.clear()
    with plain_server(handler, port):
        feed.wait(3)
        sent.set()
    frame = feed.frame()
    assert frame["seq"].tolist() == [1, 2, 3, 1, 2, 3]
    epochs = frame["epoch"].astype(str).tolist()
    assert epochs[0] == epochs[2] != epochs[3] == epochs[5]
    assert frame["bid"].tolist()[2::3] == [3, 3]
    gap = feed.gaps.iloc[0]
    assert len(feed.gaps) == 1
    assert (gap["epoch"], gap["from"]) == (epochs[0], 4)
    assert pd.isna(gap["to"])
    assert gap["last_before"] == frame["time"][2]
    assert gap["first_after"] == frame["time"][3]
    assert feed.stats["reconnects"] == 1


def test_plain_server_that_closes_normally_ends_the_feed() -> None:
    """wait() returns with the ticks that there are."""
    with plain_server(lambda peer: peer.send(json.dumps(ticks(1)))) as url:
        feed = tk.connect(url)
        assert feed.wait(100) is feed
    assert feed.status == "ended"
    assert prices(feed) == [1]


def test_feed_filters_symbols_of_a_plain_server(until: Until) -> None:
    """Other symbols are left out, and invalid ticks are counted."""

    def handler(peer: ServerConnection) -> None:
        peer.send(json.dumps([*ticks(1), *ticks(2, symbol="MSFT"), 17]))

    with plain_server(handler) as url:
        feed = tk.connect(url, symbols="MSFT")
        feed.wait(5)
    assert prices(feed) == [2]
    assert feed.stats["refused"] == 1
    assert "17" in feed.stats["last_error"]


# --- what it asks for -------------------------------------------------------------------------


@pytest.mark.parametrize(("history", "held"), [(0, 0), (3, 3), (100, 10), (None, 10)])
def test_history_comes_before_new_ticks(
    server: TickServer, history: int | None, held: int, until: Until
) -> None:
    """The requested number of earlier ticks arrives first."""
    server.publish(ticks(*range(10)))
    feed = tk.connect(server.url, history=history)
    if held:
        feed.wait(held)
    until(lambda: feed._state.client.epoch is not None, what="an answer to subscribe")
    server.publish(ticks(10))
    feed.wait(1)
    assert prices(feed) == list(range(10 - held, 11))
    assert len(feed.gaps) == 0


def test_feed_gets_only_the_requested_symbols(server: TickServer, until: Until) -> None:
    """History is counted after filtering by symbol."""
    for price in range(10):
        server.publish([*ticks(price), *ticks(price + 100, symbol="MSFT")])
    feed = tk.connect(server.url, symbols=["MSFT", "IBM"], history=3)
    assert prices(feed.wait(3)) == [107, 108, 109]
    server.publish([*ticks(10), *ticks(1, symbol="IBM")])
    feed.wait(1)
    assert prices(feed)[-1] == 1
    assert feed.symbols == ["MSFT", "IBM"]
    assert feed.frame()["seq"].tolist() == [16, 18, 20, 22]
    assert len(feed.gaps) == 0


def test_one_symbol_may_be_text(server: TickServer) -> None:
    """A text is one symbol, not a list of letters."""
    server.publish([*ticks(1), *ticks(2, symbol="A")])
    feed = tk.connect(server.url, symbols="AAPL")
    assert feed.symbols == ["AAPL"]
    assert prices(feed.wait(1)) == [1]


def test_limit_stops_a_feed_exactly(server: TickServer) -> None:
    """A feed with a limit holds that many ticks, also when they come in batches."""
    server.publish(ticks(1, 2, 3))
    with Feed(server.url, None, None, 100, None, limit=5) as feed:
        feed.start()
        feed.wait(3)
        server.publish(ticks(4, 5, 6, 7))
        feed.wait(2)
        server.publish(ticks(8))
        with pytest.raises(WaitTimeout):
            feed.wait(1, timeout=0.2)
        assert prices(feed) == [1, 2, 3, 4, 5]


def test_keep_limits_the_ticks_held(server: TickServer) -> None:
    """The oldest ticks are dropped and counted, which is not a gap."""
    server.publish(ticks(*range(100)))
    feed = tk.connect(server.url, history=None, keep=10)
    feed.wait(100)
    assert prices(feed) == list(range(90, 100))
    stats = feed.stats
    assert (stats["received"], stats["held"], stats["dropped"]) == (100, 10, 90)
    assert len(feed.gaps) == 0


# --- breaks -----------------------------------------------------------------------------------


def test_cut_connection_loses_nothing(server: TickServer, until: Until) -> None:
    """Cut again and again under load, the feed resumes: no tick missing or twice, no gap."""
    count, step = 12_000, 20

    def pour() -> None:
        for start in range(0, count, step):
            server.publish(ticks(*range(start, start + step)))
            time.sleep(0.002)

    with Wire(server.port) as wire:
        feed = live(tk.connect(wire.url, history=None), until)
        pouring = threading.Thread(target=pour)
        pouring.start()
        while pouring.is_alive():
            had = feed.stats["received"]
            until(lambda had=had: feed.stats["received"] > had or not pouring.is_alive())
            wire.cut()
        pouring.join()
        until(lambda: feed.stats["received"] == count)
        assert feed.frame()["seq"].tolist() == list(range(1, count + 1))
        assert prices(feed) == list(range(count))
        assert feed.stats["reconnects"] >= 5
        assert len(feed.gaps) == 0
        feed.stop()


def test_feed_resumes_at_another_address(server: TickServer, until: Until) -> None:
    """Cut off at one address, it goes on at the next: no tick missing or twice, and no gap."""
    with Wire(server.port) as one, Wire(server.port) as two:
        wires = {one.url: one, two.url: two}
        feed = live(tk.connect(list(wires), history=None), until)
        used = []
        for price in range(6):
            used.append(feed.url)
            assert feed.stats["url"] == feed.url
            assert feed.url in repr(feed)
            assert feed.url in feed._repr_html_()
            wires[feed.url].cut()
            server.publish(ticks(price))
            feed.wait(1)
        assert used == [one.url, two.url] * 3
        assert feed.frame()["seq"].tolist() == [1, 2, 3, 4, 5, 6]
        assert (len(feed.gaps), feed.stats["duplicates"]) == (0, 0)
        feed.stop()


def test_several_addresses_are_only_for_servers_of_tickerkit(until: Until) -> None:
    """A field map and the like are for one other server; an empty list is refused as well."""
    for options in ({"fields": {"symbol": "s", "price": "p"}}, {"subscribe": "all"}):
        with pytest.raises(
            InvalidArgument, match=r"Invalid url=\['ws://a/', 'ws://b/'\]; .* one ad"
        ):
            tk.connect(["ws://a/?token=secret", "ws://b/"], **options)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="a list of at least one"):
        tk.connect([])
    with pytest.raises(InvalidArgument, match=r"tk\.serve"):
        tk.connect(["ws://a/", "kraken:BTC/USD"])


def test_gap_names_the_missing_range_exactly(until: Until) -> None:
    """A break longer than the server's history is a gap with the exact range."""
    server = tk.serve(None, port=0, history=100)
    with Wire(server.port) as wire:
        feed = tk.connect(wire.url)
        live(feed, until)
        until(lambda: feed._state.client.epoch is not None)
        server.publish(ticks(*range(10)))
        feed.wait(10)
        target, wire._target = wire._target, free_port()
        wire.cut()
        until(lambda: feed.status == "reconnecting")
        server.publish(ticks(*range(10, 1000)))
        wire._target = target
        feed.wait(100)
        feed.stop()
    assert feed.gaps[["from", "to"]].to_numpy().tolist() == [[11, 900]]
    assert feed.gaps["epoch"].tolist() == [server.log.epoch]
    assert feed.frame()["seq"].tolist() == [*range(1, 11), *range(901, 1001)]


def test_restarted_server_begins_a_new_epoch(server: TickServer, until: Until) -> None:
    """What the old server may still have sent is a gap without an end."""
    feed = live(tk.connect(server.url, history=None), until)
    server.publish(ticks(1, 2))
    feed.wait(2)
    first = server.log.epoch
    server.stop()
    until(lambda: feed.status == "reconnecting")
    server = tk.serve(None, port=server.port)
    server.publish(ticks(3, 4))
    feed.wait(2)
    frame = feed.frame()
    assert frame["price"].tolist() == [1, 2, 3, 4]
    assert frame["seq"].tolist() == [1, 2, 1, 2]
    assert frame["epoch"].astype(str).tolist() == [first, first, *[server.log.epoch] * 2]
    assert feed.past_symbols() == set()
    gap = feed.gaps.iloc[0]
    assert (len(feed.gaps), gap["epoch"], gap["from"]) == (1, first, 3)
    assert pd.isna(gap["to"])
    assert feed.stats["gaps"] == 1
    assert "1 gap;" in repr(feed)


def test_gaps_that_are_no_longer_listed_count(server: TickServer) -> None:
    """The card and the repr say the same number as `stats`."""
    feed = tk.connect(server.url)
    feed._state.gaps.max_gaps = 2
    for first in (1, 11, 21):
        feed._state.gaps.add(Gap("an epoch", first, first + 4, "test"))
    assert (len(feed.gaps), feed.stats["gaps"]) == (2, 3)
    assert "3 gaps" in repr(feed)
    assert "3 gaps" in feed._repr_html_()


def test_card_says_once_that_it_reconnects(server: TickServer, until: Until) -> None:
    """Below the status is only why, and when it tries again."""
    feed = live(tk.connect(server.url), until)
    server.stop()
    until(lambda: "nothing listens" in feed.status_reason)
    html = feed._repr_html_()
    assert html.count("reconnecting") == 1
    assert "nothing listens there yet; trying again" in html


def test_past_symbols_are_those_of_an_earlier_server(server: TickServer, until: Until) -> None:
    """A new epoch of the same server has all its symbols; of another websocket none is known."""
    feed = live(tk.connect(server.url), until)
    server.publish([*ticks(1), *ticks(2, symbol="MSFT")])
    feed.wait(2)
    server.log.begin()
    server.publish(ticks(3))
    feed.wait(1)
    assert (feed.frame()["epoch"].nunique(), feed.past_symbols()) == (2, set())
    server.stop()
    server = tk.serve(None, port=server.port)
    server.publish(ticks(4, symbol="MSFT"))
    feed.wait(1)
    assert feed.past_symbols() == {"AAPL"}


def test_end_of_the_source_ends_the_feed() -> None:
    """The feed has every tick, and does not reconnect."""
    server = tk.serve(ticks(*range(100)), port=0)
    feed = tk.connect(server.url, history=None)
    assert feed.wait(10**6) is feed
    assert (feed.status, feed.status_detail) == ("ended", "ended: the source is finished")
    assert prices(feed) == list(range(100))
    assert feed.wait(1) is feed


# --- waiting ----------------------------------------------------------------------------------


def test_wait_counts_ticks_since_the_last_wait(server: TickServer) -> None:
    """History counts; ticks that were waited for aren't counted again."""
    server.publish(ticks(*range(5)))
    feed = tk.connect(server.url)
    assert feed.wait(5) is feed
    with pytest.raises(WaitTimeout) as caught:
        feed.wait(1, timeout=0.05)
    assert (caught.value.wanted, caught.value.came) == (1, 0)
    server.publish(ticks(1, 2))
    with pytest.raises(WaitTimeout) as caught:
        feed.wait(3, timeout=0.2)
    assert str(caught.value) == (f"2 of 3 ticks came in 0.2 s; the feed is live from {server.url}")
    server.publish(ticks(3))
    feed.wait(3)
    assert feed.wait(0, timeout=0) is feed


def test_wait_timeout_says_what_the_feed_was_doing() -> None:
    """The error has the problem, and is a TimeoutError too."""
    port = free_port()
    feed = tk.connect(f"ws://{LOCAL}:{port}/")
    with pytest.raises(TimeoutError) as caught:
        feed.wait(1, timeout=0.3)
    assert isinstance(caught.value, WaitTimeout)
    assert str(caught.value).startswith(
        f"0 of 1 ticks came in 0.3 s; the feed is connecting to ws://{LOCAL}:{port}/: "
        "nothing listens there yet; trying again"
    )


def test_wait_ends_with_the_tick(server: TickServer) -> None:
    """It wakes at once, whatever its timeout."""
    feed = tk.connect(server.url, history=None)
    timer = threading.Timer(0.1, server.publish, [ticks(1)])
    timer.start()
    began = time.monotonic()
    feed.wait(1, timeout=None)
    assert time.monotonic() - began < 5
    timer.join()


def test_wait_ends_when_the_feed_is_stopped(server: TickServer) -> None:
    """Stopped by another thread, or before, it raises instead of waiting."""
    feed = tk.connect(server.url)
    timer = threading.Timer(0.1, feed.stop)
    timer.start()
    with pytest.raises(Stopped, match=r"the feed is stopped; call tk\.connect again"):
        feed.wait(1, timeout=None)
    timer.join()
    with pytest.raises(Stopped):
        feed.wait(1)


def test_wait_can_be_interrupted(server: TickServer) -> None:
    """The stop button of a notebook ends it soon."""
    feed = tk.connect(server.url)
    timer = threading.Timer(0.1, _thread.interrupt_main)
    began = time.monotonic()
    # Python ignores interrupts if a shell has started it in the background.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            feed.wait(1, timeout=None)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - began < 1
    timer.join()


# --- reading ----------------------------------------------------------------------------------


def test_frame_has_the_documented_columns_and_types(server: TickServer) -> None:
    """The seven columns of every tick come first, also before the first tick."""
    feed = tk.connect(server.url)
    empty = feed.frame()
    assert list(empty.columns) == COLUMNS
    server.publish(
        {"symbol": "A", "price": 1, "time": "2026-11-22T10:00:00.5Z", "bid": 2, "side": "buy"}
    )
    frame = feed.wait(1).frame()
    assert list(frame.columns) == [*COLUMNS, "bid", "side"]
    assert frame[COLUMNS].dtypes.map(str).equals(empty.dtypes.map(str))
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "seq": "int64",
        "time": "datetime64[ns, UTC]",
        "symbol": "category",
        "price": "float64",
        "size": "float64",
        "received": "datetime64[ns, UTC]",
        "epoch": "category",
        "bid": "float64",
        "side": "category",
    }
    assert frame["time"][0] == pd.Timestamp("2026-11-22T10:00:00.5Z")
    assert abs(frame["received"][0] - pd.Timestamp.now("UTC")) < pd.Timedelta("1min")
    assert frame["epoch"].tolist() == [server.log.epoch]


def test_frame_selects_by_symbol_number_and_time(server: TickServer) -> None:
    """`last` is a number of ticks, or a time before the newest."""
    start = pd.Timestamp("2026-11-22T10:00Z")
    server.publish(
        [
            {"symbol": "AB"[n % 2], "price": n, "time": (start + timedelta(minutes=n)).isoformat()}
            for n in range(20)
        ]
    )
    feed = tk.connect(server.url).wait(20)
    assert feed.frame("A")["price"].tolist() == list(range(0, 20, 2))
    assert feed.frame(["A", "B"], last=3)["price"].tolist() == [17, 18, 19]
    assert feed.frame("A", last=2)["price"].tolist() == [16, 18]
    assert feed.frame(last="5min")["price"].tolist() == list(range(14, 20))
    assert feed.frame("B", last=timedelta(minutes=4))["price"].tolist() == [15, 17, 19]
    assert feed.frame("C").empty


def test_frame_selects_by_a_range_of_time(server: TickServer) -> None:
    """From `start` on, before `end`, in UTC unless a zone is named; a late tick is left out."""
    minutes = [0, 1, 2, 9, 3, 4, 5]
    times = [f"2026-11-22T10:0{minute}:00Z" for minute in minutes]
    server.publish(
        [
            {"symbol": "AB"[minute % 2], "price": minute, "time": time}
            for minute, time in zip(minutes, times, strict=True)
        ]
    )
    feed = tk.connect(server.url).wait(len(minutes))
    start, end = "2026-11-22T10:02", "2026-11-22T12:05+02:00"
    assert feed.frame(start=start, end=end)["price"].tolist() == [2, 3, 4]
    assert feed.frame("A", start=start)["price"].tolist() == [2, 4]
    assert feed.frame(last=2, start=start)["price"].tolist() == [4, 5]
    assert feed.frame(start="2026-11-23").empty
    marked = feed.frame(end=datetime(2026, 11, 22, 10, 1, tzinfo=UTC), mark_gaps=True)
    assert marked["gap"].tolist() == [False]
    with pytest.raises(InvalidArgument, match="start='yesterday'"):
        feed.frame(start="yesterday")


def test_frame_is_a_snapshot(server: TickServer) -> None:
    """It does not grow, and writing to it does not change the feed."""
    server.publish(ticks(1, 2))
    feed = tk.connect(server.url).wait(2)
    frame = feed.frame()
    frame.loc[0, "price"] = -1
    server.publish(ticks(3))
    feed.wait(1)
    assert frame["price"].tolist() == [-1, 2]
    assert prices(feed) == [1, 2, 3]


def test_latest_has_the_newest_value_of_each_field(server: TickServer) -> None:
    """There is one row per symbol, in which a quote does not hide the last trade's price."""
    feed = tk.connect(server.url)
    assert feed.latest().empty
    server.publish([*ticks(1, 2), *ticks(5, symbol="MSFT"), {"symbol": "MSFT", "bid": 4}])
    latest = feed.wait(4).latest()
    assert latest.index.tolist() == ["AAPL", "MSFT"]
    assert latest["price"].tolist() == [2, 5]
    assert latest["bid"].tolist() == [pytest.approx(np.nan, nan_ok=True), 4]
    assert latest["seq"].tolist() == [2, 4]
    server.publish(ticks(9))
    assert feed.wait(1).latest().loc["AAPL", "price"] == 9


def test_bars_of_a_sensor_are_made_of_the_column_that_is_asked_for(server: TickServer) -> None:
    """Its ticks have no price, so only `value` gives bars; `latest` has each field's newest."""
    ticks = [
        {"symbol": "A", "temperature": 21.5},
        {"symbol": "A", "humidity": 40},
        {"symbol": "A", "temperature": 22.5},
    ]
    server.publish([tick | {"time": "2026-11-22T10:00:01Z"} for tick in ticks])
    feed = tk.connect(server.url).wait(3)
    assert feed.bars("5s", "A").empty
    bars = feed.bars("5s", "A", value="temperature")
    assert bars.to_numpy().tolist() == [[21.5, 22.5, 21.5, 22.5, 0, 2]]
    assert feed.latest().loc["A", ["temperature", "humidity"]].tolist() == [22.5, 40]


def test_bars_are_made_of_trades(server: TickServer) -> None:
    """Open, high, low, close, volume and count, by time or by symbol and time."""
    at = "2026-11-22T10:00:0"
    server.publish(
        [
            {"symbol": "A", "price": price, "size": 10, "time": f"{at}{second}Z"}
            for second, price in [(1, 5), (2, 9), (3, 4), (6, 7)]
        ]
    )
    feed = tk.connect(server.url).wait(4)
    bars = feed.bars("5s", "A")
    assert list(bars.columns) == ["open", "high", "low", "close", "volume", "ticks"]
    assert bars.to_numpy().tolist() == [[5, 9, 4, 4, 30, 3], [7, 7, 7, 7, 10, 1]]
    assert bars.index.tolist() == [pd.Timestamp(f"{at}0Z"), pd.Timestamp(f"{at}5Z")]
    assert feed.bars(5).index.names == ["symbol", "time"]


def test_stats_have_every_documented_key(server: TickServer) -> None:
    """Each number is right."""
    feed = tk.connect(server.url, history=None)
    assert np.isnan(feed.stats["lag_s"])
    past = (pd.Timestamp.now("UTC") - pd.Timedelta("1h")).isoformat()
    server.publish([{"symbol": str(n % 4), "price": n, "time": past} for n in range(10)])
    stats = dict(feed.wait(10).stats)
    assert stats.pop("lag_s") == pytest.approx(3600, abs=60)
    assert stats == {
        "received": 10,
        "held": 10,
        "dropped": 0,
        "rate": 2,
        "symbols": 4,
        "reconnects": 0,
        "gaps": 0,
        "duplicates": 0,
        "refused": 0,
        "last_error": "",
        "misfits": {},
        "unknown": {},
        "callback_errors": 0,
        "status": "live",
        "url": server.url,
    }


def test_csv_export_is_read_back_identical(server: TickServer, tmp_path: Path) -> None:
    """Odd symbols and missing values included."""
    server.publish(
        [
            {"symbol": "NA", "price": 0.1 + 0.2, "time": 1_700_000_000_123_456_789},
            {"symbol": "a,\"b'", "bid": 2.5, "venue": "null"},
            {"symbol": "NA", "price": 1e-9, "size": 0},
        ]
    )
    feed = tk.connect(server.url).wait(3)
    path = tmp_path / "ticks.csv"
    assert feed.to_csv(path) == path
    pd.testing.assert_frame_equal(tk.read_csv(path), feed.frame())


# --- callbacks --------------------------------------------------------------------------------


def test_callbacks_get_each_new_tick_once(server: TickServer, until: Until) -> None:
    """Ticks from before aren't repeated; new ones come in order."""
    server.publish(ticks(*range(5)))
    feed = tk.connect(server.url).wait(5)
    seen: list[float] = []
    handle = feed.on_ticks(lambda frame: seen.extend(frame["price"]))
    for price in range(5, 105):
        server.publish(ticks(price))
    until(lambda: len(seen) == 100)
    assert seen == list(range(5, 105))
    handle.stop()
    server.publish(ticks(1))
    feed.wait(101)
    assert len(seen) == 100


def test_callback_that_is_no_function_is_refused(server: TickServer) -> None:
    """The call raises, instead of an error at each batch."""
    with tk.connect(server.url) as feed, pytest.raises(TypeError, match="callback"):
        feed.on_ticks(5)  # type: ignore[arg-type]


def test_callback_error_stops_nothing(
    server: TickServer, until: Until, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is counted; the feed, the callback and other callbacks continue."""
    feed = live(tk.connect(server.url, history=None), until)
    seen: list[float] = []

    def fail(_: pd.DataFrame) -> None:
        raise ValueError("no good")

    feed.on_ticks(fail)
    feed.on_ticks(lambda frame: seen.extend(frame["price"]))
    for price in range(3):
        server.publish(ticks(price))
        until(lambda price=price: feed.stats["callback_errors"] == price + 1)
    until(lambda: seen == [0, 1, 2])
    line = fail.__code__.co_firstlineno + 1
    assert feed.stats["last_error"] == f"ValueError: no good (test_feed.py, line {line})"
    assert "no good" in feed._repr_html_()
    assert feed.status == "live"
    assert capfd.readouterr() == ("", "")


def test_slow_callback_loses_nothing(server: TickServer, until: Until) -> None:
    """Its batches get larger, and the feed continues meanwhile."""
    feed = tk.connect(server.url, history=None)
    batches: list[list[float]] = []
    busy, release = threading.Event(), threading.Event()

    def take(frame: pd.DataFrame) -> None:
        batches.append(frame["price"].tolist())
        busy.set()
        release.wait(20)

    feed.on_ticks(take)
    server.publish(ticks(0))
    assert busy.wait(5)
    for price in range(1, 300):
        server.publish(ticks(price))
    feed.wait(300)
    release.set()
    until(lambda: sum(map(len, batches)) == 300)
    assert batches == [[0], list(range(1, 300))]


def test_async_callbacks_are_awaited(server: TickServer, until: Until) -> None:
    """A coroutine function gets the batches too."""
    feed = tk.connect(server.url, history=None)
    seen: list[float] = []

    async def take(frame: pd.DataFrame) -> None:
        await asyncio.sleep(0.001)
        seen.extend(frame["price"])

    feed.on_ticks(take)
    server.publish(ticks(1, 2))
    until(lambda: seen == [1, 2])


def test_callback_may_stop_the_feed(server: TickServer, until: Until) -> None:
    """Called from the callback's thread, stop() does not wait for that thread."""
    feed = tk.connect(server.url, history=None)
    feed.on_ticks(lambda _: feed.stop())
    server.publish(ticks(1))
    until(lambda: feed.status == "stopped")
    server.stop()
    until(lambda: not names())


def test_callback_may_publish(server: TickServer, until: Until) -> None:
    """Blocking calls are allowed there, since it is a thread of its own."""
    feed = tk.connect(server.url, history=None)

    def answer(frame: pd.DataFrame) -> None:
        if frame["price"].max() < 5:
            server.publish(ticks(frame["price"].max() + 1))

    feed.on_ticks(answer)
    server.publish(ticks(0))
    until(lambda: prices(feed) == [0, 1, 2, 3, 4, 5])


def test_callbacks_end_with_the_feed(server: TickServer) -> None:
    """They get the ticks that have arrived, and their threads end; later ones start none."""
    feed = tk.connect(server.url, history=None)
    seen: list[float] = []
    feed.on_ticks(lambda frame: seen.extend(frame["price"]))
    server.publish(ticks(1, 2))
    feed.wait(2)
    feed.stop()
    assert seen == [1, 2]
    feed.on_ticks(seen.append)
    reader = feed.log.reader(0)
    rows: list[int] = []
    feed.follow(lambda new: rows.append(len(new)), reader=reader, every_s=0.1, name="tickerkit x")
    assert rows == [2]
    server.stop()
    assert names() == []


def test_follower_is_called_without_ticks_too(
    server: TickServer, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It notices silence, and its errors are counted by the feed."""
    monkeypatch.setattr("tickerkit.feed.readers.IDLE_S", 0.01)
    feed = tk.connect(server.url, history=None)
    calls: list[int] = []

    def draw(rows: Rows) -> None:
        calls.append(len(rows))
        raise ValueError("no paint")

    feed.follow(draw, reader=feed.log.reader(), every_s=0.001, name="tickerkit painter")
    until(lambda: len(calls) >= 3)
    server.publish(ticks(1))
    until(lambda: 1 in calls)
    line = draw.__code__.co_firstlineno + 2
    assert feed.stats["last_error"] == f"ValueError: no paint (test_feed.py, line {line})"


# --- its life ---------------------------------------------------------------------------------


def test_stop_leaves_no_threads(server: TickServer, capfd: pytest.CaptureFixture[str]) -> None:
    """The ticks stay, stop is idempotent, nothing is printed."""
    server.publish(ticks(1))
    feed = tk.connect(server.url).wait(1)
    server.stop()
    feed.stop()
    assert names() == []
    assert feed.status == "stopped"
    assert registry.running() == []
    feed.stop()
    assert prices(feed) == [1]
    assert feed.latest()["price"].tolist() == [1]
    assert capfd.readouterr() == ("", "")


def test_stop_tells_the_server_that_nothing_is_wrong() -> None:
    """The close frame has code 1000, as that of a page that is left."""
    codes: list[int | None] = []

    def listen(peer: ServerConnection) -> None:
        peer.send(json.dumps([{"symbol": "AAPL", "price": 187.25}]))
        with contextlib.suppress(ConnectionClosed):
            peer.recv()
        codes.append(peer.close_code)

    with plain_server(listen) as url:
        tk.connect(url).wait(1).stop()
    assert codes == [1000]


def test_stop_is_quick_in_every_state(until: Until) -> None:
    """While it connects, waits to retry or receives nothing, the feed stops at once."""
    silent = threading.Event()
    with plain_server(lambda _: None, process_request=lambda *_: silent.wait(20) and None) as url:
        feeds = [tk.connect(url), tk.connect(f"ws://{LOCAL}:{free_port()}")]
        until(lambda: "trying again" in feeds[1].status_detail)
        for feed in feeds:
            began = time.monotonic()
            feed.stop()
            assert time.monotonic() - began < 1
        silent.set()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system can't hold a process")
def test_stop_does_not_wait_for_a_server_that_hangs() -> None:
    """A server that does not answer the closing handshake delays nothing."""
    code = (
        "import sys, tickerkit as tk; server = tk.serve(tk.simulate(['A']), port=0);"
        "print(server.port, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as other:
        assert other.stdout is not None
        feed = tk.connect(f"ws://{LOCAL}:{int(other.stdout.readline())}").wait(1)
        other.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        feed.stop()
        assert time.monotonic() - began < 1.5
        other.send_signal(signal.SIGCONT)
        other.communicate()


def test_feed_is_a_context_manager(server: TickServer) -> None:
    """It stops at the end of the block, also after an error."""
    with pytest.raises(KeyError), tk.connect(server.url) as feed:
        raise KeyError
    assert feed.status == "stopped"


def test_repr_is_one_line_of_status(server: TickServer, until: Until) -> None:
    """It has the address, the status, the counts and the problem."""
    feed = live(tk.connect(server.url, history=None), until)
    server.publish(ticks(*range(1234)))
    feed.wait(1234)
    url = server.url
    assert repr(feed) == f"<Feed {url} live, 1,234 ticks of 1 symbol; live from {url}>"
    assert feed.summary() == {
        "kind": "feed",
        "address": url,
        "status": "live",
        "about": "1,234 ticks of 1 symbol",
    }
    assert tk.status()["kind"].tolist() == ["server", "feed"]
    feed.stop()
    assert repr(feed) == f"<Feed {url} stopped, 1,234 ticks of 1 symbol; stopped>"


@pytest.mark.process
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc")
def test_feed_says_that_another_notebook_serves_it(until: Until) -> None:
    """`tk.connect()` may find the server of another notebook on the port: repr and card name it."""
    code = "import tickerkit as tk; print(tk.serve('sim:NVDA', port=0).url, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(JPY_SESSION_NAME="/home/ana/<b>other.ipynb"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        feed = live(tk.connect(other.stdout.readline().strip()), until)
        assert feed.served_by == f"notebook <b>other.ipynb (pid {other.pid})"
        assert f"; served by {feed.served_by}" in repr(feed)
        assert "notebook &lt;b&gt;other.ipynb" in feed._repr_html_()
        other.communicate("\n")
    until(lambda: feed.status == "reconnecting")
    assert feed.served_by == ""


def test_feed_of_a_server_of_this_process_names_no_other(server: TickServer, until: Until) -> None:
    """Nothing is to be said of a server of the same notebook."""
    assert live(tk.connect(server.url), until).served_by == ""


def test_card_escapes_text_from_the_peer() -> None:
    """A server's text makes no HTML element, and no second line of the repr."""
    with refusing(403, "no\r\n\x1b[31m") as url:
        feed = tk.connect(url)
        with pytest.raises(FeedFailed):
            feed.wait(1)
    assert repr(feed).isprintable()

    def handler(peer: ServerConnection) -> None:
        peer.send('"<img src=x onerror=alert(1)>"')

    with plain_server(handler) as url:
        feed = tk.connect(url)
        feed.wait(1)
    assert "<img" in feed.stats["last_error"]
    html = feed._repr_html_()
    assert "<img" not in html
    assert "&lt;img" in html


def test_token_is_shown_nowhere(caplog: pytest.LogCaptureFixture, until: Until) -> None:
    """No repr, card, summary, stats, error or log line has it."""
    caplog.set_level(logging.DEBUG)
    server = tk.serve(None, port=0, token="sesame")
    feeds = [
        live(tk.connect(server.url), until),
        tk.connect(f"ws://{LOCAL}:{server.port}/nowhere?token=sesame2&key=sesame3"),
        tk.connect(f"ws://me:sesame4@{LOCAL}:{server.port}/?token=sesame5"),
    ]
    for feed in feeds[1:]:
        with pytest.raises(FeedFailed) as caught:
            feed.wait(1)
        assert "sesame" not in str(caught.value)
    for feed in feeds:
        shown = [repr(feed), feed._repr_html_(), str(feed.summary()), str(dict(feed.stats))]
        assert not any("sesame" in text for text in [*shown, feed.url, feed.status_detail])
    assert "sesame" not in tk.status().to_csv()
    ours = [each for each in caplog.records if each.name.startswith("tickerkit")]
    assert ours
    assert not any("sesame" in logging.Formatter().format(record) for record in ours)


# --- cells that run again ---------------------------------------------------------------------


def test_rerun_cell_continues_with_the_same_log(
    server: TickServer, kernel: Kernel, until: Until
) -> None:
    """The new feed takes over log and position; no tick is lost or repeated."""
    server.publish(ticks(*range(50)))
    kernel.run("cell")
    first = tk.connect(server.url, history=None).wait(50)
    kernel.run("cell")
    second = tk.connect(server.url, history=None)
    assert second is not first
    assert (first.status, second.log) == ("stopped", first.log)
    server.publish(ticks(*range(50, 60)))
    second.wait(10)
    assert prices(second) == list(range(60))
    assert second.frame()["seq"].tolist() == list(range(1, 61))
    assert (len(second.gaps), second.stats["duplicates"]) == (0, 0)
    assert registry.running() == [server, second]
    until(lambda: len(server.clients) == 1)
    first.stop()
    assert second.status == "live"


def test_rerun_cell_continues_a_stopped_feed(server: TickServer, kernel: Kernel) -> None:
    """Ticks published while it was stopped arrive when the cell is run again."""
    kernel.run("cell")
    first = tk.connect(server.url, history=None)
    server.publish(ticks(1))
    first.wait(1)
    first.stop()
    server.publish(ticks(2))
    kernel.run("cell")
    second = tk.connect(server.url, history=None)
    server.publish(ticks(3))
    assert prices(second.wait(2)) == [1, 2, 3]


def test_other_arguments_make_another_feed(server: TickServer, kernel: Kernel) -> None:
    """Another cell, address, choice of symbols or size of the log takes over nothing."""
    server.publish(ticks(1))
    kernel.run("cell")
    first = tk.connect(server.url)
    feeds = [
        tk.connect(server.url, symbols="AAPL"),
        tk.connect(server.url, keep=10),
        tk.connect(server.page),
    ]
    kernel.run("another cell")
    feeds.append(tk.connect(server.url))
    assert len({id(feed.log) for feed in [first, *feeds]}) == 5
    assert len(registry.running()) == 6


def test_rerun_cell_continues_at_several_addresses(server: TickServer, kernel: Kernel) -> None:
    """The log is that of all addresses together, and so are callbacks and recorders."""
    with Wire(server.port) as wire:
        kernel.run("cell")
        first = tk.connect([server.url, wire.url])
        kernel.run("cell")
        second = tk.connect([server.url, wire.url])
        third = tk.connect([wire.url, server.url])
        assert second.log is first.log
        assert third.log is not first.log
        tk.stop_all()


def test_two_feeds_of_one_cell_are_distinguished(server: TickServer, kernel: Kernel) -> None:
    """After a re-run the first continues the first's log, the second the second's."""
    kernel.run("cell")
    first = [tk.connect(server.url), tk.connect(server.url)]
    kernel.run("cell")
    second = [tk.connect(server.url), tk.connect(server.url)]
    assert [each.log for each in second] == [each.log for each in first]
    assert second[0].log is not second[1].log
    assert [each.status for each in first] == ["stopped", "stopped"]


@pytest.mark.parametrize(
    ("query", "same"), [("?token=new", True), ("", True), ("?stream=other", False)]
)
def test_new_token_keeps_the_log_and_another_query_does_not(
    query: str, same: bool, server: TickServer, kernel: Kernel
) -> None:
    """Ticks of one stream never go to the log of another."""
    kernel.run("cell")
    first = tk.connect(f"{server.url}?token=old")
    kernel.run("cell")
    second = tk.connect(f"{server.url}{query}")
    assert (second.log is first.log) is same


def test_without_cells_each_call_makes_a_feed(server: TickServer) -> None:
    """Outside a notebook nothing is replaced."""
    first, second = tk.connect(server.url), tk.connect(server.url)
    assert first.status != "stopped"
    assert first.log is not second.log


def test_rerun_cell_replaces_the_callback(server: TickServer, kernel: Kernel, until: Until) -> None:
    """The old function is called no more."""
    feed = tk.connect(server.url, history=None)
    seen: dict[str, list[float]] = {"first": [], "second": []}
    for name in seen:
        kernel.run("callback")
        feed.on_ticks(lambda frame, name=name: seen[name].extend(frame["price"]))
    server.publish(ticks(1))
    until(lambda: seen["second"])
    assert seen == {"first": [], "second": [1]}
    assert len([name for name in names() if "lambda" in name]) == 1
    kernel.run("another callback")
    feed.on_ticks(lambda _: None)
    assert len([name for name in names() if "lambda" in name]) == 2


def test_callbacks_continue_when_the_connecting_cell_is_rerun(
    server: TickServer, kernel: Kernel, until: Until
) -> None:
    """They get each tick of the new feed once, and end with it."""
    kernel.run("connect")
    feed = tk.connect(server.url, history=None)
    kernel.run("callback")
    seen: list[float] = []
    feed.on_ticks(lambda frame: seen.extend(frame["price"]))
    server.publish(ticks(1))
    until(lambda: seen == [1])
    kernel.run("connect")
    feed = tk.connect(server.url, history=None)
    server.publish(ticks(2))
    until(lambda: seen == [1, 2])
    feed.stop()
    server.stop()
    assert names() == []


def test_rerun_cell_may_correct_the_token(kernel: Kernel) -> None:
    """The feed of a corrected cell is live."""
    server = tk.serve(ticks(1), port=0, token="sesame")
    plain = f"ws://{LOCAL}:{server.port}/"
    kernel.run("cell")
    with pytest.raises(FeedFailed):
        tk.connect(plain).wait(1)
    kernel.run("cell")
    assert prices(tk.connect(plain, token="sesame").wait(1)) == [1]


def test_wait_timeout_has_the_last_error() -> None:
    """A feed that gets only invalid messages says so."""
    with tk.serve(None, port=0) as server, tk.connect(server) as feed:
        feed._faults.add_message("test", "price is missing")
        with pytest.raises(tk.WaitTimeout, match="last error: price is missing"):
            feed.wait(1, timeout=0.1)


@pytest.mark.parametrize("options", [{}, {"process": True}])
def test_wait_timeout_has_the_error_of_a_server_in_this_process(
    options: dict[str, Any], until: Until
) -> None:
    """A source whose ticks are refused is no longer a riddle."""
    with tk.serve(lambda: {"price": 21.5}, port=0, every=0.1, **options) as server:
        until(lambda: server.stats["refused"])
        address = server.url.replace("127.0.0.1", "localhost")
        with (
            tk.connect(address) as feed,
            pytest.raises(WaitTimeout, match="last error of its server: symbol is missing"),
        ):
            feed.wait(1, timeout=0.5)


@pytest.mark.parametrize("path", ["", "ticks"])
def test_wait_timeout_lists_the_symbols_that_the_server_has(path: str, until: Until) -> None:
    """A misspelt symbol is named, and the similar ones come first; the card says so, too."""
    with tk.serve(None, port=0) as server:
        names = [f"S{number}" for number in range(20)]
        server.publish([{"symbol": name, "price": 1} for name in [*names, "AAPL", "APPN"]])
        with tk.connect(server.url + path, symbols=["S1", "APPL"]) as feed:
            until(lambda: feed.status == "live")
            server.publish([{"symbol": name, "price": 1} for name in ["MSFT", "AAPL", "APPN"]])
            with pytest.raises(WaitTimeout, match="has no tick of APPL; it has A") as caught:
                feed.wait(5, timeout=0.5)
            assert {"AAPL", "APPN"} <= set(caught.value.doing.replace(",", "").split())
            assert "no tick of APPL" in feed._repr_html_()
            assert "no tick of APPL" in repr(feed)
        with tk.connect(server.url + path, symbols="AAPL,S1") as feed:
            until(lambda: feed.status == "live")
            server.publish([{"symbol": name, "price": 1} for name in ["AAPL", "S1"]])
            until(lambda: len(feed.log.symbols()) == 2)
            assert "no tick of" not in feed._repr_html_()


def test_stopped_server_and_feed_do_not_start_again() -> None:
    """The error says to call tk.serve or tk.connect."""
    server = tk.serve([{"symbol": "AAPL", "price": 1}], port=0)
    feed = tk.connect(server)
    feed.wait(1)
    feed.stop()
    server.stop()
    with pytest.raises(tk.Stopped, match=r"tk\.serve again"):
        server.start()
    with pytest.raises(tk.Stopped, match=r"tk\.connect again"):
        feed.start()


def test_resume_continues_after_a_given_tick() -> None:
    """All later ticks arrive once, or are listed as a gap."""
    with tk.serve(None, port=0) as server:
        server.publish([{"symbol": "A", "price": price} for price in range(5)])
        epoch = server.log.epoch
        with tk.connect(server.url, history=0, resume=(epoch, 3)) as feed:
            assert feed.wait(2).frame()["seq"].tolist() == [4, 5]
            assert len(feed.gaps) == 0
        with tk.connect(server.url, history=0, resume=("another", 3)) as feed:
            assert feed.wait(5).frame()["seq"].tolist() == [1, 2, 3, 4, 5]
            [gap] = feed.gaps.to_dict("records")
            assert (gap["epoch"], gap["from"], pd.isna(gap["to"])) == ("another", 4, True)
        with pytest.raises(ValueError, match=r"resume\.seq=-1"):
            tk.connect(server.url, resume=(epoch, -1))


def test_venue_is_no_address() -> None:
    """It looks like a host with a port; a host of a venue's name is one."""
    with pytest.raises(tk.InvalidArgument, match=r"tk\.serve\('kraken:BTC/USD'\)"):
        tk.connect("kraken:BTC/USD")
    with tk.connect("kraken:8000") as feed:
        assert feed.url == "ws://kraken:8000/"
