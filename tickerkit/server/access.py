"""Access control: checks the Host, Origin and token of a request before it is answered.

A web page anywhere can make a visitor's browser connect to `localhost`; its Origin header reveals
this (cross-site websocket hijacking). An attacker's domain name can resolve to 127.0.0.1; the Host
header reveals this (DNS rebinding). Programs other than browsers send no Origin, and are allowed to
connect. A token replaces the check of the Origin: a page that has not been given the token can't
send it.
"""

from __future__ import annotations

import hmac
import http
import ipaddress
import json
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from websockets.frames import CloseCode

from tickerkit.errors import InvalidArgument
from tickerkit.net.addresses import is_loopback
from tickerkit.server.token_limit import BLOCK_S, TokenLimit
from tickerkit.validation import check_token

__all__ = ["NO_TOKEN", "Access", "Refusal"]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
EVERYWHERE = frozenset({"0.0.0.0", "::", ""})
HUB_VARIABLES = ("JUPYTERHUB_PUBLIC_URL", "JUPYTERHUB_PUBLIC_HUB_URL", "JUPYTERHUB_HOST")
MAX_QUOTED_LENGTH = 80

# The exact forms that browsers and clients send. urlsplit is too lenient for a check: it drops
# tabs, and finds the name `localhost` in `localhost:x@evil.example`.
NETLOC = r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?"
HOST = re.compile(NETLOC, re.ASCII | re.IGNORECASE)
ORIGIN = re.compile(rf"https?://({NETLOC})", re.ASCII | re.IGNORECASE)
# Origins that may be listed: also those of browser extensions, and `null`, which pages opened from
# a file have.
LISTED_ORIGIN = re.compile(rf"null|file://|[a-z][a-z0-9+.-]*://{NETLOC}", re.ASCII)
DEFAULT_PORTS = {"http": ":80", "https": ":443"}

EXPECTED_HOSTS = 'host names such as "ticks.example.org", without scheme, path and wildcards'
EXPECTED_ORIGINS = (
    'addresses such as "https://example.org" or "http://localhost:5500", or "null" for pages '
    "opened from a file; without path and wildcards. A page of any origin may connect if the "
    "server has a token and the page sends it"
)


CLOSE_CODES = {
    http.HTTPStatus.UNAUTHORIZED: CloseCode.POLICY_VIOLATION,
    http.HTTPStatus.TOO_MANY_REQUESTS: CloseCode.TRY_AGAIN_LATER,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused.

    Attributes:
        status: 401 if the token is missing or wrong, 429 if its address has sent too many wrong
            ones, otherwise 403.
        reason: one sentence with the fix. For a token it is shorter than the 123 bytes that a
            close frame can carry.
    """

    status: http.HTTPStatus
    reason: str

    @property
    def close_code(self) -> int | None:
        """The code with which a websocket is closed after its handshake; None to refuse it.

        Most clients don't show the body of an HTTP error, but all show the reason of a close.
        """
        return CLOSE_CODES.get(self.status)


NO_TOKEN = Refusal(
    http.HTTPStatus.UNAUTHORIZED,
    "This server requires a token; ask for its link, which ends in ?token= and the token.",
)
WRONG_TOKEN = Refusal(
    http.HTTPStatus.UNAUTHORIZED,
    "Wrong token; this server may have a new one, so ask for the new link.",
)

TOO_MANY_TOKENS = Refusal(
    http.HTTPStatus.TOO_MANY_REQUESTS,
    f"Too many wrong tokens came from your address; try again in {BLOCK_S:g} s.",
)


class Access:
    """Decides which requests a server accepts.

    Args:
        host: the address the server is bound to. On loopback no token is needed, and any local name
            and port is accepted as Host and Origin (the tutorial's page comes from a second local
            web server). Elsewhere a token is generated unless one is given.
        token: the token that requests must carry; False for none. A request with the token may have
            any Origin.
        hosts: further accepted values of the Host header.
        origins: further accepted values of the Origin header, for a server without a token.

    Raises:
        InvalidArgument: if an entry of `hosts` or `origins` can't be the value of its header.

    Attributes:
        token: the token, or None.
        is_generated: whether the token was generated here.
        bound: the address the server is bound to, in lower case.
        limit: how many tokens an address may try.
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
        self.limit = TokenLimit()
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
        self._hosts = _read_hosts(hosts) | {hub.netloc.lower() for hub in hubs}
        self._origins = _read_origins(origins) | {
            f"{hub.scheme}://{hub.netloc}".lower() for hub in hubs
        }

    def keep_token(self, earlier: Access) -> None:
        """Take over the generated token of a server that is replaced: its links stay valid."""
        if self.is_generated and earlier.is_generated:
            self.token = earlier.token

    def check_request(
        self,
        target: str,
        headers: Mapping[str, str],
        *,
        page: str,
        needs_token: bool,
        address: str = "",
    ) -> Refusal | None:
        """Return why a request is refused; None if it is accepted.

        Args:
            target: the request's path with its query.
            headers: the request's headers; the headers checked here must not occur twice.
            page: the address of the server's page, without a token.
            needs_token: False for resources without data: the page's own files.
            address: the client's address, without its port; empty for no limit of wrong tokens.
        """
        if address and self.limit.is_blocked(address):
            return TOO_MANY_TOKENS
        host = headers.get("Host", "").lower()
        if not self._is_known_host(host):
            return _refuse_host(host)
        if self.token is None:
            origin = headers.get("Origin")
            if origin is None or self._is_known_origin(origin, host):
                return None
            return _refuse_origin(origin, self.localise(page, host))
        if not needs_token:
            return None
        given = self._find_token(target, headers)
        if not given:
            return NO_TOKEN
        if self.is_token(given):
            return None
        self.note_wrong_token(address, given)
        return WRONG_TOKEN

    def is_token(self, text: str) -> bool:
        """Return whether a text is the token; False for a server without one."""
        token = self.token
        return token is not None and hmac.compare_digest(text.encode(), token.encode())

    def note_wrong_token(self, address: str, token: str) -> None:
        """Note that a client has tried a token, or a path that may be one."""
        if address and self.token is not None:
            self.limit.note_wrong(address, token)

    def localise(self, page: str, host: str) -> str:
        """Return the address of the server's page as a client with this Host header reaches it."""
        if self.bound in EVERYWHERE and HOST.fullmatch(host):
            return urlsplit(page)._replace(netloc=host).geturl()
        return page

    def _is_known_host(self, host: str) -> bool:
        name = _parse_host_name(host)
        if host in self._hosts or name in self._hosts:
            return True
        if self.loopback:
            return name in LOOPBACK or name == self.bound
        # A server bound to all addresses can't know its names: any valid name is accepted.
        return name is not None and (self.bound in EVERYWHERE or name == self.bound)

    def _is_known_origin(self, origin: str, host: str) -> bool:
        if _drop_default_port(origin.lower()) in self._origins:
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


def _refuse_host(host: str) -> Refusal:
    name = _quote(host)
    # A Host header that is not a host name could not be listed.
    fix = f"pass hosts=[{name}]" if HOST.fullmatch(host) else "connect to localhost or its address"
    reason = f"This server does not accept the host name {name}; {fix}."
    return Refusal(http.HTTPStatus.FORBIDDEN, reason)


def _refuse_origin(origin: str, page: str) -> Refusal:
    name = _quote(origin)
    is_listable = LISTED_ORIGIN.fullmatch(origin.lower()) is not None
    fix = f"pass origins=[{name}], or " if is_listable else ""
    reason = (
        f"A page from {name} may not connect here; {fix}open the page that this server serves: "
        f"{page}"
    )
    return Refusal(http.HTTPStatus.FORBIDDEN, reason)


def _read_hosts(hosts: Iterable[str]) -> set[str]:
    """Return host names in the form in which headers have them."""
    names = set()
    for given in hosts:
        name = given.lower()
        if HOST.fullmatch(name) is None and not _is_ipv6(name):
            raise InvalidArgument("hosts", given, EXPECTED_HOSTS)
        # Without a port, it is a name on any port: an IPv6 address then needs no brackets.
        names.add(name[1:-1] if name.endswith("]") else name)
    return names


def _read_origins(origins: Iterable[str]) -> set[str]:
    """Return origins in the form in which browsers send them."""
    names = set()
    for given in origins:
        name = given.lower()
        name = name if name == "file://" else name.rstrip("/")
        if LISTED_ORIGIN.fullmatch(name) is None:
            raise InvalidArgument("origins", given, EXPECTED_ORIGINS)
        names.add(_drop_default_port(name))
    return names


def _drop_default_port(origin: str) -> str:
    """Return an origin as browsers send it: without the port that its scheme has by default."""
    return origin.removesuffix(DEFAULT_PORTS.get(origin.partition(":")[0], ":"))


def _is_ipv6(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).version == 6
    except ValueError:
        return False


def _parse_host_name(netloc: str) -> str | None:
    """Return the name in a Host header without port and brackets; None if it is invalid."""
    found = HOST.fullmatch(netloc)
    return found[1].strip("[]").lower() if found else None


def _quote(text: str) -> str:
    """Return text as a quoted string, printable and short."""
    return re.sub(r"[^ -~]", " ", json.dumps(text[:MAX_QUOTED_LENGTH]))
