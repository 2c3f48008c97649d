"""Mischief: each way to change a frame ends as the table says, at websockets' own ends."""

from __future__ import annotations

import random

import pytest
from conversations import Peers
from soaks import examples
from websockets.frames import Opcode

from tickerkit.wire import Toward
from tickerkit.wire.header import parse_header
from tickerkit.wire.mischief import CORRUPTIONS, corrupt, fragment, truncate

TOWARDS: list[Toward] = ["client", "server"]
MESSAGE = b'[{"symbol":"AAPL","price":187.25}]'


def send(peers: Peers, toward: Toward, *messages: bytes) -> None:
    """Have the peer at the other end send text, and pass it."""
    sender = peers.server if toward == "client" else peers.client
    for message in messages:
        sender.send_text(message)
    peers.run()


@pytest.mark.parametrize("toward", TOWARDS)
@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_corrupted_frame_ends_as_the_table_says(kind: str, toward: Toward) -> None:
    """The peer closes with the code, or keeps the connection; what came and what went are kept."""
    peers = Peers()
    send(peers, toward, MESSAGE)
    peers.tap.wires[toward].order(corrupt(kind))
    send(peers, toward, MESSAGE, MESSAGE, b"a" * 70_000 if kind == "length" else MESSAGE)
    close = peers.peer(toward).close_sent
    code = CORRUPTIONS[kind].close_code
    if kind == "length":  # which bytes are read as the next header is chance
        assert close is not None
        assert close.code in (1002, 1007, 1009)
    else:
        assert (close and close.code) == code
    if code is None:
        good = [MESSAGE, MESSAGE[:-1] + b"\\", MESSAGE, MESSAGE]
        assert [bytes(frame.data) for frame in peers.received[toward]] == good
    changed = [frame for frame in peers.frames if "changed by the tap" in frame.about]
    assert changed[0].about == f"changed by the tap: {CORRUPTIONS[kind].about}"
    header = parse_header(changed[0].came)
    assert header is not None
    assert (header.opcode, header.rsv, header.length) == (1, 0, len(MESSAGE))
    if kind not in ("length", "size", "json"):
        assert changed[0].notes


@pytest.mark.parametrize("kind", [kind for kind in CORRUPTIONS if kind != "length"])
def test_corrupted_frame_of_a_deflated_connection_ends_in_the_same_way(kind: str) -> None:
    """Only "json" waits for a message that is not deflated, since later ones refer to others."""
    peers = Peers(deflate=True)
    peers.tap.wires["client"].order(corrupt(kind))
    send(peers, "client", MESSAGE)
    close = peers.client.close_sent
    assert (close and close.code) == CORRUPTIONS[kind].close_code
    assert any(frame.came for frame in peers.frames) == (kind != "json")


@pytest.mark.parametrize("toward", TOWARDS)
@pytest.mark.parametrize("deflate", [False, True])
def test_fragments_are_one_message(toward: Toward, deflate: bool) -> None:
    """The receiver joins them; a control frame and a short message are not split."""
    peers = Peers(deflate=deflate)
    peers.tap.wires[toward].order(fragment(3))
    (peers.server if toward == "client" else peers.client).send_ping(b"p")
    send(peers, toward, b"", MESSAGE, MESSAGE)
    opcodes = [frame.opcode for frame in peers.received[toward]]
    assert opcodes == [Opcode.PING, *[Opcode.TEXT] * 2, *[Opcode.CONT] * 2, Opcode.TEXT]
    assert b"".join(bytes(frame.data) for frame in peers.received[toward][1:]) == MESSAGE * 2
    assert peers.peer(toward).close_sent is None
    assert {frame.notes for frame in peers.frames} == {()}


def test_truncated_frame_ends_the_connection() -> None:
    """Half of it passes, and the tap closes the connection."""
    peers = Peers()
    peers.tap.wires["client"].order(truncate)
    send(peers, "client", MESSAGE)
    assert peers.ends == ["truncate"]
    assert peers.received["client"] == []
    assert peers.notes() == [("cut off",)]
    assert peers.frames[0].payload == MESSAGE[: len(MESSAGE) // 2 - 1]


def test_orders_apply_one_after_the_other() -> None:
    """Each frame is changed by one order."""
    peers = Peers()
    for parts in (2, 3):
        peers.tap.wires["client"].order(fragment(parts))
    send(peers, "client", MESSAGE, MESSAGE, MESSAGE)
    assert len(peers.received["client"]) == 6


@pytest.mark.parametrize("seed", range(examples(9)))
def test_peers_agree_whatever_the_tap_does_within_the_rules(seed: int) -> None:
    """Held, split, delayed and cut anywhere, with frames of the tap's, no message is harmed."""
    rng = random.Random(seed)
    peers = Peers(deflate=bool(seed % 2))
    sent: dict[Toward, list[bytes]] = {"client": [], "server": []}
    for number in range(120):
        toward = rng.choice(TOWARDS)
        wire = peers.tap.wires[toward]
        sender = peers.server if toward == "client" else peers.client
        message = b"%d " % number * rng.choice([1, 5, 60, 20_000])
        match rng.randrange(12):
            case 0:
                sender.send_ping(b"%d" % number)
            case 1:
                peers.tap.ping(toward, b"tk%d" % number, peers.now_ns)
            case 2:
                wire.order(fragment(rng.randrange(2, 5)))
            case 3:
                wire.inject(2, b"tap", peers.now_ns)
            case 4:
                peers.gate.hold()
            case 5:
                peers.tap.step(rng.randrange(1, 4), peers.now_ns)
            case 6:
                peers.gate.run(rng.choice([None, 500.0]))
            case 7:
                wire.line.delay(rng.choice([0, 0.002]), rng.choice([0, 0.001]))
            case _:
                half = rng.randrange(len(message))
                sender.send_text(message[:half], fin=False)
                sender.send_continuation(message[half:], fin=True)
                sent[toward].append(message)
        peers.run(rng)
        peers.wait(0.001)
    peers.gate.run()
    for _ in range(20):
        peers.run()
        peers.wait(0.01)
    for toward in TOWARDS:
        messages: list[bytes] = []
        for frame in peers.received[toward]:
            if frame.opcode is Opcode.CONT:
                messages[-1] += bytes(frame.data)
            elif frame.opcode in (Opcode.TEXT, Opcode.BINARY):
                messages.append(bytes(frame.data))
        assert [each for each in messages if each != b"tap"] == sent[toward]
        assert peers.peer(toward).close_sent is None
    assert {name for notes in peers.notes() for name in notes} <= {"unasked pong"}
