"""Transport: buttons and a slider that steer a replay, of ipywidgets."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from tickerkit.chart.figure.comms import stay_heard
from tickerkit.errors import Stopped, TickerkitError
from tickerkit.formatting import format_time
from tickerkit.runtime.cards import escape, status_colour
from tickerkit.runtime.rerun import cell_slot

if TYPE_CHECKING:
    import pandas as pd

    from tickerkit.sources import ReplaySource

__all__ = ["ReplayControls", "replay_controls"]

EVERY_S = 0.25
# A slider that was let go, or is held still, so long is where the user wants to be.
SETTLED_S = 0.3
END_S = 1.0
PLACES = 1000
SPEEDS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 100.0, math.inf)
NUMBERS = "font-variant-numeric:tabular-nums;white-space:nowrap"


class ReplayControls(widgets.VBox):  # type: ignore[misc]
    """Plays, pauses, steps and moves a replay, and shows where it is.

    Made by `replay.controls()`. It follows the replay from a thread of its own, which ends when
    the server is stopped, or with `close()`. Feeds see a move as a new epoch.
    """

    def __init__(self, replay: ReplaySource) -> None:
        self._replay = replay
        self._unwatch: Callable[[], None] = _nothing
        self._thread: threading.Thread | None = None
        self._starting, self._showing = threading.Lock(), threading.RLock()
        self._shown_by: int | None = None
        self._news = threading.Event()
        self._closed = False
        self._sought: tuple[int, float] | None = None
        self._play = _button("Play", "play", "play or pause", "90px")
        self._step = _button("Step", "step-forward", "pause, and send the next tick", "80px")
        self._restart = _button("Restart", "fast-backward", "play from the top", "100px")
        self._speed = widgets.Dropdown(
            options=[(_named(speed), speed) for speed in SPEEDS], layout={"width": "130px"}
        )
        self._loop = widgets.ToggleButton(
            description="Loop",
            icon="repeat",
            tooltip="start again at the end",
            layout={"width": "80px"},
        )
        self._state = widgets.HTML()
        # Each place that it is dragged over is told: only so is it known that it is dragged. In
        # whole numbers: of others, set by the kernel, the page sends back what it has rounded
        # them to, which would be taken for the user's.
        self._slider = widgets.IntSlider(
            min=0, max=PLACES, readout=False, disabled=True, layout={"flex": "1 1 300px"}
        )
        self._position, self._end, self._note = widgets.HTML(), widgets.HTML(), widgets.HTML()
        row = {"align_items": "center", "flex_flow": "row wrap"}
        buttons = [self._restart, self._play, self._step, self._speed, self._loop, self._state]
        super().__init__(
            [
                widgets.HBox(buttons, layout=row),
                widgets.HBox([self._position, self._slider, self._end], layout=row),
                self._note,
            ],
            layout={"max_width": "760px"},
        )
        self._play.on_click(self._toggle)
        self._step.on_click(lambda _: self._do(lambda: self._replay.step()))
        self._restart.on_click(lambda _: self._do(lambda: self._replay.restart()))
        self._speed.observe(self._choose_speed, "value")
        self._loop.observe(self._choose_loop, "value")
        self._slider.observe(self._drag, "value")
        stay_heard(self._play, self._step, self._restart, self._speed, self._loop, self._slider)
        self.show(replay)

    def show(self, replay: ReplaySource) -> None:
        """Steer another replay from now on."""
        try:
            replay.hold_at_end = True
        except Stopped as error:  # a short one is over before its bar is there
            self._note.value = f'<span style="opacity:.7">{escape(error)}</span>'
        self._unwatch()
        self._replay = replay
        self._unwatch = replay.watch(self._look)
        self._sought = None
        self._look()

    def close(self) -> None:
        """Close the widgets, and end the thread."""
        if "_play" in self.__dict__:  # else it was never made
            self._closed = True
            self._unwatch()
            self._look()
        super().close()

    # --- what the user does -------------------------------------------------------------------

    def _do(self, steer: Callable[[], object]) -> None:
        if self._shown_by == threading.get_ident():  # it is not the user who has set it
            return
        try:
            steer()
        except TickerkitError as error:
            self._note.value = f'<span style="opacity:.7">{escape(error)}</span>'

    def _toggle(self, _: Any) -> None:
        paused = self._replay.state == "paused"
        self._do(self._replay.play if paused else self._replay.pause)

    def _choose_speed(self, change: Any) -> None:
        self._do(lambda: setattr(self._replay, "speed", change["new"]))

    def _choose_loop(self, change: Any) -> None:
        self._do(lambda: setattr(self._replay, "loop", change["new"]))

    def _drag(self, change: Any) -> None:
        if self._shown_by != threading.get_ident():
            self._sought = (change["new"], time.monotonic())
            self._look()

    # --- what it shows ------------------------------------------------------------------------

    def _look(self) -> None:
        """Have all shown as it is now, by a thread that there is while the replay runs."""
        self._news.set()
        with self._starting:
            if self._thread is None and self._goes_on:
                self._thread = threading.Thread(
                    target=self._follow, name="tickerkit transport", daemon=True
                )
                self._thread.start()
            thread = self._thread
        if thread is None:
            self._show()
        elif not self._goes_on and thread is not threading.current_thread():
            thread.join(END_S)

    @property
    def _goes_on(self) -> bool:
        return self._replay.is_running and not self._closed

    def _follow(self) -> None:
        while True:
            self._news.clear()
            goes_on = self._goes_on
            self._seek()
            self._show()
            with self._starting:
                if not goes_on and not self._goes_on:
                    self._thread = None
                    return
            moving = self._sought is not None or self._replay.state == "playing"
            self._news.wait(EVERY_S if moving else None)

    def _seek(self) -> None:
        """Go where the slider was put, once it is held still."""
        sought = self._sought
        if sought is None or time.monotonic() - sought[1] < SETTLED_S:
            return
        start, end = self._replay.start, self._replay.end
        try:
            if start is not None and end is not None:
                self._replay.seek((end - start).total_seconds() * sought[0] / PLACES)
        except TickerkitError as error:
            self._note.value = escape(error)
        if self._sought == sought:
            self._sought = None

    def _show(self) -> None:
        with self._showing:
            self._shown_by = threading.get_ident()
            try:
                self._show_all()
            finally:
                self._shown_by = None

    def _show_all(self) -> None:
        replay = self._replay
        state, speed = replay.state, replay.speed
        colour = status_colour(state)
        self._state.value = (
            f'<span style="{NUMBERS};margin-left:.6em"><b style="color:{colour}">● {state}</b> '
            f'<span style="opacity:.7">{replay.sent:,} ticks sent</span></span>'
        )
        paused = state in ("paused", "ended")
        self._play.description, self._play.icon = ("Play", "play") if paused else ("Pause", "pause")
        if all(speed != value for _, value in self._speed.options):
            self._speed.options = [(_named(each), each) for each in sorted({*SPEEDS, speed})]
        self._speed.value = speed
        self._loop.value = replay.loop
        for control in (self._play, self._step, self._restart, self._speed, self._loop):
            control.disabled = state == "ended"
        self._show_place(replay.position, replay.start, replay.end)

    def _show_place(
        self, position: pd.Timestamp | None, start: pd.Timestamp | None, end: pd.Timestamp | None
    ) -> None:
        ended = self._replay.state == "ended"
        if position is None or start is None or end is None:
            self._slider.disabled = True
            return
        length = (end - start).total_seconds()
        self._slider.disabled = ended or not length
        one_day = start.date() == end.date()
        if self._sought is None:
            at = (position - start).total_seconds() / length if length else 0.0
            self._slider.value = round(PLACES * min(max(at, 0.0), 1.0))
        else:
            position = start + (end - start) * (self._sought[0] / PLACES)
        self._position.value = _clock(position, one_day)
        self._end.value = _clock(end, one_day) + ' <span style="opacity:.7">UTC</span>'


def replay_controls(replay: ReplaySource) -> ReplayControls:
    """Return a transport of a replay; a run of the same cell has the same one steer this."""
    cell = cell_slot("replay_controls")
    last: ReplayControls | None = cell.last()
    if last is not None and last.comm is not None:
        last.show(replay)
        return last
    made = ReplayControls(replay)
    cell.fill(made)
    return made


def _nothing() -> None:
    pass


def _button(name: str, icon: str, tooltip: str, width: str) -> widgets.Button:
    return widgets.Button(description=name, icon=icon, tooltip=tooltip, layout={"width": width})


def _named(speed: float) -> str:
    return "as fast as it goes" if math.isinf(speed) else f"{speed:g}×"


def _clock(moment: pd.Timestamp, one_day: bool) -> str:
    return f'<span style="{NUMBERS}">{format_time(moment, date=not one_day)}</span>'
