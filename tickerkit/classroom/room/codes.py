"""Codes: the short word by which a class joins, made of signs that can't be confused."""

from __future__ import annotations

import re
import secrets

from tickerkit.errors import InvalidArgument
from tickerkit.validation import check_text

__all__ = ["check_code", "is_code", "make_code"]

# Without i, l and o, which look like 1 and 0, and without vowels, so that no word comes out.
LETTERS = "bcdfghjkmnpqrstvwxz"
DIGITS = "23456789"
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,31}")
# Paths that each server has.
RESERVED = {"ticks", "metrics", "healthz", "readyz"}
EXPECTED = "3 to 32 letters, digits, - and _, such as 'otter42'"


def make_code() -> str:
    """Return four letters and two digits: eight million codes."""
    letters = "".join(secrets.choice(LETTERS) for _ in range(4))
    return letters + "".join(secrets.choice(DIGITS) for _ in range(2))


def check_code(code: str) -> str:
    """Return a code that a teacher has chosen.

    Raises:
        InvalidArgument: if it can't be a path of the server.
    """
    check_text("code", code, EXPECTED)
    if not is_code(code):
        raise InvalidArgument("code", code, EXPECTED)
    return code


def is_code(text: str) -> bool:
    """Return whether a text may be a code: it is a path that the server does not have."""
    return CODE.fullmatch(text) is not None and text.lower() not in RESERVED
