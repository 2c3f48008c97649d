"""Exercise 2a: how many bytes the header of a frame has."""

from __future__ import annotations

from random import Random
from typing import Any

from tickerkit.classroom.lessons.exercise import Exercise, Outcome
from tickerkit.classroom.lessons.judging import Case, judge_function, make_mistakes
from tickerkit.wire.header import KEY_BYTES, TEXT, make_header

__all__ = ["HEADER_SIZE"]

SIZES = (5, 125, 126, 127, 128, 65_535, 65_536, 65_537)
DRAWN_SIZES = 14

SOLUTION = """
def header_size(length, masked):
    size = 2
    if length > 65535:
        size += 8
    elif length > 125:
        size += 2
    if masked:
        size += 4
    return size
"""

WRONG = make_mistakes(
    SOLUTION,
    (
        (
            "if length > 65535:\n        size += 8\n    elif length > 125:",
            "if length == 127:\n        size += 8\n    elif length == 126:",
        ),
        "`length` is the length of the payload, not the number in the 7 bits. "
        "For which lengths of a payload do the 7 bits hold 126, and for which 127?",
    ),
    (("size = 2\n", "size = 0\n"), "The first two bytes are missing: every header has them."),
    (("size = 2\n", "size = 1\n"), "Every header begins with 2 bytes, not 1."),
    (("elif length > 125:", "if length > 125:"), "Above 65,535 the 8 bytes come alone: not 2 + 8."),
    (
        ("size += 8", "size += 6"),
        "The 8 bytes of the third size come after the first two bytes, which still count.",
    ),
    (
        ("    return size", "    return size + length"),
        "This is the size of the whole frame. Only the header is asked for.",
    ),
    (
        ("if masked:", "if False:"),
        "The masking key is missing: a frame with the mask bit has 4 bytes more.",
    ),
    (
        ("if masked:", "if True:"),
        "You count a masking key in each frame. Only a masked one has it.",
    ),
    (
        ("size += 4", "size += 1"),
        "The mask bit is in the second byte. What a masked frame has more is the key: 4 bytes.",
    ),
    (
        ("elif length > 125:", "elif length > 127:"),
        "7 bits could count to 127, but 126 and 127 are signals here. They hold lengths to 125.",
    ),
    (("elif length > 125:", "elif length > 126:"), "A length of 126 does not fit in the 7 bits."),
    (("elif length > 125:", "elif length >= 125:"), "A length of 125 still fits in the 7 bits."),
    (
        ("elif length > 125:", "elif length > 255:"),
        "One byte could hold 255, but there is no such size. After 7 bits there are 16.",
    ),
    (
        ("length > 65535:", "length > 65536:"),
        "A length of 65,536 does not fit in 16 bits.",
    ),
    (("length > 65535:", "length >= 65535:"), "A length of 65,535 still fits in 16 bits."),
    (
        ("size += 8", "size += 2"),
        "Lengths above 65,535 need the third size: 64 bits.",
    ),
    (("size += 8", "size += 4"), "The third size has 64 bits: 8 bytes, not 4."),
    (
        ("size += 2\n", "size += 1\n"),
        "The 16 bits follow the second byte whole: 2 bytes more, not 1.",
    ),
)


def _judge(answer: Any, rng: Random) -> Outcome:
    drawn = [rng.randrange(rng.choice((100, 60_000, 2**40))) for _ in range(DRAWN_SIZES)]
    cases = [
        Case((length, masked), make_size(length, masked))
        for length in (*SIZES, *drawn)
        for masked in (False, True)
    ]
    kind = "a whole number: the size of the header in bytes"
    return judge_function(answer, cases, kind, "All three sizes, with and without key.", WRONG)


def make_size(length: int, masked: bool) -> int:
    """Return the size of the header of a frame."""
    return len(make_header(TEXT, length, bytes(KEY_BYTES) if masked else b""))


HEADER_SIZE = Exercise(
    key="2a",
    task="`header_size(length, masked)`: how many bytes stand before the payload.",
    judge=_judge,
    hints=(
        "Begin with the 2 bytes that each frame has. What can make the header longer?",
        "Two things: a length that needs more than 7 bits, and the key of a masked frame.",
        "Up to 125: nothing more. Up to 65,535: 2 bytes more. Above: 8. A key: 4.",
    ),
    solution=SOLUTION,
    wrong=WRONG,
)
