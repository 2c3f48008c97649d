"""Questions: what a class asks over the wire, and whether the answers are right."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

from tickerkit.formatting import format_value

__all__ = ["Question", "QuestionKind", "Truth", "choose_range", "make_question"]

QuestionKind: TypeAlias = Literal["count", "min", "last", "gap"]
CENT = 0.005 + 1e-9
MIN_SPAN, MAX_SPAN = 20, 100
# A client of few lines may hold no more of the newest ticks.
MAX_BACK = 1000
MAX_QUOTED = 24


class Truth(Protocol):
    """What the log of the class knows."""

    def list_symbols(self) -> Sequence[str]:
        """Return the symbols that have ticks."""

    def find(self, kind: str, symbol: str, first: int, last: int) -> float | None:
        """Return the count, min or last price of a symbol's ticks from seq `first` to `last`.

        None if there is no such tick, or if the log no longer holds all of them.
        """


class Question(msgspec.Struct):
    """A question that was sent to a client, and its answer.

    Attributes:
        id: its number.
        task: the name of the task that it belongs to.
        kind: "count" (of ticks), "min", "last" (of prices), or "gap" (the range of the newest gap).
        symbol: whose ticks; None for "gap".
        first: from which seq on.
        last: up to which seq.
        value: the right answer: a number, or the two ends of the gap.
        at: when it was sent.
        answered_at: when it was answered; None before.
        is_right: whether the answer is right.
        quoted: a wrong answer as text.
        is_empty: whether a wrong answer has no value, or null.
    """

    id: int
    task: str
    kind: QuestionKind
    symbol: str | None
    first: int
    last: int
    value: float | list[int]
    at: float
    answered_at: float | None = None
    is_right: bool = False
    quoted: str = ""
    is_empty: bool = False

    @property
    def message(self) -> dict[str, Any]:
        """The message that asks it."""
        asked = self.kind != "gap"
        return {
            "type": "ask",
            "id": self.id,
            "question": self.kind,
            "symbol": self.symbol,
            "from": self.first if asked else None,
            "to": self.last if asked else None,
        }

    @property
    def text(self) -> str:
        """The question in words."""
        if self.kind == "gap":
            return f"question {self.id} (the range of the gap)"
        what = "how many" if self.kind == "count" else f"the {self.kind} of"
        return f"question {self.id} ({what} {self.symbol} from {self.first} to {self.last})"

    def take_answer(self, message: Mapping[str, Any], now: float) -> None:
        """Take an answer, if it is to this question; the first one counts."""
        number = message.get("id")
        if self.answered_at is not None or number != self.id or isinstance(number, bool):
            return
        value = message.get("value")
        self.answered_at = now
        self.is_right = self._accepts(value)
        if not self.is_right:
            self.quoted = format_value(value)[:MAX_QUOTED]
            self.is_empty = value is None

    def _accepts(self, value: object) -> bool:
        if isinstance(self.value, list):
            return isinstance(value, list) and value == self.value
        if not isinstance(value, int | float) or isinstance(value, bool):
            return False
        # Compared, not subtracted: an integer may be too large for a float.
        return self.value - CENT <= value <= self.value + CENT

    def describe_wrong(self) -> str:
        """Return what is wrong with a wrong answer: a range for a number, never its value."""
        if isinstance(self.value, list):
            first, last = self.value
            return f"{self.text}: {self.quoted} is wrong: you were told of {first} to {last}"
        low, high = self._make_range(self.value)
        return f"{self.text}: {self.quoted} is wrong; expected is a number from {low} to {high}"

    def _make_range(self, value: float) -> tuple[str, str]:
        # The ends are at random distances, so that the middle says nothing. The next question has
        # other seqs, so the range can't be used to guess.
        random = Random(f"{self.id} {self.first} {self.last} {value}")
        if self.kind == "count":
            most = max(3, int(value) // 5)
            low, high = int(value) - random.randint(1, most), int(value) + random.randint(1, most)
            return str(max(low, 0)), str(high)
        part = abs(value) / 100 or 1.0
        low_price, high_price = value - random.uniform(0, part), value + random.uniform(0, part)
        return f"{math.floor(low_price * 10) / 10:g}", f"{math.ceil(high_price * 10) / 10:g}"


def choose_range(random: Random, first_seq: int, last_seq: int) -> tuple[int, int] | None:
    """Return a range of seqs that a client was sent; None if they are too few."""
    first_seq = max(first_seq, last_seq - MAX_BACK)
    room = last_seq - first_seq + 1
    if not first_seq or room < MIN_SPAN:
        return None
    span = random.randint(MIN_SPAN, min(room, MAX_SPAN))
    first = first_seq + random.randint(0, room - span)
    return first, first + span - 1


def make_question(
    number: int,
    task: str,
    kind: QuestionKind,
    symbols: Sequence[str] | None,
    seqs: tuple[int, int],
    truth: Truth,
    now: float,
    random: Random,
) -> Question | None:
    """Return a question about ticks that a client was sent; None if the log has no answer.

    Args:
        number: its number.
        task: the name of the task that it belongs to.
        kind: what is asked.
        symbols: what the client subscribed to; None for all.
        seqs: the first and the last seq.
        truth: knows the answer.
        now: the time.
        random: chooses the symbol.
    """
    known = [each for each in truth.list_symbols() if symbols is None or each in symbols]
    if not known:
        return None
    symbol = random.choice(known)
    value = truth.find(kind, symbol, *seqs)
    if value is None:
        return None
    return Question(number, task, kind, symbol, *seqs, value, now)
