"""Groups: the rows of a batch by symbol, each symbol's rows in the order of the log."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tickerkit.ticks import Array

__all__ = ["Groups", "group_rows"]


class Groups(NamedTuple):
    """Rows by symbol. Below, N is the number of rows, and G that of the symbols they have.

    Attributes:
        order: the places of the rows in the batch, (N,): ascending within each symbol.
        codes: the code of each symbol, (G,), ascending.
        starts: where each symbol's rows begin in `order`, (G,).
        stops: where they end, (G,).
    """

    order: Array
    codes: Array
    starts: Array
    stops: Array


def group_rows(codes: Array) -> Groups:
    """Return the rows of a batch by symbol.

    Args:
        codes: the code of each row's symbol, (N,).
    """
    count = len(codes)
    # Most batches of a live feed have one symbol, or a single row.
    if count and (codes[0] == codes).all():
        return Groups(np.arange(count), codes[:1], np.zeros(1, np.int64), np.array([count]))
    order = np.argsort(codes, kind="stable")  # a radix sort, for codes of 8 and 16 bits
    ordered = codes[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-2))
    return Groups(order, ordered[starts], starts, np.append(starts[1:], count))
