"""Lesson 4: what a plain client sees of the end of its connection, and when a crowd comes back."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

import tickerkit as tk
from tickerkit.classroom import Tap
from tickerkit.classroom.lessons.lesson4 import how_it_ends, show_crowd


@pytest.fixture(scope="module")
def tap() -> Iterator[Tap]:
    """Return a tap on a server that sends all the time."""
    with tk.serve(tk.simulate("AAPL", rate=20, seed=1), port=0) as server, tk.tap(server) as tap:
        yield tap


@pytest.mark.parametrize(
    ("order", "seen"),
    [
        (["close", 1012, "soon"], "code 1012"),
        (["drop"], "code 1006"),
        (["corrupt", "rsv"], "sent 1002"),
        (["corrupt", "utf8"], "sent 1007"),
        (["corrupt", "size"], "sent 1009"),
    ],
    ids=["close", "reset", "rsv", "utf8", "size"],
)
def test_end_of_a_connection_is_described(tap: Tap, order: list[Any], seen: str) -> None:
    """Each way to end has its own code."""
    name, *arguments = order
    assert seen in how_it_ends(tap.url, getattr(tap, name), *arguments, wait=10)


def test_only_a_client_that_pings_notices_a_stall(
    tap: Tap, caplog: pytest.LogCaptureFixture
) -> None:
    """The other one sees no difference from silence; neither of them logs anything."""
    with caplog.at_level(logging.DEBUG):
        quiet = how_it_ends(tap.url, tap.stall, 5, wait=0.3)
        assert quiet == "still open after 0.3 s, 0 messages came"
        assert "ping timeout" in how_it_ends(tap.url, tap.stall, 5, wait=10, ping=0.1)
    assert [each.name for each in caplog.records if "lessons" in each.name] == []


def test_crowd_comes_at_the_moments_of_its_waits(capsys: pytest.CaptureFixture[str]) -> None:
    """Each step has a bar, and the number of clients."""
    show_crowd(lambda n: [1, 2, 4, 8][:n], clients=5)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "█" in line] == [
        " 1.00 s █████ 5",
        " 3.00 s █████ 5",
        " 7.00 s █████ 5",
    ]
