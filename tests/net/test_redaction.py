"""Redaction: secrets are cut out of addresses and messages, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tickerkit.net.redaction import HIDDEN, Redactor

LISTEN_KEY = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1"


@pytest.mark.parametrize(
    ("message", "secrets"),
    [
        (
            {"op": "auth", "args": ["my-api-key", 1662350400000, "d5f7e2c1a9"]},
            ["my-api-key", "d5f7"],
        ),
        ({"op": "login", "args": [{"apiKey": "k-1", "passphrase": "p-2", "sign": "s="}]}, ["k-1"]),
        ({"action": "auth", "key": "AKFAKE", "secret": "shhh"}, ["AKFAKE", "shhh"]),
        ({"action": "auth", "params": "AKFAKE"}, ["AKFAKE"]),
        ({"event": "authenticate", "data": {"user": "me", "pin": "0000"}}, ["0000", '"me"']),
        (["auth", {"jwt": "eyJhbGciOi.eyJzdWIi.c2ln"}], ["eyJ"]),
        ({"method": "subscribe", "params": {"token": "WW91ciBhdXRo"}}, ["WW91"]),
        ({"method": "ping", "params": [LISTEN_KEY]}, [LISTEN_KEY]),
        ({"type": "subscribe", "signature": 12345678}, ["12345678"]),
        ({"op": "x", "args": ["0xdAC17F958D2ee523a2206206994597C13D831ec7f"]}, ["dAC17F9"]),
    ],
)
def test_secrets_of_a_message_are_cut_out(message: Any, secrets: list[str]) -> None:
    """By the name of a field, in a message that logs in, and where a text is a key by its form."""
    shown = Redactor().cut_message(json.dumps(message))
    assert HIDDEN in shown
    assert type(json.loads(shown)) is type(message)
    for secret in secrets:
        assert secret not in shown


@pytest.mark.parametrize(
    "text",
    [
        '{"method": "subscribe", "params": {"channel": "trade", "symbol": ["BTC/USD"]}}',
        '{"op":"subscribe","args":["publicTrade.BTCUSDT","orderbook.1.BTC-29DEC26-100000-C"]}',
        '[{"ticket":"tickerkit"},{"type":"trade","codes":["KRW-BTC"]},{"format":"DEFAULT"}]',
        '{"event":"bts:subscribe","data":{"channel":"live_trades_btcusd"}}',
        '{"op":"subscribe","pools":["0xdAC17F958D2ee523a2206206994597C13D831ec7"]}',
        '{"op":"subscribe","signal":"temperature"}',
        "ping",
        "[1, 2.5, null, true]",
    ],
)
def test_message_without_secrets_stays_as_it_is(text: str) -> None:
    """Byte for byte, spaces included."""
    assert Redactor().cut_message(text) == text


def test_text_that_logs_in_is_cut_out_whole() -> None:
    """Of a text that is not JSON, it can't be told which part is the key."""
    assert Redactor().cut_message("AUTH me 1234") == HIDDEN


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("wss://me:pass@host:8/ws/v1?apikey=1#x", "wss://host:8/ws/v1"),
        (f"wss://stream.binance.com/ws/{LISTEN_KEY}", f"wss://stream.binance.com/ws/{HIDDEN}"),
        ("wss://ws.kraken.com/v2", "wss://ws.kraken.com/v2"),
        ("wss://[broken", HIDDEN),
    ],
)
def test_secrets_of_an_address_are_cut_out(url: str, shown: str) -> None:
    """Name and password, the query, and a key in the path."""
    assert Redactor().cut_url(url) == shown


def test_request_keeps_what_it_asks_for() -> None:
    """Its query without secrets: those by name, and those that are known."""
    redactor = Redactor(["my-secret-key"])
    url = "https://host/trades?symbol=BTC/USD&token=abc&id=my-secret-key&since=17"
    assert redactor.cut_request(url) == "https://host/trades?symbol=BTC/USD&token=…&id=…&since=17"


def test_what_was_cut_out_once_is_cut_out_of_all_that_follows() -> None:
    """A server may repeat it, in another spelling. Numbers and short texts stay."""
    redactor = Redactor(["pa+ss/w0rd=x"])
    redactor.cut_message('{"op": "login", "args": ["a-key-of-mine", "1538054050", "BTC"]}')
    redactor.cut_url("wss://host/?listenKey=some-listen-key")
    text = '{"a":"a-key-of-mine","t":1538054050123,"s":"BTC","k":"some-listen-key"}'
    assert redactor.cut(text) == '{"a":"…","t":1538054050123,"s":"BTC","k":"…"}'
    assert redactor.cut_data(b'{"q":"pa%2Bss%2Fw0rd%3Dx"}') == '{"q":"…"}'.encode()
    assert redactor.cut_data(b"\xff\x00") == b"\xff\x00"


def test_what_an_address_asks_for_is_no_secret() -> None:
    """Frames repeat it, and keep it; a key among it is one."""
    redactor = Redactor()
    url = (
        f"wss://host/stream?streams=btcusdt@trade/{LISTEN_KEY}&symbol=BTC-USDT&stream_key=k-0815-x"
    )
    redactor.cut_url(url)
    frame = '{"stream":"btcusdt@trade","data":{"s":"BTC-USDT"}}'
    assert redactor.cut_data(frame) == frame
    assert redactor.cut(f"{LISTEN_KEY} k-0815-x") == "… …"
