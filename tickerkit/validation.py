"""Arguments: numbers that a user gives are checked where they are given, and named."""

from __future__ import annotations

from numbers import Integral, Real

from tickerkit.errors import InvalidArgument
from tickerkit.formatting import format_value

__all__ = ["check_number", "check_token"]


def check_number(
    name: str, value: object, least: float, *, whole: bool = False, optional: bool = False
) -> None:
    """Raise an error that names the argument, unless the value is a number that will do.

    Args:
        name: of the argument.
        value: what was given.
        least: the least number that will do.
        whole: whether it must be a whole number.
        optional: whether None will do.

    Raises:
        TypeError: if it isn't a number.
        InvalidArgument: if it is less than `least`, or NaN.
    """
    if optional and value is None:
        return
    kind = "a whole number" if whole else "a number"
    expected = f"{kind} of at least {least:g}{', or None' if optional else ''}"
    kinds = (Integral,) if whole else (Real,)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise TypeError(f"Invalid {name}={format_value(value)}; expected {expected}")
    if not float(value) >= least:
        raise InvalidArgument(name, value, expected)


def check_token(token: object) -> None:
    """Refuse a token that no header can carry, without saying it."""
    if not isinstance(token, str):
        raise TypeError(f"token must be text, or False for none, not {type(token).__name__}")
    try:
        token.encode("latin-1")
    except UnicodeEncodeError:
        pass
    else:
        if token.isprintable() and token == token.strip():
            return
    raise ValueError(
        "that token can't be sent in a header; take letters, digits and signs, "
        "and no space at its ends"
    )
