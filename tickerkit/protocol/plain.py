"""Plain: the server's end of `/ticks` for clients without a subprotocol: every tick."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tickerkit.formatting import format_value
from tickerkit.log import Gap
from tickerkit.protocol.messages import Error, encode
from tickerkit.protocol.outbox import Outbox
from tickerkit.protocol.publication import Publication
from tickerkit.protocol.subscribe import Subscribing, take_subscribe
from tickerkit.protocol.tick_session import TickSession

__all__ = ["EveryTickSession", "receive_subscribe"]

# How many symbols an error lists.
MAX_LISTED = 10


class PlainSession(Subscribing, Protocol):
    """A session of a client without a subprotocol.

    Attributes:
        publication: the log and what all sessions share.
    """

    publication: Publication


class EveryTickSession(TickSession):
    """The server's end of `/ticks`: every tick from now on, as objects.

    Ticks that will never come are sent as `{"type": "gap", "from": a, "to": b}`; `to` is null
    if an epoch ended meanwhile, or if the number of missing ticks isn't known.
    """

    kind = "ticks"

    def __init__(self, publication: Publication) -> None:
        super().__init__(publication, publication.objects)
        self.row = self.log.stop
        self.epoch = self.log.epoch
        self.seq = self.log.last_seq

    def receive(self, data: str | bytes, now: float) -> None:
        receive_subscribe(self, self._pending, data)

    def next_message(self, now: float) -> bytes | None:
        return self._pending.popleft() if self._pending else self._next_from_log()

    def due(self) -> float | None:
        return None

    def _send_seq(self) -> None:
        """Send nothing: the plain protocol has no message for a seq."""

    def _send_gaps(self, gaps: list[Gap], row: int) -> None:
        ranges: list[tuple[str, int, int | None]] = []
        for gap in gaps:
            # Merge adjacent gaps: only their reasons differ, which aren't sent to a plain client.
            if ranges and ranges[-1][0] == gap.epoch and ranges[-1][2] == gap.first - 1:
                ranges[-1] = (gap.epoch, ranges[-1][1], gap.last)
            else:
                ranges.append((gap.epoch, gap.first, gap.last))
        for _, first, last in ranges:
            self._pending.append(encode({"type": "gap", "from": first, "to": last}))


def receive_subscribe(session: PlainSession, pending: Outbox, data: str | bytes) -> bool:
    """Handle a message of a plain client; an invalid message or an unknown symbol is answered.

    Returns:
        Whether the client has subscribed.
    """
    if (wanted := take_subscribe(session, pending, data)) is None:
        return False
    known = session.publication.log.dictionaries["symbol"]
    unknown = [symbol for symbol in wanted.symbols or () if not known.known_codes([symbol])]
    # Before the first tick no symbol is known, and each may be right.
    if unknown and known.words:
        message = f"no tick of {_list_some(unknown)} has come so far"
        hint = f"the symbols are {_list_some(known.words)}; ticks of others are sent when they come"
        pending.append(encode(Error("unknown-symbol", message, hint)))
    return True


def _list_some(symbols: Sequence[str]) -> str:
    """Return symbols as text, and how many more there are than a message should list."""
    listed = ", ".join(format_value(symbol) for symbol in symbols[:MAX_LISTED])
    more = len(symbols) - MAX_LISTED
    return listed + (f" and {more:,} more" if more > 0 else "")
