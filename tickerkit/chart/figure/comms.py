"""Comms: what a page says to a widget is heard, also after the page was loaded again."""

from __future__ import annotations

from typing import Any

import ipywidgets

__all__ = ["stay_heard"]


def stay_heard(*widgets: ipywidgets.Widget) -> None:
    """See that what pages say to these widgets goes where the page sends it.

    ipykernel 7.4 gives it to the subshell of whoever spoke last when the kernel sent something on
    the same comm. A page that was loaded again, or closed and opened, has another subshell; that
    one has ended, and all that the new page says is dropped: clicks, zooms, and that a chart
    misses points.
    """
    for each in widgets:
        if each.comm is not None:
            # Versions without this attribute do not look at it.
            each.comm._reply_subshell_for = _as_sent


def _as_sent(_: Any, subshell: str | None) -> str | None:
    return subshell
