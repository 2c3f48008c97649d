"""SQL cells of marimo on a live feed, run as a script by marimo's own runner."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import run_python

pytestmark = [pytest.mark.process, pytest.mark.soak, pytest.mark.timeout(180)]

NOTEBOOK = """
import marimo
app = marimo.App()

@app.cell
def _():
    import marimo as mo
    import tickerkit as tk
    return mo, tk

@app.cell
def _(tk):
    server = tk.serve(tk.simulate(["AAPL", "MSFT"], rate=200), port=0)
    feed = tk.connect(server.url)
    feed.wait(100)
    return feed, server

@app.cell
def _(feed, mo):
    first = mo.sql("select symbol, avg(price) as mean, count(*) as n from feed group by 1")
    return (first,)

@app.cell
def _(feed, first, mo):
    feed.wait(first["n"].sum() + 100)
    second = mo.sql("select count(*) as n, count(*) filter (price is null) as none from feed")
    return (second,)

@app.cell
def _(first, second, tk):
    tk.stop_all()
    print(sorted(first["symbol"]), second["n"][0] >= first["n"].sum() + 100, second["none"][0])
    return

if __name__ == "__main__":
    app.run()
"""


def test_sql_cell_reads_the_feed_by_its_name(tmp_path: Path) -> None:
    """Each cell gets a fresh snapshot, and marimo knows that the cell depends on the feed."""
    pytest.importorskip("marimo")
    pytest.importorskip("sqlglot")
    notebook = tmp_path / "notebook.py"
    notebook.write_text(NOTEBOOK, encoding="utf-8")
    done = run_python(notebook, timeout_s=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "['AAPL', 'MSFT'] True 0"
