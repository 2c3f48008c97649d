"""TradeStream: the trades of one symbol, each exactly once; what is missing is fetched or a gap.

While a connection lives, dense ids show each hole at once; it is asked for by REST, and what has
not come after a deadline is a gap with its exact ids. After a reconnect the live trades are held
back, while REST is asked for those since the newest id; then all are sent in the order of their
ids. Where ids are not dense, an overlap proves that nothing is missing: the answer has a trade that
came before the break, and one that came after it. Without an overlap there is a gap of unknown
size. Where ids do not rise, a `TimedStream` compares times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tickerkit.fieldmaps.batches import has_origin, join_mixed, mark_origin, trade_ids
from tickerkit.presets.ledger import Hole, Ledger
from tickerkit.ticks import Batch
from tickerkit.ticks.masks import is_all, is_any

__all__ = ["STREAM_CLASSES", "Fetch", "Missing", "TradeEvent", "TradeStream"]

# How long live trades are held back, and a hole is open, while REST is asked.
FETCH_S = 5.0
# A hole without REST is open so long, in case its trades only came in another order.
REORDER_S = 1.0
# REST may lag the websocket: the overlap is looked for again after this time.
RETRY_S = 1.0
NO_OVERLAP = "after a break, the past trades do not show all that came between"
NOT_FETCHED = "after a break, no past trades could be fetched of those between"
MAX_ID = 2**63 - 1
MAX_HELD = 200_000
MAX_PAGES = 20


@dataclass(frozen=True, slots=True)
class Missing:
    """Trades that will not come.

    Attributes:
        symbol: their symbol.
        count: how many; None if that can't be known.
        reason: which, and why.
    """

    symbol: str
    count: int | None
    reason: str


class Fetch(NamedTuple):
    """A page of past trades to ask for.

    Attributes:
        symbol: their symbol.
        after: the newest id that has come; None if none has.
        before: an id before which the page shall end; None for the newest trades.
        at: when to ask, by the caller's clock; 0 for now.
        after_ns: the time of the trade `after`, in epoch ns, for interfaces that page by time.
        is_check: whether to look only if there are newer trades than those that came.
    """

    symbol: str
    after: int | None
    before: int | None
    at: float = 0.0
    after_ns: int | None = None
    is_check: bool = False


TradeEvent: TypeAlias = Batch | Missing | Fetch


@dataclass(slots=True)
class _Open:
    """A hole that is still open, until a deadline."""

    hole: Hole
    until: float


class TradeStream:
    """The trades of one symbol.

    Args:
        symbol: the symbol.
        is_dense: whether its trade ids count up by one.
        pages: how REST pages: "after" an id, "before" one, or only the "newest"; None without REST.

    Attributes:
        ledger: which trades have come.
        missing: how many trades are known to be missing.
        gaps: how often trades were missing.
        repaired: how many trades were fetched by REST.
    """

    def __init__(self, symbol: str, *, is_dense: bool, pages: str | None) -> None:
        self.symbol = symbol
        self.ledger = Ledger(is_dense)
        self.missing = 0
        self.gaps = 0
        self.repaired = 0
        self._pages = pages
        self._open: list[_Open] = []
        self._held: list[Batch] | None = None
        self._held_rows = 0
        self._fetched: list[Batch] = []
        # Ids between which the fetched pages have every trade.
        self._covered: list[Hole] = []
        self._hold_until = 0.0
        self._resume_after = 0
        self._page_count = 0
        self._asks_at = 0.0
        self._is_complete = False
        self._is_live = True
        self._newest_ns = 0

    @property
    def is_holding(self) -> bool:
        """Whether live trades are held back."""
        return self._held is not None

    @property
    def newest(self) -> int:
        """The largest id that has come; 0 for none."""
        return self.ledger.newest

    @staticmethod
    def newest_of(batch: Batch) -> int:
        """Return the largest id of past trades, to compare with `newest`."""
        return int(trade_ids(batch).max(initial=0))

    def resume(self, now: float, *, is_live: bool = True) -> list[TradeEvent]:
        """Note that a new connection begins, after one that has ended.

        Args:
            now: the time.
            is_live: whether its subscription is confirmed; else `settle` notes that later. Before,
                no answer of REST proves that nothing is missing.
        """
        if not self.ledger.count:
            return []
        if self._pages is None:
            if self.ledger.is_dense:
                return []  # the first live trade shows what is missing
            reason = f"{self.symbol}: reconnected; the venue has no past trades to compare"
            return [self._miss(None, reason)]
        # Where ids are not dense, an overlap proves one break only: that from one live trade to the
        # next one, however many connections there were in between.
        events = self._release() if self._held and not self.ledger.is_dense else []
        if self._held is None:
            self._held, self._held_rows = [], 0
        self._fetched, self._covered = [], []
        self._is_complete = False
        self._is_live = is_live
        self._hold_until = now + FETCH_S
        self._resume_after = self.ledger.newest
        self._page_count = 0
        return [*events, self._first_fetch(0.0)]

    def settle(self, now: float) -> None:
        """Note that the subscription of the new connection is confirmed."""
        if self._held is not None and not self._is_live:
            self._is_live = True
            self._hold_until = now + FETCH_S

    def wants(self, fetch: Fetch) -> bool:
        """Return whether the answer to a request is still of use: its trades may be given up."""
        if fetch.is_check or self._held is not None:
            return True
        after, before = fetch.after or 0, fetch.before or MAX_ID
        return any(hole.last > after and hole.first < before for hole in self.ledger.holes)

    def check(self, now: float) -> Fetch:
        """Return a request that looks for newer trades than those that came."""
        after, after_ns = self.ledger.newest or None, self._newest_ns or None
        return Fetch(self.symbol, after, None, now, after_ns, is_check=True)

    def _first_fetch(self, at: float) -> Fetch:
        """Return the request for the first page of what came since the break."""
        self._asks_at = at
        # The newest trade that came is asked for again where ids are not dense: it is the overlap.
        after = self._resume_after - (not self.ledger.is_dense)
        return Fetch(self.symbol, after, None, at, self._newest_ns)

    def receive(self, batch: Batch, now: float) -> list[TradeEvent]:
        """Take live trades."""
        if self._held is not None:
            self._held.append(batch)
            self._held_rows += batch.count
            if self._held_rows > MAX_HELD:
                return self._release()
            if not self.ledger.is_dense and self._asks_at > now:
                return [self._first_fetch(0.0)]  # now an overlap with a live trade can be found
            return []
        new = self.ledger.add(trade_ids(batch))
        before_ns = self._newest_ns
        self._newest_ns = int(batch.time.max(initial=self._newest_ns))
        events: list[TradeEvent] = []
        if is_all(new):
            events.append(batch)
        elif is_any(new):
            events.append(batch.where(new))
        if self.ledger.is_dense:
            events += self._watch_holes(before_ns, now)
        return events

    def note_newest(self, trade_id: int, now: float) -> list[TradeEvent]:
        """Note that trades up to an id exist, of dense ids."""
        if self._held is not None or not self.ledger.is_dense:
            return []
        self.ledger.open_until(trade_id)
        return self._watch_holes(self._newest_ns, now)

    def backfilled(self, fetch: Fetch, batch: Batch | None, now: float) -> list[TradeEvent]:
        """Take the trades that a `Fetch` brought; `batch` is None if the request failed."""
        if self._held is None:
            return self._repair(fetch, batch, now)
        if batch is None:
            again = now + RETRY_S
            return [fetch._replace(at=again)] if again < self._hold_until else self._release()
        self._page_count += 1
        ids = trade_ids(batch)
        low = high = 0
        if len(ids):
            self._fetched.append(batch)
            low, high = int(ids.min()), int(ids.max())
            # A page that ends before an id continues the page that begins with it.
            top = high if fetch.before is None else max(high, fetch.before)
            self._covered = _join_ranges([*self._covered, Hole(low, top)], self.ledger.is_dense)
        first_held = self._first_held()
        reached = self._reach()
        if first_held is not None and reached >= first_held - self.ledger.is_dense:
            return self._release()
        if len(ids) and self._page_count < MAX_PAGES:
            if self._pages == "after" and high > (fetch.after or 0) + (not self.ledger.is_dense):
                after = high - (not self.ledger.is_dense)
                return [Fetch(self.symbol, after, None, 0.0, int(batch.time[ids.argmax()]))]
            if self._pages == "before" and low > self._resume_after:
                return [Fetch(self.symbol, self._resume_after, low)]
        if self.ledger.is_dense:
            return self._release()  # the next live trade shows what is still missing
        # REST may lag. Without a live trade, the last look decides.
        late = self._hold_until - RETRY_S
        at = now + RETRY_S if first_held is not None else max(now + RETRY_S, late)
        if at < self._hold_until:
            return [self._first_fetch(at)]
        self._is_complete = self._is_live and first_held is None and reached >= self._resume_after
        return self._release()

    def tick(self, now: float) -> list[TradeEvent]:
        """Give up what has not come by its deadline."""
        events: list[TradeEvent] = []
        if self._held is not None and now >= self._hold_until:
            events += self._release()
        due = [each for each in self._open if now >= each.until]
        self._open = [each for each in self._open if now < each.until]
        for each in due:
            events += [self._miss_hole(hole) for hole in self.ledger.close([each.hole])]
        return events

    def due(self) -> float | None:
        """Return when `tick` has something to give up; None for never."""
        times = [each.until for each in self._open]
        if self._held is not None:
            times.append(self._hold_until)
        return min(times, default=None)

    def _watch_holes(self, before_ns: int, now: float) -> list[TradeEvent]:
        """Ask for the trades of new holes; `before_ns` is the time of a trade before them."""
        known = {each.hole for each in self._open}
        new = [hole for hole in self.ledger.holes if hole not in known]
        if len(self.ledger.holes) < len(known):
            self._open = [each for each in self._open if each.hole in self.ledger.holes]
        wait_s = REORDER_S if self._pages is None else FETCH_S
        self._open += [_Open(hole, now + wait_s) for hole in new]
        if self._pages is None:
            return []
        return [
            Fetch(
                self.symbol,
                hole.first - 1,
                None if self._pages == "after" else hole.last + 1,
                after_ns=before_ns,
            )
            for hole in new
        ]

    def _repair(self, fetch: Fetch, batch: Batch | None, now: float) -> list[TradeEvent]:
        """Take past trades while the connection lives: those that are missing."""
        if batch is None or not batch.count:
            return []
        ids = trade_ids(batch)
        order = np.argsort(ids, kind="stable")
        batch = _take_rows(batch, order)
        holes = [(hole.first, hole.last) for hole in self.ledger.holes]
        ids = ids[order]
        wanted = np.zeros(len(ids), dtype=bool)
        for first, last in holes:
            wanted |= (ids >= first) & (ids <= last)
        if not wanted.any():
            return []
        part = batch.where(wanted)
        new = self.ledger.add(trade_ids(part))
        self.repaired += int(new.sum())
        return [mark_origin(part.where(new), "backfill")]

    def _first_held(self) -> int | None:
        held = [trade_ids(each) for each in self._held or () if each.count]
        return int(min(ids.min() for ids in held)) if held else None

    def _release(self) -> list[TradeEvent]:
        """Return the fetched and held trades in the order of their ids, with the gaps between."""
        first_held = self._first_held()
        held, self._held = self._held or [], None
        fetched = [mark_origin(each, "backfill") for each in self._fetched if each.count]
        self._fetched = []
        if not self.ledger.is_dense:
            return self._release_unique(fetched, held, first_held)
        # Live trades first: of a trade that came both ways, the live one is kept.
        parts = [*held, *fetched]
        if not parts:
            return []
        ids = [trade_ids(each) for each in parts]
        joined = join_mixed(parts, ids)
        new = self.ledger.add(trade_ids(joined))
        joined = joined if new.all() else joined.where(new)
        self.repaired += int(has_origin(joined, "backfill").sum())
        events: list[TradeEvent] = []
        holes = self.ledger.close(list(self.ledger.holes))
        start = 0
        order = trade_ids(joined)
        for hole in holes:
            stop = int(np.searchsorted(order, hole.first))
            if stop > start:
                events.append(joined.part(start, stop))
            events.append(self._miss_hole(hole))
            start = stop
        if start < joined.count:
            events.append(joined.part(start, joined.count))
        self._open = []
        return events

    def _reach(self) -> int:
        """Return up to which id all trades since the break were fetched; 0 for none."""
        for part in self._covered:
            if part.first <= self._resume_after + self.ledger.is_dense:
                return part.last
        return 0

    def _release_unique(
        self, fetched: list[Batch], held: list[Batch], first_held: int | None
    ) -> list[TradeEvent]:
        """Return the fetched and held trades, with gaps where no overlap proves that all came."""
        events: list[TradeEvent] = []
        reached = self._resume_after
        reason = f"{self.symbol}: {NO_OVERLAP if fetched else NOT_FETCHED}"
        # Pages have every trade between their ends, the connection every one since its first.
        ranges = list(self._covered) if fetched else []
        if first_held is not None:
            ranges.append(Hole(first_held, MAX_ID))
        if parts := [*held, *fetched]:
            joined = join_mixed(parts, [trade_ids(each) for each in parts])
            ids = trade_ids(joined)
        for part in _join_ranges(ranges, is_dense=False):
            if part.first > reached:
                events.append(self._miss(None, f"{reason} {reached} and {part.first}"))
            reached = max(reached, part.last)
            inside = joined.where((ids >= part.first) & (ids <= part.last))
            new = self.ledger.add(trade_ids(inside))
            if new.any():
                events.append(inside.where(new))
                self.repaired += int(has_origin(inside.where(new), "backfill").sum())
        if first_held is None and not self._is_complete:
            events.append(self._miss(None, f"{reason} {reached} and the next one"))
        return events

    def _miss_hole(self, hole: Hole) -> Missing:
        which = f"{hole.first}" if hole.size == 1 else f"{hole.first} to {hole.last}"
        return self._miss(hole.size, f"{self.symbol} trades {which} did not come")

    def _miss(self, count: int | None, reason: str) -> Missing:
        self.gaps += 1
        self.missing += count or 0
        return Missing(self.symbol, count, reason)


def _join_ranges(ranges: list[Hole], is_dense: bool) -> list[Hole]:
    """Return ranges of ids in order; those that share an id, or of dense ids touch, are one."""
    joined: list[Hole] = []
    for each in sorted(ranges):
        if joined and each.first <= joined[-1].last + is_dense:
            joined[-1] = Hole(joined[-1].first, max(joined[-1].last, each.last))
        else:
            joined.append(each)
    return joined


def _take_rows(batch: Batch, order: npt.NDArray[np.int64]) -> Batch:
    """Return the rows of a batch in another order."""
    keys = np.empty(len(order), dtype=np.int64)
    keys[order] = np.arange(len(order))
    return join_mixed([batch], [keys])


# What a stream is made of, for a `Saver`.
STREAM_CLASSES = (TradeStream, Ledger, Hole, _Open)
