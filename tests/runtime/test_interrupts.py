"""interrupts: Ctrl-C is held back inside a block, and arrives where the block waits."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from tickerkit.runtime.interrupts import (
    Outcome,
    allow_interrupts,
    hold_interrupts,
    uninterrupted,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals of POSIX")


@pytest.fixture(autouse=True)
def default_handler() -> Iterator[None]:
    """Have SIGINT raise KeyboardInterrupt, and see that its handler is as before at the end."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    try:
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    """Send this process a SIGINT; Python's handler runs before this returns."""
    signal.raise_signal(signal.SIGINT)


def test_interrupt_is_raised_at_the_end_of_the_block() -> None:
    """The block runs to its end."""
    reached = []

    def run() -> None:
        with hold_interrupts():
            interrupt()
            reached.append("end")

    with pytest.raises(KeyboardInterrupt):
        run()
    assert reached == ["end"]


def test_interrupt_is_raised_at_the_next_wait() -> None:
    """One that came before the wait ends it before it begins."""

    def run() -> None:
        with hold_interrupts():
            interrupt()
            with allow_interrupts():
                pytest.fail("the wait began")

    with pytest.raises(KeyboardInterrupt):
        run()


def test_interrupt_is_raised_in_a_wait() -> None:
    """The code after the wait is protected again."""
    reached = []

    def run() -> None:
        with hold_interrupts():
            with contextlib.suppress(KeyboardInterrupt), allow_interrupts():
                interrupt()
                pytest.fail("not interrupted")
            interrupt()
            reached.append("held again")

    with pytest.raises(KeyboardInterrupt):
        run()
    assert reached == ["held again"]


def test_inner_block_changes_nothing() -> None:
    """Neither an inner block's end nor a wait inside it lets an interrupt in too early."""
    reached = []

    def run() -> None:
        with hold_interrupts():
            with hold_interrupts():
                interrupt()
            reached.append("after the inner block")
            with hold_interrupts(), allow_interrupts():
                pytest.fail("the wait began")

    with pytest.raises(KeyboardInterrupt):
        run()
    assert reached == ["after the inner block"]


def test_handler_in_a_wait_may_hold_interrupts_itself() -> None:
    """A handler that stops something runs a block of its own inside the wait."""
    calls = []

    def handle(*_: object) -> None:
        with hold_interrupts():
            calls.append(signal.getsignal(signal.SIGINT) is not handle)

    signal.signal(signal.SIGINT, handle)
    with hold_interrupts(), allow_interrupts():
        interrupt()
        assert signal.getsignal(signal.SIGINT) is handle
    assert signal.getsignal(signal.SIGINT) is handle
    assert calls == [True]
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_handler_replaced_in_a_wait_stays() -> None:
    """The end of the block does not bring back the handler from before."""
    signal.signal(signal.SIGINT, lambda *_: None)
    with hold_interrupts(), allow_interrupts():
        signal.signal(signal.SIGINT, signal.default_int_handler)


def test_ignored_signal_stays_ignored() -> None:
    """Where SIGINT has no handler of Python's, nothing is installed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with hold_interrupts():
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        interrupt()
        with allow_interrupts():
            interrupt()
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_other_threads_change_no_handler() -> None:
    """A block in another thread neither fails nor holds the main thread's interrupts."""
    seen = []

    def work() -> None:
        with hold_interrupts():
            seen.append(signal.getsignal(signal.SIGINT))
            with allow_interrupts():
                seen.append(signal.getsignal(signal.SIGINT))

    with hold_interrupts():
        held = signal.getsignal(signal.SIGINT)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert seen == [held, held]


def test_error_of_the_block_is_the_context_of_the_interrupt() -> None:
    """Neither is lost."""

    def run() -> None:
        with hold_interrupts():
            interrupt()
            raise ValueError("in the block")

    with pytest.raises(KeyboardInterrupt) as caught:
        run()
    assert isinstance(caught.value.__context__, ValueError)


def test_outcome_is_what_another_thread_sets() -> None:
    """A result is returned and an error raised, before and after it is set, in any thread."""
    outcome: Outcome[int] = Outcome()
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(outcome.wait())) for _ in range(5)]
    for thread in threads:
        thread.start()
    threading.Timer(0.01, outcome.set, [7]).start()
    assert (outcome.wait(), outcome.wait()) == (7, 7)
    for thread in threads:
        thread.join()
    assert results == [7] * 5
    failed: Outcome[int] = Outcome()
    failed.set_error(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        failed.wait()


@pytest.mark.parametrize("held", [False, True])
def test_interrupted_wait_leaves_the_outcome_usable(held: bool) -> None:
    """Another thread can still set it, and it can be awaited again."""
    outcome: Outcome[int] = Outcome()
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt), hold_interrupts() if held else contextlib.nullcontext():
        outcome.wait()
    timer.join()
    outcome.set(1)
    assert outcome.wait() == 1


def test_decorated_function_is_not_interrupted() -> None:
    """The interrupt is raised after it has returned."""
    reached = []

    @uninterrupted
    def work(word: str) -> None:
        interrupt()
        reached.append(word)

    with pytest.raises(KeyboardInterrupt):
        work("end")
    assert reached == ["end"]
