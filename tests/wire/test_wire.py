"""Conversation and wire: bytes pass as they came, until frames are held, injected or kept back."""

from __future__ import annotations

import random

import pytest
from conversations import ANSWER, REQUEST, Peers, Tapped
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from tickerkit.wire import Gate, Toward, fragment
from tickerkit.wire.header import make_frame, make_header, parse_header

KEY = b"\x3d\x5b\x9c\x11"
TOWARDS: list[Toward] = ["client", "server"]


def text(number: int, size: int = 5) -> bytes:
    """Return a frame of text toward the client."""
    return make_frame(1, str(number).encode().ljust(size, b"."))


def payloads(tapped: Tapped) -> list[bytes]:
    """Return the payload of each frame of the log."""
    return [frame.payload for frame in tapped.frames]


@given(
    st.lists(st.tuples(st.sampled_from(TOWARDS), st.binary(min_size=1, max_size=40)), max_size=30),
    st.booleans(),
)
def test_what_passes_untouched_is_what_came(
    reads: list[tuple[Toward, bytes]], is_open: bool
) -> None:
    """Any bytes in any reads are passed on as the same objects, also if they are no frames."""
    tapped = Tapped()
    if is_open:
        tapped.open()
    for toward, data in reads:
        tapped.feed(toward, data)
    for toward in TOWARDS:
        came = [data for each, data in reads if each == toward]
        assert all(one is other for one, other in zip(tapped.sent[toward], came, strict=True))


def test_bytes_are_passed_on_before_they_are_read() -> None:
    """What reads the frames can't delay them."""
    tapped = Tapped().open()
    seen = []
    tapped.tap.wires["client"].line._send = lambda data: seen.append(len(tapped.log))
    tapped.feed("client", text(1))
    assert seen == [0]
    assert len(tapped.log) == 1


@pytest.mark.parametrize("seed", range(4))
def test_all_bytes_pass_in_order_whatever_is_ordered(seed: int) -> None:
    """Frames, then garbage, in reads of any size, held, stepped, delayed and trickled, arrive."""
    rng = random.Random(seed)
    tapped = Tapped().open()
    rest: dict[Toward, bytes] = {}
    for toward in TOWARDS:
        sizes = [rng.choice([0, 3, 130, 3000]) for _ in range(150)]
        frames = [make_frame(rng.choice([0, 1, 2, 3]), rng.randbytes(size)) for size in sizes]
        rest[toward] = b"".join(frames) + make_header(1, 2**63) + rng.randbytes(500)
    came = dict(rest)
    while any(rest.values()):
        toward = rng.choice(TOWARDS)
        size = rng.choice([1, 10, 200, 3000])
        data, rest[toward] = rest[toward][:size], rest[toward][size:]
        if data:
            tapped.feed(toward, data)
        line = tapped.tap.wires[toward].line
        match rng.randrange(12):
            case 0:
                tapped.gate.hold()
            case 1:
                tapped.tap.step(rng.randrange(1, 4), tapped.now_ns)
            case 2:
                tapped.gate.run(rng.choice([None, 500.0]))
            case 3:
                line.delay(rng.choice([0, 0.003]), rng.choice([0, 0.002]))
            case 4:
                line.trickle(20)
            case 5:
                line.stall_until(tapped.now_ns + 2 * 10**6)
        tapped.wait(0.001)
    tapped.gate.run()
    for _ in range(200):
        tapped.wait(0.001)
    for toward in TOWARDS:
        assert tapped.bytes(toward) == came[toward]
    assert len(tapped.frames) == 302


def test_a_million_fuzzed_bytes_pass_however_they_are_cut() -> None:
    """What was sent toward each peer is what came, and each whole frame was seen once."""
    rng = random.Random(11)
    tapped = Tapped().open()
    for toward in TOWARDS:
        key = KEY if toward == "server" else b""
        frames = []
        while sum(map(len, frames)) < 1_000_000:
            payload = rng.randbytes(rng.choice([0, 5, 95, 125, 126, 4000, 66_000]))
            opcode, fin = rng.randrange(16), rng.random() < 0.7
            frames.append(make_frame(opcode, payload, key, fin=fin, rsv=rng.randrange(8)))
        whole = b"".join(frames)
        before, start = len(tapped.frames), 0
        while start < len(whole):
            size = rng.choice([1, 2, 7, 100, 1500, 65_536])
            tapped.feed(toward, whole[start : start + size])
            start += size
        assert tapped.bytes(toward) == whole
        seen = tapped.frames[before:]
        assert [frame.length + len(frame.header) for frame in seen] == list(map(len, frames))


def test_fuzzed_bytes_raise_nothing() -> None:
    """Garbage in both directions, from the handshake on, is passed on and bounded."""
    rng = random.Random(7)
    for number in range(60):
        tapped = Tapped(keep_bytes=20_000)
        if number % 2:
            tapped.open()
        came = b""
        for _ in range(30):
            toward = rng.choice(TOWARDS)
            data = bytes(rng.choices(b"\x00\x01\x7e\x7f\x80\x81\x88\x89\x8a\xff\r\n ", k=40))
            came += data if toward == "client" else b""
            tapped.feed(toward, data)
        tapped.tap.finish(tapped.now_ns)
        assert tapped.bytes("client") == came
        assert tapped.log.bytes <= 20_000
        assert all(isinstance(frame.note, str) and frame.head.size for frame in tapped.frames)


def test_frame_is_kept_with_all_its_parts() -> None:
    """Time, header, key, payload without the mask, and the reads that carried it."""
    tapped = Tapped().open()
    frame = make_frame(1, b"hello", KEY)
    tapped.feed("server", frame + frame[:3], frame[3:])
    first, second = tapped.frames
    assert (first.link, first.toward, first.time_ns) == (1, "server", 10**18 + 3 * 10**6)
    assert (first.header, first.payload, first.length) == (frame[:6], b"hello", 5)
    assert (first.head.key, first.head.masked, first.wire) == (KEY, True, frame)
    assert (first.read, first.offset, first.reads) == (2, 0, 1)
    assert (second.read, second.offset, second.reads) == (2, len(frame), 2)


def test_any_other_answer_makes_the_rest_opaque() -> None:
    """A page is passed on and counted, and no frame is seen in it."""
    tapped = Tapped()
    tapped.feed("server", b"GET / HTTP/1.1\r\n\r\n")
    tapped.feed("client", b"HTTP/1.1 200 OK\r\n\r\n\x81\x01a")
    tapped.feed("server", b"\x81\x01a")
    assert tapped.frames == []
    assert tapped.tap.answer is not None
    assert tapped.tap.answer.status == 200
    assert [wire.opaque_bytes for wire in tapped.tap.wires.values()] == [3, 3]


def test_frames_right_behind_the_handshake_are_seen() -> None:
    """A read may hold the end of a head and a frame, and a head may come byte by byte."""
    tapped = Tapped()
    data = REQUEST + make_frame(1, b"a", KEY)
    tapped.feed("server", *(data[i : i + 1] for i in range(len(data))))
    tapped.feed("client", ANSWER + text(1))
    assert payloads(tapped) == [b"a", b"1...."]
    assert tapped.bytes("server") == data


def test_endless_head_is_not_collected() -> None:
    """After 16 KiB without its end, bytes are only passed on."""
    tapped = Tapped()
    for _ in range(20):
        tapped.feed("server", b"x" * 1000)
    assert tapped.bytes("server") == b"x" * 20_000
    assert tapped.tap.wires["server"].phase == "opaque"
    assert tapped.tap.request is None


def test_held_frames_pass_one_by_one() -> None:
    """A step passes the frame that waits longest, or the next to come; run passes the rest."""
    tapped = Tapped(gate=Gate(is_held=True)).open()
    tapped.feed("client", text(1) + text(2)[:3], text(2)[3:])
    tapped.feed("server", make_frame(1, b"up", KEY))
    assert tapped.sent == {"client": [], "server": []}
    assert tapped.tap.wires["client"].held == 2
    tapped.tap.step(1, tapped.now_ns)
    assert tapped.bytes("client") == text(1)
    tapped.tap.step(2, tapped.now_ns)
    assert tapped.bytes("client") == text(1) + text(2)
    assert tapped.bytes("server") == make_frame(1, b"up", KEY)
    tapped.tap.step(1, tapped.now_ns)
    tapped.feed("client", text(3), text(4))
    assert payloads(tapped)[3:] == [b"3...."]
    tapped.gate.run()
    tapped.wait(0.5)
    assert payloads(tapped)[4:] == [b"4...."]
    assert tapped.frames[-1].about == "held for 0.500 s"
    tapped.feed("client", text(5)[:2], text(5)[2:])
    assert tapped.bytes("client").endswith(text(5))


def test_frame_that_has_begun_is_passed_to_its_end() -> None:
    """Holding in the middle of a frame holds from the next one on."""
    tapped = Tapped().open()
    tapped.feed("client", text(1)[:4])
    tapped.gate.hold()
    tapped.feed("client", text(1)[4:] + text(2))
    assert tapped.bytes("client") == text(1)
    assert tapped.tap.wires["client"].held == 1


def test_pings_overtake_held_frames_and_a_close_does_not() -> None:
    """Without pongs, a peer would close the connection."""
    tapped = Tapped(gate=Gate(is_held=True)).open()
    tapped.feed("client", text(1), make_frame(9, b"p"), make_frame(8, b""), make_frame(9, b"q"))
    assert tapped.bytes("client") == make_frame(9, b"p")
    tapped.gate.run()
    tapped.wait(0)
    assert tapped.bytes("client")[3:] == text(1) + make_frame(8, b"") + make_frame(9, b"q")


def test_a_frame_has_the_time_that_the_tap_kept_it() -> None:
    """Held, delayed, stalled and trickled ones are late, and say so; others are not."""
    tapped = Tapped(gate=Gate(is_held=True)).open()
    line = tapped.tap.wires["client"].line
    tapped.feed("client", text(1))
    tapped.wait(0.4)
    line.delay(0.2)
    tapped.gate.run()
    tapped.wait(0)
    tapped.feed("client", text(2))
    tapped.wait(1)
    line.delay(0)
    tapped.feed("client", text(3))
    line.stall_until(tapped.now_ns + 3 * 10**8)
    tapped.feed("client", text(4))
    tapped.wait(1)
    line.trickle(100, 0.001)
    tapped.feed("client", text(5))
    kept_ms = [round(frame.late_ns / 10**6) for frame in tapped.frames]
    assert kept_ms == [600, 200, 0, 299, 7]
    assert [frame.about for frame in tapped.frames] == [
        *("held for 0.400 s; delayed by 0.200 s", "delayed by 0.200 s", ""),
        *("delayed by 0.299 s", "delayed by 0.007 s"),
    ]


def test_held_frames_that_never_pass_are_kept_in_the_log() -> None:
    """The connection ends before they were let through."""
    tapped = Tapped(gate=Gate(is_held=True)).open()
    tapped.feed("client", text(1), make_frame(9, b"p"))
    tapped.tap.finish(tapped.now_ns)
    tapped.tap.finish(tapped.now_ns)
    assert tapped.bytes("client") == make_frame(9, b"p")
    assert [frame.about for frame in tapped.frames] == ["", "kept back: the connection ended"]


def test_rate_passes_so_many_frames_a_second() -> None:
    """The time of the next one is known."""
    tapped = Tapped().open()
    tapped.gate.run(2)
    tapped.feed("client", text(1) + text(2) + text(3))
    assert len(tapped.frames) == 1
    assert tapped.tap.wires["client"].due_ns == tapped.now_ns + 500_000_000
    tapped.wait(0.4)
    assert len(tapped.frames) == 1
    tapped.wait(0.1)
    assert len(tapped.frames) == 2


def test_many_held_frames_stop_the_reading() -> None:
    """At 1,000 frames or 1 MiB no more is read, and a step lets a frame of any size pass."""
    tapped = Tapped(gate=Gate(is_held=True)).open()
    wire = tapped.tap.wires["client"]
    tapped.feed("client", *[text(1)] * 999)
    assert not wire.is_full
    tapped.feed("client", text(2))
    assert wire.is_full
    tapped.tap.step(1000, tapped.now_ns)
    assert wire.is_empty
    large = make_frame(2, bytes(3 * 2**20))
    tapped.feed("client", large[: 2**20])
    assert wire.is_full
    tapped.tap.step(1, tapped.now_ns)
    tapped.feed("client", large[2**20 :] + text(3))
    assert tapped.bytes("client").endswith(large)


def test_injected_frame_waits_for_the_end_of_a_frame() -> None:
    """It is masked toward the server only, and marked."""
    tapped = Tapped().open()
    up = make_frame(1, b"hello", KEY)
    tapped.feed("server", up[:7])
    tapped.tap.wires["server"].inject(1, b"hi", tapped.now_ns)
    tapped.tap.wires["client"].inject(1, b"hi", tapped.now_ns)
    assert tapped.bytes("client") == b"\x81\x02hi"
    assert tapped.bytes("server") == up[:7]
    tapped.feed("server", up[7:] + up)
    sent = tapped.bytes("server")
    assert sent.startswith(up)
    assert sent.endswith(up)
    header = parse_header(sent[len(up) :])
    assert header is not None
    assert header.masked
    made = [frame for frame in tapped.frames if frame.read < 0]
    assert [frame.payload for frame in made] == [b"hi", b"hi"]
    assert {frame.note for frame in made} == {"sent by the tap"}


def test_injected_message_waits_for_the_end_of_a_message() -> None:
    """A control frame may go between the fragments, data may not."""
    tapped = Tapped().open()
    first, last = make_frame(1, b"a", fin=False), make_frame(0, b"b")
    tapped.feed("client", first)
    tapped.tap.wires["client"].inject(1, b"hi", tapped.now_ns)
    tapped.tap.ping("client", b"", tapped.now_ns)
    assert tapped.bytes("client") == first
    tapped.feed("client", last)
    assert tapped.bytes("client") == first + last + b"\x81\x02hi\x89\x00"


def test_injection_before_the_handshake_waits_for_it() -> None:
    """What is asked for early is sent once the server has answered."""
    tapped = Tapped()
    tapped.tap.ping("server", b"p", tapped.now_ns)
    tapped.tap.ping("client", b"p", tapped.now_ns)
    tapped.feed("server", REQUEST)
    assert tapped.bytes("server") == REQUEST
    tapped.feed("client", ANSWER)
    assert tapped.bytes("client") == ANSWER + b"\x89\x01p"
    assert len(tapped.bytes("server")) == len(REQUEST) + 7


def test_round_trip_of_a_ping_is_measured_at_the_tap() -> None:
    """A pong answers the latest ping with its payload; a later one of an earlier ping nothing."""
    tapped = Tapped().open()
    tapped.feed("client", make_frame(9, b"one"), make_frame(9, b"two"))
    tapped.wait(0.0414)
    tapped.feed("server", make_frame(10, b"two", KEY), make_frame(10, b"one", KEY))
    assert tapped.frames[2].about == "answers ping 2: client 42.4 ms"
    assert tapped.notes()[3] == ("unasked pong",)
    assert tapped.tap.summarize_pings() == {"client": pytest.approx(42.4), "server": None}


def test_answer_to_the_taps_ping_is_kept_back() -> None:
    """The server never sees a pong that it has not asked for."""
    peers = Peers()
    for toward in TOWARDS:
        peers.tap.ping(toward, b"tk123456", peers.now_ns)
    peers.run()
    assert peers.received["server"][-1].opcode is Opcode.PING
    assert [frame.opcode for frame in peers.received["client"]] == [Opcode.PING]
    pongs = [frame.note for frame in peers.frames if frame.head.opcode == 10]
    assert len(pongs) == 2
    assert all("kept back by the tap" in note and "the tap's ping" in note for note in pongs)
    assert peers.tap.pings["client"].round_trip_ns


def test_close_is_sent_to_both_and_their_answers_are_kept_back() -> None:
    """The connection ends when both have answered."""
    peers = Peers()
    peers.tap.close(1012, "restart", peers.now_ns)
    assert peers.ends == []
    peers.run()
    for toward in TOWARDS:
        assert peers.peer(toward).close_rcvd == (1012, "restart") or (
            peers.peer(toward).close_rcvd.code == 1012  # type: ignore[union-attr]
        )
        assert [frame.opcode for frame in peers.received[toward]] == [Opcode.CLOSE]
    assert peers.ends == ["close"]
    assert (peers.tap.closed_by, peers.tap.close_code) == ("tap", 1012)


def test_first_close_frame_tells_who_closed() -> None:
    """Its sender and its code are kept."""
    peers = Peers()
    peers.client.send_close(1001, "bye")
    peers.run()
    assert (peers.tap.closed_by, peers.tap.close_code) == ("client", 1001)


def test_lost_place_behind_held_frames_keeps_the_order() -> None:
    """Bytes that are no frames wait for the frames before them."""
    tapped = Tapped(gate=Gate(is_held=True)).open()
    bad = make_header(1, 2**63) + b"garbage"
    tapped.feed("client", text(1) + bad[:5], bad[5:], b"more")
    assert tapped.bytes("client") == b""
    tapped.tap.step(1, tapped.now_ns)
    tapped.feed("client", b"!")
    assert tapped.bytes("client") == text(1) + bad + b"more!"


def test_head_is_changed_where_it_must_be() -> None:
    """The request as it came is kept beside the changes; frames behind it pass as they came."""
    tapped = Tapped(rewrite=lambda head: {"host": "venue.example"} if head.get("host") else {})
    data = REQUEST + make_frame(1, b"a", KEY)
    tapped.feed("server", *(data[i : i + 7] for i in range(0, len(data), 7)))
    sent = tapped.bytes("server")
    assert sent == data.replace(b"Host: 127.0.0.1", b"Host: venue.example")
    assert tapped.tap.changed == {"host": "venue.example"}
    assert tapped.tap.request is not None
    assert tapped.tap.request.data == REQUEST


def test_header_is_removed_where_it_must_be() -> None:
    """The others stay as they are, and one that did not come counts as no change."""
    changes = {"upgrade": None, "origin": None}
    tapped = Tapped(rewrite=lambda head: changes)
    tapped.feed("server", REQUEST)
    assert tapped.bytes("server") == REQUEST.replace(b"Upgrade: websocket\r\n", b"")
    assert tapped.tap.describe_changes() == "changed by the tap:\nupgrade: removed"


def test_beginning_of_a_frame_passes_when_its_sender_has_ended() -> None:
    """It was collected for an order; a held one waits behind the frames before it."""
    tapped = Tapped().open()
    wire = tapped.tap.wires["client"]
    wire.order(fragment(2))
    tapped.feed("client", text(1)[:3])
    assert tapped.bytes("client") == b""
    tapped.gate.hold()
    wire.end_input(tapped.now_ns)
    tapped.tap.advance(tapped.now_ns)
    assert tapped.bytes("client") == text(1)[:3]
    assert wire.is_empty
    assert tapped.notes() == [("cut off",)]
