"""Ticks as CSV: written, appended to, and read back, files of other programs included."""
