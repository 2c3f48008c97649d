"""Guessed feeds: a websocket of anybody's becomes ticks without a field map."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from json_feeds import FEEDS
from peers import plain_server
from websockets.sync.server import ServerConnection

import tickerkit as tk
from tickerkit.sources import WebsocketSource
from tickerkit.storage.raw_reader import read_raw

Until = Callable[[Callable[[], bool]], None]
TRADE = {"e": "trade", "s": "BTCUSDT", "p": "61837.63", "q": "0.02", "T": 1723161255342, "m": True}


@contextmanager
def venue(messages: list[Any], subscription: Any = None) -> Iterator[str]:
    """Run a websocket that sends messages, after a subscription if it wants one."""

    def handler(peer: ServerConnection) -> None:
        if subscription is not None:
            assert json.loads(peer.recv()) == subscription
        for message in messages:
            peer.send(json.dumps(message))
        peer.recv()

    with plain_server(handler) as url:
        yield url


@pytest.fixture
def connected() -> Iterator[Callable[..., tk.Feed]]:
    """Return `tk.connect`, whose feeds are stopped after the test."""
    feeds: list[tk.Feed] = []

    def connect(*args: Any, **kwargs: Any) -> tk.Feed:
        feeds.append(tk.connect(*args, **kwargs))
        return feeds[-1]

    yield connect
    for feed in feeds:
        feed.stop()


def test_subscription_alone_makes_a_feed(connected: Callable[..., tk.Feed]) -> None:
    """What came before the guess is not lost, and the map can be copied."""
    subscription = {"method": "subscribe", "params": {"channel": "trade", "symbol": ["BTC/USD"]}}
    with venue(FEEDS["kraken_v2"].messages, subscription) as url:
        feed = connected(url, subscribe=subscription)
        assert feed.fields is None
        frame = feed.wait(2).frame()
        assert frame["symbol"].tolist() == ["BTC/USD", "BTC/USD"]
        assert frame["price"].tolist()[0] == 91000.1
        assert frame["trade_id"].tolist() == [4665906, 0]
        assert frame["bid"].tolist()[1] == 91000.0
        fields = feed.fields
        assert isinstance(fields, list)
        again = connected(url, subscribe=subscription, fields=fields)
        columns = [name for name in frame.columns if name not in ("seq", "epoch", "received")]
        pd.testing.assert_frame_equal(again.wait(2).frame()[columns], frame[columns])


def test_guessed_feed_says_that_it_is_a_guess(connected: Callable[..., tk.Feed]) -> None:
    """In its repr and its card, which shows the map as code."""
    with venue([TRADE], {"op": "subscribe"}) as url:
        feed = connected(url, subscribe={"op": "subscribe"})
        assert "no map could be guessed yet" in repr(feed)
        feed.wait()
        assert "feed.fields: a guess" in repr(feed)
        card = feed._repr_html_()
        assert "a guess" in card
        assert "&#x27;size&#x27;: &#x27;q&#x27;" in card
        given = connected(url, subscribe={"op": "subscribe"}, fields=feed.fields)
        given.wait()
        assert "guess" not in repr(given) + given._repr_html_()


def test_served_websocket_shows_its_guess(connected: Callable[..., tk.Feed]) -> None:
    """`server.source.fields` is the map."""
    with (
        venue(FEEDS["finnhub"].messages, {"type": "subscribe"}) as url,
        tk.serve(tk.websocket(url, {"type": "subscribe"}), port=0) as server,
    ):
        feed = connected(server)
        frame = feed.wait(2).frame()
        assert frame["price"].tolist() == [7296.89, 187.2]
        assert frame["size"].tolist() == [0.011467, 100.0]
        assert isinstance(server.source, WebsocketSource)
        assert server.source.fields["price"] == "p"


def test_messages_that_no_map_reads_are_shown_by_shape(
    connected: Callable[..., tk.Feed], until: Until
) -> None:
    """So that a map can be written."""
    with venue([{"event": "info", "version": 2}], {"op": "subscribe"}) as url:
        feed = connected(url, subscribe={"op": "subscribe"})
        until(lambda: feed.stats["unknown"] == {'{event: "info", version}': 1})
        assert feed.fields is None
        assert feed.status == "live"


def test_plain_trades_of_a_venue_are_understood_whole(
    connected: Callable[..., tk.Feed],
) -> None:
    """Names of one letter are not half understood in silence: size, time and side are read."""
    with venue([TRADE, {**TRADE, "m": False}]) as url:
        feed = connected(url)
        frame = feed.wait(2).frame()
        assert frame["size"].tolist() == [0.02, 0.02]
        assert frame["side"].tolist() == ["sell", "buy"]
        assert frame["time"].iloc[0] == pd.Timestamp(1723161255342, unit="ms", tz="UTC")
        assert "q" not in frame
        assert feed.bars("1s")["volume"].tolist() == [0.04]
        assert feed.fields == {
            "when": {"e": "trade"},
            "symbol": "s",
            "price": "p",
            "size": "q",
            "time": "T:ms",
            "side": {"from": "m", "buy": False, "sell": True},
        }
        assert "a guess" in repr(feed)


def test_plain_sensors_are_understood(connected: Callable[..., tk.Feed]) -> None:
    """From the second message on; the first is not lost."""
    rows = [{"sensor": "kitchen", "temperature": 21.5 + number} for number in range(3)]
    with venue(rows) as url:
        frame = connected(url).wait(3).frame()
    assert frame["symbol"].tolist() == ["kitchen"] * 3
    assert frame["temperature"].tolist() == [21.5, 22.5, 23.5]


@pytest.mark.parametrize(
    "messages",
    [
        [{"symbol": "AAPL", "price": 187.25, "quantity": 3}],
        [[{"symbol": "AAPL", "price": 187.25, "quantity": 3}]],
        [{"server": "lab", "clients": 3}, {"symbol": "AAPL", "price": 187.25, "quantity": 3}],
    ],
)
def test_plain_ticks_by_their_own_names_are_never_guessed(
    messages: list[Any], connected: Callable[..., tk.Feed]
) -> None:
    """A message with `symbol` has ticks as they are documented; further fields keep their names."""
    with venue(messages) as url:
        feed = connected(url)
        frame = feed.wait().frame()
        assert frame["quantity"].tolist() == [3.0]
        assert frame["size"].isna().all()
        assert feed.fields is None
        assert "guess" not in repr(feed)


def test_raw_recording_of_a_guessed_feed_reads_the_same(
    connected: Callable[..., tk.Feed], tmp_path: Path
) -> None:
    """The guess depends on the messages alone."""
    ready = threading.Event()

    def handler(peer: ServerConnection) -> None:
        ready.wait(10)
        for message in (TRADE, {**TRADE, "m": False}):
            peer.send(json.dumps(message))
        peer.recv()

    with plain_server(handler) as url:
        feed = connected(url)
        recorder = feed.record(tmp_path / "ticks.csv", raw=True)
        ready.set()
        frame = feed.wait(2).frame()
        recorder.stop()
    [raw] = tmp_path.glob("*.raw.jsonl")
    columns = ["seq", "symbol", "price", "size", "time", "side"]
    pd.testing.assert_frame_equal(read_raw(raw).frame[columns], frame[columns])
