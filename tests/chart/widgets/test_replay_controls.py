"""ReplayControls: buttons and slider, used as by a user."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import pandas as pd
import pytest
from cells import Kernel

import tickerkit as tk
from tickerkit.chart.widgets.replay_controls import ReplayControls
from tickerkit.errors import TickerkitError

Until = Callable[..., None]


def hour(ticks: int = 61) -> pd.DataFrame:
    """Return one tick a minute, with prices 0, 1, 2, ..."""
    times = pd.date_range("2026-11-23T10:00:00Z", periods=ticks, freq="min")
    return pd.DataFrame({"time": times, "symbol": "AAPL", "price": range(ticks)})


def threads() -> list[str]:
    """Return the names of the threads of replay controls."""
    return [each.name for each in threading.enumerate() if each.name == "tickerkit replay controls"]


def test_controls_show_the_state_of_the_replay(until: Until) -> None:
    """State, times, position, speed and loop are shown, also when changed from Python."""
    replay = tk.replay(hour(), speed=3)
    bar = replay.controls()
    assert (bar._speed.value, bar._slider.disabled, threads()) == (3, True, [])
    with tk.serve(replay, port=0):
        until(lambda: "1 tick sent" in bar._state.value)
        assert "playing" in bar._state.value
        assert bar._play.description == "Pause"
        assert "10:00:00" in bar._position.value
        assert "11:00:00" in bar._end.value
        assert (bar._slider.max, bar._slider.disabled) == (1000, False)
        replay.pause()
        replay.loop = True
        replay.seek(1800)
        replay.speed = math.inf
        until(lambda: bar._slider.value == 500 and bar._speed.value == math.inf)
        until(lambda: (bar._play.description, bar._loop.value) == ("Play", True))
        assert threads() == ["tickerkit replay controls"]
    assert threads() == []
    assert "ended" in bar._state.value
    assert bar._play.disabled


def test_buttons_control_a_replay_with_clients(until: Until) -> None:
    """Pause, step, speed, slider and restart work, and the feed receives the result."""
    replay = tk.replay(hour(), wait_for=1)
    with tk.serve(replay, port=0) as server, tk.connect(server.url) as feed:
        bar = replay.controls()
        feed.wait(1)
        bar._play.click()
        until(lambda: bar._play.description == "Play")
        bar._step.click()
        feed.wait(1)
        bar._slider.value = 280
        bar._slider.value = 497
        until(lambda: replay.position == pd.Timestamp("2026-11-23T10:30:00Z"))
        bar._step.click()
        feed.wait(1)
        bar._speed.value = math.inf
        bar._loop.value = False
        bar._play.click()
        feed.wait(30)
        until(lambda: replay.state == "paused")
        bar._restart.click()
        feed.wait(61)
        prices = feed.frame()["price"].tolist()
        assert prices == [0, 1, *range(30, 61), *range(61)]
        until(lambda: bar._slider.value == 1000)
        assert server.status == "listening"


def test_updating_the_controls_does_not_control(until: Until) -> None:
    """Changes by the thread don't count as user input: ticks come once, in one epoch."""
    replay = tk.replay(hour(), speed=3600, wait_for=1)
    bar = replay.controls()
    with tk.serve(replay, port=0) as server, tk.connect(server.url) as feed:
        feed.wait(61)
        until(lambda: bar._slider.value == 1000)
        assert feed.frame()["price"].tolist() == list(range(61))
        assert len(feed.gaps) == 0


def test_rerun_cell_reuses_its_controls(kernel: Kernel, until: Until) -> None:
    """They control the replay of the second run, and no longer the first."""
    bars = []
    for _ in range(2):
        kernel.run("a cell")
        replay = tk.replay(hour())
        server = tk.serve(replay, port=0)
        bars.append(replay.controls())
    first, again = bars
    assert again is first
    until(lambda: "playing" in again._state.value)
    again._play.click()
    assert replay.state == "paused"
    assert threads() == ["tickerkit replay controls"]
    again.close()
    assert threads() == []
    server.stop()


def test_controls_show_why_a_replay_cannot_be_controlled(until: Until) -> None:
    """After its end, or if it runs in another process, the note shows the reason."""
    replay = tk.replay(hour(), speed=math.inf)
    with tk.serve(replay, port=0) as server:
        until(lambda: server.status == "ended")
        bar = replay.controls()
        assert "serve it again" in bar._note.value
        assert "ended" in bar._state.value
        bar.close()
    replay.on_sent_to_process()
    with pytest.raises(TickerkitError, match="in a process of its own"):
        replay.controls()
    bar = ReplayControls(tk.replay(hour()))
    bar._replay.on_sent_to_process()
    bar._step.click()
    assert "in a process of its own" in bar._note.value
