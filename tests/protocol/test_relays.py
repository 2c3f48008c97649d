"""Relays: a reader that moves between servers of one stream gets each tick once, and no false gap.

Each relay's log comes from the same maker, and may lag behind it, so behind its own readers too.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from relays import Relay, hello, ticks
from wires import Wire

from tickerkit.log import Gap, Position, TickLog
from tickerkit.protocol import (
    SUBPROTOCOL,
    At,
    CaughtUp,
    Client,
    Received,
    Session,
    Taken,
    session_for,
)
from tickerkit.protocol.tick_session import NOT_CAUGHT_UP
from tickerkit.protocol.v1 import HEARTBEAT_S


def reader(epoch: str, seq: int, symbols: list[str] | None = None) -> Wire:
    """Return a reader that has had all ticks up to this position from another relay."""
    client = Client(symbols, 0)
    client.epoch, client.seq = epoch, seq
    return Wire(TickLog(), client=client)


def join(wire: Wire, relay: Relay) -> Wire:
    """Connect a reader to a relay, and deliver all messages."""
    wire.serve(relay.log, relay.publication)
    wire.run()
    return wire


def close_of(wire: Wire) -> tuple[int, str] | None:
    """Return the code and reason with which the relay closes the connection."""
    assert wire.session is not None
    return wire.session.close


def greet(relay: Relay, subprotocol: str | None, path: str) -> tuple[Session, list[Any]]:
    """Return a new connection, and the messages that it sends to a client that subscribes."""
    session = session_for(relay.publication, subprotocol, path, 0)
    session.receive('{"type": "subscribe"}', 0)
    session.receive("no JSON", 0)
    messages = []
    while (message := session.next_message(1000)) is not None:
        messages.append(json.loads(message))
    return session, messages


# --- a reader that is ahead in the current epoch --------------------------------------------------


@pytest.mark.parametrize("symbols", [None, ["A"]])
def test_reader_ahead_of_the_relay_waits_for_further_ticks(symbols: list[str] | None) -> None:
    """What it has comes again, and is dropped; there is no gap, and its position never falls."""
    relay = Relay(hello("E1"), ticks("E1", 1, 900, "AB"))
    wire = join(reader("E1", 1000, symbols), relay)
    for first in range(901, 1101, 10):
        relay.take(ticks("E1", first, first + 9, "AB"))
        wire.now += HEARTBEAT_S
        wire.run()
        assert wire.client.seq >= 1000
    assert wire.seqs() == [seq for seq in range(1001, 1101) if symbols is None or seq % 2 == 0]
    assert wire.gaps() == []
    assert min(event.seq for event in wire.events_of(At)) == 1000
    assert (wire.client.epoch, wire.client.seq) == ("E1", 1100)


def test_reader_ahead_is_not_sent_gaps_that_only_this_relay_has() -> None:
    """The stream was trimmed before this relay had read on; the reader had some of these ticks."""
    relay = Relay(hello("E1"), ticks("E1", 1, 200))
    wire = join(reader("E1", 1000), relay)
    relay.take(Gap("E1", 201, 700, "trimmed"))
    wire.run()
    relay.take(ticks("E1", 701, 800), Gap("E1", 801, 1850, "trimmed"), ticks("E1", 1851, 1860))
    wire.run()
    assert wire.gaps() == [("E1", 1001, 1850)]
    assert wire.seqs() == list(range(1851, 1861))


def test_reader_ahead_that_falls_off_the_log_is_sent_only_what_it_lacks() -> None:
    """A relay drops ticks that it has not sent, of which the reader had some."""
    relay = Relay(hello("E1"), ticks("E1", 1, 900), keep=1000)
    wire = join(reader("E1", 1500), relay)
    relay.take(*(ticks("E1", first, first + 99) for first in range(901, 2001, 100)))
    wire.run()
    assert wire.gaps() == []
    assert wire.seqs() == list(range(1501, 2001))
    wire = join(reader("E1", 2500), relay)
    relay.take(*(ticks("E1", first, first + 99) for first in range(2001, 4001, 100)))
    wire.run()
    assert wire.gaps() == [("E1", 2501, 3000)]
    assert wire.seqs() == list(range(3001, 4001))


def test_reader_ahead_may_fall_off_the_log_twice_before_it_gets_a_tick() -> None:
    """It still lacks none of the ticks that the relay drops."""
    relay = Relay(hello("E1"), ticks("E1", 1, 100), keep=100)
    wire = join(reader("E1", 500), relay)
    for first in (101, 301):
        relay.take(*(ticks("E1", n, n + 9) for n in range(first, first + 200, 10)))
        wire.run(1)
        assert wire.types()[-1] == "hello"
    wire.run()
    relay.take(ticks("E1", 501, 510))
    wire.run()
    assert wire.gaps() == []
    assert wire.seqs() == list(range(501, 511))


def test_reader_ahead_reaches_the_end_of_the_epoch() -> None:
    """The gap there begins after the reader's last tick; in the next epoch it is not ahead."""
    relay = Relay(hello("E1"), ticks("E1", 1, 900))
    wire = join(reader("E1", 1000), relay)
    relay.take(ticks("E1", 901, 1000), Gap("E1", 1001, None, "restarted"))
    wire.run()
    relay.take(hello("E2"), ticks("E2", 1, 5))
    wire.run()
    assert wire.gaps() == [("E1", 1001, None)]
    assert [event.epoch for event in wire.events_of(Received)] == ["E2"]
    assert wire.seqs() == [1, 2, 3, 4, 5]


def test_reader_ahead_in_an_earlier_epoch_goes_on_after_its_end() -> None:
    """The relay lacks the end of that epoch for good, which only other readers get as a gap."""
    relay = Relay(
        hello("E1"),
        ticks("E1", 1, 900),
        Gap("E1", 901, 950, "trimmed"),
        Gap("E1", 951, None, "restarted"),
        hello("E2"),
        ticks("E2", 1, 5),
    )
    ahead, behind = join(reader("E1", 1000), relay), join(reader("E1", 920), relay)
    assert ahead.gaps() == [("E1", 1001, None)]
    assert behind.gaps() == [("E1", 921, 950), ("E1", 951, None)]
    assert ahead.seqs() == behind.seqs() == [1, 2, 3, 4, 5]


def test_earlier_epoch_that_the_relay_holds_from_its_middle_is_resumed() -> None:
    """A relay that was started late has not all of its first epoch."""
    relay = Relay(hello("E1"), ticks("E1", 501, 1000), hello("E2"), ticks("E2", 1, 5))
    early, late = join(reader("E1", 300), relay), join(reader("E1", 600), relay)
    assert early.gaps() == [("E1", 301, 500)]
    assert late.gaps() == []
    assert early.seqs() == [*range(501, 1001), 1, 2, 3, 4, 5]
    assert late.seqs() == [*range(601, 1001), 1, 2, 3, 4, 5]


def test_reader_behind_an_epoch_of_which_no_tick_has_come_gets_the_gap() -> None:
    """The stream was trimmed up to its newest message: no tick will show how many are missing."""
    relay = Relay(hello("E1", 101))
    wire = join(reader("E1", 60), relay)
    relay.take(ticks("E1", 101, 103))
    wire.run()
    assert wire.gaps() == [("E1", 61, 100)]
    assert wire.seqs() == [101, 102, 103]


def test_reader_behind_an_ended_epoch_of_which_no_tick_has_come_gets_all_gaps() -> None:
    """The relay began with a gap of that epoch, behind the reader's last tick."""
    relay = Relay(
        hello("E1", 6),
        Gap("E1", 6, 9, "lost"),
        Gap("E1", 10, None, "restarted"),
        hello("E2"),
        ticks("E2", 1, 5),
    )
    wire = join(reader("E1", 4), relay)
    assert wire.gaps() == [("E1", 5, 5), ("E1", 6, 9), ("E1", 10, None)]
    assert wire.seqs() == [1, 2, 3, 4, 5]


def test_subscription_to_other_symbols_may_go_back() -> None:
    """The client says where it resumes: what it had on this connection before doesn't count."""
    relay = Relay(hello("E1"), ticks("E1", 1, 900))
    wire = join(reader("E1", 1000), relay)
    session = wire.session
    assert session is not None
    session.receive('{"type": "subscribe", "resume": {"epoch": "E1", "seq": 895}}', 0)
    sent = [json.loads(session.next_message(0) or b"") for _ in range(2)]
    assert sent[0] == {"type": "at", "seq": 895}
    assert (sent[1]["seq"], sent[1]["count"]) == (896, 5)


# --- a reader of an epoch that the relay does not know --------------------------------------------


def test_reader_of_an_unknown_epoch_is_sent_elsewhere_until_the_relay_has_caught_up() -> None:
    """The epoch is on its way: neither a gap nor the former epoch's ticks come again."""
    relay = Relay(hello("E1"), ticks("E1", 1, 1000))
    wire = join(reader("E2", 50), relay)
    assert close_of(wire) == NOT_CAUGHT_UP == (1013, "this relay has not caught up; connect again")
    assert wire.types() == ["hello"]
    relay.take(Gap("E1", 1001, None, "restarted"), hello("E2"), ticks("E2", 1, 40))
    join(wire, relay)
    relay.take(ticks("E2", 41, 60))
    wire.run()
    assert close_of(wire) is None
    assert wire.gaps() == []
    assert wire.seqs() == list(range(51, 61))


def test_message_after_the_refusal_is_not_answered() -> None:
    """The connection is about to be closed."""
    relay = Relay(hello("E1"), ticks("E1", 1, 1000))
    wire = join(reader("E2", 50), relay)
    assert wire.session is not None
    for message in ('{"type": "subscribe"}', "no JSON"):
        wire.session.receive(message, 0)
    relay.take(ticks("E1", 1001, 1002))
    assert wire.session.next_message(1000) is None
    assert wire.session.due() is None


def test_reader_of_a_foreign_epoch_gets_a_gap_and_all_that_the_relay_holds() -> None:
    """It is foreign once the relay has looked at the stream, after the question, without it."""
    relay = Relay(hello("E1"), ticks("E1", 1, 10))
    wire = join(reader("X", 50), relay)
    relay.take(CaughtUp(0))
    assert close_of(join(wire, relay)) == NOT_CAUGHT_UP
    relay.take(CaughtUp(relay.origin.questions))
    assert close_of(join(wire, relay)) is None
    assert wire.gaps() == [("X", 51, None)]
    assert wire.seqs() == list(range(1, 11))


# --- a relay that has not caught up ---------------------------------------------------------------


@pytest.mark.parametrize(
    "events",
    [(), (hello("E1"),), (hello("E1"), ticks("E1", 1, 100)), (CaughtUp(0),)],
    ids=["nothing", "only an epoch", "some ticks", "an empty stream"],
)
@pytest.mark.parametrize(
    ("subprotocol", "path"), [(SUBPROTOCOL, "/"), (None, "/ticks"), (None, "/")]
)
def test_relay_that_has_not_caught_up_says_nothing(
    events: tuple[Taken, ...], subprotocol: str | None, path: str
) -> None:
    """A log has an id of its own before the stream gives it an epoch; no reader gets that id."""
    session, messages = greet(Relay(*events, is_ready=False), subprotocol, path)
    assert messages == []
    assert session.close == NOT_CAUGHT_UP


def test_reader_of_a_relay_that_is_still_filling_gets_no_gap() -> None:
    """It connects again, and resumes once the relay has caught up."""
    relay = Relay(hello("E1"), ticks("E1", 1, 100), is_ready=False)
    wire = join(reader("E1", 1000), relay)
    assert wire.types() == []
    relay.take(ticks("E1", 101, 1010), CaughtUp(0))
    join(wire, relay)
    assert wire.gaps() == []
    assert wire.seqs() == list(range(1001, 1011))


def test_first_reader_of_a_relay_gets_the_epoch_of_the_stream() -> None:
    """Also where the stream has no tick yet."""
    relay = Relay(hello("E1"))
    wire = join(Wire(TickLog(), client=Client(None, None)), relay)
    assert (wire.client.epoch, wire.client.seq) == ("E1", 0)
    relay.take(ticks("E1", 1, 3))
    wire.run()
    assert wire.seqs() == [1, 2, 3]


# --- events of the stream between which readers are served ----------------------------------------


@pytest.mark.parametrize("hello_first", [True, False])
def test_gap_at_an_epochs_end_comes_once_whatever_the_relay_has_taken(hello_first: bool) -> None:
    """A reader may be served, or resume, between the gap and the hello of the next epoch."""
    seam: list[Taken] = [Gap("E1", 11, None, "restarted"), hello("E2")]
    relay = Relay(hello("E1"), ticks("E1", 1, 10))
    wires = [join(reader("E1", 10), relay)]
    for event in reversed(seam) if hello_first else seam:
        relay.take(event)
        wires.append(join(reader("E1", 10), relay))
        for wire in wires:
            wire.run()
    relay.take(At(0), ticks("E2", 1, 3))
    for wire in wires:
        wire.run()
        assert wire.gaps() == [("E1", 11, None)]
        assert wire.seqs() == [1, 2, 3]


# --- the client -----------------------------------------------------------------------------------


def test_client_never_goes_back() -> None:
    """Neither old ticks, nor the hello of an old epoch, nor a lower `at` move its position."""
    relay = Relay(hello("E1"), ticks("E1", 1, 10), hello("E2"), ticks("E2", 1, 40))
    wire = join(reader("E2", 50), relay)
    old = Relay(hello("E1"), ticks("E1", 1, 10))
    join(wire, old)
    join(wire, relay)
    wire.client.receive('{"type":"at","seq":3}')
    relay.take(ticks("E2", 41, 49))
    wire.run()
    assert (wire.client.epoch, wire.client.seq) == ("E2", 50)
    assert wire.seqs() == []
    assert wire.gaps() == []


def test_client_resumes_after_a_gap_of_its_former_epoch() -> None:
    """If the connection breaks right after that gap, the next one need not send it again."""
    client = Client(None, 0)
    client.epoch, client.seq = "E1", 10
    client.start_connection()
    for message in (
        '{"type":"hello","epoch":"E2","first":1,"next":1,"symbols":[],"columns":{}}',
        '{"type":"gap","epoch":"E1","from":11,"to":12,"reason":"lost"}',
    ):
        client.receive(message)
    assert Position(client.epoch, client.seq) == Position("E1", 12)


def test_reader_that_is_led_back_to_a_former_epoch_gets_none_of_its_ticks_again() -> None:
    """The brokers have lost the newest epoch, and this relay has never had it."""
    maker = Relay(hello("E1"), ticks("E1", 1, 10), Gap("E1", 11, None, "restart"), hello("E2"))
    maker.take(ticks("E2", 1, 5))
    wire = join(Wire(TickLog(), client=Client(None, None)), maker)
    assert (wire.client.epoch, wire.client.seq) == ("E2", 5)
    relay = Relay(Gap("E1", 1, 3, "trimmed"), hello("E1"), ticks("E1", 4, 12))
    relay.origin.is_foreign("E2")
    relay.take(CaughtUp(1))
    join(wire, relay)
    assert wire.seqs() == [*range(1, 11), *range(1, 6), 11, 12]
    assert wire.gaps() == [("E1", 11, None), ("E2", 6, None)]


@pytest.mark.parametrize(
    "events",
    [
        [Gap("E2", 17, 32, "x"), Gap("E2", 14, 19, "x"), hello("E2")],
        [Gap("E2", 28, 31, "x"), hello("E2"), Gap("E2", 34, 3, "x")],
        [hello("E2"), Gap("E2", 0, 5, "x")],
    ],
)
def test_hostile_gaps_end_and_can_be_read(events: list[Taken]) -> None:
    """They may be in any order, or end before they begin."""
    relay = Relay(hello("E1"), ticks("E1", 21, 23), *events)
    client, answer = Client(None, None), session_for(relay.publication, SUBPROTOCOL, "/", 0)
    answer.receive('{"type": "subscribe", "history": null}', 0)
    for _ in range(20):
        message = answer.next_message(0)
        if message is None:
            break
        list(client.receive(message))
    else:
        pytest.fail("the messages have no end")
