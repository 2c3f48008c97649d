"""SimulationControl: pauses and paces a simulation from any thread, while it runs in its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from tickerkit.errors import SourceError
from tickerkit.ticks import Batch, Text

__all__ = ["SimulationControl", "StreamClock"]

MIN_SPEED, MAX_SPEED = 1e-3, 1e3
# Orders that no tick has told of yet, such as those of a pause of minutes.
MAX_UNTOLD = 20
FAR_NS = 2**62

Times = npt.NDArray[np.int64]


class StreamClock:
    """A time within a simulation, in ns from its start, that may stand still and run faster.

    Attributes:
        speed: how many times as fast as the wall clock it runs.
        is_running: whether it does not stand still.
    """

    def __init__(self) -> None:
        self.speed = 1.0
        self.is_running = False
        # A moment of the wall clock, and the time within the stream then.
        self._wall_ns = self._at_ns = 0

    def at_ns(self, now: int) -> int:
        """Return the time within the stream at the time `now`."""
        if not self.is_running:
            return self._at_ns
        passed = now - self._wall_ns
        return self._at_ns + (passed if self.speed == 1.0 else int(passed * self.speed))

    def when(self, at_ns: int) -> int:
        """Return when a time within the stream comes, by the wall clock."""
        left = at_ns - self._at_ns
        return self._wall_ns + (left if self.speed == 1.0 else int(left / self.speed))

    def when_all(self, at_ns: Times) -> Times:
        """Return when each of these times came, by the wall clock; shape (ticks,), as given."""
        if self.speed == 1.0:
            return at_ns + (self._wall_ns - self._at_ns)
        return self._wall_ns + ((at_ns - self._at_ns) / self.speed).astype(np.int64)

    def skip(self, passed_ns: int) -> None:
        """Go on as if so much of the wall clock had not passed."""
        self._wall_ns += passed_ns

    def set(self, now: int, *, is_running: bool | None = None, speed: float | None = None) -> None:
        """Run or stand still, or at another speed, from the present time within the stream on."""
        self._at_ns, self._wall_ns = self.at_ns(now), now
        self.is_running = self.is_running if is_running is None else is_running
        self.speed = self.speed if speed is None else speed


class SimulationControl:
    """The control of a simulation, from any thread, also before and after it runs.

    Until it is used, the same seed gives the same ticks. The first tick after each order tells of
    it in the column `event`, so that a recording does too.

    Args:
        clock: returns the time in epoch ns.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._is_paused = False
        self._speed = 1.0
        self._untold: list[str] = []
        self._is_touched = False
        self._init_run()

    def _init_run(self) -> None:
        """Set the attributes of this process, which are left out when the source is pickled."""
        self._lock = threading.Lock()
        self._stream = StreamClock()
        self._floor_ns = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ordered: asyncio.Event | None = None

    def __getstate__(self) -> dict[str, Any]:
        local = {"_lock", "_stream", "_floor_ns", "_loop", "_ordered"}
        return {name: value for name, value in vars(self).items() if name not in local}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._init_run()

    # --- orders -------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """One of "waiting" (to be served), "playing" and "paused"."""
        if self._is_paused:
            return "paused"
        return "playing" if self._stream.is_running else "waiting"

    @property
    def speed(self) -> float:
        """How many times as fast as the clock it runs; may be set at any moment.

        Raises:
            SourceError: set to something else than a number from 0.001 to 1,000.
        """
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        is_number = isinstance(speed, Real) and not isinstance(speed, bool)
        if not is_number or not MIN_SPEED <= speed <= MAX_SPEED:
            problem = f"expected a number from {MIN_SPEED:g} to {MAX_SPEED:,.0f}"
            raise SourceError(speed, problem, "speed")
        with self._command(f"speed {float(speed):g}"):
            self._speed = float(speed)

    def pause(self) -> None:
        """Stand still: no tick comes until `play`."""
        with self._command("pause"):
            self._is_paused = True

    def play(self) -> None:
        """Go on after a pause."""
        with self._command("play"):
            self._is_paused = False

    @contextlib.contextmanager
    def _command(self, event: str) -> Iterator[None]:
        """Let an order change the state, and have the next tick tell of it."""
        with self._lock:
            yield
            self._is_touched = True
            self._untold = [*self._untold, event][-MAX_UNTOLD:]
            if self._loop is not None:
                now = self._clock()
                self._stream.set(now, is_running=not self._is_paused, speed=self._speed)
                if self._ordered is not None:
                    with contextlib.suppress(RuntimeError):  # the loop has ended
                        self._loop.call_soon_threadsafe(self._ordered.set)

    # --- for the simulation -------------------------------------------------------------------

    def _begin_run(self) -> None:
        """Begin at the start of the stream; on the loop that it runs on."""
        with self._lock:
            self._loop, self._ordered = asyncio.get_running_loop(), asyncio.Event()
            self._stream, self._floor_ns = StreamClock(), 0
            now = self._clock()
            self._stream.set(now, is_running=not self._is_paused, speed=self._speed)

    def _end_run(self) -> None:
        with self._lock:
            self._loop = self._ordered = None
            self._stream = StreamClock()

    def _skip(self, passed_ns: int) -> None:
        """Go on as if so much of the clock's time had not passed."""
        with self._lock:
            self._stream.skip(passed_ns)

    def _find_place(self, now: int) -> int:
        """Return the time within the stream at the time `now`."""
        with self._lock:
            return self._stream.at_ns(now)

    def _find_moment(self, at_ns: int) -> int:
        """Return when a time within the stream comes, by the clock; far away in a pause."""
        with self._lock:
            return self._stream.when(at_ns) if self._stream.is_running else FAR_NS

    async def _wait_for_order(self, seconds: float) -> None:
        """Wait for so long, or until an order comes."""
        assert self._ordered is not None
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ordered.wait()
        self._ordered.clear()

    def _complete(self, part: Batch) -> Batch:
        """Set the times of ticks that are due, and tell of the orders before the first of them."""
        with self._lock:
            part.time = self._stream.when_all(part.time)
            if self._is_touched:
                # After a change of speed, a tick that was due before it may seem to be older.
                part.time = np.maximum(part.time, self._floor_ns)
                self._floor_ns = int(part.time[-1])
            if self._untold:
                events, self._untold = self._untold, []
                codes = np.full(part.count, -1, dtype=np.int32)
                codes[0] = 0
                part.columns = {**part.columns, "event": Text(codes, ["; ".join(events)])}
        return part
