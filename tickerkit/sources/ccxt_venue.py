"""CcxtSource: the trades of an exchange that tickerkit has no preset for, through ccxt.

It is second class: ccxt gives no raw messages, does not say which trades a break has lost, and does
not mark trades from before the subscription. So nothing can be proved or repaired here.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from tickerkit.errors import BadTick, InvalidArgument, SourceError
from tickerkit.formatting import format_line, format_value
from tickerkit.net.redaction import Redactor
from tickerkit.sources.base import Outlet, Source
from tickerkit.sources.delays import pick_delay_s
from tickerkit.sources.venue_tables import freshness_frame
from tickerkit.ticks.numbers import INTEGER
from tickerkit.validation import check_choice, parse_symbols

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CCXT_PREFIX", "CcxtSource", "ccxt_venue"]

CCXT_PREFIX = "ccxt:"
KEYS = ("apiKey", "secret", "password", "uid")
# ccxt keeps so many trades of a symbol between two calls, by default 1,000; older ones are lost.
MAX_NEW_TRADES = 10_000
# Some exchanges send past trades on each subscription, after a break again.
MAX_KNOWN_IDS = 20_000
CLOSE_S = 2.0
SIDES = ("buy", "sell")


@dataclass
class _Stream:
    """What is known of a symbol.

    Attributes:
        status: "asked", "live" or "refused".
        last_at: when its newest trade came, on the monotonic clock; None before the first.
        lag_s: how long after its time that was.
        rows: how many trades came.
        gaps: how many breaks there were.
        refusal: why the exchange refused it.
        ids: the newest ids, oldest first. Some exchanges give several trades of one order the same
            id: the price and the size belong to it.
        known: the same, to look up.
    """

    status: str = "asked"
    last_at: float | None = None
    lag_s: float | None = None
    rows: int = 0
    gaps: int = 0
    refusal: str = ""
    ids: deque[tuple[str, Any, Any]] = field(default_factory=deque)
    known: set[tuple[str, Any, Any]] = field(default_factory=set)

    def is_new(self, trade: Mapping[str, Any]) -> bool:
        """Return whether a trade is new; one without an id always is."""
        if (given := trade.get("id")) in (None, ""):
            return True
        name = str(given), trade.get("price"), trade.get("amount")
        if name in self.known:
            return False
        self.known.add(name)
        self.ids.append(name)
        if len(self.ids) > MAX_KNOWN_IDS:
            self.known.discard(self.ids.popleft())
        return True


class CcxtSource(Source):
    """The trades of an exchange, as ccxt gives them; made by `tk.venue("ccxt:…", …)`.

    Each symbol has a task of its own: ccxt delays trades where one call asks for several symbols.
    After a break it asks again, after a random delay of up to 0.25 s, doubled with each failure up
    to 30 s. What was missed is a gap of unknown size.

    Args:
        name: the exchange, as ccxt names it.
        symbols: the symbols, as ccxt spells them.
        keys: what ccxt is given to log in; never shown.
    """

    def __init__(self, name: str, symbols: Sequence[str], keys: Mapping[str, str]) -> None:
        self.name = name
        self._symbols = list(symbols)
        self._keys = dict(keys)
        self._streams = {symbol: _Stream() for symbol in symbols}

    def __repr__(self) -> str:
        more = "" if len(self._symbols) <= 3 else f" and {len(self._symbols) - 3} more"
        return f"venue {CCXT_PREFIX}{self.name}:{','.join(self._symbols[:3])}{more}"

    def freshness(self) -> pd.DataFrame:
        """Return what is known of each symbol, as `tk.venue(...).freshness()` does for others.

        `status` is "asked", "live" or "refused". `gaps` is counted; how many trades are missing
        can't be known.
        """
        now = time.monotonic()
        return freshness_frame(
            [
                {
                    "symbol": symbol,
                    "channel": "trades",
                    "status": stream.status,
                    "last_s": None if stream.last_at is None else now - stream.last_at,
                    "lag_s": stream.lag_s,
                    "rows": stream.rows,
                    "gaps": stream.gaps,
                    "missing": 0,
                    "repaired": 0,
                    "refusal": stream.refusal,
                }
                for symbol, stream in self._streams.items()
            ]
        )

    async def run(self, out: Outlet) -> None:
        """Receive until it is cancelled, or all symbols are refused."""
        module = _load_ccxt(self.name)
        exchange = getattr(module, self.name)(
            {
                **self._keys,
                "newUpdates": True,
                "enableRateLimit": True,
                "options": {"tradesLimit": MAX_NEW_TRADES},
            }
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                for symbol in self._symbols:
                    tasks.create_task(self._watch(module, exchange, symbol, out))
        finally:
            # An exchange that does not answer must not hold the server up.
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CLOSE_S):
                    await exchange.close()

    async def _watch(self, module: Any, exchange: Any, symbol: str, out: Outlet) -> None:
        """Receive the trades of a symbol until it is refused."""
        stream = self._streams[symbol]
        permanent = (module.BadSymbol, module.AuthenticationError, module.NotSupported)
        failed = 0
        while True:
            try:
                trades = await _watch_trades(exchange, symbol)
            except permanent as error:
                stream.status, stream.refusal = "refused", self._describe(error)
                out.report(SourceError(symbol, f"{self.name} refuses it: {stream.refusal}"))
                return
            except Exception as error:  # ccxt raises what a library below it or a fault raises
                if stream.status == "live":
                    stream.gaps += 1
                    await out.gap(None, f"{symbol}: the connection ended: {self._describe(error)}")
                else:
                    problem = f"can't get its trades: {self._describe(error)}"
                    out.report(SourceError(symbol, problem))
                failed = 0 if stream.status == "live" else failed + 1
                stream.status = "asked"
                await asyncio.sleep(pick_delay_s(failed))
                continue
            stream.status = "live"
            if len(trades) >= MAX_NEW_TRADES:
                stream.gaps += 1
                await out.gap(None, f"{symbol}: more trades at once than ccxt keeps")
            await self._send(symbol, stream, trades, out)
            # A call returns at once while there are new trades.
            await asyncio.sleep(0)

    async def _send(
        self, symbol: str, stream: _Stream, trades: list[dict[str, Any]], out: Outlet
    ) -> None:
        ticks: list[dict[str, Any]] = []
        for trade in trades:
            try:
                if stream.is_new(trade):
                    ticks.append(make_tick(symbol, trade))
            except (TypeError, ValueError, AttributeError, OverflowError):
                out.report(BadTick("trade", trade, f"of {symbol} is malformed", "update ccxt"))
        if not ticks:
            return
        stream.rows += len(ticks)
        stream.last_at = time.monotonic()
        newest_ns = ticks[-1].get("time")
        stream.lag_s = None if newest_ns is None else (time.time_ns() - newest_ns) / 1e9
        await out.send(ticks)

    def _describe(self, error: Exception) -> str:
        """Return an error of ccxt in words, without a key."""
        text = str(error)
        # Looked for before the text is cut off, which may cut a key in two.
        is_secret = _has_key(text, self._keys.values())
        return type(error).__name__ if is_secret or not text else format_line(text)


async def _watch_trades(exchange: Any, symbol: str) -> list[dict[str, Any]]:
    """Return new trades.

    A call that ccxt cancels by itself is an error as others: else its task would end in silence.
    """
    try:
        return list(await exchange.watch_trades(symbol))
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionError("ccxt cancelled the call") from None


def _has_key(text: str, keys: Iterable[str]) -> bool:
    """Return whether a text has one of the keys, in any spelling."""
    known = [key for key in keys if key]
    return any(key in text for key in known) or Redactor(known).cut(text) != text


def make_tick(symbol: str, trade: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trade of ccxt as a tick. The side is what ccxt says, which is not always true."""
    tick = {"symbol": symbol, "price": trade.get("price")}
    if (size := trade.get("amount")) is not None:
        tick["size"] = size
    if (time_ms := trade.get("timestamp")) is not None:
        tick["time"] = int(time_ms) * 10**6
    if trade.get("side") in SIDES:
        tick["side"] = trade["side"]
    if INTEGER.fullmatch(str(trade.get("id"))):
        tick["trade_id"] = int(trade["id"])
    return tick


def ccxt_venue(
    name: str,
    symbols: str | Sequence[str],
    channels: Sequence[str],
    keys: Mapping[str, str],
    **others: object,
) -> CcxtSource:
    """Return a source of the trades of an exchange.

    Args:
        name: "ccxt:", and the exchange as ccxt names it.
        symbols: the symbols, as ccxt spells them: "BTC/USDT", or "BTC/USDT:USDT" for a swap.
        channels: must have "trades"; there are no quotes.
        keys: what ccxt is given to log in.
        **others: what `tk.venue` takes besides; each must have its default.

    Raises:
        SourceError: ccxt is not installed.
        InvalidArgument: ccxt has no such exchange, or no live trades of it; or an argument is
            invalid.
    """
    if "trades" not in channels:
        raise InvalidArgument("channels", list(channels), "trades: ccxt is asked for nothing else")
    for other, value in others.items():
        if value not in (None, 1):
            raise InvalidArgument(other, value, "its default with ccxt")
    for key in keys:
        check_choice("keys", key, KEYS)
    name = name.removeprefix(CCXT_PREFIX)
    module = _load_ccxt(name)
    if name not in module.exchanges:
        near = get_close_matches(name, module.exchanges, 1)
        expected = format_value(near[0]) if near else "an exchange of ccxt, such as 'mexc'"
        raise InvalidArgument("name", f"{CCXT_PREFIX}{name}", expected)
    if not getattr(module, name)().has.get("watchTrades"):
        raise InvalidArgument("name", f"{CCXT_PREFIX}{name}", "an exchange with live trades")
    wanted = parse_symbols("symbols", symbols)
    if not wanted:
        raise InvalidArgument("symbols", symbols, f"symbols of {name}, such as 'BTC/USDT'")
    return CcxtSource(name, list(dict.fromkeys(wanted)), keys)


def _load_ccxt(name: str) -> Any:
    """Return the module of ccxt with the exchanges that send live trades."""
    try:
        return importlib.import_module("ccxt.pro")
    except ImportError:
        fix = "run: pip install 'tickerkit[ccxt]'"
        problem = "it needs the package ccxt"
        raise SourceError(f"{CCXT_PREFIX}{name}", problem, fix=fix) from None
