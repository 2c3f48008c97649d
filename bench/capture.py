"""Large recordings: time and memory of all that is done to them: `python -m bench.capture`.

catch up  ticks/s of `tickerkit record` that comes late: the server holds all of them
export    rows/s of a frame into CSV and Parquet
read      rows/s of `tk.read_csv` and `tk.read_parquet`, and their memory against the frame's
verify    rows/s and memory of `tickerkit verify`
convert   the same of `tickerkit convert`, from CSV to Parquet and back
replay    the same of a replay as fast as it goes, without a server

Each thing is done in a process of its own. With `--against PATH`, a checkout of another commit, it
is done by both in turn, and the ratio is reported. With `--rows 100000000`, pass a `--folder` on a
disk.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from bench.child import Child
from bench.report import Report, in_turn, options
from tickerkit import storage
from tickerkit.storage.verify import verify

ROWS = 10_000_000
HERE = Path(__file__).parent
SIDE = HERE / "capture_side.py"
NOW, BEFORE = "now", "before"
# A recording of so few ticks takes as long as the command needs to start.
FEW = 10
MAX_MB = 500
CSV_TICKS_S, PARQUET_TICKS_S = 1_000_000, 1_500_000
MAX_READ = 1.3
FILES = ("read", "verify", "replay", "convert")
Figures = dict[str, Any]


def environment(tree: Path) -> dict[str, str]:
    """Return the environment in which Python imports the tickerkit of a checkout."""
    return {**os.environ, "PYTHONPATH": str(tree)}


def side(tree: Path, *arguments: object) -> Figures:
    """Have a process do one thing, and return its figures."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as out:
        command = [sys.executable, str(SIDE), *map(str, arguments), out.name]
        subprocess.run(
            command, env=environment(tree), check=True, cwd=tree, stdout=subprocess.DEVNULL
        )
        figures: Figures = json.load(out)
        return figures


def doing(*arguments: object) -> Callable[[Path], Figures]:
    """Return a function of a checkout that has a process do one thing."""
    return lambda tree: side(tree, *arguments)


def first_tick(epoch: str) -> pd.DataFrame:
    """Return the tick at which a recorder that comes late goes on."""
    moment = pd.to_datetime([1_763_000_000 * 10**9], utc=True)
    fields = {"seq": [1], "time": moment, "symbol": ["AAPL"], "price": [180.0], "size": [1.0]}
    words = {"received": moment, "epoch": [epoch]}
    return pd.DataFrame({**fields, **words}).astype({"symbol": "category", "epoch": "category"})


def catch_up(tree: Path, server: Child, path: Path, ticks: int) -> Figures:
    """Record some of the ticks that a server holds; return the seconds of the whole process."""
    url, epoch = server.ready
    write = storage.write_parquet if path.suffix == ".parquet" else storage.write_csv
    for each in path.parent.glob(f"*{path.name}*"):
        each.unlink()
    write(first_tick(epoch), path, source=url)
    command = [sys.executable, "-m", "tickerkit", "record", url, "-o", str(path)]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--ticks", str(ticks)],
        env=environment(tree),
        cwd=tree,
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"record ended with {process.returncode}"
    return {"s": time.perf_counter() - began, "cpu_s": used.ru_utime + used.ru_stime}


def caught_up(tree: Path, server: Child, path: Path, rows: int) -> Figures:
    """Record all ticks, and then a few; return the difference in seconds. Check the count."""
    few = catch_up(tree, server, path, FEW)
    found = catch_up(tree, server, path, rows - 1)
    checked = verify(path)
    assert checked.ok, f"{path}: {checked.problems}"
    assert checked.rows == rows, f"{path}: {checked.rows:,} of {rows:,}"
    return {key: found[key] - few[key] for key in found}


class Bench:
    """Measures, and adds to a report.

    Args:
        report: the report.
        trees: the checkouts to compare, by name.
        rows: how many rows.
        repeat: how many times.
        only: what to measure.
        place: a folder for the files.
    """

    def __init__(
        self, report: Report, trees: dict[str, Path], rows: int, repeat: int, only: str, place: Path
    ) -> None:
        self.report, self.trees, self.rows = report, trees, rows
        self.repeat, self.only, self.place = repeat, only, place

    def compare(
        self,
        what: str,
        run: Callable[[Path], Figures],
        *,
        at_least: float | None = None,
        max_mb: float | None = None,
    ) -> dict[str, list[Figures]]:
        """Run it with each checkout in turn, and add the rows/s, memory and ratios."""
        if self.only not in what:
            return {}
        runs = {name: partial(run, tree) for name, tree in self.trees.items()}
        gave = in_turn(runs, self.repeat)
        for name, each in gave.items():
            about = what if name == NOW else f"… {name}"
            rates = [self.rows / figures["s"] / 1e6 for figures in each]
            wanted = at_least if name == NOW else None
            self.report.figure(about, rates, "M rows/s", at_least=wanted)
            if max_mb is not None:
                memory = [figures["peak_mb"] for figures in each]
                limit = max_mb if name == NOW else None
                self.report.figure(f"{about}: memory", memory, "MB", at_most=limit)
        if BEFORE in gave:
            for key, time_of in (("s", "time"), ("cpu_s", "processor time")):
                now, before = ([figures[key] for figures in gave[name]] for name in (NOW, BEFORE))
                self.report.ratio(f"… {time_of}, now against before", now, before)
        return gave

    def catch_up(self) -> None:
        """Measure a recorder that comes late."""
        if not any(self.only in f"catch up, {name}" for name in ("CSV", "Parquet")):
            return
        command = (sys.executable, str(SIDE), "serve", str(self.rows))
        os.environ["PYTHONPATH"] = str(self.trees[NOW])
        with Child(*command) as server:
            for name, suffix, rate in (
                ("CSV", ".csv", CSV_TICKS_S),
                ("Parquet", ".parquet", PARQUET_TICKS_S),
            ):
                path = self.place / f"late{suffix}"

                def run(tree: Path, path: Path = path) -> Figures:
                    return caught_up(tree, server, path, self.rows)

                self.compare(f"catch up, {name}", run, at_least=rate / 1e6)

    def export(self) -> None:
        """Measure the writing of frames."""
        for name, suffix in (("CSV", ".csv"), ("Parquet", ".parquet")):
            target = self.place / f"export{suffix}"
            self.compare(f"export, {name}", doing("export", target, self.rows))
            for each in self.place.glob(f"{target.name}*"):
                each.unlink()

    def files(self) -> None:
        """Measure what is done to files."""
        if self.only and not self.only.startswith(FILES):
            return
        csv, parquet = self.place / "made.csv", self.place / "made.parquet"
        made = self.trees.get(BEFORE, self.trees[NOW])
        side(made, "make", csv, self.rows)
        side(made, "tickerkit", "convert", csv, parquet)
        for name, path in (("CSV", csv), ("Parquet", parquet)):
            gave = self.compare(f"read, {name}", doing("read", path))
            for tree, each in gave.items():
                shares = [figures["more_mb"] / figures["frame_mb"] for figures in each]
                limit = MAX_READ if tree == NOW else None
                what = f"… {tree}: its memory, against the frame"
                self.report.figure(what, shares, "×", at_most=limit)
            for what, *arguments in (
                (f"verify, {name}", "tickerkit", "verify", path),
                (f"replay, {name}", "replay", path),
            ):
                self.compare(what, doing(*arguments), max_mb=MAX_MB)
        for name, source, target in (
            ("CSV to Parquet", csv, self.place / "other.parquet"),
            ("Parquet to CSV", parquet, self.place / "other.csv"),
        ):
            order = doing("tickerkit", "convert", source, target, "--overwrite")
            self.compare(f"convert, {name}", order, max_mb=MAX_MB)


def main() -> None:
    chosen = options(
        __doc__,
        repeat=3,
        rows={"type": int, "default": ROWS, "help": "in each recording (%(default)s)"},
        against={"type": Path, "help": "a checkout of another commit, to compare with"},
        folder={"type": Path, "help": "for the files; by default, that for temporary ones"},
    )
    rows = 100_000 if chosen.quick else chosen.rows
    report = Report("capture", f"Large recordings: {rows:,} rows")
    trees = {NOW: HERE.parent}
    if chosen.against is not None:
        trees[BEFORE] = chosen.against.resolve()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as place:
        bench = Bench(report, trees, rows, chosen.repeat, chosen.only, Path(place))
        bench.export()
        bench.files()
        bench.catch_up()
    report.finish(chosen.json)


if __name__ == "__main__":
    main()
