"""A stand-in for the kernel of a notebook, whose cells are run again."""

from __future__ import annotations


class Kernel:
    """Stands in for a notebook's kernel: it tells which cell runs.

    Attributes:
        current: the id of the cell, and of this run of it; None outside of a notebook.
    """

    def __init__(self) -> None:
        self.current: tuple[str, str] | None = None
        self._runs = 0

    def run(self, cell: str) -> None:
        """Begin a run of a cell."""
        self._runs += 1
        self.current = cell, f"run-{self._runs}"
