"""Prints the tables, and the targets that were reached."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Any

Results = dict[str, list[dict[str, Any]]]
PEERS = ("bokeh", "xy", "perspective", "resampler")
MB = 1e6


def medians(repetitions: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the median of each number over the repetitions that did not fail."""
    good = [each for each in repetitions if "error" not in each]
    names = {name for each in good for name, value in each.items() if _number(value)}
    return {name: statistics.median(each[name] for each in good if name in each) for name in names}


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def tables(results: Results) -> str:
    """Return all figures as text."""
    out = []
    for kind, columns in COLUMNS.items():
        rows = {key: each for key, each in results.items() if key.startswith(kind + " ")}
        if not rows:
            continue
        out.append(
            f"\n{'median of the repetitions':28}" + "".join(f"{name:>15}" for name in columns)
        )
        for key, each in rows.items():
            middle = medians(each)
            cells = [
                f"{middle[name] / scale:15,.{digits}f}" if name in middle else f"{'':>15}"
                for name, scale, digits in columns.values()
            ]
            out.append(f"{key:28}" + "".join(cells))
            errors = [one["error"] for one in each if "error" in one]
            out += [f"    failed {len(errors)} of {len(each)}: {errors[0]}"] if errors else []
    return "\n".join(out)


CPU = {
    "push/s": ("pushes", 1, 1),
    "B/update": ("bytes", 1, 0),
    "page>kernel B/s": ("sent", 1, 0),
    "kernel cores": ("kernel", 1, 3),
    "kernel ms/push": ("kernel_ms", 1, 2),
    "Chromium cores": ("chromium", 1, 2),
}
COLUMNS: dict[str, dict[str, tuple[str, float, int]]] = {
    "line": {"frames/s": ("frames", 1, 1), "p50 ms": ("p50", 1, 0), "p95 ms": ("p95", 1, 0)} | CPU,
    "candles": {"frames/s": ("frames", 1, 1)} | CPU,
    "ten": {"messages/s each": ("messages_each", 1, 1), "saved MB": ("saved", MB, 2)} | CPU,
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
        self.lines: list[str] = []

    def of(self, key: str, name: str) -> float | None:
        value = medians(self.results.get(key, [])).get(name)
        return None if value is None else float(value)

    def ratio(self, what: str, ours: float | None, other: float | None, least: float) -> None:
        """Require ours to be at least `times` the other."""
        if ours is not None and other:
            self.tell(what, f"{ours / other:,.2f} x", f">= {least:g} x", ours / other >= least)

    def share(self, what: str, ours: float | None, other: float | None, most: float) -> None:
        """Require ours to be at most this share of the other."""
        if ours is not None and other:
            self.tell(what, f"{ours / other:,.3f} x", f"<= {most:.3g} x", ours / other <= most)

    def below(self, what: str, ours: float | None, most: float, unit: str) -> None:
        """Require ours to be at most this much."""
        if ours is not None:
            self.tell(what, f"{ours:,.2f} {unit}", f"<= {most:g} {unit}", ours <= most)

    def tell(self, what: str, is_: str, wanted: str, reached: bool) -> None:
        word = "yes" if reached else "NO"
        self.lines.append(f"{what:58}{is_:>18}{wanted:>16}   {word}")


def targets(results: Results) -> str:
    """Return each target with its figure, and whether it is reached."""
    wanted = Targets(results)
    of = wanted.of
    middle, long, short = (f"{window:,}" for window in (100_000, 1_000_000, 10_000))
    for other, least in (("plain", 3.5), ("bokeh", 4.0), ("xy", 1.4)):
        ours, theirs = of(f"line ours {middle}", "frames"), of(f"line {other} {middle}", "frames")
        wanted.ratio(f"frames/s at {middle}, ours / {other}", ours, theirs, least)
    wanted.ratio(
        f"frames/s of ours, {long} / {short}",
        of(f"line ours {long}", "frames"),
        of(f"line ours {short}", "frames"),
        0.9,
    )
    for window, most in ((short, 1 / 3), (middle, 1 / 30)):
        ours, plain = of(f"line ours {window}", "p50"), of(f"line plain {window}", "p50")
        wanted.share(f"latency p50 at {window}, ours / plain", ours, plain, most)
    for window in (short, middle, long):
        wanted.below(
            f"latency p95 of ours at {window}", of(f"line ours {window}", "p95"), 100, "ms"
        )
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
            noise = max(_spread(results["feed 0 charts"], name), 1.0)
            wanted.below(f"feed lag {name}, 10 charts more than none", with_ - without, noise, "ms")
    for bars, least in (("500", 2), ("5,000", 6)):
        ours, plain = of(f"candles ours {bars}", "frames"), of(f"candles plain {bars}", "frames")
        wanted.ratio(f"candles, frames/s at {bars} bars, ours / plain", ours, plain, least)
    ours, plain = of("candles ours 5,000", "bytes"), of("candles ours 500", "bytes")
    wanted.share("candles, bytes per update of ours, 5,000 / 500 bars", ours, plain, 1.05)
    for key in ("heap ours shown", "heap ours hidden"):
        most = of(key, "most")
        wanted.below(f"page heap, {key.split()[-1]} tab, most growth", most and most / MB, 5, "MB")
    wanted.below("hidden tab, right again after", of("heap ours hidden", "back_ms"), 200, "ms")
    wanted.below("messages of one figure", of(f"line ours {short}", "messages"), 60.5, "/s")
    wanted.below("messages of each of 10 figures", of("ten ours 10", "messages_each"), 20.5, "/s")
    saved = of("ten ours 10", "saved")
    wanted.below("saved notebook of 10 live figures", saved and saved / MB, 4, "MB")
    head = f"\n{'target':58}{'measured':>18}{'wanted':>16}   reached\n"
    return head + "\n".join(wanted.lines) if wanted.lines else ""


def _spread(repetitions: Iterable[dict[str, Any]], name: str) -> float:
    values = [each[name] for each in repetitions if name in each]
    return max(values) - min(values) if len(values) > 1 else 0.0
