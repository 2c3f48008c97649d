"""GapCondition: ticks that are missing."""

from __future__ import annotations

from collections.abc import Set

from tickerkit.alerts.condition import NOTHING, Firing
from tickerkit.alerts.view import View
from tickerkit.formatting import format_count

__all__ = ["GapCondition"]


class GapCondition:
    """Fires at the first tick after each gap: only then is it known where the gap ends."""

    sees_all = True

    def judge(self, view: View, codes: Set[int] | None) -> list[Firing]:
        """Return the gaps before these ticks, see `Condition`."""
        if not view.gaps:
            return NOTHING
        tick = view.tick(0)._replace(symbol="")
        found = []
        for gap in view.gaps:
            value = float("nan") if gap.count is None else float(gap.count)
            many = "ticks are" if gap.count is None else f"{format_count(gap.count, 'tick')}"
            verb = "" if gap.count is None else " is" if gap.count == 1 else " are"
            text = f"{many}{verb} missing: {gap.reason}"
            found.append(Firing(0, "gap", -1, value, text, tick=tick))
        return found
