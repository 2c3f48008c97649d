"""Where a running source hands its ticks to: from its own thread into the log of a server."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

import pandas as pd

from tickerkit.errors import PortalError
from tickerkit.log import Gaps, TickLog
from tickerkit.protocol import Session, V1Session
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.runtime.portal import portal
from tickerkit.sources import Outlet
from tickerkit.ticks import Batch, read_ticks

__all__ = ["Intake"]

MAX_WAITING = 1000
POLL_S = 0.005


class _Missing(NamedTuple):
    ticks: int | None
    reason: str


class Intake(Outlet):
    """Hands ticks over to the portal's thread, which alone appends to the log.

    Ticks that come one by one are gathered until that thread takes them: then they are read and
    appended at once, one alone when it is idle, many when it is busy. When too many wait, the
    source waits.

    Args:
        log: the log to append to.
        gaps: where the holes in it are noted.
        faults: where refusals and the source's errors are counted.
        sessions: returns the sessions that are connected; called in the portal's thread.
        appended: called in that thread, once for all that was appended at a time.

    Attributes:
        closed: whether the server has stopped; then a source that still sends is cancelled.
    """

    def __init__(
        self,
        log: TickLog,
        gaps: Gaps,
        faults: ErrorLog,
        sessions: Callable[[], list[Session]],
        appended: Callable[[], object] = lambda: None,
    ) -> None:
        self.log = log
        self.gaps = gaps
        self.faults = faults
        self.closed = False
        self._sessions = sessions
        self._appended = appended
        self._waiting: deque[dict[object, object] | Batch | _Missing] = deque()
        self._lock = threading.Lock()
        self._posted = False

    async def send(self, ticks: object) -> None:
        await self._hand_over(_taken(ticks))

    async def gap(self, count: int | None, reason: str) -> None:
        await self._hand_over(_Missing(count, reason))

    async def _hand_over(self, item: dict[object, object] | Batch | _Missing) -> None:
        if self.closed:
            raise asyncio.CancelledError
        self._waiting.append(item)
        try:
            self._post()
            if len(self._waiting) >= MAX_WAITING:
                await portal.call_async(self._drained)
        except PortalError:
            raise asyncio.CancelledError from None

    async def wait_for_readers(self, count: int) -> None:
        while await portal.call_async(self._count_readers) < count:  # noqa: ASYNC110 - on another loop
            await asyncio.sleep(POLL_S)

    async def wait_until_read(self, max_behind: int) -> None:
        while await portal.call_async(self._most_behind) > max_behind:  # noqa: ASYNC110 - on another loop
            await asyncio.sleep(POLL_S)

    def report(self, error: BaseException) -> None:
        self.faults.add(error)

    def append(self, batch: Batch) -> None:
        """Append a batch, and count what was refused of it; in the portal's thread."""
        if batch.refused:
            self.faults.add(batch.errors[0], batch.refused)
        self.log.append(batch, received=time.time_ns())

    def noticed(self) -> None:
        """Take note of an append; one that another thread made itself is to be sent, too."""
        if not portal.is_current_thread:
            with contextlib.suppress(PortalError):  # the server has stopped
                self._post()

    def _post(self) -> None:
        with self._lock:
            post, self._posted = not self._posted, True
        if post:
            portal.post(self.drain)

    def drain(self) -> None:
        """Append what waits; in the portal's thread."""
        with self._lock:
            self._posted = False
        rows: list[dict[object, object]] = []
        while self._waiting:
            item = self._waiting.popleft()
            if isinstance(item, dict):
                rows.append(item)
                continue
            if rows:
                self.append(read_ticks(rows))
                rows = []
            if isinstance(item, Batch):
                self.append(item)
            else:
                self.gaps.miss(item.ticks, item.reason)
        if rows:
            self.append(read_ticks(rows))
        self._appended()

    async def _drained(self) -> None:
        self.drain()

    async def _count_readers(self) -> int:
        return len(self._readers())

    async def _most_behind(self) -> int:
        self.drain()
        return max((reader.behind for reader in self._readers()), default=0)

    def _readers(self) -> list[V1Session]:
        """Return the sessions that get every tick with resume, once they have subscribed."""
        found = (each for each in self._sessions() if isinstance(each, V1Session))
        return [session for session in found if session.row is not None]


def _taken(ticks: object) -> dict[object, object] | Batch:
    """Take ticks out of the source's hands: it may change them once they are sent."""
    if isinstance(ticks, Mapping):
        try:
            return dict(ticks)
        except Exception:  # of the mapping's own code; reading it tells
            return read_ticks(ticks)
    return read_ticks(ticks.copy() if isinstance(ticks, pd.DataFrame) else ticks)
