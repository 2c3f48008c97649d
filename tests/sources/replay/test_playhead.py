"""Playheads: whatever is done to one, ticks come in order, none twice, none left out."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tickerkit.log import Gap
from tickerkit.sources.replay.place import parse_place
from tickerkit.sources.replay.playhead import Playhead, State
from tickerkit.sources.replay.tape import PlacedGap, Tape
from tickerkit.ticks import read_ticks

S = 10**9
T0 = 1_763_000_000 * S


def gap(row: int, count: int | None, reason: str = "") -> PlacedGap:
    """Return a gap of some ticks before a row; its end isn't known where the count isn't."""
    return PlacedGap(row, Gap("e", 1, count, reason))


def tape(times_s: list[float], *gaps: PlacedGap) -> Tape:
    """Return ticks at these seconds after `T0`, priced 0, 1, 2, ..."""
    rows = [
        {"symbol": "A", "price": price, "time": T0 + round(at * S)}
        for price, at in enumerate(times_s)
    ]
    return Tape([read_ticks(rows)], gaps)


class Player:
    """Plays, on a clock that only waiting moves, and notes what comes: ticks, and what is missing.

    Attributes:
        now: the time in ns.
        came: for each batch the seconds passed and its prices, for each seam its reason.
    """

    def __init__(self, given: Tape, speed: float = 1.0, *, loop: bool = False) -> None:
        self.now = 0
        self.head = Playhead(speed, loop=loop)
        self.tape = given
        self.came: list[Any] = []

    @property
    def has_ended(self) -> bool:
        """Whether the playhead has ended."""
        return self.head.state is State.ENDED

    def begin(self) -> Player:
        """Load the tape, and begin."""
        self.head.load(self.tape, self.now)
        self.head.begin(self.now)
        return self

    def run(self, for_s: float = math.inf, most: int = 1000) -> list[Any]:
        """Play so long; return what came, and forget it."""
        end = self.now + for_s * S
        for _ in range(most):
            gaps, ticks, wait_s = self.head.next_action(self.now)
            self.came += [gap.reason if gap.count is None else gap.count for gap in gaps]
            if ticks is not None:
                prices = np.asarray(ticks.columns["price"]).astype(int).tolist()
                self.came.append((round(self.now / S, 3), prices))
            if self.has_ended or self.now + wait_s * S > end or math.isinf(wait_s):
                break
            self.now += math.ceil(wait_s * S)
        self.now = int(max(self.now, end)) if end != math.inf else self.now
        came, self.came = self.came, []
        return came


def test_a_paused_one_stands_until_it_plays() -> None:
    """The time that it stands is not made up for, and what had passed before counts."""
    player = Player(tape([0, 10, 20])).begin()
    assert player.run(4) == [(0, [0])]
    player.head.pause(player.now)
    assert player.run(100) == []
    player.head.play(player.now)
    assert player.run() == [(110, [1]), (120, [2])]
    assert player.has_ended


def test_a_step_sends_so_many_and_stands() -> None:
    """Steps come at once; played on, the next tick is as far off as recorded."""
    player = Player(tape([0, 10, 20, 30])).begin()
    player.head.step(1, player.now)
    player.head.step(2, player.now)
    assert player.run(5) == [(0, [0, 1, 2])]
    assert player.head.state is State.PAUSED
    player.head.play(player.now)
    assert player.run() == [(15, [3])]


def test_another_speed_goes_on_from_where_it_is() -> None:
    """Half way to a tick, at ten times the speed the other half takes a tenth."""
    player = Player(tape([0, 10, 20])).begin()
    player.run(5)
    player.head.set_speed(10, player.now)
    assert player.run(0.5) == [(5.5, [1])]
    player.head.set_speed(math.inf, player.now)
    assert player.run() == [(5.5, [2])]


def test_from_full_speed_it_goes_on_at_a_pace() -> None:
    """What comes after the last tick that was sent flat out is as far off as recorded."""
    player = Player(tape([*range(5000), 5010]), math.inf).begin()
    player.head.next_action(player.now)
    player.head.set_speed(1, player.now)
    assert player.run(1) == [(1, [4096])]


def test_a_seek_goes_to_the_first_tick_at_or_after() -> None:
    """It comes at once, in an epoch of its own whose reason names the time, and it goes on."""
    player = Player(tape([0, 10, 20, 30, 40])).begin()
    player.run(1)
    player.head.seek(25.0, player.now)
    assert player.run() == ["the replay was moved to 02:13:50", (1, [3]), (11, [4])]


@pytest.mark.parametrize(("place", "first"), [(-5.0, 0), (99.0, 2), (math.inf, 2), (T0, 0), (5, 0)])
def test_times_outside_are_the_start_or_the_end(place: float, first: int) -> None:
    """At the end the last tick still comes."""
    player = Player(tape([0, 10, 20])).begin()
    player.head.seek(place, player.now)
    assert player.run(0)[0][1] == [first]


def test_moves_before_anything_was_sent_are_no_gap() -> None:
    """Told before the start, or before it is read, where to be, it begins there."""
    player = Player(tape([0, 10, 20]))
    player.head.seek(5.0, 0)
    player.head.seek(15.0, 0)
    assert player.begin().run() == [(0, [2])]


def test_moves_in_a_row_are_one_gap() -> None:
    """Only the last counts when no tick came between."""
    player = Player(tape([0, 10, 20])).begin()
    player.run(1)
    player.head.seek(20.0, player.now)
    player.head.seek(10.0, player.now)
    assert player.run(0) == ["the replay was moved to 02:13:30", (1, [1])]


def test_what_is_missing_is_told_before_the_tick_after_it() -> None:
    """A seam ends a batch; at the very end it is told at once after the last tick."""
    gaps = [gap(0, 7), gap(1, None, "a"), gap(1, 3), gap(3, None, "b")]
    player = Player(tape([0, 0, 0], *gaps)).begin()
    assert player.run() == [7, (0, [0]), "a", 3, (0, [1, 2]), "b"]


def test_what_is_missing_before_the_place_sought_is_not_told() -> None:
    """It was before the tick that one went to; from the top all is told again."""
    player = Player(tape([0, 10], gap(0, 7), gap(1, 3))).begin()
    player.head.seek(10.0, 0)
    assert player.run() == [(0, [1])]
    player.head.restart(player.now)
    assert player.run() == ["the replay was moved to 02:13:20", 7, (0, [0]), 3, (10, [1])]


def test_a_loop_begins_again_in_a_new_epoch() -> None:
    """The first tick comes right after the last."""
    player = Player(tape([0, 10]), loop=True).begin()
    again = "the replay starts again"
    assert player.run(12) == [(0, [0]), (10, [1]), again, (10, [0])]
    assert player.head.sent == 3


@pytest.mark.parametrize("speed", [1.0, math.inf])
def test_a_short_loop_begins_once_a_second(speed: float) -> None:
    """A recording that takes no time does not become an endless stream of epochs."""
    player = Player(tape([0, 0]), speed, loop=True).begin()
    came = [each for each in player.run(3.5) if not isinstance(each, str)]
    assert came == [(0, [0, 1]), (1, [0, 1]), (2, [0, 1]), (3, [0, 1])]


def test_an_empty_one_is_over_even_if_it_loops_and_stays() -> None:
    """There is nothing to do, ever."""
    player = Player(tape([]), loop=True)
    player.head.hold_at_end = True
    player.begin().run()
    assert player.has_ended


def test_one_that_stays_pauses_at_its_end() -> None:
    """From there it can be moved; played, it begins again."""
    player = Player(tape([0, 10]))
    player.head.hold_at_end = True
    player.begin().run(10)
    player.run(1)
    assert player.head.state is State.PAUSED
    assert player.head.position_ns == player.tape.end_ns == T0 + 10 * S
    player.head.play(player.now)
    assert player.run(0) == ["the replay starts again", (11, [0])]


def test_without_times_there_is_only_the_start() -> None:
    """A time is sought in vain, and there is no position."""
    player = Player(Tape([read_ticks([{"symbol": "A", "price": 0}] * 3)])).begin()
    player.head.step(1, 0)
    player.run()
    player.head.seek(60.0, 0)
    player.head.play(0)
    assert player.head.position_ns is player.tape.start_ns is None
    assert player.run() == ["the replay was moved to its start", (0, [0, 0, 0])]


MOVES = st.one_of(
    st.tuples(st.just("play")),
    st.tuples(st.just("pause")),
    st.tuples(st.just("restart")),
    st.tuples(st.just("step"), st.integers(1, 5)),
    st.tuples(st.just("set_speed"), st.sampled_from([0.5, 3.0, math.inf])),
    st.tuples(st.just("seek"), st.floats(-2, 30)),
    st.tuples(st.just("run"), st.floats(0, 10)),
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.floats(0, 2), min_size=1, max_size=15), st.lists(MOVES, max_size=25))
def test_within_an_epoch_ticks_come_in_order(steps: list[float], moves: list[Any]) -> None:
    """Whatever is done: each tick is the next one, or after a move exactly the one sought."""
    times = np.cumsum(steps) - steps[0]
    player = Player(tape(times.tolist())).begin()
    player.head.hold_at_end = True
    due, sought = 0, False

    def check(came: list[Any]) -> None:
        nonlocal due, sought
        for each in came:
            if isinstance(each, str):
                assert sought or each.endswith("again"), "an epoch began by itself"
                continue
            assert each[1] == list(range(each[1][0], each[1][-1] + 1))
            assert each[1][0] in ((due,) if sought or due < len(times) else (0,))
            due, sought = each[1][-1] + 1, False

    for name, *args in [*moves, ("run", 50)]:
        if name == "run":
            check(player.run(args[0]))
            continue
        getattr(player.head, name)(*args, player.now)
        if name in ("seek", "restart"):
            place = min(max(args[0] if args else 0, 0), times[-1])
            due = int(np.searchsorted(np.round(times * S), round(place * S)))
            sought = True
        if name == "step":
            before = player.head.sent
            left = len(times) - player.head.row
            check(player.run(0))
            assert player.head.sent - before <= args[0]
            assert player.head.sent - before >= min(args[0], left)


@pytest.mark.parametrize(
    ("time", "place"),
    [
        (5, 5.0),
        (np.float64(2.5), 2.5),
        ("2025-11-13T02:13:20", T0),
        ("2025-11-13T03:13:20+01:00", T0),
        (datetime(2025, 11, 13, 2, 13, 20), T0),
        (pd.Timestamp("2025-11-12T21:13:20", tz="America/New_York"), T0),
    ],
)
def test_places_are_seconds_or_times(time: object, place: float) -> None:
    """A number is seconds from the start, any other a moment, in UTC unless it says otherwise."""
    found = parse_place(time)
    assert (found, type(found)) == (place, type(place))


@pytest.mark.parametrize("time", [None, True, "noon", math.nan, pd.NaT, [1], "2025-13-01"])
def test_what_is_no_time_is_refused(time: object) -> None:
    """The error says what to give."""
    with pytest.raises(ValueError, match=r"Invalid time=.*; expected a timestamp"):
        parse_place(time)
