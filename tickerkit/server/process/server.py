"""ProcessServer: a server in a process of its own, with the interface of every `TickServer`."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import ssl as ssl_module
import sys
import time
from collections.abc import Mapping
from typing import Any, cast

import pandas as pd

from tickerkit.errors import (
    BadTick,
    InvalidType,
    PortalError,
    ServerFailed,
    SourceError,
    Stopped,
    TickerkitError,
)
from tickerkit.protocol import Client, Taker
from tickerkit.runtime.error_log import describe
from tickerkit.runtime.portal import portal
from tickerkit.server.journal import Journal
from tickerkit.server.options import ServerOptions
from tickerkit.server.process.child import ChildProcess
from tickerkit.server.publishing import Published
from tickerkit.server.server import CLIENT_COLUMNS, TickServer
from tickerkit.server.stats import ServerStats
from tickerkit.sources import Source
from tickerkit.ticks import Batch

__all__ = ["ProcessServer"]

START_S = 60.0
ANSWER_S = 5.0
# For a repr or a card, which must not make a cell wait.
QUICK_ANSWER_S = 1.0
MIN_PUBLISHED_PER_S = 50_000
STOP_S = 2.0
DRAIN_POLL_S = 0.1


class ProcessServer(TickServer):
    """A server, and its source, in a process of its own; made by `tk.serve(..., process=True)`.

    Its `log` is a mirror, in which `received` is the time at which a tick came to this process. If
    this process is blocked for so long that the other drops ticks meanwhile, the mirror has a gap.
    `clients`, `journal`, `stats` and `publish` ask the other process, and wait a few seconds at
    most.
    """

    def __init__(self, source: Source | None, host: str, port: int, options: ServerOptions) -> None:
        if isinstance(options.ssl, ssl_module.SSLContext):
            expected = (
                "the paths of the certificate and its key, since an SSLContext can't be sent to "
                "another process"
            )
            raise InvalidType("ssl", options.ssl, expected)
        super().__init__(source, host, port, options)
        self._options = options
        self._pickled_source = _pickle(source)
        self._mirror_client = Client(None, None)
        self._mirror_client.start_connection()
        self._child: ChildProcess | None = None
        self._is_serving = False
        self._is_asking = False
        self._asking: asyncio.Task[None] | None = None
        self._taker = Taker(self.log, self._gaps)
        self._last_published: Published | None = None
        self._last_journal = Journal().frame()
        self._last_stats: Mapping[str, Any] = dataclasses.asdict(ServerStats())

    @property
    def pid(self) -> int | None:
        """The id of the server's process; None if it does not run."""
        return None if self._phase != "running" or self._child is None else self._child.pid

    @property
    def status(self) -> str:
        """One word: "listening", "ended", "stopped", or "failed": the process died."""
        return "failed" if self._has_failed else super().status

    @property
    def _has_failed(self) -> bool:
        return self._phase == "running" and self._child is not None and self._child.reason != ""

    @property
    def _has_ended(self) -> bool:
        return self._taker.ended

    @property
    def clients(self) -> pd.DataFrame:
        """The connected clients, see `TickServer.clients`; the mirror is not listed.

        Raises:
            ServerFailed: if the process does not answer.
        """
        if self.status in ("stopped", "failed"):
            return pd.DataFrame(columns=CLIENT_COLUMNS)
        return cast("pd.DataFrame", self._request(ANSWER_S, "clients"))

    @property
    def journal(self) -> pd.DataFrame:
        """Who was refused, disconnected or lost, see `TickServer.journal`.

        Raises:
            ServerFailed: if the process does not answer.
        """
        if self.status not in ("stopped", "failed"):
            self._last_journal = self._request(ANSWER_S, "journal")
        return self._last_journal

    @property
    def published(self) -> Published | None:
        """How far its stream is, see `TickServer.published`; the newest answer once it stopped.

        Raises:
            ServerFailed: if the process does not answer.
        """
        if self._options.publish is not None and self.status not in ("stopped", "failed"):
            self._last_published = self._request(ANSWER_S, "published")
        return self._last_published

    def _fetch_published_quickly(self) -> Published | None:
        with contextlib.suppress(TickerkitError):
            if self._options.publish is not None and self.status not in ("stopped", "failed"):
                self._last_published = self._request(QUICK_ANSWER_S, "published")
        return self._last_published

    @property
    def stats(self) -> Mapping[str, Any]:
        """The server's counts and its state, see `TickServer.stats`.

        Raises:
            ServerFailed: if the process does not answer. If the process died, this raises nothing:
                `status` and `last_error` report it.
        """
        return self._fetch_stats(ANSWER_S)

    def _fetch_stats(self, within_s: float) -> Mapping[str, Any]:
        if self.status not in ("stopped", "failed"):
            try:
                self._last_stats = self._request(within_s, "stats")
            except ServerFailed:
                if self.status not in ("stopped", "failed"):
                    raise
        return self._complete_last_stats()

    def _fetch_stats_quickly(self) -> Mapping[str, Any]:
        try:
            return self._fetch_stats(QUICK_ANSWER_S)
        except TickerkitError as error:
            return {**self._complete_last_stats(), "last_error": describe(error)}

    def _render_live_card(self) -> str:
        """Return the card with the newest answers, and ask again: a busy process may be slow."""
        if not self._is_asking and self.status not in ("stopped", "failed"):
            self._is_asking = True
            try:
                portal.post(self._begin_asking)
            except PortalError:  # the server is stopping
                self._is_asking = False
        return self._render_card(self._complete_last_stats(), self._last_published)

    def _begin_asking(self) -> None:
        self._asking = asyncio.ensure_future(self._ask_for_card())

    async def _ask_for_card(self) -> None:
        assert self._child is not None
        try:
            with contextlib.suppress(ServerFailed):
                self._last_stats = await self._child.request(ANSWER_S, "stats")
                self._last_published = await self._child.request(ANSWER_S, "published")
        finally:
            self._is_asking = False

    def _complete_last_stats(self) -> Mapping[str, Any]:
        """Return the newest stats without asking the process."""
        stats = {**self._last_stats, "status": self.status}
        if self.log.stop > stats["ticks"]:  # the mirror has ticks that came after the last answer
            stats.update(ticks=self.log.stop, held=len(self.log))
        if stats["status"] in ("stopped", "failed"):
            stats.update(clients=0, stalled=0)
        if self._has_failed and self._child is not None:
            stats["last_error"] = str(self._child.make_failure())
        return stats

    def _describe(self, stats: Mapping[str, Any]) -> str:
        return super()._describe(stats) + (f", in process {self.pid}" if self.pid else "")

    def _request(self, within_s: float, name: str, *args: Any) -> Any:
        assert self._child is not None
        return portal.call(self._child.request, within_s, name, *args)

    def _say(self, text: str) -> None:
        self._request(ANSWER_S, "say", text)

    def execute(self, command: str, *args: Any) -> Any:
        if self.status in ("stopped", "failed"):
            raise Stopped(self._kind, self._how_to_restart)
        return self._request(ANSWER_S, "execute", command, *args)

    # --- start and stop -----------------------------------------------------------------------

    async def _open(self) -> None:
        self._child = ChildProcess(self._on_message)
        setup = {
            "path": sys.path,
            "pythonpath": os.environ.get("PYTHONPATH"),
            "source": self._pickled_source,
            "about": repr(self.source),
            "epoch": self.log.epoch,
            "host": self.host,
            "port": self.port,
            "options": dataclasses.replace(self._options, token=self._access.token or False),
        }
        await self._child.start()
        # A relay takes as long as its stream does; its own `wait_s` bounds that.
        is_relay = self.source is not None and self.source.origin is not None
        ports = await self._child.request(None if is_relay else START_S, "serve", setup)
        self.port, self.metrics_port = ports
        self._is_serving = True

    def _start_source(self) -> None:
        if self.source is not None:
            self.source.on_sent_to_process()

    async def _drain(self, seconds: float, code: int, reason: str) -> None:
        assert self._child is not None
        now = asyncio.get_running_loop().time
        await self._child.request(ANSWER_S, "drain", seconds, code, reason)
        end = now() + seconds
        while not self._stopped and now() < end:
            if not (await self._child.request(ANSWER_S, "stats"))["clients"]:
                break
            await asyncio.sleep(DRAIN_POLL_S)

    async def _close(self, code: int, reason: str) -> None:
        if self._child is None:
            return
        try:
            if self._is_serving:
                async with asyncio.timeout(STOP_S):
                    request = self._child.request(STOP_S, "stop", code, reason)
                    self._last_stats, self._last_published, self._last_journal = await request
                    await self._child.end()
        except (TimeoutError, ServerFailed) as error:
            if isinstance(error, ServerFailed):
                self._last_stats = {**self._last_stats, "last_error": str(error)}
        finally:
            await self._child.kill()

    # --- ticks --------------------------------------------------------------------------------

    async def _publish(self, batch: Batch) -> BadTick | None:
        assert self._child is not None
        within_s = ANSWER_S + batch.count / MIN_PUBLISHED_PER_S
        return cast("BadTick | None", await self._child.request(within_s, "publish", batch))

    def _on_message(self, message: bytes | list[Any]) -> None:
        """Append a message of the other process to the mirror; in the portal's thread.

        A list has the values that the extension has posted there.
        """
        if isinstance(message, list):
            for value in message:
                self.on_post(value)
            return
        for event in self._mirror_client.receive(message):
            self._taker.take(event, time.time_ns())


def _pickle(source: Source | None) -> bytes:
    """Pickle a source in its present state, with functions and classes defined in a notebook."""
    import cloudpickle

    try:
        return cast("bytes", cloudpickle.dumps(source))
    except Exception as error:  # from the code of any object in it
        raise SourceError(
            source,
            f"it can't be sent to a process of its own ({describe(error)}); "
            "pass a function that makes the ticks and creates, when called, the objects that "
            "can't be sent; or serve it without process=True",
        ) from None
