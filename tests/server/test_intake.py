"""intake: ticks on their way from a source's thread into a server's log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

import pandas as pd
import pytest
from relays import hello
from relays import ticks as ticks_of

from tickerkit.log import Gap, Gaps, TickLog
from tickerkit.protocol import (
    End,
    EveryTickSession,
    Origin,
    PricesSession,
    Publication,
    Session,
    Taker,
    V1Session,
)
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.runtime.portal import portal
from tickerkit.server.intake import MAX_PENDING_ITEMS, Intake

Until = Callable[..., None]


@pytest.fixture
def sessions() -> list[Session]:
    """Return the sessions that are connected: none yet."""
    return []


@pytest.fixture
def intake(sessions: list[Session]) -> Iterator[Intake]:
    """Return an intake into a log of its own."""
    portal.enter("test")
    log = TickLog(100_000)
    yield Intake(log, Gaps(log), ErrorLog("test"), lambda: sessions)
    portal.leave("test")


def tick(price: float, symbol: str = "A") -> dict[str, Any]:
    """Return a tick."""
    return {"symbol": symbol, "price": price}


def send(intake: Intake, *given: object) -> None:
    """Send each item, as a source does in its own thread."""

    async def source() -> None:
        for ticks in given:
            await intake.send(ticks)

    asyncio.run(source())


def prices(intake: Intake) -> list[float]:
    """Return the prices in the log."""
    return list(intake.log.frame()["price"])


def test_ticks_of_every_form_arrive_in_order(intake: Intake, until: Until) -> None:
    """Ticks, lists, frames and JSON text are appended in the order they were sent."""
    send(
        intake,
        tick(1),
        [tick(2), tick(3)],
        tick(4),
        pd.DataFrame([tick(5), tick(6)]),
        '{"symbol": "A", "price": 7}',
        tick(8),
    )
    until(lambda: len(intake.log) == 8)
    assert prices(intake) == list(range(1, 9))
    assert intake.log.frame()["seq"].tolist() == list(range(1, 9))


def test_single_ticks_share_an_append(intake: Intake, until: Until) -> None:
    """Ticks gather while the portal's thread is busy, and are appended together."""
    appends: list[int] = []
    intake.log.on_append(lambda: appends.append(intake.log.stop))

    async def source() -> None:
        for price in range(500):
            await intake.send(tick(price))

    # On the portal's own loop, which therefore can't drain in between.
    portal.call(source)
    until(lambda: len(intake.log) == 500)
    assert appends == [500]


def test_fast_source_waits(intake: Intake) -> None:
    """The number of pending ticks is bounded."""
    most = 0

    async def source() -> None:
        nonlocal most
        for price in range(20 * MAX_PENDING_ITEMS):
            await intake.send(tick(price))
            most = max(most, len(intake._pending))

    asyncio.run(source())
    portal.call(intake.drain_async)
    assert most <= MAX_PENDING_ITEMS
    assert prices(intake) == list(range(20 * MAX_PENDING_ITEMS))


def test_sent_objects_may_be_reused(intake: Intake, until: Until) -> None:
    """A source may change its dict, list or frame after `send`."""
    one = tick(0)
    many = [tick(0)]
    frame = pd.DataFrame([tick(0.0)])

    async def source() -> None:
        for price in range(300):
            one["price"] = many[0]["price"] = float(price)
            frame.iloc[0, 1] = float(price)
            for ticks in (one, many, frame):
                await intake.send(ticks)

    asyncio.run(source())
    until(lambda: len(intake.log) == 900)
    assert prices(intake) == [price for price in range(300) for _ in range(3)]


def test_invalid_ticks_are_counted(intake: Intake, until: Until) -> None:
    """Valid ticks beside them are appended, and nothing is raised."""
    send(intake, tick(1), {"symbol": "A"}, None, "nonsense", [tick(2), 17], object(), tick(3))
    until(lambda: len(intake.log) == 3)
    assert prices(intake) == [1, 2, 3]
    assert intake.errors.count == 5


def test_mapping_that_raises_is_refused(intake: Intake, until: Until) -> None:
    """An error of the mapping's own code counts as a refused tick."""

    class Faulty(Mapping[str, object]):
        def __getitem__(self, key: str) -> object:
            raise RuntimeError("no such luck")

        def __iter__(self) -> Iterator[str]:
            return iter(["symbol", "price"])

        def __len__(self) -> int:
            return 2

    send(intake, Faulty(), tick(1))
    until(lambda: len(intake.log) == 1)
    assert intake.errors.count == 1
    assert "no such luck" in intake.errors.last


def test_reported_errors_are_counted(intake: Intake) -> None:
    """Errors that a source reports count with refused ticks."""
    intake.report(ValueError("try again"))
    assert (intake.errors.count, intake.errors.last) == (1, "ValueError: try again")


def test_source_of_a_stopped_server_sends_nothing_until_it_is_cancelled(intake: Intake) -> None:
    """A tick or a gap that it still sends is dropped; nothing interrupts what it cleans up."""
    intake.closed = True
    asyncio.run(see_it_cancelled_once(lambda: intake.send(tick(1))))
    asyncio.run(see_it_cancelled_once(lambda: intake.gap(3, "lost")))
    asyncio.run(see_it_cancelled_once(lambda: intake.take([End()])))
    assert not intake._pending


def test_source_without_a_portal_sends_nothing_until_it_is_cancelled() -> None:
    """Also that of a thread that was abandoned: the portal's thread is gone when it sends."""
    log = TickLog(10)
    intake = Intake(log, Gaps(log), ErrorLog("test"), list)
    asyncio.run(see_it_cancelled_once(lambda: intake.send(tick(1))))


async def see_it_cancelled_once(call: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Check that a call of a source ends when the source is cancelled, and not before."""
    steps: list[str] = []
    is_closing, may_close = asyncio.Event(), asyncio.Event()

    async def source() -> None:
        try:
            await call()
        finally:
            steps.append("closing")
            is_closing.set()
            await may_close.wait()
            steps.append("closed")

    task = asyncio.create_task(source())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not steps
    task.cancel()
    await is_closing.wait()
    may_close.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == ["closing", "closed"]


def test_source_that_ignores_its_cancellation_is_cancelled_again(intake: Intake) -> None:
    """Otherwise it would send for ever."""
    intake.closed = True
    ignored: list[int] = []

    async def source() -> None:
        for number in range(3):
            try:
                await asyncio.sleep(0)
                await intake.send(tick(1))
            except asyncio.CancelledError:
                ignored.append(number)

    async def run() -> None:
        task = asyncio.create_task(source())
        await asyncio.sleep(0)
        task.cancel()
        await task

    asyncio.run(run())
    assert ignored == [0, 1, 2]


def test_only_subscribed_v1_sessions_count_as_readers(
    intake: Intake, sessions: list[Session], until: Until
) -> None:
    """Pages, plain clients and clients that have not subscribed don't count."""
    publication = Publication(intake.log)
    reader = V1Session(publication, 0.0)
    sessions += [PricesSession(publication), EveryTickSession(publication), reader]

    async def waits() -> bool:
        try:
            await asyncio.wait_for(intake.wait_for_readers(1), 0.05)
        except TimeoutError:
            return True
        return False

    assert asyncio.run(waits())
    reader.receive('{"type": "subscribe"}', 0.0)
    assert not asyncio.run(waits())


def test_wait_until_read_waits_for_the_slowest_reader(
    intake: Intake, sessions: list[Session]
) -> None:
    """`wait_until_read` returns when the slowest reader is close enough to the end."""
    publication = Publication(intake.log)
    for _ in range(2):
        reader = V1Session(publication, 0.0)
        reader.receive('{"type": "subscribe"}', 0.0)
        sessions.append(reader)
    order: list[str] = []

    async def source() -> None:
        await intake.wait_until_read(0)
        order.append("none behind")
        await intake.send([tick(price) for price in range(10)])
        waiting = asyncio.create_task(intake.wait_until_read(5))
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


def test_wait_until_read_returns_without_readers(intake: Intake) -> None:
    """A replay at full speed continues while no client is connected."""

    async def source() -> None:
        await intake.send([tick(price) for price in range(10)])
        await intake.wait_until_read(5)

    asyncio.run(asyncio.wait_for(source(), 5))


def test_gap_keeps_its_place_among_the_ticks(intake: Intake) -> None:
    """The gap lies between the same two ticks, however many ticks are pending."""

    async def source() -> None:
        await intake.gap(1, "before all")
        await intake.send(tick(0))
        await intake.gap(2, "between")
        await intake.gap(0, "none")
        await intake.send([tick(1), tick(2)])
        await intake.send(tick(3))
        await intake.gap(None, "who knows")
        await intake.send(tick(4))

    # On the portal's own loop, so that all of them are pending.
    portal.call(source)
    portal.call(intake.drain_async)
    assert prices(intake) == [0, 1, 2, 3, 4]
    assert intake.log.frame()["seq"].tolist() == [2, 5, 6, 7, 1]
    found = intake.gaps.frame()
    assert found["from"].tolist() == [1, 3, 8]
    assert found["to"].fillna(0).tolist() == [1, 4, 0]
    assert found["reason"].tolist() == ["before all", "between", "who knows"]
    assert intake.gaps.rows() == [0, 1, 4]


def test_events_of_another_log_wait_like_ticks(sessions: list[Session]) -> None:
    """They keep their order; a source that sends many waits until they are in the log."""
    log = TickLog(100_000)
    intake = Intake(
        log,
        Gaps(log),
        ErrorLog("test"),
        lambda: sessions,
        taker=Taker(log, Gaps(log), Origin()),
    )
    most = 0

    async def source() -> None:
        nonlocal most
        await intake.take([hello("E1")])
        for seq in range(1, 5000, 2):
            await intake.take([ticks_of("E1", seq, seq), Gap("E1", seq + 1, seq + 1, "lost")])
            most = max(most, len(intake._pending))

    portal.enter("test")
    asyncio.run(source())
    portal.call(intake.drain_async)
    portal.leave("test")
    assert most <= MAX_PENDING_ITEMS
    assert log.frame()["seq"].tolist() == list(range(1, 5000, 2))
    assert (log.epoch, log.last_seq) == ("E1", 5000)


def test_gap_without_a_following_tick_is_sent_at_once(until: Until) -> None:
    """The gap reaches clients without waiting for a tick."""
    log, appended = TickLog(10), []
    portal.enter("test")
    intake = Intake(log, Gaps(log), ErrorLog("test"), list, lambda: appended.append(log.last_seq))
    asyncio.run(intake.gap(3, "lost"))
    until(lambda: appended == [3])
    portal.leave("test")
