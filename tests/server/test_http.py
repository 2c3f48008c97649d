"""http: responses to plain HTTP requests."""

from __future__ import annotations

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tickerkit.server.access import Access
from tickerkit.server.http import respond
from tickerkit.server.page import FILES

PAGE = "http://127.0.0.1:8000/"
RULE = Access("127.0.0.1")
UPGRADE = {"Upgrade": "websocket"}
TRAVERSALS = [
    *("/..", "/../", "/../server.py", "/../../etc/passwd", "//etc/passwd", "/./page.js"),
    *("/%2e%2e/server.py", "/%2e%2e%2fserver.py", "/..%2fserver.py", "/%2e%2e%5cserver.py"),
    *("/..\\server.py", "/....//server.py", "/..;/server.py", "/page.js/../server.py"),
    *("/page.js/", "/page.js%00", "/page.js%00.html", "/page.js.", "/page.js::$DATA", "/PAGE.JS"),
    *("/index.html", "/__init__.py", "/__pycache__/", "/.git/config", "/C:/Windows/win.ini"),
    *("/%252e%252e/server.py", "/%c0%ae%c0%ae/server.py", "/..%c0%af", "/~root", "/file:///etc"),
    *("//", "/%2f", "/%2fpage.js", "/ page.js", "/page.js#x", "/page.js;x", "/%70age.js"),
]


def respond_to(target: str, **headers: str) -> tuple[Response | None, list[str]]:
    """Return the response to a request, and the reasons passed to the callback."""
    reasons: list[str] = []
    sent = Headers({"Host": "localhost:8000"} | headers)
    return respond(Request(target, sent), RULE, PAGE, reasons.append), reasons


@pytest.mark.parametrize("path", TRAVERSALS)
def test_path_outside_the_table_is_not_found(path: str) -> None:
    """No spelling of a path reaches another file."""
    response, reasons = respond_to(path)
    assert response is not None
    assert (response.status_code, response.body) == (
        404,
        b"Not found; the page is at /\n",
    )
    assert reasons == []


@pytest.mark.parametrize("path", FILES)
def test_files_of_the_table_are_served(path: str) -> None:
    """The query is ignored."""
    response, _ = respond_to(f"{path}?../../etc/passwd")
    assert response is not None
    assert response.status_code == 200


@pytest.mark.parametrize("headers", [{}, UPGRADE], ids=["page", "socket"])
def test_refusal_is_plain_text_and_counted(headers: dict[str, str]) -> None:
    """The reason is the body, as text/plain, and is passed to the callback."""
    origin = "http://<img src=x onerror=alert(1)>"
    response, reasons = respond_to("/", Origin=origin, **headers)
    assert response is not None
    assert response.status_code == 403
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert reasons == [bytes(response.body).decode().rstrip("\n")]
    assert PAGE in reasons[0]


def test_websocket_handshake_is_accepted() -> None:
    """The response is None, which continues the handshake."""
    assert respond_to("/", **UPGRADE) == (None, [])


def test_absolute_target_is_a_bad_request() -> None:
    """A proxy's form of a request does not bypass the check of the Host."""
    response, reasons = respond_to("http://localhost:8000/", **UPGRADE)
    assert response is not None
    assert response.status_code == 400
    assert reasons == ["This server is not a proxy; request a path that begins with /."]
