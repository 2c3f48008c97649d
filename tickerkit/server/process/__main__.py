"""The other end of a `ServerProcess`: a server that is told through stdin what to do.

Run as `python -m tickerkit.server.process`. The end of stdin, which comes when the process that
started it is gone, ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import pickle
import sys
import threading
from collections.abc import Iterator
from typing import Any, TypeAlias

from tickerkit.errors import SourceError, TickerkitError
from tickerkit.protocol import V1Session
from tickerkit.protocol.messages import Subscribe, encode
from tickerkit.runtime.error_log import describe
from tickerkit.runtime.portal import portal
from tickerkit.server.process.child import HEAD_BYTES
from tickerkit.server.server import TickServer

__all__ = ["Mirrored", "main"]

EXIT_S = 3.0

Position: TypeAlias = tuple[int, str, int]


class Mirrored(TickServer):
    """A server whose log is also read by the process that started it, without a socket."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._more = asyncio.Event()
        self._reader: V1Session | None = None

    def _pump(self) -> None:
        super()._pump()
        self._more.set()

    async def news(self) -> tuple[bytes, Position | None]:
        """Return the next message of the protocol for the mirror, and where that gets it to.

        None for where, as long as more messages belong to that.
        """
        now = asyncio.get_running_loop().time
        if self._reader is None:
            self._reader = V1Session(self._publication, now())
            self._reader.receive(encode(Subscribe(None, None, None)).decode(), now())
        while (message := self._reader.next_message(now())) is None:
            if not self._reader.behind:
                self._more.clear()
                await self._more.wait()
            self._reader.close = None  # after the source's end more may be published by hand
        return message, self._reader.position

    @property
    def end(self) -> Position:
        """Where a reader stands that has all there is."""
        return self.log.stop, self.log.epoch, self.log.last_seq


class _Attendant:
    """Does what it is told, one after the other, in the main thread.

    Args:
        answers: where to write to.
    """

    def __init__(self, answers: io.FileIO) -> None:
        self._answers = answers
        self._writing = threading.Lock()
        self._server: Mirrored | None = None
        self._mirrored = threading.Condition()
        self._position: Position | None = None
        self._alone = False

    def attend(self, number: int, name: str, args: Any) -> None:
        """Do as one message says, and answer it."""
        value: Any
        try:
            value, good = self._do(name, args), True
        except Exception as error:
            value, good = _sendable(error), False
        self._say(number, good, value)

    def leave(self) -> None:
        """Stop, and have this process end soon, whatever the source's threads do."""
        last = threading.Timer(EXIT_S, os._exit, (1,))
        last.daemon = True
        last.start()
        if self._server is not None:
            self._server.stop()

    def _do(self, name: str, args: Any) -> Any:
        if name == "serve":
            return self._serve(*args)
        assert self._server is not None
        match name:
            case "stats":
                return dict(self._server.stats)
            case "clients":
                return self._server.clients
            case "publish":
                portal.call(self._server._publish, *args)
                return self._until_mirrored()
            case "stop":
                self._server._stop(*args)
                self._until_mirrored()
                return dict(self._server.stats)
        raise AssertionError(name)

    def _serve(self, setup: dict[str, Any]) -> int:
        """Start the server, with names and paths as they are in the other process."""
        sys.path[:] = setup["path"]
        if setup["pythonpath"] is None:
            os.environ.pop("PYTHONPATH", None)
        else:
            os.environ["PYTHONPATH"] = setup["pythonpath"]
        try:
            source = pickle.loads(setup["source"])
        except Exception as error:  # of the code of anything in it
            problem = f"it can't be made again in a process of its own ({describe(error)})"
            raise SourceError(setup["about"], problem) from None
        server = Mirrored(source, setup["host"], setup["port"], **setup["options"])
        server.log.epoch = setup["epoch"]
        server.start()
        self._server = server
        portal.enter()  # the mirror is still to be told of a server that has stopped
        threading.Thread(target=self._mirror, args=(server,), name="mirror", daemon=True).start()
        return server.port

    def _mirror(self, server: Mirrored) -> None:
        """Send what is appended; like any reader that is slow, it sends more at once."""
        try:
            while True:
                message, position = portal.call(server.news)
                self._say(None, True, message)
                with self._mirrored:
                    self._position = position
                    self._mirrored.notify_all()
        except OSError:  # the other process is gone
            with self._mirrored:
                self._alone = True
                self._mirrored.notify_all()

    def _until_mirrored(self) -> None:
        """Wait until what the log holds is sent, so that an answer comes after it."""
        server = self._server
        assert server is not None
        row = server.log.stop

        def mirrored() -> bool:
            # Beyond the row, or as far as the log goes by now: a gap is no row.
            at = self._position
            return self._alone or (at is not None and (at[0] > row or at == server.end))

        with self._mirrored:
            self._mirrored.wait_for(mirrored)

    def _say(self, number: int | None, good: bool, value: Any) -> None:
        data = pickle.dumps((number, good, value))
        view = memoryview(len(data).to_bytes(HEAD_BYTES, "big") + data)
        with self._writing:
            while view:
                view = view[self._answers.write(view) :]


def main() -> None:
    """Do what stdin says, until its end."""
    asked, answers = _taken()
    attendant = _Attendant(answers)
    with contextlib.suppress(OSError):  # the other process is gone
        for number, name, args in _messages(asked):
            attendant.attend(number, name, args)
    attendant.leave()


def _taken() -> tuple[io.BufferedReader, io.FileIO]:
    """Take stdin and stdout for the messages alone: what a source prints goes to stderr."""
    asked, answers = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return io.BufferedReader(io.FileIO(asked)), io.FileIO(answers, "w")


def _messages(asked: io.BufferedReader) -> Iterator[tuple[int, str, Any]]:
    with contextlib.suppress(EOFError, pickle.UnpicklingError):  # at its end, or within a message
        while True:
            yield pickle.load(asked)


def _sendable(error: Exception) -> Exception:
    """Return an error as it can travel: as itself, or in words."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # of its own code
        return TickerkitError(describe(error))
    return error


if __name__ == "__main__":
    main()
