"""Outage: one break of a seat's wire that a task has ordered, and how the client came back."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

__all__ = ["OUTAGE_KINDS", "Outage", "OutageKind"]

OutageKind: TypeAlias = Literal["reset", "half", "restart", "stall", "refuse"]
# The order in which they come.
OUTAGE_KINDS: tuple[OutageKind, ...] = ("reset", "half", "restart", "stall", "refuse")
MAX_WAITS = 8
MAX_SECONDS = 16


class Outage(msgspec.Struct):
    """A break, and how the client came back; of each attempt only what a rule needs.

    Attributes:
        kind: "reset" (of TCP), "half" (of a frame, then the end of TCP), "restart" (close 1012),
            "stall" (nothing passes, then a reset), "refuse" (a reset, then refusals for a while).
        at: when it was ordered.
        second_s: how long a second of the rules lasts.
        ended_at: when the connection had ended; None while it goes on.
        waits: how long the client waited before each attempt, of the first 8.
        tries: how many attempts came in each second after the end, of the first 16.
        back_at: when an attempt was accepted.
        after: the seq after which the client resumed; None without one.
        last_seq: the newest tick that it had been sent.
        ticked_at: when the first tick after it was sent.
    """

    kind: OutageKind
    at: float
    second_s: float = 1.0
    ended_at: float | None = None
    waits: list[float] = []
    tries: list[int] = []
    back_at: float | None = None
    after: int | None = None
    last_seq: int = 0
    ticked_at: float | None = None
    tried_at: float = 0.0

    def take_attempt(self, now: float) -> None:
        """Take an attempt to connect."""
        if self.back_at is not None:
            return
        if self.ended_at is None:  # the client gave up a connection that had stalled
            self.ended_at = now
        if len(self.waits) < MAX_WAITS:
            self.waits.append(round(now - (self.tried_at or self.ended_at), 3))
        self.tried_at = now
        second = int((now - self.ended_at) / self.second_s)
        if 0 <= second < MAX_SECONDS:
            self.tries += [0] * (second + 1 - len(self.tries))
            self.tries[second] += 1

    def take_return(self, now: float, after: int | None, last_seq: int) -> None:
        """Take an attempt that was accepted."""
        if self.back_at is None:
            self.take_attempt(now)
            self.back_at, self.after, self.last_seq = now, after, last_seq

    @property
    def seconds(self) -> float | None:
        """The time from the break to the first tick; None before."""
        return None if self.ticked_at is None else self.ticked_at - self.at
