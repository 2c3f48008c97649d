"""Heads: the request and the answer with which a websocket begins (RFC 6455, section 4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["MAX_HEAD_BYTES", "Deflate", "Head", "find_head_end", "hide_head_secrets"]

MAX_HEAD_BYTES = 16_384
END = b"\r\n\r\n"
UPGRADE = re.compile(r"\bwebsocket\b", re.IGNORECASE)
# A key is that of a venue, or of a student's seat in a class.
TOKEN = re.compile(rb"(?i)([?&](?:token|key)=)([^&\s]*)")
# The value of such a header may go on in lines that begin with a space.
SECRET_HEADER = re.compile(
    rb"(?im)^((?:proxy-)?authorization|cookie|set-cookie)(:[ \t]*)([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)"
)
DEFLATE = "permessage-deflate"
MAX_WINDOW_BITS = 15


class Deflate(NamedTuple):
    """What the peers agreed on for permessage-deflate (RFC 7692, section 7.1).

    Attributes:
        client_resets: whether the client's messages each begin with an empty window.
        server_resets: the same of the server's messages.
        client_bits: the size of the client's window, as a power of two.
        server_bits: the same of the server's.
    """

    client_resets: bool = False
    server_resets: bool = False
    client_bits: int = MAX_WINDOW_BITS
    server_bits: int = MAX_WINDOW_BITS


class Head:
    """The head of an HTTP message: its first line and its headers. Nothing is refused.

    Args:
        data: the bytes, with the empty line at the end.

    Attributes:
        data: as given.
        line: the first line.
        headers: the name and the value of each header.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        first, *lines = data.removesuffix(END).decode("latin-1").split("\r\n")
        self.line = first
        self.headers: list[dict[str, str]] = []
        for line in lines:
            name, _, value = line.partition(":")
            self.headers.append({"name": name.strip(), "value": value.strip()})

    def get(self, name: str) -> str:
        """Return the value of a header, several joined by commas; empty without it."""
        found = [each["value"] for each in self.headers if each["name"].lower() == name.lower()]
        return ", ".join(found)

    @property
    def path(self) -> str:
        """The path and query of a request; empty for an answer."""
        parts = self.line.split(" ")
        return parts[1] if len(parts) == 3 and not self.line.startswith("HTTP/") else ""

    @property
    def status(self) -> int:
        """The status of an answer; 0 if it has none."""
        parts = self.line.split(" ")
        is_answer = len(parts) > 1 and parts[0].startswith("HTTP/") and parts[1].isdecimal()
        return int(parts[1][:3]) if is_answer else 0

    @property
    def asks_for_websocket(self) -> bool:
        """Whether a request asks for a websocket."""
        return UPGRADE.search(self.get("upgrade")) is not None

    @property
    def deflate(self) -> Deflate | None:
        """What an answer says about permessage-deflate; None if it is not agreed."""
        for extension in self.get("sec-websocket-extensions").split(","):
            name, *parameters = (part.strip() for part in extension.split(";"))
            if name.lower() == DEFLATE:
                given = dict(part.partition("=")[::2] for part in parameters)
                return Deflate(
                    "client_no_context_takeover" in given,
                    "server_no_context_takeover" in given,
                    _parse_bits(given.get("client_max_window_bits", "")),
                    _parse_bits(given.get("server_max_window_bits", "")),
                )
        return None

    def replace(self, values: Mapping[str, str | None]) -> Head:
        """Return the same head with other values for some of its headers, by lower-case name.

        None removes a header.
        """
        if not values:
            return self
        first, *lines = self.data.removesuffix(END).split(b"\r\n")
        changed = [first]
        for line in lines:
            name, colon, old = line.partition(b":")
            value = values.get(name.strip().decode("latin-1").lower(), "")
            if value is not None:
                new = b" " + value.encode("latin-1") if value else old
                changed.append(name + colon + new)
        return Head(b"\r\n".join(changed) + END)


def find_head_end(data: bytes) -> int:
    """Return where a head ends in the data; -1 if its end has not come."""
    index = data.find(END)
    return -1 if index < 0 else index + len(END)


def hide_head_secrets(data: bytes) -> bytes:
    """Return a head with tokens, keys, cookies and credentials as x, each of the same length."""
    data = TOKEN.sub(lambda found: found[1] + b"x" * len(found[2]), data)
    return SECRET_HEADER.sub(lambda found: found[1] + found[2] + _cross_out(found[3]), data)


def _cross_out(value: bytes) -> bytes:
    return re.sub(rb"[^\r\n \t]", b"x", value)


def _parse_bits(text: str) -> int:
    text = text.strip('"')
    bits = int(text) if text.isdecimal() and len(text) < 3 else MAX_WINDOW_BITS
    return bits if 8 <= bits <= MAX_WINDOW_BITS else MAX_WINDOW_BITS
