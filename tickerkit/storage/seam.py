"""Seam: what is missing between the last row of a recording and the next one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tickerkit.log import Gap, Position, Rows

__all__ = ["count_known", "epochs_between", "fill", "list_missing"]

NOT_RECORDED = "not recorded"


def count_known(rows: Rows, last: Position | None) -> int:
    """Return how many of the first rows are not after `last`, the last row written."""
    code = None if last is None else rows.dictionaries["epoch"].codes.get(last.epoch)
    if last is None or code is None:
        return 0
    known = (rows.array("epoch") == code) & (rows.array("seq") <= last.seq)
    return int(np.flatnonzero(known)[-1]) + 1 if known.any() else 0


def epochs_between(
    first_seqs: Mapping[str, int], before: Sequence[str], epoch: str
) -> dict[str, int]:
    """Return the epochs of a log after one of `before`, up to `epoch`, with their first seqs.

    Args:
        first_seqs: the seq of the first tick of each epoch of the log, oldest epoch first.
        before: where to begin: after the first of these epochs that the log knows. It forgets its
            oldest epochs, so if it knows none of these, all that it knows are after them.
        epoch: the last epoch to return; if the log has forgotten it, there is none to return.
    """
    epochs = list(first_seqs)
    start = next((epochs.index(each) + 1 for each in before if each in first_seqs), 0)
    stop = epochs.index(epoch) + 1 if epoch in first_seqs else start
    return {each: first_seqs[each] for each in epochs[start:stop]}


def list_missing(
    last: Position | None,
    last_gap: Gap | None,
    between: Mapping[str, int],
    first: Position,
    known: list[Gap],
) -> Iterator[Gap]:
    """Yield the gaps of a seam: those known, and what is not recorded besides.

    Args:
        last: position of the last row written; None if there is none.
        last_gap: the last gap that the recording lists.
        between: the epochs that began after `last`, up to that of `first`, oldest first, with the
            seq of the first tick of each.
        first: position of the next row.
        known: the gaps of the feed there.
    """
    # The seq up to which each epoch is written or listed; None for an epoch that is closed.
    listed: dict[str, int | None] = {} if last is None else {last.epoch: last.seq}
    for epoch, first_seq in between.items():
        listed.setdefault(epoch, first_seq - 1)
    if last_gap is not None and (seq := listed.get(last_gap.epoch)) is not None:
        listed[last_gap.epoch] = None if last_gap.last is None else max(seq, last_gap.last)
    order = dict.fromkeys([*listed, *(gap.epoch for gap in known)])
    for epoch in [*(each for each in order if each != first.epoch), first.epoch]:
        gaps = [gap for gap in known if gap.epoch == epoch]
        if epoch not in listed:
            yield from gaps
        elif (seq := listed[epoch]) is not None:
            if epoch in between:
                # Gaps before the epoch's first tick, but for those listed before the seam.
                noted = last_gap.last or 0 if last_gap and last_gap.epoch == epoch else 0
                yield from (each for each in gaps if each.last and noted < each.last <= seq)
            stop = first.seq if epoch == first.epoch else None
            yield from fill(epoch, seq, stop, gaps)


def fill(epoch: str, seq: int, stop: int | None, known: list[Gap]) -> Iterator[Gap]:
    """Yield the gaps of an epoch after `seq` and before `stop`, None for its unknown end."""
    for gap in known:
        if gap.last is not None and gap.last <= seq:
            continue
        if gap.first > seq + 1:
            yield Gap(epoch, seq + 1, gap.first - 1, NOT_RECORDED)
        yield gap
        if gap.last is None:
            return
        seq = gap.last
    if stop is None or stop > seq + 1:
        yield Gap(epoch, seq + 1, None if stop is None else stop - 1, NOT_RECORDED)
