"""Taker: a log that is filled from another has its epochs, seqs and gaps."""

from __future__ import annotations

import numpy as np
import pytest
from wires import Wire, publish

from tickerkit.errors import InvalidArgument
from tickerkit.limits import MAX_SYMBOLS
from tickerkit.log import Gap, Gaps, TickLog
from tickerkit.protocol import At, CaughtUp, End, Hello, Origin, Received, Taker
from tickerkit.ticks import Batch, read_ticks


def batch(count: int) -> Batch:
    """Return ticks."""
    return read_ticks([{"symbol": "A", "price": n} for n in range(count)])


def received(epoch: str, *seqs: int) -> Received:
    """Return ticks with these seqs."""
    return Received(batch(len(seqs)), epoch, np.array(seqs, dtype=np.int64))


def hello(epoch: str, first: int = 1) -> Hello:
    """Return a hello of a log that holds the ticks from `first` on."""
    return Hello(epoch, first, first, [], {})


def taken(*events: object, origin: Origin | None = None) -> tuple[TickLog, Gaps, Taker]:
    """Return a log that has taken these events, its gaps, and the taker."""
    log = TickLog(1000)
    gaps = Gaps(log)
    taker = Taker(log, gaps, origin)
    for event in events:
        taker.take(event, 7)  # type: ignore[arg-type]
    return log, gaps, taker


def test_log_has_the_epochs_seqs_and_gaps_of_the_other() -> None:
    """Ticks keep their numbers; what is missing in the current epoch is skipped."""
    log, gaps, _ = taken(
        hello("e1", 5),
        received("e1", 5, 6),
        Gap("e1", 7, 9, "lost"),
        received("e1", 10),
        Gap("e1", 11, None, "restarted"),
        hello("e2"),
        Gap("e2", 1, 3, "lost"),
    )
    frame = log.frame()
    assert list(zip(frame["epoch"], frame["seq"], strict=True)) == [
        ("e1", 5),
        ("e1", 6),
        ("e1", 10),
    ]
    assert (log.epoch, log.last_seq) == ("e2", 3)
    assert [(gap.epoch, gap.first, gap.last) for gap in gaps.between(0, 9)] == [
        ("e1", 7, 9),
        ("e1", 11, None),
        ("e2", 1, 3),
    ]


def test_log_stands_where_the_other_says_that_its_ticks_begin() -> None:
    """A hello names the oldest seq that the other log holds, an `at` the seq before the next."""
    assert taken(hello("e", 101))[0].last_seq == 100
    assert taken(hello("e", 101), At(150))[0].last_seq == 150
    assert taken(hello("e"), At(5), hello("e"), At(3))[0].last_seq == 5


def test_first_hello_begins_its_epoch_also_without_a_tick() -> None:
    """Until then, the log's epoch is an id of its own, which no reader may get."""
    log, _, _ = taken()
    assert log.runs == []
    log, _, _ = taken(hello(log.epoch))
    assert [run.epoch for run in log.runs] == [log.epoch]


def test_units_are_those_of_the_newest_hello_that_has_any() -> None:
    """Some hellos have none, although the ticks have units."""
    with_units = hello("e1")
    with_units.units = {"temperature": "°C"}
    assert taken(with_units, hello("e2"))[0].units == {"temperature": "°C"}


def test_end_is_noted_until_another_epoch_begins() -> None:
    """After the end, the maker may be started again."""
    assert not taken(hello("e1"))[2].ended
    assert taken(hello("e1"), End(), hello("e1"))[2].ended
    assert not taken(hello("e1"), End(), hello("e2"))[2].ended


def test_origin_notes_that_the_log_has_caught_up() -> None:
    """A log without an origin ignores it."""
    origin = Origin()
    taken(hello("e"), CaughtUp(0), origin=origin)
    assert origin.is_ready
    taken(hello("e"), CaughtUp(0))


def test_ticks_of_symbols_beyond_the_room_are_gaps() -> None:
    """The others keep their numbers."""
    words = [f"S{n}" for n in range(MAX_SYMBOLS - 1)]
    log, gaps, taker = taken(hello("e"))
    first = read_ticks([{"symbol": word, "price": 1} for word in words])
    taker.take(Received(first, "e", np.arange(1, len(words) + 1)), 7)
    more = read_ticks([{"symbol": word, "price": 1} for word in ("S1", "new", "newer", "new")])
    error = taker.take(Received(more, "e", np.arange(70_001, 70_005)), 7)
    assert error is not None
    assert error.value == "newer"
    assert log.rows().array("seq")[-3:].tolist() == [70_001, 70_002, 70_004]
    assert [(gap.first, gap.last) for gap in gaps.between(0, log.stop)] == [(70_003, 70_003)]


def test_copy_of_a_log_refuses_to_count_on() -> None:
    """Its next tick would get a number that the other log gives to another tick."""
    log, gaps, _ = taken(hello("e"), received("e", 1), origin=Origin())
    with pytest.raises(InvalidArgument, match="numbering of another"):
        publish(log)
    with pytest.raises(InvalidArgument, match="numbering of another"):
        gaps.miss(1, "no reason")
    with pytest.raises(InvalidArgument, match="numbering of another"):
        gaps.miss(None, "no reason")
    assert (log.epoch, log.last_seq, len(gaps)) == ("e", 1, 0)


def test_log_that_takes_what_a_client_receives_equals_the_servers() -> None:
    """So a relay of a server has its numbers."""
    maker = TickLog(1000, epoch="e1")
    publish(maker, 30)
    maker.begin("e2")
    publish(maker, 5)
    wire = Wire(maker)
    wire.run()
    log, gaps, _ = taken(*wire.events, origin=Origin())
    for name in ("epoch", "seq", "symbol", "price"):
        assert log.frame()[name].tolist() == maker.frame()[name].tolist()
    assert (log.epoch, log.last_seq, len(gaps)) == ("e2", 5, 0)
