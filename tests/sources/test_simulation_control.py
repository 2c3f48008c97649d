"""simulation control: a simulated market that is paused, paced and crashed while it runs."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from peers import LOCAL

import tickerkit as tk
from tickerkit.errors import InvalidArgument, SourceError, Stopped
from tickerkit.sources.crashes import Crashes
from tickerkit.sources.simulate import SimulatedMarket
from tickerkit.sources.simulation_control import StreamClock
from tickerkit.ticks import Batch, Text

S = 10**9
T0 = 1_763_000_000 * S


class Stage:
    """A clock that only sleeping moves, and an outlet that notes the ticks.

    Args:
        orders: what to do at which second.
        until: the second at which the source is asked to stop.
    """

    def __init__(self, orders: dict[float, Callable[[SimulatedMarket], object]], until: float):
        self.now = T0
        self.ticks: list[dict[str, Any]] = []
        self._orders, self._until = dict(orders), until
        self.source = SimulatedMarket(
            ["AAPL", "MSFT"], 10, 7, clock=lambda: self.now, sleep=self.sleep
        )

    async def sleep(self, seconds: float) -> None:
        """Move the clock, to the next order at most, which is then given."""
        end = self.now + max(int(seconds * S), 1)
        due = [at for at in self._orders if T0 + at * S <= end]
        self.now = min([end, *(T0 + int(at * S) for at in due)])
        for at in due[:1]:
            self._orders.pop(at)(self.source)
        if self.now > T0 + self._until * S:
            raise asyncio.CancelledError
        await asyncio.sleep(0)

    async def send(self, batch: Batch) -> None:
        """Note each tick, with its second."""
        for row in range(batch.count):
            tick: dict[str, Any] = {"at": (int(batch.time[row]) - T0) / S}
            for name, column in batch.columns.items():
                if isinstance(column, Text):
                    code = int(column.codes[row])
                    tick[name] = column.words[code] if code >= 0 else None
                else:
                    tick[name] = float(column[row])
            self.ticks.append(tick)

    def run(self) -> list[dict[str, Any]]:
        """Run the source; return its ticks."""
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(self.source.run(self))  # type: ignore[arg-type]
        return self.ticks


def events(ticks: list[dict[str, Any]]) -> list[tuple[float, str]]:
    """Return what ticks tell of orders, and when."""
    return [(tick["at"], tick["event"]) for tick in ticks if tick.get("event")]


def test_market_that_is_left_alone_is_that_of_its_seed() -> None:
    """No column is added, and each tick is that of the stream."""
    ticks = Stage({}, 5).run()
    block = next(SimulatedMarket(["AAPL", "MSFT"], 10, 7).ticks())
    assert "event" not in ticks[0]
    assert [tick["price"] for tick in ticks] == block.columns["price"][: len(ticks)].tolist()
    assert [tick["at"] for tick in ticks] == pytest.approx(block.time[: len(ticks)] / S)


def test_pause_holds_the_market_and_play_goes_on() -> None:
    """No tick is lost and none comes in between; the next one says so."""
    plain = Stage({}, 10).run()
    ticks = Stage({2: SimulatedMarket.pause, 6: SimulatedMarket.play}, 10).run()
    assert not [tick for tick in ticks if 2 < tick["at"] < 6]
    assert [tick["price"] for tick in ticks] == [tick["price"] for tick in plain[: len(ticks)]]
    ((at, event),) = events(ticks)
    assert event == "pause; play"
    assert 6 <= at < 7


def test_speed_changes_the_pace_and_not_the_prices() -> None:
    """At five times the speed come five times as many ticks, whose times never step back."""

    def set_speed(speed: float) -> Callable[[SimulatedMarket], None]:
        return lambda source: setattr(source, "speed", speed)

    plain = Stage({}, 60).run()
    ticks = Stage({2: set_speed(5), 6: set_speed(0.5)}, 10).run()
    during = sum(2 <= tick["at"] < 6 for tick in ticks)
    assert during == pytest.approx(20 * 5 * 4, rel=0.2)
    assert sum(tick["at"] >= 6 for tick in ticks) == pytest.approx(20 * 0.5 * 4, rel=0.4)
    assert [tick["price"] for tick in ticks] == [tick["price"] for tick in plain[: len(ticks)]]
    times = [tick["at"] for tick in ticks]
    assert times == sorted(times)
    assert [event for _, event in events(ticks)] == ["speed 5", "speed 0.5"]


def test_crash_moves_one_price_for_good() -> None:
    """The price goes down evenly, in whole cents with bid below ask; the other stays."""
    plain = Stage({}, 20).run()
    ticks = Stage({5: lambda source: source.crash("AAPL", -0.2, over=4)}, 20).run()
    assert events(ticks)[0][1] == "crash AAPL -20% over 4 s"
    for tick, before in zip(ticks, plain, strict=True):
        done = min(max(tick["at"] - 5, 0) / 4, 1) if tick["symbol"] == "AAPL" else 0
        assert tick["price"] == pytest.approx(before["price"] * (1 - 0.2 * done), abs=0.03)
        assert round(tick["price"], 2) == tick["price"]
        assert tick["bid"] < tick["ask"]
        assert tick["price"] in (tick["bid"], tick["ask"])


def test_crashes_add_up() -> None:
    """Half of a half is a quarter, also when the first is over."""
    crashes = Crashes(2)
    codes = np.array([0, 1])
    assert crashes.find_factors(codes, np.array([0, 0])) is None
    crashes.add(0, -0.5, 0, 1.0)
    crashes.add(0, -0.5, S, 0.0)
    found = [crashes.find_factors(codes, np.array([at, at])) for at in (S // 2, 2 * S, 3 * S)]
    assert [each.tolist() for each in found if each is not None] == [
        [0.75, 1.0],
        [0.25, 1.0],
        [0.25, 1.0],
    ]


def test_stream_clock_says_when_a_time_comes() -> None:
    """At any speed, `when` is the inverse of `at_ns`."""
    clock = StreamClock()
    assert clock.at_ns(T0) == 0
    clock.set(T0, is_running=True)
    clock.set(T0 + S, speed=4.0)
    assert clock.at_ns(T0 + 2 * S) == 5 * S
    assert clock.when(5 * S) == T0 + 2 * S
    assert clock.when_all(np.array([S, 5 * S])).tolist() == [T0 + S, T0 + 2 * S]
    clock.set(T0 + 2 * S, is_running=False)
    assert clock.at_ns(T0 + 9 * S) == 5 * S


@pytest.mark.parametrize("speed", [0, -1, float("nan"), 1e9, True, "fast"])
def test_speed_that_is_none_is_refused(speed: Any) -> None:
    """The error names the range."""
    with pytest.raises(SourceError, match=r"1,000"):
        tk.simulate("AAPL").speed = speed


def test_crash_needs_a_market_that_runs() -> None:
    """What can't crash says why."""
    source = tk.simulate("AAPL")
    with pytest.raises(Stopped, match="serve it first"):
        source.crash("AAPL")
    with pytest.raises(InvalidArgument, match="AAPL"):
        source.crash("MSFT")
    with pytest.raises(InvalidArgument, match="part"):
        source.crash("AAPL", -1)


def test_running_market_obeys_at_once(until: Callable[..., None]) -> None:
    """It may be paused before it is served; an order ends its sleep."""
    source = tk.simulate("AAPL", rate=20, seed=1)
    source.pause()
    assert pickle.loads(pickle.dumps(source)).state == "paused"
    with tk.serve(source, LOCAL, 0) as server:
        source.play()
        until(lambda: server.log.stop > 3)
        assert source.state == "playing"
        source.pause()
        rows = server.log.stop
        source.speed = 100
        source.crash("AAPL", 0.5, over=0)
        source.play()
        until(lambda: server.log.stop > rows + 100)
        told = set(server.log.frame()["event"].dropna())
        assert "pause; speed 100; crash AAPL +50% over 0 s; play" in told
    assert source.state == "waiting"
