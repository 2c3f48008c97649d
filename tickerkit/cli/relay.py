"""`tickerkit relay`: runs a server whose log is a stream on a broker, or another server's log."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from tickerkit.cli.exit_codes import UsageError
from tickerkit.cli.interrupt import interrupt
from tickerkit.cli.options import (
    Ca,
    Cert,
    Creds,
    Drain,
    History,
    Host,
    Hosts,
    Key,
    MaxClients,
    MetricsPort,
    NoToken,
    Origins,
    Port,
    Token,
    split_addresses,
)
from tickerkit.cli.serving import (
    drain_server,
    format_server,
    print_addresses,
    print_summary,
    start_server,
    watch_server,
)
from tickerkit.cli.terminal import escape_controls, print_error, print_line
from tickerkit.errors import StreamError
from tickerkit.formatting import format_count

if TYPE_CHECKING:
    from tickerkit.server import TickServer
    from tickerkit.sources import RelaySource

__all__ = ["relay"]

# How long one attempt to start waits for the stream, and so Ctrl-C; further ones follow.
WAIT_S = 1.0
RETRY_S = 0.5


def relay(
    address: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help='The stream of a maker, such as "nats://n1:4222,n2:4222/crypto", or another '
            'tickerkit server, such as "wss://ticks.example.org/".',
        ),
    ],
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
    upstream_token: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            envvar="TICKERKIT_UPSTREAM_TOKEN",
            help="Token of the other tickerkit server; it may also be in URL.",
        ),
    ] = None,
    creds: Creds = None,
    ca: Ca = None,
    cert: Cert = None,
    key: Key = None,
) -> None:
    """Serve the ticks of a stream, or of another server, until Ctrl-C.

    A reader that was cut off elsewhere resumes here: positions are those of the maker, on every
    relay. The relay listens once it has caught up. While the stream can't be reached, it serves
    what it holds; after 15 seconds, GET /readyz is answered 503.
    """
    from tickerkit.brokers import STREAM_SCHEMES
    from tickerkit.feed.relay import relay as make_source

    is_stream = address.startswith(STREAM_SCHEMES)
    if is_stream and upstream_token:
        raise UsageError(
            "--upstream-token (or TICKERKIT_UPSTREAM_TOKEN) is for another tickerkit server; "
            "for a stream pass --creds, or nats://user:password@host/name"
        )
    for option, value in {"--creds": creds, "--cert": cert, "--key": key}.items():
        if value is not None and not is_stream:
            raise UsageError(
                f"{option} is for a stream; for another tickerkit server pass --upstream-token, or "
                "--ca for a certificate to trust"
            )

    def make() -> RelaySource:
        if is_stream:
            return make_source(address, creds=creds, ca=ca, cert=cert, key=key, wait_s=WAIT_S)
        return make_source(split_addresses(address), upstream_token, ca, wait_s=WAIT_S)

    def start() -> TickServer | None:
        return start_server(
            make(),
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

    shown = make().address  # without secrets
    server = _start_patiently(start)
    if server is None:
        return

    def format_state() -> Text:
        stats = server.stats
        counts = format_count(stats["clients"], "client"), format_count(stats["ticks"], "tick")
        lag = f"{stats['lag_s']:.1f} s behind"
        line = format_server(server, *counts, f"{stats['rate']:,.0f}/s", lag)
        if stats["stream"] != "live":
            line.append(f"  {escape_controls(stats['stream'])}", "yellow")
        return line

    with server:
        print_addresses(server, f"relaying {shown}")
        print_line("Ctrl-C stops it.", "dim")
        # What the start had to wait for was told, and is over.
        watch_server(server, format_state, told=server.stats["last_error"])
        drain_server(server, drain)
    print_summary(server)


def _start_patiently(start: Callable[[], TickServer | None]) -> TickServer | None:
    """Start a relay, and try again while its stream can't be reached or is empty.

    Returns:
        The server; None if the command was asked to end.
    """
    reported = ""
    while not interrupt.requested:
        try:
            return start()
        except StreamError as error:
            if error.is_final:
                raise
            if error.problem != reported:
                reported = error.problem
                print_error(f"waiting for {error}")
        interrupt.wait(RETRY_S)
    return None
