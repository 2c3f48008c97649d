"""A cell that is run again and again, in a real JupyterLab and a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import Jupyter
from peers import free_port
from soaks import soak

pytest.importorskip("jupyterlab")
pytestmark = [pytest.mark.browser, pytest.mark.package, pytest.mark.timeout(240)]

CELL = """
import threading, tickerkit as tk
server = tk.serve(tk.simulate(["AAPL", "MSFT"], rate=100, seed=1), port={})
feed = tk.connect(server.url)
_ = feed.wait(20)
feed.chart()
"""
COUNT = """
import gc
names = [each.name for each in threading.enumerate()]
print(
    sorted(tk.status()["address"]),
    # The one that sends for all figures comes and goes with what there is to send.
    sorted(name for name in names if "tickerkit" in name and name != "tickerkit figures"),
    sum(type(each).__name__ == "LiveFigure" and each.comm is not None for each in gc.get_objects()),
)
"""
LOSSES = """
frame = feed.frame()
steps = frame.groupby("epoch", observed=True)["seq"].diff().dropna().unique()
print(frame["epoch"].nunique(), steps, len(feed.gaps), feed.stats["dropped"])
"""
DRAWN = """() => {
    const figures = [...document.querySelectorAll('.js-plotly-plot')].filter(e => e._tickerkit);
    return figures.length === 1 && figures[0].data.length === 2;
}"""
NEWEST = "document.querySelector('.js-plotly-plot')._tickerkit.newest"


@pytest.mark.parametrize("runs", [5, soak(50)])
def test_a_cell_run_again_in_jupyterlab_leaves_one_of_each(
    jupyter: Jupyter, tmp_path: Path, runs: int
) -> None:
    """One server, one feed, one figure, the same threads; no tick is lost, and the chart moves."""
    with jupyter.open(CELL.format(free_port()), tmp_path) as lab:
        lab.run_all()
        lab.until(DRAWN)
        once = lab.run(COUNT)
        for _ in range(runs - 1):
            lab.run_all()
        lab.until(DRAWN)
        assert lab.run(COUNT) == once
        assert once.rstrip().endswith(" 1")
        assert lab.run(LOSSES) == f"{runs} [1.] {runs - 1} 0\n"
        newest = lab.page.evaluate(NEWEST)
        lab.until(f"() => {NEWEST} > {newest}", 10)
        assert lab.failures() == []
        assert lab.errors == []
