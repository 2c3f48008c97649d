"""A real JupyterLab in a real browser, for the tests of notebooks and widgets."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

START_S = 60
RUN_S = 90

FIGURES = """() => [...document.querySelectorAll('.js-plotly-plot')].filter(e => e.data).map(e => ({
    width: e._fullLayout.width,
    room: e.parentElement.clientWidth,
    axis: e._fullLayout.xaxis.type,
    range: e._fullLayout.xaxis.range.map(String),
    lines: e.data.map(t => ({
        name: t.name, type: t.type, points: (t.x || []).length,
        newest: String((t.x || [])[(t.x || []).length - 1]),
    })),
}))"""


class Lab:
    """JupyterLab, opened on one notebook."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(url)
        self._wait_until_open()

    def reload(self) -> None:
        """Reload the page, as a user would; the kernel goes on."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        self.page.goto(self.page.url.partition("?")[0])
        self._wait_until_open()

    def _wait_until_open(self) -> None:
        page = self.page
        page.wait_for_function(
            "() => window.jupyterapp?.shell.currentWidget?.content?.model?.cells?.length",
            timeout=START_S * 1000,
        )
        page.evaluate("() => window.jupyterapp.shell.currentWidget.context.sessionContext.ready")

    def run_all(self) -> None:
        """Run all cells, and wait until the last has run."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        assert all(cell["execution_count"] for cell in self.cells() if cell["cell_type"] == "code")

    def run(self, code: str) -> str:
        """Run code in the notebook's kernel beside its cells; return what it prints."""
        script = """async code => {
            const { sessionContext } = window.jupyterapp.shell.currentWidget.context;
            const kernel = sessionContext.session.kernel;
            const future = kernel.requestExecute({code, store_history: false});
            let text = '';
            future.onIOPub = message => {
                if (message.header.msg_type === 'stream') text += message.content.text;
                if (message.header.msg_type === 'error') text += message.content.traceback.join('');
            };
            await future.done;
            return text;
        }"""
        return str(self.page.evaluate(script, code))

    def cells(self) -> list[dict[str, Any]]:
        """Return the notebook's cells with their outputs."""
        script = (
            "() => JSON.stringify(window.jupyterapp.shell.currentWidget.content.model.toJSON())"
        )
        cells: list[dict[str, Any]] = json.loads(self.page.evaluate(script))["cells"]
        return cells

    def failures(self) -> list[str]:
        """Return the errors that cells ended with, and what they wrote to stderr."""
        return [
            output.get("evalue") or str(output.get("text"))
            for cell in self.cells()
            for output in cell.get("outputs", [])
            if output["output_type"] == "error" or output.get("name") == "stderr"
        ]

    def figures(self) -> list[dict[str, Any]]:
        """Return what each plotly figure in the page shows."""
        figures: list[dict[str, Any]] = self.page.evaluate(FIGURES)
        return figures

    def until(self, condition: str, timeout_s: float = RUN_S) -> None:
        """Wait until a JavaScript expression holds."""
        self.page.wait_for_function(condition, timeout=timeout_s * 1000)


@contextlib.contextmanager
def jupyterlab(browser: Browser, notebook: Path, folder: Path) -> Iterator[Lab]:
    """Start JupyterLab on a copy of `notebook` in `folder`, and open it in `browser`."""
    shutil.copy(notebook, folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [
        "--no-browser",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=",
        f"--ServerApp.root_dir={folder}",
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.news_url=None",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")
    with (folder / "jupyterlab.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options], stdout=log, stderr=log, cwd=folder
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/api", process)
        # Tall, since JupyterLab draws only the cells in view.
        page = browser.new_page(viewport={"width": 1300, "height": 5000})
        yield Lab(page, f"http://127.0.0.1:{port}/lab/tree/{notebook.name}?reset")
        page.close()
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, "JupyterLab ended at once; see jupyterlab.log"
            assert time.monotonic() < end, f"JupyterLab did not answer within {START_S} s"
            time.sleep(0.1)
        else:
            return
