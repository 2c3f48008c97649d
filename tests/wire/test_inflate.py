"""Inflater: deflated frames are read for display, and pass as they came."""

from __future__ import annotations

import random
import zlib

from conversations import Peers

from tickerkit.wire.header import make_frame
from tickerkit.wire.inflate import LOST, TOO_LARGE


def inflated(peers: Peers, toward: str = "client") -> list[tuple[bytes, str]]:
    """Return the content of each frame of the log."""
    inflaters = peers.tap.copy_inflaters()
    assert inflaters is not None
    return [inflaters[frame.toward].inflate(frame) for frame in peers.frames]


def deflate(content: bytes) -> bytes:
    """Return content as the payload of one message."""
    encoder = zlib.compressobj(wbits=-15)
    data = encoder.compress(content) + encoder.flush(zlib.Z_SYNC_FLUSH)
    return data[:-4]


def test_messages_are_inflated_in_order() -> None:
    """Later messages refer to earlier ones, in both directions, also when looked at twice."""
    peers = Peers(deflate=True)
    texts = [f'[{{"symbol":"AAPL","price":{number}}}]'.encode() * 3 for number in range(20)]
    for text in texts:
        peers.server.send_text(text)
        peers.client.send_text(text)
    peers.server.send_text(texts[0], fin=False)
    peers.server.send_ping(b"ping")
    peers.server.send_continuation(texts[1], fin=True)
    peers.run()
    for _ in range(2):
        shown = [content for content, problem in inflated(peers) if not problem]
        assert sorted(shown[:40]) == sorted(texts * 2)
        assert shown[-4:-1] == [texts[0], b"ping", texts[1]] or texts[1] in shown[-2:]
    assert b"".join(bytes(f.data) for f in peers.received["client"][:20]) == b"".join(texts)


def test_frames_that_left_the_log_are_still_referred_to() -> None:
    """A small log shows its newest messages as a large one does."""
    peers = Peers(deflate=True, keep_bytes=4000)
    texts = [bytes(range(number, number + 60)) * 2 for number in range(100)]
    for text in texts:
        peers.server.send_binary(text)
    peers.run()
    shown = inflated(peers)
    assert 0 < len(shown) < 20
    assert shown == [(text, "") for text in texts[-len(shown) :]]


def test_bomb_is_not_inflated() -> None:
    """After 1 MiB of a message, neither it nor those that may refer to it are inflated further."""
    peers = Peers(deflate=True)
    bomb = make_frame(1, deflate(b"a" * 10_000_000), rsv=4)
    peers.feed("client", bomb, make_frame(1, deflate(b"b"), rsv=4), make_frame(1, b"plain"))
    (content, problem), later, plain = inflated(peers)
    assert len(content) == 2**20
    assert problem == TOO_LARGE
    assert later[1] == LOST
    assert plain == (b"plain", "")


def test_garbage_is_shown_as_it_is() -> None:
    """What can't be inflated raises nothing."""
    peers = Peers(deflate=True)
    peers.feed("client", make_frame(1, b"\xff\xff\xff", rsv=4), make_frame(9, b"p", rsv=4))
    assert inflated(peers) == [(b"\xff\xff\xff", LOST), (b"p", "")]


def test_large_messages_are_inflated_too() -> None:
    """Those after a message of 200 kB that can't be compressed refer to it, and are shown."""
    peers = Peers(deflate=True)
    large = random.Random(1).randbytes(200_000)
    for content in (large, large[-100:], b"small"):
        peers.server.send_binary(content)
    peers.run()
    assert inflated(peers) == [(large, ""), (large[-100:], ""), (b"small", "")]
