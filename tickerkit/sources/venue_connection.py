"""VenueConnection: one connection of a venue source, received in a task of its own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, cast

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tickerkit.net.redaction import Redactor
from tickerkit.presets import Link, Reconnect, Venue, VenueEvent
from tickerkit.presets.preset import Socket
from tickerkit.sources.messages import (
    CONNECT_OPTIONS,
    CountingClient,
    describe_close,
    describe_error,
    take_messages,
)
from tickerkit.sources.raw_events import RawEvent, RawEvents

__all__ = ["Handle", "VenueConnection"]

MAX_WAIT_S = 600.0


class Handle(Protocol):
    """Sends events to the log, in order; returns a wish for another connection."""

    def __call__(self, events: Sequence[VenueEvent]) -> Awaitable[Reconnect | None]: ...


class VenueConnection:
    """One connection to a venue.

    Args:
        venue: the venue.
        socket: which of its sockets.
        url: the address; it may have a key.
        number: its number in raw frames.
        raw_events: takes what happens, for recorders of raw frames.
        handle: takes the events.
        on_open: called once it is connected.

    Attributes:
        changed: set when it has ended, or shall be replaced before it ends.
        has_ended: whether it has ended.
        wish: why it shall be replaced before it ends; None if it need not.
        reason: why it has ended.
        retry_after_s: how long the venue asks to wait.
    """

    def __init__(
        self,
        venue: Venue,
        socket: Socket,
        url: str,
        number: int,
        raw_events: RawEvents,
        handle: Handle,
        on_open: Callable[[], None],
    ) -> None:
        self.changed = asyncio.Event()
        self.has_ended = False
        self.wish: Reconnect | None = None
        self.reason = ""
        self.retry_after_s = 0.0
        self.socket = socket
        self._venue = venue
        self._url = url
        self._number = number
        self._raw_events = raw_events
        self._keys = Redactor(venue.keys.values())
        self._handle = handle
        self._on_open = on_open
        self._link: Link | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False

    @property
    def link(self) -> Link | None:
        """What it is for the venue; None while it is not open."""
        return self._link

    @property
    def has_rows(self) -> bool:
        """Whether it has brought rows."""
        return self._link is not None and self._link.has_rows

    @property
    def is_ready(self) -> bool:
        """Whether it is open, and all its subscriptions are confirmed."""
        return not self.has_ended and self._link is not None and self._link.is_ready

    def start(self, *, resumes: bool) -> None:
        """Connect, and receive in a task; `resumes` if trades may have been missed."""
        self._task = asyncio.create_task(self._run(resumes=resumes))

    def replace(self, wish: Reconnect) -> None:
        """Have it replaced before it ends."""
        self.wish = wish
        self.changed.set()

    async def stop(self) -> None:
        """Close it, and wait for its end; after a cancelled wait, call it again."""
        if self._task is None:
            return
        if not self._is_stopping:
            # Once only: a second cancellation would interrupt the closing, and leave a socket open.
            self._is_stopping = True
            self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self, *, resumes: bool) -> None:
        try:
            async with connect(
                self._url, create_connection=CountingClient, **CONNECT_OPTIONS
            ) as websocket:
                self._on_open()
                await self._use(cast("CountingClient", websocket), resumes=resumes)
        except Exception as error:
            if isinstance(error, InvalidStatus):
                self.retry_after_s = _retry_after(error)
            self.reason = self._keys.cut(describe_error(error))
            if self._link is None:
                self._note(asyncio.get_running_loop().time(), failed=self.reason)
        finally:
            self.has_ended = True
            self.changed.set()

    async def _use(self, client: CountingClient, *, resumes: bool) -> None:
        now = asyncio.get_running_loop().time
        at = now()
        if self._raw_events.is_wanted:
            url = self._raw_events.redactor.cut_url(self._url)
            which = self._venue.preset.sockets.index(self.socket)
            self._note(at, opened=url, socket=which, resumes=resumes)
        self._link, events = self._venue.open(self.socket, at, resumes=resumes)
        by_venue = False
        try:
            await self._handle(events)
            self.reason = await self._receive(client, self._link)
        except ConnectionClosed:
            by_venue = True
            self.reason = self._keys.cut(describe_close(client))
        finally:
            at = now()
            if self._raw_events.is_wanted:
                reason = self._raw_events.redactor.cut(client.close_reason or self.reason)
                self._note(at, closed=client.close_code, reason=reason, by_venue=by_venue)
            events = self._venue.close(self._link, at, by_venue=by_venue)
        await self._handle(events)

    async def _receive(self, client: CountingClient, link: Link) -> str:
        """Receive until the connection shall end; return why."""
        now = asyncio.get_running_loop().time
        raw_events = self._raw_events
        while True:
            at = now()
            for text in link.take_sends(at):
                if raw_events.is_wanted:
                    self._note(at, sent=raw_events.redactor.cut_message(text))
                await client.send(text)
            events: list[VenueEvent] = []
            try:
                async with asyncio.timeout_at(link.due()):
                    messages, received_ns = await take_messages(client)
                # A venue may repeat the keys, and what it says is shown in errors.
                messages = [self._keys.cut_data(each) for each in messages]
            except TimeoutError:
                at = now()
                self._note(at, due=True)
            else:
                at = now()
                if raw_events.is_wanted:
                    for message in messages:
                        raw_events.note(at, self._number, message, received_ns)
                events += self._venue.receive(link, messages, at, received_ns)
            wish = await self._handle([*events, *link.tick(at)])
            if wish is None:
                continue
            if not wish.is_planned:
                return wish.reason
            self.replace(wish)

    # --- for recorders of raw frames ------------------------------------------------------------

    def _note(self, now: float, **facts: Any) -> None:
        if self._raw_events.is_wanted:
            self._raw_events.note(now, self._number, **facts)

    def describe(self, now: float) -> list[RawEvent]:
        """Return the event by which a recording begins in the middle of this connection."""
        if self.has_ended or self._link is None:
            return []
        facts = {
            "opened": self._raw_events.redactor.cut_url(self._url),
            "socket": self._venue.preset.sockets.index(self.socket),
            "joined": self._link.save(),
        }
        return [RawEvent(time.time_ns(), now, self._number, facts)]


def _retry_after(error: InvalidStatus) -> float:
    """Return how many seconds a server asks to wait."""
    with contextlib.suppress(ValueError, KeyError):
        return min(float(error.response.headers["Retry-After"]), MAX_WAIT_S)
    return 60.0 if error.response.status_code == 429 else 0.0
