"""The quickstart notebook, in a real JupyterLab and a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Jupyter, Lab

pytest.importorskip("jupyterlab")
pytestmark = [pytest.mark.browser, pytest.mark.package, pytest.mark.timeout(240)]

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "01_quickstart.ipynb"

TWO_FIGURES = """() => {
    const figures = [...document.querySelectorAll('.js-plotly-plot')].filter(e => e.data);
    return figures.length === 2 && figures.every(e => e.data.length && e.data[0].x?.length > 5);
}"""

FILL_THEIR_ROOM = """() => [...document.querySelectorAll('.js-plotly-plot')].filter(e => e.data)
    .every(e => Math.abs(e._fullLayout.width - e.parentElement.clientWidth) <= 1)"""


@pytest.fixture(scope="module")
def lab(jupyter: Jupyter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Open the quickstart in JupyterLab and run all of its cells."""
    with jupyter.open(NOTEBOOK, tmp_path_factory.mktemp("lab")) as lab:
        lab.run_all()
        lab.until(TWO_FIGURES)
        yield lab


def test_all_cells_run_without_an_error(lab: Lab) -> None:
    """Every cell runs, none ends with an error or writes to stderr, the page reports none."""
    assert lab.failures() == []
    assert lab.errors == []


def test_the_chart_moves(lab: Lab, artifacts: Path) -> None:
    """The lines get new points while nothing is done, and the axis stays one of dates."""
    first = lab.figures()[0]
    newest = first["lines"][0]["newest"]
    lab.until(f"() => document.querySelector('.js-plotly-plot').data[0].x.at(-1) > {newest}", 10)
    later = lab.figures()[0]
    lab.page.screenshot(path=artifacts / "quickstart.png")
    assert [line["name"] for line in later["lines"]] == [line["name"] for line in first["lines"]]
    assert sorted(line["name"] for line in later["lines"]) == ["AAPL", "MSFT", "NVDA"]
    assert later["lines"][0]["newest"] > newest
    assert later["axis"] == "date"


def test_charts_fill_the_room_there_is(lab: Lab) -> None:
    """A figure is as wide as its cell, or as what the dashboard leaves it, not 700 pixels."""
    lab.until(FILL_THEIR_ROOM, 10)
    alone, above_rows = lab.figures()
    assert min(alone["width"], above_rows["width"]) > 700
    narrow = lab.page.viewport_size
    assert narrow is not None
    lab.page.set_viewport_size({**narrow, "width": 1600})
    lab.page.wait_for_selector(".tkd-beside")
    # A wider number in the rows takes room from the chart beside them, which then follows.
    lab.until(FILL_THEIR_ROOM, 10)
    wide, beside_rows = lab.figures()
    assert wide["width"] > alone["width"]
    assert beside_rows["width"] < wide["width"] - 300
    lab.page.set_viewport_size(narrow)


def test_a_zoom_stays_while_ticks_come(lab: Lab) -> None:
    """What the user has zoomed to is kept through updates; a double click follows again."""
    box = lab.page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
    assert box is not None
    mouse, y = lab.page.mouse, box["y"] + box["height"] / 2
    mouse.move(box["x"] + box["width"] * 0.3, y)
    mouse.down()
    mouse.move(box["x"] + box["width"] * 0.6, y, steps=5)
    mouse.up()
    chip = "document.querySelector('.tickerkit-chip')"
    lab.until(f"() => !{chip}.hidden", 10)
    zoomed = lab.figures()[0]
    lab.until(f"() => / [1-9][0-9,]* new/.test({chip}.textContent)", 10)
    assert lab.figures()[0]["range"] == zoomed["range"]
    mouse.dblclick(box["x"] + box["width"] / 2, y)
    lab.until(f"() => {chip}.hidden", 10)


def test_running_all_cells_again_replaces_what_they_made(lab: Lab) -> None:
    """After a second run there are as many servers, feeds, threads and figures as after one."""
    count = "import threading, tickerkit as tk; print(len(tk.status()), threading.active_count())"
    ports = "print(*sorted(tk.status()['address']))"
    before, ports_before = lab.run(count), lab.run(ports)
    figures = (
        "import gc; print(sum(type(each).__name__ == 'LiveFigure' and each.comm is not None"
        " for each in gc.get_objects()))"
    )
    figures_before = lab.run(figures)
    lab.run_all()
    lab.until(TWO_FIGURES)
    assert lab.failures() == []
    assert lab.run(ports) == ports_before
    assert lab.run(figures) == figures_before == "2\n"
    assert lab.run(count).split()[0] == before.split()[0] == "4"
    threads = int(before.split()[1])
    # The thread that sends for a closed figure ends a moment later.
    wait = (
        f"import time; end = time.monotonic() + 10\n"
        f"while threading.active_count() > {threads} and time.monotonic() < end: time.sleep(0.05)"
    )
    assert int(lab.run(f"{wait}\n{count}").split()[1]) <= threads
    first = lab.figures()[0]["lines"][0]["newest"]
    lab.until(f"() => document.querySelector('.js-plotly-plot')._tickerkit.newest > {first}", 10)


def test_after_a_reload_of_the_page_the_chart_goes_on(lab: Lab) -> None:
    """A reloaded page shows the lines as they are now, not as they were when first shown."""
    lab.reload()
    lab.until(TWO_FIGURES)
    newest = lab.figures()[0]["lines"][0]["newest"]
    assert len(lab.figures()[0]["lines"]) == 3
    lab.until(f"() => document.querySelector('.js-plotly-plot')._tickerkit.newest > {newest}", 10)


def test_stopping_all_leaves_no_thread(lab: Lab) -> None:
    """After tk.stop_all() nothing of tickerkit runs in the kernel any more."""
    lab.run("import threading, time, tickerkit as tk; tk.stop_all()")
    names = lab.run(
        "ours = lambda: [t.name for t in threading.enumerate() if 'tickerkit' in t.name]\n"
        "end = time.monotonic() + 5\n"
        "while ours() and time.monotonic() < end: time.sleep(0.01)\n"
        "print(len(tk.status()), ours())"
    )
    assert names == "0 []\n"
