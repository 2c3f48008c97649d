"""Quote table: a narrow terminal has fewer columns, and no value is cut off."""

from __future__ import annotations

import io
import math

import pandas as pd
import pytest
from rich.console import Console

from tickerkit.cli.quote_table import format_quote_table
from tickerkit.cli.quotes import Quote

NOW = pd.Timestamp.now("UTC")
SHARE = Quote("BTC/USD", 64_422.125, 0.25, 64_422.0, 64_423.5, {}, NOW, 12_345, 1, True)
SENSOR = Quote(
    "kitchen",
    *[math.nan] * 4,
    {"temperature": 21.5, "humidity": 45.25, "battery": 3.3125},
    NOW,
    77,
    -1,
    True,
)


def draw(quote: Quote, width: int) -> list[str]:
    """Return the lines of a table of one quote."""
    screen = Console(file=io.StringIO(), width=width, color_system=None)
    screen.print(format_quote_table([quote], {"temperature": "°C"}, width))
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue().splitlines()


@pytest.mark.parametrize("quote", [SHARE, SENSOR], ids=["share", "sensor"])
@pytest.mark.parametrize("width", range(34, 120, 3))
def test_columns_fit_the_terminal(quote: Quote, width: int) -> None:
    """The symbol and the value that moved are always there, whole."""
    lines = draw(quote, width)
    assert all(len(line) <= width for line in lines)
    assert "…" not in "".join(lines)
    assert quote.symbol in lines[-1]
    assert ("64,422.125 ▲" if quote is SHARE else "21.5 ▼") in lines[-1]


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (100, ["price", "size", "bid", "ask", "time", "ticks"]),
        (72, ["price", "size", "bid", "ask", "time"]),
        (66, ["price", "bid", "ask", "time"]),
        (48, ["price", "bid", "ask"]),
        (30, ["price"]),
    ],
)
def test_least_wanted_columns_go_first(width: int, columns: list[str]) -> None:
    """A price is worth more than a count."""
    header = draw(SHARE, width)[0] or draw(SHARE, width)[1]
    assert header.replace("(UTC)", "").split() == ["symbol", *columns]
