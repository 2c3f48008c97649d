"""Lesson 1, a line that stays open: the handshake, and the key that its answer proves."""

from __future__ import annotations

import base64
import hashlib
from random import Random
from typing import Any

from tickerkit.classroom.lessons.exercise import Exercise, Outcome, Prediction
from tickerkit.classroom.lessons.judging import Case, judge_function

__all__ = ["EXERCISES", "PREDICTIONS"]

# RFC 6455, section 1.3: the same for all websockets.
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY_BYTES = 16
KEYS = 5

SOLUTION = f'''
import base64
import hashlib


def accept(key):
    digest = hashlib.sha1((key + "{GUID}").encode()).digest()
    return base64.b64encode(digest).decode()
'''

WRONG = {
    f'''
import base64, hashlib
def accept(key):
    return base64.b64encode(hashlib.sha1((key + "{GUID}").encode()).digest())
''': "The value is right, but it is bytes; a header is text. Add `.decode()` at the end.",
    '''
import base64, hashlib
def accept(key):
    return base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
''': "This is the hash of the key alone. The fixed text 258EAFA5-… is joined to the key first.",
    f'''
import base64, hashlib
def accept(key):
    return base64.b64encode(hashlib.sha1(("{GUID}" + key).encode()).digest()).decode()
''': "The fixed text comes after the key, not before it.",
    f'''
import hashlib
def accept(key):
    return hashlib.sha1((key + "{GUID}").encode()).hexdigest()
''': "This is the hash in hex. Its 20 bytes are wanted, in base64: `digest()`, then `b64encode`.",
    f'''
import base64, hashlib
def accept(key):
    return base64.b64encode(hashlib.sha1((key + "{GUID}").encode()).hexdigest().encode()).decode()
''': "You encoded the hex digits. base64 takes the 20 bytes: `digest()`, not `hexdigest()`.",
    f'''
import base64, hashlib
def accept(key):
    return str(base64.b64encode(hashlib.sha1((key + "{GUID}").encode()).digest()))
''': "`str()` of bytes keeps the b and the quotes. `.decode()` makes text of bytes.",
    f'''
import hashlib
def accept(key):
    return hashlib.sha1((key + "{GUID}").encode()).digest()
''': "These are the 20 bytes of the hash. Step 3 is missing: write them in base64, as text.",
    f'''
import base64, hashlib
def accept(key):
    return base64.b64encode(hashlib.sha256((key + "{GUID}").encode()).digest()).decode()
''': "This is SHA-256. The RFC asks for SHA-1.",
    f'''
import base64, hashlib
def accept(key):
    return base64.b64encode(hashlib.md5((key + "{GUID}").encode()).digest()).decode()
''': "This is MD5. The RFC asks for SHA-1.",
    f'''
import base64, hashlib
def accept(key):
    return base64.encodebytes(hashlib.sha1((key + "{GUID}").encode()).digest()).decode()
''': "There is a line break at the end: `encodebytes` adds it. `b64encode` does not.",
    f'''
import base64, hashlib
def accept(key):
    raw = base64.b64decode(key) + b"{GUID}"
    return base64.b64encode(hashlib.sha1(raw).digest()).decode()
''': "You decoded the key. It is used as it stands in the header, as text.",
    f'''
import base64, hashlib
def accept(key):
    return base64.b64encode(hashlib.sha1((key + "{GUID.lower()}").encode()).digest()).decode()
''': "The fixed text has capital letters: 258EAFA5-…, not 258eafa5-….",
    '''
def accept(key):
    return key
''': "This is the key itself. The answer has to prove that the server knows websockets.",
}  # fmt: skip


def make_accept(key: str) -> str:
    """Return the value of Sec-WebSocket-Accept for a key."""
    digest = hashlib.sha1(f"{key}{GUID}".encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def _judge_accept(answer: Any, rng: Random) -> Outcome:
    keys = [base64.b64encode(rng.randbytes(KEY_BYTES)).decode() for _ in range(KEYS)]
    cases = [Case((key,), make_accept(key)) for key in keys]
    kind = "text of 28 characters: the value of Sec-WebSocket-Accept"
    praise = "A browser would now believe that you are a websocket server."
    return judge_function(answer, cases, kind, praise, WRONG)


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        key="1",
        task="`accept(key)`: work out Sec-WebSocket-Accept from Sec-WebSocket-Key.",
        judge=_judge_accept,
        hints=(
            "`hashlib.sha1` takes bytes. To make bytes of text: `(key + FIXED).encode()`.",
            "`hashlib.sha1(…).digest()` has the 20 bytes. `base64.b64encode` takes them.",
            "`base64.b64encode(digest)` gives bytes; `.decode()` makes text of them.",
        ),
        solution=SOLUTION,
        wrong=WRONG,
    ),
)

PREDICTIONS = {
    "1a": Prediction(
        "A price changes once a second. A program asks for it 5 times a second, for 4 seconds. "
        "How many of its 20 requests bring a new price?",
        4.5,
        "The others were for nothing, and a new price was up to 0.2 s old when it came.",
        near=0.5,
        words="4 or 5",
    ),
    "1b": Prediction(
        "How many requests does a client of a websocket need for 4 prices?",
        1,
        "The handshake is the only one. Then the server sends each new price by itself.",
    ),
    "1c": Prediction(
        "Which number in the first line of the answer says yes to a websocket?",
        101,
        "101 means Switching Protocols: what follows is no HTTP any more.",
    ),
}
