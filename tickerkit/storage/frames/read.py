"""Raw: the frames of a wire, kept as lines of JSON, read as the ticks that they brought."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from tickerkit.errors import ProtocolError, RecordingError, RecordingWarning
from tickerkit.log import FIXED, Gap, Position, TickLog, gap_frame
from tickerkit.protocol import SUBPROTOCOL, Client, Event, Hello, PlainClient, Received
from tickerkit.storage.compression import Damage, read_members
from tickerkit.storage.recording import Recording
from tickerkit.ticks import NO_TIME

__all__ = ["load_raw"]

MAX_HELD = 2_000_000
PIECE_BYTES = 2**20
NOT_KEPT = "not in the file of the wire's frames"


class _Line(msgspec.Struct):
    """A line, as `wire` writes it."""

    t: int | None = None
    frame: msgspec.Raw = msgspec.Raw(b"")
    text: str | None = None
    base64: str | None = None
    connected: str | None = None
    protocol: str = ""
    epoch: str = ""
    seq: int = 0
    symbols: list[str] | None = None
    dropped: int = 0
    made: bool = False

    def data(self) -> str | bytes | None:
        if bytes(self.frame):
            return bytes(self.frame)
        if self.text is not None:
            return self.text
        return None if self.base64 is None else base64.b64decode(self.base64, validate=True)


_decoder = msgspec.json.Decoder(_Line)


def load_raw(path: str | PathLike[str]) -> Recording:
    """Read the ticks that the frames of a wire brought, as a feed would have.

    Lines that make no sense, and messages that break the protocol, are left out and named in the
    recording's warning; all that a venue says besides ticks is passed over.

    Args:
        path: a file of lines `{"t": nanoseconds, "frame": ...}`, compressed or not; where it tells
            of no connection, the frames are those of a plain websocket.

    Raises:
        RecordingError: no such file, or nothing in it is such a line.

    Example:
        >>> load_raw("ticks.raw.jsonl").frame["price"].mean()
    """
    path = Path(path).expanduser()
    reading = _Reading()
    holes: list[Damage] = []
    torn = number = 0
    try:
        for number, line, whole in _lines(path, holes):
            if whole or reading.makes_sense(line):
                reading.take(number, line)
            else:
                torn = len(line)
    except OSError as error:
        raise RecordingError(path, (error.strerror or str(error)).lower()) from None
    if number and not reading.understood:
        raise RecordingError(path, "no line of it is a frame of a wire")
    frame = reading.frame()
    warning = RecordingWarning(
        path,
        len(frame),
        torn_bytes=torn,
        lines=reading.damaged,
        holes=[(number, hole.start, hole.stop) for hole in holes if hole.stop > hole.start],
        cut=any(hole.stop == hole.start for hole in holes),
    )
    gaps = gap_frame(reading.missing())
    return Recording(frame, gaps, reading.symbols, warning if warning.problems else None)


def _lines(path: Path, holes: list[Damage]) -> Iterator[tuple[int, bytes, bool]]:
    """Yield the number of each line, the line, and whether it has an end."""
    rest, number = b"", 0
    for piece in read_members(path, holes.append, PIECE_BYTES):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            number += 1
            yield number, line, True
    if rest:
        yield number + 1, rest, False


class _Reading:
    """Frames on their way into a log."""

    def __init__(self) -> None:
        self.understood = 0
        self.damaged: list[int] = []
        self.symbols: list[str] | None = None
        self._log = TickLog(MAX_HELD)
        self._parts: list[pd.DataFrame] = []
        self._row = 0
        self._client = Client()
        self._plain = PlainClient()
        self._subscriber: Client | PlainClient | None = None
        self._columns: dict[str, str | list[str]] = {}
        self._received = 0
        self._is_made = False
        self._gaps: list[tuple[Gap, int]] = []
        # The last tick, where something was lost after it.
        self._before_loss: Position | None = None
        self._newest: Position | None = None

    @staticmethod
    def makes_sense(line: bytes) -> bool:
        """Return whether a line without an end is whole."""
        try:
            _decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return False
        return True

    def take(self, number: int, text: bytes) -> None:
        """Take a line."""
        if not text.strip():
            return
        try:
            line = _decoder.decode(text)
            data = line.data()
        except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
            self._lose(number)
            return
        self.understood += 1
        if line.t is not None:
            self._received = line.t
        if line.connected is not None:
            self._connect(line)
        if line.dropped:
            self._before_loss = self._before_loss or self._newest
        if data is None:
            return
        if self._subscriber is None:
            self._plain.start_connection()
            # Not a random one: what is read twice is the same twice.
            self._plain.epoch = hashlib.blake2b(text, digest_size=8).hexdigest()
            self._subscriber = self._plain
        self._is_made = line.made
        try:
            events = self._subscriber.receive(data)
        except ProtocolError:
            self._lose(number)
            return
        for event in events:
            self._hand_on(event)

    def _connect(self, line: _Line) -> None:
        ours = line.protocol == SUBPROTOCOL
        subscriber: Client | PlainClient = self._client if ours else self._plain
        self._subscriber = subscriber
        for event in subscriber.start_connection():
            self._hand_on(event)
        if isinstance(subscriber, PlainClient) and line.epoch:
            subscriber.epoch, subscriber.seq = line.epoch, line.seq
        self.symbols = line.symbols
        self._plain.symbols = None if line.symbols is None else frozenset(line.symbols)

    def _lose(self, number: int) -> None:
        self.damaged.append(number)
        self._before_loss = self._before_loss or self._newest

    def _hand_on(self, event: Event) -> None:
        match event:
            case Hello() if self._is_made and not event.symbols:  # of `write_raw`
                self._columns |= event.columns
            case Gap():
                self._gaps.append((event, self._log.stop))
            case Received():
                self._append(event)

    def _append(self, event: Received) -> None:
        if not event.batch.count:
            return
        first = int(event.seq[0])
        if self._before_loss is not None:
            epoch, seq = self._before_loss.epoch, self._before_loss.seq
            self._before_loss = None
            if epoch == event.epoch and first > seq + 1 and not self._is_told(epoch, seq + 1):
                self._gaps.append((Gap(epoch, seq + 1, first - 1, NOT_KEPT), self._log.stop))
        received = self._received
        if not received:
            known = event.batch.time[event.batch.time != NO_TIME]
            received = int(known.max()) if len(known) else 0
        self._log.append(event.batch, received=received, epoch=event.epoch, seq=event.seq)
        self._newest = Position(event.epoch, int(event.seq[-1]))
        if self._log.stop - self._row >= MAX_HELD // 2:
            self._cut()

    def _cut(self) -> None:
        """Take the newest rows out of the log, which drops them some time."""
        self._parts.append(self._log.rows(self._row).frame())
        self._row = self._log.stop

    def _is_told(self, epoch: str, seq: int) -> bool:
        return any(
            gap.epoch == epoch and gap.first <= seq and (gap.last is None or seq <= gap.last)
            for gap, _ in self._gaps
        )

    def frame(self) -> pd.DataFrame:
        """Return the ticks."""
        self._cut()
        made: dict[str, object] = {}
        for name in self._log.columns():
            parts = [part.get(name) for part in self._parts]
            sizes = [len(part) for part in self._parts]
            if name in self._log.dictionaries:
                words = pd.Index(self._log.dictionaries[name].words, dtype="str")
                codes = [
                    np.full(size, -1) if part is None else part.cat.codes.to_numpy()
                    for part, size in zip(parts, sizes, strict=True)
                ]
                made[name] = pd.Categorical.from_codes(np.concatenate(codes), words)
            else:
                numbers = [
                    pd.Series(np.full(size, np.nan)) if part is None else part
                    for part, size in zip(parts, sizes, strict=True)
                ]
                made[name] = pd.concat(numbers, ignore_index=True)
        frame = pd.DataFrame(made)
        self._times = frame["time"].astype("int64").to_numpy()
        names = [*FIXED, *(name for name in self._columns if name not in FIXED)]
        names += [name for name in frame.columns if name not in names]
        for name in names:
            if name not in frame.columns:
                is_number = self._columns[name] == "number"
                frame[name] = np.nan if is_number else pd.Categorical([None] * len(frame))
        return frame[names]

    def missing(self) -> list[Gap]:
        """Return the gaps; after the frame, which tells the times."""
        times = self._times

        def time_at(row: int) -> int | None:
            return int(times[row]) if 0 <= row < len(times) else None

        return [
            Gap(gap.epoch, gap.first, gap.last, gap.reason, time_at(row - 1), time_at(row))
            for gap, row in self._gaps
        ]
