"""How simulated venues speak, written by hand from the documentation, and what they allow.

It shares no code with the presets. Prices and sizes have no meaning.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import venue_answers as answers
from simulated_venue import Dialect
from venue_answers import bitfinex_id as channel_id

__all__ = ["DIALECTS"]


DAY_S = 86400.0


def ms(time_ns: int) -> int:
    """Return a time in ms."""
    return time_ns // 10**6


def iso(time_ns: int) -> str:
    """Return a time as text, with microseconds."""
    at = dt.datetime.fromtimestamp(time_ns // 10**9, dt.UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{time_ns % 10**9 // 1000:06d}Z"


def binance_trade(unit: int, kind: str = "trade") -> Callable[[str, int, int], Any]:
    """Return a function that makes the message of a trade."""

    def trade(s: str, n: int, ns: int) -> Any:
        data = {"e": kind, "s": s, "t": n, "a": n, "p": "1.5", "q": "2", "m": True, "X": "MARKET"}
        return {"stream": f"{s.lower()}@{kind}", "data": {**data, "T": ns // unit}}

    return trade


def spot_quote(s: str, _: int) -> Any:
    data = {"u": 7, "s": s, "b": "1", "B": "2", "a": "3", "A": "4"}
    return {"stream": f"{s.lower()}@bookTicker", "data": data}


def usdm_quote(s: str, ns: int) -> Any:
    data = {**spot_quote(s, ns)["data"], "e": "bookTicker", "T": ms(ns), "E": ms(ns)}
    return {"stream": f"{s.lower()}@bookTicker", "data": data}


def binance_past(_: str, trades: list[tuple[int, int]]) -> Any:
    row = {"price": "1.5", "qty": "2", "isBuyerMaker": True}
    return [{**row, "id": number, "time": ms(ns)} for number, ns in trades]


def make_bybit(write_id: Callable[[int], str]) -> Dialect:
    """Return the dialect of Bybit; the ids of spot trades are digits, those of futures UUIDs."""
    return Dialect(
        answers.ask_bybit,
        lambda s, n, ns: {
            "topic": f"publicTrade.{s}",
            "type": "snapshot",
            "data": [{"T": ms(ns), "s": s, "S": "Buy", "v": "2", "p": "1.5", "i": write_id(n)}],
        },
        lambda s, ns: {
            "topic": f"orderbook.1.{s}",
            "type": "snapshot",
            "ts": ms(ns),
            "data": {"s": s, "b": [["1", "2"]], "a": [["3", "4"]]},
            "cts": ms(ns),
        },
        lambda s, trades: {
            "retCode": 0,
            "result": {
                "list": [
                    {"execId": write_id(n), "symbol": s, "price": "1.5", "size": "2"}
                    | {"side": "Buy", "time": f"{ms(ns)}"}
                    for n, ns in reversed(trades)
                ]
            },
        },
        ping_within_s=60.0,
        connects=(500, 300.0),
        rows_per_page=60,
    )


DIALECTS = {
    "binance": Dialect(
        answers.ask_binance,
        binance_trade(1000),
        spot_quote,
        binance_past,
        notice={"stream": "!serverShutdown", "data": {"e": "serverShutdown"}},
        notice_s=60.0,
        life_s=DAY_S,
        messages=(5, 1.0),
        rows_per_page=1000,
        counts_frames=True,
    ),
    "binance-usdm": Dialect(
        answers.ask_binance,
        binance_trade(10**6),
        usdm_quote,
        binance_past,
        life_s=DAY_S,
        messages=(10, 1.0),
        rows_per_page=1000,
        counts_frames=True,
    ),
    "gemini": Dialect(
        answers.ask_gemini,
        lambda s, n, ns: {"E": ns, "s": s, "t": n, "p": "1.5", "q": "2", "m": True},
        lambda s, ns: {"u": 7, "E": ns, "s": s, "b": "1", "B": "2", "a": "3", "A": ""},
        lambda _, trades: [
            {"timestampms": ms(ns), "tid": n, "price": "1.5", "amount": "2", "type": "buy"}
            for n, ns in reversed(trades)
        ],
        rows_per_page=500,
    ),
    "coinbase": Dialect(
        answers.ask_coinbase,
        lambda s, n, ns: {
            "type": "match",
            "trade_id": n,
            "side": "buy",
            "size": "2",
            "price": "1.5",
            "product_id": s,
            "time": iso(ns),
        },
        lambda s, ns: {
            "type": "snapshot",
            "product_id": s,
            "bids": [["1", f"{1 + ms(ns) % 1000}"]],
            "asks": [["3", "4"]],
        },
        lambda _, trades: [
            {"trade_id": n, "side": "sell", "size": "2", "price": "1.5", "time": iso(ns)}
            for n, ns in reversed(trades)
        ],
        heartbeat=lambda wishes, ns: [
            {"type": "heartbeat", "product_id": s, "time": iso(ns)}
            for s, channel in wishes
            if channel == "trades"
        ][:1],
        heartbeat_s=4.0,
        messages=(100, 1.0),
        connects=(8, 1.0),
        rows_per_page=1000,
    ),
    "coinbase-advanced": Dialect(
        answers.ask_advanced,
        lambda s, n, ns: {
            "channel": "market_trades",
            "events": [
                {
                    "type": "update",
                    "trades": [
                        {"product_id": s, "trade_id": f"{n}", "price": "1.5", "size": "2"}
                        | {"time": iso(ns), "side": "BUY"}
                    ],
                }
            ],
        },
        lambda s, ns: {
            "channel": "ticker",
            "timestamp": iso(ns),
            "events": [
                {
                    "type": "update",
                    "tickers": [
                        {"type": "ticker", "product_id": s, "best_bid": "1", "best_ask": "3"}
                        | {"best_bid_quantity": "2", "best_ask_quantity": "4"}
                    ],
                }
            ],
        },
        lambda s, trades: {
            "trades": [
                {"trade_id": f"{n}", "product_id": s, "price": "1.5", "size": "2"}
                | {"time": iso(ns), "side": "BUY"}
                for n, ns in reversed(trades)
            ]
        },
        heartbeat=lambda _, ns: [
            {"channel": "heartbeats", "timestamp": iso(ns), "events": [{"heartbeat_counter": "7"}]}
        ],
        heartbeat_s=4.0,
        messages=(8, 1.0),
        connects=(8, 1.0),
        rows_per_page=1000,
    ),
    "kraken": Dialect(
        answers.ask_kraken,
        lambda s, n, ns: {
            "channel": "trade",
            "type": "update",
            "data": [
                {"symbol": s, "side": "sell", "price": 1.5, "qty": 2.0}
                | {"trade_id": n, "timestamp": iso(ns)}
            ],
        },
        lambda s, ns: {
            "channel": "ticker",
            "type": "update",
            "data": [
                {"symbol": s, "bid": 1.0, "bid_qty": 2.0, "ask": 3.0, "answers.ask_qty": 4.0}
                | {"timestamp": iso(ns)}
            ],
        },
        lambda s, trades: {
            "error": [],
            "result": {
                f"X{s}": [["1.5", "2", ns / 1e9, "b", "m", "", n] for n, ns in trades],
                "last": "1",
            },
        },
        heartbeat=lambda wishes, _: [{"channel": "heartbeat"}] if wishes else [],
        heartbeat_s=10.0,
        ping_within_s=60.0,
        connects=(150, 600.0),
        rows_per_page=1000,
    ),
    "bybit": make_bybit(str),
    "bybit-linear": make_bybit(lambda number: str(uuid.UUID(int=number))),
    "okx": Dialect(
        answers.ask_okx,
        lambda s, n, ns: {
            "arg": {"channel": "trades-all", "instId": s},
            "data": [
                {"instId": s, "tradeId": f"{n}", "px": "1.5", "sz": "2"}
                | {"side": "buy", "ts": f"{ms(ns)}"}
            ],
        },
        lambda s, ns: {
            "arg": {"channel": "bbo-tbt", "instId": s},
            "data": [{"asks": [["3", "4"]], "bids": [["1", "2"]], "ts": f"{ms(ns)}"}],
        },
        lambda s, trades: {
            "code": "0",
            "data": [
                {"instId": s, "side": "sell", "sz": "2", "px": "1.5"}
                | {"tradeId": f"{n}", "ts": f"{ms(ns)}"}
                for n, ns in reversed(trades)
            ],
        },
        notice={"event": "notice", "code": "64008", "msg": "upgrade"},
        notice_s=30.0,
        ping_within_s=30.0,
        connects=(3, 1.0),
        rows_per_page=100,
    ),
    "bitget": Dialect(
        answers.ask_bitget,
        lambda s, n, ns: {
            "action": "update",
            "arg": {"instType": "spot", "topic": "publicTrade", "symbol": s},
            "data": [{"i": f"{n}", "p": "1.5", "v": "2", "S": "sell", "T": f"{ms(ns)}"}],
        },
        lambda s, ns: {
            "action": "snapshot",
            "arg": {"instType": "spot", "topic": "books1", "symbol": s},
            "data": [{"a": [["3", "4"]], "b": [["1", "2"]], "ts": f"{ms(ns)}"}],
        },
        lambda _, trades: {
            "code": "00000",
            "data": [
                {"execId": f"{n}", "price": "1.5", "size": "2", "side": "sell", "ts": f"{ms(ns)}"}
                for n, ns in reversed(trades)
            ],
        },
        life_s=DAY_S,
        ping_within_s=120.0,
        messages=(10, 1.0),
    ),
    "bitstamp": Dialect(
        answers.ask_bitstamp,
        lambda s, n, ns: {
            "event": "trade",
            "channel": f"live_trades_{s}",
            "data": {"id": n, "amount_str": "2", "price_str": "1.5", "type": 1}
            | {"microtimestamp": f"{ns // 1000}"},
        },
        lambda s, ns: {
            "event": "data",
            "channel": f"order_book_{s}",
            "data": {"microtimestamp": f"{ns // 1000}", "bids": [["1", "2"]], "asks": [["3", "4"]]},
        },
        lambda _, trades: [
            {"date": f"{ns // 10**9}", "tid": f"{n}", "amount": "2", "type": "0", "price": "1.5"}
            for n, ns in reversed(trades)
        ],
        notice={"event": "bts:request_reconnect", "channel": "", "data": ""},
        notice_s=10.0,
        rows_per_page=100_000,
    ),
    "bitfinex": Dialect(
        answers.ask_bitfinex,
        lambda s, n, ns: [channel_id(s, "trades"), "te", [n, ms(ns), -2, 1.5], 7, ms(ns)],
        lambda s, ns: [channel_id(s, "quotes"), [[1, 1, 1 + ms(ns) % 1000]], 7, ms(ns)],
        lambda _, trades: [[n, ms(ns), 2, 1.5] for n, ns in trades],
        greeting=({"event": "info", "version": 2},),
        notice={"event": "info", "code": 20051, "msg": "Stopping. Please try to reconnect"},
        notice_s=30.0,
        heartbeat=lambda wishes, ns: [[channel_id(*each), "hb", 7, ms(ns)] for each in wishes][:1],
        heartbeat_s=15.0,
        connects=(20, 60.0),
        rows_per_page=10_000,
    ),
    "kucoin": Dialect(
        answers.ask_kucoin,
        lambda s, n, ns: {
            "T": "trade.SPOT",
            "d": {"M": ns, "S": "sell", "p": "1.5", "q": "2", "s": s, "ti": f"{n}"},
        },
        lambda s, ns: {
            "T": "ticker.SPOT",
            "d": {"A": "4", "B": "2", "M": ns, "a": "3", "b": "1", "s": s},
        },
        lambda _, trades: {
            "code": "200000",
            "data": {
                "list": [
                    {"tradeId": f"{n}", "price": "1.5", "size": "2", "side": "sell", "ts": ns}
                    for n, ns in reversed(trades)
                ]
            },
        },
        greeting=({"sessionId": "a1", "message": "welcome", "pingInterval": 18000},),
        ping_within_s=28.0,
        messages=(300, 10.0),
    ),
    "upbit": Dialect(
        answers.ask_upbit,
        lambda s, n, ns: {
            "type": "trade",
            "code": s,
            "trade_timestamp": ms(ns),
            "trade_price": 1.5,
            "trade_volume": 2.0,
            "answers.ask_bid": "BID",
            "sequential_id": n,
            "stream_type": "REALTIME",
        },
        lambda s, ns: {
            "type": "orderbook",
            "code": s,
            "timestamp": ms(ns),
            "stream_type": "REALTIME",
            "orderbook_units": [{"ask_price": 3, "bid_price": 1, "ask_size": 4, "bid_size": 2}],
        },
        lambda s, trades: [
            {"market": s, "timestamp": ms(ns), "trade_price": 1.5, "trade_volume": 2.0}
            | {"answers.ask_bid": "BID", "sequential_id": n}
            for n, ns in reversed(trades)
        ],
        ping_within_s=60.0,
        messages=(5, 1.0),
        connects=(5, 1.0),
        rows_per_page=500,
    ),
    "alpaca": Dialect(
        answers.ask_alpaca,
        lambda s, n, ns: [
            {"T": "t", "i": n, "S": s, "x": "D", "p": 1.5, "s": 2, "t": iso(ns), "c": [], "z": "C"}
        ],
        lambda s, ns: [
            {"T": "q", "S": s, "bp": 1.0, "bs": 2, "ap": 3.0, "as": 4, "t": iso(ns), "z": "C"}
        ],
        lambda s, trades: {
            "symbol": s,
            "trades": [
                {"t": iso(ns), "x": "V", "p": 1.5, "s": 2, "c": ["@"], "i": n, "z": "C"}
                for n, ns in trades
            ],
        },
        greeting=([{"T": "success", "msg": "connected"}],),
        at_a_time=1,
        rows_per_page=10_000,
    ),
    "finnhub": Dialect(
        lambda message: ([(message["symbol"], "trades")], []),
        lambda s, _, ns: {"type": "trade", "data": [{"p": 1.5, "s": s, "t": ms(ns), "v": 2}]},
        None,
        heartbeat=lambda _, __: [{"type": "ping"}],
        heartbeat_s=30.0,
        at_a_time=1,
    ),
    "hyperliquid": Dialect(
        answers.ask_hyperliquid,
        lambda s, n, ns: {
            "channel": "trades",
            "data": [{"coin": s, "side": "B", "px": "1.5", "sz": "2", "time": ms(ns), "tid": n}],
        },
        lambda s, ns: {
            "channel": "bbo",
            "data": {"coin": s, "time": ms(ns), "bbo": [{"px": "1", "sz": "2"}, None]},
        },
        lambda s, trades: [
            {"coin": s, "side": "A", "px": "1.5", "sz": "2", "time": ms(ns), "tid": n}
            for n, ns in trades
        ],
        ping_within_s=60.0,
        messages=(2000, 60.0),
        connects=(30, 60.0),
        rows_per_page=10,
    ),
}
# Trades of one taker at one price, as one.
DIALECTS["binance-usdm-agg"] = replace(
    DIALECTS["binance-usdm"],
    trade=binance_trade(10**6, "aggTrade"),
    past=lambda _, trades: [
        {"a": n, "p": "1.5", "q": "2", "T": ms(ns), "m": True} for n, ns in trades
    ],
)
