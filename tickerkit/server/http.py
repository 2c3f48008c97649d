"""Plain HTTP: responses with the files of the page, and refusals."""

from __future__ import annotations

import http
from collections.abc import Callable

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tickerkit.server.access import Access
from tickerkit.server.page import find_asset

__all__ = ["respond", "respond_full"]

# No foreign scripts, data from websockets only; a notebook may show the page in a frame.
PAGE_POLICY = (
    "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors *"
)

# The server decides by these headers. They must not occur twice: a proxy in between might use the
# other value.
SINGLE_HEADERS = ("Host", "Origin", "Authorization", "Upgrade", "If-None-Match")


def respond(
    request: Request, access: Access, page: str, on_refusal: Callable[[str], object]
) -> Response | None:
    """Return the response to a request: a file of the page, or a refusal.

    Args:
        request: the request.
        access: the server's access control.
        page: the address of the server's page, without a token.
        on_refusal: called with the reason if the request is refused.

    Returns:
        None for an accepted websocket handshake, which then continues.
    """
    if (problem := _find_problem(request)) is not None:
        on_refusal(problem)
        return _make_response(http.HTTPStatus.BAD_REQUEST, f"{problem}\n".encode())
    path = request.path.partition("?")[0]
    upgrade = "websocket" in request.headers.get("Upgrade", "").lower()
    asset = None if upgrade else find_asset(path)
    # The page's own files hold no data, and browsers request them without the page's query.
    needs_token = upgrade or path == "/"
    refusal = access.check_request(
        request.path, request.headers, page=page, needs_token=needs_token
    )
    if refusal is not None:
        on_refusal(refusal)
        return _make_response(http.HTTPStatus.FORBIDDEN, f"{refusal}\n".encode())
    if upgrade:
        return None
    if asset is None:
        return _make_response(http.HTTPStatus.NOT_FOUND, b"Not found; the page is at /\n")
    if request.method not in ("GET", "HEAD"):
        text = b"Method not allowed; use GET or HEAD\n"
        response = _make_response(http.HTTPStatus.METHOD_NOT_ALLOWED, text)
        response.headers["Allow"] = "GET, HEAD"
        return response
    if request.headers.get("If-None-Match") == asset.etag:
        response = _make_response(http.HTTPStatus.NOT_MODIFIED, b"", asset.content_type)
    else:
        response = _make_response(http.HTTPStatus.OK, asset.body, asset.content_type)
    if request.method == "HEAD":
        response.body = b""
    response.headers["ETag"] = asset.etag
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    return response


def respond_full(limit: int, on_refusal: Callable[[str], object]) -> Response:
    """Return the response to a websocket handshake when the server is full."""
    text = f"This server is full: {limit:,} clients are connected; try again later."
    on_refusal(text)
    return _make_response(http.HTTPStatus.SERVICE_UNAVAILABLE, f"{text}\n".encode())


def _find_problem(request: Request) -> str | None:
    """Return why a request is malformed, and the fix; browsers and clients don't send these."""
    for name in SINGLE_HEADERS:
        if len(request.headers.get_all(name)) > 1:
            return f"The request has more than one {name} header; send one."
    if not request.path.startswith("/"):
        return "This server is not a proxy; request a path that begins with /."
    return None


def _make_response(
    status: http.HTTPStatus, body: bytes, content_type: str = "text/plain; charset=utf-8"
) -> Response:
    headers = Headers(
        {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-cache",
            "Connection": "close",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
    )
    return Response(status.value, status.phrase, headers, body)
