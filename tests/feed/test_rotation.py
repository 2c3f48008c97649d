"""Tests of rotation: the order of several addresses, and the delays between attempts."""

from __future__ import annotations

import pytest

from tickerkit.errors import InvalidArgument, InvalidType
from tickerkit.feed import rotation
from tickerkit.feed.rotation import LEFT_OUT_S, Address, Rotation, read_addresses


@pytest.fixture(autouse=True)
def longest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make each delay as long as it can be."""
    monkeypatch.setattr(rotation.random, "uniform", lambda _, most: most)


def rotate(*names: str) -> Rotation:
    """Return a rotation of hosts with these names."""
    return Rotation([Address(f"ws://{name}/") for name in names])


def failures(made: Rotation, count: int, now: float = 0.0) -> list[tuple[str, float]]:
    """Let attempts fail; return each address that follows, and the delay before it."""
    return [(made.advance(now), made.current.url[5:-1])[::-1] for _ in range(count)]


def test_retry_delays_double_up_to_ten_seconds() -> None:
    """The first retry is immediate, the next within a quarter of a second."""
    waits = [wait for _, wait in failures(rotate("h"), 12)]
    assert waits == [0, 0.25, 0.5, 1, 2, 4, 8, 10, 10, 10, 10, 10]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_server_on_this_machine_is_retried_each_second(host: str) -> None:
    """An attempt costs nothing there, and its server is often started again at once."""
    waits = [wait for _, wait in failures(rotate(f"{host}:8478"), 6)]
    assert waits == [0, 0.25, 0.5, 1, 1, 1]


def test_next_address_follows_at_once() -> None:
    """Each is tried once more at once; then delays follow only when all have failed in a row."""
    made = rotate("a", "b", "c")
    assert made.current.url == "ws://a/"
    tried = failures(made, 9)
    assert "".join(name for name, _ in tried) == "bcabcabca"
    assert [wait for _, wait in tried] == [0, 0, 0, 0, 0, 0.25, 0, 0, 0.5]


def test_address_that_worked_is_followed_at_once() -> None:
    """After a connection that was of use, the delays begin again."""
    made = rotate("a", "b")
    failures(made, 9)
    made.succeed()
    assert [wait for _, wait in failures(made, 6)] == [0, 0, 0, 0.25, 0, 0.5]


def test_address_that_refuses_is_left_out_for_a_minute() -> None:
    """The others are tried meanwhile, without a further delay."""
    made = rotate("a", "b", "c")
    assert made.leave_out("wrong token", 0.0) == ""
    assert failures(made, 4, 1.0) == [("b", 0), ("c", 0), ("b", 0), ("c", 0)]
    assert [name for name, _ in failures(made, 3, LEFT_OUT_S)] == ["a", "b", "c"]


def test_no_address_is_left_when_all_refuse() -> None:
    """The reason names each address with its own; a single address has only the reason."""
    made = rotate("a", "b")
    assert made.leave_out("wrong token", 0.0) == ""
    made.advance(1.0)
    assert made.leave_out("not there", 1.0) == "ws://a/: wrong token; ws://b/: not there"
    assert rotate("a").leave_out("wrong token", 0.0) == "wrong token"


def test_addresses_have_their_tokens() -> None:
    """One token is for all addresses; otherwise each has the one in it, which is never shown."""
    urls = ["http://a/?token=one", "b:8000"]
    assert read_addresses(urls) == [("ws://a/", "one"), ("ws://b:8000/", None)]
    assert [each.token for each in read_addresses(urls, "all")] == ["all", "all"]
    assert Rotation(read_addresses(["ws://u:p@a/?key=k", "b"])).name == "ws://a/,ws://b/"


@pytest.mark.parametrize("url", [[], (), ["ws://a/", "ftp://b/"], ["ws://a/", ""]])
def test_invalid_lists_of_addresses_are_refused(url: list[str]) -> None:
    """An empty list is refused, and a list with an address that is invalid."""
    with pytest.raises(InvalidArgument):
        read_addresses(url)


@pytest.mark.parametrize("url", [{"ws://a/": 1}, {"ws://a/"}, ["ws://a/", 8000], 8000, None])
def test_other_things_than_addresses_are_refused(url: object) -> None:
    """A set has no order, so that it is refused, too."""
    with pytest.raises(InvalidType):
        read_addresses(url)  # type: ignore[arg-type]


def test_address_shows_no_token() -> None:
    """Its repr may be in a traceback with the values of variables."""
    [address] = read_addresses("ws://host/?token=sesame")
    assert address.token == "sesame"
    assert repr(address) == "Address('ws://host/')"
