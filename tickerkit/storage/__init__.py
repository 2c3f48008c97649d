"""Where ticks come to rest."""

from tickerkit.storage.appending import CsvFile
from tickerkit.storage.csv import csv_lines, read_csv, write_csv
from tickerkit.storage.framing import write_raw
from tickerkit.storage.parquet import read_parquet, write_parquet
from tickerkit.storage.raw import load_raw
from tickerkit.storage.recording import Recording, load, read_gaps

__all__ = [
    "CsvFile",
    "Recording",
    "csv_lines",
    "load",
    "load_raw",
    "read_csv",
    "read_gaps",
    "read_parquet",
    "write_csv",
    "write_parquet",
    "write_raw",
]
