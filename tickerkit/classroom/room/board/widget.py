"""ClassBoard: the widget that shows a class in the pages of a notebook, and takes orders."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import anywidget

from tickerkit.classroom.room.board.changes import Changes
from tickerkit.classroom.room.board.controls import ORDERS, Controls
from tickerkit.classroom.room.board.messages import ClassFacts, ClassState, FromKernel
from tickerkit.errors import TickerkitError
from tickerkit.runtime.page_modules import join_files, read_file
from tickerkit.runtime.presence import PresenceLease
from tickerkit.runtime.scheduler import SENDER
from tickerkit.runtime.subshells import deliver_as_addressed

__all__ = ["PARTS", "UPDATE_S", "ClassBoard", "read_page_side"]

UPDATE_S = 0.5
# The files by their paths in the package. Each comes after those that it imports.
OWN = ("roster", "roster_table", "joining", "controls", "board")
PARTS = (
    "chart/figure/theme.js",
    "runtime/page_parts/elements.js",
    "runtime/page_parts/keys.js",
    "runtime/page_parts/presence.js",
    *(f"classroom/room/board/{name}.js" for name in OWN),
)


class BoardSource(Protocol):
    """What a board shows. Only the thread that calls `ClassBoard.poll` calls it."""

    def snapshot(self, since: int) -> Mapping[str, Any]:
        """Return all students, and the lines of the journal after a number."""

    def describe(self, snapshot: Mapping[str, Any]) -> ClassState:
        """Return what is shown beside the students."""


def read_page_side() -> str:
    """Return the page side of a board as the text of one ES module."""
    return join_files(PARTS)


class ClassBoard(anywidget.AnyWidget):
    """Shows a class. A room makes it when a cell shows the room.

    At most twice a second it sends what has changed, 20 kB at most, and nothing while no page shows
    it. `poll` reads the class, which may wait for a busy server; so a thread of the room calls it,
    and not the one that sends for all widgets.

    Args:
        source: the class.
        controls: takes the orders.
        facts: what does not change.
        clock: the time in seconds, monotonic.
    """

    _esm = read_page_side()
    _css = read_file("classroom/room/board/board.css")
    min_interval_s = UPDATE_S

    def __init__(
        self,
        source: BoardSource,
        controls: Controls,
        facts: ClassFacts,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._controls, self._facts, self._clock = source, controls, facts, clock
        self._lease = PresenceLease(clock)
        self._pages: set[str] = set()
        self._changes = Changes([number for number, _ in facts["tasks"]])
        self._state: ClassState | None = None
        self._sent_state: ClassState | None = None
        self._next = 0  # the next change to send
        self._polled_at = -float("inf")
        self._outbox: deque[FromKernel] = deque()
        self._lock = threading.Lock()
        super().__init__()
        self.on_msg(self._handle_message)
        deliver_as_addressed(self)

    def close(self) -> None:
        """Close the widget; idempotent."""
        self._pages.clear()
        SENDER.discard(self)
        super().close()

    # --- from the room ------------------------------------------------------------------------

    def poll(self, *, now: bool = False) -> None:
        """Read the class, if a page shows it and the last time is long enough ago.

        Args:
            now: read it in any case, such as when the class has ended.
        """
        at = self._clock()
        if not now and (not self._is_shown or at - self._polled_at < UPDATE_S):
            return
        self._polled_at = at
        try:
            snapshot = self._source.snapshot(self._changes.journal)
        except TickerkitError:  # the server has stopped, or is being started again
            snapshot = {}
        state = self._source.describe(snapshot)
        with self._lock:
            if snapshot:
                are_given = state["challenge"] == "all"
                self._changes.take(snapshot["seats"], snapshot["journal"], are_given=are_given)
            self._state = state
        SENDER.request(self)

    @property
    def _is_shown(self) -> bool:
        return bool(self._pages) and not self._lease.ended

    # --- from pages ---------------------------------------------------------------------------

    def _handle_message(self, _: Any, content: Any, __: Sequence[memoryview]) -> None:
        """Handle a message of a page; unknown messages are ignored."""
        if not isinstance(content, dict):
            return
        kind, page = content.get("kind"), content.get("page")
        if kind == "here" and isinstance(page, str):
            self._take_page(page, content.get("from"))
        elif kind == "away" and isinstance(page, str):
            self._pages.discard(page)
        elif kind == "order" and isinstance(content.get("id"), str):
            self._give_order(content["id"], content.get("name"), content.get("arguments"))

    def _take_page(self, page: str, start: object) -> None:
        self._lease.renew()
        self._pages.add(page)
        if isinstance(start, int):
            if start == 0:
                self._outbox.append({"kind": "class", "facts": self._facts})
            with self._lock:
                self._next = min(self._next, start)
                self._sent_state = None
        SENDER.request(self)

    def _give_order(self, order: str, name: object, arguments: object) -> None:
        if not isinstance(name, str) or name not in self._controls.orders:
            return
        if not isinstance(arguments, dict) or not set(arguments) <= set(ORDERS[name]):
            return
        try:
            ok, text = True, self._controls.give(name, arguments)
        except TickerkitError as error:
            ok, text = False, str(error)
        self._polled_at = -float("inf")  # what it has done is shown soon
        self._outbox.append({"kind": "answer", "id": order, "ok": ok, "text": text})
        SENDER.request(self)

    # --- to pages, in the sending thread ------------------------------------------------------

    def flush(self) -> None:
        """Send what is new, if a page shows it."""
        while self._outbox:
            self.send(self._outbox.popleft())
        with self._lock:
            state = self._state
            if state is None or not self._is_shown:
                return
            start, stop, rows, gone, journal = self._changes.read(self._next)
            is_more = stop < self._changes.stop
            if stop == self._next and state == self._sent_state:
                return
            self._next, self._sent_state = stop, state
        self.send(
            {
                "kind": "changes",
                "start": start,
                "stop": stop,
                "rows": rows,
                "gone": gone,
                "journal": journal,
                "state": state,
            }
        )
        if is_more:
            SENDER.request(self)
