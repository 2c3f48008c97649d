"""Room: a class on one server, as the teacher's notebook sees it; made by `tk.room`."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tickerkit.classroom.room.class_extension import ClassExtension
from tickerkit.classroom.room.codes import check_code, make_code
from tickerkit.classroom.room.room_orders import RoomOrders
from tickerkit.classroom.room.saving import Record
from tickerkit.errors import InvalidArgument, ServerFailed, Stopped, TickerkitError
from tickerkit.formatting import format_count
from tickerkit.net.addresses import MAX_PORT
from tickerkit.runtime.cards import render_card
from tickerkit.runtime.error_log import ErrorLog
from tickerkit.runtime.hosts import shows_widgets
from tickerkit.runtime.interrupts import allow_interrupts
from tickerkit.runtime.lifecycle import Lifecycle
from tickerkit.runtime.registry import running
from tickerkit.runtime.rerun import cell_slot
from tickerkit.runtime.threads import BackgroundThread, start_thread
from tickerkit.server import TickServer
from tickerkit.server.options import ServerOptions
from tickerkit.server.process import ProcessServer
from tickerkit.server.server import (
    CLOSE_CODE,
    CLOSE_REASON,
    RESTART_CODE,
    RESTART_REASON,
)
from tickerkit.server.thread_server import ThreadServer
from tickerkit.sources import Source, as_source
from tickerkit.storage.files import prepare_path, replacing
from tickerkit.validation import check_flag, check_number, check_path, check_text

if TYPE_CHECKING:
    from tickerkit.classroom.room.board.widget import ClassBoard

__all__ = ["Room", "room"]

WIDGET = "application/vnd.jupyter.widget-view+json"
WATCH_S = 0.2
# How long an order waits for a server that is being started again.
REVIVE_S = 15.0
JOIN_S = 5.0

# The code of the last class on each port, so that what is on the board stays right.
_codes: dict[int, str] = {}


class Room(Lifecycle, RoomOrders):
    """A class on one server. Made by `tk.room`.

    If the server's process dies, another is started on the same port; students keep their seats and
    scores, and connect again. An order waits for it.

    Attributes:
        code: the word by which the class joins.
        host: the address the server is bound to.
        port: its port.
    """

    _kind, _how_to_restart = "room", "call tk.room again"

    def __init__(
        self,
        source: Source | None,
        code: str,
        host: str,
        port: int,
        record: Record,
        *,
        process: bool,
        history: int,
        wifi: tuple[str, str] | None,
    ) -> None:
        Lifecycle.__init__(self)
        RoomOrders.__init__(self, record)
        self.code, self.host, self.port = code, host, port
        self._source = source
        self._process, self._history = process, history
        self._errors = ErrorLog("room")
        self._server: TickServer | None = None
        self._ending = threading.Event()
        self._watcher: BackgroundThread | None = None
        self._close_with = (CLOSE_CODE, CLOSE_REASON)
        self.restarts = 0
        self._wifi = wifi
        self._board: ClassBoard | None = None

    # --- addresses and state ------------------------------------------------------------------

    @property
    def server(self) -> TickServer:
        """The server, such as for `room.server.publish`; another one after its process has died."""
        if self._server is None:
            raise Stopped(self._kind, self._how_to_restart)
        return self._server

    @property
    def page(self) -> str:
        """Address of the students' page on this machine."""
        return self._make_page(self.server.page)

    @property
    def page_for_others(self) -> str:
        """Address of the students' page for other machines; empty if they can't reach it."""
        return self._make_page(self.server.page_for_others)

    def _make_page(self, page: str) -> str:
        return page and urlsplit(page)._replace(path=f"/{self.code}", query="").geturl()

    @property
    def url(self) -> str:
        """Address of every tick for a program on this machine; add `&name=` and a name."""
        return self.server._make_address("ws") + "ticks" + self.server._make_query()

    @property
    def url_for_others(self) -> str:
        """Address of every tick for a program on another machine; empty if there is none."""
        return self.server._make_address_for_others("ws", "ticks")

    @property
    def status(self) -> str:
        """One of "listening", "ended" (the source), "restarting" and "stopped"."""
        if self._phase != "running" or self._server is None:
            return "stopped"
        status = self._server.status
        return "restarting" if status in ("failed", "stopped") else status

    @property
    def last_error(self) -> str:
        """The newest error, as text; empty without errors."""
        return self._record.error or self._errors.last

    # --- the record ---------------------------------------------------------------------------

    def save(self, path: str | Path, mode: str = "new") -> Path:
        """Write all that has happened to a file of JSON lines, and return its path.

        `tk.room(..., save=path)` reads it again, and appends to it.

        Args:
            path: the file, such as "7b.jsonl".
            mode: "new" to write a new file, "overwrite" to replace one.

        Raises:
            RecordingExists: if the file exists, and `mode` is "new".
        """
        target = prepare_path(path, mode, ("new", "overwrite"))
        with replacing(target) as file:
            file.writelines(self._record.make_lines())
        return target

    def _execute(self, command: str, *args: Any) -> Any:
        """Execute a command where the connections are; wait for a server that starts again."""
        end = time.monotonic() + REVIVE_S
        while True:
            server = self.server
            if self._phase != "running":
                raise Stopped(self._kind, self._how_to_restart)
            try:
                return server.execute(command, *args)
            except (Stopped, ServerFailed):
                # The thread that starts the server again must not wait for that.
                is_watcher = threading.current_thread() is self._watcher
                if is_watcher or self.status != "restarting" or time.monotonic() > end:
                    raise
                self._ending.wait(WATCH_S)

    # --- display ------------------------------------------------------------------------------

    def _summarize(self) -> dict[str, str]:
        return {
            "kind": "room",
            "address": self.page if self._server is not None else "",
            "status": self.status,
            "about": self._describe(),
        }

    def _describe(self) -> str:
        seats = self._record.state()["seats"]
        restarts = f", {format_count(self.restarts, 'restart')}" if self.restarts else ""
        return format_count(len(seats), "seat") + restarts

    def __repr__(self) -> str:
        address = self.page if self._server is not None else f"port {self.port}"
        error = f"; last error: {self.last_error}" if self.last_error else ""
        return f"<Room {address} {self.status}, {self._describe()}{error}>"

    def _repr_html_(self) -> str:
        lines = {
            "code": self.code,
            "class": self._describe(),
            "saved to": "" if self._record.path is None else str(self._record.path),
            "last error": self.last_error,
        }
        links = {}
        if self.status != "stopped":
            links = {"page": self.page, "for others": self.page_for_others}
            links |= {"for programs": self.url_for_others or self.url}
        return render_card("Room", self.status, lines, {k: v for k, v in links.items() if v})

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """Return the board where the notebook shows widgets, and the card for where it doesn't."""
        bundle: dict[str, Any] = {"text/plain": repr(self), "text/html": self._repr_html_()}
        if shows_widgets():
            model = self._make_board().model_id
            bundle[WIDGET] = {"version_major": 2, "version_minor": 0, "model_id": model}
        return bundle

    def _make_board(self) -> ClassBoard:
        from tickerkit.classroom.room.board.room_board import make_board

        if self._board is None or self._board.comm is None:
            self._board = make_board(self, self._wifi)
        return self._board

    def _poll_board(self, *, now: bool = False) -> None:
        """Have the board read the class, if a page shows it."""
        board = self._board
        if board is not None:
            try:
                board.poll(now=now)
            except Exception as error:  # the thread goes on: it also starts the server again
                self._errors.add(error)

    # --- start and stop -----------------------------------------------------------------------

    def stop(self) -> None:
        """Stop: the students' connections are closed, and the port is free. Idempotent."""
        self._stop_service(self._release)

    def _replace(self) -> Record:
        """Stop so that the students come back, to a room that takes what this returns."""
        self._close_with = (RESTART_CODE, RESTART_REASON)
        self.stop()
        return self._record

    def __enter__(self) -> Room:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Room:
        """Listen; `tk.room` calls it, once."""
        self._start_service()
        return self

    def _acquire(self) -> None:
        self._record.open()
        self._start_server()
        self._watcher = start_thread(self._watch, "tickerkit room")

    def _start_server(self) -> None:
        options = ServerOptions(
            history=self._history,
            token=self.code,
            extension=ClassExtension(self.code, self._record.state()),
        )
        kind = ProcessServer if self._process else ThreadServer
        server = kind(self._source, self.host, self.port, options)
        server.on_post = self._record.take
        self._server = server  # before it runs: a stop meanwhile must stop it too
        server.start()
        self.port = server.port

    def _release(self) -> None:
        self._ending.set()
        try:
            for robots in self._robots:
                robots.stop()
            if self._watcher is not None:
                with allow_interrupts():
                    self._watcher.join_within(JOIN_S)
            if self._server is not None:
                self._server.stop(*self._close_with)
            self._poll_board(now=True)
        finally:
            self._record.close()

    def _watch(self) -> None:
        """Start the server again whenever its process has died; in a thread of its own."""
        is_down = False
        while not self._ending.wait(WATCH_S):
            server = self.server
            self._poll_board()
            if server.status == "failed":
                self._errors.add_message("died", f"the server died: {server.last_error}")
                is_down = True
            elif not is_down and server.status == "stopped":  # by another on the same port
                self.stop()
            if not is_down or self._ending.is_set():
                continue
            try:
                server.stop()
                self._start_server()
            except (TickerkitError, OSError) as error:
                self._errors.add(error)
            else:
                is_down = False
                self.restarts += 1
                if self._ending.is_set():  # the stop did not wait for so long
                    self.server.stop()


def room(
    source: object = None,
    code: str | None = None,
    *,
    port: int = 8000,
    host: str = "0.0.0.0",
    save: str | Path | None = None,
    every: float = 10.0,
    history: int = 1_000_000,
    process: bool = True,
    wifi: str | tuple[str, str] | None = None,
) -> Room:
    """Open a class: a server for all students in the network, with a seat for each name.

    A student opens the page `room.page_for_others` on any phone or laptop, or connects a program to
    `room.url_for_others` with `&name=` and a nickname. Seats and scores outlive connections, and
    the server's process. Nothing is written to a file unless `save` is given, or `room.save` is
    called.

    When the same cell is run again, the new room takes the place of the old one, with its code and
    seats.

    Args:
        source: what `tk.serve` takes; the teacher controls simulated ticks and recordings by
            `room.market`.
        code: the word by which the class joins, such as "otter42"; by default one of four letters
            and two digits is made, and kept for the port.
        port: the port; 0 takes a free one.
        host: the address to bind; by default all of this machine's.
        save: a file of JSON lines to which all that happens is written at once. If it exists, the
            class goes on where it ended.
        every: seconds between two calls of a function.
        history: number of ticks to hold.
        process: run the server in a process of its own, so that a long cell delays no student.
        wifi: name of the wifi, or its name and password: the board then has a QR code to join it.

    Raises:
        PortTaken: if another program listens on the port.
        SourceError: if `source` is not a source.
        RecordingError: if `save` is a file of another kind.
        InvalidArgument: if another argument is invalid.

    Example:
        >>> room = tk.room("sim:AAPL,MSFT,NVDA", code="otter42")
        >>> room.say("look at the board")
    """
    check_number("port", port, 0, MAX_PORT, whole=True)
    check_text("host", host, "an address such as '0.0.0.0'")
    check_number("history", history, 1, whole=True)
    check_flag("process", process)
    if save is not None:
        check_path("save", save)
    chosen = None if code is None else check_code(code)
    joined = _check_wifi(wifi)
    made = as_source(source, every)
    cell = cell_slot("room", host, port)
    last = cell.last() or _find_room(port)
    record = Record(None if save is None else Path(save))
    record.check()  # before the class that runs is stopped
    if last is not None:
        port = port or last.port
        chosen = chosen or last.code
        earlier = last._replace()
        # Another file that exists has a class of its own.
        if record.path in (None, earlier.path) or not record.path.exists():
            record.begin_with(earlier)
    chosen = chosen or _codes.get(port) or make_code()
    opened = Room(
        made,
        chosen,
        host,
        port,
        record,
        process=process,
        history=history,
        wifi=joined,
    ).start()
    if port:
        _codes[port] = chosen
    cell.fill(opened)
    return opened


def _check_wifi(wifi: object) -> tuple[str, str] | None:
    """Return name and password of a wifi."""
    match wifi:
        case None:
            return None
        case str(name) if name:
            return name, ""
        case (str(name), str(password)) if name:
            return name, password
    raise InvalidArgument("wifi", wifi, "the name of a wifi, or its name and password")


def _find_room(port: int) -> Room | None:
    rooms = [each for each in running() if isinstance(each, Room) and each.port == port]
    return rooms[0] if rooms and port else None
