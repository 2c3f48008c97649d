"""Exchange: the messages between a tap and the pages that show it, however they travel."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeAlias

from tickerkit.classroom.panel.messages import FramesMessage, FromKernel
from tickerkit.classroom.panel.reader import FrameReader, WholeFrame
from tickerkit.errors import InvalidArgument, TickerkitError
from tickerkit.formatting import format_choices, format_count
from tickerkit.runtime.error_log import describe
from tickerkit.runtime.presence import PresenceLease
from tickerkit.wire import WireFrame

__all__ = ["MESSAGES_PER_S", "ORDERS", "Exchange", "MakeExchange"]

MESSAGES_PER_S = 20
# Above this many frames a second only the newest are sent. After a pause more of them are sent, so
# that at fewer frames a second none is left out.
MAX_ROWS_PER_S = 5_000
MIN_ROWS = MAX_ROWS_PER_S // MESSAGES_PER_S
MAX_ROWS = 2_000

# Stands for a frame that the tap no longer holds.
NOTHING = WholeFrame(WireFrame(0, 0, "client", b"", b"", 0, (), "", 0, 0, 0, b"", 0), b"", "")
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
# What else a page may ask for.
SETTINGS: Mapping[str, Sequence[str]] = {
    "save": ("suffix",),
    "compress": ("is_on",),
    "project": (),
}
FORMATS = ("pcapng", "har", "jsonl")
# What holds for later connections, too.
LASTING = ("hold", "run", "step", "delay")


Send: TypeAlias = Callable[[FromKernel, Sequence[bytes]], object]
# Makes the exchange of a widget or a browser, given what sends messages, and what has it flushed.
MakeExchange: TypeAlias = Callable[[Send, Callable[[], None]], "Exchange"]


class Obeys(Protocol):
    """What an exchange asks of a tap, beside the methods in `ORDERS`."""

    port: int
    compression: bool

    @property
    def projector(self) -> str: ...

    def save(self, path: str | Path) -> Path: ...


class Exchange:
    """Answers the messages of pages, and sends them the frames of a tap while they pass.

    It sends at most 20 messages a second, and none while no page shows the tap. Of more than 5,000
    frames a second, pages get the newest and how many there were besides.

    Args:
        orders: the tap.
        reader: reads its frames.
        send: sends a message with its buffers; called only by `flush`.
        request: has `flush` called, soon, in the thread that sends.
        clock: the time in seconds, monotonic.
    """

    def __init__(
        self,
        orders: Obeys,
        reader: FrameReader,
        send: Send,
        request: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._orders, self._reader, self._clock = orders, reader, clock
        self._send, self._request = send, request
        self._lease = PresenceLease(clock)
        self._pages: set[str] = set()
        self._rewind_to: int | None = None
        self._outbox: deque[tuple[FromKernel, list[bytes]]] = deque()
        self._lock = threading.Lock()
        self._read_at = -float("inf")
        self._sent_state: object = None

    def close(self) -> None:
        """Send nothing more."""
        self._pages.clear()

    def handle(self, content: object) -> None:
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
        self._request()

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
        if not isinstance(name, str) or not isinstance(arguments, dict):
            return
        known = {**ORDERS, **SETTINGS}.get(name)
        if known is None or not set(arguments) <= set(known):
            return
        try:
            if name in ORDERS:
                text = _describe(name, getattr(self._orders, name)(**arguments))
            else:
                text = getattr(self, f"_{name}")(**arguments)
            ok = True
        except (TickerkitError, OSError) as error:
            ok, text = False, describe(error)
        self._post({"kind": "answer", "id": order, "ok": ok, "text": text}, [])

    def _save(self, suffix: object = "") -> str:
        """Save the frames in a file of the kernel's folder, which mostly is the notebook's."""
        name = f"tap-{self._orders.port}-{datetime.now():%Y%m%d-%H%M%S}.{suffix}"
        if suffix not in FORMATS:
            raise InvalidArgument("suffix", suffix, format_choices(FORMATS))
        return f"Saved: {self._orders.save(name).resolve()}"

    def _compress(self, is_on: object = True) -> str:
        self._orders.compression = bool(is_on)
        about = "is left to the peers" if is_on else "is not asked for"
        return f"Compression {about}, from the next connection on."

    def _project(self) -> str:
        return f"For a projector, on this machine: {self._orders.projector}"

    def _post(self, message: FromKernel, buffers: list[bytes]) -> None:
        """Have the sending thread send a message."""
        self._outbox.append((message, buffers))
        self._request()

    # --- to pages, in the sending thread ------------------------------------------------------

    def flush(self) -> None:
        """Send what is new, if a page shows it, and come again."""
        while self._outbox:
            message, buffers = self._outbox.popleft()
            self._send(message, buffers)
        if not self._pages or self._lease.ended:
            return
        message = self._read()
        if message["rows"] or message["events"] or message["state"] != self._sent_state:
            self._sent_state = message["state"]
            self._send(message, [])
        if message["state"]["status"] != "stopped":
            self._request()

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
