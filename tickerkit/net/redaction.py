"""Redaction: cuts keys, tokens and signatures out of what is written about a connection."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from tickerkit.net.urls import hide_secrets

__all__ = ["HIDDEN", "MIN_SECRET_LENGTH", "QUERY_SAFE", "Redactor"]

HIDDEN = "…"
# Shorter texts, and numbers, may be part of any message.
MIN_SECRET_LENGTH = 8
# What stays as it is in the queries that tickerkit writes.
QUERY_SAFE = "/:,"
SECRET_NAME = re.compile(
    r"key|secret|token|sign(?!al)|pass|auth|credential|jwt|session", re.IGNORECASE
)
# What asks for data. Frames repeat its value, which must stay as it is in them.
DATA_NAME = re.compile(
    r"symbol|stream|channel|topic|pair|product|market|instrument|ticker|coin|currenc|asset|interval",
    re.IGNORECASE,
)
LOGIN = re.compile(r"[\w.:/-]{0,20}(auth|login|logon|signin)[\w.:/-]{0,20}", re.IGNORECASE)
# Keys that stand where no name says so: in a path, or in a list. Not a subscription's symbol, which
# may be the address of a contract.
LONG = re.compile(
    r"(?<![A-Za-z0-9_+=-])(?!0x[0-9A-Fa-f]{40}(?![A-Za-z0-9_+=-]))"
    r"(?=[^/?&]*\d)(?=[^/?&]*[A-Za-z])[A-Za-z0-9_+=-]{32,}|eyJ[\w-]+\.[\w.-]+"
)


class Redactor:
    """Cuts secrets out of texts.

    A secret that was cut out of an address or a sent message is remembered, and cut out of all
    later texts, because a server may repeat it.

    Args:
        secrets: texts that are secret, such as the keys of a venue.

    Example:
        >>> Redactor().cut_message('{"op": "auth", "args": ["my-key", "my-signature"]}')
        '{"op":"auth","args":["…","…"]}'
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self._texts: list[str] = []
        for each in secrets:
            self._learn(each)

    def _learn(self, secret: str) -> None:
        is_plain = len(secret) < MIN_SECRET_LENGTH or secret.replace(".", "").isdigit()
        if is_plain or secret in self._secrets:
            return
        self._secrets.add(secret)
        spellings = {secret, json.dumps(secret)[1:-1], quote(secret), quote(secret, "")}
        spellings |= {quote_plus(secret), quote_plus(secret, QUERY_SAFE)}
        self._texts = sorted({*self._texts, *spellings}, key=len, reverse=True)

    def cut(self, text: str) -> str:
        """Return a text without the secrets that are known."""
        for each in self._texts:
            text = text.replace(each, HIDDEN)
        return text

    def cut_data(self, data: str | bytes) -> str | bytes:
        """Return a message without the secrets that are known."""
        if isinstance(data, str):
            return self.cut(data)
        for each in self._texts:
            data = data.replace(each.encode(), HIDDEN.encode())
        return data

    def cut_url(self, url: str) -> str:
        """Return an address without name, password, query, and keys in its path."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return HIDDEN
        self._learn(unquote(parts.password or ""))
        for name, value in parse_qsl(parts.query):
            if SECRET_NAME.search(name) or not DATA_NAME.search(name):
                self._learn(value)
            for found in LONG.finditer(value):
                self._learn(found[0])
        for found in LONG.finditer(parts.path):
            self._learn(found[0])
        return self.cut(LONG.sub(HIDDEN, hide_secrets(url)))

    def cut_request(self, url: str) -> str:
        """Return the address of a request with its query, without secrets."""
        shown, query = self.cut_url(url), urlsplit(url).query
        pairs = [
            f"{name}={HIDDEN if SECRET_NAME.search(name) else value}"
            for name, value in parse_qsl(query, keep_blank_values=True)
        ]
        return f"{shown}?{self.cut('&'.join(pairs))}" if pairs else shown

    def cut_message(self, text: str) -> str:
        """Return a message to a server without secrets; one that has none stays as it is.

        In a login message, all texts are treated as secrets.
        """
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return HIDDEN if LOGIN.search(text) else self.cut(LONG.sub(HIDDEN, text))
        shown = self.cut_value(message)
        if shown != message:
            text = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
        return self.cut(text)

    def cut_value(self, value: Any) -> Any:
        """Return a decoded message without secrets."""
        items = value.values() if isinstance(value, dict) else value
        is_login = isinstance(value, dict | list) and any(
            isinstance(each, str) and LOGIN.fullmatch(each) for each in items
        )
        return self._walk(value, is_secret=False, is_login=is_login)

    def _walk(self, value: Any, *, is_secret: bool, is_login: bool) -> Any:
        if isinstance(value, dict):
            return {
                key: self._walk(
                    each,
                    is_secret=is_secret or SECRET_NAME.search(str(key)) is not None,
                    is_login=is_login,
                )
                for key, each in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._walk(each, is_secret=is_secret, is_login=is_login) for each in value]
        if isinstance(value, str):
            is_word = is_login and LOGIN.fullmatch(value)
            if (is_secret or is_login) and not is_word:
                self._learn(value)
                return HIDDEN
            for each in LONG.finditer(value):
                self._learn(each[0])
            return LONG.sub(HIDDEN, value)
        return HIDDEN if is_secret and value is not None and not isinstance(value, bool) else value
