"""Passage: what a tap knows of one connection."""

from __future__ import annotations

from typing import Any

import pytest
from conversations import ANSWER, Tapped

from tickerkit.classroom.passage import Passage
from tickerkit.wire import Gate
from tickerkit.wire.header import make_frame

AGENT = "User-Agent: Mozilla/5.0 Chrome"
PROTOCOL = "Sec-WebSocket-Protocol: tickerkit.v1"


@pytest.mark.parametrize(
    ("query", "headers", "patience_s"),
    [
        ("", [AGENT, PROTOCOL], 9),
        ("?patience=60", [AGENT, PROTOCOL], 60),
        ("?patience=-1", [AGENT, PROTOCOL], 9),
        ("", [AGENT], None),
        ("", [PROTOCOL], None),
    ],
)
def test_a_page_whose_frames_wait_gives_up(
    query: str, headers: list[str], patience_s: int | None
) -> None:
    """Pings pass, so programs wait; a page counts only messages, and may say for how long."""
    tapped = Tapped(gate=Gate(is_held=True))
    lines = [f"GET /{query} HTTP/1.1", "Upgrade: websocket", *headers, "", ""]
    tapped.feed("server", "\r\n".join(lines).encode())
    tapped.feed("client", ANSWER)
    nothing: Any = None
    passage = Passage(1, 0, "127.0.0.1:1", nothing, tapped.tap)
    assert passage.gives_up_ns is None
    tapped.feed("client", make_frame(1, b"held"))
    expected = None if patience_s is None else tapped.now_ns + patience_s * 10**9
    tapped.wait(1)
    assert passage.gives_up_ns == expected
