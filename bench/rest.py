"""Ticks in files: writing, reading, and the cost of a recording: `python -m bench.rest`.

export  rows/s of a log's frame of 1,000,000 ticks, into CSV, plain and compressed, and into
        Parquet, against pandas (and pyarrow's CSV writer). Each file is read back and must give an
        identical frame
load    rows/s read from these files, against pandas. Without arguments `pandas.read_csv` returns
        another frame: times and symbols are text. With all types given, it returns the same one.
        Three times as many runs
record  the cost of `feed.record` for a feed of 100,000 ticks/s, in a separate process: processor
        time of the receiving thread for each tick; ticks received; how late they reach the log.
        Every recording is read back. Then the same for a feed at full speed

Files are in memory (/dev/shm) if the system has that, else in the folder for temporary files.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

import tickerkit as tk
from bench import steady
from bench.child import Child
from bench.report import Report, in_turn, options
from bench.rest_side import KINDS, WITHOUT, folder
from tickerkit import storage
from tickerkit.log import TickLog
from tickerkit.ticks import Batch, Text

ROWS = 1_000_000
BATCH = 1_000
SYMBOLS = ["AAPL", "IBM", "MSFT", "QQQ", "SPY"]
BEGIN_NS = 1_763_000_000 * 10**9
RATE = 100_000
MAX_COST = 10
AGAIN = "without a recorder, again"
LOADS = 3  # each is short, and what else the machine does is not
TEXT = "pandas.read_csv without arguments (another frame: times are text)"
SAME = "pandas.read_csv asked for the same frame"
ARROW = "pandas.read_csv, engine=pyarrow (another frame: symbols are text)"
Timed = dict[str, Callable[[], float]]


# --- writing and reading ----------------------------------------------------------------------


def ticks(count: int) -> pd.DataFrame:
    """Return a feed's log with `count` ticks, received 1,000 at a time."""
    chance = np.random.default_rng(7)
    time_ns = BEGIN_NS + np.sort(chance.integers(0, count * 10**9 // RATE, count))
    price = (18_000 + np.round(chance.standard_normal(count).cumsum())) / 100
    size = chance.integers(1, 500, count).astype(float)
    symbol = Text(chance.integers(0, len(SYMBOLS), count).astype(np.int32), SYMBOLS)
    batch = Batch(count, time_ns, {"symbol": symbol, "price": price, "size": size})
    log = TickLog(count)
    for start in range(0, count, BATCH):
        some = batch.part(start, start + BATCH)
        log.append(some, received=int(some.time[-1]) + 10**6)
    return log.frame()


def by_arrow(frame: pd.DataFrame, path: Path) -> None:
    pyarrow.csv.write_csv(pa.Table.from_pandas(frame, preserve_index=False), path)


def the_same(path: Path) -> pd.DataFrame:
    """Have pandas return the frame that `read_csv` returns for a recording."""
    return pd.read_csv(
        path,
        parse_dates=["time", "received"],
        dtype={"symbol": "category", "epoch": "category", "price": "float64", "size": "float64"},
        keep_default_na=False,
        na_values={"price": [""], "size": [""]},
    )


def writers(frame: pd.DataFrame, place: Path) -> dict[str, Timed]:
    """Return the writers by format: ours first, then those it is compared with."""

    def timed(write: Callable[[Path], object], name: str) -> Callable[[], float]:
        def run() -> float:
            path = place / name
            path.unlink(missing_ok=True)
            begin = time.perf_counter()
            write(path)
            return time.perf_counter() - begin

        return run

    def csv(path: Path) -> object:
        return storage.write_csv(frame, path, mode="overwrite")

    def parquet(path: Path) -> object:
        return storage.write_parquet(frame, path, mode="overwrite")

    def pandas_csv(path: Path) -> object:
        return frame.to_csv(path, index=False)

    return {
        "CSV": {
            "write_csv": timed(csv, "ours.csv"),
            "DataFrame.to_csv": timed(pandas_csv, "pandas.csv"),
            "pyarrow's write_csv": timed(lambda path: by_arrow(frame, path), "arrow.csv"),
        },
        "CSV, gzip": {
            "write_csv": timed(csv, "ours.csv.gz"),
            "DataFrame.to_csv": timed(pandas_csv, "pandas.csv.gz"),
        },
        "CSV, zstd": {
            "write_csv": timed(csv, "ours.csv.zst"),
            "DataFrame.to_csv": timed(pandas_csv, "pandas.csv.zst"),
        },
        "Parquet": {
            "write_parquet": timed(parquet, "ours.parquet"),
            "DataFrame.to_parquet": timed(lambda path: frame.to_parquet(path), "pandas.parquet"),
        },
    }


def readers(place: Path) -> dict[str, Timed]:
    """Return the readers of the files that ours wrote, ours first."""

    def timed(read: Callable[[Path], pd.DataFrame], name: str) -> Callable[[], float]:
        def run() -> float:
            begin = time.perf_counter()
            read(place / name)
            return time.perf_counter() - begin

        return run

    return {
        "CSV": {
            "read_csv": timed(storage.read_csv, "ours.csv"),
            TEXT: timed(pd.read_csv, "ours.csv"),
            SAME: timed(the_same, "ours.csv"),
            ARROW: timed(partial(pd.read_csv, engine="pyarrow"), "ours.csv"),
        },
        "CSV, gzip": {
            "read_csv": timed(storage.read_csv, "ours.csv.gz"),
            SAME: timed(the_same, "ours.csv.gz"),
        },
        "Parquet": {
            "read_parquet": timed(storage.read_parquet, "ours.parquet"),
            "pandas.read_parquet": timed(pd.read_parquet, "ours.parquet"),
        },
    }


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    # pandas sorts the categories; a log has them in order of appearance.
    pd.testing.assert_frame_equal(one, other, check_categorical=False, check_exact=True)


WANTED: dict[tuple[str, str], float] = {
    ("export to CSV", "DataFrame.to_csv"): 5,
    ("load from CSV", TEXT): 1,
    ("load from CSV", SAME): 1,
}


def compare(report: Report, what: str, count: int, runs: Timed, repeat: int) -> None:
    """Add the rows/s of each, and the ratio of the first to each other."""
    gave = in_turn(runs, repeat)
    ours, *others = runs
    for name in runs:
        report.figure(f"{what}: {name}", [count / took / 1e6 for took in gave[name]], "M rows/s")
    for name in others:
        wanted = WANTED.get((what, name))
        report.ratio(f"{what}: {ours} / {name}", gave[name], gave[ours], at_least=wanted)


def files(report: Report, count: int, only: str, repeat: int) -> None:
    """Measure export and load."""
    if not any(only in f"{what} {kind}" for what in ("export to", "load from") for kind in KINDS):
        return
    with folder() as name:
        place, frame = Path(name), ticks(count)
        for kind, runs in writers(frame, place).items():
            if only in (what := f"export to {kind}"):
                compare(report, what, count, runs, repeat)
        path = storage.write_csv(frame, place / "ours.csv", mode="overwrite")
        packed = storage.write_csv(frame, place / "ours.csv.gz", mode="overwrite")
        parquet = storage.write_parquet(frame, place / "ours.parquet", mode="overwrite")
        # Once before: so that the first measurement does not include imports or new memory.
        for each in (storage.read_csv(path), storage.read_csv(packed), the_same(path)):
            same(each, frame)
        same(storage.read_parquet(parquet), frame)
        for kind, runs in readers(place).items():
            if only in (what := f"load from {kind}"):
                compare(report, what, count, runs, LOADS * repeat)
        sizes = sorted((each.name, each.stat().st_size) for each in place.iterdir())
    told = ", ".join(f"{name} {size / 1e6:.1f}" for name, size in sizes if "meta" not in name)
    report.note(f"Files in MB: {told}.")
    report.note(
        "“The same frame” takes parse_dates, dtype for symbol, epoch, price and size, "
        "keep_default_na and na_values; and then pandas tells no damaged line, and no gap."
    )


# --- recording --------------------------------------------------------------------------------


def costs(report: Report, what: str, gave: dict[str, list[dict[str, float]]], paced: bool) -> None:
    """Add the figures without and with each recorder, and the cost of each."""
    figures = [("the feed's thread", "ns", "ns/tick"), ("the process", "cores", "cores")]
    figures += [("late in the log, p99", "p99_ms", "ms")] if paced else []
    figures += [("taken", "ticks_s", "ticks/s")]
    cheap, whole = ({"at_most": MAX_COST}, {"at_least": 100}) if paced else ({}, {})
    before, after = gave[WITHOUT], gave.pop(AGAIN)

    def beyond(runs: list[dict[str, float]], key: str) -> list[float]:
        """Return by how many percent figures are above those without a recorder, two per turn."""
        around = [(one[key] + other[key]) / 2 for one, other in zip(before, after, strict=True)]
        return [(one[key] / plain - 1) * 100 for one, plain in zip(runs, around, strict=True)]

    for kind, runs in gave.items():
        about = f"{what}, {kind}"
        for name, key, unit in figures:
            report.figure(f"{about}: {name}", [each[key] for each in runs], unit)
        if kind != WITHOUT:
            report.figure(f"{about}: more for the feed's thread", beyond(runs, "ns"), "%", **cheap)
            fewer = [-more for more in beyond(runs, "ticks_s")]
            report.figure(f"{about}: fewer ticks taken", fewer, "%")
            shares = [each["share"] * 100 for each in runs]
            report.figure(f"{about}: of the ticks taken, in the file", shares, "%", **whole)
    chance = max(abs(one["ns"] / other["ns"] - 1) for one, other in zip(before, after, strict=True))
    report.note(
        f"{what}: two runs without a recorder in one turn differ by up to {chance:.0%} in what the "
        f"feed's thread takes. Server, feed and recorder share {os.cpu_count()} cores. The "
        "recorder's own thread is part of the process, not of the feed's thread."
    )


def recordings(report: Report, seconds: float, only: str, repeat: int) -> None:
    """Measure the cost of a recording for a feed."""
    for what, rate, kinds, seconds_each in (
        (f"record {RATE:,} ticks/s", RATE, list(KINDS), seconds),
        ("record as many ticks as a feed takes", 0, ["CSV"], seconds / 2),
    ):
        chosen = [kind for kind in kinds if only in f"{what}, {kind}"]
        if not chosen:
            continue
        if not hasattr(tk.Feed, "record"):
            report.note(f"{what}: left out, a feed of this tickerkit has no `record`.")
            continue
        with steady.start(rate) as server, Child.python("bench.rest_side") as child:
            measure = partial(child.ask, "measure", server.ready, rate > 0, seconds_each)
            measure(WITHOUT)  # for its modules and its memory to be there
            runs = {kind: partial(measure, kind) for kind in [WITHOUT, *chosen]}
            runs[AGAIN] = runs[WITHOUT]
            costs(report, what, in_turn(runs, repeat), paced=rate > 0)


def main() -> None:
    chosen = options(
        __doc__,
        repeat=3,
        rows={"type": int, "default": ROWS, "help": "so many ticks into a file"},
        seconds={"type": float, "default": 3.0, "help": "for how long it records, each"},
    )
    count = 50_000 if chosen.quick else chosen.rows
    seconds = 0.5 if chosen.quick else chosen.seconds
    report = Report("rest", f"Ticks at rest: {count:,} rows in a file; recording for {seconds:g} s")
    files(report, count, chosen.only, chosen.repeat)
    recordings(report, seconds, chosen.only, chosen.repeat)
    report.finish(chosen.json)


if __name__ == "__main__":
    main()
