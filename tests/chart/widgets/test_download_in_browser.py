"""Download in a real JupyterLab: what the browser saves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from lab import jupyterlab

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("jupyterlab")
pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

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


def test_a_click_brings_the_file_that_to_csv_writes(
    chromium: Browser, tmp_path: Path, artifacts: Path
) -> None:
    """Byte for byte, under a name that tells what it is; the page says that it has come."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cell = nbformat.v4.new_code_cell(CELL)
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})
    path = tmp_path / "download.ipynb"
    nbformat.write(notebook, path)
    with jupyterlab(chromium, path, tmp_path) as lab:
        lab.run_all()
        lab.until(DRAWN)
        page = lab.page
        page.locator("select", has_text="all ticks held").select_option("all ticks held")
        with page.expect_download() as coming:
            page.locator(".jupyter-button", has_text="Download").click()
        page.get_by_role("status").filter(has_text=coming.value.suggested_filename).wait_for()
        page.screenshot(
            path=artifacts / "download.png", clip=page.locator(".jp-Notebook").bounding_box()
        )
        lab.run("feed.to_csv('held.csv')")
        saved = Path(coming.value.path()).read_bytes()
        assert saved == (tmp_path / "held.csv").read_bytes()
        assert coming.value.suggested_filename.startswith("ticks-2")
        assert lab.failures() == lab.errors == []
