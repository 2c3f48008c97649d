"""Decimals: how many decimals the values of an instrument are shown with, learnt from its values.

`server/page/decimals.js` is the same rule for pages; a test compares the two.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Context, Decimal

import numpy as np
import numpy.typing as npt

from tickerkit.formatting import MISSING

__all__ = ["MIN_DECIMALS", "Decimals", "find_new", "format_decimals"]

MIN_DECIMALS = 2
MAX_DECIMALS = 12
# Venues quote at most nine significant digits. A value with more is computed, such as a mean.
QUOTED_DIGITS = 9
COMPUTED_DIGITS = 5
# One in ten million computed values looks quoted, with nine digits. So beside computed values, only
# quoted values of up to seven digits count.
SHORT = 10**7
# How far a quoted value may be from a decimal number, as a share: floats are not exact.
TOLERANCE = 2e-15
MINUS = "−"
# Enough digits for the exact value of any float.
EXACT = Context(prec=400, rounding=ROUND_HALF_UP)


class Decimals:
    """The number of decimals for all values of one instrument.

    A quoted value, such as 1.1095 or 0.0000123, is shown with all of its decimals; so every value
    of an instrument is shown with as many as its tick size has. A computed value, such as
    187.253333, has more than nine significant digits. It is shown with five of them, counted from
    the largest value. There are 2 to 12 decimals, or fewer than 2 if the minimum is 0, as for a
    sensor's 21.5. The order of the values does not matter.

    Args:
        minimum: the smallest number of decimals.

    Example:
        >>> decimals = Decimals()
        >>> decimals.add(np.array([1.1, 1.1095]))
        >>> decimals.count
        4
    """

    def __init__(self, minimum: int = MIN_DECIMALS) -> None:
        self._short = minimum  # of quoted values of few digits
        self._long = minimum  # of all quoted values
        self._has_computed = False
        self._largest = 0.0

    @property
    def count(self) -> int:
        """The number of decimals."""
        if not self._has_computed:
            return self._long
        exponent = int(_find_exponents(np.array([self._largest]))[0])
        return max(self._short, min(COMPUTED_DIGITS - 1 - exponent, MAX_DECIMALS))

    @property
    def known(self) -> tuple[float, float]:
        """The scale and the largest value of the values so far, for `find_new`."""
        return 10.0**self._short, self._largest

    def add(self, values: npt.NDArray[np.float64]) -> None:
        """Take values of the instrument into account.

        Args:
            values: shape (n,); values that are 0, missing, infinite, or below 12 decimals are
                left out.
        """
        sizes = np.abs(values)
        sizes = sizes[(sizes >= 10.0**-MAX_DECIMALS) & (sizes < math.inf)]
        if not len(sizes):
            return
        self._largest = max(self._largest, float(sizes.max()))
        # Most values have no more decimals than the values before: look at the others only.
        new = sizes[find_new(sizes, 10.0**self._short, math.inf)]  # (m,), as all below
        places = QUOTED_DIGITS - 1 - _find_exponents(new)
        scaled = new * 10.0**places
        digits = np.rint(scaled)
        is_quoted = np.abs(scaled - digits) <= TOLERANCE * scaled
        self._has_computed = self._has_computed or not is_quoted.all()
        places, digits = places[is_quoted], digits[is_quoted]
        while (has_zero := digits % 10 == 0).any():
            digits[has_zero] /= 10
            places[has_zero] -= 1
        self._long = min(max(self._long, int(places.max(initial=0))), MAX_DECIMALS)
        places = places[digits < SHORT]
        self._short = min(max(self._short, int(places.max(initial=0))), MAX_DECIMALS)


def find_new(
    sizes: npt.NDArray[np.float64],
    scale: float | npt.NDArray[np.float64],
    largest: float | npt.NDArray[np.float64],
) -> npt.NDArray[np.bool_]:
    """Return which values may change the number of decimals, shape (n,); most do not.

    Args:
        sizes: the values without their signs, shape (n,); NaN changes nothing.
        scale: see `Decimals.known`; for all values, or for each one.
        largest: as `scale`.
    """
    scaled = sizes * scale
    is_odd = np.abs(scaled - np.rint(scaled)) > TOLERANCE * scaled
    new: npt.NDArray[np.bool_] = is_odd | (scaled >= 10.0**QUOTED_DIGITS) | (sizes > largest)
    return new


def _find_exponents(sizes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the exponents of positive numbers, shape (n,): 2 for 187.25, -5 for 0.0000123."""
    exponents = np.floor(np.log10(sizes))
    exponents += 10.0 ** (exponents + 1) <= sizes  # the logarithm may be inexact
    exponents -= 10.0**exponents > sizes
    return exponents


def format_decimals(value: float, decimals: int, *, sign: bool = False) -> str:
    """Return a value with these decimals, as plotly writes it: "65,432.10", "−3.50".

    NaN is a dash.

    Args:
        value: the value.
        decimals: the number of decimals.
        sign: whether a positive value has a sign too, as in "+0.15".
    """
    if math.isnan(value):
        return MISSING
    # Not f"{value:.2f}", which rounds 0.125 to the even digit; JavaScript rounds it up.
    size = Decimal(abs(value))
    if size.is_finite():
        size = size.quantize(Decimal(1).scaleb(-decimals), context=EXACT)
    is_negative = value < 0 and (sign or size != 0)
    mark = MINUS if is_negative else "+" if sign else ""
    return f"{mark}{size:,f}"
