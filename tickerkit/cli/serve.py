"""`tickerkit serve`: runs a server in the terminal."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from tickerkit.cli.exit_codes import FENCED, UsageError
from tickerkit.cli.interrupt import interrupt
from tickerkit.cli.options import (
    Ca,
    Cert,
    Creds,
    Drain,
    Every,
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
)
from tickerkit.cli.serving import (
    drain_server,
    format_server,
    is_fenced,
    print_addresses,
    print_summary,
    start_server,
    watch_server,
)
from tickerkit.cli.source import DEMO, hide_password, load_source
from tickerkit.cli.terminal import print_error, print_line
from tickerkit.formatting import format_count

__all__ = ["serve"]


def serve(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help='Where the ticks come from: "sim:AAPL,MSFT" simulates prices, '
            '"sensors:kitchen,garden" temperatures; "ticks.csv" replays a recording, '
            '"prices.py:fetch" calls a function of a Python file; "-" reads JSON lines from stdin, '
            '"kraken:BTC/USD" connects to a venue, "mqtt://host/home/#" subscribes to a broker, '
            '"events:https://host/stream" to Server-Sent Events.',
        ),
    ] = DEMO,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    every: Every = 10.0,
    fields: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="A field map (TOML) that says where in a line of stdin, a message of MQTT, or an "
            "event the fields of a tick are.",
        ),
    ] = "",
    history: History = 1_000_000,
    token: Token = None,
    no_token: NoToken = False,
    hosts: Hosts = "",
    origins: Origins = "",
    max_clients: MaxClients = 1000,
    metrics_port: MetricsPort = None,
    drain: Drain = "",
    page: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="A web page of your own, on the same port: an HTML file, or a folder with an "
            "index.html. tickerkit's own page is then at /tickerkit/.",
        ),
    ] = None,
    publish: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help='Write the ticks to a stream, too, such as "nats://n1:4222,n2:4222/crypto"; '
            "`tickerkit relay` serves it on any machine.",
        ),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE|TIME",
            help="How much a new stream holds: 1GB (the default), 24h, or both as in 24h,10GB.",
        ),
    ] = None,
    replicas: Annotated[
        int | None,
        typer.Option(
            min=1, max=5, metavar="N", help="Brokers that hold a new stream; 3 in a cluster."
        ),
    ] = None,
    creds: Creds = None,
    ca: Ca = None,
    cert: Cert = None,
    key: Key = None,
) -> None:
    """Serve ticks over a websocket, with a web page, until Ctrl-C.

    The server still runs after SOURCE has ended: clients that join later get the history. With
    --publish, it ends with exit code 3 when another server has taken over the stream.
    """
    stream = None
    files = {"--creds": creds, "--ca": ca, "--cert": cert, "--key": key}
    for option, value in {"--keep": keep, "--replicas": replicas, **files}.items():
        if value is not None and publish is None:
            raise UsageError(f"{option} is about the stream of --publish, which is missing")
    if publish is not None:
        from tickerkit.brokers import stream as make_stream
        from tickerkit.errors import InvalidArgument

        try:
            stream = make_stream(
                publish, creds=creds, ca=ca, cert=cert, key=key, keep=keep, replicas=replicas
            )
        except InvalidArgument as error:
            if error.argument != "url":
                raise
            raise InvalidArgument("publish", error.value, error.expected) from None
    server = start_server(
        load_source(source, every, fields=fields),
        host,
        port,
        every=every,
        history=history,
        token=token,
        no_token=no_token,
        hosts=hosts,
        origins=origins,
        max_clients=max_clients,
        metrics_port=metrics_port,
        drain=drain,
        publish=stream,
        page=page,
    )
    if server is None:
        return

    def format_state() -> Text:
        stats = server.stats
        counts = format_count(stats["clients"], "client"), format_count(stats["ticks"], "tick")
        return format_server(server, *counts, f"{stats['rate']:,.0f}/s")

    def wait(seconds: float) -> bool:
        return interrupt.wait(seconds) or is_fenced(server)

    with server:
        print_addresses(server, f"serving {hide_password(source)}")
        if stream is not None:
            print_line(f"  {'published to':<14} {stream}")
        print_line("Ctrl-C stops it.", "dim")
        watch_server(server, format_state, wait)
        drain_server(server, drain)
        fenced = is_fenced(server)
    print_summary(server)
    if fenced:
        print_error(f"another server has taken over {stream}; this one ends")
        raise typer.Exit(FENCED)
