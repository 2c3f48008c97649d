"""Download: a button that brings a file from the kernel to the user's own computer."""

from __future__ import annotations

import contextlib
import functools
import re
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from importlib import resources
from typing import Any, NamedTuple

import anywidget
import traitlets

from tickerkit.chart.figure.comms import stay_heard
from tickerkit.chart.figure.scheduler import PresenceLease
from tickerkit.runtime.error_log import describe

__all__ = ["Download", "File", "safe_name"]

PART_BYTES = 1_000_000
MAX_UNCONFIRMED = 2
LOOK_EVERY_S = 1.0
LONGEST_NAME = 100

Message = tuple[dict[str, Any], list[bytes]]


class File(NamedTuple):
    """What a `Download` brings.

    Attributes:
        name: of the file; characters that a file's name had better not have become "_".
        blocks: its bytes, in blocks of any size.
        lines: about how many there will be, for the progress; None where it is not known.
    """

    name: str
    blocks: Iterable[bytes]
    lines: int | None = None


class Download(anywidget.AnyWidget):
    """A button in the page that brings a file to the user's computer, wherever the kernel runs.

    The file goes out in parts of at most 1 MB, compressed, never more than two ahead of what the
    page has confirmed; so neither the page, the server in between nor the kernel is held up. Each
    part has a number: one that was lost on the way is sent again, and the browser is given the
    file only when it is whole. The button shows the progress; a second click cancels. A page that
    was loaded again says so; one that is gone for a minute ends the sending. While the kernel runs
    a cell, it goes on where the kernel hears pages meanwhile (ipykernel 7), else it waits.

    Args:
        make: called for each click, in a thread of its own, in which the blocks are taken, too:
            gives a `File`, or its name and blocks. An error of either is shown beside the button.
        description: what stands on the button.
        tooltip: what the button says when pointed at.
        **options: as for any widget, `layout` for one.

    Example:
        >>> Download(lambda: ("ticks.csv", csv_lines(feed.frame())))
    """

    _esm = (resources.files(__package__) / "download.js").read_text("utf-8")
    description = traitlets.Unicode("Download").tag(sync=True)
    tooltip = traitlets.Unicode().tag(sync=True)
    # What is being sent: a page that is loaded meanwhile learns by it that there was another.
    _job = traitlets.Unicode().tag(sync=True)
    _transfer: _Transfer | None = None

    def __init__(
        self,
        make: Callable[[], File | tuple[str, Iterable[bytes]]],
        description: str = "Download",
        tooltip: str = "",
        **options: Any,
    ) -> None:
        self._make = make
        self._one_at_a_time = threading.Lock()
        super().__init__(description=description, tooltip=tooltip, **options)
        self.on_msg(self._heard)
        stay_heard(self)

    def close(self) -> None:
        """Close the widget; a file that is on its way ends."""
        if self._transfer is not None:
            self._transfer.stop()
        super().close()

    def _heard(self, _: Any, content: Any, __: list[memoryview]) -> None:
        """Take a message from a page."""
        if not isinstance(content, dict) or not isinstance(content.get("job"), str):
            return
        kind, job = content.get("kind"), content["job"]
        if kind == "want":
            self._begin(job, packed=bool(content.get("packed")))
        elif self._transfer is None or self._transfer.job != job or self._transfer.ended:
            # An end that is over was confirmed; what asks again has not heard how it ended.
            if content.get("again"):
                self._say(job, "The kernel no longer sends this file: click again.")
        elif kind == "next" and isinstance(content.get("number"), int):
            self._transfer.confirm(content["number"], again=bool(content.get("again")))
        elif kind == "cancel":
            self._transfer.stop()

    def _begin(self, job: str, *, packed: bool) -> None:
        with self._one_at_a_time:
            if self._transfer is not None and not self._transfer.ended:
                self._transfer.stop()
                self._say(self._transfer.job, "Another page asked for a file: click again.")
            make = functools.partial(_made, self._make)
            self._transfer = _Transfer(job, make, self.send, packed=packed, finish=self._finish)
            self._job = job
            self._transfer.start()

    def _finish(self, transfer: _Transfer) -> None:
        with self._one_at_a_time:
            if self._transfer is transfer:
                self._job = ""

    def _say(self, job: str, words: str) -> None:
        self.send({"kind": "failed", "job": job, "words": words})


def safe_name(text: str) -> str:
    """Return text as it may stand in a file's name on any computer."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", text).lstrip(".")
    return name[-LONGEST_NAME:] or "_"


def _made(make: Callable[[], File | tuple[str, Iterable[bytes]]]) -> File:
    file = File(*make())
    return file._replace(name=safe_name(file.name))


class _Transfer:
    """One file on its way to one page, sent by a thread of its own.

    Attributes:
        job: the page's name for it.
        ended: whether all of it was confirmed, or it was stopped, or failed.
    """

    def __init__(
        self,
        job: str,
        make: Callable[[], File],
        send: Callable[[dict[str, Any], list[bytes]], None],
        *,
        packed: bool,
        finish: Callable[[_Transfer], None],
    ) -> None:
        self.job = job
        self.ended = False
        self._make = make
        self._send = send
        self._packed = packed
        self._finish = finish
        self._changed = threading.Condition()
        self._unconfirmed: deque[Message] = deque()
        self._lease = PresenceLease()
        self._thread = threading.Thread(target=self._run, name="tickerkit download", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Have the thread end, soon."""
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def confirm(self, number: int, *, again: bool) -> None:
        """Note that the page has all parts before this one; send the others again if asked."""
        self._lease.renew()
        with self._changed:
            while self._unconfirmed and self._unconfirmed[0][0]["number"] < number:
                self._unconfirmed.popleft()
            missed = [*self._unconfirmed] if again else []
            self._changed.notify_all()
        for message in missed:
            self._send(*message)

    def _run(self) -> None:
        try:
            file = self._make()
            # Closed at once, also when the page has gone: a generator may hold a file open.
            with contextlib.ExitStack() as stack:
                blocks = iter(file.blocks)
                if hasattr(blocks, "close"):
                    stack.callback(blocks.close)
                for message in self._messages(file, blocks):
                    if not self._room_for(MAX_UNCONFIRMED):
                        return
                    with self._changed:
                        self._unconfirmed.append(message)
                    self._send(*message)
            self._room_for(1)
        except Exception as error:
            if not self.ended:
                self._send({"kind": "failed", "job": self.job, "words": describe(error)}, [])
        finally:
            self.stop()
            self._finish(self)

    def _room_for(self, most: int) -> bool:
        """Wait until fewer than `most` parts are unconfirmed; return whether to go on."""
        with self._changed:
            while not self.ended and len(self._unconfirmed) >= most:
                self._changed.wait(LOOK_EVERY_S)
                self.ended = self.ended or self._lease.ended
            return not self.ended

    def _messages(self, file: File, blocks: Iterator[bytes]) -> Iterator[Message]:
        number = lines = size = 0
        for number, part in enumerate(_parts(blocks), start=1):
            lines += part.count(b"\n")
            size += len(part)
            known: dict[str, Any] = {"packed": self._packed, "lines": lines, "of": file.lines}
            buffer = zlib.compress(part, 1) if self._packed else part
            yield {"kind": "part", "job": self.job, "number": number - 1, **known}, [buffer]
        whole: dict[str, Any] = {"name": file.name, "bytes": size}
        yield {"kind": "end", "job": self.job, "number": number, **whole}, []


def _parts(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in parts of 1 MB, the last one shorter."""
    gathered = bytearray()
    for block in blocks:
        gathered += block
        while len(gathered) >= PART_BYTES:
            yield bytes(gathered[:PART_BYTES])
            del gathered[:PART_BYTES]
    if gathered:
        yield bytes(gathered)
