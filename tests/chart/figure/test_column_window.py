"""column_window: which columns a heat map keeps."""

from __future__ import annotations

import numpy as np
import pytest

from tickerkit.chart.figure.column_window import ColumnWindow


def fill(window: ColumnWindow, count: int, rows: int = 3) -> ColumnWindow:
    """Add columns one by one; the values of a column are its x, ten times its x, and so on."""
    for x in range(count):
        z = float(x) * 10.0 ** np.arange(rows)
        window.add(np.array([float(x)]), {"z": z[np.newaxis]})
    return window


def test_window_counts_columns() -> None:
    """The newest columns stay, with all their rows, also after the arrays have moved."""
    window = fill(ColumnWindow(50), 3000)
    assert window.x.tolist() == list(range(2950, 3000))
    assert window.column("z").shape == (50, 3)
    assert window.column("z")[-1].tolist() == [2999, 29990, 299900]
    assert window.since(2999)[2][0].tolist() == [[2999, 29990, 299900]]


def test_window_of_a_time_keeps_columns_of_that_time() -> None:
    """For an x of numbers, a time is that many seconds."""
    assert fill(ColumnWindow("10s"), 40).x.tolist() == list(range(29, 40))


def test_another_number_of_rows_is_refused() -> None:
    """An empty window takes any number; the first column decides."""
    window = ColumnWindow(5)
    window.check_rows(7, 0)
    with pytest.raises(ValueError, match="Trace 4 has 3 rows and z has 2"):
        fill(window, 1).check_rows(2, 4)


def test_chosen_columns_stay_as_the_window_slides() -> None:
    """Every fourth position is chosen, and the newest column."""
    for count in (100, 101, 103):
        x, (z,) = fill(ColumnWindow(40), count).decimate(12)
        assert [each % 4 for each in x[:-1]] == [0] * (len(x) - 1)
        assert (x[-1], z[-1, 1]) == (count - 1, 10 * (count - 1))
        assert len(x) <= 13


def test_few_tall_columns_take_little_memory() -> None:
    """Spare memory is for a few columns, not for a thousand."""
    window = fill(ColumnWindow(20), 200, rows=10)
    base = window.column("z").base
    assert base is not None
    assert base.nbytes < 100 * 10 * 8
