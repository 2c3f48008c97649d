"""`tickerkit lab`: with a stand-in for JupyterLab, and for real where it is installed."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from commands import Command, on_posix, port_is_free

import tickerkit as tk
from tickerkit.cli import main

pytestmark = [
    on_posix,
    pytest.mark.process,
    pytest.mark.package,
    pytest.mark.skipif(
        importlib.util.find_spec("jupyterlab") is None,
        reason='wants JupyterLab: pip install "tickerkit[lab]"',
    ),
]

NOTEBOOK: dict[str, Any] = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
# Prints its arguments; ends as JupyterLab does, or with the exit code of --fail.
STAND_IN = """
import json, os, signal, sys, time
print(f"given {json.dumps(sys.argv[1:])}.", flush=True)
print(f"alone {os.getpid() == os.getsid(0)} {sys.stdin.read() == ''}.", flush=True)
signal.signal(signal.SIGTERM, lambda *_: (print("ended", flush=True), sys.exit(0)))
for argument in sys.argv:
    if argument.startswith("--fail="):
        sys.exit(int(argument.partition("=")[2]))
time.sleep(60)
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which JupyterLab is a stand-in."""
    package = tmp_path / "stand-in" / "jupyterlab"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(STAND_IN)
    return {"PYTHONPATH": str(package.parent)}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder that looks like a clone of the repository."""
    folder = tmp_path / "a clone"
    (folder / "notebooks").mkdir(parents=True)
    (folder / "notebooks" / "01_quickstart.ipynb").write_text(json.dumps(NOTEBOOK))
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Return an empty folder."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def given(command: Command) -> list[str]:
    """Return the arguments that JupyterLab got."""
    arguments: list[str] = json.loads(command.until(r"^given (.*)\.$")[1])
    return arguments


def test_lab_opens_the_quickstart_of_a_clone(clone: Path, stand_in: dict[str, str]) -> None:
    """In a clone, JupyterLab opens the clone's own notebook, with the clone as its root."""
    with Command("lab", cwd=clone, **stand_in) as command:
        arguments = given(command)
        assert arguments[-1] == "notebooks/01_quickstart.ipynb"
        assert f"--ServerApp.root_dir={clone}" in arguments
        assert ("--allow-root" in arguments) == (os.geteuid() == 0)
        command.until(r"^alone True True\.$")
        assert command.end() == 0
        command.until("^ended$")
    assert command.err == ""
    assert sorted(path.name for path in clone.iterdir()) == ["notebooks"]


def test_lab_passes_unknown_options_to_jupyterlab(clone: Path, stand_in: dict[str, str]) -> None:
    """Options of JupyterLab may be mixed with those of `lab`."""
    options = ["--no-browser", "--port", "8899", "--no-demo", "--ServerApp.x=y", "-y"]
    with Command("lab", *options, cwd=clone, **stand_in) as command:
        arguments = given(command)
        options.remove("--no-demo")
        assert arguments[-6:] == [*options, "notebooks/01_quickstart.ipynb"]
        assert command.end(signal.SIGTERM) == 0
    assert "demo server" not in command.out


def test_lab_opens_the_named_notebook(clone: Path, stand_in: dict[str, str]) -> None:
    """A named notebook replaces the quickstart."""
    (clone / "mine.ipynb").write_text(json.dumps(NOTEBOOK))
    with Command("lab", "mine.ipynb", cwd=clone, **stand_in) as command:
        arguments = given(command)
        assert [each for each in arguments if each.endswith(".ipynb")] == ["mine.ipynb"]
        assert command.end() == 0


def test_lab_runs_a_demo_server(clone: Path, stand_in: dict[str, str]) -> None:
    """The printed addresses work, and the port is free afterwards."""
    with Command("lab", cwd=clone, **stand_in) as command:
        port = int(command.until(r"page +http://127\.0\.0\.1:(\d+)/")[1])
        url = command.until(r'tk\.connect\("(ws://\S+)"\)')[1]
        with tk.connect(url) as feed:
            feed.wait(5)
        assert command.end() == 0
    assert port_is_free(port)


def test_lab_ends_when_jupyterlab_ends(clone: Path, stand_in: dict[str, str]) -> None:
    """It ends when JupyterLab is shut down in the browser, and reports a failure."""
    with Command("lab", "--fail=0", cwd=clone, **stand_in) as command:
        assert command.wait() == 0
    with Command("lab", "--fail=3", cwd=clone, **stand_in) as command:
        assert command.wait() == 1
    assert command.err == "tickerkit: JupyterLab ended with exit code 3\n"


def test_lab_copies_the_notebooks_outside_a_clone(
    elsewhere: Path, stand_in: dict[str, str]
) -> None:
    """The package's notebooks are copied once, and opened."""
    for _ in range(2):  # the second time there is nothing to do, and nothing to say
        with Command("lab", "--no-demo", cwd=elsewhere, **stand_in) as command:
            assert given(command)[-1] == "tickerkit-notebooks/01_quickstart.ipynb"
            assert command.end() == 0
        assert "kept" not in command.out
    assert "copied" not in command.out
    copies = elsewhere / "tickerkit-notebooks"
    package = Path(tk.__file__).parent
    folders = [package / "notebooks", package.parent / "notebooks"]
    source = next(folder for folder in folders if folder.is_dir())
    for path in source.glob("*.ipynb"):
        assert (copies / path.name).read_bytes() == path.read_bytes()
    assert not (copies / ".ipynb_checkpoints").exists()


def test_lab_keeps_a_changed_notebook(elsewhere: Path, stand_in: dict[str, str]) -> None:
    """A changed copy is kept, and the output names it."""
    mine = elsewhere / "tickerkit-notebooks" / "01_quickstart.ipynb"
    mine.parent.mkdir()
    mine.write_text(json.dumps(NOTEBOOK))
    with Command("lab", "--no-demo", cwd=elsewhere, **stand_in) as command:
        command.until(r"^kept your files in tickerkit-notebooks/: 01_quickstart\.ipynb ")
        assert given(command)
        assert command.end() == 0
    assert json.loads(mine.read_text()) == NOTEBOOK


def test_lab_finds_the_notebooks_of_a_wheel(
    tmp_path: Path, elsewhere: Path, stand_in: dict[str, str]
) -> None:
    """A wheel has the notebooks inside the package."""
    package = Path(tk.__file__).parent
    site = tmp_path / "site"
    shutil.copytree(package, site / "tickerkit", ignore=shutil.ignore_patterns("notebooks"))
    (site / "tickerkit" / "notebooks" / "deeper").mkdir(parents=True)
    (site / "tickerkit" / "notebooks" / "01_quickstart.ipynb").write_text(json.dumps(NOTEBOOK))
    (site / "tickerkit" / "notebooks" / "deeper" / "page.html").write_text("<p>")
    path = os.pathsep.join([str(site), stand_in["PYTHONPATH"]])
    with Command("lab", "--no-demo", cwd=elsewhere, PYTHONPATH=path) as command:
        command.until(r"^copied 2 files to tickerkit-notebooks/$")
        assert given(command)
        assert command.end() == 0
    assert (elsewhere / "tickerkit-notebooks" / "deeper" / "page.html").read_text() == "<p>"


def test_lab_opens_the_lessons(elsewhere: Path, stand_in: dict[str, str]) -> None:
    """The lessons are copied without the notes for teachers, and the first or a named one opens."""
    with Command("lab", "lessons", "--no-browser", cwd=elsewhere, **stand_in) as command:
        command.until(r"^notes for teachers are in .*notebooks/lessons/$")
        assert given(command)[-2:] == [
            "--no-browser",
            "tickerkit-lessons/1_a_line_that_stays_open.ipynb",
        ]
        assert command.end() == 0
    assert "demo server" not in command.out
    with Command("lab", "lessons", "--lesson", "2", cwd=elsewhere, **stand_in) as command:
        assert given(command)[-1] == "tickerkit-lessons/2_frames.ipynb"
        assert command.end() == 0
    copies = sorted(path.name for path in (elsewhere / "tickerkit-lessons").iterdir())
    assert copies
    assert not [name for name in copies if name.endswith(".md")]


def test_lab_lists_the_lessons_that_exist(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown lesson is a misuse."""
    monkeypatch.chdir(elsewhere)
    assert main(["lab", "lessons", "--lesson", "9"]) == 2
    assert "Invalid --lesson '9'; expected '1', '2'" in capsys.readouterr().err
    assert not (elsewhere / "tickerkit-lessons").exists()


def test_lab_without_jupyterlab_names_the_fix(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says what to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["lab"]) == 1
    error = capsys.readouterr().err
    assert error == 'tickerkit: JupyterLab is not installed; run: pip install "tickerkit[lab]"\n'


def processes_of(marker: str) -> list[str]:
    """Return the command lines of the processes that have `marker` in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:  # gone meanwhile
            continue
    return found


def test_lab_runs_a_real_jupyterlab(clone: Path, tmp_path: Path) -> None:
    """The printed address opens the notebook; Ctrl-C leaves no process, port or file behind."""
    from jupyter_client.blocking import BlockingKernelClient

    marker = f"TICKERKIT_TEST={tmp_path}-{time.time_ns()}"
    env = {
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }
    name, _, value = marker.partition("=")
    options = ["--no-browser", "--port", "0"]
    with Command("lab", *options, cwd=clone, **env, **{name: value}) as command:
        demo = int(command.until(r"page +http://127\.0\.0\.1:(\d+)/")[1])
        url = command.until(r"^JupyterLab: (http://\S+)$")[1]
        match = re.fullmatch(
            r"(http://localhost:(\d+)/)lab/tree/notebooks/01_quickstart\.ipynb\?token=(\w+)", url
        )
        assert match, url
        base, port, token = match[1], int(match[2]), match[3]
        with urllib.request.urlopen(url, timeout=30) as response:
            assert response.status == 200
            assert "JupyterLab" in response.read().decode()
        request = urllib.request.Request(
            f"{base}api/kernels", b"{}", {"Authorization": f"token {token}"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            kernel = json.load(response)["id"]
        client = BlockingKernelClient()
        client.load_connection_file(str(tmp_path / "runtime" / f"kernel-{kernel}.json"))
        # Without heartbeats: a kernel that starts slowly misses some, and the client would take it
        # for dead.
        client.start_channels(hb=False)
        try:
            # A kernel that is still starting answers the end with a traceback.
            client.wait_for_ready(timeout=60)
        finally:
            client.stop_channels()
        if Path("/proc").is_dir():
            assert any("ipykernel" in line for line in processes_of(marker))
        assert command.end() == 0
    assert "Traceback" not in command.out + command.err
    assert "y/[n]" not in command.out + command.err
    assert processes_of(marker) == []
    assert port_is_free(port)
    assert port_is_free(demo)
    assert not list((tmp_path / "runtime").glob("jpserver-*"))
