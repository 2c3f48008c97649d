"""outlet: where a running source hands its ticks to, on their way into a server's log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd
import pytest

from tickerkit.log import Gaps, TickLog
from tickerkit.protocol import EveryTickSession, PricesSession, Publication, Session, V1Session
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.runtime.portal import portal
from tickerkit.server.intake import MAX_PENDING, Intake

Until = Callable[..., None]


@pytest.fixture
def sessions() -> list[Session]:
    """Return the sessions that are connected: none yet."""
    return []


@pytest.fixture
def outlet(sessions: list[Session]) -> Iterator[Intake]:
    """Return an outlet into a log of its own."""
    portal.enter()
    log = TickLog(100_000)
    yield Intake(log, Gaps(log), ErrorLog("test"), lambda: sessions)
    portal.leave()


def tick(price: float, symbol: str = "A") -> dict[str, Any]:
    """Return a tick."""
    return {"symbol": symbol, "price": price}


def send(outlet: Intake, *given: object) -> None:
    """Send things, one after another, as a source does in a thread of its own."""

    async def source() -> None:
        for ticks in given:
            await outlet.send(ticks)

    asyncio.run(source())


def prices(outlet: Intake) -> list[float]:
    """Return the prices in the log."""
    return list(outlet.log.frame()["price"])


def test_everything_arrives_in_order(outlet: Intake, until: Until) -> None:
    """Ticks, lists, frames and JSON text, mixed, come into the log as they were sent."""
    send(
        outlet,
        tick(1),
        [tick(2), tick(3)],
        tick(4),
        pd.DataFrame([tick(5), tick(6)]),
        '{"symbol": "A", "price": 7}',
        tick(8),
    )
    until(lambda: len(outlet.log) == 8)
    assert prices(outlet) == list(range(1, 9))
    assert outlet.log.frame()["seq"].tolist() == list(range(1, 9))


def test_ticks_sent_one_by_one_share_an_append(outlet: Intake, until: Until) -> None:
    """While the portal's thread is busy ticks gather, and are appended at once."""
    appends: list[int] = []
    outlet.log.on_append(lambda: appends.append(outlet.log.stop))

    async def source() -> None:
        for price in range(500):
            await outlet.send(tick(price))

    # On the portal's own loop, so that it can't take any of them meanwhile.
    portal.call(source)
    until(lambda: len(outlet.log) == 500)
    assert appends == [500]


def test_a_source_that_is_too_fast_waits(outlet: Intake) -> None:
    """No more than a bounded number of ticks waits for the portal's thread."""
    most = 0

    async def source() -> None:
        nonlocal most
        for price in range(20 * MAX_PENDING):
            await outlet.send(tick(price))
            most = max(most, len(outlet._pending))

    asyncio.run(source())
    portal.call(outlet.drain_async)
    assert most <= MAX_PENDING
    assert prices(outlet) == list(range(20 * MAX_PENDING))


def test_a_tick_may_be_used_again_once_it_is_sent(outlet: Intake, until: Until) -> None:
    """A source that fills the same dict, list or frame over and over spoils nothing."""
    one = tick(0)
    many = [tick(0)]
    frame = pd.DataFrame([tick(0.0)])

    async def source() -> None:
        for price in range(300):
            one["price"] = many[0]["price"] = float(price)
            frame.iloc[0, 1] = float(price)
            for ticks in (one, many, frame):
                await outlet.send(ticks)

    asyncio.run(source())
    until(lambda: len(outlet.log) == 900)
    assert prices(outlet) == [price for price in range(300) for _ in range(3)]


def test_what_is_no_tick_is_counted(outlet: Intake, until: Until) -> None:
    """Nonsense is refused and told, the ticks beside it are taken, and nothing is raised."""
    send(outlet, tick(1), {"symbol": "A"}, None, "nonsense", [tick(2), 17], object(), tick(3))
    until(lambda: len(outlet.log) == 3)
    assert prices(outlet) == [1, 2, 3]
    assert outlet.errors.count == 5


def test_a_mapping_whose_code_fails_is_refused(outlet: Intake, until: Until) -> None:
    """A tick that raises when it is read is one more thing that is no tick."""

    class Faulty(Mapping[str, object]):
        def __getitem__(self, key: str) -> object:
            raise RuntimeError("no such luck")

        def __iter__(self) -> Iterator[str]:
            return iter(["symbol", "price"])

        def __len__(self) -> int:
            return 2

    send(outlet, Faulty(), tick(1))
    until(lambda: len(outlet.log) == 1)
    assert outlet.errors.count == 1
    assert "no such luck" in outlet.errors.last


def test_reports_are_counted(outlet: Intake) -> None:
    """What a source lives through is shown beside what was refused."""
    outlet.report(ValueError("try again"))
    assert (outlet.errors.count, outlet.errors.last) == (1, "ValueError: try again")


def test_a_source_of_a_stopped_server_is_cancelled(outlet: Intake) -> None:
    """What it still makes goes nowhere."""
    outlet.closed = True
    with pytest.raises(asyncio.CancelledError):
        send(outlet, tick(1))
    assert not outlet._pending


def test_a_source_without_a_portal_is_cancelled() -> None:
    """A thread that was left behind does not find the portal's thread, and ends quietly."""
    log = TickLog(10)
    outlet = Intake(log, Gaps(log), ErrorLog("test"), list)
    with pytest.raises(asyncio.CancelledError):
        send(outlet, tick(1))


def test_readers_are_those_who_get_every_tick_and_have_subscribed(
    outlet: Intake, sessions: list[Session], until: Until
) -> None:
    """Pages and plain peers, and who has not yet said what it wants, are not waited for."""
    publication = Publication(outlet.log)
    reader = V1Session(publication, 0.0)
    sessions += [PricesSession(publication), EveryTickSession(publication), reader]

    async def waits() -> bool:
        try:
            await asyncio.wait_for(outlet.wait_for_readers(1), 0.05)
        except TimeoutError:
            return True
        return False

    assert asyncio.run(waits())
    reader.receive('{"type": "subscribe"}', 0.0)
    assert not asyncio.run(waits())


def test_taken_waits_for_the_slowest_reader(outlet: Intake, sessions: list[Session]) -> None:
    """A source that keeps pace goes on when the reader that is furthest behind has caught up."""
    publication = Publication(outlet.log)
    for _ in range(2):
        reader = V1Session(publication, 0.0)
        reader.receive('{"type": "subscribe"}', 0.0)
        sessions.append(reader)
    order: list[str] = []

    async def source() -> None:
        await outlet.wait_until_read(0)
        order.append("none behind")
        await outlet.send([tick(price) for price in range(10)])
        waiting = asyncio.create_task(outlet.wait_until_read(5))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        for session in sessions:
            assert not waiting.done()
            while session.behind:
                await portal.call_async(read, session)
        await waiting
        order.append("taken")

    async def read(session: Session) -> None:
        session.next_message(0.0)

    asyncio.run(source())
    assert order == ["none behind", "taken"]


def test_without_readers_nothing_is_waited_for(outlet: Intake) -> None:
    """When nobody listens a replay at full speed runs on."""

    async def source() -> None:
        await outlet.send([tick(price) for price in range(10)])
        await outlet.wait_until_read(5)

    asyncio.run(asyncio.wait_for(source(), 5))


def test_a_gap_keeps_its_place_among_the_ticks(outlet: Intake) -> None:
    """It travels with what is sent, however many wait, and lies between the same two ticks."""

    async def source() -> None:
        await outlet.gap(1, "before all")
        await outlet.send(tick(0))
        await outlet.gap(2, "between")
        await outlet.gap(0, "none")
        await outlet.send([tick(1), tick(2)])
        await outlet.send(tick(3))
        await outlet.gap(None, "who knows")
        await outlet.send(tick(4))

    # On the portal's own loop, so that all of them wait.
    portal.call(source)
    portal.call(outlet.drain_async)
    assert prices(outlet) == [0, 1, 2, 3, 4]
    assert outlet.log.frame()["seq"].tolist() == [2, 5, 6, 7, 1]
    found = outlet.gaps.frame()
    assert found["from"].tolist() == [1, 3, 8]
    assert found["to"].fillna(0).tolist() == [1, 4, 0]
    assert found["reason"].tolist() == ["before all", "between", "who knows"]
    assert outlet.gaps.rows() == [0, 1, 4]


def test_a_gap_alone_is_told_at_once(until: Until) -> None:
    """Readers are given a gap though no tick comes after it; a stopped server takes none."""
    log, appended = TickLog(10), []
    portal.enter()
    outlet = Intake(log, Gaps(log), ErrorLog("test"), list, lambda: appended.append(log.last_seq))
    asyncio.run(outlet.gap(3, "lost"))
    until(lambda: appended == [3])
    outlet.closed = True
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(outlet.gap(3, "lost"))
    portal.leave()
