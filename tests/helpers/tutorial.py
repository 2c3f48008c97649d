"""The tutorial: its faults, in the order in which the notebook shows and mends them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode

NO_LOOP = "RuntimeError: no running event loop"
if sys.version_info >= (3, 14):
    NO_LOOP = "RuntimeError: There is no current event loop in thread 'MainThread'."

FAULTS = [
    "The client found no server.",
    NO_LOOP,
    "The client was cut off: 1011 (internal error)",
    "missing 1 required positional argument: 'path'",
    "NameError: name 'fetch_stock_prices' is not defined",
    "TypeError: iterable must contain bytes or str",
    "NameError: name 'json' is not defined",
    'The client got [{"symbol": "AAPL", "price": 1',
]
"""What `try_out` prints, up to the first prices."""


def said(notebook: NotebookNode) -> str:
    """Return all text that an executed notebook printed or returned."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(
        output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs
    )
