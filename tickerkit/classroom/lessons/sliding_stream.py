"""Exercise 2d: a reader that skips a mask, so that the stream slides."""

from __future__ import annotations

from random import Random
from typing import Any

from tickerkit.classroom.lessons.exercise import Exercise, Outcome
from tickerkit.classroom.lessons.judging import Case, judge_function, make_mistakes
from tickerkit.wire.header import BINARY, CLOSE, KEY_BYTES, PING, PONG, TEXT, make_frame

__all__ = ["SLIDING_STREAM"]

STREAMS = 12

SLIDING = """
def unmask(payload, key):
    return bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def read_all(data):
    frames = []
    while len(data) >= 2:
        opcode, length = data[0] & 0b1111, data[1] & 0b0111_1111
        if opcode in (1, 2):  # text, binary
            key, data = data[2:6], data[6:]
            payload = unmask(data[:length], key)
        else:  # ping, pong, close
            data = data[2:]
            payload = data[:length]
        frames.append((opcode, payload))
        data = data[length:]
    return frames
"""

SOLUTION = """
def unmask(payload, key):
    return bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def read_all(data):
    frames = []
    while len(data) >= 2:
        opcode, length = data[0] & 0b1111, data[1] & 0b0111_1111
        key, data = data[2:6], data[6:]
        payload = unmask(data[:length], key)
        frames.append((opcode, payload))
        data = data[length:]
    return frames
"""

WRONG = {
    SLIDING: "From the first ping on, the stream slides: the 4 bytes of its key are read as "
    "payload, and its payload as the next header. Which frames of a client are masked?",
} | make_mistakes(
    SLIDING,
    (
        ("            data = data[2:]\n", "            data = data[6:]\n"),
        "It slides no longer. But the payload of pings, pongs and closes is still masked.",
    ),
    (
        (
            "            data = data[2:]\n            payload = data[:length]\n",
            "            data = data[6 + length:]\n            continue\n",
        ),
        "It slides no longer. But the pings, pongs and closes are missing in the list.",
    ),
    (
        ("if opcode in (1, 2):", "if opcode in (1, 2, 9):"),
        "Pings are right now. The key of pongs and closes is still read as payload.",
    ),
    (
        ("if opcode in (1, 2):", "if length > 0:"),
        "A frame without payload has a key as well: the next frame begins 4 bytes later.",
    ),
)


def _judge(answer: Any, rng: Random) -> Outcome:
    cases = []
    for number in range(STREAMS):
        kinds = [TEXT, TEXT, BINARY] if number == 0 else [TEXT, PING, TEXT]
        if number > 1:
            kinds += rng.choices([TEXT, BINARY, PING, PONG], k=rng.randint(1, 6))
            rng.shuffle(kinds)
            kinds.append(CLOSE)
        frames = [(kind, rng.randbytes(rng.randint(4, 30))) for kind in kinds]
        if number == STREAMS - 1:
            frames.append((PING, b""))
        stream = b"".join(make_frame(*frame, rng.randbytes(KEY_BYTES)) for frame in frames)
        cases.append(Case((stream,), frames, stream))
    kind = "a list of pairs: opcode (a number) and payload (bytes)"
    praise = "Every frame of a client is masked, pings too. Now nothing slides."
    return judge_function(answer, cases, kind, praise, WRONG)


SLIDING_STREAM = Exercise(
    key="2d",
    task="`read_all(data)`: mend the reader, so that the stream does not slide.",
    judge=_judge,
    hints=(
        "Find the first frame that comes out wrong. What is its opcode?",
        "How many bytes does `read_all` take for the header of a ping, and how many has it?",
        "The line that takes the key has to run for every frame, not only for messages.",
    ),
    solution=SOLUTION,
    wrong=WRONG,
)
