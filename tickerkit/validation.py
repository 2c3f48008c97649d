"""Arguments: numbers that a user gives are checked where they are given, and named."""

from __future__ import annotations

from numbers import Integral, Real

__all__ = ["check_number"]


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
        TypeError: if it is no number.
        ValueError: if it is less, or not a number at all (NaN).
    """
    if optional and value is None:
        return
    kind = "a whole number" if whole else "a number"
    wanted = f"give {kind} of at least {least:g}{', or None' if optional else ''}"
    kinds = (Integral,) if whole else (Real,)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise TypeError(f"{name} is {value!r}; {wanted}")
    if not float(value) >= least:
        raise ValueError(f"{name} is {value!r}; {wanted}")
