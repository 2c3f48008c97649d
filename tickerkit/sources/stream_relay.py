"""StreamRelay: the source of a relay whose log is a stream on a broker."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque

from tickerkit.brokers import NatsBroker, StreamAddress
from tickerkit.errors import StreamError
from tickerkit.protocol import CaughtUp
from tickerkit.sources.base import Outlet
from tickerkit.sources.relay import RelaySource
from tickerkit.streams import Broker, Follower, Stored, find_newest_message, follow

__all__ = ["StreamRelay"]

# How often the stream's end is looked at: for what is behind, and for a broker that has lost
# messages and says nothing.
LOOK_S = 1.0
NS_PER_S = 1_000_000_000


class StreamRelay(RelaySource):
    """Fills a server's log from a stream.

    Args:
        address: the stream.
        wait_s: as for `RelaySource`.
    """

    def __init__(self, address: StreamAddress, wait_s: float | None = 10.0) -> None:
        super().__init__(str(address), wait_s)
        self._stream = address
        self._follower: Follower | None = None
        self._is_passing = False
        # The looks at the stream's end that the log has not caught up with, each with how many
        # questions were asked before it.
        self._looks: deque[tuple[Stored, int]] = deque()

    async def _follow(self, out: Outlet) -> None:
        loop, asked = asyncio.get_running_loop(), asyncio.Event()
        follower = self._follower = self._follower or Follower(out.keep)
        self._looks.clear()
        self.origin.on_question = lambda: loop.call_soon_threadsafe(asked.set)
        async with NatsBroker(self._stream) as broker:
            tasks = [
                asyncio.create_task(self._watch(broker, follower, asked, out)),
                asyncio.create_task(self._read(broker, follower, out)),
            ]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            for task in done:
                task.result()

    async def _read(self, broker: Broker, follower: Follower, out: Outlet) -> None:
        """Pass what the stream brings to the log."""
        async for events in follow(broker, follower):
            # The follower's position is that after these events: until the log has them, nothing
            # may be reported as caught up.
            self._is_passing = True
            try:
                await out.take(events)
            finally:
                self._is_passing = False
            self._count_gaps(events)
            self._note_contact(self.behind)
            self.delay_s = max(time.time_ns() - follower.stored_ns, 0) / NS_PER_S
            await self._report_looks(follower, out)

    async def _watch(
        self, broker: Broker, follower: Follower, asked: asyncio.Event, out: Outlet
    ) -> None:
        """Look at the stream's end at once, then every second and after each question."""
        while True:
            asked.clear()
            questions = self.origin.questions
            try:
                tail = await find_newest_message(broker)
            except StreamError as error:
                # Brokers that choose a leader answer nothing for some seconds; what is read goes
                # on meanwhile, or ends by itself.
                if error.is_final or follower.position is None:
                    raise
                self.status = error.problem
            else:
                await self._take_look(tail, questions, follower, out)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await asked.wait()

    async def _take_look(
        self, tail: Stored, questions: int, follower: Follower, out: Outlet
    ) -> None:
        if tail.message is None and follower.position is None:
            fix = "start the server that publishes it"
            raise StreamError(self.address, "the stream holds nothing yet", fix)
        if follower.is_behind(tail):
            raise StreamError(self.address, "the broker has lost messages that were read")
        self._note_contact(_count_ticks_between(follower, tail))
        if tail.message is not None:  # an empty stream proves nothing
            self._looks.append((tail, questions))
        if not self._is_passing:
            await self._report_looks(follower, out)

    async def _report_looks(self, follower: Follower, out: Outlet) -> None:
        questions = None
        while self._looks and follower.holds(self._looks[0][0]):
            questions = self._looks.popleft()[1]
        if questions is not None and follower.position is not None:
            self.behind = 0
            await out.take([CaughtUp(questions)])


def _count_ticks_between(follower: Follower, tail: Stored) -> int:
    """Return how many ticks the stream has that the follower has not; of another epoch at least."""
    message, position = tail.message, follower.position
    if message is None or follower.holds(tail):
        return 0
    if position is None or position.epoch != message.epoch:
        return message.last
    return message.last - position.seq
