"""Ctrl-C at any moment: what runs is listed by `tk.status`, and `tk.stop_all` leaves nothing."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import interrupter
import pytest
from commands import run_python
from interrupter import OPERATIONS, PROCESS_OPERATIONS, TICK, find_left, make_ticks
from soaks import TIMEOUT_S, share_of, soak

import tickerkit as tk
from tickerkit.classroom import FaultProxy
from tickerkit.runtime import interrupts

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals of POSIX")

ROOMS = tuple(str(Path(tk.__file__).parent / room) for room in ("runtime", "server", "feed"))
# Parts of Python that the rooms above call in the main thread, and that hold locks.
PYTHON = (threading.__file__, os.path.join(os.path.dirname(os.__file__), "concurrent"))
FEW_LINES = 20

Line = tuple[str, int]


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Have SIGINT raise KeyboardInterrupt, and nothing run before the test and after it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def use_everything(folder: Path, *, chart: bool = True) -> None:
    """Start and stop one of each service, in the usual order; a chart takes half of the time."""
    server = tk.serve(make_ticks, port=0, every=60)
    proxy = FaultProxy(server.url).start()
    feed = tk.connect(proxy.url)
    callback = feed.on_ticks(len)
    recorder = feed.record(folder / "ticks.csv", raw=True)
    if chart:
        feed.chart()
    server.publish(TICK)
    feed.wait(1)
    recorder.stop()
    callback.stop()
    proxy.stop()
    feed.stop()
    server.stop()


def stop_all() -> None:
    """Stop all that an interrupted test left, and see that nothing is left behind."""
    tk.stop_all()
    assert find_left() == []


def send_interrupt() -> None:
    """Send this process a real SIGINT, as Ctrl-C does; Python's handler runs before it returns."""
    signal.raise_signal(signal.SIGINT)


# --- at each wait -----------------------------------------------------------------------------


class Waits:
    """Counts the waits of the main thread, and interrupts one of them.

    Args:
        which: number of the wait that is interrupted, from 0; None for none.
        times: how many of the waits from there on are interrupted.
    """

    def __init__(self, which: int | None = None, times: int = 1) -> None:
        self.which = range(0) if which is None else range(which, which + times)
        self.count = 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Replace the primitive in which every wait happens."""
        enter = interrupts.allow_interrupts.__enter__

        def counted(block: interrupts.allow_interrupts) -> None:
            enter(block)
            if threading.current_thread() is not threading.main_thread():
                return
            number, self.count = self.count, self.count + 1
            if number in self.which:
                try:
                    send_interrupt()
                except BaseException:
                    block.__exit__()
                    raise

        monkeypatch.setattr(interrupts.allow_interrupts, "__enter__", counted)


@pytest.mark.parametrize(
    ("times", "beside"),
    [
        (1, False),
        (2, True),
        *(
            pytest.param(times, beside, marks=pytest.mark.soak)
            for times, beside in [(1, True), (2, False), (100, False), (100, True)]
        ),
    ],
)
def test_interrupt_in_each_wait_leaves_nothing(
    times: int, beside: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One, two or all waits from the n-th on are interrupted, alone or beside another server."""
    use_everything(tmp_path)
    which = 0
    while True:
        if beside:
            tk.serve(None, port=0)
        waits = Waits(which, times)
        with monkeypatch.context() as patch:
            waits.install(patch)
            try:
                use_everything(tmp_path)
            except KeyboardInterrupt:
                pass
            else:
                assert waits.count <= which, "an interrupt was swallowed"
        stop_all()
        if waits.count <= which:
            break
        which += 1
    assert which > 10


# --- at each line -----------------------------------------------------------------------------


class Tracer:
    """Records the lines that the main thread executes in some modules, and interrupts one.

    Args:
        at: the line before which SIGINT is sent, the first time; None for none.
    """

    def __init__(self, at: Line | None = None) -> None:
        self.at = at
        self.lines: dict[Line, None] = {}

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(ROOMS + PYTHON):
            return None
        if event == "line":
            line = name, frame.f_lineno
            self.lines.setdefault(line)
            if line == self.at:
                self.at = None
                send_interrupt()
        return self

    def run(self, function: Callable[[], None]) -> None:
        """Call a function while its lines are traced."""
        before = sys.gettrace()
        sys.settrace(self)
        try:
            function()
        finally:
            sys.settrace(before)


@pytest.mark.parametrize("lines", [FEW_LINES, soak(100_000)])
def test_interrupt_before_each_line_leaves_nothing(lines: int, tmp_path: Path) -> None:
    """Wherever the main thread is in tickerkit or Python's threading when Ctrl-C comes."""

    def run(tracer: Tracer) -> None:
        tracer.run(lambda: use_everything(tmp_path, chart=lines > FEW_LINES))

    use_everything(tmp_path)  # modules are imported once only
    tracer = Tracer()
    run(tracer)
    every = list(tracer.lines)
    assert len(every) > 300
    tried = every[:: max(len(every) // lines, 1)]
    interrupted = 0
    for line in tried:
        try:
            run(Tracer(line))
        except KeyboardInterrupt:
            interrupted += 1
        try:
            stop_all()
        except BaseException as error:
            error.add_note(f"interrupted before {line[0]}:{line[1]}")
            raise
    # A few lines are not reached each time: those that wait for another thread's turn.
    assert interrupted > 0.9 * len(tried)


# --- at random moments ------------------------------------------------------------------------


@pytest.mark.process
@pytest.mark.package
@pytest.mark.parametrize(
    ("rounds", "operations"),
    [
        (40, OPERATIONS),
        *(
            pytest.param(
                share_of(rounds), names, marks=[pytest.mark.soak, pytest.mark.timeout(TIMEOUT_S)]
            )
            for rounds, names in [(2000, OPERATIONS), (100, PROCESS_OPERATIONS)]
        ),
    ],
)
def test_real_interrupts_at_random_moments_leave_nothing(
    rounds: int, operations: dict[str, object], tmp_path: Path
) -> None:
    """Each operation of the API is interrupted by real signals, once or twice."""
    arguments = [interrupter.__file__, "13", str(rounds), tmp_path, *operations]
    done = run_python(*arguments, timeout_s=TIMEOUT_S)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout == f"{rounds} rounds\n"
