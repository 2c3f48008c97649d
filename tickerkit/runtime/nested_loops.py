"""allow_nested_loops: `asyncio.run` inside a notebook's cell, for those who ask for it."""

from __future__ import annotations

import sys

__all__ = ["allow_nested_loops"]


def allow_nested_loops() -> None:
    """Patch asyncio so that `asyncio.run` works where a loop is running already, as in a cell.

    It replaces asyncio's Task class for the whole process, so tickerkit never does it by itself,
    and needs none of it: its own loop runs in a thread of its own. In a notebook `await` at the
    top of a cell does the same without any patch. Doing it twice is no complaint.
    """
    # nest-asyncio is no longer maintained and breaks asyncio.current_task on Python 3.14.
    if sys.version_info >= (3, 14):
        import nest_asyncio2 as nest_asyncio
    else:
        import nest_asyncio

    nest_asyncio.apply()
