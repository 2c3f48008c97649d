"""Survival: what was wrong with how a client came back after a break."""

from __future__ import annotations

from typing import NamedTuple

from tickerkit.classroom.room.outages import Outage
from tickerkit.classroom.room.rules import Rules

__all__ = ["Problem", "find_problem", "find_same_waits", "is_survived"]

# Waits after failed attempts that are longer by this factor count as grown.
GROWTH = 1.2
# Waits whose spread is below one of these count as the same: a network alone makes waits differ.
SAME_PART, SAME_S = 0.1, 0.02
KINDS = {
    "reset": "a reset",
    "half": "half of a frame",
    "restart": "close 1012",
    "stall": "a stall",
    "refuse": "the refusals",
}


class Problem(NamedTuple):
    """What was wrong: its name, as a task's `fault`, and a sentence."""

    fault: str
    text: str


def find_problem(outage: Outage, rules: Rules, now: float) -> Problem | None:
    """Return what was wrong with how a client came back; None if nothing was, so far."""
    after = f"after {KINDS[outage.kind]}"
    most, waits = max(outage.tries, default=0), outage.waits
    if most > rules.tries:
        span = "one second" if rules.second_s == 1 else f"{rules.second_s:g} s"
        return Problem("too often", f"you came back {most} times in {span} {after}")
    if outage.ended_at is not None:
        since_s = (outage.back_at or now) - outage.ended_at
        if since_s > rules.back_s:
            return Problem("not back", f"you were not back {rules.back_s:g} s {after}")
    if outage.back_at is None:
        return None
    if (same := _find_same_growth(waits)) is not None:
        text = f"{after} you waited {same[0]:.2f} s, then {same[1]:.2f} s: waits must grow"
        return Problem("no growth", text)
    if outage.after is None:
        text = f"you came back without after= {after}: what was sent meanwhile is lost"
        return Problem("no after", text)
    if outage.after > outage.last_seq:
        sent = f"{outage.last_seq} was the last that you were sent"
        text = f"you came back with after={outage.after} {after}; {sent}"
        return Problem("wrong after", text)
    return None


def _find_same_growth(waits: list[float]) -> tuple[float, float] | None:
    """Return the mean of the earlier and of the later waits; None if they have grown, or are one.

    Means, since a random part may make a single wait longer or shorter.
    """
    half = len(waits) // 2
    if not half:
        return None
    earlier_s, later_s = sum(waits[:half]) / half, sum(waits[half:]) / (len(waits) - half)
    return None if later_s >= GROWTH * earlier_s else (earlier_s, later_s)


def is_survived(outage: Outage, rules: Rules) -> bool:
    """Return whether a client is back, and did it well."""
    return outage.ticked_at is not None and find_problem(outage, rules, outage.ticked_at) is None


def find_same_waits(outages: list[Outage], rules: Rules) -> float | None:
    """Return how long a client waited after each break, if always as long; None if not."""
    waits = [outage.waits[0] for outage in outages if outage.waits]
    if len(waits) < 3:
        return None
    mean_s = sum(waits) / len(waits)
    spread_s = max(waits) - min(waits)
    return mean_s if spread_s < max(SAME_S * rules.second_s, SAME_PART * mean_s) else None
