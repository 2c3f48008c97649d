"""Makers, a broker that loses things, relays and a reader that hops, under any sequence of events.

Every tick that the stream holds, or that a living maker can still write, reaches each relay once
and in order. What is reported missing is really gone, and its range is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from makers import Maker
from memory_broker import MemoryBroker, Task, finish, wait
from soaks import examples, share_of
from wires import Wire

from tickerkit.errors import StreamError
from tickerkit.log import Gap, Gaps, Position, TickLog
from tickerkit.protocol import Client, Event, Hello, Publication, Received
from tickerkit.protocol.origin import CaughtUp, Origin
from tickerkit.protocol.taker import Taker
from tickerkit.protocol.v1 import AT_S
from tickerkit.streams import Follower, find_newest_message, follow
from tickerkit.streams import publisher as publishing
from tickerkit.ticks import read_ticks

SETTLE_ROUNDS = 8
WHO = st.integers(0, 2)
COUNTS = st.sampled_from([1, 1, 2, 5, 30])
STEPS = st.sampled_from([1, 3, 5, 12, 100, 100, 100])


class World:
    """All that is true.

    Attributes:
        prices: the price of every tick that a maker took, by epoch and seq.
        missing: the ticks that sources reported missing, likewise.
        makers: the makers that are alive, the newest last.
        has_lost: whether the broker has lost messages that it had acknowledged.
    """

    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self.prices: dict[tuple[str, int], float] = {}
        self.missing: set[tuple[str, int]] = set()
        self.makers: list[Maker] = []
        self.started = 0
        self.has_lost = False

    def start_maker(self, keep: int) -> None:
        self.started += 1
        self.makers.append(Maker(self.broker, f"m{self.started}", keep))

    def publish(self, maker: Maker, count: int) -> None:
        """Let a maker take ticks; the price of each is its number."""
        log, first = maker.log, len(self.prices)
        log.append(
            read_ticks([{"symbol": f"S{n % 7}", "price": n} for n in range(first, first + count)]),
            received=0,
        )
        for n in range(count):
            self.prices[log.epoch, log.last_seq - count + 1 + n] = float(first + n)

    def stream_holds(self, epoch: str, first: int, last: float) -> bool:
        """Return whether the stream has one of these ticks."""
        return any(
            m is not None
            and (m.kind, m.epoch) == ("ticks", epoch)
            and m.seq <= last
            and m.last >= first
            for m in self.broker.stored.values()
        )

    def ruled_out(self, reported: list[tuple[str, int, float]]) -> list[tuple[str, int, float]]:
        """Return the ranges of which no tick may come any more.

        If the broker has lost an epoch, a relay may take it for over. Then the end of that epoch
        isn't known, and its maker may write it again.
        """
        if not self.has_lost:
            return reported
        return [each for each in reported if each[2] != float("inf")]

    def holder(self) -> Maker | None:
        """Return the living maker that wrote the stream's newest message."""
        messages = [m for m in self.broker.stored.values() if m is not None]
        owners = [m for m in self.makers if messages and messages[-1].epoch in m.publisher._own]
        return owners[0] if owners else None

    def kill_former(self) -> None:
        """Kill the makers that another has taken over from, and that don't know it yet.

        If the broker loses the take-over as well, such a maker may write on, or take over again.
        """
        holder = self.holder()
        for maker in list(self.makers):
            if maker is not holder and maker.publisher.acks:
                self.kill(maker)

    def kill(self, maker: Maker) -> None:
        self.makers.remove(maker)
        maker.task.kill()


class Ledger:
    """Checks that ticks and gaps follow each other, and that nothing comes twice.

    Attributes:
        had: the ticks that came.
        reported: the ranges that were reported missing: epoch, first, last.
        place: the epoch and seq up to which all is known.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.had: set[tuple[str, int]] = set()
        self.reported: list[tuple[str, int, float]] = []
        self.place: tuple[str, int] | None = None
        self.start: tuple[str, int] | None = None
        self.is_closed = False
        self.former: dict[str, int] = {}

    def take(self, event: Event) -> None:
        match event:
            case Hello():
                self.enter(event)
            case Received():
                self.receive(event)
            case Gap():
                self.miss(event)

    def enter(self, hello: Hello) -> None:
        if self.place is None:
            self.place = self.start = (hello.epoch, hello.first - 1)
        elif hello.epoch != self.place[0]:
            assert self.is_closed, f"{self.place} ends without a gap before {hello.epoch}"
            self.former[self.place[0]] = self.place[1]
            self.place = hello.epoch, self.former.pop(hello.epoch, 0)
            self.is_closed = False

    def receive(self, event: Received) -> None:
        assert self.place is not None
        for tick, price in ticks_in(event):
            assert self.world.prices[tick] == price
            assert tick == (self.place[0], self.place[1] + 1), f"{tick} after {self.place}"
            assert tick not in self.had
            ruled_out = self.world.ruled_out(self.reported)
            assert not is_within(tick, ruled_out), f"{tick} was reported missing"
            self.had.add(tick)
            self.place, self.is_closed = tick, False

    def miss(self, gap: Gap) -> None:
        assert self.place is not None
        assert (gap.epoch, gap.first) == (self.place[0], self.place[1] + 1), (gap, self.place)
        last = float("inf") if gap.last is None else gap.last
        assert last >= gap.first
        self.reported.append((gap.epoch, gap.first, last))
        if gap.last is None:
            assert not self.is_closed
            self.is_closed = True
        else:
            self.place, self.is_closed = (gap.epoch, gap.last), False


class Relay:
    """A relay: a log that is filled from the stream."""

    def __init__(self, world: World, history: int, keep: int) -> None:
        self.world = world
        self.ledger = Ledger(world)
        self.follower = Follower(history)
        self.log = TickLog(keep)
        self.gaps = Gaps(self.log, forget=True)
        self.origin = Origin()
        self.taker = Taker(self.log, self.gaps, self.origin)
        self.publication = Publication(self.log, self.gaps, self.origin)
        self.task = Task(self.drive())

    async def drive(self) -> None:
        while True:
            try:
                async for events in follow(self.world.broker, self.follower):
                    for event in events:
                        self.take(event)
            except StreamError:
                await wait()

    def take(self, event: Any) -> None:
        if isinstance(event, Gap):
            self.check(event)
        self.ledger.take(event)
        self.taker.take(event, 0)

    def check(self, gap: Gap) -> None:
        """Check that what is reported missing is really gone, and was taken or missed before."""
        last = float("inf") if gap.last is None else gap.last
        held = self.world.stream_holds(gap.epoch, gap.first, last)
        assert not held, f"the stream holds some of {gap}"
        assert gap.reason != publishing.NEXT_EPOCH  # a log ends each epoch with a gap of its own
        for seq in range(gap.first, gap.first if gap.last is None else gap.last + 1):
            tick = gap.epoch, seq
            assert tick in self.world.prices or tick in self.world.missing, tick
            if gap.reason == publishing.NOT_HELD:
                assert not any(tick in ticks_of(maker.log) for maker in self.world.makers), tick

    def run(self) -> None:
        """Take all that comes, also after an error."""
        self.task.run()
        self.task.run()

    def look(self) -> None:
        """Take all that the stream has now, and report it."""
        if not self.world.broker.is_up:
            return
        questions = self.origin.questions
        tail = finish(find_newest_message(self.world.broker))
        self.run()
        if not self.follower.holds(tail):  # the subscription passed over it
            self.task.kill()
            self.task = Task(self.drive())
            self.run()
        if self.follower.holds(tail) and self.follower.position is not None:
            self.taker.take(CaughtUp(questions), 0)


class Reader:
    """A client of v1 that hops between the relays.

    Attributes:
        had: the ticks that came.
        reported: the ranges that were reported missing: epoch, first, last.
    """

    def __init__(self, world: World, relay: Relay, history: int | None) -> None:
        self.world = world
        self.client = Client(None, history)
        self.wire = Wire(relay.log, client=self.client)
        self.had: dict[tuple[str, int], None] = {}
        self.reported: list[tuple[str, int, float]] = []
        self.first: tuple[str, int] | None = None
        self.handled = 0
        self.hop(relay)

    def hop(self, relay: Relay) -> None:
        """Leave a relay, and connect to another when the next message is delivered."""
        self.relay = relay
        self.wire.serve(relay.log, relay.publication)

    def deliver(self, most: int) -> None:
        """Deliver up to `most` messages."""
        if self.wire.session is None:
            if not self.relay.publication.is_ready:
                return
            self.wire.connect()
        for _ in range(most):
            if not self.wire.step():
                break
            self.check()
        session = self.wire.session
        assert session is not None
        if session.close is not None:
            self.wire.cut()

    def check(self) -> None:
        """Check what has come since."""
        for event in self.wire.events[self.handled :]:
            if isinstance(event, Received):
                for tick, price in ticks_in(event):
                    assert self.world.prices[tick] == price
                    assert tick not in self.had, f"{tick} came twice"
                    ruled_out = self.world.ruled_out(self.reported)
                    assert not is_within(tick, ruled_out), f"{tick} was reported missing"
                    newest = next(reversed(self.had), None)
                    assert newest is None or newest[0] != tick[0] or newest < tick
                    self.had[tick] = None
                    self.first = self.first or tick
            elif isinstance(event, Gap):
                last = float("inf") if event.last is None else event.last
                assert last >= event.first
                named = [t for t in self.had if is_within(t, [(event.epoch, event.first, last)])]
                assert not named, f"{event} names ticks that came: {named}"
                log, held = self.relay.log, self.relay.log.find(event.epoch, event.first - 1)
                if held is not None and held < log.stop:
                    position = log.rows(held, held + 1).position(0)
                    assert not is_within(position, [(event.epoch, event.first, last)]), event
                self.reported.append((event.epoch, event.first, last))
        self.handled = len(self.wire.events)

    def settle(self) -> None:
        """Get all that the relay has, and check that nothing of it is missing."""
        for _ in range(3):
            self.deliver(10**6)
            self.relay.look()
            self.wire.now += AT_S
        self.deliver(10**6)
        position = self.relay.follower.position
        assert position is not None
        assert (self.client.epoch, self.client.seq) == (position.epoch, position.seq)
        held = ticks_of(self.relay.log)
        # At another relay, whole epochs may have been lost: within a gap of unknown size.
        gone = {e for e, _ in held} - {e for e, _ in self.had} if self.is_open() else set()
        if self.first in held:
            for tick in held[held.index(self.first) :]:
                assert tick in self.had or is_within(tick, self.reported) or tick[0] in gone, tick

    def is_open(self) -> bool:
        """Return whether a gap of unknown size was reported."""
        return any(last == float("inf") for _, _, last in self.reported)


def ticks_in(event: Received) -> list[tuple[tuple[str, int], float]]:
    """Return the epoch and seq of each tick received, and its price."""
    prices = event.batch.columns["price"]
    assert isinstance(prices, np.ndarray)
    ticks = [(event.epoch, seq) for seq in event.seq.tolist()]
    return list(zip(ticks, prices.tolist(), strict=True))


def ticks_of(log: TickLog) -> list[tuple[str, int]]:
    """Return the epoch and seq of each tick held, the oldest first."""
    rows = log.rows()
    return [tuple_of(rows.position(n)) for n in range(len(rows))]


def tuple_of(position: Position) -> tuple[str, int]:
    """Return a position as a tuple."""
    return position.epoch, position.seq


def is_within(tick: tuple[str, int] | Position, ranges: list[tuple[str, int, float]]) -> bool:
    """Return whether a tick is in one of these ranges of epoch, first and last seq."""
    epoch, seq = tuple_of(tick) if isinstance(tick, Position) else tick
    return any(e == epoch and first <= seq <= last for e, first, last in ranges)


class Machine(RuleBasedStateMachine):
    """Makers, a broker, two relays and a reader."""

    steps = 0

    @initialize(keep=st.sampled_from([4, 40, 1000]), history=st.sampled_from([1, 20, 1000]))
    def begin(self, keep: int, history: int) -> None:
        """Start a maker and two relays."""
        self.world = World()
        self.broker = self.world.broker
        self.copies: list[Any] = []
        self.world.start_maker(keep)
        self.relays = [Relay(self.world, history, 1000), Relay(self.world, 1000, 30)]
        self.readers = [Reader(self.world, self.relays[0], None)]
        self.publish(0, 3, 1, 100)
        for relay in self.relays:
            relay.look()
        self.readers[0].deliver(100)

    # --- makers -------------------------------------------------------------------------------

    @rule(who=WHO, count=COUNTS, times=st.sampled_from([1, 1, 3]), steps=STEPS)
    def publish(self, who: int, count: int, times: int, steps: int) -> None:
        """Take ticks, and write some of them."""
        if self.world.makers:
            maker = self.world.makers[-1 - who % len(self.world.makers)]
            for _ in range(times):
                self.world.publish(maker, count)
                self.step(maker.task, steps)

    @rule(who=WHO, steps=STEPS)
    def write(self, who: int, steps: int) -> None:
        """Let a maker write."""
        if self.world.makers:
            self.step(self.world.makers[-1 - who % len(self.world.makers)].task, steps)

    @rule(count=st.sampled_from([1, 3, None]))
    def miss(self, count: int | None) -> None:
        """Let the source report missing ticks."""
        if self.world.makers:
            log = self.world.makers[-1].log
            first = log.last_seq + 1
            self.world.makers[-1].gaps.miss(count, "lost")
            self.world.missing |= {(log.epoch, first + n) for n in range(count or 0)}

    @rule(keep=st.sampled_from([4, 40, 1000]), kills=st.booleans())
    def restart_maker(self, keep: int, kills: bool) -> None:
        """Start another maker; the former one is dead, or does not know yet."""
        self.world.kill_former()
        if kills or len(self.world.makers) > 1:
            for maker in list(self.world.makers):
                self.world.kill(maker)
        self.world.start_maker(keep)

    # --- the broker ---------------------------------------------------------------------------

    @rule(outcome=st.sampled_from(["doubtful", "lost"]))
    def fail_put(self, outcome: Any) -> None:
        """Answer the next put with an error."""
        self.broker.outcome = outcome

    @rule(is_up=st.sampled_from([True, True, True, False]))
    def switch(self, is_up: bool) -> None:
        """Make the broker unreachable, or reachable again."""
        self.broker.is_up = is_up
        self.broker.cut()

    @rule()
    def cut(self) -> None:
        """Cut all subscriptions."""
        self.broker.cut()

    @rule(count=st.sampled_from([1, 2, 5, 20]))
    def trim(self, count: int) -> None:
        """Drop the oldest messages, but none that has nothing of a maker after it."""
        if self.broker.stored.get(self.broker.last) is not None:
            self.broker.trim(count)

    @rule(place=st.integers(0, 30))
    def lose(self, place: int) -> None:
        """Lose a message inside the stream, but none that has nothing of a maker after it."""
        numbers = list(self.broker.stored)[:-1]
        if numbers and self.broker.stored.get(self.broker.last) is not None:
            del self.broker.stored[numbers[place % len(numbers)]]

    @rule()
    def copy(self) -> None:
        """Copy the stream's files."""
        self.copies.append(self.broker.copy())

    @precondition(lambda self: self.copies)
    @rule(which=st.integers(0, 5), keeps=st.booleans())
    def restore(self, which: int, keeps: bool) -> None:
        """Put the stream's files back to an older copy."""
        self.world.kill_former()
        index = which % len(self.copies)
        self.broker.restore(self.copies[index])
        del self.copies[index + 1 :]
        self.after_loss()

    @rule(how=st.sampled_from(["purge", "delete"]))
    def empty(self, how: str) -> None:
        """Delete all messages."""
        self.world.kill_former()
        getattr(self.broker, how)()
        self.copies.clear()
        self.after_loss()

    def after_loss(self) -> None:
        """Leave one maker, if the broker has lost its take-over."""
        self.world.has_lost = True
        taken = [maker for maker in self.world.makers if maker.publisher.acks]
        if taken and self.world.holder() is None:
            for maker in list(self.world.makers):
                if maker is not taken[0]:
                    self.world.kill(maker)

    @rule(count=st.integers(1, 3))
    def skip(self, count: int) -> None:
        """Let subscriptions pass over messages without an error."""
        self.broker.skips = count

    @rule()
    def write_other(self) -> None:
        """Let others write a message."""
        self.broker.write(None)

    # --- relays -------------------------------------------------------------------------------

    @rule(who=st.integers(0, 1), steps=STEPS)
    def follow(self, who: int, steps: int) -> None:
        """Let a relay read."""
        self.step(self.relays[who].task, steps)

    @rule(who=st.integers(0, 1))
    def look(self, who: int) -> None:
        """Let a relay catch up."""
        self.relays[who].look()

    @rule(
        who=st.integers(0, 1),
        history=st.sampled_from([1, 20, 1000]),
        keep=st.sampled_from([30, 1000]),
    )
    def restart_relay(self, who: int, history: int, keep: int) -> None:
        """Replace a relay by one that knows nothing."""
        former, relay = self.relays[who], Relay(self.world, history, keep)
        former.task.kill()
        self.relays[who] = relay
        for reader in self.readers:
            if reader.relay is former:
                reader.hop(relay)

    # --- readers ------------------------------------------------------------------------------

    @precondition(lambda self: len(self.readers) < 3)
    @rule(who=st.integers(0, 1), history=st.sampled_from([None, 0, 5]))
    def join(self, who: int, history: int | None) -> None:
        """Add a reader."""
        self.readers.append(Reader(self.world, self.relays[who], history))

    @rule(who=WHO, most=st.sampled_from([1, 2, 5, 100]))
    def deliver(self, who: int, most: int) -> None:
        """Deliver messages to a reader."""
        self.readers[who % len(self.readers)].deliver(most)

    @rule(who=WHO, where=st.integers(0, 1), most=st.sampled_from([0, 1, 3, 100, 100]))
    def hop(self, who: int, where: int, most: int) -> None:
        """Move a reader to a relay, perhaps to the same again."""
        reader = self.readers[who % len(self.readers)]
        reader.hop(self.relays[where])
        reader.deliver(most)

    @rule(who=WHO, count=COUNTS)
    def run_ahead(self, who: int, count: int) -> None:
        """Give a reader all there is, and move it to a relay that may lag."""
        reader = self.readers[who % len(self.readers)]
        self.publish(0, count, 1, 100)
        reader.relay.look()
        reader.deliver(100)
        reader.hop(self.relays[reader.relay is self.relays[0]])
        reader.deliver(100)

    def step(self, task: Task, steps: int) -> None:
        for _ in range(steps):
            task.step()

    @invariant()
    def count(self) -> None:
        """Count the steps."""
        type(self).steps += 1

    def teardown(self) -> None:
        """Check what has come in the end."""
        if hasattr(self, "readers"):
            try:
                self.finish()
            finally:
                self.end_tasks()

    def finish(self) -> None:
        """Mend the broker, start a last maker, and check what has come in the end."""
        self.broker.is_up, self.broker.outcome = True, "stored"
        self.broker.cut()
        self.settle()
        holder = self.world.holder()
        if holder is not None:
            assert holder.publisher.fenced_by is None
            self.check_relays(holder)
        for maker in list(self.world.makers):
            self.world.kill(maker)
        self.world.start_maker(1000)
        self.world.publish(self.world.makers[-1], 3)
        self.settle()
        self.check_relays(self.world.makers[-1])
        for n, reader in enumerate(self.readers):
            reader.settle()
            reader.hop(self.relays[n % 2])
            reader.settle()

    def end_tasks(self) -> None:
        for relay in self.relays:
            relay.task.kill()
        for maker in self.world.makers:
            maker.task.kill()

    def settle(self) -> None:
        for _ in range(SETTLE_ROUNDS):
            for maker in self.world.makers:
                maker.publisher.doubt()
                maker.task.run()
                assert maker.publisher.fenced_by not in maker.publisher._own
            for relay in self.relays:
                relay.look()

    def check_relays(self, maker: Maker) -> None:
        """Check that each relay has all that the maker has written, and the stream holds."""
        assert maker.publisher.behind == 0
        for relay in self.relays:
            assert relay.follower.position == maker.publisher.position
            assert relay.origin.is_ready
            ledger, place, start = relay.ledger, relay.ledger.place, relay.ledger.start
            assert place is not None
            assert start is not None
            for message in self.broker.stored.values():
                if message is None or (message.kind, message.epoch) != ("ticks", place[0]):
                    continue
                for seq in range(message.seq, message.last + 1):
                    tick = message.epoch, seq
                    is_before = tick[0] == start[0] and seq <= start[1]
                    assert is_before or tick in ledger.had or is_within(tick, ledger.reported), tick


def run(count: int, steps: int) -> int:
    """Run the machine with this many examples of so many steps; return how many steps were run."""
    Machine.steps = 0
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=count,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        ),
    )
    return Machine.steps


def test_every_tick_comes_once_or_is_reported_missing() -> None:
    """In 1,500 or more random steps nothing is lost, doubled, or falsely reported."""
    assert run(examples(450), 30) >= 1500


@pytest.mark.soak
def test_every_tick_comes_once_in_a_hundred_thousand_steps() -> None:
    """In 100,000 random steps nothing is lost, doubled, or falsely reported."""
    assert run(share_of(2600), 50) >= share_of(100_000)
