"""Raw frames: decoded to the ticks that a feed received, by the same machines; see `raw_lines`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np
import pandas as pd

from tickerkit.errors import Problem, ProtocolError, RecordingError
from tickerkit.fieldmaps import ForeignReader
from tickerkit.log import Gap, Position, TickLog, append_or_note
from tickerkit.presets import Missing
from tickerkit.protocol import SUBPROTOCOL, Client, Event, PlainClient, Received
from tickerkit.storage.content import describe_damage
from tickerkit.storage.files import Damage, read_members, unreadable
from tickerkit.storage.raw_lines import NOT_JSON, Line
from tickerkit.storage.raw_source import RawSource
from tickerkit.storage.sidecar import add_counts
from tickerkit.ticks import NO_TIME, Batch

__all__ = ["MAX_HELD", "FrameDecoder", "LineReader"]

# At most how many ticks are in the log while a file is read.
MAX_HELD = 2_000_000
PIECE_BYTES = 2**20
# A message has at most 64 MB, and a third more as base64.
MAX_LINE_BYTES = 2**27
NOT_KEPT = "not among the raw frames"

T = TypeVar("T")


class LineReader(Generic[T]):
    """Iterates over the lines of a file that can be decoded.

    Args:
        path: the file, compressed or not.
        decode: decodes a line, or raises one of `NOT_JSON`.
        stop: where to end in the file; None for its end.

    Attributes:
        path: the file.
        at: the place in the file up to which it was read.
        number: the number of the newest line.
        damaged: the numbers of the lines that are left out.
        torn_bytes: the size of a last line that is cut off.

    Raises:
        RecordingError: the file can't be read, or has a line of more than 128 MB.
    """

    def __init__(self, path: Path, decode: Callable[[bytes], T], stop: int | None = None) -> None:
        self.path, self._decode, self._stop = path, decode, stop
        self._holes: list[Damage] = []
        self.damaged: list[int] = []
        self.number = self.torn_bytes = self.at = 0

    def __iter__(self) -> Iterator[T]:
        # What came since the last line break, in pieces: joining them each time would take long.
        held, size = [b""], 0

        def note(at: int) -> None:
            self.at = at

        pieces = read_members(
            self.path, self._holes.append, PIECE_BYTES, limits=(0, self._stop), on_read=note
        )
        try:
            for piece in pieces:
                first, *more = piece.split(b"\n")
                held.append(first)
                size += len(first)
                if more:
                    yield from self._read(b"".join(held))
                    for line in more[:-1]:
                        yield from self._read(line)
                    held, size = [more[-1]], len(more[-1])
                if size > MAX_LINE_BYTES:
                    problem = f"line {self.number + 1:,} has no end"
                    raise RecordingError(self.path, problem)
        except OSError as error:
            raise unreadable(self.path, error) from None
        if rest := b"".join(held):
            yield from self._read(rest, is_whole=False)

    def _read(self, line: bytes, *, is_whole: bool = True) -> Iterator[T]:
        self.number += 1
        if not line.strip():
            return
        try:
            yield self._decode(line)
        except NOT_JSON:
            if is_whole:
                self.damaged.append(self.number)
            else:
                self.torn_bytes = len(line)

    def problems(self) -> list[Problem]:
        """Return what is damaged in the file. It must have been read to its end."""
        return describe_damage(
            self.damaged, self._holes, self.torn_bytes, unit="line", number=self.number
        )


class FrameDecoder:
    """Turns lines into ticks, with the same protocol clients that a feed uses.

    Attributes:
        understood: how many lines could be decoded.
        symbols: the symbols that were selected, None for all.
        states: see `RawSource`.
    """

    def __init__(self, lines: LineReader[Line]) -> None:
        self.understood = 0
        self.symbols: list[str] | None = None
        self.states: list[tuple[int, dict[str, Any]]] = []
        self._lines = lines
        self._log = TickLog(MAX_HELD)
        self._parts: list[pd.DataFrame] = []
        self._row = 0
        # The times of rows beside gaps, and the number of the first gap without both.
        self._times: dict[int, int] = {}
        self._timed = 0
        self._client = Client()
        self._plain = PlainClient(foreign=ForeignReader())
        self._subscriber: Client | PlainClient | None = None
        self._received = 0
        # Each gap, and the number of the row after it.
        self._gaps: list[tuple[Gap, int]] = []
        self._newest: Position | None = None
        # The last tick before a loss, until the next tick shows which ones were lost; and how many
        # damaged lines have been noted as losses.
        self._before_loss: Position | None = None
        self._known_damage = 0
        # The machine of a source that reads other servers, and what numbers its ticks.
        self._source: RawSource | None = None
        self._numbers = PlainClient()
        self._epochs = 0

    def _add(self, line: Line) -> None:
        if self._source is not None:
            self._try(partial(self._source.finish, line))
        if len(self._lines.damaged) > self._known_damage or line.dropped:
            self._note_loss()
        self.understood += 1
        if line.t is not None:
            self._received = line.t
        if line.source is not None:
            self._begin_source(line)
            return
        if line.connected is not None:
            self._end_source()
            self._connect(line)
        if self._source is not None:
            self._try(partial(self._source.take, line))
            return
        if line.on or line.fetch is not None:
            # The line that says how to read it is lost: not by a guess.
            self._lines.damaged.append(self._lines.number)
            return
        data = line.data()
        if data is None:
            return
        if self._subscriber is None:
            self._plain.start_connection()
            # The epoch comes from the first frame, so that reading a file twice gives the same.
            text = data.encode() if isinstance(data, str) else data
            self._plain.epoch = hashlib.blake2b(text, digest_size=8).hexdigest()
            self._subscriber = self._plain
        try:
            events = self._subscriber.receive(data)
        except ProtocolError:
            self._lines.damaged.append(self._lines.number)
            self._note_loss()
            return
        for event in events:
            self._handle(event)

    def _connect(self, line: Line) -> None:
        is_native = line.protocol == SUBPROTOCOL
        subscriber: Client | PlainClient = self._client if is_native else self._plain
        self._subscriber = subscriber
        for event in subscriber.start_connection():
            self._handle(event)
        if isinstance(subscriber, PlainClient) and line.epoch:
            subscriber.epoch, subscriber.seq = line.epoch, line.seq
        self.symbols = line.symbols
        self._plain.symbols = None if line.symbols is None else frozenset(line.symbols)

    def _begin_source(self, line: Line) -> None:
        """Make the machine of a source; what came since an earlier one is not known."""
        self._end_source()
        self._miss(None, line.reason or NOT_KEPT)
        try:
            self._source = RawSource(line)
        except Exception as error:  # whatever a damaged file makes of a preset
            problem = f"line {self._lines.number:,} names a source that can't be made again"
            raise RecordingError(self._lines.path, f"{problem} ({error!r})") from None

    def _end_source(self) -> None:
        if (source := self._source) is None:
            return
        self._try(source.finish)
        self._try(partial(source.look, is_last=True))
        self.states += source.states
        self._source = None

    def _try(self, run: Callable[[], Sequence[Batch | Missing]]) -> None:
        """Have the machine of a source take something."""
        try:
            events = run()
        except Exception:  # lines before it are lost, or it is damaged
            self._lines.damaged.append(self._lines.number)
            self._note_loss()
            return
        self._take(events)

    def _take(self, events: Sequence[Batch | Missing]) -> None:
        """Number the ticks of a source."""
        for event in events:
            if isinstance(event, Missing):
                self._miss(event.count, event.reason)
            else:
                self._handle(self._numbers.number(event))

    def _miss(self, count: int | None, reason: str) -> None:
        for gap in self._numbers.miss(count, reason):
            self._handle(gap)
        if count is None:
            # Not random: reading a file twice gives the same.
            self._epochs += 1
            name = f"{self._received} {self._epochs}".encode()
            self._numbers.epoch = hashlib.blake2b(name, digest_size=8).hexdigest()

    def _note_loss(self) -> None:
        if self._source is not None:
            self._miss(None, NOT_KEPT)
            self._known_damage = len(self._lines.damaged)
            return
        self._before_loss = self._before_loss or self._newest
        self._known_damage = len(self._lines.damaged)

    def _handle(self, event: Event) -> None:
        if isinstance(event, Gap):
            self._gaps.append((event, self._log.stop))
        elif isinstance(event, Received) and event.batch.count:
            self._append(event)

    def _append(self, event: Received) -> None:
        first, lost = int(event.seq[0]), self._before_loss
        self._before_loss = None
        if lost and lost.epoch == event.epoch and first > lost.seq + 1:
            gap = Gap(lost.epoch, lost.seq + 1, first - 1, NOT_KEPT)
            if not any(_begins_in(known, gap) for known, _ in self._gaps):
                self._gaps.append((gap, self._log.stop))
        received = self._received
        if not received:
            known = event.batch.time[event.batch.time != NO_TIME]
            received = int(known.max()) if len(known) else 0
        append_or_note(
            self._log,
            event.batch,
            event.seq,
            epoch=event.epoch,
            received=received,
            note=lambda gap: self._gaps.append((gap, self._log.stop)),
        )
        self._newest = Position(event.epoch, int(event.seq[-1]))
        if self._log.stop - self._row >= MAX_HELD // 2:
            self._move_rows()

    def _move_rows(self) -> None:
        """Move the newest rows to `_parts`, before the log drops them."""
        start, self._row = self._row, self._log.stop
        frame = self._log.rows(start).frame()
        self._parts.append(frame)
        times = frame["time"].to_numpy("M8[ns]").view(np.int64)
        # The rows beside gaps; the next gap may follow the last row.
        rows = {row for _, at in self._gaps[self._timed :] for row in (at - 1, at)}
        for row in {*rows, self._row - 1}:
            if start <= row < self._row:
                self._times[row] = int(times[row - start])
        while self._timed < len(self._gaps) and self._gaps[self._timed][1] < self._row:
            self._timed += 1

    @property
    def misfits(self) -> dict[str, int]:
        """How many values were left out, by column."""
        return add_counts(self._log.misfits, self._client.misfits)

    @property
    def units(self) -> dict[str, str]:
        """The unit of each column that has one, as the newest hello says."""
        return self._client.units

    def frames(self, max_rows: int) -> Iterator[pd.DataFrame]:
        """Yield the ticks in all lines, some more than `max_rows` at once.

        The last frame may be empty. It has the columns and types of all ticks.
        """
        for line in self._lines:
            self._add(line)
            if self._log.stop - self._row >= max_rows:
                self._move_rows()
            yield from self._take_parts()
        self._end_source()
        self._move_rows()
        yield from self._take_parts()

    def _take_parts(self) -> list[pd.DataFrame]:
        parts, self._parts = self._parts, []
        return parts

    @property
    def gaps(self) -> list[Gap]:
        """The gaps, with the times of the ticks on both sides; complete at the end of `frames`."""
        return [
            msgspec.structs.replace(
                gap, last_before=self._times.get(row - 1), first_after=self._times.get(row)
            )
            for gap, row in self._gaps
        ]


def _begins_in(known: Gap, gap: Gap) -> bool:
    """Return whether `gap` begins within `known`."""
    begins_before_end = known.last is None or gap.first <= known.last
    return known.epoch == gap.epoch and known.first <= gap.first and begins_before_end
