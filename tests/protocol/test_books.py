"""Book news: the newest books reach each client of v1, in rounds, and older clients ignore them."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from wires import Wire, publish

from tickerkit.errors import ProtocolError
from tickerkit.log import TickLog
from tickerkit.protocol import BookState, Client, Publication
from tickerkit.protocol.books import MAX_ROUND_BYTES, ROUND_S
from tickerkit.protocol.client import _decode
from tickerkit.protocol.messages import encode
from tickerkit.ticks import read_ticks


def put(log: TickLog, symbol: str, price: float, levels: int = 1) -> None:
    """Append a book without a tick."""
    batch = read_ticks({"symbol": symbol, "bids": [[price - n, 1] for n in range(levels)]})
    log.append(replace(read_ticks([]), books=batch.books), received=0)


def bids(wire: Wire) -> list[tuple[str, float]]:
    """Return the symbol and the best bid of each book message on this connection."""
    return [
        (each["symbol"], each["bids"][0][0]) for each in wire.messages if each["type"] == "book"
    ]


def test_client_gets_the_newest_books_after_the_ticks() -> None:
    """Who connects gets each symbol's newest book once, when it has every tick."""
    log = TickLog(epoch="e")
    publish(log, 3)
    for symbol, price in (("A", 1), ("B", 2), ("A", 3)):
        put(log, symbol, price)
    wire = Wire(log)
    wire.run()
    assert wire.types() == ["hello", "at", "ticks", "book", "book"]
    assert bids(wire) == [("B", 2), ("A", 3)]
    held = wire.log().books
    assert held.symbols() == ["A", "B"]
    book = held.newest("A")
    assert book is not None
    assert (book.epoch, book.seq, book.bids.tolist()) == ("e", 3, [[3.0, 1.0]])
    wire.run()
    assert len(bids(wire)) == 2


def test_books_come_in_rounds_and_only_the_newest() -> None:
    """Books that change between two rounds are sent once; a round is due a tenth later."""
    log = TickLog()
    wire = Wire(log)
    wire.run()
    for price in range(1, 6):
        put(log, "A", price)
        wire.run()
    assert bids(wire) == [("A", 1)]
    assert wire.session is not None
    assert wire.session.due() == pytest.approx(wire.now + ROUND_S)
    wire.now += ROUND_S
    wire.run()
    assert bids(wire) == [("A", 1), ("A", 5)]


def test_round_is_bounded() -> None:
    """What does not fit into a round comes in the next ones, as it is then."""
    log = TickLog()
    wire = Wire(log)
    wire.run()
    for number in range(20):
        put(log, f"S{number}", 1000.123456789, 1000)
    wire.run()
    first = [symbol for symbol, _ in bids(wire)]
    size = sum(len(encode(each)) for each in wire.messages if each["type"] == "book")
    assert 0 < len(first) < 20
    assert size < 2 * MAX_ROUND_BYTES
    put(log, "S19", 5)
    while len(bids(wire)) < 20:
        wire.now += ROUND_S
        wire.run()
    assert dict(bids(wire))["S19"] == 5
    assert {symbol for symbol, _ in bids(wire)} == {f"S{n}" for n in range(20)}


def test_client_that_is_behind_gets_ticks_first() -> None:
    """No book comes between ticks that wait."""
    log = TickLog()
    wire = Wire(log)
    wire.run()
    publish(log, 20_000)
    put(log, "A", 1)
    publish(log, 20_000)
    wire.run()
    assert wire.types().count("book") == 1
    assert wire.types()[-1] == "book"


def test_positions_are_announced_between_books() -> None:
    """Books do not keep back the `at` that says how far a filtered client is."""
    log = TickLog()
    wire = Wire(log, symbols=["A"])
    wire.run()
    publish(log, 3, "B")
    for _ in range(20):
        put(log, "A", 1)
        put(log, "B", 1)
        wire.now += ROUND_S
        wire.run()
    assert {"type": "at", "seq": 3} in wire.messages
    assert {symbol for symbol, _ in bids(wire)} == {"A"}


def test_last_books_come_before_the_end() -> None:
    """A source that ends leaves its last books, whatever the rounds say."""
    log = TickLog()
    publication = Publication(log)
    wire = Wire(log)
    wire.serve(log, publication)
    wire.run()
    put(log, "A", 1)
    wire.run()
    put(log, "A", 2)
    publication.ended = True
    wire.run()
    assert bids(wire) == [("A", 1), ("A", 2)]
    assert wire.types()[-1] == "end"


def test_older_client_ignores_books(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that knows no book message passes over it."""
    monkeypatch.setattr("tickerkit.protocol.client.TYPES", frozenset({"hello", "ticks"}))
    strange = encode(BookState("A", 1, 0, [(1.0, 1.0)], [])).replace(b"bids", b"bidz")
    assert _decode(strange) is None


@pytest.mark.parametrize(
    "change",
    [{"symbol": ""}, {"symbol": "x" * 65}, {"bids": [(1.0, -1.0)]}, {"asks": [(float("inf"), 1)]}],
)
def test_invalid_book_ends_the_connection(change: dict[str, object]) -> None:
    """What no server of tickerkit sends is a violation of the protocol."""
    log = TickLog()
    client = Client()
    wire = Wire(log, client=client)
    wire.run()
    state = msgspec.structs.replace(BookState("A", 1, 0, [(1.0, 1.0)], []), **change)
    with pytest.raises(ProtocolError):
        list(client.receive(encode(state)))


def test_client_that_subscribes_to_other_symbols_gets_their_books() -> None:
    """Also those that have not changed since it connected."""
    log = TickLog()
    put(log, "A", 1)
    put(log, "B", 2)
    wire = Wire(log, symbols=["A"])
    wire.run()
    assert bids(wire) == [("A", 1)]
    assert wire.session is not None
    wire.session.receive('{"type": "subscribe", "symbols": ["B"]}', wire.now)
    wire.now += ROUND_S
    wire.run()
    assert bids(wire) == [("A", 1), ("B", 2)]
