"""Windows: which points a live line keeps, and which of them it draws."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from tickerkit.chart.figure.window import BAR, Window, as_text, as_x, milliseconds


def filled(window: Window, y: np.ndarray, step: int = 100) -> Window:
    """Add `y` in pieces, its index as x."""
    for start in range(0, len(y), step):
        part = y[start : start + step]
        window.add(np.arange(start, start + len(part), dtype=float), {"y": part})
    return window


def points(window: Window, most: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of all points held, or of those that stand for them."""
    if most is None:
        return window.x, window.column("y")
    x, (y,) = window.thin(most)
    return x, y


def bar(*values: float) -> dict[str, np.ndarray]:
    """Return bars with the same number for open, high, low and close."""
    return {name: np.array(values) for name in BAR}


def test_it_keeps_the_newest_points() -> None:
    """A window of a number of points holds exactly so many, the newest."""
    x, y = points(filled(Window(250), np.arange(1000.0)))
    assert x.tolist() == y.tolist() == list(range(750, 1000))


def test_one_batch_larger_than_the_window_leaves_its_newest() -> None:
    """Of a batch that is larger than the window the last points are kept."""
    x, _ = points(filled(Window(3), np.arange(10.0), step=10))
    assert x.tolist() == [7, 8, 9]


def test_it_keeps_the_last_minutes() -> None:
    """A window of time holds what is at most so much older than the newest x."""
    window = Window("1min")
    times = as_x(pd.date_range("2026-11-23", periods=200, freq="1s"))
    window.add(times[:150], {"y": np.arange(150.0)})
    window.add(times[150:], {"y": np.arange(150.0, 200.0)})
    x, y = points(window)
    assert y.tolist() == list(range(139, 200))
    assert x[-1] - x[0] == np.timedelta64(60, "s")


def test_of_numbers_a_time_means_seconds() -> None:
    """A window of time over an x of numbers takes them for seconds."""
    x, _ = points(filled(Window("10s"), np.arange(50.0)))
    assert x.tolist() == list(range(39, 50))


def test_points_handed_out_do_not_change_later() -> None:
    """Later points do not write into what was handed out, and nobody else can."""
    window = filled(Window(100), np.arange(100.0))
    x, y = points(window)
    filled(window, np.arange(5000.0))
    assert x.tolist() == y.tolist() == list(range(100))
    with pytest.raises(ValueError, match="read-only"):
        y[0] = 5


def test_what_came_since_a_position_is_known() -> None:
    """A reader at a position is given what came after it, or all where some of that is gone."""
    window = filled(Window(250), np.arange(1000.0))
    start, x, (y,) = window.since(990)
    assert (start, x.tolist()) == (990, y.tolist()) == (990, list(range(990, 1000)))
    start, x, _ = window.since(500)
    assert (start, len(x)) == (750, 250)
    assert window.since(1000)[1].tolist() == []
    assert (window.start, window.stop, len(window)) == (750, 1000, 250)


def test_points_that_never_fit_are_counted() -> None:
    """Of a batch larger than the window those left out have positions too."""
    window = Window(3)
    assert window.add(np.arange(10.0), {"y": np.arange(10.0)}) == 0
    assert (window.start, window.stop) == (7, 10)


def test_bars_of_a_time_held_take_its_place() -> None:
    """The bar that is open is put in again and again; a late one before it finds its place."""
    window = Window(100, BAR)
    window.merge(np.array([1.0, 2.0]), bar(1, 2))
    assert window.merge(np.array([2.0]), bar(20)) == 1
    assert window.merge(np.array([2.0, 3.0]), bar(21, 3)) == 1
    assert window.merge(np.array([1.5]), bar(15)) == 1
    assert window.merge(np.array([1.0]), bar(10)) == 0
    assert window.x.tolist() == [1, 1.5, 2, 3]
    assert window.column("close").tolist() == [10, 15, 21, 3]


def test_many_bars_become_wider_ones() -> None:
    """A picture of many bars keeps the first open, the last close, the highest and the lowest."""
    window = Window(1000, BAR)
    count = np.arange(1000.0)
    window.merge(count, {"open": count, "high": count + 5, "low": count - 5, "close": count + 1})
    x, (opens, highs, lows, closes) = window.thin(300)
    assert len(x) == 250
    assert (opens[0], highs[0], lows[0], closes[0]) == (0, 8, -5, 4)
    assert (opens[-1], highs[-1], lows[-1], closes[-1]) == (996, 1004, 991, 1000)


def test_times_after_numbers_are_refused() -> None:
    """One trace's x is of one kind."""
    window = filled(Window(10), np.arange(5.0))
    with pytest.raises(ValueError, match="x is of times, and was of numbers"):
        window.add(as_x("2026-11-23"), {"y": np.array([1.0])})


def test_its_memory_does_not_grow() -> None:
    """A million points through a window of a thousand leave arrays of a few thousand."""
    window = Window(1000)
    for start in range(0, 1_000_000, 1000):
        window.add(np.arange(start, start + 1000.0), {"y": np.zeros(1000)})
    assert len(window._x) < 10_000


@pytest.mark.parametrize("count", [2001, 2500, 10_000, 100_003])
def test_no_spike_is_lost(count: int) -> None:
    """Of many points at most the number asked for is drawn, spikes of one point included."""
    rng = np.random.default_rng(7)
    y = rng.normal(size=count)
    spikes = rng.choice(count, 5, replace=False)
    y[spikes[:3]], y[spikes[3:]] = 1000, -1000
    x, drawn = points(filled(Window(count), y, step=997), 2000)
    assert 500 < len(x) <= 2000
    assert sorted(set(x[np.abs(drawn) == 1000].astype(int))) == sorted(spikes)
    assert (np.diff(x) > 0).all()
    assert set(drawn) <= set(y)


def test_what_is_drawn_of_old_points_does_not_tremble() -> None:
    """As the window slides, the points drawn of a stretch that is inside stay the same."""
    y = np.random.default_rng(1).normal(size=50_000)
    window = filled(Window(20_000), y[:40_000])
    before, _ = points(window, 2000)
    filled_more = Window(20_000)
    filled(filled_more, y[:41_000])
    after, _ = points(filled_more, 2000)
    inside = (25_000, 39_000)
    assert [x for x in before if inside[0] < x < inside[1]] == [
        x for x in after if inside[0] < x < inside[1]
    ]


def test_few_points_are_all_drawn() -> None:
    """Up to the number asked for, every point is drawn."""
    x, _ = points(filled(Window(5000), np.arange(2000.0)), 2000)
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


def test_times_go_to_the_page_as_milliseconds() -> None:
    """As float64 since 1970, to the nanosecond's nearest; numbers as they are."""
    assert milliseconds(as_x("1970-01-01T00:00:01.5Z")).tolist() == [1500.0]
    assert np.isnan(milliseconds(np.array(["NaT"], dtype="datetime64[ns]"))).all()
    assert milliseconds(as_x([1, 2])).tolist() == [1.0, 2.0]


def test_what_is_no_x_is_named() -> None:
    """A word is neither a number nor a time."""
    with pytest.raises(ValueError, match="x='soon' is neither a number nor a time"):
        as_x("soon")


def test_times_go_to_plotly_as_text() -> None:
    """ISO text keeps plotly's axis one of dates; numbers stay numbers."""
    assert as_text(as_x("2026-11-23T10:00:00.123456Z")).tolist() == ["2026-11-23T10:00:00.123"]
    assert as_text(as_x([1, 2])).tolist() == [1.0, 2.0]
