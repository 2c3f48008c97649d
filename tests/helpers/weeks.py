"""A program that forks `tickerkit record` commands whose clock and disk a test controls.

For each line of its input, the arguments of a command as JSON, the program forks the command and
prints its process id; when that has ended, a line `pid code`. The command's output goes to the
file of the first argument.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import struct
import subprocess
import sys
import threading
import time
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from commands import environment

__all__ = ["Control", "Recording", "Recordings"]

PRELOADED = [f"tickerkit.{name}" for name in ("cli.record", "feed", "storage.recording_writer")]
FIELDS = struct.Struct("ddqq")


class Control:
    """What a test tells the commands, and what they tell it, in a file that all have mapped.

    Attributes:
        clock_s: the simulated time, in seconds since 1970.
        disk_bytes_s: how many bytes the disk takes in a second, 0 for any number.
        epoch: checksum of the epoch that was written last.
        seq: the seq that was written last.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(FIELDS.size))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), FIELDS.size)

    def _get(self, index: int) -> Any:
        return FIELDS.unpack(self._memory[:])[index]

    def _set(self, index: int, value: float) -> None:
        struct.pack_into("dq"[index // 2], self._memory, 8 * index, value)

    clock_s = property(lambda self: self._get(0), lambda self, value: self._set(0, value))
    disk_bytes_s = property(lambda self: self._get(1), lambda self, value: self._set(1, value))
    epoch = property(lambda self: self._get(2), lambda self, value: self._set(2, value))
    seq = property(lambda self: self._get(3), lambda self, value: self._set(3, value))

    def has_written(self, epoch: str, seq: int) -> bool:
        """Return whether a command has written up to a position."""
        return self.epoch == zlib.crc32(epoch.encode()) and self.seq >= seq


class Recordings:
    """The commands of a test, which are forked by a process that has imported what they need.

    Args:
        folder: where the file of `control` and the output of the commands are kept.

    Attributes:
        control: what the commands are told.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0
        self.control = Control(folder / "control")
        self._mother = subprocess.Popen(
            [sys.executable, __file__, str(folder / "control")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        self._lines: list[list[str]] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._mother.stdout is not None
        for line in self._mother.stdout:
            with self._changed:
                self._lines.append(line.split())
                self._changed.notify_all()

    def line(self, *start: str, timeout_s: float = 120.0) -> list[str]:
        """Wait for the line of the mother's that has this start, and return its other words."""

        def find() -> list[str] | None:
            return next((line for line in self._lines if tuple(line[: len(start)]) == start), None)

        with self._changed:
            assert self._changed.wait_for(lambda: find() is not None, timeout_s), start
            found = find()
        assert found is not None
        return found[len(start) :]

    def start(self, *arguments: str) -> Recording:
        """Start `tickerkit record` with arguments."""
        self._count += 1
        out = self._folder / f"output-{self._count}"
        assert self._mother.stdin is not None
        self._mother.stdin.write(json.dumps([str(out), "record", *arguments]) + "\n")
        self._mother.stdin.flush()
        (pid,) = self.line("started", str(out))
        return Recording(self, int(pid), out)

    def close(self) -> None:
        """End the process that forks; it kills what still runs."""
        assert self._mother.stdin is not None
        self._mother.stdin.close()
        self._mother.wait(60)
        self._reader.join(60)
        if self._mother.stdout is not None:
            self._mother.stdout.close()

    def __enter__(self) -> Recordings:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Recording:
    """A running command; `out` is the file with its output."""

    def __init__(self, recordings: Recordings, pid: int, out: Path) -> None:
        self._recordings, self.pid, self.out = recordings, pid, out

    def end(self, signal: int) -> int:
        """Send a signal, and return the exit code: negative, if the signal has ended it."""
        os.kill(self.pid, signal)
        (code,) = self._recordings.line("ended", str(self.pid))
        return int(code)

    def limit_files(self, size: int) -> None:
        """Let no file grow beyond a size, as if the disk were full; -1 for no limit."""
        import resource

        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, -1))


# --- the program ----------------------------------------------------------------------------------


def main() -> None:
    """Fork a command for each line, until the input ends."""
    for name in PRELOADED:
        import_module(name)

    control = Control(Path(sys.argv[1]))
    gc.freeze()  # so that no collection in a child copies this memory
    running: set[int] = set()
    for line in sys.stdin:
        out, *arguments = json.loads(line)
        ours, theirs = os.pipe()
        if not (pid := os.fork()):
            _record(control, theirs, arguments)
        os.close(theirs)
        running.add(pid)
        _tell("started", out, pid)
        threading.Thread(target=_wait, args=(pid, running, ours, out)).start()
    for pid in list(running):
        os.kill(pid, 9)


def _wait(pid: int, running: set[int], output: int, out: str) -> None:
    # A pipe, since a limit of the size of files would hold for a file, too.
    with open(output, "rb", buffering=0) as source, open(out, "wb", buffering=0) as target:
        while data := source.read(65536):
            target.write(data)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    running.discard(pid)
    _tell("ended", pid, code)


def _tell(*words: object) -> None:
    """Write a line; not by `print`, whose lock a fork may copy while another thread holds it."""
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


def _record(control: Control, output: int, arguments: list[str]) -> None:
    """Be the command, and end with its exit code."""
    for stream in (1, 2):
        os.dup2(output, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    _control_disk(control)
    _control_writer(control)
    from tickerkit.cli import main as command

    code = command(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _control_disk(control: Control) -> None:
    """Have the disk take no more bytes in a second than it may."""
    from tickerkit.storage.files import AppendFile
    from tickerkit.storage.parquet.growing_file import GrowingFile

    def slow_down(size: int) -> None:
        if rate := control.disk_bytes_s:
            time.sleep(size / rate)

    append, write = AppendFile._write, GrowingFile._write_hidden

    def append_slowly(self: AppendFile, data: bytes) -> None:
        slow_down(len(data))
        append(self, data)

    def write_slowly(self: GrowingFile, file: BinaryIO, parts: list[bytes]) -> None:
        slow_down(sum(map(len, parts)))
        write(self, file, parts)

    AppendFile._write = append_slowly  # type: ignore[method-assign]
    GrowingFile._write_hidden = write_slowly  # type: ignore[method-assign]


def _control_writer(control: Control) -> None:
    """Give the writer the simulated clock, and have it tell how far it is."""
    from tickerkit.storage.recording_writer import RecordingWriter

    defaults = RecordingWriter.__init__.__kwdefaults__
    assert defaults is not None
    defaults["clock"] = lambda: control.clock_s
    take = RecordingWriter.take

    def telling(self: RecordingWriter, *arguments: Any) -> None:
        try:
            take(self, *arguments)
        finally:
            if (last := self.last) is not None:
                control.epoch, control.seq = zlib.crc32(last.epoch.encode()), last.seq

    RecordingWriter.take = telling  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
