"""The log: ticks in the order in which they came, and readers that each hold a position in it."""

from tickerkit.log.rows import Rows
from tickerkit.log.tick_log import FIXED, Reader, TickLog

__all__ = ["FIXED", "Reader", "Rows", "TickLog"]
