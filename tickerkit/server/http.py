"""What the server answers to plain HTTP: the files of its page, and refusals."""

from __future__ import annotations

import http
from collections.abc import Callable

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tickerkit.server.access import Access
from tickerkit.server.page import asset

__all__ = ["answer", "too_many"]

# No foreign script, data only from websockets; a notebook may show the page in a frame.
PAGE_POLICY = (
    "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors *"
)


# What is looked at here is refused when it comes twice: another that stands between here and the
# browser might look at the other one.
SINGLE = ("Host", "Origin", "Authorization", "Upgrade", "If-None-Match")


def answer(
    request: Request, access: Access, page: str, turned_away: Callable[[str], object]
) -> Response | None:
    """Return the answer to a request: the page, or why not; None lets a websocket in.

    Args:
        request: what is asked for.
        access: who may come in.
        page: the address of the server's page, without a token.
        turned_away: called with the reason when who asks may not.
    """
    if (problem := _misshapen(request)) is not None:
        turned_away(problem)
        return _response(http.HTTPStatus.BAD_REQUEST, f"{problem}\n".encode())
    path = request.path.partition("?")[0]
    upgrade = "websocket" in request.headers.get("Upgrade", "").lower()
    found = None if upgrade else asset(path)
    # The page's own files hold no data, and browsers ask for them without the page's query.
    needs_token = upgrade or path == "/"
    refusal = access.refusal(request.path, request.headers, page=page, needs_token=needs_token)
    if refusal is not None:
        turned_away(refusal)
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


def too_many(limit: int, turned_away: Callable[[str], object]) -> Response:
    """Return the answer to one websocket more than there may be."""
    text = f"This server is full: {limit:,} are connected; try again later."
    turned_away(text)
    return _response(http.HTTPStatus.SERVICE_UNAVAILABLE, f"{text}\n".encode())


def _misshapen(request: Request) -> str | None:
    """Return what is wrong with a request as no browser and no client sends it."""
    for name in SINGLE:
        if len(request.headers.get_all(name)) > 1:
            return f"This request has more than one {name}; send one."
    if not request.path.startswith("/"):
        return "This is no proxy; ask for a path that begins with /."
    return None


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
