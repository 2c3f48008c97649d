"""Options that several commands have, and how their values are read."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

import typer

from tickerkit import validation
from tickerkit.cli.exit_codes import UsageError
from tickerkit.errors import InvalidArgument
from tickerkit.net.addresses import MAX_PORT, is_loopback
from tickerkit.net.urls import check_websocket_url, split_websocket_url

__all__ = [
    "Ca",
    "Cert",
    "Creds",
    "Drain",
    "Every",
    "History",
    "Host",
    "Hosts",
    "Key",
    "MaxClients",
    "MetricsPort",
    "NoToken",
    "Origins",
    "Port",
    "RetryFor",
    "ServersToken",
    "Ssl",
    "Symbols",
    "Token",
    "check_connecting",
    "choose_token",
    "parse_duration",
    "parse_retry_for",
    "parse_symbols",
    "split_addresses",
    "split_list",
]

TOKEN_VARIABLE = "TICKERKIT_TOKEN"
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
# Between two addresses; an address may have a comma of its own.
BETWEEN_ADDRESSES = re.compile(r",\s*(?=\w+://)")
DURATION = re.compile(r"(\d+\.?\d*)\s*([smhd]?)")

Symbols: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="LIST", help="Only these symbols, such as AAPL,MSFT; all by default."),
]
Every: TypeAlias = Annotated[
    float,
    typer.Option(
        min=0.001,
        metavar="SECONDS",
        help="Seconds from one call of a function to the next; other sources ignore it.",
    ),
]
Host: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Address to bind; 0.0.0.0 admits other machines, which then need the token.",
    ),
]
Port: TypeAlias = Annotated[
    int,
    typer.Option(min=0, max=MAX_PORT, metavar="N", help="Port to listen on; 0 takes a free one."),
]
History: TypeAlias = Annotated[
    int,
    typer.Option(min=1, metavar="N", help="Ticks to hold, for clients that join or resume later."),
]
Token: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        envvar=TOKEN_VARIABLE,
        help="Token that clients must send; generated if other machines are admitted. Other users "
        "of the machine can see the arguments of a command, but not the variable.",
    ),
]
ServersToken: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help=f"The server's token; it may also be in the address. Without it, {TOKEN_VARIABLE} is "
        "sent to a server on this machine (localhost, 127.0.0.1, [::1]), and to no other.",
    ),
]
RetryFor: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Fail after this time without a connection, such as 10m; by default it tries to "
        "connect for ever.",
    ),
]
Ssl: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Certificate to trust, in PEM, for a wss:// address, such as that of a school's own "
        "server; by default those of the system.",
    ),
]
Drain: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="TIME",
        help="After SIGTERM, close the clients one by one over this time, such as 10s, so that "
        "they don't all come to another server at once. Ctrl-C ends at once.",
    ),
]
MaxClients: TypeAlias = Annotated[
    int,
    typer.Option(min=1, metavar="N", help="Websockets to admit; further ones get HTTP 503."),
]
MetricsPort: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MAX_PORT,
        metavar="N",
        help="A second port, which serves /metrics alone and needs no token; without it, "
        "Prometheus reads /metrics on --port, with the token.",
    ),
]
NoToken: TypeAlias = Annotated[
    bool, typer.Option("--no-token", help="Admit other machines without a token.")
]
Hosts: TypeAlias = Annotated[
    str,
    typer.Option(metavar="LIST", help="Further host names of this server, separated by commas."),
]
Origins: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="LIST",
        help="Origins of web pages that may connect, such as https://example.org, separated by "
        "commas.",
    ),
]
Creds: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Credentials for the broker of a stream, as `nsc` writes them; by default the file "
        "that NATS_CREDS names.",
    ),
]
Ca: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Certificates to trust, in PEM: of the broker of a stream, where NATS_CA may name "
        "them, or of the other server of `tickerkit relay`.",
    ),
]
Cert: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Own certificate for a broker, in PEM; or NATS_CERT."),
]
Key: TypeAlias = Annotated[
    str | None, typer.Option(metavar="FILE", help="The key of --cert, in PEM; or NATS_KEY.")
]


def split_addresses(text: str) -> list[str]:
    """Return the addresses of a text such as "wss://a/,wss://b/"."""
    return BETWEEN_ADDRESSES.split(text)


def choose_token(urls: Sequence[str], token: str | None) -> str | None:
    """Return the token to send to servers; None to send only those of their addresses, if any.

    The variable holds the token of a server on this machine. Another machine's server gets only a
    token that the user gave for it: it may belong to a stranger.

    Args:
        urls: the servers' addresses, which may have tokens.
        token: the value of `--token`.

    Raises:
        InvalidArgument: an address is invalid.
    """
    for url in urls:
        address, url_token = split_websocket_url(check_websocket_url(url))
        if token or url_token or not is_loopback(urlsplit(address).hostname or ""):
            return token or None
    return os.environ.get(TOKEN_VARIABLE) or None


def split_list(text: str) -> list[str]:
    """Return the parts of a text between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def parse_symbols(text: str | None) -> list[str] | None:
    """Return the symbols of `--symbols`; None for all.

    Raises:
        InvalidArgument: one of them is empty.
    """
    return validation.parse_symbols("symbols", text)


def parse_duration(name: str, text: str) -> float:
    """Return the seconds of "90s", "10m", "2h" or "1d".

    Raises:
        InvalidArgument: the text is not such a time.
    """
    match = DURATION.fullmatch(text.strip().lower())
    if match is None or not float(match[1]):
        raise InvalidArgument(name, text, "a time such as 90s, 10m, 2h or 1d")
    return float(match[1]) * SECONDS[match[2]]


def parse_retry_for(text: str | None) -> float | None:
    """Return the seconds of `--retry-for`; None for no limit.

    Raises:
        InvalidArgument: the text is not a time.
    """
    return None if text is None else parse_duration("retry_for", text)


def check_connecting(retry_for: str | None, ssl: str | None) -> None:
    """Refuse the options of a connection where the command makes the ticks itself.

    Raises:
        UsageError: one of them is given.
    """
    for option, value in {"--retry-for": retry_for, "--ssl": ssl}.items():
        if value is not None:
            raise UsageError(f"{option} is for the address of a server, such as wss://host/")
