"""Merging: ticks of several inputs in order of arrival, with few of them in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numbered import MS, T0, ticks

from tickerkit.storage import merge as merge_module
from tickerkit.storage import sorting
from tickerkit.storage.frames import combine_frames, regroup
from tickerkit.storage.merge import Merge, Open


def arrived(frame: pd.DataFrame, ms: int) -> pd.DataFrame:
    """Return ticks that were received from a time on."""
    times = pd.to_datetime(T0 + (ms + np.arange(len(frame))) * MS, utc=True)
    return frame.assign(received=times.as_unit("ns"))


def opener(frame: pd.DataFrame, rows: int = 7) -> Open:
    """Return an input with the ticks of a frame, some rows in each piece."""

    def frames(columns: Sequence[str] | None) -> Iterator[pd.DataFrame]:
        part = frame if columns is None else frame[[name for name in columns if name in frame]]
        for start in range(0, max(len(part), 1), rows):
            yield part.iloc[start : start + rows].reset_index(drop=True)

    return frames


def merged(*frames: pd.DataFrame, **how: Any) -> pd.DataFrame:
    """Return the ticks of several inputs, merged."""
    return combine_frames(list(Merge([opener(frame) for frame in frames], **how).frames()))


@pytest.fixture(params=["in memory", "in a file"])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sort with runs of few rows, in memory or in a temporary file."""
    monkeypatch.setattr(merge_module, "MAX_OPEN", 1)
    if request.param == "in a file":
        monkeypatch.setattr(sorting.Sorter.__init__, "__defaults__", (None, 10))
        monkeypatch.setattr(sorting, "BATCH_ROWS", 3)


def test_inputs_in_order_are_merged_by_position() -> None:
    """The ticks of an epoch are in order of seq, whatever the number of the input."""
    parts = [ticks(*range(start, 100, 3)) for start in (3, 1, 2)]
    frame = merged(*parts)
    assert frame["seq"].tolist() == list(range(1, 100))
    assert frame["symbol"].tolist() == [f"S{seq % 3}" for seq in range(1, 100)]


@pytest.mark.usefixtures("small")
def test_unordered_inputs_are_sorted() -> None:
    """Every row comes once, with all its values."""
    random = np.random.default_rng(1)
    seqs = random.permutation(np.arange(1, 101))
    whole = ticks(*seqs.tolist()).assign(
        bid=pd.array([None, *range(99)], dtype="Int64"),
        note=pd.Categorical([None, *map(str, range(99))]),
        live=True,
    )
    frame = merged(whole.iloc[:60], whole.iloc[60:])
    expected = whole.sort_values("seq").reset_index(drop=True)
    pd.testing.assert_frame_equal(frame, expected, check_categorical=False)


@pytest.mark.usefixtures("small")
def test_epochs_are_in_order_of_their_first_arrival() -> None:
    """Not of the inputs, nor of the names."""
    late, early = arrived(ticks(1, 2, 3, epoch="a"), 50), arrived(ticks(5, 6, epoch="b"), 10)
    frame = merged(late, early)
    assert frame["epoch"].tolist() == ["b", "b", "a", "a", "a"]


@pytest.mark.usefixtures("small")
def test_same_position_comes_once_on_request() -> None:
    """The tick of the first input stays; without the request, it comes first."""
    one, other = ticks(1, 2, 3, 5, 6), ticks(2, 3, 4, 5, 5).assign(price=-1.0)
    assert merged(one, other)["seq"].tolist() == [1, 2, 2, 3, 3, 4, 5, 5, 5, 6]
    frame = merged(one, other, dedupe=True)
    assert frame["seq"].tolist() == [1, 2, 3, 4, 5, 6]
    assert frame["price"].tolist() == [0.5, 1.5, 2.5, -1.0, 3.5, 4.5]


@pytest.mark.usefixtures("small")
def test_ticks_without_positions_are_in_order_of_time() -> None:
    """A tick without a time stays behind the one before; equal ticks come once on request."""
    one = ticks(5, 1, 7, 7, 7).drop(columns=["seq", "epoch"]).assign(price=[1.0, 2, 3, 3, 4])
    other = ticks(1, 6, 7).drop(columns=["seq", "epoch"]).assign(price=[5.0, 6, 3])
    one.loc[1, "time"] = pd.NaT
    assert merged(one, other)["price"].tolist() == [5, 1, 2, 6, 3, 3, 4, 3]
    assert merged(one, other, dedupe=True)["price"].tolist() == [5, 1, 2, 6, 3, 4]


@pytest.mark.usefixtures("small")
def test_columns_of_all_inputs_are_kept() -> None:
    """A column that an input lacks is empty there; text and numbers are text."""
    one = ticks(1, 3).assign(bid=1.5, kind=1.0, count=np.array([2**53 + 1, 1]))
    other = ticks(2, 4).assign(kind=pd.Categorical(["x", None]), count=[0.0, 2.0])
    frame = merged(one, other)
    assert frame["bid"].isna().tolist() == [False, True, False, True]
    assert frame["kind"].astype("str").tolist()[:3] == ["1.0", "x", "1.0"]
    assert frame["count"].tolist() == [2**53 + 1, 0, 1, 2]


def test_only_wanted_columns_are_returned() -> None:
    """Those that decide the order are read, too."""
    assert merged(ticks(2, 4), ticks(1, 3), columns=["symbol"]).columns.tolist() == ["symbol"]
    assert merged(ticks(2, 4), ticks(1, 3), columns=["symbol"])["symbol"].tolist() == [
        "S1",
        "S2",
        "S0",
        "S1",
    ]


def test_input_is_open_when_its_ticks_are_due() -> None:
    """The files of a recording that follow each other are not all open at once."""
    opened: list[int] = []

    def input_of(number: int) -> Open:
        frames = opener(ticks(*range(number * 10, number * 10 + 10)))

        def each(columns: Sequence[str] | None) -> Iterator[pd.DataFrame]:
            for frame in frames(columns):
                opened.append(number)
                yield frame

        return each

    made = Merge([input_of(number) for number in (2, 0, 1)])
    opened.clear()
    assert [int(frame["seq"].max()) for frame in made.frames() if len(frame)][-1] == 29
    assert opened == sorted(opened)


def test_empty_inputs_are_no_input() -> None:
    """All empty ones have their columns, and no rows."""
    assert merged(ticks(), ticks(1, 2))["seq"].tolist() == [1, 2]
    assert merged(ticks(), ticks()).columns.tolist() == ticks().columns.tolist()


def test_regroup_makes_frames_of_one_size() -> None:
    """All but the last have as many rows as wanted; no row changes."""
    whole = ticks(*range(1, 30))
    frames = [whole.iloc[start:stop] for start, stop in ((0, 1), (1, 3), (3, 22), (22, 29))]
    parts = list(regroup(frames, 5))
    assert [len(part) for part in parts] == [5, 5, 5, 5, 5, 4]
    pd.testing.assert_frame_equal(combine_frames(parts), whole)
