"""`tickerkit lab`: JupyterLab on the quickstart notebook, with a server to try things on."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from tickerkit.cli.interrupt import ending
from tickerkit.cli.serve import DEMO
from tickerkit.cli.terminal import say
from tickerkit.errors import TickerkitError

__all__ = ["lab"]

QUICKSTART = "01_quickstart.ipynb"
COPIES = "tickerkit-notebooks"
LEFT_OUT = {".ipynb_checkpoints", "__pycache__"}
AT_ONCE = "tickerkit.cli.nodelay.AtOnce"
POLL_S = 0.1
# JupyterLab gives its kernels 5 s to end by themselves.
END_S = 15.0
# A file's time may be a little behind the clock's.
CLOCKS_S = 1.0


def lab(
    context: typer.Context,
    no_demo: Annotated[
        bool, typer.Option("--no-demo", help="Leave out the demo server of simulated prices.")
    ] = False,
) -> None:
    """Start JupyterLab on the quickstart, and a demo server beside it.

    Further options go to JupyterLab: tickerkit lab --no-browser --port 8899. Outside of a clone of
    the repository, the notebooks are copied to ./tickerkit-notebooks first; yours are kept. Ctrl-C
    ends both.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise TickerkitError('JupyterLab is not installed: pip install "tickerkit[lab]"')
    notebook = _chosen(context.args) or _quickstart()
    if ending.asked:
        return
    with _demo(wanted=not no_demo), _jupyterlab(notebook, context.args) as process:
        _attend(process, notebook)
    say("stopped", "dim")


def _chosen(arguments: list[str]) -> Path | None:
    """Return the notebook that the user names instead."""
    named = [Path(each) for each in arguments if each.endswith(".ipynb") and Path(each).is_file()]
    return named[0] if named else None


def _quickstart() -> Path:
    """Return the quickstart of this clone of the repository, or of the copies made here."""
    here = Path("notebooks", QUICKSTART)
    if here.is_file():
        return here
    import tickerkit

    package = Path(tickerkit.__file__).parent
    # In the package when installed from a wheel; beside it when installed from a clone.
    for folder in (package / "notebooks", package.parent / "notebooks"):
        if (folder / QUICKSTART).is_file():
            return _copied(folder, Path(COPIES)) / QUICKSTART
    raise TickerkitError(f"tickerkit's notebooks are missing from {package}: install it again")


def _copied(folder: Path, to: Path) -> Path:
    """Copy the files that are not there yet; never one over another."""
    kept, made = [], 0
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        if not file.is_file() or LEFT_OUT & set(name.parts):
            continue
        target, content = to / name, file.read_bytes()
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            made += 1
        elif target.read_bytes() != content:
            kept.append(str(name))
    if made:
        say(f"copied {made} {'file' if made == 1 else 'files'} to {to}{os.sep}")
    if kept:
        say(f"kept yours in {to}{os.sep}: {', '.join(kept)} (delete one to get it anew)")
    return to


@contextlib.contextmanager
def _demo(*, wanted: bool) -> Iterator[None]:
    """Serve simulated prices on a free port."""
    if not wanted:
        yield
        return
    from tickerkit.server import serve

    with serve(DEMO, port=0) as server:
        say("demo server with simulated prices", "bold")
        say(f"  page        {server.page}")
        say(f'  in Python   tk.connect("{server.url}")')
        yield


@contextlib.contextmanager
def _jupyterlab(notebook: Path, arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run JupyterLab in a process of its own, which is gone when the block is left."""
    command = [sys.executable, "-m", "jupyterlab", "--log-level=WARN", "--LabApp.log_level=WARN"]
    # It asks whether it may end where it can't be asked.
    command += ["--ServerApp.answer_yes=True", f"--ServerApp.root_dir={Path.cwd()}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    if "JUPYTER_GATEWAY_URL" not in os.environ and "ateway" not in "".join(arguments):
        command.append(f"--ServerApp.kernel_websocket_connection_class={AT_ONCE}")
    command += arguments if str(notebook) in arguments else [*arguments, str(notebook)]
    # Its own session keeps Ctrl-C from it, which it would answer with a question: it gets SIGTERM.
    # On Windows there is no such signal, and Ctrl-C is what ends it.
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=os.name == "posix"
    )
    try:
        yield process
    finally:
        if process.poll() is None and os.name == "posix":
            process.terminate()
        try:
            process.wait(END_S)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            process.kill()
            process.wait()


def _attend(process: subprocess.Popen[bytes], notebook: Path) -> None:
    """Wait for the end; tell the address as soon as there is one."""
    told, began = False, time.time()
    while process.poll() is None and not ending.wait(POLL_S):
        if not told and (server := _server(process.pid, began)):
            say("")
            say(f"JupyterLab: {_address(server, notebook)}", "bold")
            say("Ctrl-C stops it.", "dim")
            told = True
    if not ending.asked and process.returncode:
        raise TickerkitError(f"JupyterLab ended with exit code {process.returncode}")


def _server(pid: int, began: float) -> dict[str, Any] | None:
    """Return what Jupyter tells of the server in a process, once it listens.

    As `jupyter_server.serverapp.list_running_servers` finds it, whose import takes a second.
    """
    from jupyter_core.paths import jupyter_runtime_dir

    # On Windows a venv's python.exe starts another one, which is the server.
    name = f"jpserver-{pid}.json" if os.name == "posix" else "jpserver-*.json"
    for file in Path(jupyter_runtime_dir()).glob(name):
        # One that is half written is no JSON yet; an old one may have had the same pid.
        with contextlib.suppress(OSError, ValueError):
            if file.stat().st_mtime > began - CLOCKS_S:
                return dict(json.loads(file.read_text(encoding="utf-8")))
    return None


def _address(server: dict[str, Any], notebook: Path) -> str:
    """Return the notebook's address in this server, with its token if it has one."""
    base = str(server["url"]).rstrip("/")
    try:
        inside = notebook.absolute().relative_to(server["root_dir"])
        path = f"/lab/tree/{quote(inside.as_posix())}"
    except ValueError:
        path = "/lab"
    return base + path + (f"?token={quote(server['token'])}" if server["token"] else "")
