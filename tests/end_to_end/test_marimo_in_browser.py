"""A live figure, a feed's chart and `tk.live` in marimo, as in JupyterLab."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lab import Marimo, marimo

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# A server and a page of its own take 15 s: more than `make test` has to spare.
pytestmark = [pytest.mark.browser, pytest.mark.soak, pytest.mark.timeout(240)]

POINTS = 100_000
NOTEBOOK = f"""
import marimo
app = marimo.App()

@app.cell
def _():
    import threading, time
    import numpy as np
    import marimo as mo
    import tickerkit as tk
    return mo, np, threading, time, tk

@app.cell
def _(np, threading, time, tk):
    fig = tk.LiveFigure(data=[{{"type": "scatter", "name": "a"}}], window={POINTS})
    def append():
        # 1,000 a second for three seconds, and then the rest in parts of 1,000.
        for x in range(300):
            fig.append(np.arange(10 * x, 10 * x + 10), np.arange(10) % 2)
            time.sleep(0.01)
        for x in range(3, {POINTS} // 1000):
            fig.append(np.arange(1000 * x, 1000 * x + 1000), np.arange(1000) % 2)
    threading.Thread(target=append, daemon=True).start()
    fig
    return

@app.cell
def _(tk):
    feed = tk.connect(tk.serve(tk.simulate(["AAPL", "MSFT"], rate=200), port=0).url)
    return (feed,)

@app.cell
def _(feed, mo):
    chart = feed.chart()
    mo.ui.anywidget(chart)
    return

@app.cell
def _(mo, threading, time):
    def count():
        return sum(each.name == "tickerkit chart" for each in threading.enumerate())
    end = time.monotonic() + 5
    while count() > 2 and time.monotonic() < end:
        time.sleep(0.1)
    mo.md(f"drawers: {{count()}}")
    return

@app.cell
def _(tk):
    live = tk.live(tk.simulate(["BTC-USD"], rate=50))
    return
"""
# The numbers of the cells.
CHART, COUNT = 3, 4
NEWEST = "Number(plot.data[0].x.at(-1))"
IS_DRAWN = "plot.data.length > 0 && plot.data.every(({ x }) => x?.length > 1)"
# How many points the page holds at their places: x is the position of each.
HELD = f"""Array.from({{ length: {POINTS} }}, (_, x) => x).filter(
    (x) => plot._tickerkit.streams[0].series.at(x)?.x === x,
).length"""


@pytest.fixture(scope="module")
def page(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Marimo]:
    """Open the notebook in marimo, and wait until its three figures move."""
    pytest.importorskip("marimo")
    with marimo(chromium, NOTEBOOK, tmp_path_factory.mktemp("marimo")) as page:
        page.until_all(3, IS_DRAWN)
        yield page


def test_figure_chart_and_live_move_in_the_colours_of_the_page(
    page: Marimo, artifacts: Path
) -> None:
    """All three show new points on the page's white; a sentence says what is missing."""
    for number, newest in enumerate(page.plots(NEWEST)[1:], start=1):
        page.until_all(3, f"plots.indexOf(plot) !== {number} || {NEWEST} > {newest}")
    assert page.plots("plot._fullLayout.paper_bgcolor") == ["rgb(255,255,255)"] * 3
    assert page.page.get_by_text("shows no widget inside of another").count()
    page.page.screenshot(path=artifacts / "host-marimo.png")
    assert page.errors == []


def test_no_point_is_missing_also_after_a_reload(page: Marimo) -> None:
    """The page holds each point of the window that a thread has appended."""
    for _ in range(2):
        page.until_all(3, f"plots.indexOf(plot) !== 0 || plot._tickerkit.newest === {POINTS - 1}")
        page.until_all(3, f"plots.indexOf(plot) !== 0 || {HELD} === {POINTS}")
        page.page.reload()
        page.until_all(3, IS_DRAWN)
    assert page.errors == []


def test_a_cell_that_runs_again_leaves_no_second_drawer(page: Marimo) -> None:
    """The chart's cell shows a new chart that moves, and the thread of the first one ends."""
    page.run_again(CHART)
    page.until_all(3, IS_DRAWN)
    page.run_again(COUNT)
    page.until("() => document.body.innerText.includes('drawers: 2')")  # of the chart and of `live`
