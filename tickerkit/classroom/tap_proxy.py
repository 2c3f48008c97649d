"""Tap: shows every frame of the websockets that pass through it, and changes them on request."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult

from tickerkit.classroom.intermediary import Intermediary
from tickerkit.classroom.link import Link, Target
from tickerkit.classroom.orders import Orders
from tickerkit.classroom.panel.exchange import Exchange, Send
from tickerkit.classroom.panel.reader import FrameReader, TapFacts
from tickerkit.classroom.passage import Passage
from tickerkit.classroom.projector.projector import Projector
from tickerkit.classroom.recording import FrameRecorder
from tickerkit.classroom.views import Views
from tickerkit.errors import PortalError
from tickerkit.formatting import format_count, format_size
from tickerkit.net.addresses import is_loopback
from tickerkit.runtime.cards import render_card
from tickerkit.runtime.hosts import shows_widgets
from tickerkit.runtime.portal import portal
from tickerkit.validation import check_flag, check_number
from tickerkit.wire import (
    Conversation,
    Fields,
    FrameLog,
    Gate,
    Head,
    Kind,
    Line,
    Toward,
    hide_head_secrets,
)

if TYPE_CHECKING:
    from tickerkit.classroom.panel.widget import Panel

__all__ = ["Tap"]

# What may wait in each direction of a delayed connection.
MAX_LINE_BYTES = 2**20
# Connections that have ended, and are still listed.
MAX_ENDED = 200

WIDGET = "application/vnd.jupyter.widget-view+json"

LOCAL = "127.0.0.1"
PAGE_PATIENCE_S = 60
Self = TypeVar("Self", bound="Tap")
T = TypeVar("T")


class Tap(Intermediary, Orders, Views):
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
        compression: bool = True,
    ) -> None:
        super().__init__(parts, target, host, port)
        self._log = FrameLog(keep_bytes, self._drop_frame)
        self._passages: dict[int, Passage] = {}
        self._ended: deque[Passage] = deque()
        self._recorders: list[FrameRecorder] = []
        self._panel: Panel | None = None
        self._is_held = is_held
        self._shows_secrets, self._has_page = shows_secrets, has_page
        self._compression = compression
        self._projector = Projector(self._make_exchange)
        self._projector_port = 0  # that of the tap which this one has replaced, or its own

    # --- addresses and tables -----------------------------------------------------------------

    @property
    def url(self) -> str:
        """Address to connect to in place of the server's; it has the server's path and token."""
        return self._make_url("ws")

    @property
    def page(self) -> str:
        """Address of the server's web page through the tap; empty if it has none.

        It asks the page to wait for a minute, instead of 9 s, before it takes a connection without
        messages for dead: the tap may hold them.
        """
        if not self._has_page:
            return ""
        query = "&".join(filter(None, (self._parts.query, f"patience={PAGE_PATIENCE_S}")))
        address = _find_hub(self.port) or self._make_url("http").partition("?")[0]
        return f"{address}?{query}"

    @property
    def projector(self) -> str:
        """Address of a page with the tap's panel, for a projector; it is served from now on.

        Only browsers on this machine reach it. `?size=24` is the size of its type in pixels, and
        `?theme=dark` its colours. Each of up to 20 browsers has its own position in the frames.

        Raises:
            Stopped: after `stop`.
        """
        self._check_running()
        self._start_projector()
        return _find_hub(self._projector_port) or f"http://{LOCAL}:{self._projector_port}/"

    @property
    def compression(self) -> bool:
        """Whether clients may ask the server for compression; it holds for later connections.

        Where not, the tap removes the header Sec-WebSocket-Extensions of the request.
        """
        return self._compression

    @compression.setter
    def compression(self, is_on: bool) -> None:
        check_flag("compression", is_on)
        self._compression = is_on

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
        from tickerkit.classroom.panel.widget import Panel

        if self._panel is None or self._panel.comm is None:
            self._panel = Panel(self._make_exchange)
        return self._panel

    def _make_exchange(self, send: Send, request: Callable[[], None]) -> Exchange:
        host, port, tls = self._target
        address, server = f"{self._host}:{self.port}", f"{host}:{port}{' (TLS)' if tls else ''}"

        def describe() -> TapFacts:
            return TapFacts(self.status, address, server, self._rate, self._compression)

        reader = FrameReader(self._log, self._passages, self._hide, describe, self._run_on_loop)
        return Exchange(self, reader, send, request)

    # --- start and stop -----------------------------------------------------------------------

    def start(self: Self) -> Self:
        super().start()
        if self._projector_port:
            try:
                self._start_projector()
            except OSError:  # another program has the port by now
                self._projector_port = 0
        return self

    def _replace(self, last: Intermediary) -> None:
        super()._replace(last)
        if isinstance(last, Tap):
            self._projector_port = last._projector_port

    def _release(self) -> None:
        super()._release()
        for recorder in self._recorders:  # nothing passes any more
            recorder.stop()

    def _start_projector(self) -> None:
        portal.call(self._projector.start, self._projector_port)
        self._projector_port = self._projector.port

    async def _shut_down(self) -> None:
        try:
            await super()._shut_down()
        finally:
            await self._projector.stop()

    # --- on the event loop --------------------------------------------------------------------

    def _run_on_loop(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function where the frames are written; once that ends, nothing writes them."""
        if self._phase != "stopped":
            with contextlib.suppress(PortalError, CancelledError):  # the loop has ended
                return self._call(function, *args)
        return function(*args)

    def _make_link(self, writer: asyncio.StreamWriter) -> Link | None:
        number = self.accepted

        def converse(lines: Mapping[Toward, Line], end: Callable[[Kind], None]) -> Conversation:
            gate = Gate(is_held=self._is_held)
            if self._rate is not None:
                gate.run(self._rate)
            is_far = self._target.tls is not None or not is_loopback(self._target.host)
            is_changed = is_far or not self._compression
            rewrite = partial(self._rewrite_head, is_far) if is_changed else None
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

    def _rewrite_head(self, is_far: bool, head: Head) -> dict[str, str | None]:
        """Return the headers of a request that are to be changed.

        A server that is far knows by some of them that it is meant.
        """
        values: dict[str, str | None] = {}
        if not self._compression:
            values["sec-websocket-extensions"] = None
        if is_far:
            netloc = self._parts.netloc.rpartition("@")[2]
            values["host"] = netloc
            if head.get("origin") == f"http://{head.get('host')}":
                values["origin"] = f"{'https' if self._target.tls else 'http'}://{netloc}"
        return values

    def _drop_frame(self, fields: Fields) -> None:
        passage = self._passages.get(fields[1])  # by the number of the connection
        if passage is not None:
            passage.conversation.drop(fields)

    def _hide(self, head: bytes) -> bytes:
        return head if self._shows_secrets else hide_head_secrets(head)


def _find_hub(port: int) -> str:
    """Return the address of a port through jupyter-server-proxy, the only way on a JupyterHub."""
    hub = os.environ.get("JUPYTERHUB_PUBLIC_URL")
    return f"{hub.rstrip('/')}/proxy/{port}/" if hub else ""
