"""Reading: the typed way and the general way read the same ticks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import wire_texts
from soaks import examples

from tickerkit.errors import FieldMapError
from tickerkit.fieldmaps import FieldReader, parse_fields
from tickerkit.log import TickLog
from tickerkit.ticks import Text
from tickerkit.ticks.numbers import is_exact_number

MAPS: dict[str, Any] = {
    "binance": [
        {
            "when": {"data.e": "trade"},
            "symbol": "data.s",
            "price": "data.p",
            "size": "data.q",
            "time": "data.T:ms",
            "trade_id": "data.t:int",
            "side": {"from": "data.m", "buy": False, "sell": True},
        },
        {
            "when": {
                "data.u": {"present": True},
                "data.B": {"present": True},
                "data.U": {"present": False},
            },
            "symbol": "data.s",
            "bid": "data.b",
            "bid_size": "data.B",
            "ask": "data.a",
            "ask_size": "data.A",
            "time": "data.T:ms",
        },
    ],
    "coinbase_advanced": {
        "rows": "events[].trades[]",
        "when": {"/channel": "market_trades"},
        "old": {"^type": "snapshot"},
        "symbol": "product_id",
        "price": "price",
        "size": "size",
        "time": "time:iso",
        "trade_id": "trade_id:int",
        "side": {"from": "side", "buy": "SELL", "sell": "BUY"},
    },
    "coinbase_exchange": {
        "when": {"type": ["match", "last_match"]},
        "old": {"type": "last_match"},
        "symbol": "product_id",
        "price": "price",
        "size": "size",
        "time": "time:iso",
        "trade_id": "trade_id:int",
        "side": {"from": "side", "buy": "sell", "sell": "buy"},
        "sequence": "sequence",
    },
    # At one place, trades have a list and quotes an object.
    "bybit": [
        {
            "rows": "data[]",
            "when": {"/topic": "publicTrade.*"},
            "symbol": "s",
            "price": "p",
            "size": "v",
            "time": "T:ms",
            "side": "S",
            "trade_id": "i:int",
            "block": "BT",
        },
        {
            "when": {"data.bid1Price": {"present": True}, "data.ask1Price": {"present": True}},
            "symbol": "data.symbol",
            "bid": "data.bid1Price",
            "ask": "data.ask1Price",
        },
    ],
    "kucoin": {
        "when": {"topic": "/market/ticker:*"},
        "symbol": {"from": "topic", "after": ":"},
        "bid": "data.bestBid",
        "ask": "data.bestAsk",
        "bid_size": {"from": "data.bestBidSize", "zero": "none"},
        "time": "data.time:ms",
    },
    "okx": {"rows": "data[]", "symbol": "instId", "price": "px", "size": "sz", "time": "ts:ms"},
    "bitstamp": {
        "when": {"event": "trade"},
        "symbol": {"from": "channel", "after": "live_trades_"},
        "price": "data.price_str",
        "size": "data.amount_str",
        "time": "data.microtimestamp:us",
        "side": {"from": "data.type", "buy": 0, "sell": 1},
        "trade_id": "data.id:int",
    },
    "finnhub": {"rows": "data[]", "symbol": "s", "price": "p", "size": "v", "time": "t"},
    "kraken_v2": {"rows": "data[]", "symbol": "symbol", "bid": "bids[0].price"},
    "bitfinex": {
        "rows": "[1][]",
        "symbol": {"from": "/[0]", "map": {"232949": "BFT"}},
        "price": "[3]",
    },
}
RECORDINGS = {
    "binance_spot-btcusdt-trade_bookticker": "binance",
    "binance_usdm-alts-combined": "binance",
    "coinbase_advanced-btcusd-ticker_trades": "coinbase_advanced",
    "coinbase_exchange-ticker_match": "coinbase_exchange",
    "bybit_v5-linear-tickers_trade": "bybit",
    "kucoin-ticker_match": "kucoin",
    "okx_v5-tickers_trades": "okx",
    "bitstamp-all": "bitstamp",
    "kraken_v2-book": "kraken_v2",
}


def read_both(fields: Any, messages: Sequence[str | bytes]) -> tuple[Any, Any]:
    """Return what each way reads, in a form that can be compared."""
    parsed = parse_fields(fields)
    return (
        summary(FieldReader(parsed, typed=True), messages),
        summary(FieldReader(parsed, typed=False), messages),
    )


def summary(reader: FieldReader, messages: Sequence[str | bytes]) -> Any:
    """Return the ticks, the errors, and how many messages have no row."""
    taken = reader.read(messages)
    log = TickLog(100_000)
    refused: list[str] = []
    for batch in taken.batches:
        log.append(batch, received=0)
        refused += map(str, batch.errors)
    frame = log.frame().drop(columns=["epoch", "received"])
    columns = {
        name: [None if pd.isna(each) else each for each in frame[name].tolist()]
        for name in sorted(frame.columns)
    }
    return columns, refused[:10], len(taken.others), sum(b.refused for b in taken.batches)


@pytest.mark.parametrize("name", RECORDINGS)
def test_both_ways_read_the_same_of_a_recording(name: str, recorded: Path) -> None:
    """Frames of a venue, as they came."""
    [path] = (recorded / "frames").glob(f"{name}.jsonl*")
    messages = [text.encode() for text in wire_texts(path)][:3000]
    typed, general = read_both(MAPS[RECORDINGS[name]], messages)
    assert typed[0]["symbol"]
    assert typed == general


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**53 + 1, 2**63, 2**70, 1e300, 1723161255342, 1723161255.25]),
    st.floats(allow_nan=False, width=32),
    st.sampled_from(
        [
            *("", "1.5", "-2", "+1", ".5", "1e3", "nan", "inf", "x", "buy", "SELL", "0x10", " 1"),
            *("2026-11-28T10:00:00Z", "2026-11-28T10:00:00.123456789Z", "2026-11-28", "now"),
            *("2026-11-28T10:00:00+01:00", "1723161255342", "007", "9007199254740993", "a\ud800"),
        ]
    ),
    st.lists(st.integers(0, 2), max_size=2),
    st.dictionaries(st.sampled_from("sp"), st.integers(0, 2), max_size=2),
)
ROWS = st.dictionaries(
    st.sampled_from(["s", "p", "q", "T", "S", "i", "x", "y", "e"]), VALUES, max_size=9
)
GOOD_ROWS = st.fixed_dictionaries(
    {
        "s": st.sampled_from(["A", "B"]),
        "p": st.sampled_from([1, 1.5, "2.25", None]),
        "T": st.integers(1723161255342, 1723161255345),
    },
    optional={"q": st.sampled_from(["1", 2]), "S": st.sampled_from(["buy", "sell"]), "x": VALUES},
)
MESSAGES = st.one_of(
    ROWS,
    GOOD_ROWS,
    st.fixed_dictionaries({"d": st.lists(st.one_of(GOOD_ROWS, ROWS), max_size=4)}),
    st.fixed_dictionaries({"d": st.lists(GOOD_ROWS, max_size=4), "c": st.sampled_from("tq")}),
    st.fixed_dictionaries({"d": st.one_of(GOOD_ROWS, ROWS, VALUES)}),
    st.fixed_dictionaries(
        {
            "d": st.lists(
                st.one_of(
                    st.fixed_dictionaries({"x": st.lists(GOOD_ROWS, max_size=2)}), ROWS, VALUES
                ),
                max_size=3,
            )
        }
    ),
    VALUES,
)
COLUMNS = {"symbol": "s", "price": "p", "size": "q", "side": "S", "trade_id": "i", "x": "x"}
SHORT = [
    {**COLUMNS, "time": "T"},
    {**COLUMNS, "time": "T:ms", "when": {"e": ["t", 1, True]}},
    {**COLUMNS, "rows": "d[]", "time": "T:iso"},
    {
        **COLUMNS,
        "rows": "d[]",
        "time": "T:ms",
        "when": {"/c": "t"},
        "old": {"y": {"present": True}},
    },
    [
        {**COLUMNS, "rows": "d[]", "when": {"/c": "t"}},
        {**COLUMNS, "when": {"p": {"present": True}}},
    ],
    [
        {**COLUMNS, "rows": "d[]", "when": {"/c": "t"}},
        {"symbol": "d.s", "price": "d.p", "when": {"d.s": {"present": True}}},
        {"symbol": "d.s", "bid": "d.p"},
    ],
    {**COLUMNS, "rows": "d[].x[]", "time": "T:ms"},
    {**COLUMNS, "side": {"from": "x", "sign": True}, "size": {"from": "x", "abs": True}},
    {"rows": "d[]", "symbol": {"value": "K"}, "bid": {"from": "p", "zero": "none", "abs": True}},
]


@settings(max_examples=examples(300), deadline=None)
@given(messages=st.lists(MESSAGES, max_size=6))
def test_both_ways_read_the_same_of_any_message(messages: list[Any]) -> None:
    """By each of the maps, also where values are missing, of another type, or invalid."""
    texts = [json.dumps(message) for message in messages]
    has_kinds = len(set(kinds_of(messages))) > 1
    for number, fields in enumerate(SHORT):
        typed, general = read_both(fields, texts)
        if has_kinds:
            # A batch's column has the kind of its first value, and one way may make two batches of
            # messages of which the other makes one.
            typed[0].pop("x", None)
            general[0].pop("x", None)
        assert typed == general, number


def kinds_of(message: Any) -> Iterator[str]:
    """Yield the kinds of the values of "x" in a message."""
    if isinstance(message, list):
        for item in message:
            yield from kinds_of(item)
    elif isinstance(message, dict):
        value = message.get("x")
        if isinstance(value, bool) or (isinstance(value, str) and not is_exact_number(value)):
            yield "text"
        elif isinstance(value, int | float | str):
            yield "number" if abs(float(value)) <= 2**53 else "large number"
        for item in message.values():
            yield from kinds_of(item)


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        ({"trade_id": {"from": "x", "map": {1: 7}}}, {"x": 1}),
        ({"time": {"from": "x", "map": {1: 1723161255342}}}, {"x": 1}),
        ({"time": {"from": "x", "map": {"a": 1723161255342}}}, {"x": "a"}),
        ({"time": {"from": "x", "map": {"a": 1723161255342}}}, {"x": "b"}),
        ({"time": {"from": "x", "after": "20"}}, {"x": "2026-11-28T10:00:00Z"}),
    ],
)
def test_both_ways_read_the_same_of_a_mapped_or_cut_id_or_time(columns: Any, row: Any) -> None:
    """Whole columns of integers and of times are read at once only where nothing is converted."""
    fields = {"symbol": "s", "price": "p", **columns}
    typed, general = read_both(fields, [json.dumps({"s": "A", "p": 1.5, **row})])
    assert typed == general


@pytest.mark.parametrize(
    "columns",
    [
        *({"size": {"value": each}} for each in ("abc", "1.5", -3, 10**30)),
        *({"time": {"value": each}} for each in (1723161255342, "2026-11-28T10:00:00Z", "abc")),
        *({"trade_id": {"value": each}} for each in (7, 1.5, "7")),
        *({"x": {"value": each}} for each in (float("nan"), "\ud800", "a" * 5000, "", 0, 2**60)),
        *({"ask": {"from": each, "after": "x_"}} for each in ("good", "bad")),
        {"size": {"from": "word", "map": {"ask": -5}}},
    ],
)
def test_both_ways_read_the_same_of_fixed_cut_and_mapped_numbers(columns: Any) -> None:
    """A number's rules hold for it however the map comes by it."""
    row = {"s": "A", "p": 1.5, "good": "x_7", "bad": "x_b", "word": "ask"}
    typed, general = read_both({"symbol": "s", "price": "p", **columns}, [json.dumps(row)])
    assert typed == general


@pytest.mark.parametrize("symbol", ["", "a" * 65, "a\nb", 7])
def test_symbol_that_a_map_gives_is_checked_with_the_map(symbol: Any) -> None:
    """No row would have it."""
    with pytest.raises(FieldMapError, match=r"symbol\.value"):
        parse_fields({"symbol": {"value": symbol}, "price": "p"})


def test_name_that_no_type_can_have_is_read_all_the_same() -> None:
    """JSON allows a backslash in a name, and half a pair of surrogates, which is no Unicode."""
    assert FieldReader(parse_fields({"symbol": "s", "price": "\ud800"})).read([]).batches == []
    taken = FieldReader(parse_fields({"symbol": "s", "price": "p\\q"})).read(
        [json.dumps({"s": "A", "p\\q": 1.5})]
    )
    assert np.asarray(taken.batches[0].columns["price"]).tolist() == [1.5]


def test_most_maps_have_types() -> None:
    """Without types, reading takes ten times as long, and nothing would say so."""
    compiled = {
        name for name, fields in MAPS.items() if FieldReader(parse_fields(fields))._compiled
    }
    assert compiled == set(MAPS)


def test_invalid_row_is_refused_by_name_and_the_others_are_taken() -> None:
    """The error names the column and the value."""
    rows = [{"s": "A", "p": "1.5"}, {"s": "A", "p": "x"}, {"s": "B", "p": 2}]
    taken = FieldReader(parse_fields({"rows": "data[]", "symbol": "s", "price": "p"})).read(
        [json.dumps({"data": rows})]
    )
    [batch] = taken.batches
    assert (batch.count, batch.refused) == (2, 1)
    assert (batch.errors[0].field, batch.errors[0].value) == ("price", "x")
    assert np.asarray(batch.columns["price"]).tolist() == [1.5, 2.0]


@pytest.mark.parametrize("typed", [True, False])
def test_row_whose_symbol_is_not_in_the_map_of_symbols_is_refused(typed: bool) -> None:
    """The other rows of its message are taken, and the error names the symbol."""
    fields = {"rows": "[]", "symbol": {"from": "s", "map": {"232949": "BFT"}}, "price": "p"}
    rows = [{"s": "232949", "p": 1.5}, {"s": "7", "p": 2.5}]
    [batch] = FieldReader(parse_fields(fields), typed=typed).read([json.dumps(rows)]).batches
    assert (batch.count, batch.refused) == (1, 1)
    assert (batch.errors[0].field, batch.errors[0].value) == ("symbol", "7")


@pytest.mark.parametrize("key", ["after", "before"])
def test_empty_text_around_a_value_is_refused_in_the_map(key: str) -> None:
    """Reading by such a map would raise with the first message."""
    with pytest.raises(FieldMapError) as caught:
        parse_fields({"symbol": {"from": "s", key: ""}, "price": "p"})
    assert caught.value.key == f"symbol.{key}"


REMEMBERING = {
    "remember": {"when": {"event": "subscribed"}, "key": "id", "value": "symbol"},
    "rows": "rows[]",
    "symbol": {"from": "/id", "remembered": True},
    "price": "p",
}


def test_rows_may_refer_to_what_an_earlier_message_said() -> None:
    """Bitfinex gives a number for the symbol; a new connection begins with new numbers."""
    reader = FieldReader(parse_fields(REMEMBERING))
    said = json.dumps({"event": "subscribed", "id": 7, "symbol": "BTC"})
    row = json.dumps({"id": 7, "rows": [{"p": 1.5}]})
    [batch] = reader.read([row, said, row]).batches
    symbols = batch.columns["symbol"]
    assert isinstance(symbols, Text)
    assert (batch.count, symbols.words) == (1, ["BTC"])
    reader.start_connection()
    assert reader.read([row]).others == [json.loads(row)]


def test_message_that_says_nothing_to_remember_is_as_none() -> None:
    """What is known is written to recordings: it has no value that JSON has not."""
    reader = FieldReader(parse_fields(REMEMBERING))
    said = {"event": "subscribed", "id": 7, "symbol": "BTC"}
    nothing = {"event": "subscribed", "id": 7}
    reader.read([json.dumps(each) for each in (said, nothing, {**nothing, "id": [7]})])
    assert reader.known[2] == [{}]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"remember": "x"}, "remember"),
        ({"remember": {"when": {}, "key": "id"}}, "remember.value"),
        ({"remember": {**REMEMBERING["remember"], "kep": 1}}, "remember.kep"),  # type: ignore[dict-item]
        ({"symbol": "/id"}, "remember"),
        ({"symbol": {"from": "/id", "remembered": 1}}, "symbol.remembered"),
    ],
)
def test_what_is_remembered_must_be_whole(change: dict[str, Any], key: str) -> None:
    """Half of it would read no row."""
    with pytest.raises(FieldMapError) as caught:
        parse_fields({**REMEMBERING, **change})
    assert caught.value.key == key
