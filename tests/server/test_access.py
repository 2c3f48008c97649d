"""access: who may come in, by Host, Origin and token."""

from __future__ import annotations

import ast
import re

import pytest
from websockets.datastructures import Headers

from tickerkit.net.addresses import is_loopback
from tickerkit.server import access
from tickerkit.server.access import Access
from tickerkit.validation import check_token

PAGE = "http://127.0.0.1:8000/"
LOCAL_HOSTS = ["localhost", "localhost:8000", "127.0.0.1:8000", "127.0.0.1", "[::1]", "[::1]:99"]
FOREIGN_HOSTS = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example:8000",
    "127.0.0.2",
    "",
    "[::2]:8000",
]
FOREIGN_ORIGINS = [
    "http://evil.example",
    "https://localhost.evil.example",
    "http://127.0.0.1.evil.example:8000",
    "null",
    "file://",
    "",
    "chrome-extension://localhost",
    "http://[",
    "http://evil.example@localhost.evil.example",
]


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget a JupyterHub that the tests may run in."""
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
    """Return why a request is refused."""
    headers = Headers(Host=host)
    if origin is not None:
        headers["Origin"] = origin
    if bearer is not None:
        headers["Authorization"] = bearer
    return rule.check_request(target, headers, page=PAGE, needs_token=needs_token)


def to_pass(text: str | None) -> dict[str, list[str]]:
    """Return the argument that a refusal says to pass."""
    assert text is not None
    found = re.search(r'pass (hosts|origins)=(\[".*"\])', text)
    assert found is not None, text
    return {found[1]: ast.literal_eval(found[2])}


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.0.1.1", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("127.evil.example", False),
        ("127.1", False),
        ("LOCALHOST", True),
        ("example.org", False),
    ],
)
def test_loopback_is_this_machine_only(host: str, loopback: bool) -> None:
    """An address that others can reach is not taken for loopback."""
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("host", LOCAL_HOSTS)
def test_local_names_are_known_on_any_port(host: str) -> None:
    """On loopback any local name will do, whatever port was forwarded."""
    assert refusal(Access("127.0.0.1"), host) is None


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_foreign_names_are_refused(host: str) -> None:
    """A name that was made to point at this machine is refused, and told what would admit it."""
    told = refusal(Access("127.0.0.1"), host)
    assert told is not None
    assert told.count("\n") == 0
    if host:
        assert refusal(Access("127.0.0.1", **to_pass(told)), host) is None


@pytest.mark.parametrize(
    "origin",
    ["http://localhost:5500", "https://127.0.0.1", "http://[::1]:3000", "HTTP://LocalHost"],
)
def test_pages_of_this_machine_may_connect(origin: str) -> None:
    """The tutorial's page comes from a second local web server."""
    assert refusal(Access("127.0.0.1"), origin=origin) is None


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_pages_from_elsewhere_may_not_connect(origin: str) -> None:
    """A page of anyone else's is refused, and told what would admit it."""
    told = refusal(Access("127.0.0.1"), origin=origin)
    assert told is not None
    assert "open the page that this server serves" in told
    if origin:
        assert refusal(Access("127.0.0.1", **to_pass(told)), origin=origin) is None


@pytest.mark.parametrize(
    ("bound", "page"),
    [
        ("127.0.0.1", PAGE),
        ("192.168.1.5", PAGE),
        ("0.0.0.0", "http://class.local:8000/"),
    ],
)
def test_a_page_opened_from_a_file_is_told_of_the_served_one(bound: str, page: str) -> None:
    """Its Origin is `null`: the refusal says what would admit it, and where the page is instead."""
    host = "class.local:8000" if bound == "0.0.0.0" else f"{bound}:8000"
    told = refusal(Access(bound, token=False), host, "null")
    assert told == (
        'A page from "null" may not connect here; pass origins=["null"], '
        f"or open the page that this server serves: {page}"
    )


def test_listed_names_come_in_however_they_are_written() -> None:
    """What was passed as hosts and origins is compared without case and a last slash."""
    rule = Access("127.0.0.1", hosts=["Ticks.Example.org"], origins=["https://Example.org/"])
    assert refusal(rule, "ticks.example.ORG:8000", "https://example.org") is None
    assert refusal(rule, "ticks.example.org", "https://example.org:444") is not None


def test_one_name_need_not_be_in_a_list() -> None:
    """A single text is one name, not its letters."""
    rule = Access("127.0.0.1", hosts="ticks.example.org", origins="null")
    assert refusal(rule, "ticks.example.org", "null") is None
    assert refusal(rule, "t", "null") is not None


def test_a_refusal_holds_no_control_characters() -> None:
    """What a peer sent is shown as text, on one line."""
    rule = Access("127.0.0.1")
    for headers in (
        {"Host": "evil\r\n\x1b[31m.example"},
        {"Host": "localhost", "Origin": "http://a\r\n\x1b[31m\u2028b"},
    ):
        told = rule.check_request("/", headers, page=PAGE, needs_token=True)
        assert told is not None
        assert told.isprintable()


@pytest.mark.parametrize("name", access.HUB_VARIABLES)
def test_a_hub_without_an_address_lets_nobody_in(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that holds no address makes no name of the empty text."""
    monkeypatch.setenv(name, "hub.example.org")
    assert refusal(Access("127.0.0.1"), "") is not None
    assert refusal(Access("127.0.0.1"), origin="://") is not None


@pytest.mark.parametrize("name", access.HUB_VARIABLES)
def test_the_hub_is_let_in(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind JupyterHub's proxy the Host and Origin are the hub's."""
    assert refusal(Access("127.0.0.1"), "hub.example.org", "https://hub.example.org") is not None
    monkeypatch.setenv(name, "https://Hub.example.org/user/me/")
    rule = Access("127.0.0.1")
    assert refusal(rule, "hub.example.org", "https://hub.example.org") is None
    assert refusal(rule, "127.0.0.1:8000", "https://hub.example.org") is None
    assert refusal(rule, "hub.example.org", "https://evil.example") is not None


def test_loopback_wants_no_token_unless_told() -> None:
    """On this machine no token is needed; one that is given is wanted."""
    assert Access("127.0.0.1").token is None
    assert Access("127.0.0.1", token=False).token is None
    assert Access("127.0.0.1", token="sesame").token == "sesame"
    assert Access("127.0.0.1", token=True).token


def test_elsewhere_a_token_is_made_unless_told() -> None:
    """An address that others can reach gets a token of its own, new each time, unless opened."""
    first, second = Access("0.0.0.0").token, Access("0.0.0.0").token
    assert first is not None
    assert second is not None
    assert first != second
    assert len(first) >= 20
    assert Access("0.0.0.0", token=False).token is None


def test_an_empty_token_opens_nothing() -> None:
    """What an environment variable that is not set gives is no word for open."""
    assert Access("0.0.0.0", token="").token
    assert Access("127.0.0.1", token="").token is None


@pytest.mark.parametrize("token", ["two\nlines", "tab\t", " sesame", "euro€", "nul\0", "\ud800"])
def test_a_token_that_can_not_be_sent_is_refused(token: str) -> None:
    """It would fail where it is sent, and be told in that error."""
    with pytest.raises(ValueError, match="can't be sent in a header") as caught:
        Access("127.0.0.1", token=token)
    assert token.strip() not in str(caught.value)


def test_a_token_is_text() -> None:
    """A number is not taken for True, and bytes are not said."""
    for number in (0, 1, 12345):
        with pytest.raises(TypeError, match="must be text"):
            Access("0.0.0.0", token=number)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="must be text") as caught:
        check_token(b"sesame")
    assert "sesame" not in str(caught.value)


def test_a_token_that_was_made_stays_when_the_cell_is_run_again() -> None:
    """Links that were given out stay good; a token that was given is taken as it is given."""
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


def test_a_token_is_shown_in_the_address_or_the_header() -> None:
    """Both ways in work, and a wrong or missing token is refused."""
    rule = Access("0.0.0.0", token="sesame é&?")
    assert refusal(rule, target="/?token=sesame%20%C3%A9%26%3F") is None
    assert refusal(rule, target="/ticks?a=b&token=sesame+%C3%A9%26%3F") is None
    rule = Access("0.0.0.0", token="sesame")
    assert refusal(rule, bearer="Bearer sesame") is None
    assert refusal(rule, bearer="bearer  sesame ") is None
    for target in ("/", "/?token=", "/?token=Sesame", "/?token=sesam", "/?token=%ff%fe"):
        told = refusal(rule, target=target)
        assert told is not None
        assert ("?token=" if target in ("/", "/?token=") else "ask for the new link") in told
        assert "sesame" not in told.lower()
    assert refusal(rule, bearer="Basic sesame") is not None
    assert refusal(rule, bearer="Bearer nonsense") is not None


def test_what_holds_no_data_needs_no_token() -> None:
    """The page's own files are open, but not to foreign names."""
    rule = Access("127.0.0.1", token="sesame")
    assert refusal(rule, needs_token=False) is None
    assert refusal(rule, "evil.example", needs_token=False) is not None


def test_bound_elsewhere_only_its_own_page_may_connect() -> None:
    """The Origin must be the very host and port that the request went to."""
    rule = Access("192.168.1.5", token=False)
    assert refusal(rule, "192.168.1.5:8000") is None
    assert refusal(rule, "192.168.1.5:8000", "http://192.168.1.5:8000") is None
    assert refusal(rule, "192.168.1.5:8000", "http://192.168.1.5:9000") is not None
    assert refusal(rule, "192.168.1.5:8000", "http://localhost:8000") is not None
    assert refusal(rule, "evil.example") is not None


def test_bound_to_all_addresses_any_name_will_do() -> None:
    """Its name is whatever brought the request here; the token keeps others out."""
    rule = Access("0.0.0.0", token="sesame")
    assert refusal(rule, "class.local:8000", target="/?token=sesame") is None
    assert refusal(rule, "class.local:8000") is not None
