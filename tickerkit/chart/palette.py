"""Palette: the colours and dashes of lines."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
import plotly.io as pio

__all__ = ["COLOURS", "choose_line", "find_colours"]

# Each differs from white and from #111 by a contrast of 3:1 at least, so that a line is seen on
# light and on dark pages. Neighbours also differ in brightness, for people who see few hues.
COLOURS = (
    "#2b7fd4",
    "#d5680b",
    "#12a384",
    "#c23b84",
    "#7440d0",
    "#929c14",
    "#b3402f",
    "#1f9cd1",
    "#96611f",
    "#8894a3",
)
DASHES = ("solid", "dash", "dot")


def choose_line(place: int, colours: Sequence[str] = COLOURS) -> dict[str, str]:
    """Return the colour and the dash of the line of an instrument.

    Args:
        place: place of the instrument in its feed, from 0. With ten colours, the eleventh has the
            colour of the first and is dashed.
        colours: the colours to choose from.
    """
    turn, index = divmod(place, len(colours))
    return {"color": colours[index], "dash": DASHES[turn % len(DASHES)]}


def find_colours(figure: go.Figure) -> Sequence[str]:
    """Return the colours of a figure's template; without one of the user's own, `COLOURS`."""
    own = figure.layout.template.layout.colorway
    return COLOURS if own in (None, pio.templates["plotly"].layout.colorway) else own
