"""StreamAddress: where a stream is kept, and what to log in with there."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from tickerkit.errors import InvalidArgument, InvalidType
from tickerkit.net.addresses import MAX_PORT

__all__ = ["STREAM_SCHEMES", "StreamAddress"]

STREAM_SCHEMES = ("nats://", "tls://")
DEFAULT_PORT = 4222
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?")
EXPECTED = "the address of a stream such as 'nats://host:4222/name' or 'tls://host1,host2/name'"
EXPECTED_NAME = (
    "an address that ends with the stream's name: 1 to 64 letters, digits, - and _, as in "
    "'nats://host:4222/crypto'"
)
EXPECTED_SERVER = (
    f"hosts separated by commas, each with a port from 1 to {MAX_PORT} or without one, as in "
    "'nats://host1:4222,host2/name'"
)


@dataclass(frozen=True)
class StreamAddress:
    """Where a stream is kept, and what to log in with there.

    Its text, its repr and its errors show no password, token or path of credentials.

    Attributes:
        servers: the brokers' servers, each as "host:port".
        name: the stream's name, as users write it.
        is_tls: whether the servers must use TLS; otherwise they decide.
        user: the name to log in with; None without one.
        password: its password; None without one.
        token: the token to log in with; None without one.
        creds: path of a credentials file: a JWT and the seed of its key; None without one.
        ca: path of the certificates to trust, in PEM; None for those of the system.
        cert: path of the client's own certificate, in PEM; None without one.
        key: path of its key, in PEM; None without one.

    Example:
        >>> str(StreamAddress.parse("nats://ann:pw@n1,n2/crypto"))
        'nats://n1:4222,n2:4222/crypto'
    """

    servers: tuple[str, ...]
    name: str
    is_tls: bool = False
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    creds: str | None = field(default=None, repr=False)
    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    @classmethod
    def parse(
        cls,
        url: object,
        *,
        creds: str | Path | None = None,
        ca: str | Path | None = None,
        cert: str | Path | None = None,
        key: str | Path | None = None,
    ) -> StreamAddress:
        """Return the parts of an address.

        What is None is taken from the variables NATS_CREDS, NATS_CA, NATS_CERT and NATS_KEY, which
        other programs for NATS read, too. A name and password, or a token, may be in the address,
        percent-encoded: `nats://user:password@host/name`, `nats://token@host/name`; then NATS_CREDS
        is ignored. Without either, NATS_USER and NATS_PASSWORD log in (NATS_USER alone is a
        token). Other users of the machine can see what is in the arguments of a command.

        Args:
            url: `nats://` or `tls://`, hosts separated by commas, and the stream's name.
            creds: path of a credentials file.
            ca: path of the certificates to trust, in PEM.
            cert: path of the client's own certificate, in PEM.
            key: path of its key, in PEM.

        Raises:
            InvalidType: an argument has another type.
            InvalidArgument: the address is invalid, or there is no file at a path. No secret is in
                its text.
        """
        if not isinstance(url, str):
            raise InvalidType("url", url if url is None else type(url), EXPECTED)
        shown = hide_login(url)
        scheme, separator, rest = url.partition("://")
        if f"{scheme}://" not in STREAM_SCHEMES or not separator:
            raise InvalidArgument("url", shown, EXPECTED)
        login, at, place = rest.rpartition("@")
        hosts, _, name = place.partition("/")
        if NAME.fullmatch(name) is None:
            raise InvalidArgument("url", shown, EXPECTED_NAME)
        user, colon, password = login.partition(":")
        if at and not (user and (password or not colon)):
            expected = "nats://user:password@host/name, or nats://token@host/name"
            raise InvalidArgument("url", shown, expected)
        files = {"creds": creds, "ca": ca, "cert": cert, "key": key}
        found = {
            argument: _check_file(argument, value, has_login=bool(at))
            for argument, value in files.items()
        }
        if (found["cert"] is None) != (found["key"] is None):
            has, lacks = ("cert", "key") if found["cert"] else ("key", "cert")
            raise InvalidArgument(lacks, None, f"the path of a file, since {has} is given")
        if found["creds"] and at:
            expected = "None, since the address has a user or a token"
            raise InvalidArgument("creds", "…", expected)
        user, password = unquote(user), unquote(password)
        if not at and found["creds"] is None:
            user, password = (os.environ.get(f"NATS_{part}", "") for part in ("USER", "PASSWORD"))
        return cls(
            tuple(_complete_server(each, shown) for each in hosts.split(",")),
            name,
            scheme == "tls",
            user=user if password else None,
            password=password or None,
            token=None if password else user or None,
            **found,
        )

    def __str__(self) -> str:
        scheme = "tls" if self.is_tls else "nats"
        return f"{scheme}://{','.join(self.servers)}/{self.name}"

    @property
    def stream(self) -> str:
        """The stream's name on the broker."""
        return f"TICKERKIT_{self.name}"

    @property
    def subject(self) -> str:
        """The subject of the stream's messages."""
        return f"tickerkit.{self.name}"


def hide_login(url: str) -> str:
    """Return an address without what stands before its last @, which may hold a password."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url.rpartition("@")[2]
    return f"{scheme.rpartition('@')[2]}://{rest.rpartition('@')[2]}"


def _complete_server(text: str, shown: str) -> str:
    match = SERVER.fullmatch(text)
    port = 0 if match is None else int(match[2] or DEFAULT_PORT)
    if match is None or not 0 < port <= MAX_PORT:
        raise InvalidArgument("url", shown, EXPECTED_SERVER)
    return f"{match[1]}:{port}"


def _check_file(argument: str, given: object, *, has_login: bool) -> str | None:
    """Return the path of an argument, or of its variable; check that there is a file."""
    is_secret = argument == "creds"
    variable = f"NATS_{argument.upper()}"
    if given is None:
        if is_secret and has_login:
            return None
        path = os.environ.get(variable) or None
        name = variable
    elif isinstance(given, str | Path):
        path, name = str(given), argument
    else:
        raise InvalidType(argument, type(given), "the path of a file, or None")
    if path is None:
        return None
    try:
        is_file = Path(path).is_file()
    except (OSError, ValueError):
        is_file = False
    if not is_file:
        # Somebody may have passed the credentials themselves in place of their path.
        raise InvalidArgument(name, "…" if is_secret else path, "the path of a file that exists")
    return path
