"""Window: which points a trace keeps, and which of them stand for all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tickerkit.chart.figure.window import BAR_COLUMNS, Window
from tickerkit.chart.figure.x_values import parse_x


def fill(window: Window, y: np.ndarray, step: int = 100) -> Window:
    """Add `y` in batches, with its index as x."""
    for start in range(0, len(y), step):
        part = y[start : start + step]
        window.add(np.arange(start, start + len(part), dtype=float), {"y": part})
    return window


def points(window: Window, max_points: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of all points held, or of at most that many that stand for them."""
    if max_points is None:
        return window.x, window.column("y")
    x, (y,) = window.decimate(max_points)
    return x, y


def bar(*values: float) -> dict[str, np.ndarray]:
    """Return bars whose open, high, low and close are the same number."""
    return {name: np.array(values) for name in BAR_COLUMNS}


def test_window_keeps_the_newest_points() -> None:
    """A window of a number of points holds exactly that number, the newest."""
    x, y = points(fill(Window(250), np.arange(1000.0)))
    assert x.tolist() == y.tolist() == list(range(750, 1000))


def test_batch_larger_than_the_window_leaves_its_newest_points() -> None:
    """Only the last points of the batch are kept."""
    x, _ = points(fill(Window(3), np.arange(10.0), step=10))
    assert x.tolist() == [7, 8, 9]


def test_window_of_a_time_keeps_points_of_that_time() -> None:
    """Points older than that, measured from the newest x, are dropped."""
    window = Window("1min")
    times = parse_x(pd.date_range("2026-11-23", periods=200, freq="1s"))
    window.add(times[:150], {"y": np.arange(150.0)})
    window.add(times[150:], {"y": np.arange(150.0, 200.0)})
    x, y = points(window)
    assert y.tolist() == list(range(139, 200))
    assert x[-1] - x[0] == np.timedelta64(60, "s")


def test_window_of_a_time_counts_seconds_for_numbers() -> None:
    """With an x of numbers, the time is that many seconds."""
    x, _ = points(fill(Window("10s"), np.arange(50.0)))
    assert x.tolist() == list(range(39, 50))


def test_x_that_is_no_number_does_not_stop_a_window_of_time() -> None:
    """The points before it are dropped as usual."""
    window = Window("10s")
    window.add(np.array([0.0, 5.0, np.nan, 20.0]), {"y": np.arange(4.0)})
    assert window.x.tolist() == [20.0]


def test_points_handed_out_do_not_change() -> None:
    """Later points don't overwrite them, and they are read-only."""
    window = fill(Window(100), np.arange(100.0))
    x, y = points(window)
    fill(window, np.arange(5000.0))
    assert x.tolist() == y.tolist() == list(range(100))
    with pytest.raises(ValueError, match="read-only"):
        y[0] = 5


def test_since_returns_points_from_a_position() -> None:
    """All points are returned where some after the position are gone."""
    window = fill(Window(250), np.arange(1000.0))
    start, x, (y,) = window.since(990)
    assert (start, x.tolist()) == (990, y.tolist()) == (990, list(range(990, 1000)))
    start, x, _ = window.since(500)
    assert (start, len(x)) == (750, 250)
    assert window.since(1000)[1].tolist() == []
    assert (window.start, window.stop, len(window)) == (750, 1000, 250)


def test_skipped_points_have_positions() -> None:
    """Points of a batch larger than the window count, though they are never held."""
    window = Window(3)
    assert window.add(np.arange(10.0), {"y": np.arange(10.0)}) == 0
    assert (window.start, window.stop) == (7, 10)


def test_merge_replaces_bars_of_the_same_time() -> None:
    """The open bar is passed again and again; a late bar is inserted before it."""
    window = Window(100, BAR_COLUMNS)
    window.merge(np.array([1.0, 2.0]), bar(1, 2))
    assert window.merge(np.array([2.0]), bar(20)) == 1
    assert window.merge(np.array([2.0, 3.0]), bar(21, 3)) == 1
    assert window.merge(np.array([1.5]), bar(15)) == 1
    assert window.merge(np.array([1.0]), bar(10)) == 0
    assert window.x.tolist() == [1, 1.5, 2, 3]
    assert window.column("close").tolist() == [10, 15, 21, 3]


def test_replace_drops_the_points_from_the_first_new_x_on() -> None:
    """Fewer points may come than were held; earlier points stay where they are."""
    window = Window(100)
    assert window.replace(np.array([1.0, 2.0, 3.0]), {"y": np.array([1.0, 2, 3])}) == 0
    assert window.replace(np.array([3.0, 4.0]), {"y": np.array([30.0, 4])}) == 2
    assert window.replace(np.array([1.5]), {"y": np.array([15.0])}) == 1
    assert (window.x.tolist(), window.column("y").tolist()) == ([1, 1.5], [1, 15])
    assert window.replace(np.array([9.0]), {"y": np.array([9.0])}) == 2
    assert window.stop == 3
    with pytest.raises(ValueError, match="times"):
        window.replace(np.array(["2026-11-23"], dtype="datetime64[ns]"), {"y": np.array([1.0])})


def test_decimate_combines_bars() -> None:
    """A wider bar has the first open, the last close, the highest high and the lowest low."""
    window = Window(1000, BAR_COLUMNS)
    count = np.arange(1000.0)
    window.merge(count, {"open": count, "high": count + 5, "low": count - 5, "close": count + 1})
    x, (opens, highs, lows, closes) = window.decimate(300)
    assert len(x) == 250
    assert (opens[0], highs[0], lows[0], closes[0]) == (0, 8, -5, 4)
    assert (opens[-1], highs[-1], lows[-1], closes[-1]) == (996, 1004, 991, 1000)


def test_times_after_numbers_are_refused() -> None:
    """The x of a trace are all numbers or all times."""
    window = fill(Window(10), np.arange(5.0))
    with pytest.raises(ValueError, match="times as x to a trace whose x values are numbers"):
        window.add(parse_x("2026-11-23"), {"y": np.array([1.0])})


def test_memory_is_bounded_by_the_window() -> None:
    """A million points through a window of a thousand leave arrays of a few thousand."""
    window = Window(1000)
    for start in range(0, 1_000_000, 1000):
        window.add(np.arange(start, start + 1000.0), {"y": np.zeros(1000)})
    assert len(window._x) < 10_000


@pytest.mark.parametrize("count", [2001, 2500, 10_000, 100_003])
def test_decimate_keeps_every_spike(count: int) -> None:
    """At most the requested number of points is returned, spikes of one point included."""
    rng = np.random.default_rng(7)
    y = rng.normal(size=count)
    spikes = rng.choice(count, 5, replace=False)
    y[spikes[:3]], y[spikes[3:]] = 1000, -1000
    x, drawn = points(fill(Window(count), y, step=997), 2000)
    assert 500 < len(x) <= 2000
    assert sorted(set(x[np.abs(drawn) == 1000].astype(int))) == sorted(spikes)
    assert (np.diff(x) > 0).all()
    assert set(drawn) <= set(y)


def test_decimate_is_stable_as_the_window_slides() -> None:
    """The points chosen from a stretch inside the window stay the same."""
    y = np.random.default_rng(1).normal(size=50_000)
    window = fill(Window(20_000), y[:40_000])
    before, _ = points(window, 2000)
    later = Window(20_000)
    fill(later, y[:41_000])
    after, _ = points(later, 2000)
    inside = (25_000, 39_000)
    assert [x for x in before if inside[0] < x < inside[1]] == [
        x for x in after if inside[0] < x < inside[1]
    ]


def test_decimate_keeps_few_points_unchanged() -> None:
    """Up to the requested number, every point is returned."""
    x, _ = points(fill(Window(5000), np.arange(2000.0)), 2000)
    assert len(x) == 2000


@pytest.mark.parametrize("size", [0, -1, "0s", "-1min", "soon"])
def test_invalid_size_is_refused(size: int | str) -> None:
    """A number below 1, and text that is not a positive time, raise."""
    with pytest.raises(ValueError):
        Window(size)
