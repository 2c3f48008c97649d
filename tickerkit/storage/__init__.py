"""Where ticks come to rest."""

from tickerkit.storage.csv import csv_lines, read_csv, write_csv

__all__ = ["csv_lines", "read_csv", "write_csv"]
