"""seats: who sits where, by name or key, and what is left of a class when its server ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tickerkit.classroom.room import saving
from tickerkit.classroom.room.codes import DIGITS, LETTERS, make_code
from tickerkit.classroom.room.saving import Record
from tickerkit.classroom.room.seats import MAX_SEATS, Seat, Seats


def sit(seats: Seats, name: str, key: str = "") -> Seat:
    """Return the seat of a new connection."""
    return seats.join(name, key, 1.0)[0]


def test_name_leads_to_the_same_seat() -> None:
    """Also for a second program at once, and after a break."""
    seats = Seats()
    first = sit(seats, "ana")
    assert sit(seats, "ana") is first
    assert first.connected == 2
    seats.leave(first, had_key=False, is_clean=False)
    seats.leave(first, had_key=False, is_clean=True)
    assert (first.drops, first.connected) == (1, 0)
    assert sit(seats, "ana") is first


def test_page_and_programs_share_a_seat() -> None:
    """A program has no key, and sits where its name does."""
    seats = Seats()
    page = sit(seats, "ana", "key-1")
    assert sit(seats, "ana") is page


def test_second_page_with_the_name_gets_a_number() -> None:
    """While somebody else's page is there; afterwards the name is free again."""
    seats = Seats()
    first = sit(seats, "ana", "key-1")
    assert sit(seats, "ana", "key-2").name == "ana-2"
    assert sit(seats, "ana", "key-3").name == "ana-3"
    seats.leave(first, had_key=True, is_clean=True)
    assert sit(seats, "ana", "key-4") is first


def test_key_leads_to_its_seat_whatever_the_name() -> None:
    """A teacher's new name stays, and so does the score, when the page is loaded again."""
    seats = Seats()
    seat = sit(seats, "xx", "key-1")
    seat.tasks["1"] = {"state": "passed"}
    seats.leave(seat, had_key=True, is_clean=False)
    assert seats.rename("xx", "cleo") is seat
    assert sit(seats, "xx", "key-1") is seat
    assert (seat.name, seat.passed) == ("cleo", 1)
    assert seats.find("xx") is None


def test_program_of_a_renamed_student_keeps_the_seat() -> None:
    """It comes back by its old name after a break; another page with that name has its own seat."""
    seats = Seats()
    seat = sit(seats, "xx")
    for old, new in (("xx", "yy"), ("yy", "cleo")):
        seats.rename(old, new)
    later = Seats()
    later.load(seats.dump())
    for each in (seats, later):
        assert {sit(each, name).name for name in ("xx", "yy", "cleo")} == {"cleo"}
        assert len(each) == 1
    page = sit(seats, "cleo", "key-1")
    assert page is seat
    assert sit(seats, "xx", "key-2").name == "xx-2"


def test_name_that_another_student_gets_is_no_former_one() -> None:
    """A new name beats an old one, and a name that was removed may be given again."""
    seats = Seats()
    sit(seats, "ana")
    seats.rename("ana", "eva")
    ben = sit(seats, "ben")
    seats.rename("ben", "ana")
    assert sit(seats, "ana") is ben
    seats.remove("eva")
    assert sit(seats, "ana") is ben
    seats.rename("ana", "eva")
    assert not seats.is_blocked("eva")


def test_student_who_is_renamed_and_removed_has_no_name_left() -> None:
    """Neither the new one nor the old one."""
    seats = Seats()
    sit(seats, "xx")
    seats.rename("xx", "cleo")
    seats.remove("cleo")
    assert seats.is_blocked("xx")
    assert seats.is_blocked("cleo")


def test_long_name_leaves_room_for_its_number() -> None:
    """It stays within 32 characters."""
    seats = Seats()
    sit(seats, "x" * 40, "key-1")
    assert sit(seats, "x" * 40, "key-2").name == "x" * 30 + "-2"


def test_guest_has_a_seat_as_long_as_its_connection() -> None:
    """A student may call himself like a guest without taking a guest's seat."""
    seats = Seats()
    named = sit(seats, "guest-2")
    guest = sit(seats, "")
    assert guest.is_guest
    assert guest.name not in ("", named.name)
    assert seats.leave(guest, had_key=False, is_clean=True)
    assert [seat.name for seat in seats] == ["guest-2"]


def test_removed_name_and_key_are_refused() -> None:
    """The seat is gone, with its score."""
    seats = Seats()
    sit(seats, "ana", "key-1")
    seats.remove("ana")
    assert seats.is_blocked(" ana ")
    assert not seats.is_blocked("ben")
    assert sit(seats, "ben", "key-1").name == "ben"


@pytest.mark.parametrize("new", ["", "\n", "ben"])
def test_name_that_is_taken_or_empty_is_refused(new: str) -> None:
    """Nothing changes."""
    seats = Seats()
    sit(seats, "ana")
    sit(seats, "ben")
    with pytest.raises(ValueError, match=f"^{new.strip()}$"):
        seats.rename("ana", new)
    assert [seat.name for seat in seats] == ["ana", "ben"]


def test_thousand_seats_are_enough() -> None:
    """The first who is away and has passed nothing makes room; else the next is a guest."""
    seats = Seats()
    first = [sit(seats, f"student-{number}") for number in range(MAX_SEATS)]
    assert sit(seats, "late").is_guest
    for seat in first[:2]:
        seats.leave(seat, had_key=False, is_clean=True)
    first[0].tasks["1"] = {"state": "passed"}
    seat, gone = seats.join("later", "", 2.0)
    assert (seat.name, gone) == ("later", [first[1]])
    assert sum(not each.is_guest for each in seats) == MAX_SEATS


def test_seats_are_the_same_after_they_are_kept() -> None:
    """Names, keys, scores, the order and the blocked; nobody is connected."""
    seats = Seats()
    for name in ("ana", "ben", ""):
        sit(seats, name, f"key of {name}" if name else "")
    seats.find("ana").score = 1.5  # type: ignore[union-attr]
    sit(seats, "bad")
    seats.remove("bad")
    later = Seats()
    assert "key of" not in str(seats.dump())  # who reads the file can't take a seat
    later.load(seats.dump())
    assert [seat.name for seat in later] == ["ana", "ben"]
    assert [seat.connected for seat in later] == [0, 0]
    assert sit(later, "", "key of ana").score == 1.5
    assert later.is_blocked("bad")
    assert sit(later, "new").number > 2


def test_code_can_be_read_from_a_board() -> None:
    """Four letters and two digits, none of which looks like another."""
    codes = {make_code() for _ in range(200)}
    assert len(codes) > 190
    for code in codes:
        assert set(code[:4]) <= set(LETTERS)
        assert set(code[4:]) <= set(DIGITS)
    assert not set("0o1liI") & set(LETTERS + DIGITS)


# --- the record -------------------------------------------------------------------------------


def seat_event(number: int, name: str) -> dict[str, Any]:
    """Return the event of a seat."""
    return {"at": 1.0, "event": "seat", "seat": {"number": number, "name": name, "tasks": {}}}


def test_state_outlives_old_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long lesson the oldest lines are gone, and the seats are not."""
    monkeypatch.setattr(saving, "MAX_LINES", 10)
    record = Record()
    record.take(seat_event(1, "ana"))
    record.take(seat_event(2, "ben"))
    record.take({"at": 1.0, "event": "gone", "number": 2})
    record.take({"at": 1.0, "event": "kept", "name": "blocked", "value": ["ben"]})
    for number in range(20):
        record.take({"at": 2.0, "event": "said", "name": "", "text": str(number)})
    assert len(record.list_events()) == 10
    path = tmp_path / "class.jsonl"
    path.write_bytes(b"".join(record.make_lines()))
    later = Record(path)
    later.open()
    later.close()
    assert later.state() == record.state()
    assert [seat["name"] for seat in later.state()["seats"]] == ["ana"]


def test_new_file_of_a_room_that_goes_on_has_its_past(tmp_path: Path) -> None:
    """The cell was run again with another `save`."""
    first = Record()
    first.take(seat_event(1, "ana"))
    second = Record(tmp_path / "class.jsonl")
    second.begin_with(first)
    second.open()
    second.take(seat_event(2, "ben"))
    second.close()
    third = Record(tmp_path / "class.jsonl")
    third.open()
    third.close()
    assert [seat["name"] for seat in third.state()["seats"]] == ["ana", "ben"]


def test_disk_that_is_full_does_not_end_the_lesson(tmp_path: Path) -> None:
    """The room's last error says so, once."""
    record = Record(Path("/dev/full"))
    if not record.path or not record.path.exists():
        pytest.skip("this system has no /dev/full")
    record._file = record.path.open("ab")
    record.take(seat_event(1, "ana"))
    assert "No space left" in record.error
    record.take(seat_event(2, "ben"))
    assert len(record.state()["seats"]) == 2
