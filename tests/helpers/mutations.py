"""Random mutations of valid messages; a seed makes them repeatable."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from typing import Any

LEAVES: list[Any] = [
    *(None, True, False, 0, -1, 1, 0.5, -0.0, 1e-320, 1e308, float("nan"), float("inf")),
    *(2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**19, 10**400),
    *("", " ", "A", "B", "1", "-1e5", "NaN", "\0", "a\nb", "\x9b", "\ud800", "\u2028", "é🙂"),
    *("x" * 65, "a", "b", "2026-11-22T10:00:00Z", "0001-01-01", "ticks", "hello", "gap", "at"),
    *([], {}, [[]], [{}], {"symbol": "A", "price": 1}, ["A"], [None], [1, "1", None]),
]
BYTES = [
    *(b'"', b"\\", b"\\u0000", b"\\ud800", b"\0", b"\x1f", b"\x7f", b"\xc2\x9b", b"\xff"),
    *(b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"\r\n", b"\n", b","),
    *(b"NaN", b"-Infinity", b"1e999", b"-0", b"9" * 30, b"9" * 5000, b"null", b"true", b"{", b"]"),
    *(b"[" * 20, b"]" * 20, b'{"a":' * 20, b"[" * 5000, b"[" * 5000 + b"]" * 5000),
]
NUMBER = re.compile(rb"\d+")


class Mutations:
    """Random mutations of valid messages.

    Args:
        seeds: the valid messages.
        rng: makes every random choice.
    """

    def __init__(self, seeds: Sequence[bytes], rng: random.Random) -> None:
        self.seeds = seeds
        self.rng = rng
        self._mutators = (
            *(self._flip, self._put, self._cut, self._drop, self._repeat, self._swap),
            *(self._splice, self._insert, *[self._number] * 3, *[self._tree] * 5),
        )

    def next(self) -> bytes:
        """Return a message with one to three mutations."""
        data = self.rng.choice(self.seeds)
        for _ in range(self.rng.choice((1, 1, 1, 2, 3))):
            data = self.rng.choice(self._mutators)(data)
        return data

    def _span(self, data: bytes) -> tuple[int, int]:
        start = self.rng.randrange(len(data) + 1)
        return start, min(len(data), start + self.rng.choice((1, 2, 8, 40)))

    def _flip(self, data: bytes) -> bytes:
        changed = bytearray(data or b"x")
        changed[self.rng.randrange(len(changed))] ^= 1 << self.rng.randrange(8)
        return bytes(changed)

    def _put(self, data: bytes) -> bytes:
        changed = bytearray(data or b"x")
        changed[self.rng.randrange(len(changed))] = self.rng.randrange(256)
        return bytes(changed)

    def _cut(self, data: bytes) -> bytes:
        return data[: self.rng.randrange(len(data) + 1)]

    def _drop(self, data: bytes) -> bytes:
        start, stop = self._span(data)
        return data[:start] + data[stop:]

    def _repeat(self, data: bytes) -> bytes:
        start, stop = self._span(data)
        return data[:stop] + data[start:stop] * self.rng.choice((1, 1, 3, 50)) + data[stop:]

    def _swap(self, data: bytes) -> bytes:
        a, b, c, d = sorted(self.rng.randrange(len(data) + 1) for _ in range(4))
        return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]

    def _splice(self, data: bytes) -> bytes:
        other = self.rng.choice(self.seeds)
        start = self.rng.randrange(len(other) + 1)
        return data[: self.rng.randrange(len(data) + 1)] + other[start:]

    def _insert(self, data: bytes) -> bytes:
        start, stop = self._span(data)
        return data[:start] + self.rng.choice(BYTES) + data[self.rng.choice((start, stop)) :]

    def _number(self, data: bytes) -> bytes:
        if not (found := list(NUMBER.finditer(data))):
            return self._insert(data)
        match = self.rng.choice(found)
        number = self.rng.choice((b"-1", b"0", b"1.5", b"1e3", b"%d" % self.rng.choice(NUMBERS)))
        return data[: match.start()] + number + data[match.end() :]

    def _tree(self, data: bytes) -> bytes:
        """Change one place of the JSON; in data that is no JSON, insert bytes instead."""
        try:
            tree = [json.loads(data)]
        except (ValueError, RecursionError):
            return self._insert(data)
        places = list(_places(tree))
        where, key = self.rng.choice(places)
        other, other_key = self.rng.choice(places)
        match self.rng.randrange(7):
            case 0 | 1 | 2:
                where[key] = self.rng.choice(LEAVES)
            case 3:
                where[key], other[other_key] = other[other_key], where[key]
            case 4 if isinstance(where, dict):
                where[str(self.rng.choice(LEAVES))] = where.pop(key)
            case 5:
                del where[key]
            case _:
                for _ in range(self.rng.choice((1, 2, 15, 16, 17, 100))):
                    where[key] = [where[key]] if self.rng.random() < 0.5 else {"a": where[key]}
        try:
            return json.dumps(tree[0] if tree else None, separators=(",", ":")).encode()
        except (ValueError, RecursionError):  # a swap has made a value contain itself
            return data


NUMBERS = [leaf for leaf in LEAVES if type(leaf) is int]


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place in a JSON value: its container, and its key or index in the container."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(pairs):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


def as_message(data: bytes) -> str | bytes:
    """Return bytes as the message that a websocket or a careless program makes of them.

    This is text, with surrogates for bytes that aren't UTF-8, unless the first byte is 0xff.
    """
    if data[:1] == b"\xff":
        return data
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape")
