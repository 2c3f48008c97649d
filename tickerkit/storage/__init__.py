"""Storage: ticks in files, as CSV, Parquet and JSON lines, and raw frames of websockets."""

from tickerkit.storage.csv.append import CsvFile
from tickerkit.storage.csv.read import read_csv
from tickerkit.storage.csv.text import csv_lines
from tickerkit.storage.csv.write import write_csv
from tickerkit.storage.jsonl import write_jsonl
from tickerkit.storage.missing import read_gaps
from tickerkit.storage.parquet.read import read_parquet
from tickerkit.storage.parquet.write import write_parquet
from tickerkit.storage.recording import Recording, load

__all__ = [
    "CsvFile",
    "Recording",
    "csv_lines",
    "load",
    "read_csv",
    "read_gaps",
    "read_parquet",
    "write_csv",
    "write_jsonl",
    "write_parquet",
]
