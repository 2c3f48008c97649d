"""Exercise 2c: a ping that is one, and not the bytes of one in a message."""

from __future__ import annotations

from random import Random
from typing import Any

from tickerkit.classroom.lessons.exercise import AnswerError, Exercise, Outcome
from tickerkit.classroom.lessons.judging import describe, is_same
from tickerkit.classroom.lessons.practice_socket import PracticeSocket
from tickerkit.wire.header import BINARY, OPCODE_NAMES, PING, TEXT

__all__ = ["REAL_PING"]

PINGS = 3

SOLUTION = """
def send_ping(websocket, payload):
    websocket.ping(payload)
"""

WRONG = {
    """
def send_ping(websocket, payload):
    websocket.send(bytes([0b1000_1001, len(payload)]) + payload)
""": "On the wire it has opcode 2: your bytes of a ping became the payload of a message. "
    "`send()` always sends a message; it never sends a frame that you made.",
    """
def send_ping(websocket, payload):
    websocket.send(payload)
""": "On the wire it has opcode 2: `send()` of bytes is a binary message. A ping has opcode 9.",
    """
def send_ping(websocket, payload):
    websocket.send("ping")
""": "On the wire it has opcode 1: a message of text, even if the text is the word ping.",
    """
def send_ping(websocket, payload):
    websocket.ping()
""": "A ping was sent, but not with this payload. Its answer, the pong, would not match.",
    """
def send_ping(websocket, payload):
    websocket.pong(payload)
""": "On the wire it has opcode 10: a pong. It answers a ping, and asks for nothing.",
    """
def send_ping(websocket, payload):
    websocket.ping(payload)
    websocket.ping(payload)
""": "More than one frame was sent. One ping is enough.",
    """
def send_ping(websocket, payload):
    return payload
""": "Nothing was sent. The function has to call a method of `websocket`.",
}
FAKE, BYTES, WORDS, OTHER, ANSWER, MANY, NONE = WRONG.values()


def _judge(answer: Any, rng: Random) -> Outcome:
    kind = "one frame on the wire, with opcode 9 and the payload"
    if not callable(answer):
        return Outcome(
            False, 0, "Pass the function itself: send_ping.", "a function", describe(answer)
        )
    payloads = [rng.randbytes(rng.randint(1, 12)) for _ in range(PINGS)]
    for checked, payload in enumerate(payloads):
        websocket = PracticeSocket(rng)
        try:
            answer(websocket, payload)
        except AnswerError as error:
            error.checked = checked
            raise
        said = _judge_sent(websocket.sent, payload)
        if said:
            came = ", ".join(
                f"opcode {opcode} ({OPCODE_NAMES[opcode]})" for opcode, _ in websocket.sent
            )
            return Outcome(False, checked, said, kind, came or "no frame", bytes(websocket.wire))
    return Outcome(True, len(payloads), "A real ping; the other side has to answer it.")


def _judge_sent(sent: list[tuple[int, bytes]], payload: bytes) -> str:
    """Return what is wrong with the frames that were sent; empty for the ping."""
    if len(sent) != 1:
        return MANY if sent else NONE
    ((opcode, content),) = sent
    if opcode == PING:
        return "" if is_same(content, payload) else OTHER
    if opcode == BINARY:
        return FAKE if content[:1] == bytes([0x80 | PING]) and payload != content else BYTES
    return WORDS if opcode == TEXT else ANSWER


REAL_PING = Exercise(
    key="2c",
    task="`send_ping(websocket, payload)`: send a real ping.",
    judge=_judge,
    hints=(
        "`send()` makes messages: opcode 1 for text, opcode 2 for bytes. It can make no ping.",
        "Look at the methods that a websocket has beside `send`: `dir(websocket)`.",
        "The method has the name of what it sends, and takes the payload.",
    ),
    solution=SOLUTION,
    wrong=WRONG,
)
