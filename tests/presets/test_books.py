"""BestQuotes: the best bid and ask out of the levels of an order book."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recordings import wire_texts
from soaks import examples, soak
from venue_rows import rows_of

import tickerkit as tk
from tickerkit.fieldmaps.fields import MESSAGE
from tickerkit.presets import Venue, books
from tickerkit.presets.books import BestQuotes
from tickerkit.presets.files import load_preset
from tickerkit.presets.preset import parse_preset
from tickerkit.testing import FakeVenue
from tickerkit.ticks import Batch, Text

Levels = dict[float, float]
Quote = tuple[float, ...]

GEMINI = {
    "name": "gemini-book",
    "checked": "2026-11-28",
    "sources": [],
    "symbols": {},
    "socket": [
        {
            "url": "wss://gemini.invalid",
            "subscribe": [{"channels": ["quotes"], "send": {}}],
            "reads": [
                {
                    "channel": "quotes",
                    "book": True,
                    "fields": {
                        "rows": "changes[]",
                        "when": {"/type": "l2_updates"},
                        "old": "first frame per symbol",
                        "symbol": "/symbol",
                        "side": "[0]",
                        "price": "[1]",
                        "size": "[2]",
                    },
                }
            ],
        }
    ],
}


class PlainBook:
    """An order book as two dicts."""

    def __init__(self) -> None:
        self.bids: Levels = {}
        self.asks: Levels = {}
        self.sent: Quote = (np.nan,) * 4

    def set(self, side: str, price: float, size: float) -> None:
        levels = self.bids if side == "buy" else self.asks
        levels.pop(price, None)
        if size:
            levels[price] = size

    def next_quote(self) -> Quote | None:
        """Return the best bid and ask if they are others than before, and not crossed."""
        bid = max(self.bids, default=np.nan)
        ask = min(self.asks, default=np.nan)
        quote = (bid, self.bids.get(bid, np.nan), ask, self.asks.get(ask, np.nan))
        if bid >= ask or np.array_equal(quote, self.sent, equal_nan=True):
            return None
        self.sent = quote
        return quote if self.bids or self.asks else None


def read_bitfinex(frames: list[Any]) -> Iterator[tuple[str, Quote]]:
    """Yield the quotes of Bitfinex's order books, each of one message."""
    channels: dict[int, str] = {}
    plain: dict[str, PlainBook] = {}
    for frame in frames:
        if isinstance(frame, dict):
            if frame.get("channel") == "book":
                channels[frame["chanId"]] = frame["symbol"]
            continue
        if frame[0] not in channels or frame[1] == "hb":
            continue
        symbol, rows = channels[frame[0]], frame[1]
        if isinstance(rows[0], list):
            sent = plain[symbol].sent if symbol in plain else (np.nan,) * 4
            plain[symbol] = PlainBook()
            plain[symbol].sent = sent
        else:
            rows = [rows]
        for price, count, amount in rows:
            side = "buy" if amount > 0 else "sell"
            plain[symbol].set(side, float(price), abs(float(amount)) if count else 0.0)
        if (quote := plain[symbol].next_quote()) is not None:
            yield symbol, quote


def read_gemini(frames: list[Any]) -> Iterator[tuple[str, Quote]]:
    """Yield the quotes of Gemini's order books, each of one message."""
    plain: dict[str, PlainBook] = {}
    for frame in frames:
        if frame["type"] == "l2_updates":
            book = plain.setdefault(frame["symbol"], PlainBook())
            for side, price, size in frame["changes"]:
                book.set(side, float(price), float(size))
            if (quote := book.next_quote()) is not None:
                yield frame["symbol"], quote


def quotes_of(batches: list[Batch]) -> list[tuple[str, Quote]]:
    """Return the symbols and values of quotes."""
    names = ("bid", "bid_size", "ask", "ask_size")
    return [
        (row["symbol"], tuple(row.get(name, np.nan) for name in names)) for row in rows_of(batches)
    ]


@pytest.mark.parametrize(
    ("name", "given", "plain", "count"),
    [
        ("bitfinex_v2-all", "bitfinex", read_bitfinex, 471),
        ("gemini_v2-all", GEMINI, read_gemini, 232),
    ],
    ids=["bitfinex", "gemini"],
)
def test_recorded_books_have_the_best_quotes_of_a_plain_reader(
    recorded: Path, name: str, given: Any, plain: Any, count: int
) -> None:
    """However many messages are waiting, each has its own quote."""
    [path] = (recorded / "frames").glob(f"{name}.jsonl*")
    texts = list(wire_texts(path))
    expected = list(plain([json.loads(each) for each in texts]))
    preset = load_preset(given) if isinstance(given, str) else parse_preset(given)
    for size in (1, 100, len(texts)):
        venue = Venue(preset, ["X"], ("quotes",))
        link, _ = venue.open(preset.sockets[0], 0.0)
        events: list[Any] = []
        for start in range(0, len(texts), size):
            events += venue.receive(link, texts[start : start + size], 1.0, 0)
        batches = [each for each in events if isinstance(each, Batch)]
        assert quotes_of(batches) == expected
        hidden = {"level", "level_count", MESSAGE}
        assert not any(set(each.columns) & hidden for each in batches)
    assert len(expected) == count


BITFINEX = [
    {"event": "subscribed", "channel": "book", "chanId": 7, "symbol": "tBTCUSD"},
    [7, [[99, 1, 2.5], [98, 1, 9], [101, 1, -4]], 1, 1574694478000],
    [7, [99, 0, 1], 2, 1574694478001],
    [7, [97, 1, 3], 3, 1574694478002],
    [7, [100, 1, -6], 4, 1574694478003],
]
COINBASE = [
    {"type": "l2update", "product_id": "BTC-USD", "changes": [["buy", "100", "1"]], "time": ""},
    {
        "type": "snapshot",
        "product_id": "BTC-USD",
        "bids": [["98", "9"], ["99", "2.5"]],
        "asks": [["101", "4"]],
    },
    {"type": "l2update", "product_id": "BTC-USD", "changes": [["buy", "99", "0.000"]]},
    {
        "type": "l2update",
        "product_id": "BTC-USD",
        "changes": [["buy", "97", "3"], ["sell", "100", "6"], ["sell", "100.5", "0"]],
    },
]


@pytest.mark.parametrize(
    ("name", "symbol", "messages"),
    [("bitfinex", "tBTCUSD", BITFINEX), ("coinbase", "BTC-USD", COINBASE)],
)
def test_quotes_of_a_venue_come_out_of_its_order_book(
    name: str, symbol: str, messages: list[Any], until: Callable[..., None]
) -> None:
    """Over real sockets: a quote for each message after which the best bid or ask is another."""
    with FakeVenue("dense", trades_per_s=0, messages=messages) as fake:
        source = tk.venue(name, [symbol], channels="quotes", url=fake.url, rest=fake.rest)
        with tk.serve(source, port=0) as server, tk.connect(server.url, history=None) as feed:
            until(lambda: len(feed.frame()) == 3)
            frame = feed.frame()
            assert frame[["bid", "bid_size", "ask", "ask_size"]].to_numpy().tolist() == [
                [99.0, 2.5, 101.0, 4.0],
                [98.0, 9.0, 101.0, 4.0],
                [98.0, 9.0, 100.0, 6.0],
            ]
            assert set(frame["symbol"]) == {symbol}
            assert frame["price"].isna().all()
            assert not {"side", "level", "level_count"} & set(frame)
            assert server.stats["last_error"] == ""


def test_quotes_and_trades_keep_the_order_of_their_messages() -> None:
    """However many messages are read together, and whichever way they are read."""
    match = {"type": "match", "side": "buy", "size": "1", "price": "99", "product_id": "BTC-USD"}
    trades = [{**match, "trade_id": number} for number in (7, 8, 9)]
    # The side of this one is no word, so that it is read the general way.
    trades[2]["side"] = "maker"
    messages = [
        json.dumps(each) for pair in zip(COINBASE[1:], trades, strict=True) for each in pair
    ]
    found = []
    for size in (1, 6):
        preset = load_preset("coinbase")
        venue = Venue(preset, ["BTC-USD"])
        link, _ = venue.open(preset.sockets[0], 0.0)
        events: list[Any] = []
        for start in range(0, 6, size):
            events += venue.receive(link, messages[start : start + size], 1.0, 0)
        rows = rows_of([each for each in events if isinstance(each, Batch)])
        found.append([row.get("trade_id", row.get("bid")) for row in rows])
    assert found == [[99.0, 7, 98.0, 8, 98.0, 9]] * 2


def level_batch(rows: list[tuple[str, str, float, float]], *, is_old: bool) -> Batch:
    """Return the levels of one message."""
    count = len(rows)
    symbols, sides, prices, sizes = zip(*rows, strict=True)
    return Batch(
        count,
        np.full(count, 7, dtype=np.int64),
        {
            "symbol": Text.of(symbols),
            "side": Text.of(sides),
            "price": np.array(prices),
            "size": np.array(sizes),
            "level": np.ones(count),
            MESSAGE: np.zeros(count),
            "origin": Text(np.zeros(count, dtype=np.int32), ["snapshot" if is_old else "live"]),
        },
    )


@pytest.mark.parametrize("seeds", [examples(60), soak(300)])
def test_quotes_are_those_of_a_plain_book(seeds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over snapshots, crossed and empty books, and levels that come and go."""
    monkeypatch.setattr(books, "MAX_REMOVED", 5)
    quotes = 0
    for seed in range(seeds):
        rng = random.Random(seed)
        best, plain = BestQuotes(), {"A": PlainBook(), "B": PlainBook()}
        begun: set[str] = set()  # by a snapshot
        for _ in range(120):
            is_old = rng.random() < 0.05
            symbols = rng.sample("AB", rng.randint(1, 2))
            rows = [
                (symbol, rng.choice(["buy", "sell"]), float(rng.randint(1, 9)), float(size))
                for symbol in symbols
                for size in rng.choices([0, 0, 1, 2], k=rng.randint(1, 4))
            ]
            # Most bids are below most asks.
            rows = [(s, d, p + (d == "sell") * rng.choice([5, 9]), n) for s, d, p, n in rows]
            expected = []
            begun |= set(symbols) if is_old else set()
            for symbol in symbols:
                if symbol not in begun:
                    continue
                if is_old:
                    plain[symbol].bids, plain[symbol].asks = {}, {}
                for _, side, price, size in [row for row in rows if row[0] == symbol]:
                    plain[symbol].set(side, price, size)
                if (quote := plain[symbol].next_quote()) is not None:
                    expected.append((symbol, quote))
            got = quotes_of([best.take(level_batch(rows, is_old=is_old))])
            np.testing.assert_equal(got, expected)
            quotes += len(got)
    assert quotes > 10 * seeds


def test_book_of_very_many_levels_keeps_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server can make a client keep is bounded."""
    monkeypatch.setattr(books, "MAX_LEVELS", 100)
    best = BestQuotes()
    rows = [("A", "buy", float(price), 1.0) for price in range(1, 1001)]
    quotes = best.take(level_batch(rows, is_old=True))
    assert quotes_of([quotes])[0][1][0] == 1000.0
    for price in (1000.0, 999.0):
        quotes = best.take(level_batch([("A", "buy", price, 0.0)], is_old=False))
        assert quotes_of([quotes])[0][1][0] == price - 1.0


def test_level_with_a_missing_number_says_nothing() -> None:
    """Nor does one whose number of orders is text; the others of the message are taken."""
    best, nan = BestQuotes(), float("nan")
    rows = [("A", "buy", 1.0, 2.0), ("A", "buy", nan, 1.0), ("A", "buy", 3.0, nan)]
    batch = level_batch(rows, is_old=True)
    batch.columns["level_count"] = Text.of(["hello", None, None])
    quotes = best.take(batch)
    np.testing.assert_equal(quotes_of([quotes]), [("A", (1.0, 2.0, nan, nan))])
    batch = level_batch([("A", "sell", nan, 1.0), ("A", "buy", 1.0, 5.0)], is_old=False)
    batch.columns["level_count"] = np.array([1.0, 0.0])
    quotes = best.take(batch)
    np.testing.assert_equal(quotes_of([quotes]), [])
    batch = level_batch([("A", "sell", 9.0, 1.0)], is_old=False)
    quotes = best.take(batch)
    np.testing.assert_equal(quotes_of([quotes]), [("A", (nan, nan, 9.0, 1.0))])


def test_rows_without_levels_are_as_they_were() -> None:
    """Trades of the same connection are no levels."""
    batch = level_batch([("A", "buy", 1.0, 1.0)], is_old=False)
    del batch.columns["level"], batch.columns[MESSAGE]
    assert BestQuotes().take(batch) is batch
