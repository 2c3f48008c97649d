"""Subshells: deliver a page's messages to the subshell that they name."""

from __future__ import annotations

from typing import Any

import ipywidgets

__all__ = ["deliver_as_addressed"]


def deliver_as_addressed(*widgets: ipywidgets.Widget) -> None:
    """Have ipykernel deliver each message to these widgets to the subshell that it names.

    ipykernel 7.4 itself uses another subshell: that of the last message which the kernel answered
    on the same comm. After a reload a page has a new subshell, and the old one has ended. Without
    this function, everything that the reloaded page sends is lost: clicks, zooms, and requests for
    missing points.

    A closed widget has no comm, and is skipped.
    """
    for widget in widgets:
        if widget.comm is not None:
            # Versions of ipykernel that don't have this method don't call it either.
            widget.comm._reply_subshell_for = _choose_subshell


def _choose_subshell(_: Any, subshell: str | None) -> str | None:
    return subshell
