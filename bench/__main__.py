"""Runs every benchmark and writes `bench/RESULTS.md`: `python -m bench` (`make bench`), 13 minutes.

limits   the limits of this machine, and the share of them that tickerkit reaches
fanout   ticks delivered to 10, 100 and 1,000 clients, against four other ways
latency  from a source to a frame, each tick sent by itself, against websockets' broadcast
frames   from the wire into a frame, against four other ways; memory; the slowest append
bars     bars of ten million ticks, against pandas
arrow    a table of ten million ticks, SQL over it, and as-of joins, against pandas
indicators  each indicator of bars: time of a tick and of a million bars, memory
busy     a server in a kernel that computes, or in a process beside it
load     100,000 ticks a second to 300 readers
rest     to a file and back, against pandas; the cost of a recording for a feed
capture  large recordings: catching up, export, read, verify, convert, replay; their memory
alerts   from a tick to the call of an alert's function; ticks a second that one thread judges
feeds    recorded messages of a venue into a log, against cryptofeed and ccxt

Each script also runs by itself: `python -m bench.fanout --help`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.report import cells

HERE = Path(__file__).parent
SCRIPTS = {
    "limits": ["--profile"],
    "fanout": [],
    "latency": [],
    "frames": [],
    "bars": [],
    "arrow": [],
    "indicators": [],
    "busy": [],
    "load": [],
    "rest": [],
    "capture": ["--repeat", "1"],
    "alerts": [],
    "feeds": [],
}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scripts", nargs="*", metavar="SCRIPT", help="only these; all by default")
    parser.add_argument("--repeat", type=int, help="paired runs; by default as many as each wants")
    parser.add_argument(
        "--quick", action="store_true", help="smaller, and once: only to see that they run"
    )
    parser.add_argument(
        "--out", type=Path, default=HERE / "RESULTS.md", help="write there (%(default)s)"
    )
    chosen = parser.parse_args()
    for name in chosen.scripts:
        if name not in SCRIPTS:
            parser.error(f"{name} is none of {', '.join(SCRIPTS)}")
    return chosen


def run(name: str, args: Iterable[str]) -> dict[str, Any]:
    """Run a script in a separate process, and return its JSON."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        command = [sys.executable, "-m", f"bench.{name}", *args]
        begin = time.monotonic()
        subprocess.run([*command, "--json", str(path)], check=True, cwd=HERE.parent)
        told: dict[str, Any] = json.loads(path.read_text())
        shown = " ".join(["python", *command[1:]])
        return {**told, "command": shown, "took_s": time.monotonic() - begin}


def results(told: list[Mapping[str, Any]], *, quick: bool) -> str:
    """Return the figures of all scripts as Markdown."""
    machine = ", ".join(f"{name} {value}" for name, value in told[0]["machine"].items() if value)
    targets = [row for each in told for row in each["rows"] if row["reached"] is not None]
    missed = [row for row in targets if not row["reached"]]
    out = [
        "# Results of the benchmarks",
        "",
        "Written by `make bench`. A figure is the median of its runs; the table gives their "
        "number. Contenders ran in turn, and a ratio (×) is taken pair by pair. All over loopback, "
        "with servers and readers in separate processes. `v1` is tickerkit's own protocol, which "
        "feeds use; `/ticks` sends plain JSON objects.",
        "",
        *(
            [
                "**A quick run, which only shows that the scripts run: its figures mean nothing.**",
                "",
            ]
            * quick
        ),
        f"Measured on: {machine}.",
        "",
        f"Of {len(targets)} targets {len(targets) - len(missed)} are reached. Missed:",
        "",
        *(f"- {row['what']}: {cells(row)[1]}, wanted {row['wanted']}" for row in missed),
    ]
    for each in told:
        out += ["", f"## {each['about']}", ""]
        out += [f"`{each['command']}`, {each['took_s']:.0f} s", ""]
        out += ["| what | median | least – most | runs | wanted | reached |"]
        out += ["|---|---|---|---|---|---|"]
        for row in each["rows"]:
            what, median, spread, wanted, reached = cells(row)
            runs = str(len(row["values"]))
            out += ["| " + " | ".join([what, median, spread, runs, wanted, reached]) + " |"]
        if each["notes"]:
            out += ["", *(f"- {note}" for note in each["notes"])]
    return "\n".join(out) + "\n"


def main() -> None:
    chosen = options()
    args = ["--quick"] if chosen.quick else []
    args += [] if chosen.repeat is None else ["--repeat", str(chosen.repeat)]
    told: list[Mapping[str, Any]] = []
    failed = []
    for name in chosen.scripts or SCRIPTS:
        print(f"\n=== {name}", flush=True)
        try:
            told.append(run(name, [*SCRIPTS[name], *args]))
        except subprocess.CalledProcessError:
            failed.append(name)
            continue
        # Written after each script, so that a failure or an interrupt loses no earlier figures.
        chosen.out.write_text(results(told, quick=chosen.quick))
    print(f"\nwritten to {chosen.out}" if told else "\nnothing was measured")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
