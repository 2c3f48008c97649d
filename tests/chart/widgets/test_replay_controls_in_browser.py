"""ReplayControls in a real JupyterLab and a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import Jupyter

pytest.importorskip("jupyterlab")
pytestmark = [pytest.mark.browser, pytest.mark.package, pytest.mark.timeout(240)]

CELL = """
import pandas as pd, tickerkit as tk
times = pd.date_range("2026-11-23T10:00:00Z", periods=3601, freq="s")
day = tk.replay(pd.DataFrame({"time": times, "symbol": "AAPL", "price": range(3601)}))
server = tk.serve(day, port=0)
feed = tk.connect(server.url)
day.controls()
"""
WAIT = """
import time
end = time.monotonic() + 30
while not ({}) and time.monotonic() < end:
    time.sleep(0.05)
print({})
"""


def test_dragged_slider_stays_with_the_mouse_and_seeks(
    jupyter: Jupyter, tmp_path: Path, artifacts: Path
) -> None:
    """While the replay plays, the slider stays where it is dragged, and the replay follows."""
    with jupyter.open(CELL, tmp_path) as lab:
        lab.run_all()
        page = lab.page
        handle, track = page.locator(".noUi-handle"), page.locator(".noUi-base")
        page.locator("text=10:00:0").first.wait_for()
        page.locator("button", has_text="Step").wait_for()
        # Updating the controls doesn't move the replay.
        assert lab.run(WAIT.format(*2 * ("day.sent >= 4",))) == "True\n"
        assert lab.run("print(feed.frame()['epoch'].nunique(), len(feed.gaps))") == "1 0\n"
        box, hand = track.bounding_box(), handle.bounding_box()
        assert box is not None
        assert hand is not None
        y = hand["y"] + hand["height"] / 2
        middle = box["x"] + box["width"] / 2
        page.mouse.move(hand["x"] + hand["width"] / 2, y)
        page.mouse.down()
        page.mouse.move(middle - 40, y, steps=4)
        # Held still, the slider seeks the replay; then it still follows the mouse.
        reached = "abs((day.position - day.start).total_seconds() - {}) < 120"
        wanted = 1800 - 40 / box["width"] * 3600
        assert lab.run(WAIT.format(*2 * (reached.format(wanted),))) == "True\n"
        page.mouse.move(middle, y, steps=4)
        page.mouse.up()
        assert lab.run(WAIT.format(*2 * (reached.format(1800),))) == "True\n"
        page.locator("text=10:30:").first.wait_for()
        bar = {"x": 0, "y": max(box["y"] - 300, 0), "width": 1300, "height": 500}
        page.screenshot(path=artifacts / "replay-controls.png", clip=bar)
        page.locator("button", has_text="Pause").click()
        page.locator("button", has_text="Play").wait_for()
        page.locator("button", has_text="Step").click()
        page.locator("button", has_text="Restart").click()
        page.locator("text=10:00:0").first.wait_for()
        assert lab.run(WAIT.format(*2 * ("day.state == 'playing'",))) == "True\n"
        assert lab.failures() == []
        assert lab.errors == []
