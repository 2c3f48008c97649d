"""BatchBuilder: gathers ticks that come one by one, as dicts, into columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from tickerkit.errors import BadTick
from tickerkit.limits import MAX_COLUMNS, MAX_FIELDS, MAX_TICK_TEXT_LENGTH
from tickerkit.ticks.batch import NO_TIME, Batch, Column, Levels, Side, Text
from tickerkit.ticks.fields import (
    NEVER_NEGATIVE,
    NUMBER_FIELDS,
    OWN_COLUMNS,
    VALUE_FIX,
    MisfitError,
    may_be_column,
    may_be_value,
    number_text,
    price_field,
    read_number,
    read_other,
    read_symbol,
    read_time,
    symbol_field,
)
from tickerkit.ticks.levels import SIDES, best_of, is_levels, read_side
from tickerkit.ticks.numbers import ID_COLUMNS, is_exact_number, to_exact_integer, to_integers

MAX_ERRORS = 10
MAX_PLANS = 1000
MAX_PLAN_CHARACTERS = 4096


@dataclass(slots=True)
class Plan:
    """Which column each key of a tick goes to, for ticks with these keys in this order.

    Why not decide for each tick? The ticks of one source usually have the same keys. With a cached
    plan, a tick costs one dict lookup, and a loop over the keys that are used.

    Attributes:
        symbol: the key of the symbol; None if there is none.
        time: the key of the time; None if there is none.
        numbers: (key, column) of each field that must be a number.
        others: (key, column) of each other field, whose value may be text.
        sides: the keys of the order book's sides, which have levels, or values as other fields.
        dropped: the keys that can't be a column's name.
    """

    symbol: str | None
    time: str | None
    numbers: list[tuple[str, str]]
    others: list[tuple[str, str]]
    dropped: list[str]
    sides: list[str]


class BatchBuilder:
    """Gathers ticks into a batch.

    Attributes:
        count: how many ticks were accepted.
        symbols: the symbol of each accepted tick.
        times: the time of each accepted tick, in epoch ns; `NO_TIME` if it has none.
        values: for each other column, a dict from row to value; rows without a value are absent.
        refused: how many ticks, and levels of ticks, were refused.
        errors: the errors of the first ten of these.
        misfits: for each field, how many values were left out, as in `Batch`.
        books: the order books of the ticks.
    """

    # Shared by all builders, and bounded: a hostile source may change its keys with each tick.
    _plans: ClassVar[dict[tuple[str, ...], Plan]] = {}

    def __init__(self) -> None:
        self.count = 0
        self.symbols: list[str] = []
        self.times: list[int] = []
        self.values: dict[str, dict[int, Any]] = {"price": {}, "size": {}}
        self.refused = 0
        self.errors: list[BadTick] = []
        self.misfits: dict[str, int] = {}
        self.books: list[Levels] = []

    def refuse(self, error: BadTick) -> None:
        """Count what was refused, and keep the error if it is one of the first ten."""
        self.refused += 1
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(error)

    def add(self, tick: Mapping[str, Any]) -> None:
        """Add a tick.

        Its levels (`bids`, `asks`) go to `books`, and the best of them to its columns `bid`,
        `bid_size`, `ask` and `ask_size`, unless it has a `bid` or `ask` itself. A tick that has
        nothing but empty levels is no row. Invalid levels are refused without the tick.

        Raises:
            BadTick: the tick is invalid; none of its values is stored.
        """
        if type(tick) is not dict and not isinstance(tick, Mapping):
            raise BadTick("message", tick, "is not an object", 'send {"symbol": ..., "price": ...}')
        if len(tick) > MAX_FIELDS:
            fix = f"send at most {MAX_FIELDS} fields"
            raise BadTick("message", f"<{len(tick)} fields>", "has too many fields", fix)
        keys = tuple(tick)
        plan = self._plans.get(keys) or self._new_plan(keys)
        if plan.symbol is None:
            raise BadTick("symbol", dict(tick), "is missing", "give each tick its symbol")
        # Read every field before storing any, so that no value of a refused tick is stored, and
        # none that it leaves out is counted.
        symbol = read_symbol(tick[plan.symbol])
        taken: list[tuple[str, Any]] = []
        has_value = False
        for key, name in plan.numbers:
            value = read_number(key, tick[key], never_negative=name in NEVER_NEGATIVE)
            if value is not None:
                taken.append((name, value))
                has_value = has_value or may_be_value(name)
        text_length = 0
        left_out: list[str] = []
        for key, name in plan.others:
            if key in plan.sides and is_levels(tick[key]):
                continue
            try:
                other = read_other(key, tick[key])
                if isinstance(other, str):
                    text_length += len(other)
                    if text_length > MAX_TICK_TEXT_LENGTH:
                        text_length -= len(other)
                        raise MisfitError
            except MisfitError:
                left_out.append(str.__str__(key))
                continue
            if other is not None:
                taken.append((name, other))
                has_value = has_value or (not isinstance(other, str) and may_be_value(key))
        time = NO_TIME if plan.time is None else read_time(tick[plan.time])
        sides = self._read_sides(tick, plan.sides) if plan.sides else {}
        if any(side is not None for side in sides.values()):
            self.books.append(Levels(symbol, sides.get("bids"), sides.get("asks"), time))
            if not any(name in ("bid", "ask") for name, _ in taken):
                best = _find_best(sides)
                taken += best
                has_value = has_value or bool(best)
        if not has_value and sides:
            return
        if not has_value:
            raise BadTick("price", dict(tick), "is missing", VALUE_FIX)
        for name, value in taken:
            if (column := self.values.get(name)) is None:
                # A hostile source may send other fields with each tick; each costs a column.
                if len(self.values) >= MAX_COLUMNS + 2:  # price and size are no further ones
                    self.misfits[name] = self.misfits.get(name, 0) + 1
                    continue
                column = self.values[name] = {}
            column[self.count] = value
        for key in (*left_out, *plan.dropped):
            self.misfits[key] = self.misfits.get(key, 0) + 1
        self.symbols.append(symbol)
        self.times.append(time)
        self.count += 1

    def _read_sides(self, tick: Mapping[str, Any], names: Sequence[str]) -> dict[str, Side | None]:
        """Return the sides that have levels; each is None if a level of the tick is invalid."""
        given = {name: tick[name] for name in names if is_levels(tick[name])}
        sides: dict[str, Side | None] = {}
        try:
            for key, levels in given.items():
                sides[key], too_many = read_side(key, levels)
                self._count_misfits(key, too_many)
        except BadTick as error:
            self.refuse(error)
            return dict.fromkeys(given)
        return sides

    def _new_plan(self, keys: tuple[str, ...]) -> Plan:
        for key in keys:
            if not isinstance(key, str):
                raise BadTick("message", key, "is not a field name", "use text for field names")
        symbol = symbol_field(keys)
        price = price_field(keys)
        sides = [key for key in SIDES if key in keys]
        plan = Plan(symbol, "time" if "time" in keys else None, [], [], [], sides)
        for key in keys:
            name = "price" if key == price else key
            if key in (symbol, plan.time):
                continue
            if name in NUMBER_FIELDS:
                plan.numbers.append((key, name))
            elif not may_be_column(key):
                plan.dropped.append(str.__str__(key))
            else:
                # Without the prefix, the field would overwrite a column that is filled otherwise.
                own = key in OWN_COLUMNS or key in ("symbol", "time")
                plan.others.append((key, f"source_{key}" if own else str.__str__(key)))
        if len(self._plans) < MAX_PLANS and sum(map(len, keys)) < MAX_PLAN_CHARACTERS:
            self._plans[keys] = plan
        return plan

    def batch(self) -> Batch:
        """Return the ticks as columns."""
        columns: dict[str, Column] = {"symbol": Text.of(self.symbols)}
        for name, values in self.values.items():
            columns[name] = self._column(name, values)
        times = np.array(self.times, dtype=np.int64)
        return Batch(
            self.count,
            times,
            columns,
            self.refused,
            self.errors,
            self.misfits,
            books=self.books,
        )

    def _column(self, name: str, values: dict[int, Any]) -> Column:
        """Return a column: of text if its first value is text, otherwise of numbers."""
        if name in ID_COLUMNS:
            return self._integers(name, values, np.zeros(self.count, dtype=np.int64))
        first = next(iter(values.values()), 0.0)
        if isinstance(first, str):
            cells = [values.get(row) for row in range(self.count)]
            return Text.of(v if v is None or isinstance(v, str) else number_text(v) for v in cells)
        # Usually all values are floats, which numpy converts in one call.
        if all(type(value) is float for value in values.values()):
            if len(values) == self.count:
                return np.array(list(values.values()))
            array = np.full(self.count, np.nan)
            array[list(values)] = list(values.values())
            return array
        # As in a log: whole numbers become int64 when one comes that a float64 can't hold.
        large = next((row for row, value in values.items() if type(value) is int), None)
        if large is not None:
            earlier = {row: value for row, value in values.items() if row < large}
            later = {row: value for row, value in values.items() if row >= large}
            floats = self._floats(earlier, large)
            if (whole := to_integers(floats)) is not None:
                self._count_misfits(name, len(earlier) - int((~np.isnan(floats)).sum()))
                array = np.zeros(self.count, dtype=np.int64)
                array[:large] = whole
                return self._integers(name, later, array)
        floats = self._floats(values, self.count)
        self._count_misfits(name, len(values) - int((~np.isnan(floats)).sum()))
        return floats

    def _floats(self, values: dict[int, Any], count: int) -> npt.NDArray[np.float64]:
        """Return values as floats, shape (count,): NaN for none, and for what no float64 holds."""
        array = np.full(count, np.nan)
        for row, value in values.items():
            if isinstance(value, float) or (isinstance(value, str) and is_exact_number(value)):
                array[row] = float(value)
        return array

    def _integers(
        self, name: str, values: dict[int, Any], array: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """Put values into a column of int64, and return it."""
        for row, value in values.items():
            number = to_exact_integer(value)
            self._count_misfits(name, number is None)
            array[row] = number or 0
        return array

    def _count_misfits(self, name: str, count: int) -> None:
        if count:
            self.misfits[name] = self.misfits.get(name, 0) + count


def _find_best(sides: Mapping[str, Side | None]) -> list[tuple[str, float]]:
    """Return the best bid and ask and their sizes, as far as there are some, by column."""
    (bid, bid_size), (ask, ask_size) = (best_of(sides.get(name)) for name in SIDES)
    named = {"bid": bid, "bid_size": bid_size, "ask": ask, "ask_size": ask_size}
    return [(name, value) for name, value in named.items() if value is not None]
