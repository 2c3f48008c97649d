"""The cases: each function opens one notebook and returns the figures of one repetition."""

from __future__ import annotations

import statistics
import time
from typing import Any

from bench.browser.stage import Stage

Figures = dict[str, Any]
LIBRARIES = ("ours", "plain", "bokeh", "xy", "perspective", "resampler")
WINDOWS = (10_000, 100_000, 1_000_000)
BARS = (500, 5_000)
PROBES = {"ours": "plotly", "plain": "plotly", "resampler": "plotly"}
# Pushed faster, these libraries fall behind: they draw each push, one after another.
RATES = {"plain": 20.0, "resampler": 20.0}
FASTEST = 60.0
# 16 MB a push: at 20 a second the page's queue would take gigabytes within one repetition.
RATE_OF_A_MILLION = 2.0
WARM_S = 2.0


def line(stage: Stage, library: str, window: int, seconds: float) -> Figures:
    """One line at 1,000 ticks a second."""
    rate = RATES.get(library, FASTEST)
    if library == "plain" and window >= 1_000_000:
        rate = RATE_OF_A_MILLION
    with stage.case(f"in_kernel.line(NAME, {library!r}, {window}, {rate})") as case:
        how = case.attach(PROBES.get(library, library))
        case.go()
        case.wait_drawn(1 if window >= 1_000_000 else 3)
        time.sleep(WARM_S)
        made = case.measure(seconds)
        late, early = made.pop("late"), made.pop("early")
        if library != "perspective":  # its frames are known, not the points that are in them
            made |= _quantiles(late, "")
            made |= _quantiles(early, "at_draw_")
        return {**made, "probe": how}


def _quantiles(values: list[float], prefix: str) -> dict[str, float]:
    if len(values) < 2:
        return {f"{prefix}p50": values[0], f"{prefix}p95": values[0]} if values else {}
    parts = statistics.quantiles(values, n=20, method="inclusive")
    return {f"{prefix}p50": parts[9], f"{prefix}p95": parts[18]}


def candles(stage: Stage, library: str, bars: int, seconds: float) -> Figures:
    """Candles with volume; the last bar changes 20 times a second."""
    with stage.case(f"in_kernel.candles(NAME, {library!r}, {bars}, 20)") as case:
        how = case.attach("candles")
        case.go()
        case.wait_drawn()
        time.sleep(WARM_S)
        made = case.measure(seconds)
        del made["late"], made["early"]
        return {**made, "probe": how}


def ten(stage: Stage, library: str, figures: int, seconds: float) -> Figures:
    """Many live figures in one notebook: their messages, and the size of the saved notebook."""
    rate = RATES.get(library, FASTEST)
    code = f"in_kernel.line(NAME, {library!r}, 10_000, {rate}, figures={figures})"
    with stage.case(code) as case:
        case.attach(PROBES.get(library, library))
        case.go()
        case.wait_drawn()
        time.sleep(WARM_S)
        made = case.measure(seconds)
        del made["late"], made["early"]
        made["messages_each"] = made["messages"] / figures
        case.rest()
        made["shown"] = case.page.evaluate("() => bench.plots()")
        made["saved"] = case.save()
        return made


def heap(stage: Stage, library: str, minutes: float, hidden: bool) -> Figures:
    """The page's heap over minutes of ticks, in a visible or a hidden tab."""
    rate = RATES.get(library, FASTEST)
    with stage.case(f"in_kernel.line(NAME, {library!r}, 100_000, {rate})") as case:
        case.attach(PROBES.get(library, library))
        case.go()
        case.wait_drawn()
        # The first seconds compile code and fill windows; they do not count as growth.
        time.sleep(min(20.0, minutes * 20))
        held = [case.heap()]
        if hidden:
            case.page.evaluate("() => bench.hide(true)")
        steps = max(int(minutes), 1)
        for _ in range(steps):
            time.sleep(minutes * 60 / steps)
            held.append(case.heap())
        made = {"heap": held, "growth": held[-1] - held[0], "most": max(held) - held[0]}
        if hidden:
            case.page.evaluate("() => bench.reset()")
            made["back_ms"] = case.page.evaluate("() => bench.back()")
        return made


def feed(stage: Stage, charts: int, seconds: float) -> Figures:
    """A feed of 1,000 ticks a second, in a kernel that also draws charts of it."""
    with stage.case(f"in_kernel.feed(NAME, {charts}, 1000)") as case:
        case.go()
        time.sleep(WARM_S)
        skip = len(case.lags())
        made = case.measure(seconds)
        case.rest()
        return {"kernel": made["kernel"], **_quantiles(case.lags()[skip:], "")}
