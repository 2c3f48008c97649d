"""Reports: the cards for what came of a check, for hints and for the progress of a lesson."""

from __future__ import annotations

from collections.abc import Sequence

from tickerkit.classroom.lessons.card import Card, Line, Mood
from tickerkit.classroom.lessons.exercise import Exercise, Prediction
from tickerkit.classroom.lessons.progress import Guess, Work
from tickerkit.classroom.lessons.running import Result

__all__ = [
    "TRIES",
    "compare",
    "make_check_card",
    "make_fault_card",
    "make_hint_card",
    "make_lesson_card",
    "make_no_guess_card",
    "make_question_card",
    "make_refusal_card",
    "make_solution_card",
    "make_task_card",
    "make_truth_card",
]

# After how many the solution is shown.
TRIES = 3


def make_task_card(exercise: Exercise) -> Card:
    """Return the card of an exercise that has no answer yet."""
    key = exercise.key
    footer = f'Put your answer in place of the three dots. Hint: `L.hint("{key}")`.'
    return Card(_name(key), "to do", "open", exercise.task, footer=footer)


def make_check_card(
    exercise: Exercise, result: Result, work: Work, guess: Sequence[Line], *, trace: bool
) -> Card:
    """Return the card of a check.

    Args:
        exercise: the exercise.
        result: what came of the check.
        work: what was done on the exercise, this check included.
        guess: the guess beside the truth, as lines; shown if the answer passed.
        trace: whether to show the traceback of an error.
    """
    outcome, key = result.outcome, exercise.key
    printed = ("it printed", result.printed.rstrip())
    if outcome.passed:
        checked = f"{outcome.checked:,} of {outcome.checked:,} checked; nothing is hidden."
        return Card(
            f"Exercise {key}", "passed", "good", outcome.said, [*guess, printed], footer=checked
        )
    lines = [
        ("your line", result.line),
        ("called with", outcome.called),
        ("expected", outcome.expected),
        ("came", outcome.came),
        printed,
    ]
    left = len(exercise.hints) - work.hints
    helps = [
        f"{outcome.checked:,} right before this one." if outcome.checked else "",
        f'{"Next hint" if work.hints else "Hint"}: `L.hint("{key}")`, {left} left.' if left else "",
        f'Solution: `L.solution("{key}")`.' if work.passed or work.tries >= TRIES else "",
        f'Traceback: `L.check("{key}", …, trace=True)`.' if result.traceback and not trace else "",
    ]
    code = result.traceback if trace else ""
    footer = " ".join(filter(None, helps))
    return Card(
        f"Exercise {key}", "not yet", "open", outcome.said, lines, outcome.boxes, code, footer
    )


def make_fault_card(key: str, seed: int, result: Result) -> Card:
    """Return the card of a check that failed itself."""
    text = (
        "The check itself failed. This says nothing about your answer, and does not count as a "
        f"try. Run the cell again; if the error stays, report it, with the seed {seed}."
    )
    lines = [("error", result.outcome.said)]
    return Card(
        f"Exercise {key}", "could not be checked", "plain", text, lines, code=result.traceback
    )


def make_question_card(key: str, question: Prediction, guess: Guess) -> Card:
    """Return the card of a question whose truth is not shown yet."""
    if not guess.value:
        footer = "Write your guess in place of the dots, and run the cell."
        return Card(_ask(key), "guess first", "open", question.question, footer=footer)
    footer = f'`L.predict("{key}")` shows whether it is right: run the code first.'
    return Card(
        f"Guess {key}", f"your guess: {guess.value}", "plain", question.question, footer=footer
    )


def make_no_guess_card(key: str) -> Card:
    """Return the card in place of a truth that nobody has guessed yet."""
    text = (
        f'Nothing guessed yet. The truth is shown after a guess: `L.predict("{key}", your guess)`'
    )
    return Card(_ask(key), "no guess yet", "open", text)


def make_truth_card(key: str, question: Prediction, guess: Guess) -> Card:
    """Return the card of a question with the guess beside the truth."""
    is_right = question.is_right(guess.value)
    state = "right" if is_right else "now you know"
    if guess.late:
        state = f"{state}; the guess was late"
    mood: Mood = "good" if is_right and not guess.late else "plain"
    lines = compare(question, guess)[1:]
    return Card(_ask(key), state, mood, question.question, lines, footer=question.why)


def compare(question: Prediction | None, guess: Guess) -> list[Line]:
    """Return a question, the guess and the truth, as lines; none without a guess."""
    if question is None or not guess.value:
        return []
    late = " (late: after the truth was known)" if guess.late else ""
    return [
        ("question", question.question),
        ("your guess", f"{guess.value}{late}"),
        ("it is", question.words or str(question.truth)),
    ]


def make_hint_card(exercise: Exercise, work: Work) -> Card:
    """Return the card of the hints that were shown, the newest last."""
    key, count = exercise.key, len(exercise.hints)
    lines = [(f"hint {i}", hint) for i, hint in enumerate(exercise.hints[: work.hints], 1)]
    left = count - work.hints
    footer = f'{left} more: `L.hint("{key}")`' if left else "There are no more hints."
    return Card(
        f"Exercise {key}", f"hint {work.hints} of {count}", "plain", "", lines, footer=footer
    )


def make_solution_card(exercise: Exercise) -> Card:
    """Return the card of the model answer."""
    text, code = "One answer of many.", exercise.solution.strip()
    return Card(f"Exercise {exercise.key}", "solution", "plain", text, code=code)


def make_refusal_card(exercise: Exercise, work: Work) -> Card:
    """Return the card in place of a solution that is not shown yet."""
    key, left = exercise.key, TRIES - work.tries
    count = "one more try" if left == 1 else f"{left} more tries"
    text = f'The solution is shown after {count}: `L.check("{key}", …)`.'
    return Card(
        f"Exercise {key}", "solution", "open", text, footer=f'`L.hint("{key}")` helps on the way.'
    )


def make_lesson_card(
    title: str, works: Sequence[tuple[Exercise, Work]], guesses: Sequence[bool], where: str
) -> Card:
    """Return the card of a lesson.

    Args:
        title: the lesson's.
        works: the exercises, and what was done on each.
        guesses: whether each guess was made.
        where: where progress is kept, as a sentence.
    """
    lines = [
        (f"{'✓' if work.passed else '○'} {each.key}", f"{each.task}{_describe_work(work)}")
        for each, work in works
    ]
    if guesses:
        lines.append(("guesses", f"{sum(guesses)} of {len(guesses)} made"))
    count = sum(work.passed for _, work in works)
    mood: Mood = "good" if count == len(works) else "open"
    return Card(title, f"{count} of {len(works)} passed", mood, "", lines, footer=where)


def _name(key: str) -> str:
    return f"Exercise {key}"


def _ask(key: str) -> str:
    return f"Guess {key}"


def _describe_work(work: Work) -> str:
    if not work.tries:
        return ""
    return f" ({'passed at try' if work.passed else 'tries:'} {work.tries})"
