"""Desk: where a student plays in lesson 6: the seat, the tap, and the client that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tickerkit.classroom.lessons.client_run import ClientRun
from tickerkit.classroom.room.room import room
from tickerkit.classroom.room.seat import Seat, join
from tickerkit.classroom.tap_proxy import Tap
from tickerkit.sources import simulate

__all__ = ["Desk", "find_desk", "play_through"]

PATIENCE_S, TRIAL_PATIENCE_S = 2.0, 0.4
SYMBOLS = ["AAPL", "MSFT", "NVDA"]
TRIAL_RATE, TRIAL_PACE = 200, 20


@dataclass
class Desk:
    """Where a student plays: a seat in a class, and the tap that the client connects through.

    Attributes:
        seat: in the class.
        tap: before the class's server.
        patience_s: how long a check waits for a client to do better.
        run: the client that was started last.
    """

    seat: Seat
    tap: Tap
    patience_s: float = PATIENCE_S
    run: ClientRun | None = None

    def play(self, client: Callable[[str], Any]) -> ClientRun:
        """Run a client in place of the last one, unless it is the same one and still runs."""
        if self.run is None or not self.run.runs(client, self.tap):
            self.stop()
            self.run = ClientRun(client, self.tap).start()
        return self.run

    def stop(self) -> None:
        """Stop the client."""
        if self.run is not None:
            self.run.stop()

    def find_tasks(self) -> dict[int, dict[str, Any]]:
        """Return the tasks of the seat, by their numbers."""
        return {int(task["number"]): task for task in self.seat.tasks}


_desk: Desk | None = None


def play_through(seat: Seat, tap: Tap) -> None:
    """Have the checks of lesson 6 run a client on this seat, and connect it through this tap.

    A client that an earlier check has started is stopped.

    Args:
        seat: from `tk.join`.
        tap: from `seat.tap()`.
    """
    global _desk
    if _desk is not None:
        _desk.stop()
    _desk = Desk(seat, tap)


@contextmanager
def find_desk(task: str) -> Iterator[Desk]:
    """Yield the student's desk; without one, the desk of a class with this task alone."""
    if _desk is not None and _desk.tap.status != "stopped":
        yield _desk
        return
    source = simulate(SYMBOLS, rate=TRIAL_RATE)
    with room(source, "trial42", port=0, host="127.0.0.1", process=False) as trial:
        trial.challenge(task, pace=TRIAL_PACE)
        seat = join(trial.page, "trial")
        with seat.tap() as tap:
            desk = Desk(seat, tap, TRIAL_PATIENCE_S)
            try:
                yield desk
            finally:
                desk.stop()
