"""token_limit: who tries many tokens has to wait, and the right token of others is not delayed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from peers import LOCAL, ask, dial, receive_all
from websockets.datastructures import Headers

import tickerkit as tk
from tickerkit.server import token_limit
from tickerkit.server.access import NO_TOKEN, TOO_MANY_TOKENS, WRONG_TOKEN, Access, Refusal
from tickerkit.server.token_limit import BLOCK_S, MAX_ADDRESSES, MAX_WRONG, TokenLimit

TOKEN = "otter42"
STUDENT, GUESSER = "192.168.1.20", "192.168.1.66"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def make_access(clock: Clock) -> Access:
    """Return the access control of a class."""
    access = Access("0.0.0.0", token=TOKEN)
    access.limit = TokenLimit(clock)
    return access


def enter(access: Access, token: str, address: str) -> Refusal | None:
    """Return why a request is refused."""
    target = f"/ticks?token={token}" if token else "/ticks"
    host = Headers(Host="192.168.1.2:8000")
    return access.check_request(target, host, page="", needs_token=True, address=address)


def test_sixth_wrong_token_of_a_second_blocks_the_address() -> None:
    """For ten seconds, and also its right one; another address is not delayed."""
    clock = Clock()
    access = make_access(clock)
    for number in range(MAX_WRONG + 1):
        assert enter(access, f"wrong{number}", GUESSER) is WRONG_TOKEN
    assert enter(access, TOKEN, GUESSER) is TOO_MANY_TOKENS
    assert enter(access, TOKEN, STUDENT) is None
    clock.now += BLOCK_S - 0.1
    assert enter(access, TOKEN, GUESSER) is TOO_MANY_TOKENS
    clock.now += 0.2
    assert enter(access, TOKEN, GUESSER) is None


def test_wrong_tokens_at_the_pace_of_a_person_block_nobody() -> None:
    """Nor do requests without a token, however many."""
    clock = Clock()
    access = make_access(clock)
    for number in range(100):
        clock.now += 0.25
        assert enter(access, f"wrong{number}", STUDENT) is WRONG_TOKEN
        for _ in range(10):
            assert enter(access, "", STUDENT) is NO_TOKEN


def test_typing_error_that_is_sent_again_and_again_blocks_nobody() -> None:
    """A program that connects in a loop shares the address of a school with the others."""
    clock = Clock()
    access = make_access(clock)
    for number in range(1000):
        clock.now += 0.001
        assert enter(access, f"otter4{number % MAX_WRONG + 3}", STUDENT) is WRONG_TOKEN
    assert enter(access, TOKEN, STUDENT) is None
    clock.now += 60
    for number in range(MAX_WRONG + 1):
        assert enter(access, f"guess{number}", STUDENT) is WRONG_TOKEN
    assert enter(access, TOKEN, STUDENT) is TOO_MANY_TOKENS


def test_million_wrong_codes_from_fifty_addresses_let_nobody_in() -> None:
    """A few thousand of them are compared at all; a blocked address wins nothing by the code."""
    clock = Clock()
    limit = TokenLimit(clock)
    compared = 0
    addresses = [f"192.168.1.{number}" for number in range(50)]
    for number, address in enumerate(itertools.islice(itertools.cycle(addresses), 1_000_000)):
        clock.now += 0.00005  # 400 a second from each
        if not limit.is_blocked(address):
            limit.note_wrong(address, str(number))
            compared += 1
    assert clock.now > 1049
    assert compared <= len(addresses) * (MAX_WRONG + 1) * (50 / BLOCK_S + 1)
    assert len(limit) == len(addresses)
    # One in 25 million: even all of these would most likely not have met the code.
    assert compared < 2000


def test_addresses_are_kept_in_bounded_number() -> None:
    """The one that has been wrong longest ago is forgotten."""
    clock = Clock()
    limit = TokenLimit(clock)
    for number in range(MAX_ADDRESSES * 3):
        for token in range(MAX_WRONG + 1):
            limit.note_wrong(f"10.0.{number // 256}.{number % 256}", str(token))
        assert len(limit) <= MAX_ADDRESSES
    assert limit.is_blocked(f"10.0.{number // 256}.{number % 256}")
    assert not limit.is_blocked("10.0.0.0")


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.168.1.7", "192.168.1.7", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("192.168.1.7", "192.168.1.8", False),
    ],
)
def test_network_of_an_ipv6_address_counts_as_one(first: str, second: str, is_same: bool) -> None:
    """Its owner could use another address for each token."""
    limit = TokenLimit(Clock())
    for number in range(MAX_WRONG + 1):
        limit.note_wrong(first, str(number))
    assert limit.is_blocked(second) is is_same


def test_server_without_a_token_blocks_nobody() -> None:
    """A path that is not there is no guess."""
    access = Access(LOCAL)
    for _ in range(100):
        access.note_wrong_token(GUESSER, "wrong")
    assert len(access.limit) == 0


@pytest.fixture
def server() -> Iterator[tk.TickServer]:
    """Return a server with a token."""
    with tk.serve(None, port=0, token=TOKEN) as running:
        yield running


@pytest.mark.parametrize("path", ["/?token={}", "/{}", "/{}/starter.py", "/{}/starter.py?token={}"])
def test_who_guesses_is_answered_429(
    server: tk.TickServer, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also who guesses the page of a class; a websocket is closed with 1013 and the reason."""
    monkeypatch.setattr(token_limit, "WINDOW_S", 60.0)
    for number in range(MAX_WRONG + 1):
        assert ask(server.port, path.format(*2 * [f"guess{number}"]))[0] in (401, 404)
    status, headers, body = ask(server.port, f"/?token={TOKEN}")
    assert (status, headers["retry-after"]) == (429, "10")
    assert "try again in 10 s" in body
    with dial(f"ws://{LOCAL}:{server.port}/ticks?token={TOKEN}") as peer:
        assert receive_all(peer) == []
        assert (peer.close_code, peer.close_reason) == (1013, TOO_MANY_TOKENS.reason)
    assert {429, 1013} <= set(server.journal["code"])


def test_files_that_browsers_look_for_are_no_guesses(server: tk.TickServer) -> None:
    """Nor are those of the page, and requests without a token."""
    for _ in range(3):
        for path in ("/favicon.ico", "/.well-known/x.json", "/page.js", "/", "/nowhere.png"):
            assert ask(server.port, path)[0] in (200, 401, 404)
    assert ask(server.port, f"/?token={TOKEN}")[0] == 200
