"""Every notebook runs from top to bottom, and is kept in git as source only."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tutorial import FAULTS, said

import tickerkit

if TYPE_CHECKING:
    from nbformat import NotebookNode

pytestmark = pytest.mark.process

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
FAULTS_OF_TUTORIAL = FOLDER / "lessons" / "3a_the_tutorial_that_does_not_run.ipynb"
TUTORIAL_IN_NOTEBOOK = FOLDER / "lessons" / "3b_server_and_client_in_a_notebook.ipynb"
BY_NAME = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.name for path in NOTEBOOKS])
CELL_S = 60

Run = Callable[[Path], "NotebookNode"]


def read(path: Path) -> NotebookNode:
    """Return the notebook, valid by the notebook format's own schema."""
    import nbformat  # takes 2 s, which each process of tests would need

    notebook: NotebookNode = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Return a function that executes a notebook, once, in an empty folder and a fresh kernel."""

    @cache
    def execute(path: Path) -> NotebookNode:
        from nbclient import NotebookClient

        folder = tmp_path_factory.mktemp(path.stem)
        resources = {"metadata": {"path": str(folder)}}
        client = NotebookClient(
            read(path), timeout=CELL_S, kernel_name="python3", resources=resources
        )
        return client.execute()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(tickerkit.__file__).parents[1]))
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        patch.setenv("TICKERKIT_LESSONS", str(tmp_path_factory.mktemp("lessons") / "lessons.json"))
        yield execute


@pytest.mark.package
@BY_NAME
def test_the_notebook_runs_from_top_to_bottom(path: Path, run: Run) -> None:
    """No cell of it fails or complains, in an empty folder and without a network."""
    outputs = [output for cell in run(path).cells for output in cell.get("outputs", [])]
    assert outputs
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []


@BY_NAME
def test_the_notebook_is_kept_without_outputs(path: Path) -> None:
    """What git holds is source: no outputs, no counts, no state of widgets, no machine's traces."""
    notebook = read(path)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert not cell.metadata
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.language_info == {"name": "python"}


@BY_NAME
def test_the_notebook_says_what_it_is_about_to_do(path: Path) -> None:
    """It begins with a title, and each of its sections with prose."""
    title, *cells = read(path).cells
    assert title.cell_type == "markdown"
    assert title.source.startswith("# ")
    sections = [cell.source for cell in cells if cell.source.startswith("## ")]
    assert sections
    assert [heading for heading in sections if "\n\n" not in heading] == []


@BY_NAME
def test_the_notebook_can_be_compared_between_versions(path: Path) -> None:
    """Its name gives its place in the order, and its cells have ids that stay."""
    assert re.fullmatch(r"\d\d_[a-z_]+\.ipynb", path.name)
    name = path.stem[3:]
    assert [cell.id for cell in read(path).cells if not cell.id.startswith(f"{name}-")] == []
    assert json.loads(path.read_text(encoding="utf-8"))["nbformat_minor"] >= 5


@pytest.mark.package
def test_the_tutorial_shows_each_fault_with_its_own_error(run: Run) -> None:
    """Each reason why the printed tutorial fails is seen live, then the prices are."""
    text = said(run(FAULTS_OF_TUTORIAL))
    shown = [*FAULTS, "error while attempting to bind on address"]
    places = [text.find(words) for words in shown]
    assert -1 not in places, shown[places.index(-1)]
    assert places == sorted(places)


@pytest.mark.package
def test_the_tutorial_in_a_notebook_goes_both_ways(run: Run) -> None:
    """Each client gets what one of them sends; a loop inside a loop is refused."""
    text = said(run(TUTORIAL_IN_NOTEBOOK))
    shown = [
        "101 Switching Protocols",
        *(f"{name} got: hello from ana" for name in ("ana", "ben", "cem")),
        "asyncio.run() cannot be called from a running event loop",
        "This event loop is already running",
        "asyncio.run works inside a running loop",
        '[{"symbol":"NVDA"',
    ]
    places = [text.find(words) for words in shown]
    assert -1 not in places, shown[places.index(-1)]
    assert places == sorted(places)


@pytest.mark.package
def test_the_tutorial_leaves_its_kernel_unpatched(run: Run) -> None:
    """nest_asyncio changes the Task class of the process that it is shown in, and no other."""
    text = said(run(TUTORIAL_IN_NOTEBOOK))
    before, after, here = re.findall(r"^(?:before|after|here): +<class '(.*)'>$", text, re.M)
    assert before == here == "_asyncio.Task"
    assert after != before


@pytest.mark.package
def test_the_tutorial_measures_that_a_busy_cell_does_not_silence_tickerkit(run: Run) -> None:
    """A server on the kernel's loop is silent while a cell computes; tickerkit's is not."""
    text = said(run(TUTORIAL_IN_NOTEBOOK))
    kernels, own = (float(seconds) for seconds in re.findall(r"a pause of ([\d.]+) s", text))
    assert own < 1.5 <= kernels


@pytest.mark.package
def test_the_desk_of_the_notebook_notices_the_crash_once(run: Run) -> None:
    """The list of alerts has the level that was crossed once; SQL and the join see each share."""
    cells = {cell.id: cell for cell in run(FOLDER / "07_desk.ipynb").cells}
    shown = {
        cell.source: output.data["text/plain"]
        for cell in cells.values()
        for output in cell.get("outputs", [])
        if output.output_type == "execute_result"
    }
    alerts = next(text for code, text in shown.items() if code.startswith("feed.alerts["))
    assert alerts.count("AAPL is below 182") == 1
    for begin in ("import duckdb", "trades = tk.asof"):
        table = next(text for code, text in shown.items() if code.startswith(begin))
        assert re.findall(r"\b[A-Z]{4}\b", table) == ["AAPL", "MSFT", "NVDA"]


@pytest.mark.package
def test_the_feed_of_the_notebook_on_many_machines_loses_nothing_when_a_relay_stops(
    run: Run,
) -> None:
    """The seqs rise by one, no gap is listed; then the maker's end is, once."""
    text = said(run(FOLDER / "08_many_machines.ipynb"))
    assert re.search(r"\(np\.True_, 0, 1\)", text)
    assert "nothing listens there yet" in text
    assert text.count("<NA>") == 1
