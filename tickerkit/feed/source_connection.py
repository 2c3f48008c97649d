"""SourceConnection: a source that fills a feed's log directly, without a server in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from tickerkit.errors import FeedFailed, SourceError
from tickerkit.feed.connection import describe_problem, describe_status
from tickerkit.net.pacing import MAX_STEP_S
from tickerkit.protocol import Event, PlainClient, Taken
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.sources import Outlet, WebsocketSource
from tickerkit.ticks import read_ticks

__all__ = ["SourceConnection"]

FULL_STEP_S = 0.01


class SourceConnection(Outlet):
    """Runs a websocket source in the portal's thread, and gives the feed what it receives.

    Its attributes are those of `Connection`. Only a source whose code never blocks may run there.

    Args:
        source: the source.
        client: numbers the ticks; it keeps the epoch when the cell of a feed is run again.
        take: called with each event, and the time at which it came, in epoch ns.
        faults: log of the errors.
        is_full: whether to take nothing for now, since ticks wait to be written.
    """

    failure: FeedFailed | None = None

    def __init__(
        self,
        source: WebsocketSource,
        client: PlainClient,
        take: Callable[[Event, int], None],
        faults: ErrorLog,
        is_full: Callable[[], bool] = lambda: False,
    ) -> None:
        self.source = source
        self.status_since_ns = time.time_ns()
        self._client = client
        self._take = take
        self._faults = faults
        self._is_full = is_full
        self._status = source.status
        self._yielded_s = 0.0

    @property
    def status(self) -> str:
        """One of "connecting", "live" and "reconnecting"."""
        if (status := self.source.status) != self._status:
            self._status, self.status_since_ns = status, time.time_ns()
        return status

    @property
    def status_reason(self) -> str:
        """Why the newest connection ended, or was not made; empty while live."""
        return self.source.status_reason

    @property
    def status_detail(self) -> str:
        """The status as a sentence: with the address, the reason, and the next attempt."""
        return describe_status(self.status, self.source.address, self.problem)

    @property
    def problem(self) -> str:
        """The reason, with the time of the next attempt if there is one."""
        return describe_problem(self.status, self.status_reason, self.source.retry_in_s)

    @property
    def reconnects(self) -> int:
        """How many times it connected again; -1 before the first connection."""
        return self.source.reconnects

    async def run(self) -> None:
        """Run the source until it is cancelled."""
        for event in self._client.start_connection():
            self._take(event, time.time_ns())
        self._yielded_s = time.thread_time()
        await self.source.run(self)

    async def send(self, ticks: object) -> None:
        while self._is_full():  # noqa: ASYNC110 - the recorder writes in another thread
            await asyncio.sleep(FULL_STEP_S)
        self._take(self._client.number(read_ticks(ticks)), time.time_ns())
        if time.thread_time() - self._yielded_s > MAX_STEP_S:
            await asyncio.sleep(0)
            self._yielded_s = time.thread_time()

    async def gap(self, count: int | None, reason: str) -> None:
        for event in self._client.miss(count, reason):
            self._take(event, time.time_ns())

    async def take(self, events: Iterable[Taken]) -> None:
        raise SourceError(self.source, "a feed numbers the ticks of its websocket itself")

    async def wait_for_readers(self, count: int) -> None:
        """Return at once: the feed itself is the only reader."""

    async def wait_until_read(self, max_behind: int) -> None:
        """Return at once: the feed itself is the only reader."""

    def report(self, error: BaseException) -> None:
        # That the source can't connect is the feed's status already.
        if not isinstance(error, SourceError):
            self._faults.add(error)
