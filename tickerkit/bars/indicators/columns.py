"""Columns: the values of one indicator for each bar of a series, kept up to date."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Protocol

import numpy as np
import pandas as pd

from tickerkit.bars.indicators.formula import StepFormula, WindowFormula
from tickerkit.bars.indicators.library import LibraryFormula
from tickerkit.bars.indicators.own import Bar, OwnClass, OwnFunction
from tickerkit.bars.indicators.spec import IndicatorSpec
from tickerkit.ticks import Array

__all__ = ["CHECKPOINT_BARS", "IndicatorColumns"]

# A state is kept for each bar whose number is a multiple of this: a late tick goes back to one.
CHECKPOINT_BARS = 256
# Windows computed at a time: few enough for their copies to stay in the processor's cache.
BLOCK_WINDOWS = 4_096
# Fewer windows than this are computed one by one: to lay out the windows of many takes longer.
FEW_WINDOWS = 4

Values = list[tuple[float, ...]]


class Series(Protocol):
    """What columns are computed from, see `BarSeries`."""

    symbol: str
    start: int
    stop: int
    arrays: dict[str, Array]

    def frame(self, indices: Array) -> pd.DataFrame:
        """Return some of the bars as a frame."""


class IndicatorColumns:
    """The columns of an indicator, for each bar of a series.

    Only the values that changed are computed again: those from the first changed bar on. A formula
    with a state continues from the state before that bar. It is kept for the last bar, which each
    tick changes, and for every 256th bar.

    Args:
        spec: the indicator.
        start: the number of the first bar held.

    Attributes:
        start: the number of the bar at index 0.
        values: each column, by name, shape (capacity,), float64.
        valid: the number of the first bar whose value is unknown.
        lookback: how many bars before a bar its value is computed from, besides the state.
    """

    def __init__(self, spec: IndicatorSpec, start: int) -> None:
        self.spec = spec
        self.start = start
        self.values: dict[str, Array] = {name: np.empty(0) for name in spec.columns}
        self.lookback = 0
        self.valid = start
        self._capacity = 0
        self._numbers: list[int] = [start]
        self._states: list[Any] = [None]
        self._made: Any = None  # talipp's object
        self._added = start  # the number of the bar that it gets next
        formula = spec.formula
        if isinstance(formula, WindowFormula):
            self.lookback = formula.length - 1
        elif isinstance(formula, StepFormula):
            self._states = [formula.start]
        elif isinstance(formula, OwnClass):
            self._states = [formula.make()]
        elif isinstance(formula, LibraryFormula):
            self._made = formula.make()

    def forget(self, number: int) -> None:
        """Take the values from this bar on as unknown: its prices changed, or it is new."""
        self.valid = min(self.valid, number)

    def trim(self, start: int) -> None:
        """Drop the bars before `start`, a multiple of 256."""
        count = start - self.start
        self.values = {name: each[count:].copy() for name, each in self.values.items()}
        self._capacity = max(self._capacity - count, 0)
        if self._made is not None:
            self._made.purge_oldest(count)
        place = bisect_left(self._numbers, start)
        del self._numbers[:place], self._states[:place]
        self.start = start

    def update(self, series: Series) -> None:
        """Compute the values that are unknown."""
        stop = series.stop
        if self.valid >= stop:
            return
        size = stop - self.start
        formula = self.spec.formula
        if isinstance(formula, OwnFunction):
            found = formula.compute(series.frame(np.arange(size)))
            self.values = {name: each.copy() for name, each in found.items()}
            self.valid = stop
            return
        if size > self._capacity:
            self._capacity = max(size, 2 * self._capacity, 16)
            for name, old in self.values.items():
                self.values[name] = np.empty(self._capacity)
                self.values[name][: len(old)] = old
        if isinstance(formula, WindowFormula):
            self._compute_windows(series, formula, self.valid - self.start, size)
        elif isinstance(formula, LibraryFormula):
            self._compute_by_library(series, formula)
        else:
            self._compute_steps(series, formula)
        self.valid = stop

    def _compute_windows(
        self, series: Series, formula: WindowFormula, begin: int, end: int
    ) -> None:
        """Compute the values of the bars at index `begin` to `end`."""
        inputs = [series.arrays[name] for name in formula.inputs]
        columns = list(self.values.values())
        before = formula.length - 1
        if begin < before:
            for column in columns:
                column[begin : min(before, end)] = np.nan
            begin = before
        if end - begin < FEW_WINDOWS:
            for index in range(begin, end):
                window = [each[index - before : index + 1] for each in inputs]
                for column, value in zip(columns, formula.compute(*window), strict=True):
                    column[index] = value
            return
        for first in range(begin, end, BLOCK_WINDOWS):
            last = min(first + BLOCK_WINDOWS, end)
            windows = [
                np.lib.stride_tricks.sliding_window_view(each[first - before : last], before + 1)
                for each in inputs
            ]
            for column, block in zip(columns, formula.compute(*windows), strict=True):
                column[first:last] = block

    def _compute_by_library(self, series: Series, formula: LibraryFormula) -> None:
        """Remove the bars that changed, and add them again."""
        while self._added > self.valid:
            self._added -= 1
            self._made.remove()
        while self._added < series.stop:
            index = self._added - self.start
            self._added += 1
            values = formula.add(self._made, series.arrays, index)
            for column, value in zip(self.values.values(), values, strict=True):
                column[index] = value

    def _compute_steps(self, series: Series, formula: StepFormula | OwnClass) -> None:
        """Continue from the last valid state, and keep the states that may be needed again."""
        numbers, states, stop = self._numbers, self._states, series.stop
        while numbers[-1] > self.valid:
            del numbers[-1], states[-1]
        number = numbers[-1]
        while number < stop:
            end = min(number // CHECKPOINT_BARS * CHECKPOINT_BARS + CHECKPOINT_BARS, stop)
            if end == stop and number < stop - 1:
                end = stop - 1  # the next tick revises the last bar: keep the state before it
            begin, size = number - self.start, end - number
            if isinstance(formula, OwnClass):
                state, values = _step_own(formula, states[-1], series, begin, size)
            else:
                state, values = _step(formula, states[-1], series, begin, size)
            if size == 1:
                for column, value in zip(self.values.values(), values[0], strict=True):
                    column[begin] = value
            else:
                block = np.array(values)
                for place, column in enumerate(self.values.values()):
                    column[begin : begin + size] = block[:, place]
            number = end
            numbers.append(number)
            states.append(state)
            if len(numbers) > 3 and numbers[-3] % CHECKPOINT_BARS and numbers[-3] < stop - 1:
                del numbers[-3], states[-3]


def _step(
    formula: StepFormula, state: Any, series: Series, begin: int, size: int
) -> tuple[Any, Values]:
    """Take the steps of the bars from index `begin` on."""
    step, inputs = formula.step, [series.arrays[name] for name in formula.inputs]
    if size == 1:
        state, value = step(state, *[each.item(begin) for each in inputs])
        return state, [value]
    values = []
    for bar in zip(*[each[begin : begin + size].tolist() for each in inputs], strict=True):
        state, value = step(state, *bar)
        values.append(value)
    return state, values


def _step_own(
    formula: OwnClass, state: Any, series: Series, begin: int, size: int
) -> tuple[Any, Values]:
    """Give a user's object the bars from index `begin` on: to a copy, so that the state holds."""
    own, values = formula.copy(state), []
    names = Bar._fields[1:-1]
    columns = [series.arrays[name][begin : begin + size].tolist() for name in ("time", *names)]
    for time, *prices in zip(*columns, strict=True):
        bar = Bar._make((pd.Timestamp(time, tz="UTC"), *prices, series.symbol))
        values.append(formula.read(own.update(bar)))
    return own, values
