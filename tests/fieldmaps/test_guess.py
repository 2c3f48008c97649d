"""Guess: a field map is found in the first messages of a websocket, and read by."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import plain_readers as plain
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_feeds import FEEDS, JsonFeed
from plain_readers import Rows
from recordings import wire_texts
from soaks import examples
from venue_rows import read_rows

from tickerkit.fieldmaps import FieldReader, Machine, guess_fields, parse_fields, parse_talk
from tickerkit.fieldmaps.guess import FieldGuesser
from tickerkit.log import TickLog

# Recording, and the plain readers of its trades and quotes.
RECORDED: dict[str, tuple[Callable[[Iterator[Any]], Rows], ...]] = {
    "binance_spot-btcusdt-trade_bookticker": (plain.read_binance_spot,),
    "binance_usdm-alts-combined": (plain.read_binance_usdm, plain.read_binance_aggregates),
    "binance_usdm-btcusdt-all": (plain.read_binance_usdm,),
    "binance_usdm-ethusdt-trade_bookticker": (plain.read_binance_usdm,),
    "bitstamp-all": (plain.read_bitstamp,),
    "bybit_v5-linear-tickers_trade": (plain.read_bybit, plain.read_bybit_tickers),
    "coinbase_advanced-btcusd-ticker_trades": (plain.read_coinbase_advanced,),
    "coinbase_exchange-ticker_match": (plain.read_coinbase,),
    "finnhub-tsla_aapl-sample": (plain.read_finnhub,),
    "gemini_v2-all": (plain.read_gemini_v2,),
    "kraken_v1-ticker": (plain.read_kraken_v1,),
    "kraken_v1-trade": (plain.read_kraken_v1,),
    "kraken_v2-book": (plain.read_kraken_v2_books,),
    "kucoin-ticker_match": (plain.read_kucoin_classic,),
    "okx_v5-tickers_trades": (plain.read_okx_trades, plain.read_okx_tickers),
}
# The map that reads the documented feed `wide`, whose names are data: each must be named.
WIDE = [
    {"symbol": {"value": "bitcoin"}, "price": "bitcoin"},
    {"symbol": {"value": "ethereum"}, "price": "ethereum"},
]
CORE = ["symbol", "price", "size", "time", "side", "bid", "bid_size", "ask", "ask_size", "trade_id"]
FIRST = 200
MESSAGES = 3000


def read(fields: Any, messages: list[str | bytes]) -> pd.DataFrame:
    """Return the ticks that a map reads, as a log has them."""
    log = TickLog(100_000)
    for batch in FieldReader(parse_fields(fields)).read(messages).batches:
        log.append(batch, received=0)
    return log.frame().drop(columns=["seq", "received", "epoch"])


def core(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the fields of ticks in an order that does not depend on who has read them."""
    fields = [{name: row[name] for name in CORE if name in row} for row in rows]
    return sorted(fields, key=repr)


def messages_of(folder: Path, name: str) -> list[str | bytes]:
    """Return the first messages of a recording."""
    [path] = (folder / "frames").glob(f"{name}.jsonl*")
    return [text.encode() for text in islice(wire_texts(path), MESSAGES)]


def encoded(feed: JsonFeed) -> list[str | bytes]:
    """Return the messages of a feed as they are sent."""
    return [json.dumps(message) for message in feed.messages]


def missing(rows: list[dict[str, Any]], frame: pd.DataFrame) -> Iterator[str]:
    """Yield what is not as it should be."""
    if len(rows) != len(frame):
        yield f"{len(frame)} ticks instead of {len(rows)}"
    for number, (row, (_, tick)) in enumerate(zip(rows, frame.iterrows(), strict=False)):
        for name, value in row.items():
            got = tick.get(name)
            if name == "time":
                unit = "s" if isinstance(value, float | int) else None
                wanted: Any = pd.Timestamp(value, unit=unit, tz="UTC").round("us")
                if isinstance(value, str):
                    wanted = pd.Timestamp(value, tz="UTC")
                same = got is not None and abs(got - wanted) < pd.Timedelta("1us")
            elif value is None:
                same = got is None or bool(pd.isna(got))
            else:
                same = got == value
            if not same:
                yield f"{number}: {name} is {got!r} instead of {value!r}"


@pytest.mark.parametrize("name", sorted(set(FEEDS) - {"wide"}))
def test_documented_feed_is_guessed(name: str) -> None:
    """Messages as the documentation of a protocol has them, read as a person reads them."""
    messages = encoded(FEEDS[name])
    fields = guess_fields(messages)
    assert fields is not None
    assert list(missing(FEEDS[name].ticks, read(fields, messages))) == []


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_feed_is_guessed(name: str, recorded: Path) -> None:
    """A guess from the first messages reads the rest as readers written by hand do."""
    messages = messages_of(recorded, name)
    fields = guess_fields(messages[:FIRST])
    guessed, _ = read_rows(parse_fields(fields), messages)
    frames = list(map(json.loads, messages))
    expected = core(row for reader in RECORDED[name] for row in reader(iter(frames)))
    differ = [(a, b) for a, b in zip(core(guessed), expected, strict=False) if a != b]
    assert differ[:3] == []
    assert len(guessed) == len(expected) > 0


def test_feed_that_is_guessed_wrongly_is_read_by_a_map() -> None:
    """Where names are data, no right map can be guessed, but one can be written."""
    ticks, messages = FEEDS["wide"].ticks, encoded(FEEDS["wide"])
    assert list(missing(ticks, read(guess_fields(messages), messages)))
    assert list(missing(ticks, read(WIDE, messages))) == []


def test_numbers_for_symbols_are_not_guessed(recorded: Path) -> None:
    """Bitfinex names symbols by numbers that an earlier message explains: no map is better."""
    assert guess_fields(messages_of(recorded, "bitfinex_v2-all")[:FIRST]) is None


def test_changes_of_a_book_are_no_quotes() -> None:
    """The first level of a change is any level: a quote made of it would be wrong in silence."""
    changes = [
        {"e": "depthUpdate", "s": "BTCUSDT", "b": [["7.50", "813"], ["7.60", "0"]], "a": []},
        {"e": "depthUpdate", "s": "BTCUSDT", "b": [], "a": [["7.61", "2"]]},
    ]
    assert guess_fields([json.dumps(change) for change in changes]) is None


def test_answers_and_signs_of_life_are_no_rows() -> None:
    """Their numbers are no measurements."""
    messages = [
        {"result": None, "id": 1},
        {"event": "info", "version": 2, "platform": {"status": 1}},
        {"type": "heartbeat", "sequence": 90, "last_trade_id": 20, "product_id": "BTC-USD"},
        {"success": True, "ret_msg": "", "conn_id": "d8bu", "op": "subscribe"},
        {"sessionId": "abc", "message": "welcome", "pingInterval": 18000},
        {"ping": 1764324000111},
        {"channel": "heartbeats", "events": [{"heartbeat_counter": 41691}]},
    ]
    assert guess_fields([json.dumps(message) for message in messages]) is None


def test_guess_is_a_map_that_can_be_read_and_copied() -> None:
    """Conditions, rows and conversions stand in it only where they are needed."""
    sensor = {"sensor": "kitchen", "temperature": 21.5, "ts": 1764324000}
    assert guess_fields([json.dumps(sensor)]) == {
        "symbol": "sensor",
        "time": "ts:s",
        "temperature": "temperature",
    }
    trade = {"e": "trade", "s": "BTCUSDT", "p": "61837.63", "q": "0.02", "T": 1723161255342}
    assert guess_fields([json.dumps({**trade, "m": True})]) == {
        "when": {"e": "trade"},
        "symbol": "s",
        "price": "p",
        "size": "q",
        "time": "T:ms",
        "side": {"from": "m", "buy": False, "sell": True},
    }


def test_column_with_a_name_near_one_of_the_map_is_spelled_out() -> None:
    """A map refuses the short form of `trade_ids`, which may be a mistake for `trade_id`."""
    fields = guess_fields(['{"sensor": "a", "sizes": 2.5, "epoch": 3.5}'])
    assert fields == {"symbol": "sensor", "sizes": {"from": "sizes"}, "source_epoch": "epoch"}


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 3),
        st.sampled_from([2**53 + 1, 2**70, 1e300, 1764324000, 1764324000123, 1764324000.5]),
        st.sampled_from(["", "1.5", "-2", "nan", "BTC-USD", "buy", "trade.BTCUSDT", "a@b", '"']),
        st.sampled_from(["2025-11-28T10:00:00Z", "2025-99-99T10:00:00Z", "a\u0000b", "x" * 70]),
        st.text(max_size=3),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(
                st.sampled_from(["s", "p", "q", "T", "t", "b", "a", "symbol", "price", "data"]),
                st.sampled_from(["bids", "asks", "time", "type", "channel", "rows", "id", "bbo"]),
                st.sampled_from(["a.b", 'a"b', "", "[0]", "/x", "^y", "a:ms", "seq", "orders"]),
                st.text(max_size=3),
            ),
            inner,
            max_size=6,
        ),
    ),
    max_leaves=25,
)


@settings(max_examples=examples(600), deadline=None)
@given(messages=st.lists(JSON, max_size=5))
def test_any_json_is_guessed_without_an_error(messages: list[Any]) -> None:
    """What is guessed is a map, and reads at least one of the messages."""
    texts: list[str | bytes] = [json.dumps(message) for message in messages]
    fields = guess_fields(texts)
    if fields is not None:
        assert parse_fields(fields).given == fields
        assert sum(batch.count for batch in FieldReader(parse_fields(fields)).read(texts).batches)


@pytest.mark.parametrize(
    "huge", [10**400, -(10**400), "9" * 50], ids=["positive", "negative", "text"]
)
@pytest.mark.parametrize("key", ["p", "T", "x"])
def test_number_that_no_float_holds_is_no_number(key: str, huge: object) -> None:
    """One message with it must not end the connection."""
    message = {"s": "BTCUSDT", "p": 1.5, "q": 2.0, "T": 1764324000123, "b": 1.0, "a": 2.0}
    guess_fields([json.dumps(message), json.dumps({**message, key: huge})])
    guess_fields([json.dumps({**message, key: huge})])


@settings(max_examples=examples(100), deadline=None)
@given(messages=st.lists(st.binary(max_size=30), max_size=4))
def test_any_bytes_are_skipped_without_an_error(messages: list[bytes]) -> None:
    """What is not JSON tells nothing."""
    guess_fields(messages)


# --- guessing while messages come -------------------------------------------------------------


def machine_of(texts: list[str | bytes], *, every_s: float) -> tuple[Machine, list[int]]:
    """Return a machine that has received messages one by one, and how many ticks each brought."""
    machine = Machine(None)
    machine.start_connection(0.0)
    counts = []
    for number, text in enumerate(texts):
        now = number * every_s
        received = [machine.receive([text], now)]
        if (due := machine.due()) is not None and due < now + every_s:
            received.append(machine.receive([], due))
        counts.append(sum(batch.count for each in received for batch in each.batches))
    return machine, counts


def test_messages_before_the_guess_are_not_lost() -> None:
    """They are held for a second, in which other kinds of messages come."""
    machine = Machine(None)
    machine.start_connection(0.0)
    texts = encoded(FEEDS["kraken_v2"])
    assert machine.receive(texts, 0.5).batches == []
    assert machine.fields is None
    assert machine.due() == 1.5
    received = machine.receive([], 1.5)
    assert sum(batch.count for batch in received.batches) == 2
    assert machine.due() is None
    assert machine.fields is not None


def test_many_messages_are_guessed_from_at_once() -> None:
    """A busy feed does not wait for a second."""
    machine = Machine(None)
    machine.start_connection(0.0)
    [text] = encoded(FEEDS["oanda"])[:1]
    assert sum(batch.count for batch in machine.receive([text] * 200, 0.0).batches) == 200


def test_kind_of_message_that_comes_later_is_added() -> None:
    """Trades were guessed alone; with the first quote the map gets a second table."""
    machine, counts = machine_of(encoded(FEEDS["kraken_v2"]), every_s=5.0)
    assert counts == [0, 0, 0, 1, 1]
    assert machine.fields is not None
    assert [table["when"] for table in machine.fields.given] == [
        {"/channel": "trade"},
        {"/channel": "ticker"},
    ]


def test_field_that_comes_later_becomes_a_column() -> None:
    """Devices of one hub measure different things; no row is read twice."""
    plug = json.dumps({"topic": "plug", "payload": {"power": 12.5, "temperature": 30.5}})
    texts = [*encoded(FEEDS["zigbee2mqtt"]), plug, plug, plug]
    machine, counts = machine_of(texts, every_s=5.0)
    assert counts == [0, 1, 1, 1, 1, 1]
    assert machine.fields is not None
    assert machine.fields.given["power"] == "payload.power"


def test_map_that_is_extended_keeps_what_it_knows() -> None:
    """A row with only what has changed is completed, though a table was added meanwhile."""
    fields = {"when": {"e": "q"}, "merge": True, "symbol": "s", "bid": "b", "ask": "a"}
    reader = FieldReader(parse_fields(fields))
    reader.read(['{"e": "q", "s": "A", "b": 1, "a": 2}'])
    reader.extend(parse_fields([fields, {"when": {"e": "t"}, "symbol": "s", "price": "p"}]))
    taken = reader.read(['{"e": "q", "s": "A", "a": 3}', '{"e": "t", "s": "A", "p": 2.5}'])
    log = TickLog(10)
    for batch in taken.batches:
        log.append(batch, received=0)
    assert log.frame()["bid"].tolist()[0] == 1
    assert log.frame()["price"].tolist()[1] == 2.5


def test_message_that_is_never_understood_is_counted_and_held_within_bounds() -> None:
    """Its shape is shown, so that a map can be written."""
    machine = Machine(None)
    machine.start_connection(0.0)
    for number in range(30):
        machine.receive(['{"event": "info", "version": 2}'] * 100, float(number))
    assert machine.fields is None
    assert machine.shapes.counts == {'{event: "info", version}': 3000}
    assert len(machine._guesser.held) <= 2000


def test_subscription_is_sent_after_a_greeting_while_nothing_is_understood() -> None:
    """A guess may need what the subscription brings."""
    talk = parse_talk({"op": "subscribe"}, wait_for={"type": "welcome"})
    machine = Machine(None, talk)
    assert machine.start_connection(0.0) == []
    assert machine.receive(['{"type": "welcome"}'], 0.0).sends == ['{"op":"subscribe"}']


def test_guesser_gives_up_the_oldest_messages() -> None:
    """Eight mebibytes of messages that no map reads are held."""
    guesser = FieldGuesser()
    for number in range(20):
        guesser.hold([b" " * 2**19 + str(number).encode()], 0.0)
    assert len(guesser.held) == 15
    assert guesser.held[-1].endswith(b"19")
    assert guesser.due() == 1.0
