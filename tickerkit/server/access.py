"""Who may come in: the checks of a request's Host, Origin and token, before anything is answered.

A web page anywhere can make a visitor's browser connect to `localhost`: the Origin tells
(cross-site websocket hijacking). A name of the attacker's can be made to point at 127.0.0.1: the
Host tells (DNS rebinding). Programs send no Origin, and may come in.
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
QUOTED_LENGTH = 80

# What browsers and clients write, and nothing more: urlsplit drops tabs, and finds a name in
# `localhost:x@evil.example`.
NETLOC = r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?"
HOST = re.compile(NETLOC, re.ASCII | re.IGNORECASE)
ORIGIN = re.compile(rf"https?://({NETLOC})", re.ASCII | re.IGNORECASE)


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
        made: whether it was made here.
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
        # An empty one, of an environment variable that is not set, must not open a server.
        self.made = token is True or (not token and token is not False and not self.loopback)
        given = token if isinstance(token, str) else None
        self.token: str | None = secrets.token_urlsafe(16) if self.made else (given or None)
        urls = [urlsplit(os.environ.get(name, "")) for name in HUB_VARIABLES]
        hubs = [url for url in urls if url.netloc]
        self._hosts = _listed(hosts) | {hub.netloc.lower() for hub in hubs}
        self._origins = _listed(origins) | {f"{hub.scheme}://{hub.netloc}".lower() for hub in hubs}

    def go_on(self, earlier: Access) -> None:
        """Keep a token that was made earlier, so that links that were given out stay good."""
        if self.made and earlier.made:
            self.token = earlier.token

    def refusal(
        self, target: str, headers: Mapping[str, str], *, page: str, needs_token: bool
    ) -> str | None:
        """Return why a request is refused, in one sentence that says what to pass; None if not.

        Args:
            target: the request's path with its query.
            headers: the request's headers, none of those looked at here twice.
            page: the address of the server's page, without a token.
            needs_token: False for what holds no data: the page's own files.
        """
        host = headers.get("Host", "").lower()
        if not self._host_is_known(host):
            name = _quoted(host)
            return f"This server does not answer to the name {name}; pass hosts=[{name}]."
        origin = headers.get("Origin")
        if origin is not None and not self._origin_is_known(origin, host):
            if self.bound in EVERYWHERE:  # then the way here is known to the asker alone
                page = urlsplit(page)._replace(netloc=host).geturl()
            name = _quoted(origin)
            return (
                f"A page from {name} may not connect here; pass origins=[{name}], "
                f"or open the page that this server serves: {page}"
            )
        if self.token is None or not needs_token:
            return None
        given = self._given_token(target, headers)
        if not given:
            return "This server wants its token: open the link that it showed, with ?token= in it."
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return "That is not this server's token, which may be a new one: ask for the new link."
        return None

    def _host_is_known(self, host: str) -> bool:
        name = _name(host)
        if host in self._hosts or name in self._hosts:
            return True
        if self.loopback:
            return name in LOOPBACK or name == self.bound
        # Bound to all addresses, its name is whatever brought the request here.
        return name is not None and (self.bound in EVERYWHERE or name == self.bound)

    def _origin_is_known(self, origin: str, host: str) -> bool:
        if origin.lower().rstrip("/") in self._origins:
            return True
        found = ORIGIN.fullmatch(origin)
        if found is None:
            return False
        netloc = found[1].lower()
        return netloc == host or (self.loopback and _name(netloc) in LOOPBACK)

    @staticmethod
    def _given_token(target: str, headers: Mapping[str, str]) -> str:
        given = parse_qs(target.partition("?")[2]).get("token", [""])[0]
        kind, _, bearer = headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer":
            given = bearer.strip()
        return given


def _listed(names: Iterable[str]) -> set[str]:
    """Return names as they are compared; of one that stands alone, not its letters."""
    return {name.lower().rstrip("/") for name in ([names] if isinstance(names, str) else names)}


def _name(netloc: str) -> str | None:
    """Return the name in a Host header, without its port and brackets; None where it is none."""
    found = HOST.fullmatch(netloc)
    return found[1].strip("[]").lower() if found else None


def _quoted(text: str) -> str:
    """Return text as it would be typed, printable and short."""
    return re.sub(r"[^ -~]", " ", json.dumps(text[:QUOTED_LENGTH]))
