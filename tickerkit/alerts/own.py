"""OwnCondition: a user's function, which returns for each tick whether a condition holds."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Any

import numpy as np
import pandas as pd

from tickerkit.alerts.condition import NOTHING, Firing
from tickerkit.alerts.view import LastValues, View, find_changes
from tickerkit.errors import InvalidArgument
from tickerkit.formatting import format_count, format_value
from tickerkit.ticks import Array

__all__ = ["OwnCondition", "read_truth"]


class OwnCondition:
    """Fires when what a function returns becomes true for a symbol.

    Args:
        function: called with a frame of ticks; returns a truth value for each row.
        name: what to call the condition in texts.
    """

    sees_all = False

    def __init__(self, function: Callable[[pd.DataFrame], Any], name: str) -> None:
        self.function, self.name = function, name
        self._last = LastValues()

    def judge(self, view: View, codes: Set[int] | None) -> list[Firing]:
        """Return where the condition becomes true, see `Condition`.

        Raises:
            Exception: the function raises it.
            InvalidArgument: it does not return a truth value for each row.
        """
        frame, symbols = view.rows.frame(), view.codes
        places = np.arange(len(frame))
        if codes is not None:
            places = np.flatnonzero(np.isin(symbols, list(codes)))
            if not len(places):
                return NOTHING
            frame, symbols = frame.take(places).reset_index(drop=True), symbols[places]
        truth = read_truth(self.function, self.function(frame), len(frame))
        changes = find_changes(symbols, truth, self._last)
        hits = np.flatnonzero((changes.values > 0) & (changes.before <= 0))
        text = f"meets {self.name}"
        return [
            Firing(int(places[changes.places[each]]), "when", int(changes.codes[each]), 1.0, text)
            for each in hits.tolist()
        ]


def read_truth(function: object, result: object, count: int) -> Array:
    """Return the truth value of each row as 0 or 1, NaN where it is missing, (N,).

    Args:
        function: the function that was called, for the error.
        result: what it returned.
        count: how many rows it got: N.

    Raises:
        InvalidArgument: it did not return a truth value for each row.
    """
    series = pd.Series(result) if isinstance(result, list | tuple | np.ndarray) else result
    if isinstance(series, bool | np.bool_) and count == 1:
        series = pd.Series([bool(series)])
    if not isinstance(series, pd.Series) or len(series) != count:
        expected = (
            "a function that returns a truth value for each row of the frame that it gets; "
            f"it returned {format_value(result)} for {format_count(count, 'row')}"
        )
        raise InvalidArgument("when", function, expected)
    found: Array = series.astype("Float64" if series.isna().any() else float).to_numpy(
        dtype=float, na_value=np.nan
    )
    return found
