"""Changes: only what has changed is sent, in messages of a bounded size."""

from __future__ import annotations

import json

import pytest
from snapshots import make_line, make_seat

from tickerkit.classroom.room.board import changes
from tickerkit.classroom.room.board.changes import MAX_JOURNAL, Changes


def test_only_students_who_have_changed_are_sent() -> None:
    """A round trip that differs by less than is shown changes nothing."""
    taken = Changes([1, 2, 3])
    taken.take([make_seat("ana"), make_seat("bo")], [make_line(1)])
    start, stop, rows, gone, lines = taken.read(0)
    assert (start, [row[0] for row in rows], gone, len(lines)) == (0, ["ana", "bo"], [], 1)
    taken.take([make_seat("ana", ping_ms=12.4), make_seat("bo", behind=3)], [])
    start, stop, rows, gone, lines = taken.read(stop)
    assert ([row[0] for row in rows], gone, lines) == (["bo"], [], [])
    taken.take([make_seat("bo", behind=3)], [])
    assert taken.read(stop)[2:] == ([], ["ana"], [])
    assert taken.read(taken.stop)[2:] == ([], [], [])


def test_student_is_a_short_row() -> None:
    """Tasks are a letter each; one that was not given is a dash."""
    tasks = {"1": {"state": "passed", "hint": "", "at": 1}, "2": {"state": "failed", "hint": "x"}}
    row = changes.make_row(make_seat("ana", tasks=tasks, score=3.5, ping_ms=0.43), "1234")
    assert row[3:] == (0, 0, 0.4, "pf--", 3.5, "")
    assert changes.make_row(make_seat("bo"), "123", missing="o")[6] == "ooo"
    assert changes.make_row(make_seat("bo", ping_ms=None), "")[5] is None


def test_journal_tells_facts_in_a_few_words() -> None:
    """Empty facts are left out, and what explains itself has no word before it."""
    line = make_line(7, address="192.168.1.57", code=1006, reason="")
    assert changes.make_line(line) == (7, 1.0, "joined", "ana", "192.168.1.57, code 1006")


def test_journal_has_words_for_the_orders_of_the_teacher() -> None:
    """Among what students do, the names of orders would be a riddle."""
    stall = make_line(1, event="stall", name="", text="5")
    assert changes.make_line(stall)[2:] == ("wire stalled", "everyone", "5")
    begin, end = (make_line(2, event="challenge", name="", text=text) for text in ("all", ""))
    assert changes.make_line(begin)[2:] == ("challenge begins", "", "all")
    assert changes.make_line(end)[2:] == ("challenge ends", "", "")


def test_a_large_class_comes_in_several_messages() -> None:
    """Each has at most 20 kB, together they have everybody once, and none is lost meanwhile."""
    seats = [make_seat(f"{'é' * 28} {number}") for number in range(300)]
    taken = Changes(range(1, 8))
    taken.take(seats, [])
    names: list[str] = []
    start = 0
    while start < taken.stop:
        first, stop, rows, _, _ = taken.read(start)
        assert first == start
        assert len(json.dumps(rows, ensure_ascii=False).encode()) < 20_000
        names += [row[0] for row in rows]
        start = stop
    assert sorted(names) == sorted(seat["name"] for seat in seats)


def test_memory_is_bounded_however_many_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that was told too long ago gets everything again."""
    monkeypatch.setattr(changes, "MAX_GONE", 100)
    taken = Changes([])
    for number in range(3 * changes.MAX_GONE):
        taken.take([make_seat(f"guest-{number}")], [make_line(number + 1)])
    assert len(taken._entries) <= MAX_JOURNAL + changes.MAX_GONE + 1
    start, _, rows, gone, lines = taken.read(1)
    assert (start, len(rows), gone, len(lines)) == (0, 1, [], MAX_JOURNAL)
