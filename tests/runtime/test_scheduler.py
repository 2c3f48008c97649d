"""Scheduler: how often figures send, and that all of them do."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from tickerkit.runtime.scheduler import RateLimiter, Sender

Until = Callable[..., None]


class Figure:
    """A figure that counts its flushes."""

    min_interval_s = 0.0

    def __init__(self) -> None:
        self.flushed = 0

    def flush(self) -> None:
        self.flushed += 1


def sent(limiter: RateLimiter, figures: list[Figure], requests: list[float]) -> list[float]:
    """Return when the last of the figures sends, if all request it at these times."""
    at: dict[int, float] = dict.fromkeys(range(len(figures)), 0.0)
    times = []
    for request in requests:
        for number, figure in enumerate(figures):
            now = max(request, limiter.next_time(figure, request), at[number])
            if number == len(figures) - 1 and (not times or now > times[-1]):
                times.append(now)
            if now > at[number]:
                limiter.note_sent(figure, now)
                at[number] = now
    return times


def max_in_a_second(times: list[float]) -> int:
    """Return how many of these times are in the busiest second."""
    return max(sum(start <= each < start + 1 for each in times) for start in times)


@pytest.mark.parametrize(("figures", "limit"), [(1, 60), (4, 60), (8, 30), (20, 22), (40, 12)])
def test_rate_limit_depends_on_the_number_of_figures(figures: int, limit: int) -> None:
    """A figure that wants to send 1,000 times a second sends 60, or less beside many figures."""
    limiter = RateLimiter()
    times = sent(limiter, [Figure() for _ in range(figures)], [n / 250 for n in range(1, 601)])
    settled = [each for each in times if each > 1.3]
    assert limit - 1 <= max_in_a_second(settled) <= limit + 1


def test_early_message_does_not_wait() -> None:
    """Sixty messages a second, each up to 5 ms early or late, are sent when they come."""
    requests = [1 + n / 60 + (0.005 if n % 3 == 0 else 0) for n in range(120)]
    assert sent(RateLimiter(), [Figure()], requests) == requests


def test_discarded_figures_do_not_count() -> None:
    """Closed figures leave the rate to the others."""
    limiter = RateLimiter()
    figures = [Figure() for _ in range(6)]
    for figure in figures:
        limiter.note_sent(figure, 10.0)
    crowded = limiter.interval_s(10.0)
    for figure in figures[:3]:
        limiter.discard(figure)
    assert limiter.interval_s(10.0) < crowded
    assert len(limiter) == 3


def test_quiet_figures_do_not_count() -> None:
    """A second after its last message a figure no longer counts as sending."""
    limiter = RateLimiter()
    figures = [Figure() for _ in range(6)]
    for figure in figures:
        limiter.note_sent(figure, 10.0)
    assert limiter.interval_s(10.5) > limiter.interval_s(12.0)


def test_sender_flushes_every_figure_and_ends(until: Until) -> None:
    """Each figure is flushed, then the thread ends."""
    sender = Sender()
    figures = [Figure() for _ in range(20)]
    for figure in figures:
        sender.request(figure)
    until(lambda: all(figure.flushed for figure in figures))
    until(lambda: not [t for t in threading.enumerate() if t.name == "tickerkit figures"])


def test_request_wakes_the_sender_only_for_an_earlier_message(until: Until) -> None:
    """A figure that may not send yet leaves the thread asleep; one that may send wakes it."""
    now = [100.0]
    sender = Sender(lambda: now[0])
    woken = []

    class Changed(threading.Condition):
        def notify(self, n: int = 1) -> None:
            woken.append(n)
            super().notify(n)

    sender._changed = Changed()
    first, slow, ready = Figure(), Figure(), Figure()
    slow.min_interval_s = 10.0
    for _ in range(2):
        sender._limiter.note_sent(slow, now[0])
    sender.request(first)
    until(lambda: first.flushed and sender._wakes_at > now[0])
    sender.request(slow)
    assert not woken
    sender.request(ready)
    assert woken
    until(lambda: ready.flushed)
    assert not slow.flushed
    now[0] = 200.0
    sender.discard(ready)
    until(lambda: slow.flushed)
    now[0] = 300.0
    until(lambda: not [t for t in threading.enumerate() if t.name == "tickerkit figures"])


def test_failing_figure_does_not_stop_the_others(
    until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    """The error is logged, and the other figures are flushed."""

    class Broken(Figure):
        def flush(self) -> None:
            raise RuntimeError("no comm")

    sender, broken, sound = Sender(), Broken(), Figure()
    with caplog.at_level(logging.ERROR):
        sender.request(broken)
        sender.request(sound)
        until(lambda: sound.flushed and "Could not send the points" in caplog.text)
