"""Errors: the tree is drawn complete, and each error carries its facts and can be pickled."""

from __future__ import annotations

import builtins
import pickle
import re
from collections.abc import Iterator

import pytest

from tickerkit import errors
from tickerkit.errors import (
    BadTick,
    FeedFailed,
    InvalidArgument,
    PortalError,
    PortTaken,
    Problem,
    ProtocolError,
    RecordingError,
    RecordingWarning,
    ServerFailed,
    SourceError,
    Stopped,
    StreamError,
    TickerkitError,
    WaitTimeout,
)
from tickerkit.formatting import format_value

BRANCH = re.compile(r"[├└]── (\w+) +(?:\((\w+)\))?")
DRAWN = dict(BRANCH.findall(errors.__doc__ or ""))


class Faulty:
    """An object whose repr raises."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def defined() -> Iterator[type[TickerkitError]]:
    """Yield every error class that the module defines."""
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, TickerkitError):
            yield value


def test_drawn_tree_lists_every_error() -> None:
    """The tree in the module's docstring names every error, and nothing else."""
    assert set(DRAWN) == {error.__name__ for error in defined()} - {"TickerkitError"}


def test_all_lists_every_error() -> None:
    """`__all__` has every error, and the warning."""
    assert set(errors.__all__) == {error.__name__ for error in defined()} | {"RecordingWarning"}


def test_bad_tick_escapes_an_unprintable_field_name() -> None:
    """A peer's field name can't break the line or reverse the text."""
    error = BadTick("a\u2028\u202eb", 1, "is not finite", "send null")
    assert str(error) == r"'a\u2028\u202eb' is not finite: 1; send null"
    assert error.field == "a\u2028\u202eb"
    assert str(BadTick("größe", 1, "is bad", "fix it")).startswith("größe is bad")


@pytest.mark.parametrize("name", DRAWN)
def test_error_is_the_built_in_error_that_the_tree_names(name: str) -> None:
    """Code catches it as a `TickerkitError`, or as a built-in error."""
    error = getattr(errors, name)
    assert issubclass(error, TickerkitError)
    assert not DRAWN[name] or issubclass(error, getattr(builtins, DRAWN[name]))


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (
            BadTick("price", "abc", "is not a number", "send a number"),
            {
                "field": "price",
                "value": "abc",
                "problem": "is not a number",
                "fix": "send a number",
            },
        ),
        (ProtocolError(1002, "it sent nonsense"), {"close_code": 1002, "problem": "it sent"}),
        (
            PortTaken("127.0.0.1", 8000, "nginx (12)"),
            {"port": 8000, "holder": "nginx (12)", "fix": "stop it, or pass port=0"},
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
        (
            StreamError("nats://h/a", "no answer", "start it", is_final=True),
            {"address": "nats://h/a", "problem": "no answer", "fix": "start it"},
        ),
        (RecordingError("a.csv", "it is torn"), {"problem": "it is torn"}),
        (
            Stopped("feed", "call tk.connect again"),
            {"what": "feed", "fix": "call tk.connect again"},
        ),
    ],
)
def test_error_has_its_facts_as_attributes_and_in_its_text(
    error: TickerkitError, facts: dict[str, object]
) -> None:
    """The text of an error is one line with the facts of its attributes."""
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
        BadTick("price", Faulty(), "is not a number", "send a number"),
        PortTaken("127.0.0.1", 8000, "nginx (12)"),
        ProtocolError(1002, "it sent nonsense", final=True),
        RecordingError("a.csv", "it is torn"),
        SourceError(lambda: None, "it is a class"),
        InvalidArgument("mode", "x", "'new' or 'append'"),
        WaitTimeout(10, 3, 1.5, "reconnecting"),
        PortalError("would deadlock"),
        ServerFailed("hangs"),
        StreamError("nats://h/a", "no answer"),
    ],
)
def test_error_can_be_pickled(error: TickerkitError) -> None:
    """The copy has the same text and facts; a value that isn't plain becomes its repr."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.args) == (str(error), error.args)
    for name, fact in vars(error).items():
        assert getattr(again, name) in (fact, format_value(fact))


def test_port_taken_names_the_holder_and_the_fix() -> None:
    """The error names the program on the port, and port=0 as the fix."""
    assert "by nginx (12)" in str(PortTaken("127.0.0.1", 8000, "nginx (12)"))
    assert "another program" in str(PortTaken("127.0.0.1", 8000))
    assert "port=0" in str(PortTaken("127.0.0.1", 8000))


def test_portal_error_keeps_its_message() -> None:
    """An error without attributes has the message that it was raised with."""
    assert str(PortalError("would deadlock")) == "would deadlock"


def test_recording_warning_lists_its_problems_and_can_be_pickled() -> None:
    """Its text has each problem with its places, the first twenty of them."""
    problems = [
        Problem.from_ranges("damaged", "line", [(3, 3), (5, 7)], "unreadable"),
        Problem.from_ranges("order", "row", [(n, n) for n in range(1, 31)], "goes back"),
        Problem.from_ranges("unlisted gap", "seq", [(2, 2), (9, 9)], lambda i: f"missing {i}"),
    ]
    warning = RecordingWarning("t.csv", 9, problems)
    assert "t.csv is damaged: lines 3 and 5 to 7: unreadable; rows 1, 2, 3," in str(warning)
    assert "20 and 10 more: goes back; seq 2: missing 0; seq 9: missing 1" in str(warning)
    again = pickle.loads(pickle.dumps(warning))
    assert (str(again), vars(again)) == (str(warning), vars(warning))
    about = "its newest rows are elsewhere"
    unfinished = Problem.from_ranges("unfinished", "file", [(0, 0)], about)
    assert (
        str(RecordingWarning("t.parquet", 9, [unfinished])) == f"t.parquet is incomplete: {about}"
    )
