"""Outputs of `tickerkit record`: files that a later run resumes, or lines on stdout."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tickerkit.cli.exit_codes import UsageError
from tickerkit.cli.terminal import escape_controls, print_error, print_line, show_busy
from tickerkit.errors import RecordingExists, TickerkitError

if TYPE_CHECKING:
    from tickerkit.feed import Feed, Recorder
    from tickerkit.log import Position
    from tickerkit.storage.files import Mode
    from tickerkit.storage.paths import Naming

__all__ = ["FileOutput", "Output", "PipeOutput", "choose_output"]

STDOUT = "-"
FLUSH_S = 1.0


class Output(Protocol):
    """Where ticks are recorded to.

    Attributes:
        is_pipe: whether the ticks go to stdout, so that nothing else may.
        flush_s: seconds for which ticks are gathered before they are written.
    """

    is_pipe: bool
    flush_s: float

    def read_last_tick(self) -> tuple[int, Position | None]:
        """Return how many ticks one file has already, and the position of its last tick."""

    def record(self, feed: Feed) -> Recorder:
        """Start to record a feed."""

    def name(self, recorder: Recorder) -> str:
        """Return the name of the output, for a line of text."""

    def print(self, text: str, style: str = "") -> None:
        """Print a line about the recording."""


@dataclass
class FileOutput:
    """Ticks go to a file or a folder.

    Args:
        path: the file or folder.
        mode: what to do with an existing file.
        flush_s: seconds for which ticks are gathered.
        options: further arguments of `feed.record`.
    """

    path: str
    mode: Mode
    flush_s: float
    options: Mapping[str, Any]
    is_pipe = False

    def __post_init__(self) -> None:
        naming = self._naming
        if self.mode == "new" and not naming.timed and naming.files():
            raise TickerkitError(
                f"{self.path} exists; leave out --new to resume it, or pass --overwrite"
            )

    @property
    def _naming(self) -> Naming:
        from tickerkit.storage.paths import naming_from_path

        named = {key: self.options[key] for key in ("compression", "format", "partition")}
        return naming_from_path(self.path, rotates=self.options["rotate"] is not None, **named)

    def read_last_tick(self) -> tuple[int, Position | None]:
        """Return how many ticks the recording has in its one file, and its last position.

        The count is 0 for a recording of several files, since a new file begins.
        """
        from tickerkit.storage.earlier_files import find_last_tick

        if self.mode != "append":
            return 0, None
        naming = self._naming
        with show_busy("reading the recording, to resume it"):
            last = find_last_tick(naming, lambda error: print_error(f"skipped: {error}"))
        if last is None:
            return 0, None
        return 0 if naming.timed else last.rows, last.position

    def record(self, feed: Feed) -> Recorder:
        """Start to record a feed; raises `TickerkitError` if the file exists, and mode is new."""
        try:
            return feed.record(self.path, mode=self.mode, flush_s=self.flush_s, **self.options)
        except RecordingExists as error:
            fix = "leave out --new to resume it, or pass --overwrite"
            raise TickerkitError(f"{error.path} exists; {fix}") from None

    def name(self, recorder: Recorder) -> str:
        """Return the file that is written; of several, their folder."""
        path = recorder.path if recorder.stats["files"] == 1 else recorder.path.parent
        return escape_controls(path)

    def print(self, text: str, style: str = "") -> None:
        """Print a line to stdout."""
        print_line(text, style)


@dataclass
class PipeOutput:
    """Ticks go to stdout, line by line.

    Args:
        format: "csv" or "jsonl".
        flush_s: seconds for which ticks are gathered.
    """

    format: str
    flush_s: float
    is_pipe = True

    def read_last_tick(self) -> tuple[int, Position | None]:
        """Return that there is no earlier tick: a pipe can't be read back."""
        return 0, None

    def record(self, feed: Feed) -> Recorder:
        """Start to write a feed's ticks."""
        return feed.pipe(sys.stdout.fileno(), format=self.format, flush_s=self.flush_s)

    def name(self, recorder: Recorder) -> str:
        """Return the name of the output."""
        return "stdout"

    def print(self, text: str, style: str = "") -> None:
        """Print a line to stderr: stdout has ticks only."""
        print_error(text)


def choose_output(
    out: str,
    *,
    new: bool,
    overwrite: bool,
    flush_s: float | None,
    format: str | None,  # noqa: A002
    **options: Any,
) -> Output:
    """Return the output that the options of the command describe.

    Args:
        out: a file, a folder, or "-" for stdout.
        new: whether an existing file is refused.
        overwrite: whether an existing file is replaced.
        flush_s: seconds between two writes; None for what the output has by default.
        format: of the lines on stdout, or of the files of a folder; None for CSV.
        **options: further arguments of `feed.record`.

    Raises:
        UsageError: options contradict each other.
        TickerkitError: the file exists, and is to be new.
    """
    from tickerkit.storage.pipe_writer import PIPE_FORMATS
    from tickerkit.validation import check_choice

    if new and overwrite:
        raise UsageError("--new and --overwrite contradict each other; pass one of them")
    if out == STDOUT:
        given = {"new": new, "overwrite": overwrite, **options}
        if unfit := [name for name, value in given.items() if value]:
            raise UsageError(f"--{unfit[0].replace('_', '-')} is for files, and not for -o -")
        check_choice("format", format, (*PIPE_FORMATS, None))
        return PipeOutput(format or PIPE_FORMATS[0], flush_s or 0.0)
    if not out.strip():
        raise UsageError("--out is empty; pass a file such as ticks.csv, a folder, or - for stdout")
    mode: Mode = "new" if new else "overwrite" if overwrite else "append"
    flush_s = FLUSH_S if flush_s is None else flush_s
    return FileOutput(out, mode, flush_s, {"format": format, **options})
