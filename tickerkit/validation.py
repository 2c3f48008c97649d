"""Validation: checks of arguments that a user passes, before anything is started with them."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable
from numbers import Integral, Real
from urllib.parse import quote

from tickerkit.errors import InvalidArgument, InvalidType
from tickerkit.formatting import format_choices

__all__ = [
    "check_choice",
    "check_flag",
    "check_number",
    "check_path",
    "check_text",
    "check_token",
    "parse_symbols",
]

# A request line may have 8,192 bytes (as websockets and most servers allow), and a token in a link
# is percent-encoded.
MAX_TOKEN_BYTES = 4096


def check_number(
    name: str,
    value: object,
    minimum: float,
    maximum: float = math.inf,
    *,
    whole: bool = False,
    optional: bool = False,
) -> None:
    """Check that an argument is a number in a range; numpy's numbers are accepted too.

    Args:
        name: name of the argument, for the error.
        value: the value to check.
        minimum: the smallest accepted number.
        maximum: the largest accepted number.
        whole: accept whole numbers only.
        optional: accept None too.

    Raises:
        InvalidType: `value` is not a number, or is a boolean.
        InvalidArgument: `value` is out of range, or NaN.
    """
    if optional and value is None:
        return
    kind = "a whole number" if whole else "a number"
    limits = f" from {minimum:g} to {maximum}"
    if maximum == math.inf:
        limits = "" if minimum == -math.inf else f" of at least {minimum:g}"
    expected = f"{kind}{limits}{', or None' if optional else ''}"
    kinds = (Integral,) if whole else (Real,)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise InvalidType(name, value, expected)
    if not minimum <= value <= maximum:  # type: ignore[operator]
        raise InvalidArgument(name, value, expected)


def check_flag(name: str, value: object) -> None:
    """Check that an argument is True or False; otherwise raise `InvalidType`."""
    if not isinstance(value, bool):
        raise InvalidType(name, value, "True or False")


def check_text(name: str, value: object, expected: str) -> None:
    """Check that an argument is text; otherwise raise `InvalidType`."""
    if not isinstance(value, str):
        raise InvalidType(name, value, expected)


def check_choice(name: str, value: object, choices: Collection[str | None]) -> None:
    """Check that an argument is one of these texts (or None, if that is one of the choices).

    Raises:
        InvalidType: `value` is not text.
        InvalidArgument: `value` is another text.
    """
    if value is None or isinstance(value, str):
        if value in choices:
            return
        raise InvalidArgument(name, value, format_choices(choices))
    raise InvalidType(name, value, format_choices(choices))


def check_path(name: str, value: object) -> None:
    """Check that an argument can be the path of a file or folder, which may not exist.

    Raises:
        InvalidType: `value` is not a path.
        InvalidArgument: `value` is empty, or has a null character.
    """
    expected = "the path of a file, as text or a Path"
    if not isinstance(value, str | os.PathLike):
        raise InvalidType(name, value, expected)
    path = os.fspath(value)
    if not isinstance(path, str) or not path or "\0" in path:
        raise InvalidArgument(name, value, expected)


def parse_symbols(name: str, value: object, *, min_count: int = 1) -> list[str] | None:
    """Return the symbols of an argument; this is the one rule for all of tickerkit.

    Text is one symbol, or several that commas separate: "AAPL" or "AAPL, MSFT". In a list, each
    item is one symbol as it is written, also with a comma in it. A comma at the end is ignored.

    Args:
        name: name of the argument, for the error.
        value: the value.
        min_count: the least number of items of a list: 0 where none gives an empty result.

    Returns:
        The symbols; None, for all symbols, if the value is None.

    Raises:
        InvalidType: `value` is of another type, or an item is not text.
        InvalidArgument: there are too few symbols, or one is empty.
    """
    if value is None:
        return None
    expected = "a symbol, a list of symbols, text such as 'AAPL,MSFT', or None for all"
    if isinstance(value, str):
        symbols: list[object] = [
            part.strip() for part in value.strip().removesuffix(",").split(",")
        ]
    elif isinstance(value, Iterable) and not isinstance(value, bytes | bytearray):
        symbols = list(value)
    else:
        raise InvalidType(name, value, expected)
    if not all(isinstance(symbol, str) for symbol in symbols):
        raise InvalidType(name, value, expected)
    if "" in symbols or len(symbols) < (1 if isinstance(value, str) else min_count):
        raise InvalidArgument(name, value, expected)
    return [str(symbol) for symbol in symbols]


class _Hidden:
    """Stands for a token in an error, which must not contain it."""

    def __init__(self, token: object) -> None:
        self._kind = type(token).__name__

    def __repr__(self) -> str:
        return f"<hidden {self._kind}>"


def check_token(token: object) -> None:
    """Check that a token can be sent in an HTTP header (RFC 9110, section 5.5) and in a link.

    Raises:
        InvalidType: `token` is not text.
        InvalidArgument: it has characters that a header can't carry, or is too long; the error
            doesn't contain it.
    """
    expected = (
        "text that can be sent in a header: letters, digits and punctuation, without a space at "
        f"either end, at most {MAX_TOKEN_BYTES:,} bytes in a link"
    )
    if not isinstance(token, str):
        raise InvalidType("token", _Hidden(token), f"{expected}; a server also accepts False")
    try:
        token.encode("latin-1")
    except UnicodeEncodeError:
        pass
    else:
        is_short = len(quote(token, safe="")) <= MAX_TOKEN_BYTES
        if token.isprintable() and token == token.strip() and is_short:
            return
    raise InvalidArgument("token", _Hidden(token), expected)
