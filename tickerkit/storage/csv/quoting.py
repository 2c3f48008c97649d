"""Text: where the lines of CSV end, and which marks in it are quotes."""

from __future__ import annotations

import re

__all__ = ["OPENED", "QUOTED", "mask_quoted", "whole_lines"]

# A field in quotes: a quote at a field's start, up to the one that is not doubled. A quote
# elsewhere is a character like others (5" pipe). Possessive (*+), or a text cut off after a
# doubled quote would pass for one that ends with its first half.
QUOTED = re.compile(rb'(?<![^,\n])"[^"]*+(?:""[^"]*+)*+"')
OPENED = re.compile(rb'(?<![^,\n])"')


def mask_quoted(block: bytes) -> bytes:
    """Return a block of the same length in which fields in quotes hold nothing but x."""
    if b'"' not in block:
        return block
    return QUOTED.sub(lambda match: b"x" * len(match.group()), block)


def whole_lines(shadow: bytes) -> int:
    """Return how much of a masked block is whole lines: to the last line break outside quotes."""
    opened = OPENED.search(shadow) if b'"' in shadow else None
    return shadow.rfind(b"\n", 0, opened.start() if opened else None) + 1
