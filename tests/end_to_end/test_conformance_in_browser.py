"""One notebook, unchanged, in every place that tickerkit is tested in: its charts move there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lab import Host, Lab, jupyterlab, marimo, notebook7, voila

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Four servers to start take two minutes.
pytestmark = [pytest.mark.browser, pytest.mark.soak, pytest.mark.timeout(240)]

NOTEBOOK = Path(__file__).with_name("conformance.ipynb")
HOSTS = {"jupyterlab": jupyterlab, "notebook": notebook7, "voila": voila}
NEWEST = "Number(plot.data[0]?.x?.at(-1))"


def open_in_marimo(browser: Browser, folder: Path) -> AbstractContextManager[Host]:
    """Open the notebook as marimo's own converter writes it."""
    command = [sys.executable, "-m", "marimo", "convert", str(NOTEBOOK)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return marimo(browser, done.stdout, folder)


@pytest.fixture(params=[*HOSTS, "marimo"])
def host(request: pytest.FixtureRequest, chromium: Browser, tmp_path: Path) -> Iterator[Host]:
    """Open the notebook, and run it."""
    pytest.importorskip(request.param)
    is_marimo = request.param == "marimo"
    opened: AbstractContextManager[Host] = (
        open_in_marimo(chromium, tmp_path)
        if is_marimo
        else HOSTS[request.param](chromium, NOTEBOOK, tmp_path)
    )
    with opened as host:
        if isinstance(host, Lab):
            host.run_all()
        yield host


def test_the_notebook_shows_its_charts(
    host: Host, artifacts: Path, request: pytest.FixtureRequest
) -> None:
    """A figure of plotly express and a feed's chart move; a figure that Python has zoomed stays."""
    host.until_all(3, "plot.data.length > 0 && plot.data.every(({ x }) => x?.length > 1)")
    before = host.plots(NEWEST)
    moved = f"[{before[0]}, {before[1]}, -1][plots.indexOf(plot)] < {NEWEST}"
    host.until_all(3, moved)
    assert host.plots("plot.data.length") == [1, 2, 1]
    assert host.plots("plot._fullLayout.xaxis.range")[2] == [2, 4]
    assert (host.failures(), host.errors) == ([], [])
    host.page.screenshot(path=artifacts / f"conformance-{request.node.callspec.id}.png")
