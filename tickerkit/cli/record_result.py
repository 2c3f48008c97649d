"""Result of `tickerkit record`: its counts in a line, and what makes it a failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import typer

from tickerkit.cli.exit_codes import FAILED
from tickerkit.cli.interrupt import interrupt
from tickerkit.cli.terminal import escape_controls, print_error
from tickerkit.errors import TickerkitError
from tickerkit.formatting import format_count, format_size

if TYPE_CHECKING:
    from tickerkit.feed import Feed, Recorder
    from tickerkit.server import TickServer

__all__ = ["Result"]


@dataclass
class Result:
    """What a recording came to, once its recorder is stopped.

    Args:
        feed: the feed that was recorded.
        recorder: its recorder.
        server: the server of the recorded source; None for a server elsewhere.
        took_s: how long it took, in seconds.
        was_failing: whether the recorder failed to write just before it was stopped.
        errors: how many errors the recorder had before it was stopped.
    """

    feed: Feed
    recorder: Recorder
    server: TickServer | None
    took_s: float
    was_failing: bool
    errors: int

    @cached_property
    def _stats(self) -> Mapping[str, Any]:
        return self.recorder.stats

    @cached_property
    def _strange(self) -> int:
        """How many messages came that are no ticks."""
        of_source = 0 if self.server is None else self.server.stats["refused"]
        stats = self.feed.stats
        return int(of_source + stats["refused"] + sum(stats["unknown"].values()))

    def format(self, earlier_ticks: int) -> str:
        """Return the counts; `earlier_ticks` were in the file before."""
        stats = self._stats
        symbols = format_count(len(self.feed.log.symbols()), "symbol")
        ticks = f"{format_count(stats['written'], 'tick')} of {symbols}"
        parts = [f"{ticks} in {self.took_s:,.1f} s", format_size(stats["bytes"])]
        if stats["files"] > 1:
            parts[-1] += f" in {format_count(stats['files'], 'file')}"
        if stats["removed"]:
            removed = format_count(stats["removed"], "oldest file")
            parts[-1] += f" ({removed} removed for --max-disk)"
        parts.append(format_count(stats["gaps"], "gap") if stats["gaps"] else "no gaps")
        if left_out := sum(stats["misfits"].values()):
            parts.append(f"{format_count(left_out, 'value')} left out")
        if self._strange:
            verb = "was no tick" if self._strange == 1 else "were no ticks"
            parts.append(f"{format_count(self._strange, 'message')} {verb}")
        if earlier_ticks:
            parts.append(f"after the {format_count(earlier_ticks, 'tick')} that it had")
        return ", ".join(parts)

    def raise_problem(self) -> None:
        """Raise the error that makes the recording a failure, if there is one.

        Raises:
            FeedFailed: the feed failed.
            TickerkitError: nothing came, and it is known why.
            Exit: ticks, or values of them, are not in the file; it is printed which.
        """
        feed, stats = self.feed, self._stats
        if feed.failure is not None:
            raise feed.failure
        if problem := self._find_silence():
            raise TickerkitError(problem)
        if stats["lost"] or self.was_failing or stats["errors"] > self.errors:
            lost = format_count(stats["lost"], "tick")
            prefix = f"{lost} could not be written: " if stats["lost"] else ""
            print_error(f"{prefix}{stats['last_error']}")
            raise typer.Exit(FAILED)
        if stats["misfits"]:
            names = ", ".join(f"{name} ({count:,})" for name, count in stats["misfits"].items())
            problem = "values were left out: no column holds them exactly"
            print_error(f"{problem}: {escape_controls(names)}")
            raise typer.Exit(FAILED)

    def _find_silence(self) -> str:
        """Return why no tick came, as far as it is known; empty if some came."""
        feed, server = self.feed, self.server
        if feed.status == "connecting" and not interrupt.requested:
            reason = feed.status_reason or f"no answer in {self.took_s:.1f} s"
            return f"could not connect to {feed.url}: {reason}"
        if feed.log.stop:
            return ""
        if server is not None and server.stats["last_error"]:
            return f"no tick came: {server.stats['last_error']}"
        if self._strange:
            return f"no tick came: {feed.stats['last_error'] or 'the messages are no ticks'}"
        return feed.missing_symbols
