"""Run every benchmark and write `bench/RESULTS.md`: `python -m bench` (`make bench`).

Each script stands for itself too: `python -m bench.fanout --help`.
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
SCRIPTS = ("limits", "fanout", "latency", "frames", "bars", "busy", "load")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scripts", nargs="*", metavar="SCRIPT", help=f"of {', '.join(SCRIPTS)}")
    parser.add_argument("--repeat", type=int, help="paired runs of each, by default its own number")
    parser.add_argument("--quick", action="store_true", help="small and once: do they run?")
    parser.add_argument("--out", type=Path, default=HERE / "RESULTS.md")
    chosen = parser.parse_args()
    for name in chosen.scripts:
        if name not in SCRIPTS:
            parser.error(f"{name} is none of {', '.join(SCRIPTS)}")
    return chosen


def run(name: str, args: Iterable[str]) -> dict[str, Any]:
    """Run a script in a process of its own, and return what it writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        command = [sys.executable, "-m", f"bench.{name}", "--json", str(path), *args]
        begin = time.monotonic()
        subprocess.run(command, check=True, cwd=HERE.parent)
        return {**json.loads(path.read_text()), "took_s": time.monotonic() - begin}


def results(told: Iterable[Mapping[str, Any]]) -> str:
    """Return the figures of all scripts as Markdown."""
    told = list(told)
    machine = ", ".join(f"{name} {value}" for name, value in told[0]["machine"].items() if value)
    out = [
        "# Results of the benchmarks",
        "",
        "Written by `make bench`. Medians over paired runs; what is compared ran in turn, and a "
        "ratio (×) is taken pair by pair. Everything over loopback, servers and readers in "
        "processes of their own.",
        "",
        f"Measured on: {machine}.",
    ]
    for each in told:
        out += ["", f"## {each['about']}", ""]
        out += [f"`python -m bench.{each['name']}`, {each['took_s']:.0f} s", ""]
        out += ["| what | median | least – most | wanted | reached |", "|---|---|---|---|---|"]
        out += ["| " + " | ".join(cells(row)) + " |" for row in each["rows"]]
        if each["notes"]:
            out += ["", *(f"- {note}" for note in each["notes"])]
    return "\n".join(out) + "\n"


def main() -> None:
    chosen = options()
    args = ["--quick"] if chosen.quick else []
    args += [] if chosen.repeat is None else ["--repeat", str(chosen.repeat)]
    told = []
    for name in chosen.scripts or SCRIPTS:
        print(f"\n=== {name}", flush=True)
        told.append(run(name, args))
    chosen.out.write_text(results(told))
    print(f"\nwritten to {chosen.out}")


if __name__ == "__main__":
    main()
