"""AlertSpec: what an alert watches, checked, from the arguments of `feed.alert`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tickerkit.alerts.bars import OnBars, OwnBarCondition
from tickerkit.alerts.condition import Condition
from tickerkit.alerts.gaps import GapCondition
from tickerkit.alerts.levels import Crossing, Level
from tickerkit.alerts.moves import Move
from tickerkit.alerts.own import OwnCondition
from tickerkit.alerts.silence import Silence
from tickerkit.alerts.view import LAG
from tickerkit.errors import InvalidArgument
from tickerkit.formatting import format_measure
from tickerkit.ticks import NS_PER_S
from tickerkit.ticks.lengths import parse_length_ns
from tickerkit.validation import check_flag, check_number, check_text, parse_symbols

__all__ = ["AlertSpec", "parse_spec"]

CONDITIONS = "above=, below=, crossing=, move= with within=, silence=, gap=True, lag= or when="
MAX_SHOWN_SYMBOLS = 3


@dataclass(frozen=True)
class AlertSpec:
    """What an alert watches. Two alerts with equal specs fire at the same ticks.

    Attributes:
        symbols: the symbols; None for all.
        column: the column of values.
        above: a level; None without one.
        below: a level.
        crossing: a level.
        move: a percentage.
        within_ns: within which time.
        silence_ns: after how long; 0 for a symbol's own pace, None for no alert of silence.
        gap: whether gaps fire.
        lag_s: from which lag on.
        bars_ns: the length of the bars that are judged instead of ticks; None for ticks.
        is_own: whether a function of the user's judges.
        past: whether the ticks held from before count.
    """

    symbols: tuple[str, ...] | None = None
    column: str = "price"
    above: float | None = None
    below: float | None = None
    crossing: float | None = None
    move: float | None = None
    within_ns: int | None = None
    silence_ns: int | None = None
    gap: bool = False
    lag_s: float | None = None
    bars_ns: int | None = None
    is_own: bool = False
    past: bool = False

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels, which a chart of the column can draw."""
        return tuple(each for each in (self.above, self.below, self.crossing) if each is not None)

    @property
    def needs_column(self) -> bool:
        """Whether only ticks with a number in the column are judged."""
        return bool(self.levels) or self.move is not None or self.bars_ns is not None

    def make_conditions(self, when: Callable[..., Any] | None, name: str) -> list[Condition]:
        """Return new conditions.

        Args:
            when: the function of the user's that judges, if `is_own`.
            name: name of the alert, for the texts of `when`.
        """
        found: list[Condition] = []
        if self.above is not None:
            found.append(Level(self.column, self.above))
        if self.below is not None:
            found.append(Level(self.column, self.below, "below"))
        if self.crossing is not None:
            found.append(Crossing(self.column, self.crossing))
        if self.move is not None and self.within_ns is not None:
            within = format_length(self.within_ns)
            found.append(Move(self.column, self.move, self.within_ns, within))
        if self.silence_ns is not None:
            found.append(Silence(self.silence_ns or None))
        if self.gap:
            found.append(GapCondition())
        if self.lag_s is not None:
            found.append(Level(LAG, self.lag_s, "lag"))
        if when is not None and self.bars_ns is not None:
            own: Any = OwnBarCondition(when, self.bars_ns, name)
            found.append(own)
        elif when is not None:
            found.append(OwnCondition(when, name))
        return found if self.bars_ns is None else [OnBars(self.column, self.bars_ns, found)]

    def describe(self) -> str:
        """Return what is watched in a few words: "AAPL > 200"."""
        who = "every symbol"
        if self.symbols is not None:
            more = len(self.symbols) - MAX_SHOWN_SYMBOLS
            who = ", ".join(self.symbols[:MAX_SHOWN_SYMBOLS])
            who += f" and {more:,} more" if more > 0 else ""
        value = who if self.column == "price" else f"{who} {self.column}"
        found = []
        if self.above is not None:
            found.append(f"{value} > {format_measure(self.above)}")
        if self.below is not None:
            found.append(f"{value} < {format_measure(self.below)}")
        if self.crossing is not None:
            found.append(f"{value} crosses {format_measure(self.crossing)}")
        if self.move is not None and self.within_ns is not None:
            found.append(f"{value} moves {self.move:g} % in {format_length(self.within_ns)}")
        if self.silence_ns is not None:
            after = f" {format_length(self.silence_ns)}" if self.silence_ns else ""
            found.append(f"{who} silent{after}")
        if self.gap:
            found.append("gap")
        if self.lag_s is not None:
            found.append(f"{who} lag > {self.lag_s:g} s")
        if self.is_own:
            found.append(f"{who} when")
        bars = "" if self.bars_ns is None else f" on {format_length(self.bars_ns)} bars"
        return " or ".join(found) + bars


def parse_spec(
    symbol: object = None,
    *,
    above: object = None,
    below: object = None,
    crossing: object = None,
    column: object = "price",
    move: object = None,
    within: object = None,
    silence: object = None,
    gap: object = False,
    lag: object = None,
    when: object = None,
    bars: object = None,
    past: object = False,
) -> AlertSpec:
    """Return the spec of an alert; the arguments are those of `feed.alert`.

    Raises:
        InvalidArgument: an argument is invalid, or there is no condition, or more than one.
    """
    check_flag("gap", gap)
    check_flag("past", past)
    symbols = parse_symbols("symbol", symbol)
    check_text("column", column, "the name of a column, such as 'price'")
    levels = {"above": above, "below": below, "crossing": crossing}
    for name, value in levels.items():
        check_number(name, value, -math.inf, optional=True)
        if value is not None and math.isinf(float(value)):  # type: ignore[arg-type]
            raise InvalidArgument(name, value, "a finite number, or None")
    check_number("move", move, 0, 1e6, optional=True)
    if move == 0:
        raise InvalidArgument("move", move, "a percentage above 0, such as 1.5")
    if (move is None) != (within is None):
        name = "within" if within is None else "move"
        expected = "a time such as '5min', beside move=" if within is None else "a percentage"
        raise InvalidArgument(name, None, expected)
    silence_ns = None
    if silence is True:
        silence_ns = 0
    elif silence is not None and silence is not False:
        expected = "True for longer than is usual for the symbol, or a time such as '30s'"
        silence_ns = parse_length_ns("silence", silence, expected, seconds=True)
    check_number("lag", lag, 0, optional=True)
    level = "below" if above is None else "above"  # both together are one condition
    given = {
        level: levels[level],
        "crossing": crossing,
        "move": move,
        "silence": None if silence_ns is None else silence,
        "gap": gap or None,
        "lag": lag,
        "when": when,
    }
    named = [name for name, value in given.items() if value is not None]
    if not named:
        raise InvalidArgument("above", None, f"a condition: {CONDITIONS}")
    if len(named) > 1:
        expected = f"None beside {named[0]}=: an alert has one condition, so make two alerts"
        raise InvalidArgument(named[1], given[named[1]], expected)
    if gap and symbols is not None:
        raise InvalidArgument("symbol", symbol, "None, since a gap concerns all symbols")

    bars_ns = None
    if bars is not None:
        if named[0] in ("silence", "gap", "lag"):
            raise InvalidArgument("bars", bars, f"None, since {named[0]}= is of ticks")
        bars_ns = parse_length_ns("bars", bars, "a time such as '1min', or seconds", seconds=True)

    def number(value: Any) -> float | None:
        return None if value is None else float(value)

    return AlertSpec(
        symbols=None if symbols is None else tuple(dict.fromkeys(symbols)),
        column=str(column),
        above=number(above),
        below=number(below),
        crossing=number(crossing),
        move=number(move),
        within_ns=None if within is None else parse_length_ns("within", within, seconds=True),
        silence_ns=silence_ns,
        gap=bool(gap),
        lag_s=number(lag),
        bars_ns=bars_ns,
        is_own=when is not None,
        past=bool(past),
    )


def format_length(length_ns: int) -> str:
    """Return a length of time: "30 s", "5 min", "2 h"."""
    seconds = length_ns / NS_PER_S
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
