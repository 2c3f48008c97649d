"""Windows: which points a live line keeps, and which of them it draws."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from tickerkit.chart.window import Window, as_x, plotly_x


def filled(window: Window, y: np.ndarray, step: int = 100) -> Window:
    """Add `y` in pieces, its index as x."""
    for start in range(0, len(y), step):
        part = y[start : start + step]
        window.add(np.arange(start, start + len(part), dtype=float), part)
    return window


def test_it_keeps_the_newest_points() -> None:
    """A window of a number of points holds exactly so many, the newest."""
    x, y = filled(Window(250), np.arange(1000.0)).points()
    assert x.tolist() == y.tolist() == list(range(750, 1000))


def test_one_batch_larger_than_the_window_leaves_its_newest() -> None:
    """Of a batch that is larger than the window the last points are kept."""
    x, _ = filled(Window(3), np.arange(10.0), step=10).points()
    assert x.tolist() == [7, 8, 9]


def test_it_keeps_the_last_minutes() -> None:
    """A window of time holds what is at most so much older than the newest x."""
    window = Window("1min")
    times = pd.date_range("2026-11-23", periods=200, freq="1s").to_numpy()
    window.add(times[:150], np.arange(150.0))
    window.add(times[150:], np.arange(150.0, 200.0))
    x, y = window.points()
    assert y.tolist() == list(range(139, 200))
    assert x[-1] - x[0] == np.timedelta64(60, "s")


def test_of_numbers_a_time_means_seconds() -> None:
    """A window of time over an x of numbers takes them for seconds."""
    x, _ = filled(Window("10s"), np.arange(50.0)).points()
    assert x.tolist() == list(range(39, 50))


def test_points_handed_out_do_not_change_later() -> None:
    """What was handed out is a copy: later points do not write into it."""
    window = filled(Window(100), np.arange(100.0))
    x, y = window.points()
    filled(window, np.arange(5000.0))
    assert x.tolist() == y.tolist() == list(range(100))


@pytest.mark.parametrize("count", [2001, 2500, 10_000, 100_003])
def test_no_spike_is_lost(count: int) -> None:
    """Of many points at most the number asked for is drawn, spikes of one point included."""
    rng = np.random.default_rng(7)
    y = rng.normal(size=count)
    spikes = rng.choice(count, 5, replace=False)
    y[spikes[:3]], y[spikes[3:]] = 1000, -1000
    x, drawn = filled(Window(count), y, step=997).points(2000)
    assert 500 < len(x) <= 2000
    assert sorted(set(x[np.abs(drawn) == 1000].astype(int))) == sorted(spikes)
    assert (np.diff(x) > 0).all()
    assert set(drawn) <= set(y)


def test_what_is_drawn_of_old_points_does_not_tremble() -> None:
    """As the window slides, the points drawn of a stretch that is inside stay the same."""
    y = np.random.default_rng(1).normal(size=50_000)
    window = filled(Window(20_000), y[:40_000])
    before, _ = window.points(2000)
    filled_more = Window(20_000)
    filled(filled_more, y[:41_000])
    after, _ = filled_more.points(2000)
    inside = (25_000, 39_000)
    assert [x for x in before if inside[0] < x < inside[1]] == [
        x for x in after if inside[0] < x < inside[1]
    ]


def test_few_points_are_all_drawn() -> None:
    """Up to the number asked for, every point is drawn."""
    x, _ = filled(Window(5000), np.arange(2000.0)).points(2000)
    assert len(x) == 2000


@pytest.mark.parametrize("size", [0, -1, "0s", "-1min", "soon"])
def test_a_window_that_shows_nothing_is_refused(size: int | str) -> None:
    """A size that is none is refused at once."""
    with pytest.raises(ValueError):
        Window(size)


def test_times_of_any_kind_become_utc() -> None:
    """Datetimes, timestamps, texts and zones are all taken, as UTC."""
    moment = np.datetime64("2026-11-23T10:00:00", "ns")
    for value in (
        datetime(2026, 11, 23, 10, tzinfo=UTC),
        pd.Timestamp("2026-11-23 05:00", tz="America/New_York"),
        "2026-11-23T10:00:00Z",
        [datetime(2026, 11, 23, 10)],
        pd.Series([pd.Timestamp("2026-11-23 10:00", tz="UTC")]),
        np.array(["2026-11-23T10:00:00"], dtype="datetime64[s]"),
    ):
        assert as_x(value).tolist() == np.array([moment]).tolist()
        assert as_x(value).dtype == "datetime64[ns]"
    assert as_x(3).tolist() == [3.0]


def test_times_go_to_plotly_as_text() -> None:
    """ISO text keeps plotly's axis one of dates; numbers stay numbers."""
    assert plotly_x(as_x("2026-11-23T10:00:00.123456Z")).tolist() == ["2026-11-23T10:00:00.123"]
    assert plotly_x(as_x([1, 2])).tolist() == [1.0, 2.0]
