"""pick_delay_s: how long a source waits before it connects again."""

from __future__ import annotations

import random

__all__ = ["pick_delay_s"]

FIRST_DELAY_S = 0.25
MAX_DELAY_S = 30.0


def pick_delay_s(failed: int) -> float:
    """Return a random delay of up to 0.25 s, doubled with each failed attempt, up to 30 s.

    Random, so that many clients do not connect again at the same moment.

    Args:
        failed: how many attempts have failed in a row.
    """
    return random.uniform(0, min(MAX_DELAY_S, FIRST_DELAY_S * 2 ** min(failed, 10)))
