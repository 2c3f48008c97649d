"""Health file: a small JSON file that says how a recording is doing, for other programs."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tickerkit.errors import RecordingError
from tickerkit.formatting import format_count, format_elapsed

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = ["Health", "find_problem"]

# A shorter silence is no reason for an alarm: the machine is busy, or its disk is slow.
MAX_SILENT_S = 30.0


class Health(msgspec.Struct, kw_only=True):
    """How a recording is doing. Times are seconds since 1970, by the clock of its machine.

    Attributes:
        time: when this was written.
        began: when the recording began.
        pid: the process that records.
        source: where the ticks come from.
        file: the file that is written.
        status: of the recorder: "recording", "failing" or "stopped".
        feed: of the feed: "connecting", "live", "reconnecting", "ended" or "failed".
        feed_since: since when the feed has been so.
        reason: why the feed is not live; empty while it is.
        last_tick: when the newest tick came; None before the first.
        late_s: for how many seconds ticks have been due to be written that are not.
        written: number of ticks that were written.
        waiting: number of ticks that wait to be written.
        lost: number of ticks that were never written.
        gaps: number of gaps.
        errors: number of errors of the recorder.
        last_error: the newest of them; empty without errors.
    """

    time: float
    began: float
    pid: int
    source: str
    file: str
    status: str
    feed: str
    feed_since: float
    reason: str
    last_tick: float | None
    late_s: float
    written: int
    waiting: int
    lost: int
    gaps: int
    errors: int
    last_error: str

    @classmethod
    def of_recording(cls, feed: Feed, recorder: Any, began: float, flush_s: float) -> Health:
        """Return the health of a recording.

        Args:
            feed: the feed.
            recorder: its recorder.
            began: when the recording began, in seconds since 1970.
            flush_s: for how long ticks wait at most while all is well.
        """
        # Here, since pandas comes with it: `tickerkit health` runs every few seconds.
        from tickerkit.ticks import NS_PER_S

        stats, now = recorder.stats, time.time()
        rows = feed.log.rows()
        received = rows.array("received")
        waiting = min(stats["behind"], len(rows))
        oldest = received[len(rows) - waiting] / NS_PER_S if waiting else now
        return cls(
            time=now,
            began=began,
            pid=os.getpid(),
            source=feed.url,
            file=str(recorder.path),
            status=recorder.status,
            feed=feed.status,
            feed_since=feed.status_since.timestamp(),
            reason="" if feed.status == "live" else feed.status_reason,
            last_tick=float(received[-1] / NS_PER_S) if len(rows) else None,
            late_s=max(float(now - oldest - flush_s), 0.0),
            written=stats["written"],
            waiting=stats["behind"],
            lost=stats["lost"],
            gaps=stats["gaps"],
            errors=stats["errors"],
            last_error=stats["last_error"],
        )

    @classmethod
    def read(cls, path: Path) -> Health:
        """Return what a health file says.

        Raises:
            RecordingError: it is no such file.
            OSError: it can't be read.
        """
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except msgspec.DecodeError as error:
            raise RecordingError(path, f"it is no health file ({error})") from None

    def describe(self) -> str:
        """Return the newest tick and the counts, as a line."""
        newest = "no tick yet"
        if self.last_tick is not None:
            newest = f"last tick {format_elapsed(time.time() - self.last_tick)} ago"
        parts = [newest, f"{self.written:,} written"]
        parts += [f"{self.waiting:,} waiting"] if self.waiting else []
        parts += [f"{self.lost:,} lost"] if self.lost else []
        parts.append(format_count(self.gaps, "gap") if self.gaps else "no gaps")
        return ", ".join(parts)


def find_problem(health: Health, now: float, max_age_s: float | None) -> str:
    """Return what is wrong with a recording; empty if nothing is.

    Args:
        health: what its file says.
        now: the time, in seconds since 1970.
        max_age_s: how long ago the newest tick may be; None for any time.
    """
    silent_s, apart_s = now - health.time, now - health.feed_since
    if health.status == "stopped":
        return f"the recording ended {format_elapsed(silent_s)} ago"
    # A clock that was set back makes the file lie in the future, until it is written again.
    if abs(silent_s) > MAX_SILENT_S:
        return f"process {health.pid} has written nothing here for {format_elapsed(silent_s)}"
    if health.status == "failing":
        return f"{health.last_error}; {health.waiting:,} ticks wait"
    if health.late_s > MAX_SILENT_S:
        late = format_elapsed(health.late_s)
        return f"the disk has taken nothing for {late}; {health.waiting:,} ticks wait"
    if health.feed != "live" and apart_s > MAX_SILENT_S:
        reason = f": {health.reason}" if health.reason else ""
        return f"{health.feed} for {format_elapsed(apart_s)}{reason}"
    newest_s = now - (health.began if health.last_tick is None else health.last_tick)
    if max_age_s is not None and newest_s > max_age_s:
        return f"no tick for {format_elapsed(newest_s)}"
    return ""
