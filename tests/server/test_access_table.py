"""access, as a table: 200 Origins and 50 Hosts, of which only this machine's own come in."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable

import pytest
from peers import LOCAL
from websockets.datastructures import Headers
from websockets.http11 import Request

import tickerkit as tk
from tickerkit.server import access
from tickerkit.server.access import Access
from tickerkit.server.http import respond

PAGE = "http://127.0.0.1:8000/"
TOKEN = "sesame"
LINE = "http://localhost"


def as_sent(text: str) -> str:
    """Return text beyond ASCII as a header shows it to the server."""
    return text.encode().decode("latin-1")


OWN_HOSTS = [
    *("localhost", "localhost:8000", "LocalHost:99", "127.0.0.1", "127.0.0.1:8000"),
    *("127.0.0.1:443", "[::1]", "[::1]:8000"),
]
OWN_ORIGINS = [
    *("http://localhost", "http://localhost:8000", "http://localhost:5500", "HTTP://LOCALHOST"),
    *("https://localhost:8443", "http://127.0.0.1", "http://127.0.0.1:8000", "https://127.0.0.1"),
    *("http://[::1]", "http://[::1]:3000"),
]
FOREIGN_NAMES = [
    # Names of anyone's that begin, end or look like ours.
    *("evil.example", "evil.example:8000", "localhost.evil.example", "localhost.evil.example:80"),
    *("127.0.0.1.evil.example:8000", "127.0.0.1.nip.io", "localtest.me", "evil-localhost"),
    *("localhost-evil.example", "localhostx", "xlocalhost", "localhost.localdomain", "localhost."),
    *("127.0.0.1.", "localhost..", ".localhost", "evil.localhost", "xn--lcalhost-55a"),
    # Other ways to write an address of this machine, and addresses near it.
    *("127.0.0.2", "127.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "0.0.0.0"),
    *("017700000001", "127.0.0.01", "192.168.1.5:8000", "[::]", "[::2]:8000", "::1", "::1:8000"),
    *("[::ffff:127.0.0.1]", "[0:0:0:0:0:0:0:1]", "[::1", "[::1]evil.example", "[::1].example"),
    # What a careless parser finds a name of ours in.
    *("localhost@evil.example", "localhost:x@evil.example", "127.0.0.1:80@evil.example"),
    *("evil.example@localhost", "[::1]:80@evil.example", "localhost:80:80", "localhost:x"),
    *("localhost:999999", "localhost:-1", "localhost/evil.example", "localhost?evil.example"),
    *("localhost#evil.example", r"localhost\evil.example", "localhost;evil", "localhost,evil"),
    *("localhost evil.example", "local\thost", "localhost%00.evil.example", "%6cocalhost"),
    # Letters and digits that look like others.
    *(as_sent("lоcalhost"), as_sent("ｌocalhost"), as_sent("①27.0.0.1"), as_sent("127。0。0。1")),
    *(as_sent("local\xadhost"), as_sent("ⓛocalhost"), as_sent("ﬂocalhost")),
]
FOREIGN_HOSTS = [*FOREIGN_NAMES[:41], ""]
ODD_ORIGINS = [
    *("null", "NULL", "", "undefined", "*", "file://", "file:///home/me/page.html"),
    *("about:blank", "data:text/html,x", "javascript:alert(1)", f"blob:{LINE}:8000/5ab1"),
    *("chrome-extension://localhost", "moz-extension://localhost", "resource://localhost"),
    *("safari-web-extension://localhost", "vscode-webview://localhost", "app://localhost"),
    *("capacitor://localhost", "tauri://localhost", "ionic://localhost:8100", "ftp://localhost"),
    *("ws://localhost:8000", "wss://localhost", "ws://127.0.0.1:8000", "view-source:" + LINE),
    *("localhost", "localhost:8000", "127.0.0.1", "//localhost", "://localhost", "http//localhost"),
    *("http:localhost", "http:/localhost", "http:///localhost", "http:\\\\localhost", "http://"),
    *("https://", "http://:8000", "http:// localhost", f"{LINE}/", f"{LINE}/page", f"{LINE}:/"),
    *(f"{LINE}?x", f"{LINE}#x", f"{LINE} http://evil.example", f"{LINE}, http://evil.example"),
    *(f"http://evil.example {LINE}", f"http://evil.example/{LINE}", f"http://evil.example#{LINE}"),
    *(
        f"{LINE}\thttp://evil.example",
        f"{LINE}:8000,null",
        "hxxp://localhost",
        "https//localhost",
        "httpss://localhost",
    ),
    *("http+unix://localhost", as_sent("http://localhost\u2028"), as_sent("ｈttp://localhost")),
    *(f"'{LINE}'", f'"{LINE}"', f"<{LINE}>", f"{LINE}\\", "http://[", "http://]localhost[", "]["),
]
FOREIGN_ORIGINS = [
    *(f"{scheme}://{name}" for name in FOREIGN_NAMES for scheme in ("http", "https")),
    *ODD_ORIGINS,
]


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget a JupyterHub that the tests may run in."""
    for name in access.HUB_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def is_let_in(rule: Access, host: str, origin: str | None, target: str = "/") -> bool:
    """Return whether a page of `origin` gets both the server's page and its websocket."""
    admitted = []
    for upgrade in (False, True):
        headers = Headers()
        headers.set_insecure("Host", host)
        if origin is not None:
            headers.set_insecure("Origin", origin)
        if upgrade:
            headers["Upgrade"] = "websocket"
        refusals: list[str] = []
        response = respond(Request(target, headers), rule, PAGE, refusals.append)
        admitted.append(response is None or response.status_code == 200)
        assert admitted[-1] is (not refusals)
        assert all(text.isprintable() for text in refusals)
    assert len(set(admitted)) == 1, (host, origin)
    return admitted[0]


def test_the_table_is_as_large_as_it_says() -> None:
    """200 Origins and 50 Hosts, each of them once."""
    assert len({*OWN_ORIGINS, *FOREIGN_ORIGINS}) == 200
    assert len({*OWN_HOSTS, *FOREIGN_HOSTS}) == 50


def test_on_loopback_only_pages_of_this_machine_come_in() -> None:
    """Of 10,000 pairs those are let in of which both are this machine's own, and no other."""
    rule = Access("127.0.0.1")
    for host in [*OWN_HOSTS, *FOREIGN_HOSTS]:
        for origin in [*OWN_ORIGINS, *FOREIGN_ORIGINS]:
            own = host in OWN_HOSTS and origin in OWN_ORIGINS
            assert is_let_in(rule, host, origin) is own, (host, origin)
        assert is_let_in(rule, host, None) is (host in OWN_HOSTS), host


def test_bound_elsewhere_only_its_own_page_comes_in() -> None:
    """The Origin must be the very name that the request went to, and the token must be there."""
    everywhere, one = Access("0.0.0.0", token=TOKEN), Access("192.168.1.5", token=TOKEN)
    for host in [*OWN_HOSTS, *FOREIGN_HOSTS]:
        for origin in [*OWN_ORIGINS, *FOREIGN_ORIGINS]:
            same = origin.lower() in (f"http://{host}".lower(), f"https://{host}".lower())
            for rule in (everywhere, one):
                assert not is_let_in(rule, host, origin), (host, origin)
                if is_let_in(rule, host, origin, f"/?token={TOKEN}"):
                    assert same, (host, origin)
        assert is_let_in(one, host, None, f"/?token={TOKEN}") is (host == "192.168.1.5:8000")


@pytest.mark.parametrize(
    ("bound", "hosts"),
    [
        ("0.0.0.0", ["192.168.1.5:8000", "class.local:8000", "a_b.example", "localhost:8000"]),
        ("::", ["[fe80::1]:8000", "192.168.1.5:8000", "class.local"]),
        ("192.168.1.5", ["192.168.1.5:8000", "192.168.1.5"]),
        ("Class.local", ["class.local:8000", "CLASS.local"]),
    ],
)
def test_its_own_page_and_programs_always_come_in(bound: str, hosts: list[str]) -> None:
    """With the token the page that it serves, on any scheme, and whatever sends no Origin."""
    rule = Access(bound, token=TOKEN)
    for host in hosts:
        for origin in (None, f"http://{host}", f"https://{host}"):
            assert is_let_in(rule, host, origin, f"/?token={TOKEN}")


def status_of(port: int, lines: Iterable[str], target: str = "/") -> int:
    """Ask by hand for a websocket; return the status of the answer, 0 for none."""
    upgrade = (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    text = "".join(f"{line}\r\n" for line in lines)
    with contextlib.suppress(OSError), socket.create_connection((LOCAL, port)) as peer:
        peer.settimeout(10)
        peer.sendall(f"GET {target} HTTP/1.1\r\n{text}{upgrade}\r\n".encode("latin-1"))
        words = peer.recv(100).split()
        return int(words[1]) if words else 0
    return 0


@pytest.mark.parametrize(
    "hosts",
    [
        pytest.param(1, id="short"),
        pytest.param(50, id="all", marks=[pytest.mark.soak, pytest.mark.timeout(600)]),
    ],
)
def test_over_a_wire_it_is_no_other(hosts: int) -> None:
    """Real requests are answered 101 or 403 as the table says; none makes the server fail."""
    with tk.serve(None, port=0) as server:
        for host in [*OWN_HOSTS, *FOREIGN_HOSTS]:
            own = host in OWN_HOSTS
            assert status_of(server.port, [f"Host: {host}"]) == (101 if own else 403), host
        for host in [*OWN_HOSTS[1:], *FOREIGN_HOSTS, OWN_HOSTS[0]][:hosts]:
            for origin in [*OWN_ORIGINS, *FOREIGN_ORIGINS]:
                own = host in OWN_HOSTS and origin in OWN_ORIGINS
                status = status_of(server.port, [f"Host: {host}", f"Origin: {origin}"])
                assert status == (101 if own else 403), (host, origin)
        assert server.stats["refused"] == 0


@pytest.mark.parametrize(
    "lines",
    [
        ["Host: localhost", "Host: localhost"],
        ["Host: localhost", "Host: evil.example"],
        ["Host: localhost", "Origin: http://localhost", "Origin: http://evil.example"],
        ["Host: localhost", "Origin: http://localhost", "Origin: http://localhost"],
        ["Host: localhost", "Authorization: Bearer sesame", "Authorization: Bearer sesame"],
        ["Host: localhost", "Upgrade: websocket"],
        ["Host: localhost", "If-None-Match: x", "If-None-Match: y"],
    ],
)
def test_headers_that_come_twice_are_refused(lines: list[str]) -> None:
    """Which of two is meant nobody can know: 400, counted, and no fault of the server's own."""
    with tk.serve(None, port=0) as server:
        assert status_of(server.port, lines) == 400
        assert server.stats["turned_away"] == 1
        assert "more than one" in server.stats["last_turned_away"]


@pytest.mark.parametrize(
    "target", ["http://evil.example/", "http://localhost/", "*", "evil.example:80", "ticks", "//["]
)
def test_targets_that_are_no_path_are_refused(target: str) -> None:
    """Only a proxy is asked for whole addresses; none of them makes the server fail."""
    with tk.serve(None, port=0, token=TOKEN) as server:
        wanted = 403 if target.startswith("/") else 400
        assert status_of(server.port, ["Host: localhost"], target) == wanted
        assert status_of(server.port, ["Host: localhost"], f"/?token={TOKEN}") == 101
