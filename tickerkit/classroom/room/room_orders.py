"""RoomOrders: what a teacher can ask of a class, and see of it, from a notebook."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from datetime import timedelta
from functools import partial
from typing import Any, cast

import msgspec
import pandas as pd

from tickerkit.classroom.room.market import MarketControl
from tickerkit.classroom.room.plan import make_plan
from tickerkit.classroom.room.robots import Robots
from tickerkit.classroom.room.saving import Record
from tickerkit.classroom.room.student_wire import SeatTap, StudentWire
from tickerkit.classroom.room.tables import make_journal, make_roster, make_scores
from tickerkit.errors import InvalidArgument
from tickerkit.server.notes import MAX_NOTE_CHARACTERS, clean_note
from tickerkit.validation import check_text

__all__ = ["RoomOrders"]


class RoomOrders(ABC):
    """The orders of a room; `Room` sends them to the server.

    Args:
        record: what has happened.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._pace = 1.0
        self._robots: list[Robots] = []

    @property
    @abstractmethod
    def url(self) -> str:
        """Address of every tick for a program on this machine."""

    @abstractmethod
    def _execute(self, command: str, *args: Any) -> Any:
        """Execute a command where the connections are."""

    # --- tables -------------------------------------------------------------------------------

    def snapshot(self, since: int = 0) -> dict[str, Any]:
        """Return all that a board shows, with what is new in the journal since a version."""
        return cast("dict[str, Any]", self._execute("snapshot", since))

    @property
    def roster(self) -> pd.DataFrame:
        """The students, in the order in which they came.

        Returns:
            A DataFrame with the columns `name`, `status` ("live", "stalled" or "away"), `client`
            (the program), `since`, `drops` (connections that ended without a close frame), `behind`
            (ticks not sent yet), `ping_ms` and `passed` (how many tasks).
        """
        return make_roster(self.snapshot()["seats"])

    @property
    def scores(self) -> pd.DataFrame:
        """The students with their tasks, the best first: most passed, then the lowest score.

        `score` is the mean time from a break of the connection to the first tick, in seconds.
        """
        return make_scores(self._record.state()["seats"])

    @property
    def journal(self) -> pd.DataFrame:
        """Who came and left, with which close code, what was ordered, and what was refused."""
        return make_journal(self._record.list_events())

    @property
    def market(self) -> MarketControl:
        """The control of a simulated or recorded source: pause, play, speed, crash."""
        return MarketControl(self._execute)

    # --- orders -------------------------------------------------------------------------------

    def say(self, text: str, name: str | None = None) -> int:
        """Show a line of text to the class, or to one student.

        Returns:
            How many connections it was sent to; one that reads nothing may not get it.
        """
        expected = f"text of 1 to {MAX_NOTE_CHARACTERS} characters"
        check_text("text", text, expected)
        line = clean_note(text)
        if not line or len(text) > MAX_NOTE_CHARACTERS:
            raise InvalidArgument("text", text, expected)
        return int(self._order("say", line, name, student=name))

    def kick(self, name: str) -> int:
        """Remove a student: the connections are closed, and the name is refused from now on.

        Returns:
            How many connections were closed.
        """
        return int(self._order("kick", name, student=name))

    def wire(self, name: str) -> StudentWire:
        """Return the connections of one student, to drop, stall, delay or close them."""
        check_text("name", name, "the name of a student")
        return StudentWire(partial(self._order, student=name), name)

    @property
    def wires(self) -> StudentWire:
        """The connections of all students, as `wire`."""
        return StudentWire(partial(self._order, student=None), None)

    def tap(self, name: str) -> SeatTap:
        """Begin to keep the frames of a student's programs; `tap(name).frames()` shows them."""
        self._order("tap", name, student=name)
        return SeatTap(partial(self._order, student=name), name)

    def challenge(
        self,
        name: str | None = None,
        *,
        breaks: int = 5,
        within: str | float | timedelta | None = None,
        pace: float = 1.0,
    ) -> None:
        """Begin a challenge: each student's programs do tasks, judged by what their wires show.

        What fails is shown to that student alone, with the frame that shows it. It replaces a
        challenge that goes on; `end_challenge` ends it.

        Args:
            name: "knock", "listen", "speak", "answer", "survive", "slow" or "leave"; None for all
                seven, of which the later ones wait for the earlier ones.
            breaks: how many breaks of the connection to survive, from 1 to 20.
            within: how long it lasts: "5min", a timedelta, or seconds; None for no end.
            pace: all its times are divided by it: 10 to try it in a tenth of the time.
        """
        plan = make_plan(name, now=time.time(), breaks=breaks, within=within, pace=pace)
        self._order("challenge", msgspec.to_builtins(plan), student=None)
        self._pace = plan.pace

    def end_challenge(self) -> None:
        """End the challenge; what was passed stays in `scores`. Idempotent."""
        self._order("challenge", None, student=None)

    def robots(self, count: int = 5) -> Robots:
        """Send robot students to the class, to try a lesson alone: robot-1, robot-2 and so on.

        Each has a temper: good, forgets pongs, comes back too fast, reads slowly, leaves rudely.
        They leave with their `stop()`, or with the class.

        Args:
            count: how many, from 1 to 300.
        """
        first = 1 + sum(len(each.tempers) for each in self._robots)
        robots = Robots(self.url, count, self._pace, first)
        self._robots.append(robots)
        return robots.start()

    def rename(self, name: str, new: str) -> str:
        """Give a student another name; seat, tasks and score stay. Return the new name.

        Programs that connect by the old name have the seat too, with its new name.
        """
        check_text("new", new, "a name of at most 32 characters")
        try:
            return str(self._order("rename", name, new, student=name))
        except InvalidArgument:  # also a ValueError: there is no student with the old name
            raise
        except ValueError:
            raise InvalidArgument("new", new, "a name that no other student has") from None

    def _order(self, command: str, *args: Any, student: str | None) -> Any:
        """Execute an order about a student, or about all with None."""
        if student is not None:
            check_text("name", student, "the name of a student")
        try:
            return self._execute(command, *args)
        except KeyError:
            raise InvalidArgument("name", student, self._find_expected(student)) from None

    def _find_expected(self, student: str | None) -> str:
        """Return what a name may be, with the one that differs only in its capitals."""
        names = [str(name) for name in self.roster["name"]]
        near = [name for name in names if name.lower() == str(student).lower()]
        return f"{near[0]!r}" if near else "a student's name; see room.roster"
