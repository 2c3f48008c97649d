"""Taker: puts what another log holds into a log, with the numbering that it brings."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from tickerkit.errors import BadTick
from tickerkit.log import Gap, Gaps, TickLog, append_or_note
from tickerkit.protocol.messages import At, End, Hello
from tickerkit.protocol.origin import CaughtUp, Origin
from tickerkit.protocol.subscriber import Event, Received
from tickerkit.ticks.fields import select_units

__all__ = ["Taken", "Taker"]

Taken: TypeAlias = Event | CaughtUp


class Taker:
    """Puts events into a log, in the order in which they come, with the epochs and seqs they name.

    What it is given has been checked: each tick comes once, in the order of its epoch, and what is
    missing comes as a gap. Before the first tick of an epoch comes a hello.

    Args:
        log: the log to fill. With an origin, it refuses ticks that bring no seqs.
        gaps: the gaps of the log.
        origin: what is known of the stream that the events come from; None where no reader asks.

    Attributes:
        ended: whether the source at the other end has ended; another epoch begins it again.
    """

    def __init__(self, log: TickLog, gaps: Gaps, origin: Origin | None = None) -> None:
        self.log = log
        self.gaps = gaps
        self.origin = origin
        self.ended = False
        # The hello of an epoch that begins with the next event.
        self._coming: Hello | None = None
        if origin is not None:
            log.is_copy = True

    def take(self, event: Taken, received_ns: int) -> BadTick | None:
        """Take an event; call it in the log's writer's thread.

        Args:
            event: the event.
            received_ns: when it came, in epoch ns.

        Returns:
            Why ticks were left out, whose symbols the log has no room for: they are a gap in it.
            None if all were taken.
        """
        if isinstance(event, Hello):
            self._take_hello(event)
            return None
        # A client that connects again gets the hello before the gap at the end of its epoch.
        if self._coming is not None and not (
            isinstance(event, Gap) and event.epoch != self._coming.epoch
        ):
            self._begin(self._coming)
        match event:
            case Received():
                return append_or_note(
                    self.log,
                    event.batch,
                    event.seq,
                    epoch=event.epoch,
                    received=received_ns,
                    note=self._take_gap,
                )
            case Gap():
                self._take_gap(event)
            case At():
                self._advance(event.seq)
            case End():
                self.ended = True
            case CaughtUp() if self.origin is not None:
                self.origin.take(event)
            case _:
                pass
        return None

    def _take_gap(self, gap: Gap) -> None:
        self.gaps.add(gap)
        if gap.epoch == self.log.epoch and gap.last is not None:
            self._advance(gap.last)

    def _take_hello(self, hello: Hello) -> None:
        if hello.units is not msgspec.UNSET:
            self.log.units = select_units(hello.units)
        log = self.log
        # A log that has begun no epoch has an id of its own, which no reader may get.
        if hello.epoch == log.epoch and log.runs:
            self._coming = None
            return
        self._coming, self.ended = hello, False
        newest = self.gaps.at(log.stop)
        if not log.runs or any(gap.epoch == log.epoch and gap.last is None for gap in newest):
            self._begin(hello)

    def _begin(self, hello: Hello) -> None:
        self._coming = None
        self.log.begin(hello.epoch)
        # The other log holds nothing before this seq, and neither will this one.
        self._advance(hello.first - 1)

    def _advance(self, seq: int) -> None:
        """Note that no tick up to `seq` will come."""
        self.log.skip(max(seq - self.log.last_seq, 0))
