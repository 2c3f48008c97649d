"""Suspects: symbols for which a venue may have ended a connection without a message.

Some venues do that to a symbol that they do not know, and with it to all other subscriptions. So
what was asked for and not confirmed when a connection ended is asked for alone the next times, one
symbol after the other. A symbol for which the connection ends each time is refused.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Suspects"]

# How often in turn a connection must end while a symbol alone waits for its confirmation.
MAX_STRIKES = 3


class Suspects:
    """Symbols that are asked for one at a time."""

    def __init__(self) -> None:
        self._strikes: dict[str, int] = {}

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._strikes

    def clear(self, symbol: str) -> None:
        """Note that a symbol was confirmed."""
        self._strikes.pop(symbol, None)

    def add(self, symbols: Iterable[str]) -> str | None:
        """Note that a connection ended while these symbols waited for their confirmation.

        Returns:
            The symbol that is proved to be the cause; None if none is.
        """
        waiting = set(symbols)
        if len(waiting) == 1:
            [symbol] = waiting
            self._strikes[symbol] = self._strikes.get(symbol, 0) + 1
            if self._strikes[symbol] >= MAX_STRIKES:
                del self._strikes[symbol]
                return symbol
        for symbol in waiting:
            self._strikes.setdefault(symbol, 0)
        return None
