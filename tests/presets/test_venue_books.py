"""Whole order books of venues, read from recorded frames as they were sent."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from recordings import wire_texts

import tickerkit as tk
from tickerkit.presets import Venue
from tickerkit.presets.files import load_preset
from tickerkit.presets.preset import Preset
from tickerkit.testing import FakeVenue
from tickerkit.ticks import Batch, Levels, Side


def read_books(preset: Preset, texts: list[str]) -> list[list[Levels]]:
    """Return the books that come with each message."""
    venue = Venue(preset, preset.symbols.examples[:1], ("book",))
    link, _ = venue.open(preset.sockets[0], 0.0)
    found = []
    for text in texts:
        events = venue.receive(link, [text], 1.0, 1)
        assert all(isinstance(event, Batch) for event in events)
        found.append([book for event in events for book in event.books])  # type: ignore[union-attr]
    return found


def kraken_checksum(book: Levels) -> int:
    """Return the checksum that Kraken sends with each change of BTC/USD: of ten levels a side."""
    assert book.bids is not None
    assert book.asks is not None
    text = ""
    for side in (book.asks, book.bids):
        for price, size in side[:10].tolist():
            for digits in (f"{price:.1f}", f"{size:.8f}"):
                text += digits.replace(".", "").lstrip("0")
    return zlib.crc32(text.encode())


def test_recorded_book_of_kraken_has_the_checksums_of_the_venue(recorded: Path) -> None:
    """After each of 509 changes; levels that fell out of the book of ten are dropped."""
    texts = list(wire_texts(recorded / "frames" / "kraken_v2-book.jsonl.gz"))
    preset = load_preset("kraken")
    [socket] = preset.sockets
    reads = tuple(replace(read, depth=10 if read.is_book else None) for read in socket.reads)
    preset = replace(preset, sockets=(replace(socket, reads=reads),))
    books = read_books(preset, texts)
    sums = [json.loads(text)["data"][0].get("checksum") for text in texts]
    pairs = [(book, want) for [book], want in zip(books[1:], sums[1:], strict=True)]
    assert len(pairs) == 509
    assert [kraken_checksum(book) for book, _ in pairs] == [want for _, want in pairs]
    assert all(len(side) == 10 for book, _ in pairs for side in (book.bids, book.asks))  # type: ignore[arg-type]


def test_recorded_books_of_bitfinex_are_those_of_a_plain_reader(recorded: Path) -> None:
    """After each message: every level of both sides, unless the book is crossed."""
    texts = list(wire_texts(recorded / "frames" / "bitfinex_v2-all.jsonl.gz"))
    channels: dict[int, str] = {}
    plain: dict[str, dict[str, dict[float, float]]] = {}
    count = 0
    for text, books in zip(texts, read_books(load_preset("bitfinex"), texts), strict=True):
        frame = json.loads(text)
        if isinstance(frame, dict):
            if frame.get("channel") == "book" and frame["event"] == "subscribed":
                channels[frame["chanId"]] = frame["symbol"]
        elif frame[0] in channels and frame[1] != "hb":
            symbol, rows = channels[frame[0]], frame[1]
            if isinstance(rows[0], list):
                plain[symbol] = {"bids": {}, "asks": {}}
            for price, orders, size in rows if isinstance(rows[0], list) else [rows]:
                side = plain[symbol]["bids" if size > 0 else "asks"]
                side.pop(float(price), None)
                if orders:
                    side[float(price)] = abs(float(size))
            bids = sorted(plain[symbol]["bids"].items(), reverse=True)
            asks = sorted(plain[symbol]["asks"].items())
            if bids and asks and bids[0][0] >= asks[0][0]:
                assert books == []
                continue
            [book] = books
            assert (book.symbol, pairs_of(book.bids), pairs_of(book.asks)) == (symbol, bids, asks)
            count += 1
        else:
            assert books == []
    assert count > 1000


def pairs_of(side: Side | None) -> list[tuple[float, float]]:
    """Return the levels of a side as pairs."""
    assert side is not None
    return [(price, size) for price, size in side.tolist()]


def test_recorded_depth_of_binance_is_read_level_by_level(recorded: Path) -> None:
    """Each message's levels, without those of size 0: the stream of whole books has this form."""
    texts = list(wire_texts(recorded / "frames" / "binance_usdm-alts-combined.jsonl.gz"))
    count = 0
    for text, books in zip(texts, read_books(load_preset("binance-usdm"), texts), strict=True):
        data = json.loads(text)["data"]
        if data["e"] != "depthUpdate":
            assert books == []
            continue
        [book] = books
        for side, levels, sign in ((book.bids, data["b"], -1), (book.asks, data["a"], 1)):
            wanted = [(float(price), float(size)) for price, size in levels if float(size)]
            assert pairs_of(side) == sorted(wanted, key=lambda each: sign * each[0])
        assert (book.symbol, book.time) == (data["s"], data["T"] * 10**6)
        count += 1
    assert count == 764


BITSTAMP: list[Any] = [
    {
        "event": "data",
        "channel": "order_book_btcusd",
        "data": {
            "microtimestamp": str(1643643584684047 + number),
            "bids": [["99.5", "2"], ["99.0", "1"]],
            "asks": [[str(100 + number), "3"]],
        },
    }
    for number in range(3)
]


def test_book_of_a_venue_comes_to_the_feed(until: Callable[..., None]) -> None:
    """Over real sockets, from the venue's message through the server to `feed.book`."""
    with FakeVenue("dense", trades_per_s=0, messages=BITSTAMP) as fake:
        source = tk.venue("bitstamp", ["btcusd"], channels="book", url=fake.url, rest=fake.rest)
        with tk.serve(source, port=0) as server, tk.connect(server.url, history=None) as feed:
            until(lambda: len(feed.frame()) == 3)
            until(lambda: len(feed.book("btcusd")) == 3)
            until(lambda: feed.book("btcusd")["price"].tolist() == [99.5, 99.0, 102.0])
            assert feed.books == ["btcusd"]
            assert feed.book("btcusd").attrs["seq"] == 3
            assert feed.frame()["ask"].tolist() == [100.0, 101.0, 102.0]
            assert set(source.freshness()["channel"]) == {"book"}
