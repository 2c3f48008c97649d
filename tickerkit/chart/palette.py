"""Palette: the colours and dashes of lines."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
import plotly.io as pio

__all__ = [
    "COLOURS",
    "FALLING",
    "INDICATOR_COLOURS",
    "RISING",
    "choose_line",
    "find_colours",
    "has_own_template",
]

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
# Of candles: blue-green and vermilion, which differ for people who don't tell red from green.
RISING, FALLING = COLOURS[2], COLOURS[1]
# Of indicators: neither those of candles nor that of a chart's first line.
INDICATOR_COLOURS = tuple(COLOURS[place] for place in (4, 5, 3, 7, 8, 9))
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
    return figure.layout.template.layout.colorway if has_own_template(figure) else COLOURS


def has_own_template(figure: go.Figure) -> bool:
    """Return whether a figure's template is one of the user's own, with other colours."""
    own = figure.layout.template.layout.colorway
    return own not in (None, pio.templates["plotly"].layout.colorway)
