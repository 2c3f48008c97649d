"""Rounds: sends what is new in the log to all clients of a server.

Up to 500 clients get each append at once. To more of them, each append would cost too many
messages: 100 appends a second, to 1,000 clients at 10 µs a message, are all that one processor can
send. So a crowd is served in rounds, at most 20 a second. A round is made in short steps, and in
between the loop accepts connections and reads what clients send: a round to 10,000 clients takes
100 ms.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterator

from tickerkit.protocol import Publication
from tickerkit.server.client_handler import ClientHandler

__all__ = ["MAX_AT_ONCE", "ROUND_S", "Rounds"]

MAX_AT_ONCE = 500
ROUND_S = 0.05
MAX_STEP_S = 0.002
# The thread's time is read after this many steps: reading it costs a tenth of a message.
LOOK_STEPS = 16


class Rounds:
    """Sends to all clients: at once to a few, in rounds to a crowd. Used on the portal's loop only.

    Args:
        publication: what the clients' sessions share.
        handlers: the clients' handlers, as a collection that changes.
        on_round: called when the sessions may send what is new.
    """

    def __init__(
        self,
        publication: Publication,
        handlers: Collection[ClientHandler],
        on_round: Callable[[], object],
    ) -> None:
        self._publication = publication
        self._handlers = handlers
        self._on_round = on_round
        self._next_at = 0.0
        self._handle: asyncio.Handle | None = None
        self._has_news = False

    def send(self) -> None:
        """Send what is new in the log: now, or in the next round."""
        self._has_news = True
        if self._handle is not None:
            return
        if len(self._handlers) > MAX_AT_ONCE:
            self._schedule()
            return
        self._begin(None)
        for step in self._list_steps():
            step()

    def stop(self) -> None:
        """Send no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _schedule(self) -> None:
        loop = asyncio.get_running_loop()
        self._handle = loop.call_at(max(self._next_at, loop.time()), self._run_round)

    def _run_round(self) -> None:
        """Begin a round to a crowd."""
        self._next_at = asyncio.get_running_loop().time() + ROUND_S
        # The readers of a round all get the same rows. With those that are appended meanwhile, each
        # step would divide the log in another place, and every reader would get more messages.
        self._begin(self._publication.log.stop)
        self._continue(self._list_steps())

    def _begin(self, horizon: int | None) -> None:
        self._has_news = False
        self._publication.hold(horizon)
        self._on_round()

    def _continue(self, steps: Iterator[Callable[[], object]]) -> None:
        """Send for a short time, then let the loop do its other work."""
        self._handle = None
        began = time.thread_time()
        for count, step in enumerate(steps, 1):
            step()
            if count % LOOK_STEPS == 0 and time.thread_time() - began > MAX_STEP_S:
                self._handle = asyncio.get_running_loop().call_soon(self._continue, steps)
                return
        if self._has_news:
            self._schedule()

    def _list_steps(self) -> Iterator[Callable[[], object]]:
        """Yield what to call for each client.

        Each is sent one message first, so that no client waits for the backlog of another.
        """
        handlers = list(self._handlers)
        for handler in handlers:
            yield handler.send_next
        for handler in handlers:
            yield handler.send_pending
