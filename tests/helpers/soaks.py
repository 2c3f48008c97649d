"""Soak tests: how much each one does, which is all of it but for a share that CI asks for."""

from __future__ import annotations

import os
from typing import Any

import pytest

__all__ = ["TIMEOUT_S", "examples", "share_of", "soak"]

SHARE = float(os.environ.get("TICKERKIT_SOAK_SHARE", "1"))  # .ci/run sets it
TIMEOUT_S = 1800


def share_of(whole: int) -> int:
    """Return how much of a soak test's whole work is to be done: messages, kills, seconds."""
    return max(round(whole * SHARE), 1)


def examples(whole: int) -> int:
    """Return how many random examples to try: a third of them where no share is asked for."""
    return whole if "TICKERKIT_SOAK_SHARE" in os.environ else whole // 3


def soak(whole: int, *more: int) -> Any:
    """Return parameters of a soak test, each by its share; `make test` has a case with fewer."""
    return pytest.param(
        *(share_of(each) for each in (whole, *more)),
        id="soak",
        marks=[pytest.mark.soak, pytest.mark.timeout(TIMEOUT_S)],
    )
