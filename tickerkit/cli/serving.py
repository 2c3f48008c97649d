"""Serving: starts a server for a command, prints its addresses, and shows its state."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from tickerkit.cli.exit_codes import UsageError
from tickerkit.cli.interrupt import interrupt
from tickerkit.cli.options import parse_duration, split_list
from tickerkit.cli.terminal import (
    console,
    escape_controls,
    format_status_dot,
    is_live,
    print_error,
    print_line,
)
from tickerkit.errors import PortTaken, TickerkitError
from tickerkit.formatting import format_count

if TYPE_CHECKING:
    from tickerkit.brokers import Stream
    from tickerkit.server import TickServer

__all__ = [
    "drain_server",
    "format_server",
    "is_fenced",
    "print_addresses",
    "print_summary",
    "raise_if_empty",
    "start_server",
    "watch_server",
]

DRAW_S = 0.25
MIN_REPORT_S = 1.0


def start_server(
    source: object,
    host: str,
    port: int,
    *,
    token: str | None,
    no_token: bool,
    hosts: str,
    origins: str,
    history: int,
    max_clients: int,
    metrics_port: int | None,
    drain: str,
    publish: Stream | None = None,
    every: float = 10.0,
    page: str | None = None,
) -> TickServer | None:
    """Return a running server, or None if an interrupt came before it was started.

    Raises:
        UsageError: the options contradict each other.
        StreamError: its stream can't be read or written.
        TickerkitError: the server can't listen on the port.
    """
    from tickerkit.server import serve

    if token and no_token:
        raise UsageError(
            "--token (or TICKERKIT_TOKEN) and --no-token contradict each other; pass one of them"
        )
    if drain:  # before the server starts: a mistake in it must not show at its end
        parse_duration("drain", drain)
    if interrupt.requested:
        return None
    try:
        return serve(
            source,
            host,
            port,
            every=every,
            history=history,
            token=False if no_token else token or None,
            hosts=split_list(hosts),
            origins=split_list(origins),
            max_clients=max_clients,
            metrics_port=metrics_port,
            publish=publish,
            page=page,
        )
    except PortTaken as error:
        fix = f"stop it, or pass --{error.argument.replace('_', '-')} 0 for a free port"
        raise TickerkitError(f"{error.problem}; {fix}") from None
    except TickerkitError:  # some are an OSError, too: the stream can't be reached
        raise
    except OSError as error:
        problem = f"can't listen on port {port} of {host}: {error.strerror or error}"
        raise TickerkitError(f"{problem}; pass another --host or --port") from None


def print_addresses(server: TickServer, title: str) -> None:
    """Print where a server can be reached, and how."""
    lines = {
        "page": server.page,
        "websocket": server.url,
        "in Python": f'tk.connect("{server.url}")',
        "in a terminal": f'tickerkit watch "{server.url}"',
    }
    lines |= server.list_addresses_for_others()
    if server.metrics_url:
        lines["metrics"] = server.metrics_url
    print_line(escape_controls(title), "bold")
    for name, text in lines.items():
        print_line(f"  {name:<14} {text}")


def watch_server(
    server: TickServer,
    format_state: Callable[[], RenderableType],
    wait: Callable[[float], bool] = interrupt.wait,
    told: str = "",
) -> None:
    """Show a server's state until the command ends: one live line, or errors to a pipe's stderr.

    Args:
        server: the server.
        format_state: returns the line.
        wait: waits for a number of seconds, and returns whether the command ends.
        told: the server's last error, if it needs no report.

    Raises:
        TickerkitError: the source failed without a tick.
    """
    last_error, last_trouble, guess = told, "", ""
    turned_away, reported_at = 0, 0.0
    drawing = Live(console=console, auto_refresh=False, transient=True) if is_live() else None
    with drawing or nullcontext():
        while not wait(DRAW_S):
            raise_if_empty(server)
            stats = server.stats
            if (found := _describe_guess(server)) != guess:
                guess = found
                # Above the line that is drawn; without one to stderr, apart from the output.
                (print_error if drawing is None else print_line)(
                    f"fields: {escape_controls(guess)}"
                )
            published = server.published
            trouble = "" if published is None else published.last_error
            if drawing is not None:
                drawing.update(format_state(), refresh=True)
            elif stats["last_error"] != last_error:
                last_error = stats["last_error"]
                print_error(last_error)
            elif trouble != last_trouble:
                last_trouble = trouble
                print_error(trouble)
            elif (
                stats["turned_away"] != turned_away
                and time.monotonic() - reported_at > MIN_REPORT_S
            ):
                turned_away, reported_at = stats["turned_away"], time.monotonic()
                print_error(f"turned away: {stats['last_turned_away']}")


def is_fenced(server: TickServer) -> bool:
    """Return whether another server has taken over the stream that a server publishes to."""
    published = server.published
    return published is not None and published.fenced


def drain_server(server: TickServer, drain: str) -> None:
    """Stop a server that SIGTERM ends over the time of `--drain`; otherwise do nothing.

    A second signal ends the drain.
    """
    if drain and interrupt.is_termination:
        clients = format_count(server.stats["clients"], "client")
        print_line(f"closing {clients} over {drain}", "dim")
        server.stop(drain=parse_duration("drain", drain))


def _describe_guess(server: TickServer) -> str:
    """Return the field map that the server's source has guessed; empty without one."""
    from tickerkit.sources import MappedSource

    source = server.source
    if not isinstance(source, MappedSource) or not source.describe_guess():
        return ""
    return f"{source.fields!r} (a guess; to keep or correct it, write it to a file for --fields)"


def raise_if_empty(server: TickServer) -> None:
    """Raise the last error of a source that has ended without a tick."""
    stats = server.stats
    if stats["status"] == "ended" and not stats["ticks"] and stats["refused"]:
        raise TickerkitError(stats["last_error"])


def format_server(server: TickServer, *parts: str, status: str = "") -> Text:
    """Return a line with a server's status, some parts, and its errors.

    Args:
        server: the server.
        *parts: texts after the status.
        status: a status to show instead of the server's own.
    """
    stats = server.stats
    status = status or stats["status"]
    line = format_status_dot(status) + Text(f" {status}  {'  '.join(parts)}")
    if stats["status"] == "ended":
        line.append("  the source is finished", style="dim")
    if (published := server.published) is not None:
        text = f"  published {published.seq:,}"
        if published.behind:
            text += f", {published.behind:,} behind"
        line.append(text, "dim" if published.status == "writing" else "yellow")
    if stats["refused"]:
        error = escape_controls(stats["last_error"])
        line.append(f"  {stats['refused']:,} refused: {error}", "yellow")
    if stats["turned_away"]:
        reason = escape_controls(stats["last_turned_away"])
        line.append(f"  {stats['turned_away']:,} turned away: {reason}", "yellow")
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def print_summary(server: TickServer) -> None:
    """Print how many ticks and connections a stopped server had."""
    ticks, connections = server.stats["ticks"], server.stats["connections"]
    print_line(
        f"stopped after {format_count(ticks, 'tick')} "
        f"and {format_count(connections, 'connection')}",
        "dim",
    )
