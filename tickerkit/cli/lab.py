"""`tickerkit lab`: starts JupyterLab on the quickstart, with a demo server, or on the lessons."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from tickerkit.cli.interrupt import interrupt
from tickerkit.cli.source import DEMO
from tickerkit.cli.terminal import print_line
from tickerkit.errors import InvalidArgument, TickerkitError
from tickerkit.formatting import format_choices, format_count

__all__ = ["lab"]

QUICKSTART = "01_quickstart.ipynb"
COPIES = "tickerkit-notebooks"
LESSONS = "lessons"
LESSON_COPIES = "tickerkit-lessons"
EXCLUDED = {".ipynb_checkpoints", "__pycache__"}
POLL_S = 0.1
STOP_S = 15.0  # JupyterLab gives its kernels 5 s to end
CLOCK_TOLERANCE_S = 1.0  # a file's time may be behind the clock


def lab(
    context: typer.Context,
    no_demo: Annotated[
        bool, typer.Option("--no-demo", help="Start no demo server of simulated prices.")
    ] = False,
    lesson: Annotated[
        str, typer.Option(help="With lab lessons: the lesson to open, such as 2 or 3a.")
    ] = "",
) -> None:
    """Start JupyterLab on the quickstart notebook, and a demo server.

    tickerkit lab lessons opens the lessons for classes, in a copy in ./tickerkit-lessons.

    Other options go to JupyterLab: tickerkit lab --no-browser --port 8899. Outside a clone of the
    repository, the notebooks are first copied to ./tickerkit-notebooks; existing files are kept.
    Ctrl-C ends JupyterLab and the demo server.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise TickerkitError('JupyterLab is not installed; run: pip install "tickerkit[lab]"')
    arguments = list(context.args)
    if lesson or LESSONS in arguments:
        arguments = [each for each in arguments if each != LESSONS]
        notebook, no_demo = _copy_lessons(lesson), True
    else:
        notebook = _find_argument(arguments) or _find_quickstart()
    if interrupt.requested:
        return
    with _run_demo(wanted=not no_demo), _run_jupyterlab(notebook, arguments) as process:
        _wait_for_end(process, notebook)
    print_line("stopped", "dim")


def _find_argument(arguments: list[str]) -> Path | None:
    """Return the notebook among the arguments, if there is one."""
    paths = [Path(each) for each in arguments if each.endswith(".ipynb") and Path(each).is_file()]
    return paths[0] if paths else None


def _find_quickstart() -> Path:
    """Return the quickstart of this clone of the repository, or a copy of it in this folder."""
    here = Path("notebooks", QUICKSTART)
    if here.is_file():
        return here
    return _copy_notebooks(_find_notebooks(), Path(COPIES)) / QUICKSTART


def _find_notebooks() -> Path:
    """Return the folder of the notebooks that were installed with tickerkit."""
    import tickerkit

    package = Path(tickerkit.__file__).parent
    # A wheel has the notebooks in the package, a clone has them beside it.
    for folder in (package / "notebooks", package.parent / "notebooks"):
        if (folder / QUICKSTART).is_file():
            return folder
    raise TickerkitError(f"the notebooks are missing from {package}; reinstall tickerkit")


def _copy_lessons(lesson: str) -> Path:
    """Copy the lessons without the notes for teachers, and return one of them; "" for the first.

    In a clone, too: what students type is not meant for the repository.
    """
    folder = _find_notebooks() / LESSONS
    names = {path.name.partition("_")[0]: path.name for path in sorted(folder.glob("*.ipynb"))}
    if not names:
        raise TickerkitError(f"the lessons are missing from {folder}; reinstall tickerkit")
    name = names.get(lesson or min(names))
    if name is None:
        raise InvalidArgument("lesson", lesson, format_choices(names))
    notes = {path.name for path in folder.glob("*.md")}
    copies = _copy_notebooks(folder, Path(LESSON_COPIES), EXCLUDED | notes)
    print_line(f"notes for teachers are in {folder}{os.sep}", "dim")
    return copies / name


def _copy_notebooks(source: Path, target: Path, excluded: Collection[str] = EXCLUDED) -> Path:
    """Copy the files that don't exist yet, and never overwrite one; return the target."""
    kept, copied = [], 0
    for file in sorted(source.rglob("*")):
        name = file.relative_to(source)
        if not file.is_file() or not set(excluded).isdisjoint(name.parts):
            continue
        path, content = target / name, file.read_bytes()
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            copied += 1
        elif path.read_bytes() != content:
            kept.append(str(name))
    if copied:
        print_line(f"copied {format_count(copied, 'file')} to {target}{os.sep}")
    if kept:
        names = ", ".join(kept)
        print_line(f"kept your files in {target}{os.sep}: {names} (delete one to replace it)")
    return target


@contextlib.contextmanager
def _run_demo(*, wanted: bool) -> Iterator[None]:
    """Serve simulated prices on a free port, inside the block."""
    if not wanted:
        yield
        return
    from tickerkit.server import serve

    with serve(DEMO, port=0) as server:
        print_line("demo server with simulated prices", "bold")
        print_line(f"  page        {server.page}")
        print_line(f'  in Python   tk.connect("{server.url}")')
        yield


@contextlib.contextmanager
def _run_jupyterlab(notebook: Path, arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run JupyterLab in a process of its own, inside the block."""
    command = [sys.executable, "-m", "jupyterlab", "--log-level=WARN", "--LabApp.log_level=WARN"]
    # Without a terminal, JupyterLab's question whether to end can't be answered.
    command += ["--ServerApp.answer_yes=True", f"--ServerApp.root_dir={Path.cwd()}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    command += arguments if str(notebook) in arguments else [*arguments, str(notebook)]
    # In a session of its own it doesn't get Ctrl-C, which it would answer with a question; it is
    # ended by SIGTERM. Windows has no such signal, so there Ctrl-C ends it.
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=os.name == "posix"
    )
    try:
        yield process
    finally:
        if process.poll() is None and os.name == "posix":
            process.terminate()
        try:
            process.wait(STOP_S)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            process.kill()
            process.wait()


def _wait_for_end(process: subprocess.Popen[bytes], notebook: Path) -> None:
    """Wait until JupyterLab or the command ends; print its address once it has one."""
    printed, began = False, time.time()
    while process.poll() is None and not interrupt.wait(POLL_S):
        if not printed and (server := _read_server(process.pid, began)):
            print_line("")
            print_line(f"JupyterLab: {_format_address(server, notebook)}", "bold")
            print_line("Ctrl-C stops it.", "dim")
            printed = True
    if not interrupt.requested and process.returncode:
        raise TickerkitError(f"JupyterLab ended with exit code {process.returncode}")


def _read_server(pid: int, began: float) -> dict[str, Any] | None:
    """Return the entry of a process's server in Jupyter's runtime files; None until it listens.

    `jupyter_server.serverapp.list_running_servers` reads them too, but its import takes a second.
    """
    from jupyter_core.paths import jupyter_runtime_dir

    # On Windows, the python.exe of a venv starts another process, which is the server.
    name = f"jpserver-{pid}.json" if os.name == "posix" else "jpserver-*.json"
    for file in Path(jupyter_runtime_dir()).glob(name):
        # A half-written file isn't JSON yet; an old file may have the same pid.
        with contextlib.suppress(OSError, ValueError):
            if file.stat().st_mtime > began - CLOCK_TOLERANCE_S:
                return dict(json.loads(file.read_text(encoding="utf-8")))
    return None


def _format_address(server: dict[str, Any], notebook: Path) -> str:
    """Return the address of a notebook on a server, with the token if it has one."""
    base = str(server["url"]).rstrip("/")
    try:
        inside = notebook.absolute().relative_to(server["root_dir"])
        path = f"/lab/tree/{quote(inside.as_posix())}"
    except ValueError:
        path = "/lab"
    return base + path + (f"?token={quote(server['token'])}" if server["token"] else "")
