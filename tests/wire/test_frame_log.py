"""FrameLog: the newest frames, in a bounded memory."""

from __future__ import annotations

import tracemalloc

import pytest
from conversations import Tapped
from soaks import soak

from tickerkit.wire.frame_log import MAX_FRAMES
from tickerkit.wire.header import make_frame


def test_oldest_frames_go_first() -> None:
    """A reader learns from the number how many it has missed."""
    tapped = Tapped(keep_bytes=10_000).open()
    tapped.feed("client", *(make_frame(2, bytes(100)) for _ in range(100)))
    first, frames = tapped.log.read(5)
    assert tapped.log.stop == 101
    assert first == tapped.log.first == 101 - len(frames)
    assert 0 < len(frames) < 40
    assert tapped.log.read(99)[0] == 99
    assert len(tapped.log.read(99)[1]) == 2


def test_newest_frames_are_read_in_order() -> None:
    """They are the end of what the log holds, and no more than that."""
    tapped = Tapped().open()
    tapped.feed("client", *(make_frame(2, bytes([number])) for number in range(5)))
    frames = tapped.log.read()[1]
    assert tapped.log.read_newest(2) == frames[3:]
    assert tapped.log.read_newest(0) == tapped.log.read_newest(-1) == []
    assert tapped.log.read_newest(9) == frames


@pytest.mark.parametrize(
    ("tiny", "large"),
    [(2000, 3), soak(1_000_000, 100)],
)
def test_log_keeps_to_its_memory(tiny: int, large: int) -> None:
    """Of tiny and of large frames, it takes at most a fifth more than it may."""
    for size, count in ((0, tiny), (95, tiny), (1_000_000, large), (10_000_000, large // 10)):
        frame = make_frame(2, bytes(size), b"abcd")
        tracemalloc.start()
        try:
            tapped = Tapped(keep_bytes=250_000).open()
            before, _ = tracemalloc.get_traced_memory()
            for _ in range(count):
                tapped.feed("server", frame)
                tapped.sent["server"].clear()
            held = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert held < 300_000


def test_number_of_frames_is_bounded() -> None:
    """Whatever the memory, at most 100,000 are held."""
    tapped = Tapped(keep_bytes=2**30).open()
    data = make_frame(2, b"") * 1000
    for _ in range(101):
        tapped.feed("client", data)
    assert len(tapped.log) == MAX_FRAMES
    assert tapped.log.first == 1001
