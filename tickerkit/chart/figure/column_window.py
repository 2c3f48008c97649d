"""ColumnWindow: the newest columns of a heat map."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tickerkit.chart.figure.window import HEAT_COLUMNS, Window
from tickerkit.ticks import Array

__all__ = ["ColumnWindow", "make_window"]


class ColumnWindow(Window):
    """The newest columns of a heat map: each position has an x, and a value of z for each row.

    `column("z")` has the shape (columns, rows): the values of one column lie side by side, so that
    new columns are written and sent as one block. plotly's z is its transpose.

    Attributes:
        rows: the number of values in a column; 0 before the first one.
    """

    min_capacity = 16  # a column may have thousands of values

    def __init__(self, size: int | str) -> None:
        super().__init__(size, HEAT_COLUMNS)
        self.rows = 0
        self._columns["z"] = np.empty((0, 0))

    def check_rows(self, rows: int, trace: int) -> None:
        """Raise a ValueError if the columns held have another number of rows."""
        if self.rows not in (0, rows):
            raise ValueError(
                f"Trace {trace} has {self.rows} rows and z has {rows}; pass a value for each row"
            )

    def add(self, x: Array, columns: Mapping[str, Array]) -> int:
        """Add columns after the newest one, see `Window.add`; z has the shape (n, rows)."""
        if not self.rows:
            self.rows = columns["z"].shape[1]
        return super().add(x, columns)

    def decimate(self, max_points: int) -> tuple[Array, list[Array]]:
        """Return x and z of at most about `max_points` columns, evenly chosen."""
        return self.sample(max_points)

    def _empty_column(self, capacity: int) -> Array:
        return np.empty((capacity, self.rows))


def make_window(size: int | str, names: tuple[str, ...]) -> Window:
    """Return an empty window for these columns."""
    return ColumnWindow(size) if names == HEAT_COLUMNS else Window(size, names)
