"""gaps: the list of a log's proved holes."""

from __future__ import annotations

import pandas as pd
import pytest

from tickerkit.log import Gap, Gaps, TickLog
from tickerkit.ticks import MAX_EXACT_INT, read_ticks

COLUMNS = ["epoch", "from", "to", "last_before", "first_after", "reason"]
AT = pd.Timestamp("2026-11-22T10:00:00.123456789Z")


@pytest.fixture
def log() -> TickLog:
    """Return an empty log."""
    return TickLog(10)


def append(log: TickLog, second: int) -> None:
    """Append a tick of this second."""
    time = (AT + pd.Timedelta(seconds=second)).isoformat()
    log.append(read_ticks({"symbol": "A", "price": 1, "time": time}), received=0)


def test_without_gaps_the_frame_is_empty_but_typed(log: TickLog) -> None:
    """Its columns and their types are the same with and without rows."""
    gaps = Gaps(log)
    empty = gaps.frame()
    assert len(gaps) == len(empty) == 0
    assert list(empty.columns) == COLUMNS
    gaps.add(Gap("e", 1, 2, "why"))
    assert gaps.frame().dtypes.equals(empty.dtypes)
    assert [str(dtype) for dtype in empty.dtypes] == [
        "str",
        "Int64",
        "Int64",
        "datetime64[ns, UTC]",
        "datetime64[ns, UTC]",
        "str",
    ]


def test_a_gap_tells_its_range_and_the_times_on_both_sides(log: TickLog) -> None:
    """The range, the last tick before it and the first after it, and why."""
    gaps = Gaps(log)
    append(log, 0)
    append(log, 1)
    gaps.add(Gap("e", 3, 7, "too slow"))
    assert pd.isna(gaps.frame()["first_after"][0])
    append(log, 9)
    append(log, 10)
    row = gaps.frame().iloc[0]
    assert row[["epoch", "from", "to", "reason"]].tolist() == ["e", 3, 7, "too slow"]
    assert row["last_before"] == AT + pd.Timedelta(seconds=1)
    assert row["first_after"] == AT + pd.Timedelta(seconds=9)
    assert gaps.rows() == [2]


def test_an_end_that_is_not_known_is_missing(log: TickLog) -> None:
    """Of a dead epoch nobody knows how far it went; before the first tick there is no time."""
    gaps = Gaps(log)
    gaps.add(Gap("dead", 5, None, "restarted"))
    found = gaps.frame()
    assert found["to"].isna().tolist() == [True]
    assert found["last_before"].isna().tolist() == [True]


def test_gaps_that_touch_are_told_as_one(log: TickLog) -> None:
    """What was dropped in two steps, with no tick between, is one range."""
    gaps = Gaps(log)
    append(log, 0)
    gaps.add(Gap("e", 2, 5, "too slow"))
    gaps.add(Gap("e", 6, 9, "too slow"))
    append(log, 1)
    assert gaps.frame()[["from", "to"]].to_numpy().tolist() == [[2, 9]]
    assert gaps.rows() == [1]


@pytest.mark.parametrize(
    ("second", "between"),
    [
        (Gap("e", 6, 9, "x"), True),
        (Gap("e", 7, 9, "x"), False),
        (Gap("other", 6, 9, "x"), False),
    ],
)
def test_gaps_apart_stay_apart(log: TickLog, second: Gap, between: bool) -> None:
    """A tick between them, or a seq, or another epoch, keeps two gaps two."""
    gaps = Gaps(log)
    append(log, 0)
    gaps.add(Gap("e", 2, 5, "x"))
    if between:
        append(log, 1)
    gaps.add(second)
    assert len(gaps) == 2


def test_a_time_that_was_dropped_is_missing(log: TickLog) -> None:
    """Where the log no longer holds the tick after a gap, its time is not made up."""
    gaps = Gaps(log)
    append(log, 0)
    gaps.add(Gap("e", 2, 5, "x"))
    for second in range(1, 30):
        append(log, second)
    found = gaps.frame().iloc[0]
    assert found["last_before"] == AT
    assert pd.isna(found["first_after"])


def test_so_many_missing_ticks_leave_out_their_numbers(log: TickLog) -> None:
    """A source that knows how many are missing makes a gap of their numbers."""
    gaps = Gaps(log)
    gaps.miss(2, "lost")
    append(log, 0)
    gaps.miss(3, "lost")
    append(log, 1)
    assert log.frame()["seq"].tolist() == [3, 7]
    assert gaps.frame()[["from", "to"]].to_numpy().tolist() == [[1, 2], [4, 6]]
    assert log.frame()["epoch"].nunique() == 1


def test_missing_ticks_that_nobody_counted_begin_an_epoch(log: TickLog) -> None:
    """The epoch goes no further than anyone knows, and the next tick is the first of another."""
    gaps = Gaps(log)
    append(log, 0)
    old = log.epoch
    gaps.miss(None, "moved on")
    gaps.miss(None, "and again")
    append(log, 9)
    frame = log.frame()
    assert frame["seq"].tolist() == [1, 1]
    assert frame["epoch"].tolist() == [old, log.epoch]
    assert log.epoch != old
    [gap] = gaps.at(1)
    assert (gap.epoch, gap.first, gap.last, gap.reason) == (old, 2, None, "moved on")


def test_where_nothing_came_before_an_unknown_number_says_nothing(log: TickLog) -> None:
    """A gap needs a tick before it; nor are no ticks, or fewer, a gap."""
    gaps = Gaps(log)
    epoch = log.epoch
    for count in (None, 0, -1):
        gaps.miss(count, "nothing")
    append(log, 0)
    assert (len(gaps), log.epoch, log.last_seq) == (0, epoch, 1)


def test_more_than_can_be_numbered_is_not_known(log: TickLog) -> None:
    """A count beyond what a reader in any language can hold begins an epoch instead."""
    gaps = Gaps(log)
    append(log, 0)
    gaps.miss(MAX_EXACT_INT, "a damaged file")
    append(log, 1)
    assert log.last_seq == 1
    assert gaps.frame()["to"].isna().tolist() == [True]


def test_gaps_that_are_no_longer_held_are_let_go() -> None:
    """A log that goes round for weeks keeps the gaps of its ticks, and that of its oldest epoch."""
    log = TickLog(10)
    all_of_them, gaps = Gaps(log), Gaps(log, forget=True)
    for n in range(2000):
        all_of_them.add(Gap(log.epoch, n + 1, n + 1, "x"))
        gaps.miss(None if n == 1992 else 1, "x")
        append(log, n)
    assert len(all_of_them) == 2000
    assert gaps.rows() == [0, *range(1989, 2000)]
    for n in range(30):
        append(log, n)
    gaps.miss(1, "x")
    assert gaps.rows() == [1992, log.stop]
    assert [gap.last for gap in gaps.at(1992)] == [None]
