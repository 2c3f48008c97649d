"""ServerStats: the fields of `TickServer.stats`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["ServerStats"]


@dataclass(slots=True, kw_only=True)
class ServerStats:
    """What a server has done so far; the defaults are those of a server that never ran.

    Attributes:
        ticks: ticks appended in all.
        held: ticks in the log now.
        rate: ticks per second, over the last 5 s.
        symbols: symbols in the log.
        clients: clients connected now.
        stalled: those of them that read nothing although data waits for them.
        connections: clients ever connected.
        refused: refused ticks and errors of the source.
        last_error: the newest of these, as text.
        misfits: values left out because they did not fit their column, by column.
        turned_away: requests refused with an HTTP error: by access control, or for lack of room.
        last_turned_away: the reason of the newest of these.
        cut_off: clients disconnected because they were gone or read nothing.
        last_cut_off: the newest of these, and the reason.
        status: the server's status.
    """

    ticks: int = 0
    held: int = 0
    rate: float = 0.0
    symbols: int = 0
    clients: int = 0
    stalled: int = 0
    connections: int = 0
    refused: int = 0
    last_error: str = ""
    misfits: Mapping[str, int] = field(default_factory=dict)
    turned_away: int = 0
    last_turned_away: str = ""
    cut_off: int = 0
    last_cut_off: str = ""
    status: str = "stopped"
