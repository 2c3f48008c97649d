"""Gaps: the list of what is missing in a log."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tickerkit.limits import MAX_EXACT_INT
from tickerkit.log import Gap, Gaps, TickLog, gap_frame, gaps_from_frame
from tickerkit.ticks import read_ticks

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


def test_frame_without_gaps_has_the_same_columns(log: TickLog) -> None:
    """The columns and their types are the same with and without rows."""
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


def test_gap_has_its_range_and_the_times_on_both_sides(log: TickLog) -> None:
    """A gap has its range, the times of the ticks before and after it, and a reason."""
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


def test_unknown_end_is_missing(log: TickLog) -> None:
    """The end of a dead epoch's gap isn't known; before the first tick there is no time."""
    gaps = Gaps(log)
    gaps.add(Gap("dead", 5, None, "restarted"))
    found = gaps.frame()
    assert found["to"].isna().tolist() == [True]
    assert found["last_before"].isna().tolist() == [True]


def test_gaps_that_touch_are_one(log: TickLog) -> None:
    """Two gaps without a tick between them are one range."""
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
def test_gaps_that_do_not_touch_stay_apart(log: TickLog, second: Gap, between: bool) -> None:
    """A tick, a seq or another epoch between two gaps keeps them apart."""
    gaps = Gaps(log)
    append(log, 0)
    gaps.add(Gap("e", 2, 5, "x"))
    if between:
        append(log, 1)
    gaps.add(second)
    assert len(gaps) == 2


def test_time_of_a_dropped_tick_is_missing(log: TickLog) -> None:
    """If the log no longer holds the tick after a gap, the gap has no time for it."""
    gaps = Gaps(log)
    append(log, 0)
    gaps.add(Gap("e", 2, 5, "x"))
    for second in range(1, 30):
        append(log, second)
    found = gaps.frame().iloc[0]
    assert found["last_before"] == AT
    assert pd.isna(found["first_after"])


def test_counted_missing_ticks_take_their_seqs(log: TickLog) -> None:
    """A source that knows how many ticks are missing makes a gap of their seqs."""
    gaps = Gaps(log)
    gaps.miss(2, "lost")
    append(log, 0)
    gaps.miss(3, "lost")
    append(log, 1)
    assert log.frame()["seq"].tolist() == [3, 7]
    assert gaps.frame()[["from", "to"]].to_numpy().tolist() == [[1, 2], [4, 6]]
    assert log.frame()["epoch"].nunique() == 1


def test_uncounted_missing_ticks_begin_an_epoch(log: TickLog) -> None:
    """If the number of missing ticks isn't known, the next tick begins an epoch."""
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


def test_uncounted_gap_before_the_first_tick_is_ignored(log: TickLog) -> None:
    """A gap without a count needs a tick before it; a count of 0 or less is no gap."""
    gaps = Gaps(log)
    epoch = log.epoch
    for count in (None, 0, -1):
        gaps.miss(count, "nothing")
    append(log, 0)
    assert (len(gaps), log.epoch, log.last_seq) == (0, epoch, 1)


def test_count_beyond_exact_integers_begins_an_epoch(log: TickLog) -> None:
    """A count beyond the integers that every language reads exactly begins an epoch."""
    gaps = Gaps(log)
    append(log, 0)
    gaps.miss(MAX_EXACT_INT, "a damaged file")
    append(log, 1)
    assert log.last_seq == 1
    assert gaps.frame()["to"].isna().tolist() == [True]


def with_two_gaps() -> Gaps:
    """Return the gaps of a log of six ticks, before the rows 2 and 4."""
    log = TickLog(10, epoch="e")
    gaps = Gaps(log)
    for second in range(6):
        if second in (2, 4):
            gaps.miss(1, "lost")
        append(log, second)
    return gaps


def test_gaps_are_found_by_their_rows() -> None:
    """A gap is found at its row, as the next after a row, and in a range of rows."""
    gaps = with_two_gaps()
    assert [[gap.first for gap in gaps.at(row)] for row in range(6)] == [[], [], [3], [], [6], []]
    assert [gaps.next_row(row) for row in range(6)] == [2, 2, 4, 4, None, None]
    assert [gap.first for gap in gaps.between(2, 4)] == [3]
    assert [gap.first for gap in gaps.between(0, 9)] == [3, 6]
    assert gaps.between(3, 4) == []


@pytest.mark.parametrize(
    ("rows", "marked"),
    [
        (range(6), [2, 4]),
        (range(3, 6), [4]),
        (np.array([0, 3, 5]), [3, 5]),
        (np.array([0, 1]), []),
        (range(0), []),
    ],
)
def test_mark_names_the_rows_after_gaps(rows: range | np.ndarray, marked: list[int]) -> None:
    """The row after each gap is marked, or the next one if that is not in the frame."""
    frame = with_two_gaps().mark(pd.DataFrame({"row": list(rows)}), rows)
    assert frame["row"][frame["gap"]].tolist() == marked


def test_gaps_come_back_from_their_frame() -> None:
    """Gaps made from a frame of gaps are the same, with and without an end and times."""
    gaps = [
        Gap("e", 3, 4, "lost", AT.value, AT.value + 1),
        Gap("f", 1, None, "restarted", AT.value, None),
        Gap("g", 1, 2**53 + 1, "lost", None, None),
    ]
    assert gaps_from_frame(gap_frame(gaps)) == gaps


@pytest.mark.parametrize(("last", "count"), [(7, 3), (5, 1), (4, 0), (None, None)])
def test_gap_counts_its_ticks(last: int | None, count: int | None) -> None:
    """A gap has as many ticks as its range; None if its end isn't known."""
    assert Gap("e", 5, last, "lost").count == count


def test_gaps_before_dropped_rows_are_dropped() -> None:
    """A log that runs for weeks keeps the gaps of its rows, and that of its oldest epoch."""
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


def test_list_of_gaps_is_bounded(log: TickLog) -> None:
    """A full list drops its oldest gaps, and counts them; the newest are listed."""
    gaps = Gaps(log, max_gaps=100)
    for n in range(1000):
        gaps.add(Gap(f"epoch {n}", 1, None, "x" * n))
        assert len(gaps) <= 100
        assert len(gaps) + gaps.dropped == n + 1
    assert gaps.frame()["epoch"].tolist()[-80:] == [f"epoch {n}" for n in range(920, 1000)]
    assert gaps.frame()["reason"].str.len().max() == 200
