"""Feed data: the ticks that a feed holds, read as frames and bars, or exported to files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tickerkit.feed.books import FeedBooks
from tickerkit.feed.rotation import Rotation
from tickerkit.feed.state import FeedState
from tickerkit.log import Gap, gap_frame, select
from tickerkit.ticks import Array
from tickerkit.ticks.lengths import parse_last, parse_time
from tickerkit.validation import check_flag, check_path, parse_symbols

if TYPE_CHECKING:
    import pyarrow as pa

    from tickerkit.storage.files import Mode

__all__ = ["FeedData"]


class FeedData(FeedBooks):
    """The ticks that a feed holds, and the ways to read them. No method waits for the network.

    Attributes:
        log: the ticks held.
        symbols: the symbols that were asked for; None for all.
    """

    def __init__(
        self,
        rotation: Rotation,
        symbols: list[str] | None,
        state: FeedState,
        source: str | None = None,
    ) -> None:
        self._rotation = rotation
        # What recordings name as the source; it stays while the feed changes between addresses.
        self._source = source or rotation.name
        self.symbols = symbols
        self.log = state.log
        self._state = state

    @property
    def url(self) -> str:
        """The address that the ticks come from, without the token.

        Of several addresses it is the one that the feed is connected to, or tries next.
        """
        return self._rotation.current.shown

    @property
    def gaps(self) -> pd.DataFrame:
        """The ranges of ticks that will never come.

        Returns:
            A DataFrame with a row for each gap, in the order of the log: `epoch`, `from` and `to`
            (the first and last missing seq, Int64; `to` is NA where the end can't be known, as
            for a server that is gone), `last_before` and `first_after` (times of the ticks on
            both sides, UTC; NaT if no tick is there) and `reason`. Beyond 100,000 gaps the oldest
            are no longer listed; `stats["gaps"]` counts them.
        """
        return self._state.gaps.frame()

    @property
    def gap_rows(self) -> list[int]:
        """Number of the log's row after each gap: a chart breaks its lines there."""
        return self._state.gaps.rows()

    @property
    def gap_count(self) -> int:
        """How many gaps there were, those that are no longer listed included."""
        return self._state.count_gaps()

    def gaps_since(self, number: int) -> tuple[int, list[Gap]]:
        """Return how many gaps there were, and those from a number on that are still listed.

        Readers of gaps, such as the ribbon of a dashboard, pass the number of the last call.
        """
        return self._state.gaps.since(number)

    @property
    def units(self) -> dict[str, str]:
        """The unit of each column that has one, such as `{"temperature": "°C"}`.

        The source says it: a field map by its `units`, `tk.poll(units=)`, or `Source.units`.
        """
        return dict(self.log.units)

    def past_symbols(self) -> frozenset[str]:
        """Return the symbols held that only a server before the present one has sent.

        None as long as the present server has named no symbol, and none if it is not tickerkit's:
        of another one it is not known which symbols it has.
        """
        if len(self.log.runs) < 2:
            return frozenset()
        known = self._state.client.known_symbols()
        return frozenset(self.log.symbols()).difference(known) if known else frozenset()

    def frame(
        self,
        symbol: str | Sequence[str] | None = None,
        last: int | str | timedelta | None = None,
        mark_gaps: bool = False,
        start: object = None,
        end: object = None,
    ) -> pd.DataFrame:
        """Return the ticks held as a DataFrame.

        The frame is a snapshot. Without arguments it copies nothing and takes microseconds,
        however many ticks are held. Writing to it never changes the feed's ticks, and works as
        with any frame, also when the feed is gone. The arrays below it, such as
        `frame["price"].to_numpy()`, are read-only; use `to_numpy(copy=True)` to write to one.
        numpy's `np.add.at` ignores that, a fault of numpy.

        Args:
            symbol: one symbol, a list, or text such as "AAPL,MSFT"; all by default. A symbol
                without a tick adds none.
            last: only the newest ticks: a number such as 1000, or a time such as "5min", counted
                back from the newest time held.
            mark_gaps: add a boolean column `gap`, true where ticks are missing before this row.
            start: only ticks at or after this time: a datetime or ISO text, in UTC unless it names
                a zone.
            end: only ticks before this time.

        Returns:
            The columns of `TickLog.frame`, in the order of arrival: `seq` (int64), `time` (UTC,
            ns), `symbol` (category), `price` and `size` (float64), `received` (UTC, ns), `epoch`
            (category), and further columns: float64 or category; int64 for `trade_id` and where
            numbers beyond 2**53 came, with 0 for none; object for text of more than 65,536 values.

        Raises:
            InvalidArgument: an argument is invalid.

        Example:
            >>> feed.frame("AAPL", last="5min")["price"].mean()
            >>> marked = feed.frame("AAPL", mark_gaps=True)
            >>> moves = marked["price"].diff().mask(marked["gap"])  # no move across a gap
        """
        check_flag("mark_gaps", mark_gaps)
        begin, stop = parse_time("start", start), parse_time("end", end)
        frame, rows = self.log.select(symbol, last, begin, stop)
        return self._state.gaps.mark(frame, rows) if mark_gaps else frame

    def to_arrow(
        self, symbol: str | Sequence[str] | None = None, last: int | str | timedelta | None = None
    ) -> pa.Table:
        """Return the ticks held as a `pyarrow.Table`.

        The table is a snapshot over the feed's own memory: without `symbol`, 10,000,000 ticks take
        a few milliseconds, and nothing is copied except text columns with more than 65,536
        different values. It stays as it is while ticks come, and when the feed is gone. The feed
        itself is a table, too: DuckDB, SQL cells of marimo, Polars, pandas and pyarrow read it, a
        fresh snapshot each time.

        Args:
            symbol: one symbol, a list, or text such as "AAPL,MSFT"; all by default.
            last: only the newest ticks: a number such as 1000, or a time such as "5min", counted
                back from the newest time held.

        Returns:
            The columns of `frame()`: times as timestamp[ns, UTC], `symbol` and other text as a
            dictionary, or as string where there are more than 65,536 values. NaN is null, so that
            SQL's `avg` leaves it out. In a column of int64, such as `trade_id`, 0 stands for none.

        Raises:
            InvalidArgument: an argument is invalid.

        Example:
            >>> duckdb.sql("select symbol, avg(price) from feed group by 1")
            >>> pl.DataFrame(feed)
            >>> feed.to_arrow("AAPL", last="1h").group_by("side").aggregate([("size", "sum")])
        """
        return self.log.to_arrow(symbol, last)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> Any:
        """Return the ticks held as an Arrow stream; see `TickLog.__arrow_c_stream__`."""
        return self.log.__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> Any:
        """Return the columns of the Arrow stream; see `TickLog.__arrow_c_schema__`."""
        return self.log.__arrow_c_schema__()

    def latest(self) -> pd.DataFrame:
        """Return the newest value of each field, one row for each symbol.

        Quotes and trades complete each other: after a quote, `price` is still that of the last
        trade. A call costs time in proportion to the ticks that are new since the last call.

        Returns:
            A DataFrame with the columns of `frame()`, indexed by symbol.

        Example:
            >>> feed.latest().loc["AAPL", "price"]
        """
        with self._state.latest_lock:
            self._state.latest.update()
            frame = self._state.latest.frame()
        frame.attrs["units"] = self.units
        return frame

    def bars(
        self,
        interval: str | float | timedelta,
        symbol: str | Sequence[str] | None = None,
        value: str = "price",
        indicators: object = (),
        last: int | None = None,
    ) -> pd.DataFrame:
        """Return the trades held as bars; with `value`, the bars of another column.

        A repeated call costs time in proportion to the new ticks and the number of bars; with
        `last`, to the new ticks and that number.

        Indicators are columns of the bars, computed once for each bar; only the newest bar, and
        bars that a late tick changed, are computed again. They continue from bar to bar: an
        interval without a trade has no bar, ticks in a gap are left out, and bars that the feed
        drops change nothing in the other bars. Where TA-Lib has an indicator, its values,
        and the first bars without a value (NaN), are TA-Lib's.

        Args:
            interval: length of a bar: "10s", "1min", a timedelta, or seconds.
            symbol: one symbol, a list, or text such as "AAPL,MSFT"; all by default.
            value: the column to make bars of, such as "bid" or "temperature", or "mid", the middle
                of bid and ask. Only ticks with a number in it count.
            indicators: further columns: names such as "sma(20)" or "vwap", see `tk.indicators()`,
                or indicators of your own, each of which names its column:

                - a function: it gets the bars of one symbol as a frame, and returns a Series, a
                  frame or an array with a row for each bar. It is called whenever a bar changed.
                - a class with a method `update(bar)`: it gets each bar in turn (`bar.time`, `open`,
                  `high`, `low`, `close`, `volume`, `ticks`, `symbol`), and returns a number, None,
                  or a tuple or dict of several, if the class names them: `columns = ("fast",
                  "slow")`. Each symbol has an object of its own. The newest bar changes with each
                  tick; then a copy of the object as it was before this bar (by `copy.deepcopy`)
                  gets the bar again, so `update` needs no code for that.
                - an indicator of the library talipp, such as `talipp.indicators.KAMA(14, 2, 30)`.
            last: only the newest bars of each symbol: how many. Indicators are those of all bars.

        Returns:
            A DataFrame of `open`, `high`, `low`, `close`, `volume` (float64, the sum of `size`) and
            `ticks` (int64), indexed by the time at which each bar begins (UTC), for one symbol; by
            (symbol, time) for several or all. An interval without a trade has no bar. The columns
            of indicators (float64) follow; their names begin with the indicator's, such as
            "bbands(20, 2) upper". With indicators or `last`, `attrs["revised"]` says how many of
            these bars a late tick changed, and `attrs["gaps"]` how many gaps there are among the
            ticks held.

        Raises:
            InvalidArgument: the interval is not a length of time above 0, the symbol is invalid,
                the feed holds ticks but no column of numbers that is called `value`, or there is
                no such indicator. What your own function or class raises is raised as it is.

        Example:
            >>> feed.bars("10s", "AAPL")["close"].plot()
            >>> feed.bars("1min", value="temperature")
            >>> feed.bars("1min", "AAPL", indicators=["sma(20)", "bbands(20, 2)"], last=100)
            >>> def spread(bars):
            ...     return bars["high"] - bars["low"]
            >>> feed.bars("1min", indicators=["rsi(14)", spread])
        """
        with self._state.bars_lock:
            frame = self._state.bars.frame(interval, symbol, value, indicators, last)
        if frame.attrs:
            first = self.log.start
            frame.attrs["gaps"] = sum(row > first for row in self._state.gaps.rows())
        return frame

    def bar_arrays(
        self,
        interval: str | float | timedelta,
        symbol: str,
        value: str = "price",
        indicators: object = (),
        since_ns: int | None = None,
    ) -> dict[str, Array]:
        """Return the newest bars of one symbol as arrays, many times a second if need be.

        A call costs time in proportion to the new ticks, and to the bars returned; a frame of them
        takes longer. A bar keeps its values when the feed drops some of its ticks.

        Args:
            interval: as of `bars`.
            symbol: the symbol; of an unknown one there are no bars.
            value: as of `bars`.
            indicators: as of `bars`.
            since_ns: the earliest start of a bar, in epoch ns; None for all bars held.

        Returns:
            Arrays of shape (bars,), oldest first: `time` (int64, epoch ns, when the bar begins),
            `open`, `high`, `low`, `close`, `volume` (float64), `ticks` (int64), and the columns of
            the indicators (float64, NaN for no value), by their names.

        Raises:
            InvalidArgument: as by `bars`.

        Example:
            >>> feed.bar_arrays("1min", "AAPL", indicators="sma(20)")["sma(20)"][-1]
        """
        with self._state.bars_lock:
            return self._state.bars.arrays(interval, symbol, value, indicators, since_ns)

    # --- export -------------------------------------------------------------------------------

    def to_csv(
        self,
        path: str | Path,
        symbol: str | Sequence[str] | None = None,
        last: int | str | timedelta | None = None,
        start: object = None,
        end: object = None,
        *,
        mode: Mode = "new",
        escape_formulas: bool = False,
    ) -> Path:
        """Write the ticks held to a CSV file, which `tk.read_csv` reads back identical.

        Gaps within the exported ticks are listed beside the file, as `tk.read_gaps` returns them;
        so are ticks in the middle that `last`, `start` or `end` leave out, and how many values the
        feed has left out so far (`stats["misfits"]`).

        Args:
            path: path of the file, compressed if its name ends in `.gz` or `.zst`. Missing folders
                are created.
            symbol: one symbol or several; all by default.
            last: only the newest ticks: a number such as 1000, or a time such as "5min", counted
                back from the newest time held.
            start: only ticks at or after this time: a datetime or ISO text, in UTC unless it names
                a zone.
            end: only ticks before this time.
            mode: "new" refuses to touch an existing file, "overwrite" replaces it, "append" adds
                to it.
            escape_formulas: put `'` before text that a spreadsheet would run as a formula.

        Returns:
            The path.

        Raises:
            RecordingExists: the file exists, and mode is "new".
            InvalidArgument: the path has the ending of another format, or an argument is invalid.
            OSError: the file can't be written; an existing file stays as it was.

        Example:
            >>> feed.to_csv("ticks.csv", symbol="AAPL", start="2026-11-24T14:30")
        """
        from tickerkit.storage import write_csv

        write = partial(write_csv, escape_formulas=escape_formulas)
        return self._export(write, path, mode, symbol, last, start, end)

    def to_parquet(
        self,
        path: str | Path,
        symbol: str | Sequence[str] | None = None,
        last: int | str | timedelta | None = None,
        start: object = None,
        end: object = None,
        *,
        mode: Mode = "new",
    ) -> Path:
        """Write the ticks held to a Parquet file; the arguments are those of `to_csv`.

        Returns:
            The path.

        Raises:
            RecordingExists: the file exists, and mode is "new".
            InvalidArgument: the path has the ending of another format, or an argument is invalid.
            OSError: the file can't be written; an existing file stays as it was.

        Example:
            >>> feed.to_parquet("ticks.parquet", last="1h")
        """
        from tickerkit.storage import write_parquet

        return self._export(write_parquet, path, mode, symbol, last, start, end)

    def _export(
        self,
        write: Callable[..., Path],
        path: str | Path,
        mode: Mode,
        symbol: str | Sequence[str] | None,
        last: int | str | timedelta | None,
        start: object,
        end: object,
    ) -> Path:
        """Write the selected ticks; values that an earlier export has counted don't count again."""
        check_path("path", path)
        frame, gaps = self._select(symbol, last, start, end)
        key, counts = Path(path).expanduser().resolve(), self._state.count_misfits()
        known = {}
        if mode == "append" and key.exists():
            known = self._state.exported_misfits.get(key, {})
        symbols = None if symbol is None else parse_symbols("symbol", symbol, min_count=0)
        written = write(
            frame,
            path,
            gaps=gaps,
            misfits={name: count - known.get(name, 0) for name, count in counts.items()},
            units=self.units,
            mode=mode,
            source=self._source,
            symbols=self.symbols if symbol is None else symbols,
        )
        if counts:
            self._state.exported_misfits[key] = counts
        return written

    def _select(
        self,
        symbol: str | Sequence[str] | None,
        last: int | str | timedelta | None,
        start: object,
        end: object,
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the selected ticks, and the gaps between them."""
        rows = self.log.rows()
        return select(
            rows.frame(),
            gap_frame(self._state.gaps.between(rows.start, rows.stop + 1)),
            symbols=parse_symbols("symbol", symbol, min_count=0),
            last=parse_last(last),
            start=parse_time("start", start),
            end=parse_time("end", end),
            complete=self.symbols is None,
        )
