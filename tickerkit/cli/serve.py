"""`tickerkit serve`: a server in the terminal."""

from __future__ import annotations

import re
import runpy
import sys
import time
import traceback
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live
from rich.text import Text

from tickerkit.cli.ending import ending
from tickerkit.cli.terminal import complain, console, count, dot, is_live, printable, say
from tickerkit.errors import PortTaken, SourceError, TickerkitError

if TYPE_CHECKING:
    from tickerkit.server import TickServer

__all__ = ["DEMO", "function_of", "serve", "words"]

DEMO = "sim:AAPL,MSFT,GOOG,AMZN,TSLA"
DRAW_S = 0.25
TELL_S = 1.0


def serve(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help='Where the ticks come from: "sim:AAPL,MSFT" makes them up, "ticks.csv" replays '
            'a recording, "prices.py:fetch" calls a function of yours.',
        ),
    ] = DEMO,
    host: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Address to bind; 0.0.0.0 lets others in, who then need the token."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="N", help="Port to listen on; 0 takes a free one."),
    ] = 8000,
    every: Annotated[
        float,
        typer.Option(min=0.001, metavar="SECONDS", help="Seconds between two calls of a function."),
    ] = 10.0,
    history: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Ticks to hold, for those who join late or come back."
        ),
    ] = 1_000_000,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="What clients must show; made by itself when others are let in."
        ),
    ] = None,
    no_token: Annotated[
        bool, typer.Option("--no-token", help="Let others in without a token.")
    ] = False,
    hosts: Annotated[
        str, typer.Option(metavar="LIST", help="Further names it has, with commas.")
    ] = "",
    origins: Annotated[
        str,
        typer.Option(metavar="LIST", help="Web pages elsewhere that may connect, with commas."),
    ] = "",
) -> None:
    """Serve ticks over a websocket, and a web page, until Ctrl-C.

    When SOURCE ends the server stays: who comes later still gets the history.
    """
    from tickerkit.server import serve as start

    if token and no_token:
        raise typer.BadParameter("--token and --no-token contradict each other")
    made = function_of(source)
    if ending.asked:
        return
    try:
        server = start(
            made,
            host,
            port,
            every=every,
            history=history,
            token=False if no_token else token or None,
            hosts=words(hosts),
            origins=words(origins),
        )
    except PortTaken as error:
        raise TickerkitError(str(error).replace("pass port=0", "pass --port 0")) from None
    except OSError as error:
        problem = f"can't listen on port {port} of {host}: {error.strerror or error}"
        raise TickerkitError(problem) from None
    with server:
        _introduce(server, source)
        _attend(server)
    ticks, connections = server.stats["ticks"], server.stats["connections"]
    say(f"stopped after {count(ticks, 'tick')} and {count(connections, 'connection')}", "dim")


def words(text: str) -> list[str]:
    """Return what commas separate."""
    return [word.strip() for word in text.split(",") if word.strip()]


def _introduce(server: TickServer, source: str) -> None:
    lines = {
        "page": server.page,
        "websocket": server.url,
        "in Python": f'tk.connect("{server.url}")',
        "in a terminal": f'tickerkit watch "{server.url}"',
    }
    if link := server.page_for_others:
        lines["for others"] = link
    say(f"serving {printable(source)}", "bold")
    for name, text in lines.items():
        say(f"  {name:<14} {text}")
    say("Ctrl-C stops it.", "dim")


def _attend(server: TickServer) -> None:
    """Wait for the end, and tell meanwhile how it goes: in one line on a terminal, else errors."""
    told = ""
    turned_away, since = 0, 0.0
    drawing = Live(console=console, auto_refresh=False, transient=True) if is_live() else None
    with drawing or nullcontext():
        while not ending.wait(DRAW_S):
            stats = server.stats
            if stats["status"] == "ended" and not stats["ticks"] and stats["refused"]:
                raise TickerkitError(stats["last_error"])
            if drawing is not None:
                drawing.update(_line(server), refresh=True)
            elif stats["last_error"] != told:
                told = stats["last_error"]
                complain(told)
            elif stats["turned_away"] != turned_away and time.monotonic() - since > TELL_S:
                turned_away, since = stats["turned_away"], time.monotonic()
                complain(f"turned away: {stats['last_turned_away']}")


def _line(server: TickServer) -> Text:
    stats = server.stats
    parts = [
        count(stats["clients"], "client"),
        count(stats["ticks"], "tick"),
        f"{stats['rate']:,.0f}/s",
    ]
    line = dot(stats["status"]) + Text(f" {stats['status']}  {'  '.join(parts)}")
    if stats["status"] == "ended":
        line.append("  the source is finished", style="dim")
    if stats["refused"]:
        line.append(f"  {stats['refused']:,} refused: {printable(stats['last_error'])}", "yellow")
    if stats["turned_away"]:
        away = f"{stats['turned_away']:,} turned away: {printable(stats['last_turned_away'])}"
        line.append(f"  {away}", "yellow")
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def function_of(source: str) -> object:
    """Return the function that `prices.py:fetch` names; any other text as it is."""
    match = re.fullmatch(r"(.+\.py):(\w+)", source)
    if match is None:
        return source
    path, name = Path(match[1]).expanduser(), match[2]
    if not path.is_file():
        raise SourceError(source, f"there is no file at {path.absolute()}")
    sys.path.insert(0, str(path.absolute().parent))  # as `python prices.py` has it
    try:
        names = runpy.run_path(str(path), run_name=path.stem)
    except Exception as error:
        line = traceback.extract_tb(error.__traceback__)[-1].lineno
        problem = f"running it raised {type(error).__name__}: {error} (line {line})"
        raise SourceError(source, problem) from None
    if not callable(names.get(name)):
        raise SourceError(source, f"{path.name} has no function {name}")
    return names[name]
