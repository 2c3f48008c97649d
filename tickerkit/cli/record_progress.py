"""Recording: what the terminal, or a pipe, is told of a recording that goes on."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from tickerkit.cli.interrupt import ending
from tickerkit.cli.terminal import complain, console, format_retry, is_live, printable, say
from tickerkit.errors import TickerkitError
from tickerkit.formatting import format_count, format_size

if TYPE_CHECKING:
    from tickerkit.feed import Feed
    from tickerkit.server import TickServer

__all__ = ["attend", "tell"]

DRAW_S = 0.2
TELL_S = 1.0


def attend(
    feed: Feed, recorder: Any, server: TickServer | None, for_s: float | None, ticks: int | None
) -> bool:
    """Wait for the end, and show how it goes; return whether the recorder was failing then."""
    began = time.monotonic()
    told = {"feed": "", "source": "", "recorder": ""}
    tell_at = 0.0
    with ExitStack() as ends:
        progress = _progress(for_s, ticks)
        if is_live():
            ends.enter_context(progress)
        task = progress.add_task("", total=for_s or ticks)
        while True:
            # Asked before looking, so that the last look misses nothing.
            now = time.monotonic()
            over = (
                feed.status in ("ended", "failed")
                or (ticks is not None and feed.log.stop >= ticks)
                or (for_s is not None and now - began >= for_s)
            )
            _fail_without_ticks(server)
            if is_live():
                done = now - began if for_s else feed.log.stop
                progress.update(task, completed=done, description=_doing(feed, recorder))
                progress.refresh()
            elif now >= tell_at or over:
                tell_at = now + TELL_S
                _complain(feed, recorder, server, told)
            left = DRAW_S if for_s is None else min(DRAW_S, for_s - (now - began))
            if over or ending.wait(max(left, 0.0)):
                return bool(recorder.status == "failing")


def _fail_without_ticks(server: TickServer | None) -> None:
    if server is not None:
        stats = server.stats
        if stats["status"] == "ended" and not stats["ticks"] and stats["refused"]:
            raise TickerkitError(stats["last_error"])


def _progress(for_s: float | None, ticks: int | None) -> Progress:
    bar = [BarColumn(20), TimeRemainingColumn()] if for_s or ticks else []
    text = TextColumn("{task.description}", markup=False)
    return Progress(
        SpinnerColumn(), *bar, text, console=console, auto_refresh=False, transient=True
    )


def _doing(feed: Feed, recorder: Any) -> str:
    stats = recorder.stats
    parts = [
        format_count(feed.log.stop, "tick"),
        f"{feed.stats['rate']:,.0f}/s",
        format_size(stats["bytes"]),
    ]
    if stats["gaps"]:
        parts.append(format_count(stats["gaps"], "gap"))
    if stats["errors"]:
        parts.append(f"{format_count(stats['errors'], 'error')}: {printable(stats['last_error'])}")
    if feed.status != "live":
        parts.append(printable(feed.status_detail))
    return "  ".join(parts)


def _complain(feed: Feed, recorder: Any, server: TickServer | None, told: dict[str, str]) -> None:
    """Tell each new trouble on stderr."""
    now = {
        "feed": format_retry(feed),
        "source": server.stats["last_error"] if server else feed.stats["last_error"],
        "recorder": recorder.stats["last_error"] if recorder.stats["errors"] else "",
    }
    for name, text in now.items():
        if text and text != told[name]:
            complain(text)
        told[name] = text


def tell(feed: Feed, recorder: Any, held: int, took_s: float) -> None:
    """Say what was recorded; `held` are the ticks that the file had before."""
    stats = recorder.stats
    symbols = format_count(len(feed.log.symbols()), "symbol")
    ticks = f"{format_count(stats['written'], 'tick')} of {symbols}"
    parts = [f"{ticks} in {took_s:,.1f} s", format_size(stats["bytes"])]
    if stats["files"] > 1:
        parts[-1] += f" in {format_count(stats['files'], 'file')}"
    parts.append(format_count(stats["gaps"], "gap") if stats["gaps"] else "no gaps")
    if held:
        parts.append(f"after {format_count(held, 'tick')} that it had")
    where = recorder.path if stats["files"] == 1 else recorder.path.parent
    say(f"{printable(where)}: {', '.join(parts)}")
