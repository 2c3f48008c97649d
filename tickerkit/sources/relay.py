"""RelaySource: the base of sources whose ticks carry the numbering of another server's log."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

from tickerkit.errors import StreamError
from tickerkit.log import Gap
from tickerkit.protocol import CaughtUp, Origin, Taken
from tickerkit.sources.base import Outlet, Source
from tickerkit.validation import check_number

__all__ = ["RelaySource"]

# How soon a lost stream is connected to again, and the longest time between two attempts.
FIRST_DELAY_S = 0.1
MAX_DELAY_S = 5.0
# A stream that is lost again sooner may be one that says where it ends, but can't be read.
STABLE_S = 1.0
# A wrong password may be corrected, and readers still get what the relay has.
FINAL_DELAY_S = 30.0


class RelaySource(Source):
    """Fills a server's log from another log, with its epochs and seqs.

    The server is then a relay: it listens once its log has caught up, and a reader of any other
    relay of the same maker resumes there. While the stream can't be reached, the relay serves what
    it holds, and tries again without end.

    Args:
        address: where the ticks come from, without secrets, for errors and the repr.
        wait_s: how many seconds the start may take while the stream can't be reached or is empty;
            None for no limit.

    Attributes:
        origin: what the relay knows of its stream.
        status: the newest problem with the stream; empty while there is none.
        behind: how many ticks were in the stream, but not in the log, at the last look.
        heard_s: when something last came from the stream, on the monotonic clock.
        caught_up_s: when the newest look was taken at an end of the stream that the log has
            reached since, on the monotonic clock.
        delay_s: how long the newest message took to the log, by the clocks of both machines.
        gap_ticks: how many ticks are known to be missing.
        resets: how many times the stream was read again from a place that was looked for.
    """

    def __init__(self, address: str, wait_s: float | None = 10.0) -> None:
        check_number("wait_s", wait_s, 0, optional=True)
        self.address = address
        self.wait_s = wait_s
        self.origin: Origin = Origin()
        self.status = ""
        self.behind = 0
        self.delay_s = 0.0
        self.gap_ticks = 0
        self.resets = 0
        self.heard_s = self.caught_up_s = time.monotonic()

    def __repr__(self) -> str:
        return f"tk.relay({self.address!r})"

    @property
    def lag_s(self) -> float:
        """How many seconds the log is behind its stream.

        While the stream can be reached, this is how long its newest message took to the log, and at
        most the time since the log last had all of the stream: the message may be an old one that
        this relay has read late, and the clocks may differ. Otherwise, it is the time since
        something last came from the stream. While the log is known to lack ticks, it is the time
        since it last had all: the stream's end may be known although nothing can be read.
        """
        now = time.monotonic()
        if self.behind:
            return now - self.caught_up_s
        return now - self.heard_s if self.status else min(self.delay_s, now - self.caught_up_s)

    @property
    def stats(self) -> dict[str, Any]:
        """What the server adds to its `stats`."""
        return {
            "lag_s": self.lag_s,
            "behind": self.behind,
            "gap_ticks": self.gap_ticks,
            "stream_resets": self.resets,
            "stream": self.status or "live",
        }

    async def run(self, out: Outlet) -> None:
        """Fill the log until the maker's source ends.

        Raises:
            StreamError: the log has not caught up within `wait_s`, or never can, as with wrong
                credentials.
        """
        began = time.monotonic()
        delay_s = FIRST_DELAY_S
        while True:
            tried_s = time.monotonic()
            try:
                await self._follow(out)
                # All that the maker had is in the log, so every other epoch is foreign.
                self.origin.on_question = lambda: None
                return await out.take([CaughtUp(sys.maxsize)])
            except StreamError as error:
                now = time.monotonic()
                was_of_use = self.heard_s > tried_s and now - tried_s > STABLE_S
                is_late = self.wait_s is not None and now - began >= self.wait_s
                if not self.origin.is_ready and (error.is_final or is_late):
                    raise
                if error.problem != self.status:
                    out.report(error)
                self.status = error.problem
                delay_s = FIRST_DELAY_S if was_of_use else min(2 * delay_s, MAX_DELAY_S)
                if self.wait_s is not None and not self.origin.is_ready:
                    delay_s = min(delay_s, began + self.wait_s - now)
                await asyncio.sleep(FINAL_DELAY_S if error.is_final else delay_s)

    def _call_on_question(self, asked: asyncio.Event) -> None:
        """Have an event of this loop set when a reader asks about an unknown epoch."""
        loop = asyncio.get_running_loop()

        def note() -> None:
            with contextlib.suppress(RuntimeError):  # the source has ended, and its loop with it
                loop.call_soon_threadsafe(asked.set)

        self.origin.on_question = note

    def _count_gaps(self, events: Iterable[Taken]) -> None:
        self.gap_ticks += sum(event.count or 0 for event in events if isinstance(event, Gap))

    def _note_contact(self, behind: int = 0) -> None:
        self.heard_s = time.monotonic()
        self.status, self.behind = "", behind

    @abstractmethod
    async def _follow(self, out: Outlet) -> None:
        """Fill the log until the end of the source; raise `StreamError` when the stream is lost."""
