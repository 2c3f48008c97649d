"""`tickerkit clean`: saved widgets go out of notebooks, and nothing else does."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from commands import Command, on_posix

from tickerkit.cli import clean as module
from tickerkit.cli import main
from tickerkit.cli.interrupt import ending

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
REFERENCE = {"version_major": 2, "version_minor": 0, "model_id": "4d1ea5"}
TEXT = "prices of 株, and “quotes”"

Make = Callable[..., Path]


def shown(**data: Any) -> dict[str, Any]:
    """Return an output with these mimes, in which a view is `view` and text is `text`."""
    names = {"view": VIEW, "text": "text/plain", "png": "image/png"}
    return {
        "output_type": "display_data",
        "data": {names[name]: value for name, value in data.items()},
        "metadata": {VIEW: {"isolated": True}} if "view" in data else {},
    }


def code_cell(*outputs: dict[str, Any]) -> dict[str, Any]:
    """Return a code cell that has run."""
    return {
        "cell_type": "code",
        "execution_count": 7,
        "id": "c0de",
        "metadata": {"execution": {"iopub.execute_input": "2026-11-02T09:30:00Z"}, "tags": ["a"]},
        "outputs": list(outputs),
        "source": ["figure"],
    }


def with_widgets(*cells: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook with the state of a chart in it, as Jupyter saves it."""
    prose = {"cell_type": "markdown", "id": "a1", "metadata": {}, "source": [TEXT]}
    state = {"4d1ea5": {"model_name": "AnyModel", "state": {"_esm": "x" * 500_000}}}
    return {
        "cells": [prose, *(cells or [code_cell(shown(view=REFERENCE))])],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "widgets": {STATE: {"state": state, "version_major": 2, "version_minor": 0}},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return a function that writes a notebook as Jupyter does; its folder is the current one."""
    monkeypatch.chdir(tmp_path)

    def write(notebook: Any = None, name: str = "demo.ipynb") -> Path:
        text = json.dumps(notebook or with_widgets(), indent=1, ensure_ascii=False)
        Path(name).write_bytes(f"{text}\n".encode())
        return Path(name)

    return write


def outputs_of(path: Path) -> list[dict[str, Any]]:
    """Return the outputs of a notebook's last cell."""
    found: list[dict[str, Any]] = json.loads(path.read_bytes())["cells"][-1]["outputs"]
    return found


def test_the_state_of_widgets_goes_and_the_rest_is_kept(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """500 kB become a few hundred bytes, in the form that Jupyter itself would have written."""
    path = make()
    assert main(["clean", "demo.ipynb"]) == 0
    assert capsys.readouterr() == ("demo.ipynb: 501 kB -> 558 bytes\n", "")
    wanted = with_widgets()
    del wanted["metadata"]["widgets"]
    wanted["cells"][-1]["outputs"] = []
    written = path.read_bytes().decode()
    assert json.loads(written) == wanted
    assert written == nbformat.writes(nbformat.from_dict(wanted)) + "\n"  # type: ignore[no-untyped-call]
    assert TEXT in written
    nbformat.validate(nbformat.read(path, as_version=4))  # type: ignore[no-untyped-call]


def test_an_output_keeps_what_is_no_widget(make: Make) -> None:
    """A view goes with its metadata; text or a picture beside it stays, as other outputs do."""
    printed = {"output_type": "stream", "name": "stdout", "text": ["AAPL\n"]}
    empty = shown()
    path = make(
        with_widgets(
            code_cell(
                printed,
                shown(view=REFERENCE, text="LiveFigure()"),
                shown(view=REFERENCE),
                shown(png="iVBORw0KGgo="),
                shown(view=REFERENCE, png="iVBORw0KGgo=", text="HBox()"),
                empty,
            )
        )
    )
    assert main(["clean", "demo.ipynb"]) == 0
    assert outputs_of(path) == [
        printed,
        shown(text="LiveFigure()"),
        shown(png="iVBORw0KGgo="),
        shown(png="iVBORw0KGgo=", text="HBox()"),
        empty,
    ]
    assert json.loads(path.read_bytes())["cells"][-1]["execution_count"] == 7


def test_a_view_whose_state_was_not_saved_goes_too(make: Make) -> None:
    """A reference to a widget that is nowhere shows as an error, so it is stripped."""
    notebook = with_widgets()
    del notebook["metadata"]["widgets"]
    path = make(notebook)
    assert main(["clean", "demo.ipynb"]) == 0
    assert outputs_of(path) == []


def test_outputs_strips_all_that_running_has_left(make: Make) -> None:
    """With --outputs no output, count or time stays; metadata of the user's does."""
    path = make(with_widgets(code_cell(shown(text="1"), {"output_type": "stream", "text": "2"})))
    assert main(["clean", "--outputs", "demo.ipynb"]) == 0
    cell = json.loads(path.read_bytes())["cells"][-1]
    assert cell == code_cell() | {"execution_count": None, "metadata": {"tags": ["a"]}}
    assert main(["clean", "--check", "--outputs", "demo.ipynb"]) == 0


def test_outputs_strips_notebooks_of_format_3(make: Make) -> None:
    """The worksheets and prompt numbers of old notebooks are known."""
    cell = {"cell_type": "code", "input": ["1"], "language": "python", "metadata": {}}
    run = {"outputs": [{"output_type": "pyout", "text": ["1"]}], "prompt_number": 1}
    notebook = {"metadata": {}, "nbformat": 3, "nbformat_minor": 0}
    path = make(notebook | {"worksheets": [{"cells": [cell | run], "metadata": {}}]})
    assert main(["clean", "--check", "demo.ipynb"]) == 0
    assert main(["clean", "--outputs", "demo.ipynb"]) == 0
    (sheet,) = json.loads(path.read_bytes())["worksheets"]
    assert sheet["cells"] == [cell | {"outputs": []}]


@pytest.mark.parametrize("options", [[], ["--outputs"]])
def test_what_needs_nothing_is_left_byte_for_byte(
    options: list[str], make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """A notebook with nothing to strip is not even written, whatever form its JSON has."""
    path = make()
    path.write_text('{"cells": [ ],"nbformat":4, "metadata": {"a": 1e2}, "nbformat_minor": 5}')
    before, written = path.read_bytes(), path.stat()
    assert main(["clean", *options, "demo.ipynb"]) == 0
    assert path.read_bytes() == before
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (written.st_mtime_ns, written.st_ino)
    assert capsys.readouterr().out == f"demo.ipynb: nothing to strip, {len(before)} bytes\n"


def test_check_changes_nothing_and_fails_when_there_is_something(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --check the exit code is 1, the notebook stays, and after cleaning it is 0."""
    path = make()
    before = path.read_bytes()
    assert main(["clean", "--check", "demo.ipynb"]) == 1
    assert path.read_bytes() == before
    assert capsys.readouterr() == ("demo.ipynb: would be cleaned, 501 kB -> 558 bytes\n", "")
    assert main(["clean", "demo.ipynb"]) == 0
    assert main(["clean", "demo.ipynb", "--check"]) == 0


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("indent", [" ", "    ", "\t"])
@pytest.mark.parametrize("last", [True, False])
def test_indent_and_line_ends_stay_as_they_were(
    end: str, indent: str, last: bool, make: Make
) -> None:
    """What is left of a file differs in no line from what it was, whatever program wrote it."""
    path = make()
    notebook = with_widgets(code_cell(shown(view=REFERENCE, text="x")))
    notebook["metadata"]["half"] = "\ud83d"  # half of a surrogate pair, as an escape

    def text() -> str:
        written = json.dumps(notebook, indent=indent, ensure_ascii=False) + "\n" * last
        return written.replace("\n", end)

    path.write_bytes(text().encode("utf-8", "backslashreplace"))
    assert main(["clean", "demo.ipynb"]) == 0
    del notebook["metadata"]["widgets"]
    notebook["cells"][-1]["outputs"] = [shown(text="x")]
    assert path.read_bytes() == text().encode("utf-8", "backslashreplace")


@on_posix
def test_mode_and_links_are_kept(make: Make) -> None:
    """A cleaned notebook may be read by whom it could be before; a link to it stays a link."""
    path = make(name="real.ipynb")
    path.chmod(0o640)
    Path("link.ipynb").symlink_to("real.ipynb")
    assert main(["clean", "link.ipynb"]) == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert Path("link.ipynb").is_symlink()
    assert outputs_of(path) == []


def test_a_failed_write_leaves_the_notebook(
    make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When the disk is full the notebook stays whole, with nothing beside it."""
    path = make()
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert main(["clean", "demo.ipynb"]) == 1
    assert capsys.readouterr() == ("", "tickerkit: demo.ipynb: No space left on device\n")
    assert path.read_bytes() == before
    assert os.listdir() == ["demo.ipynb"]


def test_a_write_protected_notebook_is_not_replaced(
    make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who has protected a notebook meant it, though a folder that is not would let it go."""
    path = make()
    before = path.read_bytes()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write to any
    assert main(["clean", "demo.ipynb"]) == 1
    assert "demo.ipynb: write-protected" in capsys.readouterr().err
    assert path.read_bytes() == before


WRONG = {
    "missing": ("gone.ipynb", None, 2, "gone.ipynb does not exist"),
    "folder": ("folder", None, 2, f"name its notebooks, folder{os.sep}*.ipynb"),
    "no JSON": ("a.ipynb", b"import tickerkit\n", 1, "a.ipynb is not a notebook: "),
    "empty": ("a.ipynb", b"", 1, "a.ipynb is not a notebook: "),
    "no UTF-8": ("a.ipynb", b"\x89PNG\r\n", 1, "a.ipynb is not a notebook: "),
    "a list": ("a.ipynb", b"[1]", 1, "it has no nbformat"),
    "other JSON": ("a.ipynb", b'{"cells": []}', 1, "it has no nbformat"),
    "no cells": ("a.ipynb", b'{"nbformat": 4}', 1, "its cells are no list"),
    "no objects": ("a.ipynb", b'{"nbformat": 4, "cells": [1]}', 1, "its cells are no list"),
    "too deep": ("a.ipynb", b"[" * 200_000, 1, "a.ipynb is not a notebook: "),
}


@pytest.mark.parametrize(("name", "content", "code", "said"), WRONG.values(), ids=list(WRONG))
def test_what_is_no_notebook_is_told_and_the_others_are_cleaned(
    name: str,
    content: bytes | None,
    code: int,
    said: str,
    make: Make,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each is one line on stderr that names it: exit code 2 for a wrong name, else 1."""
    one, other = make(name="one.ipynb"), make(name="two.ipynb")
    Path("folder").mkdir()
    if content is not None:
        Path(name).write_bytes(content)
    assert main(["clean", "one.ipynb", name, "two.ipynb"]) == code
    out, err = capsys.readouterr()
    assert out.count("\n") == 2
    assert err.startswith("tickerkit: ")
    assert err.count("\n") == 1
    assert said in err
    assert outputs_of(one) == outputs_of(other) == []
    assert content is None or Path(name).read_bytes() == content


def test_a_pattern_that_no_shell_has_filled_in_is(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """On Windows `*.ipynb` arrives as it is typed; a file that is called so comes first."""
    make(name="b.ipynb")
    make(name="a.ipynb")
    make(name="[a].ipynb")
    assert main(["clean", "--check", "?.ipynb", "[a].ipynb"]) == 1
    named = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert named == ["a.ipynb", "b.ipynb", "[a].ipynb"]


def test_a_stopped_check_does_not_pass(
    make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After Ctrl-C no further notebook is touched, and the exit code says that some are left."""
    path = make()
    before = path.read_bytes()
    real = module._named

    def interrupted(name: str) -> list[Path]:
        monkeypatch.setattr(ending, "asked", True)
        return real(name)

    monkeypatch.setattr(module, "_named", interrupted)
    assert main(["clean", "demo.ipynb"]) == 1
    assert capsys.readouterr() == ("", "tickerkit: stopped; 1 notebook not looked at\n")
    assert path.read_bytes() == before


def test_the_command_as_a_git_hook_runs_it(make: Make) -> None:
    """Real processes: the check fails, cleaning prints a line for each, then the check passes."""
    folder = make().absolute().parent
    make(name="tägliche kurse.ipynb")
    names = ["demo.ipynb", "tägliche kurse.ipynb"]
    for options, code, told in (
        (["--check"], 1, "would be cleaned, 501 kB -> 558 bytes"),
        ([], 0, "501 kB -> 558 bytes"),
        (["--check"], 0, "nothing to strip, 558 bytes"),
    ):
        with Command("clean", *options, *names, cwd=folder, PYTHONUTF8="1") as command:
            assert command.wait() == code
        assert command.text == "".join(f"{name}: {told}\n" for name in names)
        assert command.err == ""
