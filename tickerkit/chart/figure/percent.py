"""Percent: which traces are drawn as their change in percent, and the change of their values.

A page computes the percentages of streamed points itself, see percent.js: the base of the change is
the first value in the window, so each percentage changes as the window slides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tickerkit.ticks import Array

__all__ = ["PERCENT", "compute_change", "is_percent"]

# The `meta` of a trace that is drawn as its change; percent.js has it, too.
PERCENT = "percent"
LINE_TYPES = ("scatter", "scattergl")


def is_percent(props: Mapping[str, Any]) -> bool:
    """Return whether a trace, given by its properties, is drawn as its change."""
    return props.get("meta") == PERCENT and props.get("type", "scatter") in LINE_TYPES


def compute_change(values: Array) -> Array:
    """Return the change of values, shape (n,), since the first one, in percent.

    The first one is the first that is neither NaN nor zero; without one all are NaN.
    """
    usable = values[np.isfinite(values) & (values != 0)]
    base = usable[0] if len(usable) else np.nan
    change: Array = (values - base) / np.abs(base) * 100
    return change
