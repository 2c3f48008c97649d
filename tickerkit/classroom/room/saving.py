"""Record: what has happened in a class, as its JSON lines, and what is left of it."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from tickerkit.errors import RecordingError
from tickerkit.storage.files import prepare_path, replacing

__all__ = ["MAX_LINES", "Record", "read_record"]

# A line has some 200 bytes: 20 MB at most. The state at the end of a file needs no older ones.
MAX_LINES = 100_000

encode = msgspec.json.Encoder().encode


class Record:
    """The events of a class in their order, and the state that follows from them.

    The server's process sends each event as soon as it happens, so the notebook has them all when
    that process is killed, and the next one begins with the state. It may be used in any thread.

    An event is a dict with `at` (seconds since 1970), `event`, and what belongs to it. Some change
    the state: "seat" has all of a seat, "gone" the number of a seat that is removed, "kept" a part
    of the state by its name.

    Args:
        path: a file to which each event is written when it comes; None for none.

    Attributes:
        path: as given.
        error: why the file can't be written any more; empty while it can.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.error = ""
        self._lock = threading.RLock()
        self._lines: deque[dict[str, Any]] = deque(maxlen=MAX_LINES)
        self._seats: dict[int, dict[str, Any]] = {}
        self._kept: dict[str, Any] = {}
        self._file: BinaryIO | None = None

    def check(self) -> None:
        """Raise RecordingError if the file exists and is not the record of a class."""
        if self.path is not None and self.path.exists():
            for _ in read_record(self.path):
                pass

    def open(self) -> None:
        """Read the events that the file has, and append further ones to it; idempotent.

        A new file begins with the events of the record.

        Raises:
            RecordingError: if the file is not the record of a class.
            OSError: if it can't be written.
        """
        if self.path is None or self._file is not None:
            return
        if not self.path.exists():
            with replacing(prepare_path(self.path, "new")) as file:
                file.writelines(self.make_lines())
        elif not self._lines:
            for line in read_record(self.path):
                self._take(line)
        self._file = self.path.open("ab")
        # What a kill has cut off at the end.
        data = self.path.read_bytes()
        self._file.truncate(data.rfind(b"\n") + 1)

    def close(self) -> None:
        """Close the file; idempotent. The events stay."""
        with self._lock:
            file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()

    def take(self, event: dict[str, Any]) -> None:
        """Take an event. Never raises: a full disk must not end the lesson."""
        with self._lock:
            self._take(event)
            if self._file is None:
                return
            try:
                self._file.write(_make_line(event))
                self._file.flush()
            except OSError as error:
                self.error = f"{self.path} can't be written: {error.strerror or error}"
                self.close()

    def _take(self, event: dict[str, Any]) -> None:
        self._lines.append(event)
        match event:
            case {"event": "seat", "seat": {"number": int(number)} as seat}:
                self._seats[number] = seat
            case {"event": "gone", "number": int(number)}:
                self._seats.pop(number, None)
            case {"event": "kept", "name": str(name), "value": value}:
                self._kept[name] = value

    def state(self) -> dict[str, Any]:
        """Return what the next server needs: the seats and whatever else was kept."""
        with self._lock:
            seats = [dict(each) for each in self._seats.values()]
            return {**self._kept, "seats": seats}

    def list_events(self) -> list[dict[str, Any]]:
        """Return the events, the oldest first."""
        with self._lock:
            return list(self._lines)

    def make_lines(self) -> Iterator[bytes]:
        """Yield the lines of a file; the state comes last, since old events may be gone."""
        with self._lock:
            events, seats, kept = list(self._lines), list(self._seats.values()), dict(self._kept)
        at = events[-1]["at"] if events else 0.0
        for event in events:
            yield _make_line(event)
        if len(events) == MAX_LINES:
            for seat in seats:
                yield _make_line({"at": at, "event": "seat", "seat": seat})
            for name, value in kept.items():
                yield _make_line({"at": at, "event": "kept", "name": name, "value": value})

    def begin_with(self, earlier: Record) -> None:
        """Take the events and the state of an earlier record, before the first event of this."""
        with earlier._lock:
            self._lines.extend(earlier._lines)
            self._seats, self._kept = dict(earlier._seats), dict(earlier._kept)


def _make_line(event: Mapping[str, Any]) -> bytes:
    time = datetime.fromtimestamp(event["at"], UTC).isoformat(timespec="milliseconds")
    return encode({"time": time, **event}) + b"\n"


def read_record(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the events of a file; a last line that was cut off is left out.

    Raises:
        RecordingError: if the file is not the record of a class.
    """
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            event = msgspec.json.decode(line)
            if not isinstance(event, dict) or not isinstance(event.get("event"), str):
                raise msgspec.DecodeError
            event["at"] = float(event["at"])
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
            if number == len(lines):
                return
            raise RecordingError(
                path, f"line {number} is not an event of a class", "read"
            ) from None
        event.pop("time", None)
        yield event
