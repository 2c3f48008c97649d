"""PipeRecorder: a recorder that writes lines to an open file, such as the pipe to a program."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tickerkit.feed.recorder import Recorder
from tickerkit.log import Gaps, TickLog
from tickerkit.storage.pipe_writer import PipeWriter

__all__ = ["PipeRecorder"]


class PipeRecorder(Recorder):
    """Ticks on their way from a feed's log to a pipe. Made by `feed.pipe`.

    Args:
        log: the log to record.
        gaps: the gaps of the log.
        file: the file descriptor.
        format: "csv" or "jsonl".
        **options: further arguments of `Recorder`.
    """

    _how_to_restart = "call feed.pipe again"

    def __init__(
        self,
        log: TickLog,
        gaps: Gaps,
        file: int,
        *,
        format: str = "csv",  # noqa: A002
        **options: Any,
    ) -> None:
        self._pipe = PipeWriter(file, format)
        super().__init__(log, gaps, self._pipe.path, **options)

    def _make_writer(self, path: str | Path, source: str, options: Mapping[str, Any]) -> PipeWriter:
        return self._pipe

    @property
    def has_reader(self) -> bool:
        """Whether the program at the other end of the pipe still reads, as far as is known."""
        return self._pipe.find_reader()
