"""Streams: the appended points of several traces."""

from __future__ import annotations

import sys
import threading

from tickerkit.chart.figure.streams import Streams


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
