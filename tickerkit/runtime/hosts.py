"""Hosts: which program runs the notebook; found without importing any of them.

A host that runs the process has already loaded its own modules, so `sys.modules` has them. Of
marimo, whose cells and comms have no public names, a few private names are used; without them its
cells are unknown, and its comms count as open.
"""

from __future__ import annotations

import sys
from typing import Any, Literal, TypeAlias

__all__ = ["Host", "find_host", "find_marimo_cell", "is_open", "show", "shows_widgets"]

Host: TypeAlias = Literal["jupyter", "marimo", "colab"]


def find_host() -> Host:
    """Return the host of the calling thread; "jupyter" stands for every other place, too.

    In marimo, a plain thread has no notebook: call this in a cell, or in a `mo.Thread`.
    """
    marimo = sys.modules.get("marimo")
    if marimo is not None and marimo.running_in_notebook():
        return "marimo"
    return "colab" if "google.colab" in sys.modules else "jupyter"


def is_open(comm: Any) -> bool:
    """Return whether a widget's comm still has a page side.

    marimo closes the comms that a cell has opened when the cell is run again or deleted, and the
    widget is not told.
    """
    manager = getattr(comm, "comm_manager", None)
    comms = getattr(manager, "comms", None)
    return comm is not None and (comms is None or comms.get(comm.comm_id) is comm)


def shows_widgets() -> bool:
    """Return whether the value of a cell may be a widget that background threads send to.

    In marimo, only an expression that is a widget itself is shown as one.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return find_host() == "jupyter" and getattr(shell, "kernel", None) is not None


def find_marimo_cell() -> tuple[str, str] | None:
    """Return the ids of marimo's running cell and of this run of it; None if they are unknown.

    They are unknown in an app (`marimo run`), where several sessions run the same cells in one
    process.
    """
    if find_host() != "marimo":
        return None
    try:
        context = sys.modules["marimo._runtime.context"].get_context()
        run = sys.modules["marimo._messaging.context"].RUN_ID_CTX.get(None)
        if context.session_mode.value != "edit" or context.cell_id is None or run is None:
            return None
        return str(context.cell_id), str(run)
    except (KeyError, AttributeError):
        return None


def show(shown: object) -> None:
    """Show an object in the output of the running cell."""
    if find_host() == "marimo":
        sys.modules["marimo"].output.append(shown)
    else:
        from IPython.display import display

        display(shown)  # type: ignore[no-untyped-call]
