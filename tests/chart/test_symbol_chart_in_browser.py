"""A chart with panes in a real JupyterLab: what the screen shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Jupyter, Lab

pytest.importorskip("jupyterlab")
pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

CHART = """
import threading
import tickerkit as tk

def make(n):
    time = f"2026-11-23T{10 + n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z"
    return {"symbol": "AAPL", "price": 187 + (n * 37 % 101) / 100, "size": n % 9, "time": time}

server = tk.serve(None, port=0)
server.publish([make(n) for n in range(900)])
feed = tk.connect(server.url, history=10_000)
feed.wait(1)
feed.alert("AAPL", above=187.9, past=True)
stop = threading.Event()

def tick():
    n = 900
    while not stop.wait(.05):
        server.publish(make(n)); n += 1

threading.Thread(target=tick).start()
names = ["bbands", "psar", "rsi", "macd", "stoch", "atr"]
fig = feed.chart("candles+volume", window="10min", indicators=names)
fig
"""
PLOT = "document.querySelector('.js-plotly-plot')"
HOVER = f"[...{PLOT}.querySelectorAll('.hoverlayer text')].map(e => e.textContent).join(' ')"


@pytest.fixture
def lab(jupyter: Jupyter, tmp_path: Path) -> Iterator[Lab]:
    """Open a notebook that shows the chart of a feed."""
    with jupyter.open(CHART, tmp_path) as lab:
        lab.run_all()
        yield lab
        lab.run("stop.set(); feed.stop(); server.stop()")
        assert lab.errors == []
        assert lab.failures() == []


def test_six_panes_are_drawn_by_patches_with_one_hover_and_one_crosshair(
    lab: Lab, artifacts: Path
) -> None:
    """Plotly would draw each frame too slowly; hovering in any pane tells the values of all."""
    lab.until(f"() => {PLOT}?._tickerkit?.streams.length > 12", 30)
    lab.until(f"() => {PLOT}._tickerkit.hasPatch", 30)
    newest = lab.page.evaluate(f"() => {PLOT}._tickerkit.newest")
    lab.until(f"() => {PLOT}._tickerkit.newest > {newest}", 30)
    pane = f"{PLOT}._fullLayout.yaxis4"
    box = lab.page.locator(".js-plotly-plot").bounding_box()
    assert box is not None
    middle = lab.page.evaluate(f"() => {pane}._offset + {pane}._length / 2")
    x, y = box["x"] + box["width"] / 2, box["y"] + middle
    lab.page.mouse.move(x - 30, y)
    lab.page.mouse.move(x, y, steps=5)
    words = ["close", "volume", "bbands(20, 2) upper", "rsi(14)", "macd(12, 26, 9) signal", "atr"]
    lab.until(f"() => {words}.every(word => ({HOVER}).includes(word))", 30)
    lab.until("() => !document.querySelector('.tickerkit-at').hidden", 10)
    lab.page.screenshot(path=artifacts / "panes.png")
    value = lab.page.evaluate("() => document.querySelector('.tickerkit-at').textContent")
    low, high = lab.page.evaluate(f"() => {pane}.range")
    assert low <= float(value.replace("−", "-")) <= high
    lab.page.mouse.move(5, 5)
    lab.until("() => document.querySelector('.tickerkit-at').hidden", 10)
