"""Indicator specs: which indicator with which parameters, and how a chart shows its columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tickerkit.bars.indicators.formula import StepFormula, WindowFormula
from tickerkit.bars.indicators.library import LibraryFormula
from tickerkit.bars.indicators.own import OwnClass, OwnFunction

__all__ = ["Formula", "IndicatorSpec"]

Formula = StepFormula | WindowFormula | OwnClass | OwnFunction | LibraryFormula


@dataclass(frozen=True, slots=True)
class IndicatorSpec:
    """An indicator with its parameters.

    Two specs of the same text and formula are one indicator.

    Attributes:
        text: its name and parameters: "bbands(20, 2)"; of your own, its name.
        columns: the names of its columns in a frame of bars: the text alone, or the text, a space
            and a further word for each of several, such as "bbands(20, 2) upper". A function of
            your own that returns a frame without saying its columns before has other columns:
            `find_columns` finds them.
        pane: "price" if it is drawn over the price, "own" if in a pane of its own.
        levels: where a pane of its own has lines, such as 30 and 70.
        style: how a chart draws each column: "line", "band", "bars" or "dots".
        description: what it is, in a few words.
        formula: how it is computed.
    """

    text: str
    columns: tuple[str, ...]
    pane: str
    levels: tuple[float, ...]
    style: Mapping[str, str]
    description: str
    formula: Formula

    def find_columns(self, names: Iterable[str]) -> list[str]:
        """Return those names of columns that are of this indicator, in their order."""
        return [name for name in names if name == self.text or name.startswith(f"{self.text} ")]
