"""Panes: the areas of a chart, one below the other."""

from __future__ import annotations

import pytest

from tickerkit.chart.panes import layout_panes, make_levels


def test_values_alone_fill_the_chart() -> None:
    """Their axis is the one that carries the times."""
    layout = layout_panes(0, 420)
    assert layout["yaxis"]["domain"] == [0, 1]
    assert layout["xaxis"]["anchor"] == "y"


@pytest.mark.parametrize("lower", range(1, 9))
def test_panes_lie_below_each_other_with_room_for_their_legends(lower: int) -> None:
    """The times stand below the lowest; the pane of the values is the highest."""
    layout = layout_panes(lower, 420 + 80 * lower)
    assert layout["xaxis"]["anchor"] == f"y{lower + 1}"
    domains = [layout["yaxis"]["domain"]]
    domains += [layout[f"yaxis{n}"]["domain"] for n in range(2, lower + 2)]
    heights = [top - bottom for bottom, top in domains]
    assert all(bottom >= 0 for bottom, _ in domains)
    assert domains[-1][0] == pytest.approx(0, abs=1e-9)
    assert heights[0] > max(heights[1:])
    for (bottom, _), (_, below), number in zip(
        domains, domains[1:], range(2, lower + 2), strict=False
    ):
        assert below < bottom
        assert layout[f"legend{number}"]["y"] == below


def test_levels_are_lines_across_their_pane() -> None:
    """They do not move with the times."""
    low, high = make_levels(2, (30, 70))
    assert (low["yref"], low["y0"], low["y1"]) == ("y3", 30, 30)
    assert (high["xref"], high["x0"], high["x1"]) == ("x domain", 0, 1)
    assert make_levels(1, ()) == []
