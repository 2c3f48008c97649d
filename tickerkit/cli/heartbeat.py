"""Heartbeat: the state of `tickerkit record`, for the programs that supervise it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tickerkit.cli.health_file import Health
from tickerkit.cli.systemd import notify_systemd
from tickerkit.cli.terminal import print_error

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = ["Heartbeat"]

BEAT_S = 2.0


class Heartbeat:
    """Reports the state of a recording every two seconds, to systemd and in a health file.

    A failure to write the file is reported once, and the recording continues.

    Args:
        feed: the feed.
        recorder: its recorder.
        path: the health file, whose missing folders are created; None for none.
        flush_s: seconds for which ticks are gathered before they are written.

    Raises:
        OSError: the file can't be written.
    """

    def __init__(self, feed: Feed, recorder: Any, path: str | None, flush_s: float) -> None:
        self._feed, self._recorder, self._flush_s = feed, recorder, flush_s
        self._path = None if path is None else Path(path).expanduser()
        self._began, self._beat_at = time.time(), 0.0
        self._is_reported = False
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._write(self._path, self._health)

    @property
    def _health(self) -> Health:
        return Health.of_recording(self._feed, self._recorder, self._began, self._flush_s)

    def beat(self) -> None:
        """Report the state of the recording if that is due; cheap if it is not."""
        now = time.monotonic()
        if now < self._beat_at:
            return
        is_first, self._beat_at = not self._beat_at, now + BEAT_S
        health = self._health
        notify_systemd(f"STATUS={health.describe()}", "READY=1" if is_first else "WATCHDOG=1")
        self._try_to_write(health)

    def begin_end(self) -> None:
        """Notify systemd that the recording ends: this may take longer than its watchdog waits."""
        notify_systemd("STOPPING=1")

    def end(self) -> None:
        """Write that the recording has ended."""
        self._try_to_write(self._health)

    def _try_to_write(self, health: Health) -> None:
        if self._path is None:
            return
        try:
            self._write(self._path, health)
        except OSError as error:
            if not self._is_reported:
                print_error(f"{self._path} can't be written: {error.strerror or error}")
            self._is_reported = True
        else:
            self._is_reported = False

    @staticmethod
    def _write(path: Path, health: Health) -> None:
        # Not `replacing`, which waits for the disk: after a power failure nobody needs this file.
        # Always one name, so that a kill leaves at most one such file behind.
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(health)) + b"\n")
        temporary.replace(path)
