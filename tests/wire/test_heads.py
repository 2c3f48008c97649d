"""Heads: request and answer, what they agree on, and their secrets."""

from __future__ import annotations

import pytest

from tickerkit.wire.heads import Deflate, Head, find_head_end, hide_head_secrets

REQUEST = (
    b"GET /ticks?symbols=A&token=sesame HTTP/1.1\r\nHost: a:1\r\nUpgrade: h2c, WebSocket\r\n"
    b"Referer: http://a:1/?token=sesame\r\nAuthorization: Bearer se\r\n same\r\n"
    b"cookie:a=sesame\r\n\r\n"
)


def test_head_has_its_parts() -> None:
    """Names of headers are found in any case."""
    request = Head(REQUEST)
    assert find_head_end(REQUEST + b"more") == len(REQUEST)
    assert find_head_end(REQUEST[:-1]) == -1
    assert request.path == "/ticks?symbols=A&token=sesame"
    assert request.get("HOST") == "a:1"
    assert request.get("none") == ""
    assert request.asks_for_websocket
    assert request.status == 0
    assert Head(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").status == 101
    assert Head(b"\x00\xff\r\n\r\n").status == 0
    assert Head(b"HTTP/1.1\r\n\r\n").status == 0


def test_secrets_become_x_of_the_same_length() -> None:
    """Tokens, credentials and cookies are crossed out, also in a second line; nothing else is."""
    hidden = hide_head_secrets(REQUEST)
    assert len(hidden) == len(REQUEST)
    assert b"sesame" not in hidden
    assert b"same" not in hidden
    assert hidden.startswith(b"GET /ticks?symbols=A&token=xxxxxx HTTP/1.1\r\nHost: a:1\r\n")
    assert b"Authorization: xxxxxx xx\r\n xxxx\r\ncookie:xxxxxxxx\r\n" in hidden


def test_key_of_a_seat_becomes_x() -> None:
    """Who reads it from a projector could take the student's seat."""
    hidden = hide_head_secrets(b"GET /ticks?token=otter42&name=ana&key=5f3a HTTP/1.1\r\n\r\n")
    assert hidden == b"GET /ticks?token=xxxxxxx&name=ana&key=xxxx HTTP/1.1\r\n\r\n"


def test_headers_are_replaced_in_place() -> None:
    """Other lines stay byte for byte; a header that is missing is not added."""
    changed = Head(REQUEST).replace({"host": "b:2", "origin": "c"})
    assert changed.data == REQUEST.replace(b"Host: a:1", b"Host: b:2")
    assert Head(REQUEST).replace({}).data is REQUEST


@pytest.mark.parametrize(
    ("value", "agreed"),
    [
        ("", None),
        ("x-webkit-deflate-frame", None),
        ("permessage-deflate", Deflate()),
        (
            "permessage-deflate; server_no_context_takeover; client_max_window_bits=12",
            Deflate(server_resets=True, client_bits=12),
        ),
        (
            'foo, permessage-deflate;client_no_context_takeover;server_max_window_bits="9"',
            Deflate(client_resets=True, server_bits=9),
        ),
        ("permessage-deflate; server_max_window_bits=99", Deflate()),
    ],
)
def test_answer_says_how_messages_are_deflated(value: str, agreed: Deflate | None) -> None:
    """Parameters are read as RFC 7692 writes them."""
    answer = f"HTTP/1.1 101 OK\r\nSec-WebSocket-Extensions: {value}\r\n\r\n"
    assert Head(answer.encode()).deflate == agreed
