"""TickLog: ticks in the order in which they came, and readers that each hold a position in it.

Everything that makes ticks appends to a log; everything that uses ticks reads one. One thread
writes. Readers in any thread take `TickLog.state`, an immutable tuple that the writer replaces in
a single assignment, so neither waits for the other. A row is never overwritten: a full log moves
the rows it keeps into fresh arrays, and the old ones live as long as frames show them.

The log starts no threads: `on_append` hooks run in the writer's thread and must not block.
"""

from __future__ import annotations

import logging
import secrets
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from tickerkit.errors import InvalidArgument
from tickerkit.limits import MAX_EPOCH_LENGTH
from tickerkit.log.arrow import BLOCK_ROWS, ArrowTables
from tickerkit.log.books import Books
from tickerkit.log.columns import FIXED, ColumnEncoder
from tickerkit.log.compaction import Compaction
from tickerkit.log.dictionary import Dictionary
from tickerkit.log.memory import allocate, writable
from tickerkit.log.newest_time import newest_time
from tickerkit.log.reader import Reader
from tickerkit.log.rows import Rows, Snapshot
from tickerkit.log.shared_frames import SharedFrames
from tickerkit.ticks import NO_TIME, NS_PER_S, Array, Batch, Text
from tickerkit.ticks.lengths import parse_last
from tickerkit.ticks.masks import is_any
from tickerkit.validation import check_number, check_text, parse_symbols

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["EpochRun", "TickLog"]

COPY = "this log has the numbering of another, where further ticks have to be appended"
logger = logging.getLogger("tickerkit")
# The time over which `TickLog.rate` counts ticks.
RATE_NS = 5 * NS_PER_S
RATE_BLOCK_ROWS = 65_536
MAX_FIRST_SEQS = 4096
# The codes of a column with the same word in every row: one code, which numpy broadcasts.
ONE_WORD = np.zeros(1, dtype=np.int8)


class EpochRun(NamedTuple):
    """An unbroken range of rows of one epoch, up to the next run or the end.

    Attributes:
        epoch: the epoch.
        start: number of the first row.
    """

    epoch: str
    start: int


def _start(run: EpochRun) -> int:
    return run.start


class TickLog:
    """A bounded, append-only log of numbered ticks in memory.

    Rows are numbered from 0, and no number is used twice. A tick's identity is (epoch, seq): an
    epoch is one unbroken run of numbering, and `seq` counts its ticks from 1. A log makes its own
    epoch, or is given epochs and seqs from outside. Given seqs may have holes, and several epochs
    may follow each other.

    The log keeps the newest `keep` ticks and drops the oldest beyond that. The cost of an append
    doesn't depend on how many ticks are held. Every `keep / 4` ticks, the kept rows move to fresh
    arrays, a few with each append. During the last eighth of these ticks, the log holds the moved
    rows twice.

    Args:
        keep: how many ticks to hold.
        epoch: id of the log's own numbering; a random one by default.

    Attributes:
        state: what readers see now.
        runs: the epochs held, oldest first, each with the row at which it starts. The last may
            have no tick yet.
        first_seqs: the seq of the first tick of each epoch, oldest epoch first, of the newest 4,096
            epochs. A reader whose rows were dropped knows by it which ticks these were.
        misfits: for each column, how many values were left out although their ticks were accepted:
            values that the column's type can't hold exactly, texts that are too long, and all
            values of a further column beyond the 256th, see `tickerkit.limits`.
        units: the unit of each column that has one: "°C". Replaced as a whole, never changed.
        books: the order books that came with the ticks.
        is_copy: whether its ticks carry the numbering of another log: then it refuses to count on.

    Raises:
        InvalidArgument: `keep` is not a whole number of at least 1, or `epoch` is not text of at
            most 256 characters.

    Example:
        >>> log = TickLog()
        >>> log.append(read_ticks({"symbol": "AAPL", "price": 187.25}), received=0)
        >>> log.frame()["price"].tolist()
        [187.25]
    """

    def __init__(self, keep: int = 1_000_000, *, epoch: str | None = None) -> None:
        check_number("keep", keep, 1, whole=True)
        if epoch is not None:
            check_text("epoch", epoch, "text, or None for a random id")
            if len(epoch) > MAX_EPOCH_LENGTH:
                expected = f"at most {MAX_EPOCH_LENGTH} characters"
                raise InvalidArgument("epoch", epoch, expected)
        self.keep = keep
        self.epoch = epoch or secrets.token_hex(8)
        self.last_seq = 0
        self.runs: list[EpochRun] = []
        self.first_seqs: dict[str, int] = {}
        self._columns = ColumnEncoder()
        self.misfits = self._columns.misfits
        self.units: Mapping[str, str] = MappingProxyType({})
        self.books = Books()
        self.is_copy = False
        self._compaction = Compaction(keep)
        self._hooks: dict[object, Callable[[], None]] = {}
        self._arrow = ArrowTables()
        size = self._compaction.first_size
        arrays: dict[str, Array] = {
            name: allocate(size, np.int8 if name in ("symbol", "epoch") else np.int64)
            for name in FIXED
        }
        arrays["price"], arrays["size"] = allocate(size, np.float64), allocate(size, np.float64)
        self.state = Snapshot(arrays, self._columns.dictionaries, 0, 0, 0, 0, SharedFrames())

    def __repr__(self) -> str:
        return f"<TickLog {len(self):,} ticks of at most {self.keep:,}, epoch {self.epoch}>"

    def __len__(self) -> int:
        return self.state.stop - self.state.start

    @property
    def dictionaries(self) -> dict[str, Dictionary]:
        """The dictionary of each text column that has one."""
        return self.state.dictionaries

    @property
    def left_out(self) -> int:
        """How many values were left out of ticks that were taken: the sum of `misfits`."""
        return self._columns.left_out

    @property
    def start(self) -> int:
        """Number of the oldest row held."""
        return self.state.start

    @property
    def stop(self) -> int:
        """Number that the next row will get: how many rows were ever appended."""
        return self.state.stop

    # --- writing ------------------------------------------------------------------------------

    def append(
        self,
        batch: Batch,
        *,
        received: int,
        epoch: str | None = None,
        seq: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Append ticks and the order books that came with them, then call the hooks once.

        Args:
            batch: the ticks.
            received: when they were received, in epoch ns; also the time of ticks without a time.
            epoch: the epoch that they belong to; the log's current one by default.
            seq: their seqs, shape `(batch.count,)`, increasing within an epoch. By default they
                follow the log's last seq.

        Raises:
            InvalidArgument: the log is a copy of another, and `seq` is None.
        """
        for name, count in batch.misfits.items():
            self._columns.add_misfits(name, count)
        # A tick needs its symbol: those beyond the dictionary's room get no seq.
        if (admitted := self.admit(batch)) is not None:
            self._columns.add_misfits("symbol", batch.count - int(admitted.sum()))
            batch, seq = batch.where(admitted), None if seq is None else seq[admitted]
        if not batch.count and not batch.books:
            return
        if batch.count:
            self._append_ticks(batch, received, epoch, seq)
        for levels in batch.books:
            # A book may come before the first tick of its epoch.
            self.books.add(levels, received=received, epoch=epoch or self.epoch, seq=self.last_seq)
        for key, hook in list(self._hooks.items()):
            try:
                hook()
            except Exception:
                self._hooks.pop(key, None)
                logger.warning("a hook of the log failed, and is called no more", exc_info=True)

    def _append_ticks(
        self,
        batch: Batch,
        received: int,
        epoch: str | None,
        seq: npt.NDArray[np.int64] | None,
    ) -> None:
        """Append at least one tick, whose symbols the log has room for."""
        new_epoch = epoch not in (None, self.epoch)
        if seq is None:
            if self.is_copy:
                raise InvalidArgument("seq", seq, f"the seqs of the ticks, since {COPY}")
            first = 1 if new_epoch else self.last_seq + 1
            seq = np.arange(first, first + batch.count, dtype=np.int64)
        if new_epoch or not self.runs:
            self._begin(self.epoch if epoch is None else epoch)
        # Append in parts, so that a batch larger than the log needs no more room than the log has.
        step = self._compaction.room - self.keep
        for start in range(0, batch.count, step):
            stop = min(start + step, batch.count)
            part = batch if stop - start == batch.count else batch.part(start, stop)
            self._append(part, received, seq[start:stop])
        # Set this after the rows: a thread that waits for a seq must find its tick in the frame.
        self.last_seq = int(seq[-1])

    def admit(self, batch: Batch) -> npt.NDArray[np.bool_] | None:
        """Return for each tick whether the log has room for its symbol; None if it has for all.

        `append` leaves out the others and counts them in `misfits`. A caller that knows what a
        missing tick means asks before, see `log.excess`.
        """
        return self._columns.fitting_symbols(batch)

    def skip(self, count: int) -> None:
        """Skip the next `count` seqs: their ticks will never come."""
        self.last_seq += count

    def begin(self, epoch: str | None = None) -> None:
        """Begin an epoch (by default with a random id) with the next tick, which gets seq 1."""
        self._begin(epoch or secrets.token_hex(8))
        self.last_seq = 0

    def _begin(self, epoch: str) -> None:
        self.epoch = epoch
        # In place: a copy for each new epoch would cost more with each. Readers in other threads
        # see the list with or without it.
        self.runs.append(EpochRun(epoch, self.state.stop))

    def _append(self, batch: Batch, received: int, seq: npt.NDArray[np.int64]) -> None:
        before = self._compaction.make_room(self.state, batch.count)
        if before is not self.state:
            self._forget_runs(before.start)
        start = before.stop - before.base
        added = slice(start, start + batch.count)
        # Copy the dict, since readers hold it. The arrays can be shared: readers never look at
        # rows beyond their `stop`.
        arrays, changes = dict(before.arrays), self._columns.changes
        self._columns.add_columns(arrays, batch, start)
        writable(arrays["seq"])[added] = seq
        writable(arrays["received"])[added] = received
        times = writable(arrays["time"])[added]
        times[:] = batch.time
        if is_any(untimed := batch.time == NO_TIME):
            times[untimed] = received
        columns = batch.columns
        if (code := self._columns.dictionaries["epoch"].codes.get(self.epoch)) is not None:
            writable(arrays["epoch"])[added] = code
        else:
            columns = {**columns, "epoch": Text(ONE_WORD, [self.epoch])}
            self.first_seqs.setdefault(self.epoch, int(seq[0]))
            if len(self.first_seqs) > MAX_FIRST_SEQS:
                del self.first_seqs[next(iter(self.first_seqs))]
        for name, array in arrays.items():
            if (column := columns.get(name)) is not None:
                array, values = self._columns.encode(name, column, array, start, before.stop)
                arrays[name] = array
                writable(array)[added] = values
            elif name not in FIXED:
                writable(array)[added] = self._columns.missing(name, array)
        base, stop = before.base, before.stop + batch.count
        version = before.version + (self._columns.changes > changes)
        oldest = max(before.start, stop - self.keep)
        # This assignment makes all ticks of the batch visible to readers at once.
        self.state = Snapshot(
            arrays, self._columns.dictionaries, base, oldest, stop, version, before.frames
        )
        if stop // BLOCK_ROWS > before.stop // BLOCK_ROWS:
            self._arrow.add_full_blocks(self.state, before.stop)

    def _forget_runs(self, start: int) -> None:
        if (first := bisect_right(self.runs, start, key=_start) - 1) > 0:
            self.runs = self.runs[first:]

    def on_append(self, hook: Callable[[], None]) -> Callable[[], None]:
        """Call `hook` after each append, in the writer's thread; it must not block.

        An append may bring order books only, and no tick.

        A hook that raises is removed, and its error is logged: the append, and all that the writer
        has yet to do, must not fail with it.

        Returns:
            A function that removes the hook; calling it again does nothing.
        """
        # A dict, since other threads add and remove hooks, and each operation on it is atomic.
        key = object()
        self._hooks[key] = hook

        def remove() -> None:
            self._hooks.pop(key, None)

        return remove

    # --- reading ------------------------------------------------------------------------------

    def rows(self, start: int | None = None, stop: int | None = None) -> Rows:
        """Return the rows `start` to `stop` that are held now; all of them by default."""
        state = self.state
        begin = state.start if start is None else max(start, state.start)
        end = state.stop if stop is None else min(stop, state.stop)
        return Rows(state, min(begin, end), end)

    def reader(self, row: int | None = None) -> Reader:
        """Return a reader at `row`; by default at the end, before the next tick."""
        return Reader(self, self.stop if row is None else row)

    def frame(
        self, symbol: str | Sequence[str] | None = None, last: int | str | timedelta | None = None
    ) -> pd.DataFrame:
        """Return the ticks held, as a snapshot.

        Without `symbol` nothing is copied, whatever the number of ticks. pandas copies when the
        frame is written to, so the log never changes. The arrays below the frame, such as
        `frame["price"].array` and `.to_numpy()`, are read-only: copy them to write to them. Of
        numpy's functions, `np.add.at` and the like ignore that (a fault of numpy).

        Args:
            symbol: one symbol, a list, or text such as "AAPL,MSFT"; all by default. A symbol
                without a tick adds none.
            last: only the newest: a number of ticks (1000), or a length of time ("5min") before
                the newest time held.

        Returns:
            A DataFrame of `seq` (int64), `time` (UTC, ns), `symbol` (category), `price`, `size`
            (float64), `received` (UTC, ns), `epoch` (category), and further columns (float64 or
            category; int64 for `trade_id`, and where numbers beyond 2**53 came: there 0 stands for
            none; object for text of more than 65,536 values), oldest tick first.
        """
        return self.select(symbol, last)[0]

    def select(
        self,
        symbol: str | Sequence[str] | None = None,
        last: int | str | timedelta | None = None,
        start: pd.Timestamp | None = None,
        end: pd.Timestamp | None = None,
    ) -> tuple[pd.DataFrame, Array | range]:
        """Return what `frame` returns, and the numbers of its rows.

        Of these, only ticks at the time `start` or later, and before `end`.
        """
        rows, index = self._choose(symbol, last, start, end)
        if index is None:
            return rows.frame(), range(rows.start, rows.stop)
        return rows.frame().take(index).reset_index(drop=True), rows.start + index

    def _choose(
        self,
        symbol: str | Sequence[str] | None,
        last: int | str | timedelta | None,
        start: pd.Timestamp | None = None,
        end: pd.Timestamp | None = None,
    ) -> tuple[Rows, Array | None]:
        """Return rows, and the indices of those that are chosen among them; None for all."""
        rows = self.rows()
        newest = len(rows)
        last = parse_last(last)
        symbols = parse_symbols("symbol", symbol, min_count=0)
        chosen: Array | None = None  # a bool for each row
        if symbols is not None:
            chosen = np.isin(rows.array("symbol"), self.symbol_codes(symbols))
        if isinstance(last, pd.Timedelta):
            times = rows.array("time")
            if len(times):
                recent = times >= newest_time(times, rows.array("received")) - last.value
                chosen = recent if chosen is None else chosen & recent
        elif last is not None:
            newest = last
        if chosen is None:
            rows = rows.part(max(rows.start, rows.stop - newest), rows.stop)
            if start is None and end is None:
                return rows, None
            chosen = np.ones(len(rows), dtype=bool)
        index = np.flatnonzero(chosen)  # the rows chosen, counted from `rows.start`
        index = index[max(len(index) - newest, 0) :]
        times = rows.array("time")
        if start is not None:
            index = index[times[index] >= start.as_unit("ns").value]
        if end is not None:
            index = index[times[index] < end.as_unit("ns").value]
        if len(index) and index[-1] - index[0] + 1 == len(index):
            return rows.part(rows.start + int(index[0]), rows.start + int(index[-1]) + 1), None
        return rows, index

    def to_arrow(
        self, symbol: str | Sequence[str] | None = None, last: int | str | timedelta | None = None
    ) -> pa.Table:
        """Return the ticks held as a `pyarrow.Table`, as a snapshot.

        Without `symbol`, only free text is copied. The table keeps the memory that it shows, also
        when the log has dropped the ticks, or is gone itself.

        Args:
            symbol: one symbol, a list, or text such as "AAPL,MSFT"; all by default.
            last: only the newest: a number of ticks (1000), or a length of time ("5min") before
                the newest time held.

        Returns:
            A table with the columns of `frame`: times as timestamp[ns, UTC], text as a dictionary,
            or as string where there are more than 65,536 values. NaN is null, so that SQL's
            `avg` leaves it out. In a column of int64, 0 stands for none.
        """
        rows, index = self._choose(symbol, last)
        table = self._arrow.table(rows)
        return table if index is None else table.take(index)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> Any:
        """Return the ticks held as an Arrow stream, a fresh snapshot at each call.

        DuckDB, Polars, pandas and pyarrow call it. A column that is new may be missing for two
        seconds after `__arrow_c_schema__` was called: DuckDB relies on the columns it was told.
        """
        return self._arrow.keep_columns(self.to_arrow()).__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> Any:
        """Return the columns of the Arrow stream; DuckDB asks for them before it asks for rows."""
        return self._arrow.tell_columns(self.to_arrow(last=0)).__arrow_c_schema__()

    def rate(self, now: int) -> float:
        """Return ticks per second over the last 5 s before `now` (epoch ns), by `received`.

        Ticks received before the machine's clock was set back don't count.
        """
        received = self.rows().array("received")
        count = 0
        # From the end, block by block: after the clock was set back, the times don't ascend, so no
        # binary search finds where the last 5 s begin.
        for stop in range(len(received), 0, -RATE_BLOCK_ROWS):
            block = received[max(stop - RATE_BLOCK_ROWS, 0) : stop]
            recent = int(np.count_nonzero((block >= now - RATE_NS) & (block <= now)))
            count += recent
            if recent < len(block):
                break
        return count * NS_PER_S / RATE_NS

    def symbols(self) -> list[str]:
        """Return all symbols that ever came, in the order of their first ticks."""
        return list(self.dictionaries["symbol"].words)

    def symbol_codes(self, symbols: str | Sequence[str]) -> list[int]:
        """Return the codes of one symbol or of a list, without those that have had no tick."""
        wanted = [symbols] if isinstance(symbols, str) else symbols
        return self.dictionaries["symbol"].known_codes(wanted)

    def columns(self) -> list[str]:
        """Return the names of all columns, in order."""
        return list(self.state.arrays)

    def run_at(self, row: int) -> tuple[EpochRun, int | None]:
        """Return the run that `row` belongs to, and the row at which the next run starts."""
        runs = self.runs
        index = max(bisect_right(runs, row, key=_start) - 1, 0)
        return runs[index], runs[index + 1].start if index + 1 < len(runs) else None

    def seq_at(self, row: int) -> int:
        """Return the seq of the tick at `row`, which must be held."""
        return int(self.rows(row, row + 1).array("seq")[0])

    def find(self, epoch: str, seq: int) -> int | None:
        """Return the row after tick `seq` of `epoch`, None if nothing of that epoch is held.

        If that row was dropped, return the oldest row of the epoch that is held.
        """
        # Search from the newest run back: an epoch may have several runs, for example after a seek
        # in a replay. Continue in the newest run that holds a tick up to `seq`.
        rows, found = self.rows(), None
        stop = rows.stop
        for run in reversed(self.runs):
            start = max(run.start, rows.start)
            if run.epoch == epoch and start < stop:
                numbers = rows.part(start, stop).array("seq")
                found = start + int(np.searchsorted(numbers, seq, side="right"))
                if found > start:
                    break
            elif run.epoch == epoch and found is None and run.start == stop >= rows.start:
                found = stop  # a run without a tick
            stop = run.start
        return found
