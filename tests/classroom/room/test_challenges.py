"""Tests of the seven tasks: real frames, a student in memory, and a simulated clock."""

from __future__ import annotations

import json
import pickle
import re
import sys
from typing import Any

import msgspec
import pytest
from seat_wires import BINARY, CLOSE, KEY, PONG, TEXT, SeatWire, Student

from tickerkit.classroom.room.challenges import Challenge
from tickerkit.classroom.room.plan import make_plan
from tickerkit.errors import InvalidArgument, InvalidType
from tickerkit.wire.header import make_frame

ALL = ["1", "2", "3", "4", "5", "6", "7"]


def hint(wire: SeatWire, number: int) -> str:
    """Return the hint of a task that has failed."""
    task = wire.challenge.snapshot(wire.now)[str(number)]
    assert task["state"] == "failed", task
    return str(task["hint"])


def state(wire: SeatWire, number: int) -> str:
    """Return the state of a task."""
    return str(wire.challenge.snapshot(wire.now)[str(number)]["state"])


def test_a_good_program_passes_all_seven_tasks() -> None:
    """It survives each kind of break, and its score is the time to the first tick after one."""
    wire = SeatWire(Student())
    wire.run(120, until=7)
    assert sorted(wire.challenge.passed) == ALL
    assert wire.broken == ["reset", "half", "restart", "stall", "refuse"]
    passed, seconds = wire.challenge.score
    assert passed == 7
    assert seconds is not None
    assert 0.5 < seconds < 6
    tasks = wire.list_tasks()
    assert [task["state"] for task in tasks] == ["passed"] * 7
    assert [task["hint"] for task in tasks] == [""] * 7
    seqs = [tick[0] for tick in wire.student.ticks]
    assert len(seqs) == len(set(seqs))


def test_later_tasks_wait_for_earlier_ones() -> None:
    """The wire of a student who has not listened long enough is not broken."""
    wire = SeatWire(Student())
    wire.run(25)
    tasks = wire.challenge.snapshot(wire.now)
    assert tasks["4"]["state"] == "passed"
    assert tasks["5"] == {"state": "open", "hint": "after task 2", "fault": "", "at": None}
    assert tasks["6"]["hint"] == "after task 5"
    assert wire.broken == []


@pytest.mark.parametrize("name", ["knock", "listen", "speak", "answer", "survive", "slow"])
def test_a_task_can_be_chosen_alone(name: str) -> None:
    """A single task waits for no other."""
    wire = SeatWire(Student(), name)
    wire.run(90, until=1)
    assert wire.challenge.score.passed == 1


def test_a_task_alone_is_judged_and_scored_without_the_others() -> None:
    """Three breaks are enough if the teacher says so."""
    wire = SeatWire(Student(), "survive", breaks=3)
    wire.run(60, until=1)
    assert list(wire.challenge.passed) == ["5"]
    assert wire.broken == ["reset", "half", "restart"]


def test_a_sped_up_challenge_takes_a_part_of_the_time() -> None:
    """With pace=10, thirty seconds of listening are three."""
    wire = SeatWire(Student(), "listen", pace=10)
    wire.run(3.5, until=1)
    assert wire.challenge.score.passed == 1


# --- wrong programs ---------------------------------------------------------------------------


class NeverPongs(Student):
    """Answers no ping."""

    def take_ping(self, payload: bytes) -> None:
        pass


class EmptyPongs(Student):
    """Answers pings without their payload."""

    def take_ping(self, payload: bytes) -> None:
        self.send(PONG, b"")


class OtherPongs(Student):
    """Answers pings with bytes of its own."""

    def take_ping(self, payload: bytes) -> None:
        self.send(PONG, b"pong")


class BinaryPongs(Student):
    """Sends a pong's bytes as a binary message."""

    def take_ping(self, payload: bytes) -> None:
        self.send(BINARY, make_frame(PONG, payload))


class Unmasked(Student):
    """Forgets the mask of its second frame."""

    def start(self) -> None:
        self.take_ping(b"hello")
        self.send(TEXT, b'{"type": "subscribe"}', b"")


class BadUtf8(Student):
    """Sends a byte that no text has."""

    def start(self) -> None:
        self.send(TEXT, b'{"type": "\xff"}')


@pytest.mark.parametrize(
    ("student", "text"),
    [
        (NeverPongs, r"ping \d got no pong within 5 s: answer opcode 9 with opcode 10"),
        (EmptyPongs, r"pong \d had 0 of 4 bytes"),
        (OtherPongs, r"pong \d had other bytes than ping \d"),
        (BinaryPongs, r"frame \d is binary \(opcode 2\), whatever its bytes are; a pong is a con"),
        (Unmasked, "frame 2 has MASK 0: close 1002"),
        (BadUtf8, "frame 1: the text is not valid UTF-8: close 1007"),
    ],
)
def test_who_does_not_answer_pings_reads_why(student: type[Student], text: str) -> None:
    """The hint names the pong or the frame that shows it."""
    wire = SeatWire(student(), "listen")
    wire.run(40)
    assert re.match(text, hint(wire, 2))


def test_who_was_disconnected_for_a_missing_pong_reads_why() -> None:
    """The hint stays on the next connection, until a pong is right."""
    wire = SeatWire(NeverPongs(), "listen")
    wire.run(6)
    assert wire.conversation is not None
    close = make_frame(CLOSE, (1013).to_bytes(2, "big") + b"answered no ping")
    wire.conversation.feed("client", close, wire.now_ns)
    wire.end()
    wire.run(2)
    assert hint(wire, 2) == "ping 1 got no pong, so the server closed with 1013"
    wire.student.take_ping = lambda payload: wire.student.send(PONG, payload)  # type: ignore[method-assign]
    wire.run(8)
    assert state(wire, 2) == "open"


def test_who_answers_pings_at_last_passes() -> None:
    """A failed task stays open: only the newest pings count."""
    wire = SeatWire(EmptyPongs(), "listen")
    wire.run(40)
    assert hint(wire, 2).startswith("pong")
    wire.student.take_ping = lambda payload: wire.student.send(PONG, payload)  # type: ignore[method-assign]
    wire.run(40)
    assert state(wire, 2) == "passed"


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        ([(BINARY, b'{"type": "subscribe"}')], "frame 1 is binary (opcode 2); send the JSON as"),
        ([(PONG, b""), (TEXT, b'{"type": "subsc')], 'frame 2 is no JSON: {"type": "subsc'),
        ([(TEXT, b'{"type": "hello"}')], 'frame 1 has "type": hello; expected "subscribe"'),
        ([(TEXT, b"[1]")], 'frame 1 has "type": None; expected "subscribe"'),
        ([(TEXT, b'{"type":"subscribe","symbols":"A"}')], 'frame 1 has "symbols": A; expected a'),
        ([(TEXT, b" " * 5000)], "frame 1 is too long for a subscribe message"),
    ],
)
def test_who_subscribes_wrongly_reads_why(frames: list[tuple[int, bytes]], text: str) -> None:
    """The hint names the frame, and what was expected in it."""

    class Wrong(Student):
        def start(self) -> None:
            for opcode, payload in frames:
                self.send(opcode, payload)

    wire = SeatWire(Wrong(), "speak")
    wire.run(1)
    assert hint(wire, 3).startswith(text)


def test_a_subscribe_message_may_come_in_fragments() -> None:
    """A ping's answer between them changes nothing."""

    class Fragments(Student):
        def start(self) -> None:
            self.send(TEXT, b'{"type": "sub', fin=False)
            self.send(PONG, b"")
            self.send(0, b'scribe", "symbols": ["A"]}')

    wire = SeatWire(Fragments(), "speak")
    wire.run(1)
    assert state(wire, 3) == "passed"


class NoName(Student):
    """Has no name in its address."""

    every_path = "/ticks"

    def path(self) -> str:
        return "/ticks?token=otter42"


def test_who_comes_without_a_name_reads_why() -> None:
    """The hint says what to add to the address."""
    wire = SeatWire(NoName(), "knock")
    wire.run(1)
    assert hint(wire, 1) == "your address has no name: add &name=… to it"


def test_who_was_refused_reads_the_sentence_of_the_refusal() -> None:
    """It is that of the server."""
    wire = SeatWire(NoName(), "knock")
    wire.challenge.evidence.refuse(wire.now, "the token is wrong")
    assert hint(wire, 1) == "the token is wrong"


class Guesses(Student):
    """Answers each question with 7."""

    def answer(self, message: dict[str, Any]) -> object:
        return 7


class AnswersText(Student):
    """Answers with numbers as text."""

    def answer(self, message: dict[str, Any]) -> object:
        return str(super().answer(message))


class AnswersNothing(Student):
    """Ignores questions."""

    def take_message(self, message: Any) -> None:
        if isinstance(message, list):
            super().take_message(message)


def test_who_guesses_reads_a_range_and_never_the_value() -> None:
    """The ends of the range lie at random distances from the value."""
    wire = SeatWire(Guesses(), "answer")
    wire.run(60)
    text = hint(wire, 4)
    found = re.fullmatch(
        r"question \d+ \(how many [AB] from (\d+) to (\d+)\): 7 is wrong; "
        r"expected is a number from (\d+) to (\d+)",
        text,
    )
    assert found is not None, text
    question = wire.challenge.evidence.questions[-1]
    assert isinstance(question.value, int)
    assert int(found[3]) < question.value < int(found[4])
    assert str(question.value) not in (found[3], found[4])


@pytest.mark.parametrize(
    ("student", "text"),
    [
        (AnswersText, r"question \d+ \(how many .*\): '\d+' is wrong; expected is a number from "),
        (AnswersNothing, r"question \d+ \(how many [AB] from \d+ to \d+\) got no answer within 10"),
    ],
)
def test_who_answers_wrongly_reads_why(student: type[Student], text: str) -> None:
    """The hint has the question and the answer."""
    wire = SeatWire(student(), "answer")
    wire.run(45)
    assert re.match(text, hint(wire, 4))


def test_who_listens_at_the_root_reads_where_every_tick_is() -> None:
    """The questions can't be answered from the newest prices alone."""

    class AtRoot(AnswersNothing):
        every_path = "/"

    wire = SeatWire(AtRoot(), "answer")
    wire.run(1)
    assert "connect to /ticks" in hint(wire, 4)


def test_a_student_may_subscribe_to_one_symbol() -> None:
    """Questions are about it alone, also after a return with after=."""

    class OneSymbol(Student):
        def start(self) -> None:
            self.send(TEXT, b'{"type": "subscribe", "symbols": ["B"]}')

        def take_message(self, message: Any) -> None:
            if isinstance(message, list):
                message = [tick for tick in message if tick["symbol"] == "B"]
            super().take_message(message)

    wire = SeatWire(OneSymbol())
    wire.run(120, until=7)
    assert sorted(wire.challenge.passed) == ALL


class ComesInALoop(Student):
    """Waits for a moment only, always as long."""

    def next_wait(self) -> float:
        return 0.07


class ComesWithoutAfter(Student):
    """Comes back without `after=`."""

    def path(self) -> str:
        return "/ticks?token=otter42&name=ana"


class ComesAhead(Student):
    """Comes back with an `after=` that it was not sent."""

    def path(self) -> str:
        ahead = f"&after={self.ticks[-1][0] + 2}" if self.ticks else ""
        return f"/ticks?token=otter42&name=ana{ahead}"


class ComesLate(Student):
    """Waits for too long."""

    def next_wait(self) -> float:
        return 11


class NeverWaitsLonger(Student):
    """Waits for a random time that does not grow."""

    def next_wait(self) -> float:
        return 0.9 + 0.05 * (self.attempts % 3)


class AlwaysWaitsTheSame(Student):
    """Waits longer each time, but without chance."""

    def next_wait(self) -> float:
        return 1.0 * 2**self.tries


class CountsTwice(Student):
    """Comes back with an earlier `after=` than its last, and keeps all."""

    def path(self) -> str:
        after = f"&after={self.ticks[-6][0]}" if self.ticks else ""
        return f"/ticks?token=otter42&name=ana{after}"


@pytest.mark.parametrize(
    ("student", "text"),
    [
        (ComesInALoop, r"you came back 1\d times in one second after the refusals"),
        (ComesWithoutAfter, r"you came back without after= after a reset: what was sent meanwhile"),
        (ComesAhead, r"you came back with after=\d+ after a reset; \d+ was the last that you"),
        (ComesLate, r"you were not back 10 s after a reset"),
        (NeverWaitsLonger, r"after the refusals you waited 0.\d+ s, then 0.\d+ s: waits must grow"),
        (AlwaysWaitsTheSame, r"after each break you waited 1.\d+ s: make it random, or all come"),
        (CountsTwice, r"question \d+ \(how many [AB] from \d+ to \d+\): \d+ is wrong; expected"),
    ],
)
def test_who_does_not_survive_reads_why(student: type[Student], text: str) -> None:
    """The hint names the break, and what was wrong with the return."""
    wire = SeatWire(student(), "survive")
    while state(wire, 5) == "open" and wire.now < 1_000_090:
        wire.run(1)
    assert re.match(text, hint(wire, 5))


def test_a_break_that_was_not_survived_comes_again() -> None:
    """The others are kept."""
    wire = SeatWire(ComesWithoutAfter(), "survive", breaks=2)
    wire.run(10)
    assert set(wire.broken) == {"reset"}
    wire.student.path = lambda: Student.path(wire.student)  # type: ignore[method-assign]
    wire.run(60, until=1)
    assert wire.broken[-2:] == ["reset", "half"]
    assert state(wire, 5) == "passed"


def test_who_tells_the_gap_wrongly_reads_its_range() -> None:
    """The next gap is another, so that the text is of no use."""

    class TellsAnother(Student):
        def answer(self, message: dict[str, Any]) -> object:
            return [self.gap[0], self.gap[1] - 1]

    wire = SeatWire(TellsAnother(), "slow")
    wire.run(15)
    text = hint(wire, 6)
    assert re.fullmatch(
        r"question 1 \(the range of the gap\): \[\d+, \d+\] is wrong: you were told of \d+ to \d+",
        text,
    )
    assert wire.student.gap[1] - wire.student.gap[0] > 300
    wire.run(15)
    assert hint(wire, 6) != text


def test_ticks_that_were_left_out_never_come() -> None:
    """The gap is true: the student has no tick in it, and every other tick once."""
    wire = SeatWire(Student(), "slow")
    wire.run(20, until=1)
    seqs = {tick[0] for tick in wire.student.ticks}
    first, last = wire.student.gap
    assert not seqs & set(range(first, last + 1))
    assert set(range(min(seqs), max(seqs) + 1)) - seqs == set(range(first, last + 1))


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (None, "1006: TCP ended without a close frame"),
        (b"", "1005: the close frame was empty; expected 1000 and a reason"),
        (b"\x03\xe8", "close 1000 came without a reason"),
        (b"\x03\xe9bye", "you closed with 1001; expected 1000 and a reason"),
    ],
)
def test_who_leaves_rudely_reads_why(payload: bytes | None, text: str) -> None:
    """The hint has the code; the next time counts anew."""
    wire = SeatWire(Student(), "leave")
    wire.run(1)
    if payload is not None:
        wire.student.send(CLOSE, payload)
    wire.end()
    wire.run(2)
    assert hint(wire, 7) == text
    wire.student.is_done = True
    wire.student.leave()
    assert state(wire, 7) == "passed"


def test_a_break_of_the_room_is_no_rude_leave() -> None:
    """Neither the breaks of a task, nor a drop by the teacher."""
    wire = SeatWire(Student())
    wire.run(45)
    assert wire.broken
    wire.challenge.evidence.disconnect(wire.now, wire.link, is_ours=True)
    assert state(wire, 7) == "open"


# --- the plan ---------------------------------------------------------------------------------


def test_what_is_done_after_the_time_is_over_does_not_count() -> None:
    """The wire is left alone then, too."""
    wire = SeatWire(Student(), "survive", within="10s")
    wire.run(60)
    assert wire.challenge.snapshot(wire.now)["5"]["hint"] == "the time is over"
    assert len(wire.broken) < 4
    assert wire.challenge.score.passed == 0


@pytest.mark.parametrize(
    ("plan", "error"),
    [
        ({"name": "swim"}, InvalidArgument),
        ({"name": 3}, InvalidType),
        ({"breaks": 0}, InvalidArgument),
        ({"within": "soon"}, InvalidArgument),
        ({"pace": 0}, InvalidArgument),
    ],
)
def test_an_invalid_challenge_is_refused(plan: dict[str, Any], error: type[Exception]) -> None:
    """The error names the argument."""
    with pytest.raises(error, match=next(iter(plan))):
        make_plan(now=0, **plan)


def test_a_new_challenge_begins_from_the_start() -> None:
    """What was passed in another task stays."""
    wire = SeatWire(Student(), "speak")
    wire.run(1)
    wire.begin("answer")
    wire.run(10)
    assert sorted(wire.challenge.passed) == ["3", "4"]
    wire.begin("answer")
    assert sorted(wire.challenge.passed) == ["3"]
    assert state(wire, 4) == "open"


# --- saving and size --------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, 12, 34, 45, 52])
def test_a_challenge_goes_on_after_it_was_saved_and_loaded(seconds: float) -> None:
    """What was passed is in the tasks of the seat; a later server goes on with the same plan."""
    wire = SeatWire(Student())
    wire.run(seconds)
    text = json.dumps(msgspec.to_builtins(wire.challenge))
    loaded = msgspec.convert(json.loads(text), Challenge)
    assert loaded == wire.challenge
    assert pickle.loads(pickle.dumps(loaded)) == loaded
    before, plan = dict(loaded.passed), wire.challenge.plan
    assert plan is not None
    tasks = json.loads(json.dumps(wire.challenge.snapshot(wire.now)))
    wire.challenge = loaded = Challenge("ana")
    loaded.begin(plan, tasks)
    wire.conversation = None
    wire.run(150, until=7)
    assert sorted(loaded.passed) == ALL
    assert {key: loaded.passed[key] for key in before} == before


def deep_size(value: object) -> int:
    """Return the size of a value and all that it holds."""
    size = sys.getsizeof(value)
    if isinstance(value, msgspec.Struct):
        return size + sum(deep_size(getattr(value, name)) for name in value.__struct_fields__)
    if isinstance(value, dict):
        return size + sum(deep_size(each) for pair in value.items() for each in pair)
    if isinstance(value, list | tuple):
        return size + sum(map(deep_size, value))
    return size


def test_a_seat_takes_little_memory() -> None:
    """At most 4 kB before and after a challenge, whatever a client sends."""
    wire = SeatWire(Student())
    plan = wire.challenge.plan
    assert deep_size(wire.challenge) - deep_size(plan) < 4000
    wire.run(120, until=7)
    wire.begin()
    assert deep_size(wire.challenge) - deep_size(wire.challenge.plan) < 4000

    class Floods(Student):
        def start(self) -> None:
            for _ in range(200):
                self.send(TEXT, b'{"type": "' + b"x" * 3000 + b'"}')
                self.send(TEXT, b"x" * 60_000, fin=False)
                self.send(0, b"x" * 60_000, fin=False)
                self.send(CLOSE, b"\x03\xe8" + b"y" * 100)
                self.send(TEXT, b'{"type":"subscribe","symbols":[' + b'"A",' * 900 + b'"B"]}', KEY)

        def next_wait(self) -> float:
            return 0.2

    wire = SeatWire(Floods())
    wire.run(5)
    wire.end()
    assert deep_size(wire.challenge) - deep_size(plan) < 12_000
