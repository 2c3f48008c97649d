"""ReplayControls: buttons and a slider that control a replay, made of ipywidgets."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from tickerkit.errors import Stopped, TickerkitError
from tickerkit.formatting import format_count, format_time
from tickerkit.runtime.cards import NUMBER_STYLE, dim, escape, render_status
from tickerkit.runtime.interrupts import hold_interrupts
from tickerkit.runtime.rerun import cell_slot
from tickerkit.runtime.subshells import deliver_as_addressed
from tickerkit.runtime.threads import BackgroundThread, start_thread

if TYPE_CHECKING:
    import pandas as pd

    from tickerkit.sources import ReplaySource

__all__ = ["ReplayControls", "replay_controls"]

INTERVAL_S = 0.25
# The replay seeks once the user has not moved the slider for this time.
SETTLED_S = 0.3
JOIN_TIMEOUT_S = 1.0
SLIDER_STEPS = 1000
SPEEDS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 100.0, math.inf)


class ReplayControls(widgets.VBox):  # type: ignore[misc]
    """Plays, pauses, steps and seeks a replay, and shows its position.

    `replay.controls()` makes it. A thread of its own follows the replay, four times a second while
    it plays, and ends when the server is stopped, or with `close()`. A seek begins a new epoch for
    feeds.

    Args:
        replay: the replay.
    """

    def __init__(self, replay: ReplaySource) -> None:
        self._replay = replay
        self._unwatch: Callable[[], None] = _do_nothing
        self._thread: BackgroundThread | None = None
        self._thread_lock, self._show_lock = threading.Lock(), threading.RLock()
        # The thread that is updating the widgets: its changes are not the user's.
        self._updating_thread: int | None = None
        self._changed = threading.Event()
        self._closed = False
        # The user's last drag: the slider's position in steps, and the time. None once the replay
        # has reached it.
        self._dragged: tuple[int, float] | None = None
        self._make_widgets()
        row_layout = {"align_items": "center", "flex_flow": "row wrap"}
        buttons = [self._restart, self._play, self._step, self._speed, self._loop, self._state]
        super().__init__(
            [
                widgets.HBox(buttons, layout=row_layout),
                widgets.HBox([self._position, self._slider, self._end], layout=row_layout),
                self._note,
            ],
            layout={"max_width": "760px"},
        )
        self._play.on_click(self._on_play)
        self._step.on_click(lambda _: self._control(lambda: self._replay.step()))
        self._restart.on_click(lambda _: self._control(lambda: self._replay.restart()))
        self._speed.observe(self._on_speed, "value")
        self._loop.observe(self._on_loop, "value")
        self._slider.observe(self._on_drag, "value")
        deliver_as_addressed(
            self._play, self._step, self._restart, self._speed, self._loop, self._slider
        )
        self.show(replay)

    def show(self, replay: ReplaySource) -> None:
        """Control another replay from now on."""
        try:
            replay.hold_at_end = True
        except Stopped as error:  # a short replay may end before its controls are made
            self._show_note(error)
        self._unwatch()
        self._replay = replay
        self._unwatch = replay.watch(self._request_update)
        self._dragged = None
        self._request_update()

    def close(self) -> None:
        """Close the widgets, and end the thread; idempotent."""
        if "_play" in self.__dict__:  # else the constructor has raised
            self._closed = True
            self._unwatch()
            self._request_update()
        super().close()

    def _make_widgets(self) -> None:
        self._play = _make_button("Play", "play", "play or pause", "90px")
        self._step = _make_button("Step", "step-forward", "pause, and send the next tick", "80px")
        self._restart = _make_button("Restart", "fast-backward", "play from the start", "100px")
        self._speed = widgets.Dropdown(
            options=[(_format_speed(speed), speed) for speed in SPEEDS], layout={"width": "130px"}
        )
        self._loop = widgets.ToggleButton(
            description="Loop",
            icon="repeat",
            tooltip="start again at the end",
            layout={"width": "80px"},
        )
        self._state = widgets.HTML()
        # The slider reports each value during a drag, so that updates leave it alone meanwhile. Its
        # values are integers: a page rounds any other value that the kernel sets and sends it back,
        # which would look like a drag.
        self._slider = widgets.IntSlider(
            min=0, max=SLIDER_STEPS, readout=False, disabled=True, layout={"flex": "1 1 300px"}
        )
        self._position, self._end, self._note = widgets.HTML(), widgets.HTML(), widgets.HTML()

    # --- from the user ------------------------------------------------------------------------

    def _control(self, action: Callable[[], object]) -> None:
        if self._updating_thread == threading.get_ident():
            return
        try:
            action()
        except TickerkitError as error:
            self._show_note(error)

    def _on_play(self, _: Any) -> None:
        paused = self._replay.state == "paused"
        self._control(self._replay.play if paused else self._replay.pause)

    def _on_speed(self, change: Any) -> None:
        self._control(lambda: setattr(self._replay, "speed", change["new"]))

    def _on_loop(self, change: Any) -> None:
        self._control(lambda: setattr(self._replay, "loop", change["new"]))

    def _on_drag(self, change: Any) -> None:
        if self._updating_thread != threading.get_ident():
            self._dragged = (change["new"], time.monotonic())
            self._request_update()

    # --- to the user --------------------------------------------------------------------------

    def _request_update(self) -> None:
        """Request an update of the widgets: by the thread while the replay runs, else at once."""
        self._changed.set()
        with self._thread_lock:
            if self._thread is None and self._is_active:
                with hold_interrupts():
                    self._thread = start_thread(self._follow, "tickerkit replay controls")
            thread = self._thread
        if thread is None:
            self._update()
        elif not self._is_active and thread is not threading.current_thread():
            thread.join_within(JOIN_TIMEOUT_S)

    @property
    def _is_active(self) -> bool:
        return self._replay.is_running and not self._closed

    def _follow(self) -> None:
        """Seek and update until the replay is stopped or the widgets are closed."""
        while True:
            self._changed.clear()
            was_active = self._is_active
            self._seek()
            self._update()
            with self._thread_lock:
                if not was_active and not self._is_active:
                    self._thread = None
                    return
            is_moving = self._dragged is not None or self._replay.state == "playing"
            self._changed.wait(INTERVAL_S if is_moving else None)

    def _seek(self) -> None:
        """Seek to the position that the slider was dragged to, once the slider stays there."""
        dragged = self._dragged
        if dragged is None or time.monotonic() - dragged[1] < SETTLED_S:
            return
        start, end = self._replay.start, self._replay.end
        try:
            if start is not None and end is not None:
                self._replay.seek((end - start).total_seconds() * dragged[0] / SLIDER_STEPS)
        except TickerkitError as error:
            self._note.value = escape(error)
        if self._dragged == dragged:
            self._dragged = None

    def _update(self) -> None:
        with self._show_lock:
            self._updating_thread = threading.get_ident()
            try:
                self._update_buttons()
                self._update_slider(self._replay.position, self._replay.start, self._replay.end)
            finally:
                self._updating_thread = None

    def _update_buttons(self) -> None:
        replay = self._replay
        state, speed = replay.state, replay.speed
        sent = f"{format_count(replay.sent, 'tick')} sent"
        self._state.value = (
            f'<span style="{NUMBER_STYLE};margin-left:.6em">'
            f"{render_status(state)} {dim(sent)}</span>"
        )
        is_paused = state in ("paused", "ended")
        self._play.description = "Play" if is_paused else "Pause"
        self._play.icon = "play" if is_paused else "pause"
        if all(speed != value for _, value in self._speed.options):
            speeds = sorted({*SPEEDS, speed})
            self._speed.options = [(_format_speed(each), each) for each in speeds]
        self._speed.value = speed
        self._loop.value = replay.loop
        for control in (self._play, self._step, self._restart, self._speed, self._loop):
            control.disabled = state == "ended"

    def _update_slider(
        self, position: pd.Timestamp | None, start: pd.Timestamp | None, end: pd.Timestamp | None
    ) -> None:
        if position is None or start is None or end is None:
            self._slider.disabled = True
            if position is not None:  # the end is not known yet
                self._position.value = _render_time(position, is_one_day=True)
            return
        length_s = (end - start).total_seconds()
        self._slider.disabled = self._replay.state == "ended" or not length_s
        is_one_day = start.date() == end.date()
        if self._dragged is None:
            share = (position - start).total_seconds() / length_s if length_s else 0.0
            self._slider.value = round(SLIDER_STEPS * min(max(share, 0.0), 1.0))
        else:
            position = start + (end - start) * (self._dragged[0] / SLIDER_STEPS)
        self._position.value = _render_time(position, is_one_day)
        self._end.value = f"{_render_time(end, is_one_day)} {dim('UTC')}"

    def _show_note(self, error: Exception) -> None:
        self._note.value = dim(escape(error))


def replay_controls(replay: ReplaySource) -> ReplayControls:
    """Return controls of a replay; when a cell is run again, its controls take the new replay."""
    cell = cell_slot("replay_controls")
    last: ReplayControls | None = cell.last()
    if last is not None and last.comm is not None:
        last.show(replay)
        return last
    made = ReplayControls(replay)
    cell.fill(made)
    return made


def _do_nothing() -> None:
    pass


def _make_button(name: str, icon: str, tooltip: str, width: str) -> widgets.Button:
    return widgets.Button(description=name, icon=icon, tooltip=tooltip, layout={"width": width})


def _format_speed(speed: float) -> str:
    return "as fast as it goes" if math.isinf(speed) else f"{speed:g}×"


def _render_time(moment: pd.Timestamp, is_one_day: bool) -> str:
    return f'<span style="{NUMBER_STYLE}">{format_time(moment, date=not is_one_day)}</span>'
