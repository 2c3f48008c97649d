"""after: a plain client goes on after its newest tick, and misses nothing unawares."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from relays import Relay, hello, ticks
from soaks import examples
from wires import publish

from tickerkit.log import MAX_SEQ, Gaps, Position, TickLog
from tickerkit.protocol import EveryTickSession, Publication, Session, Subscribe, session_for
from tickerkit.protocol.after import After, read_after
from tickerkit.protocol.messages import Error, encode
from tickerkit.protocol.tick_session import NOT_CAUGHT_UP
from tickerkit.protocol.v1 import V1Session
from tickerkit.ticks import read_ticks

GapList = list[tuple[int, int | None]]


class Server:
    """A server whose source may miss ticks or be restarted; prices number its ticks."""

    def __init__(self, keep: int = 10) -> None:
        self.keep = keep
        self.epochs = 0
        self.made = 0
        self.restart()

    def restart(self) -> None:
        """Begin another log."""
        self.epochs += 1
        self.log = TickLog(self.keep, epoch=f"e{self.epochs}")
        self.gaps = Gaps(self.log, forget=True)
        self.publication = Publication(self.log, self.gaps)

    def publish(self, count: int) -> None:
        """Make ticks."""
        prices = range(self.made + 1, self.made + count + 1)
        self.log.append(read_ticks([{"s": "A", "p": price} for price in prices]), received=0)
        self.made += count

    def act(self, rng: random.Random) -> None:
        """Make ticks, miss some, or begin an epoch."""
        match rng.randrange(8):
            case 0:
                self.gaps.miss(rng.randrange(1, 5), "missing")
            case 1:
                self.gaps.miss(None, "missing")
            case _:
                self.publish(rng.choice([1, 1, 2, 5, 12]))

    def guess(self, rng: random.Random) -> Position:
        """Return a position that a client may have: known, ahead, dropped or of another server."""
        epochs = [self.log.epoch, *(run.epoch for run in self.log.runs), "other"]
        return Position(rng.choice(epochs), rng.randrange(self.log.last_seq + 3))


def drain(session: Session) -> list[Any]:
    """Return all messages that a session has to send."""
    messages = []
    while (message := session.next_message(0)) is not None:
        messages.append(json.loads(message))
    return messages


def merge(gaps: GapList) -> GapList:
    """Return gaps with those that touch as one."""
    merged: GapList = []
    for first, last in gaps:
        if merged and merged[-1][1] == first - 1:
            merged[-1] = merged[-1][0], last
        else:
            merged.append((first, last))
    return merged


def outline_v1(messages: list[Any]) -> tuple[GapList, list[float]]:
    """Return the gaps and the prices of messages of v1."""
    gaps = [(each["from"], each["to"]) for each in messages if each["type"] == "gap"]
    found = [each["price"] for each in messages if each["type"] == "ticks"]
    return merge(gaps), [price for prices in found for price in prices]


def outline_plain(messages: list[Any]) -> tuple[GapList, list[float]]:
    """Return the gaps and the prices of messages of `/ticks`."""
    objects = [each for each in messages if isinstance(each, dict)]
    gaps = [(each["from"], each["to"]) for each in objects if each["type"] == "gap"]
    found = [each for each in messages if isinstance(each, list)]
    return merge(gaps), [tick["price"] for part in found for tick in part]


@pytest.mark.parametrize("seed", range(examples(300)))
def test_plain_client_gets_what_a_client_of_v1_gets(seed: int) -> None:
    """The same ticks and the same gaps, wherever it goes on."""
    rng = random.Random(seed)
    server = Server()
    for _ in range(rng.randrange(12)):
        server.act(rng)
    at = server.guess(rng)
    v1 = V1Session(server.publication, 0)
    v1.receive(encode(Subscribe(resume=at)).decode(), 0)
    plain = EveryTickSession(server.publication, After(at.seq, at.epoch))
    expected, found = drain(v1), drain(plain)
    for _ in range(rng.randrange(4)):
        server.act(rng)
        expected += drain(v1)
        found += drain(plain)
    assert outline_plain(found) == outline_v1(expected)


class Student:
    """A client of ten lines: it keeps the newest seq and epoch, and goes on there."""

    def __init__(self) -> None:
        self.after: str = "now"
        self.epoch = ""
        self.prices: list[float] = []
        self.gaps = 0
        self.gap_before: dict[float, bool] = {}

    def connect(self, publication: Publication) -> Session:
        """Connect, as after each break."""
        path = f"/ticks?after={self.after}&epoch={self.epoch}"
        return session_for(publication, None, path, 0)

    def take(self, message: Any) -> None:
        """Take a message."""
        if isinstance(message, dict):
            if message["type"] == "at":
                self.after, self.epoch = str(message["seq"]), message["epoch"]
            else:
                assert message["type"] == "gap"
                self.gaps += 1
            return
        for tick in message:
            self.gap_before[tick["price"]] = self.gaps > 0
            self.gaps = 0
            self.prices.append(tick["price"])
            self.after = str(tick["seq"])


@pytest.mark.parametrize("seed", range(examples(150)))
def test_nothing_is_lost_and_nothing_comes_twice(seed: int) -> None:
    """Over breaks at any message, and restarts; where ticks are missing, a gap says so."""
    rng = random.Random(seed)
    server, student = Server(), Student()
    session = student.connect(server.publication)
    student.take(drain(session)[0])
    for _ in range(40):
        server.act(rng)
        if rng.random() < 0.1:
            server.restart()
            session = student.connect(server.publication)
        for _ in range(rng.choice([0, 1, 2, 100])):
            if (message := session.next_message(0)) is not None:
                student.take(json.loads(message))
        if rng.random() < 0.4:
            session = student.connect(server.publication)
    for message in drain(session):
        student.take(message)
    assert student.prices == sorted(set(student.prices))
    for before, after in zip([0.0, *student.prices], student.prices, strict=False):
        assert after == before + 1 or student.gap_before[after]
    held = server.log.rows().array("price").tolist()
    assert student.prices[len(student.prices) - len(held) :] == held


def test_client_goes_on_after_its_tick() -> None:
    """It is sent where that is, and the ticks after it."""
    server = Server()
    server.publish(5)
    at, rest = drain(session_for(server.publication, None, "/ticks?after=3", 0))
    assert at == {"type": "at", "epoch": "e1", "seq": 3}
    assert [tick["seq"] for tick in rest] == [4, 5]


def test_client_whose_ticks_are_gone_gets_the_gap_first() -> None:
    """And then where it goes on."""
    server = Server(keep=3)
    server.publish(8)
    gap, at, rest = drain(session_for(server.publication, None, "/ticks?after=2", 0))
    assert gap == {"type": "gap", "from": 3, "to": 5}
    assert at == {"type": "at", "epoch": "e1", "seq": 5}
    assert [tick["seq"] for tick in rest] == [6, 7, 8]


def test_client_of_a_former_server_is_sent_a_gap_without_end() -> None:
    """With its epoch the server knows that the seqs are of another numbering."""
    server = Server()
    server.publish(5)
    server.restart()
    server.publish(6)
    gap, at, rest = drain(session_for(server.publication, None, "/ticks?after=4&epoch=e1", 0))
    assert gap == {"type": "gap", "from": 5, "to": None}
    assert at == {"type": "at", "epoch": "e2", "seq": 0}
    assert len(rest) == 6


def test_client_that_asks_for_what_comes_now_learns_the_epoch() -> None:
    """It can then go on after a break without a tick."""
    server = Server()
    server.publish(5)
    session = session_for(server.publication, None, "/ticks?after=now", 0)
    assert drain(session) == [{"type": "at", "epoch": "e1", "seq": 5}]
    server.publish(1)
    assert [tick["seq"] for tick in drain(session)[0]] == [6]


def test_client_that_goes_on_may_subscribe_to_symbols() -> None:
    """Ticks of others are left out."""
    log = TickLog(epoch="e")
    publish(log, 6, "AB")
    session = session_for(Publication(log), None, "/ticks?after=2", 0)
    session.receive('{"type": "subscribe", "symbols": ["A"]}', 0)
    _, rest = drain(session)
    assert [tick["seq"] for tick in rest] == [3, 5]


def test_client_that_is_ahead_of_a_relay_gets_no_tick_twice() -> None:
    """It comes from a relay that had read further; it waits until this one is there."""
    relay = Relay(hello("e"), ticks("e", 1, 5))
    session = session_for(relay.publication, None, "/ticks?after=7&epoch=e", 0)
    assert drain(session) == [{"type": "at", "epoch": "e", "seq": 7}]
    relay.take(ticks("e", 6, 6))
    assert drain(session) == []
    relay.take(ticks("e", 7, 9))
    assert [tick["seq"] for tick in drain(session)[0]] == [8, 9]
    relay.take(ticks("e", 10, 11))
    assert [tick["seq"] for tick in drain(session)[0]] == [10, 11]


def test_client_of_an_epoch_that_a_relay_does_not_know_tries_again() -> None:
    """The epoch may yet come to the relay."""
    relay = Relay(hello("e"), ticks("e", 1, 5))
    session = session_for(relay.publication, None, "/ticks?after=7&epoch=next", 0)
    assert drain(session) == []
    assert session.close == NOT_CAUGHT_UP


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", None),
        ("?token=x&name=ana", None),
        ("?after=0", After(0)),
        (f"?after={MAX_SEQ}&epoch=e", After(MAX_SEQ, "e")),
        ("?after=now&epoch=", After(None)),
        ("?after=7&epoch=", After(7)),
    ],
)
def test_address_states_where_a_client_goes_on(query: str, expected: After | None) -> None:
    """After a tick, or with the next one."""
    assert read_after(f"/ticks{query}") == expected


@pytest.mark.parametrize(
    "query",
    [
        *("after=", "after=x", "after=-1", "after=1.5", "after=%D9%A3", f"after={MAX_SEQ + 1}"),
        *("after=" + "9" * 100, "after=1&after=2", "epoch=e", f"after=1&epoch={'e' * 300}"),
    ],
)
def test_invalid_address_is_answered_with_the_fix(query: str) -> None:
    """As an object; ticks come from now on."""
    problem = read_after(f"/ticks?{query}")
    assert isinstance(problem, Error)
    assert "/ticks?after=812" in problem.hint
    log = TickLog(epoch="e")
    publish(log, 3)
    session = session_for(Publication(log), None, f"/ticks?{query}", 0)
    (error,) = drain(session)
    assert (error["type"], error["code"]) == ("error", "bad-after")
    publish(log, 1)
    assert [tick["seq"] for tick in drain(session)[0]] == [4]


def test_newest_prices_have_no_place_to_go_on_at() -> None:
    """A client of `/` is told where that is possible, and gets its prices."""
    log = TickLog(epoch="e")
    publish(log, 3)
    error, prices = drain(session_for(Publication(log), None, "/?after=2", 0))
    assert error["code"] == "bad-after"
    assert "/ticks?after=" in error["hint"]
    assert prices[0]["seq"] == 3
