"""Peer: one connection of a server: it is sent what its session has to say, and is watched."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pandas as pd
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from tickerkit.net.liveness import CHECK_S
from tickerkit.protocol import TOO_MANY, Session
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.server.admission import ServerSocket

__all__ = ["ClientHandler"]

CUT_S = 1.0
TURN = 4
STALLED_CHECKS = 2
MESSAGES_S = 20.0
MAX_AT_ONCE = 100.0


class ClientHandler:
    """One connection: who, how far, and whether it takes what it is sent.

    It writes in the loop's callbacks, without a task or a timer for each message, a few messages
    at a turn and only while its buffer has room: what waits meanwhile makes the next one larger.

    Args:
        guest: the connection.
        session: the protocol's end of it.
        faults: where errors are counted.
        cut_off: where those are that were cut off.
        stall_s: after so many seconds in which it takes nothing of what waits for it, it is cut;
            None for never.
    """

    def __init__(
        self,
        guest: ServerSocket,
        session: Session,
        faults: ErrorLog,
        cut_off: ErrorLog,
        stall_s: float | None,
    ) -> None:
        self.guest = guest
        self.session = session
        self._faults = faults
        self._cut_off = cut_off
        self._stall_checks = None if stall_s is None else max(round(stall_s / CHECK_S), 1)
        self._address = ":".join(str(part) for part in guest.remote_address[:2])
        self._since = pd.Timestamp.now("UTC")
        self._given = 0
        self._taken = 0
        self._waited = False
        self._stuck = 0
        self._cutting: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._turn: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        guest.has_room = self.pump

    @property
    def stalled(self) -> bool:
        """Whether it takes nothing of what waits for it."""
        return self._stuck >= STALLED_CHECKS

    def row(self) -> dict[str, Any]:
        """Return what `TickServer.clients` tells of it."""
        symbols = self.session.symbols
        return {
            "address": self._address,
            "kind": self.session.kind,
            "since": self._since,
            "symbols": "all" if symbols is None else ", ".join(sorted(symbols)),
            "behind": self.session.behind,
            "status": "stalled" if self.stalled else "live",
        }

    async def run(self) -> None:
        """Serve it until either side ends the connection."""
        self.pump()
        try:
            await self._listen()
        finally:
            for handle in (self._turn, self._timer):
                if handle is not None:
                    handle.cancel()

    def pump(self) -> None:
        """Send what the session has to say, as far as there is room; in the portal's thread."""
        if self._turn is not None:
            return
        for _ in range(TURN):
            if not self.send_next():
                break
        else:
            self._turn = self.guest.loop.call_soon(self._go_on)
            return
        if self.session.close is not None:
            self._close(*self.session.close)
        elif self._may_send and (due := self.session.due()) is not None:
            self._call_at(due)

    def send_next(self) -> bool:
        """Send one message, if there is one, and room for it; return whether it was sent."""
        if not self._may_send:
            return False
        try:
            message = self.session.next_message(self.guest.loop.time())
            if message is None:
                return False
            self._given += len(message)
            self.guest.push(message)
        except Exception as error:
            self._faults.add(error)
            self.session.close = (1011, "an error in the server")
            return False
        return True

    @property
    def _may_send(self) -> bool:
        return not self.guest.paused and self.guest.state is State.OPEN

    def _go_on(self) -> None:
        self._turn = None
        self.pump()

    def _call_at(self, due: float) -> None:
        """Pump again at `due`, or before: that it is later by then costs less than a new timer."""
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = self.guest.loop.call_at(due, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self.pump()

    def _close(self, code: int, reason: str) -> None:
        if self._closing is None:
            self._closing = asyncio.ensure_future(self.guest.close(code, reason))

    def check(self) -> None:
        """Cut it off if it is gone, or takes nothing; to be called every `CHECK_S`."""
        guest = self.guest
        guest.heard = 0
        # What lies in the system's buffers counts as taken, here and there.
        taken = self._given - guest.unsent_bytes
        if taken > self._taken and self._waited:
            guest.silent_checks = 0  # the buffers were full, so the other side took something
        self._stuck = 0 if taken > self._taken or not guest.unsent_bytes else self._stuck + 1
        self._taken = max(taken, self._taken)
        self._waited = guest.unsent_bytes > 0
        gone = guest.check()
        if self._cutting is not None:
            return
        if gone and not guest.unsent_bytes:
            why = f"said nothing for {guest.silent_checks * CHECK_S:g} s, and answered no ping"
        elif self._stuck == self._stall_checks:
            why = f"took nothing for {self._stuck * CHECK_S:g} s"
        else:
            return
        self._cutting = asyncio.create_task(self._cut(why))

    async def _cut(self, why: str) -> None:
        """Close the connection with a reason, in case it reads on, and not wait for long."""
        behind = self.session.behind
        text = f"{self._address} was cut off: it {why}; {behind:,} ticks behind"
        self._cut_off.add_message("cut off", text)
        with contextlib.suppress(TimeoutError, ConnectionClosed):
            async with asyncio.timeout(CUT_S):
                await self.guest.close(1013, f"{why}; connect again")
        self.guest.transport.abort()

    async def _listen(self) -> None:
        now = self.guest.loop.time
        allowed, at = MAX_AT_ONCE, now()
        try:
            async for data in self.guest:
                allowed = min(allowed + (now() - at) * MESSAGES_S, MAX_AT_ONCE) - 1
                at = now()
                if allowed < 0:
                    self.session.close = TOO_MANY
                else:
                    self.session.receive(data, at)
                self.pump()
        except ConnectionClosed:
            pass
        except Exception as error:
            self._faults.add(error)
            await self.guest.close(1011, "an error in the server")
