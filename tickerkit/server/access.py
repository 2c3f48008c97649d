"""Access control: checks the Host, Origin and token of a request before it is answered.

A web page anywhere can make a visitor's browser connect to `localhost`; its Origin header reveals
this (cross-site websocket hijacking). An attacker's domain name can resolve to 127.0.0.1; the Host
header reveals this (DNS rebinding). Programs other than browsers send no Origin, and are allowed to
connect.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qs, urlsplit

from tickerkit.net.addresses import is_loopback
from tickerkit.validation import check_token

__all__ = ["Access"]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
EVERYWHERE = frozenset({"0.0.0.0", "::", ""})
HUB_VARIABLES = ("JUPYTERHUB_PUBLIC_URL", "JUPYTERHUB_PUBLIC_HUB_URL", "JUPYTERHUB_HOST")
MAX_QUOTED_LENGTH = 80

# The exact forms that browsers and clients send. urlsplit is too lenient for a check: it drops
# tabs, and finds the name `localhost` in `localhost:x@evil.example`.
NETLOC = r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?"
HOST = re.compile(NETLOC, re.ASCII | re.IGNORECASE)
ORIGIN = re.compile(rf"https?://({NETLOC})", re.ASCII | re.IGNORECASE)


class Access:
    """Decides which requests a server accepts.

    Args:
        host: the address the server is bound to. On loopback no token is needed, and any local name
            and port is accepted as Host and Origin (the tutorial's page comes from a second local
            web server). Elsewhere a token is generated unless one is given.
        token: the token that requests must carry; False for none.
        hosts: further accepted values of the Host header.
        origins: further accepted values of the Origin header.

    Attributes:
        token: the token, or None.
        is_generated: whether the token was generated here.
        bound: the address the server is bound to, in lower case.
    """

    def __init__(
        self,
        host: str,
        *,
        token: str | bool | None = None,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
    ) -> None:
        self.loopback = is_loopback(host)
        self.bound = host.lower()
        if token is not None and not isinstance(token, bool):
            check_token(token)
        # An empty token, such as an unset environment variable, must not open the server to all.
        self.is_generated = token is True or (
            not token and token is not False and not self.loopback
        )
        given = token if isinstance(token, str) else None
        self.token: str | None = secrets.token_urlsafe(16) if self.is_generated else (given or None)
        urls = [urlsplit(os.environ.get(name, "")) for name in HUB_VARIABLES]
        hubs = [url for url in urls if url.netloc]
        self._hosts = _normalise(hosts) | {hub.netloc.lower() for hub in hubs}
        self._origins = _normalise(origins) | {
            f"{hub.scheme}://{hub.netloc}".lower() for hub in hubs
        }

    def keep_token(self, earlier: Access) -> None:
        """Take over the generated token of an earlier server, so that its links stay valid."""
        if self.is_generated and earlier.is_generated:
            self.token = earlier.token

    def check_request(
        self, target: str, headers: Mapping[str, str], *, page: str, needs_token: bool
    ) -> str | None:
        """Return why a request is refused, as one sentence with the fix; None if it is accepted.

        Args:
            target: the request's path with its query.
            headers: the request's headers; the headers checked here must not occur twice.
            page: the address of the server's page, without a token.
            needs_token: False for resources without data: the page's own files.
        """
        host = headers.get("Host", "").lower()
        if not self._is_known_host(host):
            name = _quote(host)
            return f"This server does not accept the host name {name}; pass hosts=[{name}]."
        origin = headers.get("Origin")
        if origin is not None and not self._is_known_origin(origin, host):
            if self.bound in EVERYWHERE:  # only the client knows which address reaches the server
                page = urlsplit(page)._replace(netloc=host).geturl()
            name = _quote(origin)
            return (
                f"A page from {name} may not connect here; pass origins=[{name}], "
                f"or open the page that this server serves: {page}"
            )
        if self.token is None or not needs_token:
            return None
        given = self._find_token(target, headers)
        if not given:
            return "This server requires a token; open the link that it showed, with ?token= in it."
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return "Wrong token; this server may have a new one, so ask for the new link."
        return None

    def _is_known_host(self, host: str) -> bool:
        name = _parse_host_name(host)
        if host in self._hosts or name in self._hosts:
            return True
        if self.loopback:
            return name in LOOPBACK or name == self.bound
        # A server bound to all addresses can't know its names: any valid name is accepted.
        return name is not None and (self.bound in EVERYWHERE or name == self.bound)

    def _is_known_origin(self, origin: str, host: str) -> bool:
        if origin.lower().rstrip("/") in self._origins:
            return True
        found = ORIGIN.fullmatch(origin)
        if found is None:
            return False
        netloc = found[1].lower()
        return netloc == host or (self.loopback and _parse_host_name(netloc) in LOOPBACK)

    @staticmethod
    def _find_token(target: str, headers: Mapping[str, str]) -> str:
        token = parse_qs(target.partition("?")[2]).get("token", [""])[0]
        kind, _, bearer = headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer":
            token = bearer.strip()
        return token


def _normalise(names: Iterable[str]) -> set[str]:
    """Normalise names for comparison. A single string is treated as one name."""
    return {name.lower().rstrip("/") for name in ([names] if isinstance(names, str) else names)}


def _parse_host_name(netloc: str) -> str | None:
    """Return the name in a Host header without port and brackets; None if it is invalid."""
    found = HOST.fullmatch(netloc)
    return found[1].strip("[]").lower() if found else None


def _quote(text: str) -> str:
    """Return text as a quoted string, printable and short."""
    return re.sub(r"[^ -~]", " ", json.dumps(text[:MAX_QUOTED_LENGTH]))
