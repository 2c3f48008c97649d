"""Memory: refuses files whose ticks would not fit into the memory of this machine.

A file may unpack to a thousand times its size, by accident or on purpose: 1.5 MB of Parquet hold
200 million equal rows. Without a bound, reading it would stop this process, and others with it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path

from tickerkit.errors import RecordingError
from tickerkit.formatting import format_size

__all__ = ["check_size"]

# What reading takes besides the frame: a column is moved when it grows.
SPARE = 1.3


@cache
def max_bytes() -> int | None:
    """Return how many bytes of memory this process may have; None if that isn't known."""
    limits = []
    with suppress(AttributeError, ValueError, OSError):  # Windows has no such function
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    try:
        import resource
    except ImportError:
        pass
    else:
        limits.append(resource.getrlimit(resource.RLIMIT_AS)[0])
    return min((limit for limit in limits if limit > 0), default=None)


def check_size(path: Path, rows: int, size: int) -> None:
    """Check that the ticks of a file fit into memory, before they are read or while they are.

    Args:
        path: the file.
        rows: how many ticks have been counted.
        size: how many bytes they take as columns.

    Raises:
        RecordingError: they don't fit.
    """
    limit = max_bytes()
    needed = int(SPARE * size)
    if limit is not None and needed > limit:
        problem = f"its first {rows:,} ticks need {format_size(needed)} of memory"
        fix = "read a part with pyarrow.dataset or duckdb"
        raise RecordingError(path, f"{problem}, and there are {format_size(limit)}; {fix}")
