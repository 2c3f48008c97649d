"""What of a feed a dashboard's chart shows, as a file to be brought to the user's computer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pandas as pd

from tickerkit.chart.widgets.download import File
from tickerkit.storage import csv_lines

if TYPE_CHECKING:
    from tickerkit.chart.figure.figure import LiveFigure

__all__ = ["csv_file", "visible"]


def visible(
    ticks: pd.DataFrame,
    figure: LiveFigure,
    window: int | str,
    held_at: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Return those of some ticks that a figure shows: where it was zoomed to, else the last window.

    Args:
        ticks: of the symbols that it shows.
        figure: what shows them.
        window: how much it shows while it follows: a number of ticks, or a time such as "5min".
        held_at: the newest time when it was told to hold still; None while it follows.
    """
    times = ticks["time"]
    stretch = figure.zoomed()
    if stretch is not None:
        return ticks[times.between(*stretch)]
    if held_at is not None:
        ticks = ticks[times <= held_at]
    if isinstance(window, int):
        return ticks.iloc[-window:]
    oldest: pd.Timestamp = ticks["time"].max() - pd.Timedelta(window)
    return ticks[ticks["time"] >= oldest]


def csv_file(ticks: pd.DataFrame, symbol: str | None) -> File:
    """Return a CSV file of ticks, as `Feed.to_csv` writes them, named by symbol and time."""
    of = "" if symbol is None else f"{symbol}-"
    name = f"ticks-{of}{time.strftime('%Y%m%d-%H%M%S')}.csv"
    return File(name, csv_lines(ticks), len(ticks))
