"""Tests of the values of a column as text: those that come often are made once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tickerkit.storage import csv_lines
from tickerkit.storage.csv.text import json_lines

NUMBERS = [0.0, -0.0, 100.0, 100.25, np.nan, 1e10, 12_000_000_000.0, 2.0**53, 1e-7]


@pytest.mark.parametrize("numbers", [NUMBERS, NUMBERS[2:3], NUMBERS[4:], [1.0, np.nan]])
def test_values_that_come_often_are_written_as_those_that_come_once(numbers: list[float]) -> None:
    """A frame of few different rows has the lines of these rows, as CSV and as JSON."""
    few = pd.DataFrame({"price": numbers})
    few["time"] = pd.to_datetime([1_763_000_000 * 10**9, None][: len(few)] * 5, utc=True)[
        : len(few)
    ]
    few["id"] = np.arange(len(few)) + 2**60
    few["cond"] = pd.Categorical(["a,b", None, "NA", ";=1"] * 3)[: len(few)]
    order = np.random.default_rng(3).integers(0, len(few), 3000)
    for write in (json_lines, lambda frame: csv_lines(frame, header=False)):
        # Whether large ones have an exponent depends on the others: both frames have all of them.
        lines = b"".join(write(few)).splitlines()
        assert b"".join(write(few.iloc[order])).splitlines() == [lines[row] for row in order]


def test_words_of_other_rows_are_not_written() -> None:
    """A log's column has the words of all its rows; a few rows have few of them."""
    words = [f"w{number}" for number in range(5000)]
    frame = pd.DataFrame({"cond": pd.Categorical.from_codes([4999, -1, 7], words)})
    assert b"".join(csv_lines(frame, header=False)) == b"w4999\n\nw7\n"
