"""RoomBoard: what a board shows of a room: its addresses, its students, and who has reached it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from tickerkit.classroom.room.board.controls import Controls
from tickerkit.classroom.room.board.messages import ClassFacts, ClassState
from tickerkit.classroom.room.board.widget import ClassBoard
from tickerkit.classroom.room.joining import describe_joining
from tickerkit.classroom.room.tasks import TASKS
from tickerkit.net.addresses import is_loopback
from tickerkit.net.interfaces import list_addresses
from tickerkit.server import TickServer

__all__ = ["RoomSource", "make_board"]

# After so long without a connection from another machine, the board shows what may be the matter.
UNREACHED_S = 60.0
MAX_REACHED = 4


class ShownRoom(Protocol):
    """What a board reads of a `Room`; its orders are in `Controls`."""

    code: str
    host: str
    port: int

    @property
    def page(self) -> str: ...

    @property
    def page_for_others(self) -> str: ...

    @property
    def status(self) -> str: ...

    @property
    def server(self) -> TickServer: ...


def make_board(room: ShownRoom, wifi: tuple[str, str] | None) -> ClassBoard:
    """Return a board of a room.

    Args:
        room: the room.
        wifi: name and password of the wifi, if students are to join it by a QR code.
    """
    own = {each.address for each in list_addresses()}
    controls = Controls(room)
    return ClassBoard(RoomSource(room, own), controls, _find_facts(room, wifi, controls.orders))


def _find_facts(room: ShownRoom, wifi: tuple[str, str] | None, orders: list[str]) -> ClassFacts:
    ssid, password = wifi or ("", "")
    joining = describe_joining(room.port, room.code, ssid=ssid, password=password)
    # A room that is bound to one address has no other.
    page = room.page_for_others or room.page
    addresses = sorted(joining["addresses"], key=lambda each: each["page"] != page)
    best = addresses[0] if addresses and addresses[0]["page"] == page else {"qr": ""}
    others = addresses if room.host in ("0.0.0.0", "::", "") else []
    return {
        "code": room.code,
        "page": page,
        "others": [
            (each["page"], f"{each['interface']}: {each['why']}")
            for each in others
            if each["page"] != page
        ],
        "qr": best["qr"],
        "wifi_qr": joining["wifi"],
        "ssid": ssid,
        "tasks": [(task.number, task.title) for task in TASKS],
        "challenges": [
            ("all", "all tasks"),
            *((task.name, f"{task.number} {task.title}") for task in TASKS),
        ],
        "traps": [
            (each["name"], each["about"], each["fix"], each["is_command"])
            for each in joining["traps"]
        ],
        "orders": orders,
    }


class RoomSource:
    """Reads a room for its board.

    Args:
        room: the room.
        own: the addresses of this machine: connections from these prove nothing.
        clock: the time in seconds, monotonic.
    """

    def __init__(
        self, room: ShownRoom, own: set[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._room, self._own, self._clock = room, own, clock
        self._since = clock()
        self._reached: dict[str, None] = {}
        self._last: dict[str, Any] = {"seats": [], "market": None, "challenge": None}

    def snapshot(self, since: int) -> Mapping[str, Any]:
        # Not room.snapshot, which waits for a server that is being started again.
        return cast("Mapping[str, Any]", self._room.server.execute("snapshot", since))

    def describe(self, snapshot: Mapping[str, Any]) -> ClassState:
        self._last.update(snapshot)
        seats = self._last["seats"]
        market = self._last["market"] or {}
        challenge = self._last["challenge"] or {}
        for seat in seats:
            self._note_address(seat["address"])
        is_late = self._clock() - self._since > UNREACHED_S
        return {
            "status": self._room.status,
            "students": len(seats),
            "connected": sum(seat["is_connected"] for seat in seats),
            "reached": list(self._reached)[::-1],
            "is_unreached": is_late and not self._reached,
            "can_steer": bool(market.get("can_steer")),
            "paused": bool(market.get("paused")),
            "speed": market.get("speed", 1.0),
            "symbols": market.get("symbols", []),
            "challenge": challenge.get("name", ""),
            "until": challenge.get("until"),
        }

    def _note_address(self, address: str) -> None:
        """Note the host of another machine; the newest few are kept."""
        host = address.rpartition(":")[0].strip("[]")
        if not host or host in self._own or host in self._reached or is_loopback(host):
            return
        self._reached[host] = None
        if len(self._reached) > MAX_REACHED:
            del self._reached[next(iter(self._reached))]
