"""Presets: what each venue is sent, and what is read of its messages, as its documentation has it.

The folder `documented` has these messages: for each venue what it says first (greetings), what each
of its sockets is sent for the first two examples of symbols (subscriptions), a ping and its answer,
answers with the status of each subscription then (the first symbol's trades and quotes, then the
second's), announced ends, other messages without rows, messages with their ticks (reads), and an
answer with past trades. In ticks, times are epoch nanoseconds, and X is the request's symbol.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from venue_rows import map_of, read_rows, rows_of

from tickerkit.errors import InvalidArgument
from tickerkit.fieldmaps import FieldMap
from tickerkit.presets import Fetch, Link, Missing, Reconnect, Venue
from tickerkit.presets.files import list_presets, load_preset
from tickerkit.presets.preset import CHANNELS
from tickerkit.presets.spelling import spell
from tickerkit.sources import venue as create_venue
from tickerkit.ticks import Batch

NAMES = (
    *("alpaca", "binance", "binance-usdm", "binance-usdm-agg", "bitfinex", "bitget", "bitstamp"),
    *("bybit", "bybit-linear", "coinbase", "coinbase-advanced", "finnhub", "gemini", "hyperliquid"),
    *("kraken", "kucoin", "okx", "upbit"),
)
DOCUMENTED = {
    name: json.loads((Path(__file__).parent / "documented" / f"{name}.json").read_text("utf-8"))
    for name in NAMES
}
KEYS = {"key": "K", "secret": "S", "token": "T"}


def connect(
    name: str, channels: tuple[str, ...] = ("trades", "quotes")
) -> tuple[Venue, list[Link]]:
    """Return a venue with its connections, before anything is sent."""
    preset = load_preset(name)
    venue = Venue(preset, preset.symbols.examples[:2], channels, KEYS)
    return venue, [venue.open(socket, 0.0)[0] for socket in venue.sockets()]


def take_sends(link: Link, start: float = 0.0) -> list[Any]:
    """Return what a connection sends within 5 seconds, decoded."""
    texts = [text for step in range(50) for text in link.take_sends(start + step / 10)]
    return [text if text in ("ping", "PING") else json.loads(text) for text in texts]


def talk(name: str, link: Link) -> list[Any]:
    """Return what is sent up to the subscriptions, with the venue's greetings in between."""
    sends = take_sends(link)
    for greeting in DOCUMENTED[name]["greetings"]:
        assert link.receive([json.dumps(greeting)], 5.0) == ([], [])
        sends += take_sends(link, 5.0)
    return sends


def test_there_is_a_preset_for_each_venue() -> None:
    """Of the names that the documentation lists."""
    assert list_presets() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_preset_says_all_that_a_user_must_know(name: str) -> None:
    """Its sources with the date, what its quotes are, its limits and the reach of past trades."""
    preset = load_preset(name)
    assert preset.name == name
    datetime.date.fromisoformat(preset.checked)
    assert preset.sources
    assert all(link.startswith("https://") for link in preset.sources)
    assert preset.title
    assert preset.about.endswith(".")
    assert preset.quotes
    for socket in preset.sockets:
        assert socket.url.startswith("wss://")
        assert socket.messages_per_s > 0
        assert socket.symbols_per_socket
        unknown = ("alpaca", "bitstamp", "finnhub")
        assert (socket.connects_per_minute is None) == (name in unknown)
        assert socket.errors
        channels = {each for one in socket.subscriptions for each in one.channels}
        # Levels of which quotes are made serve as a book, too.
        books = {"book"} if any(read.is_book for read in socket.reads) else set()
        assert channels == {read.channel for read in socket.reads} | books
    if preset.backfill is not None:
        parts = urlsplit(preset.backfill.base)
        assert (parts.scheme, parts.path) == ("https", "")
        assert preset.backfill.reach
        assert "{symbol" in preset.backfill.get + json.dumps(preset.backfill.post)
    else:
        assert name == "finnhub"


@pytest.mark.parametrize("name", NAMES)
def test_examples_of_symbols_spell_to_themselves(name: str) -> None:
    """So that an error never proposes what it would refuse."""
    preset = load_preset(name)
    assert len(preset.symbols.examples) > 1
    for symbol in preset.symbols.examples:
        assert spell(name, preset.symbols, symbol) == symbol


@pytest.mark.parametrize(
    ("name", "given", "spelled"),
    [
        ("bitfinex", "BTC/USD", "tBTCUSD"),
        ("bitfinex", "btcusd", "tBTCUSD"),
        ("bitfinex", "DUSK-USD", "tDUSK:USD"),
        ("bitfinex", "duskusd", "tDUSK:USD"),
        ("bitfinex", "TRXUSD", "tTRXUSD"),
        ("bitfinex", "BTC/USDT", "tBTCUST"),
        ("kraken", "XBT/USD", "BTC/USD"),
        ("kraken", "xbtusd", "BTC/USD"),
        ("kraken", "dotusd", "DOT/USD"),
        ("upbit", "BTC/KRW", "KRW-BTC"),
        ("okx", "btc/usdt", "BTC-USDT"),
        ("gemini", "BTC-USD", "btcusd"),
        ("kraken", "btcusd", "BTC/USD"),
        ("hyperliquid", "kPEPE", "kPEPE"),
        ("alpaca", "brk.b", "BRK.B"),
    ],
)
def test_symbol_is_taken_in_any_certain_spelling(name: str, given: str, spelled: str) -> None:
    """And sent as the venue spells it."""
    assert spell(name, load_preset(name).symbols, given) == spelled


@pytest.mark.parametrize("name", NAMES)
def test_subscriptions_are_those_of_the_documentation(name: str) -> None:
    """Word by word, with what is sent before them."""
    _, links = connect(name)
    assert [talk(name, link) for link in links] == DOCUMENTED[name]["subscriptions"]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "finnhub"])
@pytest.mark.parametrize("channel", ["trades", "quotes"])
def test_one_channel_is_subscribed_alone(name: str, channel: str) -> None:
    """Nothing else is asked for."""
    venue, links = connect(name, (channel,))
    assert [talk(name, link) for link in links]
    assert {kind for _, kind in venue.lives} == {channel}
    assert {symbol for symbol, _ in venue.lives} == set(venue.symbols)


@pytest.mark.parametrize("name", NAMES)
def test_ping_is_that_of_the_documentation(name: str) -> None:
    """And its answer is a message that the preset knows."""
    venue, links = connect(name)
    ping, answer = DOCUMENTED[name]["ping"], DOCUMENTED[name]["pong"]
    for link in links:
        talk(name, link)
        sent = take_sends(link, 40.0)[:1]
        assert sent == ([] if ping is None else [ping])
        if answer is not None:
            text = answer if answer == "pong" else json.dumps(answer)
            assert not venue.receive(link, [text], 45.0, 0)
            assert not venue.shapes.counts


@pytest.mark.parametrize("name", NAMES)
def test_answers_confirm_and_refuse_what_they_are_about(name: str) -> None:
    """A subscription that nobody refused is not refused, one that nobody confirmed not acked."""
    for case in DOCUMENTED[name]["answers"]:
        venue, links = connect(name)
        for link in links:
            talk(name, link)
        for answer in case["messages"]:
            links[answer["socket"]].receive([json.dumps(answer["message"])], 6.0)
        first, second = venue.symbols
        found = [venue.lives[key].status(7.0) for key in lives(venue, first, second)]
        assert found == case["statuses"]
        assert not venue.shapes.counts


def lives(venue: Venue, first: str, second: str) -> list[tuple[str, str]]:
    """Return the subscriptions of two symbols in the order of the documented statuses."""
    keys = [(symbol, channel) for symbol in (first, second) for channel in ("trades", "quotes")]
    return [key for key in keys if key in venue.lives]


@pytest.mark.parametrize("name", NAMES)
def test_announced_end_is_a_planned_reconnect(name: str) -> None:
    """So that the next connection is opened before this one ends."""
    for message in DOCUMENTED[name]["ends"]:
        _, [*_, link] = connect(name)
        _, [event] = link.receive([json.dumps(message)], 6.0)
        assert isinstance(event, Reconnect)
        assert event.is_planned


@pytest.mark.parametrize("name", NAMES)
def test_messages_without_rows_are_known(name: str) -> None:
    """They are no unknown shapes, and no ticks."""
    venue, [*_, link] = connect(name)
    for message in DOCUMENTED[name]["without_rows"]:
        assert not venue.receive(link, [json.dumps(message)], 6.0, 0)
    assert not venue.shapes.counts


def test_nothing_is_subscribed_before_the_venue_is_ready() -> None:
    """Alpaca greets, then takes the key; it would refuse what came before."""
    _, [link] = connect("alpaca")
    connected, authenticated = map(json.dumps, DOCUMENTED["alpaca"]["greetings"])
    assert take_sends(link) == []
    link.receive([connected], 1.0)
    assert take_sends(link, 1.0) == [{"action": "auth", "key": "K", "secret": "S"}]
    link.receive([authenticated], 2.0)
    [subscription] = take_sends(link, 2.0)
    assert subscription["action"] == "subscribe"


def test_connection_that_never_gets_ready_is_replaced() -> None:
    """The venue may have forgotten to greet."""
    _, [link] = connect("kucoin")
    assert link.due() is not None
    assert link.tick(29.0) == []
    [event] = link.tick(30.0)
    assert isinstance(event, Reconnect)


def test_heartbeat_shows_a_trade_that_did_not_come() -> None:
    """Coinbase names the newest trade each second; what came with it is no hole."""
    venue, [link] = connect("coinbase", ("trades",))
    trade = DOCUMENTED["coinbase"]["reads"][1]["message"]
    [heartbeat] = DOCUMENTED["coinbase"]["without_rows"]

    def trade_of(number: int) -> str:
        return json.dumps({**trade, "trade_id": number})

    def heartbeat_of(number: int) -> str:
        return json.dumps({**heartbeat, "last_trade_id": number})

    assert venue.receive(link, [heartbeat_of(7)], 5.0, 0) == []
    for number in (8, 9):
        [batch] = venue.receive(link, [trade_of(number), heartbeat_of(number)], 6.0, 0)
        assert isinstance(batch, Batch)
    [fetch] = venue.receive(link, [heartbeat_of(11)], 7.0, 0)
    assert isinstance(fetch, Fetch)
    assert (fetch.symbol, fetch.after, fetch.before) == ("BTC-USD", 9, 12)
    [gap] = venue.tick(13.0)
    assert gap == Missing("BTC-USD", 2, "BTC-USD trades 10 to 11 did not come")


@pytest.mark.parametrize("is_whole", [True, False])
def test_ids_that_are_text_identify_trades_and_are_in_no_column(is_whole: bool) -> None:
    """Bybit's are UUIDs; the past trades of a break overlap at both ends, or there is a gap."""
    venue, [link] = connect("bybit-linear", ("trades",))
    take_sends(link)
    live = DOCUMENTED["bybit-linear"]["reads"][0]["message"]
    past = DOCUMENTED["bybit-linear"]["past"]["message"]

    def live_of(*trades: tuple[int, str]) -> str:
        rows = [{**live["data"][0], "T": time, "i": key} for time, key in trades]
        return json.dumps({**live, "data": rows})

    def past_of(*trades: tuple[int, str]) -> str:
        row = {**past["result"]["list"][0], "symbol": "BTCUSDT"}
        rows = [{**row, "time": str(time), "execId": key} for time, key in reversed(trades)]
        return json.dumps({"retCode": 0, "result": {"category": "linear", "list": rows}})

    [batch] = venue.receive(link, [live_of((1, "a-1"), (2, "a-2"), (2, "a-3"))], 6.0, 0)
    assert isinstance(batch, Batch)
    assert venue.receive(link, [live_of((2, "a-2"))], 7.0, 0) == []
    venue.close(link, 8.0, by_venue=True)
    link, [fetch] = venue.open(venue.sockets()[0], 8.0, resumes=True)
    assert isinstance(fetch, Fetch)
    assert venue.receive(link, [live_of((5, "a-7"), (6, "a-8"))], 9.0, 0) == []
    before = [(1, "a-1")] if is_whole else []
    page = [*before, (2, "a-2"), (2, "a-3"), (2, "a-4"), (3, "a-5"), (5, "a-7"), (6, "a-8")]
    events = [*venue.backfilled(fetch, [past_of(*page)], 9.1), *venue.tick(30.0)]
    batches = [each for each in events if isinstance(each, Batch)]
    assert [each.count for each in batches] == ([2, 2] if is_whole else [1, 1, 2])
    assert all("trade_key" not in each.columns for each in [batch, *batches])
    gaps = [each for each in events if isinstance(each, Missing)]
    assert len(gaps) == (not is_whole)


def test_random_ids_do_not_reverse_the_trades_of_an_instant() -> None:
    """Hyperliquid's are hashes: that the second is smaller does not say that it came first."""
    venue, [link] = connect("hyperliquid", ("trades",))
    message = DOCUMENTED["hyperliquid"]["reads"][0]["message"]
    [row] = message["data"]
    rows = [{**row, "tid": 9}, {**row, "tid": 5}]
    [batch] = venue.receive(link, [json.dumps({**message, "data": rows})], 6.0, 0)
    assert batch.columns["trade_id"].tolist() == [9, 5]  # type: ignore[union-attr]


def test_old_trades_of_a_new_connection_are_no_proof() -> None:
    """Hyperliquid sends some first, and does not say that they are all."""
    venue, [link] = connect("hyperliquid", ("trades",))
    take_sends(link)
    message = json.dumps(DOCUMENTED["hyperliquid"]["reads"][0]["message"])
    [batch] = venue.receive(link, [message], 6.0, 0)
    assert isinstance(batch, Batch)
    assert venue.receive(link, [message], 7.0, 0) == []
    venue.close(link, 8.0, by_venue=True)
    link, [fetch] = venue.open(venue.sockets()[0], 8.0, resumes=True)
    assert isinstance(fetch, Fetch)
    assert venue.receive(link, [message], 9.0, 0) == []
    [gap] = [each for each in venue.tick(1000.0) if not isinstance(each, Fetch)]
    assert isinstance(gap, Missing)
    assert gap.count is None


def test_more_symbols_than_a_venue_takes_are_refused() -> None:
    """It would drop the connection, or ignore them."""
    with pytest.raises(InvalidArgument, match="at most 50 symbols of finnhub"):
        create_venue("finnhub", [f"A{number}" for number in range(51)], token="T")


def test_more_connections_than_a_venue_takes_are_refused() -> None:
    """Alpaca would refuse the second one for ever."""
    keys = {"key": "K", "secret": "S"}
    assert create_venue("alpaca", "AAPL", feeds=1, **keys)
    with pytest.raises(InvalidArgument, match="feeds"):
        create_venue("alpaca", "AAPL", feeds=2, **keys)


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "general"])
@pytest.mark.parametrize("name", NAMES)
def test_documented_messages_are_read(name: str, typed: bool) -> None:
    """A message for each way in which rows come, with the ticks that it has."""
    fields = map_of(load_preset(name))
    messages = [json.dumps(each["message"]) for each in DOCUMENTED[name]["reads"]]
    expected = [tick for each in DOCUMENTED[name]["reads"] for tick in each["ticks"]]
    rows, _ = read_rows(fields, messages, typed=typed)
    assert rows == expected


@pytest.mark.parametrize("name", NAMES)
def test_each_reader_of_a_preset_reads_a_documented_message(name: str) -> None:
    """A reader without one could be wrong, and nothing would say so."""
    messages = [json.dumps(each["message"]) for each in DOCUMENTED[name]["reads"]]
    for reading in map_of(load_preset(name)).readings:
        rows, _ = read_rows(FieldMap((reading,), None), messages, typed=False)
        assert rows


@pytest.mark.parametrize("name", NAMES)
def test_past_trades_are_read(name: str) -> None:
    """Of the venue's REST interface; a row that names no symbol gets that of the request."""
    backfill, past = load_preset(name).backfill, DOCUMENTED[name]["past"]
    assert (backfill is None) == (past is None)
    if backfill is None:
        return
    fields = FieldMap((backfill.reading,), None)
    rows, _ = read_rows(fields, [json.dumps(past["message"])], typed=False)
    rows = [{**row, "symbol": row["symbol"].replace("{symbol}", "X")} for row in rows]
    assert rows == past["ticks"]


def test_most_presets_are_read_by_types() -> None:
    """The others remember earlier messages, and have few."""
    from tickerkit.fieldmaps.compiled import compile_map

    general = {name for name in NAMES if compile_map(map_of(load_preset(name))) is None}
    assert general == {"bitfinex", "hyperliquid"}


BOOKS = [name for name in NAMES if "books" in DOCUMENTED[name]]


def test_each_venue_with_books_has_documented_ones() -> None:
    """A preset that brings order books could be wrong otherwise, and nothing would say so."""
    assert [name for name in NAMES if "book" in load_preset(name).channels] == BOOKS


@pytest.mark.parametrize("channels", [("book",), ("quotes", "book"), CHANNELS])
@pytest.mark.parametrize("name", BOOKS)
def test_documented_books_are_read(name: str, channels: tuple[str, ...]) -> None:
    """Whole books, and books that change level by level; with the best of both sides as a quote."""
    venue, [link] = connect(name, channels)
    for each in DOCUMENTED[name]["books"]:
        events = venue.receive(link, [json.dumps(each["message"])], 1.0, 5)
        books = [book for event in events if isinstance(event, Batch) for book in event.books]
        if "bids" not in each:
            assert books == []
            continue
        [book] = books
        assert book.bids is not None
        assert book.asks is not None
        assert (book.bids.tolist(), book.asks.tolist()) == (each["bids"], each["asks"])
        assert book.time == each.get("time", 5)
        rows = rows_of(event for event in events if isinstance(event, Batch))
        has_own_quotes = name in ("kraken", "binance-usdm") and "quotes" in channels
        assert len(rows) == (0 if has_own_quotes else 1)
        for row in rows:
            assert [row["bid"], row["bid_size"]] == each["bids"][0]
            assert [row["ask"], row["ask_size"]] == each["asks"][0]
    rows_by_channel = {row["channel"]: row["rows"] for row in venue.freshness(2.0)}
    assert rows_by_channel["book"] >= 1


@pytest.mark.parametrize("channels", [("book",), ("trades", "book"), CHANNELS])
@pytest.mark.parametrize("name", BOOKS)
def test_books_are_subscribed_to(name: str, channels: tuple[str, ...]) -> None:
    """With any other channels, and each channel of a symbol once."""
    _, [link] = connect(name, channels)
    asked = [key for request in link._outbox.waiting for key in request.asked]
    assert len(asked) == len(set(asked))
    assert {channel for _, channel in asked} == set(channels)


def test_channel_that_a_venue_lacks_is_refused() -> None:
    """By name, with those that it has."""
    with pytest.raises(InvalidArgument, match=r"channels.*'book'.*upbit has no other channel"):
        create_venue("upbit", "KRW-BTC", ["trades", "book"])
