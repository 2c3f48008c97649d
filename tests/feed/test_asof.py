"""tk.asof: equal to merge_asof, of frames and of feeds, also when ticks are late or dropped."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from soaks import soak

import tickerkit as tk
from tickerkit.log import TickLog
from tickerkit.ticks import Batch, Text

T0 = 1_763_000_000 * 10**9
WORDS = [f"S{n}" for n in range(7)]


def make_batch(chance: np.random.Generator, count: int, since_ns: int, late_ns: int) -> Batch:
    """Return ticks at random times from a time on, each up to `late_ns` late."""
    steps = chance.integers(0, 50, count)  # some at the same time
    times = since_ns + steps.cumsum() - chance.integers(0, late_ns + 1, count)
    # The words in another order on each side: their codes differ.
    words = [WORDS[n] for n in chance.permutation(len(WORDS))]
    codes = chance.integers(0, len(words), count).astype(np.int32)
    price = np.where(chance.random(count) < 0.1, np.nan, chance.random(count))
    columns = {"symbol": Text(codes, words), "price": price, "size": chance.random(count)}
    return Batch(count, times, columns)


def expect(left: TickLog, right: TickLog, by: str | None = "symbol", **options: Any) -> Any:
    """Return the join by pandas."""
    frames = [
        log.frame().astype({"symbol": "str", "epoch": "str"}).sort_values("time", kind="stable")
        for log in (left, right)
    ]
    if by is None:
        frames[1] = frames[1].drop(columns="symbol")
    options = {"suffixes": ("", "_right"), **options}
    if isinstance(options.get("tolerance"), str):
        options["tolerance"] = pd.Timedelta(options["tolerance"])
    return pd.merge_asof(*frames, on="time", by=by, **options)


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with its categories as text."""
    return frame.astype(
        {name: "str" for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype)}
    )


@pytest.mark.parametrize(
    ("direction", "tolerance", "late_ns"),
    list(product(("backward", "forward", "nearest"), (None, "90ns"), (0, 400))),
)
@pytest.mark.parametrize("keep", [200, 100_000])
def test_join_of_logs_stays_equal_to_merge_asof(
    direction: str, tolerance: str | None, late_ns: int, keep: int
) -> None:
    """Joined again and again while ticks come, late ones too, and while old ones are dropped."""
    chance = np.random.default_rng(1)
    logs = TickLog(keep), TickLog(keep * 2)
    now = [T0, T0 + 500]
    for _ in range(25):
        for side, log in enumerate(logs):
            if chance.random() < 0.8:
                batch = make_batch(chance, int(chance.integers(1, 60)), now[side], late_ns)
                log.append(batch, received=T0)
                now[side] = int(batch.time.max())
        found = tk.asof(*logs, direction=direction, tolerance=tolerance)  # type: ignore[arg-type]
        expected = expect(*logs, direction=direction, tolerance=tolerance)
        pd.testing.assert_frame_equal(as_text(found), expected)


def test_join_of_a_feed_that_overtook_its_earlier_rows() -> None:
    """More ticks than the log holds between two calls: only those held are joined."""
    chance = np.random.default_rng(2)
    logs = TickLog(100), TickLog(100)
    for _ in range(3):
        for log in logs:
            log.append(make_batch(chance, 5_000, T0, 0), received=T0)
        pd.testing.assert_frame_equal(as_text(tk.asof(*logs)), expect(*logs))


def test_join_without_by_matches_any_symbol() -> None:
    """With `by=None` only the times count."""
    chance = np.random.default_rng(3)
    logs = TickLog(), TickLog()
    for log in logs:
        log.append(make_batch(chance, 300, T0, 100), received=T0)
    found = tk.asof(*logs, by=None)
    assert "symbol_right" in found
    pd.testing.assert_frame_equal(
        as_text(found).drop(columns="symbol_right"), expect(*logs, by=None)
    )


def test_join_of_frames_equals_that_of_logs() -> None:
    """Frames, in any order of time, or a frame and a log give the same."""
    chance = np.random.default_rng(4)
    logs = TickLog(), TickLog()
    for log in logs:
        log.append(make_batch(chance, 300, T0, 100), received=T0)
    left, right = (log.frame() for log in logs)
    joined = tk.asof(*logs, tolerance="1us")
    for sides in ((left, right), (left, logs[1]), (logs[0], right)):
        pd.testing.assert_frame_equal(tk.asof(*sides, tolerance="1us"), joined)
    numbers = tk.asof(left, right, on="seq", by=None, tolerance=0)
    assert (numbers["price_right"].dropna() == right["price"].dropna()).all()


def test_join_with_a_log_that_has_no_tick() -> None:
    """Nothing matches: the columns are there, and empty."""
    logs = TickLog(), TickLog()
    logs[0].append(make_batch(np.random.default_rng(5), 10, T0, 0), received=T0)
    assert tk.asof(*logs)["price_right"].isna().all()
    assert len(tk.asof(logs[1], logs[0])) == 0


def test_join_does_not_keep_logs() -> None:
    """What is kept of a join goes with its logs."""
    from tickerkit.feed import asof as module

    before = len(module._joins)
    logs = TickLog(), TickLog()
    tk.asof(*logs)
    assert len(module._joins) == before + 1
    del logs
    assert len(module._joins) == before


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"on": "price"}, "on"),
        ({"by": "side"}, "by"),
        ({"direction": "back"}, "direction"),
        ({"tolerance": 5}, "tolerance"),
        ({"tolerance": "soon"}, "tolerance"),
        ({"suffixes": ("", "")}, "suffixes"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], named: str) -> None:
    """An error names the argument and what it takes."""
    with pytest.raises(tk.InvalidArgument) as raised:
        tk.asof(TickLog(), TickLog(), **arguments)
    assert raised.value.argument == named


def test_what_is_no_table_of_ticks_is_named() -> None:
    """A list is no feed; a frame needs the columns to join on."""
    with pytest.raises(tk.InvalidType, match="trades"):
        tk.asof([1], TickLog())
    with pytest.raises(tk.InvalidArgument, match="on"):
        tk.asof(pd.DataFrame({"symbol": ["A"]}), TickLog())


@pytest.mark.parametrize("count", [20_000, soak(1_000_000)])
def test_join_of_large_logs_is_equal(count: int) -> None:
    """Built in ten steps, the join of many ticks equals merge_asof's."""
    chance = np.random.default_rng(6)
    logs = TickLog(count), TickLog(count)
    now = [T0, T0]
    for _ in range(10):
        for side, log in enumerate(logs):
            batch = make_batch(chance, count // 10, now[side], 1_000)
            log.append(batch, received=T0)
            now[side] = int(batch.time.max())
        found = tk.asof(*logs)
    pd.testing.assert_frame_equal(as_text(found), expect(*logs))
