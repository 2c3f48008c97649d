"""Serving: what the commands that run a server have in common: options, links, a line of state."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from tickerkit.cli.interrupt import ending
from tickerkit.cli.terminal import complain, console, dot, is_live, printable, say
from tickerkit.errors import PortTaken, TickerkitError
from tickerkit.formatting import format_count

if TYPE_CHECKING:
    from tickerkit.server import TickServer

__all__ = [
    "History",
    "Host",
    "Hosts",
    "NoToken",
    "Origins",
    "Port",
    "Token",
    "attend",
    "introduce",
    "start_server",
    "state",
    "stopped",
    "words",
]

DRAW_S = 0.25
TELL_S = 1.0

Host: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Address to bind; 0.0.0.0 lets others in, who then need the token."
    ),
]
Port: TypeAlias = Annotated[
    int,
    typer.Option(min=0, max=65535, metavar="N", help="Port to listen on; 0 takes a free one."),
]
History: TypeAlias = Annotated[
    int,
    typer.Option(min=1, metavar="N", help="Ticks to hold, for those who join late or come back."),
]
Token: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT", help="What clients must show; made by itself when others are let in."
    ),
]
NoToken: TypeAlias = Annotated[
    bool, typer.Option("--no-token", help="Let others in without a token.")
]
Hosts: TypeAlias = Annotated[
    str, typer.Option(metavar="LIST", help="Further names it has, with commas.")
]
Origins: TypeAlias = Annotated[
    str,
    typer.Option(metavar="LIST", help="Web pages elsewhere that may connect, with commas."),
]


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
    every: float = 10.0,
) -> TickServer | None:
    """Return a running server, None if asked to end before; raise in the command line's words."""
    from tickerkit.server import serve

    if token and no_token:
        raise typer.BadParameter("--token and --no-token contradict each other")
    if ending.asked:
        return None
    try:
        return serve(
            source,
            host,
            port,
            every=every,
            history=history,
            token=False if no_token else token or None,
            hosts=words(hosts),
            origins=words(origins),
        )
    except PortTaken as error:
        fix = "stop it, or pass --port 0 for a free port"
        raise TickerkitError(f"{error.problem}; {fix}") from None
    except OSError as error:
        problem = f"can't listen on port {port} of {host}: {error.strerror or error}"
        raise TickerkitError(problem) from None


def words(text: str) -> list[str]:
    """Return what commas separate."""
    return [word.strip() for word in text.split(",") if word.strip()]


def introduce(server: TickServer, doing: str) -> None:
    """Say what is served, and where."""
    lines = {
        "page": server.page,
        "websocket": server.url,
        "in Python": f'tk.connect("{server.url}")',
        "in a terminal": f'tickerkit watch "{server.url}"',
    }
    if link := server.page_for_others:
        lines["for others"] = link
    say(printable(doing), "bold")
    for name, text in lines.items():
        say(f"  {name:<14} {text}")


def attend(
    server: TickServer,
    line: Callable[[], RenderableType],
    wait: Callable[[float], bool] = ending.wait,
) -> None:
    """Wait for the end, and tell meanwhile how it goes: in one line on a terminal, else errors.

    Args:
        server: the server.
        line: returns the line.
        wait: waits for some seconds, and returns whether it is the end.
    """
    told = ""
    turned_away, since = 0, 0.0
    drawing = Live(console=console, auto_refresh=False, transient=True) if is_live() else None
    with drawing or nullcontext():
        while not wait(DRAW_S):
            stats = server.stats
            if stats["status"] == "ended" and not stats["ticks"] and stats["refused"]:
                raise TickerkitError(stats["last_error"])
            if drawing is not None:
                drawing.update(line(), refresh=True)
            elif stats["last_error"] != told:
                told = stats["last_error"]
                complain(told)
            elif stats["turned_away"] != turned_away and time.monotonic() - since > TELL_S:
                turned_away, since = stats["turned_away"], time.monotonic()
                complain(f"turned away: {stats['last_turned_away']}")


def state(server: TickServer, *parts: str, status: str = "") -> Text:
    """Return a line of a server's state, or this one, with these parts and what went wrong."""
    stats = server.stats
    status = status or stats["status"]
    line = dot(status) + Text(f" {status}  {'  '.join(parts)}")
    if stats["status"] == "ended":
        line.append("  the source is finished", style="dim")
    if stats["refused"]:
        line.append(f"  {stats['refused']:,} refused: {printable(stats['last_error'])}", "yellow")
    if stats["turned_away"]:
        away = f"{stats['turned_away']:,} turned away: {printable(stats['last_turned_away'])}"
        line.append(f"  {away}", "yellow")
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def stopped(server: TickServer) -> None:
    """Say what a server that is stopped has done."""
    ticks, connections = server.stats["ticks"], server.stats["connections"]
    say(
        f"stopped after {format_count(ticks, 'tick')} "
        f"and {format_count(connections, 'connection')}",
        "dim",
    )
