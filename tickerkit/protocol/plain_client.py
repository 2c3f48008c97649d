"""PlainClient: the client's end of any websocket that sends ticks as JSON, without resume."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from typing import Literal, Protocol

import msgspec
import numpy as np

from tickerkit.errors import BadTick
from tickerkit.log import Gap
from tickerkit.protocol.subscriber import Event, Received
from tickerkit.ticks import PIECE_BYTES, Batch, Text, cut_array, read_ticks

__all__ = ["MessageReader", "PlainClient"]

# Invalid ticks in one message of a plain server, after which its rest is not read.
MAX_REFUSED = 1000
MAX_GAP_NOTICE_CHARACTERS = 200
# The symbols of this many are noted, which an error about a missing symbol lists.
MAX_SEEN = 1000


class MessageReader(Protocol):
    """Reads messages whose ticks have other names than tickerkit's."""

    def start_connection(self) -> None:
        """Forget what belongs to the connection before."""

    def read(self, data: str | bytes) -> list[Batch] | None:
        """Return the ticks of a message; None if it is not such a message."""


class PlainClient:
    """The client's end of any websocket that sends ticks as JSON, without resume.

    Each connection begins an epoch. Between two connections lies a gap whose end isn't known,
    unless the first had no tick: then the gap before it goes on. A gap that a tickerkit server
    sends on `/ticks` is handled in the same way.

    A message is read up to its 1,000th invalid tick: it is most likely not one of ticks.

    Args:
        symbols: only these; None for all.
        foreign: reads messages that have ticks by other names; None to read no such messages.
    """

    def __init__(
        self, symbols: list[str] | None = None, foreign: MessageReader | None = None
    ) -> None:
        self.foreign = foreign
        self.symbols = None if symbols is None else frozenset(symbols)
        self._seen: dict[str, None] = {}
        self.epoch: str | None = None
        self.seq = 0
        self.duplicates = 0

    def start_connection(self) -> list[Event]:
        if self.foreign is not None:
            self.foreign.start_connection()
        return self.miss(None, "reconnected: a plain websocket can't report what was missed")

    def miss(self, count: int | None, reason: str) -> list[Event]:
        """Note that ticks are missing before the next one; return the gap, if there is one.

        Args:
            count: how many; None if that isn't known: the next tick then begins an epoch.
            reason: why they are missing.
        """
        gaps: list[Event] = []
        if count is None:
            if self.seq:
                assert self.epoch is not None
                gaps.append(Gap(self.epoch, self.seq + 1, None, reason))
            self._begin_epoch()
        elif count > 0 and self.epoch is not None:
            gaps.append(Gap(self.epoch, self.seq + 1, self.seq + count, reason))
            self.seq += count
        return gaps

    def known_symbols(self) -> list[str]:
        return list(self._seen)

    def _begin_epoch(self) -> None:
        self.epoch, self.seq = secrets.token_hex(8), 0

    def take_replies(self) -> list[bytes]:
        return []

    def receive(self, data: str | bytes) -> Iterable[Event]:
        if (gap := self._read_gap(data)) is not None:
            return [gap]
        if self.foreign is not None and (batches := self.foreign.read(data)) is not None:
            return [self.number(batch) for batch in batches]
        if len(data) <= PIECE_BYTES:
            return [self.number(_read_piece(data, MAX_REFUSED))]
        return self._read_pieces(data)

    def _read_pieces(self, data: str | bytes) -> Iterator[Event]:
        """Yield the ticks of a large message piece by piece."""
        left = MAX_REFUSED
        try:
            text = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
            for piece in cut_array(text):
                batch = _read_piece(piece, left)
                left -= batch.refused
                yield self.number(batch)
                if left <= 0:
                    return
        except BadTick as error:
            batch = read_ticks([])
            batch.refused, batch.errors = 1, [error]
            yield self.number(batch)

    def number(self, batch: Batch) -> Received:
        """Return ticks with their seqs, without those of other symbols."""
        assert self.epoch is not None
        if self.symbols is not None:
            if len(self._seen) < MAX_SEEN:
                column = batch.columns["symbol"]
                assert isinstance(column, Text)
                self._seen.update(dict.fromkeys(column.words))
            batch = batch.of_symbols(self.symbols)
        seq = np.arange(self.seq + 1, self.seq + 1 + batch.count, dtype=np.int64)
        self.seq += batch.count
        return Received(batch, self.epoch, seq)

    def _read_gap(self, data: str | bytes) -> Gap | None:
        """Return the gap that a tickerkit server sends on `/ticks`, None for other messages."""
        if len(data) > MAX_GAP_NOTICE_CHARACTERS:
            return None
        try:
            notice = _plain_gap.decode(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        assert self.epoch is not None
        last = "…" if notice.last is None else notice.last
        gap = Gap(
            self.epoch,
            self.seq + 1,
            None,
            f"the server reports that {notice.first}–{last} will never come",
        )
        self._begin_epoch()
        return gap


def _read_piece(data: str | bytes, max_refused: int) -> Batch:
    """Read ticks; where the reading stops at `max_refused`, the newest error says so."""
    batch = read_ticks(data, max_refused)
    if batch.refused >= max_refused:
        problem = f"has {MAX_REFUSED:,} invalid ticks; its rest was not read"
        fix = "check whether this is a websocket of ticks"
        batch.errors.insert(0, BadTick("message", data, problem, fix))
    return batch


class _PlainGap(msgspec.Struct):
    type: Literal["gap"]
    first: int = msgspec.field(name="from")
    last: int | None = msgspec.field(name="to")


_plain_gap = msgspec.json.Decoder(_PlainGap)
