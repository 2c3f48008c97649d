"""Raw: the frames of a wire as lines of JSON, read as the ticks that they brought, and written."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from tickerkit.errors import ProtocolError, RecordingError, RecordingWarning
from tickerkit.log import FIXED, TickLog
from tickerkit.protocol import SUBPROTOCOL, Client, Event, Gap, Hello, PlainClient, Received
from tickerkit.protocol.encoding import encode_columns
from tickerkit.protocol.messages import encode
from tickerkit.storage.files import Mode, placed, replacing
from tickerkit.storage.packing import Damage, compression_of, packed, pieces
from tickerkit.storage.recording import Recording
from tickerkit.storage.sidecar import Missing, gap_frame, gap_lines
from tickerkit.storage.wire import connected_line, made_line
from tickerkit.ticks import NO_TIME, Array, read_ticks

__all__ = ["load_raw", "write_raw"]

ROWS_AT_ONCE = 16_384
MOST_HELD = 2_000_000
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

    def data(self) -> str | bytes | None:
        if bytes(self.frame):
            return bytes(self.frame)
        if self.text is not None:
            return self.text
        return None if self.base64 is None else base64.b64decode(self.base64, validate=True)


_decoder = msgspec.json.Decoder(_Line)


# --- reading -------------------------------------------------------------------------------------


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
    for piece in pieces(path, holes.append, PIECE_BYTES):
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
        self._log = TickLog(MOST_HELD)
        self._parts: list[pd.DataFrame] = []
        self._row = 0
        self._client = Client()
        self._plain = PlainClient()
        self._subscriber: Client | PlainClient | None = None
        self._columns: dict[str, str | list[str]] = {}
        self._received = 0
        self._gaps: list[tuple[Gap, int]] = []
        # The last tick, where something was lost after it.
        self._before_loss: tuple[str, int] | None = None
        self._newest: tuple[str, int] | None = None

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
            self._plain.connected()
            # Not a random one: what is read twice is the same twice.
            self._plain.epoch = hashlib.blake2b(text, digest_size=8).hexdigest()
            self._subscriber = self._plain
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
        for event in subscriber.connected():
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
            case Hello():
                self._columns |= event.columns
            case Gap():
                self._gaps.append((event, self._log.next))
            case Received():
                self._append(event)

    def _append(self, event: Received) -> None:
        if not event.batch.count:
            return
        first = int(event.seq[0])
        if self._before_loss is not None:
            epoch, seq = self._before_loss
            self._before_loss = None
            if epoch == event.epoch and first > seq + 1 and not self._is_told(epoch, seq + 1):
                self._gaps.append((Gap(epoch, seq + 1, first - 1, NOT_KEPT), self._log.next))
        received = self._received
        if not received:
            known = event.batch.time[event.batch.time != NO_TIME]
            received = int(known.max()) if len(known) else 0
        self._log.append(event.batch, received=received, epoch=event.epoch, seq=event.seq)
        self._newest = event.epoch, int(event.seq[-1])
        if self._log.next - self._row >= MOST_HELD // 2:
            self._cut()

    def _cut(self) -> None:
        """Take the newest rows out of the log, which drops them some time."""
        self._parts.append(self._log.rows(self._row).frame())
        self._row = self._log.next

    def _is_told(self, epoch: str, seq: int) -> bool:
        return any(
            gap.epoch == epoch and gap.start <= seq and (gap.stop is None or seq <= gap.stop)
            for gap, _ in self._gaps
        )

    def frame(self) -> pd.DataFrame:
        """Return the ticks."""
        self._cut()
        made: dict[str, object] = {}
        for name in self._log.columns():
            parts = [part.get(name) for part in self._parts]
            sizes = [len(part) for part in self._parts]
            if name in self._log.words:
                words = pd.Index(self._log.words[name].words, dtype="str")
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

    def missing(self) -> list[Missing]:
        """Return the gaps; after the frame, which tells the times."""
        times = self._times

        def time_at(row: int) -> int | None:
            return int(times[row]) if 0 <= row < len(times) else None

        return [
            Missing(gap.epoch, gap.start, gap.stop, gap.reason, time_at(row - 1), time_at(row))
            for gap, row in self._gaps
        ]


# --- writing -------------------------------------------------------------------------------------


def write_raw(
    frame: pd.DataFrame,
    path: str | PathLike[str],
    gaps: pd.DataFrame | None = None,
    *,
    mode: Mode = "new",
    source: str = "",
    symbols: Sequence[str] | None = None,
) -> Path:
    """Write a recording as the frames of `tickerkit.v1` that would have brought it.

    `load_raw` makes the same ticks and gaps of it: each line holds ticks of one epoch that were
    received at one moment.

    Args:
        frame: a recording's ticks, with `seq`, `epoch` and `received`; without these they are
            numbered from 1.
        path: where to; `.gz` and `.zst` are compressed.
        gaps: the ticks that are missing, as `Feed.gaps` tells them.
        mode: "new" or "overwrite".
        source: where the ticks came from.
        symbols: those that were recorded, None for all.

    Raises:
        RecordingExists: there is a file, and mode is "new".
        ValueError: mode is "append".
        OSError: the file can't be written.
    """
    if mode == "append":
        raise ValueError('frames of a wire can\'t be added to a file; pass mode="overwrite"')
    path = placed(path, mode)
    compression = compression_of(path)
    with replacing(path) as out:
        text = bytearray()
        chosen = None if symbols is None else list(symbols)
        for line in _frames(frame, gap_lines(gaps) if gaps is not None else [], source, chosen):
            text += line
            if len(text) >= PIECE_BYTES:
                out.write(packed(bytes(text), compression))
                text.clear()
        if text:
            out.write(packed(bytes(text), compression))
    return path


def _frames(
    frame: pd.DataFrame, gaps: list[Missing], source: str, symbols: list[str] | None
) -> Iterator[bytes]:
    count = len(frame)
    seq = _numbers(frame, "seq", np.arange(1, count + 1))
    received = _numbers(frame, "received", np.zeros(count, dtype=np.int64))
    known = frame["epoch"] if "epoch" in frame.columns else pd.Series(["recording"] * count)
    codes, words = pd.factorize(known.to_numpy(dtype=object))
    cuts = (np.diff(codes) != 0) | (np.diff(received) != 0) | (np.diff(seq) <= 0)
    # A gap is told between the ticks on both sides of it.
    told = np.searchsorted(np.sort([gap.start for gap in gaps]), seq)
    cuts |= np.diff(told) != 0
    starts = [0, *(np.flatnonzero(cuts) + 1).tolist()] if count else []
    now = int(received[0]) if count else time.time_ns()
    yield connected_line(now, source, SUBPROTOCOL, symbols=symbols)
    columns = _columns(frame)
    epoch, log, pending = None, TickLog(1), list(gaps)
    batch = read_ticks(frame.reset_index(drop=True))
    if batch.count != count:
        raise ValueError(f"{batch.refused:,} rows are no ticks, the first: {batch.errors[0]}")
    last_rows = {str(words[code]): row for row, code in enumerate(codes.tolist())}
    for start, stop in zip(starts, [*starts[1:], count], strict=False):
        now, own, first = int(received[start]), str(words[codes[start]]), int(seq[start])
        told = _before(pending, last_rows, start, own, first)
        del pending[: len(told)]
        for gap in told:
            if epoch is None:
                epoch, log = gap.epoch, TickLog(ROWS_AT_ONCE, epoch=gap.epoch)
                yield made_line(now, _hello(gap.epoch, gap.start, columns))
            yield _gap_line(now, gap)
        if own != epoch:
            epoch, log = own, TickLog(ROWS_AT_ONCE, epoch=own)
            yield made_line(now, _hello(own, first, columns))
        for at in range(start, stop, ROWS_AT_ONCE):
            end = min(at + ROWS_AT_ONCE, stop)
            row = log.next
            log.append(batch.part(at, end), received=now, epoch=own, seq=seq[at:end])
            data = encode_columns(log.rows(row), None)
            if data is not None:
                yield b'{"t":%d,"frame":%b}\n' % (now, data)
    for gap in pending:
        if epoch is None:
            epoch = gap.epoch
            yield made_line(now, _hello(gap.epoch, gap.start, columns))
        yield _gap_line(now, gap)


def _before(
    gaps: list[Missing], last_rows: dict[str, int], row: int, epoch: str, seq: int
) -> list[Missing]:
    """Return the first of the gaps, those that lie before a row."""
    found = 0
    for place, gap in enumerate(gaps):
        lies = gap.start < seq if gap.epoch == epoch else last_rows.get(gap.epoch, -1) < row
        if not lies:
            break
        found = place + 1
    return gaps[:found]


def _numbers(frame: pd.DataFrame, name: str, otherwise: Array) -> Array:
    if name not in frame.columns:
        return otherwise
    series = frame[name]
    if series.dtype.kind == "M":
        return pd.DatetimeIndex(series).as_unit("ns").asi8
    return series.to_numpy(np.int64)


def _columns(frame: pd.DataFrame) -> dict[str, str | list[str]]:
    return {
        str(name): "number" if frame[name].dtype.kind in "fiu" else []
        for name in frame.columns
        if name not in FIXED
    }


def _hello(epoch: str, seq: int, columns: dict[str, str | list[str]]) -> bytes:
    return encode(Hello(epoch, seq, seq, [], columns))


def _gap_line(now: int, gap: Missing) -> bytes:
    return b'{"t":%d,"frame":%b}\n' % (now, encode(Gap(gap.epoch, gap.start, gap.stop, gap.reason)))
