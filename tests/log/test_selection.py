"""Selection: a part of some ticks accounts for every seq between its first tick and its last."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numbered import MS, T0, gaps, ticks

from tickerkit.log import Gap, Selection, TickLog, gap_frame, keep_rows, select
from tickerkit.ticks import read_ticks

NONE = gap_frame([])


def at(ms: int) -> pd.Timestamp:
    """Return the time of the tick with this seq."""
    return pd.Timestamp(T0 + ms * MS, tz="UTC")


@pytest.mark.parametrize(
    ("how", "seqs"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"symbols": ["S0"]}, [3, 6]),
        ({"symbols": ["S7"]}, []),
        ({"last": 2}, [5, 6]),
        ({"last": 0}, []),
        ({"last": "2ms"}, [4, 5, 6]),
        ({"symbols": ["S1"], "last": 1}, [4]),
        ({"symbols": ["S1"], "last": "3ms"}, [4]),
        ({"start": at(3), "end": at(5)}, [3, 4]),
        ({"last": 3, "end": at(6)}, [4, 5]),
    ],
)
def test_select_returns_the_ticks_asked_for(how: dict[str, object], seqs: list[int]) -> None:
    """Symbols are selected first, then the newest, then the range of time; rows count from 0."""
    frame, listed = select(ticks(*range(1, 7)), NONE, **how)  # type: ignore[arg-type]
    assert frame["seq"].tolist() == seqs
    assert frame.index.tolist() == list(range(len(seqs)))
    assert len(listed) == 0


@pytest.mark.parametrize(
    ("ahead", "seqs"), [("1h", [3]), ("300D", [3, 4, 5, 6]), ("-1h", [4, 5, 6])]
)
def test_wrong_clock_does_not_empty_the_last_seconds(ahead: str, seqs: list[int]) -> None:
    """A time more than a day after its tick came is no newest time: it may be of the year 2262."""
    frame = ticks(*range(1, 7))
    frame["received"] = frame["time"]
    frame.loc[2, "time"] += pd.Timedelta(ahead)
    assert select(frame, NONE, last="2ms")[0]["seq"].tolist() == seqs
    log = TickLog(10, epoch="e1")
    for row in frame.to_dict("records"):
        tick = {name: row[name] for name in ("time", "symbol", "price")}
        log.append(read_ticks([tick]), received=row["received"].value)
    assert log.frame(last="2ms")["seq"].tolist() == seqs


def test_newest_of_times_that_all_lie_ahead_is_the_newest() -> None:
    """As in a simulation of next year."""
    frame = ticks(*range(1, 7))
    frame["received"] = frame["time"] - pd.Timedelta("400D")
    assert select(frame, NONE, last="2ms")[0]["seq"].tolist() == [4, 5, 6]
    frame["received"] = pd.NaT
    assert select(frame, NONE, last="2ms")[0]["seq"].tolist() == [4, 5, 6]
    frame["time"] = pd.NaT
    assert select(frame, NONE, last="2ms")[0]["seq"].tolist() == []


@pytest.mark.parametrize("how", [{"last": "2ms"}, {"start": at(4)}, {"end": at(7)}])
def test_a_late_tick_that_is_left_out_is_a_gap(how: dict[str, object]) -> None:
    """A tick whose time is outside the range leaves a gap between the ticks around it."""
    frame = ticks(*range(1, 7))
    frame.loc[4, "time"] = at(9) if "end" in how else at(0)
    found, listed = select(frame, NONE, **how)  # type: ignore[arg-type]
    assert 5 not in found["seq"].tolist()
    assert found["seq"].tolist()[-1] == 6
    [gap] = listed.to_dict("records")
    assert (gap["epoch"], gap["from"], gap["to"]) == ("e1", 5, 5)
    assert (gap["last_before"], gap["first_after"]) == (at(4), at(6))
    assert "outside the selected time range" in gap["reason"]


@pytest.mark.parametrize("how", [{"symbols": ["S1", "S0"]}, {"complete": False}])
def test_a_jump_among_some_symbols_is_no_gap(how: dict[str, object]) -> None:
    """Where ticks of other symbols are missing anyway, a late tick is not listed."""
    frame = ticks(*range(1, 7))
    frame.loc[3, "time"] = at(0)
    assert len(select(frame, NONE, start=at(2), **how)[1]) == 0  # type: ignore[arg-type]


def test_gaps_outside_the_selection_are_dropped() -> None:
    """A gap at an end of the frame is kept unless that end is cut off."""
    frame, listed = ticks(3, 4, 6, 7), gaps((1, 2), (5, 5), (8, 9))

    def first(**how: object) -> list[int]:
        return select(frame, listed, **how)[1]["from"].tolist()  # type: ignore[arg-type]

    assert first() == [1, 5, 8]
    assert first(symbols=["S0"]) == [1, 5, 8]
    assert first(last=3) == [5, 8]
    assert first(last=2) == [8]
    assert first(end=at(6)) == [1]
    assert first(start=at(3), end=at(7)) == [5]
    assert first(start=at(20)) == []


def test_ticks_without_numbers_have_no_gaps_between() -> None:
    """Of another program's ticks, without seq and epoch, only the ticks are selected."""
    frame = ticks(1, 2, 3, 4)[["time", "symbol", "price"]]
    frame.loc[2, "time"] = at(0)
    found, listed = select(frame, NONE, start=at(2))
    assert (len(found), len(listed)) == (2, 0)


def rows_after(frame: pd.DataFrame, listed: pd.DataFrame) -> list[int]:
    """Return for each gap the row of the frame right after it."""
    found, row = [], 0
    for gap in listed.to_dict("records"):
        of_epoch = frame.index[frame["epoch"] == gap["epoch"]]
        later = of_epoch[frame["seq"][of_epoch] > gap["from"]]
        if len(of_epoch):
            row = later[0] if len(later) and not pd.isna(gap["to"]) else of_epoch[-1] + 1
        found.append(int(row))
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 5, 40])
@pytest.mark.parametrize(("start", "end"), [(2, 25), (None, 12), (9, None), (40, 50)])
def test_pieces_give_the_selection_of_the_whole(
    size: int, start: int | None, end: int | None
) -> None:
    """The same ticks and gaps, wherever the pieces end: also with late ticks and epochs."""
    random = np.random.default_rng(size)
    minutes = np.arange(30) + np.where(random.random(30) < 0.3, -8, 0)
    seqs = [*range(1, 8), *range(12, 25), *range(30, 40)]
    frame = pd.DataFrame(
        {
            "seq": seqs,
            "time": pd.to_datetime(minutes * 60 * 10**9, utc=True),
            "epoch": pd.Categorical(["a"] * 15 + ["b"] * 15),
        }
    )
    gaps = gap_frame(
        [
            Gap("a", 8, 11, "lost"),
            Gap("a", 17, None, "ended"),
            Gap("x", 1, 2, "unknown"),
            Gap("b", 25, 29, "lost"),
            Gap("b", 40, None, "ended"),
        ]
    )
    times = [
        None if each is None else pd.Timestamp(each * 60, unit="s", tz="UTC")
        for each in (start, end)
    ]
    whole, listed = select(frame, gaps, start=times[0], end=times[1])
    selection = Selection(from_start=start is None, to_end=end is None, list_left_out=True)
    parts = [
        selection.take(piece, keep_rows(piece, None, *times))
        for piece in (frame.iloc[row : row + size] for row in range(0, 30, size))
    ]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)
    pd.testing.assert_frame_equal(selection.gaps(gaps), listed)
    inside = np.array(rows_after(frame, gaps))
    rows = np.flatnonzero(keep_rows(frame, None, *times))
    if len(rows):
        kept = (inside > rows[0]) | (start is None)
        kept &= (inside <= rows[-1]) | (end is None)
        assert listed["reason"].tolist()[: kept.sum()] == gaps["reason"][kept].tolist()
