"""Venue formats: the messages of real venues, written from their documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tickerkit.errors import InvalidArgument
from tickerkit.formatting import format_choices
from tickerkit.presets.files import load_preset
from tickerkit.presets.preset import Preset
from tickerkit.testing.formats import Ask, Format, MadeUp, Page, Wish, iso_time, write
from tickerkit.testing.market import Quote, Trade
from tickerkit.testing.rules import Rules

__all__ = ["FORMATS", "make_format"]


class RealFormat(Format):
    """The format of a real venue; `name` is that of its preset."""

    name: str

    def preset(self, rules: Rules) -> Preset:
        return load_preset(self.name)


class Kraken(RealFormat):
    """Kraken, websocket v2."""

    name = "kraken"
    rules = Rules(
        acks="each",
        snapshot=50,
        heartbeat_s=1.0,
        ping_within_s=60.0,
        messages_per_s=10,
        connects_per_minute=15,
        requests_per_s=1.5,
    )

    def read(self, message: Any) -> Ask:
        match message:
            case {"method": "ping"}:
                return Ask("ping", message.get("req_id"))
            case {
                "method": "subscribe" | "unsubscribe" as kind,
                "params": {"channel": str(channel), "symbol": list(symbols)},
            }:
                name = {"trade": "trades", "ticker": "quotes"}.get(channel, channel)
                wishes = tuple((str(each), name) for each in symbols)
                return Ask(kind, message.get("req_id"), wishes)
        return Ask("other")

    def hello(self) -> str | None:
        status = {"system": "online", "api_version": "v2", "version": "2.0.10"}
        return write({"channel": "status", "type": "update", "data": [status]})

    def acks(self, ask: Ask, wishes: Sequence[Wish], *, each: bool) -> list[str]:
        return [
            write(
                {
                    "method": ask.kind,
                    "result": {"channel": _kraken_channel(channel), "symbol": symbol},
                    "success": True,
                    "req_id": ask.id,
                }
            )
            for symbol, channel in wishes
        ]

    def refusal(self, ask: Ask, wish: Wish) -> str:
        error = f"Currency pair not supported {wish[0]}"
        message = {"error": error, "method": ask.kind, "success": False, "symbol": wish[0]}
        return write({**message, "req_id": ask.id})

    def pong(self, ask: Ask) -> str | None:
        return write({"method": "pong", "req_id": ask.id})

    def heartbeat(self) -> str | None:
        return write({"channel": "heartbeat"})

    def trades(self, symbol: str, trades: Sequence[Trade], *, old: bool) -> list[str]:
        rows = [
            {
                "symbol": symbol,
                "side": each.side,
                "price": each.price,
                "qty": each.size,
                "ord_type": "market",
                "trade_id": each.id,
                "timestamp": iso_time(each.time_ns),
            }
            for each in trades
        ]
        return [write({"channel": "trade", "type": "snapshot" if old else "update", "data": rows})]

    def quote(self, symbol: str, quote: Quote) -> str:
        row = {
            "symbol": symbol,
            "bid": quote.bid,
            "bid_qty": quote.bid_size,
            "ask": quote.ask,
            "ask_qty": quote.ask_size,
            "last": quote.bid,
            "timestamp": iso_time(quote.time_ns),
        }
        return write({"channel": "ticker", "type": "update", "data": [row]})

    def spell(self, text: str) -> str:
        return text.replace("/", "")

    def page(self, path: str, query: Mapping[str, str]) -> Page | None:
        if path != "/0/public/Trades":
            return None
        since_ns = int(query["since"]) if "since" in query else None
        return Page(query.get("pair", ""), since_ns=since_ns, limit=int(query.get("count", 1000)))

    def rows(self, symbol: str, trades: Sequence[Trade]) -> str:
        rows = [
            [
                str(each.price),
                str(each.size),
                # A JSON number of seconds.
                float(f"{each.time_ns // 10**9}.{each.time_ns % 10**9:09d}"),
                each.side[0],
                "m",
                "",
                each.id,
            ]
            for each in trades
        ]
        last = str(trades[-1].time_ns) if trades else "0"
        return write({"error": [], "result": {f"X{self.spell(symbol)}": rows, "last": last}})


class Binance(RealFormat):
    """Binance, spot."""

    name = "binance"
    rules = Rules(
        acks="all",
        unknown="ignore",
        messages_per_s=5,
        connects_per_minute=60,
        requests_per_s=20,
        life_s=86_400.0,
        notice_s=600.0,
    )

    def read(self, message: Any) -> Ask:
        match message:
            case {"method": "SUBSCRIBE" | "UNSUBSCRIBE" as method, "params": list(streams)}:
                pairs = [str(each).partition("@")[::2] for each in streams]
                names = {"trade": "trades", "bookTicker": "quotes"}
                wishes = tuple((symbol, names.get(name, name)) for symbol, name in pairs)
                return Ask(method.lower(), message.get("id"), wishes)
            case {"method": "LIST_SUBSCRIPTIONS"}:
                return Ask("ping", message.get("id"))
        return Ask("other")

    def pong(self, ask: Ask) -> str | None:
        # The venue lists the streams; a client needs only the answer.
        return write({"result": [], "id": ask.id})

    def acks(self, ask: Ask, wishes: Sequence[Wish], *, each: bool) -> list[str]:
        return [write({"result": None, "id": ask.id})]

    def refusal(self, ask: Ask, wish: Wish) -> str:
        return write({"code": 2, "msg": f"Invalid request: {wish[0]}", "id": ask.id})

    def notice(self) -> str | None:
        return write({"stream": "!serverShutdown", "data": {"e": "serverShutdown"}})

    def trades(self, symbol: str, trades: Sequence[Trade], *, old: bool) -> list[str]:
        return [
            write(
                {
                    "stream": f"{symbol.lower()}@trade",
                    "data": {
                        "e": "trade",
                        "E": each.time_ns // 10**6,
                        "s": symbol,
                        "t": each.id,
                        "p": f"{each.price:.8f}",
                        "q": f"{each.size:.8f}",
                        "T": each.time_ns // 10**6,
                        "m": each.side == "sell",
                        "M": True,
                    },
                }
            )
            for each in trades
        ]

    def quote(self, symbol: str, quote: Quote) -> str:
        row = {
            "u": quote.time_ns // 10**6,
            "s": symbol,
            "b": f"{quote.bid:.8f}",
            "B": f"{quote.bid_size:.8f}",
            "a": f"{quote.ask:.8f}",
            "A": f"{quote.ask_size:.8f}",
        }
        return write({"stream": f"{symbol.lower()}@bookTicker", "data": row})

    def spell(self, text: str) -> str:
        return text.upper()

    def page(self, path: str, query: Mapping[str, str]) -> Page | None:
        if path != "/api/v3/historicalTrades":
            return None
        # `fromId` is the first id of the answer.
        after = int(query["fromId"]) - 1 if "fromId" in query else None
        return Page(query.get("symbol", ""), after, limit=int(query.get("limit", 500)))

    def rows(self, symbol: str, trades: Sequence[Trade]) -> str:
        return write(
            [
                {
                    "id": each.id,
                    "price": f"{each.price:.8f}",
                    "qty": f"{each.size:.8f}",
                    "time": each.time_ns // 10**6,
                    "isBuyerMaker": each.side == "sell",
                    "isBestMatch": True,
                }
                for each in trades
            ]
        )


class Alpaca(RealFormat):
    """Alpaca, US stocks; any key is taken."""

    name = "alpaca"
    ids = "random"
    rules = Rules(unknown="ignore", connections=1, requests_per_s=3.3)

    def read(self, message: Any) -> Ask:
        match message:
            case {"action": "auth", "key": str(), "secret": str()}:
                return Ask("ping")
            case {"action": "subscribe" | "unsubscribe" as kind}:
                channels = ("trades", "quotes")
                pairs = [(str(each), name) for name in channels for each in message.get(name, ())]
                return Ask(kind, None, tuple(pairs))
        return Ask("other")

    def hello(self) -> str | None:
        return write([{"T": "success", "msg": "connected"}])

    def pong(self, ask: Ask) -> str | None:
        return write([{"T": "success", "msg": "authenticated"}])

    def acks(self, ask: Ask, wishes: Sequence[Wish], *, each: bool) -> list[str]:
        names = {name: [symbol for symbol, other in wishes if other == name] for _, name in wishes}
        return [write([{"T": "subscription", "trades": [], "quotes": [], **names}])]

    def refusal(self, ask: Ask, wish: Wish) -> str:
        return write([{"T": "error", "code": 400, "msg": f"invalid syntax: {wish[0]}"}])

    def trades(self, symbol: str, trades: Sequence[Trade], *, old: bool) -> list[str]:
        return [write([{"T": "t", "S": symbol, **self._row(each)} for each in trades])]

    def quote(self, symbol: str, quote: Quote) -> str:
        row = {"T": "q", "S": symbol, "bp": quote.bid, "bs": quote.bid_size, "ap": quote.ask}
        return write([{**row, "as": quote.ask_size, "t": _nanosecond_time(quote.time_ns)}])

    def page(self, path: str, query: Mapping[str, str]) -> Page | None:
        parts = path.split("/")
        if parts[1:3] != ["v2", "stocks"] or parts[4:] != ["trades"]:
            return None
        # `start` is the first time of the answer.
        start = query.get("start")
        since_ns = (
            None if start is None else int(np.datetime64(start.rstrip("Z"), "ns").astype(int))
        )
        since_ns = None if since_ns is None else since_ns - 1
        return Page(parts[3], since_ns=since_ns, limit=int(query.get("limit", 1000)))

    def admits(self, headers: Mapping[str, str]) -> bool:
        return {"apca-api-key-id", "apca-api-secret-key"} <= set(headers)

    def rows(self, symbol: str, trades: Sequence[Trade]) -> str:
        rows = [self._row(each) for each in trades] or None
        return write({"trades": rows, "symbol": symbol, "next_page_token": None})

    def _row(self, trade: Trade) -> dict[str, Any]:
        row = {"i": trade.id, "x": "V", "p": trade.price, "s": trade.size, "c": ["@"], "z": "C"}
        return {**row, "t": _nanosecond_time(trade.time_ns)}


def _nanosecond_time(time_ns: int) -> str:
    return f"{np.datetime64(time_ns, 'ns')}Z"


def _kraken_channel(channel: str) -> str:
    return {"trades": "trade", "quotes": "ticker"}.get(channel, channel)


FORMATS = ("kraken", "binance", "alpaca", "dense", "unique", "random")


def make_format(name: str) -> Format:
    """Return the format of a venue; "dense", "unique" and "random" are made-up, named by their ids.

    Raises:
        InvalidArgument: there is none of this name.
    """
    match name:
        case "kraken":
            return Kraken()
        case "binance":
            return Binance()
        case "alpaca":
            return Alpaca()
        case "dense" | "unique" | "random":
            return MadeUp(name)
    raise InvalidArgument("venue", name, format_choices(FORMATS))
