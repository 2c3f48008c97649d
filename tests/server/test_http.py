"""http: responses to plain HTTP requests."""

from __future__ import annotations

import sys

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tickerkit.server.access import Access, Refusal
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
    response = respond(Request(target, sent), RULE, PAGE, lambda _, why: reasons.append(why), bytes)
    assert not isinstance(response, Refusal)
    return response, reasons


@pytest.mark.parametrize("path", TRAVERSALS)
def test_path_outside_the_table_is_not_found(path: str) -> None:
    """No spelling of a path reaches another file."""
    response, reasons = respond_to(path)
    assert response is not None
    assert response.status_code == 404
    for address in (PAGE, "ws://127.0.0.1:8000/ ", "ws://127.0.0.1:8000/ticks "):
        assert address in bytes(response.body).decode()
    assert reasons == []


@pytest.mark.parametrize("path", FILES)
def test_files_of_the_table_are_served(path: str) -> None:
    """The query is ignored."""
    response, _ = respond_to(f"{path}?../../etc/passwd")
    assert response is not None
    assert response.status_code == 200


def test_page_with_a_token_is_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address has the token; the page of an open server, and other files, are revalidated."""

    def cache_control(target: str) -> str:
        response, _ = respond_to(target)
        assert response is not None
        return response.headers["Cache-Control"]

    assert cache_control("/") == "no-cache"
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules[__name__], "RULE", Access("127.0.0.1", token="sesame"))
        assert cache_control("/?token=sesame") == "no-store"
        script = next(path for path in FILES if path.endswith(".js"))
        assert cache_control(script) == "no-cache"


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


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("/", "localhost", 200),
        ("/nothing", "localhost", 404),
        ("/ticks", "localhost", 426),
        ("/", "evil.example", 403),
        ("http://localhost/", "localhost", 400),
    ],
)
def test_head_gets_the_headers_of_get_and_no_body(target: str, host: str, status: int) -> None:
    """Also where the response is an error: a client would take a body for the next response."""
    responses = [
        respond(Request(target, Headers(Host=host), method), RULE, PAGE, lambda *_: None, bytes)
        for method in ("GET", "HEAD")
    ]
    get, head = (each for each in responses if isinstance(each, Response))
    assert get.status_code == head.status_code == status
    assert list(get.headers.raw_items()) == list(head.headers.raw_items())
    assert get.body
    assert head.body == b""


def test_websocket_handshake_is_accepted() -> None:
    """The response is None, which continues the handshake."""
    assert respond_to("/", **UPGRADE) == (None, [])


def test_absolute_target_is_a_bad_request() -> None:
    """A proxy's form of a request does not bypass the check of the Host."""
    response, reasons = respond_to("http://localhost:8000/", **UPGRADE)
    assert response is not None
    assert response.status_code == 400
    assert reasons == ["This server is not a proxy; request a path that begins with /."]


@pytest.mark.parametrize(
    "path", ["/tick", "/tickz", "/Ticks", "/price", "/tick/", "/a/ticks", "/proxy/8000/tick"]
)
def test_websocket_at_another_path_is_answered_404_with_both_addresses(path: str) -> None:
    """A typo must not be another stream in silence; it is counted."""
    response, reasons = respond_to(f"{path}?x", **UPGRADE)
    assert response is not None
    assert response.status_code == 404
    text = bytes(response.body).decode().rstrip("\n")
    assert reasons == [text]
    for address in (PAGE, "ws://127.0.0.1:8000/ ", "ws://127.0.0.1:8000/ticks "):
        assert address in text
    offered = {"Sec-WebSocket-Protocol": "other, tickerkit.v1"}
    assert respond_to(path, **UPGRADE, **offered) == (None, [])


@pytest.mark.parametrize(
    "path", ["/", "/ticks", "/ticks/", "/proxy/8000/", "/proxy/8000/ticks", "/proxy/absolute/8000"]
)
def test_websocket_at_a_stream_is_accepted_also_behind_a_proxy(path: str) -> None:
    """A proxy may keep its prefix in the path."""
    for prefix in ("", "/user/me") if "proxy" in path else ("",):
        assert respond_to(f"{prefix}{path}?token=x", **UPGRADE) == (None, [])


@pytest.mark.parametrize("path", ["/ticks", "/ticks/", "/user/me/proxy/8000/ticks?x"])
def test_stream_opened_in_a_browser_says_what_it_is(path: str) -> None:
    """The response names the websocket's address and the page's, as this client reaches them."""
    response, reasons = respond_to(path, Accept="text/html")
    assert response is not None
    assert (response.status_code, response.headers["Upgrade"]) == (426, "websocket")
    text = bytes(response.body).decode()
    assert "This is a websocket" in text
    assert "ws://127.0.0.1:8000/ticks" in text
    assert PAGE in text
    assert reasons == []
    headers = Headers(Host="class.local:8000")
    everywhere = Access("0.0.0.0", token="sesame")
    response = respond(
        Request(path, headers), everywhere, PAGE, lambda _, why: reasons.append(why), bytes
    )
    assert isinstance(response, Response)
    assert "ws://class.local:8000/ticks" in bytes(response.body).decode()


@pytest.mark.parametrize(
    ("target", "words"), [("/", "requires a token"), ("/?token=<b>", "Wrong token")]
)
def test_missing_token_gets_a_box_to_enter_it(target: str, words: str) -> None:
    """A browser gets a page with a form, a program plain text, and a websocket a close frame."""
    rule = Access("127.0.0.1", token="sesame")
    reasons: list[str] = []

    def ask(**headers: str) -> Response | Refusal | None:
        sent = Headers({"Host": "localhost:8000"} | headers)
        return respond(Request(target, sent), rule, PAGE, lambda _, why: reasons.append(why), bytes)

    plain, page, websocket = ask(), ask(Accept="text/html,*/*"), ask(**UPGRADE)
    assert isinstance(plain, Response)
    assert isinstance(page, Response)
    assert isinstance(websocket, Refusal)
    assert plain.status_code == page.status_code == 401
    assert plain.headers["WWW-Authenticate"] == "Bearer"
    assert bytes(plain.body).decode() == f"{websocket.reason}\n"
    assert words in websocket.reason
    assert '<input id="token" name="token"' in bytes(page.body).decode()
    assert words in bytes(page.body).decode()
    assert reasons == [websocket.reason] * 3
