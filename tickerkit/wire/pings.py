"""Pings: which pongs answer which pings of one peer, and how long the round trip took."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Answer", "Pings"]

MAX_PINGS = 64


class Answer(NamedTuple):
    """A pong that answers a ping.

    Attributes:
        seq: the number of the ping's frame.
        round_trip_ns: the time between the two frames at the tap.
        is_own: whether the tap had sent the ping.
    """

    seq: int
    round_trip_ns: int
    is_own: bool


class Pings:
    """The pings toward one peer that wait for their pong; of more than 64, the newest.

    Attributes:
        round_trip_ns: the newest round trip between the tap and the peer; None before the first.
        own: how many of the pings that wait were sent by the tap.
    """

    def __init__(self) -> None:
        self.round_trip_ns: int | None = None
        self.own = 0
        self._waiting: dict[bytes, tuple[int, int, bool]] = {}

    def add(self, payload: bytes, seq: int, now_ns: int, *, is_own: bool = False) -> None:
        """Remember a ping."""
        self._remove(payload)
        if len(self._waiting) >= MAX_PINGS:
            self._remove(next(iter(self._waiting)))
        self._waiting[payload] = seq, now_ns, is_own
        self.own += is_own

    def is_own(self, payload: bytes) -> bool:
        """Return whether a pong with this payload answers a ping of the tap."""
        return self._waiting.get(payload, (0, 0, False))[2]

    def answer(self, payload: bytes, now_ns: int) -> Answer | None:
        """Take a pong; return what it answers, or None if nothing.

        A peer may answer only the latest of several pings, so the earlier ones wait no longer.
        """
        if payload not in self._waiting:
            return None
        seq, sent_ns, is_own = self._waiting[payload]
        for earlier in list(self._waiting):
            # A pong of the tap's ping says nothing about the pings of the other peer.
            if self._waiting[earlier][2] == is_own:
                self._remove(earlier)
            if earlier == payload:
                break
        self.round_trip_ns = now_ns - sent_ns
        return Answer(seq, self.round_trip_ns, is_own)

    def _remove(self, payload: bytes) -> None:
        ping = self._waiting.pop(payload, None)
        if ping is not None:
            self.own -= ping[2]
