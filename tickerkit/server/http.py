"""Plain HTTP: responses with the files of the page, and refusals."""

from __future__ import annotations

import html
import http
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tickerkit.protocol import SUBPROTOCOL, find_stream
from tickerkit.server.access import NO_TOKEN, Access, Refusal
from tickerkit.server.metrics import CONTENT_TYPE, MISSING
from tickerkit.server.page import TOKEN_PAGE, TOKEN_PAGE_REASON, Asset, find_asset
from tickerkit.server.token_limit import BLOCK_S

__all__ = ["respond", "respond_on_metrics_port", "respond_to_probe", "respond_unavailable"]

# Values of Cache-Control (RFC 9111, section 5.2.2): keep and ask each time, or keep nothing.
REVALIDATE, NO_STORE = "no-cache", "no-store"
# No foreign scripts, data from websockets only; a notebook may show the page in a frame.
PAGE_POLICY = (
    "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors *"
)

METHODS = ("GET", "HEAD")

# The server decides by these headers. They must not occur twice: a proxy in between might use the
# other value.
SINGLE_HEADERS = ("Host", "Origin", "Authorization", "Upgrade", "If-None-Match")

# What a load balancer or an orchestrator asks: whether the server is alive, and whether it can
# take further clients.
ALIVE, READY = "/healthz", "/readyz"
# What Prometheus asks for.
METRICS = "/metrics"


def respond(
    request: Request,
    access: Access,
    page: str,
    on_refusal: Callable[[int, str], object],
    render_metrics: Callable[[], bytes],
    extend: Callable[[Request], Response | None] = lambda _: None,
    *,
    address: str = "",
    find: Callable[[str], Asset | None] = find_asset,
) -> Response | Refusal | None:
    """Return the response to a request: a file of the page, the metrics, or why it is refused.

    Args:
        request: the request.
        access: the server's access control.
        page: the address of the server's page, without a token.
        on_refusal: called with the status, or the close code, and the reason if the request is
            refused.
        render_metrics: returns the metrics; raises ImportError without the package for them.
        extend: returns the response of an extension to a request without a token; None without one.
        address: the client's address, without its port; empty for no limit of wrong tokens.
        find: returns the file at a path; None if there is none.

    Returns:
        None for an accepted websocket handshake, which then continues. A `Refusal` for a handshake
        without the right token: the handshake continues, and the websocket is then closed with the
        refusal's code and reason.
    """
    response = _respond(request, access, page, on_refusal, render_metrics, extend, address, find)
    return _complete(request, response) if isinstance(response, Response) else response


def respond_to_probe(request: Request, find_unready_reason: Callable[[], str]) -> Response | None:
    """Return the response to a probe; None if the request is not one.

    A probe carries no token, and its Host is often an address that the server doesn't know, such as
    10.1.2.3:8000. The response has no data but one word.

    Args:
        request: the request.
        find_unready_reason: returns one word, why no further client should come; empty if the
            server is ready.
    """
    path = request.path.partition("?")[0]
    if path not in (ALIVE, READY) or _is_upgrade(request):
        return None
    if request.method not in METHODS:
        return _respond_not_allowed()
    reason = find_unready_reason() if path == READY else ""
    status = http.HTTPStatus.SERVICE_UNAVAILABLE if reason else http.HTTPStatus.OK
    text = reason or ("ready" if path == READY else "ok")
    return _complete(request, _make_response(status, f"{text}\n".encode(), cache=NO_STORE))


def respond_on_metrics_port(
    request: Request,
    access: Access,
    page: str,
    on_refusal: Callable[[int, str], object],
    render_metrics: Callable[[], bytes],
) -> Response:
    """Return the response to a request on the port that serves the metrics alone.

    It needs no token; Host and Origin are checked as on the other port.
    """
    problem = _find_problem(request)
    refusal = access.check_request(request.path, request.headers, page=page, needs_token=False)
    if problem is not None or refusal is not None:
        reason = problem or (refusal.reason if refusal is not None else "")
        status = http.HTTPStatus.BAD_REQUEST if refusal is None else refusal.status
        on_refusal(status, reason)
        response = _make_response(status, f"{reason}\n".encode())
    elif request.path.partition("?")[0] == METRICS and not _is_upgrade(request):
        response = _respond_with_metrics(request, render_metrics)
    else:
        body = f"This port serves {METRICS} only.\n".encode()
        response = _make_response(http.HTTPStatus.NOT_FOUND, body)
    return _complete(request, response)


def _respond(
    request: Request,
    access: Access,
    page: str,
    on_refusal: Callable[[int, str], object],
    render_metrics: Callable[[], bytes],
    extend: Callable[[Request], Response | None],
    address: str,
    find: Callable[[str], Asset | None],
) -> Response | Refusal | None:
    if (problem := _find_problem(request)) is not None:
        on_refusal(http.HTTPStatus.BAD_REQUEST, problem)
        return _make_response(http.HTTPStatus.BAD_REQUEST, f"{problem}\n".encode())
    path = request.path.partition("?")[0]
    upgrade = _is_upgrade(request)
    check = partial(access.check_request, request.path, request.headers, page=page, address=address)
    asset = None
    if not upgrade and check(needs_token=False) is None:
        extended = extend(request)
        if extended is not None:
            if extended.status_code == http.HTTPStatus.NOT_FOUND:
                _note_guess(path, access, address, check)
            return extended
        asset = find(path)
    # Files other than pages hold no data, and browsers request them without the page's query.
    is_page = asset is not None and asset.needs_token
    needs_token = upgrade or path == METRICS or is_page
    refusal = check(needs_token=needs_token)
    if refusal is not None:
        close_code = refusal.close_code if upgrade else None
        on_refusal(close_code or refusal.status, refusal.reason)
        return refusal if close_code else _make_refusal(request, refusal)
    if path == METRICS and not upgrade:
        return _respond_with_metrics(request, render_metrics)
    page = access.localise(page, request.headers.get("Host", ""))
    if upgrade:
        # tickerkit.v1 is spoken on any path.
        if find_stream(path) is not None or SUBPROTOCOL in _list_subprotocols(request):
            return None
        on_refusal(http.HTTPStatus.NOT_FOUND, _describe_missing(page))
    if asset is None:
        _note_guess(path, access, address, check)
        return _respond_without_asset(path, page, upgrade=upgrade)
    if request.method not in METHODS:
        return _respond_not_allowed()
    if request.headers.get("If-None-Match") == asset.etag:
        response = _make_response(http.HTTPStatus.NOT_MODIFIED, b"", asset.content_type)
    else:
        # The address of the page has the token: no cache keeps it.
        cache = NO_STORE if access.token is not None and is_page else REVALIDATE
        response = _make_response(http.HTTPStatus.OK, asset.body, asset.content_type, cache=cache)
    response.headers["ETag"] = asset.etag
    if not asset.is_own:
        response.headers["Content-Security-Policy"] = PAGE_POLICY
    return response


def _note_guess(
    path: str, access: Access, address: str, check: Callable[..., Refusal | None]
) -> None:
    """Count a path where nothing is as a wrong token: the page of a class is at its code."""
    name = path.split("/")[1]
    if "." not in name and not access.is_token(name) and check(needs_token=True) is NO_TOKEN:
        access.note_wrong_token(address, path)


def respond_unavailable(reason: str) -> Response:
    """Return the response to a websocket handshake that can't be admitted now."""
    return _make_response(http.HTTPStatus.SERVICE_UNAVAILABLE, f"{reason}\n".encode())


def _respond_with_metrics(request: Request, render: Callable[[], bytes]) -> Response:
    if request.method not in METHODS:
        return _respond_not_allowed()
    try:
        body = render()
    except ImportError:
        return _make_response(http.HTTPStatus.NOT_IMPLEMENTED, f"{MISSING}\n".encode())
    return _make_response(http.HTTPStatus.OK, body, CONTENT_TYPE, cache=NO_STORE)


def _complete(request: Request, response: Response) -> Response:
    """Return the response to send: for HEAD without its body (RFC 9110, section 9.3.2)."""
    if request.method == "HEAD":
        response.body = b""
    return response


def _respond_not_allowed() -> Response:
    body = b"Method not allowed; use GET or HEAD\n"
    response = _make_response(http.HTTPStatus.METHOD_NOT_ALLOWED, body)
    response.headers["Allow"] = "GET, HEAD"
    return response


def _is_upgrade(request: Request) -> bool:
    return any("websocket" in each.lower() for each in request.headers.get_all("Upgrade"))


def _find_problem(request: Request) -> str | None:
    """Return why a request is malformed, and the fix; browsers and clients don't send these."""
    for name in SINGLE_HEADERS:
        if len(request.headers.get_all(name)) > 1:
            return f"The request has more than one {name} header; send one."
    if not request.path.startswith("/"):
        return "This server is not a proxy; request a path that begins with /."
    return None


def _make_refusal(request: Request, refusal: Refusal) -> Response:
    """Return the response to a refused request; for a browser without a token, a box to enter it.

    Programs get the reason as plain text.
    """
    if refusal.status != http.HTTPStatus.UNAUTHORIZED:
        response = _make_response(refusal.status, f"{refusal.reason}\n".encode())
        if refusal.status == http.HTTPStatus.TOO_MANY_REQUESTS:
            response.headers["Retry-After"] = f"{BLOCK_S:g}"
        return response
    asset = find_asset(TOKEN_PAGE)
    if asset is not None and "text/html" in request.headers.get("Accept", ""):
        body = asset.body.replace(TOKEN_PAGE_REASON, html.escape(refusal.reason).encode())
        response = _make_response(refusal.status, body, asset.content_type, cache=NO_STORE)
        response.headers["Content-Security-Policy"] = PAGE_POLICY
    else:
        response = _make_response(refusal.status, f"{refusal.reason}\n".encode())
    response.headers["WWW-Authenticate"] = "Bearer"  # required by RFC 9110, section 15.5.2
    return response


def _respond_without_asset(path: str, page: str, *, upgrade: bool) -> Response:
    """Return the response to a request for a path without a file, or without a stream."""
    if upgrade or find_stream(path) != "ticks":
        body = f"{_describe_missing(page)}\n".encode()
        return _make_response(http.HTTPStatus.NOT_FOUND, body)
    text = f"This is a websocket, for programs: {_make_stream_address(page, 'ticks')}"
    body = f"{text}\nThe page with the prices is at {page}\n".encode()
    response = _make_response(http.HTTPStatus.UPGRADE_REQUIRED, body)
    response.headers["Upgrade"] = "websocket"  # required by RFC 9110, section 15.5.22
    return response


def _list_subprotocols(request: Request) -> list[str]:
    values = request.headers.get_all("Sec-WebSocket-Protocol")
    return [name.strip() for value in values for name in value.split(",")]


def _describe_missing(page: str) -> str:
    prices, ticks = (_make_stream_address(page, path) for path in ("", "ticks"))
    return (
        f"There is nothing at this path; connect to {prices} (the prices now) or {ticks} "
        f"(every tick), or open the page {page}"
    )


def _make_stream_address(page: str, path: str) -> str:
    parts = urlsplit(page)
    return parts._replace(scheme=parts.scheme.replace("http", "ws", 1)).geturl() + path


def _make_response(
    status: http.HTTPStatus,
    body: bytes,
    content_type: str = "text/plain; charset=utf-8",
    *,
    cache: str = REVALIDATE,
) -> Response:
    headers = Headers(
        {
            "Content-Type": content_type,
            "Content-Length": str(len(body)),
            "Cache-Control": cache,
            "Connection": "close",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
    )
    return Response(status.value, status.phrase, headers, body)
