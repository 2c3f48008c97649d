"""Storage: ticks in files, as CSV, Parquet and JSON lines, and raw frames of websockets.

reading     `scan` gives a recording piece by piece, by the `reader` of its format; `chain` and
            `partition_reader` join the readers of several files, and `unfinished` adds the newest
            rows of a Parquet file that grows. `recording` loads all pieces.
about       `content`, `sidecar`: what a file says about its rows; `extent`: how far these reach.
            `outline` finds both without the rows.
folders     `paths`, `partitions`, `between_files`: names, layouts and order of the files.
            `read`, `dataset`, `sql`, `missing`: a folder as a frame, as tables, its gaps.
recording   `recording_writer`, `pipe_writer`, `csv.append`, `parquet.growing`; `earlier_files`
            and `finished_files`: what earlier runs have left.
writing     `output` writes ticks that come piece by piece in any format, and a `tally` of them.
converting  `convert` selects; `merge` and `sorting` order; `split` lays out; `coverage` finds the
            gaps that another recording fills.
checking    `verify` reads the rows, with `seqs`; `quick` reads none; `whole` sums up a folder.
"""

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
