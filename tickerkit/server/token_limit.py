"""TokenLimit: how many tokens an address may try."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable

__all__ = ["BLOCK_S", "TokenLimit"]

# More wrong tokens than this within a second block the address. The code that a class gets by
# default is one of eight million: at this pace, one address needs 19 days for all of them.
MAX_WRONG = 5
WINDOW_S = 1.0
BLOCK_S = 10.0
MAX_ADDRESSES = 1000
# One subscriber is usually given a whole network of this size.
IPV6_PREFIX = 64


class TokenLimit:
    """Blocks an address for ten seconds after more than five wrong tokens within a second.

    A wrong token that is sent again counts once: it is not a new guess, and a program with a typing
    error that connects in a loop must not block all clients that share its address.

    While it is blocked, its tokens are not compared: not even the right one is accepted. Another
    address is never delayed, unless it shares the address, as behind a proxy. Of the addresses that
    have sent a wrong token, the newest 1,000 are kept.

    Args:
        clock: the time in seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # By address: the hashes and times of its newest wrong tokens, and until when it is blocked.
        self._wrong: dict[str, dict[int, float]] = {}
        self._blocked_until: dict[str, float] = {}

    def is_blocked(self, address: str) -> bool:
        """Return whether an address is blocked now."""
        if not self._blocked_until:
            return False
        until = self._blocked_until.get(_find_network(address))
        return until is not None and self._clock() < until

    def note_wrong(self, address: str, token: str) -> None:
        """Note that an address has sent a wrong token."""
        network, now = _find_network(address), self._clock()
        times = self._wrong.pop(network, {})
        self._wrong[network] = times
        is_new = hash(token) not in times
        times.setdefault(hash(token), now)
        if len(times) > MAX_WRONG + 1:
            del times[next(iter(times))]
        if is_new and len(times) > MAX_WRONG and now - next(iter(times.values())) <= WINDOW_S:
            self._blocked_until.pop(network, None)
            self._blocked_until[network] = now + BLOCK_S
        for table in (self._wrong, self._blocked_until):
            if len(table) > MAX_ADDRESSES:
                del table[next(iter(table))]

    def __len__(self) -> int:
        return max(len(self._wrong), len(self._blocked_until))


def _find_network(address: str) -> str:
    """Return what an address counts as: an IPv4 address itself, an IPv6 address its network."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((found, IPV6_PREFIX), strict=False))
