"""The publisher writes a log to a stream, whatever the broker does."""

from __future__ import annotations

import pytest
from makers import Maker, drive, pieces
from memory_broker import MemoryBroker, Task
from wires import publish

from tickerkit.log import Position
from tickerkit.streams import Publisher


@pytest.fixture
def broker() -> MemoryBroker:
    """Return a broker with a new stream."""
    return MemoryBroker()


@pytest.fixture
def maker(broker: MemoryBroker) -> Maker:
    """Return a maker that has taken over."""
    maker = Maker(broker, "e1")
    maker.run()
    return maker


def test_a_maker_takes_over_with_its_epoch(broker: MemoryBroker, maker: Maker) -> None:
    """The first message says from which seq on it publishes."""
    assert pieces(broker) == [("epoch", "e1", 1, 0)]
    assert maker.publisher.position == Position("e1", 0)


def test_ticks_that_come_meanwhile_go_into_the_next_message(broker: MemoryBroker) -> None:
    """There is one message under way, and it has up to 4,096 ticks."""
    maker = Maker(broker, "e1", 10_000)
    publish(maker.log, 5000)
    maker.run()
    publish(maker.log, 10)
    maker.run()
    assert pieces(broker)[1:] == [
        ("ticks", "e1", 1, 4096),
        ("ticks", "e1", 4097, 904),
        ("ticks", "e1", 5001, 10),
    ]
    assert maker.publisher.behind == 0


def test_it_begins_with_the_oldest_tick_held(broker: MemoryBroker) -> None:
    """What the log dropped before is not reported as missing."""
    maker = Maker(broker, "e1", 10)
    publish(maker.log, 25)
    maker.run()
    assert pieces(broker) == [("epoch", "e1", 16, 0), ("ticks", "e1", 16, 10)]


def test_a_gap_of_the_source_lies_between_two_messages(broker: MemoryBroker, maker: Maker) -> None:
    """It travels with its reason, and grows as the source's does."""
    maker.publish(3)
    maker.gaps.miss(2, "lost")
    maker.run()
    maker.gaps.miss(3, "lost")
    maker.publish(1)
    assert pieces(broker)[1:] == [
        ("ticks", "e1", 1, 3),
        ("gap", "e1", 4, 2),
        ("gap", "e1", 6, 3),
        ("ticks", "e1", 9, 1),
    ]


def test_after_a_gap_of_unknown_size_comes_another_epoch(
    broker: MemoryBroker, maker: Maker
) -> None:
    """Both are the maker's own, and neither fences it."""
    maker.publish(3)
    maker.gaps.miss(None, "lost")
    maker.publish(1)
    epoch = maker.log.epoch
    assert pieces(broker)[2:] == [
        ("gap", "e1", 4, 0),
        ("epoch", epoch, 1, 0),
        ("ticks", epoch, 1, 1),
    ]
    maker.publisher.doubt()
    maker.publish(1)
    assert pieces(broker)[-1] == ("ticks", epoch, 2, 1)


def test_the_end_is_written_once(broker: MemoryBroker, maker: Maker) -> None:
    """It comes after the last tick, also if its answer is lost."""
    maker.publish(2)
    maker.ended = True
    broker.outcome = "doubtful"
    maker.run()
    assert pieces(broker)[1:] == [("ticks", "e1", 1, 2), ("end", "e1", 3, 0)]
    assert maker.publisher.has_ended


@pytest.mark.parametrize("outcome", ["doubtful", "lost"])
def test_a_put_in_doubt_is_stored_once(broker: MemoryBroker, maker: Maker, outcome: str) -> None:
    """The tail shows whether it was stored."""
    broker.outcome = outcome  # type: ignore[assignment]
    maker.publish(5)
    maker.publish(5)
    assert [piece for piece in pieces(broker) if piece[0] == "ticks"] == [
        ("ticks", "e1", 1, 5),
        ("ticks", "e1", 6, 5),
    ]
    assert maker.publisher.republished == 0


@pytest.mark.parametrize("outcome", ["doubtful", "lost"])
def test_a_take_over_in_doubt_happens_once(broker: MemoryBroker, outcome: str) -> None:
    """It is repeated if it was not stored."""
    broker.outcome = outcome  # type: ignore[assignment]
    maker = Maker(broker, "e1")
    maker.publish(5)
    assert pieces(broker) == [("epoch", "e1", 1, 0), ("ticks", "e1", 1, 5)]


def test_the_later_maker_fences_the_former_for_good(broker: MemoryBroker, maker: Maker) -> None:
    """The former finds another's epoch, and writes nothing more."""
    maker.publish(5)
    later = Maker(broker, "e2")
    later.publish(1)
    maker.publish(5)
    assert maker.publisher.fenced_by == "e2"
    assert maker.publisher.next_put() is None
    maker.publisher.doubt()
    assert not maker.publisher.needs_tail
    assert pieces(broker)[2:] == [("epoch", "e2", 1, 0), ("ticks", "e2", 1, 1)]


def test_a_take_over_in_doubt_is_not_repeated_after_the_next_maker_s(
    broker: MemoryBroker, maker: Maker
) -> None:
    """It was stored, so the next maker has taken over from it."""
    later, latest = Maker(broker, "e2"), Maker(broker, "e3")
    broker.outcome = "doubtful"
    later.task.run()
    latest.publish(1)
    later.publish(1)
    assert later.publisher.fenced_by == "e3"
    latest.publish(1)
    assert [epoch for _, epoch, *_ in pieces(broker)] == ["e1", "e2", "e3", "e3", "e3"]


def test_a_take_over_that_was_refused_is_repeated(broker: MemoryBroker, maker: Maker) -> None:
    """The former maker has written meanwhile."""
    later = Maker(broker, "e2")
    for _ in range(2):
        later.task.step()
    maker.publish(1)
    later.publish(1)
    assert later.publisher.fenced_by is None
    maker.publish(1)
    assert maker.publisher.fenced_by == "e2"


def test_what_the_broker_lost_is_written_again(broker: MemoryBroker, maker: Maker) -> None:
    """The log still holds it; the segments may be cut elsewhere."""
    maker.publish(5)
    copy = broker.copy()
    maker.publish(5)
    maker.publish(5)
    broker.restore(copy)
    maker.publish(5)
    assert pieces(broker)[1:] == [("ticks", "e1", 1, 5), ("ticks", "e1", 6, 15)]
    assert maker.publisher.republished == 10


def test_what_neither_broker_nor_log_hold_is_a_gap(broker: MemoryBroker) -> None:
    """Its range is exact."""
    maker = Maker(broker, "e1", 10)
    maker.publish(5)
    broker.is_up = False
    maker.publish(30)
    broker.is_up = True
    maker.run()
    assert pieces(broker)[1:] == [
        ("ticks", "e1", 1, 5),
        ("gap", "e1", 6, 20),
        ("ticks", "e1", 26, 10),
    ]


def test_an_epoch_that_was_dropped_unread_ends_with_a_gap(broker: MemoryBroker) -> None:
    """Its size is not known, and the next epoch begins with the oldest tick held."""
    maker = Maker(broker, "e1", 10)
    maker.publish(5)
    broker.is_up = False
    maker.publish(3)
    maker.gaps.miss(None, "lost")
    maker.publish(15)
    broker.is_up = True
    maker.run()
    epoch = maker.log.epoch
    assert pieces(broker)[2:] == [
        ("gap", "e1", 6, 0),
        ("epoch", epoch, 6, 0),
        ("ticks", epoch, 6, 10),
    ]


@pytest.mark.parametrize("loss", ["delete", "purge"])
def test_a_stream_that_lost_the_take_over_is_written_again(
    broker: MemoryBroker, maker: Maker, loss: str
) -> None:
    """It gets all that the log holds."""
    maker.publish(5)
    maker.publish(5)
    getattr(broker, loss)()
    maker.publisher.doubt()
    maker.publish(1)
    assert pieces(broker) == [("epoch", "e1", 1, 0), ("ticks", "e1", 1, 11)]


def test_a_former_makers_tail_before_the_take_over_does_not_fence(broker: MemoryBroker) -> None:
    """The broker has lost the take-over: it is repeated."""
    former = Maker(broker, "e1")
    former.publish(5)
    copy = broker.copy()
    later = Maker(broker, "e2")
    later.publish(5)
    broker.restore(copy)
    later.publish(5)
    assert later.publisher.fenced_by is None
    assert pieces(broker)[2:] == [("epoch", "e2", 1, 0), ("ticks", "e2", 1, 10)]


def test_a_message_of_others_does_not_fence(broker: MemoryBroker, maker: Maker) -> None:
    """The newest message of a maker is looked for behind it."""
    maker.publish(5)
    broker.write(None)
    maker.publish(5)
    assert pieces(broker)[1:] == [("ticks", "e1", 1, 5), ("ticks", "e1", 6, 5)]


def test_a_second_publisher_of_a_log_goes_on_after_the_first(
    broker: MemoryBroker, maker: Maker
) -> None:
    """The seqs of an epoch never go back in a stream."""
    maker.publish(5)
    second = Publisher(maker.log, maker.gaps, lambda: False)
    publish(maker.log, 5)
    Task(drive(second, broker)).run()
    assert pieces(broker)[2:] == [("epoch", "e1", 6, 0), ("ticks", "e1", 6, 5)]


def test_a_hole_that_nobody_reported_is_a_gap(broker: MemoryBroker, maker: Maker) -> None:
    """A stream has each seq of an epoch, as a tick or as a missing one."""
    maker.publish(2)
    maker.log.skip(3)
    maker.publish(2)
    maker.log.skip(1)
    maker.publish(1)
    assert pieces(broker)[2:] == [
        ("gap", "e1", 3, 3),
        ("ticks", "e1", 6, 2),
        ("gap", "e1", 8, 1),
        ("ticks", "e1", 9, 1),
    ]
