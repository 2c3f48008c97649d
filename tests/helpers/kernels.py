"""Real kernels for the tests and the benchmark, which run cells in them as a front end does."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from commands import environment
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

__all__ = ["CellError", "RealKernel", "real_kernel"]

START_S = 60.0
RUN_S = 60.0


class CellError(Exception):
    """A cell ended with an error."""


class RealKernel:
    """An ipykernel in a process of its own, which runs the cells of a notebook.

    Attributes:
        manager: starts, interrupts and ends the kernel.
    """

    def __init__(self, manager: KernelManager) -> None:
        self.manager = manager
        self._client: BlockingKernelClient = manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(START_S)

    @property
    def pid(self) -> int:
        """The process id of the kernel."""
        return int(self.manager.provisioner.pid)  # type: ignore[union-attr]

    def begin(self, code: str, cell: str = "") -> str:
        """Begin to run a cell; return the id of this run."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        message = self._client.session.msg("execute_request", content)
        message["metadata"] = {"cellId": cell} if cell else {}
        self._client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def messages(self, run: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the type and content of each message of a run, until the run is over."""
        end = time.monotonic() + RUN_S
        while True:
            message = self._client.get_iopub_msg(timeout=max(end - time.monotonic(), 0))
            if message["parent_header"].get("msg_id") != run:
                continue
            content = message["content"]
            if content.get("execution_state") == "idle":
                return
            yield message["msg_type"], content

    def wait_for_text(self, run: str, text: str) -> None:
        """Wait until a run has printed a text."""
        printed = ""
        for kind, content in self.messages(run):
            printed += content["text"] if kind == "stream" else ""
            if text in printed:
                return
        raise AssertionError(f"the cell ended and printed {printed!r}, without {text!r}")

    def end(self, run: str) -> str:
        """Wait for the end of a run, and return what it printed, to stderr too.

        Raises:
            CellError: the run ended with an error.
        """
        printed, error = "", None
        for kind, content in self.messages(run):
            if kind == "stream":
                printed += content["text"]
            elif kind == "error":
                error = CellError(f"{content['ename']}: {content['evalue']}")
        if error is not None:
            raise error
        return printed

    def run(self, code: str, cell: str = "") -> str:
        """Run a cell, and return what it printed."""
        return self.end(self.begin(code, cell))

    def interrupt(self) -> None:
        """Interrupt the kernel, as the stop button does."""
        self.manager.interrupt_kernel()

    def restart(self) -> None:
        """Restart the kernel, as the restart button does; return once the new process exists."""
        self.manager.restart_kernel(now=False)

    def until_ready(self) -> None:
        """Wait until a new process answers."""
        self._client.wait_for_ready(START_S)

    def kill(self) -> None:
        """Kill the kernel, which can't clean up then."""
        self.manager.shutdown_kernel(now=True)

    def close(self) -> None:
        """End the kernel, if it is running."""
        self._client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


@contextlib.contextmanager
def real_kernel(folder: Path) -> Iterator[RealKernel]:
    """Run a kernel that has its own settings and temporary files in a folder."""
    names = ("TMPDIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR")
    for name in names:
        (folder / name).mkdir()
    manager = KernelManager(connection_file=str(folder / "connection.json"))
    env = environment(**{name: str(folder / name) for name in names})
    with (folder / "kernel.log").open("w") as log:
        manager.start_kernel(env=env, stdout=log, stderr=log)
        kernel = None
        try:
            kernel = RealKernel(manager)
            yield kernel
        finally:
            if kernel is not None:
                kernel.close()
            else:
                manager.shutdown_kernel(now=True)
