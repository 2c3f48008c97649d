"""JupyterLab, Notebook 7, Voila and marimo in a real browser, for tests of notebooks."""

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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Error, Page

START_S = 60
RUN_S = 90
PYTHON = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}

FIGURES = """() => [...document.querySelectorAll('.js-plotly-plot')].filter(e => e.data).map(e => ({
    width: e._fullLayout.width,
    room: e.parentElement.clientWidth,
    axis: e._fullLayout.xaxis.type,
    range: e._fullLayout.xaxis.range.map(String),
    lines: e.data.map(t => ({
        name: (t.name || '').replace(/<[^>]*>/g, '').split(' ')[0],
        type: t.type,
        points: (t.x || []).length,
        newest: String((t.x || [])[(t.x || []).length - 1]),
    })),
}))"""


FAILED = ", ".join(
    f'[data-mime-type="application/vnd.jupyter.{name}"]' for name in ("error", "stderr")
)


def save_notebook(path: Path, source: str) -> None:
    """Write a notebook with one cell."""
    import nbformat  # not at the top: each process of tests would spend 2 s on it

    cells = [nbformat.v4.new_code_cell(source)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=PYTHON), path)


class Host:
    """A page that shows a notebook.

    Attributes:
        page: the page.
        errors: the errors that the page's scripts have thrown.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", self._note)
        page.goto(url)

    def _note(self, error: Error) -> None:
        # Notebook throws this error itself when it starts:
        # https://github.com/jupyter/notebook/issues/7862
        if not ("reading 'schema'" in str(error) and "notebook_core" in (error.stack or "")):
            self.errors.append(str(error))

    def failures(self) -> list[str]:
        """Return the errors that cells ended with, and what they wrote to stderr."""
        return self.page.locator(FAILED).all_inner_texts()

    def figures(self) -> list[dict[str, Any]]:
        """Return what each plotly figure in the page shows."""
        figures: list[dict[str, Any]] = self.page.evaluate(FIGURES)
        return figures

    def until(self, condition: str, timeout_s: float = RUN_S) -> None:
        """Wait until a JavaScript expression holds."""
        self.page.wait_for_function(condition, timeout=timeout_s * 1000)

    def plots(self, expression: str) -> list[Any]:
        """Return a JavaScript expression's value for each figure, `plot`; it may be a promise."""
        values: list[Any] = self.page.evaluate(
            f"() => Promise.all({PLOTS}.map(async (plot) => ({expression})))"
        )
        return values

    def until_all(self, count: int, condition: str) -> None:
        """Wait until there are this many figures, and a JavaScript expression holds for each."""
        script = "() => { const plots = %s; return plots.length === %d && plots.every(plot => %s) }"
        self.until(script % (PLOTS, count, condition))


class Lab(Host):
    """JupyterLab or Notebook 7, opened on one notebook."""

    def __init__(self, page: Page, url: str) -> None:
        super().__init__(page, url)
        self._wait_until_open()

    def reload(self) -> None:
        """Save the notebook and reload the page, as a user would; the kernel goes on."""
        self.save()
        self.page.goto(self.page.url.partition("?")[0])
        self._wait_until_open()

    def save(self) -> None:
        """Save the notebook, and wait until it is on the disk."""
        self._execute("docmanager:save")

    def save_with_widgets(self) -> None:
        """Save the notebook with the state of its widgets, by a setting of JupyterLab."""
        self.page.evaluate(
            """async command => {
                const { commands } = window.jupyterapp;
                if (!commands.isToggled(command)) await commands.execute(command);
            }""",
            "@jupyter-widgets/jupyterlab-manager:saveWidgetState",
        )
        self.save()

    def _execute(self, command: str) -> None:
        self.page.evaluate("command => window.jupyterapp.commands.execute(command)", command)

    def _wait_until_open(self) -> None:
        page = self.page
        page.wait_for_function(
            "() => window.jupyterapp?.shell.currentWidget?.content?.model?.cells?.length",
            timeout=START_S * 1000,
        )
        page.evaluate("() => window.jupyterapp.shell.currentWidget.context.sessionContext.ready")

    def shut_down(self) -> None:
        """End the kernel."""
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.context.sessionContext.shutdown()"
        )

    def restart(self) -> None:
        """Restart the kernel."""
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.context.sessionContext.session"
            ".kernel.restart()"
        )

    def run_all(self) -> None:
        """Run all cells, and wait until the last has run."""
        self._execute("notebook:run-all-cells")
        assert all(cell["execution_count"] for cell in self.cells() if cell["cell_type"] == "code")

    def run_cell(self, code: str) -> dict[str, Any]:
        """Append a cell with this code, run it as a user would, and return it with its outputs."""
        script = """code => {
            const { content } = window.jupyterapp.shell.currentWidget;
            const cells = content.model.sharedModel;
            cells.insertCell(cells.cells.length, {cell_type: 'code', source: code});
            content.deselectAll();
            content.activeCellIndex = cells.cells.length - 1;
        }"""
        self.page.evaluate(script, code)
        self._execute("notebook:run-cell")
        return self.cells()[-1]

    def run(self, code: str) -> str:
        """Run code in the notebook's kernel without a cell; return what it prints."""
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


@contextlib.contextmanager
def jupyterlab(browser: Browser, notebook: Path, folder: Path, *more: str) -> Iterator[Lab]:
    """Start JupyterLab on a copy of `notebook` in `folder`, and open it in `browser`."""
    _copy(notebook, folder)
    with (
        _served("jupyterlab", [*_lab_options(folder), *more], folder) as url,
        _page(browser) as page,
    ):
        yield Lab(page, f"{url}/lab/tree/{notebook.name}?reset")


class Jupyter:
    """A JupyterLab and a Chromium that all tests share; each test has a notebook and a kernel.

    Args:
        browser: opens the pages.
        url: where JupyterLab listens.
        root: the folder of JupyterLab, which holds the folders of all tests.
    """

    def __init__(self, browser: Browser, url: str, root: Path) -> None:
        self._browser, self._url, self._root = browser, url, root

    @contextlib.contextmanager
    def open(self, notebook: Path | str, folder: Path) -> Iterator[Lab]:
        """Open a notebook in `folder`: a copy of a file, or a new one with a single cell of code.

        The kernel ends when the page is closed.
        """
        name = notebook.name if isinstance(notebook, Path) else "notebook.ipynb"
        if isinstance(notebook, Path):
            shutil.copy(notebook, folder)
        else:
            save_notebook(folder / name, notebook)
        path = (folder / name).resolve().relative_to(self._root).as_posix()
        with _page(self._browser) as page:
            lab = Lab(page, f"{self._url}/lab/tree/{path}?reset")
            try:
                yield lab
            finally:
                lab.shut_down()


@pytest.fixture(scope="session")
def jupyter(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """Run a JupyterLab on the folder that holds the temporary folders of all tests."""
    pytest.importorskip("jupyterlab")
    root = tmp_path_factory.getbasetemp().resolve()
    with _served("jupyterlab", _lab_options(root), tmp_path_factory.mktemp("jupyter")) as url:
        yield Jupyter(chromium, url, root)


@contextlib.contextmanager
def notebook7(browser: Browser, notebook: Path, folder: Path) -> Iterator[Lab]:
    """Start Notebook 7 on a copy of `notebook` in `folder`, and open it in `browser`."""
    options = [*_jupyter(folder), "--JupyterNotebookApp.expose_app_in_browser=True"]
    _copy(notebook, folder)
    with _served("notebook", options, folder) as url, _page(browser) as page:
        yield Lab(page, f"{url}/notebooks/{notebook.name}")


@contextlib.contextmanager
def jupyter_server(folder: Path, token: str, *more: str) -> Iterator[str]:
    """Start a Jupyter server that other computers may reach with a token; yield its address."""
    options = [*_jupyter(folder, token), "--ServerApp.allow_remote_access=True", *more]
    with _served("jupyter_server", options, folder) as url:
        yield url


@contextlib.contextmanager
def voila(browser: Browser, notebook: Path, folder: Path) -> Iterator[Host]:
    """Start Voila on a copy of `notebook` in `folder`; open it, and wait for a figure."""
    options = [notebook.name, "--show_tracebacks=True"]
    _copy(notebook, folder)
    with _served("voila", options, folder) as url, _page(browser) as page:
        # Voila's page waits for a font of icons from the network.
        page.route(lambda wanted: not wanted.startswith(url), lambda route: route.abort())
        host = Host(page, url)
        host.until("() => document.querySelector('.js-plotly-plot')?.data")
        yield host


class Marimo(Host):
    """marimo's editor, opened on one notebook, whose cells have run."""

    def run_again(self, number: int) -> None:
        """Run a cell again, by its number from 0."""
        # Each cell has two of these buttons; they are shown while the mouse is there.
        buttons = self.page.locator("[data-testid=run-button]")
        buttons.nth(2 * number).dispatch_event("click")


# marimo shows each widget in a shadow root, where `querySelectorAll` of the document finds nothing.
PLOTS = """(function find(root) {
    return [...root.querySelectorAll('*')].flatMap(e => [
        ...(e.classList.contains('js-plotly-plot') && e.data ? [e] : []),
        ...(e.shadowRoot ? find(e.shadowRoot) : []),
    ]);
})(document)"""


@contextlib.contextmanager
def marimo(browser: Browser, notebook: str, folder: Path) -> Iterator[Marimo]:
    """Start marimo's editor on a notebook, given as the text of its file, and open it."""
    (folder / "notebook.py").write_text(notebook, encoding="utf-8")
    (folder / "pyproject.toml").write_text("[tool.marimo.runtime]\nauto_instantiate = true\n")
    options = ["--no-token", "--skip-update-check"]
    words = ("edit", "notebook.py", "--headless")
    with _served("marimo", options, folder, words) as url, _page(browser) as page:
        yield Marimo(page, url)


def _jupyter(folder: Path, token: str = "") -> list[str]:
    """Return the options that JupyterLab, Notebook 7 and Jupyter Server have in common."""
    options = [
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder}",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")
    return options


def _lab_options(folder: Path) -> list[str]:
    return [*_jupyter(folder), "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None"]


def _copy(notebook: Path, folder: Path) -> None:
    if notebook.parent != folder:
        shutil.copy(notebook, folder)


@contextlib.contextmanager
def _served(
    module: str, options: list[str], folder: Path, words: Sequence[str] = ("--no-browser",)
) -> Iterator[str]:
    """Run a server in `folder`, where its log and its settings are; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", module, *words, f"--port={port}", *options]
    log = folder / f"{module}.log"
    # The user's settings would change what is tested, and the tests would change them.
    own = os.environ | {"JUPYTER_CONFIG_DIR": str(folder / ".jupyter")}
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=folder, env=own)
    try:
        _wait_for(f"http://127.0.0.1:{port}/api", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def _page(browser: Browser) -> Iterator[Page]:
    # Tall, since JupyterLab draws only the cells in view.
    page = browser.new_page(viewport={"width": 1300, "height": 5000})
    yield page
    page.close()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except urllib.error.HTTPError as error:
            error.close()
            return  # the server answers: Voila has no /api, and reports 404
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, f"{log.stem} ended at once; see {log}"
            assert time.monotonic() < end, f"{log.stem} did not answer within {START_S} s"
            time.sleep(0.1)
        else:
            return
