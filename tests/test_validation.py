"""Validation: a wrong argument is refused by its name, before anything is started."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tickerkit as tk
from tickerkit.validation import check_number


@pytest.mark.parametrize("value", [1, 2.5, np.float64(3), np.int64(4), math.inf])
def test_accepted_number_passes(value: object) -> None:
    """Python's and numpy's numbers are accepted."""
    check_number("size", value, 1)


@pytest.mark.parametrize(
    ("value", "options", "error"),
    [
        ("10s", {}, "Invalid size='10s'; expected a number of at least 1"),
        (None, {}, "Invalid size=None; expected a number of at least 1"),
        (True, {}, "Invalid size=True; expected a number of at least 1"),
        (0.5, {}, "Invalid size=0.5; expected a number of at least 1"),
        (
            math.nan,
            {"optional": True},
            "Invalid size=nan; expected a number of at least 1, or None",
        ),
        (1.5, {"whole": True}, "Invalid size=1.5; expected a whole number of at least 1"),
    ],
)
def test_refused_number_is_named_with_the_expected_values(
    value: object, options: dict[str, bool], error: str
) -> None:
    """The error has the argument's name, the value, and what to pass instead."""
    with pytest.raises((TypeError, ValueError)) as raised:
        check_number("size", value, 1, **options)
    assert str(raised.value) == error


def test_none_passes_for_an_optional_number() -> None:
    """None means no bound."""
    check_number("size", None, 1, optional=True)


@pytest.mark.parametrize(
    "options",
    [
        {"max_clients": 0},
        {"max_clients": "30"},
        {"stall_timeout": "30s"},
        {"stall_timeout": 0},
        {"write_buffer": -1},
        {"history": "all"},
        {"history": 0},
        {"port": 70_000},
        {"port": "8000"},
    ],
)
def test_serve_refuses_a_wrong_argument(options: dict[str, Any]) -> None:
    """The error names the argument, and nothing is left running."""
    (name,) = options
    with pytest.raises((TypeError, ValueError), match=f"{name}"):
        tk.serve(None, **{"port": 0, **options})
    assert tk.status().empty


@pytest.mark.parametrize(
    "options",
    [
        {"retry_for": "10s"},
        {"retry_for": -1},
        {"retry_for": math.nan},
        {"history": 1.5},
        {"history": -1},
        {"keep": 0},
        {"keep": None},
        {"symbols": []},
        {"symbols": 5},
        {"symbols": ["AAPL", 5]},
        {"resume": "a1b2"},
        {"resume": ("a1b2",)},
        {"resume": (5, 5)},
        {"url": 5},
    ],
)
def test_connect_refuses_a_wrong_argument(options: dict[str, Any]) -> None:
    """The error names the argument, and nothing is left running."""
    (name,) = options
    with pytest.raises((TypeError, ValueError), match=f"{name}"):
        tk.connect(**{"url": "ws://127.0.0.1:1/", **options})
    assert tk.status().empty
