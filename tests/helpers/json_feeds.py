"""Messages of public protocols, written from their documentation, and what they say.

Each feed is its messages, and the ticks that a person reads in them: a list of columns, each row
with its symbol first.
"""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["FEEDS", "JsonFeed"]


class JsonFeed(NamedTuple):
    """A feed.

    Attributes:
        messages: what its server sends, in order.
        ticks: some columns of each tick.
    """

    messages: list[Any]
    ticks: list[dict[str, Any]]


def home_assistant_event(entity: str, state: str, time: str) -> Any:
    """Return an event of the kind `state_changed`."""
    new = {
        "entity_id": entity,
        "state": state,
        "attributes": {"unit_of_measurement": "°C", "friendly_name": entity},
        "last_changed": time,
        "last_updated": time,
    }
    return {
        "id": 18,
        "type": "event",
        "event": {
            "event_type": "state_changed",
            "data": {
                "entity_id": entity,
                "old_state": {**new, "state": "21.1"},
                "new_state": new,
            },
            "origin": "LOCAL",
            "time_fired": time,
        },
    }


def earthquake(net: str, number: int, magnitude: float, time: int) -> Any:
    """Return a feature of the USGS summary format."""
    return {
        "type": "Feature",
        "properties": {
            "mag": magnitude,
            "place": f"{number % 97} km N of Anza, CA",
            "time": time,
            "updated": time + 60_000,
            "tz": None,
            "url": f"https://earthquake.usgs.gov/earthquakes/eventpage/{net}{number}",
            "status": "automatic",
            "tsunami": 0,
            "net": net,
            "code": str(number),
            "ids": f",{net}{number},",
            "nst": 12,
            "magType": "ml",
            "type": "earthquake",
            "title": f"M {magnitude}",
        },
        "geometry": {"type": "Point", "coordinates": [-116.7, 33.4, 8.2]},
        "id": f"{net}{number}",
    }


def recent_change(kind: str, wiki: str, time: int, length: int | None) -> Any:
    """Return an event of Wikimedia's stream of recent changes."""
    change: dict[str, Any] = {
        "$schema": "/mediawiki/recentchange/1.0.0",
        "meta": {
            "uri": "https://en.wikipedia.org/wiki/A",
            "id": f"0f3c1d3a-7a1c-4b0e-9d0c-{time:012d}",
            "dt": "2025-11-28T10:00:00Z",
            "domain": "en.wikipedia.org",
            "stream": "mediawiki.recentchange",
            "topic": "eqiad.mediawiki.recentchange",
            "partition": 0,
        },
        "id": 1_500_000_000 + time % 1000,
        "type": kind,
        "namespace": 0,
        "title": f"Article {time}",
        "comment": "a comment",
        "timestamp": time,
        "user": f"User{time % 2}",
        "bot": False,
        "server_url": "https://en.wikipedia.org",
        "server_name": "en.wikipedia.org",
        "wiki": wiki,
    }
    if length is not None:
        change["length"] = {"old": 100, "new": length}
    return change


FEEDS: dict[str, JsonFeed] = {
    # --- homes, sensors and servers -----------------------------------------------------------
    "zigbee2mqtt": JsonFeed(
        [
            {"topic": "bridge/state", "payload": {"state": "online"}},
            {"topic": "kitchen", "payload": {"battery": 97, "humidity": 45.2, "temperature": 21.5}},
            {"topic": "bath", "payload": {"battery": 88, "humidity": 61.2, "temperature": 23.1}},
        ],
        [
            {"symbol": "kitchen", "temperature": 21.5, "humidity": 45.2, "battery": 97},
            {"symbol": "bath", "temperature": 23.1, "humidity": 61.2, "battery": 88},
        ],
    ),
    "tasmota": JsonFeed(
        [
            {
                "Time": "2025-11-28T10:00:00",
                "AM2301": {"Temperature": 21.5, "Humidity": 45.2},
                "TempUnit": "C",
            }
        ],
        [{"symbol": "value", "time": "2025-11-28 10:00", "Temperature": 21.5, "Humidity": 45.2}],
    ),
    "home_assistant": JsonFeed(
        [
            {"type": "auth_required", "ha_version": "2025.11.0"},
            {"type": "auth_ok", "ha_version": "2025.11.0"},
            {"id": 18, "type": "result", "success": True, "result": None},
            home_assistant_event("sensor.kitchen", "21.3", "2025-11-28T10:00:01.265429+00:00"),
            home_assistant_event("sensor.bath", "23.1", "2025-11-28T10:00:02.1+00:00"),
        ],
        [
            {"symbol": "sensor.kitchen", "time": "2025-11-28 10:00:01.265429", "state": 21.3},
            {"symbol": "sensor.bath", "time": "2025-11-28 10:00:02.1", "state": 23.1},
        ],
    ),
    "senml": JsonFeed(
        [
            [
                {"n": "urn:dev:ow:10e2073a:voltage", "u": "V", "t": 1764324000.5, "v": 120.1},
                {"n": "urn:dev:ow:10e2073a:current", "u": "A", "t": 1764324000.5, "v": 1.2},
            ]
        ],
        [
            {"symbol": "urn:dev:ow:10e2073a:voltage", "time": 1764324000.5, "v": 120.1, "u": "V"},
            {"symbol": "urn:dev:ow:10e2073a:current", "time": 1764324000.5, "v": 1.2, "u": "A"},
        ],
    ),
    "telegraf": JsonFeed(
        [
            {
                "fields": {"usage_idle": 98.1, "usage_user": 1.2},
                "name": "cpu",
                "tags": {"cpu": "cpu-total", "host": host},
                "timestamp": 1764324000,
            }
            for host in ("web1", "web2", "web1")
        ],
        [
            {"symbol": host, "time": 1764324000, "usage_idle": 98.1, "usage_user": 1.2}
            for host in ("web1", "web2", "web1")
        ],
    ),
    "psutil": JsonFeed(
        [
            {
                "host": "lab1",
                "cpu_percent": 12.5,
                "virtual_memory": {"total": 16_000_000_000, "percent": 41.2},
                "disk_usage": {"total": 500_000_000_000, "percent": 71.0},
                "boot_time": 1764000000.0,
            }
        ],
        [
            {
                "symbol": "lab1",
                "cpu_percent": 12.5,
                "virtual_memory_percent": 41.2,
                "disk_usage_percent": 71.0,
            }
        ],
    ),
    "chat": JsonFeed(
        [
            {"type": "message", "room": "maths", "user": "anna", "likes": 3, "ts": 1764324000.5},
            {"type": "message", "room": "maths", "user": "ben", "likes": 5, "ts": 1764324003.25},
            {"type": "typing", "room": "maths", "user": "ben"},
            {"type": "message", "room": "art", "user": "anna", "likes": 0, "ts": 1764324004.0},
        ],
        [
            {"symbol": "maths", "time": 1764324000.5, "likes": 3, "user": "anna"},
            {"symbol": "maths", "time": 1764324003.25, "likes": 5, "user": "ben"},
            {"symbol": "art", "time": 1764324004.0, "likes": 0, "user": "anna"},
        ],
    ),
    "training": JsonFeed(
        [{"run": "resnet-1", "epoch": 1, "step": 10 * n, "loss": 2.5 - n} for n in (1, 2)],
        [{"symbol": "resnet-1", "step": 10 * n, "loss": 2.5 - n} for n in (1, 2)],
    ),
    # --- the sky, the streets and the ground --------------------------------------------------
    "opensky": JsonFeed(
        [
            {
                "time": 1764324000,
                "states": [
                    ["3c6444", "DLH9LF", "Germany", 1764323999, 1764324000, 6.15, 50.1, 9639.3],
                    ["4b1815", "SWR123", "Switzerland", 1764323999, 1764324000, 8.5, 47.4, 1200.0],
                ],
            }
        ],
        [
            {"symbol": "3c6444", "time": 1764323999, "column_5": 6.15, "column_7": 9639.3},
            {"symbol": "4b1815", "time": 1764323999, "column_5": 8.5, "column_7": 1200.0},
        ],
    ),
    "readsb": JsonFeed(
        [
            {
                "now": 1764324000.1,
                "messages": 1234,
                "aircraft": [
                    {"hex": "3c6444", "flight": "DLH9LF", "alt_baro": 36000, "gs": 450.1},
                    {"hex": "4b1815", "flight": "SWR123", "alt_baro": 4000, "gs": 180.5},
                ],
            }
        ],
        [
            {"symbol": "3c6444", "time": 1764324000.1, "alt_baro": 36000, "gs": 450.1},
            {"symbol": "4b1815", "time": 1764324000.1, "alt_baro": 4000, "gs": 180.5},
        ],
    ),
    "gtfs_realtime": JsonFeed(
        [
            {
                "header": {"gtfs_realtime_version": "2.0", "timestamp": "1764324000"},
                "entity": [
                    {
                        "id": "1",
                        "vehicle": {
                            "trip": {"trip_id": "t1", "route_id": "10"},
                            "position": {"latitude": 47.1, "longitude": 8.5, "speed": 11.2},
                            "timestamp": "1764323990",
                            "vehicle": {"id": "4512", "label": "4512"},
                        },
                    },
                ],
            }
        ],
        [{"symbol": "4512", "time": 1764323990, "latitude": 47.1, "longitude": 8.5, "speed": 11.2}],
    ),
    "usgs": JsonFeed(
        [
            {
                "type": "FeatureCollection",
                "metadata": {"generated": 1764324000000, "status": 200, "count": 4},
                "features": [
                    earthquake("ci", 40001, 1.2, 1764323000000),
                    earthquake("ci", 40002, 0.8, 1764322000000),
                    earthquake("hv", 70003, 2.1, 1764321000000),
                    earthquake("ci", 40004, 1.1, 1764320000000),
                ],
            }
        ],
        [  # the oldest first, though they come newest first
            {"symbol": "ci", "time": 1764320000, "mag": 1.1, "coordinates_2": 8.2},
            {"symbol": "hv", "time": 1764321000, "mag": 2.1, "coordinates_2": 8.2},
            {"symbol": "ci", "time": 1764322000, "mag": 0.8, "coordinates_2": 8.2},
            {"symbol": "ci", "time": 1764323000, "mag": 1.2, "coordinates_2": 8.2},
        ],
    ),
    "wikimedia": JsonFeed(
        [
            recent_change("edit", "enwiki", 1764324000, 120),
            recent_change("log", "dewiki", 1764324001, None),
            recent_change("edit", "enwiki", 1764324002, 90),
        ],
        [
            {"symbol": "enwiki", "length_old": 100, "length_new": 120, "type": "edit"},
            {"symbol": "dewiki", "type": "log"},
            {"symbol": "enwiki", "length_old": 100, "length_new": 90, "type": "edit"},
        ],
    ),
    # --- brokers and exchanges ----------------------------------------------------------------
    "finnhub": JsonFeed(
        [
            {"type": "ping"},
            {
                "type": "trade",
                "data": [
                    {"p": 7296.89, "s": "BINANCE:BTCUSDT", "t": 1764324000862, "v": 0.011467},
                    {"p": 187.2, "s": "AAPL", "t": 1764324000870, "v": 100, "c": ["1", "12"]},
                ],
            },
        ],
        [
            {
                "symbol": "BINANCE:BTCUSDT",
                "price": 7296.89,
                "size": 0.011467,
                "time": 1764324000.862,
            },
            {"symbol": "AAPL", "price": 187.2, "size": 100, "time": 1764324000.870},
        ],
    ),
    "alpaca": JsonFeed(
        [
            [{"T": "success", "msg": "connected"}],
            [{"T": "success", "msg": "authenticated"}],
            [{"T": "subscription", "trades": ["AAPL"], "quotes": ["AMD"], "bars": []}],
            [
                {
                    "T": "q",
                    "S": "AMD",
                    "bx": "U",
                    "bp": 87.66,
                    "bs": 1,
                    "ax": "Q",
                    "ap": 87.68,
                    "as": 4,
                    "t": "2025-11-28T15:35:05.123456789Z",
                    "c": ["R"],
                },
                {
                    "T": "t",
                    "i": 96921,
                    "S": "AAPL",
                    "x": "D",
                    "p": 126.55,
                    "s": 1,
                    "t": "2025-11-28T15:35:05.2Z",
                    "c": ["@", "I"],
                    "z": "C",
                },
            ],
        ],
        [
            {
                "symbol": "AMD",
                "bid": 87.66,
                "bid_size": 1,
                "ask": 87.68,
                "ask_size": 4,
                "time": "2025-11-28 15:35:05.123456789",
            },
            {
                "symbol": "AAPL",
                "price": 126.55,
                "size": 1,
                "trade_id": 96921,
                "time": "2025-11-28 15:35:05.2",
            },
        ],
    ),
    "polygon": JsonFeed(
        [
            [{"ev": "status", "status": "connected", "message": "Connected Successfully"}],
            [
                {
                    "ev": "T",
                    "sym": "MSFT",
                    "x": 4,
                    "i": "12345",
                    "z": 3,
                    "p": 114.125,
                    "s": 100,
                    "c": [0, 12],
                    "t": 1764324000782,
                    "q": 3681328,
                }
            ],
            [
                {
                    "ev": "Q",
                    "sym": "MSFT",
                    "bx": 4,
                    "bp": 114.125,
                    "bs": 100,
                    "ax": 7,
                    "ap": 114.128,
                    "as": 160,
                    "c": 0,
                    "t": 1764324000790,
                    "q": 50385480,
                }
            ],
        ],
        [
            {"symbol": "MSFT", "price": 114.125, "size": 100, "time": 1764324000.782},
            {
                "symbol": "MSFT",
                "bid": 114.125,
                "bid_size": 100,
                "ask": 114.128,
                "ask_size": 160,
                "time": 1764324000.790,
            },
        ],
    ),
    "oanda": JsonFeed(
        [
            {
                "type": "PRICE",
                "time": "2025-11-28T10:00:00.123456789Z",
                "bids": [{"price": "1.09520", "liquidity": 10_000_000}],
                "asks": [{"price": "1.09535", "liquidity": 10_000_000}],
                "closeoutBid": "1.0950",
                "closeoutAsk": "1.0955",
                "status": "tradeable",
                "instrument": "EUR_USD",
            },
            {"type": "HEARTBEAT", "time": "2025-11-28T10:00:05.0Z"},
        ],
        [{"symbol": "EUR_USD", "bid": 1.0952, "ask": 1.09535, "bid_size": 10_000_000}],
    ),
    "hyperliquid": JsonFeed(
        [
            {
                "channel": "subscriptionResponse",
                "data": {
                    "method": "subscribe",
                    "subscription": {"type": "trades", "coin": "BTC"},
                },
            },
            {
                "channel": "trades",
                "data": [
                    {
                        "coin": "BTC",
                        "side": "B",
                        "px": "91000.0",
                        "sz": "0.0123",
                        "time": 1764324000123,
                        "tid": 907811523001234,
                        "hash": "0x8a0e5a1f",
                        "users": ["0x1", "0x2"],
                    },
                    {
                        "coin": "BTC",
                        "side": "A",
                        "px": "90999.0",
                        "sz": "0.5",
                        "time": 1764324000223,
                        "tid": 907811523001235,
                        "hash": "0x8a0e5a20",
                        "users": ["0x1", "0x2"],
                    },
                ],
            },
            {
                "channel": "bbo",
                "data": {
                    "coin": "BTC",
                    "time": 1764324000300,
                    "bbo": [
                        {"px": "90999.0", "sz": "1.5", "n": 3},
                        {"px": "91000.0", "sz": "2.5", "n": 5},
                    ],
                },
            },
        ],
        [
            {"symbol": "BTC", "price": 91000, "size": 0.0123, "side": "buy"},
            {"symbol": "BTC", "price": 90999, "size": 0.5, "side": "sell"},
            {"symbol": "BTC", "bid": 90999, "bid_size": 1.5, "ask": 91000, "ask_size": 2.5},
        ],
    ),
    "kraken_v2": JsonFeed(
        [
            {
                "channel": "status",
                "type": "update",
                "data": [{"version": "2.0.10", "system": "online", "connection_id": 123}],
            },
            {
                "method": "subscribe",
                "result": {"channel": "trade", "symbol": "BTC/USD", "snapshot": False},
                "success": True,
                "req_id": 1,
            },
            {"channel": "heartbeat"},
            {
                "channel": "trade",
                "type": "update",
                "data": [
                    {
                        "symbol": "BTC/USD",
                        "side": "sell",
                        "price": 91000.1,
                        "qty": 0.01,
                        "ord_type": "market",
                        "trade_id": 4665906,
                        "timestamp": "2025-11-28T10:00:01.123456Z",
                    }
                ],
            },
            {
                "channel": "ticker",
                "type": "update",
                "data": [
                    {
                        "symbol": "BTC/USD",
                        "bid": 91000.0,
                        "bid_qty": 1.2,
                        "ask": 91000.1,
                        "ask_qty": 0.4,
                        "last": 91000.1,
                        "volume": 2000.1,
                        "vwap": 90500.1,
                        "timestamp": "2025-11-28T10:00:01.2Z",
                    }
                ],
            },
        ],
        [
            {
                "symbol": "BTC/USD",
                "price": 91000.1,
                "size": 0.01,
                "side": "sell",
                "trade_id": 4665906,
                "time": "2025-11-28 10:00:01.123456",
            },
            {"symbol": "BTC/USD", "price": None, "bid": 91000.0, "bid_size": 1.2, "last": 91000.1},
        ],
    ),
    "gemini_v3": JsonFeed(
        [
            {"id": 1, "status": 200},
            {
                "E": 1764324000123456789,
                "s": "btcusd",
                "t": 287000001,
                "p": "91000.10",
                "q": "0.01",
                "m": True,
            },
            {
                "u": 1751508260659,
                "E": 1764324000223456789,
                "s": "btcusd",
                "b": "91000.09",
                "B": "0.6",
                "a": "91000.11",
                "A": "0.01",
            },
        ],
        [
            {
                "symbol": "btcusd",
                "price": 91000.1,
                "size": 0.01,
                "side": "sell",
                "trade_id": 287000001,
                "time": "2025-11-28 10:00:00.123456789",
            },
            {"symbol": "btcusd", "bid": 91000.09, "bid_size": 0.6, "ask": 91000.11},
        ],
    ),
    "kucoin_uta": JsonFeed(
        [
            {"sessionId": "abc", "message": "welcome", "pingInterval": 18000},
            {"id": "1", "result": True},
            {
                "T": "trade.SPOT",
                "P": "1764324000123456789",
                "d": {
                    "s": "BTC-USDT",
                    "ti": "123456789",
                    "q": "0.01",
                    "p": "91000.1",
                    "S": "buy",
                    "M": 1764324000123000000,
                },
            },
            {
                "T": "ticker.SPOT",
                "P": "1764324000223456789",
                "d": {
                    "s": "BTC-USDT",
                    "b": "91000.0",
                    "B": "0.5",
                    "a": "91000.1",
                    "A": "0.7",
                    "l": "91000.1",
                    "q": "0.01",
                    "M": 1764324000223000000,
                },
            },
        ],
        [
            {
                "symbol": "BTC-USDT",
                "price": 91000.1,
                "size": 0.01,
                "side": "buy",
                "trade_id": 123456789,
                "time": 1764324000.123,
            },
            {
                "symbol": "BTC-USDT",
                "bid": 91000.0,
                "bid_size": 0.5,
                "ask": 91000.1,
                "ask_size": 0.7,
                "time": 1764324000.223,
            },
        ],
    ),
    "bitget_v3": JsonFeed(
        [
            {"event": "subscribe", "arg": {"topic": "publicTrade", "symbol": "BTCUSDT"}},
            *(
                {
                    "action": action,
                    "arg": {"instType": "spot", "topic": "publicTrade", "symbol": "BTCUSDT"},
                    "data": [
                        {"i": str(number), "p": "91000.1", "v": "0.01", "S": side, "T": str(time)}
                    ],
                    "ts": time + 7,
                }
                for action, number, side, time in (
                    ("snapshot", 1367000000000000001, "buy", 1764324000123),
                    ("update", 1367000000000000002, "sell", 1764324001123),
                )
            ),
            {
                "action": "snapshot",
                "arg": {"instType": "spot", "topic": "books1", "symbol": "BTCUSDT"},
                "data": [
                    {
                        "a": [["91000.2", "1.5"]],
                        "b": [["91000.1", "0.5"]],
                        "ts": "1764324001200",
                        "seq": 123,
                    }
                ],
            },
        ],
        [
            {
                "symbol": "BTCUSDT",
                "price": 91000.1,
                "side": "buy",
                "origin": "snapshot",
                "trade_id": 1367000000000000001,
                "time": 1764324000.123,
            },
            {
                "symbol": "BTCUSDT",
                "price": 91000.1,
                "side": "sell",
                "origin": "live",
                "trade_id": 1367000000000000002,
                "time": 1764324001.123,
            },
            {
                "symbol": "BTCUSDT",
                "bid": 91000.1,
                "bid_size": 0.5,
                "ask": 91000.2,
                "ask_size": 1.5,
                "time": 1764324001.2,
            },
        ],
    ),
    "upbit": JsonFeed(
        [
            {
                "type": "trade",
                "code": "KRW-BTC",
                "timestamp": 1764324000200,
                "trade_date": "2025-11-28",
                "trade_time": "10:00:00",
                "ask_bid": "ASK",
                "trade_timestamp": 1764324000123,
                "trade_price": 1.16539e8,
                "trade_volume": 0.0123,
                "sequential_id": 17643240001230000,
                "best_ask_price": 116540000,
                "best_bid_price": 116539000,
                "stream_type": "REALTIME",
            },
            {
                "type": "orderbook",
                "code": "KRW-BTC",
                "timestamp": 1764324000300,
                "total_ask_size": 1.1,
                "total_bid_size": 2.2,
                "orderbook_units": [
                    {
                        "ask_price": 116540000.0,
                        "bid_price": 116539000.0,
                        "ask_size": 0.1,
                        "bid_size": 0.2,
                    }
                ],
            },
        ],
        [
            {
                "symbol": "KRW-BTC",
                "price": 116539000,
                "size": 0.0123,
                "side": "sell",
                "trade_id": 17643240001230000,
                "time": 1764324000.123,
            },
            {
                "symbol": "KRW-BTC",
                "bid": 116539000,
                "ask": 116540000,
                "bid_size": 0.2,
                "ask_size": 0.1,
                "time": 1764324000.3,
            },
        ],
    ),
    "deribit": JsonFeed(
        [
            {"jsonrpc": "2.0", "id": 1, "result": ["trades.BTC-PERPETUAL.raw"], "usIn": 1},
            {
                "jsonrpc": "2.0",
                "method": "subscription",
                "params": {
                    "channel": "trades.BTC-PERPETUAL.raw",
                    "data": [
                        {
                            "trade_seq": 30289442,
                            "trade_id": "48079269",
                            "price": 91000.5,
                            "timestamp": 1764324000123,
                            "instrument_name": "BTC-PERPETUAL",
                            "mark_price": 91000.1,
                            "direction": "sell",
                            "amount": 10.0,
                        }
                    ],
                },
            },
        ],
        [
            {
                "symbol": "BTC-PERPETUAL",
                "price": 91000.5,
                "size": 10,
                "side": "sell",
                "trade_id": 48079269,
                "time": 1764324000.123,
            }
        ],
    ),
    "binance_raw": JsonFeed(
        [
            {"result": None, "id": 1},
            {
                "e": "trade",
                "E": 1764324000343,
                "s": "BTCUSDT",
                "t": 3735683259,
                "p": "61837.63",
                "q": "0.02",
                "T": 1764324000342,
                "m": True,
                "M": True,
            },
            {
                "u": 50093239212,
                "s": "BTCUSDT",
                "b": "61837.63",
                "B": "3.7",
                "a": "61837.64",
                "A": "1.5",
            },
        ],
        [
            {
                "symbol": "BTCUSDT",
                "price": 61837.63,
                "size": 0.02,
                "side": "sell",
                "trade_id": 3735683259,
                "time": 1764324000.342,
            },
            {"symbol": "BTCUSDT", "bid": 61837.63, "bid_size": 3.7, "ask": 61837.64},
        ],
    ),
    "bybit_best": JsonFeed(
        [
            {"success": True, "ret_msg": "", "conn_id": "x", "req_id": "1", "op": "subscribe"},
            {
                "topic": "orderbook.1.BTCUSDT",
                "type": "snapshot",
                "ts": 1764324000123,
                "data": {
                    "s": "BTCUSDT",
                    "b": [["91000.1", "1.1"]],
                    "a": [["91000.2", "0.4"]],
                    "u": 18521288,
                    "seq": 7961638724,
                },
            },
        ],
        [
            {
                "symbol": "BTCUSDT",
                "bid": 91000.1,
                "bid_size": 1.1,
                "ask": 91000.2,
                "ask_size": 0.4,
                "time": 1764324000.123,
            }
        ],
    ),
    "htx": JsonFeed(
        [
            {"id": "id1", "status": "ok", "subbed": "market.btcusdt.trade.detail"},
            {"ping": 1764324000111},
            {
                "ch": "market.btcusdt.trade.detail",
                "ts": 1764324000137,
                "tick": {
                    "id": 100335,
                    "ts": 1764324000130,
                    "data": [
                        {
                            "ts": 1764324000130,
                            "tradeId": 102523573486,
                            "amount": 0.0064,
                            "price": 91000.1,
                            "direction": "buy",
                        }
                    ],
                },
            },
        ],
        [
            {
                "symbol": "btcusdt",
                "price": 91000.1,
                "size": 0.0064,
                "side": "buy",
                "trade_id": 102523573486,
                "time": 1764324000.130,
            }
        ],
    ),
    "crypto_com": JsonFeed(
        [
            {"id": 1, "method": "subscribe", "code": 0},
            {
                "id": 1,
                "method": "subscribe",
                "code": 0,
                "result": {
                    "channel": "trade",
                    "instrument_name": "BTC_USD",
                    "data": [
                        {
                            "d": "4611686018573427388",
                            "t": 1764324000123,
                            "q": "0.01",
                            "p": "91000.1",
                            "s": "SELL",
                            "i": "BTC_USD",
                        }
                    ],
                },
            },
            {"id": -1, "method": "public/heartbeat", "code": 0},
        ],
        [
            {
                "symbol": "BTC_USD",
                "price": 91000.1,
                "size": 0.01,
                "side": "sell",
                "time": 1764324000.123,
            }
        ],
    ),
    "bitmex": JsonFeed(
        [
            {"info": "Welcome", "version": "2.0", "limit": {"remaining": 39}},
            {"success": True, "subscribe": "trade:XBTUSD", "request": {"op": "subscribe"}},
            {
                "table": "trade",
                "action": "insert",
                "data": [
                    {
                        "timestamp": "2025-11-28T10:00:01.123Z",
                        "symbol": "XBTUSD",
                        "side": "Buy",
                        "size": 100,
                        "price": 91000.5,
                        "trdMatchID": "00000000-006d-1000-0000-0005cd4d9e5f",
                    }
                ],
            },
            {
                "table": "quote",
                "action": "insert",
                "data": [
                    {
                        "timestamp": "2025-11-28T10:00:01.2Z",
                        "symbol": "XBTUSD",
                        "bidSize": 100,
                        "bidPrice": 91000.0,
                        "askPrice": 91000.5,
                        "askSize": 200,
                    }
                ],
            },
        ],
        [
            {"symbol": "XBTUSD", "price": 91000.5, "size": 100, "side": "buy"},
            {
                "symbol": "XBTUSD",
                "bid": 91000,
                "bid_size": 100,
                "ask": 91000.5,
                "ask_size": 200,
                "time": "2025-11-28 10:00:01.2",
            },
        ],
    ),
    "the_things_network": JsonFeed(
        [
            {
                "end_device_ids": {
                    "device_id": "weather-1",
                    "application_ids": {"application_id": "lab"},
                },
                "received_at": "2025-11-28T10:00:00.123456789Z",
                "uplink_message": {
                    "f_port": 2,
                    "decoded_payload": {"temperature": 12.5, "humidity": 81.0},
                    "rx_metadata": [{"gateway_ids": {"gateway_id": "gw1"}, "rssi": -110}],
                },
            }
        ],
        [
            {
                "symbol": "weather-1",
                "temperature": 12.5,
                "humidity": 81.0,
                "time": "2025-11-28 10:00:00.123456789",
            }
        ],
    ),
    "arduino": JsonFeed(  # a pressure is no price, a temperature no time
        [
            {"id": "a1", "t": 21.5, "h": 40, "p": 1013.2},
            {"id": "b2", "t": 18.6, "h": 51, "p": 1013.3},
        ],
        [
            {"symbol": "a1", "t": 21.5, "h": 40, "p": 1013.2, "price": None},
            {"symbol": "b2", "t": 18.6, "h": 51, "p": 1013.3, "price": None},
        ],
    ),
    "wide": JsonFeed(  # prices by name: each becomes a column
        [{"bitcoin": "91000.1", "ethereum": "3000.5"}],
        [{"symbol": "bitcoin", "price": 91000.1}, {"symbol": "ethereum", "price": 3000.5}],
    ),
}
