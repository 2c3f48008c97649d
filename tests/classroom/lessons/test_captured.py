"""Tests of captured: what a student prints is kept, and nothing is left behind."""

from __future__ import annotations

import gc
import io
import sys

import pytest

from tickerkit.classroom.lessons.captured import Captured


def test_threads_of_the_student_print_into_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """What others print goes where it went."""
    original = io.StringIO()
    monkeypatch.setattr(sys, "stdout", original)
    with Captured() as captured:
        print("before")
        captured.adopt_thread()
        print("mine")
    print("after")
    assert captured.text == "mine\n"
    assert original.getvalue() == "before\nafter\n"


def test_what_was_captured_may_outlive_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python closes garbage: that must not touch a stream that was closed meanwhile."""
    original = io.TextIOWrapper(io.BytesIO())  # unlike StringIO, it refuses to be flushed then
    monkeypatch.setattr(sys, "stdout", original)
    with Captured() as captured:
        pass
    original.close()
    del captured
    gc.collect()
