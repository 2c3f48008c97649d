"""Transfer: one file on its way to one page, in numbered parts with flow control."""

from __future__ import annotations

import contextlib
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from tickerkit.chart.messages import DownloadMessage, EndMessage, PartMessage
from tickerkit.runtime.error_log import describe
from tickerkit.runtime.presence import PresenceLease
from tickerkit.runtime.threads import start_thread

__all__ = ["DownloadFile", "Transfer"]

PART_BYTES = 1_000_000
MAX_UNCONFIRMED = 2
CHECK_INTERVAL_S = 1.0

Message = tuple[PartMessage | EndMessage, list[bytes]]


class DownloadFile(NamedTuple):
    """A file that a `Download` sends.

    Attributes:
        name: name of the file; characters that are unsafe in file names become "_".
        blocks: its bytes, in blocks of any size.
        lines: about how many lines it will have, to show the progress; None if unknown.
    """

    name: str
    blocks: Iterable[bytes]
    lines: int | None = None


class Transfer:
    """Sends one file to one page, from a thread of its own.

    At most two parts of 1 MB are on their way: the next one is made once the page has confirmed an
    earlier one. Unconfirmed parts are kept, so that a lost one can be sent again. The thread ends
    when the last part is confirmed, when no page has reported for a minute, or by `stop`.

    Args:
        job: the page's id for this transfer.
        make: returns the file; called in the thread.
        send: sends a message with its buffers to the page.
        compressed: whether parts are compressed with zlib.
        finish: called in the thread when the transfer has ended, also after an error.

    Attributes:
        job: as given.
        ended: whether every part was confirmed, or the transfer was stopped or has failed.
    """

    def __init__(
        self,
        job: str,
        make: Callable[[], DownloadFile],
        send: Callable[[DownloadMessage, list[bytes]], None],
        *,
        compressed: bool,
        finish: Callable[[Transfer], None],
    ) -> None:
        self.job = job
        self.ended = False
        self._make = make
        self._send = send
        self._compressed = compressed
        self._finish = finish
        self._changed = threading.Condition()
        self._unconfirmed: deque[Message] = deque()
        self._lease = PresenceLease()

    def start(self) -> None:
        """Start the thread."""
        start_thread(self._run, "tickerkit download")

    def stop(self) -> None:
        """Ask the thread to end, without waiting for it; idempotent."""
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def confirm(self, number: int, *, again: bool) -> None:
        """Note that the page has all parts before `number`.

        Args:
            number: the number of the next part that the page needs.
            again: whether the page asks for the unconfirmed parts again.
        """
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
            # The blocks are closed even if the page is gone: a generator may hold a file open.
            with contextlib.ExitStack() as stack:
                blocks = iter(file.blocks)
                if hasattr(blocks, "close"):
                    stack.callback(blocks.close)
                for message in self._make_messages(file, blocks):
                    if not self._wait_for_confirmation(MAX_UNCONFIRMED):
                        return
                    with self._changed:
                        self._unconfirmed.append(message)
                    self._send(*message)
            self._wait_for_confirmation(1)
        except Exception as error:
            if not self.ended:
                self._send({"kind": "failed", "job": self.job, "reason": describe(error)}, [])
        finally:
            self.stop()
            self._finish(self)

    def _wait_for_confirmation(self, limit: int) -> bool:
        """Wait until fewer than `limit` parts are unconfirmed; return False if they never will be.

        They never will be once the transfer was stopped, or no page has reported for a minute.
        """
        with self._changed:
            while not self.ended and len(self._unconfirmed) >= limit:
                self._changed.wait(CHECK_INTERVAL_S)
                self.ended = self.ended or self._lease.ended
            return not self.ended

    def _make_messages(self, file: DownloadFile, blocks: Iterator[bytes]) -> Iterator[Message]:
        """Yield a `PartMessage` for each part, then the `EndMessage`."""
        number = lines = size = 0
        for number, part in enumerate(_split(blocks), start=1):
            lines += part.count(b"\n")
            size += len(part)
            message: PartMessage = {
                "kind": "part",
                "job": self.job,
                "number": number - 1,
                "compressed": self._compressed,
                "lines": lines,
                "total_lines": file.lines,
            }
            yield message, [zlib.compress(part, 1) if self._compressed else part]
        end: EndMessage = {
            "kind": "end",
            "job": self.job,
            "number": number,
            "name": file.name,
            "bytes": size,
        }
        yield end, []


def _split(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in parts of 1 MB; the last one may be shorter."""
    buffer = bytearray()
    for block in blocks:
        buffer += block
        while len(buffer) >= PART_BYTES:
            yield bytes(buffer[:PART_BYTES])
            del buffer[:PART_BYTES]
    if buffer:
        yield bytes(buffer)
