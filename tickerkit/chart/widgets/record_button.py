"""RecordButton: starts and stops a recording of a feed, and shows its state."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from tickerkit.formatting import format_count, format_size
from tickerkit.runtime.cards import dim, escape, render_error
from tickerkit.runtime.error_log import describe

if TYPE_CHECKING:
    from tickerkit.feed import Feed, Recorder

__all__ = ["RecordButton"]

FOLDER = "captures/"
STATUS_PREFIXES = {"recording": "", "stopped": "recorded: "}

# Recorders that a button started. Buttons neither show nor stop recorders that the user started.
_started: weakref.WeakSet[Recorder] = weakref.WeakSet()


class RecordButton(widgets.ToggleButton):  # type: ignore[misc]
    """A button that records a feed into the folder `captures`; it is down while recording.

    The recording belongs to the feed. It continues when the button is closed, and another button
    of the same feed shows it and can stop it.

    Args:
        feed: the feed.

    Attributes:
        note: a line of HTML to show beside the button: file, ticks written, and errors.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._failure = ""
        self._last: Recorder | None = None
        # Reentrant: setting `value` calls `_on_click` in the same thread.
        self._lock = threading.RLock()
        self.note = widgets.HTML()
        super().__init__(
            description="Record",
            icon="circle",
            layout={"width": "110px"},
            tooltip="write all ticks from now on to files in the folder captures, beside the "
            "notebook",
        )
        self.observe(self._on_click, "value")
        self.show(feed)

    def show(self, feed: Feed) -> None:
        """Show the state of a feed's recording; from now on the button records this feed."""
        with self._lock:
            if feed.log is not self._feed.log:
                self._failure, self._last = "", None
            self._feed = feed
            recorder = self._current_recorder()
            self._last = recorder or self._last
            self.value = recorder is not None
            self.description = "Recording" if recorder is not None else "Record"
            self.button_style = "danger" if recorder is not None else ""
            self.note.value = self._render_note(self._last)

    def _current_recorder(self) -> Recorder | None:
        """Return the feed's running recorder that a button started, if any."""
        for each in self._feed.recorders:
            if each in _started and each.status != "stopped":
                return each
        return None

    def _on_click(self, change: Any) -> None:
        with self._lock:
            recorder = self._current_recorder()
            if change["new"] == (recorder is not None):
                return  # not a click: `show` has set the button
            self._failure = ""
            try:
                if recorder is None:
                    _started.add(self._feed.record(FOLDER))
                else:
                    recorder.stop()
            except Exception as error:
                self._failure = describe(error)
            self.show(self._feed)

    def _render_note(self, recorder: Recorder | None) -> str:
        if self._failure:
            return render_error(self._failure)
        if recorder is None:
            return ""
        stats = recorder.stats
        prefix = STATUS_PREFIXES.get(recorder.status, "failing: ")
        size = format_size(stats["bytes"])
        text = f"{prefix}{recorder.path}, {format_count(stats['written'], 'tick')}, {size}"
        error = stats["last_error"]
        return dim(escape(text)) + (f" {render_error(error)}" if error else "")
