"""Shared by the scripts of `bench`: options, paired runs, a table, and JSON.

A figure is the median of its runs. Contenders run in turn, A B A B, and their ratio is taken pair
by pair: a machine that slows down for a minute slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

PACKAGES = (
    *("tickerkit", "websockets", "msgspec", "numpy", "pandas", "uvloop"),
    *("fastapi", "uvicorn", "streamz", "perspective-python"),
    *("cryptofeed", "ccxt"),
)


def options(about: str | None, *, repeat: int = 5, **more: dict[str, Any]) -> argparse.Namespace:
    """Return the command line's options: those of every script, and this script's own (`more`)."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    parser = argparse.ArgumentParser(
        prog=f"python -m {spec.name}" if spec else None,
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--repeat", type=int, default=repeat, help="paired runs; medians are told")
    parser.add_argument("--only", default="", help="only rows that have this in their names")
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument(
        "--quick", action="store_true", help="smaller, and once: only to see that it runs"
    )
    for name, how in more.items():
        parser.add_argument(f"--{name.replace('_', '-')}", **how)
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.repeat = 1
    return chosen


def in_turn(
    runs: Mapping[str, Callable[[], Any]], repeat: int, *, quiet: bool = False
) -> dict[str, list[Any]]:
    """Run each of `runs` in turn, `repeat` times; return the results of each."""
    gave: dict[str, list[Any]] = {name: [] for name in runs}
    for turn in range(repeat):
        for name, run in runs.items():
            begin = time.monotonic()
            gave[name].append(run())
            if not quiet:
                took = time.monotonic() - begin
                told = short(gave[name][-1])
                print(f"  {turn + 1}/{repeat} {name} ({took:.1f} s): {told}", flush=True)
    return gave


class Report:
    """The figures of one script.

    Args:
        name: of the script.
        about: one line: what the script measures.
    """

    def __init__(self, name: str, about: str) -> None:
        self.name, self.about = name, about
        self.rows: list[dict[str, Any]] = []
        self.notes: list[str] = []

    def figure(
        self,
        what: str,
        values: Sequence[float],
        unit: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> float:
        """Add a figure by its median, and return the median."""
        middle = statistics.median(values)
        wanted, reached = "", None
        if at_least is not None:
            wanted, reached = f"≥ {brief(at_least)}", middle >= at_least
        if at_most is not None:
            wanted, reached = f"≤ {brief(at_most)}", middle <= at_most
        self.rows.append(
            {
                "what": what,
                "median": middle,
                "least": min(values),
                "most": max(values),
                "unit": unit,
                "wanted": wanted,
                "reached": reached,
                "values": list(values),
            }
        )
        return middle

    def ratio(
        self,
        what: str,
        ours: Sequence[float],
        theirs: Sequence[float],
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> float:
        """Add the ratio of two figures, taken pair by pair, and return its median."""
        pairs = [one / other for one, other in zip(ours, theirs, strict=True) if other]
        return self.figure(what, pairs, "×", at_least=at_least, at_most=at_most)

    def note(self, text: str) -> None:
        """Add a sentence about the figures: what was left out, what limits them."""
        self.notes.append(text)

    def finish(self, path: Path | None = None) -> None:
        """Print the table, and write the JSON if asked for."""
        if not self.rows:
            print("No row has what --only asks for.")
        table = Table("what", "median", "least – most", "wanted", "reached", title=self.about)
        for row in self.rows:
            table.add_row(*cells(row))
        Console(width=None if Console().is_terminal else 120).print(table)
        for note in self.notes:
            print(f"- {note}")
        if path is not None:
            told = {"name": self.name, "about": self.about, "machine": machine()}
            path.write_text(json.dumps({**told, "rows": self.rows, "notes": self.notes}, indent=1))


def cells(row: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    """Return a row as text."""
    spread = f"{brief(row['least'])} – {brief(row['most'])}" if len(row["values"]) > 1 else ""
    verdict = {True: "yes", False: "NO", None: ""}[row["reached"]]
    return row["what"], f"{brief(row['median'])} {row['unit']}", spread, row["wanted"], verdict


def short(value: Any) -> str:
    """Return the result of a run in one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {short(each)}" for name, each in value.items())
    return brief(value) if isinstance(value, int | float) else str(value)


def brief(value: float) -> str:
    """Return a number with three or four significant digits."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def machine() -> dict[str, str]:
    """Return a description of the machine and the versions."""
    versions = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    node = shutil.which("node")
    if node:
        versions["node"] = subprocess.run(
            [node, "--version"], capture_output=True, text=True
        ).stdout.strip()
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "load": f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "",
        **versions,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
