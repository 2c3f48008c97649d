"""Responses: what a class answers to plain HTTP requests, with the headers that all have."""

from __future__ import annotations

from http import HTTPStatus

from websockets.datastructures import Headers
from websockets.http11 import Response

__all__ = ["HTML", "make_response", "refuse_host"]

TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"


def make_response(status: int, body: bytes | str, content_type: str = TEXT) -> Response:
    """Return a response that is kept in no cache, after which the connection ends."""
    data = body.encode() if isinstance(body, str) else body
    headers = {
        "Content-Type": content_type,
        "Content-Length": str(len(data)),
        "Cache-Control": "no-store",
        "Connection": "close",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return Response(status, HTTPStatus(status).phrase, Headers(headers), data)


def refuse_host() -> Response:
    """Return the response to a request whose header Host is not an address."""
    return make_response(400, "Use the address that the teacher shows.\n")
