"""Peer: one connection of a server: it is sent what its session has to say, and is watched."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pandas as pd
from websockets.exceptions import ConnectionClosed

from tickerkit.door import Guest
from tickerkit.faults import Faults
from tickerkit.liveness import CHECK_S
from tickerkit.protocol import TOO_MANY, Session

__all__ = ["Peer"]

CUT_S = 1.0
STALLED_CHECKS = 2
MESSAGES_S = 20.0
MOST_AT_ONCE = 100.0


class Peer:
    """One connection: who, how far, and whether it takes what it is sent.

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
        guest: Guest,
        session: Session,
        faults: Faults,
        cut_off: Faults,
        stall_s: float | None,
    ) -> None:
        self.guest = guest
        self.session = session
        self.wake = asyncio.Event()
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
            "behind": self.session.behind(),
            "status": "stalled" if self.stalled else "live",
        }

    async def run(self) -> None:
        """Send what the session has to send, until either side ends it."""
        now = asyncio.get_running_loop().time
        listener = asyncio.create_task(self._listen())
        try:
            while not listener.done():
                while (message := self.session.next(now())) is not None:
                    self._given += len(message)
                    await self.guest.send(message, text=True)
                if self.session.close is not None:
                    await self.guest.close(*self.session.close)
                    return
                await self._wait(self.session.due())
        except ConnectionClosed:
            pass
        except Exception as error:
            self._faults.add(error)
            raise
        finally:
            listener.cancel()

    def check(self) -> None:
        """Cut it off if it is gone, or takes nothing; to be called every `CHECK_S`."""
        guest = self.guest
        guest.heard = 0
        # What lies in the system's buffers counts as taken, here and there.
        taken = self._given - guest.unsent
        if taken > self._taken and self._waited:
            guest.silent = 0  # the buffers were full, so the other side took something
        self._stuck = 0 if taken > self._taken or not guest.unsent else self._stuck + 1
        self._taken = max(taken, self._taken)
        self._waited = guest.unsent > 0
        gone = guest.check()
        if self._cutting is not None:
            return
        if gone and not guest.unsent:
            why = f"said nothing for {guest.silent * CHECK_S:g} s, and answered no ping"
        elif self._stuck == self._stall_checks:
            why = f"took nothing for {self._stuck * CHECK_S:g} s"
        else:
            return
        self._cutting = asyncio.create_task(self._cut(why))

    async def _cut(self, why: str) -> None:
        """Close the connection with a reason, in case it reads on, and not wait for long."""
        behind = self.session.behind()
        self._cut_off.add(f"{self._address} was cut off: it {why}; {behind:,} ticks behind")
        with contextlib.suppress(TimeoutError, ConnectionClosed):
            async with asyncio.timeout(CUT_S):
                await self.guest.close(1013, f"{why}; connect again")
        self.guest.transport.abort()

    async def _listen(self) -> None:
        now = asyncio.get_running_loop().time
        allowed, at = MOST_AT_ONCE, now()
        try:
            async for data in self.guest:
                allowed = min(allowed + (now() - at) * MESSAGES_S, MOST_AT_ONCE) - 1
                at = now()
                if allowed < 0:
                    self.session.close = TOO_MANY
                else:
                    self.session.receive(data, at)
                self.wake.set()
        except ConnectionClosed:
            pass
        except Exception as error:
            self._faults.add(error)
            await self.guest.close(1011, "an error in the server")
        finally:
            self.wake.set()

    async def _wait(self, due: float | None) -> None:
        """Wait until woken, or until `due` by the loop's clock."""
        timer = None if due is None else asyncio.get_running_loop().call_at(due, self.wake.set)
        await self.wake.wait()
        self.wake.clear()
        if timer is not None:
            timer.cancel()
