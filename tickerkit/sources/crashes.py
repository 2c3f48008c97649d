"""Crashes: prices of a simulated market that fall, or rise, when somebody says so."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tickerkit.ticks import NS_PER_S, Array

__all__ = ["MAX_CRASHES", "Crashes"]

# That are in progress at once; the oldest of more is completed.
MAX_CRASHES = 100


class _Crash(NamedTuple):
    code: int
    part: float
    start_ns: int
    over_ns: int


class Crashes:
    """Factors by which prices are multiplied, by symbol and time within the stream.

    A crash goes evenly from no change to its whole part, and then stays. Times are asked for in
    their order.

    Args:
        symbols: how many symbols there are.
    """

    def __init__(self, symbols: int) -> None:
        self._factors = np.ones(symbols)
        self._crashes: list[_Crash] = []
        self._has_begun = False

    def add(self, code: int, part: float, start_ns: int, over_s: float) -> None:
        """Add a crash of one symbol.

        Args:
            code: the symbol's number.
            part: the part by which the price changes: -0.2 is a fall by a fifth.
            start_ns: when it begins, in ns from the start of the stream.
            over_s: how long it takes, in seconds of the stream.
        """
        self._has_begun = True
        self._crashes.append(_Crash(code, part, start_ns, int(over_s * NS_PER_S)))
        if len(self._crashes) > MAX_CRASHES:
            self._complete(self._crashes.pop(0))

    def find_factors(self, codes: Array, times: Array) -> npt.NDArray[np.float64] | None:
        """Return the factor of each tick, shape (ticks,); None if there was no crash.

        Args:
            codes: shape (ticks,), the number of each tick's symbol.
            times: shape (ticks,), in ns from the start of the stream, never decreasing.
        """
        if not self._has_begun or not len(codes):
            return None
        found = self._factors[codes]
        for crash in list(self._crashes):
            passed = np.maximum(times - crash.start_ns, 0)
            done = np.minimum(passed / max(crash.over_ns, 1), 1.0)
            found *= np.where(codes == crash.code, 1 + crash.part * done, 1.0)
            if times[-1] - crash.start_ns > crash.over_ns:
                self._crashes.remove(crash)
                self._complete(crash)
        return found

    def _complete(self, crash: _Crash) -> None:
        self._factors[crash.code] *= 1 + crash.part
