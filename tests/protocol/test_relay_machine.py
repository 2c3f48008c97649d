"""One maker, two relays that lag behind it, and readers that move between them, against a model.

The model is the stream itself: which ticks the maker has made, which it has reported missing, and
where it was restarted. So every tick and every gap that a reader is sent can be checked.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from relays import Relay, hello, ticks
from soaks import examples, share_of, soak
from wires import Wire

from tickerkit.log import Gap, Position, TickLog
from tickerkit.protocol import At, CaughtUp, Client, Hello, Received, Taken
from tickerkit.protocol.tick_session import NOT_CAUGHT_UP
from tickerkit.protocol.v1 import AT_S

Place: TypeAlias = tuple[int, float]

WHICH = st.integers(0, 1)
LAGS = st.sampled_from([0, 0, 1, 3, 1000])
# Which relays read on at once when the maker has put something into the stream.
AT_ONCE = st.sampled_from([(), (0,), (0,), (1,), (0, 1)])


class Stream:
    """What the maker has put into the stream.

    Attributes:
        events: all of it, in order.
        ticks: the place (number of the epoch, seq) of each tick.
        missing: the places that the maker has reported missing.
        epoch: the number of the newest epoch.
        seq: the newest seq in it.
    """

    def __init__(self) -> None:
        self.events: list[Taken] = []
        self.ticks: set[Place] = set()
        self.missing: set[Place] = set()
        self.epoch, self.seq = 1, 0
        self.events.append(hello("e1"))

    def publish(self, count: int) -> None:
        """Make ticks."""
        self.events.append(ticks(f"e{self.epoch}", self.seq + 1, self.seq + count, "AB"))
        self.ticks |= self._count_on(count)

    def miss(self, count: int) -> None:
        """Report ticks as missing."""
        self.events.append(Gap(f"e{self.epoch}", self.seq + 1, self.seq + count, "missing"))
        self.missing |= self._count_on(count)

    def _count_on(self, count: int) -> set[Place]:
        places: set[Place] = {(self.epoch, self.seq + n) for n in range(1, count + 1)}
        self.seq += count
        return places

    def restart(self, hello_first: bool) -> None:
        """Begin another epoch; a client that connects again gets the hello before the gap."""
        seam = [Gap(f"e{self.epoch}", self.seq + 1, None, "restarted"), hello(f"e{self.epoch + 1}")]
        self.events += [*reversed(seam), At(0)] if hello_first else seam
        self.epoch, self.seq = self.epoch + 1, 0

    def position_at(self, index: int) -> Place:
        """Return up to where all was made known before an event."""
        for event in reversed(self.events[:index]):
            if isinstance(event, Received):
                return int(event.epoch[1:]), int(event.seq[-1])
            if isinstance(event, Gap) and event.last is not None:
                return int(event.epoch[1:]), event.last
            if isinstance(event, Hello):
                return int(event.epoch[1:]), 0
        return 1, 0


class Lagging(Relay):
    """A relay that reads the stream when a test says so, and looks at the tail when it is asked.

    Args:
        stream: the stream.
        start: the number of the first event that it takes.
        keep: how many ticks its log holds.
    """

    def __init__(self, stream: Stream, start: int = 0, keep: int = 10_000) -> None:
        super().__init__(keep=keep, is_ready=False)
        self.stream = stream
        self.index = start
        # How far the stream had come at each look at its tail, and what was asked before.
        self.looks = [(len(stream.events), 0)]
        self.origin.on_question = lambda: self.looks.append(
            (len(stream.events), self.origin.questions)
        )
        # One that begins with an epoch's hello knows nothing of the former epoch.
        begins = any(isinstance(event, Hello) for event in stream.events[start : start + 1])
        if start and not begins:
            epoch, seq = stream.position_at(start)
            self.take(hello(f"e{epoch}", int(seq) + 1))

    def read(self, count: float = math.inf) -> None:
        """Take the next events."""
        while True:
            while self.looks and self.looks[0][0] <= self.index:
                self.take(CaughtUp(self.looks.pop(0)[1]))
            if count <= 0 or self.index == len(self.stream.events):
                return
            self.take(self.stream.events[self.index])
            self.index += 1
            count -= 1

    def lacks(self, place: Place) -> bool:
        """Return whether a tick is not held, and will not come."""
        epoch, seq = f"e{place[0]}", int(place[1])
        if place > (int(self.log.epoch[1:]), self.log.last_seq):
            return False
        row = self.log.find(epoch, seq)
        held = self.log.rows(max((row or 0) - 1, 0), row or 0)
        return not len(held) or held.position(0) != Position(epoch, seq)


class Reader:
    """A client that moves between relays, with all that it got.

    Attributes:
        start: the place after which it gets everything.
        had: the places of the ticks that it got.
        reported: the places that were reported missing.
        ends: how many times the end of an epoch was reported as unknown.
    """

    def __init__(self, stream: Stream, symbols: list[str] | None, history: int | None) -> None:
        self.stream = stream
        self.symbols = symbols
        self.wire = Wire(TickLog(), client=Client(symbols, history))
        self.relay: Relay | None = None
        self.start: Place | None = None
        self.last: Place = (0, 0)
        self.had: set[Place] = set()
        self.reported: set[Place] = set()
        self.ends: Counter[int] = Counter()
        self.handled = 0

    def hop(self, relay: Relay) -> None:
        """Break the connection; connect to a relay with the next delivery."""
        self.relay = relay
        self.wire.serve(relay.log, relay.publication)

    def deliver(self, most: float = math.inf) -> None:
        """Connect if there is no connection, and deliver messages."""
        wire = self.wire
        if wire.session is None:
            wire.connect()
        while most > 0 and wire.step():
            most -= 1
            self.check()
        assert wire.session is not None
        if most and wire.session.close is not None:
            assert wire.session.close == NOT_CAUGHT_UP
            wire.cut()

    def settle(self) -> None:
        """Deliver everything, also what is due after a while, over as many connections as needed.

        The relay reads on whenever it is asked for what it doesn't know.
        """
        assert isinstance(self.relay, Lagging)
        for _ in range(3):
            self.relay.read()
            self.deliver()
            self.wire.now += AT_S
        assert self.wire.session is not None

    def check(self) -> None:
        """Check the events of the newest message."""
        for event in self.wire.events[self.handled :]:
            if isinstance(event, Received):
                for seq in event.seq.tolist():
                    place = (int(event.epoch[1:]), seq)
                    assert place in self.stream.ticks
                    assert self.wants(place)
                    assert self.last < place, (self.last, place)
                    self.last = place
                    self.had.add(place)
            elif isinstance(event, Gap):
                self.check_gap(event)
            elif isinstance(event, At):
                assert event.seq == self.wire.client.seq  # it never goes back
        self.handled = len(self.wire.events)
        client = self.wire.client
        if self.start is None and client.epoch is not None:
            self.start = int(client.epoch[1:]), client.seq

    def check_gap(self, gap: Gap) -> None:
        """Check that nothing in a gap had come, comes later, or was reported before."""
        epoch = int(gap.epoch[1:])
        if gap.last is None:
            assert epoch < self.stream.epoch
            self.ends[epoch] += 1
            return
        places: set[Place] = {(epoch, seq) for seq in range(gap.first, gap.last + 1)}
        assert not places & self.had
        assert not places & self.reported
        assert isinstance(self.relay, Lagging)
        for place in places & self.stream.ticks:
            assert self.relay.lacks(place), place
        self.reported |= places

    def wants(self, place: Place) -> bool:
        """Return whether the reader has subscribed to a tick's symbol."""
        return self.symbols is None or "AB"[int(place[1]) % 2] in self.symbols

    def check_all(self, is_exact: bool) -> None:
        """Check that everything came, or was reported missing.

        Args:
            is_exact: whether each relay holds all that there ever was.
        """
        assert self.start is not None
        start, stream = self.start, self.stream
        # An epoch without a tick is passed over.
        epochs = {epoch for epoch, _ in stream.ticks}
        owed = {place for place in stream.ticks if place > start and self.wants(place)}
        missing = {place for place in stream.missing if place > start and place[0] in epochs}
        assert not self.had & self.reported
        assert set(self.ends.values()) <= {1}
        if is_exact:
            assert self.had == owed
            assert {place for place in self.reported if place[0] in epochs} == missing
            seams = {epoch for epoch in epochs if start[0] <= epoch < stream.epoch}
            assert {epoch for epoch in self.ends if epoch in epochs} == seams
            return
        for place in (owed | missing) - self.had - self.reported:
            # Up to where a reader goes on after an unknown number of missing ticks, all may be.
            assert any(epoch <= place[0] for epoch in self.ends), place


class RelayMachine(RuleBasedStateMachine):
    """A maker, two relays and two readers through restarts, lags and hops."""

    @initialize(is_exact=st.booleans(), history=st.sampled_from([None, 0, 3]))
    def begin(self, is_exact: bool, history: int | None) -> None:
        """Join a reader of all symbols, and one of one symbol."""
        self.is_exact = is_exact
        self.stream = Stream()
        self.relays = [Lagging(self.stream) for _ in range(2)]
        self.readers = [Reader(self.stream, symbols, history) for symbols in (None, ["A"])]
        for relay, reader in zip(self.relays, self.readers, strict=True):
            relay.read()
            reader.hop(relay)

    @rule(count=st.sampled_from([1, 2, 7, 60, 300]), at_once=AT_ONCE)
    def publish(self, count: int, at_once: tuple[int, ...]) -> None:
        """Make ticks."""
        self.stream.publish(count)
        self.read_at_once(at_once)

    @rule(count=st.sampled_from([1, 3, 50]), at_once=AT_ONCE)
    def miss(self, count: int, at_once: tuple[int, ...]) -> None:
        """Report ticks as missing, and make another."""
        self.stream.miss(count)
        self.stream.publish(1)
        self.read_at_once(at_once)

    @rule(hello_first=st.booleans(), count=st.sampled_from([0, 1, 5, 5]), at_once=AT_ONCE)
    def restart_maker(self, hello_first: bool, count: int, at_once: tuple[int, ...]) -> None:
        """Begin another epoch."""
        self.stream.restart(hello_first)
        if count:
            self.stream.publish(count)
        self.read_at_once(at_once)

    def read_at_once(self, which: tuple[int, ...]) -> None:
        """Let relays read all that there is, and their readers get it."""
        for relay in (self.relays[each] for each in which):
            relay.read()
            for reader in self.readers:
                if reader.relay is relay:
                    reader.deliver()

    @rule(which=WHICH, count=st.sampled_from([1, 1, 2, 5, math.inf]))
    def read(self, which: int, count: float) -> None:
        """Let a relay read on."""
        self.relays[which].read(count)

    @precondition(lambda self: len(self.stream.events) > 1)
    @rule(which=WHICH, lag=LAGS, reach=LAGS, keep=st.sampled_from([5, 40, 10_000]))
    def restart_relay(self, which: int, lag: int, reach: int, keep: int) -> None:
        """Replace a relay by one that may not reach back as far; its readers are cut off."""
        former, size = self.relays[which], len(self.stream.events)
        start = 0 if self.is_exact else max(size - reach, 0)
        self.relays[which] = Lagging(self.stream, start, 10_000 if self.is_exact else keep)
        self.relays[which].read(max(size - start - lag, 0))
        for reader in self.readers:
            if reader.relay is former:
                reader.hop(self.relays[which])

    @rule(who=WHICH, which=WHICH, most=st.sampled_from([0, 1, 2, 5, math.inf]))
    def hop(self, who: int, which: int, most: float) -> None:
        """Move a reader to a relay."""
        self.readers[who].hop(self.relays[which])
        self.readers[who].deliver(most)

    @rule(who=WHICH, most=st.sampled_from([1, 1, 2, 5, math.inf]))
    def deliver(self, who: int, most: float) -> None:
        """Deliver messages to a reader."""
        self.readers[who].deliver(most)

    @rule(who=WHICH)
    def wait(self, who: int) -> None:
        """Let time pass."""
        self.readers[who].wire.now += AT_S

    def teardown(self) -> None:
        """Let everything arrive."""
        for reader in getattr(self, "readers", []):
            reader.settle()
            reader.check_all(self.is_exact)


def run(count: int, steps: int) -> None:
    """Run the machine with this many examples and steps."""
    run_state_machine_as_test(
        RelayMachine,
        settings=settings(
            max_examples=count,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        ),
    )


def test_readers_that_hop_lose_nothing_and_get_no_false_gap() -> None:
    """Nothing comes twice or out of order, and each restart of the maker is one gap."""
    run(examples(150), 30)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_readers_that_hop_lose_nothing_in_a_hundred_thousand_steps() -> None:
    """As above, for longer."""
    run(share_of(2000), 50)


@pytest.mark.parametrize("hops", [500, soak(10_000)])
def test_hops_between_a_fast_relay_and_one_that_lags_cause_no_gap(hops: int) -> None:
    """Each tick comes once, in order; what is missing is reported once, and so is each restart."""
    dice = random.Random(hops)
    stream = Stream()
    fast, slow = (Lagging(stream, keep=100_000) for _ in range(2))
    readers = [Reader(stream, symbols, 0) for symbols in (None, ["A"])]
    for relay, reader in zip((fast, slow), readers, strict=True):
        relay.read()
        reader.hop(relay)
        reader.deliver()
    restarts = 0
    for hop in range(hops):
        for _ in range(dice.randrange(4)):
            stream.publish(dice.choice([1, 2, 20]))
            if dice.random() < 0.1:
                stream.miss(2)
        if dice.random() < 0.05:
            stream.restart(dice.random() < 0.5)
            stream.publish(1)
            restarts += 1
        fast.read()
        if (behind := len(stream.events) - slow.index) > 10:
            slow.read(behind - dice.randrange(10))
        for reader in readers:
            reader.hop((fast, slow)[hop % 2])
            reader.deliver(dice.choice([2, 4, math.inf]))
    for reader in readers:
        reader.hop(slow)
        reader.settle()
        reader.check_all(True)
        assert sum(reader.ends.values()) == restarts
