"""`tickerkit serve`: a server in the terminal."""

from __future__ import annotations

import re
import runpy
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

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
from tickerkit.errors import SourceError
from tickerkit.formatting import format_count

__all__ = ["DEMO", "function_of", "serve"]

DEMO = "sim:AAPL,MSFT,GOOG,AMZN,TSLA"


def serve(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help='Where the ticks come from: "sim:AAPL,MSFT" makes them up, "ticks.csv" replays '
            'a recording, "prices.py:fetch" calls a function of yours.',
        ),
    ] = DEMO,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    every: Annotated[
        float,
        typer.Option(min=0.001, metavar="SECONDS", help="Seconds between two calls of a function."),
    ] = 10.0,
    history: History = 1_000_000,
    token: Token = None,
    no_token: NoToken = False,
    hosts: Hosts = "",
    origins: Origins = "",
) -> None:
    """Serve ticks over a websocket, and a web page, until Ctrl-C.

    When SOURCE ends the server stays: who comes later still gets the history.
    """
    server = start_server(
        function_of(source),
        host,
        port,
        every=every,
        history=history,
        token=token,
        no_token=no_token,
        hosts=hosts,
        origins=origins,
    )
    if server is None:
        return

    def line() -> Text:
        stats = server.stats
        numbers = format_count(stats["clients"], "client"), format_count(stats["ticks"], "tick")
        return state(server, *numbers, f"{stats['rate']:,.0f}/s")

    with server:
        introduce(server, f"serving {source}")
        say("Ctrl-C stops it.", "dim")
        attend(server, line)
    stopped(server)


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
