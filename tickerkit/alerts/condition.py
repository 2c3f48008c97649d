"""Condition: what judges the ticks of a view, and what it finds."""

from __future__ import annotations

from collections.abc import Set
from typing import NamedTuple, Protocol

from tickerkit.alerts.view import Tick, View

__all__ = ["NOTHING", "Condition", "Firing"]


class Firing(NamedTuple):
    """One firing of a condition.

    Attributes:
        place: the place in the view of the tick by which it was noticed.
        kind: the kind of the event.
        code: the code of the symbol; -1 for none.
        value: what was judged.
        text: what happened, without the symbol: "is above 200: 200.05".
        level: the level that was crossed; NaN without one.
        tick: the tick of the event where it is not that at `place`.
    """

    place: int
    kind: str
    code: int
    value: float
    text: str
    level: float = float("nan")
    tick: Tick | None = None


NOTHING: list[Firing] = []


class Condition(Protocol):
    """A state machine over the ticks of a log, without a clock.

    What it finds depends on the ticks and on their order alone, and never on the batches in which
    they come.

    Attributes:
        sees_all: whether it needs the ticks of other symbols than its own, too.
    """

    sees_all: bool

    def judge(self, view: View, codes: Set[int] | None) -> list[Firing]:
        """Judge the next ticks of the log.

        Args:
            view: the ticks.
            codes: the codes of the symbols to judge; None for all.
        """
        ...
