"""Judging: compares what a student's function returns with what is right, and knows mistakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from reprlib import Repr
from typing import Any

from tickerkit.classroom.lessons.exercise import AnswerError, Outcome
from tickerkit.formatting import format_count

__all__ = [
    "NOTHING",
    "PRINTED",
    "Case",
    "describe",
    "is_same",
    "judge_function",
    "judge_value",
    "load_answer",
    "make_mistakes",
]

MAX_BYTES_SHOWN = 24
KINDS: Sequence[tuple[Any, str]] = (
    (type(None), "None"),
    (bool, "True or False"),
    (Integral, "a whole number"),
    (Real, "a number"),
    (str, "text"),
    ((bytes, bytearray, memoryview), "bytes"),
    (tuple, "a tuple"),
    (list, "a list"),
    (Mapping, "a dict"),
)
NOTHING = "Your function returned None. Write it first; it needs a line with `return`."
PRINTED = "Your function printed something and returned None. Use `return` in place of `print`."
# After right results, the function is written, but one of its ways ends without a result.
NOTHING_HERE = "For this call your function returned None: it came to no `return`."
NO_FUNCTION = "Pass the function itself, without brackets behind its name."
_short = Repr()
_short.maxstring = _short.maxother = 80
_short.maxlist = _short.maxtuple = _short.maxdict = _short.maxset = 8


@dataclass(frozen=True)
class Case:
    """One call of a student's function.

    Attributes:
        arguments: what it is called with.
        expected: what is right.
        boxes: the bytes to show if the result is wrong.
    """

    arguments: tuple[Any, ...]
    expected: Any
    boxes: bytes = b""


def load_answer(source: str) -> Any:
    """Run the source of an answer, and return what it defines last."""
    names: dict[str, Any] = {}
    exec(compile(source, "<answer>", "exec"), names)
    return list(names.values())[-1]


def make_mistakes(source: str, *mistakes: tuple[tuple[str, str], str]) -> dict[str, str]:
    """Return sources of wrong answers, each with its sentence, made from the model answer.

    Args:
        source: the model answer.
        mistakes: for each, what to replace in the source by what, and the sentence.
    """
    return {source.replace(*change): sentence for change, sentence in mistakes}


def judge_function(
    answer: Any,
    cases: Sequence[Case],
    kind: str,
    praise: str,
    wrong: Mapping[str, str],
) -> Outcome:
    """Call a student's function with each case, until a result is wrong.

    A wrong function that does what a known wrong answer does gets the sentence for that. If several
    of them return the same, the further cases decide.

    Args:
        answer: what the student passed.
        cases: the calls, the simplest first.
        kind: what is expected, in kind: "a whole number: the size of the header in bytes".
        praise: the sentence if all results are right.
        wrong: source of each known wrong answer, and its sentence, as in `Exercise`.
    """
    if not callable(answer):
        return Outcome(False, 0, NO_FUNCTION, "a function", describe(answer))
    for checked, case in enumerate(cases):
        came = _call(answer, case)
        if not isinstance(came, AnswerError) and is_same(came, case.expected):
            continue
        called = "" if case.boxes else ", ".join(map(describe, case.arguments))
        said = _find_mistake(answer, came, cases[checked:], wrong)
        if isinstance(came, AnswerError) and not said:
            came.checked, came.boxes, came.called = checked, case.boxes, called
            raise came
        nothing = NOTHING_HERE if checked else NOTHING
        said = said or (nothing if came is None else _compare(came, case.expected))
        shown = _describe_result(came)
        return Outcome(False, checked, said, kind, shown, case.boxes, called, came is not None)
    return Outcome(True, len(cases), praise)


def _call(function: Callable[..., Any], case: Case) -> Any:
    try:
        return function(*case.arguments)
    except AnswerError as error:
        return error


def _find_mistake(
    answer: Callable[..., Any], came: Any, cases: Sequence[Case], wrong: Mapping[str, str]
) -> str:
    """Return the sentence of the known wrong answer that returns the same; empty without one."""
    left = {load_answer(source): sentence for source, sentence in wrong.items()}
    for number, case in enumerate(cases):
        result = _call(answer, case) if number else came
        left = {
            function: sentence
            for function, sentence in left.items()
            if _is_same_mistake(result, _try(function, case))
        }
        if len(left) < 2:
            break
    return next(iter(left.values()), "")


def _try(function: Callable[..., Any], case: Case) -> Any:
    try:
        return function(*case.arguments)
    except Exception as error:
        return AnswerError(error)


def _is_same_mistake(came: Any, mistake: Any) -> bool:
    if isinstance(came, AnswerError) or isinstance(mistake, AnswerError):
        return (
            isinstance(came, AnswerError)
            and isinstance(mistake, AnswerError)
            and type(came.error) is type(mistake.error)
        )
    return is_same(came, mistake)


def _describe_result(came: Any) -> str:
    return type(came.error).__name__ if isinstance(came, AnswerError) else describe_kind(came)


def judge_value(
    answer: Any, expected: Any, mistakes: Sequence[tuple[Any, str]], kind: str, praise: str
) -> Outcome:
    """Compare a value, which is no function, with what is right.

    Args:
        answer: what the student passed.
        expected: what is right.
        mistakes: pairs of a wrong value and the sentence for it.
        kind: what is expected, in kind.
        praise: the sentence if it is right.
    """
    if is_same(answer, expected):
        return Outcome(True, 1, praise)
    said = next((said for value, said in mistakes if is_same(answer, value)), "")
    said = said or _compare(answer, expected)
    return Outcome(False, 0, said, kind, describe_kind(answer), written=answer is not None)


def _compare(came: Any, expected: Any) -> str:
    if came is None:
        return NOTHING
    if isinstance(came, tuple | list) and isinstance(expected, tuple | list):
        return _compare_parts(came, expected)
    if name_kind(came) != name_kind(expected):
        return f"This is {name_kind(came)}; {name_kind(expected)} is expected."
    if isinstance(came, str) and came.isalpha() and expected.isalpha():
        return "Another word is right here."
    if isinstance(came, Sequence) and len(came) != len(expected):
        return f"It has the length {len(came):,}; {len(expected):,} is expected."
    return "The kind is right, the value is not."


def _compare_parts(came: Sequence[Any], expected: Sequence[Any]) -> str:
    """Return what is wrong with the first part that is wrong, or that a part is missing."""
    parts = enumerate(zip(came, expected, strict=False), 1)
    found = next((each for each in parts if not is_same(*each[1])), None)
    count = ""
    if len(came) != len(expected):
        count = f"It has the length {len(came):,}; {len(expected):,} is expected."
    if found is None:
        return count
    number, (part, right) = found
    if part is None:
        return f"{count} Value {number:,} is None.".strip()
    return f"{count} Value {number:,} is the first that is wrong. {_compare(part, right)}".strip()


def is_same(came: Any, expected: Any) -> bool:
    """Return whether a value is what is expected; never raises.

    A list is as good as a tuple, bytearray as bytes, and a number of numpy as one of Python. True
    is not 1, and text is not bytes.
    """
    try:
        return _is_same(came, expected)
    except Exception:  # an object of the student may raise in any of its methods
        return False


def _is_same(came: Any, expected: Any) -> bool:
    if isinstance(expected, tuple | list):
        return (
            isinstance(came, tuple | list)
            and len(came) == len(expected)
            and all(map(_is_same, came, expected))
        )
    if isinstance(expected, Mapping):
        return (
            isinstance(came, Mapping)
            and set(came) == set(expected)
            and all(_is_same(came[key], value) for key, value in expected.items())
        )
    if isinstance(expected, bytes):
        return isinstance(came, bytes | bytearray | memoryview) and bytes(came) == expected
    return name_kind(came) == name_kind(expected) and bool(came == expected)


def name_kind(value: object) -> str:
    """Return what kind of thing a value is, in words."""
    if callable(value):
        return "a function"
    for kinds, name in KINDS:
        if isinstance(value, kinds):
            return name
    return f"a {type(value).__name__}"


def describe_kind(value: object) -> str:
    """Return a value as text, with its kind and its length."""
    text = describe(value)
    if isinstance(value, str):
        return f"{text} (text of {format_count(len(value), 'character')})"
    if isinstance(value, bytes | bytearray):
        return f"{text} ({format_count(len(value), 'byte')})"
    return text


def describe(value: object) -> str:
    """Return a value as text for a card, at most 200 characters; never raises."""
    try:
        if isinstance(value, bytes | bytearray):
            more = " …" if len(value) > MAX_BYTES_SHOWN else ""
            return f"{bytes(value[:MAX_BYTES_SHOWN])!r}{more}"
        text = _short.repr(value)
    except Exception:  # an integer of 5,000 digits, or a faulty __repr__
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 200 else f"{text[:199]}…"
