"""Streams: the appended points of several traces."""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np
import pytest

import tickerkit as tk
from tickerkit.chart.figure.streams import Streams
from tickerkit.runtime.scheduler import SENDER


def test_min_interval_may_be_read_while_traces_change() -> None:
    """The sending thread reads it without the lock while another thread changes the traces."""
    streams = Streams(10, threading.RLock(), lambda *_: None, lambda *_: None)
    done = threading.Event()

    def change() -> None:
        for count in range(20_000):
            streams.by_trace[str(count % 50)] = streams.new()
            streams.by_trace.pop(str((count + 25) % 50), None)
        done.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threading.Thread(target=change).start()
        while not done.is_set():
            assert streams.min_interval_s == 0
    finally:
        sys.setswitchinterval(interval)


def test_each_change_of_the_open_bar_is_sent_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message has the newest bar and its volume, from their position, and no other bar."""
    monkeypatch.setattr(SENDER, "request", lambda _: None)
    figure = tk.LiveFigure(window=500)
    sent: list[tuple[Any, list[memoryview]]] = []
    figure._streams._send = lambda message, buffers: sent.append((message, buffers))
    times = np.arange(500.0)
    figure.append_bars(times, *[times] * 5)
    figure._streams.flush()
    sent.clear()
    for close in (1.5, 2.5, 3.5):
        figure.append_bars(499, 1, 4, 1, close, 7)
        figure._streams.flush()
    assert [float(buffers[4][0]) for _, buffers in sent] == [1.5, 2.5, 3.5]
    for message, buffers in sent:
        assert [each["start"] for each in message["traces"]] == [499, 499]
        assert [len(each) for each in buffers] == [1] * 7
    figure.close()
