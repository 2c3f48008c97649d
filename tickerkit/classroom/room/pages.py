"""Pages: what the server of a class answers to plain HTTP requests."""

from __future__ import annotations

import functools
import hmac
import re

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tickerkit.classroom.room.starters import STARTERS
from tickerkit.classroom.room.student.page import render_page
from tickerkit.classroom.room.tasks import TASKS
from tickerkit.errors import InvalidArgument

__all__ = ["respond_with_page"]

HTML = "text/html; charset=utf-8"
# What the page may run is part of the page; a notebook may show it in a frame.
POLICY = "frame-ancestors *"
# The page writes the student's own name in its place.
NAME = "YOUR-NAME"
PORT = re.compile(r":[0-9]{1,5}$")
METHODS = ("GET", "HEAD")


def respond_with_page(request: Request, code: str) -> Response | None:
    """Return the student's page for the path that is the code; None for another path."""
    path = request.path.partition("?")[0].strip("/")
    if not hmac.compare_digest(path.encode(), code.encode()):
        return None
    if request.method not in METHODS:
        return _make_response(405, "Method Not Allowed", b"Use GET or HEAD.\n", "text/plain")
    try:
        page = _render_page(code, request.headers.get("Host", ""))
    except InvalidArgument:  # a Host that is no address
        body = b"Use the address that the teacher shows.\n"
        return _make_response(400, "Bad Request", body, "text/plain")
    return _make_response(200, "OK", page, HTML)


# A whole class requests it at once, and by the same address.
@functools.lru_cache(maxsize=16)
def _render_page(code: str, host: str) -> bytes:
    """Return the page of one class, with the address in it by which it was requested."""
    address = host if PORT.search(host) else f"{host}:80"
    starters = [
        {
            "key": key,
            "title": starter.title,
            "run": starter.file,
            "text": starter.fill(address, code, NAME),
        }
        for key, starter in STARTERS.items()
    ]
    tasks = [{"number": task.number, "title": task.title, "text": task.text} for task in TASKS]
    facts = {"host": PORT.sub("", address), "name": NAME, "starters": starters, "tasks": tasks}
    return render_page(code, facts)


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
