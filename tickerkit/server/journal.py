"""Journal: who was refused by a server, disconnected by it or lost, and why."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import pandas as pd
from websockets.frames import CloseCode
from websockets.protocol import State

from tickerkit.formatting import format_line
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.server.admission import ServerSocket

__all__ = ["JOURNAL_COLUMNS", "Ending", "Journal", "find_ending"]

JOURNAL_COLUMNS = ["time", "address", "name", "event", "code", "reason"]
MAX_ENTRIES = 1000
# The same event of the same client is noted again after this time: a program that connects in a
# loop must not push everything else out.
REPEAT_S = 10.0
# The codes of a normal end: closed, gone to another page, and no code given (RFC 6455, 7.4.1).
NORMAL = (CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY, CloseCode.NO_STATUS_RCVD)
# The codes with which a server closes a client that breaks the protocol.
FAULTS = (
    CloseCode.PROTOCOL_ERROR,
    CloseCode.UNSUPPORTED_DATA,
    CloseCode.INVALID_DATA,
    CloseCode.MESSAGE_TOO_BIG,
)


class Ending(NamedTuple):
    """Why a connection ended abnormally.

    Attributes:
        event: "cut off" (by the server), "fault" (against the websocket protocol: the server
            closed it) or "broken" (by the client or the network).
        code: the close code; 1006 without a close frame.
        reason: one sentence or less.
    """

    event: str
    code: int
    reason: str


class _Entry(NamedTuple):
    time_ns: int
    address: str
    name: str
    event: str
    code: int
    reason: str


def find_ending(socket: ServerSocket) -> Ending | None:
    """Return why a connection has ended, or is about to.

    The server closes a client with 1008 if it sends too much.

    Returns:
        None while it is open, for a normal end, and for one that the server chose.
    """
    protocol = socket.protocol
    sent, received = protocol.close_sent, protocol.close_rcvd
    if socket.abort_reason:
        return Ending("cut off", CloseCode.ABNORMAL_CLOSURE, socket.abort_reason)
    if sent is not None and not protocol.close_rcvd_then_sent:
        if sent.code == CloseCode.POLICY_VIOLATION:
            return Ending("cut off", sent.code, sent.reason)
        return Ending("fault", sent.code, sent.reason) if sent.code in FAULTS else None
    if received is not None:
        is_normal = received.code in NORMAL
        return None if is_normal else Ending("broken", received.code, received.reason)
    if protocol.state is not State.CLOSED:
        return None
    reason = "the connection ended without a close frame"
    return Ending("broken", CloseCode.ABNORMAL_CLOSURE, reason)


class Journal:
    """The newest 1,000 clients that a server has refused, disconnected or lost.

    The same event of the same client is noted once within ten seconds, and always counted. It is
    written on the portal's loop, and may be read from any thread.

    Args:
        clock: the time in seconds, monotonic.

    Attributes:
        turned_away: counts the requests that were refused.
        cut_off: counts the clients that the server has disconnected.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.turned_away = ErrorLog("server: turned away", repeat_s=1.0)
        self.cut_off = ErrorLog("server", repeat_s=1.0)
        self._entries: deque[_Entry] = deque(maxlen=MAX_ENTRIES)
        self._noted_at: dict[tuple[str, ...], float] = {}

    def note_refusal(self, address: str, name: str, code: int, reason: str) -> bool:
        """Note a request that is refused; return whether it is a new entry.

        Args:
            address: the client's address and port.
            name: the client's name; empty without one.
            code: the status of the HTTP response, or the close code.
            reason: why.
        """
        self.turned_away.add_message("rejection", f"{address}: {reason}")
        return self._add(address, name, "refused", code, reason)

    def note_ending(self, address: str, name: str, ending: Ending, details: str = "") -> None:
        """Note a connection that has ended abnormally.

        Args:
            address: the client's address and port.
            name: the client's name; empty without one.
            ending: how it ended.
            details: further facts about a client that the server disconnects.
        """
        if ending.event != "broken":
            text = f"{address} was disconnected: {ending.reason}{details}"
            self.cut_off.add_message(ending.event, text)
        self._add(address, name, *ending)

    def frame(self) -> pd.DataFrame:
        """Return the entries as a DataFrame, the newest last; see `TickServer.journal`."""
        frame = pd.DataFrame(list(self._entries), columns=JOURNAL_COLUMNS)
        times = pd.to_datetime(frame["time"].astype("int64"), utc=True)
        return frame.assign(time=times.dt.floor("ms"), code=frame["code"].astype("int64"))

    def _add(self, address: str, name: str, event: str, code: int, reason: str) -> bool:
        key, now = (address.rpartition(":")[0], name, event, str(code)), self._clock()
        if now - self._noted_at.get(key, -REPEAT_S) < REPEAT_S:
            return False
        self._noted_at.pop(key, None)
        self._noted_at[key] = now
        if len(self._noted_at) > MAX_ENTRIES:
            del self._noted_at[next(iter(self._noted_at))]
        reason = format_line(reason)
        self._entries.append(_Entry(time.time_ns(), address, name, event, int(code), reason))
        return True
