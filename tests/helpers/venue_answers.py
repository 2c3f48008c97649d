"""What simulated venues answer to what clients send, written by hand from their documentation."""

from __future__ import annotations

from typing import Any

__all__ = [
    "Answer",
    "Wish",
    "ask_advanced",
    "ask_alpaca",
    "ask_binance",
    "ask_bitfinex",
    "ask_bitget",
    "ask_bitstamp",
    "ask_bybit",
    "ask_coinbase",
    "ask_gemini",
    "ask_hyperliquid",
    "ask_kraken",
    "ask_kucoin",
    "ask_okx",
    "ask_upbit",
    "bitfinex_id",
]

Wish = tuple[str, str]
"""A symbol and a channel."""

Answer = tuple[list[Wish], list[Any]]
"""What a message subscribes to, and the answers to it."""


def read_streams(params: list[str], upper: bool) -> list[Wish]:
    """Return the wishes of names such as `btcusdt@trade`."""
    wishes = []
    for each in params:
        symbol, _, kind = each.partition("@")
        channel = "quotes" if kind == "bookTicker" else "trades"
        wishes.append((symbol.upper() if upper else symbol, channel))
    return wishes


def ask_binance(message: Any) -> Answer:
    """Answer a message as Binance does."""
    match message:
        case {"method": "SUBSCRIBE", "params": params, "id": number}:
            return read_streams(params, upper=True), [{"result": None, "id": number}]
        case {"method": "LIST_SUBSCRIPTIONS", "id": number}:
            return [], [{"result": [], "id": number}]
    return [], [{"code": 2, "msg": "Invalid request", "id": None}]


def ask_gemini(message: Any) -> Answer:
    """Answer a message as Gemini does."""
    match message:
        case {"method": "SUBSCRIBE", "params": params, "id": number}:
            return read_streams(params, upper=False), [{"id": number, "status": 200}]
        case {"method": "ping", "id": number}:
            return [], [{"id": number, "status": 200}]
    return [], []


def ask_coinbase(message: Any) -> Answer:
    """Answer a message as Coinbase Exchange does."""
    symbols = message["product_ids"]
    assert message["type"] == "subscribe"
    channels = {"matches": "trades", "level2_batch": "quotes"}
    wishes = [
        (s, channels[each]) for each in message["channels"] if each in channels for s in symbols
    ]
    listed = [{"name": each, "product_ids": symbols} for each in message["channels"]]
    return wishes, [{"type": "subscriptions", "channels": listed}]


def ask_advanced(message: Any) -> Answer:
    """Answer a message as Coinbase Advanced does."""
    channel, symbols = message["channel"], message.get("product_ids", [])
    known = {"market_trades": "trades", "ticker": "quotes"}
    wishes = [(s, known[channel]) for s in symbols if channel in known]
    listed = {channel: symbols or ["heartbeats"]}
    return wishes, [{"channel": "subscriptions", "events": [{"subscriptions": listed}]}]


def ask_kraken(message: Any) -> Answer:
    """Answer a message as Kraken does."""
    if message["method"] == "ping":
        return [], [{"method": "pong", "req_id": message["req_id"]}]
    params = message["params"]
    channel = {"trade": "trades", "ticker": "quotes"}[params["channel"]]
    answer = {"method": "subscribe", "success": True, "req_id": message["req_id"]}
    return [(s, channel) for s in params["symbol"]], [
        {**answer, "result": {"channel": params["channel"], "symbol": s}} for s in params["symbol"]
    ]


def ask_bybit(message: Any) -> Answer:
    """Answer a message as Bybit does."""
    if message["op"] == "ping":
        return [], [{"success": True, "ret_msg": "pong", "op": "ping"}]
    wishes = []
    for each in message["args"]:
        topic, _, symbol = each.rpartition(".")
        wishes.append((symbol, {"publicTrade": "trades", "orderbook.1": "quotes"}[topic]))
    answer = {"success": True, "ret_msg": "", "req_id": message["req_id"], "op": "subscribe"}
    return wishes, [answer]


def ask_okx(message: Any) -> Answer:
    """Answer a message as OKX does."""
    if message == "ping":
        return [], ["pong"]
    channels = {"trades-all": "trades", "bbo-tbt": "quotes"}
    wishes = [(each["instId"], channels[each["channel"]]) for each in message["args"]]
    return wishes, [{"event": "subscribe", "arg": each} for each in message["args"]]


def ask_bitget(message: Any) -> Answer:
    """Answer a message as Bitget does."""
    if message == "ping":
        return [], ["pong"]
    channels = {"publicTrade": "trades", "books1": "quotes"}
    wishes = [(each["symbol"], channels[each["topic"]]) for each in message["args"]]
    return wishes, [{"event": "subscribe", "arg": each} for each in message["args"]]


def ask_bitstamp(message: Any) -> Answer:
    """Answer a message as Bitstamp does."""
    if message["event"] == "bts:heartbeat":
        return [], [{"event": "bts:heartbeat", "channel": "", "data": {"status": "success"}}]
    name = message["data"]["channel"]
    kind, _, symbol = name.rpartition("_")
    channel = {"live_trades": "trades", "order_book": "quotes"}[kind]
    return [(symbol, channel)], [
        {"event": "bts:subscription_succeeded", "channel": name, "data": {}}
    ]


def bitfinex_id(symbol: str, channel: str) -> int:
    """Return the number of a channel."""
    return int.from_bytes(f"{symbol}{channel[0]}".encode()[-6:], "big")


def ask_bitfinex(message: Any) -> Answer:
    """Answer a message as Bitfinex does."""
    if message["event"] == "conf":
        return [], [{"event": "conf", "status": "OK"}]
    symbol, name = message["symbol"], message["channel"]
    channel = {"trades": "trades", "book": "quotes"}[name]
    answer = {"event": "subscribed", "channel": name, "symbol": symbol}
    return [(symbol, channel)], [{**answer, "chanId": bitfinex_id(symbol, channel)}]


def ask_kucoin(message: Any) -> Answer:
    """Answer a message as KuCoin does."""
    if message.get("type") == "ping":
        return [], [{"type": "pong", "id": message["id"]}]
    channel = {"trade": "trades", "ticker": "quotes"}[message["channel"]]
    return [(message["symbol"], channel)], [{"id": message["id"], "result": True}]


def ask_upbit(message: Any) -> Answer:
    """Answer a message as Upbit does."""
    if message == "PING":
        return [], [{"status": "UP"}]
    channels = {"trade": "trades", "orderbook": "quotes"}
    parts = [each for each in message if "type" in each]
    return [(s.removesuffix(".1"), channels[p["type"]]) for p in parts for s in p["codes"]], []


def ask_alpaca(message: Any) -> Answer:
    """Answer a message as Alpaca does."""
    if message["action"] == "auth":
        assert (message["key"], message["secret"]) == ("K", "S")
        return [], [[{"T": "success", "msg": "authenticated"}]]
    channels = [each for each in ("trades", "quotes") if message.get(each)]
    wishes = [(s, each) for each in channels for s in message[each]]
    answer: Any = {"T": "subscription", **{each: message[each] for each in channels}}
    return wishes, [[answer]]


def ask_hyperliquid(message: Any) -> Answer:
    """Answer a message as Hyperliquid does."""
    if message["method"] == "ping":
        return [], [{"channel": "pong"}]
    wanted = message["subscription"]
    channel = {"trades": "trades", "bbo": "quotes"}[wanted["type"]]
    data = {"method": "subscribe", "subscription": wanted}
    return [(wanted["coin"], channel)], [{"channel": "subscriptionResponse", "data": data}]
