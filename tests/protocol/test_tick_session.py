"""TickSession: the states of a session that sends every tick, and what it sends in each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from wires import publish

from tickerkit.log import Gap, Gaps, TickLog
from tickerkit.protocol import SUBPROTOCOL, Publication, V1Session, session_for
from tickerkit.protocol.tick_session import STATES
from tickerkit.protocol.v1 import AT_S

KEEP = 20


def greeting(publication: Publication, session: V1Session) -> None:
    """Do nothing: the client has just connected."""


def subscribed(publication: Publication, session: V1Session) -> None:
    """Subscribe from the end of the log on."""
    session.receive('{"type": "subscribe"}', 0)
    send_all(session)


def fallen(publication: Publication, session: V1Session) -> None:
    """Drop rows that the client lacks."""
    subscribed(publication, session)
    publish(publication.log, 2 * KEEP)


def fallen_epochs_behind(publication: Publication, session: V1Session) -> None:
    """Drop the end of the client's epoch, and the beginning of the next one."""
    subscribed(publication, session)
    publish(publication.log, 1)
    publication.log.begin("e2")
    publish(publication.log, 2 * KEEP)


def fallen_at_an_epochs_end(publication: Publication, session: V1Session) -> None:
    """Drop the beginning of an epoch, when the client has all of the one before."""
    subscribed(publication, session)
    assert publication.gaps is not None
    publication.gaps.miss(None, "the source restarted")
    publish(publication.log, 2 * KEEP)


def at_a_gap(publication: Publication, session: V1Session) -> None:
    """Miss some ticks."""
    subscribed(publication, session)
    assert publication.gaps is not None
    publication.gaps.miss(3, "the source said so")


def at_the_gap_of_an_epochs_end(publication: Publication, session: V1Session) -> None:
    """Miss an unknown number of ticks, after which an epoch begins."""
    subscribed(publication, session)
    assert publication.gaps is not None
    publication.gaps.miss(None, "the source restarted")


def at_gaps_of_two_epochs(publication: Publication, session: V1Session) -> None:
    """Miss the end of an epoch, and the beginning of the next."""
    at_the_gap_of_an_epochs_end(publication, session)
    assert publication.gaps is not None
    publication.gaps.add(Gap(publication.log.epoch, 1, 2, "the source said so"))
    publication.log.skip(2)


def new_epoch(publication: Publication, session: V1Session) -> None:
    """Begin an epoch."""
    subscribed(publication, session)
    publication.log.begin("e2")
    publish(publication.log, 1)


def behind(publication: Publication, session: V1Session) -> None:
    """Append ticks."""
    subscribed(publication, session)
    publish(publication.log, 3)


def ended(publication: Publication, session: V1Session) -> None:
    """End the source."""
    subscribed(publication, session)
    publication.ended = True


def closed(publication: Publication, session: V1Session) -> None:
    """Send bytes, which the protocol has not."""
    subscribed(publication, session)
    publish(publication.log, 3)
    session.receive(b"{}", 0)


def send_all(session: V1Session, now: float = 0) -> list[str]:
    """Return the types of the messages that a session sends until nothing is pending."""
    types = []
    while (message := session.next_message(now)) is not None:
        types.append(json.loads(message)["type"])
        if not session._pending:
            break
    return types


@pytest.mark.parametrize(
    ("state", "prepare", "types"),
    [
        ("greeting", greeting, ["hello"]),
        ("closed", closed, []),
        ("fallen", fallen, ["hello", "gap"]),
        ("fallen", fallen_epochs_behind, ["gap", "hello", "gap"]),
        ("fallen", fallen_at_an_epochs_end, ["gap", "hello", "gap"]),
        ("at a gap", at_a_gap, ["gap"]),
        ("at a gap", at_the_gap_of_an_epochs_end, ["gap", "hello", "at"]),
        ("at a gap", at_gaps_of_two_epochs, ["gap", "hello", "gap"]),
        ("new epoch", new_epoch, ["hello"]),
        ("behind", behind, ["ticks"]),
        ("ended", ended, ["end"]),
        ("at the end", subscribed, ["at"]),
    ],
)
def test_session_sends_what_the_table_says(
    state: str, prepare: Callable[[Publication, V1Session], None], types: list[str]
) -> None:
    """In each state a session sends the messages that the table of states lists."""
    log = TickLog(KEEP, epoch="e1")
    publication = Publication(log, Gaps(log))
    publish(log, 5)
    session = session_for(publication, SUBPROTOCOL, "/", 0)
    assert isinstance(session, V1Session)
    prepare(publication, session)
    assert session.state == state
    assert send_all(session, AT_S * 10) == types
    assert re.fullmatch(STATES[state].sends, "".join(f"{each} " for each in types))
