"""Excess: ticks whose symbols a log has no room for, refused by a server and missing in a feed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from tickerkit.errors import BadTick
from tickerkit.limits import MAX_SYMBOLS
from tickerkit.log.position import Gap
from tickerkit.log.tick_log import TickLog
from tickerkit.ticks import Batch, Text

__all__ = ["append_or_note", "refuse_excess"]

PROBLEM = f"is new, and a log holds {MAX_SYMBOLS:,} symbols at most"
TOO_MANY_SYMBOLS = f"a log holds {MAX_SYMBOLS:,} symbols at most: these ticks have further ones"


def refuse_excess(log: TickLog, batch: Batch) -> Batch:
    """Return the ticks for whose symbols a log has room; the others are counted as refused."""
    if (admitted := log.admit(batch)) is None:
        return batch
    rest = batch.where(admitted)
    rest.refused = batch.refused + batch.count - rest.count
    rest.errors = [*batch.errors, _make_error(batch, admitted)]
    rest.misfits = batch.misfits
    return rest


def append_or_note(
    log: TickLog,
    batch: Batch,
    seq: npt.NDArray[np.int64],
    *,
    epoch: str,
    received: int,
    note: Callable[[Gap], object],
) -> BadTick | None:
    """Append ticks that another log has numbered; those that are refused are noted as gaps.

    Args:
        log: the log.
        batch: the ticks.
        seq: their numbers, shape `(batch.count,)`.
        epoch: the epoch that they belong to.
        received: when they were received, in epoch ns.
        note: called with each gap, when the log ends right before it.

    Returns:
        Why ticks were refused; None if all were appended.
    """
    if (admitted := log.admit(batch)) is None:
        log.append(batch, received=received, epoch=epoch, seq=seq)
        return None
    counts = batch.part(0, 0)
    counts.misfits = batch.misfits
    log.append(counts, received=received)
    cuts = np.flatnonzero(np.diff(admitted)) + 1
    for start, stop in pairwise([0, *cuts.tolist(), batch.count]):
        part = seq[start:stop]
        if admitted[start]:
            log.append(batch.part(start, stop), received=received, epoch=epoch, seq=part)
        else:
            note(Gap(epoch, int(part[0]), int(part[-1]), TOO_MANY_SYMBOLS))
    return _make_error(batch, admitted)


def _make_error(batch: Batch, admitted: npt.NDArray[np.bool_]) -> BadTick:
    """Return the error of the first tick that is not admitted."""
    symbols = batch.columns["symbol"]
    assert isinstance(symbols, Text)
    symbol = symbols.words[int(symbols.codes[int(np.argmin(admitted))])]
    return BadTick("symbol", symbol, PROBLEM, "start another server for further symbols")
