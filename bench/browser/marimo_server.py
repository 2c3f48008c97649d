"""A marimo server that shows one value."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

START_S = 60
NOTEBOOK = """import marimo

app = marimo.App()


@app.cell
def _():
{start}
    shown = {value}
    shown
    return
"""


@contextlib.contextmanager
def marimo_server(path: Path, start: str, value: str) -> Iterator[str]:
    """Write a notebook that shows the value, run it as an app, and yield its address."""
    lines = "\n".join(f"    {line}" for line in start.splitlines())
    path.write_text(NOTEBOOK.format(start=lines, value=value))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "marimo", "run", str(path), "--headless", "--no-token"]
    log = path.with_suffix(".log")
    with log.open("w") as out:
        process = subprocess.Popen(
            [*command, f"--port={port}"], stdout=out, stderr=out, cwd=path.parent
        )
    try:
        end = time.monotonic() + START_S
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/health", timeout=2).close()
                break
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"marimo did not answer: {log.read_text()[-300:]}")
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)
