"""A minimal MQTT 3.1.1 broker for the tests: it sends what the test publishes to every client."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

__all__ = ["Broker"]

CONNACK = b"\x20\x02\x00\x00"
PONG = b"\xd0\x00"


def encode_publish(topic: str, payload: bytes, *, retain: bool) -> bytes:
    """Return a message of less than 16 kB as a PUBLISH packet with QoS 0."""
    name = topic.encode()
    body = len(name).to_bytes(2, "big") + name + payload
    low, high = len(body) % 128, len(body) // 128
    length = bytes([low | 0x80, high]) if high else bytes([low])
    return bytes([0x31 if retain else 0x30]) + length + body


class Broker:
    """A broker on a free port of this machine.

    Attributes:
        port: its port.
        packets: the packets that clients have sent, each with its first byte.
        retained: PUBLISH packets to send on each subscription.
    """

    def __init__(self) -> None:
        self.packets: list[tuple[int, bytes]] = []
        self.retained: list[bytes] = []
        self._subscribers: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def subscribers(self) -> int:
        """How many clients are subscribed now."""
        return len(self._subscribers)

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> None:
        """Send a message to all subscribers."""
        packet = encode_publish(topic, payload.encode(), retain=retain)
        with self._lock:
            for client in self._subscribers:
                client.sendall(packet)

    def drop(self) -> None:
        """Close all connections."""
        with self._lock:
            for client in self._subscribers:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
            self._subscribers.clear()

    def close(self) -> None:
        """Stop listening, and close all connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()
        for thread in self._threads:
            thread.join(10)

    def __enter__(self) -> Broker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as stream, contextlib.suppress(OSError, IndexError):
            for kind, body in read_packets(stream):
                self.packets.append((kind, body))
                match kind & 0xF0:
                    case 0x10:
                        client.sendall(CONNACK)
                    case 0x80:
                        with self._lock:
                            client.sendall(b"\x90\x03" + body[:2] + b"\x00")
                            for packet in self.retained:
                                client.sendall(packet)
                            self._subscribers.append(client)
                    case 0xC0:
                        client.sendall(PONG)
                    case 0xE0:
                        break
        with self._lock:
            if client in self._subscribers:
                self._subscribers.remove(client)


def read_packets(stream: object) -> Iterator[tuple[int, bytes]]:
    """Yield the first byte and the rest of each packet, until the client leaves."""
    read = stream.read  # type: ignore[attr-defined]
    while first := read(1):
        length, shift = 0, 0
        while True:
            byte = read(1)[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        yield first[0], read(length)
