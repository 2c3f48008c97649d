"""Units: the constants of times, shared by all of tickerkit."""

from __future__ import annotations

import pandas as pd

__all__ = ["NS_PER_S", "TIME_COLUMNS", "UTC_NS"]

# Times are integers of nanoseconds since 1970 UTC, in the log, on the wire and in files.
NS_PER_S = 10**9
UTC_NS = pd.DatetimeTZDtype("ns", "UTC")
TIME_COLUMNS = ("time", "received")
