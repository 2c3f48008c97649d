"""market: the teacher pauses, paces and crashes what the class receives."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
from peers import receive
from rooms import join, open_room

import tickerkit as tk
from tickerkit.classroom.room.market import Market
from tickerkit.errors import InvalidArgument, TickerkitError

Until = Callable[..., None]


def test_teacher_steers_a_simulated_market(until: Until) -> None:
    """Students are told of a pause; the state is kept for a server that starts again."""
    with open_room(tk.simulate("AAPL,MSFT", rate=50)) as room, join(room, "ana") as ana:
        market = room.market
        market.pause()
        assert market.is_paused
        assert "paused" in repr(market)
        while not isinstance(message := receive(ana), dict) or "paused" not in message["status"]:
            pass
        market.speed = 5
        assert market.speed == 5
        market.crash("AAPL", -0.5, over=0)
        assert room._record.state()["market"]["paused"] is True
        market.play()
        log = room.server.log
        crash = "crash AAPL -50% over 0 s"
        until(lambda: "event" in log.columns() and crash in " ".join(log.frame()["event"].dropna()))
        for wrong in ("TSLA", 5):
            with pytest.raises(InvalidArgument, match="symbol"):
                market.crash(wrong)  # type: ignore[arg-type]
        with pytest.raises(InvalidArgument, match="part"):
            market.crash("AAPL", -2)
        with pytest.raises(InvalidArgument, match="speed"):
            market.speed = 0
        with pytest.raises(TickerkitError, match="no order 'seek'"):
            market.seek(5)


def test_recording_is_paused_and_sought_but_does_not_crash() -> None:
    """The orders are those of its own control."""
    ticks = pd.DataFrame({"symbol": "AAPL", "price": 1.0, "time": pd.date_range("2026", periods=9)})
    source = tk.replay(ticks)
    market = Market(source)
    market.order("pause")
    market.order("speed", 2.0)
    assert (source.state, market.snapshot()["paused"]) == ("paused", True)
    assert not market.snapshot()["can_crash"]
    with pytest.raises(TickerkitError, match="no order 'crash'"):
        market.order("crash", "AAPL", -0.2, 30.0)


def test_state_of_a_market_outlives_its_process() -> None:
    """A paused market is paused again."""
    source = tk.simulate("AAPL")
    Market(source).restore({"paused": True, "speed": 3.0})
    assert (source.state, source.speed) == ("paused", 3.0)
    Market(None).restore({"paused": True})


def test_other_sources_can_not_be_steered() -> None:
    """The error says which can."""
    with pytest.raises(TickerkitError, match=r"tk\.simulate"):
        Market(None).order("pause")
    assert Market(None).snapshot()["can_steer"] is False
