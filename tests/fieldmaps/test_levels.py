"""Levels in a field map: `bids` and `asks` are lists of levels, wherever they are in a message."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tickerkit.errors import FieldMapError
from tickerkit.fieldmaps import FieldReader, parse_fields


@pytest.mark.parametrize(
    ("side", "levels"),
    [
        ("b", [["2", "20"], ["3", "30"]]),
        ({"from": "b"}, [[2, 20, 5], [3, 30, 6]]),
        ({"from": "b", "price": 0, "size": 2}, [[2, 5, 20], [3, 6, 30]]),
        ({"from": "b", "price": "px", "size": "qty"}, [{"px": 2, "qty": 20}, {"px": 3, "qty": 30}]),
        ({"from": "b", "price": 1, "size": 0}, [[20, 2], [30, 3]]),
    ],
)
def test_levels_are_read_by_name_or_position(side: Any, levels: Any) -> None:
    """A level is a pair, or an object, or a list with more in it."""
    fields = parse_fields({"symbol": "s", "bids": side, "time": "T:ms"})
    message = json.dumps({"s": "A", "b": levels, "T": 5})
    [batch] = FieldReader(fields).read([message]).batches
    [book] = batch.books
    assert book.bids is not None
    assert (book.bids.tolist(), book.asks, book.time) == ([[3, 30], [2, 20]], None, 5 * 10**6)
    assert batch.columns["bid"].tolist() == [3.0]  # type: ignore[union-attr]


def test_bad_levels_cost_neither_the_row_nor_other_rows() -> None:
    """The error names field, value and fix."""
    given = {"rows": "d[]", "symbol": "s", "price": "p", "asks": {"from": "a", "size": "q"}}
    rows = [{"s": "A", "p": 1, "a": [{"q": 2}]}, {"s": "B", "p": 2, "a": None}, {"s": "C", "p": 3}]
    [batch] = FieldReader(parse_fields(given)).read([json.dumps({"d": rows})]).batches
    assert batch.columns["price"].tolist() == [1.0, 2.0, 3.0]  # type: ignore[union-attr]
    assert batch.books == []
    assert str(batch.errors[0]).startswith("asks[0] is not a level: ")


@pytest.mark.parametrize(
    ("side", "text"),
    [
        ({"from": "b", "prize": 0}, "bids.prize=0 is unknown; did you mean 'price'?"),
        ({"price": 0}, "has no place; give it from: the path of the levels"),
        ({"from": "b", "price": 1.5}, "bids.price=1.5 has another type"),
        ({"from": "b", "size": True}, "bids.size=True has another type"),
        ("b[]", "bids='b[]' has []"),
        (5, "bids=5 is not"),
    ],
)
def test_wrong_entry_of_a_side_is_named(side: Any, text: str) -> None:
    """With the nearest known one, or what it has to be."""
    with pytest.raises(FieldMapError) as error:
        parse_fields({"symbol": "s", "bids": side})
    assert text in str(error.value)
