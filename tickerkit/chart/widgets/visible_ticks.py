"""Visible ticks: the part of a feed that a dashboard's chart shows, also as a file."""

from __future__ import annotations

import time

import pandas as pd

from tickerkit.chart.figure.figure import LiveFigure
from tickerkit.chart.widgets.transfer import DownloadFile
from tickerkit.storage import csv_lines
from tickerkit.ticks.lengths import parse_length_ns

__all__ = ["make_csv_file", "select_visible"]


def select_visible(
    ticks: pd.DataFrame,
    figure: LiveFigure,
    window: int | str,
    held_at: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Return the ticks that a figure shows: in the zoomed range, or in the last window.

    Args:
        ticks: ticks of the symbols that the figure shows.
        figure: the figure.
        window: how much the figure shows while it follows: a number of ticks, or a time such as
            "5min".
        held_at: the time of the newest tick when the figure stopped following; None while it
            follows.

    Raises:
        ValueError: if the zoomed range of the x axis can't be read as times.
    """
    times = ticks["time"]
    zoomed = figure.zoomed_range()
    if zoomed is not None:
        return ticks[times.between(*zoomed)]
    if held_at is not None:
        ticks = ticks[times <= held_at]
    if isinstance(window, int):
        return ticks.iloc[-window:]
    oldest: pd.Timestamp = ticks["time"].max() - pd.Timedelta(parse_length_ns("window", window))
    return ticks[ticks["time"] >= oldest]


def make_csv_file(ticks: pd.DataFrame, symbol: str | None) -> DownloadFile:
    """Return ticks as a CSV file like that of `Feed.to_csv`, named by symbol and the time now."""
    prefix = "" if symbol is None else f"{symbol}-"
    name = f"ticks-{prefix}{time.strftime('%Y%m%d-%H%M%S')}.csv"
    return DownloadFile(name, csv_lines(ticks), len(ticks))
