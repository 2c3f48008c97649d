"""The lessons of a class: each runs as committed, and with the model answers; each is short."""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import tickerkit
from tickerkit.classroom.lessons.exercise import Exercise
from tickerkit.classroom.lessons.lesson import TITLES

if TYPE_CHECKING:
    from nbclient import NotebookClient
    from nbformat import NotebookNode

pytestmark = pytest.mark.process

FOLDER = Path(__file__).parents[2] / "notebooks" / "lessons"
LESSONS = sorted(FOLDER.glob("*.ipynb"))
BY_NAME = pytest.mark.parametrize("path", LESSONS, ids=[path.name for path in LESSONS])
CELL_S = 60
MAX_WORDS = 700
MAX_CODE_CELLS = 12
MAX_MINUTES = 45
WORD = re.compile(r"\w[\w'’.,-]*")
MINUTES = re.compile(r"\((\d+) minutes?\)")
# The notebook itself has mended the file that is checked.
DONE_BY_THE_NOTEBOOK = {"3a6"}
CHECK = re.compile(r'^L\.check\(\s*"(\w+)"', re.M)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the cells of a notebook."""
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in cells]


def prose(path: Path) -> list[str]:
    """Return the sources of the cells of prose."""
    return [cell["source"] for cell in read(path) if cell["cell_type"] == "markdown"]


def code(path: Path) -> list[str]:
    """Return the sources of the cells of code."""
    return [cell["source"] for cell in read(path) if cell["cell_type"] == "code"]


@cache
def exercises(path: Path) -> dict[str, Exercise]:
    """Return the exercises of a lesson."""
    module = importlib.import_module(f"tickerkit.classroom.lessons.lesson{number(path)}")
    return {each.key: each for each in module.EXERCISES}


def number(path: Path) -> str:
    """Return the number of a lesson, such as 3a."""
    return path.name.partition("_")[0]


# --- short, and of one form -----------------------------------------------------------------------


@BY_NAME
def test_a_lesson_is_short(path: Path) -> None:
    """It has at most 700 words of prose and 12 cells of code."""
    assert sum(len(WORD.findall(text)) for text in prose(path)) <= MAX_WORDS
    assert len(code(path)) <= MAX_CODE_CELLS


@BY_NAME
def test_a_lesson_says_how_long_it_takes(path: Path) -> None:
    """The headings have minutes, whose sum is that of the lesson; the core takes 20."""
    text = "\n".join(prose(path))
    title, *_ = text.splitlines()
    assert title == f"# {number(path)} {TITLES[number(path)]}"
    whole = re.search(r"^\*(\d+) minutes\. If you have 20 minutes: .+\*$", text, re.M)
    assert whole is not None
    sections = [line for line in text.splitlines() if re.match(r"## \d+\. (?!Stop)", line)]
    minutes = [int(found[1]) for line in sections if (found := MINUTES.search(line))]
    assert len(minutes) == len(sections)
    assert 0.8 * int(whole[1]) <= sum(minutes) <= int(whole[1]) <= MAX_MINUTES


@BY_NAME
def test_a_lesson_is_kept_without_outputs(path: Path) -> None:
    """What git holds is source, with ids that stay, and tags that the tests know."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    for cell in notebook["cells"]:
        assert cell["id"].startswith(f"{number(path)}-")
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert set(cell["metadata"]) <= {"tags", "tickerkit"}
        assert cell["metadata"].get("tickerkit", {"needs": "browser"}) == {"needs": "browser"}
        assert set(cell["metadata"].get("tags", [])) <= {"raises-exception"}
    assert re.fullmatch(r"\d[ab]?_[a-z_]+\.ipynb", path.name)


@BY_NAME
def test_a_lesson_asks_for_each_of_its_guesses_and_answers(path: Path) -> None:
    """Each exercise and each question of the module is in the notebook, and no other."""
    text = "\n".join(code(path))
    module = importlib.import_module(f"tickerkit.classroom.lessons.lesson{number(path)}")
    assert set(CHECK.findall(text)) == set(exercises(path))
    guesses = re.findall(r'^L\.predict\("(\w+)", \.\.\.\)', text, re.M)
    assert set(guesses) == set(module.PREDICTIONS)


@BY_NAME
def test_a_lesson_does_not_give_its_answers_away(path: Path) -> None:
    """The body of no model answer is in the notebook, and no cell shows it."""
    text = "\n".join(code(path))
    assert "L.solution" not in text
    for each in exercises(path).values():
        body = each.solution.strip().partition("\n")[2].strip()
        assert not body or body not in text


@BY_NAME
def test_a_teacher_has_notes(path: Path) -> None:
    """The notes name the goal, the answers, and what to do without internet."""
    notes = path.with_suffix(".md").read_text(encoding="utf-8")
    assert TITLES[number(path)] in notes.splitlines()[0]
    assert "**Goal.**" in notes
    assert re.search(r"network|internet|this machine", notes)


@BY_NAME
def test_a_lesson_is_plain(path: Path) -> None:
    """Sentences are short on average, and the words of a household are left out."""
    text = re.sub(r"`[^`]*`|^\|.*$|^#.*$", "x", "\n\n".join(prose(path)), flags=re.M)
    sentences = [each for each in re.split(r"[.?!:]\s|\n\n", text) if WORD.search(each)]
    words = [len(WORD.findall(each)) for each in sentences]
    assert sum(words) / len(words) < 12
    assert max(words) <= 40
    assert not re.search(r"\b(is none|anew|let go of|knock|befell|whom?ever)\b", text)


# --- run ------------------------------------------------------------------------------------------


class Run:
    """A lesson in a kernel.

    Attributes:
        committed: for each cell of code, what it showed as it is committed.
        filled: for each exercise, what its check showed with the model answer.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        import nbformat  # takes 2 s, which each process of tests would need
        from nbclient import NotebookClient

        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        resources = {"metadata": {"path": str(folder)}}
        client = NotebookClient(
            notebook, timeout=CELL_S, kernel_name="python3", resources=resources
        )
        self.committed: dict[str, str] = {}
        self.filled: dict[str, str] = {}
        with client.setup_kernel():
            cells = [(i, cell) for i, cell in enumerate(notebook.cells) if is_run(cell)]
            # The last cell may stop what the others have started: it runs after the answers.
            ends = [each for each in cells[-1:] if not CHECK.search(each[1].source)]
            most = cells[: len(cells) - len(ends)]
            for index, cell in most:
                self.committed[cell.id] = execute(client, index, cell)
            self._fill(client, path, most)
            for index, cell in ends:
                self.committed[cell.id] = execute(client, index, cell)

    def _fill(
        self, client: NotebookClient, path: Path, cells: list[tuple[int, NotebookNode]]
    ) -> None:
        """Run each check with its model answer, and the later cells that call the answer."""
        names: set[str] = set()
        for index, cell in cells:
            source = cell.source
            for key in CHECK.findall(source):
                solution = exercises(path)[key].solution.strip()
                name = find_name(solution)
                cell.source = f'{solution}\nL.check("{key}", {name})'
                self.filled[key] = execute(client, index, cell)
                names.add(name)
            if not CHECK.search(source) and any(f"{name}(" in source for name in names):
                execute(client, index, cell)


def is_run(cell: NotebookNode) -> bool:
    """Return whether a cell is code that needs no browser."""
    return cell.cell_type == "code" and "tickerkit" not in cell.metadata


def find_name(source: str) -> str:
    """Return the name that the source of an answer defines last."""
    names = [
        node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else target.id
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Assign)
        for target in getattr(node, "targets", [ast.Name("")])
        if isinstance(target, ast.Name)
    ]
    return names[-1]


def execute(client: NotebookClient, index: int, cell: NotebookNode) -> str:
    """Run a cell; return what it shows. Nothing may be written to stderr."""
    client.execute_cell(cell, index)
    outputs = cell.outputs
    assert [each.text for each in outputs if each.get("name") == "stderr"] == []
    return "\n".join(
        each.get("text") or each.get("data", {}).get("text/plain", "") for each in outputs
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a function that runs a lesson, once, in an empty folder and a fresh kernel."""

    @cache
    def run(path: Path) -> Run:
        folder = tmp_path_factory.mktemp(path.stem)
        patch.setenv("TICKERKIT_LESSONS", str(folder / "home" / "lessons.json"))
        return Run(path, folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(tickerkit.__file__).parents[1]))
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        yield run


@pytest.mark.package
@BY_NAME
def test_a_lesson_runs_as_committed(path: Path, runs: Any) -> None:
    """No cell fails or complains, and an exercise that is not done is not passed."""
    shown = runs(path).committed
    text = "\n".join(shown.values())
    assert set(re.findall(r"^Exercise (\w+) ✓ passed", text, re.M)) <= DONE_BY_THE_NOTEBOOK
    assert set(re.findall(r"^Exercise (\w+) ", text, re.M)) == set(exercises(path))
    assert "could not be checked" not in text


@pytest.mark.package
@BY_NAME
def test_a_lesson_runs_with_the_model_answers(path: Path, runs: Any) -> None:
    """Each check passes, in the notebook's own kernel and with its servers."""
    filled = runs(path).filled
    assert set(filled) == set(exercises(path))
    assert [text for text in filled.values() if "✓ passed" not in text] == []
