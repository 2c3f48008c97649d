"""Recorded frames: presets and maps read each trade and quote as plain readers do.

The plain readers are written by hand, and share no code with the maps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import plain_readers as plain_reader
import pytest
from plain_readers import Rows
from recordings import wire_texts
from venue_rows import map_of, read_rows, rows_of

from tickerkit.fieldmaps import FieldMap, FieldReader, ShapeCounts, parse_fields
from tickerkit.presets.files import load_preset

# Maps of generations that the presets do not speak.
BYBIT_TICKERS = {
    "when": {"topic": "tickers.*"},
    "old": {"type": "snapshot"},
    "merge": True,
    "symbol": "data.symbol",
    "bid": "data.bid1Price",
    "bid_size": "data.bid1Size",
    "ask": "data.ask1Price",
    "ask_size": "data.ask1Size",
    "time": "ts:ms",
}
OKX_TICKERS = {
    "rows": "data[]",
    "when": {"/arg.channel": "tickers"},
    "symbol": "instId",
    "bid": "bidPx",
    "bid_size": "bidSz",
    "ask": "askPx",
    "ask_size": "askSz",
    "time": "ts:ms",
}
KRAKEN_V1 = [
    {
        "rows": "[1][]",
        "when": {"/[2]": "trade"},
        "symbol": "/[3]",
        "price": "[0]",
        "size": "[1]",
        "time": "[2]:s",
        "side": {"from": "[3]", "buy": "b", "sell": "s"},
    },
    {
        "when": {"[2]": "ticker"},
        "symbol": "[3]",
        "bid": "[1].b[0]",
        "bid_size": "[1].b[2]",
        "ask": "[1].a[0]",
        "ask_size": "[1].a[2]",
    },
]
GEMINI_TRADE = {
    "symbol": "symbol",
    "price": "price",
    "size": "quantity",
    "time": "timestamp:ms",
    "side": "side",
    "trade_id": "event_id:int",
}
GEMINI_V2 = [
    {**GEMINI_TRADE, "when": {"type": "trade"}},
    {
        **GEMINI_TRADE,
        "rows": "trades[]",
        "when": {"/type": "l2_updates"},
        "old": {"/type": "l2_updates"},
    },
]
COINBASE_TICKER = {
    "when": {"type": "ticker"},
    "symbol": "product_id",
    "bid": "best_bid",
    "bid_size": "best_bid_size",
    "ask": "best_ask",
    "ask_size": "best_ask_size",
    "time": "time:iso",
}
KUCOIN_CLASSIC = [
    {
        "when": {"topic": "/market/match:*"},
        "symbol": "data.symbol",
        "price": "data.price",
        "size": "data.size",
        "side": "data.side",
        "time": "data.time:ns",
    },
    {
        "when": {"topic": "/market/ticker:*"},
        "symbol": {"from": "topic", "after": ":"},
        "bid": "data.bestBid",
        "bid_size": "data.bestBidSize",
        "ask": "data.bestAsk",
        "ask_size": "data.bestAskSize",
        "time": "data.time:ms",
    },
]

# Recording, the preset or the map, the plain reader, and how many trades and quotes there are.
CASES: list[tuple[str, Any, Callable[[Iterator[Any]], Rows], int, int]] = [
    (
        "binance_spot-btcusdt-trade_bookticker",
        "binance",
        plain_reader.read_binance_spot,
        9757,
        28040,
    ),
    ("binance_usdm-alts-combined", "binance-usdm", plain_reader.read_binance_usdm, 0, 613),
    (
        "binance_usdm-alts-combined",
        "binance-usdm-agg",
        plain_reader.read_binance_usdm_aggregates,
        91,
        613,
    ),
    ("binance_usdm-btcusdt-all", "binance-usdm", plain_reader.read_binance_usdm, 21313, 66089),
    (
        "binance_usdm-ethusdt-trade_bookticker",
        "binance-usdm",
        plain_reader.read_binance_usdm,
        14076,
        53992,
    ),
    ("coinbase_exchange-ticker_match", "coinbase", plain_reader.read_coinbase_trades, 87, 0),
    ("coinbase_exchange-ticker_match", COINBASE_TICKER, plain_reader.read_coinbase_ticker, 0, 87),
    (
        "coinbase_advanced-btcusd-ticker_trades",
        "coinbase-advanced",
        plain_reader.read_coinbase_advanced,
        147,
        73,
    ),
    ("bybit_v5-linear-tickers_trade", "bybit-linear", plain_reader.read_bybit_ids, 327, 0),
    ("bybit_v5-linear-tickers_trade", BYBIT_TICKERS, plain_reader.read_bybit_tickers, 0, 758),
    ("okx_v5-tickers_trades", "okx", plain_reader.read_okx_trades, 74, 0),
    ("okx_v5-tickers_trades", OKX_TICKERS, plain_reader.read_okx_tickers, 0, 28),
    ("bitstamp-all", "bitstamp", plain_reader.read_bitstamp, 10, 0),
    ("bitfinex_v2-all", "bitfinex", plain_reader.read_bitfinex_trades, 210, 0),
    ("finnhub-tsla_aapl-sample", "finnhub", plain_reader.read_finnhub, 9, 0),
    ("kraken_v1-trade", KRAKEN_V1, plain_reader.read_kraken_v1, 10, 0),
    ("kraken_v1-ticker", KRAKEN_V1, plain_reader.read_kraken_v1, 0, 18),
    ("gemini_v2-all", GEMINI_V2, plain_reader.read_gemini_v2, 516, 0),
    ("kucoin-ticker_match", KUCOIN_CLASSIC, plain_reader.read_kucoin_classic, 18, 830),
]


def texts_of(folder: Path, name: str, most: int | None = None) -> list[bytes]:
    """Return the frames of a recording, or its first ones."""
    [path] = (folder / "frames").glob(f"{name}.jsonl*")
    texts = [text.encode() for text in islice(wire_texts(path), most)]
    if name.startswith("okx"):
        # Rows of the channel trades have the fields of those of trades-all.
        texts = [text.replace(b'"channel":"trades"', b'"channel":"trades-all"') for text in texts]
    return texts


def fields_of(given: Any) -> FieldMap:
    """Return the map of a preset, or a map as it is written."""
    if not isinstance(given, str):
        return parse_fields(given)
    # Levels of order books are no quotes: test_books.py reads them.
    reads = [each for socket in load_preset(given).sockets for each in socket.reads]
    reads = [each for each in reads if not each.is_book and each.channel != "book"]
    return FieldMap(tuple(each.reading for each in reads), None)


@pytest.mark.parametrize(
    ("name", "given", "plain", "trades", "quotes"),
    CASES,
    ids=[f"{c[0]}-{c[2].__name__}" for c in CASES],
)
def test_each_recorded_trade_and_quote_is_read(
    recorded: Path,
    name: str,
    given: Any,
    plain: Callable[[Iterator[Any]], Rows],
    trades: int,
    quotes: int,
) -> None:
    """As a reader written by hand reads it: none is missed, and none is wrong."""
    messages = texts_of(recorded, name)
    rows, _ = read_rows(fields_of(given), messages)
    expected = list(plain(map(json.loads, messages)))
    assert sum("price" in row for row in expected) == trades
    assert sum("price" not in row for row in expected) == quotes
    for number, (row, wanted) in enumerate(zip(rows, expected, strict=False)):
        assert without_live(row) == without_live(wanted), number
    assert len(rows) == len(expected)
    if len(messages) < 5000:
        general, _ = read_rows(fields_of(given), messages, typed=False)
        assert list(map(without_live, general)) == list(map(without_live, expected))


def without_live(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row without `origin` if that is live, as a map may say or leave out."""
    return {name: value for name, value in row.items() if (name, value) != ("origin", "live")}


PRESETS = [(name, given) for name, given, _, trades, _ in CASES if trades and type(given) is str]


@pytest.mark.parametrize(("name", "given"), PRESETS)
def test_recorded_trade_ids_are_as_the_preset_says(recorded: Path, name: str, given: str) -> None:
    """Dense ids count up by one for each symbol, unique ones rise; in the first 10,000 messages."""
    [ids] = {
        read.ids
        for socket in load_preset(given).sockets
        for read in socket.reads
        if read.channel == "trades"
    }
    rows, _ = read_rows(fields_of(given), texts_of(recorded, name, 10_000))
    found: dict[str, list[int]] = {}
    for row in rows:
        if "price" in row:
            found.setdefault(row["symbol"], []).append(row.get("trade_id", 0))
    steps = {b - a for each in found.values() for a, b in pairwise(each)}
    if ids == "dense":
        assert steps == {1}
    elif ids == "unique":
        assert min(steps) > 0
    else:
        assert steps == {0}


def test_trades_are_on_the_side_that_the_quotes_prove(recorded: Path) -> None:
    """A trade at or above the best ask before it is a buy, at or below the best bid a sell."""
    counts: dict[str, int] = {}
    for name, given in {
        "coinbase_exchange-ticker_match": "coinbase",
        "coinbase_advanced-btcusd-ticker_trades": "coinbase-advanced",
        "bybit_v5-linear-tickers_trade": "bybit-linear",
    }.items():
        ticker = {"bybit-linear": BYBIT_TICKERS, "coinbase": COINBASE_TICKER}.get(given)
        tickers = () if ticker is None else parse_fields(ticker).readings
        reader = FieldReader(FieldMap((*fields_of(given).readings, *tickers), None))
        best: dict[str, tuple[float, float]] = {}
        for message in texts_of(recorded, name):
            for row in rows_of(reader.read([message]).batches):
                if "bid" in row:
                    best[row["symbol"]] = row["bid"], row["ask"]
                elif row.get("origin") != "snapshot" and row["symbol"] in best:
                    bid, ask = best[row["symbol"]]
                    if not bid < row["price"] < ask:
                        assert row["side"] == ("buy" if row["price"] >= ask else "sell"), row
                        counts[name] = counts.get(name, 0) + 1
    assert counts == {
        "coinbase_exchange-ticker_match": 58,
        "coinbase_advanced-btcusd-ticker_trades": 47,
        "bybit_v5-linear-tickers_trade": 327,
    }


def test_messages_that_a_preset_does_not_name_are_counted(recorded: Path) -> None:
    """By their shape, so that a new kind of message is seen."""
    messages = texts_of(recorded, "binance_usdm-alts-combined")
    _, others = read_rows(map_of(load_preset("binance-usdm")), messages)
    shapes = ShapeCounts()
    for message in others:
        shapes.add(message)
    assert shapes.counts == {"{stream, data}": 922}
