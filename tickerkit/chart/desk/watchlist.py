"""Watchlist: a row of numbers for each symbol of a feed, and which of them have changed."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tickerkit.chart.desk.freshness import SymbolState, summarize_freshness
from tickerkit.chart.desk.messages import DeskRow, OtherColumn
from tickerkit.chart.desk.trends import Trends
from tickerkit.chart.instruments import PRICES, Instruments
from tickerkit.chart.notes import list_present
from tickerkit.log import Latest
from tickerkit.ticks import Array
from tickerkit.ticks.fields import may_be_value

if TYPE_CHECKING:
    from tickerkit.feed import Feed

__all__ = ["Watchlist"]

# Beyond the one shown first, of symbols without a price.
MAX_OTHERS = 3
MAX_ROWS = 1_000
MAX_NAME_LENGTH = 16
# A frame of hundreds of symbols costs milliseconds, and an age changes in seconds.
FRESHNESS_INTERVAL_S = 1.0
NOTHING = SymbolState("", None, None, 0, 0, 0, "")


class Watchlist:
    """The rows of one feed's symbols.

    `update` reads the new ticks, in a thread that follows the feed; `collect` returns the fields
    that have changed since its last call, in the thread that sends. An update costs by the number
    of new ticks, a collection by the number of symbols. At most 1,000 symbols have a row.

    A symbol that has only quotes is shown with the middle of bid and ask. One without a price, such
    as a thermometer, is shown with its first number; if no symbol has a price, up to three further
    columns of numbers are shown.

    Args:
        feed: the feed.
        index: the number of the feed in its dashboard.
        symbols: the symbols to show, in this order; None for all.
        column: the column to show first.
        window: for change and sparkline: a time such as "5min", or a number of ticks.

    Attributes:
        feed: the feed; `update` sets it to the one that now fills the log.
        index: as given.
        symbols: the symbols that have a row, in their order.
        columns: the columns that have numbers other than sizes and ids.
        others: the further columns.
        is_quoted: whether a symbol has a bid or an ask.
        is_market: whether a symbol has a price, or may have one.
    """

    def __init__(
        self,
        feed: Feed,
        index: int,
        symbols: Sequence[str] | None,
        column: str,
        window: int | str,
    ) -> None:
        self.feed = feed
        self.index = index
        self._wanted = symbols
        self._lock = threading.Lock()
        self._latest = Latest(feed.log)
        self._freshness: dict[str, SymbolState] = {}
        self._freshness_at = -math.inf
        self.symbols: list[str] = []
        self.columns: list[str] = []
        self.others: list[OtherColumn] = []
        self.is_quoted = False
        self.is_market = True
        self._sent: dict[str, dict[str, Any]] = {}
        self._sparks_version = -1
        # By symbol: column, value, and the direction of its last move.
        self._moves: dict[str, tuple[str, float, int]] = {}
        self._main = "price"
        self._choose(column, window)

    def choose(self, column: str, window: int | str) -> None:
        """Show another column, or another window, from now on."""
        with self._lock:
            self._choose(column, window)

    def _choose(self, column: str, window: int | str) -> None:
        self._wanted_column, self._window = column, window
        self._begin(column)
        self._read()
        self._find_columns()

    def _begin(self, column: str) -> None:
        self._column = column
        self._instruments = Instruments.of(self.feed.log, column)
        self._trends = Trends(self.feed.log, self._instruments, self._window)
        self._sparks_version = -1

    def update(self) -> None:
        """Read the new ticks, and the freshness once a second."""
        feed = self.feed.current
        with self._lock:
            self.feed = feed
            self._read()
            shown = self._list_known()
        freshness = self._read_freshness(feed, shown)
        with self._lock:
            self._freshness = freshness
            self.symbols = self._add_silent(shown)
            self._find_columns()

    def _read_freshness(self, feed: Feed, shown: Sequence[str]) -> dict[str, SymbolState]:
        if feed.status == "stopped":
            return {}  # its symbols would look live for ever
        now_s = time.monotonic()
        if now_s - self._freshness_at < FRESHNESS_INTERVAL_S:
            return self._freshness
        self._freshness_at = now_s
        frame = feed.freshness
        if len(frame) > MAX_ROWS:  # of tens of thousands of symbols, only those with a row
            names, known = frame["symbol"], [*self._latest.dictionaries["symbol"].codes]
            frame = frame[names.isin(shown) | ~names.isin(known)]
        return summarize_freshness(frame)

    def _read(self) -> None:
        log = self.feed.log
        self._latest.update()
        # Of several feeds, not each has the column; then its symbols are shown by what they have.
        has_column = self._latest.numbers(self._wanted_column) is not None
        if (column := self._wanted_column if has_column else "price") != self._column:
            self._begin(column)
        # The instruments learn at least as much as the others have read.
        stop = log.stop
        self._instruments.update(log)
        self._trends.update(stop, time.time_ns())

    def _list_known(self) -> list[str]:
        """Return the symbols with a row that have ticks."""
        feed = self.feed
        known = self._latest.dictionaries["symbol"].codes
        if self._wanted is not None:
            symbols = [symbol for symbol in self._wanted if symbol in known]
        elif feed.symbols is not None:
            symbols = Instruments.of(feed.log).sort(known)
        else:
            symbols = [symbol for symbol in list_present(feed) if symbol in known]
        return symbols[:MAX_ROWS]

    def _add_silent(self, symbols: Sequence[str]) -> list[str]:
        """Return symbols, and behind them those that have no tick yet."""
        known, shown = self._latest.dictionaries["symbol"].codes, set(symbols)
        wanted = None if self._wanted is None else set(self._wanted)
        # They have no tick yet; of a venue, they may be refused.
        silent = [
            symbol
            for symbol in self._freshness
            if symbol not in shown and symbol not in known and (wanted is None or symbol in wanted)
        ]
        return [*symbols, *silent][:MAX_ROWS]

    def _find_columns(self) -> None:
        """Note which columns the rows have."""
        names = [
            name for name in self._latest.values if may_be_value(name) and self._has_numbers(name)
        ]
        if "price" not in names and {"bid", "ask"} <= set(names):
            names.insert(0, "price")  # the middle of the quotes
        self.columns = names
        self.is_quoted = not {"bid", "ask"}.isdisjoint(names)
        mains = {self._instruments.column(symbol) for symbol in self.symbols} or {"price"}
        self.is_market = not mains.isdisjoint(PRICES)
        self._main = "price" if self.is_market else mains.pop() if len(mains) == 1 else ""
        others = [] if self.is_market else [name for name in names if name != self._main]
        units = self.feed.log.units
        self.others = [
            {"column": name, "label": _shorten(name), "unit": units.get(name, "")}
            for name in others[:MAX_OTHERS]
        ]

    def _has_numbers(self, name: str) -> bool:
        numbers = self._latest.numbers(name)
        return numbers is not None and not np.isnan(numbers).all()

    # --- rows ---------------------------------------------------------------------------------

    def collect(self, others: Sequence[str], *, whole: bool) -> tuple[list[DeskRow], list[str]]:
        """Return what has changed since the last call: fields of rows, and ids of rows gone.

        Args:
            others: the further columns of all feeds in the dashboard.
            whole: return all fields of all rows.
        """
        with self._lock:
            if whole:
                self._sent.clear()
                self._sparks_version = -1
            rows = self._make_rows(others)
            gone = [name for name in self._sent if name not in rows]
            for name in gone:
                del self._sent[name]
            changed: list[DeskRow] = []
            for name, row in rows.items():
                sent = self._sent.get(name)
                if sent is None:
                    fields = row
                else:
                    fields = {key: value for key, value in row.items() if sent.get(key) != value}
                    if fields.keys() <= {"age_s"}:
                        continue  # the page counts on
                    fields.pop("age_s", None)
                    if "time_ms" in fields:
                        fields["age_s"] = row["age_s"]
                self._sent[name] = (sent or {}) | row
                changed.append({"id": name, **fields})  # type: ignore[typeddict-item]
            return changed, gone

    def _make_rows(self, others: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return all rows by their ids; sparklines only where they have changed."""
        latest, instruments = self._latest, self._instruments
        known = latest.dictionaries["symbol"].codes
        seen = len(latest.newest_row)
        # A symbol may be known to the log, but not read yet.
        codes_by_symbol = {
            symbol: code
            for symbol in self.symbols
            if (code := known.get(symbol, -1)) >= 0 and code < seen and latest.newest_row[code] >= 0
        }
        names = list(codes_by_symbol)
        codes = np.fromiter(codes_by_symbol.values(), dtype=np.int64, count=len(names))
        rows = {
            self._name_row(symbol): self._describe(symbol, place)
            for place, symbol in enumerate(self.symbols)
        }
        if not names:
            return rows
        values = instruments.newest(latest, codes)
        bid, ask, size = (self._pick(name, codes) for name in ("bid", "ask", "size"))
        # Only while the symbol has quotes and trades is it another number than before the change.
        firsts = self._trends.firsts(codes)
        with np.errstate(divide="ignore", invalid="ignore"):
            changes = (values - firsts) / np.abs(firsts) * 100
        received, times = latest.values["received"][codes], latest.values["time"][codes]
        ages = np.maximum(time.time_ns() - received, 0) / 1e9
        table = zip(
            names,
            values.tolist(),
            _to_numbers(changes.round(4)),
            _to_numbers(bid),
            _to_numbers(ask),
            _to_numbers(ask - bid),
            _to_numbers(size),
            self._trends.rates(codes).round(1).tolist(),
            (times / 1e6).round(1).tolist(),
            ages.round(1).tolist(),
            ((received - times) / 1e6).round(1).tolist(),
            self._find_stale(codes),
            strict=True,
        )
        units = self.feed.log.units
        for symbol, last, change, low, high, spread, amount, rate, at, age, lag, is_stale in table:
            column, decimals = instruments.column(symbol), instruments.decimals(symbol)
            is_number = math.isfinite(last)
            label = "" if column == self._main else _shorten(column)
            if column == "price" and is_number and not instruments.has_traded(known[symbol]):
                label = "mid"
            row = rows[self._name_row(symbol)]
            row |= {
                "column": column,
                "label": label,
                "unit": units.get(column, ""),
                "decimals": decimals,
                "last": last if is_number else None,
                "move": self._find_move(symbol, column, last),
                "change": change,
                "bid": low,
                "ask": high,
                "spread": None if spread is None else round(spread, decimals + 1),
                "size": amount,
                "rate": rate,
                "time_ms": at,
                "age_s": age,
                "is_stale": is_stale,
            }
            if row["lag_ms"] is None:
                row["lag_ms"] = lag
        self._add_others(others, rows, names, codes)
        self._add_sparks(rows, names, codes)
        return rows

    def _name_row(self, symbol: str) -> str:
        return f"{self.index}/{symbol}"

    def _pick(self, name: str, codes: Array) -> Array:
        numbers = self._latest.numbers(name)
        return np.full(len(codes), np.nan) if numbers is None else numbers[codes]

    def _describe(self, symbol: str, place: int) -> dict[str, Any]:
        """Return what is known of a symbol that has no tick yet."""
        state = self._freshness.get(symbol, NOTHING)
        return {
            "feed": self.index,
            "symbol": symbol,
            "place": place,
            "column": self._column,
            "label": "",
            "unit": "",
            "decimals": 0,
            "last": None,
            "move": 0,
            "change": None,
            "bid": None,
            "ask": None,
            "spread": None,
            "size": None,
            "others": [],
            "other_decimals": [],
            "rate": 0.0,
            **state._asdict(),
            "is_stale": False,
        }

    def _find_stale(self, codes: Array) -> list[bool]:
        """Return for each symbol whether its newest tick is from before the newest epoch."""
        runs = self.feed.log.runs
        if len(runs) < 2:
            return [False] * len(codes)
        epochs: list[bool] = (self._latest.values["epoch"][codes] != runs[-1].epoch).tolist()
        return epochs

    def _find_move(self, symbol: str, column: str, value: float) -> int:
        """Return in which direction a value moved last: another column is no move."""
        before_column, before, move = self._moves.get(symbol, (column, value, 0))
        if before_column != column:
            move = 0
        elif value != before and not (math.isnan(value) or math.isnan(before)):
            move = 1 if value > before else -1
        self._moves[symbol] = column, value, move
        return move

    def _add_others(
        self,
        others: Sequence[str],
        rows: Mapping[str, dict[str, Any]],
        names: Sequence[str],
        codes: Array,
    ) -> None:
        for column in others:
            instruments = Instruments.of(self.feed.log, column)
            instruments.update(self.feed.log)
            numbers = _to_numbers(self._pick(column, codes))
            for symbol, number in zip(names, numbers, strict=True):
                row = rows[self._name_row(symbol)]
                row["others"].append(number)
                row["other_decimals"].append(instruments.decimals(symbol))

    def _add_sparks(
        self, rows: Mapping[str, dict[str, Any]], names: Sequence[str], codes: Array
    ) -> None:
        known = {
            symbol for symbol in names if "spark" in self._sent.get(self._name_row(symbol), {})
        }
        if self._trends.version == self._sparks_version and len(known) == len(names):
            return
        self._sparks_version = self._trends.version
        for symbol, values in zip(names, self._trends.sparks(codes), strict=True):
            row = rows[self._name_row(symbol)]
            begins = np.flatnonzero(~np.isnan(values))
            # A mean has more digits than a line of a few pixels can show.
            shown = values[begins[0] :].round(row["decimals"] + 1) if len(begins) else values[:0]
            row["spark"] = _to_numbers(shown)


def _to_numbers(values: Array) -> list[float | None]:
    """Return an array, shape (n,), as JSON has it: null for what is no number."""
    numbers: list[float | None] = values.tolist()
    if not np.isfinite(values).all():
        for index in np.flatnonzero(~np.isfinite(values)).tolist():
            numbers[index] = None
    return numbers


def _shorten(name: str) -> str:
    """Return the name of a column in a few characters: the table needs the room."""
    return name if len(name) <= MAX_NAME_LENGTH else f"{name[: MAX_NAME_LENGTH - 1]}…"
