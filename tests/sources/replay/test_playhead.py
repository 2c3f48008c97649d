"""Tests of playhead: whatever the commands, ticks come in order, none twice, none left out."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from soaks import examples

from tickerkit.log import Gap
from tickerkit.sources.replay import tape as tapes
from tickerkit.sources.replay.playhead import Playhead, State
from tickerkit.sources.replay.tape import PlacedGap, Tape
from tickerkit.ticks import Batch, read_ticks

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
    return Tape.from_batches([read_ticks(rows)], gaps)


class Player:
    """Plays, on a clock that only waiting moves, and keeps the ticks and gaps that come.

    Args:
        given: the tape.
        speed: how many times as fast as recorded it plays.
        loop: whether it starts again at the end.
        cut: into how many stretches the tape is cut, which are read only when they are wanted, and
            forgotten when they aren't needed; None for a tape that is in memory.

    Attributes:
        now: the time in ns.
        came: for each batch the seconds passed and its prices, for each gap its count or reason.
    """

    def __init__(
        self, given: Tape, speed: float = 1.0, *, loop: bool = False, cut: int | None = None
    ) -> None:
        self.now = 0
        self.head = Playhead(speed, loop=loop)
        self.tape = given
        self.came: list[Any] = []
        self.unread: list[Batch] = []
        self.gaps: list[PlacedGap] = []
        if cut is not None:
            places = np.linspace(0, given.count, cut + 1).astype(int)
            whole = given.stretch_at(0)
            assert whole is not None
            self.unread = [whole.part(a, b) for a, b in pairwise(places.tolist()) if a < b]
            self.gaps = list(given.gaps)
            self.tape = Tape()
            self.read_on()

    @property
    def has_ended(self) -> bool:
        """Whether the playhead has ended."""
        return self.head.state is State.ENDED

    def begin(self) -> Player:
        """Load the tape, and begin."""
        self.head.load(self.tape, self.now)
        self.head.begin(self.now)
        return self

    def read_on(self) -> None:
        """Add the next stretch, and the gaps up to there."""
        tape = self.tape
        tape.add(self.unread[len(tape.outlines)])
        tape.is_whole = len(tape.outlines) == len(self.unread)
        known = [gap for gap in self.gaps if gap.row < tape.count or tape.is_whole]
        tape.gaps += known[len(tape.gaps) :]

    def read(self) -> bool:
        """Read what is wanted, and forget what isn't needed; return whether anything was read."""
        wanted = self.head.wanted
        if wanted is None:
            return False
        if wanted < len(self.tape.outlines):
            self.tape.put_back(wanted, self.unread[wanted])
        else:
            self.read_on()
        self.head.settle(self.now)
        self.tape.keep(self.head.needed)
        return True

    def run(self, for_s: float = math.inf, most: int = 1000) -> list[Any]:
        """Play for some seconds; return what came, and forget it."""
        end = self.now + for_s * S
        for _ in range(most):
            gaps, ticks, wait_s = self.head.next_action(self.now)
            self.came += [gap.reason if gap.count is None else gap.count for gap in gaps]
            if ticks is not None:
                prices = np.asarray(ticks.columns["price"]).astype(int).tolist()
                self.came.append((round(self.now / S, 3), prices))
            if math.isinf(wait_s) and self.read():
                continue
            if self.has_ended or self.now + wait_s * S > end or math.isinf(wait_s):
                break
            self.now += math.ceil(wait_s * S)
        self.now = int(max(self.now, end)) if end != math.inf else self.now
        came, self.came = self.came, []
        return came


def test_pause_stops_the_clock() -> None:
    """The time of the pause is not caught up, and the time before it counts."""
    player = Player(tape([0, 10, 20])).begin()
    assert player.run(4) == [(0, [0])]
    player.head.pause(player.now)
    assert player.run(100) == []
    player.head.play(player.now)
    assert player.run() == [(110, [1]), (120, [2])]
    assert player.has_ended


def test_step_sends_that_many_ticks_and_pauses() -> None:
    """Steps are sent at once; after play the next tick is as far off as recorded."""
    player = Player(tape([0, 10, 20, 30])).begin()
    player.head.step(1, player.now)
    player.head.step(2, player.now)
    assert player.run(5) == [(0, [0, 1, 2])]
    assert player.head.state is State.PAUSED
    player.head.play(player.now)
    assert player.run() == [(15, [3])]


def test_speed_changes_between_two_ticks() -> None:
    """Half way to a tick, at ten times the speed the other half takes a tenth."""
    player = Player(tape([0, 10, 20])).begin()
    player.run(5)
    player.head.set_speed(10, player.now)
    assert player.run(0.5) == [(5.5, [1])]
    player.head.set_speed(math.inf, player.now)
    assert player.run() == [(5.5, [2])]


def test_speed_may_become_finite() -> None:
    """The tick after the last one sent is as far off as recorded."""
    player = Player(tape([*range(5000), 5010]), math.inf).begin()
    player.head.next_action(player.now)
    player.head.set_speed(1, player.now)
    assert player.run(1) == [(1, [4096])]


def test_seek_goes_to_the_first_tick_at_or_after_a_time() -> None:
    """It is sent at once, in an epoch of its own whose reason has the time."""
    player = Player(tape([0, 10, 20, 30, 40])).begin()
    player.run(1)
    player.head.seek(25.0, player.now)
    assert player.run() == ["the replay was moved to 02:13:50", (1, [3]), (11, [4])]


@pytest.mark.parametrize(("place", "first"), [(-5.0, 0), (99.0, 2), (math.inf, 2), (T0, 0), (5, 0)])
def test_seek_outside_goes_to_the_start_or_the_end(place: float, first: int) -> None:
    """At the end the last tick is still sent."""
    player = Player(tape([0, 10, 20])).begin()
    player.head.seek(place, player.now)
    assert player.run(0)[0][1] == [first]


def test_seek_before_the_first_tick_is_no_gap() -> None:
    """Also before the recording is read."""
    player = Player(tape([0, 10, 20]))
    player.head.seek(5.0, 0)
    player.head.seek(15.0, 0)
    assert player.begin().run() == [(0, [2])]


def test_successive_seeks_are_one_gap() -> None:
    """Only the last counts if no tick was sent between."""
    player = Player(tape([0, 10, 20])).begin()
    player.run(1)
    player.head.seek(20.0, player.now)
    player.head.seek(10.0, player.now)
    assert player.run(0) == ["the replay was moved to 02:13:30", (1, [1])]


def test_gap_is_reported_before_the_tick_after_it() -> None:
    """A gap ends a batch; one at the end is reported right after the last tick."""
    gaps = [gap(0, 7), gap(1, None, "a"), gap(1, 3), gap(3, None, "b")]
    player = Player(tape([0, 0, 0], *gaps)).begin()
    assert player.run() == [7, (0, [0]), "a", 3, (0, [1, 2]), "b"]


def test_seek_skips_the_gap_before_its_tick() -> None:
    """From the start all gaps are reported again."""
    player = Player(tape([0, 10], gap(0, 7), gap(1, 3))).begin()
    player.head.seek(10.0, 0)
    assert player.run() == [(0, [1])]
    player.head.restart(player.now)
    assert player.run() == ["the replay was moved to 02:13:20", 7, (0, [0]), 3, (10, [1])]


def test_loop_starts_again_in_a_new_epoch() -> None:
    """The first tick comes right after the last."""
    player = Player(tape([0, 10]), loop=True).begin()
    again = "the replay starts again"
    assert player.run(12) == [(0, [0]), (10, [1]), again, (10, [0])]
    assert player.head.sent == 3


@pytest.mark.parametrize("speed", [1.0, math.inf])
def test_short_loop_starts_once_a_second(speed: float) -> None:
    """A recording that takes no time does not become an endless stream of epochs."""
    player = Player(tape([0, 0]), speed, loop=True).begin()
    came = [each for each in player.run(3.5) if not isinstance(each, str)]
    assert came == [(0, [0, 1]), (1, [0, 1]), (2, [0, 1]), (3, [0, 1])]


def test_empty_recording_ends_even_with_loop_and_hold() -> None:
    """There is nothing to play."""
    player = Player(tape([]), loop=True)
    player.head.hold_at_end = True
    player.begin().run()
    assert player.has_ended


def test_hold_at_end_pauses_at_the_end() -> None:
    """From there it can be moved; play starts again."""
    player = Player(tape([0, 10]))
    player.head.hold_at_end = True
    player.begin().run(10)
    player.run(1)
    assert player.head.state is State.PAUSED
    assert player.head.position_ns == player.tape.end_ns == T0 + 10 * S
    player.head.play(player.now)
    assert player.run(0) == ["the replay starts again", (11, [0])]


def test_recording_without_times_has_only_a_start() -> None:
    """Every seek goes to the start, and there is no position."""
    player = Player(Tape.from_batches([read_ticks([{"symbol": "A", "price": 0}] * 3)])).begin()
    player.head.step(1, 0)
    player.run()
    player.head.seek(60.0, 0)
    player.head.play(0)
    assert player.head.position_ns is player.tape.start_ns is None
    assert player.run() == ["the replay was moved to its start", (0, [0, 0, 0])]


@pytest.mark.parametrize("speed", [0.5, 1.0, math.inf])
@pytest.mark.parametrize("cut", [1, 2, 3, 7])
def test_tape_that_is_read_while_it_plays_is_the_same(speed: float, cut: int) -> None:
    """Its ticks come when they are due, its gaps where they lie, in each round of a loop."""
    times = [0, 1, 1, 4, 3, 3, 3000, 10, 12, 13]
    gaps = [gap(0, 7), gap(3, None, "a"), gap(3, 3), gap(5, 2), gap(10, None, "b")]

    def play(cut: int | None) -> list[Any]:
        player = Player(tape(times, *gaps), speed, loop=True, cut=cut)
        rows: list[Any] = []
        for each in player.begin().run(9000):
            rows += [(each[0], row) for row in each[1]] if isinstance(each, tuple) else [each]
        return rows

    with mock.patch.object(tapes, "MAX_IDLE_BYTES", 0):
        assert play(cut)[:100] == play(None)[:100]


def test_only_what_is_needed_stays_in_memory() -> None:
    """That is the first stretch, that of the playhead, and two after it."""
    player = Player(tape([*range(100)]), cut=100).begin()
    with mock.patch.object(tapes, "MAX_IDLE_BYTES", 0):
        assert player.run(49) == [(at, [at]) for at in range(50)]
        player.head.seek(80.0, player.now)
        assert player.head.position_ns == T0 + 80 * S  # also before the tick is read
        assert player.run(1) == ["the replay was moved to 02:14:40", (49, [80]), (50, [81])]
        while player.read():
            pass
    in_memory = [n for n in range(100) if player.tape.find_missing([n]) is None]
    assert in_memory == [0, 82, 83, 84]
    assert player.tape.count == 100  # the end was sought, to be shown


MOVES = st.one_of(
    st.tuples(st.just("play")),
    st.tuples(st.just("pause")),
    st.tuples(st.just("restart")),
    st.tuples(st.just("step"), st.integers(1, 5)),
    st.tuples(st.just("set_speed"), st.sampled_from([0.5, 3.0, math.inf])),
    st.tuples(st.just("seek"), st.floats(-2, 30)),
    st.tuples(st.just("run"), st.floats(0, 10)),
)


@settings(deadline=None, max_examples=examples(200), suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.floats(0, 2), min_size=1, max_size=15),
    st.lists(MOVES, max_size=25),
    st.one_of(st.none(), st.integers(1, 15)),
)
def test_commands_never_reorder_or_lose_ticks(
    steps: list[float], moves: list[Any], cut: int | None
) -> None:
    """Each tick is the next one, or after a seek exactly the one sought; also while it is read."""
    times = np.cumsum(steps) - steps[0]
    with mock.patch.object(tapes, "MAX_IDLE_BYTES", 0):
        play_and_check(Player(tape(times.tolist()), cut=cut).begin(), times, moves)


def play_and_check(player: Player, times: npt.NDArray[np.float64], moves: list[Any]) -> None:
    """Execute commands, and check what comes."""
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
            while player.read():
                pass
            left = len(times) - player.head.row
            check(player.run(0))
            assert player.head.sent - before <= args[0]
            assert player.head.sent - before >= min(args[0], left)
