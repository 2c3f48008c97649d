"""Recording: starts and stops recordings of a dashboard's feeds, and describes them."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tickerkit.chart.desk.messages import RecordState
from tickerkit.chart.widgets.download import make_safe_name
from tickerkit.formatting import format_count, format_size
from tickerkit.runtime.error_log import describe

if TYPE_CHECKING:
    from tickerkit.feed import Feed, Recorder

__all__ = ["Recording"]

FOLDER = "captures/"
STATUS_PREFIXES = {"recording": "", "stopped": "recorded: "}

# Recorders that a dashboard started. It neither shows nor stops those that the user started.
_started: weakref.WeakSet[Recorder] = weakref.WeakSet()


class Recording:
    """Records feeds into the folder `captures`; of several, each into a folder of its own there.

    A recording belongs to its feed. It continues when the dashboard is closed, and another
    dashboard of the same feed shows it and can stop it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failure = ""
        # By the id of the feed's log: the newest recorder.
        self._last: weakref.WeakValueDictionary[int, Recorder] = weakref.WeakValueDictionary()

    def switch(self, feeds: Sequence[Feed], *, is_on: bool) -> None:
        """Start a recording of each feed that has none, or stop them all."""
        with self._lock:
            self._failure = ""
            for feed in feeds:
                recorder = _find_recorder(feed)
                try:
                    if is_on and recorder is None:
                        folder = make_safe_name(feed.name) + "/" if len(feeds) > 1 else ""
                        _started.add(feed.record(FOLDER + folder))
                    elif not is_on and recorder is not None:
                        self._last[id(feed.log)] = recorder
                        recorder.stop()
                except Exception as error:
                    self._failure = describe(error)

    def describe(self, feeds: Sequence[Feed]) -> RecordState:
        """Return whether any feed is recorded, and a line about the newest recordings."""
        texts, errors, is_on = [], [], False
        with self._lock:
            failure = self._failure
            for feed in feeds:
                running = _find_recorder(feed)
                if running is not None:
                    self._last[id(feed.log)] = running
                recorder = running or self._last.get(id(feed.log))
                is_on = is_on or running is not None
                if recorder is not None:
                    texts.append(_describe_recorder(recorder))
                    errors.append(recorder.stats["last_error"])
        error = failure or "; ".join(filter(None, errors))
        return {"is_on": is_on, "text": "" if failure else "; ".join(texts), "error": error}


def _find_recorder(feed: Feed) -> Recorder | None:
    """Return the feed's running recorder that a dashboard started, if any."""
    for each in feed.recorders:
        if each in _started and each.status != "stopped":
            return each
    return None


def _describe_recorder(recorder: Recorder) -> str:
    stats = recorder.stats
    prefix = STATUS_PREFIXES.get(recorder.status, "failing: ")
    size = format_size(stats["bytes"])
    return f"{prefix}{recorder.path}, {format_count(stats['written'], 'tick')}, {size}"
