"""ServerProcess: a server in a process of its own, seen from the one that started it.

The other process (`process_child`) is told through its stdin what to do, and answers through its
stdout, by pickles. Between the answers it sends its log, as the messages that any reader of
`tickerkit.v1` gets, so that the log here is a mirror: the same epoch and the same seqs. When this
process ends, however it does, stdin is at its end, and the other one stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import pickle
import signal
import ssl as ssl_module
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import pandas as pd

from tickerkit.errors import PortalError, ServerFailed, SourceError, Stopped, TickerkitError
from tickerkit.faults import describe, logger, one_line
from tickerkit.portal import portal
from tickerkit.protocol import Client, End, Received
from tickerkit.server import TickServer
from tickerkit.sources import Source
from tickerkit.ticks import Batch

__all__ = ["ServerProcess"]

# Paths are those of this process, and none besides; what it prints comes at once.
COMMAND = ["-P", "-u", "-X", "faulthandler", "-m", "tickerkit.process_child"]
HEAD_BYTES = 8
SAID_BYTES = 4096
SAID_LINES = 10
START_S = 60.0
ANSWER_S = 5.0
GLANCE_S = 1.0
SLOWEST_PUBLISH = 50_000
STOP_S = 2.0
DRAIN_S = 0.25
KILLED_S = 5.0


class Child(asyncio.SubprocessProtocol):
    """The other process; used on the portal's loop alone.

    Args:
        take: called with each message about its log.

    Attributes:
        reason: what became of it, once it is gone.
        gone: done when it has ended and all that it said is heard.
    """

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self.reason = ""
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._take = take
        self._heard = bytearray()
        self._said = b""
        self._fault = ""
        self._may_end = False
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count()
        self._process: asyncio.SubprocessTransport | None = None

    async def start(self) -> None:
        """Start it: out of reach of an interrupt that is meant for this process."""
        paths = [path for path in sys.path if isinstance(path, str) and path]
        new_group = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
        await asyncio.get_running_loop().subprocess_exec(
            lambda: self,
            sys.executable,
            *COMMAND,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,
            creationflags=new_group | getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return None if self._process is None or self.reason else self._process.get_pid()

    async def ask(self, within_s: float, name: str, *args: object) -> Any:
        """Have it do something, and return or raise what comes of it.

        Raises:
            ServerFailed: if it is gone, or does not answer in time.
        """
        if self.reason:
            raise self.failure()
        assert self._process is not None
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            self._stdin().write(pickle.dumps((number, name, args)))
            await asyncio.wait([answer], timeout=within_s)
            if not answer.done():
                raise ServerFailed(f"does not answer (for {within_s:.3g} s)")
            return answer.result()
        finally:
            del self._asked[number]

    def failure(self) -> ServerFailed:
        """Return what became of it as an error, with what it wrote to stderr last as a note."""
        error = ServerFailed(self.reason)
        if lines := self._last_lines():
            error.add_note("It wrote last:\n" + "\n".join(lines))
        return error

    async def end(self) -> None:
        """Let it end, which it does at the end of its stdin."""
        self._may_end = True
        if not self.reason:
            self._stdin().close()
        await asyncio.shield(self.gone)

    async def kill(self) -> None:
        """End it if it runs, and wait a moment until it is gone."""
        self._may_end = True
        if self._process is None:
            return
        self._kill()
        now = asyncio.get_running_loop().time
        end = now() + KILLED_S
        while not self.gone.done() and now() < end:
            # When the loop is at its end too, which would leave its pipes open.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([self.gone], timeout=KILLED_S)
        self._process.close()

    def _kill(self) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):  # it has ended
            self._process.kill()

    def _stdin(self) -> asyncio.WriteTransport:
        assert self._process is not None
        return cast("asyncio.WriteTransport", self._process.get_pipe_transport(0))

    def _last_lines(self) -> list[str]:
        text = self._said.decode("utf-8", "replace")
        return [line for line in text.splitlines() if line.strip()][-SAID_LINES:]

    # --- called by asyncio --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._process = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._said = (self._said + data)[-SAID_BYTES:]
            logger.info("a server's process says: %s", data.decode("utf-8", "replace").rstrip())
            return
        self._heard += data
        at, size = 0, len(self._heard)
        try:
            while size - at >= HEAD_BYTES:
                stop = at + HEAD_BYTES + int.from_bytes(self._heard[at : at + HEAD_BYTES], "big")
                if size < stop:
                    break
                with memoryview(self._heard) as view:
                    message = pickle.loads(view[at + HEAD_BYTES : stop])
                at = stop
                self._hear(*message)
        except Exception as error:  # a version that was exchanged meanwhile, or ours
            self._fault = f": {describe(error)}"
            self._kill()
        del self._heard[:at]

    def _hear(self, number: int | None, good: bool, value: Any) -> None:
        if number is None:
            self._take(value)
            return
        answer = self._asked.get(number)
        if answer is None or answer.done():  # nobody waits any more
            return
        if good:
            answer.set_result(value)
        else:
            answer.set_exception(value)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:  # one that lives on could not be told from one that hangs
            asyncio.get_running_loop().call_later(DRAIN_S, self._kill)

    def process_exited(self) -> None:
        assert self._process is not None
        # A child of its own may hold the pipes open.
        asyncio.get_running_loop().call_later(DRAIN_S, self._process.close)

    def connection_lost(self, exc: Exception | None) -> None:
        assert self._process is not None
        self._process.close()
        self.reason = _ending(self._process.get_returncode(), self._last_lines()) + self._fault
        if not self._may_end:
            logger.warning("server: %s", self.failure())
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(self.failure())
        if not self.gone.done():
            self.gone.set_result(None)


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
        pass  # it runs there

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
            if isinstance(event, Received):
                received = time.time_ns()
                self.log.append(event.batch, received=received, epoch=event.epoch, seq=event.seq)
            elif isinstance(event, End):
                self._publication.ended = True


def _packed(source: Source | None) -> bytes:
    """Return a source as bytes, as it is now; functions of a notebook's cells too."""
    import cloudpickle

    try:
        return cast("bytes", cloudpickle.dumps(source))
    except Exception as error:  # of the code of anything in it
        raise SourceError(
            source,
            f"it can't be sent to a process of its own ({describe(error)}); "
            "give a function that makes the ticks, or serve it without process=True",
        ) from None


def _ending(code: int | None, lines: list[str]) -> str:
    """Return in words how a process has ended."""
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"was killed ({signal.Signals(-code).name})"
    last = f": {one_line(lines[-1])}" if code and lines else ""
    return f"ended by itself (exit code {code}){last}"
