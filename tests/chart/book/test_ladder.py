"""Ladder: what the kernel sends to the pages that show a symbol's book."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import tickerkit as tk
from tickerkit.chart.book.ladder import Ladder
from tickerkit.errors import InvalidArgument
from tickerkit.runtime import rerun

pytestmark = pytest.mark.usefixtures("quick")

Until = Callable[..., None]
BOOK = {"symbol": "A", "bids": [[99.5, 1], [99.25, 20]], "asks": [[100, 3]], "time": 1_795_000_000}


def watch(ladder: Ladder) -> list[Any]:
    """Return a list that gets what the ladder sends from now on."""
    sent: list[Any] = []
    ladder.send = lambda content, buffers=None: sent.append(content)
    return sent


def say(ladder: Ladder, **message: object) -> None:
    """Handle a message of a page."""
    ladder._handle_message(None, {"page": "p", **message}, [])


def test_page_gets_the_newest_book_at_once_and_each_change(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """With the decimals of the instrument; after a reload the page gets it again."""
    server.publish(BOOK)
    until(lambda: feed.books == ["A"])
    ladder = feed.ladder("A", levels=1)
    sent = watch(ladder)
    say(ladder, kind="here", **{"from": 0})
    until(lambda: len(sent) == 1)
    assert sent[0] == {
        "kind": "book",
        "symbol": "A",
        "levels": 1,
        "decimals": 2,
        "size_decimals": 0,
        "time_ms": 1_795_000_000_000.0,
        "status": "live",
        "note": "",
        "bids": [(99.5, 1.0)],
        "asks": [(100.0, 3.0)],
    }
    server.publish({"symbol": "A", "asks": [[99.75, 0.5]]})
    until(lambda: len(sent) == 2)
    assert (sent[1]["asks"], sent[1]["size_decimals"]) == ([(99.75, 0.5)], 1)
    say(ladder, kind="here", **{"from": 0})
    until(lambda: len(sent) == 3)
    assert sent[2] == sent[1]
    ladder.close()


def test_nothing_is_sent_while_no_page_shows_it(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """Neither before the first page, nor after the last is gone."""
    ladder = feed.ladder()
    sent = watch(ladder)
    server.publish(BOOK)
    until(lambda: feed.books == ["A"])
    say(ladder, kind="here")
    until(lambda: len(sent) == 1)
    say(ladder, kind="away")
    server.publish({**BOOK, "asks": []})
    until(lambda: len(feed.book("A")) == 2)
    ladder.flush()
    assert len(sent) == 1
    for strange in ({}, {"kind": "here", "page": 5}, {"kind": "other"}, "text"):
        ladder._handle_message(None, strange, [])
    ladder.close()


def test_ladder_says_what_it_waits_for_and_that_the_feed_has_stopped(
    server: tk.TickServer, feed: tk.Feed, until: Until
) -> None:
    """A ladder of nothing is not taken for a broken one."""
    ladder = feed.ladder("A")
    sent = watch(ladder)
    say(ladder, kind="here")
    until(lambda: bool(sent) and sent[-1]["note"] == "waiting for the order book of A")
    assert (sent[-1]["bids"], sent[-1]["time_ms"]) == ([], None)
    feed.stop()
    until(lambda: sent[-1]["status"] == "stopped")
    ladder.close()


def test_cell_that_is_run_again_reuses_its_ladder(
    feed: tk.Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one thread, not two; a closed ladder is made anew."""
    runs = iter("abc")
    monkeypatch.setattr(rerun, "_current_cell", lambda: ("cell", next(runs)))
    first = feed.ladder("A")
    follower = first._follower
    assert feed.ladder("A") is first
    assert follower is not None
    assert follower.ended
    first.close()
    assert feed.ladder("A") is not first


@pytest.mark.parametrize("arguments", [("A", 0), ("A", 101), (5, 10)])
def test_invalid_argument_is_named(feed: tk.Feed, arguments: Any) -> None:
    """Before anything is shown."""
    with pytest.raises(InvalidArgument):
        feed.ladder(*arguments)
