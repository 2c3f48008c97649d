"""The error tree: drawn as it is, built-in where one would look, and fit to be printed."""

from __future__ import annotations

import builtins
import pickle
import re
from collections.abc import Iterator

import numpy as np
import pytest

from tickerkit import errors
from tickerkit.errors import (
    BadTick,
    FeedFailed,
    InvalidArgument,
    PortalError,
    PortTaken,
    ProtocolError,
    RecordingError,
    ServerFailed,
    SourceError,
    Stopped,
    TickerkitError,
    WaitTimeout,
)
from tickerkit.formatting import MAX_VALUE_LENGTH, format_value

BRANCH = re.compile(r"[├└]── (\w+) +(?:\((\w+)\))?")
DRAWN = dict(BRANCH.findall(errors.__doc__ or ""))


class Faulty:
    """An object that can't be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Lines:
    """An object that shows itself on two lines, in red."""

    def __repr__(self) -> str:
        return "one\n\x1b[31mtwo"


def defined() -> Iterator[type[TickerkitError]]:
    """Yield every error that the module defines."""
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, TickerkitError):
            yield value


def test_tree_is_drawn_complete() -> None:
    """The tree at the top of the module names every error, and no other."""
    assert set(DRAWN) == {error.__name__ for error in defined()} - {"TickerkitError"}


def test_public_names_are_the_errors() -> None:
    """`__all__` lists every error, and the warning."""
    assert set(errors.__all__) == {error.__name__ for error in defined()} | {"RecordingWarning"}


def test_a_field_that_breaks_the_line_is_shown_escaped() -> None:
    """The peer chose the field's name: it may hold no line break and turn no text around."""
    error = BadTick("a\u2028\u202eb", 1, "is not finite", "send null")
    assert str(error) == r"'a\u2028\u202eb' is not finite: 1; send null"
    assert error.field == "a\u2028\u202eb"
    assert str(BadTick("größe", 1, "is bad", "fix it")).startswith("größe is bad")


@pytest.mark.parametrize("name", DRAWN)
def test_each_is_ours_and_the_built_in_that_fits(name: str) -> None:
    """Each error is caught as tickerkit's and as the built-in error that the tree names."""
    error = getattr(errors, name)
    assert issubclass(error, TickerkitError)
    assert not DRAWN[name] or issubclass(error, getattr(builtins, DRAWN[name]))


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (
            BadTick("price", "abc", "is no number", "send a number"),
            {"field": "price", "value": "abc", "problem": "is no number", "fix": "send a number"},
        ),
        (ProtocolError(1002, "it sent nonsense"), {"close_code": 1002, "problem": "it sent"}),
        (
            PortTaken("127.0.0.1", 8000, "nginx (12)"),
            {"host": "127.0.0.1", "port": 8000, "holder": "nginx (12)"},
        ),
        (PortTaken("127.0.0.1", 8000), {"host": "127.0.0.1", "port": 8000, "holder": None}),
        (SourceError("nope:", "no such scheme"), {"source": "nope:", "problem": "no such scheme"}),
        (
            SourceError(0, "it is too slow", "speed", "pass a number above 0"),
            {"source": 0, "argument": "speed", "fix": "pass a number above 0"},
        ),
        (
            InvalidArgument("mode", "x", "'new' or 'append'"),
            {"argument": "mode", "value": "x", "expected": "'new' or 'append'"},
        ),
        (ServerFailed("hangs"), {"reason": "hangs"}),
        (FeedFailed("ws://h/", "HTTP 403"), {"url": "ws://h/", "reason": "HTTP 403"}),
        (
            WaitTimeout(10, 3, 1.5, "reconnecting"),
            {"wanted": 10, "came": 3, "timeout_s": 1.5, "doing": "reconnecting"},
        ),
        (RecordingError("a.csv", "it is torn"), {"problem": "it is torn"}),
        (Stopped("feed", "call tk.connect again"), {"what": "feed"}),
    ],
)
def test_each_carries_its_facts_and_says_them(
    error: TickerkitError, facts: dict[str, object]
) -> None:
    """What an error says, its attributes hold, in one line."""
    text = str(error)
    assert text
    assert "\n" not in text
    for name, fact in facts.items():
        held = getattr(error, name)
        assert held == fact or str(held).startswith(str(fact))
        assert fact is None or str(fact) in text


@pytest.mark.parametrize(
    "error",
    [
        BadTick("price", Faulty(), "is no number", "send a number"),
        PortTaken("127.0.0.1", 8000, "nginx (12)"),
        ProtocolError(1002, "it sent nonsense", final=True),
        RecordingError("a.csv", "it is torn"),
        SourceError(lambda: None, "it is none"),
        InvalidArgument("mode", "x", "'new' or 'append'"),
        WaitTimeout(10, 3, 1.5, "reconnecting"),
        PortalError("would deadlock"),
        ServerFailed("hangs"),
    ],
)
def test_each_can_be_pickled(error: TickerkitError) -> None:
    """It is the same error with the same facts; what is no plain value is one in words."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.args) == (str(error), error.args)
    for name, fact in vars(error).items():
        assert getattr(again, name) in (fact, format_value(fact))


def test_port_taken_names_the_way_out() -> None:
    """The error of a taken port says what holds it and that port=0 takes a free one."""
    assert "by nginx (12)" in str(PortTaken("127.0.0.1", 8000, "nginx (12)"))
    assert "another program" in str(PortTaken("127.0.0.1", 8000))
    assert "port=0" in str(PortTaken("127.0.0.1", 8000))


def test_portal_error_says_what_it_is_given() -> None:
    """A plain error keeps its message."""
    assert str(PortalError("would deadlock")) == "would deadlock"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("abc", "'abc'"),
        ("ä\n", r"'\xe4\n'"),
        (None, "None"),
        (Faulty(), "<Faulty>"),
        (10**5000, "<int>"),
        (Lines(), "one  [31mtwo"),
        (np.zeros((2, 1)), "array([[0.],        [0.]])"),
        (b"\xff", r"b'\xff'"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_shown_puts_anything_on_one_printable_line(value: object, text: str) -> None:
    """A value in an error is printable ASCII on one line, whatever its repr does."""
    assert format_value(value) == text


@pytest.mark.parametrize(
    "value",
    ["x" * 10**6, "x" * MAX_VALUE_LENGTH, b"x" * 10**6, list(range(10**5)), "ä" * 100],
    ids=lambda each: type(each).__name__,
)
def test_shown_is_short(value: object) -> None:
    """A long value is cut, and shows that it was."""
    assert len(format_value(value)) == MAX_VALUE_LENGTH
    assert format_value(value).endswith("…")


def test_shown_survives_endless_nesting() -> None:
    """A value nested deeper than Python's repr can go is named by its type."""
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    assert format_value(nested) == "<list>"
