"""A process of a benchmark's own, that is told what to do by lines of JSON and answers by such."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


class Child:
    """A process that answers; `command` is run as it is, and its standard error is this one's.

    Its first line, without a question, says that it is ready.
    """

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.ready = self.answer()

    @classmethod
    def python(cls, module: str, *args: str) -> Child:
        """Start a module of this package."""
        return cls(sys.executable, "-m", module, *args)

    def tell(self, *order: Any) -> None:
        """Give an order: the name of what to do, and its arguments."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """Wait for the answer to an order."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended with {self.process.wait()}")
        return json.loads(line)

    def ask(self, *order: Any) -> Any:
        self.tell(*order)
        return self.answer()

    def cpu_s(self) -> float:
        """Return how many seconds of processor time it has used (Linux)."""
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
    """Be such a process: say that it is ready, then do what each line says, until they end."""
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(does[name](*arguments)), flush=True)
