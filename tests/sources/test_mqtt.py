"""mqtt: messages of a broker become ticks, named by their topics."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from broker import Broker, encode_publish

import tickerkit as tk
from tickerkit.errors import InvalidArgument, SourceError
from tickerkit.sources import as_source, mqtt
from tickerkit.sources.mqtt import find_prefix, make_ticks, parse_mqtt_url

Until = Callable[..., None]
WITH_CLIENT = pytest.mark.usefixtures("aiomqtt")


@pytest.fixture
def aiomqtt() -> None:
    """Skip the test where the client of MQTT is not installed."""
    pytest.importorskip("aiomqtt")


@pytest.fixture
def broker() -> Iterator[Broker]:
    """Run a broker."""
    with Broker() as broker:
        yield broker


@pytest.mark.parametrize(
    ("topic", "prefix"),
    [
        ("home/#", "home/"),
        ("home/+/temperature", "home/"),
        ("a/b/+", "a/b/"),
        ("home/kitchen", "home/"),
        ("#", ""),
        ("+/x", ""),
        ("kitchen", ""),
        ("c++/x#", "c++/"),
    ],
)
def test_prefix_is_the_part_without_wildcards(topic: str, prefix: str) -> None:
    """What comes after it in a message's topic names the symbol."""
    assert find_prefix(topic) == prefix


@pytest.mark.parametrize(
    ("topic", "value", "tick"),
    [
        ("home/kitchen", {"t": 21.5}, {"symbol": "kitchen", "t": 21.5}),
        ("home/up/bath", {"t": 21.5}, {"symbol": "up/bath", "t": 21.5}),
        ("home/kitchen", {"s": "AAPL", "p": 1}, {"s": "AAPL", "p": 1}),
        ("home/kitchen/temperature", 21.5, {"symbol": "kitchen", "temperature": 21.5}),
        ("home/temperature", 21, {"symbol": "home", "temperature": 21}),
        ("temperature", 21, {"symbol": "temperature", "value": 21}),
        ("home/kitchen", [{"t": 1}, "x"], [{"symbol": "kitchen", "t": 1}, "x"]),
        ("home/kitchen", "ON", "ON"),
        ("home/kitchen", True, True),
        ("home/kitchen", None, None),
    ],
)
def test_topic_names_the_symbol(topic: str, value: object, tick: object) -> None:
    """A number's column is the last level of its topic; what is no tick stays as it is."""
    assert make_ticks(topic, value, "home/", is_retained=False) == tick


def test_message_kept_from_before_is_marked() -> None:
    """It is no news: the broker sends it on each subscription."""
    tick = make_ticks("home/kitchen", {"t": 1}, "home/", is_retained=True)
    assert tick == {"symbol": "kitchen", "t": 1, "origin": "snapshot"}


def test_address_has_a_topic_with_wildcards() -> None:
    """Name and password are decoded, and are in no text that is shown."""
    address = parse_mqtt_url("mqtts://me:p%40ss@host/home/+/x#")
    assert address[:3] == ("mqtts", "host", 8883)
    assert address[3:] == ("me", "p@ss", "home/+/x#")
    assert address.shown == "mqtts://host:8883/home/+/x#"
    assert parse_mqtt_url("mqtt://[::1]:5/a").host == "[::1]"


@pytest.mark.parametrize(
    "url", ["mqtt://host", "mqtt://host/", "mqtt://me:secret@/x", "mqtt://host:0/x", "x", 5, None]
)
def test_wrong_address_is_refused(url: Any) -> None:
    """The error shows an address as it should be, and no password."""
    with pytest.raises(InvalidArgument, match="mqtt://host/home") as caught:
        mqtt(url)
    assert "secret" not in str(caught.value)


def test_missing_client_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install, and shows no password."""
    monkeypatch.setitem(sys.modules, "aiomqtt", None)
    with pytest.raises(SourceError, match=r"pip install 'tickerkit\[mqtt\]'") as caught:
        as_source("mqtt://me:secret@host/x")
    assert "secret" not in str(caught.value)


@WITH_CLIENT
def test_messages_become_ticks(broker: Broker, until: Until) -> None:
    """Retained ones come first; one that is no tick is refused, and the others are taken."""
    broker.retained.append(encode_publish("home/garden", b'{"temperature": 8}', retain=True))
    source = f"mqtt://me:secret@127.0.0.1:{broker.port}/home/#"
    with tk.serve(source, port=0) as server, tk.connect(server.url) as feed:
        feed.wait(1)
        broker.publish("home/kitchen", '{"temperature": 21.5, "humidity": 40}')
        broker.publish("home/kitchen/battery", "98")
        broker.publish("home/kitchen", "ON")
        broker.publish("home/kitchen", '"ON"')
        latest = feed.wait(2).latest()
        numbers = latest.loc["kitchen", ["temperature", "humidity", "battery"]]
        assert numbers.tolist() == [21.5, 40, 98]
        assert latest.loc["garden", "origin"] == "snapshot"
        until(lambda: server.stats["refused"] == 2)
        assert b"\x00\x02me\x00\x06secret" in broker.packets[0][1]
        assert "secret" not in f"{server!r}{server.stats}{server._repr_html_()}"


@WITH_CLIENT
def test_broken_connection_is_a_gap(broker: Broker, until: Until) -> None:
    """It connects again by itself; what was sent meanwhile is not known."""
    source = mqtt(f"mqtt://127.0.0.1:{broker.port}/home/#")
    with tk.serve(source, port=0) as server, tk.connect(server.url) as feed:
        until(lambda: broker.subscribers == 1)
        broker.publish("home/a", '{"t": 1}')
        feed.wait(1)
        broker.drop()
        until(lambda: broker.subscribers == 1)
        broker.publish("home/a", '{"t": 2}')
        feed.wait(1)
        [reason] = feed.gaps["reason"]
        assert "the broker's connection ended" in reason


@WITH_CLIENT
def test_broker_that_is_not_there_is_reported(broker: Broker, until: Until) -> None:
    """The server says so, and tries again."""
    broker.close()
    with tk.serve(f"mqtt://127.0.0.1:{broker.port}/x", port=0) as server:
        until(lambda: "can't connect" in server.stats["last_error"])


@WITH_CLIENT
def test_map_is_guessed_where_messages_are_no_ticks(broker: Broker, until: Until) -> None:
    """Of nested messages; what the broker has kept from before takes no part in the guess."""
    broker.retained.append(encode_publish("home/bridge", b'{"a": {"version": 5}}', retain=True))
    source = mqtt(f"mqtt://127.0.0.1:{broker.port}/home/#")
    with tk.serve(source, port=0) as server, tk.connect(server.url) as feed:
        until(lambda: broker.subscribers == 1)
        for number in range(5):
            broker.publish("home/kitchen", json.dumps({"data": {"t": 21.5 + number}}))
            broker.publish("home/garden", json.dumps({"data": {"t": 8.5 + number}}))
        latest = feed.wait(10).latest()
        assert latest.loc["home/kitchen", "t"] == 25.5
        assert set(latest.index) == {"home/kitchen", "home/garden"}
        assert source.fields == {"symbol": "topic", "t": "payload.data.t"}
        assert source.fields_note.startswith("a guess")


@WITH_CLIENT
def test_message_that_is_a_tick_ends_the_guess(broker: Broker, until: Until) -> None:
    """What is no tick among them is refused, as a status that a bridge sends between them."""
    source = mqtt(f"mqtt://127.0.0.1:{broker.port}/home/#")
    with tk.serve(source, port=0) as server, tk.connect(server.url) as feed:
        until(lambda: broker.subscribers == 1)
        broker.publish("home/kitchen", '{"t": 21.5}')
        for _ in range(5):
            broker.publish("home/bridge", '{"a": {"version": 5}}')
        feed.wait(1)
        until(lambda: server.stats["refused"] == 5)
        assert (source.fields, source.fields_note) == (None, "")


@WITH_CLIENT
def test_field_map_reads_messages_of_another_form(broker: Broker, until: Until) -> None:
    """The topic and the payload are where the map finds them."""
    fields = {"symbol": "topic", "temperature": "payload.data.t"}
    source = mqtt(f"mqtt://127.0.0.1:{broker.port}/#", fields)
    with tk.serve(source, port=0) as server, tk.connect(server.url) as feed:
        until(lambda: broker.subscribers == 1)
        broker.publish("kitchen", '{"data": {"t": 21.5}}')
        assert feed.wait(1).latest().loc["kitchen", "temperature"] == 21.5
