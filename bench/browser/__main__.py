"""Run the benchmark: `python -m bench.browser --help`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.browser import cases
from bench.browser.report import Results, markdown, tables, targets
from bench.browser.stage import Stage, stage

KINDS = (
    *("line", "candles", "candles60", "ten", "feed"),
    *("five", "fifo", "million", "twenty", "heat", "first", "slow", "marimo", "heap"),
)
NEEDED = ("plotly", "bokeh", "xy", "perspective-python", "plotly-resampler", "jupyterlab")
Measure = Callable[[Stage], dict[str, Any]]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.browser", description=__doc__)
    listed = partial(str.split, sep=",")
    parser.add_argument("--only", type=listed, default=list(cases.LIBRARIES), metavar="A,B")
    parser.add_argument("--kinds", type=listed, default=list(KINDS[:-1]), metavar="A,B")
    parser.add_argument("--windows", type=listed, default=list(map(str, cases.WINDOWS)))
    parser.add_argument("--bars", type=listed, default=list(map(str, cases.BARS)))
    parser.add_argument("--seconds", type=float, default=8, help="of each repetition")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10, help="of the kind heap")
    parser.add_argument("--rates", type=listed, default=[], metavar="xy=20", help="pushes a second")
    parser.add_argument(
        "--without-extension", action="store_true", help="JupyterLab without tickerkit's extension"
    )
    parser.add_argument("--slower", type=float, default=1, help="slow the page down so many times")
    parser.add_argument("--out", type=Path, help="write all repetitions there, as JSON")
    parser.add_argument("--markdown", type=Path, help="write a section for RESULTS.md there")
    chosen = parser.parse_args()
    for each in chosen.only:
        if each not in cases.LIBRARIES:
            parser.error(f"--only {each}: pass some of {', '.join(cases.LIBRARIES)}")
    for each in chosen.kinds:
        if each not in KINDS:
            parser.error(f"--kinds {each}: pass some of {', '.join(KINDS)}")
    for each in chosen.rates:
        library, _, rate = each.partition("=")
        cases.RATES[library] = float(rate)
    return chosen


def plan(chosen: argparse.Namespace) -> dict[str, Measure]:
    """Return the cases of one repetition, by name."""
    only, seconds = chosen.only, chosen.seconds
    widgets = [each for each in only if each in ("ours", "plain")]
    ours = [each for each in only if each == "ours"]
    planned: dict[str, Measure] = {}

    def add(name: str, measure: Callable[..., dict[str, Any]], **how: Any) -> None:
        if name.split()[0] in chosen.kinds:
            planned[name] = partial(measure, **how)

    for window in map(int, chosen.windows):
        for library in only:
            how = {"library": library, "window": window, "seconds": seconds}
            add(f"line {library} {window:,}", cases.line, **how)
    for bars in map(int, chosen.bars):
        for library in widgets:
            how = {"library": library, "bars": bars, "seconds": seconds}
            add(f"candles {library} {bars:,}", cases.candles, **how)
    for library in widgets:
        add(f"ten {library} 10", cases.ten, library=library, figures=10, seconds=seconds)
    for charts in (0, 10) if ours else ():
        add(f"feed {charts} charts", cases.feed, charts=charts, seconds=seconds)
    for library in widgets:
        how = {"library": library, "bars": 500, "seconds": seconds, "rate": 60}
        add(f"candles60 {library} 500", cases.candles, **how)
        add(f"heat {library} 500", cases.heat, library=library, seconds=seconds)
        add(f"first {library}", cases.first, library=library)
    many = 1_000_000
    for library in [each for each in only if each in cases.PEERS_OF_FIVE]:
        how = {"library": library, "window": many, "seconds": seconds}
        add(f"five {library} {many:,}", cases.five, **how)
        add(f"million {library}", cases.line, per_s=many, **how)
    if ours:
        how = {"library": "ours", "window": 100_000, "seconds": seconds}
        add("slow ours 100,000", cases.line, slower=4, **how)
        add(f"fifo ours {many:,}", cases.fifo, window=many, seconds=seconds)
        add("twenty ours 10,000", cases.twenty, seconds=seconds)
        if find_spec("marimo"):
            add("marimo ours", cases.marimo, seconds=seconds)
    return planned


def heaps(chosen: argparse.Namespace) -> dict[str, Measure]:
    """Return the cases that take minutes and run once."""
    if "heap" not in chosen.kinds:
        return {}
    return {
        f"heap {library} {'hidden' if hidden else 'shown'}": partial(
            cases.heap, library=library, minutes=chosen.minutes, hidden=hidden
        )
        for library in chosen.only
        for hidden in (False, True)
        if library == "ours" or not hidden
    }


def describe(chosen: argparse.Namespace) -> str:
    """Return what runs, and on what."""
    versions = ", ".join(f"{name} {version(name)}" for name in NEEDED)
    extension = "off" if chosen.without_extension else "on"
    return (
        f"{versions}; Python {platform.python_version()}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.2f}; tickerkit's server extension {extension}, page slowed down "
        f"{chosen.slower:g} times; {chosen.repeat} repetitions of {chosen.seconds:g} s"
    )


def main() -> None:
    chosen = options()
    results: Results = {}
    about = describe(chosen)
    print(about)

    if "marimo" in chosen.kinds and not find_spec("marimo"):
        print("marimo is not installed: its row is left out")

    def take(name: str, measure: Measure, on: Stage) -> None:
        start = time.monotonic()
        try:
            made = measure(on)
        except Exception as error:  # one that fails must not take the others' figures away
            made = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
        results.setdefault(name, []).append(made)
        brief = made.get("error") or {
            key: round(value, 2) for key, value in made.items() if isinstance(value, int | float)
        }
        print(f"{name} ({time.monotonic() - start:.0f} s): {brief}", flush=True)
        if chosen.out:
            chosen.out.write_text(json.dumps(results, indent=1))

    with stage(has_extension=not chosen.without_extension, slower=chosen.slower) as on:
        # Interleaved: a machine that slows down for a minute slows all of them down.
        for _ in range(chosen.repeat):
            for name, measure in plan(chosen).items():
                take(name, measure, on)
        for name, measure in heaps(chosen).items():
            take(name, measure, on)
    print(tables(results))
    print(targets(results))
    if chosen.markdown:
        chosen.markdown.write_text(markdown(results, about), "utf-8")


if __name__ == "__main__":
    main()
