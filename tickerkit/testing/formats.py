"""Formats: how a simulated venue writes messages; here that of a made-up venue."""

from __future__ import annotations

import datetime as dt
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tickerkit.presets.preset import Preset, parse_preset
from tickerkit.testing.market import Quote, Trade
from tickerkit.testing.rules import Rules

__all__ = ["Ask", "Format", "MadeUp", "Page", "Wish", "iso_time", "write"]

Wish = tuple[str, str]
"""A symbol as the client wrote it, and a channel."""


class Ask(NamedTuple):
    """What a client asks for.

    Attributes:
        kind: "subscribe", "unsubscribe", "ping" or "other".
        id: the number of the message.
        wishes: the symbols and channels, for a subscription.
    """

    kind: str
    id: Any = None
    wishes: tuple[Wish, ...] = ()


class Page(NamedTuple):
    """What a REST request asks for: the trades of a symbol.

    Attributes:
        symbol: the symbol, as the client wrote it.
        after: only trades with larger ids, the oldest first.
        before: only trades with smaller ids, the newest.
        since_ns: only later trades, the oldest first; epoch ns.
        limit: how many.
    """

    symbol: str
    after: int | None = None
    before: int | None = None
    since_ns: int | None = None
    limit: int | None = None


class Format(ABC):
    """How a venue writes its messages, and reads those of clients."""

    ids = "dense"
    rules = Rules()

    @abstractmethod
    def preset(self, rules: Rules) -> Preset:
        """Return the preset by which a client understands the venue."""

    @abstractmethod
    def read(self, message: Any) -> Ask:
        """Return what a client's message asks for."""

    def hello(self) -> str | None:
        """Return what is sent first on a connection; None for nothing."""
        return None

    @abstractmethod
    def acks(self, ask: Ask, wishes: Sequence[Wish], *, each: bool) -> list[str]:
        """Return the answers that confirm subscriptions."""

    @abstractmethod
    def refusal(self, ask: Ask, wish: Wish) -> str:
        """Return the answer that refuses a subscription."""

    def pong(self, ask: Ask) -> str | None:
        """Return the answer to a ping; None for none."""
        return None

    def heartbeat(self) -> str | None:
        """Return a heartbeat; None for none."""
        return None

    def notice(self) -> str | None:
        """Return what announces the end of a connection; None for nothing."""
        return None

    @abstractmethod
    def trades(self, symbol: str, trades: Sequence[Trade], *, old: bool) -> list[str]:
        """Return the messages of some trades; `old` for those before the subscription."""

    @abstractmethod
    def quote(self, symbol: str, quote: Quote) -> str:
        """Return the message of a quote."""

    def spell(self, text: str) -> str:
        """Return the symbol that REST or a subscription names."""
        return text

    @abstractmethod
    def page(self, path: str, query: Mapping[str, str]) -> Page | None:
        """Return what a REST request asks for; None for an unknown path."""

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Return whether a REST request may be answered; the names of headers are lower case."""
        return True

    @abstractmethod
    def rows(self, symbol: str, trades: Sequence[Trade]) -> str:
        """Return the REST answer with trades, which are the oldest first."""


class MadeUp(Format):
    """A made-up venue whose messages have all that tickerkit can read.

    Args:
        ids: the trade ids of a symbol: "dense", "unique" or "random".
    """

    rules = Rules(unknown="refuse", acks="all")

    def __init__(self, ids: str) -> None:
        self.ids = ids

    def preset(self, rules: Rules) -> Preset:
        fields = {"price": "price", "size": "size", "time": "time:ns", "trade_id": "id:int"}
        side = {"from": "side", "buy": "buy", "sell": "sell"}
        part = {"after": "after={id}", "before": "before={id}", "newest": "newest=1"}[rules.pages]
        if self.ids == "random" and rules.pages == "after":
            part = "since={after_ns}"
        acks: dict[str, Any] = {"when": {"type": "subscribed"}, "id": "id"}
        if rules.acks == "each":
            acks["symbols"] = "symbols[]"
        table: dict[str, Any] = {
            "name": "madeup",
            "checked": "2026-11-28",
            "sources": [],
            "symbols": {"style": "as is", "examples": ["AAA", "BBB"]},
            "socket": [
                {
                    "url": "wss://madeup.invalid",
                    "messages_per_s": 20,
                    "subscribe": [
                        {
                            "channels": [channel],
                            "send": {
                                "type": "subscribe",
                                "id": "{id}",
                                "channel": channel,
                                "symbols": "{symbols}",
                            },
                        }
                        for channel in ("trades", "quotes")
                    ],
                    "ack": [] if rules.acks == "never" else [acks],
                    "error": [
                        {
                            "when": {"type": "error"},
                            "id": "id",
                            "symbol": "symbol",
                            "message": "text",
                        }
                    ],
                    "planned_end": [{"type": "bye"}],
                    "ignore": [{"type": "heartbeat"}, {"type": "pong"}],
                    "reads": [
                        {
                            "channel": "trades",
                            "ids": self.ids,
                            "fields": {
                                "when": {"/type": "trades"},
                                "old": {"/old": True},
                                "rows": "trades[]",
                                "symbol": "/symbol",
                                "side": side,
                                **fields,
                            },
                        },
                        {
                            "channel": "quotes",
                            "fields": {
                                "when": {"type": "quote"},
                                "symbol": "symbol",
                                "bid": "bid",
                                "bid_size": "bid_size",
                                "ask": "ask",
                                "ask_size": "ask_size",
                                "time": "time:ns",
                            },
                        },
                    ],
                }
            ],
            "backfill": {
                "base": "https://madeup.invalid",
                "get": f"/trades?symbol={{symbol}}&{part}",
                "by": rules.pages,
                "rows_per_page": rules.rows_per_page,
                "requests_per_s": rules.requests_per_s or 1000,
                "fields": {
                    "rows": "[]",
                    "symbol": {"value": "{symbol}"},
                    "side": side,
                    **fields,
                },
            },
        }
        return parse_preset(table)

    def read(self, message: Any) -> Ask:
        match message:
            case {"type": "ping"}:
                return Ask("ping", message.get("id"))
            case {"type": "subscribe" | "unsubscribe" as kind, "channel": channel}:
                wishes = tuple((str(each), str(channel)) for each in message.get("symbols", ()))
                return Ask(kind, message.get("id"), wishes)
        return Ask("other")

    def acks(self, ask: Ask, wishes: Sequence[Wish], *, each: bool) -> list[str]:
        symbols = [symbol for symbol, _ in wishes]
        parts = [[symbol] for symbol in symbols] if each else [symbols]
        return [write({"type": "subscribed", "id": ask.id, "symbols": part}) for part in parts]

    def refusal(self, ask: Ask, wish: Wish) -> str:
        text = "unknown symbol"
        return write({"type": "error", "id": ask.id, "symbol": wish[0], "text": text})

    def pong(self, ask: Ask) -> str | None:
        return write({"type": "pong", "id": ask.id})

    def heartbeat(self) -> str | None:
        return write({"type": "heartbeat"})

    def notice(self) -> str | None:
        return write({"type": "bye"})

    def trades(self, symbol: str, trades: Sequence[Trade], *, old: bool) -> list[str]:
        rows = [self._row(each) for each in trades]
        return [write({"type": "trades", "symbol": symbol, "old": old, "trades": rows})]

    def quote(self, symbol: str, quote: Quote) -> str:
        bid, bid_size, ask, ask_size, time_ns = quote
        row = {"bid": bid, "bid_size": bid_size, "ask": ask, "ask_size": ask_size, "time": time_ns}
        return write({"type": "quote", "symbol": symbol, **row})

    def page(self, path: str, query: Mapping[str, str]) -> Page | None:
        if path != "/trades":
            return None
        names = ("after", "before", "since")
        after, before, since_ns = (int(query[key]) if key in query else None for key in names)
        return Page(query.get("symbol", ""), after, before, since_ns)

    def rows(self, symbol: str, trades: Sequence[Trade]) -> str:
        return write([self._row(each) for each in trades])

    def _row(self, trade: Trade) -> dict[str, Any]:
        return {
            "id": trade.id,
            "price": trade.price,
            "size": trade.size,
            "time": trade.time_ns,
            "side": trade.side,
        }


def write(message: Any) -> str:
    """Return a message as JSON."""
    return json.dumps(message, separators=(",", ":"))


def iso_time(time_ns: int) -> str:
    """Return a time as ISO-8601 with microseconds."""
    at = dt.datetime.fromtimestamp(time_ns // 10**9, dt.UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{time_ns % 10**9 // 1000:06d}Z"
