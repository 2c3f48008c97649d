"""Exercise 5c: returns of a frame, without those across gaps."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pandas as pd

from tickerkit.classroom.lessons.exercise import Exercise, Outcome
from tickerkit.classroom.lessons.judging import NO_FUNCTION, NOTHING, describe
from tickerkit.classroom.lessons.refusal import Refusal

__all__ = ["ACROSS_GAPS"]

FRAMES = 10

SOLUTION = """
def returns(frame):
    return frame["price"].pct_change().mask(frame["gap"])
"""

NO_SERIES = "Return a column as long as the frame, with one number for each row."
ACROSS = "A return reaches across a gap: there is no such step. Mask it."
DIFFERENCE = "These are differences of prices. A return is the change divided by the price before."
ZEROS = "Across a gap the return is unknown, not 0."
DROPPED = "The rows after gaps are gone. Keep them, without a number."
BESIDE = "The masked row is not the first one after the gap."
FULL = "The first row has nothing before it, so it has no return."

WRONG = {
    SOLUTION.replace('.mask(frame["gap"])', ""): ACROSS,
    SOLUTION.replace(".pct_change()", ".diff()"): DIFFERENCE,
    SOLUTION.replace('.mask(frame["gap"])', '.mask(frame["gap"], 0)'): ZEROS,
    SOLUTION.replace('.mask(frame["gap"])', '[~frame["gap"]]'): DROPPED,
    SOLUTION.replace('frame["gap"])', 'frame["gap"].shift(-1, fill_value=False))'): BESIDE,
    SOLUTION.replace('frame["gap"])', 'frame["gap"]).fillna(0)'): ZEROS + " " + FULL,
}


def _draw_frame(rng: Random) -> pd.DataFrame:
    rows = rng.randrange(12, 40)
    gaps = np.zeros(rows, dtype=bool)
    # Not side by side, so that each mistake can be told from the others.
    gaps[rng.sample(range(2, rows - 1, 2), 3)] = True
    steps = np.where(gaps, [rng.randrange(5, 90) for _ in range(rows)], 1)
    moves = [rng.choice([-1, 1]) * rng.uniform(0.0005, 0.01) for _ in range(rows)]
    return pd.DataFrame(
        {
            "seq": np.cumsum(steps) + rng.randrange(1000),
            "price": 187.25 * np.cumprod(1 + np.array(moves)),
            "gap": gaps,
        },
        index=range(rng.randrange(100), 10_000)[:rows],
    )


def _check(came: Any, frame: pd.DataFrame) -> None:
    if came is None:
        raise Refusal(NOTHING, written=False)
    try:
        values = np.asarray(came, dtype=float)
    except (TypeError, ValueError):
        raise Refusal(NO_SERIES, describe(came)) from None
    gaps = frame["gap"].to_numpy()
    if values.shape == (int((~gaps).sum()),):
        raise Refusal(DROPPED)
    if values.shape != gaps.shape:
        raise Refusal(NO_SERIES, f"shape {values.shape}")
    plain = frame["price"].pct_change().to_numpy()
    right = np.where(gaps, np.nan, plain)
    if np.allclose(values, right, equal_nan=True):
        return
    row = frame.loc[frame["gap"]].index[0]
    came_at = f"{values[gaps][0]:g} in row {row}, the first after a gap"
    differences = np.where(gaps, np.nan, frame["price"].diff().to_numpy())
    if np.allclose(values, differences, equal_nan=True):
        raise Refusal(DIFFERENCE)
    if np.allclose(values, np.nan_to_num(right)):
        raise Refusal(f"{ZEROS} {FULL}", came_at)
    if np.allclose(values[gaps], 0):
        raise Refusal(ZEROS, came_at)
    if np.allclose(values[gaps], plain[gaps]):
        raise Refusal(BESIDE if np.isnan(values[1:]).any() else ACROSS, came_at)
    raise Refusal("Some returns are not right.", describe(values[:6].round(5).tolist()))


def _judge(answer: Any, rng: Random) -> Outcome:
    kind = "the change from row to row as a share, and no number across a gap"
    if not callable(answer):
        return Outcome(False, 0, NO_FUNCTION, kind, describe(answer))
    for checked in range(FRAMES):
        frame = _draw_frame(rng)
        try:
            _check(answer(frame.copy()), frame)
        except Refusal as refusal:
            return refusal.make_outcome(checked, kind)
    return Outcome(True, FRAMES, "No return reaches across a gap.")


ACROSS_GAPS = Exercise(
    key="5c",
    task="returns(frame): the returns of the prices, without those across gaps.",
    judge=_judge,
    hints=(
        'frame["price"].pct_change() has all of them, and too many.',
        "The column `gap` is true for the first row after a gap.",
        "A column has a method mask(condition): where it is true, there is no number.",
    ),
    solution=SOLUTION,
    wrong=WRONG,
)
