"""StreamRelay: the source of a relay whose log is a stream on a broker."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import NamedTuple

from tickerkit.brokers import NatsBroker, StreamAddress
from tickerkit.errors import StreamError
from tickerkit.protocol import CaughtUp
from tickerkit.sources.base import Outlet
from tickerkit.sources.relay import RelaySource
from tickerkit.streams import Broker, Follower, Stored, find_newest_message, follow
from tickerkit.ticks import NS_PER_S

__all__ = ["StreamRelay"]

# How often the stream's end is looked at: for what is behind, and for a broker that has lost
# messages and says nothing.
LOOK_S = 1.0
# After this time without a message, though the stream has further ones, they are read again: what
# the broker sends may lack its newest message, and no later message shows that.
MISSED_S = 5.0
# At most this many looks that the log has not caught up with are kept: the oldest ones, and the
# newest.
MAX_LOOKS = 64


class _Look(NamedTuple):
    """A look at the stream's end.

    Attributes:
        tail: what was there.
        questions: how many questions were asked before it.
        number: the number of the newest message that was read before it.
        at_s: when it began.
    """

    tail: Stored
    questions: int
    number: int
    at_s: float


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
        self._read_s = 0.0
        # The looks at the stream's end that the log has not caught up with.
        self._looks: deque[_Look] = deque()

    async def _follow(self, out: Outlet) -> None:
        asked = asyncio.Event()
        follower = self._follower = self._follower or Follower(out.keep)
        self._looks.clear()
        self._call_on_question(asked)
        async with NatsBroker(self._stream) as broker:
            tasks = [
                # First the one that forgets which message was read last, for the other compares it.
                asyncio.create_task(self._read(broker, follower, out)),
                asyncio.create_task(self._watch(broker, follower, asked, out)),
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
            self._read_s = time.monotonic()
            self._note_contact(self.behind)
            self.resets = follower.starts - 1
            self.delay_s = max(time.time_ns() - follower.stored_ns, 0) / NS_PER_S
            await self._report_looks(follower, out)

    async def _watch(
        self, broker: Broker, follower: Follower, asked: asyncio.Event, out: Outlet
    ) -> None:
        """Look at the stream's end at once, then every second and after each question."""
        while True:
            asked.clear()
            questions, number = self.origin.questions, follower.number
            now = time.monotonic()
            try:
                tail = await find_newest_message(broker)
            except StreamError as error:
                # Brokers that choose a leader answer nothing for some seconds; what is read goes
                # on meanwhile, or ends by itself.
                if error.is_final or follower.position is None:
                    raise
                self.status = error.problem
            else:
                await self._take_look(_Look(tail, questions, number, now), follower, out)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await asked.wait()

    async def _take_look(self, look: _Look, follower: Follower, out: Outlet) -> None:
        tail = look.tail
        if tail.message is None and follower.position is None:
            fix = "start the server that publishes it"
            raise StreamError(self.address, "the stream holds nothing yet", fix)
        if follower.is_behind(tail, look.number):
            raise StreamError(self.address, "the broker has lost messages that were read")
        if self._looks and look.at_s - max(self._looks[0].at_s, self._read_s) > MISSED_S:
            raise StreamError(self.address, "the stream's newest messages did not come")
        self._note_contact(_count_ticks_between(follower, tail))
        if tail.message is not None:  # an empty stream proves nothing
            if len(self._looks) >= MAX_LOOKS:
                self._looks.pop()
            self._looks.append(look)
        if not self._is_passing:
            await self._report_looks(follower, out)

    async def _report_looks(self, follower: Follower, out: Outlet) -> None:
        # Not only the oldest: the broker may have lost what that one saw, and it never comes.
        held = [look for look in self._looks if follower.holds(look.tail)]
        if held and follower.position is not None:
            while self._looks.popleft() is not held[-1]:
                pass
            self.behind, self.caught_up_s = 0, held[-1].at_s
            await out.take([CaughtUp(held[-1].questions)])


def _count_ticks_between(follower: Follower, tail: Stored) -> int:
    """Return how many ticks the follower lacks; if the tail is of another epoch, at least."""
    message, position = tail.message, follower.position
    if message is None or follower.holds(tail):
        return 0
    if position is None or position.epoch != message.epoch:
        return message.last
    return message.last - position.seq
