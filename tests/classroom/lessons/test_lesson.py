"""A lesson: what its checks, hints, guesses and cards show, whatever the student passes."""

from __future__ import annotations

import _thread
import asyncio
import base64
import contextlib
import hashlib
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tickerkit.classroom import Lesson, lesson
from tickerkit.classroom.lessons import lesson as lessons_lesson
from tickerkit.classroom.lessons.card import Card
from tickerkit.classroom.lessons.exercise import Exercise, Outcome, Prediction
from tickerkit.classroom.lessons.judging import (
    Case,
    describe,
    is_same,
    judge_function,
    judge_value,
    load_answer,
)
from tickerkit.classroom.lessons.running import run_check
from tickerkit.errors import InvalidArgument
from tickerkit.runtime import registry

SHORT_S = 0.3
SQUARE = "def double(x):\n    return x * x"
ENDLESS = "def double(x):\n    while True:\n        pass"
PLUS = "def double(x):\n    return x + 2"
WRONG = {PLUS: "You add 2.", SQUARE: "You square it."}


def judge_double(answer: Any, rng: Random) -> Outcome:
    """Judge a function that doubles a number."""
    numbers = [2, 4, *(rng.randint(5, 1000) for _ in range(3))]
    cases = [Case((number,), 2 * number, bytes([number % 256])) for number in numbers]
    return judge_function(answer, cases, "a whole number", "It doubles.", WRONG)


def make_exercise(judge: Callable[[Any, Random], Outcome] = judge_double) -> Exercise:
    """Return an exercise with the key 2x."""
    hints = ("Times.", "Times two.", "x * 2.")
    return Exercise("2x", "double(x)", judge, hints, "def double(x):\n    return 2 * x", WRONG)


PREDICTIONS = {"2x": Prediction("What is twice 4?", 8, "4 and 4.")}


@pytest.fixture
def made() -> Lesson:
    """Return a lesson with one exercise and one question."""
    return Lesson("2", (make_exercise(),), PREDICTIONS)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Return a function that returns what was shown since its last call."""

    def read() -> str:
        out, err = capsys.readouterr()
        assert err == ""
        return out

    return read


def check(answer: Any, limit_s: float = 10) -> Any:
    """Run the check of the exercise."""
    return run_check(make_exercise(), answer, 1, limit_s)


def test_a_right_answer_passes(made: Lesson, said: Callable[[], str]) -> None:
    """The card says how many were checked, and the lesson that it passed."""
    assert not made.passed("2x")
    made.check("2x", lambda x: 2 * x)
    text = said()
    assert "2x ✓ passed" in text
    assert "5 of 5 checked; nothing is hidden." in text
    assert made.passed("2x")
    assert "1 of 1 passed" in repr(made)


def test_three_dots_show_the_task(made: Lesson, said: Callable[[], str]) -> None:
    """A notebook that runs before anything is answered costs no try, and a guess is in time."""
    made.check("2x", ...)
    assert "to do" in said()
    made.predict("2x", 8)
    assert "late" not in said()
    assert "tries" not in repr(made)


def test_a_wrong_answer_is_told_what_came(made: Lesson, said: Callable[[], str]) -> None:
    """The card has the sentence, the kind, the value, how many were right, and the next hint."""
    made.check("2x", lambda x: x + 2)
    text = said()
    assert "You add 2." in text
    assert "expected    a whole number" in text
    assert "came        6" in text
    assert "bytes       04" in text
    assert "1 right before this one." in text
    assert 'Hint: `L.hint("2x")`, 3 left.' in text
    assert "Solution" not in text


def test_known_mistakes_that_look_alike_are_told_apart() -> None:
    """Where several return the same, further inputs decide which it is."""
    assert check(lambda x: x * x).outcome.said == "You square it."
    assert check(lambda x: x + 2).outcome.said == "You add 2."
    assert check(lambda x: 5).outcome.said == "The kind is right, the value is not."


@pytest.mark.parametrize(
    ("came", "words"),
    [
        (
            (9, b"abc", b""),
            "Value 2 is the first that is wrong. It has the length 3; 2 is expected.",
        ),
        (
            [9, [1, 2], b""],
            "Value 2 is the first that is wrong. This is a list; bytes is expected.",
        ),
        ((9, None, b""), "Value 2 is None."),
        ((9,), "It has the length 1; 3 is expected."),
        ((8,), "It has the length 1; 3 is expected. Value 1 is the first that is wrong."),
    ],
    ids=["longer", "other kind", "none", "missing", "missing and wrong"],
)
def test_the_part_that_is_wrong_is_named(came: Any, words: str) -> None:
    """Where several values are returned, a student need not look for the wrong one."""
    assert judge_value(came, (9, b"ab", b""), [], "three", "").said.startswith(words)


def test_print_in_place_of_return_is_named(made: Lesson, said: Callable[[], str]) -> None:
    """Nothing is returned, but something was written: it counts as a try."""
    made.check("2x", lambda x: print(2 * x))
    assert "Use `return` in place of `print`." in said()
    assert "2 more tries" in (made.solution("2x"), said())[1]


@pytest.mark.parametrize(
    ("fail", "words"),
    [
        (lambda x: hashlib.sha1("text"), "`.encode()` makes bytes of text"),  # type: ignore[arg-type]
        (lambda x: base64.b64encode("text"), "`.encode()` makes bytes of text"),  # type: ignore[arg-type]
        (lambda x: "text" + b"bytes", "`.encode()` makes bytes of text"),
        (lambda x: b"bytes" + "text", "`.encode()` makes bytes of text"),
        (lambda x: b"bytes" ^ b"key", "one byte after the other"),
        (lambda x: print("")[0], "without `return`"),
        (lambda x: x.nothing, "`dir(…)`"),
        (lambda x: b"\xff".decode(), "not text"),
    ],
    ids=["sha1", "base64", "text+bytes", "bytes+text", "xor", "none", "attribute", "decode"],
)
def test_what_an_error_means_is_said(fail: Callable[[int], Any], words: str) -> None:
    """Errors that mix text and bytes are the most frequent ones."""
    assert words in check(fail).outcome.said


def test_the_newest_check_decides_in_its_kernel(made: Lesson) -> None:
    """An answer that was broken later does not count as passed here, but stays in the file."""
    made.check("2x", lambda x: 2 * x)
    made.check("2x", lambda x: x)
    assert not made.passed("2x")
    assert Lesson("2", (make_exercise(),), {}).passed("2x")


def raise_value_error(x: int) -> int:
    """Raise an error."""
    raise ValueError("not today")


def test_an_error_is_shown_in_words(made: Lesson, said: Callable[[], str]) -> None:
    """The card names the error and the student's line; the traceback is shown on request only."""
    made.check("2x", raise_value_error)
    line = raise_value_error.__code__.co_firstlineno + 2
    text = said()
    assert f"raised ValueError: not today (test_lesson.py, line {line})." in text
    assert "Traceback (" not in text
    made.check("2x", raise_value_error, trace=True)
    assert "Traceback (most recent call last)" in said()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: sys.exit(3), "SystemExit: 3"),
        (lambda x: undefined, "NameError"),  # type: ignore[name-defined]  # noqa: F821
        (lambda x: [][x], "there is nothing at that place"),
        (lambda: 1, "takes 0 positional arguments but 1 was given"),
        (len, "TypeError: object of type 'int' has no len()"),
    ],
)
def test_errors_without_a_line_are_the_students_too(answer: Any, words: str) -> None:
    """SystemExit, a wrong number of arguments and a built-in function do not look like a fault."""
    result = check(answer)
    assert not result.is_fault
    assert words in result.outcome.said


def test_keyboard_interrupt_of_an_answer_ends_nothing() -> None:
    """It is reported as any other error."""

    def interrupt(x: int) -> None:
        raise KeyboardInterrupt

    assert "KeyboardInterrupt" in check(interrupt).outcome.said


def test_a_recursion_without_end_is_reported() -> None:
    """It fails in words, and the kernel goes on."""

    def deeper(x: int) -> int:
        return deeper(x)

    assert "calls itself without an end" in check(deeper).outcome.said


def test_an_endless_loop_is_ended(until: Callable[..., None]) -> None:
    """The card says where it is, and the thread is gone soon."""
    before = set(threading.enumerate())
    result = check(load_answer(ENDLESS), SHORT_S)
    assert not result.is_fault
    assert result.outcome.said.startswith("Still running after 0.3 s; it does not get past line ")
    until(lambda: set(threading.enumerate()) <= before)


def test_a_clause_that_catches_all_is_named(until: Callable[..., None]) -> None:
    """What ends a client is an error too, which such a clause catches: the card says so."""
    before = set(threading.enumerate())

    def survive(x: int) -> None:
        while True:
            try:
                raise OSError
            except:  # noqa: E722
                time.sleep(0.01)

    assert "name the errors behind `except`" in check(survive, SHORT_S).outcome.said
    until(lambda: set(threading.enumerate()) <= before)


def test_a_way_without_return_is_named() -> None:
    """After right results, the function is not called unwritten."""
    cases = [Case((1,), 1), Case((2,), 2)]
    outcome = judge_function(lambda x: 1 if x == 1 else None, cases, "a number", "", {})
    assert outcome.said == "For this call your function returned None: it came to no `return`."


def test_a_function_that_waits_is_named(until: Callable[..., None]) -> None:
    """The card names the call and the line in which it waits."""
    before = set(threading.enumerate())
    ours, theirs = socket.socketpair()

    def wait(x: int) -> bytes:
        data = b""
        data += theirs.recv(1)
        return data

    with ours, theirs:
        said = check(wait, SHORT_S).outcome.said
        ours.send(b"x")
        until(lambda: set(threading.enumerate()) <= before)
    line = wait.__code__.co_firstlineno + 2
    assert said == f"Still running after 0.3 s; it waits in recv, line {line}."


def test_a_wait_inside_a_library_is_named_by_the_students_line() -> None:
    """The student's own line is shown, not the library's."""
    event = threading.Event()

    def wait(x: int) -> None:
        with contextlib.suppress(ValueError):
            event.wait(5)

    said = check(wait, SHORT_S).outcome.said
    event.set()
    assert said.endswith(f"it waits in wait, line {wait.__code__.co_firstlineno + 2}.")


def test_a_coroutine_that_stops_the_loop_is_told_to_await() -> None:
    """Beginners write time.sleep, and nothing in its name says that all clients wait with it."""

    async def serve_prices(x: int) -> None:
        while True:
            time.sleep(0.02)  # noqa: ASYNC251 - the mistake

    def judge(answer: Any, _: Random) -> Outcome:
        asyncio.run(answer(1))
        return Outcome(True, 1, "")

    said = run_check(make_exercise(judge), serve_prices, 1, SHORT_S).outcome.said
    assert "it waits in sleep" in said
    assert said.endswith("pause with `await asyncio.sleep(…)`.")


@pytest.mark.parametrize("size", [10, 10**7])
def test_what_the_function_prints_is_on_the_card(
    made: Lesson, said: Callable[[], str], size: int
) -> None:
    """The first thousand characters are shown, and nothing else is printed."""

    def double(x: int) -> int:
        print("y" * size)
        return 2 * x

    made.check("2x", double)
    text = said()
    assert "it printed  yyyyyyyyyy" in text
    assert len(text) < 1500


def test_other_threads_print_where_they_did(capsys: pytest.CaptureFixture[str]) -> None:
    """Only the output of the student's function is taken."""
    printed, asked = threading.Event(), threading.Event()

    def other() -> None:
        asked.wait(5)
        print("from another thread")
        printed.set()

    thread = threading.Thread(target=other)
    thread.start()

    def double(x: int) -> int:
        asked.set()
        printed.wait(5)
        return 2 * x

    stdout = sys.stdout
    assert check(double).printed == ""
    thread.join()
    assert sys.stdout is stdout
    assert capsys.readouterr().out == "from another thread\n"


class Hostile:
    """An object whose methods raise."""

    def __repr__(self) -> str:
        raise ValueError

    __len__ = __eq__ = __iter__ = __hash__ = __str__ = __repr__  # type: ignore[assignment]


@pytest.mark.parametrize(
    "value",
    [Hostile(), b"x" * 10**7, "x" * 10**7, list(range(10**6)), 10**5000, float("nan"), [[[]]] * 99],
    ids=["hostile", "bytes", "text", "list", "integer", "nan", "nested"],
)
def test_any_result_can_be_shown(made: Lesson, said: Callable[[], str], value: Any) -> None:
    """A huge result is cut, and one that can't be printed is named by its type."""
    made.check("2x", lambda x: value)
    assert "2x ○ not yet" in (text := said())
    assert len(text) < 1000
    assert len(describe(value)) < 250


def make_judge(body: str, **names: object) -> Any:
    """Return a judge whose frames count as a library's, as those of tickerkit do."""
    code = f"def judge(answer, rng):\n    {body}"
    exec(compile(code, threading.__file__, "exec"), names)
    return names["judge"]


@pytest.mark.parametrize(
    ("body", "words"),
    [("return answer.missing", "AttributeError"), ("pass", "TypeError: the judge returned None")],
)
def test_a_fault_of_the_check_is_not_the_students(
    said: Callable[[], str], progress_file: Path, body: str, words: str
) -> None:
    """The card says so, and nothing is counted."""
    faulty = Lesson("2", (make_exercise(make_judge(body)),), {})
    faulty.check("2x", lambda x: 2 * x)
    text = said()
    assert "2x could not be checked" in text
    assert "says nothing about your answer" in text
    assert words in text
    assert not progress_file.exists()


def test_a_check_that_hangs_by_itself_is_not_the_students() -> None:
    """A wait outside of the student's code counts as a fault of the check."""
    event = threading.Event()
    exercise = make_exercise(make_judge("event.wait(5)", event=event))
    result = run_check(exercise, lambda x: x, 1, SHORT_S)
    event.set()
    assert result.is_fault
    assert result.outcome.said == "still running after 0.3 s, outside of your code"


def test_an_interrupt_ends_a_check() -> None:
    """The stop button ends the wait and the student's loop."""

    def loop(x: int) -> None:
        _thread.interrupt_main()
        while True:
            time.sleep(0.001)

    with pytest.raises(KeyboardInterrupt):
        check(loop)


def test_hints_come_one_by_one(made: Lesson, said: Callable[[], str]) -> None:
    """Each call shows one more, with those before; a fourth call shows all three."""
    shown = []
    for _ in range(4):
        made.hint("2x")
        shown.append(said().count("  hint "))
    assert shown == [1, 2, 3, 3]


def test_the_solution_needs_three_tries(made: Lesson, said: Callable[[], str]) -> None:
    """It is refused before, and says how many tries are left."""
    for left in ("3 more tries", "2 more tries", "one more try"):
        made.solution("2x")
        assert left in (text := said())
        assert "2 * x" not in text
        made.check("2x", lambda x: x)
    assert 'L.solution("2x")' in said()
    made.solution("2x")
    assert "return 2 * x" in said()


def test_an_answer_that_is_not_written_is_no_try(made: Lesson, said: Callable[[], str]) -> None:
    """A notebook can be run from top to bottom before it is answered, as often as one likes."""
    for _ in range(4):
        made.check("2x", lambda x: None)
    assert "returned None" in said()
    made.solution("2x")
    assert "3 more tries" in said()


def test_a_teacher_sees_the_solution_at_once(
    made: Lesson, said: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A running room in this kernel makes it a teacher's."""

    class Room:
        def summary(self) -> dict[str, str]:
            return {"kind": "room"}

    monkeypatch.setattr(registry, "running", lambda: [Room()])
    made.solution("2x")
    assert "return 2 * x" in said()


def test_a_guess_is_shown_beside_the_truth(made: Lesson, said: Callable[[], str]) -> None:
    """The truth is shown after a guess, and not before."""
    made.predict("2x", ...)
    made.predict("2x")
    text = said()
    assert "guess first" in text
    assert "Nothing guessed yet" in text
    made.predict("2x", 7)
    made.predict("2x", ...)
    made.predict("2x", 9)
    assert "it is  " not in (text := said())
    assert "your guess: 9" in text
    made.predict("2x")
    assert "your guess  9\n  it is       8" in (text := said())
    assert "4 and 4." in text
    made.predict("2x", 8)
    assert "your guess  9" in said()


def test_a_guess_after_the_check_is_late(made: Lesson, said: Callable[[], str]) -> None:
    """It is noted, and said to be late."""
    made.check("2x", lambda x: x)
    said()
    made.predict("2x", 8)
    assert "late" in said()
    made.check("2x", lambda x: 2 * x)
    assert "8 (late" in said()


def test_a_right_answer_shows_the_guess(made: Lesson, said: Callable[[], str]) -> None:
    """The card of a check that passed has the guess of the same name."""
    made.predict("2x", "8")
    made.check("2x", lambda x: x)
    assert "it is  " not in said()
    made.check("2x", lambda x: 2 * x)
    assert "your guess  8\n  it is       8" in said()


def test_seeds_are_drawn_anew(made: Lesson) -> None:
    """Two checks have different inputs; with a seed, they have the same."""
    seen: list[tuple[int, ...]] = []

    def note(answer: Any, rng: Random) -> Outcome:
        seen.append(tuple(rng.randbytes(8)))
        return Outcome(True, 1, "Noted.")

    noted = Lesson("2", (make_exercise(note),), {})
    for seed in (None, None, 5, 5):
        noted.check("2x", 1, seed=seed)
    assert seen[0] != seen[1]
    assert seen[2] == seen[3]


@pytest.mark.parametrize("method", ["check", "hint", "solution", "passed", "predict"])
def test_unknown_names_are_refused(made: Lesson, method: str) -> None:
    """The error lists the names that exist."""
    arguments = ["9z", 1] if method in ("check", "predict") else ["9z"]
    with pytest.raises(InvalidArgument, match="'2x'"):
        getattr(made, method)(*arguments)


def test_lessons_are_found_by_number() -> None:
    """A number is as good as text, and an unknown one lists those that exist."""
    assert repr(lesson(1)) == repr(lesson("1"))
    with pytest.raises(InvalidArgument, match="'1'"):
        lesson(99)


# --- the file of progress -------------------------------------------------------------------------


def test_progress_is_kept(made: Lesson, progress_file: Path) -> None:
    """Another kernel finds tries, hints and guesses."""
    made.check("2x", lambda x: x)
    made.hint("2x")
    made.predict("2x", 4)
    kept = json.loads(progress_file.read_text())
    assert kept["exercises"]["2x"] == {"tries": 1, "passed": False, "hints": 1}
    assert kept["guesses"]["2x"] == {"value": "4", "late": True, "shown": False}
    assert repr(Lesson("2", (make_exercise(),), PREDICTIONS)) == repr(made)


def test_two_notebooks_keep_their_progress_in_one_file(made: Lesson) -> None:
    """Neither overwrites what the other has written."""
    other = Lesson("2", (make_exercise(),), PREDICTIONS)
    made.check("2x", lambda x: x)
    other.check("2x", lambda x: x)
    made.hint("2x")
    assert "(tries: 2)" in repr(other)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '"x"',
        '{"exercises": 3}',
        '{"exercises": {"2x": []}}',
        '{"exercises": {"2x": {"tries": "many", "passed": 1, "hints": -4}}}',
        "[" * 100_000,
        "\0\xff",
    ],
    ids=range(9),
)
def test_a_damaged_file_is_no_obstacle(
    made: Lesson, said: Callable[[], str], progress_file: Path, content: str
) -> None:
    """What can't be read counts as missing, and a check works."""
    progress_file.parent.mkdir()
    progress_file.write_text(content, encoding="latin-1")
    assert "0 of 1 passed" in repr(made)
    made.check("2x", lambda x: 2 * x)
    assert made.passed("2x")
    assert json.loads(progress_file.read_text())["exercises"]["2x"]["passed"] is True


def test_a_damaged_file_is_set_aside(made: Lesson, progress_file: Path) -> None:
    """Its content is not lost."""
    progress_file.parent.mkdir()
    progress_file.write_text("{half")
    made.check("2x", lambda x: x)
    assert (progress_file.parent / "lessons.damaged.json").read_text() == "{half"


def test_without_a_file_progress_is_in_memory(
    made: Lesson, said: Callable[[], str], progress_file: Path
) -> None:
    """Where nothing can be written, the lesson works and says so."""
    progress_file.parent.write_text("a file where a folder should be")
    for _ in range(3):
        made.check("2x", lambda x: x)
    made.solution("2x")
    assert "return 2 * x" in said()
    assert "Progress is lost when this kernel ends" in repr(made)


# --- cards and comparisons ------------------------------------------------------------------------


def test_a_card_escapes_what_a_student_made() -> None:
    """Text of any kind is shown as text."""
    nasty = "<script>alert(1)</script>"
    card = Card(nasty, nasty, "open", nasty, [(nasty, nasty)], b"<", nasty, nasty)
    assert "<script" not in card._repr_html_()
    assert card._repr_html_().count("&lt;script") == 7


def test_a_card_shows_bytes_as_boxes() -> None:
    """Each of the first sixteen has its bits, the others are counted."""
    html = Card("2x", "", "open", boxes=b"\x81\x7e" + bytes(20))._repr_html_()
    assert "<b>81</b>" in html
    assert "1000 0001" in html
    assert "and 6 more" in html


@pytest.mark.parametrize(
    ("came", "expected", "same"),
    [
        ([1, b"x"], (1, b"x"), True),
        (bytearray(b"x"), b"x", True),
        ("x", b"x", False),
        (True, 1, False),
        (1, True, False),
        (1.0, 1, False),
        (1, 1.0, False),
        ({"a": [1]}, {"a": (1,)}, True),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ((1, 2), (1,), False),
        (Hostile(), 1, False),
        (None, (1,), False),
    ],
)
def test_values_are_compared_by_kind_and_content(came: Any, expected: Any, same: bool) -> None:
    """Containers of the same content are the same; kinds of values are not mixed."""
    assert is_same(came, expected) is same


def test_a_number_of_numpy_is_a_number() -> None:
    """A student may compute with numpy."""
    import numpy as np

    assert is_same(np.int64(3), 3)
    assert is_same(np.float64(0.5), 0.5)
    assert not is_same(np.array([3, 4]), 3)


def test_a_value_can_be_judged() -> None:
    """A known wrong value gets its sentence, a wrong kind is named."""
    judged = [
        judge_value(value, 6, [(2, "The key is missing.")], "a number", "Right.")
        for value in (6, 2, 3, "6", None)
    ]
    assert [each.passed for each in judged] == [True, False, False, False, False]
    assert judged[1].said == "The key is missing."
    assert judged[3].said == "This is text; a whole number is expected."


@pytest.fixture(autouse=True)
def _no_threads_left(until: Callable[..., None]) -> Iterator[None]:
    yield
    until(lambda: all(each.name != "tickerkit-check" for each in threading.enumerate()))


def test_the_module_of_lessons_exports_its_function() -> None:
    """`lesson` of the package is the function, though a module has the same name."""
    assert lessons_lesson is lesson
