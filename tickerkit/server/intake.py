"""Intake: brings ticks from the thread of a source into the log of a server."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias

import pandas as pd

from tickerkit.errors import BadTick, PortalError, SourceError
from tickerkit.log import Gaps, TickLog, refuse_excess
from tickerkit.protocol import Session, Taken, Taker, V1Session
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.runtime.portal import portal
from tickerkit.sources import Outlet
from tickerkit.ticks import Batch, read_ticks

__all__ = ["Intake", "make_refusal"]

MAX_PENDING_ITEMS = 1000
POLL_S = 0.005


class _MissingTicks(NamedTuple):
    ticks: int | None
    reason: str


_Pending: TypeAlias = dict[object, object] | Batch | _MissingTicks | Taken


class Intake(Outlet):
    """Hands ticks over to the portal's thread, the only one that appends to the log.

    Ticks that are sent one by one stay pending until the portal's thread reads and appends them
    together: one tick if the thread is idle, many if it is busy. While too many ticks are pending,
    the source waits.

    Args:
        log: the log to append to.
        gaps: the gaps of the log.
        errors: counts refused ticks and the source's errors.
        sessions: returns the connected sessions; called in the portal's thread.
        on_appended: called in that thread, once after each drain.
        taker: puts into the log what another log has numbered.

    Attributes:
        closed: whether the server has stopped; a source that still sends is then cancelled.
    """

    def __init__(
        self,
        log: TickLog,
        gaps: Gaps,
        errors: ErrorLog,
        sessions: Callable[[], list[Session]],
        on_appended: Callable[[], object] = lambda: None,
        taker: Taker | None = None,
    ) -> None:
        self.log = log
        self.keep = log.keep
        self.gaps = gaps
        self.errors = errors
        self.closed = False
        self._sessions = sessions
        self._on_appended = on_appended
        self._taker = taker or Taker(log, gaps)
        self._pending: deque[_Pending] = deque()
        self._lock = threading.Lock()
        self._is_posted = False

    # --- called by the source, in its own thread ----------------------------------------------

    async def send(self, ticks: object) -> None:
        self._check_numbering(ticks)
        await self._hand_over(_copy_ticks(ticks))

    async def gap(self, count: int | None, reason: str) -> None:
        self._check_numbering(reason)
        await self._hand_over(_MissingTicks(count, reason))

    async def take(self, events: Iterable[Taken]) -> None:
        for event in events:
            await self._hand_over(event)

    def _check_numbering(self, given: object) -> None:
        if self._taker.origin is not None:
            raise make_refusal(given)

    async def _hand_over(self, item: _Pending) -> None:
        if self.closed:
            await _wait_for_cancel()
        self._pending.append(item)
        try:
            self._post_drain()
            if len(self._pending) >= MAX_PENDING_ITEMS:
                await portal.call_async(self.drain_async)
        except PortalError:
            await _wait_for_cancel()

    async def wait_for_readers(self, count: int) -> None:
        # Polling, because sessions live on another loop.
        while await portal.call_async(self._count_readers) < count:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)

    async def wait_until_read(self, max_behind: int) -> None:
        while await portal.call_async(self._max_behind) > max_behind:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)

    def report(self, error: BaseException) -> None:
        self.errors.add(error)

    # --- in the portal's thread ---------------------------------------------------------------

    def append(self, batch: Batch) -> BadTick | None:
        """Append a batch, and count its refused ticks.

        Returns:
            Why the first of them was refused; None if none was.
        """
        batch = refuse_excess(self.log, batch)
        if batch.refused:
            self.errors.add(batch.errors[0], batch.refused)
        self.log.append(batch, received=time.time_ns())
        return batch.errors[0] if batch.refused else None

    def drain(self) -> None:
        """Append all pending ticks."""
        with self._lock:
            self._is_posted = False
        rows: list[dict[object, object]] = []
        while self._pending:
            item = self._pending.popleft()
            if isinstance(item, dict):
                rows.append(item)
                continue
            if rows:
                self.append(read_ticks(rows))
                rows = []
            match item:
                case Batch():
                    self.append(item)
                case _MissingTicks():
                    self.gaps.miss(item.ticks, item.reason)
                case event:
                    if (error := self._taker.take(event, time.time_ns())) is not None:
                        self.errors.add(error)
        if rows:
            self.append(read_ticks(rows))
        self._on_appended()

    async def drain_async(self) -> None:
        """Append all pending ticks; for `portal.call_async`."""
        self.drain()

    async def _count_readers(self) -> int:
        return len(self._list_readers())

    async def _max_behind(self) -> int:
        self.drain()
        return max((reader.behind for reader in self._list_readers()), default=0)

    def _list_readers(self) -> list[V1Session]:
        """Return the subscribed sessions that get every tick and can resume."""
        found = (each for each in self._sessions() if isinstance(each, V1Session))
        return [session for session in found if session.row is not None]

    # --- in any thread ------------------------------------------------------------------------

    def on_log_append(self) -> None:
        """Send the ticks that another thread has appended to the log directly."""
        if not portal.is_current_thread:
            with contextlib.suppress(PortalError):  # the server has stopped
                self._post_drain()

    def _post_drain(self) -> None:
        with self._lock:
            post, self._is_posted = not self._is_posted, True
        if post:
            portal.post(self.drain)


def make_refusal(given: object) -> SourceError:
    """Return the error that a relay takes nothing without the numbers of its stream."""
    problem = "this server is a relay: its ticks have the numbers of the server that makes them"
    error = SourceError(given, problem, fix="publish at that server")
    # Nothing is wrong with what was given, so the text does not begin with it.
    error.args = (f"{error.problem}; {error.fix}",)
    return error


async def _wait_for_cancel() -> None:
    """Wait until the stopped server cancels the source; raise if that has happened before.

    Raised at once, the error would have the source clean up, and the server's cancellation would
    then interrupt that: the socket of a websocket that is being closed would stay open.
    """
    task = asyncio.current_task()
    while task is None or not task.cancelling():  # noqa: ASYNC110 - nothing else will happen
        await asyncio.sleep(POLL_S)
    raise asyncio.CancelledError


def _copy_ticks(ticks: object) -> dict[object, object] | Batch:
    """Copy or read ticks: the source may change its object as soon as `send` returns."""
    if isinstance(ticks, Mapping):
        try:
            return dict(ticks)
        except Exception:  # a fault in the mapping's own code; reading it gives the error
            return read_ticks(ticks)
    return read_ticks(ticks.copy() if isinstance(ticks, pd.DataFrame) else ticks)
