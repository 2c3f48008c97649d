"""What the server answers to plain HTTP: the files of its page, and refusals."""

from __future__ import annotations

import http

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tickerkit.access import Access
from tickerkit.page import asset

__all__ = ["answer", "too_many"]

# No foreign script, data only from websockets; a notebook may show the page in a frame.
PAGE_POLICY = (
    "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors *"
)


def answer(request: Request, access: Access) -> Response | None:
    """Return the answer to a request: the page, or why not; None lets a websocket in."""
    path = request.path.partition("?")[0]
    upgrade = "websocket" in request.headers.get("Upgrade", "").lower()
    found = None if upgrade else asset(path)
    # The page's own files hold no data, and browsers ask for them without the page's query.
    needs_token = upgrade or path == "/"
    refusal = access.refusal(request.path, request.headers, needs_token=needs_token)
    if refusal is not None:
        return _response(http.HTTPStatus.FORBIDDEN, f"{refusal}\n".encode())
    if upgrade:
        return None
    if found is None:
        return _response(http.HTTPStatus.NOT_FOUND, b"There is nothing here; the page is at /\n")
    if request.method not in ("GET", "HEAD"):
        response = _response(http.HTTPStatus.METHOD_NOT_ALLOWED, b"The page can only be read\n")
        response.headers["Allow"] = "GET, HEAD"
        return response
    if request.headers.get("If-None-Match") == found.etag:
        response = _response(http.HTTPStatus.NOT_MODIFIED, b"", found.content_type)
    else:
        response = _response(http.HTTPStatus.OK, found.body, found.content_type)
    if request.method == "HEAD":
        response.body = b""
    response.headers["ETag"] = found.etag
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    return response


def too_many(limit: int) -> Response:
    """Return the answer to one websocket more than there may be."""
    text = f"This server is full: {limit:,} are connected; try again later.\n"
    return _response(http.HTTPStatus.SERVICE_UNAVAILABLE, text.encode())


def _response(
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
