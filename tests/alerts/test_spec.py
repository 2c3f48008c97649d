"""Tests of the arguments of an alert: what is refused, and what the error says."""

from __future__ import annotations

from typing import Any

import pytest

from tickerkit.alerts import parse_spec
from tickerkit.alerts.own import read_truth
from tickerkit.errors import InvalidArgument


@pytest.mark.parametrize(
    ("arguments", "name", "expected"),
    [
        ({}, "above", "a condition: above="),
        ({"above": 1, "crossing": 2}, "crossing", "None beside above="),
        ({"below": 1, "gap": True}, "gap", "None beside below="),
        ({"above": "x"}, "above", "a number, or None"),
        ({"above": float("inf")}, "above", "a finite number, or None"),
        ({"move": 1}, "within", "a time such as '5min', beside move="),
    ],
)
def test_error_names_the_argument_to_change(
    arguments: dict[str, Any], name: str, expected: str
) -> None:
    """Of two conditions it names the second, with its value."""
    with pytest.raises(InvalidArgument) as caught:
        parse_spec(**arguments)
    assert caught.value.argument == name
    assert caught.value.value == arguments.get(name)
    assert caught.value.expected.startswith(expected)


def test_two_levels_are_one_condition() -> None:
    """A value may be watched on both sides."""
    assert parse_spec(above=2, below=1).levels == (2, 1)


def test_error_of_a_function_has_the_function_and_what_it_returned() -> None:
    """A function that prints returns None, which is no truth value."""
    with pytest.raises(InvalidArgument, match="it returned None for 3 rows") as caught:
        read_truth(print, None, 3)
    assert caught.value.value is print
