"""Desk: what the connections and the REST interface of a simulated venue share."""

from __future__ import annotations

import asyncio
import random
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from tickerkit.testing.formats import Format, Page, Wish
from tickerkit.testing.market import Market, Trade
from tickerkit.testing.rules import Rules, Window

__all__ = ["Client", "Desk"]


class Client(Protocol):
    """A client's connection, as the venue sees it; its class is `Session`."""

    wishes: set[Wish]
    muted: set[str]
    has_ended: bool

    def wants(self, symbol: str, channel: str) -> bool:
        """Return whether the client shall get a message."""

    def send(self, text: str | bytes) -> None:
        """Send a message without waiting."""

    def send_half(self, text: str) -> None:
        """Send half of a message's frame, and end the connection."""

    def cut(self) -> None:
        """End the connection without a close frame."""

    def close(self, code: int = 1001, reason: str = "") -> None:
        """End the connection with a close frame."""


class Desk:
    """What the connections and the REST interface of a venue share; on one event loop.

    Attributes:
        sessions: the open connections.
        received: what clients sent.
        violations: which limits clients did not keep.
        ended: how often connections were ended, by cause.
        faults: how often each fault happened.
        requests: the paths of REST requests, with their queries.
        banned_until: until when clients are banned, by the clock of the loop.
    """

    def __init__(
        self, venue: Format, market: Market, rules: Rules, messages: Sequence[str], seed: int
    ) -> None:
        self.format = venue
        self.market = market
        self.rules = rules
        self.messages = list(messages)
        self.sessions: list[Client] = []
        self.received: list[str | bytes] = []
        self.violations: list[str] = []
        self.ended: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.requests: list[str] = []
        self.banned_until = 0.0
        self.accepted = 0
        self._rng = random.Random(seed + 1)
        self._symbols = {venue.spell(symbol): symbol for symbol in market.trades}
        self._connects = Window(60.0)
        self._asks = Window(1.0)

    def find_symbol(self, text: str) -> str | None:
        """Return the symbol that a client names; None for an unknown one."""
        return text if text in self.market.trades else self._symbols.get(self.format.spell(text))

    # --- limits -------------------------------------------------------------------------------

    def admit(self) -> float:
        """Count an attempt to connect; return for how many seconds to wait, 0 if it is admitted."""
        now, limit = asyncio.get_running_loop().time(), self.rules.connects_per_minute
        count = self._connects.add(now)
        if now < self.banned_until:
            return self.banned_until - now
        if limit is not None and count > limit:
            self.note_violation(f"{count} connections within 60 s; the limit is {limit:g}")
            return 60.0
        most = self.rules.connections
        if most is not None and len(self.sessions) >= most:
            self.note_violation(f"more connections at a time than {most}")
            return 1.0
        self.accepted += 1
        return 0.0

    def admit_request(self) -> float:
        """Count a REST request; return how many seconds it shall wait, 0 if it is answered."""
        now, limit = asyncio.get_running_loop().time(), self.rules.requests_per_s
        # Below one per second, one is still allowed at any time.
        count = self._asks.add(now)
        if now < self.banned_until:
            return self.banned_until - now
        if limit is not None and count > max(limit, 1):
            self.note_violation(f"{count} requests within 1 s; the limit is {limit:g}")
            return 1.0
        return 0.0

    def note_violation(self, text: str) -> None:
        """Note that a client did not keep a limit; ban it if it was too often."""
        self.violations.append(text)
        if len(self.violations) >= self.rules.max_violations:
            self.banned_until = asyncio.get_running_loop().time() + self.rules.ban_s

    # --- trades -------------------------------------------------------------------------------

    def trade(self, symbol: str, count: int, fault: str | None = None) -> list[Trade]:
        """Trade, and send the trades; by the shares of the rules a fault happens.

        Args:
            symbol: what is traded.
            count: how many trades.
            fault: the fault to happen; empty for none, None for one by chance.
        """
        new = self.market.trade(symbol, count)
        if new:
            self._send_trades(symbol, new, self._pick_fault() if fault is None else fault)
        return new

    def quote(self, symbol: str) -> None:
        """Send a quote."""
        text = self.format.quote(symbol, self.market.quote(symbol))
        for each in self.sessions:
            if each.wants(symbol, "quotes"):
                each.send(text)

    def _pick_fault(self) -> str:
        at = self._rng.random()
        for fault, share in self.rules.faults.items():
            if at < share:
                return fault
            at -= share
        return ""

    def _send_trades(self, symbol: str, trades: list[Trade], fault: str) -> None:
        if fault:
            self.faults[fault] += 1
        if fault == "skipped":
            return
        order = list(trades)
        if fault == "shuffled":
            self._rng.shuffle(order)
        if fault == "doubled":
            order += trades
        texts = self.format.trades(symbol, order, old=False)
        stop = self._rng.randrange(len(texts)) if fault in ("half", "cut", "closed") else len(texts)
        for each in list(self.sessions):
            if not each.wants(symbol, "trades"):
                continue
            for text in texts[:stop]:
                each.send(text)
            match fault:
                case "half":
                    each.send_half(texts[stop])
                case "cut":
                    each.cut()
                case "closed":
                    each.close()

    # --- REST ---------------------------------------------------------------------------------

    def answer(self, page: Page) -> str | None:
        """Return the answer to a REST request; None for an unknown symbol."""
        symbol = self.find_symbol(page.symbol)
        if symbol is None:
            return None
        return self.format.rows(symbol, self._select(symbol, page))

    def fails(self) -> bool:
        """Return whether a REST request shall fail."""
        return self._rng.random() < self.rules.rest_failures

    def _select(self, symbol: str, page: Page) -> list[Trade]:
        rules, trades = self.rules, self.market.trades[symbol]
        stop = len(trades)
        if rules.rest_lag_s:
            newest_ns = time.time_ns() - int(rules.rest_lag_s * 1e9)
            stop = bisect_right(trades, newest_ns, key=lambda each: each.time_ns)
        start = 0 if rules.rest_reach is None else max(stop - rules.rest_reach, 0)
        limit = min(page.limit or rules.rows_per_page, rules.rows_per_page)
        if page.before is not None:
            stop = max(min(stop, bisect_left(trades, page.before, key=lambda each: each.id)), start)
            return trades[max(stop - limit, start) : stop]
        if page.after is None and page.since_ns is None:
            return trades[max(stop - limit, start) : stop]
        if page.after is not None:
            begin = bisect_right(trades, page.after, key=lambda each: each.id)
        else:
            begin = bisect_right(trades, page.since_ns or 0, key=lambda each: each.time_ns)
        start = max(start, begin)
        return trades[start : min(start + limit, stop)]
