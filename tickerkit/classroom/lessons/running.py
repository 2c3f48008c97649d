"""Running: a check in a thread of its own, for a limited time; whose fault an error is."""

from __future__ import annotations

import ctypes
import functools
import inspect
import random
import re
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tickerkit.classroom.lessons.captured import Captured
from tickerkit.classroom.lessons.exercise import AnswerError, Exercise, Outcome
from tickerkit.classroom.lessons.judging import NOTHING, PRINTED, describe
from tickerkit.classroom.lessons.places import describe_hang, find_source_line
from tickerkit.formatting import format_line
from tickerkit.runtime.interrupts import hold_interrupts
from tickerkit.runtime.threads import UserThread, start_thread
from tickerkit.runtime.user_code import find_location, format_traceback

__all__ = ["Result", "end_thread", "run_check"]

MAX_RUN_S = 10.0
# How long a check that was ended may take to clean up.
END_S = 0.3
# How long a thread may take to start another one, and how often to look.
START_S, STEP_S = 0.5, 0.002

# Such a clause also catches what ends a client of the student, so the check runs to its limit.
_CATCHES_ALL = re.compile(r"^\s*except(\s+BaseException\b.*)?\s*:", re.MULTILINE)
CATCHES_ALL = "`except:` catches even what ends your function: name the errors behind `except`."

# Beginners write time.sleep(…), or asyncio.sleep(…) without `await`.
LOOP_STOPPED = (
    "Nothing else on the event loop runs until your code reaches an `await`: pause with `await "
    "asyncio.sleep(…)`."
)

# What the usual errors mean, for those who have not met them.
MEANINGS: dict[type[BaseException], str] = {
    AttributeError: "the object has nothing of that name; `dir(…)` lists what it has.",
    IndexError: "there is nothing at that place: the data is shorter than the code expects.",
    KeyError: "the dict has no such key.",
    NameError: "this name has no value there; is it spelled right, and is the import there?",
    RecursionError: "the function calls itself without an end.",
    SystemExit: "it ended the program; a function returns instead.",
    UnicodeDecodeError: "these bytes are not text.",
}
ENCODE = "text came where bytes are needed; `.encode()` makes bytes of text."
# The same for errors that only their texts tell apart.
TYPE_MEANINGS = {
    "must be encoded before hashing": ENCODE,
    "a bytes-like object is required, not 'str'": ENCODE,
    'can only concatenate str (not "bytes")': ENCODE,
    "can't concat str to bytes": ENCODE,
    "for ^: 'bytes'": "`^` takes two numbers, and not bytes: take one byte after the other.",
    "'NoneType' object": "a value is None; does it come from a function without `return`?",
}


@dataclass(frozen=True)
class Result:
    """What came of one check.

    Attributes:
        outcome: what the judge found, or the error in words.
        is_fault: whether the check itself failed, so that nothing is known of the answer.
        traceback: of the error, if there was one.
        line: the line of the student's code that raised it, or does not end.
        printed: what the student's function printed.
    """

    outcome: Outcome
    is_fault: bool = False
    traceback: str = ""
    line: str = ""
    printed: str = ""


def run_check(exercise: Exercise, answer: Any, seed: int, limit_s: float = MAX_RUN_S) -> Result:
    """Check an answer, and return what came of it; raises nothing but KeyboardInterrupt.

    The judge runs in a thread of its own. After the limit, SystemExit is raised in that thread:
    a loop of Python ends, and a call that waits ends as soon as it returns. Nothing waits for it
    any longer.

    Args:
        exercise: what to check.
        answer: the student's function or value.
        seed: of the inputs.
        limit_s: how long the check may take.
    """
    results: list[Result] = []
    captured = Captured()

    def run() -> None:
        captured.adopt_thread()
        try:
            outcome = exercise.judge(_guard(answer), random.Random(seed))
            if not isinstance(outcome, Outcome):
                raise TypeError(f"the judge returned {describe(outcome)}")
            results.append(Result(outcome))
        except BaseException as error:
            results.append(_describe_error(error))

    with captured:
        with hold_interrupts():
            thread = start_thread(run, "tickerkit-check", UserThread)
            try:
                thread.join_within(limit_s)
            except BaseException:
                end_thread(thread)
                raise
        if not results:
            results.append(_describe_hang(thread, limit_s, answer))
            end_thread(thread)
            thread.join_within(END_S)
    result = replace(results[0], printed=captured.text + ("…" if captured.is_cut else ""))
    if result.printed and result.outcome.said == NOTHING:
        return replace(result, outcome=replace(result.outcome, said=PRINTED, written=True))
    return result


def _guard(answer: Any) -> Any:
    """Return a function of the student, so that its errors can be told from those of the judge."""
    if not callable(answer) or inspect.isclass(answer):
        return answer

    def call(*args: Any, **options: Any) -> Any:
        try:
            return answer(*args, **options)
        except AnswerError:
            raise
        except BaseException as error:
            raise AnswerError(error) from error

    return _wrap(call, answer)


def _wrap(call: Callable[..., Any], answer: Any) -> Callable[..., Any]:
    try:
        return functools.wraps(answer)(call)
    except Exception:  # an object whose attributes can't be read
        return call


def _describe_error(error: BaseException) -> Result:
    if isinstance(error, AnswerError):
        said = _put_in_words(error.error)
        outcome = Outcome(False, error.checked, said, boxes=error.boxes, called=error.called)
        line = find_source_line(error.error)
        return Result(outcome, traceback=format_traceback(error.error), line=line)
    text = format_traceback(error)
    if find_location(error):
        outcome = Outcome(False, 0, _put_in_words(error))
        return Result(outcome, traceback=text, line=find_source_line(error))
    return Result(Outcome(False, 0, _name(error)), is_fault=True, traceback=text)


def _put_in_words(error: BaseException) -> str:
    place = find_location(error)
    where = f" ({place})" if place else ""
    said = f"Your code raised {_name(error)}{where}."
    meaning = next((text for kind, text in MEANINGS.items() if isinstance(error, kind)), "")
    if isinstance(error, TypeError):
        meaning = next((text for part, text in TYPE_MEANINGS.items() if part in said), "")
    return f"{said} That means: {meaning}" if meaning else said


def _name(error: BaseException) -> str:
    try:
        text = format_line(str(error))
    except Exception:  # a faulty __str__
        text = ""
    name = type(error).__name__
    return name if text in ("", "None") else f"{name}: {text.rstrip('.')}"


def _describe_hang(thread: threading.Thread, limit_s: float, answer: Any) -> Result:
    place, line = describe_hang(thread.ident or 0)
    still = f"still running after {limit_s:g} s"
    if place and _catches_all(answer):
        return Result(Outcome(False, 0, f"{still.capitalize()}. {CATCHES_ALL}"), line=line)
    if place:
        said = f"{still.capitalize()}; {place}."
        if inspect.iscoroutinefunction(answer):
            said = f"{said} {LOOP_STOPPED}"
        return Result(Outcome(False, 0, said), line=line)
    return Result(Outcome(False, 0, f"{still}, outside of your code"), is_fault=True)


def _catches_all(answer: Any) -> bool:
    try:
        return _CATCHES_ALL.search(inspect.getsource(answer)) is not None
    except (OSError, TypeError):  # no function, or one without a source
        return False


def end_thread(thread: threading.Thread) -> None:
    """Tell a thread to end: a loop of Python ends, and a call that waits as soon as it returns."""
    ident = thread.ident or 0
    end = time.monotonic() + START_S
    # In Python 3.11, a thread that starts another one shares its ident with it for a moment. The
    # new one would take the error and end before it has started, and the old one wait for ever.
    while _starts_thread(ident):
        if time.monotonic() > end:
            return
        time.sleep(STEP_S)
    if thread.is_alive():
        # SystemExit: a thread ends on it without printing anything.
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(ident), ctypes.py_object(SystemExit)
        )


def _starts_thread(ident: int) -> bool:
    """Return whether a thread is starting another one now."""
    frame = sys._current_frames().get(ident)
    while frame is not None:
        if frame.f_code is threading.Thread.start.__code__:
            return True
        frame = frame.f_back
    return False
