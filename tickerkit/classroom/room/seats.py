"""Seats: who is in a class, by name; a seat outlives its connections. No I/O, no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from tickerkit.server.client_facts import MAX_NAME_CHARACTERS, clean_name

__all__ = ["GUEST", "MAX_SEATS", "Seat", "Seats", "count_passed"]

MAX_SEATS = 1000
HASH_CHARACTERS = 32
MAX_BLOCKED = 1000
MAX_FORMER = 8
GUEST = "guest-"


@dataclass(slots=True, eq=False)
class Seat:
    """One student's place in the class, whatever connections come and go.

    Attributes:
        number: its number, which no other seat gets.
        name: the student's nickname.
        key: a hash of what the student's page sends to get the seat again; empty if none has. The
            key itself is in no file.
        since: when the student first came, in seconds since 1970.
        client: the program that connected last, such as "Chrome".
        address: where that came from.
        former: the names that it had before a teacher renamed it, the newest 8. Programs that still
            send one of them, and no key, have this seat.
        drops: how many connections ended without a close frame.
        tasks: by the number of each task, as text: its state, hint and time.
        score: the mean seconds from a break to the first tick; None before the first.
        is_guest: whether the student has given no name. Such a seat lasts as long as its
            connection.
        connected: how many connections are open now. It is not kept in files.
        keyed: how many of these have sent the key.
    """

    number: int
    name: str
    key: str = ""
    since: float = 0.0
    client: str = ""
    address: str = ""
    former: list[str] = field(default_factory=list)
    drops: int = 0
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    score: float | None = None
    is_guest: bool = False
    connected: int = 0
    keyed: int = 0

    @property
    def passed(self) -> int:
        """How many tasks the student has passed."""
        return count_passed(self.tasks)

    def dump(self) -> dict[str, Any]:
        """Return what is kept of the seat when its server ends."""
        # Not asdict, which copies deeply and takes 200 µs: 300 students may join at once.
        return {name: getattr(self, name) for name in KEPT} | {
            "tasks": dict(self.tasks),
            "former": list(self.former),
        }


KEPT = tuple(each.name for each in fields(Seat) if each.name not in ("connected", "keyed"))


class Seats:
    """The seats of a class: at most 1,000 with a name.

    When all are taken, a new name gets the seat of the student who is away, has passed no task, and
    came first; if there is none, the student is a guest.
    """

    def __init__(self) -> None:
        self._seats: dict[str, Seat] = {}  # by name, in the order of arrival
        self._by_key: dict[str, Seat] = {}
        self._by_former: dict[str, Seat] = {}
        self._blocked: dict[str, None] = {}
        self._next = 1

    def __iter__(self) -> Iterator[Seat]:
        return iter(list(self._seats.values()))

    def __len__(self) -> int:
        return len(self._seats)

    def find(self, name: str) -> Seat | None:
        """Return the seat with a name; None if there is none."""
        return self._seats.get(name)

    def find_for(self, name: str) -> Seat | None:
        """Return the seat of a program that sends a name, which may be a former one."""
        name = clean_name(name)
        return self._seats.get(name) or self._by_former.get(name)

    def is_blocked(self, name: str) -> bool:
        """Return whether the student with this name was removed."""
        return clean_name(name) in self._blocked

    def join(self, name: str, key: str, now: float) -> tuple[Seat, list[Seat]]:
        """Return the seat of a new connection, and the seats that it has replaced.

        A client that sends the key of a seat gets that seat, whatever the name. Without a key, the
        name decides: so a student's page and programs share one seat. A client with a new key gets
        a seat of its own, with a number behind the name, if a client with another key has the seat
        of that name now.

        Args:
            name: what the client calls itself; empty for a guest.
            key: what its page has kept; empty for a program.
            now: the time, in seconds since 1970.
        """
        name, key = clean_name(name), _hash_key(key)
        gone: list[Seat] = []
        seat = self._by_key.get(key) if key else None
        if seat is None and name:
            wanted, count = name, 1
            while (seat := self.find_for(name)) is not None and key and seat.keyed:
                count += 1
                end = f"-{count}"
                name = wanted[: MAX_NAME_CHARACTERS - len(end)] + end
            if seat is None and self._has_room(gone):
                seat = self._add(Seat(0, name, since=now))
        if seat is None:
            seat = self._add(Seat(0, "", since=now, is_guest=True))
        if key and not seat.is_guest:
            self._by_key.pop(seat.key, None)
            seat.key = key
            self._by_key[key] = seat
        seat.connected += 1
        seat.keyed += bool(key)
        return seat, gone

    def leave(self, seat: Seat, *, had_key: bool, is_clean: bool) -> bool:
        """Take the end of a connection; return whether the seat is gone with it."""
        seat.connected -= 1
        seat.keyed -= had_key
        seat.drops += not is_clean
        if seat.is_guest and not seat.connected and self._seats.get(seat.name) is seat:
            del self._seats[seat.name]
            return True
        return False

    def rename(self, old: str, new: str) -> Seat:
        """Give a student another name; a guest becomes one of the class.

        Raises:
            KeyError: if there is no such student.
            ValueError: if the new name can't be used, or another student has it.
        """
        seat, new = self._seats[old], clean_name(new)
        if not new or (new in self._seats and new != old):
            raise ValueError(new)
        # The order stays: a roster in which rows jump is hard to read.
        self._seats = {new if each == old else each: s for each, s in self._seats.items()}
        if old != new and not seat.is_guest:
            # A program that connects again still sends the former name.
            self._forget_former(seat)
            seat.former = [*(each for each in seat.former if each != new), old][-MAX_FORMER:]
            self._note_former(seat)
        seat.name, seat.is_guest = new, False
        self._blocked.pop(new, None)
        return seat

    def remove(self, name: str, *, block: bool = True) -> Seat:
        """Remove a student, whose name, and each former one, is then refused.

        Raises:
            KeyError: if there is no such student.
        """
        seat = self._seats.pop(name)
        self._by_key.pop(seat.key, None)
        self._forget_former(seat)
        if block and not seat.is_guest:
            self._blocked |= dict.fromkeys((*seat.former, name))
            while len(self._blocked) > MAX_BLOCKED:
                del self._blocked[next(iter(self._blocked))]
        return seat

    def dump(self) -> dict[str, Any]:
        """Return what is kept when the server ends: the seats with a name, and the blocked."""
        seats = [seat.dump() for seat in self._seats.values() if not seat.is_guest]
        return {"seats": seats, "blocked": list(self._blocked)}

    def load(self, kept: Mapping[str, Any]) -> None:
        """Take the seats of an earlier server; nobody is connected."""
        for each in list(kept.get("seats", ()))[:MAX_SEATS]:
            seat = Seat(**{name: value for name, value in each.items() if name in KEPT})
            self._seats[seat.name] = seat
            if seat.key:
                self._by_key[seat.key] = seat
            self._note_former(seat)
            self._next = max(self._next, seat.number + 1)
        self._blocked = dict.fromkeys(list(kept.get("blocked", ()))[-MAX_BLOCKED:])

    def _add(self, seat: Seat) -> Seat:
        if not seat.name:
            while f"{GUEST}{self._next}" in self._seats:  # a student may call himself so
                self._next += 1
            seat.name = f"{GUEST}{self._next}"
        seat.number, self._next = self._next, self._next + 1
        self._seats[seat.name] = seat
        return seat

    def _note_former(self, seat: Seat) -> None:
        self._by_former |= dict.fromkeys(seat.former, seat)

    def _forget_former(self, seat: Seat) -> None:
        for name in seat.former:
            if self._by_former.get(name) is seat:
                del self._by_former[name]

    def _has_room(self, gone: list[Seat]) -> bool:
        """Return whether there is a seat for one more; one that was removed for it is in `gone`."""
        named = [seat for seat in self._seats.values() if not seat.is_guest]
        if len(named) < MAX_SEATS:
            return True
        idle = next((seat for seat in named if not (seat.connected or seat.passed)), None)
        if idle is not None:
            gone.append(self.remove(idle.name, block=False))
        return idle is not None


def count_passed(tasks: Mapping[str, Mapping[str, Any]]) -> int:
    """Return how many of a seat's tasks are passed."""
    return sum(task.get("state") == "passed" for task in tasks.values())


def _hash_key(key: str) -> str:
    """Return a hash of a key, which is long and random; empty for none."""
    return (
        hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:HASH_CHARACTERS] if key else ""
    )
