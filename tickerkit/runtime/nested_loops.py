"""allow_nested_loops: makes `asyncio.run` work in a notebook's cell."""

from __future__ import annotations

import sys

__all__ = ["allow_nested_loops"]


def allow_nested_loops() -> None:
    """Patch asyncio so that `asyncio.run` works while a loop is running, as in a notebook's cell.

    The patch replaces asyncio's Task class for the whole process. tickerkit never applies it by
    itself and does not need it: its own loop runs in a background thread. In a notebook, `await` at
    the top level of a cell needs no patch. Calling this twice has no further effect.
    """
    # nest-asyncio is no longer maintained and breaks asyncio.current_task on Python 3.14.
    if sys.version_info >= (3, 14):
        import nest_asyncio2 as nest_asyncio
    else:
        import nest_asyncio

    nest_asyncio.apply()
