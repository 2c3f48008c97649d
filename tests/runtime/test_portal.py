"""portal and workers: calls into the background loop, and threads for blocking code."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator

import pytest

from tickerkit.errors import PortalError
from tickerkit.log import Rows, TickLog
from tickerkit.runtime.interrupts import Outcome
from tickerkit.runtime.loop_task import LoopTask
from tickerkit.runtime.portal import Portal
from tickerkit.runtime.workers import Follower, Worker
from tickerkit.ticks import read_ticks

Until = Callable[..., None]


@pytest.fixture
def portal() -> Iterator[Portal]:
    """Return a separate portal, entered once."""
    portal = Portal()
    portal.enter("user")
    yield portal
    portal.leave("user")


@pytest.fixture
def log() -> TickLog:
    """Return an empty log."""
    return TickLog(100)


def names() -> list[str]:
    """Return the names of tickerkit's threads."""
    return [each.name for each in threading.enumerate() if each.name.startswith("tickerkit")]


def append(log: TickLog, *prices: float) -> None:
    """Append a tick for each price."""
    log.append(read_ticks([{"symbol": "A", "price": price} for price in prices]), received=1)


async def current_thread() -> threading.Thread:
    """Return the thread that runs the loop."""
    return threading.current_thread()


# --- Portal -----------------------------------------------------------------------------------


def test_call_runs_on_the_background_thread(portal: Portal) -> None:
    """A coroutine function runs on the portal's one thread, and its result is returned."""
    assert portal.call(current_thread).name == "tickerkit"
    assert portal.call(current_thread) is portal.call(current_thread)
    assert portal.call(asyncio.sleep, 0, "answer") == "answer"


def test_call_raises_the_error_of_the_coroutine(portal: Portal) -> None:
    """The error is raised in the caller, and the loop continues."""

    async def fail() -> None:
        raise KeyError("nothing here")

    with pytest.raises(KeyError, match="nothing here"):
        portal.call(fail)
    assert portal.call(asyncio.sleep, 0, 1) == 1


def test_call_from_the_portals_thread_is_refused(portal: Portal) -> None:
    """A call that would wait for itself raises instead of deadlocking."""

    async def call_again() -> None:
        portal.call(current_thread)

    with pytest.raises(PortalError, match="current_thread was called from tickerkit's own thread"):
        portal.call(call_again)


def test_call_before_enter_is_refused() -> None:
    """`call` and `post` raise while nothing has entered."""
    portal = Portal()
    with pytest.raises(PortalError, match="nothing has entered"):
        portal.call(current_thread)
    with pytest.raises(PortalError, match="nothing has entered"):
        portal.post(print)
    with pytest.raises(PortalError, match="nothing has entered"):
        portal.call_async(current_thread)  # a coroutine that nothing awaits would be a warning


def test_post_returns_at_once(portal: Portal) -> None:
    """A posted function is called on the loop later, without holding up its caller."""
    called: list[threading.Thread] = []
    done, held = threading.Event(), threading.Event()
    portal.post(held.wait)
    portal.post(lambda: (called.append(threading.current_thread()), done.set()))
    assert called == []
    held.set()
    assert done.wait(5)
    assert called == [portal.call(current_thread)]


def test_call_async_answers_another_loop(portal: Portal) -> None:
    """Code on another loop awaits a coroutine on the portal's loop."""

    async def other_loop() -> threading.Thread:
        return await portal.call_async(current_thread)

    assert asyncio.run(other_loop()) is portal.call(current_thread)


def test_thread_lives_from_the_first_user_to_the_last() -> None:
    """Two users share one thread; it ends when the second one leaves."""
    portal = Portal()
    portal.enter("first")
    portal.enter("second")
    assert names() == ["tickerkit"]
    portal.leave("first")
    assert portal.call(asyncio.sleep, 0, "still") == "still"
    portal.leave("second")
    assert names() == []


def test_users_may_enter_and_leave_twice(portal: Portal) -> None:
    """A user counts once, so that an interrupted call can be repeated."""
    portal.enter("twice")
    portal.enter("twice")
    portal.leave("twice")
    assert portal.call(asyncio.sleep, 0, "still") == "still"
    portal.leave("twice")
    portal.leave("user")
    assert names() == []


def test_portal_starts_again_after_the_last_user_left() -> None:
    """Entering again starts a new loop."""
    portal = Portal()
    seen = set()
    for _ in range(3):
        portal.enter("user")
        seen.add(portal.call(current_thread))
        portal.leave("user")
        assert names() == []
    assert len(seen) == 3


def test_leave_cancels_remaining_tasks(portal: Portal) -> None:
    """A task left on the loop is cancelled and cleans up before the thread ends."""
    cleaned = threading.Event()

    async def linger() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    tasks = []

    async def begin() -> None:
        tasks.append(asyncio.create_task(linger()))
        await asyncio.sleep(0)

    portal.call(begin)
    portal.leave("user")
    assert cleaned.is_set()
    portal.enter("user")


def test_coroutine_posted_before_leave_still_starts(portal: Portal) -> None:
    """A coroutine that the loop had no time for runs up to its first wait, and cleans up."""
    busy, held, cleaned = threading.Event(), threading.Event(), threading.Event()

    async def linger() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    portal.post(lambda: (busy.set(), held.wait()))
    assert busy.wait(5)
    portal.post(lambda: asyncio.ensure_future(linger()))
    threading.Timer(0.1, held.set).start()
    portal.leave("user")
    assert cleaned.is_set()
    portal.enter("user")


def test_thread_is_a_daemon(portal: Portal) -> None:
    """The thread does not prevent a kernel or script from exiting."""
    assert portal.call(current_thread).daemon


def test_many_threads_enter_call_and_leave_concurrently() -> None:
    """Concurrent users share the portal; the last one ends its thread."""
    portal = Portal()
    answers: list[int] = []

    def use(number: int) -> None:
        for _ in range(50):
            portal.enter(number)
            answers.append(portal.call(asyncio.sleep, 0, number))
            portal.leave(number)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 400
    assert names() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_child_starts_its_own_portal() -> None:
    """A child has no copy of the thread and starts one of its own."""
    from tickerkit.runtime.portal import portal

    portal.enter("user")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of forks in a process with threads
        child = os.fork()
    if not child:
        code = 1
        try:
            try:
                portal.call(current_thread)
            except PortalError:
                portal.enter("user")
                code = 0 if portal.call(asyncio.sleep, 0, "answer") == "answer" else 2
                portal.leave("user")
        finally:
            os._exit(code)
    try:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert portal.call(asyncio.sleep, 0, "parent") == "parent"
    finally:
        portal.leave("user")


# --- LoopTask ---------------------------------------------------------------------------------


@pytest.fixture
def loop_portal() -> Iterator[Portal]:
    """Return the portal of the process, which no task uses at the end."""
    from tickerkit.runtime.portal import portal

    yield portal
    assert portal._users == set()
    assert names() == []


def make_task(seen: list[str], fail: str = "") -> LoopTask:
    """Return a task that notes how far it is, and may fail at one point."""

    async def main(set_ready: Callable[[], None]) -> None:
        try:
            seen.append("opens")
            await asyncio.sleep(0)
            if fail == "open":
                raise OSError(fail)
            set_ready()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            seen.append("closed")
            if fail == "close":
                raise OSError(fail)

    return LoopTask(main)


def test_loop_task_releases_what_it_holds_when_it_is_stopped(loop_portal: Portal) -> None:
    """Stop waits for the end of the cleanup; a second one has nothing to do."""
    seen: list[str] = []
    task = make_task(seen)
    task.stop()
    task.start()
    assert seen == ["opens"]
    task.stop()
    task.stop()
    assert seen == ["opens", "closed"]


def test_loop_task_raises_its_errors_where_it_is_awaited(loop_portal: Portal) -> None:
    """An error of the start is raised by `start` only, one of the end by `stop`."""
    seen: list[str] = []
    task = make_task(seen, "open")
    with pytest.raises(OSError, match="open"):
        task.start()
    task.stop()
    task = make_task(seen, "close")
    task.start()
    with pytest.raises(OSError, match="close"):
        task.stop()
    assert seen == ["opens", "closed"] * 2


def test_loop_task_ends_although_nothing_waits(
    loop_portal: Portal, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """An interrupt ends the wait for it, not its cleanup, and the loop's thread ends too."""

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    for moment in ("start", "stop"):
        seen: list[str] = []
        task = make_task(seen)
        if moment == "stop":
            task.start()
        with monkeypatch.context() as patch:
            patch.setattr(Outcome, "wait", interrupted)
            if moment == "start":
                with pytest.raises(KeyboardInterrupt):
                    task.start()
            with pytest.raises(KeyboardInterrupt):
                task.stop()
        until(lambda: not names())
        assert seen in ([], ["opens", "closed"])  # empty: cancelled before it began
        task.stop()


def test_loop_task_stopped_before_it_is_ready_fails_to_start(loop_portal: Portal) -> None:
    """The thread that waits in `start` gets an error; what was opened is closed."""
    seen: list[str] = []

    async def main(_: Callable[[], None]) -> None:
        try:
            seen.append("opens")
            await asyncio.Event().wait()
        finally:
            seen.append("closed")

    task = LoopTask(main)
    stopping = threading.Timer(0.05, task.stop)
    stopping.start()
    with pytest.raises(PortalError, match="stopped"):
        task.start()
    stopping.join()
    assert seen == ["opens", "closed"]


# --- Worker -----------------------------------------------------------------------------------


def test_worker_ends_with_its_coroutine(until: Until) -> None:
    """The thread has an event loop of its own, and ends when the coroutine does."""
    ran: list[str] = []

    async def main() -> None:
        await asyncio.sleep(0)
        ran.append(threading.current_thread().name)

    worker = Worker("tickerkit test", main)
    until(lambda: not names())
    assert ran == ["tickerkit test"]
    assert worker.cancel()


def test_waiting_worker_is_cancelled() -> None:
    """Cancelling interrupts an await, lets the coroutine clean up, and waits for the end."""
    waiting, cleaned = threading.Event(), threading.Event()

    async def main() -> None:
        try:
            waiting.set()
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    worker = Worker("tickerkit test", main)
    assert waiting.wait(5)
    assert worker.cancel()
    assert cleaned.is_set()
    assert names() == []
    assert worker.cancel(), "cancel is idempotent"


def test_worker_can_be_cancelled_before_it_starts() -> None:
    """An early cancel is not lost."""
    for _ in range(50):
        worker = Worker("tickerkit test", lambda: asyncio.sleep(60))
        assert worker.cancel()
    assert names() == []


def test_second_cancel_does_not_interrupt_the_clean_up(until: Until) -> None:
    """A coroutine that takes long to clean up is cancelled once."""
    waiting, cleaning, release = threading.Event(), threading.Event(), threading.Event()
    cleaned: list[str] = []

    async def main() -> None:
        try:
            waiting.set()
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await asyncio.to_thread(release.wait, 20)
            cleaned.append("all")

    worker = Worker("tickerkit test", main)
    assert waiting.wait(5)
    assert not worker.cancel(0)
    assert cleaning.wait(5)
    assert not worker.cancel(0)
    release.set()
    until(lambda: not names())
    assert cleaned == ["all"]


def test_blocked_worker_is_abandoned(until: Until) -> None:
    """Blocking code can't be interrupted: cancel returns False after its timeout."""
    blocked, release = threading.Event(), threading.Event()
    after: list[str] = []

    async def main() -> None:
        blocked.set()
        release.wait(20)
        await asyncio.sleep(0)
        after.append("went on")

    worker = Worker("tickerkit test", main)
    assert blocked.wait(5)
    began = time.monotonic()
    assert not worker.cancel(timeout_s=0.1)
    assert time.monotonic() - began < 2
    release.set()
    until(lambda: not names())
    assert after == []


# --- Follower ---------------------------------------------------------------------------------


def test_follower_passes_on_new_rows(log: TickLog, until: Until) -> None:
    """Rows appended after it started reach the handler once and in order."""
    append(log, 1, 2)
    seen: list[float] = []
    follower = Follower(log, lambda rows: seen.extend(rows.array("price")))
    for price in range(3, 50):
        append(log, price)
    until(lambda: len(seen) == 47)
    assert seen == list(range(3, 50))
    assert follower.stop()
    assert names() == []


def test_follower_starts_at_the_position_of_its_reader(log: TickLog, until: Until) -> None:
    """Rows from the reader's position on are passed on without a new append."""
    append(log, 1, 2, 3)
    seen: list[float] = []
    follower = Follower(log, lambda rows: seen.extend(rows.array("price")), reader=log.reader(1))
    until(lambda: seen == [2, 3])
    follower.stop()


def test_slow_handler_gets_larger_batches(log: TickLog, until: Until) -> None:
    """Rows that arrive while the handler is busy come as one batch."""
    batches: list[int] = []
    busy, release = threading.Event(), threading.Event()

    def handle(rows: Rows) -> None:
        batches.append(len(rows))
        busy.set()
        release.wait(20)

    follower = Follower(log, handle)
    append(log, 1)
    assert busy.wait(5)
    for price in range(2, 41):
        append(log, price)
    release.set()
    until(lambda: sum(batches) == 40)
    assert batches == [1, 39]
    follower.stop()


def test_follower_reports_lost_rows(until: Until) -> None:
    """Rows that the log dropped before they were read are counted."""
    log = TickLog(10)
    lost: list[int] = []
    seen: list[float] = []
    busy, release = threading.Event(), threading.Event()

    def handle(rows: Rows) -> None:
        lost.append(rows.lost)
        seen.extend(rows.array("price"))
        busy.set()
        release.wait(20)

    follower = Follower(log, handle)
    append(log, 0)
    assert busy.wait(5)
    for price in range(1, 31):
        append(log, price)
    release.set()
    until(lambda: len(seen) == 11)
    assert lost == [0, 20]
    assert seen == [0, *range(21, 31)]
    follower.stop()


def test_follower_gathers_rows_during_its_pause(log: TickLog, until: Until) -> None:
    """Rows that arrive between two calls come as one batch; a function may say how long it is."""
    batches: list[int] = []
    follower = Follower(log, lambda rows: batches.append(len(rows)), every_s=lambda: 0.2)
    append(log, 1)
    until(lambda: batches == [1])
    for price in range(2, 22):
        append(log, price)
    until(lambda: sum(batches) == 21)
    assert len(batches) <= 3
    follower.stop()


def test_idle_follower_calls_its_handler_without_rows(log: TickLog, until: Until) -> None:
    """With `idle_s` the handler is called after a time without new rows."""
    calls: list[int] = []
    follower = Follower(log, lambda rows: calls.append(len(rows)), idle_s=0.01)
    until(lambda: len(calls) >= 3)
    assert set(calls) == {0}
    follower.stop()


def test_stop_passes_on_remaining_rows(log: TickLog) -> None:
    """Stop neither drops rows appended before nor waits for the end of the pause."""
    seen: list[float] = []
    follower = Follower(log, lambda rows: seen.extend(rows.array("price")), every_s=60)
    for price in range(50):
        append(log, price)
    began = time.monotonic()
    assert follower.stop()
    assert time.monotonic() - began < 5
    assert seen == list(range(50))
    append(log, 51)
    assert len(seen) == 50
    assert follower.stop(), "stop is idempotent"


def test_follower_can_be_stopped_by_its_handler(log: TickLog, until: Until) -> None:
    """Stop does not wait for its own thread."""
    stopped: list[bool] = []
    follower = Follower(log, lambda _: stopped.append(follower.stop()))
    append(log, 1)
    until(lambda: not names())
    assert stopped == [False]


def test_stop_abandons_a_handler_that_blocks(log: TickLog, until: Until) -> None:
    """A handler that never returns delays stop by its timeout only."""
    busy, release = threading.Event(), threading.Event()

    def handle(_: Rows) -> None:
        busy.set()
        release.wait(20)

    follower = Follower(log, handle)
    append(log, 1)
    assert busy.wait(5)
    began = time.monotonic()
    assert not follower.stop(timeout_s=0.1)
    assert time.monotonic() - began < 2
    release.set()
    until(lambda: not names())


def test_follower_calls_finish_in_its_own_thread(log: TickLog) -> None:
    """Cleanup runs in the thread that used the resources."""
    where: list[str] = []
    follower = Follower(
        log,
        lambda _: None,
        finish=lambda: where.append(threading.current_thread().name),
        name="tickerkit test",
    )
    follower.stop()
    assert where == ["tickerkit test"]
