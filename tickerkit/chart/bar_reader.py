"""BarReader: reads the bars of one symbol, with indicators, from the oldest one that changed on."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tickerkit.bars import interval_ns
from tickerkit.chart.instruments import Instruments
from tickerkit.log import Rows
from tickerkit.ticks import Array

if TYPE_CHECKING:
    from tickerkit.bars import IndicatorSpec
    from tickerkit.feed import Feed

__all__ = ["BarReader"]

# Of `Feed.bars`: the middle of bid and ask.
MID = "mid"


class BarReader:
    """Reads the bars of one symbol of a feed, and indicators of these bars.

    While the symbol has only quotes, the bars are those of the middle of bid and ask; while it has
    no price at all, of its first number.

    Args:
        feed: the feed.
        symbols: the first is read; None for the first symbol that the present server has.
        column: the column whose bars these are.
        bar: length of a bar, such as "5s", or in seconds.
        indicators: which indicators to compute.

    Attributes:
        symbol: what is read; None until there is a tick if no symbol was asked for.
        error: what an indicator of the user's own has raised at the last reading, or None.
    """

    def __init__(
        self,
        feed: Feed,
        symbols: Sequence[str] | None,
        column: str,
        bar: str | float,
        indicators: Sequence[IndicatorSpec] = (),
    ) -> None:
        self._feed, self._log = feed, feed.log
        self._instruments = Instruments.of(feed.log, column)
        self.symbol = symbols[0] if symbols else None
        self._bar, self._length = bar, interval_ns(bar, "bar")
        self._indicators = indicators
        self._is_begun = False
        self.error: Exception | None = None

    def read(self, rows: Rows) -> Mapping[str, Array] | None:
        """Return the bars that new rows changed, and all later ones; None if none changed.

        Args:
            rows: the new rows of the log.

        Returns:
            The columns of the bars, each of shape (bars,): `time` in ns, `open`, `high`, `low`,
            `close`, `volume`, `ticks`, and those of the indicators.
        """
        if not len(rows):
            return None
        self._instruments.update(self._log)
        if self.symbol is None:
            self.symbol = self._choose_symbol(rows)
        if not (codes := self._log.symbol_codes(self.symbol)):
            return None
        [code] = codes
        times = rows.array("time")[rows.array("symbol") == code]
        if not len(times):
            return None
        value = self._choose_value(code)
        if value != MID and rows.numbers(value) is None:
            return None  # no tick has had this column yet
        # A late tick changes an older bar, and the indicators from that bar on.
        since = int(times.min()) // self._length * self._length if self._is_begun else None
        bars = self._compute(self.symbol, value, since)
        if not len(bars["time"]):
            return None
        self._is_begun = True
        return bars

    def _compute(self, symbol: str, value: str, since: int | None) -> Mapping[str, Array]:
        """Return bars; without those indicators of the user's own that raise an error."""

        def compute(specs: Sequence[IndicatorSpec]) -> Mapping[str, Array]:
            return self._feed.bar_arrays(self._bar, symbol, value, specs, since)

        self.error = None
        try:
            return compute(self._indicators)
        except Exception as error:
            self.error = error
        bars = dict(compute(()))
        for spec in self._indicators:
            with contextlib.suppress(Exception):
                bars |= compute([spec])
        # A tick that came meanwhile may have begun another bar.
        count = min(len(column) for column in bars.values())
        return {name: column[:count] for name, column in bars.items()}

    def _choose_value(self, code: int) -> str:
        """Return the column whose bars these are."""
        column = self._instruments.column(self.symbol or "")
        if column == "price" and not self._instruments.has_traded(code):
            return MID
        return column

    def _choose_symbol(self, rows: Rows) -> str:
        """Return the first symbol, of those that are not past and have values, if there are any."""
        past = self._feed.past_symbols()
        codes = rows.array("symbol")[~np.isnan(self._instruments.values(rows))]
        words = rows.dictionaries["symbol"].words
        present = {words[code] for code in np.unique(codes).tolist()}
        names = self._instruments.sort(self._log.symbols())
        return min(names, key=lambda name: (name in past, name not in present))
