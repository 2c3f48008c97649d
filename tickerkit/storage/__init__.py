"""Where ticks come to rest."""

from tickerkit.storage.csv import csv_lines, read_csv, write_csv
from tickerkit.storage.recording import Recording, load

__all__ = ["Recording", "csv_lines", "load", "read_csv", "write_csv"]
