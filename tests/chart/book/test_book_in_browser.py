"""A ladder and a heat map of order books in a real JupyterLab and a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from desk_pages import check_accessibility
from lab import Jupyter

pytest.importorskip("jupyterlab")
pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

CELL = """
import tickerkit as tk
server = tk.serve(tk.simulate("AAPL", rate=50, seed=5, levels=40), port=0)
feed = tk.connect(server.url).wait()
"""
PRICES = """() => [...document.querySelectorAll(".tk-book tbody tr")].map(
    (row) => [row.dataset.side, Number(row.cells[2].textContent.replaceAll(",", ""))],
)"""
SET_THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"


def test_book_is_shown_as_a_ladder_and_as_a_heat_map(
    jupyter: Jupyter, tmp_path: Path, artifacts: Path, until: Callable[..., None]
) -> None:
    """Both follow the feed, in both themes; keys choose a level, and a re-run reuses the widget."""
    with jupyter.open(CELL, tmp_path) as lab:
        page = lab.page
        lab.run_all()
        lab.run_cell("ladder = feed.ladder('AAPL', levels=8)\nladder")
        page.wait_for_selector(".tk-book tr[data-side=bid]")
        rows = page.evaluate(PRICES)
        assert [side for side, _ in rows] == ["ask"] * 8 + ["bid"] * 8
        prices = [price for _, price in rows]
        assert prices == sorted(prices, reverse=True)
        lab.until(f"() => JSON.stringify(({PRICES})()) !== {str(rows)!r}")
        page.focus(".tk-levels")
        for key in ("ArrowDown", "ArrowDown", "ArrowUp"):
            page.keyboard.press(key)
        assert page.inner_text(".tk-book [role=status]").startswith("bid ")
        assert page.locator(".tk-book tr.tk-chosen").count() == 1
        page.keyboard.press("Escape")
        assert page.locator(".tk-book tr.tk-chosen").count() == 0
        lab.run_cell("feed.chart('book', 'AAPL', window='1min', height=320)")
        lab.until_all(1, "plot.data[0].x.length > 1 && plot.data[2].y?.length > 20")
        for theme in ("JupyterLab Light", "JupyterLab Dark"):
            page.evaluate(SET_THEME, theme)
            page.wait_for_timeout(600)
            name = f"book-{theme.split()[-1].lower()}.png"
            box = page.locator(".jp-WindowedPanel-viewport, .jp-Notebook").first.bounding_box()
            assert box is not None
            clip = {"x": box["x"], "y": box["y"], "width": box["width"], "height": 960}
            page.screenshot(path=artifacts / name, clip=clip)
            assert check_accessibility(page, ".tk-book") == []
        assert not lab.failures()
        assert not lab.errors
        lab.run("server.stop()")
        lab.until("() => document.querySelector('.tk-book').dataset.status !== 'live'")
        lab.run("feed.stop()")
        lab.until("() => document.querySelector('.tk-status').textContent.includes('stopped')")
