"""Catalogue: the indicators that tickerkit has, with their parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from tickerkit.bars.indicators import steps, stops, windows
from tickerkit.bars.indicators.formula import StepFormula, WindowFormula
from tickerkit.bars.indicators.spec import IndicatorSpec
from tickerkit.errors import InvalidArgument
from tickerkit.ticks.lengths import parse_length_ns

__all__ = ["CATALOGUE", "Definition", "Parameter", "indicators"]

MAX_PERIOD = 10_000
MAX_WIDTH = 1_000.0


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an indicator: a number, or, if its default is text, a length of time.

    Attributes:
        name: its name, by which it can be given: "bbands(20, width=2.5)".
        default: what it is if it isn't given. Whole if only whole numbers are accepted.
        minimum: the smallest number accepted.
    """

    name: str
    default: float | str
    minimum: float = 1

    @property
    def maximum(self) -> float:
        """The largest number accepted."""
        return MAX_PERIOD if isinstance(self.default, int) else MAX_WIDTH

    @property
    def expected(self) -> str:
        """What it accepts, in words."""
        if isinstance(self.default, str):
            return f"a time for {self.name}, such as '1h' or '1D'"
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        return f"{kind} from {self.minimum:g} to {self.maximum:g} for {self.name}"

    def parse(self, text: str) -> float | str:
        """Return the value that text gives.

        Raises:
            InvalidArgument: it isn't accepted.
        """
        if isinstance(self.default, str):
            text = text.strip("'\"")
            if text.endswith("d"):
                text = f"{text[:-1]}D"  # pandas wants a day to be written so
            parse_length_ns("indicators", text, self.expected)
            return text
        try:
            value = int(text) if isinstance(self.default, int) else float(text)
        except ValueError:
            value = self.minimum - 1
        if not self.minimum <= value <= self.maximum:  # also NaN
            raise InvalidArgument("indicators", text, self.expected)
        return value


@dataclass(frozen=True, slots=True)
class Definition:
    """An indicator of the catalogue.

    Attributes:
        name: its name.
        description: what it is, in a few words.
        make: returns its formula; takes the parameters, a length of time in ns.
        parameters: what can be given, in order.
        columns: the last word of each column's name; empty if it has only one column.
        pane: "price" or "own", see `IndicatorSpec`.
        levels: where a pane of its own has lines.
        styles: how each column is drawn.
    """

    name: str
    description: str
    make: Callable[..., WindowFormula | StepFormula]
    parameters: tuple[Parameter, ...] = ()
    columns: tuple[str, ...] = ()
    pane: str = "own"
    levels: tuple[float, ...] = ()
    styles: tuple[str, ...] = ("line",)

    def spec(self, values: tuple[float | str, ...] | None = None) -> IndicatorSpec:
        """Return the indicator with these values of all its parameters; by default, the defaults.

        Raises:
            InvalidArgument: the values don't go together, such as a slow period below the fast one.
        """
        if values is None:
            values = tuple(each.default for each in self.parameters)
        text = self.name
        # A session of a day is left out: that is what "vwap" alone means.
        if values and not (isinstance(values[0], str) and values[0] == self.parameters[0].default):
            text += f"({_format_values(values)})"
        columns = tuple(f"{text} {column}" for column in self.columns) or (text,)
        arguments = (
            parse_length_ns("indicators", each) if isinstance(each, str) else each
            for each in values
        )
        style = dict(zip(columns, self.styles, strict=True))
        formula = self.make(*arguments)
        return IndicatorSpec(
            text, columns, self.pane, self.levels, style, self.description, formula
        )


def _format_values(values: tuple[float | str, ...]) -> str:
    return ", ".join(each if isinstance(each, str) else f"{each:.12g}" for each in values)


def _period(default: int, minimum: int = 1, name: str = "period") -> Parameter:
    return Parameter(name, default, minimum)


_WIDTH = Parameter("width", 2.0, 0.0)
_CHANNEL = ("upper", "middle", "lower")
_BAND = ("band", "line", "band")

CATALOGUE = {
    each.name: each
    for each in (
        Definition("sma", "simple moving average", windows.sma, (_period(20),), pane="price"),
        Definition("ema", "exponential moving average", steps.ema, (_period(20),), pane="price"),
        Definition("wma", "weighted moving average", windows.wma, (_period(20),), pane="price"),
        Definition(
            "vwap",
            "average price of a session, weighted by volume",
            steps.vwap,
            (Parameter("session", "1D"),),
            pane="price",
        ),
        Definition(
            "bbands",
            "Bollinger bands: average and standard deviations",
            windows.bbands,
            (_period(20, 2), _WIDTH),
            _CHANNEL,
            "price",
            styles=_BAND,
        ),
        Definition(
            "keltner",
            "Keltner channel: ema and average true ranges",
            steps.keltner,
            (_period(20), _WIDTH, _period(10, name="atr_period")),
            _CHANNEL,
            "price",
            styles=_BAND,
        ),
        Definition(
            "donchian",
            "Donchian channel: highest high and lowest low",
            windows.donchian,
            (_period(20),),
            _CHANNEL,
            "price",
            styles=_BAND,
        ),
        Definition(
            "psar",
            "parabolic stop and reverse",
            stops.psar,
            (Parameter("step", 0.02, 0.0), Parameter("limit", 0.2, 0.0)),
            pane="price",
            styles=("dots",),
        ),
        Definition(
            "supertrend",
            "stop that follows the trend, by true ranges",
            stops.supertrend,
            (_period(10), Parameter("width", 3.0, 0.0)),
            pane="price",
        ),
        Definition("atr", "average true range", steps.atr, (_period(14),)),
        Definition("rsi", "relative strength index", steps.rsi, (_period(14, 2),), levels=(30, 70)),
        Definition(
            "macd",
            "moving average convergence and divergence",
            steps.macd,
            (_period(12, name="fast"), _period(26, 2, "slow"), _period(9, name="signal")),
            ("line", "signal", "histogram"),
            levels=(0,),
            styles=("line", "line", "bars"),
        ),
        Definition(
            "stoch",
            "stochastic oscillator",
            steps.stoch,
            (_period(14), _period(3, name="smooth"), _period(3, name="signal")),
            ("k", "d"),
            levels=(20, 80),
            styles=("line", "line"),
        ),
        Definition(
            "cci", "commodity channel index", windows.cci, (_period(20, 2),), levels=(-100, 100)
        ),
        Definition("adx", "average directional index", steps.adx, (_period(14, 2),), levels=(25,)),
        Definition("obv", "on-balance volume", steps.obv),
        Definition("roc", "rate of change in percent", windows.roc, (_period(10),), levels=(0,)),
        Definition("stddev", "standard deviation of the closes", windows.stddev, (_period(20, 2),)),
        Definition(
            "zscore",
            "distance from the average in standard deviations",
            windows.zscore,
            (_period(20, 2),),
            levels=(-2, 2),
        ),
        Definition(
            "rvol",
            "realised volatility: sqrt(sum(log returns ** 2))",
            windows.rvol,
            (_period(20),),
        ),
    )
}


def indicators() -> pd.DataFrame:
    """Return the indicators that `feed.bars` and `feed.chart` compute.

    Returns:
        A DataFrame, indexed by the indicator's name: `example` (what to pass, with all defaults),
        `parameters` (their names), `columns` (what it adds to the bars), `pane` ("price": drawn
        over the price; "own": in a pane of its own), and `description`.

    Example:
        >>> tk.indicators().loc["bbands", "columns"]
        >>> feed.bars("1min", "AAPL", indicators=["bbands(20, 2)", "rsi(14)"])
    """
    specs = [each.spec() for each in CATALOGUE.values()]
    table = {
        "example": [each.text for each in specs],
        "parameters": [
            ", ".join(parameter.name for parameter in each.parameters)
            for each in CATALOGUE.values()
        ],
        "columns": [", ".join(each.columns) for each in specs],
        "pane": [each.pane for each in specs],
        "description": [each.description for each in specs],
    }
    return pd.DataFrame(table, index=pd.Index(list(CATALOGUE), name="indicator"))
