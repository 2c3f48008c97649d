"""Download: a button that sends a file from the kernel to the user's own computer."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable, Iterable
from importlib import resources
from typing import Any

import anywidget
import traitlets

from tickerkit.chart.widgets.transfer import DownloadFile, Transfer
from tickerkit.runtime.subshells import deliver_as_addressed

__all__ = ["Download", "make_safe_name"]

MAX_NAME_LENGTH = 100

# Returns a file, or its name and blocks.
MakeFile = Callable[[], DownloadFile | tuple[str, Iterable[bytes]]]


class Download(anywidget.AnyWidget):
    """A button in the page that sends a file to the user's computer, wherever the kernel runs.

    The file is sent in compressed parts of at most 1 MB. At most two parts are unconfirmed by the
    page, which keeps page, server and kernel responsive. Each part has a number: a lost part is
    sent again, and the browser saves the file only when it is complete.

    The button shows the progress, and a second click cancels. After a reload of the page, a note
    asks the user to click again. If no page reports for a minute, the transfer ends. While the
    kernel runs a cell, the transfer continues with ipykernel 7; an older ipykernel handles no
    messages meanwhile, and the transfer waits.

    Args:
        make: returns a `DownloadFile`, or its name and blocks. It is called for each click, in a
            thread that also reads the blocks. If the call or the reading raises, the error is shown
            beside the button.
        description: text of the button.
        tooltip: text shown when the mouse is over the button.
        **options: as for any widget, such as `layout`.

    Example:
        >>> Download(lambda: ("ticks.csv", csv_lines(feed.frame())))
    """

    _esm = (resources.files(__package__) / "download.js").read_text("utf-8")
    description = traitlets.Unicode("Download").tag(sync=True)
    tooltip = traitlets.Unicode().tag(sync=True)
    # The id of the current transfer; it shows a page loaded meanwhile that its parts were missed.
    _job = traitlets.Unicode().tag(sync=True)
    _transfer: Transfer | None = None

    def __init__(
        self,
        make: MakeFile,
        description: str = "Download",
        tooltip: str = "",
        **options: Any,
    ) -> None:
        self._make = make
        self._lock = threading.Lock()
        super().__init__(description=description, tooltip=tooltip, **options)
        self.on_msg(self._handle_message)
        deliver_as_addressed(self)

    def close(self) -> None:
        """Close the widget, and end a transfer in progress; idempotent."""
        if self._transfer is not None:
            self._transfer.stop()
        super().close()

    def _handle_message(self, _: Any, content: Any, __: list[memoryview]) -> None:
        """Handle a message of a page; unknown messages are ignored."""
        if not isinstance(content, dict) or not isinstance(content.get("job"), str):
            return
        kind, job = content.get("kind"), content["job"]
        if kind == "want":
            self._start(job, compressed=bool(content.get("compressed")))
        elif self._transfer is None or self._transfer.job != job or self._transfer.ended:
            # A page confirms the end of a file. So if it asks again, the transfer has failed or was
            # replaced, and the page has missed the message.
            if content.get("again"):
                self._send_failure(job, "The kernel no longer sends this file: click again.")
        elif kind == "next" and isinstance(content.get("number"), int):
            self._transfer.confirm(content["number"], again=bool(content.get("again")))
        elif kind == "cancel":
            self._transfer.stop()

    def _start(self, job: str, *, compressed: bool) -> None:
        with self._lock:
            if self._transfer is not None and not self._transfer.ended:
                self._transfer.stop()
                self._send_failure(
                    self._transfer.job, "Another page asked for a file: click again."
                )
            make = functools.partial(_make_file, self._make)
            self._transfer = Transfer(
                job, make, self.send, compressed=compressed, finish=self._finish
            )
            self._job = job
            self._transfer.start()

    def _finish(self, transfer: Transfer) -> None:
        with self._lock:
            if self._transfer is transfer:
                self._job = ""

    def _send_failure(self, job: str, reason: str) -> None:
        self.send({"kind": "failed", "job": job, "reason": reason})


def make_safe_name(text: str) -> str:
    """Return text as a file name that is valid on any computer, at most 100 characters long."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", text).lstrip(".")
    return name[-MAX_NAME_LENGTH:] or "_"


def _make_file(make: MakeFile) -> DownloadFile:
    file = DownloadFile(*make())
    return file._replace(name=make_safe_name(file.name))
