"""Places: the values at one path of some rows, and what they may be."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import Any

from tickerkit.errors import BadTick
from tickerkit.fieldmaps.guess.candidates import last_name
from tickerkit.ticks.fields import read_time
from tickerkit.ticks.numbers import INTEGER, is_number

__all__ = ["ISO", "UUID", "Place", "is_numeric", "is_pair", "is_whole"]

QUOTES = ("USD", "USDT", "USDC", "EUR", "GBP", "JPY", "KRW", "BTC", "ETH", "BUSD", "XBT", "CHF")
SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9./:_-]{0,19}")
UUID = re.compile(r"[0-9a-fA-F-]{24,}|0x[0-9a-fA-F]{8,}")
ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
MIN_TIME_S, MAX_TIME_S = 946_684_800, 4_102_444_800  # 2000 and 2100
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

MIN_SHARE = 0.8
MAX_EXPONENT = sys.float_info.max_exp
MAX_NUMBER_TEXT = 40
# Texts that might have come again, and did not.
MIN_UNIQUE = 4


@dataclass(slots=True)
class Place:
    """The values at a path in some rows."""

    path: str
    values: list[Any]

    @property
    def name(self) -> str:
        return last_name(self.path)

    @property
    def level(self) -> int:
        """How far from the row its path starts: 0 for the row, more for what is around it."""
        if self.path.startswith("/"):
            return 99
        return len(self.path) - len(self.path.lstrip("^"))

    @property
    def numbers(self) -> list[float]:
        return [float(each) for each in self.values if is_numeric(each)]

    @property
    def is_number(self) -> bool:
        return len(self.numbers) >= max(1, MIN_SHARE * len(self.values))

    @property
    def texts(self) -> list[str]:
        return [each for each in self.values if isinstance(each, str)]

    @property
    def is_text(self) -> bool:
        return len(self.texts) == len(self.values) > 0

    def unit(self) -> str | None:
        """Return the unit of a time; None if the values are no times, or of several units."""
        units = {unit_of(each) for each in self.values}
        return units.pop() if len(units) == 1 else None

    @property
    def is_whole(self) -> bool:
        """Whether the values are whole numbers."""
        return all(is_whole(each) for each in self.values)

    @property
    def is_unique(self) -> bool:
        """Whether no text comes again where it could have."""
        texts = self.texts
        return len(texts) >= MIN_UNIQUE and len(set(texts)) == len(texts)

    @property
    def is_like_symbol(self) -> bool:
        """Whether the texts look like those of instruments."""
        return all(
            is_pair(each) or (SYMBOL.fullmatch(each) and not is_number(each)) for each in self.texts
        )


def is_pair(text: str) -> bool:
    """Return whether a text is a pair of currencies, as venues write them."""
    if len(text) > 40 or not re.fullmatch(r"[A-Za-z0-9]+([-/_:.][A-Za-z0-9]+){0,3}", text):
        return False
    parts = re.split(r"[-/_:.]", text.upper())
    if len(parts) > 1:
        return parts[-1] in QUOTES or parts[0] in QUOTES or parts[-1] in ("PERP", "SWAP")
    return any(parts[0].endswith(each) and len(parts[0]) > len(each) + 1 for each in QUOTES)


def is_numeric(value: Any) -> bool:
    """Return whether a value is a number that a float can hold, or the text of one."""
    if isinstance(value, str):
        return len(value) <= MAX_NUMBER_TEXT and is_number(value)
    if isinstance(value, int):
        return not isinstance(value, bool) and value.bit_length() < MAX_EXPONENT
    return isinstance(value, float)


def unit_of(value: Any) -> str | None:
    """Return the unit of a time between 2000 and 2100; None for another value."""
    if isinstance(value, str) and ISO.match(value):
        try:
            read_time(value)
        except BadTick:
            return None
        return "iso"
    if not is_numeric(value):
        return None
    number = float(value)
    for unit, factor in UNITS.items():
        if MIN_TIME_S * factor <= number < MAX_TIME_S * factor:
            return unit
    return None


def is_whole(value: Any) -> bool:
    """Return whether a value is a whole number, or the text of one."""
    if isinstance(value, str):
        return INTEGER.fullmatch(value) is not None
    return isinstance(value, int) and not isinstance(value, bool)
