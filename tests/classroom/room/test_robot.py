"""Tests of robot students: what each temper does, by the tasks that it passes."""

from __future__ import annotations

import json

import pytest
from seat_wires import SeatWire, Student

from tickerkit.classroom.room.robot import Robot, Temper
from tickerkit.wire.header import TEXT, parse_header


class RobotStudent(Student):
    """A robot as the student of a seat's wire."""

    def __init__(self, temper: Temper) -> None:
        super().__init__()
        self.robot = Robot("robot-1", temper)
        self.read_at = 0.0
        self.waiting: list[bytes] = []

    def path(self) -> str:
        return f"/ticks?token=otter42&{self.robot.query}"

    def start(self) -> None:
        self.write(self.robot.start())

    def write(self, data: bytes) -> None:
        """Send what the robot wants to send."""
        if data:
            assert self.wire is not None
            self.wire.take_from_student(data)

    def receive(self, data: bytes) -> None:
        self.data += data
        wire = self.wire
        assert wire is not None
        while (head := parse_header(self.data)) is not None and wire.now >= self.read_at:
            stop = head.size + head.length
            payload, self.data = self.data[head.size : stop], self.data[stop:]
            self.write(self.robot.take(head.opcode, payload))
            self.read_at = wire.now + self.robot.read_wait

    def next_wait(self) -> float:
        return self.robot.next_wait()

    def leave(self) -> None:
        self.write(self.robot.make_close())
        assert self.wire is not None
        self.wire.end()


def test_a_good_robot_passes_all_tasks() -> None:
    """By the messages of `/ticks` alone."""
    wire = SeatWire(RobotStudent("good"))
    wire.run(150, until=7)
    assert wire.challenge.score.passed == 7


@pytest.mark.parametrize(
    ("temper", "name", "text"),
    [
        ("forgets pongs", "listen", "got no pong within 5 s"),
        ("too fast", "survive", "times in one second"),
        ("slow reader", "answer", "got no answer within 10 s"),
    ],
)
def test_each_temper_fails_in_its_way(temper: Temper, name: str, text: str) -> None:
    """The hint that its seat reads is about that."""
    wire = SeatWire(RobotStudent(temper), name)
    texts = []
    for _ in range(70):
        wire.run(1)
        (task,) = wire.list_tasks()
        texts.append(task["hint"])
    assert any(text in each for each in texts)
    assert task["state"] != "passed"


def test_a_rude_robot_leaves_without_a_close_frame() -> None:
    """It passes everything else."""
    wire = SeatWire(RobotStudent("leaves rudely"))
    wire.run(150, until=6)
    wire.run(1)
    tasks = wire.list_tasks()
    assert [task["state"] for task in tasks] == ["passed"] * 6 + ["failed"]
    assert tasks[-1]["hint"] == "1006: TCP ended without a close frame"


@pytest.mark.parametrize(("passed", "leaves"), [(5, False), (6, True), (7, False)])
def test_a_robot_leaves_when_nothing_else_is_left_to_do(passed: int, leaves: bool) -> None:
    """It reads so in the messages about its seat, and rests for some seconds then."""
    tasks = [
        {"number": number, "state": "passed" if number <= passed else "open"}
        for number in range(1, 8)
    ]
    robot = Robot("robot-1", "good")
    robot.start()
    robot.take(TEXT, json.dumps({"type": "seat", "tasks": tasks}).encode())
    assert robot.is_leaving == leaves
    assert (robot.next_wait() == 5.0) == leaves
