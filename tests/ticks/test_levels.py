"""Levels: bids and asks as ticks bring them, and what is refused of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tickerkit.limits import MAX_LEVELS
from tickerkit.ticks import read_side, read_ticks


@pytest.mark.parametrize(
    "given",
    [
        [[2, 20], [3, 30], [1, 10]],
        [["2", "20"], ["3.0", "3e1"], ["1", "10"]],
        ((2, "20"), (3, 30), (1, 10)),
        [[2, 20, 7], [3, 30, "x"], [1, 10, None]],
        [[1, 99], [2, 20], [3, 30], [1, 10], [4, 0]],
        np.array([[2, 20], [3, 30], [1, 10]]),
        [np.array([2, 20]), [3, 30], [1, 10]],
    ],
)
def test_levels_are_sorted_and_complete(given: Any) -> None:
    """Levels come in any order and notation; those of size 0 are none, and later ones count."""
    assert read_side("bids", given)[0].tolist() == [[3, 30], [2, 20], [1, 10]]
    assert read_side("asks", given)[0].tolist() == [[1, 10], [2, 20], [3, 30]]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ([[1, 1], [2, -1]], "bids[1] size is negative: -1; send a size of 0 or more"),
        ([[1, True]], "bids[0] size is a boolean: True; send a number"),
        ([["1_0", 1]], "bids[0] price is not a number: '1_0'; send a number or numeric text"),
        ([[float("nan"), 1]], "bids[0] price is not finite: nan"),
        ([["1e999", 1]], "bids[0] price is not finite"),
        ([[2**70, 1]], "bids[0] price is beyond 64 bits"),
        ([[None, 1]], "bids[0] price is missing: None; send each level as [price, size]"),
        ([1, 2], "bids[0] is not a level: 1; send each level as [price, size]"),
        ([[1]], "bids[0] is not a level"),
        ([{"price": 1, "size": 1}], "bids[0] is not a level"),
        (np.array([1.0, 2.0]), "bids[0] is not a level"),
    ],
)
def test_bad_level_is_refused_without_its_tick(given: Any, text: str) -> None:
    """The error names the level, the value and the fix; the tick and the others are taken."""
    batch = read_ticks(
        [
            {"symbol": "A", "price": 5, "note": "kept", "bids": given, "asks": [[6, 1]]},
            {"symbol": "B", "bids": [[1, 1]]},
        ]
    )
    assert batch.count == 2
    assert batch.columns["price"].tolist()[0] == 5.0  # type: ignore[union-attr]
    assert batch.columns["note"].words == ["kept"]  # type: ignore[union-attr]
    assert [book.symbol for book in batch.books] == ["B"]
    assert batch.refused == 1
    assert str(batch.errors[0]).startswith(text)


def test_tick_of_bad_levels_alone_is_refused_once() -> None:
    """A tick that has nothing else is no row, and is not refused a second time."""
    batch = read_ticks({"symbol": "A", "bids": [[1, -1]]})
    assert (batch.count, batch.refused, len(batch.books)) == (0, 1, 0)


def test_best_levels_are_the_quote() -> None:
    """A tick with levels has the best of them as its bid and ask, unless it says another."""
    batch = read_ticks(
        [
            {"symbol": "A", "bids": [[1, 10], [2, 20]], "asks": [[4, 40], [3, 30]]},
            {"symbol": "A", "bids": [[1, 10]], "bid": 1.5},
        ]
    )
    values = {name: batch.columns[name].tolist() for name in ("bid", "bid_size", "ask")}  # type: ignore[union-attr]
    assert values["bid"] == [2.0, 1.5]
    assert values["bid_size"][0] == 20.0
    assert values["ask"][0] == 3.0


def test_levels_beyond_the_limit_are_counted() -> None:
    """Of too many levels the best are kept."""
    levels = [[n, 1] for n in range(1, MAX_LEVELS + 6)]
    batch = read_ticks({"symbol": "A", "bids": levels})
    assert batch.misfits == {"bids": 5}
    bids = batch.books[0].bids
    assert bids is not None
    assert (len(bids), bids[0, 0], bids[-1, 0]) == (MAX_LEVELS, MAX_LEVELS + 5, 6)


@pytest.mark.parametrize("value", [5, "five", None])
def test_field_with_the_name_of_a_side_may_be_a_column(value: object) -> None:
    """Only lists are levels: a number or a text called bids is a column, as any other."""
    batch = read_ticks({"symbol": "A", "price": 1, "bids": value})
    assert ("bids" in batch.columns) == (value is not None)
    assert batch.books == []


def test_books_come_with_the_last_row_of_a_batch() -> None:
    """A part of a batch has the books if it has the last row; chosen rows always have them."""
    batch = read_ticks([{"symbol": "A", "bids": [[1, 1]]}, {"symbol": "B", "bids": [[2, 1]]}])
    assert batch.part(0, 1).books == []
    assert len(batch.part(1, 2).books) == 2
    assert len(batch.where(np.array([True, False])).books) == 2
    assert [book.symbol for book in batch.of_symbols({"B"}).books] == ["B"]
