"""Controls: the orders that a board gives to its class, and what each has done, as a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tickerkit.formatting import format_count

__all__ = ["ORDERS", "Controls"]

# The orders that a page may give, with the names of their arguments.
ORDERS: Mapping[str, Sequence[str]] = {
    "say": ("text", "name"),
    "drop": ("name",),
    "stall": ("seconds", "name"),
    "kick": ("name",),
    "rename": ("name", "new"),
    "pause": (),
    "play": (),
    "speed": ("factor",),
    "crash": ("symbol", "part", "over"),
    "challenge": ("which", "minutes"),
    "end": (),
}
# What a class must have for some of the orders.
NEEDS = {
    "market": ("pause", "play", "speed", "crash"),
    "wires": ("drop", "stall"),
    "challenge": ("challenge", "end"),
}


class Controls:
    """Calls the methods of a class; they raise what they raise in a cell.

    Args:
        room: the class; what it lacks is not offered.
    """

    def __init__(self, room: Any) -> None:
        self._room = room
        lacking = {
            each for name, orders in NEEDS.items() if not hasattr(room, name) for each in orders
        }
        self.orders = [name for name in ORDERS if name not in lacking]

    def give(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Give an order; return what it has done, as a sentence."""
        method: Callable[..., str] = getattr(self, f"_{name}")
        return method(**arguments)

    def _say(self, text: str, name: str | None = None) -> str:
        count = self._room.say(text, name)
        return f"Said to {format_count(count, 'connection')}."

    def _drop(self, name: str | None = None) -> str:
        return _count("Dropped", self._wire(name).drop())

    def _stall(self, seconds: float, name: str | None = None) -> str:
        return _count(f"Stalled for {seconds:g} s", self._wire(name).stall(seconds))

    def _wire(self, name: str | None) -> Any:
        return self._room.wire(name) if name else self._room.wires

    def _kick(self, name: str) -> str:
        self._room.kick(name)
        return f"{name} is removed."

    def _rename(self, name: str, new: str) -> str:
        return f"{name} is now {self._room.rename(name, new)}."

    def _pause(self) -> str:
        self._room.market.pause()
        return "The market is paused."

    def _play(self) -> str:
        self._room.market.play()
        return "The market goes on."

    def _speed(self, factor: float) -> str:
        self._room.market.speed = factor
        return f"The market runs at {factor:g} times its speed."

    def _crash(self, symbol: str, part: float, over: float) -> str:
        self._room.market.crash(symbol, part, over=over)
        return f"{symbol} moves by {part:+.0%} within {over:g} s."

    def _challenge(self, which: str, minutes: float | None = None) -> str:
        name = None if which == "all" else which
        self._room.challenge(name, within=None if minutes is None else minutes * 60)
        return "The challenge begins."

    def _end(self) -> str:
        self._room.end_challenge()
        return "The challenge has ended."


def _count(done: str, count: object) -> str:
    if isinstance(count, int):
        return f"{done}: {format_count(count, 'connection')}."
    return f"{done}."
