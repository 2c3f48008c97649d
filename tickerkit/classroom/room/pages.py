"""Pages: what the server of a class answers to plain HTTP requests."""

from __future__ import annotations

import functools
import hmac
import re
from html import escape
from urllib.parse import parse_qs

from websockets.http11 import Request, Response

from tickerkit.classroom.room.codes import is_code
from tickerkit.classroom.room.responses import HTML, make_response, refuse_host
from tickerkit.classroom.room.starters import STARTERS
from tickerkit.classroom.room.student.page import render_page
from tickerkit.classroom.room.tasks import TASKS
from tickerkit.errors import InvalidArgument

__all__ = ["respond_to_mistyped_code", "respond_with_page"]

# What the page may run is part of the page; a notebook may show it in a frame.
POLICY = "frame-ancestors *"
# The page writes the student's own name in its place.
NAME = "YOUR-NAME"
PORT = re.compile(r":[0-9]{1,5}$")
METHODS = ("GET", "HEAD")
# What a browser shows to a student who has no code, or a wrong one.
HELP = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<body style="max-width: 34rem; margin: 2rem auto; padding: 0 1rem; font: 1.125rem/1.5 system-ui">
<h1 style="font-size: 1.5rem">{title}</h1>
<p>Compare the address with the one that your teacher shows: <b>{host}/</b>, and then the code.
</html>
"""


def respond_with_page(request: Request, code: str) -> Response | None:
    """Return the student's page for the path that is the code; None for another path."""
    path = request.path.partition("?")[0].strip("/")
    if not hmac.compare_digest(path.encode(), code.encode()):
        return None
    if request.method not in METHODS:
        return make_response(405, "Use GET or HEAD.\n")
    try:
        page = _render_page(code, request.headers.get("Host", ""))
    except InvalidArgument:  # a Host that is no address
        return refuse_host()
    return _make_page(200, page)


def respond_to_mistyped_code(request: Request, code: str) -> Response | None:
    """Return what a browser shows at a path that looks like a code; None for other requests.

    Phones write the first letter as a capital, so a code with other capitals leads to the page.
    """
    path, _, query = request.path.partition("?")
    given, host = path.strip("/"), request.headers.get("Host", "")
    if request.method not in METHODS or (given and not is_code(given)):
        return None
    if given and hmac.compare_digest(given.lower().encode(), code.lower().encode()):
        response = make_response(302, "")
        response.headers["Location"] = f"/{code}"
        return response
    if "text/html" not in request.headers.get("Accept", "") or "token" in parse_qs(query):
        return None
    title = f"No class has the code {given}" if given else "The code is missing"
    body = HELP.format(title=escape(title), host=escape(host))
    return _make_page(404 if given else 401, body)


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


def _make_page(status: int, body: bytes | str) -> Response:
    response = make_response(status, body, HTML)
    response.headers["Content-Security-Policy"] = POLICY
    return response
