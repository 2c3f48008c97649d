"""Books: the order books beside a log's ticks, and what of them is kept."""

from __future__ import annotations

import numpy as np

from tickerkit.limits import MAX_LEVELS, MAX_LEVELS_HELD
from tickerkit.log import Books, TickLog, book_frame
from tickerkit.log.books import EARLIER_NS, MAX_EARLIER
from tickerkit.ticks import NO_LEVELS, Levels, read_ticks


def side(levels: int, price: float = 1.0) -> np.ndarray:
    """Return a side with some levels."""
    return np.column_stack([price + np.arange(levels), np.ones(levels)])


def add(books: Books, symbol: str = "A", time: int = 0, levels: int = 1) -> None:
    """Add a book whose bids have some levels."""
    book = Levels(symbol, side(levels), NO_LEVELS, time)
    books.add(book, received=time, epoch="e", seq=1)


def test_log_keeps_the_levels_of_ticks_beside_them() -> None:
    """The levels of a tick are its symbol's book, and no column of the log."""
    log = TickLog(epoch="e")
    ticks = [
        {"s": "A", "p": 5, "bids": [[4, 1], [4.5, "2"]], "asks": [[6, 3], [5.5, 1]], "time": 9},
        {"s": "B", "p": 1},
    ]
    log.append(read_ticks(ticks), received=7)
    assert set(log.frame().columns) >= {"bid", "ask_size"}
    assert not {"bids", "asks"} & set(log.frame().columns)
    assert log.books.symbols() == ["A"]
    frame = book_frame(log.books.newest("A"))
    assert frame.to_dict("list") == {
        "side": ["bid", "bid", "ask", "ask"],
        "price": [4.5, 4.0, 5.5, 6.0],
        "size": [2.0, 1.0, 1.0, 3.0],
        "total": [2.0, 3.0, 1.0, 4.0],
    }
    assert frame.attrs["seq"] == 2
    assert frame.attrs["time"].value == 9 * 10**9


def test_side_that_a_tick_leaves_out_stays() -> None:
    """A tick with bids alone leaves the asks as they were; empty levels remove them."""
    log = TickLog()
    log.append(read_ticks({"s": "A", "bids": [[1, 1]], "asks": [[2, 1]]}), received=0)
    log.append(read_ticks({"s": "A", "bids": [[1.5, 1]]}), received=0)
    assert book_frame(log.books.newest("A"))["price"].tolist() == [1.5, 2.0]
    log.append(read_ticks({"s": "A", "asks": []}), received=0)
    assert book_frame(log.books.newest("A"))["price"].tolist() == [1.5]


def test_book_without_ticks_calls_the_hooks() -> None:
    """Levels alone make no row, but readers are told of them."""
    log, calls = TickLog(), []
    log.on_append(lambda: calls.append(log.books.number))
    log.append(read_ticks({"s": "A", "bids": [], "asks": []}), received=0)
    assert (calls, log.stop) == ([1], 0)


def test_of_each_tenth_of_a_second_one_book_is_held() -> None:
    """Of books that come faster, the newest stands for the others."""
    books = Books()
    for time in range(0, 10 * EARLIER_NS, EARLIER_NS // 10):
        add(books, time=time)
    held = books.since("A", 0)
    assert len(held) == 10
    assert held[-1].number == books.number == 100
    assert [book.number for book in books.since("A", 95)] == [100]


def test_earlier_books_of_a_symbol_are_bounded() -> None:
    """Some more than 1,000 books of a symbol are held, and never fewer."""
    books = Books()
    for number in range(3 * MAX_EARLIER):
        add(books, time=number * EARLIER_NS)
        held = len(books.since("A", 0))
        assert min(number + 1, MAX_EARLIER) <= held <= MAX_EARLIER * 9 // 8
    assert books.since("A", 0)[-1].number == 3 * MAX_EARLIER


def test_levels_of_all_books_are_bounded() -> None:
    """Beyond the limit the oldest books of all symbols are dropped."""
    books = Books()
    count = MAX_LEVELS_HELD // MAX_LEVELS + 100
    for number in range(count):
        add(books, f"S{number}", number, MAX_LEVELS)
    held = books.symbols()
    assert len(held) * MAX_LEVELS <= MAX_LEVELS_HELD
    assert books.newest("S0") is None
    assert books.newest(f"S{count - 1}") is not None
    assert {book.symbol for book in books.changed(0)} == set(held)


def test_changed_books_come_newest_first() -> None:
    """A reader that knows a number gets the books of later ones alone."""
    books = Books()
    for symbol in "ABCAB":
        add(books, symbol)
    assert [book.symbol for book in books.changed(0)] == ["B", "A", "C"]
    assert [book.symbol for book in books.changed(3)] == ["B", "A"]
    assert list(books.changed(5)) == []


def test_no_book_is_an_empty_frame() -> None:
    """A symbol without a book has a frame without rows, with the same columns."""
    frame = book_frame(None)
    assert list(frame.columns) == ["side", "price", "size", "total"]
    assert len(frame) == 0
