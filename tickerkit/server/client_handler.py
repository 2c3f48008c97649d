"""ClientHandler: sends a session's messages to one client, and checks that the client is alive."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import pandas as pd
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.protocol import State

from tickerkit.net.liveness import CHECK_S
from tickerkit.net.pacing import MAX_STEP_S
from tickerkit.protocol import TOO_MANY, Session, V1Session
from tickerkit.protocol.messages import encode
from tickerkit.protocol.outbox import Outbox
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.server.admission import ServerSocket
from tickerkit.server.allowance import Allowance
from tickerkit.server.client_facts import find_program, read_name
from tickerkit.server.journal import Ending, Journal, find_ending

__all__ = ["ClientHandler"]

# How long a disconnected client has to read the close frame.
DISCONNECT_S = 1.0
# Messages to one client before the loop serves the others.
MAX_MESSAGES_IN_A_ROW = 4
# A client counts as stalled after this many checks without progress.
STALLED_CHECKS = 2
# Messages that a client may send: a burst, and then this many per second.
MAX_BURST = 100.0
MAX_MESSAGES_PER_S = 20.0
INTERNAL_ERROR = (1011, "internal error of the server")


class ClientHandler:
    """Sends and receives on one connection, and disconnects a client that is gone or stalled.

    It writes in callbacks of the loop, without a task or a timer per message. It writes only a few
    messages in a row, and only while the connection's buffer has room; ticks that arrive meanwhile
    make the next message larger.

    Args:
        socket: the connection.
        session: the server's end of the protocol.
        errors: counts errors inside the server.
        journal: notes abnormal ends.
        stall_timeout_s: how long a client may read nothing although data waits for it; None for no
            limit.

    Attributes:
        socket: the connection.
        session: the server's end of the protocol.
        name: the client's name, as in `/ticks?name=ana`; empty without one.
        program: the short name of its program, such as "Chrome"; "?" if it does not say.
        address: its address and port.
        since: when it connected.
        messages: how many messages it has sent.
        receive_first: takes a message of the client before the session does; returns whether it
            has.
    """

    def __init__(
        self,
        socket: ServerSocket,
        session: Session,
        errors: ErrorLog,
        journal: Journal,
        stall_timeout_s: float | None,
    ) -> None:
        self.socket = socket
        self.session = session
        self._errors = errors
        self._journal = journal
        self._max_stalled_checks = (
            None if stall_timeout_s is None else max(round(stall_timeout_s / CHECK_S), 1)
        )
        assert socket.request is not None
        self.name = read_name(socket.request.path)
        self.program = find_program(socket.request.headers)
        self.address = socket.address
        self.since = pd.Timestamp.now("UTC").floor("ms")
        self.messages = 0
        self._written_bytes = 0
        # At the last check: how many bytes had left this process, and whether unsent bytes waited.
        self._sent_bytes = 0
        self._had_unsent = False
        self._stalled_checks = 0
        self._disconnecting: asyncio.Task[None] | None = None
        self._ending: Ending | None = None
        self._closing: asyncio.Task[None] | None = None
        self._continuation: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._asides: Outbox | None = None
        self.receive_first: Callable[[str | bytes], object] = _leave
        socket.on_writable = self.send_pending

    @property
    def is_stalled(self) -> bool:
        """Whether the client reads nothing although data waits for it."""
        return self._stalled_checks >= STALLED_CHECKS

    @property
    def ping_ms(self) -> float | None:
        """How long the newest ping took to be answered, in milliseconds; None before the first."""
        newest_s = self.socket.round_trips.newest_s
        return None if newest_s is None else round(newest_s * 1000, 2)

    @property
    def close_code(self) -> int | None:
        """The code with which the connection was closed; 1006 without a close frame.

        None while the connection is open.
        """
        return self.socket.close_code

    def to_row(self) -> dict[str, Any]:
        """Return the client's row of `TickServer.clients`."""
        symbols = self.session.symbols
        return {
            "name": self.name,
            "address": self.address,
            "program": self.program,
            "kind": self.session.kind,
            "since": self.since,
            "symbols": "all" if symbols is None else ", ".join(sorted(symbols)),
            "behind": self.session.behind,
            "status": "stalled" if self.is_stalled else "live",
            "ping_ms": self.ping_ms,
            "messages": self.messages,
        }

    def ping(self) -> None:
        """Send a ping; `ping_ms` has its time once it is answered. Call it on the loop."""
        self.socket.ping_now()

    def send_object(self, fields: dict[str, Any]) -> bool:
        """Send a JSON object to a plain client, as soon as its buffer has room, before its ticks.

        Call it on the loop.

        Args:
            fields: the object; its field `type` tells clients which kind it is.

        Returns:
            Whether it is sent, see `send_aside`; it is not to a client of `tickerkit.v1`.
        """
        return not isinstance(self.session, V1Session) and self.send_aside(encode(fields))

    def send_aside(self, message: bytes) -> bool:
        """Send a message that is not one of the session, before those that are.

        Call it on the loop.

        Returns:
            Whether it is sent: not to a client that reads nothing and for which many wait.
        """
        if self._asides is None:
            self._asides = Outbox()
        if self._asides.is_full:
            return False
        self._asides.append(message)
        self.send_pending()
        return True

    def close(self, code: int, reason: str) -> None:
        """Send what is ready to be sent, then close with a code and a reason."""
        if self.session.close is None:
            self.session.close = (code, reason)
        self.send_pending()

    async def run(self) -> None:
        """Serve the client until either side ends the connection."""
        self.send_pending()
        try:
            await self._receive()
        finally:
            for handle in (self._continuation, self._timer):
                if handle is not None:
                    handle.cancel()
            self._note_ending()

    # --- sending ------------------------------------------------------------------------------

    def send_pending(self) -> None:
        """Send the session's messages while there is room; call it in the portal's thread."""
        if self._continuation is not None:
            return
        for _ in range(MAX_MESSAGES_IN_A_ROW):
            if not self.send_next():
                break
        else:
            self._continuation = self.socket.loop.call_soon(self._continue)
            return
        if self.session.close is not None:
            self._close(*self.session.close)
        elif self._may_send and (due := self.session.due()) is not None:
            self._call_at(due)

    def send_next(self) -> bool:
        """Send one message if there is one, and room for it; return whether it was sent."""
        if not self._may_send:
            return False
        try:
            message = (
                self._asides.popleft()
                if self._asides
                else self.session.next_message(self.socket.loop.time())
            )
            if message is None:
                return False
            self._written_bytes += len(message)
            self.socket.write_text(message)
        except Exception as error:
            self._errors.add(error)
            self.session.close = INTERNAL_ERROR
            return False
        return True

    @property
    def _may_send(self) -> bool:
        return not self.socket.paused and self.socket.state is State.OPEN

    def _continue(self) -> None:
        self._continuation = None
        self.send_pending()

    def _call_at(self, due: float) -> None:
        """Send again at `due`, or earlier: an early call costs less than a new timer."""
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = self.socket.loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.send_pending()

    def _close(self, code: int, reason: str) -> None:
        if self._closing is None:
            self._closing = asyncio.ensure_future(self.socket.close(code, reason))

    # --- liveness -----------------------------------------------------------------------------

    def check(self) -> None:
        """Disconnect the client if it is gone or stalled; call it every `CHECK_S` seconds."""
        socket = self.socket
        socket.received_bytes = 0
        # Data in the buffers of the two operating systems counts as sent.
        sent = self._written_bytes - socket.unsent_bytes
        has_progress = sent > self._sent_bytes
        if has_progress and self._had_unsent:
            socket.silent_checks = 0  # the buffers were full, so the client has read something
        self._stalled_checks = (
            0 if has_progress or not socket.unsent_bytes else self._stalled_checks + 1
        )
        self._sent_bytes = max(sent, self._sent_bytes)
        self._had_unsent = socket.unsent_bytes > 0
        is_gone = socket.check()
        if self._disconnecting is not None:
            return
        if self._ending is not None:  # it was sent a close frame a second ago, and stays
            socket.transport.abort()
            return
        if socket.state is State.CLOSING:
            self._note_ending()
        if is_gone and not socket.unsent_bytes:
            reason = f"sent nothing for {socket.silent_checks * CHECK_S:g} s and answered no ping"
        elif self._stalled_checks == self._max_stalled_checks:
            reason = f"read nothing for {self._stalled_checks * CHECK_S:g} s"
        else:
            return
        self._disconnecting = asyncio.create_task(self._disconnect(reason))

    async def _disconnect(self, reason: str) -> None:
        """Close the connection with a reason, which the client may still read, and abort it."""
        ending = Ending("cut off", CloseCode.TRY_AGAIN_LATER, f"it {reason}")
        self._note_ending(ending, f"; {self.session.behind:,} ticks behind")
        with contextlib.suppress(TimeoutError, ConnectionClosed):
            async with asyncio.timeout(DISCONNECT_S):
                await self.socket.close(ending.code, f"{reason}; connect again")
        self.socket.transport.abort()

    def _note_ending(self, ending: Ending | None = None, details: str = "") -> None:
        """Note in the journal, once, why the connection ends."""
        if self._ending is None and (ending := ending or find_ending(self.socket)) is not None:
            self._ending = ending
            self._journal.note_ending(self.address, self.name, ending, details)

    # --- receiving ----------------------------------------------------------------------------

    async def _receive(self) -> None:
        """Pass the client's messages to the session, and limit their rate."""
        now = self.socket.loop.time
        allowance = Allowance(MAX_BURST, MAX_MESSAGES_PER_S, now())
        yielded = time.thread_time()
        try:
            async for data in self.socket:
                at = now()
                self.messages += 1
                if not allowance.take(at):
                    self.session.close = TOO_MANY
                elif not self.receive_first(data):
                    self.session.receive(data, at)
                self.send_pending()
                # A burst of messages is queued, and each may search a log of millions of rows.
                if time.thread_time() - yielded > MAX_STEP_S:
                    await asyncio.sleep(0)
                    yielded = time.thread_time()
        except ConnectionClosed:
            pass
        except Exception as error:
            self._errors.add(error)
            await self.socket.close(*INTERNAL_ERROR)


def _leave(_: str | bytes) -> bool:
    return False
