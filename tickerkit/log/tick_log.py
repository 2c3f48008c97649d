"""TickLog: ticks in the order in which they came, and readers that each hold a position in it.

Everything that makes ticks appends to a log; everything that uses ticks reads one. One thread
writes. Readers in any thread take `TickLog.state`, an immutable tuple that the writer swaps in a
single assignment, so neither waits for the other. Nothing that was appended is ever overwritten:
a full log moves its tail into fresh arrays, and the old ones live as long as frames that show them.

The log knows no threads: `on_append` hooks run in the writer's thread and must not block.
"""

from __future__ import annotations

import operator
import secrets
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from tickerkit.log.compaction import TailCopy
from tickerkit.log.dictionary import MAX_WORDS, Dictionary, code_dtype
from tickerkit.log.rows import EpochRun, Rows, Snapshot
from tickerkit.ticks import NO_TIME, NS_PER_S, Array, Batch, Column, Text, is_number, number_text

__all__ = ["FIXED", "Reader", "Rows", "TickLog"]

MAX_COLUMNS = 32
MAX_FRAMES = 64
MAX_MISFITS = 1000
SMALLEST = 1024
SMALL = 65_536
PACE = 32
RATE_NS = 5 * NS_PER_S
FIXED = ("seq", "time", "symbol", "price", "size", "received", "epoch")
ONE_WORD = np.zeros(1, dtype=np.int8)


class TickLog:
    """A bounded, append-only memory of ticks, numbered.

    Rows count up by one for ever, from 0. A tick's identity is (epoch, seq): an epoch is one
    unbroken run of numbering, and `seq` counts its ticks from 1. A log makes its own, or is given
    both from outside, with holes; then several epochs may follow each other.

    It keeps the newest `keep` ticks and drops the oldest beyond that. Appending costs the same
    however many are held. Once in `keep / 4` ticks the tail is moved: over the last eighth of
    these, a few rows with each append, for which it then holds the ticks twice.

    Args:
        keep: how many ticks to hold.
        epoch: id of the log's own numbering; a random one by default.

    Attributes:
        dictionaries: the dictionary of each text column.
        runs: the epochs held, oldest first, each with the row at which it starts. One that was
            begun may have no tick.
        misfits: values left out by column, of ticks that were taken: not of the column's type,
            beyond 65,536 different words, or of a column beyond the 32nd.

    Example:
        >>> log = TickLog()
        >>> log.append(read_ticks({"symbol": "AAPL", "price": 187.25}), received=0)
        >>> log.frame()["price"].tolist()
        [187.25]
    """

    def __init__(self, keep: int = 1_000_000, *, epoch: str | None = None) -> None:
        if keep < 1:
            raise ValueError(f"keep is {keep}; a log holds at least one tick")
        self.keep = keep
        self.epoch = epoch or secrets.token_hex(8)
        self.dictionaries: dict[str, Dictionary] = {"symbol": Dictionary(), "epoch": Dictionary()}
        self.runs: list[EpochRun] = []
        self.misfits: dict[str, int] = {}
        self.last_seq = 0
        self._hooks: dict[object, Callable[[], None]] = {}
        self._ahead: TailCopy | None = None
        self._reserve = keep + max(keep // 4, SMALLEST)
        size = min(SMALLEST, self._reserve)
        arrays: dict[str, Array] = {
            name: np.empty(size, dtype=np.int8 if name in self.dictionaries else np.int64)
            for name in FIXED
        }
        arrays["price"], arrays["size"] = np.empty(size), np.empty(size)
        self.state = Snapshot(arrays, 0, 0, 0, 0, {}, {})

    def __repr__(self) -> str:
        return f"<TickLog {len(self):,} ticks of at most {self.keep:,}, epoch {self.epoch}>"

    def __len__(self) -> int:
        return self.state.stop - self.state.start

    @property
    def start(self) -> int:
        """Number of the oldest row held."""
        return self.state.start

    @property
    def stop(self) -> int:
        """Number that the next row will get: how many were ever appended."""
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
        """Append ticks, then call the hooks once.

        Args:
            batch: the ticks.
            received: when they were got, in epoch ns; also their time where they have none.
            epoch: the epoch they belong to; the log's current one by default.
            seq: their numbers; counted on by default. They must increase within an epoch.
        """
        for name, count in batch.misfits.items():
            self._misfit(name, count)
        fits = self._fitting(batch)
        if fits is not None:
            batch, seq = batch.where(fits), None if seq is None else seq[fits]
        if not batch.count:
            return
        new_epoch = epoch not in (None, self.epoch)
        if seq is None:
            start = 1 if new_epoch else self.last_seq + 1
            seq = np.arange(start, start + batch.count, dtype=np.int64)
        if new_epoch or not self.runs:
            self._begin(self.epoch if epoch is None else epoch)
        self.last_seq = int(seq[-1])
        # In parts, so that a batch larger than the log needs no more room than the log has.
        step = self._reserve - self.keep
        for at in range(0, batch.count, step):
            stop = min(at + step, batch.count)
            part = batch if stop - at == batch.count else batch.part(at, stop)
            self._append(part, received, seq[at:stop])
        for hook in list(self._hooks.values()):
            hook()

    def skip(self, count: int) -> None:
        """Leave out so many numbers: of ticks of this epoch that will never come."""
        self.last_seq += count

    def begin(self, epoch: str | None = None) -> None:
        """Begin an epoch with the next tick, which is counted from 1; a random one by default."""
        self._begin(epoch or secrets.token_hex(8))
        self.last_seq = 0

    def _begin(self, epoch: str) -> None:
        self.epoch = epoch
        self.runs = [*self.runs, EpochRun(epoch, self.state.stop)]

    def _append(self, batch: Batch, received: int, seq: npt.NDArray[np.int64]) -> None:
        old, base, first, next_row, version, frames, claims = self._with_room(batch.count)
        at, stop = next_row - base, next_row - base + batch.count
        arrays = dict(old)
        for name, column in batch.columns.items():
            if name not in arrays:
                if len(arrays) - len(FIXED) < MAX_COLUMNS:
                    arrays[name] = self._new_column(name, column, len(arrays["seq"]), at)
                else:
                    self._misfit(name, _values(column))
        grown = len(arrays) > len(old)
        arrays["seq"][at:stop] = seq
        arrays["received"][at:stop] = received
        arrays["time"][at:stop] = batch.time
        if (untimed := batch.time == NO_TIME).any():
            arrays["time"][at:stop][untimed] = received
        for name, array in arrays.items():
            if name in batch.columns:
                column = batch.columns[name]
            elif name == "epoch":
                if (code := self.dictionaries[name].codes.get(self.epoch)) is not None:
                    array[at:stop] = code
                    continue
                column = Text(ONE_WORD, [self.epoch])
            elif name in FIXED:
                continue
            else:
                array[at:stop] = -1 if name in self.dictionaries else np.nan
                continue
            if name not in self.dictionaries:
                array[at:stop] = self._as_numbers(name, column)
                continue
            known = len(self.dictionaries[name].words)
            codes = self._codes(name, self._as_text(column), next_row)
            if (size := len(self.dictionaries[name].words)) > known:
                grown = True
                # A frame with more words needs codes of its own: pandas would not know that it
                # shares them with the frame before.
                shown = any(each.get(name) is array for each in list(claims.values()))
                if shown or array.dtype != code_dtype(size):
                    codes_before = array[:at]
                    array = arrays[name] = np.empty(len(array), dtype=code_dtype(size))
                    array[:at] = codes_before
            array[at:stop] = codes
        if grown:
            version += 1
        end = next_row + batch.count
        start = max(first, end - self.keep)
        self.state = Snapshot(arrays, base, start, end, version, frames, claims)

    def _new_column(self, name: str, column: Column, size: int, used: int) -> Array:
        if isinstance(column, Text):
            self.dictionaries[name] = Dictionary()
            array: Array = np.empty(size, dtype=np.int8)
            array[:used] = -1
        else:
            array = np.empty(size)
            array[:used] = np.nan
        return array

    def _misfit(self, name: str, count: int) -> None:
        if count:
            if name not in self.misfits and len(self.misfits) >= MAX_MISFITS:
                name = "(others)"
            self.misfits[name] = self.misfits.get(name, 0) + count

    def _codes(self, name: str, text: Text, row: int) -> Array:
        """Return the codes of `text`, which begins at `row`, in the log's dictionary."""
        known, left_out = self.dictionaries[name], False
        table = np.full(len(text.words) + 1, -1, dtype=np.int32)
        # Among many rows there is most often no new word: then none needs to be looked at.
        if len(text.words) < len(text.codes) and all(map(known.codes.__contains__, text.words)):
            table[:-1] = [known.codes[word] for word in text.words]
            codes: Array = table[text.codes]
            return codes
        # A word is born with the first row that has it, so they are added in the rows' order.
        each = text.codes.tolist()
        # Of several entries for a code the last one counts: backwards, its first row.
        firsts = dict(zip(reversed(each), range(len(each) - 1, -1, -1), strict=True))
        for code in dict.fromkeys(each):
            if code >= 0 and (own := known.codes.get(text.words[code])) is not None:
                table[code] = own
            elif code >= 0:
                table[code] = own = known.add(text.words[code], row + firsts[code])
                left_out = left_out or own < 0
        codes = table[text.codes]
        if left_out:
            self._misfit(name, int((codes < 0).sum() - (text.codes < 0).sum()))
        return codes

    def _fitting(self, batch: Batch) -> Array | None:
        """Return which ticks have a symbol that the dictionary has room for; None for all."""
        symbols = batch.columns["symbol"]
        assert isinstance(symbols, Text)
        known = self.dictionaries["symbol"]
        room = MAX_WORDS - len(known.words)
        if len(symbols.words) <= room:
            return None
        used = np.unique(symbols.codes).tolist()
        new = [code for code in used if symbols.words[code] not in known.codes]
        if len(new) <= room:
            return None
        fits: Array = ~np.isin(symbols.codes, new[room:])
        self._misfit("symbol", int(batch.count - fits.sum()))
        return fits

    def _as_text(self, column: Column) -> Text:
        if isinstance(column, Text):
            return column
        return Text.of(None if v != v else number_text(v) for v in column.tolist())

    def _as_numbers(self, name: str, column: Column) -> Array:
        """Return a column as numbers; words that are none become NaN and are counted."""
        if not isinstance(column, Text):
            return column
        values = [float(w) if is_number(w) else np.nan for w in column.words]
        numbers: Array = np.array([*values, np.nan])[column.codes]
        numbers[np.isinf(numbers)] = np.nan
        self._misfit(name, int(np.isnan(numbers).sum() - (column.codes < 0).sum()))
        return numbers

    def _with_room(self, count: int) -> Snapshot:
        """Return the state in arrays that have room for `count` rows, fresh ones where need be.

        Also where too many frames are kept for these arrays.
        """
        arrays, base, first, next_row, version, frames, _ = self.state
        size = len(arrays["seq"])
        if next_row - base + count <= size and len(frames) < MAX_FRAMES:
            self._copy_ahead(count)
            return self.state
        keep_from = min(max(first, next_row + count - self.keep), next_row)
        held = next_row - keep_from
        ahead, self._ahead = self._ahead, None
        # Not begun, begun for arrays that are full, or too small for so many at once.
        if ahead is None or ahead.start > keep_from or next_row + count > ahead.start + ahead.size:
            ahead = TailCopy(keep_from, self._room(held, max(size, held + count)))
        ahead.copy(self.state, next_row)
        while len(self.runs) > 1 and self.runs[1].start <= keep_from:
            self.runs = self.runs[1:]
        return Snapshot(ahead.arrays, ahead.start, keep_from, next_row, version, {}, {})

    def _copy_ahead(self, count: int) -> None:
        """Copy some rows for when the arrays are full, at most `PACE` for each of `count` to come.

        So that no append waits for a copy of all: of ten million that is half a second.
        """
        arrays, base, first, next_row, *_ = self.state
        end = base + len(arrays["seq"])
        start = self._ahead.copied if self._ahead else max(first, end - self.keep)
        if (due := next_row - PACE * (end - next_row - count)) > start:
            if self._ahead is None:
                self._ahead = TailCopy(start, self._room(end - start, end - base))
            self._ahead.copy(self.state, due)

    def _room(self, held: int, least: int) -> int:
        """Return how many rows the next arrays are for, of which so many are held."""
        # What was never written to takes addresses but no memory: to double saves only a little.
        return self._reserve if held > SMALL else min(self._reserve, max(least, 2 * held))

    def on_append(self, hook: Callable[[], None]) -> Callable[[], None]:
        """Have `hook` called after each append, in the writer's thread; it must not block.

        Returns:
            A function that takes the hook away again.
        """
        # A dict, whose single steps are atomic: readers come and go in other threads than append.
        key = object()
        self._hooks[key] = hook

        def remove() -> None:
            self._hooks.pop(key, None)

        return remove

    # --- reading ------------------------------------------------------------------------------

    def rows(self, start: int | None = None, stop: int | None = None) -> Rows:
        """Return the rows held from `start` (the oldest) to `stop` (the newest), as of now."""
        state = self.state
        begin = state.start if start is None else max(start, state.start)
        end = state.stop if stop is None else min(stop, state.stop)
        return Rows(self.dictionaries, state, min(begin, end), end)

    def reader(self, row: int | None = None) -> Reader:
        """Return a reader that stands at `row`, or at the end, where the next tick will be."""
        return Reader(self, self.stop if row is None else row)

    def frame(
        self, symbol: str | Sequence[str] | None = None, last: int | str | timedelta | None = None
    ) -> pd.DataFrame:
        """Return the ticks held, as a snapshot.

        Without `symbol` this copies nothing, whatever the number of ticks; pandas copies when the
        frame is written to, so the log is safe from it.

        Args:
            symbol: one or several; all by default. One that never came gives an empty frame.
            last: only the newest so many ticks (1000), or those at most so much older ("5min")
                than the newest time held.

        Returns:
            A DataFrame of `seq` (int64), `time` (UTC, ns), `symbol` (category), `price`, `size`
            (float64), `received` (UTC, ns), `epoch` (category), and further columns (float64 or
            category), oldest tick first.
        """
        return self.select(symbol, last)[0]

    def select(
        self, symbol: str | Sequence[str] | None = None, last: int | str | timedelta | None = None
    ) -> tuple[pd.DataFrame, Array | range]:
        """Return the same frame, and the numbers of its rows."""
        rows = self.rows()
        newest = len(rows)
        chosen: Array | None = None
        if symbol is not None:
            chosen = np.isin(rows.array("symbol"), self.symbol_codes(symbol))
        if isinstance(last, str | timedelta):
            times = rows.array("time")
            if len(times):
                recent = times >= int(times.max()) - pd.Timedelta(last).as_unit("ns").value
                chosen = recent if chosen is None else chosen & recent
        elif last is not None:
            newest = max(operator.index(last), 0)
        if chosen is None:
            part = rows.part(max(rows.start, rows.stop - newest), rows.stop)
            return part.frame(), range(part.start, part.stop)
        index = np.flatnonzero(chosen)
        index = index[max(len(index) - newest, 0) :]
        if len(index) and index[-1] - index[0] + 1 == len(index):
            part = rows.part(rows.start + int(index[0]), rows.start + int(index[-1]) + 1)
            return part.frame(), range(part.start, part.stop)
        return rows.frame().take(index).reset_index(drop=True), rows.start + index

    def rate(self, now: int) -> float:
        """Return ticks per second over the last 5 s before `now` (epoch ns), by `received`."""
        received = self.rows().array("received")
        return float(len(received) - np.searchsorted(received, now - RATE_NS)) * NS_PER_S / RATE_NS

    def symbols(self) -> list[str]:
        """Return every symbol that ever came, in the order of their first ticks."""
        return list(self.dictionaries["symbol"].words)

    def symbol_codes(self, symbols: str | Sequence[str]) -> list[int]:
        """Return the codes of those of `symbols` that have come."""
        wanted = [symbols] if isinstance(symbols, str) else symbols
        return self.dictionaries["symbol"].known_codes(wanted)

    def columns(self) -> list[str]:
        """Return the names of all columns, in order."""
        return list(self.state.arrays)

    def run_at(self, row: int) -> tuple[EpochRun, int | None]:
        """Return the run that `row` is in, and the row at which the next run starts, if any."""
        runs = self.runs
        index = max(bisect_right([run.start for run in runs], row) - 1, 0)
        return runs[index], runs[index + 1].start if index + 1 < len(runs) else None

    def find(self, epoch: str, seq: int) -> int | None:
        """Return the first row after tick `seq` of `epoch`, None where that epoch is not held.

        The row may be gone already: then it is the first that is held of that epoch.
        """
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
                found = stop  # it has no tick
            stop = run.start
        return found


class Reader:
    """A position in a log: what was read and what was not.

    A reader costs an integer. Behind, it reads bigger batches; when ticks were dropped before it
    read them, the next `Rows` says how many in `lost`.

    Attributes:
        row: number of the row that is read next.
        lost: how many rows were dropped unread, in all.
    """

    def __init__(self, log: TickLog, row: int) -> None:
        self.log = log
        self.row = row
        self.lost = 0

    @property
    def behind(self) -> int:
        """How many ticks are there to read, or to be told lost."""
        return self.log.stop - self.row

    def read(self, limit: int | None = None) -> Rows:
        """Return the rows from here to the end, at most `limit`, and step past them."""
        state = self.log.state
        start = max(self.row, state.start)
        stop = state.stop if limit is None else min(start + limit, state.stop)
        lost = start - self.row
        self.lost += lost
        self.row = max(start, stop)
        return Rows(self.log.dictionaries, state, start, self.row, lost)


def _values(column: Column) -> int:
    """Return how many values a column has."""
    missing = column.codes < 0 if isinstance(column, Text) else np.isnan(column)
    return int(len(missing) - missing.sum())
