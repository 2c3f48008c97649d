"""Lengths of time as users write them."""

from __future__ import annotations

import pytest

from tickerkit.errors import InvalidArgument
from tickerkit.ticks.lengths import parse_length_ns


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1d", 86_400), ("2 D", 172_800), ("1d 2h", 93_600), ("1 day", 86_400), ("1 second", 1)],
)
def test_day_may_be_written_as_people_do(text: str, seconds: int) -> None:
    """Pandas warns of a small d, and will refuse it."""
    assert parse_length_ns("window", text) == seconds * 10**9


def test_text_without_a_unit_is_refused() -> None:
    """Pandas would read it as nanoseconds."""
    with pytest.raises(InvalidArgument, match="window='10'"):
        parse_length_ns("window", "10")
