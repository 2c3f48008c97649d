"""Exercise 2b: a reader of frames."""

from __future__ import annotations

from random import Random
from typing import Any

from tickerkit.classroom.lessons.exercise import Exercise, Outcome
from tickerkit.classroom.lessons.judging import Case, judge_function, make_mistakes
from tickerkit.wire.header import (
    BINARY,
    CLOSE,
    CONTINUATION,
    KEY_BYTES,
    PING,
    PONG,
    TEXT,
    make_frame,
)

__all__ = ["FRAME_READER"]

MAX_7_BITS, MAX_16_BITS = 125, 65_535
FRAMES = 200
CONTROL = (PING, PONG, CLOSE)

SOLUTION = """
def read_frame(data):
    opcode = data[0] & 0b1111
    masked = data[1] & 0b1000_0000
    length = data[1] & 0b0111_1111
    start = 2
    if length == 126:
        length = int.from_bytes(data[2:4], "big")
        start = 4
    elif length == 127:
        length = int.from_bytes(data[2:10], "big")
        start = 10
    if masked:
        key = data[start:start + 4]
        start += 4
    payload = data[start:start + length]
    if masked:
        payload = bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))
    return opcode, payload, data[start + length:]
"""

WRONG = make_mistakes(
    SOLUTION,
    (
        ("elif length == 127:", "if length == 127:"),
        "The 2 bytes hold 127 here, and the next `if` takes that for the signal 127. Use `elif`.",
    ),
    (
        ("if length == 126:", "if length >= 126:"),
        "127 got the length from 2 bytes, as 126 does. After 127 it has 8 bytes.",
    ),
    (("data[2:10]", "data[2:6]"), "You read 4 bytes of the length. It has 8: `data[2:10]`."),
    (("data[2:10]", "data[2:8]"), "You read 6 bytes of the length. It has 8: `data[2:10]`."),
    (
        ("data[1] & 0b1000_0000", "data[1] & 1"),
        "The MASK bit is the first bit of its byte, not the last: `data[1] & 0b1000_0000`.",
    ),
    (
        ("return opcode, payload,", "return payload, opcode,"),
        "The order of the three values is: the opcode, the payload, the rest.",
    ),
    (
        ("if length == 126:", "if False:"),
        "You took 126 as the length. It says: the length is in the next 2 bytes.",
    ),
    (
        ("elif length == 127:", "elif False:"),
        "You took 127 as the length. It says: the length is in the next 8 bytes.",
    ),
    (
        ('"big"', '"little"'),
        'The bytes of the length came out in the wrong order. The first is the largest: `"big"`.',
    ),
    (
        ("    if masked:\n        payload", "    if False:\n        payload"),
        "The payload is still masked. Each of its bytes has to be XORed with a byte of the key.",
    ),
    (
        ("        start += 4\n", ""),
        "The payload begins behind the key: those 4 bytes belong to the header.",
    ),
    (
        ("data[1] & 0b1000_0000", "0"),
        "This frame has the mask bit: 4 bytes of key stand before its payload.",
    ),
    (
        ("byte ^ key[i % 4]", "(byte + key[i % 4]) & 255"),
        "You added the key. The mask is XOR, which Python writes as `^`.",
    ),
    (
        ("byte ^ key[i % 4]", "byte | key[i % 4]"),
        "You joined the bits with OR. The mask is XOR, which Python writes as `^`.",
    ),
    (
        ("key[i % 4]", "key[0]"),
        "You used the first byte of the key only. Byte i of the payload takes `key[i % 4]`.",
    ),
    (
        (
            "byte ^ key[i % 4] for i, byte in enumerate(payload)",
            "byte ^ mask for byte, mask in zip(payload, key)",
        ),
        "The payload ends after 4 bytes. The key has 4, and begins again for the fifth.",
    ),
    (
        ("data[0] & 0b1111", "data[0]"),
        "The first byte has the FIN bit too. The opcode is its last 4 bits: `data[0] & 0b1111`.",
    ),
    (
        ("length = data[1] & 0b0111_1111", "length = data[1]"),
        "The mask bit is still in the length, which is the last 7 bits: `data[1] & 0b0111_1111`.",
    ),
    (
        ("    payload = data[start:start + length]", "    payload = data[start:]"),
        "The payload goes on into the next frame. It ends after as many bytes as the length says.",
    ),
    (
        ("data[start + length:]\n", 'b""\n'),
        "The rest is missing: the bytes behind this frame.",
    ),
    (
        ("data[start + length:]\n", "data[length:]\n"),
        "The rest begins too early: the header counts as well.",
    ),
    (
        ("return opcode, payload, data[start + length:]", "return opcode, payload"),
        "Three values are expected: the opcode, the payload and the rest.",
    ),
    (
        ("key = data[start:start + 4]", "key = data[2:6]"),
        "This is not the key. With a longer length, the key stands behind it.",
    ),
)


def _judge(answer: Any, rng: Random) -> Outcome:
    frames = [
        _draw_case(rng, rng.randint(3, 12), False, b""),
        _draw_case(rng, rng.randint(3, 12), False, rng.randbytes(8)),
        _draw_case(rng, 4, True, b""),
        _draw_case(rng, rng.randint(9, 12), True, rng.randbytes(8)),
        _draw_case(rng, rng.randint(259, 500), False, rng.randbytes(8)),
        _draw_case(rng, rng.randint(128, 255), True, rng.randbytes(8)),
        _draw_case(rng, 127, False, rng.randbytes(8)),
        _draw_case(rng, rng.randint(MAX_16_BITS + 2, 66_000), False, rng.randbytes(8)),
        _draw_case(rng, rng.randint(MAX_16_BITS + 2, 66_000), True, rng.randbytes(8)),
    ]
    while len(frames) < FRAMES:
        length = rng.randint(0, 20) if rng.random() < 0.9 else rng.randint(126, 200)
        rest = rng.randbytes(rng.randrange(20))
        frames.append(_draw_case(rng, length, rng.random() < 0.5, rest))
    kind = "a tuple of three: opcode (a number), payload (bytes) and rest (bytes)"
    praise = "Your reader reads what any websocket can send."
    return judge_function(answer, frames, kind, praise, WRONG)


def _draw_case(rng: Random, length: int, masked: bool, rest: bytes) -> Case:
    kinds = [TEXT, BINARY, CONTINUATION] + (list(CONTROL) if length <= MAX_7_BITS else [])
    opcode = rng.choice(kinds)
    payload = rng.randbytes(length)
    key = rng.randbytes(KEY_BYTES) if masked else b""
    fin = opcode in CONTROL or rng.random() < 0.8
    frame = make_frame(opcode, payload, key, fin=fin)
    return Case((frame + rest,), (opcode, payload, rest), frame)


FRAME_READER = Exercise(
    key="2b",
    task="`read_frame(data)`: the opcode, the payload and the rest of the bytes.",
    judge=_judge,
    hints=(
        "Go from left to right, and keep in a variable where the next part starts.",
        "`data[1]` holds two things: `data[1] & 0b1000_0000` is 0 without a mask, and "
        "`data[1] & 0b0111_1111` is the length.",
        "Unmask with `bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))`.",
    ),
    solution=SOLUTION,
    wrong=WRONG,
)
