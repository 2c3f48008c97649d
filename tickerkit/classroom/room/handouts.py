"""Handouts: the programs and the notebook that students of a class download, and their seat."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from websockets.http11 import Request, Response

from tickerkit.classroom.room.responses import make_response, refuse_host
from tickerkit.classroom.room.starters import NOTEBOOK, make_file
from tickerkit.errors import InvalidArgument
from tickerkit.server.client_facts import clean_name

__all__ = ["SEAT_PATH", "respond_with_handout"]

# What `tk.join` asks for.
SEAT_PATH = "seat"


def respond_with_handout(
    request: Request, code: str, describe: Callable[[str], dict[str, Any] | None]
) -> Response | None:
    """Return the response to a path below the code, such as `/otter42/starter.py?name=ana`.

    Args:
        request: a plain HTTP request.
        code: the code of the class.
        describe: returns the object about the seat with a name; None if there is none.

    Returns:
        None for a path that is not below the code.
    """
    path, _, query = request.path.partition("?")
    given, _, file = path.strip("/").partition("/")
    if not file or not hmac.compare_digest(given.encode(), code.encode()):
        return None
    name = clean_name(parse_qs(query).get("name", [""])[0])
    if file == SEAT_PATH:
        seat = describe(name) or {"status": "not in the class: connect a program first"}
        return make_response(200, json.dumps(seat), "application/json")
    host = request.headers.get("Host", "")
    address = host if ":" in host.rpartition("]")[2] else f"{host}:80"
    try:
        text = make_file(file, address, code, name)
    except InvalidArgument:  # a Host that is no address
        return refuse_host()
    if text is None:  # answered here: for the server, it would be a wrong code
        return make_response(404, f"The class has no such file; its page is at /{code}\n")
    if file == NOTEBOOK:
        return make_response(200, text, "application/x-ipynb+json")
    return make_response(200, text)
