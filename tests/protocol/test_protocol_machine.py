"""The wire protocol under any sequence of events: clients of one server, against a model.

The model sees what the server accepts, and knows by itself what its log must still hold. So every
gap is checked: ticks in a gap are really gone, and all others really come.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import deque
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

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
from soaks import share_of
from wires import Wire

from tickerkit.log import Gap, Gaps, Position, TickLog
from tickerkit.protocol import (
    Client,
    Error,
    PlainClient,
    Publication,
    Received,
    Subscribe,
    V1Session,
)
from tickerkit.protocol.messages import encode
from tickerkit.protocol.tick_session import STATES
from tickerkit.protocol.v1 import AT_S
from tickerkit.ticks import Levels, read_ticks

Place: TypeAlias = tuple[int, float]
Symbols: TypeAlias = list[str] | None

SYMBOLS = st.sampled_from([None, None, ["A"], ["B", "Z"], ["C", "nope"]])
WHO = st.integers(0, 3)


class Tick(NamedTuple):
    """A tick that the server accepted."""

    symbol: str
    price: float
    note: str | None


def number(epoch: str) -> int:
    """Return the number of an epoch `e1`, `e2`, ..."""
    return int(epoch[1:])


def is_wanted(symbols: Symbols, symbol: str) -> bool:
    """Return whether a symbol is among those subscribed to."""
    return symbols is None or symbol in symbols


class World:
    """All ticks that were ever accepted, and the server; the model knows what it holds.

    Attributes:
        ticks: every tick by its place (number of the epoch, seq), oldest first; prices count up.
        stream: the places of the newest epoch; a server may lack some of them.
        held: the places that the server's log must hold.
        lost: the places that the source reported missing to this server; infinity if it didn't
            know how many.
        ignored: those of them that need not be reported.
    """

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self.ticks: dict[Place, Tick] = {}
        self.epoch = 0
        self.stream: list[Place] = []
        self.lost: set[Place] = set()
        self.ignored: set[Place] = set()
        self.begin_epoch()
        self.serve()

    def begin_epoch(self) -> None:
        """Restart the source."""
        if not self.stream:  # of an epoch without a tick
            self.ignored |= {place for place in self.lost if place[0] == self.epoch}
            self.lost -= self.ignored
        self.epoch += 1
        self.stream = []
        self.number = 0

    def serve(self) -> None:
        """Replace the server by one with an empty log."""
        self.log = TickLog(self.keep, epoch=f"e{self.epoch}")
        self.gaps = Gaps(self.log, forget=True)
        self.publication = Publication(self.log, self.gaps)
        self.held: deque[Place] = deque(maxlen=self.keep)
        self.lost, self.ignored = set(), set()
        self.end: Place = (self.epoch, 0)

    @property
    def oldest(self) -> Place:
        """The place from which on the server holds everything."""
        return self.held[0] if self.held else (self.epoch, 1)

    def publish(
        self, count: int, symbols: str = "A", note: str | None = None, step: int = 1
    ) -> None:
        """Let the server accept what it lacks of the stream, then new ticks."""
        places = self.to_come()[:count]
        for n in range(count - len(places)):
            self.number += step
            place = self.epoch, self.number
            self.ticks[place] = Tick(symbols[n % len(symbols)], float(len(self.ticks)), note)
            self.stream.append(place)
            places.append(place)
        self.append(places)

    def to_come(self) -> list[Place]:
        """Return what the server lacks of the stream."""
        had = self.end if self.end[0] == self.epoch else (self.epoch, 0)
        return self.stream[bisect_right(self.stream, had) :]

    def append(self, places: list[Place]) -> None:
        """Append ticks to the server's log; with seqs of its own where those are the same."""
        if not places:
            return
        batch = read_ticks(
            [
                {"s": t.symbol, "p": t.price, "note": t.note}
                for t in map(self.ticks.get, places)
                if t
            ]
        )
        last = self.end[1] if self.end[0] == self.epoch else 0
        seqs = [seq for _, seq in places]
        counted = seqs == list(range(last + 1, last + 1 + len(seqs)))
        seq = None if counted else np.array(seqs, dtype=np.int64)
        self.log.append(batch, received=0, epoch=f"e{self.epoch}", seq=seq)
        self.held += places
        self.end = places[-1]

    def miss(self, count: int | None) -> None:
        """Let the source report missing ticks, once the server has everything before them."""
        self.append(self.to_come())
        if self.end != (self.epoch, self.number):  # a relay that lacks the last of these
            return
        self.gaps.miss(count, "missing")
        if count is not None:
            self.lost |= {(self.epoch, self.number + n) for n in range(1, count + 1)}
            self.number += count
        elif self.held and self.held[-1][0] == self.epoch:
            self.lost.add((self.epoch, math.inf))
            self.begin_epoch()
            self.log.begin(f"e{self.epoch}")
        self.end = (self.epoch, self.number)

    def between(self, first: Place, last: Place) -> set[Place]:
        """Return the places of all ticks from `first` to `last`, and of the missing ones."""
        return {place for place in (*self.ticks, *self.lost) if first <= place <= last}

    def holds(self, first: Place, last: Place) -> bool:
        """Return whether the server's log holds any tick from `first` to `last`."""
        return any(first <= place <= last for place in self.held)


class Listener:
    """A client, with what it must get, what it got, and what was reported missing.

    Attributes:
        last: the place of the last tick that came.
        had: the places of all ticks that came.
        told: the places of the ticks that were reported missing.
        terms: what it asked for, each with the place after which it holds.
    """

    def __init__(self, world: World, symbols: Symbols, wire: Wire) -> None:
        self.world = world
        self.symbols = symbols
        self.wire = wire
        self.wire.serve(world.log, world.publication)
        self.last: Place = (0, 0)
        self.had: set[Place] = set()
        self.told: set[Place] = set()
        self.terms: list[tuple[Place, Symbols]] = []
        self.handled = 0

    def serve(self) -> None:
        """Connect to the server that has taken over, later."""
        self.wire.serve(self.world.log, self.world.publication)

    def deliver(self, most: float) -> None:
        """Deliver up to `most` messages."""
        if self.wire.session is None:
            self.connect()
        while most > 0 and self.step():
            most -= 1

    def connect(self) -> None:
        """Open a connection."""
        self.wire.connect()

    def step(self) -> bool:
        """Deliver a message, and check all that is in it."""
        raise NotImplementedError

    def settle(self) -> None:
        """Deliver everything, also what is due after a while; then nothing is missing."""
        self.deliver(math.inf)
        self.wire.now += AT_S
        self.deliver(math.inf)
        self.complete()
        self.complete_books()

    def complete_books(self) -> None:
        """Check that the client has the newest books, if it is one that gets them."""

    def take(self, place: Place, symbol: str, price: float) -> None:
        """Check a tick that came: unchanged, wanted, in order, and not reported missing."""
        tick = self.world.ticks[place]
        assert (symbol, price) == (tick.symbol, tick.price)
        assert self.owed(place), place
        assert place > self.last, (place, self.last)
        assert place not in self.told, place
        self.last = place
        self.had.add(place)

    def owed(self, place: Place) -> bool:
        """Return whether the client must get a tick."""
        for after, symbols in reversed(self.terms):
            if place > after:
                return is_wanted(symbols, self.world.ticks[place].symbol)
        return False

    def complete(self) -> None:
        """Check that every tick that the server accepted was delivered or reported missing."""
        for place in self.world.ticks:
            if self.owed(place) and place <= self.world.end:
                assert place in self.had or place in self.told, place
        for place in self.world.lost:
            if place > self.terms[0][0]:
                assert place in self.told, place


class V1Listener(Listener):
    """A client of v1, which resumes."""

    def __init__(self, world: World, symbols: Symbols, history: int | None) -> None:
        self.client = Client(symbols, history)
        super().__init__(world, symbols, Wire(world.log, client=self.client))
        self.history = history
        self.gaps: list[tuple[int, int, float]] = []
        self.open: Place | None = None
        self.repeated = 0
        self.ahead: set[int] = set()
        self.asked = 0
        self.sent: tuple[str, list[str]] | None = None
        self.books: dict[str, float] = {}

    @property
    def position(self) -> Place | None:
        """The client's position."""
        return None if self.client.epoch is None else (number(self.client.epoch), self.client.seq)

    def connect(self) -> None:
        super().connect()
        self.asked = 0
        self.sent = None

    def start(self) -> Place:
        """Return the place after which a client that joins now must get everything."""
        held = self.world.held
        if self.history is not None:
            held = [
                place for place in held if is_wanted(self.symbols, self.world.ticks[place].symbol)
            ]
            held = held[max(len(held) - self.history, 0) :]
        return (held[0][0], held[0][1] - 1) if held else self.world.end

    def step(self) -> bool:
        if self.wire.replies and self.client.epoch is None:
            self.terms = [(self.start(), self.symbols)]
        before = self.position
        if before is not None and before > self.world.end:
            self.ahead.add(before[0])
        session = self.wire.session
        assert isinstance(session, V1Session)
        if not self.wire.replies and not session._pending:
            self.sent = session.state, []
        if not self.wire.step():
            self.sent = None
            return False
        self.check_state(session)
        self.handle(before)
        return True

    def check_state(self, session: V1Session) -> None:
        """Check that the server sent what the table of states says, once nothing is pending."""
        if self.sent is None:
            return
        state, types = self.sent
        types.append(self.wire.messages[-1]["type"])
        if session._pending:
            return
        self.sent = None
        # A filtered session that is behind may have nothing to send, and go on to another state.
        if state != "behind" or session.symbols is None:
            assert re.fullmatch(STATES[state].sends, "".join(f"{each} " for each in types))

    def handle(self, before: Place | None) -> None:
        """Check the events of the messages that came since."""
        for event in self.wire.events[self.handled :]:
            assert not isinstance(event, Error)
            if isinstance(event, Received):
                for book in event.batch.books:
                    assert book.bids is not None
                    self.books[book.symbol] = book.bids[0, 0]
                symbols, notes = event.batch.columns["symbol"], event.batch.columns.get("note")
                for row, seq in enumerate(event.seq.tolist()):
                    place = number(event.epoch), seq
                    word = symbols.words[symbols.codes[row]]
                    self.take(place, word, float(event.batch.columns["price"][row]))
                    code = -1 if notes is None else notes.codes[row]
                    note = None if code < 0 else notes.words[code]
                    assert note == self.world.ticks[place].note
            elif isinstance(event, Gap):
                assert before is not None
                self.hear_of(event, before)
        self.handled = len(self.wire.events)
        self.close()

    def hear_of(self, gap: Gap, position: Place) -> None:
        """Check a gap: it begins at the client's position, and names nothing that is held."""
        epoch, stop = number(gap.epoch), math.inf if gap.last is None else gap.last
        assert gap.first <= stop
        assert not self.world.holds((epoch, gap.first), (epoch, stop)), gap
        after = position[1] if position[0] == epoch else 0
        if position > self.world.end and stop == after:
            # The server may use these seqs again, though the client has ticks with them.
            assert gap.first == (self.world.end[1] if self.world.held else 0) + 1
        elif epoch not in self.ahead:
            assert gap.first == after + 1 or (self.symbols is not None and gap.first > after)
            assert not any(e == epoch and gap.first <= b and a <= stop for e, a, b in self.gaps)
            assert not any((epoch, gap.first) <= place <= (epoch, stop) for place in self.had)
            self.gaps.append((epoch, gap.first, stop))
        if gap.last is None:
            self.open = self.open or (epoch, gap.first)
        else:
            self.told |= self.world.between((epoch, gap.first), (epoch, stop))

    def close(self) -> None:
        """Extend a gap without an end up to the epoch in which the client continues."""
        if self.open is not None and self.position is not None and self.position > self.open:
            if self.position[0] == self.open[0]:
                return
            gone = self.world.between(self.open, (self.position[0], 0))
            held = gone.intersection(self.world.held)
            assert not any(self.owed(place) for place in held)
            self.told |= gone - held
            self.open = None

    def repeat(self) -> None:
        """Deliver the last message twice: that changes nothing."""
        before = self.position, self.client.duplicates
        self.wire.repeat()
        message = self.wire.messages[-1]
        count = message["count"] if message["type"] == "ticks" else 0
        self.repeated += count
        assert (self.position, self.client.duplicates) == (before[0], before[1] + count)
        self.handle(self.position)

    def complete_books(self) -> None:
        log = self.world.log
        for symbol in log.books.symbols():
            if is_wanted(self.symbols, symbol):
                assert self.books[symbol] == price_of(log, symbol), symbol

    def filter(self, symbols: Symbols) -> None:
        """Subscribe to other symbols, from the client's position on."""
        self.symbols = self.client.symbols = symbols
        if self.position is None:
            self.wire.cut()
            return
        self.terms.append((self.position, symbols))
        session, wire = self.wire.session, self.wire
        # A client on an open connection waits for the answer to its former subscription.
        heard = len(wire.messages) if session is not None else 0
        if (
            session is None
            or heard <= self.asked
            or wire.messages[-1]["type"] not in ("ticks", "at")
        ):
            wire.cut()
            return
        # An `at` may be the first message to a client that fell off the log.
        if isinstance(session, V1Session) and session._pending:
            wire.cut()
            return
        self.asked = heard
        resume = Position(f"e{self.position[0]}", self.position[1])
        session.receive(encode(Subscribe(symbols, resume)).decode(), wire.now)

    def complete(self) -> None:
        """Check that nothing is missing, and that the client is at the end of the log."""
        super().complete()
        assert self.position is not None
        assert self.position == self.world.end or (
            self.position > self.world.end and self.position[0] == self.world.end[0]
        )
        if not self.ahead:
            assert self.client.duplicates == self.repeated


class PlainListener(Listener):
    """A plain client of `/ticks`, which gets what comes while it is connected."""

    def __init__(self, world: World, symbols: Symbols, history: int | None) -> None:
        self.client = PlainClient(symbols)
        super().__init__(world, symbols, Wire(world.log, client=self.client))

    def connect(self) -> None:
        session = self.wire.connect()
        session.receive(encode(Subscribe(self.symbols)).decode(), self.wire.now)
        # Each connection stands for itself: at a relay that lags, old ticks may come again.
        self.last = self.world.end
        self.had, self.told = set(), set()
        self.terms = [(self.last, self.symbols)]
        self.handled = len(self.wire.events)

    def step(self) -> bool:
        if not self.wire.step():
            return False
        events = self.wire.events[self.handled :]  # several of a long message
        self.handled = len(self.wire.events)
        message: Any = self.wire.messages[-1]
        if isinstance(message, dict) and message["type"] == "error":
            assert message["code"] == "unknown-symbol"
            return True
        if isinstance(events[0], Gap):
            self.hear_of(message["from"], message["to"])
            return True
        received = [event for event in events if isinstance(event, Received)]
        assert received == events
        prices = np.concatenate([event.batch.columns["price"] for event in received])
        assert prices.tolist() == [tick["price"] for tick in message]
        places = list(self.world.ticks)
        for tick in message:
            place = places[int(tick["price"])]
            assert (place[1], self.world.ticks[place].note) == (tick["seq"], tick.get("note"))
            self.take(place, tick["symbol"], tick["price"])
        return True

    def hear_of(self, start: int, stop: int | None) -> None:
        """Check a gap, whose epoch isn't sent: in one epoch at least, none of it is held."""
        epochs = range(self.last[0], self.world.epoch + 1)
        last = math.inf if stop is None else stop
        assert start <= last
        assert not all(self.world.holds((epoch, start), (epoch, last)) for epoch in epochs)
        gone = {
            place
            for place in self.world.ticks
            if max(self.terms[0][0], self.last) < place < self.world.oldest
        }
        missing = {
            place
            for place in self.world.lost | self.world.ignored
            if place > max(self.terms[0][0], self.last)
        }
        named = {place for place in missing if start <= place[1] <= last}
        assert gone or named
        # The gap of a dropped range doesn't name the epochs of the gaps within it.
        self.told |= gone | named | {place for place in missing if place < self.world.oldest}

    def filter(self, symbols: Symbols) -> None:
        """Subscribe to other symbols, from the end on."""
        self.settle()
        self.symbols = symbols
        self.client.symbols = None if symbols is None else frozenset(symbols)
        session = self.wire.session
        assert session is not None
        session.receive(encode(Subscribe(symbols)).decode(), self.wire.now)
        self.terms = [(self.world.end, symbols)]


def price_of(log: TickLog, symbol: str) -> float:
    """Return the best bid of the newest book of a symbol."""
    book = log.books.newest(symbol)
    assert book is not None
    return float(book.bids[0, 0])


class ProtocolMachine(RuleBasedStateMachine):
    """A server and its clients through floods, cuts, restarts, relays and new epochs.

    Every tick that a log accepted, of the symbols asked for, reaches each client once and in order,
    or lies inside a gap that it was told, in which nothing lies that was still held. A client that
    has every tick has the newest order book of each of its symbols, too.
    """

    steps = 0
    book_price = 0.0

    @initialize(keep=st.sampled_from([1, 5, 40, 1000]), symbols=SYMBOLS)
    def begin(self, keep: int, symbols: Symbols) -> None:
        """Join a client to an empty server."""
        self.world = World(keep)
        self.listeners: list[Listener] = [V1Listener(self.world, symbols, None)]
        self.listeners[0].settle()

    @precondition(lambda self: len(self.listeners) < 4)
    @rule(
        kind=st.sampled_from([V1Listener, V1Listener, PlainListener]),
        symbols=SYMBOLS,
        history=st.sampled_from([None, 0, 3, 100]),
        most=st.sampled_from([0, 1, 2, math.inf]),
    )
    def join(
        self,
        kind: type[V1Listener | PlainListener],
        symbols: Symbols,
        history: int | None,
        most: float,
    ) -> None:
        """Join a further client, and deliver its first messages."""
        self.listeners.append(kind(self.world, symbols, history))
        self.listeners[-1].deliver(most)

    @rule(
        count=st.sampled_from([1, 1, 2, 7, 60, 300]),
        symbols=st.sampled_from(["A", "AB", "C", "BCD", "AZ"]),
        note=st.sampled_from([None, "x", "y", "z"]),
        step=st.sampled_from([1, 1, 1, 4]),
    )
    def publish(self, count: int, symbols: str, note: str | None, step: int) -> None:
        """Accept ticks, of new symbols and with new words and holes in the numbers now and then."""
        self.world.publish(count, symbols, note, step)

    @rule(symbols=st.sampled_from(["A", "AB", "CBA", "Z"]))
    def publish_books(self, symbols: str) -> None:
        """Accept order books without ticks; each has a price of its own."""
        self.book_price += 1
        side = np.array([[self.book_price, 1.0]])
        books = [Levels(symbol, side, side[:0]) for symbol in symbols]
        self.world.log.append(replace(read_ticks([]), books=books), received=0)

    @rule(count=st.sampled_from([1, 3, 50]))
    def restart_source(self, count: int) -> None:
        """Begin a new epoch in the same log, which has everything of the former one."""
        self.world.append(self.world.to_come())
        self.world.begin_epoch()
        self.world.publish(count)

    @rule(count=st.sampled_from([1, 2, 5, None, None]))
    def miss_ticks(self, count: int | None) -> None:
        """Leave out seqs, or begin a new epoch if the number of missing ticks isn't known."""
        self.world.miss(count)

    @rule(count=st.sampled_from([0, 0, 2, 50]))
    def restart(self, count: int) -> None:
        """Replace the server by one that knows nothing of the former."""
        self.world.begin_epoch()
        self.world.serve()
        self.world.publish(count)
        for listener in self.listeners:
            listener.serve()

    @rule(lag=st.sampled_from([0, 0, 1, 5, 1000]), reach=st.sampled_from([1, 6, 1000]))
    def switch_relay(self, lag: int, reach: int) -> None:
        """Replace the server by another relay, which may lag, or not reach as far back."""
        stop = max(len(self.world.stream) - lag, 0)
        self.world.serve()
        self.world.append(self.world.stream[max(stop - reach, 0) : stop])
        for listener in self.listeners:
            listener.serve()

    @rule(who=WHO)
    def cut(self, who: int) -> None:
        """Break a connection; messages in transit in either direction are lost."""
        self.listeners[who % len(self.listeners)].wire.cut()

    @rule(who=WHO, most=st.sampled_from([1, 1, 2, 5, math.inf]))
    def deliver(self, who: int, most: float) -> None:
        """Deliver some messages to a client."""
        self.listeners[who % len(self.listeners)].deliver(most)

    @rule(who=WHO)
    def settle(self, who: int) -> None:
        """Deliver everything to a client; then it has all ticks held, and gaps for the others."""
        self.listeners[who % len(self.listeners)].settle()

    @rule(seconds=st.sampled_from([0.5, 1.0, 5.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        for listener in self.listeners:
            listener.wire.now += seconds

    @rule(who=WHO)
    def repeat(self, who: int) -> None:
        """Deliver the last message twice, unless it is a hello."""
        listener = self.listeners[who % len(self.listeners)]
        wire = listener.wire
        if (
            isinstance(listener, V1Listener)
            and wire.session is not None
            and wire.messages
            and wire.messages[-1]["type"] != "hello"
        ):
            listener.repeat()

    @rule(who=WHO, symbols=SYMBOLS)
    def filter(self, who: int, symbols: Symbols) -> None:
        """Let a client subscribe to other symbols."""
        listener = self.listeners[who % len(self.listeners)]
        assert isinstance(listener, V1Listener | PlainListener)
        listener.filter(symbols)

    @invariant()
    def log_equals_the_model(self) -> None:
        """The server's log holds the newest ticks, against which every gap was checked."""
        type(self).steps += 1
        log, held = self.world.log, self.world.held
        assert len(log) == len(held)
        assert log.rows().array("seq").tolist() == [seq for _, seq in held]

    def teardown(self) -> None:
        """Deliver everything to every client."""
        for listener in getattr(self, "listeners", []):
            listener.settle()


def run(examples: int, steps: int) -> int:
    """Run the machine with this many examples and steps; return how many steps were run."""
    ProtocolMachine.steps = 0
    run_state_machine_as_test(
        ProtocolMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        ),
    )
    return ProtocolMachine.steps


def test_every_tick_comes_once_or_is_reported_missing() -> None:
    """In 3,000 random steps no client loses a tick, gets one twice, or gets a false gap."""
    assert run(100, 30) >= 1000


@pytest.mark.soak
def test_every_tick_comes_once_in_a_hundred_thousand_steps() -> None:
    """In 100,000 random steps no client loses a tick, gets one twice, or gets a false gap."""
    assert run(share_of(2600), 50) >= share_of(100_000)
