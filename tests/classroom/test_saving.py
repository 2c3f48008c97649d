"""Saved frames: pcapng for Wireshark and HAR for Chrome have what the table has."""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from conversations import ANSWER, REQUEST, Peers, Tapped
from soaks import soak

from tickerkit.classroom.frame_cursor import read_plain
from tickerkit.classroom.har import make_har
from tickerkit.classroom.passage import Handshake
from tickerkit.classroom.pcapng import make_pcapng
from tickerkit.classroom.tables import make_row
from tickerkit.wire import WireFrame
from tickerkit.wire.header import make_frame
from tickerkit.wire.mischief import corrupt

PORT = 50_311
SECOND_NS = 10**9
START_NS = 10**18
HANDSHAKE = Handshake(
    *(1, "127.0.0.1:40000", START_NS, REQUEST, START_NS + 1, ANSWER, START_NS + 2),
    *(True, START_NS + SECOND_NS, "client", False),
)


@pytest.fixture(scope="module")
def tapped() -> Tapped:
    """Return a conversation with frames of every kind."""
    tapped = Tapped().open()
    tapped.feed("client", make_frame(1, b'{"price": 1}'), make_frame(2, bytes(range(200))))
    tapped.feed("server", make_frame(1, b"up", b"abcd"), make_frame(9, b"p", b"abcd"))
    tapped.feed("client", make_frame(10, b"p"), make_frame(1, b"fr", fin=False))
    tapped.feed("client", make_frame(9, b""), make_frame(0, b"agments"))
    tapped.tap.wires["client"].order(corrupt("rsv"))
    tapped.feed("client", make_frame(1, b"changed"))
    tapped.feed("client", make_frame(2, bytes(200_000)))
    tapped.feed("server", make_frame(8, b"\x03\xe8bye", b"abcd"))
    tapped.feed("client", make_frame(8, b"\x03\xe8bye"))
    return tapped


class Packet(NamedTuple):
    """A packet of a file."""

    time_ns: int
    source: int
    seq: int
    ack: int
    flags: int
    data: bytes
    comment: str


def blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the kind and the body of each block."""
    while data:
        kind, size = struct.unpack_from("<II", data)
        assert size % 4 == 0
        assert data[size - 4 : size] == data[4:8]
        yield kind, data[8 : size - 4]
        data = data[size:]


def checked(data: bytes) -> bool:
    """Return whether data with its checksum sums up to ones."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF


def packets(data: bytes) -> list[Packet]:
    """Return the packets of a file, and check their lengths and checksums."""
    found = []
    for kind, body in blocks(data):
        if kind != 6:
            continue
        _, high, low, size, whole = struct.unpack_from("<IIIII", body)
        assert size == whole
        packet, options = body[20 : 20 + size], body[20 + size + -size % 4 :]
        assert struct.unpack_from(">H", packet, 2)[0] == size
        assert checked(packet[:20])
        assert checked(packet[12:20] + struct.pack(">HH", 6, size - 20) + packet[20:])
        source, _, seq, ack, words, flags = struct.unpack_from(">HHIIBB", packet, 20)
        length = struct.unpack_from("<HH", options)[1] if options else 0
        comment = options[4 : 4 + length].decode()
        found.append(
            Packet(high << 32 | low, source, seq, ack, flags, packet[20 + words // 4 :], comment)
        )
    return found


def test_capture_has_every_byte_in_order(tapped: Tapped) -> None:
    """Each direction is one unbroken TCP stream: the handshake, then the frames."""
    data = b"".join(make_pcapng([HANDSHAKE], tapped.frames, PORT))
    found = packets(data)
    assert [packet.flags for packet in found[:3]] == [2, 18, 16]
    assert [packet.flags for packet in found[-3:]] == [17, 17, 16]
    assert [packet.time_ns for packet in found] == sorted(packet.time_ns for packet in found)
    for port, toward, head in ((40_000, "server", REQUEST), (PORT, "client", ANSWER)):
        sent = [packet for packet in found if packet.source == port]
        after = [packet for packet in found if packet.source != port and packet.flags & 16]
        stream, position = b"", sent[0].seq + 1
        for packet in sent[1:]:
            assert packet.seq == position
            stream += packet.data
            position += len(packet.data) + packet.flags % 2
        assert after[-1].ack == position
        frames = [frame for frame in tapped.frames if frame.toward == toward]
        whole = b"".join(
            frame.wire.ljust(len(frame.header) + frame.length, b"\0") for frame in frames
        )
        assert stream == head + whole
    comments = [packet.comment for packet in found if packet.comment]
    assert comments[1] == "changed by the tap: RSV2 set"
    assert "the rest is zeros here" in comments[2]


def test_capture_leaves_out_what_is_no_websocket(tapped: Tapped) -> None:
    """Connections of pages are not in it, and those that are still open have no end."""
    page = HANDSHAKE._replace(link=2, is_websocket=False)
    still_open = HANDSHAKE._replace(ended_ns=0)
    data = b"".join(make_pcapng([still_open, page], tapped.frames, PORT))
    assert all(not packet.flags & 1 for packet in packets(data))
    reset = HANDSHAKE._replace(is_reset=True, client="[::1]:40000")
    assert packets(b"".join(make_pcapng([reset], [], PORT)))[-1].flags & 4
    assert packets(b"".join(make_pcapng([page], tapped.frames, PORT))) == []


@pytest.fixture(scope="module")
def tshark() -> str:
    """Return the path of tshark; skip where it is missing."""
    path = shutil.which("tshark")
    if path is None:
        if os.environ.get("TICKERKIT_REQUIRE_TSHARK") == "1":
            pytest.fail("tshark was not found")
        pytest.skip("tshark was not found")
    return path


def check_with_tshark(tshark: str, path: Path, frames: Sequence[WireFrame]) -> None:
    """Compare every field that tshark shows; it must find no fault in the TCP streams."""
    names = [
        *("opcode", "fin", "rsv", "mask", "payload_length", "payload_length_ext_16"),
        *("payload_length_ext_64", "masking_key", "payload.close.status_code"),
    ]
    fields = [word for name in names for word in ("-e", f"websocket.{name}")]

    def read(*more: str) -> list[str]:
        command = [tshark, "-r", str(path), *more]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return shown.splitlines()

    assert read("-Y", "tcp.analysis.flags || _ws.malformed") == []
    rows = [row.split("\t") for row in read("-Y", "websocket", "-T", "fields", *fields)]
    assert len(rows) == len(frames)
    for row, frame in zip(rows, frames, strict=True):
        head = frame.head
        short = {7: head.length, 16: 126, 64: 127}[head.length_bits]
        assert [int(each, 0) for each in row[:5]] == [
            *(head.opcode, head.fin, head.rsv, head.masked, short)
        ]
        assert row[5:8] == [
            *(str(head.length) if head.length_bits == bits else "" for bits in (16, 64)),
            head.key.hex(),
        ]
        code = int.from_bytes(frame.payload[:2], "big") if head.opcode == 8 else ""
        assert row[8] == str(code)


def test_wireshark_reads_the_same_frames(tshark: str, tapped: Tapped, tmp_path: Path) -> None:
    """Every kind of frame is equal in every field."""
    path = tmp_path / "lesson.pcapng"
    path.write_bytes(b"".join(make_pcapng([HANDSHAKE], tapped.frames, PORT)))
    check_with_tshark(tshark, path, tapped.frames)


@pytest.mark.parametrize("count", [500, soak(10_000)])
def test_wireshark_reads_many_deflated_frames_of_port_8000(
    tshark: str, tmp_path: Path, count: int
) -> None:
    """It takes the port for HTTP by the look of the handshake; the connection ends with a reset."""
    rng = random.Random(3)
    peers = Peers(deflate=True, keep_bytes=2**27)
    while peers.log.stop <= count:
        for peer in (peers.client, peers.server):
            match rng.randrange(12):
                case 0:
                    peer.send_ping(rng.randbytes(rng.randrange(126)))
                case 1:
                    peer.send_binary(rng.randbytes(rng.choice([0, 125, 126, 4000, 70_000])))
                case 2:
                    peer.send_text(b"a part ", fin=False)
                    peer.send_ping(b"within")
                    peer.send_continuation(b"and the rest", fin=True)
                case _:
                    price = rng.randrange(100)
                    peer.send_text(b'{"symbol": "AAPL", "price": %d}' % price)
        peers.run(rng)
    peers.client.send_close(1001, "enough")
    peers.run()
    frames = peers.frames
    assert {frame.head.rsv for frame in frames} == {0, 4}
    assert peers.tap.request is not None
    assert peers.tap.answer is not None
    handshake = HANDSHAKE._replace(
        request=peers.tap.request.data, answer=peers.tap.answer.data, is_reset=True
    )
    path = tmp_path / "lesson.pcapng"
    path.write_bytes(b"".join(make_pcapng([handshake], frames, 8000)))
    check_with_tshark(tshark, path, frames)


def test_archive_has_the_messages(tapped: Tapped) -> None:
    """Fragments are joined; pings are there; what is no text is in base64."""
    rows = list(map(make_row, read_plain(1, tapped.frames)))
    page = HANDSHAKE._replace(link=2, is_websocket=False)
    log = json.loads(make_har([HANDSHAKE, page], rows, "127.0.0.1:1"))["log"]
    (entry,) = log["entries"]
    assert entry["_resourceType"] == "websocket"
    assert entry["request"]["url"] == "ws://127.0.0.1:1/ticks"
    assert entry["response"]["status"] == 101
    assert entry["request"]["headers"][0] == {"name": "Host", "value": "127.0.0.1"}
    assert entry["time"] == 1000
    shown = [(each["type"], each["opcode"], each["data"]) for each in entry["_webSocketMessages"]]
    assert shown[0] == ("receive", 1, '{"price": 1}')
    assert shown[2] == ("send", 1, "up")
    assert shown[3] == ("send", 9, "cA==")
    assert shown[5:7] == [("receive", 9, ""), ("receive", 1, "fragments")]
    assert shown[7] == ("receive", 1, "changed")
    assert shown[-1] == ("receive", 8, "A+hieWU=")
    assert all(each["time"] >= START_NS / 1e9 for each in entry["_webSocketMessages"])
