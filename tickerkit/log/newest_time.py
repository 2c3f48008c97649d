"""Newest time: what the newest ticks of a length of time are counted back from."""

from __future__ import annotations

from tickerkit.ticks import NS_PER_S, Array

__all__ = ["newest_time"]

MAX_AHEAD_NS = 86_400 * NS_PER_S


def newest_time(times: Array, received: Array | None) -> int:
    """Return the newest of one or more times.

    A time more than a day after its tick came doesn't count, unless all are such: one tick of the
    year 2262 would else be all that is left of the last ten seconds.

    Args:
        times: in epoch ns, int64, shape (ticks,).
        received: when these ticks came, in epoch ns, int64, shape (ticks,); None if unknown.
    """
    newest = int(times.max())
    # Nearly always so, and faster than to compare each time with its own.
    if received is None or newest - MAX_AHEAD_NS <= int(received.max()):
        return newest
    plausible = times[times - MAX_AHEAD_NS <= received]
    return int(plausible.max()) if len(plausible) else newest
