"""Tap: shows every frame of the websockets that pass through it, and changes them on request."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import SplitResult, urlsplit

import pandas as pd

from tickerkit.classroom.har import make_har
from tickerkit.classroom.intermediary import Intermediary
from tickerkit.classroom.link import Link, Target
from tickerkit.classroom.orders import Orders
from tickerkit.classroom.passage import Handshake, Passage
from tickerkit.classroom.pcapng import make_pcapng
from tickerkit.classroom.tables import (
    FrameRow,
    make_frames_table,
    make_json_lines,
    make_links_table,
    make_rows,
)
from tickerkit.errors import InvalidArgument
from tickerkit.formatting import format_choices, format_count, format_size
from tickerkit.net.addresses import MAX_PORT, is_loopback
from tickerkit.net.tls import Trust, make_client_context
from tickerkit.net.urls import HasUrl, complete_websocket_url
from tickerkit.runtime.cards import render_card
from tickerkit.runtime.hosts import shows_widgets
from tickerkit.storage.files import prepare_path, replacing
from tickerkit.storage.paths import read_size
from tickerkit.validation import check_choice, check_flag, check_number, check_path, check_text
from tickerkit.wire import (
    Conversation,
    Fields,
    FrameLog,
    Gate,
    Head,
    Kind,
    Line,
    Toward,
    WireFrame,
    hide_head_secrets,
)

if TYPE_CHECKING:
    from tickerkit.classroom.panel.widget import Panel

__all__ = ["Tap", "tap"]

# What may wait in each direction of a delayed connection.
MAX_LINE_BYTES = 2**20
# Connections that have ended, and are still listed.
MAX_ENDED = 200
SUFFIXES = (".jsonl", ".pcapng", ".har")
SUFFIXES_NAMED = format_choices(SUFFIXES)
DEFAULT_PORTS = {"ws": 80, "wss": 443}

WIDGET = "application/vnd.jupyter.widget-view+json"

T = TypeVar("T")


class Tap(Intermediary, Orders):
    """A proxy for websockets that reads what passes. Made by `tk.tap`.

    Bytes pass as they came, and before they are read; only the headers Host and Origin may be
    changed, see `tk.tap`. A slow receiver slows its sender, as without the tap. The newest frames
    are kept, in the memory of `keep`. Frames that break the protocol get a note, and pass.

    Orders (`corrupt`, `ping` and so on) are for the connections that are open, or for the one that
    `link` names. They return how many connections they were given to, and raise `Stopped` after
    `stop`.
    """

    _kind = "tap"
    _how_to_restart = "call tk.tap again"

    def __init__(
        self,
        parts: SplitResult,
        target: Target,
        host: str,
        port: int,
        *,
        keep_bytes: int,
        is_held: bool,
        shows_secrets: bool,
        has_page: bool,
    ) -> None:
        super().__init__(parts, target, host, port)
        self._log = FrameLog(keep_bytes, self._drop_frame)
        self._passages: dict[int, Passage] = {}
        self._ended: deque[Passage] = deque()
        self._panel: Panel | None = None
        self._is_held = is_held
        self._shows_secrets, self._has_page = shows_secrets, has_page

    # --- addresses and tables -----------------------------------------------------------------

    @property
    def url(self) -> str:
        """Address to connect to in place of the server's; it has the server's path and token."""
        return self._make_url("ws")

    @property
    def page(self) -> str:
        """Address of the server's web page through the tap; empty if it has none."""
        if not self._has_page:
            return ""
        query = f"?{self._parts.query}" if self._parts.query else ""
        if hub := os.environ.get("JUPYTERHUB_PUBLIC_URL"):
            # A browser reaches this machine only through jupyter-server-proxy.
            return f"{hub.rstrip('/')}/proxy/{self.port}/{query}"
        return self._make_url("http")

    def frames(self, last: int | None = None, link: int | None = None) -> pd.DataFrame:
        """Return the frames that the tap holds, the oldest first.

        Args:
            last: only the newest so many.
            link: only those of one connection.

        Returns:
            A DataFrame with the columns `seq` (the number of the frame), `time` (when its last byte
            was read), `link` (the number of the connection), `toward` ("client" or "server"),
            `opcode`, `fin`, `rsv` (the bits RSV1, RSV2 and RSV3 as 4, 2 and 1), `masked`, `key`
            (the masking key in hex), `length` (bytes of payload on the wire), `header` (in hex),
            `payload` (bytes, unmasked and inflated; of more than 64 KiB the beginning) and `note`:
            what is wrong with the frame, and what the tap did.
        """
        check_number("last", last, 0, whole=True, optional=True)
        check_number("link", link, 1, whole=True, optional=True)
        return make_frames_table(self._make_rows(last, link))

    @property
    def links(self) -> pd.DataFrame:
        """The connections: a row for each that is open, and for the newest 200 that have ended.

        `status` is the status of the server's answer, 101 for a websocket; `ping_client_ms` and
        `ping_server_ms` are the newest round trips between the tap and each end.
        """
        return make_links_table(self._run_on_loop(self._list_links))

    def handshake(self, link: int | None = None) -> str:
        """Return the request and the answer with which a connection began, by default the newest.

        Headers that the tap has changed are listed below the request as it came.
        """
        check_number("link", link, 1, whole=True, optional=True)

        def describe() -> str:
            passages = self._find(link)
            return passages[-1].describe_handshake(self._hide) if passages else ""

        return self._run_on_loop(describe)

    def save(self, path: str | Path, mode: Literal["new", "overwrite"] = "new") -> Path:
        """Write the frames that the tap holds to a file, and return its path.

        The end of the name says in which format: ".jsonl" for JSON lines, one for each frame, with
        the names of `frames()`, `payload` in hex, and `text` for frames of text; ".pcapng" for
        Wireshark, with IP and TCP headers that are made up; ".har" for the network panel of Chrome,
        with the messages of each websocket.

        Args:
            path: a file that ends in ".jsonl", ".pcapng" or ".har".
            mode: "new" to write a new file, "overwrite" to replace one.

        Raises:
            RecordingExists: if the file exists, and `mode` is "new".
        """
        check_path("path", path)
        check_choice("mode", mode, ("new", "overwrite"))
        suffix = Path(path).suffix.lower()
        if suffix not in SUFFIXES:
            raise InvalidArgument("path", str(path), f"a path that ends in {SUFFIXES_NAMED}")
        first, fields, inflaters, handshakes = self._run_on_loop(self._snapshot)
        frames = list(map(WireFrame._make, fields))
        target = prepare_path(path, mode)
        with replacing(target) as file:
            if suffix == ".pcapng":
                file.writelines(make_pcapng(handshakes, frames, self.port))
            elif suffix == ".har":
                rows = make_rows(first, frames, inflaters)
                place = urlsplit(self.url).netloc
                file.write(make_har(handshakes, rows, place))
            else:
                file.writelines(make_json_lines(make_rows(first, frames, inflaters)))
        return target

    def _order(self, order: Callable[[Passage], object], link: int | None) -> int:
        check_number("link", link, 1, whole=True, optional=True)
        self._check_running()
        return self._run_on_loop(self._order_on_loop, order, link)

    # --- state --------------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """One of "listening", "holding" and "stopped"."""
        if self._phase != "running":
            return "stopped"
        return "holding" if self._is_held else "listening"

    def _summarize(self) -> dict[str, str]:
        return {
            "kind": "tap",
            "address": f"{self._host}:{self.port}",
            "status": self.status,
            "about": self._describe(),
        }

    def _describe(self) -> str:
        frames = format_count(self._log.stop - 1, "frame")
        return f"{len(self._links)} connected of {self.accepted:,} so far, {frames}"

    def __repr__(self) -> str:
        host, port, _ = self._target
        return f"<Tap {self.port} → {host}:{port} {self.status}, {self._describe()}>"

    def _repr_html_(self) -> str:
        host, port, tls = self._target
        lines = {
            "server": f"{host}:{port}{' (TLS)' if tls else ''}",
            "websocket": f"ws://{self._host}:{self.port}/",
            "connections": self._describe(),
            "held in memory": f"{len(self._log):,} frames, {format_size(self._log.bytes)}",
            "last error": self._errors.last,
        }
        links = {"page": self.page} if self.page and self._phase == "running" else {}
        return render_card("Tap", self.status, lines, links)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """Return the panel where the notebook shows widgets, and the card for where it doesn't."""
        bundle: dict[str, Any] = {"text/plain": repr(self), "text/html": self._repr_html_()}
        if shows_widgets():
            model = self._make_panel().model_id
            bundle[WIDGET] = {"version_major": 2, "version_minor": 0, "model_id": model}
        return bundle

    def _make_panel(self) -> Panel:
        from tickerkit.classroom.panel.reader import FrameReader, TapFacts
        from tickerkit.classroom.panel.widget import Panel

        host, port, tls = self._target
        address, server = f"{self._host}:{self.port}", f"{host}:{port}{' (TLS)' if tls else ''}"

        def describe() -> TapFacts:
            return TapFacts(self.status, address, server, self._rate)

        if self._panel is None or self._panel.comm is None:
            reader = FrameReader(self._log, self._passages, self._hide, describe, self._run_on_loop)
            self._panel = Panel(self, reader)
        return self._panel

    # --- on the event loop --------------------------------------------------------------------

    def _run_on_loop(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function where the frames are written; after a stop, nothing writes them."""
        return self._call(function, *args) if self._phase == "running" else function(*args)

    def _make_link(self, writer: asyncio.StreamWriter) -> Link | None:
        number = self.accepted

        def converse(lines: Mapping[Toward, Line], end: Callable[[Kind], None]) -> Conversation:
            gate = Gate(is_held=self._is_held)
            if self._rate is not None:
                gate.run(self._rate)
            is_far = self._target.tls is not None or not is_loopback(self._target.host)
            rewrite = self._rewrite_head if is_far else None
            return Conversation(number, self._log, lines, gate, end, rewrite)

        report = self._errors.add
        link = Link(writer, lambda kind: None, report, (), converse, MAX_LINE_BYTES)
        for line in link.lines.values():
            line.delay(self._delay_s, self._jitter_s)
        peer = writer.get_extra_info("peername") or ("", 0)
        assert link.conversation is not None
        self._passages[number] = Passage(
            number, link.now_ns, f"{peer[0]}:{peer[1]}", link, link.conversation
        )
        return link

    def _take_end(self, link: Link) -> None:
        passage = next(each for each in self._passages.values() if each.link is link)
        passage.conversation.finish(link.now_ns)
        if link.error is not None:
            self._errors.add(link.error)
        passage.set_ended()
        self._ended.append(passage)
        if len(self._ended) > MAX_ENDED:
            del self._passages[self._ended.popleft().number]

    def _order_on_loop(self, order: Callable[[Passage], object], link: int | None) -> int:
        passages = [each for each in self._find(link) if not each.ended]
        for passage in passages:
            order(passage)
            passage.link.advance()
        return len(passages)

    def _rewrite_head(self, head: Head) -> dict[str, str]:
        """Return the headers by which a server knows that it is meant, as it expects them."""
        netloc = self._parts.netloc.rpartition("@")[2]
        values = {"host": netloc}
        if head.get("origin") == f"http://{head.get('host')}":
            values["origin"] = f"{'https' if self._target.tls else 'http'}://{netloc}"
        return values

    def _drop_frame(self, fields: Fields) -> None:
        passage = self._passages.get(fields[1])  # by the number of the connection
        if passage is not None:
            passage.conversation.drop(fields)

    def _make_rows(self, last: int | None, link: int | None) -> list[FrameRow]:
        first, fields, inflaters, _ = self._run_on_loop(self._snapshot)
        frames = list(map(WireFrame._make, fields))
        return make_rows(first, frames, inflaters, last=last, link=link)

    def _snapshot(self) -> tuple[int, list[Fields], dict[int, Any], list[Handshake]]:
        passages = self._passages.values()
        handshakes = [passage.make_handshake(self._hide) for passage in passages]
        inflaters = {}
        for number, passage in self._passages.items():
            copies = passage.conversation.copy_inflaters()
            if copies is not None:
                inflaters[number] = copies
        return *self._log.read(), inflaters, handshakes

    def _list_links(self) -> list[dict[str, Any]]:
        return [passage.describe(self._hide) for passage in self._passages.values()]

    def _hide(self, head: bytes) -> bytes:
        return head if self._shows_secrets else hide_head_secrets(head)

    def _find(self, link: int | None) -> list[Passage]:
        """Return the connections, or one of them."""
        passages = [each for each in self._passages.values() if link in (None, each.number)]
        if link is not None and not passages:
            raise InvalidArgument("link", link, "the number of a connection; see tap.links")
        return passages


def tap(
    server_or_url: str | HasUrl,
    port: int = 0,
    host: str = "127.0.0.1",
    keep: str | int = "16MB",
    hold: bool = False,
    *,
    secrets: bool = False,
    ssl: Trust | None = None,
) -> Tap:
    """Put a tap on a websocket: connect to `tap.url` in place of the server, and see every frame.

    It listens when this returns. Bytes pass as they came, and are passed on before they are read.
    When the same cell is run again, the new tap takes the place of the old one, on the same port.

    An address that begins with `wss://` is encrypted between the tap and the server only. Unless
    the server is plain and on this machine, the headers Host and Origin are changed to what it
    expects.

    Args:
        server_or_url: a server, or the address of a websocket.
        port: port to listen on; 0 for a free one.
        host: address to listen on. Who can connect to it can use the server.
        keep: how much memory the newest frames may take, such as "16MB".
        hold: hold back all frames until `step` or `run`.
        secrets: show tokens, cookies and credentials in handshakes; by default each of their
            characters is an x.
        ssl: whom to trust for `wss://`, as for `tk.connect`.

    Raises:
        InvalidArgument: if an argument is invalid.
        PortTaken: if another program listens on the port.

    Example:
        >>> tap = tk.tap(server)
        >>> feed = tk.connect(tap.url)
        >>> tap.frames(last=20)
    """
    parts = _parse_address(server_or_url)
    check_number("port", port, 0, MAX_PORT, whole=True)
    check_text("host", host, "an address such as '127.0.0.1' or '0.0.0.0'")
    keep_bytes = read_size("keep", keep)
    check_flag("hold", hold)
    check_flag("secrets", secrets)
    context = make_client_context(ssl)
    tls = None
    if parts.scheme == "wss":
        from ssl import create_default_context

        tls = context or create_default_context()
    target = Target(parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme], tls)
    return Tap(
        parts,
        target,
        host,
        port,
        keep_bytes=keep_bytes,
        is_held=hold,
        shows_secrets=secrets,
        has_page=bool(getattr(server_or_url, "page", "")),
    ).start()


def _parse_address(server_or_url: object) -> SplitResult:
    try:
        return urlsplit(complete_websocket_url(server_or_url))
    except InvalidArgument as error:
        raise type(error)("server_or_url", error.value, error.expected) from None
