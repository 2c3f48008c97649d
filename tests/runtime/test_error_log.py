"""error_log: errors are counted, described, and logged at a limited rate."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable

import pytest
from commands import run_python

from tickerkit import formatting
from tickerkit.errors import BadTick
from tickerkit.formatting import format_line
from tickerkit.runtime import error_log
from tickerkit.runtime.error_log import ErrorLog, describe
from tickerkit.runtime.user_code import MAX_TRACEBACK_LENGTH


class FaultyError(Exception):
    """An error whose own code raises."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the logged messages."""
    return [record.getMessage() for record in caplog.records]


def test_error_log_counts_errors_and_keeps_the_newest() -> None:
    """Each error counts, and the last one is described."""
    found = ErrorLog("here")
    assert (found.count, found.last) == (0, "")
    found.add(ValueError("first"))
    found.add(KeyError("second"), 3)
    assert (found.count, found.last) == (4, "KeyError: 'second'")


def test_error_is_logged_at_its_first_occurrence(caplog: pytest.LogCaptureFixture) -> None:
    """A repeated error is logged once; an error of another kind is logged too."""
    found = ErrorLog("server")
    for number in range(100):
        found.add(ValueError(f"poll {number}"))
    found.add(OSError("disk"))
    assert logged(caplog) == ["server: ValueError: poll 0", "server: OSError: disk"]
    assert caplog.records[0].exc_info is not None


def test_own_errors_are_logged_without_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The text of tickerkit's own errors is enough."""
    ErrorLog("server").add(BadTick("price", -1, "is negative", "send more"))
    assert caplog.records[0].exc_info is None


@pytest.mark.parametrize(("options", "lines"), [({}, 3), ({"repeat_s": 10}, 13)])
def test_repeated_error_is_logged_once_a_minute(
    options: dict[str, float],
    lines: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A lasting error is logged again after a minute, or after `repeat_s`."""
    now = 1000.0
    monkeypatch.setattr(error_log.time, "monotonic", lambda: now)
    found = ErrorLog("server", **options)
    for _ in range(130):
        found.add(ValueError("again"))
        now += 1
    assert len(logged(caplog)) == lines


def test_messages_of_one_kind_do_not_flood_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Text from a peer is rate-limited, whatever it contains."""
    found = ErrorLog("feed")
    for number in range(2000):
        found.add_message("server", f"the server reports: {number}")
    found.add(ValueError("another kind"))
    assert logged(caplog) == [
        "feed: the server reports: 0",
        "feed: ValueError: another kind",
    ]
    assert found.count == 2001


def test_messages_of_different_kinds_are_logged_separately(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A second problem within a minute is logged if its kind differs from the first."""
    found = ErrorLog("recorder")
    for _ in range(2):
        found.add_message("no space", "ticks.csv can't be written: no space is left")
        found.add_message("no permission", "ticks.csv can't be written: permission denied")
    assert logged(caplog) == [
        "recorder: ticks.csv can't be written: no space is left",
        "recorder: ticks.csv can't be written: permission denied",
    ]
    assert found.count == 4


def raised(function: Callable[[], object]) -> BaseException:
    """Return the error that a function raises."""
    with pytest.raises(BaseException) as caught:
        function()
    return caught.value


def test_error_of_user_code_ends_with_file_and_line() -> None:
    """The innermost line outside of libraries is named: json's own lines help nobody."""
    found = ErrorLog("here")
    found.add(raised(lambda: json.loads("{")))
    line = test_error_of_user_code_ends_with_file_and_line.__code__.co_firstlineno + 3
    assert found.last.startswith("JSONDecodeError: ")
    assert found.last.endswith(f" (test_error_log.py, line {line})")
    assert 'json.loads("{")' in found.last_traceback
    assert found.last_traceback.splitlines()[-1].startswith("json.decoder.JSONDecodeError")


def test_traceback_of_endless_recursion_is_short() -> None:
    """It keeps its end, which has the line that raised the error."""

    def recurse(depth: int) -> int:
        return recurse(depth + 1) + 1

    found = ErrorLog("here")
    found.add(raised(lambda: recurse(0)))
    assert len(found.last_traceback) <= MAX_TRACEBACK_LENGTH + 1
    assert found.last_traceback.splitlines()[-1].startswith("RecursionError")


def test_own_error_raised_by_user_code_is_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A callback that passes a wrong argument needs the line."""

    def fail() -> None:
        raise BadTick("price", -1, "is negative", "send more")

    ErrorLog("on_ticks").add(raised(fail))
    assert caplog.records[0].exc_info is not None


def test_error_with_failing_str_is_described_by_its_type() -> None:
    """`add` never raises, whatever the error's own code does."""
    found = ErrorLog("here")
    found.add(FaultyError())
    assert found.last == "FaultyError"


def test_describe_names_the_type_of_foreign_errors_only() -> None:
    """An error of tickerkit's own is described by its text alone."""
    bad = BadTick("price", -1, "is negative", "send more")
    assert describe(bad) == "price is negative: -1; send more"
    assert describe(ZeroDivisionError("division by zero")) == "ZeroDivisionError: division by zero"
    assert describe(TimeoutError()) == "TimeoutError"


def test_description_is_one_short_printable_line() -> None:
    """Line breaks, control characters and endless text from peers are removed."""
    assert format_line("a\nb\t c\x1b[31m\x00d\u2028e") == "a b c [31m d e"
    assert len(format_line("x" * 10**6)) == formatting.MAX_LINE_LENGTH
    assert format_line("x" * 10**6).endswith("…")
    assert len(describe(ValueError("y" * 10**6))) < formatting.MAX_LINE_LENGTH + 20
    found = ErrorLog("here")
    found.add_message("test", "one\r\ntwo")
    assert found.last == "one two"


def test_counting_is_exact_across_threads() -> None:
    """Errors of several threads are all counted."""
    found = ErrorLog("here")

    def add() -> None:
        for _ in range(2000):
            found.add_message("test", "once more")

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found.count == 16_000


def test_error_log_prints_nothing_without_logging() -> None:
    """A program that does not configure logging, such as a notebook, sees no output."""
    code = (
        "from tickerkit.runtime.error_log import ErrorLog; ErrorLog('x').add(ValueError('quiet'))"
    )
    done = run_python("-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_websockets_logs_are_silenced() -> None:
    """Messages of websockets would contain tokens, once for each connection."""
    assert not logging.getLogger("tickerkit.websockets").isEnabledFor(logging.ERROR)
