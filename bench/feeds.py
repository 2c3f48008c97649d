"""Reading a venue's messages, against cryptofeed and ccxt: `python -m bench.feeds [--help]`.

trades  processor time for each recorded message of one trade, until the trade is kept. tickerkit:
        text to a row of a log, through the whole machine of a venue, which also checks each trade
        id; 256 messages at a time, as a socket in arrears gives them, and one by one. cryptofeed
        and ccxt: text to their own object in a list or cache, with their parser of the venue
burst   the busiest second of the recordings: the share of a core that reading it takes, where each
        message is read when it came, with those that came while the ones before were read

The messages are recorded ones, and are in the folder that TICKERKIT_DATA names. cryptofeed reads
Binance's `aggTrade` messages only, so it gets the same trades as these.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from bench.report import Report, in_turn, options
from tickerkit.log import TickLog
from tickerkit.presets import Venue
from tickerkit.presets.files import load_preset
from tickerkit.ticks import Batch

FOLDER = Path(os.environ.get("TICKERKIT_DATA", "../shared/data"))
SPOT = "binance_spot-btcusdt-trade_bookticker"
BUSIEST = "binance_usdm-btcusdt-all"
TRADES = 100_000
AT_ONCE = 256  # as `sources/messages.py` takes them
SECOND_NS = 10**9


class Message(msgspec.Struct):
    """A line of a recording."""

    t: int
    frame: msgspec.Raw


def recorded(name: str) -> list[tuple[int, str]]:
    """Return the messages of a recording, with the times of receipt."""
    path = FOLDER / "frames" / f"{name}.jsonl.gz"
    if not path.exists():
        sys.exit(f"There is no {path}. Set TICKERKIT_DATA to the folder with recorded messages.")
    lines = gzip.decompress(path.read_bytes()).splitlines()
    messages = [msgspec.json.decode(line, type=Message) for line in lines]
    return [(each.t, bytes(each.frame).decode()) for each in messages]


# --- trades -----------------------------------------------------------------------------------


def trades(count: int) -> list[str]:
    """Return messages of one trade each, with ids that count up by one."""
    texts = [text for _, text in recorded(SPOT) if json.loads(text)["data"].get("e") == "trade"]
    made = []
    for number in range(count):
        message = json.loads(texts[number % len(texts)])
        message["data"]["t"] = 3_735_683_259 + number
        made.append(json.dumps(message, separators=(",", ":")))
    return made


class Reader:
    """A venue, one connection of it, and the log that its ticks go to."""

    def __init__(self, name: str, symbol: str, socket: int = 0) -> None:
        self.venue, self.log = Venue(load_preset(name), [symbol]), TickLog(2 * TRADES)
        self.link, _ = self.venue.open(self.venue.sockets()[socket], 0.0)
        self.link.take_sends(0.0)

    def read(self, texts: list[str], now: float) -> None:
        """Read messages that came together."""
        received_ns = time.time_ns()
        for event in self.venue.receive(self.link, texts, now, received_ns):
            if isinstance(event, Batch):
                self.log.append(event, received=received_ns)
        self.link.tick(now)


def timed(texts: list[str], at_once: int) -> float:
    """Return the processor time of a message in tickerkit, in µs."""
    reader = Reader("binance", "BTCUSDT")
    groups = [texts[at : at + at_once] for at in range(0, len(texts), at_once)]
    began = time.process_time()
    for number, group in enumerate(groups):
        reader.read(group, number / 1000)
    took = time.process_time() - began
    assert len(reader.log) == len(texts)
    return took / len(texts) * 1e6


def in_cryptofeed(texts: list[str]) -> float:
    """Return the processor time of a message in cryptofeed, in µs."""
    from cryptofeed.defines import TRADES as CHANNEL
    from cryptofeed.exchanges import Binance
    from cryptofeed.symbols import Symbols

    as_aggregate = []
    for text in texts:
        message = json.loads(text)
        data = message["data"]
        number = data.pop("t")
        data |= {"e": "aggTrade", "a": number, "f": number, "l": number}
        as_aggregate.append(json.dumps({**message, "stream": "btcusdt@aggTrade"}))
    Symbols.set("BINANCE", {"BTC-USDT": "BTCUSDT"}, {"instrument_type": {"BTC-USDT": "spot"}})
    kept: list[Any] = []

    async def keep(trade: Any, _received: float) -> None:
        kept.append(trade)

    feed = Binance(symbols=["BTC-USDT"], channels=[CHANNEL], callbacks={CHANNEL: keep})

    async def read() -> float:
        began = time.process_time()
        for text in as_aggregate:
            await feed.message_handler(text, None, 1.0)
        return time.process_time() - began

    took = asyncio.run(read())
    assert len(kept) == len(texts), len(kept)
    return took / len(texts) * 1e6


def in_ccxt(texts: list[str]) -> float:
    """Return the processor time of a message in ccxt, in µs."""
    import ccxt.pro

    class Client:
        """What a handler uses of a connection."""

        url = "wss://stream.binance.com:9443/ws"

        def resolve(self, *_: Any) -> None:
            """Take what ccxt tells those who wait: here nobody does."""

    async def read() -> float:
        exchange = ccxt.pro.binance({"options": {"tradesLimit": len(texts)}})
        market = {"id": "BTCUSDT", "symbol": "BTC/USDT", "type": "spot", "spot": True}
        names = {"base": "BTC", "quote": "USDT", "baseId": "BTC", "quoteId": "USDT"}
        exchange.set_markets([exchange.safe_market_structure(market | names)])
        client = Client()
        began = time.process_time()
        for text in texts:
            exchange.handle_trade(client, json.loads(text)["data"])
        took = time.process_time() - began
        assert len(exchange.trades["BTC/USDT"]) == len(texts)
        await exchange.close()
        return took

    return asyncio.run(read()) / len(texts) * 1e6


# --- burst ------------------------------------------------------------------------------------


def busiest(messages: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Return the messages of the second in which most came."""
    first = best = start = 0
    for number, (at, _) in enumerate(messages):
        while at - messages[first][0] >= SECOND_NS:
            first += 1
        if number + 1 - first > best:
            best, start = number + 1 - first, first
    return messages[start : start + best]


def share(messages: list[tuple[int, str]]) -> float:
    """Return the share of a core that a second of messages takes, in per cent."""
    reader = Reader("binance-usdm", "BTCUSDT")
    clock_ns, at, used = messages[0][0], 0, 0.0
    while at < len(messages):
        clock_ns = max(clock_ns, messages[at][0])
        stop = at
        while stop < len(messages) and messages[stop][0] <= clock_ns and stop - at < AT_ONCE:
            stop += 1
        texts = [text for _, text in messages[at:stop]]
        began = time.process_time_ns()
        reader.read(texts, clock_ns / 1e9)
        took = time.process_time_ns() - began
        clock_ns, at, used = clock_ns + took, stop, used + took
    assert len(reader.log) > len(messages) / 2, len(reader.log)
    return used / SECOND_NS * 100


def main() -> None:
    chosen = options(__doc__)
    report = Report("feeds", "Reading a venue's messages, against cryptofeed and ccxt")
    texts = trades(TRADES // 10 if chosen.quick else TRADES)
    runs: dict[str, Callable[[], float]] = {
        "tickerkit": lambda: timed(texts, AT_ONCE),
        "tickerkit, one by one": lambda: timed(texts[: TRADES // 10], 1),
        "cryptofeed": lambda: in_cryptofeed(texts),
        "ccxt": lambda: in_ccxt(texts),
    }
    runs = {name: run for name, run in runs.items() if chosen.only in name}
    us = in_turn(runs, chosen.repeat)
    for name, taken in us.items():
        most = 1.0 if name == "tickerkit" else None
        report.figure(f"a message of one trade: {name}", taken, "µs", at_most=most)
    for peer in ("cryptofeed", "ccxt"):
        if peer in us and "tickerkit" in us:
            name = f"a message of one trade: {peer} / tickerkit"
            report.ratio(name, us[peer], us["tickerkit"], at_least=10)
    if chosen.only in "burst":
        messages = busiest(recorded(BUSIEST))
        name = f"the busiest second: {len(messages):,} messages"
        shares = in_turn({name: partial(share, messages)}, chosen.repeat)
        report.figure(name, shares[name], "% of a core", at_most=5)
    report.note("The recordings are of 2024; tickerkit also counts each trade id.")
    report.finish(chosen.json)


if __name__ == "__main__":
    main()
