"""ServerStats: the fields of `TickServer.stats`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["ServerStats"]


@dataclass(slots=True, kw_only=True)
class ServerStats:
    """A server's counts and its state; `TickServer.stats` describes each field.

    The defaults are those of a server that never ran. `ProcessServer` passes on the
    fields that its process sends, and corrects them if the process has died.
    """

    ticks: int = 0
    held: int = 0
    rate: float = 0.0
    symbols: int = 0
    clients: int = 0
    stalled: int = 0
    connections: int = 0
    sent_messages: int = 0
    refused: int = 0
    last_error: str = ""
    misfits: Mapping[str, int] = field(default_factory=dict)
    turned_away: int = 0
    last_turned_away: str = ""
    cut_off: int = 0
    last_cut_off: str = ""
    status: str = "stopped"
