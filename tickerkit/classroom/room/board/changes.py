"""Changes: which students and lines of the journal have changed since a number. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

__all__ = ["MAX_JOURNAL", "Changes"]

MAX_JOURNAL = 200
# How many names of students who have gone are kept. A page whose newest change is before the oldest
# of them gets all students again.
MAX_GONE = 1000
# Of a message; the rest, such as its state, is small.
MAX_BYTES = 18_000
STATES = {"passed": "p", "failed": "f", "open": "o"}
TOLD = ("number", "time", "event", "name")
# A line before has it.
REPEATED = {("address", "left")}
# What the journal's events are called where the teacher's orders stand among what students do.
WORDS = {
    "drop": "wire dropped",
    "stall": "wire stalled",
    "delay": "wire delayed",
    "resume": "wire resumed",
    "said": "was told",
}
# What needs no word before it.
PLAIN = ("text", "address", "client", "reason")

# As in the messages.
SeatRow: TypeAlias = tuple[str, str, str, int, int, float | None, str, float | None, str]
JournalRow: TypeAlias = tuple[int, float, str, str, str]
Key: TypeAlias = tuple[Literal["seat", "journal"], str]
Entry: TypeAlias = SeatRow | JournalRow | None


class Changes:
    """Numbers each change of a student and each line of the journal, so that none is sent twice.

    Args:
        tasks: the numbers of the tasks, in their order.

    Attributes:
        stop: the number that the next change gets.
        journal: the number of the newest line of the journal.
    """

    def __init__(self, tasks: Sequence[int]) -> None:
        self._tasks = [str(number) for number in tasks]
        # By key, in the order of their numbers; None for a student who has gone.
        self._entries: dict[Key, tuple[int, Entry]] = {}
        self._first = 1  # names that have gone before this change are forgotten
        self.stop = 1
        self.journal = 0

    def take(
        self,
        seats: Iterable[Mapping[str, Any]],
        lines: Iterable[Mapping[str, Any]],
        *,
        are_given: bool = False,
    ) -> None:
        """Take all students, and the new lines of the journal.

        Args:
            seats: the students.
            lines: the lines.
            are_given: whether all tasks are to be done, also by students who have not begun.
        """
        missing = "o" if are_given else "-"
        rows = {seat["name"]: make_row(seat, self._tasks, missing) for seat in seats}
        known = {name for kind, name in self._entries if kind == "seat"}
        for name in known - rows.keys():
            self._put(("seat", name), None)
        for name, row in rows.items():
            self._put(("seat", name), row)
        for line in lines:
            self.journal = max(self.journal, line["number"])
            self._put(("journal", str(line["number"])), make_line(line))
        self._forget()

    def _put(self, key: Key, entry: Entry) -> None:
        if key in self._entries and self._entries[key][1] == entry:
            return
        self._entries.pop(key, None)
        self._entries[key] = (self.stop, entry)
        self.stop += 1

    def _forget(self) -> None:
        lines = [key for key in self._entries if key[0] == "journal"]
        for key in lines[:-MAX_JOURNAL]:
            del self._entries[key]
        gone = [key for key, (_, entry) in self._entries.items() if entry is None]
        for key in gone[:-MAX_GONE]:
            self._first = self._entries.pop(key)[0] + 1

    def read(self, start: int) -> tuple[int, int, list[SeatRow], list[str], list[JournalRow]]:
        """Return changes from a number on, as many as fit into a message.

        Returns:
            The numbers of the first change and of the one after the last, the rows of students, the
            names that have gone, and lines of the journal. The first number is 0 if these replace
            all that a page has.
        """
        if start < self._first:
            start = 0
        rows: list[SeatRow] = []
        gone: list[str] = []
        lines: list[JournalRow] = []
        size = 0
        for key, (number, entry) in self._entries.items():
            if number < start or (start == 0 and entry is None):
                continue
            size += len(json.dumps(entry or key, ensure_ascii=False).encode())
            if size > MAX_BYTES and (rows or gone or lines):
                return start, number, rows, gone, lines
            if entry is None:
                gone.append(key[1])
            elif key[0] == "seat":
                rows.append(entry)  # type: ignore[arg-type]
            else:
                lines.append(entry)  # type: ignore[arg-type]
        return start, self.stop, rows, gone, lines


def make_row(seat: Mapping[str, Any], tasks: Sequence[str], missing: str = "-") -> SeatRow:
    """Return what a page shows of a student.

    Args:
        seat: the student.
        tasks: the numbers of the tasks.
        missing: the letter of a task of which nothing is known.
    """
    states = seat["tasks"]
    letters = [
        STATES.get(states[each]["state"], "o") if each in states else missing for each in tasks
    ]
    return (
        seat["name"],
        seat["status"],
        seat["client"],
        seat["drops"],
        seat["behind"],
        _round_ping(seat["ping_ms"]),
        "".join(letters),
        seat["score"],
        seat["wire"],
    )


def _round_ping(ping_ms: float | None) -> float | None:
    """Round so that a row doesn't change for nothing."""
    if ping_ms is None:
        return None
    return round(ping_ms) if ping_ms >= 1 else round(ping_ms, 1)


def make_line(line: Mapping[str, Any]) -> JournalRow:
    """Return what a page shows of a line of the journal."""
    rest = [
        str(value) if name in PLAIN else f"{name} {value}"
        for name, value in line.items()
        if name not in TOLD and value and (name, line["event"]) not in REPEATED
    ]
    event, name = line["event"], line["name"]
    if event == "challenge":
        event = "challenge begins" if line.get("text") else "challenge ends"
    elif event in WORDS:
        event, name = WORDS[event], name or "everyone"
    return (line["number"], line["time"], event, name, ", ".join(rest))
