"""Plan: which tasks a teacher has chosen, by which rules, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec

from tickerkit.classroom.room.rules import Rules
from tickerkit.classroom.room.tasks import TASKS
from tickerkit.ticks.lengths import parse_length_ns
from tickerkit.validation import check_choice, check_number

__all__ = ["Plan", "make_plan"]

NAMES = tuple(task.name for task in TASKS)
ALL = "all"
MAX_BREAKS = 20
MAX_PACE = 1000


class Plan(msgspec.Struct, frozen=True):
    """What a class is to do.

    Attributes:
        name: the name of the task, or "all".
        rules: the times and counts.
        since: when it began.
        until: when it ends; None if it does not.
        pace: by what the times of the rules were divided.
    """

    name: str
    rules: Rules
    since: float
    until: float | None
    pace: float = 1.0

    @property
    def numbers(self) -> list[int]:
        """The numbers of its tasks."""
        return [task.number for task in TASKS if self.name in (ALL, task.name)]

    def select(self, tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """Return what counts of a seat's tasks: others, and what was passed since it began."""
        return {
            number: dict(task)
            for number, task in tasks.items()
            if int(number) not in self.numbers or (task.get("at") or 0.0) >= self.since
        }

    def list_tasks(self, tasks: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return its tasks as the messages to a seat have them."""
        return [
            {
                "number": number,
                "title": TASKS[number - 1].title,
                "state": tasks.get(str(number), {}).get("state", "open"),
                "hint": tasks.get(str(number), {}).get("hint", ""),
                "fault": tasks.get(str(number), {}).get("fault", ""),
            }
            for number in self.numbers
        ]

    def is_over(self, now: float) -> bool:
        """Return whether its time has passed."""
        return self.until is not None and now >= self.until


def make_plan(
    name: str | None = None,
    *,
    now: float,
    breaks: int = 5,
    within: str | float | timedelta | None = None,
    pace: float = 1.0,
) -> Plan:
    """Return the plan of a challenge.

    Args:
        name: the name of a task; None for all seven.
        now: when it begins.
        breaks: how many breaks to survive.
        within: how long it lasts: "5min", a timedelta, or seconds; None for no end.
        pace: all times of the rules are divided by it: 10 for a trial in a tenth of the time.

    Raises:
        InvalidType: an argument is of another type.
        InvalidArgument: an argument has an invalid value.
    """
    check_choice("name", name, (*NAMES, None))
    check_number("breaks", breaks, 1, MAX_BREAKS, whole=True)
    check_number("pace", pace, 0.1, MAX_PACE)
    until = None if within is None else now + parse_length_ns("within", within, seconds=True) / 1e9
    rules = Rules(breaks=int(breaks)).speed_up(float(pace))
    return Plan(name or ALL, rules, now, until, float(pace))
