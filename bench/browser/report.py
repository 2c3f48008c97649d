"""Prints the tables, and the targets that were reached."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

Results = dict[str, list[dict[str, Any]]]
PEERS = ("bokeh", "xy", "perspective", "resampler")
MB = 1e6
MEDIANS = "median of the repetitions"
# jupyter_server drops what is beyond.
MAX_MESSAGES_PER_S = 1000
# 500 values of z and one x, and what a message of Jupyter's has around them.
MAX_COLUMN_BYTES = 501 * 8 + 1500


def medians(repetitions: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the median of each number over the repetitions that did not fail."""
    good = [each for each in repetitions if "error" not in each]
    names = {name for each in good for name, value in each.items() if _number(value)}
    return {name: statistics.median(each[name] for each in good if name in each) for name in names}


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _tables(results: Results) -> Iterator[tuple[list[str], dict[str, list[str]], list[str]]]:
    """Yield the columns of each kind's table, its rows by name, and what has failed."""
    for kind, columns in COLUMNS.items():
        rows: dict[str, list[str]] = {}
        failed: list[str] = []
        for key, each in results.items():
            if key.split()[0] != kind:
                continue
            middle = medians(each)
            rows[key] = [
                f"{middle[name] / scale:,.{digits}f}" if name in middle else ""
                for name, scale, digits in columns.values()
            ]
            errors = [one["error"] for one in each if "error" in one]
            failed += [f"{key} failed {len(errors)} of {len(each)}: {errors[0]}"] if errors else []
        if rows:
            yield list(columns), rows, failed


def tables(results: Results) -> str:
    """Return all figures as text."""
    out = []
    for columns, rows, failed in _tables(results):
        out.append(f"\n{MEDIANS:28}" + "".join(f"{name:>17}" for name in columns))
        out += [f"{key:28}" + "".join(f"{cell:>17}" for cell in row) for key, row in rows.items()]
        out += failed
    return "\n".join(out)


def markdown(results: Results, about: str) -> str:
    """Return all figures and targets as a section for RESULTS.md.

    Args:
        results: the figures.
        about: one line on the run.
    """
    out = ["## A live figure in JupyterLab, beside its peers", "", about]
    for columns, rows, failed in _tables(results):
        out += ["", f"| {MEDIANS} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
        out += [f"| {key} | {' | '.join(row)} |" for key, row in rows.items()]
        out += ["", *(f"- {each}" for each in failed)] if failed else []
    lines = _compare(results).lines
    if lines:
        out += ["", "| target | measured | wanted | reached |", "|---|---|---|---|"]
        out += [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join(out) + "\n"


CPU = {
    "push/s": ("pushes", 1, 1),
    "B/update": ("bytes", 1, 0),
    "page>kernel B/s": ("sent", 1, 0),
    "kernel cores": ("kernel", 1, 3),
    "kernel ms/push": ("kernel_ms", 1, 2),
    "Chromium cores": ("chromium", 1, 2),
}
DRAWN = {"frames/s": ("frames", 1, 1)}
LATENCY = {
    "drawn p50 ms": ("at_draw_p50", 1, 0),
    "drawn p95 ms": ("at_draw_p95", 1, 0),
    "painted p50": ("p50", 1, 0),
    "painted p95": ("p95", 1, 0),
}
LINE = DRAWN | LATENCY | CPU
COLUMNS: dict[str, dict[str, tuple[str, float, int]]] = {
    "line": LINE,
    "candles": DRAWN | CPU,
    "candles60": DRAWN | CPU,
    "ten": {"messages/s each": ("messages_each", 1, 1), "saved MB": ("saved", MB, 2)} | CPU,
    "five": LINE,
    "fifo": DRAWN | {"M points/s": ("points", 1e6, 1)} | CPU,
    "million": LINE,
    "twenty": DRAWN | {"messages/s": ("messages", 1, 0)} | LINE,
    "heat": LINE,
    "first": {"shown after s": ("shown_s", 1, 2)},
    "slow": {
        **LINE,
        "falls behind ms": ("falls_behind_ms", 1, 0),
    },
    "marimo": {
        "points lost": ("lost", 1, 0),
        **DRAWN,
        **LATENCY,
        "kernel cores": CPU["kernel cores"],
        "Chromium cores": CPU["Chromium cores"],
    },
    "heap": {
        "growth MB": ("growth", MB, 2),
        "most MB": ("most", MB, 2),
        "back ms": ("back_ms", 1, 0),
    },
    "feed": {
        "lag p50 ms": ("p50", 1, 2),
        "lag p95 ms": ("p95", 1, 2),
        "kernel cores": ("kernel", 1, 3),
    },
}


class Targets:
    """Compares figures with targets; a target without both figures is left out."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.lines: list[tuple[str, str, str, str]] = []

    def of(self, key: str, name: str) -> float | None:
        value = medians(self.results.get(key, [])).get(name)
        return None if value is None else float(value)

    def ratio(self, what: str, ours: float | None, other: float | None, least: float) -> None:
        """Require ours to be at least `least` times the other."""
        if ours is not None and other:
            self._add(what, f"{ours / other:,.2f} x", f">= {least:g} x", ours / other >= least)

    def share(self, what: str, ours: float | None, other: float | None, most: float) -> None:
        """Require ours to be at most the share `most` of the other."""
        if ours is not None and other:
            self._add(what, f"{ours / other:,.3f} x", f"<= {most:.3g} x", ours / other <= most)

    def below(self, what: str, ours: float | None, most: float, unit: str) -> None:
        """Require ours to be at most `most`."""
        if ours is not None:
            self._add(what, f"{ours:,.2f} {unit}", f"<= {most:g} {unit}", ours <= most)

    def least(self, what: str, ours: float | None, least: float, unit: str) -> None:
        """Require ours to be at least `least`."""
        if ours is not None:
            self._add(what, f"{ours:,.1f} {unit}", f">= {least:g} {unit}", ours >= least)

    def _add(self, what: str, measured: str, wanted: str, reached: bool) -> None:
        self.lines.append((what, measured, wanted, "yes" if reached else "NO"))


def targets(results: Results) -> str:
    """Return each target with its figure, and whether it is reached, as text."""
    head = ("target", "measured", "wanted", "reached")
    lines = _compare(results).lines
    text = [
        f"{what:62}{measured:>18}{wanted:>16}   {word}"
        for what, measured, wanted, word in (head, *lines)
    ]
    return "\n".join(["", *text]) if lines else ""


def _compare(results: Results) -> Targets:
    """Compare all figures with their targets."""
    wanted = Targets(results)
    of = wanted.of
    middle, long, short = (f"{window:,}" for window in (100_000, 1_000_000, 10_000))
    for window in (short, middle, long):
        wanted.least(f"frames/s of ours at {window}", of(f"line ours {window}", "frames"), 55, "/s")
    least_of = (
        ("bokeh", short, 1.2),
        ("plain", middle, 5),
        ("bokeh", middle, 6),
        ("xy", middle, 1.4),
    )
    for other, window, least in least_of:
        ours, theirs = of(f"line ours {window}", "frames"), of(f"line {other} {window}", "frames")
        wanted.ratio(f"frames/s at {window}, ours / {other}", ours, theirs, least)
    for window, most in ((short, 1 / 3), (middle, 1 / 30)):
        ours, plain = of(f"line ours {window}", "p50"), of(f"line plain {window}", "p50")
        wanted.share(f"latency p50 at {window}, ours / plain", ours, plain, most)
    for window in (short, middle, long):
        for name, most in (("p50", 10), ("p95", 20)):
            ours = of(f"line ours {window}", f"at_draw_{name}")
            wanted.below(f"point made to drawn, {name} of ours at {window}", ours, most, "ms")
    for window, least in ((short, 100), (middle, 500)):
        ours, plain = of(f"line ours {window}", "bytes"), of(f"line plain {window}", "bytes")
        wanted.ratio(f"bytes per update at {window}, plain / ours", plain, ours, least)
    for window in (short, middle, long):
        sent = of(f"line ours {window}", "sent")
        wanted.below(f"page to kernel while streaming, {window}", sent, 0, "B/s")
    for window in (short, middle):
        cores = {peer: of(f"line {peer} {window}", "kernel") for peer in PEERS}
        best = min(((cpu, peer) for peer, cpu in cores.items() if cpu), default=(None, ""))
        ours = of(f"line ours {window}", "kernel")
        wanted.share(
            f"kernel processor at {window}, ours / best peer {best[1]}", ours, best[0], 0.6
        )
    for name in ("p50", "p95"):
        with_, without = of("feed 10 charts", name), of("feed 0 charts", name)
        if with_ is not None and without is not None:
            wanted.below(f"feed lag {name}, 10 charts more than none", with_ - without, 1, "ms")
    for kind, pushed, bars, least in (("candles60", 60, "500", 2), ("candles", 20, "5,000", 6)):
        ours, plain = of(f"{kind} ours {bars}", "frames"), of(f"{kind} plain {bars}", "frames")
        what = f"candles, frames/s at {bars} bars, {pushed} pushes, ours / plain"
        wanted.ratio(what, ours, plain, least)
    many, few = of("candles ours 5,000", "bytes"), of("candles ours 500", "bytes")
    wanted.share("candles, bytes per update of ours, 5,000 / 500 bars", many, few, 1.05)
    for key in ("heap ours shown", "heap ours hidden"):
        most = of(key, "most")
        wanted.below(f"page heap, {key.split()[-1]} tab, most growth", most and most / MB, 5, "MB")
    wanted.below("hidden tab, right again after", of("heap ours hidden", "back_ms"), 200, "ms")
    wanted.below("messages of one figure", of(f"line ours {short}", "messages"), 60.5, "/s")
    wanted.below("messages of 10 figures", of("ten ours 10", "messages"), MAX_MESSAGES_PER_S, "/s")
    saved = of("ten ours 10", "saved")
    wanted.below("saved notebook of 10 live figures", saved and saved / MB, 4, "MB")
    _add_heavier(wanted)
    return wanted


def _add_heavier(wanted: Targets) -> None:
    """Compare the cases of more points, more lines, more figures, other traces and hosts."""
    of = wanted.of
    many = "1,000,000"
    wanted.least(f"frames/s of 5 lines of {many}", of(f"five ours {many}", "frames"), 50, "/s")
    wanted.least(f"frames/s at {many} points/s", of("million ours", "frames"), 30, "/s")
    wanted.below(f"kernel at {many} points/s", of("million ours", "kernel"), 0.3, "cores")
    twenty = "twenty ours 10,000"
    wanted.least("frames/s of 20 figures, the least", of(twenty, "frames"), 20, "/s")
    wanted.below("Chromium with 20 figures", of(twenty, "chromium"), 1.6, "cores")
    wanted.below("messages of 20 figures", of(twenty, "messages"), MAX_MESSAGES_PER_S, "/s")
    wanted.least("frames/s of a heat map", of("heat ours 500", "frames"), 30, "/s")
    wanted.below("heat map, bytes per update", of("heat ours 500", "bytes"), MAX_COLUMN_BYTES, "B")
    wanted.below("first figure over a slow link", of("first ours", "shown_s"), 3, "s")
    frames, age = of("slow ours 100,000", "frames"), of("slow ours 100,000", "at_draw_p95")
    if frames and age is not None:
        wanted.below("slow page, age p95 at the draw", age * frames / 1000, 2, "frames")
    wanted.least("frames/s in marimo", of("marimo ours", "frames"), 25, "/s")
    wanted.below("points lost in marimo, of 100,000", of("marimo ours", "lost"), 0, "")
