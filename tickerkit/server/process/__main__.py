"""The other end of a `ProcessServer`: a server that receives commands through stdin.

Run as `python -m tickerkit.server.process`. It ends at the end of stdin: when the process that
started it is gone.
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
from tickerkit.runtime.threads import start_thread
from tickerkit.server.process.child import HEADER_BYTES
from tickerkit.server.thread_server import ThreadServer

__all__ = ["MirroredServer", "main"]

EXIT_S = 3.0

MirrorPosition: TypeAlias = tuple[int, str, int]
"""The row, epoch and seq up to which the mirror has all ticks and gaps."""


class MirroredServer(ThreadServer):
    """A server whose log is also read, without a socket, by the process that started it.

    Attributes:
        posted: how many values its extension has posted.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._has_messages = asyncio.Event()
        self._posts: list[object] = []
        self.posted = 0
        self._mirror: V1Session | None = None
        self._draining: asyncio.Task[None] | None = None

    def _on_round(self) -> None:
        self._has_messages.set()

    def post(self, value: object) -> None:
        self._posts.append(value)
        self.posted += 1
        self._has_messages.set()

    async def begin_drain(self, seconds: float, code: int, reason: str) -> None:
        """Begin to close the clients, evenly over a time; later commands are executed meanwhile."""
        self._draining = asyncio.create_task(self._drain(seconds, code, reason))

    async def next_message(self) -> tuple[bytes | list[object], MirrorPosition | None]:
        """Return the next message for the mirror, and the mirror's position after it.

        The position is None while more messages of the same group follow. A message that is a list
        has the values that the extension has posted.
        """
        now = asyncio.get_running_loop().time
        if self._mirror is None:
            self._mirror = V1Session(self._publication, now())
            self._mirror.receive(encode(Subscribe(None, None, None)).decode(), now())
        message: bytes | None = None
        while not self._posts and (message := self._mirror.next_message(now())) is None:
            # The session closes when the source ends, but ticks may still be published by hand.
            if self._mirror.close is None or not self._mirror.behind:
                self._has_messages.clear()
                await self._has_messages.wait()
            self._mirror.close = None
        if message is not None:
            return message, self._mirror.position
        posts, self._posts = self._posts, []
        return posts, self._mirror.position

    @property
    def end_position(self) -> MirrorPosition:
        """The position of a reader that has all ticks and gaps."""
        return self.log.stop, self.log.epoch, self.log.last_seq


class _CommandHandler:
    """Executes commands one after the other, in the main thread.

    Args:
        answers: the pipe to write answers to.
    """

    def __init__(self, answers: io.FileIO) -> None:
        self._answers = answers
        self._write_lock = threading.Lock()
        self._server: MirroredServer | None = None
        self._mirrored = threading.Condition()
        self._position: MirrorPosition | None = None
        self._sent_posts = 0
        self._is_abandoned = False

    def handle(self, number: int, name: str, args: Any) -> None:
        """Execute one command, and send its result or its error."""
        value: Any
        try:
            value, ok = self._execute(name, args), True
        except Exception as error:
            value, ok = _make_sendable(error), False
        self._send(number, ok, value)

    def shut_down(self) -> None:
        """Stop the server; end this process soon, even if the source's threads block."""
        last_resort = threading.Timer(EXIT_S, os._exit, (1,))
        last_resort.daemon = True
        last_resort.start()
        if self._server is not None:
            self._server.stop()

    def _execute(self, name: str, args: Any) -> Any:
        if name == "serve":
            return self._serve(*args)
        assert self._server is not None
        match name:
            case "stats":
                return dict(self._server.stats)
            case "published":
                return self._server.published
            case "clients":
                return self._server.clients
            case "journal":
                return self._server.journal
            case "publish":
                error = portal.call(self._server._publish, *args)
                self._wait_until_mirrored()
                return error
            case "say":
                return self._server.say(*args)
            case "execute":
                result = self._server.execute(*args)
                self._wait_until_posted()
                return result
            case "drain":
                return portal.call(self._server.begin_drain, *args)
            case "stop":
                self._server.stop(*args)
                self._wait_until_mirrored()
                return dict(self._server.stats), self._server.published, self._server.journal
        raise AssertionError(name)

    def _serve(self, setup: dict[str, Any]) -> tuple[int, int | None]:
        """Start the server, with the module paths of the other process; return its ports."""
        sys.path[:] = setup["path"]
        if setup["pythonpath"] is None:
            os.environ.pop("PYTHONPATH", None)
        else:
            os.environ["PYTHONPATH"] = setup["pythonpath"]
        try:
            source = pickle.loads(setup["source"])
        except Exception as error:  # from the code of any object in it
            problem = f"it can't be restored in a process of its own ({describe(error)})"
            raise SourceError(setup["about"], problem) from None
        server = MirroredServer(source, setup["host"], setup["port"], setup["options"])
        server.log.epoch = setup["epoch"]
        server.start()
        self._server = server
        # Keeps the loop after the server's stop: the mirror needs the last messages.
        portal.enter(self)
        start_thread(lambda: self._send_mirror(server), "mirror")
        return server.port, server.metrics_port

    def _send_mirror(self, server: MirroredServer) -> None:
        """Send new ticks and gaps to the mirror; like any slow reader, it gets larger batches."""
        try:
            while True:
                message, position = portal.call(server.next_message)
                self._send(None, True, message)
                with self._mirrored:
                    self._position = position
                    self._sent_posts += len(message) if isinstance(message, list) else 0
                    self._mirrored.notify_all()
        except OSError:  # the other process is gone
            with self._mirrored:
                self._is_abandoned = True
                self._mirrored.notify_all()

    def _wait_until_mirrored(self) -> None:
        """Wait until everything in the log is sent, so that the answer comes after it."""
        server = self._server
        assert server is not None
        row = server.log.stop

        def is_mirrored() -> bool:
            at = self._position
            # The end of the log is enough too: after a gap at the end no row follows.
            return self._is_abandoned or (
                at is not None and (at[0] > row or at == server.end_position)
            )

        with self._mirrored:
            self._mirrored.wait_for(is_mirrored)

    def _wait_until_posted(self) -> None:
        """Wait until what the extension has posted is sent, so that the answer comes after it."""
        assert self._server is not None
        posted = self._server.posted
        with self._mirrored:
            self._mirrored.wait_for(lambda: self._is_abandoned or self._sent_posts >= posted)

    def _send(self, number: int | None, ok: bool, value: Any) -> None:
        data = pickle.dumps((number, ok, value))
        view = memoryview(len(data).to_bytes(HEADER_BYTES, "big") + data)
        with self._write_lock:
            while view:
                view = view[self._answers.write(view) :]


def main() -> None:
    """Execute the commands from stdin until its end."""
    commands, answers = _take_over_stdio()
    handler = _CommandHandler(answers)
    with contextlib.suppress(OSError):  # the other process is gone
        for number, name, args in _read_commands(commands):
            handler.handle(number, name, args)
    handler.shut_down()


def _take_over_stdio() -> tuple[io.BufferedReader, io.FileIO]:
    """Reserve stdin and stdout for messages; a source's own output goes to stderr."""
    commands, answers = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return io.BufferedReader(io.FileIO(commands)), io.FileIO(answers, "w")


def _read_commands(commands: io.BufferedReader) -> Iterator[tuple[int, str, Any]]:
    with contextlib.suppress(EOFError, pickle.UnpicklingError):  # at the end, or inside a command
        while True:
            yield pickle.load(commands)


def _make_sendable(error: Exception) -> Exception:
    """Return an error that can be pickled: the error itself, or one with its text."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # from the error's own code
        return TickerkitError(describe(error))
    return error


if __name__ == "__main__":
    main()
