"""Validation: checks of arguments that a user passes, before anything is started with them."""

from __future__ import annotations

from numbers import Integral, Real

from tickerkit.errors import InvalidArgument
from tickerkit.formatting import format_value

__all__ = ["check_number", "check_token"]


def check_number(
    name: str, value: object, minimum: float, *, whole: bool = False, optional: bool = False
) -> None:
    """Check that an argument is a number of at least `minimum`; numpy's numbers are accepted too.

    Args:
        name: name of the argument, for the error.
        value: the value to check.
        minimum: the smallest accepted number.
        whole: accept whole numbers only.
        optional: accept None too.

    Raises:
        TypeError: `value` is not a number, or is a boolean.
        InvalidArgument: `value` is less than `minimum`, or NaN.
    """
    if optional and value is None:
        return
    kind = "a whole number" if whole else "a number"
    expected = f"{kind} of at least {minimum:g}{', or None' if optional else ''}"
    kinds = (Integral,) if whole else (Real,)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise TypeError(f"Invalid {name}={format_value(value)}; expected {expected}")
    if not float(value) >= minimum:
        raise InvalidArgument(name, value, expected)


def check_token(token: object) -> None:
    """Check that a token can be sent in an HTTP header (RFC 9110, section 5.5).

    Raises:
        TypeError: `token` is not text.
        ValueError: it has characters that a header can't carry; the error doesn't contain it.
    """
    if not isinstance(token, str):
        kind = type(token).__name__
        raise TypeError(f"Invalid token of type {kind}; expected text; a server also accepts False")
    try:
        token.encode("latin-1")
    except UnicodeEncodeError:
        pass
    else:
        if token.isprintable() and token == token.strip():
            return
    raise ValueError(
        "Invalid token, which can't be sent in a header; expected letters, digits and punctuation, "
        "without a space at either end"
    )
