"""FaultProxy: a TCP proxy that breaks the connections through it on purpose."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import Counter
from urllib.parse import SplitResult, urlsplit

from tickerkit.classroom.faults import Plan
from tickerkit.classroom.intermediary import Intermediary
from tickerkit.classroom.link import Link, Target
from tickerkit.errors import InvalidArgument, InvalidType
from tickerkit.net.addresses import MAX_PORT
from tickerkit.net.urls import HasUrl, hide_secrets
from tickerkit.runtime.cards import render_card
from tickerkit.runtime.portal import portal
from tickerkit.validation import check_number, check_text
from tickerkit.wire import ENDING_KINDS, Fault, Kind

__all__ = ["FaultProxy"]


class FaultProxy(Intermediary):
    """A TCP proxy in the background that breaks the connections through it.

    Break them by hand with `reset()`, `close()`, `stall()` and `refuse()`, or by a plan, which
    returns the faults of each connection. The plan's random numbers depend on the seed and the
    number of the connection only: the same seed gives the first connection the same faults each
    time, and so on. The proxy passes any bytes and doesn't know the protocol; `tk.tap` does.

    It runs on the same event loop as servers and feeds. A slow receiver slows its sender, as
    without the proxy; nothing is queued beyond the buffers of the sockets, one read of 64 KiB, and
    64 KiB that a fault holds back, for each direction of a connection.

    Args:
        target: the server, or its URL (`ws://` or `http://`); path and query are kept.
        plan: returns the faults of one connection, given a `random.Random`; by default there are
            none. If it raises, the connection has no faults, and the card shows the error.
        seed: seed of the plan's random numbers.
        port: port to listen on; 0 for a free one.
        host: address to listen on; "0.0.0.0" for clients on other machines, too. Who can connect to
            it can use the server.

    Attributes:
        plan: as given.
        seed: as given.
        port: the port it listens on, once started.
        accepted: how many connections there were so far.
        faults: how many faults of each kind have occurred.

    Raises:
        InvalidArgument: if `target` is not a server or a URL with a host and a port, or another
            argument is invalid.

    Example:
        >>> with FaultProxy(server.url) as proxy:
        ...     feed = tk.connect(proxy.url)
        ...     proxy.reset()
    """

    _kind = "proxy"

    def __init__(
        self,
        target: str | HasUrl,
        plan: Plan | None = None,
        seed: int = 0,
        port: int = 0,
        host: str = "127.0.0.1",
    ) -> None:
        parts, place = _parse_target(target)
        if plan is not None and not callable(plan):
            expected = "a function that takes a random.Random and returns faults: random_faults"
            raise InvalidType("plan", plan, expected)
        check_number("seed", seed, 0, whole=True)
        check_number("port", port, 0, MAX_PORT, whole=True)
        check_text("host", host, "an address such as '127.0.0.1' or '0.0.0.0'")
        super().__init__(parts, place, host, port)
        self.plan = plan
        self.seed = seed
        self.faults: Counter[str] = Counter()
        self._is_stalled = False
        self._stall_timer: asyncio.TimerHandle | None = None
        self._refuses_until_s = -math.inf

    # --- faults by hand -----------------------------------------------------------------------

    def reset(self) -> int:
        """Reset every connection; both ends lose the data on the way.

        Returns:
            How many connections were reset.

        Raises:
            Stopped: if the proxy doesn't run. `close`, `stall` and `refuse` raise it too.
        """
        self._check_running()
        return portal.call(self._end_links, self._links, "reset")

    def close(self) -> int:
        """Close every TCP connection regularly, without a close frame of the websocket.

        Returns:
            How many connections were closed.
        """
        self._check_running()
        return portal.call(self._end_links, self._links, "close")

    def stall(self, stalled: bool | float = True) -> None:
        """Hold back all bytes in both directions, then pass them.

        Args:
            stalled: for how many seconds; True for until `stall(False)`.
        """
        seconds = _read_seconds("stalled", stalled)
        self._check_running()
        portal.post(self._stall_links, seconds)

    def refuse(self, refuses: bool | float = True) -> None:
        """Close new connections at once, as if no server listened.

        Args:
            refuses: for how many seconds; True for until `refuse(False)`.
        """
        seconds = _read_seconds("refuses", refuses)
        self._check_running()
        self._refuses_until_s = time.monotonic() + seconds

    # --- state --------------------------------------------------------------------------------

    @property
    def broken(self) -> int:
        """How many connections the proxy has ended."""
        return sum(self.faults[kind] for kind in ENDING_KINDS)

    @property
    def status(self) -> str:
        """One of "listening", "refusing", "stalled" and "stopped"."""
        if self._phase != "running":
            return "stopped"
        if self._is_refusing:
            return "refusing"
        return "stalled" if self._is_stalled else "listening"

    @property
    def _is_refusing(self) -> bool:
        return time.monotonic() < self._refuses_until_s

    def _summarize(self) -> dict[str, str]:
        return {
            "kind": "proxy",
            "address": f"{self._host}:{self.port}",
            "status": self.status,
            "about": self._describe(),
        }

    def _describe(self) -> str:
        return f"{len(self._links)} connected of {self.accepted:,} so far, {self.broken:,} broken"

    def __repr__(self) -> str:
        host, port, _ = self._target
        return f"<FaultProxy {self.port} → {host}:{port} {self.status}, {self._describe()}>"

    def _repr_html_(self) -> str:
        host, port, _ = self._target
        lines = {
            "server": f"{host}:{port}",
            "clients": self._describe(),
            "faults": ", ".join(f"{count:,} {kind}" for kind, count in self.faults.items()),
            "last error": self._errors.last,
        }
        return render_card("FaultProxy", self.status, lines)

    # --- on the event loop --------------------------------------------------------------------

    def _make_link(self, writer: asyncio.StreamWriter) -> Link | None:
        # Drawn also for a client that is refused, so that the next one gets the faults of its own.
        faults = self._plan_faults(random.Random(f"{self.seed}/{self.accepted}"))
        if self._is_refusing:
            return None
        link = Link(writer, self._note_fault, self._errors.add, faults)
        for line in link.lines.values():
            line.stall(self._is_stalled)
        return link

    def _stall_links(self, seconds: float) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
        self._is_stalled = seconds > 0
        if 0 < seconds < math.inf:
            loop = asyncio.get_running_loop()
            self._stall_timer = loop.call_later(seconds, self._stall_links, 0.0)
        for link in self._links:
            for line in link.lines.values():
                line.stall(self._is_stalled)
            link.advance()

    def _plan_faults(self, rng: random.Random) -> list[Fault]:
        try:
            return [] if self.plan is None else list(self.plan(rng))
        except Exception as error:  # the plan is the user's code
            self._errors.add(error)
            return []

    def _note_fault(self, kind: Kind) -> None:
        self.faults[kind] += 1


def _read_seconds(name: str, value: bool | float) -> float:
    """Return how long an order holds: a number of seconds, or no end, or none."""
    if isinstance(value, bool):
        return math.inf if value else 0.0
    check_number(name, value, 0)
    return float(value)


def _parse_target(target: object) -> tuple[SplitResult, Target]:
    """Return the parts of the URL of a server, and where it is."""
    url = getattr(target, "url", target)
    expected = "a server, or its URL with a port: server.url"
    if not isinstance(url, str):
        raise InvalidType("target", target, expected)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # a port beyond 65535, or brackets that don't close
        host = port = None
    if not host or not port:
        raise InvalidArgument("target", hide_secrets(url), expected)
    return parts, Target(host, port)
