"""json_lines: a source of the JSON lines of a stream: stdin, or the output of another program."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from typing import Protocol

from tickerkit.errors import BadTick, SourceError
from tickerkit.fieldmaps import FieldMap, ForeignReader, Machine
from tickerkit.sources.base import Outlet
from tickerkit.sources.mapped import MappedSource
from tickerkit.sources.websocket import load_fields

__all__ = ["LinesSource", "json_lines"]

CHUNK_BYTES = 2**16
MAX_LINE_BYTES = 2**20
EXPECTED = "expected a file that the system knows, such as sys.stdin or the stdout of a process"


class Stream(Protocol):
    """A file, a pipe or a terminal."""

    def fileno(self) -> int:
        """Return its file descriptor."""


class LinesSource(MappedSource):
    """The ticks in a stream's lines; made by `tk.json_lines`.

    Args:
        file: the stream.
        fields: the field map; None for lines that are ticks, or for a guess.
    """

    def __init__(self, file: Stream, fields: FieldMap | None = None) -> None:
        self._file = file
        super().__init__(None if fields is None else Machine(fields))
        # Decides from the first lines whether they are ticks, or else guesses a map.
        self._foreign = ForeignReader() if fields is None else None

    def __repr__(self) -> str:
        return f"JSON lines of {getattr(self._file, 'name', 'a stream')}"

    async def run(self, out: Outlet) -> None:
        """Send the ticks of each line until the stream ends."""
        rest, is_too_long = b"", False
        async for chunk in _read_chunks(self._file.fileno()):
            *lines, rest = (rest + chunk).split(b"\n")
            if is_too_long and lines:
                del lines[0]  # the end of the line
                is_too_long = False
            if len(rest) > MAX_LINE_BYTES:
                if not is_too_long:
                    fix = f"end each line after at most {MAX_LINE_BYTES:,} bytes"
                    out.report(BadTick("message", rest[:CHUNK_BYTES], "has no end", fix))
                rest, is_too_long = b"", True
            await self._send(lines, out)
        if not is_too_long:
            await self._send([rest], out)

    async def _send(self, lines: list[bytes], out: Outlet) -> None:
        lines = [line for line in lines if line and not line.isspace()]
        if not lines:
            return
        if self._foreign is None:
            assert self.machine is not None
            await self._deliver(self.machine.receive(lines), out)
            return
        ticks: list[bytes] = []
        for line in lines:
            if (batches := self._foreign.read(line)) is None:
                ticks.append(line)
                continue
            self.machine = self._foreign.machine
            if ticks:
                await out.send(ticks)
                ticks = []
            for batch in batches:
                await out.send(batch)
        self.machine = self._foreign.machine
        if ticks:
            await out.send(ticks)


def json_lines(file: Stream, fields: object = None) -> LinesSource:
    """Return a source of the JSON lines of a stream, each a tick or an array of ticks.

    Ticks are sent as soon as their lines have come. Blank lines are skipped; a line that is no JSON
    or no tick is refused and counted, and the others are taken. The source is finished when the
    stream ends. Nothing else may read the stream. `tickerkit serve -` serves stdin.

    Args:
        file: `sys.stdin`, the `stdout` of a process, or an open file.
        fields: the field map of lines that have another form, as for `tk.websocket`: a dict, a list
            of dicts, or the path of a TOML file. By default it is guessed from the first lines, if
            these have no `symbol`; `source.fields` shows it.

    Raises:
        SourceError: `file` has no file descriptor; pass an iterable of lines to `tk.serve` instead.
        FieldMapError: the map has a wrong entry.

    Example:
        >>> sensors = subprocess.Popen(
        ...     ["mosquitto_sub", "-t", "sensors/#", "-F", "%J"], stdout=subprocess.PIPE
        ... )
        >>> fields = {"symbol": "topic", "temperature": "payload.temperature"}
        >>> feed = tk.live(tk.json_lines(sensors.stdout, fields))
    """
    known = None if fields is None else load_fields(fields)
    try:
        file.fileno()
    except (AttributeError, OSError, ValueError):
        fix = "pass an iterable of lines to tk.serve instead"
        raise SourceError(file, EXPECTED, "file", fix) from None
    return LinesSource(file, known)


async def _read_chunks(fd: int) -> AsyncIterator[bytes]:
    """Yield what a stream has, as soon as it has some, until it ends."""
    loop = asyncio.get_running_loop()
    # A file never has to be waited for, and macOS would wait at its end for ever. Windows can wait
    # for sockets only, so there `read` waits. It blocks only this source's thread.
    can_wait = os.name == "posix" and not stat.S_ISREG(os.fstat(fd).st_mode)
    while True:
        if can_wait:
            readable = asyncio.Event()
            try:
                loop.add_reader(fd, readable.set)
            except OSError:  # a device that can't be waited for, such as /dev/null
                can_wait = False
            else:
                try:
                    await readable.wait()
                finally:
                    loop.remove_reader(fd)
        chunk = os.read(fd, CHUNK_BYTES)
        if not chunk:
            return
        yield chunk
        await asyncio.sleep(0)  # lets the server cancel this task
