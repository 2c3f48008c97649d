"""RecordButton: begins and ends a recording of a feed, and shows how it goes."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from tickerkit.formatting import format_size
from tickerkit.runtime.cards import RED, escape
from tickerkit.runtime.error_log import describe

if TYPE_CHECKING:
    from tickerkit.feed import Feed, Recorder

__all__ = ["RecordButton"]

FOLDER = "captures/"

# What buttons began. Other recorders are the user's own: no button shows or stops them.
_begun: weakref.WeakSet[Recorder] = weakref.WeakSet()


class RecordButton(widgets.ToggleButton):  # type: ignore[misc]
    """A button that is down while the feed is recorded into the folder `captures` by such a button.

    The recording belongs to the feed: it goes on when the button is closed, and another button of
    the same feed shows it, and ends it.

    Attributes:
        note: a line of HTML to show beside it: the file, the ticks written, errors.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._failure = ""
        self._last: Recorder | None = None
        self._one_at_a_time = threading.RLock()
        self.note = widgets.HTML()
        super().__init__(
            description="Record",
            icon="circle",
            layout={"width": "110px"},
            tooltip="write all ticks that come from now on to files in the folder captures, "
            "beside the notebook",
        )
        self.observe(self._pressed, "value")
        self.show(feed)

    def show(self, feed: Feed) -> None:
        """Show how the recording of a feed goes."""
        with self._one_at_a_time:
            if feed.log is not self._feed.log:
                self._failure, self._last = "", None
            self._feed = feed
            recorder = self._recorder()
            self._last = recorder or self._last
            self.value = recorder is not None
            self.description = "Recording" if recorder is not None else "Record"
            self.button_style = "danger" if recorder is not None else ""
            self.note.value = self._words(self._last)

    def _recorder(self) -> Recorder | None:
        """Return the recorder that a button began and that goes on; None where there is none."""
        for each in self._feed.recorders:
            if each in _begun and each.status != "stopped":
                return each
        return None

    def _pressed(self, change: Any) -> None:
        with self._one_at_a_time:
            recorder = self._recorder()
            if change["new"] == (recorder is not None):
                return  # the button was set to what is so
            self._failure = ""
            try:
                if recorder is None:
                    _begun.add(self._feed.record(FOLDER))
                else:
                    recorder.stop()
            except Exception as error:
                self._failure = describe(error)
            self.show(self._feed)

    def _words(self, recorder: Recorder | None) -> str:
        if self._failure:
            return f'<span style="color:{RED}">{escape(self._failure)}</span>'
        if recorder is None:
            return ""
        stats = recorder.stats
        doing = {"recording": "", "stopped": "recorded: "}.get(recorder.status, "failing: ")
        error = stats["last_error"]
        size = format_size(stats["bytes"])
        words = f"{doing}{recorder.path}, {stats['written']:,} ticks, {size}"
        told = f' <span style="color:{RED}">{escape(error)}</span>' if error else ""
        return f'<span style="opacity:.7">{escape(words)}</span>{told}'
