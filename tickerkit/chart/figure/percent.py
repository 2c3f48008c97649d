"""Percent: which traces are drawn as their change in percent, and the change of their values.

A page computes the percentages of streamed points itself, see percent.js: the base of the change is
the first value in the window, so each percentage changes as the window slides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tickerkit.ticks import Array

__all__ = ["PERCENT", "PERCENT_OF", "compute_change", "find_base_uid"]

# The `meta` of a trace that is drawn as its change; percent.js has both, too. With a uid behind it,
# the change is since the first value of that trace, such as of a moving average with its line.
PERCENT = "percent"
PERCENT_OF = "percent of "
LINE_TYPES = ("scatter", "scattergl")


def find_base_uid(props: Mapping[str, Any]) -> str | None:
    """Return the uid of the trace since whose first value a trace is drawn as its change.

    Args:
        props: properties of the trace.

    Returns:
        None if the trace is drawn as it is.
    """
    meta = props.get("meta")
    if not isinstance(meta, str) or props.get("type", "scatter") not in LINE_TYPES:
        return None
    if meta.startswith(PERCENT_OF):
        return meta.removeprefix(PERCENT_OF)
    return str(props["uid"]) if meta == PERCENT else None


def compute_change(values: Array, of: Array | None = None) -> Array:
    """Return the change of values, shape (n,), in percent.

    Args:
        values: the values.
        of: the change is since the first of these, `values` by default, that is neither NaN nor
            zero; without one all are NaN.
    """
    firsts = values if of is None else of
    usable = firsts[np.isfinite(firsts) & (firsts != 0)]
    base = usable[0] if len(usable) else np.nan
    change: Array = (values - base) / np.abs(base) * 100
    return change
