"""Pages: what the server of a class answers to plain HTTP requests."""

from __future__ import annotations

import hmac
import html

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

__all__ = ["respond_with_page"]

HTML = "text/html; charset=utf-8"
# One file, with its scripts and styles in it.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors *"
)
METHODS = ("GET", "HEAD")


def respond_with_page(request: Request, code: str) -> Response | None:
    """Return the student's page for the path that is the code; None for another path."""
    path = request.path.partition("?")[0].strip("/")
    if not hmac.compare_digest(path.encode(), code.encode()):
        return None
    if request.method not in METHODS:
        return _make_response(405, "Method Not Allowed", b"Use GET or HEAD.\n", "text/plain")
    return _make_response(200, "OK", _render_page(code), HTML)


def _render_page(code: str) -> bytes:
    return (
        "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>tickerkit</title><h1>{html.escape(code)}</h1><p>Connect a program to <code>"
        f"/ticks?token={html.escape(code)}&amp;name=ana</code>"
    ).encode()


def _make_response(status: int, phrase: str, body: bytes, content_type: str) -> Response:
    headers = Headers(
        {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Connection": "close",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Content-Security-Policy": POLICY,
        }
    )
    return Response(status, phrase, headers, body)
