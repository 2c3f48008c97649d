"""Soak tests: how much work each test does. CI sets a share of the whole."""

from __future__ import annotations

import os
from typing import Any

import pytest

__all__ = ["TIMEOUT_S", "examples", "share_of", "soak"]

SHARE = float(os.environ.get("TICKERKIT_SOAK_SHARE", "1"))  # .ci/run sets it
TIMEOUT_S = 1800


def share_of(whole: int) -> int:
    """Return the share to do of a soak test's whole work, in messages, kills or seconds."""
    return max(round(whole * SHARE), 1)


def examples(whole: int) -> int:
    """Return how many random examples to try: all if a share is set, else a third."""
    return whole if "TICKERKIT_SOAK_SHARE" in os.environ else whole // 3


def soak(whole: int, *more: int) -> Any:
    """Return the share of each parameter of a soak test; `make test` runs a smaller case."""
    return pytest.param(
        *(share_of(each) for each in (whole, *more)),
        id="soak",
        marks=[pytest.mark.soak, pytest.mark.timeout(TIMEOUT_S)],
    )
