"""Who may come in: the checks of a request's Host, Origin and token, before anything is answered.

A web page anywhere can make a visitor's browser connect to `localhost`: the Origin tells
(cross-site websocket hijacking). A name of the attacker's can be made to point at 127.0.0.1: the
Host tells (DNS rebinding). Programs send no Origin, and may come in.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qs, urlsplit

from tickerkit.errors import shown

__all__ = ["Access", "is_loopback"]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
HUB_VARIABLES = ("JUPYTERHUB_PUBLIC_URL", "JUPYTERHUB_PUBLIC_HUB_URL", "JUPYTERHUB_HOST")


def is_loopback(host: str) -> bool:
    """Return whether `host` is this machine only."""
    return host in LOOPBACK or host.startswith("127.")


class Access:
    """The rule of one server.

    Args:
        host: where it is bound. On loopback no token is needed and any local name and port will
            do (a tutorial's page comes from a second local web server); elsewhere a token is made
            when none is given.
        token: the token that requests must carry; False for none.
        hosts: further values of Host that are let in.
        origins: further values of Origin that are let in.

    Attributes:
        token: the token, or None.
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
        self.bound = host
        if token is None or token is True:
            token = None if self.loopback and token is None else secrets.token_urlsafe(16)
        self.token: str | None = token or None
        hubs = [urlsplit(url) for name in HUB_VARIABLES if (url := os.environ.get(name))]
        self._hosts = _listed(hosts) | {hub.netloc.lower() for hub in hubs}
        self._origins = _listed(origins) | {f"{hub.scheme}://{hub.netloc}".lower() for hub in hubs}

    def refusal(self, target: str, headers: Mapping[str, str], *, needs_token: bool) -> str | None:
        """Return why a request is refused, in one sentence that says what to pass; None if not.

        Args:
            target: the request's path with its query.
            headers: the request's headers.
            needs_token: False for what holds no data: the page's own files.
        """
        host = headers.get("Host", "").lower()
        if not self._host_is_known(host):
            name = shown(host)
            return f"This server does not answer to the name {name}; pass hosts=[{name}]."
        origin = headers.get("Origin")
        if origin is not None and not self._origin_is_known(origin.lower(), host):
            return (
                f"A page from {shown(origin)} may not connect here; "
                f"pass origins=[{shown(origin)}], or open the page that this server serves."
            )
        if self.token is not None and needs_token and not self._has_token(target, headers):
            return "This server wants its token: open the link that it showed, with ?token= in it."
        return None

    def _host_is_known(self, host: str) -> bool:
        if host in self._hosts or _name(host) in self._hosts:
            return True
        if self.loopback:
            return _name(host) in LOOPBACK or _name(host) == self.bound
        # Bound to all addresses, its name is whatever brought the request here.
        return self.bound in ("0.0.0.0", "::", "") or _name(host) == self.bound.lower()

    def _origin_is_known(self, origin: str, host: str) -> bool:
        if origin.rstrip("/") in self._origins:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:  # brackets that don't close
            return False
        if parts.scheme not in ("http", "https"):
            return False
        return parts.netloc == host or (self.loopback and _name(parts.netloc) in LOOPBACK)

    def _has_token(self, target: str, headers: Mapping[str, str]) -> bool:
        assert self.token is not None
        given = parse_qs(urlsplit(target).query).get("token", [""])[0]
        kind, _, bearer = headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer":
            given = bearer.strip()
        return hmac.compare_digest(given.encode(), self.token.encode())


def _listed(names: Iterable[str]) -> set[str]:
    """Return names as they are compared; of one that stands alone, not its letters."""
    return {name.lower().rstrip("/") for name in ([names] if isinstance(names, str) else names)}


def _name(netloc: str) -> str:
    """Return the name in a Host header, without its port and brackets."""
    if netloc.startswith("["):
        return netloc[1:].partition("]")[0]
    return netloc.partition(":")[0]
