"""Silence: why a feed gets no ticks, and from which process they come, as far as this one knows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from urllib.parse import urlsplit

from tickerkit.feed.connection import describe_problem
from tickerkit.formatting import format_count, format_line
from tickerkit.net.addresses import describe_process, find_port_process, is_loopback
from tickerkit.net.urls import is_same_place
from tickerkit.runtime.lifecycle import Lifecycle
from tickerkit.runtime.registry import running
from tickerkit.sources import EventsSource, VenueSource, WebsocketSource

__all__ = [
    "describe_missing_symbols",
    "describe_other_process",
    "describe_source_problem",
    "describe_unknown_messages",
    "find_server_error",
    "find_server_source",
]

# How many names a text lists, and among how many it looks for similar ones.
MAX_NAMES = 10
MAX_COMPARED = 2000


def describe_missing_symbols(wanted: Sequence[str] | None, known: Sequence[str]) -> str:
    """Return which requested symbols a server does not have, and which it has.

    Names that are similar to the first missing one come first.

    Args:
        wanted: the requested symbols; None for all.
        known: the symbols of the server; empty if they are not known.

    Returns:
        The text; empty if no symbol is missing, or if none is known.
    """
    has = set(known)
    missing = [name for name in wanted or () if name not in has]
    if not missing or not known:
        return ""
    names = get_close_matches(missing[0], known[:MAX_COMPARED], n=MAX_NAMES, cutoff=0)
    more = len(known) - len(names)
    listed = ", ".join([*names, *([f"{more:,} more"] if more else [])])
    others = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
    return format_line(f"the server has no tick of {missing[0]}{others}; it has {listed}")


def find_server_error(url: str) -> str:
    """Return the last error of the server at an address, if it runs in this process; else empty.

    It says, for example, why the server refuses the ticks of its source.
    """
    server = _find_server(url)
    return "" if server is None else server.last_error


def find_server_source(url: str) -> object:
    """Return the source of the server at an address, if both run in this process; else None."""
    return getattr(_find_server(url), "source", None)


def describe_other_process(url: str) -> str:
    """Return which other process of this machine listens at an address; else empty.

    Two notebooks may use the same port, one after the other. This takes some milliseconds.

    Args:
        url: the address of a websocket.

    Returns:
        Text such as "notebook 01_quickstart.ipynb (pid 123)"; empty if the server is of this
        process, on another machine, or not known.
    """
    parts = urlsplit(url)
    if not is_loopback(parts.hostname or "") or _find_server(url) is not None:
        return ""
    pid = find_port_process(parts.port or (443 if parts.scheme == "wss" else 80))
    if pid is None or pid == os.getpid():
        return ""
    return describe_process(pid) or ""


def describe_unknown_messages(counts: Mapping[str, int]) -> str:
    """Return how many messages came without a tick, and the shape of most; empty if none did.

    Args:
        counts: the messages that a field map does not name, by their shape.
    """
    if not counts:
        return ""
    shape = max(counts, key=counts.__getitem__)
    count = format_count(sum(counts.values()), "message")
    return f'{count} came without a tick, most like {shape}; see feed.stats["unknown"]'


def describe_source_problem(source: object) -> str:
    """Return why a source that connects to a server, such as a venue, can't; else empty."""
    if not isinstance(source, VenueSource | WebsocketSource | EventsSource):
        return ""
    problem = describe_problem(source.status, source.status_reason, source.retry_in_s)
    return f"{source.address}: {problem}" if problem else ""


def _find_server(url: str) -> Lifecycle | None:
    for service in running():
        if isinstance(service, Lifecycle):
            row = service.summary()
            if row["kind"] == "server" and is_same_place(row["address"], url):
                return service
    return None
