"""Tests of seams: each seq between two rows of a recording is in one of the gaps listed."""

from __future__ import annotations

from tickerkit.log import Gap, Position
from tickerkit.storage.seam import NOT_RECORDED, list_missing

CLOSED = Gap("e1", 205, None, "the server was restarted")
GONE = Gap("e2", 1, 50, "the server no longer holds these ticks")
LOST = Gap("e2", 51, 150, NOT_RECORDED)


def test_gap_before_an_epochs_first_tick_is_listed_though_that_tick_was_lost() -> None:
    """The server's gap 1 to 50 stands beside the ticks 51 to 150, which the log dropped."""
    last, first = Position("e1", 204), Position("e2", 151)
    assert list(list_missing(last, None, {"e2": 51}, first, [CLOSED, GONE])) == [CLOSED, GONE, LOST]


def test_gap_that_the_recording_lists_is_not_listed_again() -> None:
    """The gap before the epoch's first tick was written before the seam."""
    last, first = Position("e1", 204), Position("e2", 151)
    assert list(list_missing(last, GONE, {"e2": 51}, first, [GONE])) == [
        Gap("e1", 205, None, NOT_RECORDED),
        LOST,
    ]
