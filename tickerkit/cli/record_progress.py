"""Progress of `tickerkit record`: a live line on a terminal, errors to a pipe's stderr."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from tickerkit.cli.interrupt import interrupt
from tickerkit.cli.serving import raise_if_empty
from tickerkit.cli.terminal import (
    console,
    escape_controls,
    format_retry,
    is_live,
    print_error,
)
from tickerkit.formatting import format_count, format_size

if TYPE_CHECKING:
    from tickerkit.feed import Feed
    from tickerkit.server import TickServer

__all__ = ["watch_recording"]

DRAW_S = 0.2
REPORT_S = 1.0


def watch_recording(
    feed: Feed,
    recorder: Any,
    server: TickServer | None,
    for_s: float | None,
    ticks: int | None,
    *,
    is_quiet: bool = False,
    beat: Callable[[], object] = lambda: None,
) -> bool:
    """Show the progress until the recording ends.

    Args:
        feed: the feed that is recorded.
        recorder: its recorder.
        server: the server of the recorded source; None for a server elsewhere.
        for_s: ends the recording after this time; None for never.
        ticks: ends the recording after this number of ticks; None for never.
        is_quiet: whether stdout has ticks, so that nothing is drawn there.
        beat: called several times a second.

    Returns:
        Whether the recorder failed to write at the end.

    Raises:
        TickerkitError: the source failed without a tick.
    """
    began = time.monotonic()
    draws = is_live() and not is_quiet
    reported = {"feed": "", "source": "", "recorder": ""}
    report_at = 0.0
    with ExitStack() as stack:
        progress = _make_progress(for_s, ticks)
        if draws:
            stack.enter_context(progress)
        task = progress.add_task("", total=for_s or ticks)
        while True:
            # Read before the last drawing, which then shows everything.
            now = time.monotonic()
            is_over = (
                feed.status in ("ended", "failed")
                or (ticks is not None and feed.log.stop >= ticks)
                or (for_s is not None and now - began >= for_s)
                or not recorder.has_reader
            )
            if server is not None:
                raise_if_empty(server)
            beat()
            if draws:
                done = now - began if for_s else feed.log.stop
                progress.update(task, completed=done, description=_format_state(feed, recorder))
                progress.refresh()
            elif now >= report_at or is_over:
                report_at = now + REPORT_S
                _report_errors(feed, recorder, server, reported)
            left_s = DRAW_S if for_s is None else min(DRAW_S, for_s - (now - began))
            if is_over or interrupt.wait(max(left_s, 0.0)):
                return bool(recorder.status == "failing")


def _make_progress(for_s: float | None, ticks: int | None) -> Progress:
    bar = [BarColumn(20), TimeRemainingColumn()] if for_s or ticks else []
    text = TextColumn("{task.description}", markup=False)
    return Progress(
        SpinnerColumn(), *bar, text, console=console, auto_refresh=False, transient=True
    )


def _format_state(feed: Feed, recorder: Any) -> str:
    stats = recorder.stats
    parts = [
        format_count(stats["written"], "tick"),
        f"{feed.stats['rate']:,.0f}/s",
        format_size(stats["bytes"]),
    ]
    # A flush brings all that came in a second or so; more than that is worth to know.
    if stats["behind"] > 2 * feed.stats["rate"]:
        parts.append(f"{stats['behind']:,} waiting")
    if stats["gaps"]:
        parts.append(format_count(stats["gaps"], "gap"))
    if recorder.status == "failing":
        parts.append(escape_controls(stats["last_error"]))
    if feed.status != "live":
        parts.append(escape_controls(feed.status_detail))
    return "  ".join(parts)


def _report_errors(
    feed: Feed, recorder: Any, server: TickServer | None, reported: dict[str, str]
) -> None:
    """Print each new error to stderr; `reported` has the last one from each origin."""
    errors = {
        "feed": format_retry(feed),
        "source": server.stats["last_error"] if server else feed.stats["last_error"],
        "recorder": recorder.stats["last_error"] if recorder.stats["errors"] else "",
    }
    for origin, error in errors.items():
        if error and error != reported[origin]:
            print_error(error)
        reported[origin] = error
