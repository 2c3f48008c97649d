"""`tickerkit replay`: serves recordings as if live, and shows the position in the terminal."""

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

from tickerkit.cli.exit_codes import UsageError
from tickerkit.cli.interrupt import interrupt
from tickerkit.cli.keys import open_keyboard
from tickerkit.cli.options import (
    Drain,
    History,
    Host,
    Hosts,
    MaxClients,
    MetricsPort,
    NoToken,
    Origins,
    Port,
    Token,
)
from tickerkit.cli.serving import (
    drain_server,
    format_server,
    print_addresses,
    print_summary,
    start_server,
    watch_server,
)
from tickerkit.cli.terminal import print_line
from tickerkit.errors import InvalidArgument, Stopped
from tickerkit.formatting import format_count, format_time

if TYPE_CHECKING:
    from tickerkit.server import TickServer
    from tickerkit.sources import ReplaySource

__all__ = ["replay"]

POLL_KEYS_S = 0.05
JUMP_S = 10
BAR_WIDTH = 16


def replay(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="Recordings, played in this order, or a folder."),
    ],
    speed: Annotated[
        float,
        typer.Option(
            min=0.001,
            metavar="X",
            help="Multiple of the recorded pace; inf: as fast as the slowest reader reads.",
        ),
    ] = 1.0,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="Where to begin: an ISO time in UTC, or seconds from the start.",
        ),
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Start again at the end.")] = False,
    wait_for: Annotated[
        int, typer.Option(min=0, metavar="N", help="Begin when N readers are connected.")
    ] = 0,
    paused: Annotated[
        bool, typer.Option("--paused", help="Begin paused; the space bar starts it.")
    ] = False,
    leave: Annotated[
        bool, typer.Option("--exit", help="End once every reader has received the last tick.")
    ] = False,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    history: History = 1_000_000,
    token: Token = None,
    no_token: NoToken = False,
    hosts: Hosts = "",
    origins: Origins = "",
    max_clients: MaxClients = 1000,
    metrics_port: MetricsPort = None,
    drain: Drain = "",
) -> None:
    """Serve recordings as if they happened now, until Ctrl-C.

    In a terminal, the space bar pauses and plays, and the arrow keys seek by 10 s. The server still
    runs after the end: clients that join later get the history.
    """
    from tickerkit.sources import replay as make_source

    if loop and leave:
        raise UsageError("--loop never reaches the end that --exit waits for; pass one of them")
    source = make_source(files[0] if len(files) == 1 else files, speed, wait_for, loop)
    if start is not None:
        _seek_start(source, start)
    with open_keyboard() as read_keys:
        if paused and read_keys is None:
            raise UsageError("--paused needs a terminal, where the space bar starts the replay")
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
            max_clients=max_clients,
            metrics_port=metrics_port,
            drain=drain,
        )
        if server is None:
            return
        with server:
            print_addresses(server, f"replaying {', '.join(files)}")
            keys = "Space pauses, ← and → seek by 10 s. " if read_keys else ""
            print_line(f"{keys}Ctrl-C stops it.", "dim")

            def wait(seconds: float) -> bool:
                end = time.monotonic() + seconds
                while not interrupt.wait(POLL_KEYS_S):
                    for key in read_keys() if read_keys else ():
                        _apply_key(source, key)
                    if leave and _is_delivered(server):
                        return True
                    if time.monotonic() >= end:
                        return False
                return True

            watch_server(server, _make_formatter(server, source), wait)
            drain_server(server, drain)
    print_summary(server)


def _seek_start(source: ReplaySource, start: str) -> None:
    """Seek to the time of `--from`."""
    try:
        place: float | str = float(start)
    except ValueError:
        place = start
    try:
        source.seek(place)
    except ValueError:
        expected = "a time such as 2026-11-24T10:00:00, or seconds from the start"
        raise InvalidArgument("from", start, expected) from None


def _apply_key(source: ReplaySource, key: str) -> None:
    with contextlib.suppress(Stopped):  # the replay has ended
        if key == "space":
            (source.play if source.state == "paused" else source.pause)()
        elif source.position is not None and source.start is not None:
            jump_s = JUMP_S if key == "right" else -JUMP_S
            source.seek((source.position - source.start).total_seconds() + jump_s)


def _is_delivered(server: TickServer) -> bool:
    """Return whether the replay has ended and every reader has its last tick."""
    if server.status != "ended":
        return False
    stats = server.stats
    failed = not stats["ticks"] and stats["refused"]
    return not failed and not server.clients["behind"].any()


def _make_formatter(server: TickServer, source: ReplaySource) -> Callable[[], RenderableType]:
    """Return a function that returns the line of a replay: a bar, its times, speed and clients."""
    bar = ProgressBar(total=1.0, completed=0.0, width=BAR_WIDTH)

    def format_state() -> RenderableType:
        position, start, end = source.position, source.start, source.end
        parts = []
        if position is not None and start is not None and end is not None:
            share = (position - start) / (end - start) if end > start else 1.0
            bar.update(share)
            date = start.date() != end.date()
            times = f"{format_time(position, date=date)} of {format_time(end, date=date)} UTC"
            parts = [f"{share:4.0%}", times]
        elif position is not None:  # the end is not known yet
            parts = [f"{format_time(position, date=True)} UTC"]
        speed = "unlimited" if math.isinf(source.speed) else f"{source.speed:g}×"
        clients = format_count(len(server.clients), "client")
        table = Table.grid(padding=(0, 1, 0, 0))
        table.add_row(bar, format_server(server, *parts, speed, clients, status=source.state))
        return table

    return format_state
