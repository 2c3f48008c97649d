"""A benchmark's child process: it takes orders as lines of JSON and answers with lines of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


class Child:
    """A child process that answers orders. It shares this process's standard error.

    Its first line, without an order, says that it is ready.
    """

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.ready = self.answer()

    @classmethod
    def python(cls, module: str, *args: str) -> Child:
        """Start a module of this package as a child."""
        return cls(sys.executable, "-m", module, *args)

    def tell(self, *order: Any) -> None:
        """Send an order: its name and arguments."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """Wait for the answer to the order."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended with {self.process.wait()}")
        return json.loads(line)

    def ask(self, *order: Any) -> Any:
        self.tell(*order)
        return self.answer()

    def cpu_s(self) -> float:
        """Return the seconds of processor time that the child has used (Linux)."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def answer_orders(ready: Any, does: Mapping[str, Callable[..., Any]]) -> None:
    """Run as such a process: report that it is ready, then obey each line until the input ends."""
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(does[name](*arguments)), flush=True)
