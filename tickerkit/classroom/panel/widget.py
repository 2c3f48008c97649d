"""Panel: the widget that shows a tap in the pages of a notebook, and takes orders from them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any

import anywidget

from tickerkit.classroom.orders import Orders
from tickerkit.classroom.panel.messages import FramesMessage, FromKernel
from tickerkit.classroom.panel.reader import FrameReader, WholeFrame
from tickerkit.errors import TickerkitError
from tickerkit.formatting import format_count
from tickerkit.runtime.page_modules import join_modules
from tickerkit.runtime.presence import PresenceLease
from tickerkit.runtime.scheduler import SENDER
from tickerkit.runtime.subshells import deliver_as_addressed
from tickerkit.wire import WireFrame

__all__ = ["ORDERS", "PARTS", "SHARED_PARTS", "Panel", "read_page_side"]

# The files of another room, by their paths in the package.
SHARED_PARTS = ("chart/figure/theme.js",)
# Each file comes after the files that it imports.
PARTS = (
    "header.js",
    "bits.js",
    "payload.js",
    "ring.js",
    "filter.js",
    "elements.js",
    "row_list.js",
    "detail.js",
    "toolbar.js",
    "panel.js",
)
MESSAGES_PER_S = 20
# Above this many frames a second only the newest are sent. After a pause more of them are sent, so
# that at fewer frames a second none is left out.
MAX_ROWS_PER_S = 5_000
MIN_ROWS = MAX_ROWS_PER_S // MESSAGES_PER_S
MAX_ROWS = 2_000

# Stands for a frame that the tap no longer holds.
NOTHING = WholeFrame(WireFrame(0, 0, "client", b"", b"", 0, (), "", 0, 0, 0, b""), b"", "")
# The methods of a tap that a page may call, with the names of their arguments.
ORDERS: Mapping[str, Sequence[str]] = {
    "hold": ("link",),
    "step": ("frames", "link"),
    "run": ("rate", "link"),
    "drop": ("link",),
    "stall": ("seconds", "link"),
    "delay": ("seconds", "jitter", "link"),
    "trickle": ("count", "link"),
    "truncate": ("toward", "link"),
    "corrupt": ("kind", "toward", "link"),
    "fragment": ("parts", "toward", "link"),
    "ping": ("toward", "link"),
    "close": ("code", "reason", "link"),
}
# What holds for later connections, too.
LASTING = ("hold", "run", "step", "delay")


def read_page_side() -> str:
    """Return the page side of a panel as the text of one ES module."""
    package, folder = resources.files("tickerkit"), resources.files(__package__)
    files = [*(package / path for path in SHARED_PARTS), *(folder / name for name in PARTS)]
    return join_modules(file.read_text("utf-8") for file in files)


def _read(name: str) -> str:
    return (resources.files(__package__) / name).read_text("utf-8")


class Panel(anywidget.AnyWidget):
    """Shows the frames of a tap while they pass. A tap makes it when a cell shows the tap.

    It sends at most 20 messages a second, from one thread, and none while no page shows it. Of more
    than 5,000 frames a second, pages get the newest and how many there were besides.

    Args:
        orders: the tap.
        reader: reads its frames.
        clock: the time in seconds, monotonic.
    """

    _esm = read_page_side()
    _css = _read("panel.css")
    min_interval_s = 1 / MESSAGES_PER_S

    def __init__(
        self, orders: Orders, reader: FrameReader, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._orders, self._reader, self._clock = orders, reader, clock
        self._lease = PresenceLease(clock)
        self._pages: set[str] = set()
        self._rewind_to: int | None = None
        self._outbox: deque[tuple[FromKernel, list[bytes]]] = deque()
        self._lock = threading.Lock()
        self._read_at = -float("inf")
        self._sent_state: object = None
        super().__init__()
        self.on_msg(self._handle_message)
        deliver_as_addressed(self)

    def close(self) -> None:
        """Close the widget; idempotent."""
        self._pages.clear()
        SENDER.discard(self)
        super().close()

    # --- from pages ---------------------------------------------------------------------------

    def _handle_message(self, _: Any, content: Any, __: list[memoryview]) -> None:
        """Handle a message of a page; unknown messages are ignored."""
        if not isinstance(content, dict):
            return
        kind, page = content.get("kind"), content.get("page")
        if kind == "here" and isinstance(page, str):
            self._take_page(page, content.get("from"))
        elif kind == "away" and isinstance(page, str):
            self._pages.discard(page)
        elif kind == "ask" and isinstance(content.get("seq"), int):
            self._send_whole(content["seq"])
        elif kind == "order" and isinstance(content.get("id"), str):
            self._give_order(content["id"], content.get("name"), content.get("arguments"))

    def _take_page(self, page: str, start: object) -> None:
        self._lease.renew()
        self._pages.add(page)
        if isinstance(start, int):
            with self._lock:
                known = self._rewind_to
                self._rewind_to = start if known is None else min(known, start)
        SENDER.request(self)

    def _send_whole(self, seq: int) -> None:
        found = self._reader.find(seq)
        if found is None:
            found = NOTHING
        frame = found.frame
        self._post(
            {
                "kind": "payload",
                "seq": seq,
                "length": frame.length,
                "read": frame.read,
                "offset": frame.offset,
                "reads": frame.reads,
                "came": frame.came.hex(),
                "problem": found.problem,
            },
            [] if found is NOTHING else [frame.payload, found.content],
        )

    def _give_order(self, order: str, name: object, arguments: object) -> None:
        if not isinstance(name, str) or name not in ORDERS or not isinstance(arguments, dict):
            return
        if not set(arguments) <= set(ORDERS[name]):
            return
        try:
            count = getattr(self._orders, name)(**arguments)
            ok, text = True, _describe(name, count)
        except TickerkitError as error:
            ok, text = False, str(error)
        self._post({"kind": "answer", "id": order, "ok": ok, "text": text}, [])

    def _post(self, message: FromKernel, buffers: list[bytes]) -> None:
        """Have the sending thread send a message."""
        self._outbox.append((message, buffers))
        SENDER.request(self)

    # --- to pages, in the sending thread ------------------------------------------------------

    def flush(self) -> None:
        """Send what is new, if a page shows it, and come again."""
        while self._outbox:
            message, buffers = self._outbox.popleft()
            self.send(message, buffers or None)
        if not self._pages or self._lease.ended:
            return
        message = self._read()
        if message["rows"] or message["events"] or message["state"] != self._sent_state:
            self._sent_state = message["state"]
            self.send(message)
        if message["state"]["status"] != "stopped":
            SENDER.request(self)

    def _read(self) -> FramesMessage:
        with self._lock:
            start, self._rewind_to = self._rewind_to, None
        if start is not None:
            self._reader.rewind(start)
            self._sent_state = None
        now = self._clock()
        room = (now - self._read_at) * MAX_ROWS_PER_S
        self._read_at = now
        return self._reader.read(int(min(max(room, MIN_ROWS), MAX_ROWS)))


def _describe(name: str, count: int) -> str:
    """Return what an order has done, as a sentence."""
    if count:
        return f"{name.capitalize()}: given to {format_count(count, 'connection')}."
    if name in LASTING:
        return f"{name.capitalize()}: it holds for the next connection; none is open."
    return f"{name.capitalize()}: nothing was done, since no connection is open."
