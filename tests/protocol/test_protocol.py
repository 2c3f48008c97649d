"""The wire protocol: both ends as state machines, joined by an imaginary wire.

The wire delivers messages one by one. It may deliver a message twice, and may be cut after any:
messages in transit are lost, as on a real connection.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from soaks import examples
from wires import Wire, publish

from tickerkit.errors import ProtocolError
from tickerkit.formatting import format_value
from tickerkit.limits import MAX_COLUMNS
from tickerkit.log import Gap, Gaps, TickLog
from tickerkit.protocol import (
    SUBPROTOCOL,
    At,
    Client,
    End,
    Error,
    EveryTickSession,
    Hello,
    PlainClient,
    PricesSession,
    Publication,
    Received,
    Session,
    TextColumn,
    Ticks,
    V1Session,
    session_for,
)
from tickerkit.protocol.decode import decode_ticks
from tickerkit.protocol.messages import encode
from tickerkit.protocol.outbox import MAX_PENDING_MESSAGES
from tickerkit.protocol.prices import PRICES_S
from tickerkit.protocol.segments import MAX_CACHE_BYTES
from tickerkit.protocol.subscribe import MAX_SUBSCRIBED_SYMBOLS
from tickerkit.protocol.symbols import SymbolFilter
from tickerkit.protocol.v1 import AT_S, HEARTBEAT_S
from tickerkit.protocol.words import ReceivedWords
from tickerkit.ticks import Batch, Text, read_ticks

# However slow the machine is.
SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NS = 10**9


def filled(count: int, keep: int = 1000, epoch: str = "e", symbols: str = "A") -> TickLog:
    """Return a log with `count` ticks, appended one by one."""
    log = TickLog(keep, epoch=epoch)
    for _ in range(count):
        publish(log, 1, symbols)
    return log


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Assert that two frames hold the same ticks, whatever the order of columns and words."""
    assert set(one.columns) >= set(other.columns)
    for name in one.columns:
        values = [None if v != v else v for v in one[name].tolist()]
        if name in other.columns:
            assert values == [None if v != v else v for v in other[name].tolist()], name
        else:
            assert set(values) <= {None}


# --- joining --------------------------------------------------------------------------------------


def test_client_gets_all_of_the_log() -> None:
    """All of history and what comes after, of every column, arrives as it was appended."""
    log = TickLog(epoch="e")
    wire = Wire(log)
    log.append(
        read_ticks(
            [
                {"s": "A", "p": 187.25, "size": 100, "time": "2026-11-22T10:00:00.123456789Z"},
                {"s": "B", "bid": 1.5, "ask": 1.75, "time": "1969-12-31T23:59:59Z"},
                {"s": "ä€🙂", "p": -0.0, "side": "buy", "note": 'quote"\\\n'},
            ]
        ),
        received=1,
    )
    wire.run()
    log.append(
        read_ticks([{"s": "A", "p": 1e-320, "side": "sell"}, {"s": "C", "p": 1.7e308}]), received=0
    )
    log.append(read_ticks([{"s": "A", "p": 0.1 + 0.2, "late": 5, "side": "buy"}]), received=0)
    wire.run()
    same(log.frame().drop(columns="received"), wire.log().frame().drop(columns="received"))
    assert wire.gaps() == []


def test_connection_starts_with_hello_then_at() -> None:
    """The server sends hello, nothing more before the client subscribes, then where it starts."""
    log = filled(3)
    wire = Wire(log)
    session = wire.connect()
    assert wire.client.take_replies() == []
    hello = session.next_message(wire.now)
    assert hello is not None
    assert json.loads(hello) == {
        "type": "hello",
        "epoch": "e",
        "first": 1,
        "next": 4,
        "symbols": ["A"],
        "columns": {"price": "number", "size": "number"},
        "protocol": 1,
    }
    assert session.next_message(wire.now + 1000) is None
    assert session.due() is None
    assert session.behind == 0
    wire.client.receive(hello)
    [reply] = wire.client.take_replies()
    assert json.loads(reply) == {
        "type": "subscribe",
        "symbols": None,
        "resume": None,
        "history": None,
    }
    session.receive(reply.decode(), wire.now)
    assert session.behind == 3
    at, ticks = session.next_message(wire.now), session.next_message(wire.now)
    assert at == b'{"type":"at","seq":0}'
    assert ticks is not None
    assert json.loads(ticks) == {
        "type": "ticks",
        "seq": 1,
        "count": 3,
        "time": [0, NS, NS],
        "symbol": {"codes": [0, 0, 0], "from": 0, "words": ["A"]},
        "price": [0.0, 1.0, 2.0],
        "size": [1.0, 1.0, 1.0],
    }
    assert session.next_message(wire.now) is None


@pytest.mark.parametrize(
    ("history", "symbols", "expected"),
    [
        (None, None, range(1, 21)),
        (0, None, []),
        (1, None, [20]),
        (5, None, range(16, 21)),
        (100, None, range(1, 21)),
        (None, ["B"], range(2, 21, 2)),
        (0, ["B"], []),
        (1, ["B"], [20]),
        (3, ["A"], [15, 17, 19]),
        (100, ["A"], range(1, 20, 2)),
        (3, ["nope"], []),
        (None, ["nope"], []),
        (3, [], []),
        (10**30, None, range(1, 21)),
    ],
)
def test_history_is_counted_after_filtering(
    history: int | None, symbols: list[str] | None, expected: Iterable[int]
) -> None:
    """The history has the requested number of ticks, counted after the selection of symbols."""
    log = filled(20, symbols="AB")
    wire = Wire(log, symbols, history)
    wire.run()
    assert wire.seqs() == list(expected)
    publish(log, 2, "AB")
    wire.run()
    new = [21, 22] if symbols is None else [21 + "AB".index(s) for s in symbols if s in "AB"]
    assert wire.seqs() == [*expected, *new]
    assert wire.gaps() == []


@pytest.mark.parametrize("history", [0, 2, None])
def test_ticks_during_the_handshake_come_once(history: int | None) -> None:
    """Ticks appended between any two messages of the handshake come once each, in order."""
    log = filled(5)
    wire = Wire(log, history=history)
    session = wire.connect()
    symbols = iter("BCDEFGHIJK")
    more = True
    for _ in range(10):
        publish(log, 1, next(symbols))  # a new symbol each time: its word must not be missed
        more = wire.step()
    assert more
    wire.run()
    seqs = wire.seqs()
    assert seqs == list(range(seqs[0], 16))
    assert len(seqs) >= 8
    assert history is not None or seqs[0] == 1
    assert wire.log().frame()["price"].tolist() == [seq - 1 for seq in seqs]
    assert session.close is None


def test_symbol_between_hello_and_subscribe_is_known() -> None:
    """Words that appear between the server's hello and the client's answer are sent."""
    log = filled(1)
    wire = Wire(log, history=0)
    session = wire.connect()
    hello = session.next_message(wire.now)
    assert hello is not None
    wire.client.receive(hello)
    publish(log, 1, "B", side="new")
    [reply] = wire.client.take_replies()
    session.receive(reply.decode(), wire.now)
    publish(log, 1, "B", side="new")
    wire.run()
    frame = wire.log().frame()
    assert (frame["symbol"].tolist(), frame["side"].tolist()) == (["B"], ["new"])


def test_large_history_comes_in_segments() -> None:
    """A history of 20,000 ticks comes complete, in few messages of bounded size."""
    log = TickLog(epoch="e")
    for _ in range(20):
        publish(log, 1000, "ABC")
    wire = Wire(log)
    wire.run()
    counts = [message["count"] for message in wire.messages if message["type"] == "ticks"]
    assert sum(counts) == 20_000
    assert max(counts) <= 4096
    assert len(counts) < 20
    same(log.frame().drop(columns="received"), wire.log().frame().drop(columns="received"))


def test_ticks_are_small_on_the_wire() -> None:
    """A thousand ticks with time, symbol, price and size take about 19 bytes each."""
    chance = np.random.default_rng(1)
    times = np.cumsum(chance.integers(1, 10**6, 1000)) * 1000
    columns: dict[str, Any] = {
        "symbol": Text(chance.integers(0, 5, 1000).astype(np.int32), list("ABCDE")),
        "price": (18000 + chance.integers(0, 100, 1000)) / 100,
        "size": chance.integers(1, 9, 1000) * 100.0,
    }
    log = TickLog()
    log.append(Batch(1000, times, columns), received=0)
    message = Publication(log).columns.next_segment(0, None).message
    assert message is not None
    assert len(message) < 26 * 1000


TEXTS = st.text(st.characters(codec="utf-8"), max_size=5)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TICK = st.fixed_dictionaries(
    {"symbol": st.sampled_from(["A", "B", "C", "ä", "🙂"])},
    optional={
        "price": FLOATS,
        "bid": FLOATS,
        "size": st.floats(0, 1e300),
        "time": st.integers(-(2**62), 2**62),
        "note": TEXTS | FLOATS,
        "x": FLOATS | TEXTS,
    },
)


@settings(SETTINGS, max_examples=examples(150))
@given(st.lists(st.lists(TICK, max_size=6), max_size=8), st.sampled_from([None, ["A"], ["ä", "B"]]))
def test_any_ticks_arrive_unchanged(
    batches: list[list[dict[str, Any]]], symbols: list[str] | None
) -> None:
    """Every tick that a log took reaches a client unchanged, however it was batched."""
    log = TickLog(epoch="e")
    wire = Wire(log, symbols)
    for batch in batches:
        log.append(read_ticks(batch), received=0)
        wire.run()
    late = Wire(log, symbols)
    late.run()
    expected = log.frame(symbol=symbols)
    for client in (wire, late):
        same(expected, client.log().frame())
        assert client.seqs() == expected["seq"].tolist()


def test_every_column_of_a_wide_log_arrives() -> None:
    """As many columns as a log can have are sent, of numbers and of text."""
    log = TickLog()
    tick = {f"c{n}": n if n % 2 else f"w{n}" for n in range(MAX_COLUMNS)}
    log.append(read_ticks([{"s": "A", "p": 1, **tick}, {"s": "A", "p": 2}]), received=0)
    wire = Wire(log)
    wire.run()
    same(log.frame().drop(columns="received"), wire.log().frame().drop(columns="received"))


# --- coming back ----------------------------------------------------------------------------------


@pytest.mark.parametrize("symbols", [None, ["A"], ["B"]])
def test_resume_is_exact_wherever_the_wire_was_cut(symbols: list[str] | None) -> None:
    """Cut after any number of messages, a client that reconnects has every tick once."""
    uncut = Wire(filled(30, symbols="AAB"), symbols)
    uncut.run()
    for most in range(len(uncut.messages) + 9):
        log = filled(20, symbols="AAB")
        wire = Wire(log, symbols)
        wire.connect()
        for number in range(most):
            if number % 2 and log.stop < 25:
                publish(log, 1, "AAB")
            wire.step()
        wire.cut()
        publish(log, 30 - log.stop, "AAB")
        wire.run()
        assert wire.seqs() == uncut.seqs()
        assert wire.gaps() == []
        same(wire.log().frame().drop(columns="epoch"), uncut.log().frame().drop(columns="epoch"))


def test_repeated_messages_are_counted_and_left_out() -> None:
    """Each message delivered twice changes nothing but the count of duplicates."""
    log = filled(5, symbols="AB")
    wire = Wire(log)
    wire.connect()
    while wire.step():
        if wire.messages[-1]["type"] != "hello":
            wire.repeat()
        if log.stop < 12:
            publish(log, 1, "AB")
    assert wire.seqs() == list(range(1, 13))
    assert wire.client.duplicates == 12


def test_overlapping_ticks_are_cut_to_the_new_ones() -> None:
    """Of a message that begins with known ticks only the new ones are taken."""
    client = client_at(seq=4)
    [received] = client.receive(encode(ticks_message(seq=3, count=4)))
    assert isinstance(received, Received)
    assert received.seq.tolist() == [5, 6]
    assert np.asarray(received.batch.columns["price"]).tolist() == [2.0, 3.0]
    assert client.receive(encode(ticks_message(seq=2, count=3))) == []
    assert client.duplicates == 5
    assert (client.epoch, client.seq) == ("e", 6)


def test_slow_client_gets_a_gap_with_the_exact_range() -> None:
    """A client that falls off the log gets a gap with the dropped range, then the rest."""
    log = filled(3, keep=10)
    wire = Wire(log)
    wire.run()
    for symbol in "BCDEF":  # words that begin in rows that the client will never see
        publish(log, 4, symbol, note=symbol)
    wire.run()
    assert wire.gaps() == [("e", 4, 13)]
    reason = wire.events_of(Gap)[0].reason
    assert reason == "the client was too slow: the server no longer holds these ticks"
    assert wire.types()[:6] == ["hello", "at", "ticks", "hello", "gap", "ticks"]
    assert wire.seqs() == [1, 2, 3, *range(14, 24)]
    same(
        log.frame().drop(columns=["received"]),
        wire.log().frame(last=10).drop(columns=["received"]),
    )


def test_late_client_gets_a_gap_with_the_exact_range() -> None:
    """A client that reconnects too late gets a gap with the dropped range, then the rest."""
    log = filled(5, keep=10)
    wire = Wire(log)
    wire.run()
    wire.cut()
    for symbol in "BCDEF":
        publish(log, 4, symbol, note=symbol)
    wire.run()
    assert wire.types() == ["hello", "gap", "at", *["ticks"] * (len(wire.messages) - 3)]
    assert wire.gaps() == [("e", 6, 15)]
    assert wire.seqs() == [1, 2, 3, 4, 5, *range(16, 26)]
    assert wire.log().frame(last=10)["note"].tolist() == log.frame()["note"].tolist()


def test_gap_is_reported_once_if_the_wire_is_cut_after_it() -> None:
    """A client that got a gap resumes after it, not before it."""
    for connected in (True, False):
        log = filled(5, keep=10)
        wire = Wire(log)
        wire.run()
        if not connected:
            wire.cut()
        publish(log, 20)
        wire.run(2)
        assert wire.types()[-1] == "gap"
        assert wire.client.seq == 15
        wire.cut()
        wire.run()
        assert "gap" not in wire.types()
        assert wire.gaps() == [("e", 6, 15)]
        assert wire.seqs() == [1, 2, 3, 4, 5, *range(16, 26)]


def test_gap_without_an_end_is_reported_once() -> None:
    """A client that reconnects to a restarted server again and again reports one gap."""
    wire = Wire(filled(5))
    wire.run()
    log = filled(30, keep=10, epoch="new")
    wire.serve(log)
    for _ in range(3):
        wire.run(2)
        assert wire.types()[-1] == "gap"
        wire.cut()
    assert wire.gaps() == [("e", 6, None)]
    wire.run()
    assert wire.gaps() == [("e", 6, None), ("new", 1, 20)]
    wire.serve(filled(3, epoch="newer"))
    wire.run()
    assert wire.gaps()[2:] == [("new", 31, None)]


def test_several_gaps_without_an_end_are_reported_once_each() -> None:
    """A client that had only the hello of an epoch that is gone, too, reports each gap once."""
    log = epochs(1, 1)
    wire = Wire(log)
    wire.run()
    for epoch in ("b", "c"):
        log.append(read_ticks({"s": "B", "p": 1}), received=0, epoch=epoch)
    wire.run(2)
    log.append(read_ticks({"s": "B", "p": 1}), received=0, epoch="d")
    wire.run(1)
    for _ in range(2):
        assert wire.gaps() == [("a", 2, None), ("c", 1, None)]
        wire.cut()
        wire.run(2)
    wire.run()
    assert (wire.client.epoch, wire.client.seq) == ("d", 1)
    wire.serve(epochs(9, 1))
    wire.run()
    wire.serve(log)
    wire.run()
    assert wire.gaps()[2:] == [("d", 2, None), ("a", 2, None)]


def test_client_ahead_of_the_server_reports_one_gap() -> None:
    """A client that reconnects to a server that still lags doesn't count the same ticks again."""
    wire = Wire(filled(10))
    wire.run()
    log = filled(7)
    wire.serve(log)
    for lag in (7, 7, 9):
        publish(log, lag - log.last_seq)
        wire.run()
        wire.cut()
    assert wire.gaps() == [("e", 8, 10)]
    wire.serve(filled(5))
    wire.run()
    assert wire.gaps() == [("e", 8, 10), ("e", 6, 10)]


def test_client_with_all_dropped_ticks_gets_no_gap() -> None:
    """A client that has every tick before the oldest one held gets no gap."""
    log = filled(5, keep=10)
    wire = Wire(log)
    wire.run()
    wire.cut()
    publish(log, 10)
    wire.run()
    assert wire.gaps() == []
    publish(log, 10)
    wire.run()
    assert wire.gaps() == []
    assert wire.seqs() == list(range(1, 26))


def test_filtered_client_gets_a_gap() -> None:
    """A client of some symbols gets a gap, too, since it may have lost ticks of them."""
    log = filled(4, keep=10, symbols="AB")
    wire = Wire(log, ["B"])
    wire.run()
    publish(log, 20, "AB")
    wire.run()
    assert wire.gaps() == [("e", 5, 14)]
    assert wire.seqs() == [2, 4, 16, 18, 20, 22, 24]


def test_filtered_client_gets_its_position_before_a_gap() -> None:
    """Else a client that then asks for all symbols can't tell unwanted ticks from lost ones."""
    log = filled(3, keep=3)
    wire = Wire(log, ["B"])
    wire.run()
    publish(log, 1)
    wire.run()
    publish(log, 1)
    wire.run()
    publish(log, 10)
    wire.run()
    assert wire.messages[-3] == {"type": "at", "seq": 5}
    assert wire.gaps() == [("e", 6, 12)]
    assert wire.client.seq == 12


def test_restarted_server_sends_a_gap_without_an_end() -> None:
    """A client of a former epoch gets a gap without an end, then all that the server holds."""
    wire = Wire(filled(5))
    wire.run()
    wire.serve(filled(3, epoch="new", symbols="XY"))
    wire.run()
    assert wire.gaps() == [("e", 6, None)]
    assert wire.types()[:3] == ["hello", "gap", "at"]
    frame = wire.log().frame()
    assert frame["epoch"].tolist() == ["e"] * 5 + ["new"] * 3
    assert frame["seq"].tolist() == [1, 2, 3, 4, 5, 1, 2, 3]
    assert frame["symbol"].tolist() == ["A"] * 5 + list("XYX")
    assert (wire.client.epoch, wire.client.seq) == ("new", 3)


def test_restarted_server_sends_what_it_dropped() -> None:
    """What the new epoch dropped before the client reconnected is a gap of its own."""
    wire = Wire(filled(5))
    wire.run()
    wire.serve(filled(30, keep=10, epoch="new"))
    wire.run()
    assert wire.gaps() == [("e", 6, None), ("new", 1, 20)]
    assert wire.seqs()[5:] == list(range(21, 31))


def test_restarted_server_may_be_empty() -> None:
    """A client that reconnects to a server without ticks continues with the first one."""
    wire = Wire(filled(5))
    wire.run()
    log = TickLog(epoch="new")
    wire.serve(log)
    wire.run()
    assert (wire.client.epoch, wire.client.seq) == ("new", 0)
    wire.cut()
    publish(log, 2)
    wire.run()
    assert wire.gaps() == [("e", 6, None)]
    assert wire.seqs()[5:] == [1, 2]


def test_client_ahead_of_the_server_gets_a_gap() -> None:
    """If a server has less of an epoch than its client, the other ticks are a gap."""
    wire = Wire(filled(10))
    wire.run()
    log = filled(7)
    wire.serve(log)
    wire.run()
    assert wire.gaps() == [("e", 8, 10)]
    publish(log, 5)
    wire.run()
    assert wire.seqs() == list(range(1, 13))


@pytest.mark.parametrize("seq", [0, 2**63 - 2, 2**63 - 1])
def test_unknown_position_is_answered_whatever_its_seq(seq: int) -> None:
    """A client at the greatest possible seq of an unknown epoch gets a valid gap and the ticks."""
    client = Client()
    client.epoch, client.seq = "dead", seq
    wire = Wire(filled(3), client=client)
    wire.run()
    assert wire.gaps() == [("dead", min(seq + 1, 2**63 - 1), None)]
    assert wire.seqs() == [1, 2, 3]


def test_client_ahead_of_an_empty_server_gets_a_gap() -> None:
    """A server that continues an epoch without any tick of it sends a gap."""
    wire = Wire(filled(10))
    wire.run()
    log = TickLog(epoch="e")
    wire.serve(log)
    wire.run()
    assert wire.gaps() == [("e", 1, 10)]
    publish(log, 11)
    wire.run()
    assert wire.seqs() == list(range(1, 12))


def test_client_without_a_tick_resumes() -> None:
    """A client that connected before the first tick has a position, and misses no tick."""
    log = TickLog(epoch="e")
    wire = Wire(log, history=0)
    wire.run()
    assert (wire.client.epoch, wire.client.seq) == ("e", 0)
    for _ in range(2):
        wire.cut()
        wire.run()
        assert wire.gaps() == []
    wire.cut()
    publish(log, 3)
    wire.run()
    assert (wire.seqs(), wire.gaps()) == ([1, 2, 3], [])


def test_client_without_a_position_asks_again() -> None:
    """A connection that was cut before the server sent its position leaves nothing behind."""
    log = filled(3)
    wire = Wire(log)
    assert (wire.client.epoch, wire.client.seq) == (None, 0)
    for most in (0, 1):
        wire.run(most)
        assert wire.client.epoch is None
        wire.cut()
    wire.run()
    assert (wire.seqs(), wire.gaps()) == ([1, 2, 3], [])


def test_relay_that_starts_late_sends_a_gap() -> None:
    """A server whose log begins within an epoch sends a gap to a client of another relay."""
    wire = Wire(filled(10))
    wire.run()
    log = TickLog()
    log.append(
        read_ticks([{"s": "B", "p": n} for n in range(3)]),
        received=0,
        epoch="e",
        seq=np.array([15, 16, 18]),
    )
    wire.serve(log)
    wire.run()
    assert wire.gaps() == [("e", 11, 14)]
    assert wire.seqs() == [*range(1, 11), 15, 16, 18]


def test_relay_that_holds_the_position_continues() -> None:
    """At another relay of the same epoch a client continues after exactly the tick it has."""
    wire = Wire(filled(10))
    wire.run()
    log = TickLog()
    log.append(
        read_ticks([{"s": "B", "p": n} for n in range(5)]),
        received=0,
        epoch="e",
        seq=np.array([8, 9, 10, 11, 12]),
    )
    wire.serve(log)
    wire.run()
    assert wire.gaps() == []
    assert wire.seqs() == list(range(1, 13))


# --- several epochs in one log --------------------------------------------------------------------


def epochs(keep: int = 1000, *counts: int) -> TickLog:
    """Return a log of epochs a, b, c, ... with so many ticks each, 3 by default."""
    log = TickLog(keep)
    for epoch, count in zip("abcdef", counts or (3, 3, 3), strict=False):
        for seq in range(1, count + 1):
            log.append(
                read_ticks({"s": epoch.upper(), "p": seq}),
                received=0,
                epoch=epoch,
                seq=np.array([seq]),
            )
    return log


def test_each_epoch_begins_with_hello() -> None:
    """The server sends hello again where an epoch begins, with what it holds of that epoch."""
    log = epochs(9, 3, 5, 2)
    wire = Wire(log)
    wire.run()
    hellos = [(h.epoch, h.first, h.next) for h in wire.events_of(Hello)]
    assert hellos == [("c", 1, 3), ("a", 2, 4), ("b", 1, 6), ("c", 1, 3)]
    assert wire.gaps() == []
    same(log.frame().drop(columns="received"), wire.log().frame().drop(columns="received"))


def test_new_epoch_may_begin_while_connected() -> None:
    """Clients, also filtered ones, follow a source that restarts, without a break."""
    for symbols in (None, ["A"]):
        log = filled(3, symbols="AB")
        wire = Wire(log, symbols)
        wire.run()
        log.append(read_ticks([{"s": s, "p": 1} for s in "AC"]), received=0, epoch="new")
        wire.run()
        publish(log, 2, "A")
        wire.run()
        frame = wire.log().frame()
        assert frame["epoch"].tolist().count("new") == 4 if symbols is None else 3
        assert frame["epoch"].tolist().count("new") == (4 if symbols is None else 3)
        assert (wire.client.epoch, wire.client.seq) == ("new", 4)
        assert wire.gaps() == []


@pytest.mark.parametrize(
    "last", [100.0, 0.1, -0.0, 0.0, np.nan, 2.0**53, 2.0**53 - 1, 1e300, 5e-324]
)
@pytest.mark.parametrize("count", [1, 500])
def test_numbers_are_exact(last: float, count: int) -> None:
    """Numbers arrive exactly, also whole ones, which are written as integers."""
    values = np.array([*range(1, count), last], dtype=np.float64)
    symbols = Text(np.zeros(count, dtype=np.int8), ["A"])
    columns: dict[str, Any] = {"symbol": symbols, "price": values, "size": values, "bid": -values}
    log = TickLog(epoch="e")
    log.append(Batch(count, np.zeros(count, dtype=np.int64), columns), received=0)
    wire = Wire(log)
    wire.run()
    frame = wire.log().frame()
    for name in ("price", "size", "bid"):
        if name in frame:
            came = frame[name].to_numpy()
            assert np.array_equal(came, columns[name], equal_nan=True)
            assert np.array_equal(np.signbit(came), np.signbit(columns[name]) & (came == came))
        else:  # of a further column no value ever came
            assert np.isnan(columns[name]).all()


@pytest.mark.parametrize("most", range(14))
def test_resume_is_exact_in_any_epoch(most: int) -> None:
    """Cut at any message, in whichever epoch, a client continues where it was."""
    log = epochs()
    wire = Wire(log)
    wire.run(most)
    wire.cut()
    wire.run()
    assert wire.gaps() == []
    frame = wire.log().frame()
    assert frame["epoch"].tolist() == list("aaabbbccc")
    assert frame["seq"].tolist() == [1, 2, 3] * 3


@pytest.mark.parametrize(
    ("keep", "gaps", "rows"),
    [
        (9, [], 9),
        (8, [], 9),
        (7, [("a", 2, 2)], 8),
        (6, [("a", 2, None)], 7),
        (5, [("a", 2, None), ("b", 1, 1)], 6),
        (3, [("a", 2, None)], 4),
        (2, [("a", 2, None), ("c", 1, 1)], 3),
    ],
)
@pytest.mark.parametrize("connected", [True, False])
def test_dropped_ticks_of_former_epochs_are_gaps(
    keep: int, gaps: list[tuple[str, int, int | None]], rows: int, connected: bool
) -> None:
    """A slow or late client in a former epoch gets gaps for it and the later ones."""
    log = epochs(keep, 1)
    wire = Wire(log)
    wire.run()
    if not connected:
        wire.cut()
    for epoch, seqs in (("a", (2, 3)), ("b", (1, 2, 3)), ("c", (1, 2, 3))):
        for seq in seqs:
            log.append(
                read_ticks({"s": epoch, "p": seq}), received=0, epoch=epoch, seq=np.array([seq])
            )
    wire.run()
    assert wire.gaps() == gaps
    assert wire.log().stop == rows
    assert (
        wire.log().frame(last=rows - 1)["symbol"].tolist()
        == log.frame(last=rows - 1)["symbol"].tolist()
    )


def test_client_with_all_of_an_epoch_gets_no_gap_for_it() -> None:
    """A slow client that has all of an epoch gets a gap only for the next one."""
    log = epochs(4, 3)
    wire = Wire(log)
    wire.run()
    for seq in range(1, 9):
        log.append(read_ticks({"s": "B", "p": seq}), received=0, epoch="b", seq=np.array([seq]))
    wire.run()
    assert wire.gaps() == [("b", 1, 4)]
    assert wire.seqs() == [1, 2, 3, 5, 6, 7, 8]


def test_client_with_all_of_an_epoch_may_lose_the_next() -> None:
    """A client that falls off the log at an epoch's end gets a gap from there on."""
    log = epochs(5, 3)
    wire = Wire(log, history=0)
    wire.run()
    for epoch, count in (("a", 2), ("b", 1)):
        log.append(read_ticks([{"s": "A", "p": 1}] * count), received=0, epoch=epoch)
    assert wire.step()
    assert wire.seqs() == [4, 5]
    log.append(read_ticks([{"s": "A", "p": 1}] * 9), received=0, epoch="c")
    wire.run()
    assert wire.gaps() == [("a", 6, None), ("c", 1, 4)]


def test_client_with_only_a_hello_loses_the_whole_epoch() -> None:
    """A client that falls off right after a hello gets a gap from the epoch's first tick."""
    log = epochs(5, 3)
    wire = Wire(log)
    wire.run()
    log.append(read_ticks({"s": "B", "p": 1}), received=0, epoch="b")
    assert wire.step()
    assert wire.types()[-1] == "hello"
    for _ in range(9):
        log.append(read_ticks({"s": "C", "p": 1}), received=0, epoch="c")
    wire.run()
    assert wire.gaps() == [("b", 1, None), ("c", 1, 4)]


# --- filters --------------------------------------------------------------------------------------


def test_position_of_a_filtered_client_advances() -> None:
    """A client that wants none of the ticks gets its new position within a second."""
    log = filled(3, symbols="A")
    wire = Wire(log, ["B"])
    wire.run()
    publish(log, 50, "A")
    wire.run()
    assert (wire.seqs(), wire.client.seq) == ([], 3)
    wire.now += AT_S
    wire.run()
    assert wire.client.seq == 53
    wire.cut()
    log.append(read_ticks([{"s": "A", "p": 0}] * 1000), received=0)
    wire.run()
    assert wire.gaps() == []


def test_position_advances_after_ticks_that_end_early() -> None:
    """If a filter leaves out a message's last rows, the position follows within a second."""
    log = filled(1)
    wire = Wire(log, ["A"])
    wire.run()
    publish(log, 6, "BA", note="x")
    log.append(read_ticks([{"s": "B", "p": 1}] * 4), received=0)
    wire.run()
    assert (wire.types()[-1], wire.client.seq) == ("ticks", 6)
    wire.now += AT_S
    wire.run()
    assert wire.client.seq == 11
    assert not wire.step()


def test_words_of_unwanted_rows_are_sent() -> None:
    """A filtered client gets the words of rows that it doesn't want, since codes refer to them."""
    log = filled(2, symbols="A")
    wire = Wire(log, ["A", "Z"])
    wire.run()
    publish(log, 1, "B", note="one")
    wire.run()
    publish(log, 1, "C", note="two")
    publish(log, 1, "Z", note="one")
    wire.run()
    publish(log, 1, "A", note="two")
    wire.run()
    frame = wire.log().frame()
    assert frame["symbol"].tolist() == ["A", "A", "Z", "A"]
    assert frame["note"].tolist()[2:] == ["one", "two"]
    assert wire.client.seq == 6


def test_subscription_may_change() -> None:
    """A client may subscribe again on its connection, and gets the new symbols from then on."""
    log = filled(4, symbols="AB")
    wire = Wire(log, ["A"], history=0)
    session = wire.connect()
    wire.run()
    publish(log, 2, "AB")
    wire.run()
    publish(log, 2, "CD", side="new")
    session.receive('{"type":"subscribe","symbols":["B","C"]}', wire.now)
    publish(log, 4, "ABCD", side="new")
    wire.run()
    assert wire.log().frame()["symbol"].tolist() == ["A", "B", "C"]


# --- time, and the end ----------------------------------------------------------------------------


def test_idle_server_sends_heartbeats() -> None:
    """With nothing to send, the server sends its position every 5 s."""
    log = filled(3)
    wire = Wire(log)
    session = wire.connect()
    wire.run()
    assert session.due() == wire.now + HEARTBEAT_S
    publish(log)
    assert session.behind == 1
    wire.run()
    assert session.behind == 0
    wire.now += HEARTBEAT_S - 0.001
    assert not wire.step()
    wire.now += 0.001
    assert wire.step()
    assert wire.messages[-1] == {"type": "at", "seq": 4}
    assert not wire.step()
    assert session.due() == wire.now + HEARTBEAT_S
    wire.now += 1
    publish(log)
    assert wire.step()  # ticks break the silence too
    assert session.due() == wire.now + HEARTBEAT_S


def test_skipped_ticks_are_announced_each_second() -> None:
    """While no tick is for a client, it gets its position once a second."""
    log = filled(3)
    wire = Wire(log, ["B"])
    session = wire.connect()
    wire.run()
    heard = len(wire.messages)
    for _ in range(24):
        wire.now += 0.125
        publish(log)
        wire.run()
        due = session.due()
        assert due is not None
        assert due > wire.now
    assert wire.types()[heard:] == ["at", "at", "at"]
    assert wire.client.seq == 27


def test_end_is_sent_and_the_connection_closed() -> None:
    """When the source ends, all ticks come first, then the end, then close 1000."""
    log = filled(3)
    wire = Wire(log)
    session = wire.connect()
    wire.run(2)
    wire.publication.ended = True
    wire.run()
    assert wire.types() == ["hello", "at", "ticks", "end"]
    assert wire.events_of(End) == [End()]
    assert session.close is not None
    assert session.close[0] == 1000
    assert session.due() is None
    assert session.next_message(wire.now + 1000) is None


def test_client_after_the_end_gets_the_history() -> None:
    """A client that connects after the end gets the ticks that it asks for, then the end."""
    wire = Wire(filled(3), history=2)
    wire.publication.ended = True
    for _ in range(2):
        session = wire.connect()
        wire.run()
        assert session.close is not None
    assert wire.seqs() == [2, 3]
    assert len(wire.events_of(End)) == 2


# --- bad clients ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "null",
        "[]",
        "5",
        "{}",
        '{"type":"hello"}',
        '{"type":"unsubscribe"}',
        '{"type":5}',
        '{"type":"' + "x" * 10_000 + '"}',
        '{"type":"subscribe","symbols":"AAPL"}',
        '{"type":"subscribe","symbols":[1]}',
        '{"type":"subscribe","symbols":{}}',
        '{"type":"subscribe","history":-1}',
        '{"type":"subscribe","history":1.5}',
        '{"type":"subscribe","history":"all"}',
        '{"type":"subscribe","resume":5}',
        '{"type":"subscribe","resume":{"epoch":"e"}}',
        '{"type":"subscribe","resume":{"epoch":null,"seq":1}}',
        '{"type":"subscribe","resume":{"epoch":"e","seq":-1}}',
        '{"type":"subscribe","resume":{"epoch":"e","seq":9223372036854775808}}',
        '{"type":"subscribe","resume":{"epoch":"e","seq":1e3}}',
        '{"type":"subscribe","symbols":' + json.dumps(["A"] * (MAX_SUBSCRIBED_SYMBOLS + 1)) + "}",
        '{"type":"subscribe","symbols":["\\ud800"]}',
        "[" * 100_000,
        '{"type":"subscribe","x":' + "[" * 100_000,
        "\ud800",
    ],
    ids=format_value,
)
@pytest.mark.parametrize(
    ("subprotocol", "path"), [(SUBPROTOCOL, "/"), (None, "/ticks"), (None, "/")]
)
def test_invalid_message_is_answered(text: str, subprotocol: str | None, path: str) -> None:
    """An invalid message is answered with what to send, and the session continues."""
    log = filled(3)
    session = session_for(Publication(log), subprotocol, path, 0)
    session.receive(text, 0)
    messages = drain(session)
    [error] = [each for each in messages if "code" in each]
    assert error["code"] == "bad-message"
    assert error["message"]
    assert error["hint"]
    assert len(json.dumps(error)) < 1000
    assert session.close is None
    session.receive('{"type":"subscribe","symbols":["A"],"history":3}', 0)
    publish(log)
    newest = drain(session, 1)[-1]
    assert (newest["price"][-1] if subprotocol else newest[-1]["price"]) == 3


@pytest.mark.parametrize("path", ["/", "/ticks"])
def test_subscription_to_an_unknown_symbol_is_answered_with_those_there_are(path: str) -> None:
    """A typo is not answered by silence; the session continues, and its ticks are sent later."""
    log = filled(4, symbols="AB")
    session = session_for(Publication(log), None, path, 0)
    drain(session)
    session.receive('{"type":"subscribe","symbols":["X","A"]}', 1)
    [error] = [each for each in drain(session, 1) if "code" in each]
    assert error["code"] == "unknown-symbol"
    assert "'X'" in error["message"]
    assert "'A'" not in error["message"]
    assert "'A', 'B'" in error["hint"]
    assert session.close is None
    publish(log, 1, "X")
    assert drain(session, 2)[-1][-1]["symbol"] == "X"
    many = {"type": "subscribe", "symbols": ["x" * 1000, *map(str, range(1000))]}
    session.receive(json.dumps(many), 3)
    [error] = [each for each in drain(session, 3) if "code" in each]
    assert "and 991 more" in error["message"]
    assert len(json.dumps(error)) < 1500
    session.receive('{"type":"subscribe","symbols":["B"]}', 4)
    assert not any("code" in each for each in drain(session, 4))


@pytest.mark.parametrize("path", ["/", "/ticks"])
def test_subscription_before_the_first_tick_is_not_an_error(path: str) -> None:
    """Then no symbol is known yet, and each may be right."""
    session = session_for(Publication(TickLog(10)), None, path, 0)
    session.receive('{"type":"subscribe","symbols":["AAPL"]}', 0)
    assert drain(session) == []


@pytest.mark.parametrize("subprotocol", [SUBPROTOCOL, None])
@pytest.mark.parametrize("path", ["/", "/ticks"])
def test_error_of_a_client_is_not_answered(subprotocol: str | None, path: str) -> None:
    """An answer to a client's error could lead to an endless exchange."""
    session = session_for(Publication(filled(3)), subprotocol, path, 0)
    drain(session)
    session.receive('{"type":"subscribe","symbols":["B"]}', 1)
    drain(session, 1)
    session.receive('{"type":"error","code":"c","message":"m","hint":"h"}', 2)
    assert drain(session, 2) == []
    assert session.symbols == frozenset("B")


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"subscribe"}',
        '{"type":"subscribe","symbols":null,"resume":null,"history":0,"later":"field"}',
        '{"type":"subscribe","resume":{"epoch":"e","seq":3}}',
        '{"type":"subscribe","resume":{"epoch":"e","seq":9223372036854775807}}',
        '{"type":"subscribe","resume":{"epoch":"","seq":0}}',
        '{"type":"subscribe","history":123456789012345678901234567890}',
        ' {"type":"subscribe","symbols":["A","A",""]} ',
    ],
)
def test_fields_may_be_missing_or_unknown(text: str) -> None:
    """A client may leave out fields, and fields of later versions are ignored."""
    session = session_for(Publication(filled(3)), SUBPROTOCOL, "/", 0)
    session.receive(text, 0)
    types = []
    while (message := session.next_message(0)) is not None:
        types.append(json.loads(message)["type"])
    assert "at" in types
    assert "error" not in types


def test_binary_messages_end_the_session() -> None:
    """A binary message violates the protocol: the connection is closed with 1003."""
    session = session_for(Publication(filled(3)), SUBPROTOCOL, "/", 0)
    session.receive(b'{"type":"subscribe"}', 0)
    while session.next_message(0) is not None:
        pass
    assert session.close is not None
    assert session.close[0] == 1003
    assert len(session.close[1].encode()) <= 123
    assert session.due() is None


@pytest.mark.parametrize("subprotocol", [SUBPROTOCOL, None])
@pytest.mark.parametrize("text", ["nonsense", '{"type":"subscribe"}'])
def test_unread_answers_are_bounded(subprotocol: str | None, text: str) -> None:
    """A client that sends requests and never reads is closed with 1008."""
    session = session_for(Publication(filled(3)), subprotocol, "/ticks", 0)
    for _ in range(100 * MAX_PENDING_MESSAGES):
        session.receive(text, 0)
    answers = 0
    while session.next_message(0) is not None:
        answers += 1
    assert answers <= MAX_PENDING_MESSAGES + 3
    if subprotocol or text == "nonsense":
        assert session.close is not None
        assert session.close[0] == 1008


# --- bad servers ----------------------------------------------------------------------------------


def hello(**changes: object) -> bytes:
    """Return a hello of epoch e with the symbols A and B."""
    message = {"type": "hello", "epoch": "e", "first": 1, "next": 1, "symbols": ["A", "B"]}
    return json.dumps({**message, "columns": {"side": ["b"]}, **changes}).encode()


def client_at(seq: int = 0) -> Client:
    """Return a client that got hello, and has all up to `seq`."""
    client = Client()
    client.start_connection()
    client.receive(hello())
    client.receive(encode(At(seq)))
    client.take_replies()
    return client


def ticks_message(seq: int = 1, count: int = 2, **changes: Any) -> Ticks:
    """Return a valid ticks message, with these fields instead."""
    fields: dict[str, Any] = {
        "time": [0] * count,
        "symbol": TextColumn([0] * count, 2, []),
        "price": [float(n) for n in range(count)],
        **changes,
    }
    return Ticks(seq, count, **fields)


@pytest.mark.parametrize(
    "message",
    [
        ticks_message(time=[0]),
        ticks_message(time=[0, 0, 0]),
        ticks_message(price=[1.0]),
        ticks_message(price=[1.0, 2.0, 3.0]),
        ticks_message(size=[1.0]),
        ticks_message(symbol=TextColumn([0], 2)),
        ticks_message(symbol=TextColumn([0, 0, 0], 2)),
        ticks_message(symbol=TextColumn([0, 2], 2)),
        ticks_message(symbol=TextColumn([0, 3], 2, ["C"])),
        ticks_message(symbol=TextColumn([0, -1], 2)),
        ticks_message(symbol=TextColumn([0, 2**31], 2)),
        ticks_message(symbol=TextColumn([0, 2**63], 2)),
        ticks_message(symbol=TextColumn([0, 10**30], 2)),
        ticks_message(symbol=TextColumn([0, 0], 3)),
        ticks_message(symbol=TextColumn([0, 0], 10**9)),
        ticks_message(symbol=TextColumn([0, 0], -1)),
        ticks_message(steps=[]),
        ticks_message(steps=[0]),
        ticks_message(steps=[-1]),
        ticks_message(steps=[1, 1]),
        ticks_message(steps=[2**63]),
        ticks_message(steps=[2**63 - 1]),
        ticks_message(seq=2**63),
        ticks_message(time=[0, 2**63]),
        ticks_message(more={"bid": [1.0]}),
        ticks_message(more={"side": TextColumn([0], 1)}),
        ticks_message(more={"side": TextColumn([0, 1], 1)}),
        ticks_message(more={"side": TextColumn([0, -2], 1)}),
        ticks_message(more={"side": TextColumn([0, 0], 2)}),
        ticks_message(more={"new": TextColumn([0, 0], 0)}),
        *(
            ticks_message(more={name: [1.0, 2.0]})
            for name in ("seq", "time", "symbol", "price", "size", "received", "epoch")
        ),
        ticks_message(more={"symbol": TextColumn([0, 0], 0, ["x"])}),
        Ticks(1, -1, [], TextColumn([]), []),
        Ticks(1, 10**15, [0], TextColumn([0], 2), [1.0]),
        Ticks(1, 10**30, [], TextColumn([]), []),
    ],
    ids=lambda each: format_value(msgspec.json.encode(each).decode())[:60],
)
def test_inconsistent_ticks_violate_the_protocol(message: Ticks) -> None:
    """Wrong lengths, codes without words and seqs that don't increase are refused with 1007."""
    client = client_at()
    with pytest.raises(ProtocolError, match="message") as caught:
        client.receive(encode(message))
    assert caught.value.close_code == 1007
    assert client.seq == 0


def test_largest_seq_is_accepted() -> None:
    """A tick may have the largest number of 64 bits, reached by steps."""
    [received] = client_at().receive(encode(ticks_message(seq=2**63 - 3, steps=[2])))
    assert isinstance(received, Received)
    assert received.seq.tolist() == [2**63 - 3, 2**63 - 1]


def test_hello_needs_no_symbols() -> None:
    """The words of a ticks message suffice for a dictionary that is empty."""
    batch, seq = decode_ticks(ticks_message(symbol=TextColumn([0, 0], 0, ["N"])), ReceivedWords())
    assert isinstance(batch.columns["symbol"], Text)
    assert (batch.columns["symbol"].words, seq.tolist()) == (["N"], [1, 2])
    assert batch.columns["size"].dtype == np.float64  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("gap", "reason"),
    [
        (Gap("e", 6, 15, ""), "the server no longer holds these ticks"),
        (Gap("old", 6, None, ""), "the server holds nothing of this epoch, as after a restart"),
        (Gap("e", 26, 30, ""), "the client is ahead of the server, which lost these ticks"),
    ],
    ids=["away", "restart", "ahead"],
)
def test_gap_has_a_reason(gap: Gap, reason: str) -> None:
    """Each gap after a reconnect has a reason, which the feed shows."""
    session = V1Session(Publication(filled(25, keep=10)), 0)
    seq = gap.last if gap.last == 30 else 5
    resume = {"epoch": gap.epoch, "seq": seq}
    session.receive(json.dumps({"type": "subscribe", "resume": resume}), 0)
    reported = [each for each in drain(session) if each["type"] == "gap"]
    assert (reported[0]["from"], reported[0]["to"]) == (gap.first, gap.last)
    assert reported[0]["reason"] == reason


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", 1007),
        ("", 1007),
        ("hello", 1007),
        ("null", 1007),
        ("[]", 1007),
        ("{}", 1007),
        (b"\xff\xfe", 1007),
        ("\ud800", 1007),
        ('{"type":5}', 1007),
        ('{"type":null}', 1007),
        ('{"seq":5}', 1007),
        ('{"type":"at"}', 1007),
        ('{"type":"at","seq":"5"}', 1007),
        ('{"type":"at","seq":1.5}', 1007),
        ('{"type":"at","seq":true}', 1007),
        ('{"type":"at","seq":null}', 1007),
        ('{"type":"gap","epoch":"e","from":1}', 1007),
        ('{"type":"gap","epoch":"e","to":1,"reason":""}', 1007),
        ('{"type":"error"}', 1007),
        ('{"type":"ticks"}', 1007),
        ('{"type":"ticks","seq":1,"count":1,"time":[0],"symbol":["A"],"price":[1]}', 1007),
        (
            '{"type":"ticks","seq":1,"count":1,"time":[0],"symbol":{"codes":[0]},"price":["1"]}',
            1007,
        ),
        (
            '{"type":"ticks","seq":1,"count":1,"time":[0],"symbol":{"codes":[0]},"price":[NaN]}',
            1007,
        ),
        (
            '{"type":"ticks","seq":1,"count":1,"time":[0],"symbol":{"codes":[0]},"price":[1e999]}',
            1007,
        ),
        (
            '{"type":"ticks","seq":1,"count":1,"time":[0.5],"symbol":{"codes":[0]},"price":[1]}',
            1007,
        ),
        ('{"type":"hello","epoch":5}', 1007),
        (hello(symbols="AB"), 1007),
        (hello(columns={"x": 5}), 1007),
        (hello(protocol=2), 1002),
        ("[" * 100_000, 1007),
        ('{"type":"at","seq":' + "[" * 100_000, 1007),
        ('{"type":"at","later":' + "[" * 100_000 + "]" * 100_000 + ',"seq":1}', 1007),
    ],
    ids=format_value,
)
def test_invalid_server_messages_violate_the_protocol(data: str | bytes, code: int) -> None:
    """An invalid message raises an error with the close code for the server."""
    client = client_at()
    with pytest.raises(ProtocolError) as caught:
        client.receive(data)
    assert caught.value.close_code == code
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "message",
    [At(1), End(), Gap("e", 1, 2, ""), ticks_message()],
    ids=lambda each: type(each).__name__,
)
def test_nothing_may_come_before_hello(message: Any) -> None:
    """A server that doesn't send hello first violates the protocol, on every connection."""
    client = client_at()
    client.start_connection()
    with pytest.raises(
        ProtocolError, match=f"{type(message).__name__.lower()} came before hello"
    ) as caught:
        client.receive(encode(message))
    assert caught.value.close_code == 1002


def test_error_may_come_before_hello() -> None:
    """A server may send an error before hello."""
    client = Client()
    client.start_connection()
    error = Error("full", "too many clients", "try later")
    assert client.receive(encode(error)) == [error]


@pytest.mark.parametrize(
    "data",
    [
        '{"type":"later"}',
        '{"type":"later","seq":"x","x":[1,{"y":2}]}',
        '{"type":"subscribe","symbols":null}',
        '{"type":""}',
        b'{"type":"later"}',
    ],
)
def test_messages_of_later_versions_are_ignored(data: str | bytes) -> None:
    """A message of an unknown type is ignored, before hello and after."""
    client = Client()
    client.start_connection()
    assert client.receive(data) == []
    assert client_at().receive(data) == []


def test_fields_of_later_versions_are_ignored() -> None:
    """An unknown field of a known message is ignored."""
    assert client_at().receive('{"type":"at","seq":5,"later":1}') == [At(5)]


@pytest.mark.parametrize("name", ["bid", "temperature", "ä 🙂", "", "x" * 1000])
def test_server_may_have_any_further_column(name: str) -> None:
    """Columns of any name but the log's own are taken, of numbers and of text."""
    more = {name: TextColumn([0, -1], 0, ["w"]), "other": [1.0, None]}
    [received] = client_at().receive(encode(ticks_message(more=more)))
    assert isinstance(received, Received)
    log = TickLog()
    log.append(received.batch, received=0)
    assert log.frame()[name].isna().tolist() == [False, True]
    assert log.frame()["other"].fillna(-1).tolist() == [1, -1]


@settings(SETTINGS, max_examples=examples(300))
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=8,
    ).flatmap(
        lambda junk: (
            st.sampled_from([hello(), encode(ticks_message()), b'{"type":"at","seq":1}'])
            .map(json.loads)
            .flatmap(
                lambda good: st.sampled_from(sorted(good)).map(lambda key: {**good, key: junk})
            )
        )
    )
)
def test_message_with_one_bad_field_is_taken_or_raises(message: object) -> None:
    """Any message of a server is taken or raises a ProtocolError, nothing else."""
    client = client_at()
    with suppress(ProtocolError):
        client.receive(json.dumps(message))
    assert client.receive(encode(End())) == [End()]


# --- plain peers: the prices now ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subprotocol", "path", "kind"),
    [
        (SUBPROTOCOL, "/", V1Session),
        (SUBPROTOCOL, "/ticks", V1Session),
        (SUBPROTOCOL, "/anything", V1Session),
        (None, "/", PricesSession),
        (None, "", PricesSession),
        (None, "/proxy/8000/", PricesSession),
        (None, "/ticks", EveryTickSession),
        (None, "/ticks/", EveryTickSession),
        (None, "/ticks?token=x", EveryTickSession),
        (None, "/proxy/8000/ticks", EveryTickSession),
        (None, "/?path=/ticks", PricesSession),
        (None, "/nticks", PricesSession),
        ("other", "/", PricesSession),
    ],
)
def test_session_depends_on_subprotocol_and_path(
    subprotocol: str | None, path: str, kind: type[Session]
) -> None:
    """The subprotocol selects v1 on any path; without it, the path selects prices or ticks."""
    session = session_for(Publication(filled(1)), subprotocol, path, 0)
    assert type(session) is kind
    assert (
        session.kind == {V1Session: "v1", PricesSession: "prices", EveryTickSession: "ticks"}[kind]
    )


def test_prices_are_what_the_tutorials_page_expects() -> None:
    """On connect one array comes, with the latest tick of every symbol as an object."""
    log = TickLog(epoch="e")
    log.append(
        read_ticks(
            [
                {"s": "AAPL", "p": 1, "time": 1},
                {"s": "MSFT", "p": 2.5, "size": 3, "time": 2, "side": "b"},
                {"s": "AAPL", "p": 187.25, "size": 100, "time": "2026-11-22T10:00:00.123456789Z"},
                {"s": "AAPL", "bid": 187.2, "time": "2026-11-22T10:00:01Z"},
            ]
        ),
        received=0,
    )
    message = PricesSession(Publication(log)).next_message(0)
    assert message is not None
    assert json.loads(message) == [
        {
            "symbol": "AAPL",
            "price": 187.25,
            "size": 100.0,
            "time": "2026-11-22T10:00:01.000000000Z",
            "seq": 4,
            "bid": 187.2,
        },
        {
            "symbol": "MSFT",
            "price": 2.5,
            "size": 3.0,
            "time": "1970-01-01T00:00:02.000000000Z",
            "seq": 2,
            "side": "b",
        },
    ]


def test_prices_come_ten_times_a_second_at_most() -> None:
    """However often prices change, a message comes at once and then at most each 100 ms."""
    log = filled(1)
    session = PricesSession(Publication(log))
    sent = []
    for millisecond in range(1000):
        now = 50 + millisecond / 1000
        publish(log)
        message = session.next_message(now)
        assert session.next_message(now) is None
        if message is not None:
            sent.append((now, json.loads(message)[0]["price"]))
        due = session.due()
        assert due is None or due > now
    assert len(sent) == 10
    assert sent[0] == (50, 1)
    assert min(b - a for (a, _), (b, _) in pairwise(sent)) >= PRICES_S - 1e-9
    assert [int(price) for _, price in sent] == [1 + round((now - 50) * 1000) for now, _ in sent]


def test_last_change_is_sent_when_due() -> None:
    """A change too soon after a message is sent once 100 ms have passed."""
    log = filled(1)
    session = PricesSession(Publication(log))
    assert session.next_message(0) is not None
    assert session.due() is None
    publish(log)
    assert session.next_message(0.05) is None
    due = session.due()
    assert due == pytest.approx(PRICES_S)
    message = session.next_message(due)
    assert message is not None
    assert json.loads(message)[0]["price"] == 1
    assert (session.due(), session.behind) == (None, 0)


def test_prices_come_only_on_change() -> None:
    """Nothing is sent if nothing changed, or only other symbols did."""
    log = filled(1)
    session = PricesSession(Publication(log))
    assert session.next_message(0) is not None
    assert session.next_message(100) is None
    session.receive('{"type":"subscribe","symbols":["A"]}', 100)
    assert session.next_message(100) is None  # the same price, sent already
    publish(log, 1, "B")
    assert session.next_message(200) is None
    publish(log, 1, "A")
    assert session.next_message(300) is not None


def test_quiet_symbols_cost_little_while_others_are_busy() -> None:
    """The prices of quiet symbols are checked ten times a second, no more."""
    log = filled(1)
    publication = Publication(log)
    session = PricesSession(publication)
    session.receive('{"type":"subscribe","symbols":["A"]}', 0)
    assert session.next_message(0) is not None
    looked = []
    publication.prices = looked.append  # type: ignore[method-assign, assignment]
    for millisecond in range(1000):
        publish(log, 1, "B")
        assert session.next_message(1 + millisecond / 1000) is None
    assert len(looked) == 10


def test_prices_of_an_empty_log_come_with_the_first_tick() -> None:
    """Before there are prices nothing is sent, not even an empty list."""
    log = TickLog()
    session = PricesSession(Publication(log))
    assert session.next_message(0) is None
    publish(log)
    message = session.next_message(1)
    assert message is not None
    assert len(json.loads(message)) == 1


def test_prices_follow_a_subscription() -> None:
    """After a subscription the prices of its symbols come at once, then only these."""
    log = filled(6, symbols="ABC")
    session = PricesSession(Publication(log))
    message = session.next_message(0)
    session.receive('{"type":"subscribe","symbols":["C","A"]}', 0)
    assert session.symbols == frozenset("AC")
    message = session.next_message(1)
    assert message is not None
    assert [tick["symbol"] for tick in json.loads(message)] == ["A", "C"]
    session.receive(b'{"type":"subscribe","symbols":null}', 1)
    message = session.next_message(2)
    assert message is not None
    assert [tick["symbol"] for tick in json.loads(message)] == ["A", "B", "C"]


def test_prices_are_encoded_once() -> None:
    """All clients with the same symbols get the same bytes, encoded once."""
    log = filled(3, symbols="ABC")
    publication = Publication(log)
    one, other = (
        PricesSession(publication).next_message(0),
        PricesSession(publication).next_message(0),
    )
    assert one is other
    publish(log)
    assert PricesSession(publication).next_message(0) != one


@pytest.mark.parametrize("kind", [V1Session, EveryTickSession])
def test_filter_without_a_match_takes_large_steps(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small steps are for messages that are sent; here there are none."""
    log = TickLog(100_000, epoch="e")
    log.append(read_ticks([{"symbol": "A", "price": 1.0}] * 100_000), received=0)
    publication = Publication(log)
    session = kind(publication, 0.0) if kind is V1Session else kind(publication)
    session.symbols, session.row = SymbolFilter(["NONE"]), log.start
    calls: list[int] = []
    for segments in (publication.columns, publication.objects):
        monkeypatch.setattr(segments, "_encode", lambda rows, _: calls.append(len(rows)))
    while session.next_message(0.0) is not None:
        pass
    assert session.behind == 0
    assert sum(calls) == len(log)
    assert len(calls) < 40


def test_cached_prices_are_bounded_in_bytes() -> None:
    """Long messages for long lists of symbols are bounded, too."""
    log = filled(3, symbols="ABC")
    publication = Publication(log)
    for n in range(900):
        publication.prices(SymbolFilter(f"{n}-{name}" for name in range(1000)))
    assert publication._prices_bytes < 2 * MAX_CACHE_BYTES
    assert len(publication._prices) < 900


def test_cached_prices_are_bounded() -> None:
    """Ever new sets of symbols don't fill the memory, also while no tick comes."""
    publication = Publication(filled(3, symbols="ABC"))
    for n in range(3000):
        publication.prices(SymbolFilter([str(n)]))
    assert len(publication._prices) <= 1001


@pytest.mark.parametrize("kind", [PricesSession, EveryTickSession])
def test_plain_clients_are_closed_at_the_end(
    kind: type[PricesSession] | type[EveryTickSession],
) -> None:
    """When the source ends, a plain client gets what is left, then close 1000."""
    log = filled(1)
    publication = Publication(log)
    session = kind(publication)
    session.next_message(0)
    publish(log)
    publication.ended = True
    assert session.next_message(0.01) is None or kind is EveryTickSession
    session.next_message(1)
    assert session.next_message(2) is None
    assert session.close is not None
    assert session.close[0] == 1000
    late = kind(publication)
    assert (late.next_message(0) is not None) == (kind is PricesSession)
    assert late.next_message(0) is None
    assert late.close is not None


# --- gaps that the source tells -------------------------------------------------------------------


class Source:
    """A log whose source may miss ticks, and its publication."""

    def __init__(self, keep: int = 1000) -> None:
        self.log = TickLog(keep, epoch="e")
        self.gaps = Gaps(self.log, forget=True)
        self.publication = Publication(self.log, self.gaps)

    def make(self, *steps: int | str | None) -> None:
        """Append `count` ticks, or miss them if it is negative; None misses an unknown number."""
        for step in steps:
            if step is None or (isinstance(step, int) and step < 0):
                self.gaps.miss(None if step is None else -step, "missing")
            else:
                publish(self.log, int(step), "AB")

    def wire(
        self,
        symbols: list[str] | None = None,
        history: int | None = None,
        client: PlainClient | None = None,
    ) -> Wire:
        """Return a wire to a client."""
        wire = Wire(self.log, symbols, history, client)
        wire.serve(self.log, self.publication)
        return wire


def reported(wire: Wire) -> list[tuple[int, int | None]]:
    """Return the seqs of the gaps that the client reported."""
    return [(start, stop) for _, start, stop in wire.gaps()]


@pytest.mark.parametrize("symbols", [None, ["B"]])
def test_current_hello_lets_another_client_read_on(symbols: list[str] | None) -> None:
    """With a client's current hello another one reads its connection from there on."""
    log = TickLog(epoch="e")
    wire = Wire(log, symbols)
    assert isinstance(wire.client, Client)
    assert wire.client.current_hello() is None
    publish(log, 3, "AB", side="buy")
    wire.run()
    hello = wire.client.current_hello()
    assert hello is not None
    reader = Client()
    reader.start_connection()
    assert isinstance(reader.receive(hello)[0], Hello)
    publish(log, 3, "AB", side="sell")
    wire.run(1)
    [event] = reader.receive(wire.last)
    assert isinstance(event, Received)
    assert event.seq.tolist() == ([4, 5, 6] if symbols is None else [4, 6])


def test_session_has_no_position_while_messages_are_pending() -> None:
    """A session's position is that of the last message, once all messages before it are sent."""
    log = filled(3)
    session = V1Session(Publication(log), 0)
    assert session.position is None
    session.receive('{"type": "subscribe", "history": null}', 0)
    assert session.position is None
    while session.next_message(0) is not None:
        pass
    assert session.position == (3, log.epoch, 3)


@pytest.mark.parametrize("symbols", [None, ["B"], ["nope"]])
def test_gap_comes_before_the_ticks_after_it(symbols: list[str] | None) -> None:
    """Live or in its history, filtered or not, a client gets the gap, then the ticks after it."""
    source = Source()
    live = source.wire(symbols)
    for step in (3, -2, 1, None, 2, -4, -1, 2):
        live.run()
        source.make(step)
    live.run()
    late = source.wire(symbols)
    late.run()
    for wire in (live, late):
        wire.now += AT_S
        wire.run()
        told_of = [range(start, (stop or start) + 1) for start, stop in reported(wire)]
        assert [n for each in told_of for n in each] == [4, 5, 7, 3, 4, 5, 6, 7]
        frame = wire.log().frame()
        wanted = source.log.frame(symbol=symbols)
        assert frame["seq"].tolist() == wanted["seq"].tolist()
        assert frame["epoch"].tolist() == wanted["epoch"].tolist()
        assert (wire.client.epoch, wire.client.seq) == (source.log.epoch, 9)
    if symbols is None:
        order = [
            (event.first, event.last) if isinstance(event, Gap) else event.seq.tolist()
            for event in late.events
            if isinstance(event, Gap | Received)
        ]
        assert order == [[1, 2, 3], (4, 5), [6], (7, None), [1, 2], (3, 7), [8, 9]]


def test_client_at_the_end_gets_a_gap_at_once() -> None:
    """A gap comes before the tick after it, with the epoch that begins there."""
    source = Source()
    source.make(3)
    wire = source.wire()
    wire.run()
    source.make(-2)
    wire.run()
    assert (wire.messages[-1]["type"], wire.client.seq) == ("gap", 5)
    source.make(1, None)
    wire.run()
    assert wire.types()[-3:] == ["gap", "hello", "at"]
    assert (wire.client.epoch, wire.client.seq) == (source.log.epoch, 0)
    assert wire.messages[-2]["next"] == 1
    wire.run()
    assert reported(wire) == [(4, 5), (7, None)]


@pytest.mark.parametrize(
    ("most", "symbols", "keep"),
    [(most, (None, ["B"])[most % 2], (1000, 3)[most // 2 % 2]) for most in range(12)],
)
def test_resume_across_gaps_is_exact(symbols: list[str] | None, keep: int, most: int) -> None:
    """Cut at any message, each seq comes once or is reported missing once."""
    source = Source(keep)
    source.make(2)
    wire = source.wire(symbols)
    wire.run()
    for step in (-3, 2, -1, 1, None, -2, 2, -2):
        source.make(step)
        wire.run(most)
        wire.cut()
    wire.run()
    had = {
        ("e" if event.epoch == "e" else "f", seq)
        for event in wire.events_of(Received)
        for seq in event.seq.tolist()
    }
    gone = [
        ("e" if gap.epoch == "e" else "f", seq)
        for gap in wire.events_of(Gap)
        for seq in range(gap.first, (gap.last or 10) + 1)
    ]
    assert len(gone) == len(set(gone))
    assert not had & set(gone)
    missing = {("e", n) for n in (3, 4, 5, 8, 10)} | {("f", n) for n in (1, 2, 5, 6)}
    assert missing <= set(gone)
    if symbols is None:
        ticks = {("e", n) for n in (1, 2, 6, 7, 9)} | {("f", n) for n in (3, 4)}
        assert ticks <= had | set(gone)
    assert (wire.client.epoch, wire.client.seq) == (source.log.epoch, 6)


def test_gap_before_the_history_is_not_sent() -> None:
    """A client gets the gaps in its history, and one at the start only if it asks for all."""
    source = Source()
    source.make(-5, 2, -1, 3)
    every, some, none = source.wire(), source.wire(history=3), source.wire(history=0)
    for wire in (every, some, none):
        wire.run()
    assert reported(every) == [(1, 5), (8, 8)]
    assert (reported(some), some.seqs()) == ([], [9, 10, 11])
    assert (reported(none), none.client.seq) == ([], 11)


def test_fallen_client_gets_the_gap_at_its_epochs_end() -> None:
    """It has all ticks of its epoch, and the row after the gap was dropped."""
    source = Source(3)
    source.make(2)
    wire, plain = source.wire(), source.wire(client=PlainClient())
    wire.run()
    plain.run()
    source.make(None, -1, 5)
    wire.run()
    plain.run()
    assert reported(wire) == [(3, None), (1, 3)]
    assert wire.seqs() == [1, 2, 4, 5, 6]
    heard = [(each["from"], each["to"]) for each in plain.messages if isinstance(each, dict)]
    assert heard == [(3, None), (1, 3)]


def test_plain_client_gets_gaps() -> None:
    """On `/ticks` a gap is an object among the arrays, once, filtered or not."""
    for symbols in (None, ["A"]):
        source = Source()
        session = EveryTickSession(source.publication)
        session.receive(json.dumps({"type": "subscribe", "symbols": symbols}), 0)
        source.make(2, -3)
        heard = drain(session)
        assert heard[-1] == {"type": "gap", "from": 3, "to": 5}
        source.make(2, None, 1)
        heard = drain(session) + drain(session)
        gaps = [each for each in heard if isinstance(each, dict)]
        assert gaps == [{"type": "gap", "from": 8, "to": None}]
        assert [tick["seq"] for each in heard if isinstance(each, list) for tick in each][-1] == 1


# --- plain peers: every tick ----------------------------------------------------------------------


def drain(session: Session, now: float = 0) -> list[Any]:
    """Return all messages that a session has to send."""
    messages = []
    while (message := session.next_message(now)) is not None:
        messages.append(json.loads(message))
    return messages


def test_every_tick_comes_as_an_object() -> None:
    """On `/ticks` each tick from now on comes, in arrays, with the fields that it has."""
    log = filled(3)
    session = EveryTickSession(Publication(log))
    assert drain(session) == []
    log.append(
        read_ticks(
            [
                {"s": "A", "p": 1.5, "time": "2026-11-22T10:00:00.123456789Z", "side": "b"},
                {"s": "B", "bid": 2, "size": 0},
            ]
        ),
        received=0,
    )
    assert session.behind == 2
    assert drain(session) == [
        [
            {
                "symbol": "A",
                "price": 1.5,
                "size": None,
                "time": "2026-11-22T10:00:00.123456789Z",
                "seq": 4,
                "side": "b",
            },
            {
                "symbol": "B",
                "price": None,
                "size": 0.0,
                "time": "1970-01-01T00:00:00.000000000Z",
                "seq": 5,
                "bid": 2.0,
            },
        ]
    ]
    assert (session.behind, session.due()) == (0, None)


def test_fields_of_objects_have_the_order_of_the_columns() -> None:
    """The same tick is the same text in every process, whatever Python's hashes."""
    log = TickLog()
    session = EveryTickSession(Publication(log))
    names = [f"c{n}" for n in range(20)]
    log.append(read_ticks({"s": "A", "p": 1, **dict.fromkeys(names, 1)}), received=0)
    [[tick]] = drain(session)
    assert list(tick) == ["symbol", "price", "size", "time", "seq", *names]


def test_plain_client_may_subscribe_to_symbols() -> None:
    """After a subscription only its symbols come."""
    log = TickLog()
    session = EveryTickSession(Publication(log))
    session.receive('{"type":"subscribe","symbols":["B","Z"]}', 0)
    publish(log, 6, "ABC")
    assert [tick["price"] for message in drain(session) for tick in message] == [1, 4]
    publish(log, 6, "A")
    assert drain(session) == []
    assert session.behind == 0


def test_slow_plain_client_gets_the_gap() -> None:
    """A plain client that falls off the log gets the range as an object, then the rest."""
    log = TickLog(10, epoch="e")
    session = EveryTickSession(Publication(log))
    publish(log, 3)
    drain(session)
    publish(log, 20)
    assert session.behind == 20
    gap, *rest = drain(session)
    assert gap == {"type": "gap", "from": 4, "to": 13}
    assert [tick["seq"] for message in rest for tick in message] == list(range(14, 24))
    publish(log, 10)
    assert isinstance(drain(session)[0], list)


def test_slow_plain_client_gets_touching_gaps_as_one() -> None:
    """Dropped ticks, and those that the source missed right after them, are one range."""
    source = Source(keep=10)
    source.make(3)
    session = EveryTickSession(source.publication)
    source.make(10, -5, 10)
    gap, *rest = drain(session)
    assert gap == {"type": "gap", "from": 4, "to": 18}
    assert [tick["seq"] for message in rest for tick in message] == list(range(19, 29))


def test_plain_client_that_never_read_gets_the_gap() -> None:
    """A plain client that falls off before its first tick gets the exact range."""
    log = filled(3, keep=10)
    session = EveryTickSession(Publication(log))
    publish(log, 20)
    assert drain(session)[0] == {"type": "gap", "from": 4, "to": 13}


def test_plain_client_with_all_of_an_epoch_gets_no_gap_for_it() -> None:
    """A plain client that has all of an epoch gets a gap only for the next one."""
    log = epochs(5, 3)
    session = EveryTickSession(Publication(log))
    for epoch, count in (("a", 2), ("b", 1)):
        log.append(read_ticks([{"s": "A", "p": 1}] * count), received=0, epoch=epoch)
    message = session.next_message(0)
    assert message is not None
    assert [tick["seq"] for tick in json.loads(message)] == [4, 5]
    log.append(read_ticks([{"s": "A", "p": 1}] * 7), received=0, epoch="b")
    assert drain(session)[0] == {"type": "gap", "from": 1, "to": 3}


def test_gaps_of_a_falling_plain_client_do_not_overlap() -> None:
    """However late each message is read, gaps and ticks together are every tick, once."""
    log = TickLog(10, epoch="e")
    session = EveryTickSession(Publication(log))
    covered: list[int] = []
    for count in (3, 40, 15, 1, 30, 30, 2, 0, 0):
        publish(log, count)
        message = json.loads(session.next_message(0) or b"[]")
        if isinstance(message, dict):
            covered += range(message["from"], message["to"] + 1)
        else:
            covered += [tick["seq"] for tick in message]
    assert covered == list(range(1, log.last_seq + 1))


def test_slow_plain_client_gets_gaps_over_epochs() -> None:
    """The gap of the former epoch has no end; that of the new one has its range."""
    log = epochs(4, 3)
    session = EveryTickSession(Publication(log))
    for epoch, count in (("a", 3), ("b", 6)):
        for seq in range(1, count + 1):
            log.append(read_ticks({"s": "B", "p": seq}), received=0, epoch=epoch)
    gaps = [message for message in drain(session) if isinstance(message, dict)]
    assert gaps == [
        {"type": "gap", "from": 4, "to": None},
        {"type": "gap", "from": 1, "to": 2},
    ]
    for _ in range(6):
        log.append(read_ticks({"s": "C", "p": 1}), received=0, epoch="c")
    gaps = [message for message in drain(session) if isinstance(message, dict)]
    assert gaps == [{"type": "gap", "from": 1, "to": 2}]


def test_epoch_may_come_again() -> None:
    """An epoch shouldn't come twice; a client that falls off across it continues all the same."""
    log = epochs(4, 3)
    sessions = [session_for(Publication(log), each, "/ticks", 0) for each in (SUBPROTOCOL, None)]
    sessions[0].receive('{"type":"subscribe"}', 0)
    for session in sessions:
        drain(session)
    for epoch, count in (("b", 9), ("a", 6)):
        log.append(read_ticks([{"s": "A", "p": 1}] * count), received=0, epoch=epoch)
    assert drain(sessions[0])[-1]["seq"] == 3
    assert [tick["seq"] for tick in drain(sessions[1])[-1]] == [3, 4, 5, 6]


# --- the plain client -----------------------------------------------------------------------------


def test_plain_client_reads_any_ticks() -> None:
    """Each message of a websocket that sends JSON ticks is read and numbered, with all fields."""
    client = PlainClient()
    assert client.start_connection() == []
    assert client.take_replies() == []
    one, two = (
        client.receive('[{"s":"A","p":1},{"s":"B","p":2,"side":"b"}]'),
        client.receive(b'{"symbol":"A","price":"3"}'),
    )
    [first], [second] = one, two
    assert isinstance(first, Received)
    assert isinstance(second, Received)
    assert (first.epoch, first.seq.tolist()) == (client.epoch, [1, 2])
    assert (second.epoch, second.seq.tolist()) == (client.epoch, [3])


def test_plain_client_begins_empty() -> None:
    """Before its first connection it has no epoch, no tick and no duplicate."""
    client = PlainClient()
    assert (client.epoch, client.seq, client.duplicates) == (None, 0, 0)


def test_plain_client_counts_refused_ticks() -> None:
    """An invalid tick is counted, and takes no seq, with a filter, too."""
    for symbols in (None, ["A"]):
        client = PlainClient(symbols)
        client.start_connection()
        [received] = client.receive('[{"s":"A","p":1},{"s":""},{"s":"A","p":2,"x":[]}]')
        assert isinstance(received, Received)
        assert (received.batch.count, received.batch.refused) == (2, 1)
        assert received.batch.errors[0].field == "symbol"
        assert received.batch.misfits == {"x": 1}
        [received] = client.receive("nonsense")
        assert isinstance(received, Received)
        assert (received.batch.count, received.batch.refused, client.seq) == (0, 1, 2)


def test_plain_client_filters_by_itself() -> None:
    """A plain server need not know subscriptions: the client leaves out other symbols."""
    client = PlainClient(["B", "C"])
    client.start_connection()
    [received] = client.receive('[{"s":"A","p":1},{"s":"B","p":2},{"s":"C","p":3}]')
    assert isinstance(received, Received)
    assert received.seq.tolist() == [1, 2]
    assert np.asarray(received.batch.columns["price"]).tolist() == [2, 3]
    [received] = client.receive('{"s":"A","p":1}')
    assert isinstance(received, Received)
    assert received.batch.count == 0


def test_connections_of_a_plain_client_without_a_tick_are_no_further_gaps() -> None:
    """A server that refuses again and again leaves one hole."""
    client = PlainClient()
    assert [client.start_connection() for _ in range(3)] == [[], [], []]
    client.receive('{"s":"A","p":1}')
    gaps = [client.start_connection() for _ in range(3)]
    assert [len(each) for each in gaps] == [1, 0, 0]
    [received] = client.receive('{"s":"A","p":2}')
    assert isinstance(received, Received)
    assert (received.epoch, received.seq.tolist()) == (client.epoch, [1])
    assert len(client.start_connection()) == 1


def test_each_reconnect_of_a_plain_client_is_a_gap() -> None:
    """A plain server can't report what was missed: each connection is an epoch of its own."""
    client = PlainClient()
    client.start_connection()
    client.receive('{"s":"A","p":1}')
    first = client.epoch
    [gap] = client.start_connection()
    assert isinstance(gap, Gap)
    assert (gap.epoch, gap.first, gap.last) == (first, 2, None)
    assert gap.reason == "reconnected: a plain websocket can't report what was missed"
    assert client.epoch != first
    [received] = client.receive('{"s":"A","p":2}')
    assert isinstance(received, Received)
    assert (received.epoch, received.seq.tolist()) == (client.epoch, [1])


@pytest.mark.parametrize("to", [9, None])
def test_plain_client_reads_the_gap_of_a_tickerkit_server(to: int | None) -> None:
    """A gap on `/ticks` becomes a gap of the client, after which a new epoch begins."""
    client = PlainClient()
    client.start_connection()
    client.receive('{"s":"A","p":1}')
    first = client.epoch
    [gap] = client.receive(json.dumps({"type": "gap", "from": 5, "to": to}))
    assert isinstance(gap, Gap)
    assert (gap.epoch, gap.first, gap.last) == (first, 2, None)
    assert gap.reason == f"the server reports that 5–{to or '…'} will never come"
    [received] = client.receive('{"s":"A","p":2}')
    assert isinstance(received, Received)
    assert received.epoch != first
    assert received.seq.tolist() == [1]


def test_tick_with_a_gap_type_is_a_tick() -> None:
    """Only an object with the numbers of a gap is one."""
    client = PlainClient()
    client.start_connection()
    for tick in ('{"type":"gap","symbol":"A","price":1}', '{"s":"A","p":1,"from":1,"to":2}'):
        [received] = client.receive(tick)
        assert isinstance(received, Received)
        assert received.batch.count == 1


def test_plain_client_reads_a_plain_session() -> None:
    """A feed of a tickerkit server's `/ticks` gets every tick, or a gap."""
    log = TickLog(50, epoch="e")
    wire = Wire(log, client=PlainClient())
    wire.run()
    publish(log, 5, "AB", side="b")
    wire.run()
    publish(log, 100, "AB")
    wire.run()
    assert len(wire.gaps()) == 1
    prices = wire.log().frame()["price"].tolist()
    assert prices == [*range(5), *range(55, 105)]
