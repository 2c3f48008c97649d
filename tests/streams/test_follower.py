"""The follower takes each tick of a stream once and in order, and reports exact gaps."""

from __future__ import annotations

import pytest
from makers import Maker
from memory_broker import MemoryBroker, Task, wait

from tickerkit.errors import StreamError
from tickerkit.log import Gap, Position
from tickerkit.protocol import End, Hello, Received
from tickerkit.streams import Follower, Stored, StreamEvent, StreamMessage, follow
from tickerkit.streams.codec import encode_epoch


async def drive(broker: MemoryBroker, follower: Follower, events: list[StreamEvent]) -> None:
    """Follow a stream, and note its events."""
    while True:
        try:
            async for some in follow(broker, follower):
                events += some
        except StreamError:
            await wait()


class Relay:
    """A follower, and the events that it has made."""

    def __init__(self, broker: MemoryBroker, history: int = 1000) -> None:
        self.follower = Follower(history)
        self.events: list[StreamEvent] = []
        self.task = Task(drive(broker, self.follower, self.events))

    def run(self) -> list[str]:
        """Take all that the broker has, and return what came: `e1:1-5`, or `-e1:6-9` for a gap."""
        start = len(self.events)
        for _ in range(3):
            self.task.run()
        return [name_event(event) for event in self.events[start:]]


def name_event(event: StreamEvent) -> str:
    """Return a short text for an event."""
    match event:
        case Received():
            assert event.seq.tolist() == list(range(event.seq[0], event.seq[-1] + 1))
            return f"{event.epoch}:{event.seq[0]}-{event.seq[-1]}"
        case Gap():
            return f"-{event.epoch}:{event.first}-{event.last or '?'}"
        case Hello():
            return f"hello {event.epoch}"
        case End():
            return "end"


@pytest.fixture
def broker() -> MemoryBroker:
    """Return a broker with a new stream."""
    return MemoryBroker()


@pytest.fixture
def maker(broker: MemoryBroker) -> Maker:
    """Return a maker with five ticks in the stream."""
    maker = Maker(broker, "e1")
    maker.publish(5)
    return maker


@pytest.fixture
def relay(broker: MemoryBroker, maker: Maker) -> Relay:
    """Return a relay that has taken these five."""
    relay = Relay(broker)
    assert relay.run() == ["hello e1", "e1:1-5"]
    return relay


def test_ticks_come_as_they_are_written(maker: Maker, relay: Relay) -> None:
    """Those of a message come together."""
    maker.publish(2)
    maker.publish(3)
    assert relay.run() == ["e1:6-7", "e1:8-10"]
    assert relay.follower.position == Position("e1", 10)


def test_a_relay_waits_for_the_first_message(broker: MemoryBroker) -> None:
    """An empty stream has no epoch yet."""
    relay = Relay(broker)
    assert relay.run() == []
    Maker(broker, "e1").publish(2)
    assert relay.run() == ["hello e1", "e1:1-2"]


def test_a_fill_takes_the_newest_ticks(broker: MemoryBroker, maker: Maker) -> None:
    """It begins with the message that has the first of them, and with no gap."""
    for _ in range(30):
        maker.publish(10)
    assert Relay(broker, 24).run() == ["hello e1", "e1:276-285", "e1:286-295", "e1:296-305"]
    assert Relay(broker, 1).run() == ["hello e1", "e1:296-305"]
    assert len(Relay(broker, 10**6).run()) == 32


def test_a_fill_has_the_units_of_its_epoch(broker: MemoryBroker) -> None:
    """They are in the first message of the epoch, however far back that is."""
    maker = Maker(broker, "e1")
    maker.log.units = {"price": "°C"}
    for _ in range(30):
        maker.publish(10)
    relay = Relay(broker, 10)
    relay.run()
    hello = relay.events[0]
    assert isinstance(hello, Hello)
    assert hello.units == {"price": "°C"}
    assert hello.first == 291  # the log holds nothing before that


def test_a_fill_begins_where_it_was_meant_to(broker: MemoryBroker, maker: Maker) -> None:
    """Also if the subscription passed over the first messages."""
    Maker(broker, "e2").publish(3)
    broker.skips = 3
    assert Relay(broker).run() == ["hello e1", "e1:1-5", "-e1:6-?", "hello e2", "e2:1-3"]


def test_a_fill_goes_on_in_the_epoch_before(broker: MemoryBroker, maker: Maker) -> None:
    """Between two makers, an unknown number of ticks is missing."""
    maker.publish(5)
    Maker(broker, "e2").publish(3)
    expected = ["hello e1", "e1:6-10", "-e1:11-?", "hello e2", "e2:1-3"]
    assert Relay(broker, 6).run() == expected
    assert Relay(broker, 3).run() == ["hello e2", "e2:1-3"]


def test_a_fill_begins_with_a_tick(broker: MemoryBroker, maker: Maker) -> None:
    """A gap after the newest tick doesn't count: a reader may lack the tick before it."""
    maker.gaps.miss(7, "lost")
    maker.run()
    maker.ended = True
    maker.run()
    assert Relay(broker, 1).run() == ["hello e1", "e1:1-5", "-e1:6-12", "end"]


def test_a_fill_of_a_trimmed_stream_begins_with_its_oldest_message(
    broker: MemoryBroker, maker: Maker
) -> None:
    """What was trimmed before is not missing here."""
    maker.publish(5)
    maker.publish(5)
    broker.trim(1)
    assert Relay(broker).run() == ["hello e1", "e1:11-15"]


def test_a_fill_costs_few_reads(broker: MemoryBroker, maker: Maker) -> None:
    """Their number grows with the logarithm of that of the messages."""
    for _ in range(500):
        maker.publish(1)
    relay = Relay(broker, 100)
    relay.run()
    assert broker.reads < 60


def test_a_relay_goes_on_where_it_stood(broker: MemoryBroker, maker: Maker, relay: Relay) -> None:
    """A cut connection costs it nothing."""
    broker.cut()
    maker.publish(5)
    assert relay.run() == ["e1:6-10"]


def test_a_restart_of_the_maker_is_one_gap_of_unknown_size(
    broker: MemoryBroker, maker: Maker, relay: Relay
) -> None:
    """The relay goes on in the next epoch."""
    Maker(broker, "e2").publish(2)
    assert relay.run() == ["-e1:6-?", "hello e2", "e2:1-2"]


def test_a_gap_of_the_source_comes_once(maker: Maker, relay: Relay) -> None:
    """One of unknown size ends the epoch, and the change of epoch adds none."""
    maker.gaps.miss(3, "lost")
    maker.publish(1)
    maker.gaps.miss(None, "lost")
    maker.publish(1)
    epoch = maker.log.epoch
    assert relay.run() == ["-e1:6-8", "e1:9-9", "-e1:10-?", f"hello {epoch}", f"{epoch}:1-1"]


def test_the_end_comes_once(broker: MemoryBroker, maker: Maker, relay: Relay) -> None:
    """A reconnection does not repeat it."""
    maker.ended = True
    maker.run()
    assert relay.run() == ["end"]
    broker.cut()
    assert relay.run() == []
    assert relay.follower.has_ended


def test_what_was_trimmed_is_an_exact_gap(broker: MemoryBroker, maker: Maker, relay: Relay) -> None:
    """The stream no longer holds it."""
    broker.cut()
    for _ in range(4):
        maker.publish(5)
    broker.trim(2)
    assert relay.run() == ["-e1:6-15", "e1:16-20", "e1:21-25"]


def test_an_epoch_that_was_trimmed_is_named(
    broker: MemoryBroker, maker: Maker, relay: Relay
) -> None:
    """The beginning of the next one is missing too, and that is exact."""
    broker.cut()
    later = Maker(broker, "e2")
    for _ in range(4):
        later.publish(5)
    broker.trim(2)
    assert relay.run() == ["-e1:6-?", "hello e2", "-e2:1-10", "e2:11-15", "e2:16-20"]


def test_a_message_that_a_subscription_passed_over_is_read(
    broker: MemoryBroker, maker: Maker, relay: Relay
) -> None:
    """The stream holds it, so it is no gap."""
    broker.skips = 1
    maker.publish(5)
    maker.publish(5)
    assert relay.run() == ["e1:6-10", "e1:11-15"]


def test_a_message_that_was_passed_over_before_one_of_others_is_read(
    broker: MemoryBroker, maker: Maker, relay: Relay
) -> None:
    """What others wrote doesn't hide that a number is missing."""
    broker.skips = 1
    maker.publish(5)
    broker.write(None)
    Maker(broker, "e2").publish(5)
    assert relay.run() == ["e1:6-10", "-e1:11-?", "hello e2", "e2:1-5"]


def test_an_epoch_that_a_subscription_passed_over_is_read(
    broker: MemoryBroker, maker: Maker, relay: Relay
) -> None:
    """Also the rest of the epoch before it."""
    broker.skips = 3
    maker.publish(5)
    Maker(broker, "e2").publish(5)
    Maker(broker, "e3").publish(5)
    assert relay.run() == [
        *("e1:6-10", "-e1:11-?", "hello e2", "e2:1-5", "-e2:6-?", "hello e3", "e3:1-5"),
    ]


def test_a_message_that_the_broker_lost_is_an_exact_gap(
    broker: MemoryBroker, maker: Maker, relay: Relay
) -> None:
    """Also in the middle of a stream."""
    maker.publish(5)
    maker.publish(5)
    del broker.stored[broker.last - 1]
    assert relay.run() == ["-e1:6-10", "e1:11-15"]


def test_a_relay_beyond_the_end_of_a_stream_gets_what_comes(
    broker: MemoryBroker, maker: Maker, relay: Relay
) -> None:
    """After the broker lost its newest messages, they are written again, and cut elsewhere."""
    copy = broker.copy()
    for _ in range(9):
        maker.publish(10)
    assert relay.run()[-1] == "e1:86-95"
    broker.restore(copy)
    assert relay.run() == []
    maker.publish(5)  # in one message: the stream is shorter than before
    assert broker.last == 3
    assert relay.run() == ["e1:96-100"]


def test_a_number_that_is_used_again_does_not_hide_ticks(
    broker: MemoryBroker, maker: Maker, relay: Relay
) -> None:
    """The relay looks for what it lacks, wherever that stands now."""
    copy = broker.copy()
    for _ in range(3):
        maker.publish(10)
    relay.run()
    broker.is_up = False
    broker.restore(copy)
    relay.run()
    maker.publish(500)
    broker.is_up = True
    for _ in range(9):
        maker.publish(1)
    assert relay.run()[0] == "e1:36-536"
    assert relay.follower.position == maker.publisher.position


def test_a_lost_take_over_does_not_end_the_epoch(broker: MemoryBroker, maker: Maker) -> None:
    """The relay waits for the maker to take over again; it doesn't go back to the former epoch."""
    copy = broker.copy()
    later = Maker(broker, "e2")
    later.publish(5)
    for history in (1000, 5):
        relay = Relay(broker, history)
        relay.run()
        kept = broker.copy()
        broker.restore(copy)
        assert relay.run() == []
        broker.restore(kept)
    broker.restore(copy)
    later.publish(5)
    assert relay.run() == ["e2:6-10"]


def test_a_body_that_cannot_be_read_is_an_exact_gap(
    broker: MemoryBroker, maker: Maker, relay: Relay
) -> None:
    """It is counted, and its headers say what is missing."""
    maker.publish(5)
    broken = broker.stored[broker.last]
    assert broken is not None
    broker.stored[broker.last] = StreamMessage("ticks", "e1", 6, 5, broken.body[:-9])
    maker.publish(1)
    assert relay.run() == ["-e1:6-10", "e1:11-11"]
    assert relay.follower.unreadable == 1


def test_messages_of_others_are_passed_over(
    broker: MemoryBroker, maker: Maker, relay: Relay
) -> None:
    """They hide nothing, wherever they stand."""
    broker.write(None)
    maker.publish(1)
    broker.write(None)
    broker.write(StreamMessage("ticks", "", 0, 0, b""))
    assert relay.run() == ["e1:6-6"]
    broker.cut()
    assert relay.run() == []
    assert Relay(broker, 1).run() == ["hello e1", "e1:6-6"]


def test_a_follower_says_whether_it_holds_a_tail(
    broker: MemoryBroker, maker: Maker, relay: Relay
) -> None:
    """It holds what it took, and all former epochs; an empty stream proves nothing."""
    follower = relay.follower
    assert not follower.holds(Stored(0, None))
    assert follower.holds(Stored(2, broker.stored[2]))
    maker.publish(1)
    tail = Stored(3, broker.stored[3])
    assert not follower.holds(tail)
    relay.run()
    assert follower.holds(tail)
    later = Stored(4, encode_epoch("e2", 1, {}))
    assert not follower.holds(later)
    Maker(broker, "e2").publish(1)
    relay.run()
    assert follower.holds(later)
    assert follower.holds(tail)
    lost = StreamMessage("ticks", "e1", 7, 9, b"")
    assert follower.holds(Stored(9, lost)), "the gap at the end of its epoch names it"


def test_a_follower_sees_that_a_stream_has_gone_back(broker: MemoryBroker, relay: Relay) -> None:
    """A read that goes on then may wait for a number that others get."""
    assert not relay.follower.is_behind(Stored(2, None), 2)
    assert relay.follower.is_behind(Stored(1, None), 2)


def test_an_answer_that_was_overtaken_by_a_message_shows_no_loss(
    broker: MemoryBroker, maker: Maker, relay: Relay
) -> None:
    """The newest message may be read between the question for the stream's end and its answer."""
    before, tail = relay.follower.number, Stored(2, broker.stored[2])
    maker.publish(1)
    relay.run()
    assert relay.follower.number == 3
    assert not relay.follower.is_behind(tail, before)
    relay.follower.number = 0
    assert not relay.follower.is_behind(Stored(1, None), before), "it is read anew"
