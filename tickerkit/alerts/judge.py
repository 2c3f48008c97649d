"""Judge: reads a log's rows in order, and gives them to the conditions of its alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tickerkit.alerts.condition import Condition, Firing
from tickerkit.alerts.silence import Silence
from tickerkit.alerts.view import LastValues, Tick, View
from tickerkit.log import Gaps, Position, Rows, TickLog
from tickerkit.log.pace import Clock

__all__ = ["Fired", "Judge", "Watch"]

# Rows judged at a time: few enough for their arrays to stay in the processor's cache.
BLOCK_ROWS = 65_536


class Watch:
    """One alert's conditions, and which symbols they watch.

    Args:
        conditions: the conditions.
        symbols: the symbols; None for all.
        on_error: called with an error that a condition of the user's raises; the ticks that it was
            given are then not judged by it.

    Attributes:
        has_failed: whether it raised one when it last judged.
    """

    def __init__(
        self,
        conditions: Sequence[Condition],
        symbols: Sequence[str] | None,
        on_error: Callable[[BaseException], object],
    ) -> None:
        self.conditions = conditions
        self.symbols = symbols
        self.on_error = on_error
        self.has_failed = False
        self._known = -1
        self._codes: frozenset[int] = frozenset()

    def codes(self, rows: Rows) -> frozenset[int] | None:
        """Return the codes of the symbols that are known so far; None for all symbols."""
        if self.symbols is None:
            return None
        dictionary = rows.dictionaries["symbol"]
        if (known := len(dictionary.words)) != self._known:
            self._codes, self._known = frozenset(dictionary.known_codes(self.symbols)), known
        return self._codes


class Fired(NamedTuple):
    """A firing of an alert.

    Attributes:
        watch: the watch of the alert that fired.
        firing: what was found.
        tick: the tick of the event.
        row: the row by which it was noticed: the tick's own, or of a silence a later one.
        position: the position of that row; None where the clock has noticed it.
    """

    watch: Watch
    firing: Firing
    tick: Tick
    row: int
    position: Position | None


class Judge:
    """Judges the rows of a log in order.

    Args:
        log: the log.
        gaps: its gaps.
        row: the row to begin with.
        first_row: what fires before this row is left out.

    Attributes:
        row: the row to judge next.
        first_row: as given.
        watches: the alerts, in the order in which they were added.
    """

    def __init__(self, log: TickLog, gaps: Gaps, row: int, first_row: int = 0) -> None:
        self.log, self.gaps = log, gaps
        self.row, self.first_row = row, first_row
        self.watches: list[Watch] = []
        self._clock = Clock()
        self._columns: dict[str, LastValues] = {}
        self._newest: tuple[int, int] = (0, 0)  # of the newest row: its time and when it came

    def take(self, rows: Rows) -> Iterator[Fired]:
        """Judge rows; yield what fired, in the order of the log, then of the alerts.

        Rows that were judged before are left out.
        """
        start = max(self.row, rows.start)
        cuts: set[int] = set()
        if self.gaps.newest > start:
            cuts = {row for row in self.gaps.rows() if start < row < rows.stop}
        if start < self.first_row < rows.stop:
            cuts.add(self.first_row)
        for cut in [*sorted(cuts), rows.stop]:
            while start < cut:
                stop = min(cut, start + BLOCK_ROWS)
                yield from self._judge(rows.part(start, stop))
                # Not before the events are listed: a caller that waits for this row expects them.
                start = self.row = stop

    def has_value(self, watch: Watch, column: str) -> bool:
        """Return whether a tick of a watch's symbols has had a number in a column."""
        if (last := self._columns.get(column)) is None:
            return False
        values, codes = last.values, watch.codes(self.log.rows())
        if codes is not None:
            values = values[[code for code in codes if code < len(values)]]
        return bool((values == values).any())

    def adopt(self, other: Judge) -> None:
        """Take over the alerts of a judge that stands at the same row of the same log."""
        if not self.watches:
            self._clock, self._columns, self._newest = other._clock, other._columns, other._newest
        for name, values in other._columns.items():
            # Each has only seen the symbols since an alert on one of its own was judged.
            self._columns.setdefault(name, LastValues()).merge(values)
        self.watches = [*self.watches, *other.watches]

    def wake(self, now_ns: int, max_lag_ns: int) -> list[Fired]:
        """Judge silences at a time up to which no row has come.

        Args:
            now_ns: the time, epoch ns of the clock that `received` is of.
            max_lag_ns: judge nothing if the newest row was received later than this after its time,
                as in a replay.
        """
        time_ns, received_ns = self._newest
        if self._clock.now_ns is None or abs(received_ns - time_ns) > max_lag_ns:
            return []
        now_ns = self._clock.now_ns + max(now_ns - received_ns, 0)
        found = []
        for watch in self.watches:
            for condition in watch.conditions:
                if isinstance(condition, Silence):
                    codes = watch.codes(self.log.rows())
                    for firing in condition.wake(now_ns, codes):
                        assert firing.tick is not None
                        found.append(Fired(watch, firing, firing.tick, self.row, None))
        return found

    def _judge(self, rows: Rows) -> list[Fired]:
        gaps = []
        if self.gaps.newest >= rows.start:
            gaps = self.gaps.between(rows.start, rows.start + 1)
        clock = self._clock.take(rows.array("time"), after_gap=bool(gaps))
        self._newest = int(rows.array("time")[-1]), int(rows.array("received")[-1])
        view = View(rows, clock, gaps, self._columns, is_past=rows.start < self.first_row)
        # Also where no alert on them is judged: the next view needs the newest values.
        for name in [*self._columns]:
            view.changes(name)
        found: list[tuple[int, int, int, Fired]] = []
        for rank, watch in enumerate(self.watches):
            codes = watch.codes(rows)
            conditions = watch.conditions
            if codes is not None and view.symbols.isdisjoint(codes):
                conditions = [one for one in conditions if one.sees_all]
            if not conditions:
                continue
            try:
                firings = [each for one in conditions for each in one.judge(view, codes)]
                watch.has_failed = False
            except BaseException as error:  # of a condition of the user's; also SystemExit
                watch.on_error(error)
                watch.has_failed = True
                continue
            for firing in firings:
                tick = firing.tick or view.tick(firing.place)
                row, position = rows.start + firing.place, rows.position(firing.place)
                fired = Fired(watch, firing, tick, row, position)
                found.append((firing.place, rank, firing.code, fired))
        found.sort(key=lambda each: each[:3])
        return [fired for *_, fired in found]
