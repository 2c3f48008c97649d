"""Market: the teacher's control of a class's source, at both ends of the server's process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tickerkit.errors import InvalidArgument, TickerkitError
from tickerkit.sources import Source
from tickerkit.sources.replay.control import ReplayControl
from tickerkit.sources.simulate import SimulatedMarket
from tickerkit.sources.simulation_control import SimulationControl
from tickerkit.validation import check_number, check_text

__all__ = ["Market", "MarketControl"]

MAX_SPEED = 1000.0


class Market:
    """Steers the source of a server, in its process.

    Args:
        source: the source; None for a server whose ticks are published by hand.
    """

    def __init__(self, source: Source | None) -> None:
        self._source = source if isinstance(source, ReplayControl | SimulationControl) else None
        self._prices = source if isinstance(source, SimulatedMarket) else None

    def order(self, order: str, *args: Any) -> None:
        """Execute an order: "pause", "play", "speed", "crash" or "seek".

        Raises:
            TickerkitError: if this source can't do that.
        """
        source = self._source
        if source is None:
            fix = "use tk.simulate or a recording as the source"
            raise TickerkitError(f"this source can't be steered; {fix}")
        match order, args:
            case "pause", ():
                source.pause()
            case "play", ():
                source.play()
            case "speed", (speed,):
                source.speed = speed
            case "seek", (time,) if isinstance(source, ReplayControl):
                source.seek(time)
            case "crash", (symbol, part, over) if self._prices is not None:
                self._prices.crash(symbol, part, over)
            case _:
                raise TickerkitError(f"this source has no order {order!r}")

    def snapshot(self) -> dict[str, Any]:
        """Return `paused`, `speed`, and whether the source can be steered and crash."""
        source = self._source
        return {
            "paused": source is not None and source.state == "paused",
            "speed": 1.0 if source is None else source.speed,
            "can_steer": source is not None,
            "can_crash": self._prices is not None,
            "symbols": [] if self._prices is None else list(self._prices.symbols)[:100],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the state that the source had in a process that was killed."""
        if self._source is None or not state:
            return
        if state.get("speed", 1.0) != self._source.speed:
            self._source.speed = state["speed"]
        if state.get("paused"):
            self._source.pause()

    def describe(self) -> str:
        """Return what students see about the market; empty if it runs as usual."""
        is_paused = self._source is not None and self._source.state == "paused"
        return "the teacher has paused the market" if is_paused else ""


class MarketControl:
    """`room.market`: pauses, paces and crashes the market of a class, in the server's process.

    Orders raise `TickerkitError` if the source has no such order: what is neither simulated nor
    recorded can't be steered, and what is recorded can't crash.

    Args:
        execute: executes a command, such as `Room._execute`.
    """

    def __init__(self, execute: Callable[..., Any]) -> None:
        self._execute = execute

    def pause(self) -> None:
        """Stand still: no tick comes until `play`."""
        self._execute("market", "pause")

    def play(self) -> None:
        """Go on."""
        self._execute("market", "play")

    @property
    def speed(self) -> float:
        """How many times as fast as usual it runs; may be set."""
        return float(self._get("speed"))

    @speed.setter
    def speed(self, speed: float) -> None:
        check_number("speed", speed, 1 / MAX_SPEED, MAX_SPEED)
        self._execute("market", "speed", float(speed))

    @property
    def is_paused(self) -> bool:
        """Whether it stands still."""
        return bool(self._get("paused"))

    def crash(self, symbol: str, part: float = -0.2, over: float = 30.0) -> None:
        """Change the price of a symbol by a part of it, evenly over some seconds; it stays there.

        Args:
            symbol: one of the market's symbols.
            part: -0.2 is a fall by a fifth, 0.1 a rise by a tenth.
            over: seconds of the market.
        """
        check_text("symbol", symbol, "one of the market's symbols")
        symbols = self._get("symbols")
        if symbols and symbol not in symbols:
            raise InvalidArgument("symbol", symbol, "one of " + ", ".join(symbols[:10]))
        self._execute("market", "crash", symbol, part, over)

    def seek(self, time: Any) -> None:
        """Go to a time of a recording, as `tk.replay(...).seek`."""
        self._execute("market", "seek", time)

    def _get(self, name: str) -> Any:
        return self._execute("market_state")[name]

    def __repr__(self) -> str:
        state = "paused" if self.is_paused else "playing"
        return f"<Market {state} at speed {self.speed:g}>"
