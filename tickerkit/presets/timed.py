"""TimedStream: the trades of one symbol whose ids do not rise: times prove what is missing.

Ids that do not rise say nothing about the trades between two ids. But a venue's trades come in the
order of their times, by the websocket and by REST. One instant may have several trades: the end and
the start of a connection, and the two ends of a page of past trades, may have only a part of them.
Of every instant between the ends of a page, the page has all trades.

So after a break nothing is missing if whole instants reach from the last instant before the break
to the first one after it, and REST has the trades that came in both. What lies between is sent
before the live trades, which are held back meanwhile. Otherwise there is a gap of unknown size.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tickerkit.fieldmaps.batches import (
    drop_keys,
    has_origin,
    join_mixed,
    mark_origin,
    trade_keys,
)
from tickerkit.presets import trades
from tickerkit.presets.trades import Fetch, Missing, TradeEvent
from tickerkit.ticks import Batch

__all__ = ["TIMED_CLASSES", "TimedStream"]

# How many of the newest trades are remembered by time and id.
MAX_RECENT = 20_000


class _Span(NamedTuple):
    """A time span whose trades are all known: from `start` to before `stop`, in epoch ns."""

    start: int
    stop: int


class _Page(NamedTuple):
    """An answer of REST."""

    fetch: Fetch
    batch: Batch
    keys: frozenset[tuple[int, Hashable]]


class TimedStream:
    """The trades of one symbol, each once.

    Args:
        symbol: the symbol.
        pages: how REST pages: "after" a time, or only the "newest"; None without REST.
        rows_per_page: how many trades an answer has at most.

    Attributes:
        newest: the time of the newest trade that came, in epoch ns; 0 before the first.
        missing: always 0: how many trades are missing can't be known.
        gaps: how often trades may be missing.
        repaired: how many trades were fetched by REST.
    """

    def __init__(self, symbol: str, *, pages: str | None, rows_per_page: int = 0) -> None:
        self.symbol = symbol
        self.newest = 0
        self.missing = 0
        self.gaps = 0
        self.repaired = 0
        self._pages = pages
        self._rows_per_page = rows_per_page
        # The first instant of the newest connection; 0 before it.
        self._first = 0
        # The trades of the newest instant, and the newest ones of all: times and ids.
        self._last: set[tuple[int, Hashable]] = set()
        self._recent: set[tuple[int, Hashable]] = set()
        self._order: deque[tuple[int, Hashable]] = deque()
        self._held: list[Batch] | None = None
        self._held_rows = 0
        # The first instant of the live trades that are held back; None for none.
        self._first_held: int | None = None
        self._answers: list[_Page] = []
        self._hold_until = 0.0
        self._asks_at = 0.0
        # A page asked for from then on has the newest instant whole: REST may lag for so long.
        self._whole_from = math.inf
        self._is_live = True
        self._is_complete = False

    @property
    def is_holding(self) -> bool:
        """Whether live trades are held back."""
        return self._held is not None

    @staticmethod
    def newest_of(batch: Batch) -> int:
        """Return the time of the newest of past trades, to compare with `newest`."""
        return int(batch.time.max(initial=0))

    def resume(self, now: float, *, is_live: bool = True) -> list[TradeEvent]:
        """Note that a new connection begins, after one that has ended.

        Args:
            now: the time.
            is_live: whether its subscription is confirmed; else `settle` notes that later.
        """
        if not self.newest:
            return []
        if self._pages is None:
            reason = f"{self.symbol}: reconnected; the venue has no past trades to compare"
            return [self._miss(reason)]
        # Without a live trade in between, it is the same break.
        events = [] if self._first_held is None else self._release()
        if self._held is None:
            self._held, self._held_rows, self._first_held = [], 0, None
        self._answers = []
        self._is_live, self._is_complete = is_live, False
        self._hold_until = now + trades.FETCH_S
        self._whole_from = now + trades.RETRY_S if is_live else math.inf
        return [*events, self._ask(0.0)]

    def settle(self, now: float) -> None:
        """Note that the subscription of the new connection is confirmed."""
        if self._held is not None and not self._is_live:
            self._is_live = True
            self._hold_until = now + trades.FETCH_S
            self._whole_from = now + trades.RETRY_S

    def wants(self, fetch: Fetch) -> bool:
        """Return whether the answer to a request is still of use."""
        return fetch.is_check or self._held is not None

    def check(self, now: float) -> Fetch:
        """Return a request that looks for newer trades than those that came."""
        return Fetch(self.symbol, None, None, now, self.newest or None, is_check=True)

    def receive(self, batch: Batch, now: float) -> list[TradeEvent]:
        """Take live trades."""
        if self._held is None:
            new = self._add(batch)
            if new.all():
                return [batch]
            return [drop_keys(batch.where(new))] if new.any() else []
        self._held.append(batch)
        self._held_rows += batch.count
        times = batch.time[~_is_old(batch)]
        is_first = self._first_held is None and len(times) > 0
        if len(times):
            first = max(int(times.min()), self.newest)
            self._first_held = first if self._first_held is None else min(first, self._first_held)
        if self._held_rows > trades.MAX_HELD:
            return self._release()
        if is_first:
            self._whole_from = now + trades.RETRY_S
            if self._asks_at > now:
                return [self._ask(0.0)]  # it may show all up to this trade
        return []

    def note_newest(self, trade_id: int, now: float) -> list[TradeEvent]:
        """Ignore the newest id that the venue names: ids that do not rise have no newest one."""
        return []

    def backfilled(self, fetch: Fetch, batch: Batch | None, now: float) -> list[TradeEvent]:
        """Take the trades that a `Fetch` brought; `batch` is None if the request failed."""
        if self._held is None:
            return []
        if batch is None:
            again = self._asks_at = now + trades.RETRY_S
            return [fetch._replace(at=again)] if again < self._hold_until else self._release()
        page = _Page(fetch, batch, frozenset(_keys_of(batch)))
        if batch.count:
            self._answers.append(page)
        first, reached, span = self._first_held, self._reach(), self._span(page)
        if first is not None and reached > first:
            return self._release()
        if len(self._answers) >= trades.MAX_PAGES:
            return self._release()
        if self._is_cut(batch) and reached > (fetch.after_ns or 0):
            return [self._ask(0.0)]
        if self._pages == "newest" and span.start > max(reached, self.newest):
            return self._release()  # later pages begin later still
        if self._asks_at > now:
            return []
        # REST may lag. Without a live trade, the last look decides.
        late = self._hold_until - trades.RETRY_S
        at = now + trades.RETRY_S if first is not None else max(now + trades.RETRY_S, late)
        if at < self._hold_until:
            return [self._ask(at)]
        is_whole = fetch.at >= self._whole_from and not self._is_cut(batch)
        is_whole = is_whole and self._is_live and span.start < span.stop
        self._is_complete = is_whole and first is None and reached >= span.stop > self.newest
        return self._release()

    def tick(self, now: float) -> list[TradeEvent]:
        """Give up what has not come by its deadline."""
        return self._release() if self._held is not None and now >= self._hold_until else []

    def due(self) -> float | None:
        """Return when `tick` has something to give up; None for never."""
        return None if self._held is None else self._hold_until

    def _ask(self, at: float) -> Fetch:
        """Return the request for the trades after the span whose trades are all known."""
        self._asks_at = at
        after_ns = max(self._reach(), self.newest) if self._pages == "after" else self.newest
        return Fetch(self.symbol, None, None, at, after_ns)

    def _span(self, page: _Page) -> _Span:
        """Return the span in which the page has every trade.

        The span is empty if the page lacks a trade of it that came live.
        """
        times, first = page.batch.time, self._first_held
        if not len(times):
            return _Span(self.newest, self.newest)
        start, stop = int(times.min()) + 1, int(times.max())
        if self._pages == "after" and page.fetch.after_ns is not None:
            start = page.fetch.after_ns
        is_late = page.fetch.at >= self._whole_from and (first is None or stop <= first)
        if is_late and not self._is_cut(page.batch):
            stop += 1
        came = {key for key in self._last | self._keys_at(first) if start <= key[0] < stop}
        return _Span(start, max(start, stop)) if came <= page.keys else _Span(start, start)

    def _is_cut(self, batch: Batch) -> bool:
        """Return whether later trades may be left out of a page."""
        return self._pages == "after" and batch.count >= self._rows_per_page

    def _keys_at(self, instant: int | None) -> set[tuple[int, Hashable]]:
        """Return the times and ids of the held live trades of an instant; none for None."""
        if instant is None:
            return set()
        parts = [each.where((each.time == instant) & ~_is_old(each)) for each in self._held or ()]
        return {key for part in parts for key in _keys_of(part)}

    def _reach(self) -> int:
        """Return the instant before which all trades since the break were fetched; 0 for none."""
        reached = 0
        for start, stop in sorted(map(self._span, self._answers)):
            if start <= max(reached, self.newest):
                reached = max(reached, stop)
        return reached

    def _release(self) -> list[TradeEvent]:
        """Return the fetched and held trades, with a gap if no overlap proves that all came."""
        first, reached = self._first_held, max(self._reach(), self.newest)
        reason = trades.NO_OVERLAP if self._answers else trades.NOT_FETCHED
        past = self._take_past(first)
        live = [each.where(~_is_old(each)) for each in self._held or ()]
        self._held, self._first_held, self._answers = None, None, []
        live = [each.where(self._add(each)) for each in live]
        self._first = first or 0
        events: list[TradeEvent] = [past, *live]
        if not (self._is_complete if first is None else reached > first):
            at = int(np.searchsorted(past.time, reached, "right"))
            end = "the next one" if first is None else _show(first)
            reason = f"{self.symbol}: {reason} {_show(reached)} and {end}"
            events = [past.part(0, at), self._miss(reason), past.part(at, past.count), *live]
        events = [drop_keys(each) if isinstance(each, Batch) else each for each in events]
        return [each for each in events if not isinstance(each, Batch) or each.count]

    def _take_past(self, first: int | None) -> Batch:
        """Return the trades of pages and snapshots that have not come, in the order of their times.

        Of the pages, trades after the instant `first` are left out, since the connection brings
        them; so are trades older than the first trade of the previous connection.
        """
        since = min(self.newest, self._first + 1) if self._first else self.newest
        at_first = self._keys_at(first)
        parts = [each.where(_is_old(each)) for each in self._held or ()]
        for _, batch, _ in self._answers:
            wanted = batch.time >= since
            if first is not None:
                wanted &= batch.time <= first
            is_new = [bool(key[1]) and key not in at_first for key in _keys_of(batch)]
            wanted &= np.array(is_new, dtype=bool)
            parts.append(mark_origin(batch.where(wanted), "backfill"))
        parts = [each.where(self._add(each)) for each in parts]
        self.repaired += sum(int((~_is_old(each)).sum()) for each in parts)
        parts = [each for each in parts if each.count]
        empty = Batch(0, np.zeros(0, dtype=np.int64), {})
        return join_mixed(parts, [each.time for each in parts]) if parts else empty

    def _add(self, batch: Batch) -> npt.NDArray[np.bool_]:
        """Note trades; return which of them are new, shape (batch.count,)."""
        new = np.ones(batch.count, dtype=bool)
        for number, key in enumerate(_keys_of(batch)):
            if key[1]:  # one without an id is always new
                if key in self._recent:
                    new[number] = False
                    continue
                self._recent.add(key)
                self._order.append(key)
                if len(self._order) > MAX_RECENT:
                    self._recent.discard(self._order.popleft())
            self._first = self._first or key[0]
            if key[0] > self.newest:
                self.newest, self._last = key[0], set()
            if key[0] == self.newest:
                self._last.add(key)
        return new

    def _miss(self, reason: str) -> Missing:
        self.gaps += 1
        return Missing(self.symbol, None, reason)


def _keys_of(batch: Batch) -> list[tuple[int, Hashable]]:
    """Return the time and the id of each trade."""
    return list(zip(batch.time.tolist(), trade_keys(batch), strict=True))


def _is_old(batch: Batch) -> npt.NDArray[np.bool_]:
    """Return which trades came as a snapshot, shape (batch.count,)."""
    return has_origin(batch, "snapshot")


def _show(time_ns: int) -> str:
    """Return a time to the millisecond."""
    return f"{np.datetime64(time_ns // 10**6, 'ms')}Z"


# What a stream is made of, for a `Saver`.
TIMED_CLASSES = (TimedStream, _Page, Fetch)
