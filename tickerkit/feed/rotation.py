"""Rotation: which of a feed's addresses it tries next, and how long it waits before that."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from tickerkit.errors import InvalidArgument
from tickerkit.net.addresses import is_loopback
from tickerkit.net.urls import Urls, check_websocket_url, hide_secrets, split_websocket_url
from tickerkit.validation import check_token

__all__ = ["Address", "Rotation", "read_addresses"]

FIRST_DELAY_S = 0.25
MAX_DELAY_S = 10.0
# An attempt on this machine costs nothing, and its server is often started again at once.
MAX_LOCAL_DELAY_S = 1.0
# After a server announced its restart, delays are short for some seconds.
RESTART_S = 10.0
MAX_RESTART_DELAY_S = 0.5
# An address that refuses for good while others work is tried again after this time: an operator
# may have mended it.
LEFT_OUT_S = 60.0


class Address(NamedTuple):
    """Address of a server.

    Attributes:
        url: the address, `ws` or `wss`, without the token.
        token: the token to send; None for none.
    """

    url: str
    token: str | None = None

    def __repr__(self) -> str:
        return f"Address({self.shown!r})"

    @property
    def shown(self) -> str:
        """The address without secrets."""
        return hide_secrets(self.url)


def read_addresses(url: Urls, token: str | None = None) -> list[Address]:
    """Return the addresses that a user gave, each with its token.

    Args:
        url: an address or a server, or a list of them.
        token: the token for all of them; by default the one in each address.

    Raises:
        InvalidArgument: the list is empty, or an address or a token is invalid.
    """
    urls = url if isinstance(url, list | tuple) else [url]
    if not urls:
        raise InvalidArgument("url", url, "an address, or a list of at least one")
    addresses = []
    for each in urls:
        address, url_token = split_websocket_url(check_websocket_url(each))
        used_token = (url_token or None) if token is None else token
        if used_token is not None:
            check_token(used_token)
        addresses.append(Address(address, used_token))
    return addresses


class Rotation:
    """The addresses of servers with the same ticks, which a feed tries in turn.

    The first address is tried first. When an attempt or a connection ends, the next one follows at
    once. A delay comes only after all have failed in a row: none the first time, then a random
    time of up to 0.25 s, doubled each time up to 10 s. An address that refuses for good is left
    out for a minute.

    Args:
        addresses: at least one.

    Attributes:
        current: the address that is connected to, or tried next.
        name: all addresses without secrets, separated by commas.
    """

    def __init__(self, addresses: Sequence[Address]) -> None:
        self.current = addresses[0]
        self.name = ",".join(each.shown for each in addresses)
        self._addresses = list(addresses)
        self._index = 0
        # By index: until when an address is left out, and why.
        self._left_out: dict[int, tuple[float, str]] = {}
        self._failed = 0  # since all had failed
        self._rounds = 0  # how many times in a row all have failed
        self._restarts_until = -math.inf

    @property
    def has_several(self) -> bool:
        """Whether there are several addresses."""
        return len(self._addresses) > 1

    def leave_out(self, reason: str, now: float) -> str:
        """Leave the current address out for a while, since its server refuses for good.

        Returns:
            Why no address is left; empty if there is one.
        """
        self._left_out[self._index] = (now + LEFT_OUT_S, reason)
        if self._usable(now):
            return ""
        if not self.has_several:
            return reason
        reasons = {index: reason for index, (_, reason) in sorted(self._left_out.items())}
        return "; ".join(f"{self._addresses[i].shown}: {each}" for i, each in reasons.items())

    def succeed(self) -> None:
        """Note that the current connection was of use: the next retry is immediate."""
        self._failed = self._rounds = 0

    def expect_restart(self, now: float) -> None:
        """Note that a server announced its restart."""
        self._restarts_until = now + RESTART_S

    def advance(self, now: float) -> float:
        """Choose the next address, after an attempt or a connection has ended.

        Returns:
            Seconds to wait before it is tried: random, so that many clients don't reconnect at the
            same moment.
        """
        usable = self._usable(now) or [self._index]
        was_refused = self._index not in usable
        self._index = next((each for each in usable if each > self._index), usable[0])
        self.current = self._addresses[self._index]
        if was_refused:
            return 0.0
        self._failed += 1
        if self._failed < len(usable):
            return 0.0
        self._failed = 0
        self._rounds += 1
        return random.uniform(0, self._max_delay_s(now))

    def _max_delay_s(self, now: float) -> float:
        if self._rounds < 2:
            return 0.0
        is_local = is_loopback(urlsplit(self.current.url).hostname or "")
        cap = MAX_LOCAL_DELAY_S if is_local else MAX_DELAY_S
        if now < self._restarts_until:
            cap = MAX_RESTART_DELAY_S
        return min(cap, FIRST_DELAY_S * 2.0 ** min(self._rounds - 2, 10))

    def _usable(self, now: float) -> list[int]:
        """Return which addresses are not left out now."""
        for index, (until, _) in list(self._left_out.items()):
            if now >= until:
                del self._left_out[index]
        return [each for each in range(len(self._addresses)) if each not in self._left_out]
