"""ServerProcess: a server in a process of its own, used as any other in the one that started it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl as ssl_module
import sys
import time
from collections.abc import Mapping
from typing import Any, cast

import pandas as pd

from tickerkit.errors import PortalError, ServerFailed, SourceError, Stopped, TickerkitError
from tickerkit.log import Gap
from tickerkit.protocol import Client, End, Hello, Received
from tickerkit.runtime.error_log import describe
from tickerkit.runtime.portal import portal
from tickerkit.server.process.child import Child
from tickerkit.server.server import TickServer
from tickerkit.sources import Source
from tickerkit.ticks import Batch

__all__ = ["ServerProcess"]

START_S = 60.0
ANSWER_S = 5.0
GLANCE_S = 1.0
SLOWEST_PUBLISH = 50_000
STOP_S = 2.0


class ServerProcess(TickServer):
    """A server, and its source, in a process of its own; made by `tk.serve(..., process=True)`.

    Used as any `TickServer`. Its `log` is a mirror, in which `received` is when a tick came to this
    process. Where this one was held up until the other no longer held some ticks, these are missing
    in it. What asks the other process (`clients`, `stats`, `publish`) waits a few seconds at most.
    """

    def __init__(self, source: Source | None, host: str, port: int, **options: Any) -> None:
        if isinstance(options["ssl"], ssl_module.SSLContext):
            raise TypeError(
                "ssl: a context can't be sent to a process of its own; give the paths of the "
                "certificate and its key, or serve without process=True"
            )
        for name in ("origins", "hosts"):
            if not isinstance(options[name], str):
                options[name] = list(options[name])
        super().__init__(source, host, port, **options)
        self._options = options
        self._packed = _packed(source)
        self._client = Client(None, None)
        self._client.connected()
        self._child: Child | None = None
        self._opening: asyncio.Task[Any] | None = None
        self._abandoned = False
        self._known: Mapping[str, Any] = super().stats

    @property
    def pid(self) -> int | None:
        """The other process's id; None if it does not run."""
        return None if self._stopped or self._child is None else self._child.pid

    @property
    def status(self) -> str:
        """In one word: listening, ended, stopped, or failed: the other process died."""
        return "failed" if self._has_failed else super().status

    @property
    def _has_failed(self) -> bool:
        return not self._stopped and self._child is not None and self._child.reason != ""

    @property
    def clients(self) -> pd.DataFrame:
        """Who is connected, as `TickServer.clients` tells it; the mirror is not listed."""
        if self.status in ("stopped", "failed"):
            return super().clients
        return cast("pd.DataFrame", self._ask(ANSWER_S, "clients"))

    @property
    def stats(self) -> Mapping[str, Any]:
        """What the server did so far, as `TickServer.stats` tells it.

        Raises:
            ServerFailed: if the other process does not answer. One that died is told of in
                `status` and `last_error`.
        """
        return self._stats(ANSWER_S)

    def _stats(self, within_s: float) -> Mapping[str, Any]:
        if self.status not in ("stopped", "failed"):
            try:
                self._known = self._ask(within_s, "stats")
            except ServerFailed:
                if self.status not in ("stopped", "failed"):
                    raise
        return self._last_known()

    def _about(self, stats: Mapping[str, Any]) -> str:
        return super()._about(stats) + (f", in process {self.pid}" if self.pid else "")

    def _told(self) -> Mapping[str, Any]:
        try:
            return self._stats(GLANCE_S)
        except TickerkitError as error:
            return {**self._last_known(), "last_error": describe(error)}

    def _last_known(self) -> Mapping[str, Any]:
        known = {**self._known, "status": self.status}
        if known["status"] in ("stopped", "failed"):
            known.update(clients=0, stalled=0)
        if self._has_failed and self._child is not None:
            # Of what it did after it was last asked the mirror knows more.
            known.update(ticks=max(known["ticks"], self.log.stop), held=len(self.log))
            known["last_error"] = str(self._child.failure())
        return known

    def _ask(self, within_s: float, name: str) -> Any:
        assert self._child is not None
        return portal.call(self._child.ask, within_s, name)

    # --- its life -----------------------------------------------------------------------------

    def start(self) -> None:
        if self._opening is not None:
            raise Stopped("server", "call tk.serve again")
        try:
            super().start()
        except BaseException:  # an interrupt of the waiting, for one
            with contextlib.suppress(PortalError):
                portal.post(self._abandon)
            raise

    def _abandon(self) -> None:
        self._abandoned = True
        if self._opening is not None:
            self._opening.cancel()

    def _start_source(self) -> None:
        if self.source is not None:
            self.source.on_sent_to_process()

    async def _open(self) -> None:
        self._opening = asyncio.current_task()
        self._child = Child(self._take)
        setup = {
            "path": sys.path,
            "pythonpath": os.environ.get("PYTHONPATH"),
            "source": self._packed,
            "about": repr(self.source),
            "epoch": self.log.epoch,
            "host": self.host,
            "port": self.port,
            "options": {**self._options, "token": self._access.token or False},
        }
        try:
            await self._child.start()
            self.port = await self._child.ask(START_S, "serve", setup)
            if self._abandoned:
                raise asyncio.CancelledError
        except BaseException:
            await self._child.kill()
            raise

    async def _close(self, code: int, reason: str) -> None:
        assert self._child is not None
        try:
            async with asyncio.timeout(STOP_S):
                self._known = await self._child.ask(STOP_S, "stop", code, reason)
                await self._child.end()
        except (TimeoutError, ServerFailed) as error:
            if isinstance(error, ServerFailed):
                self._known = {**self._known, "last_error": str(error)}
        finally:
            await self._child.kill()

    async def _publish(self, batch: Batch) -> None:
        assert self._child is not None
        await self._child.ask(ANSWER_S + batch.count / SLOWEST_PUBLISH, "publish", batch)

    def _take(self, message: bytes) -> None:
        """Append to the mirror; in the portal's thread."""
        for event in self._client.receive(message):
            match event:
                case Received():
                    now = time.time_ns()
                    self.log.append(event.batch, received=now, epoch=event.epoch, seq=event.seq)
                case Gap():
                    self._gaps.add(event)
                    if event.epoch == self.log.epoch and event.last is not None:
                        self.log.skip(max(event.last - self.log.last_seq, 0))
                case Hello() if event.epoch != self.log.epoch:
                    self.log.begin(event.epoch)
                case End():
                    self._publication.ended = True
                case _:
                    pass


def _packed(source: Source | None) -> bytes:
    """Return a source as bytes, as it is now; functions of a notebook's cells too."""
    import cloudpickle

    try:
        return cast("bytes", cloudpickle.dumps(source))
    except Exception as error:  # of the code of anything in it
        raise SourceError(
            source,
            f"it can't be sent to a process of its own ({describe(error)}); "
            "give a function that makes the ticks, and in it whatever can't travel, "
            "or serve it without process=True",
        ) from None
