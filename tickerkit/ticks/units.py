"""Units: the constants of times and numbers, which all rooms share."""

from __future__ import annotations

import pandas as pd

__all__ = ["MAX_EXACT_INT", "NS_PER_S", "TIME_COLUMNS", "UTC_NS"]

# Times are integers of nanoseconds since 1970 UTC, in the log, on the wire and in files.
NS_PER_S = 10**9
UTC_NS = pd.DatetimeTZDtype("ns", "UTC")
TIME_COLUMNS = ("time", "received")

# Up to here a float64 is exactly the integer that it was made from, in every language: JSON's
# numbers are floats in most of them.
MAX_EXACT_INT = 2**53
