"""Download in a real JupyterLab and a real browser: what the browser saves."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import Jupyter

pytest.importorskip("jupyterlab")
pytestmark = [pytest.mark.browser, pytest.mark.package, pytest.mark.timeout(240)]

CELL = """
import numpy as np, pandas as pd, tickerkit as tk
server = tk.serve(None, port=0)
feed = tk.connect(server.url)
times = pd.Timestamp("2026-11-24 10:00", tz="UTC") + pd.to_timedelta(np.arange(50_000), "ms")
prices = np.random.default_rng(1).normal(100, 1, 50_000)
symbols = np.where(np.arange(50_000) % 3, "AAPL", "MSFT")
server.publish(pd.DataFrame({"time": times, "symbol": symbols, "price": prices}))
_ = feed.wait(50_000)
feed.dashboard()
"""
DRAWN = "() => document.querySelector('.js-plotly-plot')?.data?.length === 2"


def test_click_saves_the_file_that_to_csv_writes(
    jupyter: Jupyter, tmp_path: Path, artifacts: Path
) -> None:
    """The bytes and the name are right, and the page reports the end."""
    with jupyter.open(CELL, tmp_path) as lab:
        lab.run_all()
        lab.until(DRAWN)
        page = lab.page
        page.get_by_role("radio", name="all ticks held").click()
        lab.until("() => document.querySelector('[data-value=all]').ariaChecked === 'true'")
        with page.expect_download() as coming:
            page.locator(".tkd-download button", has_text="Download").click()
        page.get_by_role("status").filter(has_text=coming.value.suggested_filename).wait_for()
        page.screenshot(
            path=artifacts / "download.png", clip=page.locator(".jp-Notebook").bounding_box()
        )
        lab.run("feed.to_csv('held.csv')")
        saved = Path(coming.value.path()).read_bytes()
        assert saved == (tmp_path / "held.csv").read_bytes()
        assert coming.value.suggested_filename.startswith("ticks-2")
        assert lab.failures() == lab.errors == []
