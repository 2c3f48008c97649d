"""`tickerkit replay`: recordings, served as if live, with their place in the terminal."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table

from tickerkit.cli.interrupt import ending
from tickerkit.cli.keys import read_key
from tickerkit.cli.server_options import (
    History,
    Host,
    Hosts,
    NoToken,
    Origins,
    Port,
    Token,
    attend,
    introduce,
    start_server,
    state,
    stopped,
)
from tickerkit.cli.terminal import say
from tickerkit.errors import Stopped
from tickerkit.formatting import format_count

if TYPE_CHECKING:
    import pandas as pd

    from tickerkit.server import TickServer
    from tickerkit.sources import ReplaySource

__all__ = ["replay"]

KEY_S = 0.05
JUMP_S = 10
BAR_WIDTH = 16


def replay(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE", help="Recordings, played in this order, or a folder of them."
        ),
    ],
    speed: Annotated[
        float,
        typer.Option(
            min=0.001, metavar="X", help="Times as fast as recorded; inf as fast as it is taken."
        ),
    ] = 1.0,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="Begin there: ISO time in UTC, or seconds from the start.",
        ),
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Start again at the end.")] = False,
    wait_for: Annotated[
        int, typer.Option(min=0, metavar="N", help="Begin when so many readers are there.")
    ] = 0,
    paused: Annotated[
        bool, typer.Option("--paused", help="Begin paused; the space bar plays.")
    ] = False,
    leave: Annotated[
        bool, typer.Option("--exit", help="End once the last tick was taken, not by Ctrl-C only.")
    ] = False,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    history: History = 1_000_000,
    token: Token = None,
    no_token: NoToken = False,
    hosts: Hosts = "",
    origins: Origins = "",
) -> None:
    """Serve recordings as if they happened now, until Ctrl-C.

    In a terminal the space bar pauses and plays, and the arrows go 10 s back and on. At the end the
    server stays: who comes later still gets the history.
    """
    from tickerkit.sources import replay as replayed

    if loop and leave:
        raise typer.BadParameter("--loop never comes to the end that --exit waits for")
    source = replayed(files[0] if len(files) == 1 else files, speed, wait_for, loop)
    if start is not None:
        _begin_at(source, start)
    with read_key() as keys:
        if paused and keys is None:
            raise typer.BadParameter("--paused wants a terminal, whose space bar plays")
        if paused:
            source.pause()
        server = start_server(
            source,
            host,
            port,
            history=history,
            token=token,
            no_token=no_token,
            hosts=hosts,
            origins=origins,
        )
        if server is None:
            return
        with server:
            introduce(server, f"replaying {', '.join(files)}")
            say(f"{'Space pauses, ← and → go 10 s. ' if keys else ''}Ctrl-C stops it.", "dim")

            def wait(seconds: float) -> bool:
                end = time.monotonic() + seconds
                while not ending.wait(KEY_S):
                    for key in keys() if keys else ():
                        _steer(source, key)
                    if leave and _is_taken(server):
                        return True
                    if time.monotonic() >= end:
                        return False
                return True

            attend(server, _line(server, source), wait)
    stopped(server)


def _begin_at(source: ReplaySource, start: str) -> None:
    try:
        source.seek(_seconds(start))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--from") from None


def _seconds(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _steer(source: ReplaySource, key: str) -> None:
    with contextlib.suppress(Stopped):  # at its end
        if key == "space":
            (source.play if source.state == "paused" else source.pause)()
        elif source.position is not None and source.start is not None:
            jump = JUMP_S if key == "right" else -JUMP_S
            source.seek((source.position - source.start).total_seconds() + jump)


def _is_taken(server: TickServer) -> bool:
    """Return whether all is sent, and every reader has it."""
    if server.status != "ended":
        return False
    stats = server.stats
    failed = not stats["ticks"] and stats["refused"]
    return not failed and not server.clients["behind"].any()


def _line(server: TickServer, source: ReplaySource) -> Callable[[], RenderableType]:
    bar = ProgressBar(total=1.0, completed=0.0, width=BAR_WIDTH)

    def line() -> RenderableType:
        position, start, end = source.position, source.start, source.end
        parts = []
        if position is not None and start is not None and end is not None:
            share = (position - start) / (end - start) if end > start else 1.0
            bar.update(share)
            one_day = start.date() == end.date()
            parts = [f"{share:4.0%}", f"{_clock(position, one_day)} of {_clock(end, one_day)} UTC"]
        speed = "flat out" if math.isinf(source.speed) else f"{source.speed:g}×"
        clients = format_count(len(server.clients), "client")
        table = Table.grid(padding=(0, 1, 0, 0))
        table.add_row(bar, state(server, *parts, speed, clients, status=source.state))
        return table

    return line


def _clock(moment: pd.Timestamp, one_day: bool) -> str:
    return f"{moment:%H:%M:%S}" if one_day else f"{moment:%Y-%m-%d %H:%M:%S}"
