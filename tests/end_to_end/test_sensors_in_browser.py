"""Charts and the dashboard of sensors, which have no price, in a real JupyterLab and browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import Jupyter

pytest.importorskip("jupyterlab")
pytestmark = [pytest.mark.browser, pytest.mark.package, pytest.mark.timeout(240)]

START = """import tickerkit as tk
source = tk.simulate_sensors(["kitchen", "garden", "fridge"], rate=5, seed=1)
server = tk.serve(source, port=0)
feed = tk.connect(server.url).wait(60)
feed.chart()"""
SHOWN = """count => {
    const figures = [...document.querySelectorAll('.js-plotly-plot')].filter(e => e.data);
    return figures.length === count && figures.every(e => e.data[0]?.x?.length > 1);
}"""
TITLES = (
    """() => [...document.querySelectorAll('.js-plotly-plot .ytitle')].map(e => e.textContent)"""
)


def test_charts_of_sensors_name_their_column(
    jupyter: Jupyter, tmp_path: Path, artifacts: Path
) -> None:
    """Without arguments they show the first column of numbers; the axis has its name."""
    with jupyter.open(START, tmp_path) as lab:
        lab.run_all()
        lab.page.wait_for_function(SHOWN, arg=1, timeout=60_000)
        lab.until(f"() => ({TITLES})().join() === 'temperature (°C)'")
        assert [line["name"] for line in lab.figures()[0]["lines"]] == [
            "kitchen",
            "garden",
            "fridge",
        ]
        shown = lab.page.locator(".jp-OutputArea-output")
        shown.last.screenshot(path=artifacts / "sensors-chart.png")
        lab.run_cell('feed.chart("candles", "kitchen", y="humidity", bar="1s")')
        lab.page.wait_for_function(SHOWN, arg=2, timeout=60_000)
        lab.until(f"() => ({TITLES})().join() === 'temperature (°C),humidity (%)'")
        shown.last.screenshot(path=artifacts / "sensors-candles.png")
        lab.run_cell("feed.dashboard()")
        lab.page.wait_for_function(SHOWN, arg=3, timeout=60_000)
        lab.until(f"() => ({TITLES})().join() === 'temperature (°C),humidity (%),temperature (°C)'")
        lab.page.locator(".tkd-column select").select_option("battery")
        lab.until(f"() => ({TITLES})().join() === 'temperature (°C),humidity (%),battery (%)'")
        shown.last.screenshot(path=artifacts / "sensors-dashboard.png")
        assert lab.failures() == []
        assert lab.errors == []
