"""Excess: ticks whose symbols a log has no room for are refused, or noted as gaps."""

from __future__ import annotations

import numpy as np
import pytest

from tickerkit.limits import MAX_SYMBOLS
from tickerkit.log import Gap, Gaps, TickLog, append_or_note, refuse_excess
from tickerkit.ticks import Batch, Text, read_ticks


def ticks(symbols: list[str]) -> Batch:
    """Return a tick of each symbol."""
    prices = np.arange(len(symbols), dtype=float)
    columns = {"symbol": Text.of(symbols), "price": prices, "size": np.ones(len(symbols))}
    return Batch(len(symbols), np.zeros(len(symbols), dtype=np.int64), columns)


@pytest.fixture
def full() -> TickLog:
    """Return a log that has room for one more symbol."""
    log = TickLog(epoch="e")
    log.append(ticks([f"s{n}" for n in range(MAX_SYMBOLS - 1)]), received=0)
    return log


def test_ticks_of_excess_symbols_are_refused_by_name(full: TickLog) -> None:
    """The error names the first symbol, and the limit; other refusals of the batch stay."""
    given = read_ticks(
        [{"s": name, "p": 1, "deep": []} for name in ("s0", "last", "no", "more")] + [{"s": "s0"}]
    )
    rest = refuse_excess(full, given)
    full.append(rest, received=0)
    assert (rest.count, rest.refused, rest.misfits) == (2, 3, {"deep": 4})
    assert [(error.field, error.value) for error in rest.errors][1] == ("symbol", "no")
    assert "65,536" in str(rest.errors[1])
    assert full.misfits == {"deep": 4}
    assert full.last_seq == MAX_SYMBOLS + 1


def test_batch_within_the_limit_is_returned_as_it_is(full: TickLog) -> None:
    """Nothing is copied while there is room."""
    given = ticks(["s0", "last"])
    assert refuse_excess(full, given) is given


def test_numbered_ticks_of_excess_symbols_become_gaps_where_they_were(full: TickLog) -> None:
    """Each run of such ticks is one gap, before the row that follows it."""
    gaps, row = Gaps(full), full.stop
    names = ["no", "s0", "no", "more", "last", "s1", "no"]
    batch = ticks(names)
    batch.misfits = {"deep": 2}
    seq = np.array([5, 6, 7, 8, 9, 12, 13], dtype=np.int64)
    full.append(ticks(["last"]), received=0)
    error = append_or_note(full, batch, seq, epoch="x", received=0, note=gaps.add)
    assert error is not None
    assert error.value == "no"
    assert full.frame(last=3)["seq"].tolist() == [6, 9, 12]
    found = gaps.frame()
    assert found[["from", "to"]].values.tolist() == [[5, 5], [7, 8], [13, 13]]
    assert gaps.rows() == [row + 1, row + 2, row + 4]
    assert full.misfits == {"deep": 2}


def test_numbered_ticks_within_the_limit_are_appended(full: TickLog) -> None:
    """Without an excess symbol, no gap is noted."""
    noted: list[Gap] = []
    seq = np.array([3, 4], dtype=np.int64)
    assert (
        append_or_note(full, ticks(["last", "s0"]), seq, epoch="x", received=0, note=noted.append)
        is None
    )
    assert noted == []
    assert full.frame(last=2)["epoch"].tolist() == ["x", "x"]
