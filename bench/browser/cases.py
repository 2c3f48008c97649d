"""The cases: each function opens one notebook and returns the figures of one repetition."""

from __future__ import annotations

import socket
import statistics
import time
from typing import Any

from bench.browser.cells import FIFO_POINTS, FIVE, LINES, MARIMO_POINTS
from bench.browser.link import link_to
from bench.browser.stage import Case, Stage

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
# A little more than 30, so that 30 frames can be counted. plain sends all 2 MB with each column.
HEAT_COLUMNS, HEAT_OF_PLAIN = 31, 10
LINK_BITS_PER_S, LINK_ROUND_TRIP_S = 10e6, 0.2
MARIMO_REST_S = 30
PEERS_OF_FIVE = tuple(FIVE)


def line(
    stage: Stage, library: str, window: int, seconds: float, slower: float = 1, per_s: int = 1000
) -> Figures:
    """One line, at 1,000 ticks a second by default."""
    rate = RATES.get(library, FASTEST)
    if library == "plain" and window >= 1_000_000:
        rate = RATE_OF_A_MILLION
    code = f"in_kernel.line(NAME, {library!r}, {window}, {rate}, per_s={per_s})"
    with stage.case(code, slower=slower) as case:
        case.attach(PROBES.get(library, library))
        return _measure(case, seconds, 1 if window >= 1_000_000 else 3, library != "perspective")


def _measure(case: Case, seconds: float, draws: int = 3, has_latency: bool = True) -> Figures:
    """Start the ticks of a case whose frames are counted, and measure it.

    Args:
        case: the case.
        seconds: for how long.
        draws: after how many draws the page counts as warm.
        has_latency: False where frames are known, but not the points that are in them.
    """
    case.go()
    case.wait_drawn(draws)
    time.sleep(WARM_S)
    made = case.measure(seconds)
    late, early = made.pop("late"), made.pop("early")
    if has_latency:
        made |= _quantiles(late, "")
        made |= _quantiles(early, "at_draw_")
        made["falls_behind_ms"] = _growth(late)
    return made


def _growth(values: list[float]) -> float:
    """Return how much larger the last third is than the first, by their medians."""
    third = len(values) // 3
    if not third:
        return 0.0
    return statistics.median(values[-third:]) - statistics.median(values[:third])


def _quantiles(values: list[float], prefix: str) -> dict[str, float]:
    if len(values) < 2:
        return {f"{prefix}p50": values[0], f"{prefix}p95": values[0]} if values else {}
    parts = statistics.quantiles(values, n=20, method="inclusive")
    return {f"{prefix}p50": parts[9], f"{prefix}p95": parts[18]}


def candles(stage: Stage, library: str, bars: int, seconds: float, rate: int = 20) -> Figures:
    """Candles with volume; the last bar changes, 20 times a second by default."""
    with stage.case(f"in_kernel.candles(NAME, {library!r}, {bars}, {rate})") as case:
        case.attach("candles")
        return _measure(case, seconds, has_latency=False)


def five(stage: Stage, library: str, window: int, seconds: float) -> Figures:
    """Five lines, with 1,000 new points a second each."""
    rate = RATES.get(library, FASTEST)
    with stage.case(f"cells.five(NAME, {library!r}, {window}, {rate})") as case:
        case.attach(PROBES.get(library, library))
        return _measure(case, seconds, draws=1)


def fifo(stage: Stage, window: int, seconds: float) -> Figures:
    """Five lines; each frame that is drawn brings 100,000 new points a line."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with stage.case(f"cells.fifo(NAME, {window}, {port})") as case:
        case.attach("plotly")
        case.page.evaluate(f"() => bench.request({port})")
        made = _measure(case, seconds, has_latency=False)
        return {**made, "points": made["pushes"] * LINES * FIFO_POINTS}


def twenty(stage: Stage, seconds: float) -> Figures:
    """Twenty small figures in view; frames are those of the figure that has least."""
    with stage.case("cells.twenty(NAME, 10_000, 60)") as case:
        case.attach("each", 20)
        return _measure(case, seconds)


def heat(stage: Stage, library: str, seconds: float) -> Figures:
    """A heat map of 500 x 500 that gets columns."""
    rate = HEAT_OF_PLAIN if library == "plain" else HEAT_COLUMNS
    with stage.case(f"cells.heat(NAME, {library!r}, {rate})") as case:
        case.attach("plotly")
        return _measure(case, seconds)


def first(stage: Stage, library: str) -> Figures:
    """The first figure of a session, over a link that is slow once the page is loaded."""
    with link_to(stage.base) as link, stage.case("import tickerkit", link=link) as case:
        link.limit(LINK_BITS_PER_S, LINK_ROUND_TRIP_S)
        return {"shown_s": case.first_figure_s(f"cells.first({library!r})")}


def marimo(stage: Stage, seconds: float) -> Figures:
    """One line at 1,000 ticks a second in marimo, and 100,000 points in all."""
    with stage.marimo("cells.marimo(NAME, 60)") as case:
        case.attach("plotly")
        made = _measure(case, seconds)
        (case.folder / f"{case.name}.all").touch()
        wanted = {"count": MARIMO_POINTS, "sum": MARIMO_POINTS * (MARIMO_POINTS - 1) // 2}
        end = time.monotonic() + MARIMO_REST_S
        while (held := case.page.evaluate("() => bench.held()")) != wanted:
            if time.monotonic() > end:
                break
            time.sleep(0.5)
        # A point with a wrong value counts as lost, so the sum must be right, too.
        is_same = held["sum"] == wanted["sum"] or held["count"] != MARIMO_POINTS
        for unknown in ("messages", "bytes", "received", "sent"):
            del made[unknown]  # counted on Jupyter's websocket only
        made["lost"] = MARIMO_POINTS - held["count"] if is_same else MARIMO_POINTS
        return made


def ten(stage: Stage, library: str, figures: int, seconds: float) -> Figures:
    """Many live figures in one notebook: their messages, and the size of the saved notebook."""
    rate = RATES.get(library, FASTEST)
    code = f"in_kernel.line(NAME, {library!r}, 10_000, {rate}, figures={figures})"
    with stage.case(code) as case:
        case.attach(PROBES.get(library, library))
        made = _measure(case, seconds, has_latency=False)
        made["messages_each"] = made["messages"] / figures
        case.rest()
        made["shown"] = case.page.evaluate("() => bench.plots()")
        made["saved"] = case.save()
        return made


def heap(stage: Stage, library: str, minutes: float, hidden: bool) -> Figures:
    """The page's heap over minutes of ticks, in a visible or a hidden tab."""
    rate = RATES.get(library, FASTEST)
    if library == "plain":
        rate = RATE_OF_A_MILLION
    with stage.case(f"in_kernel.line(NAME, {library!r}, 1_000_000, {rate})") as case:
        case.attach(PROBES.get(library, library))
        case.go()
        case.wait_drawn(1)
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
