"""Captures: the frames of a tap as a pcapng file, which Wireshark opens.

A packet stands for each frame, with IP and TCP headers that are made up: the addresses are those of
client and tap, the sequence numbers count the bytes in the file. A comment says what the tap did.
"""

from __future__ import annotations

import ipaddress
import struct
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tickerkit.classroom.passage import Handshake
from tickerkit.wire import MAX_KEPT_BYTES, Toward, WireFrame, other_end

__all__ = ["CAPTURE_HEAD", "Capture", "make_pcapng"]

SECTION, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6
BYTE_ORDER = 0x1A2B3C4D
COMMENT, APPLICATION, RESOLUTION = 1, 4, 9
NANOSECONDS = b"\x09"
LINKTYPE_RAW = 101
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
TCP, TTL, WINDOW = 6, 64, 65_535
# The windows are times 2^14: many segments follow each other before one acknowledges them.
WINDOW_SCALE = b"\x03\x03\x0e\x00"
# An IPv4 packet has at most 65,535 bytes, and its two headers 40.
MAX_SEGMENT_BYTES = 65_495
# Where the tap kept the beginning of a payload, the file has zeros for the rest. A frame larger
# than this is left out.
MAX_FRAME_BYTES = 2**24
LOCAL = "127.0.0.1"


def make_pcapng(
    handshakes: Sequence[Handshake], frames: Iterable[WireFrame], port: int
) -> Iterator[bytes]:
    """Yield the parts of a pcapng file.

    Args:
        handshakes: the connections; those that are no websockets are left out.
        frames: the frames, in order.
        port: the port of the tap.
    """
    yield CAPTURE_HEAD
    yield from Capture(port).add(handshakes, frames)


class Capture:
    """The packets of a pcapng file that grows; it begins with `CAPTURE_HEAD`.

    Args:
        port: the port of the tap.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: dict[int, _Stream] = {}

    def add(self, handshakes: Sequence[Handshake], frames: Iterable[WireFrame]) -> list[bytes]:
        """Return the next packets.

        Args:
            handshakes: the connections, as they are now; those that are no websockets are left out.
                One that has ended, and is in no later call, is forgotten.
            frames: the new frames, in order.
        """
        by_link: dict[int, list[WireFrame]] = {
            each.link: [] for each in handshakes if each.is_websocket
        }
        for frame in frames:
            if frame.link in by_link:
                by_link[frame.link].append(frame)
        packets: list[tuple[int, bytes]] = []
        for each in handshakes:
            if not each.is_websocket:
                continue
            if each.link not in self._streams:
                self._streams[each.link] = _Stream(each, self._port)
            packets += self._streams[each.link].write(each, by_link[each.link])
        for link in self._streams.keys() - by_link.keys():
            del self._streams[link]
        packets.sort(key=lambda packet: packet[0])  # stable: those of one connection stay in order
        return [block for _, block in packets]


class _Stream:
    """A TCP connection in the file."""

    def __init__(self, handshake: Handshake, port: int) -> None:
        host, _, client_port = handshake.client.rpartition(":")
        try:
            source = ipaddress.IPv4Address(host).packed
        except ValueError:  # IPv6, or a socket without an address
            source = ipaddress.IPv4Address(LOCAL).packed
        server = source if source[0] == 127 else ipaddress.IPv4Address(LOCAL).packed
        self._ends: Mapping[Toward, tuple[bytes, int]] = {
            "server": (source, int(client_port or 0)),
            "client": (server, port),
        }
        # By the receiver: the sequence number of the next byte.
        self._next: dict[Toward, int] = {"server": 1000, "client": 5000}
        self._time_ns = handshake.since_ns
        self._number = 0
        self._left_out = ""
        self._has_ended = False

    def write(
        self, handshake: Handshake, frames: Iterable[WireFrame]
    ) -> Iterator[tuple[int, bytes]]:
        """Yield each packet with its time: of the handshake, once, of new frames, and of the end.

        Args:
            handshake: the connection, as it is now.
            frames: the new frames.
        """
        if not self._number:
            yield self._packet("server", SYN)
            yield self._packet("client", SYN | ACK)
            yield self._packet("server", ACK)
            yield from self._send("server", handshake.request, handshake.request_ns, "")
            yield from self._send("client", handshake.answer, handshake.answer_ns, "")
        for frame in frames:
            size = len(frame.header) + frame.length
            if "cut off" not in frame.notes and size > MAX_FRAME_BYTES:
                self._left_out = f"before it, a frame of {size:,} bytes is left out; "
                continue
            data, comment = frame.wire, self._left_out + frame.about
            self._left_out = ""
            if MAX_KEPT_BYTES <= len(frame.payload) < frame.length:
                comment += "; the tap kept the beginning of the payload, the rest is zeros here"
                data = data.ljust(size, b"\0")
            yield from self._send(frame.toward, data, frame.time_ns, comment.strip("; "))
        if handshake.ended_ns and not self._has_ended:
            self._has_ended = True
            self._time_ns = max(self._time_ns, handshake.ended_ns)
            first: Toward = "server" if handshake.ended_by == "client" else "client"
            if handshake.is_reset:
                yield self._packet("client", RST | ACK, comment="reset by the tap")
                return
            second = other_end(first)
            yield self._packet(first, FIN | ACK)
            yield self._packet(second, FIN | ACK)
            yield self._packet(first, ACK)

    def _send(
        self, toward: Toward, data: bytes, time_ns: int, comment: str
    ) -> Iterator[tuple[int, bytes]]:
        # A frame that was held came before others that have passed it.
        self._time_ns = max(self._time_ns, time_ns)
        for start in range(0, len(data), MAX_SEGMENT_BYTES):
            part = data[start : start + MAX_SEGMENT_BYTES]
            is_last = start + len(part) == len(data)
            flags = PSH | ACK if is_last else ACK
            yield self._packet(toward, flags, part, comment if is_last else "")

    def _packet(
        self, toward: Toward, flags: int, data: bytes = b"", comment: str = ""
    ) -> tuple[int, bytes]:
        other = other_end(toward)
        (source, source_port), (target, target_port) = self._ends[toward], self._ends[other]
        acknowledged = self._next[other] if flags & ACK else 0
        scale = WINDOW_SCALE if flags & SYN else b""
        tcp = struct.pack(
            ">HHIIBBHHH",
            *(source_port, target_port, self._next[toward] % 2**32, acknowledged % 2**32),
            *((20 + len(scale)) // 4 << 4, flags, WINDOW, 0, 0),
        )
        tcp += scale
        pseudo = source + target + struct.pack(">BBH", 0, TCP, len(tcp) + len(data))
        check = _checksum(pseudo + tcp + data)
        tcp = tcp[:16] + struct.pack(">H", check) + tcp[18:]
        size = 20 + len(tcp) + len(data)
        self._number += 1
        ip = struct.pack(">BBHHHBBH", 0x45, 0, size, self._number % 2**16, 0x4000, TTL, TCP, 0)
        ip += source + target
        ip = ip[:10] + struct.pack(">H", _checksum(ip)) + ip[12:]
        self._next[toward] += len(data) + bool(flags & (SYN | FIN))
        head = struct.pack("<IIIII", 0, *divmod(self._time_ns, 2**32), size, size)
        packet = (ip + tcp + data).ljust(size + -size % 4, b"\0")
        options = {COMMENT: comment.encode()} if comment else {}
        return self._time_ns, _block(PACKET, head + packet, options)


def _block(kind: int, body: bytes, options: Mapping[int, bytes]) -> bytes:
    """Return a block with its options, each padded to four bytes."""
    for code, value in options.items():
        padded = value.ljust(len(value) + -len(value) % 4, b"\0")
        body += struct.pack("<HH", code, len(value)) + padded
    if options:
        body += bytes(4)
    size = len(body) + 12
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def _checksum(data: bytes) -> int:
    """Return the checksum of IP and TCP: the ones' complement of the sum of 16-bit words."""
    total = sum(array("H", data.ljust(len(data) + len(data) % 2, b"\0")))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    # The sum is the same in either byte order, but for the order of its own bytes.
    low_first = struct.pack("=H", ~total & 0xFFFF)
    return int(struct.unpack(">H", low_first)[0])


CAPTURE_HEAD = _block(
    SECTION, struct.pack("<IHHq", BYTE_ORDER, 1, 0, -1), {APPLICATION: b"tickerkit"}
) + _block(INTERFACE, struct.pack("<HHI", LINKTYPE_RAW, 0, 0), {RESOLUTION: NANOSECONDS})
