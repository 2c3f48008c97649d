"""Sending: when figures may send, and until when."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable

import pytest

from tickerkit.chart.figure.scheduler import LEASE_S, PresenceLease, RateLimiter, Sender
from tickerkit.chart.figure.streams import Streams

Until = Callable[..., None]


class Figure:
    """Counts how often it is sent."""

    every_s = 0.0

    def __init__(self) -> None:
        self.flushed = 0

    def flush(self) -> None:
        self.flushed += 1


def sent(turns: RateLimiter, figures: list[Figure], wants: list[float]) -> list[float]:
    """Return when the last of the figures is sent, if all want to at these times."""
    at: dict[int, float] = dict.fromkeys(range(len(figures)), 0.0)
    times = []
    for want in wants:
        for number, figure in enumerate(figures):
            now = max(want, turns.next(figure, want), at[number])
            if number == len(figures) - 1 and (not times or now > times[-1]):
                times.append(now)
            if now > at[number]:
                turns.take(figure, now)
                at[number] = now
    return times


def most_in_a_second(times: list[float]) -> int:
    """Return how many of these times lie in the busiest second."""
    return max(sum(start <= each < start + 1 for each in times) for start in times)


@pytest.mark.parametrize(("figures", "most"), [(1, 60), (3, 60), (4, 20), (12, 20)])
def test_a_figure_sends_so_often_at_most(figures: int, most: int) -> None:
    """Whoever appends a thousand times a second sends 60 messages, among many figures 20."""
    turns = RateLimiter()
    times = sent(turns, [Figure() for _ in range(figures)], [n / 1000 for n in range(1, 4001)])
    settled = [each for each in times if each > 1.5]
    assert most - 1 <= most_in_a_second(settled) <= most + 1


def test_a_push_that_comes_a_little_early_does_not_wait() -> None:
    """Sixty pushes a second, each up to 5 ms early or late, go out as they come."""
    wants = [1 + n / 60 + (0.005 if n % 3 == 0 else 0) for n in range(120)]
    assert sent(RateLimiter(), [Figure()], wants) == wants


def test_what_is_forgotten_does_not_count() -> None:
    """Figures that were closed leave their turns to the others."""
    turns = RateLimiter()
    figures = [Figure() for _ in range(5)]
    for figure in figures:
        turns.take(figure, 10.0)
    crowded = turns.length_s(10.0)
    for figure in figures[:3]:
        turns.forget(figure)
    assert turns.length_s(10.0) < crowded
    assert len(turns) == 2


def test_figures_that_went_quiet_do_not_count() -> None:
    """A second after its last message a figure is no part of the crowd."""
    turns = RateLimiter()
    figures = [Figure() for _ in range(5)]
    for figure in figures:
        turns.take(figure, 10.0)
    assert turns.length_s(10.5) > turns.length_s(12.0)


def test_all_that_want_are_sent_and_the_thread_ends(until: Until) -> None:
    """Each figure is sent, also while others are, and then nothing runs."""
    sender = Sender()
    figures = [Figure() for _ in range(20)]
    for figure in figures:
        sender.want(figure)
    until(lambda: all(figure.flushed for figure in figures))
    until(lambda: not [t for t in threading.enumerate() if t.name == "tickerkit figures"])


def test_a_figure_that_fails_takes_no_other_with_it(
    until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    """The error is logged, and the others are sent."""

    class Broken(Figure):
        def flush(self) -> None:
            raise RuntimeError("no comm")

    sender, broken, sound = Sender(), Broken(), Figure()
    with caplog.at_level(logging.ERROR):
        sender.want(broken)
        sender.want(sound)
        until(lambda: sound.flushed and "a live figure could not be sent" in caplog.text)


def test_traces_may_come_and_go_while_turns_are_told() -> None:
    """The thread that sends asks a figure without its lock, while another adds traces."""
    streams = Streams(10, threading.RLock(), lambda *_: None, lambda *_: None)
    done = threading.Event()

    def change() -> None:
        for turn in range(20_000):
            streams.by_trace[str(turn % 50)] = streams.new()
            streams.by_trace.pop(str((turn + 25) % 50), None)
        done.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threading.Thread(target=change).start()
        while not done.is_set():
            assert streams.every_s == 0
    finally:
        sys.setswitchinterval(interval)


def test_a_lease_ends_when_no_page_is_heard() -> None:
    """While a cell runs, and a minute after, the kernel could not have heard: it goes on."""
    now, idle_since = [0.0], [float("inf")]
    lease = PresenceLease(lambda: now[0], lambda: idle_since[0])
    now[0] = 10 * LEASE_S
    assert not lease.ended
    idle_since[0] = now[0]
    assert not lease.ended
    now[0] += LEASE_S + 1
    assert lease.ended
    lease.renew()
    assert not lease.ended
