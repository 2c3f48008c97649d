"""A stand-in for the kernel of a notebook, for tests that run cells again."""

from __future__ import annotations


class Kernel:
    """Stands in for a notebook's kernel, and says which cell is running.

    Attributes:
        current: the id of the running cell, and the id of this run; None outside of a notebook.
    """

    def __init__(self) -> None:
        self.current: tuple[str, str] | None = None
        self._runs = 0

    def run(self, cell: str) -> None:
        """Begin a run of a cell."""
        self._runs += 1
        self.current = cell, f"run-{self._runs}"
