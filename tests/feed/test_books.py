"""feed.book: order books from a source to a feed, however they travel."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from peers import plain_server

import tickerkit as tk
from tickerkit.errors import BadTick

Until = Callable[..., None]


def book(symbol: str, bid: float, **more: object) -> dict[str, object]:
    """Return a tick with two bids and an ask."""
    return {"symbol": symbol, "bids": [[bid - 1, 10], [bid, 1]], "asks": [[bid + 1, 5]], **more}


@pytest.mark.parametrize("process", [False, True])
def test_newest_book_comes_with_the_ticks(process: bool, until: Until) -> None:
    """Through a server in this process or another; only of the symbols asked for."""
    with (
        tk.serve(None, port=0, process=process) as server,
        tk.connect(server.url) as feed,
        tk.connect(server.url, symbols="B") as filtered,
    ):
        until(lambda: feed.status == filtered.status == "live")
        server.publish([book("A", 5), book("B", 7, price=7.5), {"symbol": "C", "price": 1}])
        until(lambda: feed.books == ["A", "B"] and filtered.books == ["B"])
        frame = feed.book("A")
        assert frame["side"].tolist() == ["bid", "bid", "ask"]
        assert frame["price"].tolist() == [5.0, 4.0, 6.0]
        assert frame["total"].tolist() == [1.0, 11.0, 5.0]
        assert feed.book("B").equals(filtered.book("B"))
        assert feed.frame()["price"].dropna().tolist() == [7.5, 1.0]
        assert feed.frame()["bid"].dropna().tolist() == [5.0, 7.0]
        assert len(feed.book("C")) == len(feed.book("nope")) == 0
        server.publish(book("A", 50))
        until(lambda: feed.book("A")["price"].max() == 51)
        assert server.log.books.newest("A") is not None


def test_feed_that_comes_late_gets_the_newest_books(until: Until) -> None:
    """Also where it asks for no history."""
    with tk.serve(None, port=0) as server:
        server.publish([book("A", 5), book("A", 6)])
        with tk.connect(server.url, history=0) as feed:
            until(lambda: feed.books == ["A"])
            assert feed.book("A")["price"].tolist() == [6.0, 5.0, 7.0]
            assert feed.book("A").attrs["seq"] == 2
            assert len(feed.frame()) == 0


def test_bad_levels_are_named_and_cost_nothing_else() -> None:
    """The tick's other fields and other rows are taken; the sender learns what is wrong."""
    with tk.serve(None, port=0) as server:
        bad = {"symbol": "A", "price": 3, "bids": [[1, 1], [2, -5]], "asks": []}
        with pytest.raises(BadTick) as error:
            server.publish([bad, book("B", 5)])
        assert str(error.value) == "bids[1] size is negative: -5; send a size of 0 or more"
        assert server.stats["ticks"] == 2
        assert server.stats["refused"] == 1
        assert "bids[1] size is negative" in server.stats["last_error"]
        assert server.log.books.symbols() == ["B"]


def test_books_of_another_websocket_are_read(until: Until) -> None:
    """Of ticks as tickerkit names them, and of other messages by a field map."""
    other = {"s": "A", "book": {"b": [["5", "1"]], "a": [["6", "2", "x"]]}}
    fields = {"symbol": "s", "bids": "book.b", "asks": "book.a"}
    cases: list[tuple[dict[str, Any], Any]] = [(book("A", 5), None), (other, fields)]
    for message, given in cases:

        def send(peer: Any, text: str = json.dumps(message)) -> None:
            peer.send(text)
            peer.recv()

        with plain_server(send) as url, tk.connect(url, fields=given) as feed:
            until(lambda feed=feed: feed.books == ["A"])
            assert feed.book("A")["price"].iloc[0] == 5.0


def test_books_outlive_a_break_and_a_restart_of_the_server(until: Until) -> None:
    """They are what was known last, until the next server has newer ones."""
    with tk.serve(None, port=0) as server, tk.connect(server.url, retry_for=60) as feed:
        server.publish([book("A", 5), book("B", 6)])
        until(lambda: feed.books == ["A", "B"])
        port = server.port
        server.stop()
        until(lambda: feed.status == "reconnecting")
        assert feed.book("A")["price"].iloc[0] == 5.0
        with tk.serve(None, port=port) as again:
            until(lambda: feed.status == "live")
            again.publish(book("A", 9))
            until(lambda: feed.book("A")["price"].iloc[0] == 9.0)
            assert feed.book("A").attrs["epoch"] == again.log.epoch
            assert feed.books == ["A", "B"]


def test_recording_has_the_ticks_without_their_levels(tmp_path: Path, until: Until) -> None:
    """A book is a state beside the ticks: a file has the best bid and ask."""
    with tk.serve(None, port=0) as server, tk.connect(server.url) as feed:
        server.publish(book("A", 5))
        until(lambda: len(feed.frame()) == 1)
        frame = tk.read_csv(feed.to_csv(tmp_path / "a.csv"))
        assert (frame["bid"].iloc[0], frame["ask_size"].iloc[0]) == (5.0, 5.0)
        assert not {"bids", "asks"} & set(frame.columns)


def test_frame_of_a_book_can_be_changed(until: Until) -> None:
    """It is a copy: writing to it changes no book."""
    with tk.serve(None, port=0) as server, tk.connect(server.url) as feed:
        server.publish(book("A", 5))
        until(lambda: feed.books == ["A"])
        frame = feed.book("A")
        frame.loc[:, "price"] = 0.0
        frame["size"] += 1
        assert feed.book("A")["price"].tolist() == [5.0, 4.0, 6.0]
        assert np.array_equal(feed.book("A")["size"], [1.0, 10.0, 5.0])
