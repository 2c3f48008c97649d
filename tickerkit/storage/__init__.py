"""Where ticks come to rest."""

from tickerkit.storage.csv.api import read_csv, write_csv
from tickerkit.storage.csv.append import CsvFile
from tickerkit.storage.csv.encode import csv_lines
from tickerkit.storage.frames.read import load_raw
from tickerkit.storage.frames.write import write_raw
from tickerkit.storage.parquet import read_parquet, write_parquet
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
