"""access: requests are accepted or refused by Host, Origin and token.

The table at the top has 200 Origins and 50 Hosts; only this machine's own names are accepted.
"""

from __future__ import annotations

import ast
import contextlib
import re
import socket
from collections.abc import Iterable

import pytest
from peers import LOCAL
from soaks import soak
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

import tickerkit as tk
from tickerkit.server import access
from tickerkit.server.access import Access
from tickerkit.server.http import respond
from tickerkit.validation import check_token

PAGE = "http://127.0.0.1:8000/"
TOKEN = "sesame"
LINE = "http://localhost"


def as_sent(text: str) -> str:
    """Return text as the server sees it in a header: UTF-8 read as Latin-1."""
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
    # Names that begin, end or look like local ones.
    *("evil.example", "evil.example:8000", "localhost.evil.example", "localhost.evil.example:80"),
    *("127.0.0.1.evil.example:8000", "127.0.0.1.nip.io", "localtest.me", "evil-localhost"),
    *("localhost-evil.example", "localhostx", "xlocalhost", "localhost.localdomain", "localhost."),
    *("127.0.0.1.", "localhost..", ".localhost", "evil.localhost", "xn--lcalhost-55a"),
    # Other spellings of this machine's addresses, and similar addresses.
    *("127.0.0.2", "127.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "0.0.0.0"),
    *("017700000001", "127.0.0.01", "192.168.1.5:8000", "[::]", "[::2]:8000", "::1", "::1:8000"),
    *("[::ffff:127.0.0.1]", "[0:0:0:0:0:0:0:1]", "[::1", "[::1]evil.example", "[::1].example"),
    # Text in which a lenient parser finds a local name.
    *("localhost@evil.example", "localhost:x@evil.example", "127.0.0.1:80@evil.example"),
    *("evil.example@localhost", "[::1]:80@evil.example", "localhost:80:80", "localhost:x"),
    *("localhost:999999", "localhost:-1", "localhost/evil.example", "localhost?evil.example"),
    *("localhost#evil.example", r"localhost\evil.example", "localhost;evil", "localhost,evil"),
    *("localhost evil.example", "local\thost", "localhost%00.evil.example", "%6cocalhost"),
    # Letters and digits that look like ASCII ones.
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
    """Hide a JupyterHub in which the tests may run."""
    for name in access.HUB_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def refusal(
    rule: Access,
    host: str = "127.0.0.1:8000",
    origin: str | None = None,
    target: str = "/",
    bearer: str | None = None,
    needs_token: bool = True,
) -> str | None:
    """Return why a request is refused; None if it is accepted."""
    headers = Headers(Host=host)
    if origin is not None:
        headers["Origin"] = origin
    if bearer is not None:
        headers["Authorization"] = bearer
    found = rule.check_request(target, headers, page=PAGE, needs_token=needs_token)
    return None if found is None else found.reason


def to_pass(text: str | None) -> dict[str, list[str]]:
    """Return the argument that a refusal names."""
    assert text is not None
    found = re.search(r'pass (hosts|origins)=(\[".*"\])', text)
    assert found is not None, text
    return {found[1]: ast.literal_eval(found[2])}


def is_accepted(rule: Access, host: str, origin: str | None, target: str = "/") -> bool:
    """Return whether a page from `origin` gets both the server's page and its websocket."""
    admitted = []
    for upgrade in (False, True):
        headers = Headers()
        headers.set_insecure("Host", host)
        if origin is not None:
            headers.set_insecure("Origin", origin)
        if upgrade:
            headers["Upgrade"] = "websocket"
        refusals: list[str] = []
        response = respond(
            Request(target, headers), rule, PAGE, lambda _, why, to=refusals: to.append(why), bytes
        )
        is_page = isinstance(response, Response) and response.status_code == 200
        admitted.append(response is None or is_page)
        assert admitted[-1] is (not refusals)
        assert all(text.isprintable() for text in refusals)
    assert len(set(admitted)) == 1, (host, origin)
    return admitted[0]


# --- the table -------------------------------------------------------------------------------


def test_table_has_200_origins_and_50_hosts() -> None:
    """No entry occurs twice."""
    assert len({*OWN_ORIGINS, *FOREIGN_ORIGINS}) == 200
    assert len({*OWN_HOSTS, *FOREIGN_HOSTS}) == 50


def test_loopback_accepts_only_pairs_of_own_host_and_origin() -> None:
    """Of 10,000 pairs only those of a local Host and a local Origin are accepted."""
    rule = Access("127.0.0.1")
    for host in [*OWN_HOSTS, *FOREIGN_HOSTS]:
        for origin in [*OWN_ORIGINS, *FOREIGN_ORIGINS]:
            own = host in OWN_HOSTS and origin in OWN_ORIGINS
            assert is_accepted(rule, host, origin) is own, (host, origin)
        assert is_accepted(rule, host, None) is (host in OWN_HOSTS), host


def test_page_of_any_origin_needs_only_the_token() -> None:
    """The Host is still checked; without the token, no page is accepted, not even the server's."""
    one, local = Access("192.168.1.5", token=TOKEN), Access("127.0.0.1", token=TOKEN)
    for host in [*OWN_HOSTS, *FOREIGN_HOSTS]:
        for rule, own in ((one, host == "192.168.1.5:8000"), (local, host in OWN_HOSTS)):
            origins = [*OWN_ORIGINS, *FOREIGN_ORIGINS] if own else ODD_ORIGINS[:5]
            for origin in [*origins, f"http://{host}", None]:
                assert is_accepted(rule, host, origin, f"/?token={TOKEN}") is own, (host, origin)
                assert not is_accepted(rule, host, origin), (host, origin)
                assert not is_accepted(rule, host, origin, "/?token=nonsense"), (host, origin)


def test_without_a_token_only_pages_of_the_same_host_and_port_are_accepted() -> None:
    """token=False opens a server to programs, and to its own page and the listed ones."""
    rules = Access("0.0.0.0", token=False), Access("192.168.1.5", token=False)
    for host in [*OWN_HOSTS, *FOREIGN_HOSTS]:
        for origin in [*OWN_ORIGINS, *FOREIGN_ORIGINS[::5], f"http://{host}"]:
            same = origin.lower() in (f"http://{host}".lower(), f"https://{host}".lower())
            for rule in rules:
                if is_accepted(rule, host, origin):
                    assert same, (host, origin)


def test_foreign_host_is_refused_with_the_fix() -> None:
    """Passing the hosts= that the refusal names admits the request."""
    for host in FOREIGN_HOSTS:
        text = refusal(Access("127.0.0.1"), host)
        assert text is not None
        assert text.isprintable()
        if access.HOST.fullmatch(host):
            assert refusal(Access("127.0.0.1", **to_pass(text)), host) is None, host
        else:
            assert "pass hosts=" not in text


def test_foreign_origin_is_refused_with_the_fix() -> None:
    """Passing the origins= that the refusal names admits the page."""
    for origin in FOREIGN_ORIGINS:
        text = refusal(Access("127.0.0.1"), origin=origin)
        assert text is not None
        assert "open the page that this server serves" in text
        if "pass origins=" in text:
            assert refusal(Access("127.0.0.1", **to_pass(text)), origin=origin) is None, origin
        else:  # no browser sends it
            assert origin not in ("null", "NULL")
            assert not re.fullmatch(r"https?://[a-z0-9.-]+", origin)


@pytest.mark.parametrize(
    "entry",
    [
        *(
            "*",
            "https://*.example.org",
            "example.org",
            "localhost:5500",
            "https://example.org/page",
        ),
        *(
            "https://example.org?x",
            "https://",
            "",
            " https://example.org",
            "https://bücher.example",
        ),
        *("https://user@example.org", "https://example.org,https://example.com"),
    ],
)
def test_entry_of_origins_that_can_never_match_is_refused(entry: str) -> None:
    """The error names the entry, the accepted form and, for any origin, the token."""
    with pytest.raises(tk.InvalidArgument, match="origins=") as caught:
        tk.serve(None, port=0, origins=["https://example.org", entry])
    assert (caught.value.argument, caught.value.value) == ("origins", entry)
    assert "has a token" in str(caught.value)


@pytest.mark.parametrize("entry", ["*", "*.example.org", "https://example.org", "a b", "a/b", ""])
def test_entry_of_hosts_that_can_never_match_is_refused(entry: str) -> None:
    """The error names the entry and the accepted form."""
    with pytest.raises(tk.InvalidArgument, match="hosts=") as caught:
        tk.serve(None, port=0, hosts=entry)
    assert (caught.value.argument, caught.value.value) == ("hosts", entry)


def test_entry_that_is_not_text_is_refused() -> None:
    """Neither None nor bytes is a name."""
    for wrong in (None, b"example.org", 1):
        with pytest.raises(TypeError, match="Invalid origins="):
            tk.serve(None, port=0, origins=[wrong])  # type: ignore[list-item]


def test_listed_origin_matches_as_browsers_send_it() -> None:
    """Case, a final slash and the default port make no difference; extensions may be listed."""
    for entry, origin in (
        ("HTTPS://Example.org:443/", "https://example.org"),
        ("http://example.org:80", "http://example.org"),
        ("http://example.org:443", "http://example.org:443"),
        ("file://", "file://"),
        ("null", "null"),
        ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
    ):
        assert refusal(Access("127.0.0.1", origins=[entry]), origin=origin) is None, entry


@pytest.mark.parametrize("listed", ["fe80::1", "[FE80::1]"])
def test_listed_ipv6_address_matches_with_and_without_brackets(listed: str) -> None:
    """It is a host name without a port, so it matches on any port."""
    for host in ("[fe80::1]:8000", "[fe80::1]"):
        assert refusal(Access("127.0.0.1", hosts=[listed]), host) is None


@pytest.mark.parametrize(
    ("bound", "hosts"),
    [
        ("0.0.0.0", ["192.168.1.5:8000", "class.local:8000", "a_b.example", "localhost:8000"]),
        ("::", ["[fe80::1]:8000", "192.168.1.5:8000", "class.local"]),
        ("192.168.1.5", ["192.168.1.5:8000", "192.168.1.5"]),
        ("Class.local", ["class.local:8000", "CLASS.local"]),
    ],
)
def test_own_page_and_programs_are_accepted_with_token(bound: str, hosts: list[str]) -> None:
    """Its own page on any scheme, and programs, which send no Origin."""
    rule = Access(bound, token=TOKEN)
    for host in hosts:
        for origin in (None, f"http://{host}", f"https://{host}"):
            assert is_accepted(rule, host, origin, f"/?token={TOKEN}")


def status_of(port: int, lines: Iterable[str], target: str = "/") -> int:
    """Send a handshake with these headers; return the status of the response, 0 for none."""
    upgrade = (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    text = "".join(f"{line}\r\n" for line in lines)
    with contextlib.suppress(OSError), socket.create_connection((LOCAL, port)) as peer:
        peer.settimeout(10)
        peer.sendall(f"GET {target} HTTP/1.1\r\n{text}{upgrade}\r\n".encode("latin-1"))
        fields = peer.recv(100).split()
        return int(fields[1]) if fields else 0
    return 0


@pytest.mark.parametrize("hosts", [1, soak(50)])
def test_table_holds_over_a_real_connection(hosts: int) -> None:
    """Requests are answered 101 or 403 as in the table; none causes an error in the server."""
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
def test_repeated_header_is_refused(lines: list[str]) -> None:
    """It is ambiguous: the response is 400, and the request is counted."""
    with tk.serve(None, port=0) as server:
        assert status_of(server.port, lines) == 400
        assert server.stats["turned_away"] == 1
        assert "more than one" in server.stats["last_turned_away"]


@pytest.mark.parametrize(
    "target", ["http://evil.example/", "http://localhost/", "*", "evil.example:80", "ticks", "//["]
)
def test_target_that_is_not_a_path_is_refused(target: str) -> None:
    """Only a proxy gets whole addresses; none causes an error in the server."""
    with tk.serve(None, port=0, token=TOKEN) as server:
        # A wrong token is refused after the handshake.
        wanted = 101 if target.startswith("/") else 400
        assert status_of(server.port, ["Host: localhost"], target) == wanted
        assert status_of(server.port, ["Host: localhost"], f"/?token={TOKEN}") == 101


# --- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bound", "page"),
    [
        ("127.0.0.1", PAGE),
        ("192.168.1.5", PAGE),
        ("0.0.0.0", "http://class.local:8000/"),
    ],
)
def test_page_opened_from_a_file_gets_the_address_of_the_served_page(bound: str, page: str) -> None:
    """Its Origin is `null`; the refusal names origins= and the address of the page."""
    host = "class.local:8000" if bound == "0.0.0.0" else f"{bound}:8000"
    text = refusal(Access(bound, token=False), host, "null")
    assert text == (
        'A page from "null" may not connect here; pass origins=["null"], '
        f"or open the page that this server serves: {page}"
    )


def test_listed_names_are_compared_without_case_and_final_slash() -> None:
    """Names in hosts= and origins= are normalised."""
    rule = Access("127.0.0.1", hosts=["Ticks.Example.org"], origins=["https://Example.org/"])
    assert refusal(rule, "ticks.example.ORG:8000", "https://example.org") is None
    assert refusal(rule, "ticks.example.org", "https://example.org:444") is not None


def test_single_string_is_one_name() -> None:
    """hosts= and origins= accept a single string."""
    with tk.serve(None, port=0, hosts="ticks.example.org", origins="null") as server:
        assert refusal(server._access, "ticks.example.org", "null") is None
        assert refusal(server._access, "t", "null") is not None


def test_refusal_is_printable() -> None:
    """Control characters and line breaks that a client sent are removed."""
    rule = Access("127.0.0.1")
    for headers in (
        {"Host": "evil\r\n\x1b[31m.example"},
        {"Host": "localhost", "Origin": "http://a\r\n\x1b[31m\u2028b"},
    ):
        found = rule.check_request("/", headers, page=PAGE, needs_token=True)
        assert found is not None
        assert found.reason.isprintable()


@pytest.mark.parametrize("name", access.HUB_VARIABLES)
def test_hub_variable_without_an_address_admits_no_client(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable without an address does not admit an empty name."""
    monkeypatch.setenv(name, "hub.example.org")
    assert refusal(Access("127.0.0.1"), "") is not None
    assert refusal(Access("127.0.0.1"), origin="://") is not None


@pytest.mark.parametrize("name", access.HUB_VARIABLES)
def test_jupyterhub_is_accepted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind JupyterHub's proxy the Host and Origin are the hub's."""
    assert refusal(Access("127.0.0.1"), "hub.example.org", "https://hub.example.org") is not None
    monkeypatch.setenv(name, "https://Hub.example.org/user/me/")
    rule = Access("127.0.0.1")
    assert refusal(rule, "hub.example.org", "https://hub.example.org") is None
    assert refusal(rule, "127.0.0.1:8000", "https://hub.example.org") is None
    assert refusal(rule, "hub.example.org", "https://evil.example") is not None


def test_origin_must_equal_the_host_when_bound_elsewhere() -> None:
    """Host and port of the Origin must be those of the request."""
    rule = Access("192.168.1.5", token=False)
    assert refusal(rule, "192.168.1.5:8000") is None
    assert refusal(rule, "192.168.1.5:8000", "http://192.168.1.5:8000") is None
    assert refusal(rule, "192.168.1.5:8000", "http://192.168.1.5:9000") is not None
    assert refusal(rule, "192.168.1.5:8000", "http://localhost:8000") is not None
    assert refusal(rule, "evil.example") is not None


def test_any_host_name_is_accepted_when_bound_everywhere() -> None:
    """The token keeps strangers out."""
    rule = Access("0.0.0.0", token="sesame")
    assert refusal(rule, "class.local:8000", target="/?token=sesame") is None
    assert refusal(rule, "class.local:8000") is not None


# --- tokens ----------------------------------------------------------------------------------


def test_loopback_needs_no_token_by_default() -> None:
    """A token that is given is required."""
    assert Access("127.0.0.1").token is None
    assert Access("127.0.0.1", token=False).token is None
    assert Access("127.0.0.1", token="sesame").token == "sesame"
    assert Access("127.0.0.1", token=True).token


def test_token_is_generated_when_bound_elsewhere() -> None:
    """Each server gets another token; token=False opens it."""
    first, second = Access("0.0.0.0").token, Access("0.0.0.0").token
    assert first is not None
    assert second is not None
    assert first != second
    assert len(first) >= 20
    assert Access("0.0.0.0", token=False).token is None


def test_empty_token_does_not_open_a_server() -> None:
    """An empty string, as from an unset environment variable, counts as not given."""
    assert Access("0.0.0.0", token="").token
    assert Access("127.0.0.1", token="").token is None


@pytest.mark.parametrize(
    "token", ["two\nlines", "tab\t", " sesame", "euro€", "nul\0", "\ud800", "x" * 8200]
)
def test_token_that_no_header_can_carry_is_refused(token: str) -> None:
    """The error does not contain the token."""
    with pytest.raises(ValueError, match="sent in a header") as caught:
        Access("127.0.0.1", token=token)
    assert token.strip() not in str(caught.value)


def test_token_of_another_type_is_refused() -> None:
    """Numbers don't count as True or False, and the error does not contain bytes."""
    for number in (0, 1, 12345):
        with pytest.raises(TypeError, match="Invalid token=<hidden int>"):
            Access("0.0.0.0", token=number)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Invalid token=<hidden bytes>") as caught:
        check_token(b"sesame")
    assert "sesame" not in str(caught.value)


def test_generated_token_is_kept_by_a_rerun() -> None:
    """Links stay valid; a token that is given replaces it."""
    first, second = Access("0.0.0.0"), Access("0.0.0.0")
    second.keep_token(first)
    assert second.token == first.token
    for given in ("sesame", False):
        rule = Access("0.0.0.0", token=given)
        rule.keep_token(first)
        assert rule.token == (given or None)
    third = Access("0.0.0.0")
    third.keep_token(Access("0.0.0.0", token=False))
    assert third.token


def test_token_is_accepted_in_the_address_or_the_header() -> None:
    """A wrong or missing token is refused, without naming the right one."""
    rule = Access("0.0.0.0", token="sesame é&?")
    assert refusal(rule, target="/?token=sesame%20%C3%A9%26%3F") is None
    assert refusal(rule, target="/ticks?a=b&token=sesame+%C3%A9%26%3F") is None
    rule = Access("0.0.0.0", token="sesame")
    assert refusal(rule, bearer="Bearer sesame") is None
    assert refusal(rule, bearer="bearer  sesame ") is None
    for target in ("/", "/?token=", "/?token=Sesame", "/?token=sesam", "/?token=%ff%fe"):
        text = refusal(rule, target=target)
        assert text is not None
        assert ("?token=" if target in ("/", "/?token=") else "ask for the new link") in text
        assert "sesame" not in text.lower()
        assert len(text.encode()) < 123  # it must fit into a close frame
    assert refusal(rule, bearer="Basic sesame") is not None
    assert refusal(rule, bearer="Bearer nonsense") is not None


def test_files_without_data_need_no_token() -> None:
    """The page's own files need no token, but an accepted Host."""
    rule = Access("127.0.0.1", token="sesame")
    assert refusal(rule, needs_token=False) is None
    assert refusal(rule, "evil.example", needs_token=False) is not None
