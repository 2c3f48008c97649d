"""`tickerkit room`: a class from a terminal."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Command, InProcess, on_posix
from peers import LOCAL, another_program, dial, receive
from rich.console import Console, RenderableType

import tickerkit as tk
from tickerkit.cli import main
from tickerkit.cli import room as rooms
from tickerkit.cli.room import OTHER_LINES, draw_roster, format_event

pytestmark = pytest.mark.process

NOON = time.mktime((2026, 11, 23, 12, 0, 0, 0, 0, -1))
SEAT = {
    "name": "ana",
    "status": "live",
    "client": "Chrome",
    "is_connected": True,
    "ping_ms": 12.3,
    "behind": 0,
    "drops": 2,
    "tasks": {"1": {"state": "passed"}, "2": {"state": "open"}},
}


def show(renderable: RenderableType) -> str:
    """Return what a terminal of 100 columns shows."""
    console = Console(width=100, highlight=False)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def snapshot(*seats: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return what a room tells, with these seats."""
    return {"seats": [SEAT | seat for seat in seats], "journal": [], "reached": {}} | more


def test_class_is_opened_and_told_of(
    start: Callable[..., InProcess], until: Callable[..., None], tmp_path: Path
) -> None:
    """It prints an address that works, who comes and leaves, and ends cleanly."""
    path = tmp_path / "7b.jsonl"
    arguments = ("sim:AAPL", "--code", "otter42", "--port", "0", "--host", LOCAL)
    with start("room", *arguments, "--save", str(path)) as command:
        page = command.until(r"^  page +(http://\S+/otter42)$")[1]
        command.until("no other machine reaches it")
        command.until("^Ctrl-C stops it.$")
        with dial(tk.join(page, "ana").url) as peer:
            assert receive(peer)["name"] == "ana"
            command.until(r"^\d\d:\d\d:\d\d  ana +joined  websockets  127\.0\.0\.1$")
            peer.close(1000, "bye")
        command.until(r"ana +left  127\.0\.0\.1  1000  bye$")
        assert command.end() == 0
    assert command.out.endswith("stopped after 1 student\n")
    assert command.err == ""
    assert path.stat().st_size > 0


@on_posix
def test_terminal_has_qr_codes_and_the_roster() -> None:
    """Codes are black on white, whatever the terminal's colours are."""
    options = (
        "--code",
        "otter42",
        "--port",
        "0",
        "--wifi",
        "Class 7b",
        "--wifi-password",
        "secret",
    )
    with Command("room", "sim:AAPL", *options, terminal=70) as command:
        command.until("join the wifi Class 7b")
        command.until("open the page")
        command.until("0 of 0 students here")
        assert command.end() == 0
    codes = [line for line in command.out.splitlines() if "█" in line]
    assert len(codes) > 20
    assert all(line.startswith("\x1b[30;107m") for line in codes)
    assert "secret" not in command.out


def test_taken_port_and_invalid_code_are_said_in_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the option that helps."""
    with another_program() as (_, port):
        assert main(["room", "sim:AAPL", "--port", str(port), "--host", LOCAL]) == 1
    assert "pass --port 0" in capsys.readouterr().err
    assert main(["room", "sim:AAPL", "--code", "a b", "--port", "0"]) == 2
    assert "Invalid --code 'a b'" in capsys.readouterr().err


def test_what_keeps_students_out_is_listed_once(
    start: Callable[..., InProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a minute without anyone from another machine."""
    monkeypatch.setattr(rooms, "ALONE_S", 0.0)
    with start("room", "sim:AAPL", "--port", "0", "--host", LOCAL) as command:
        command.until("^Nobody has come from another machine so far")
        command.until("^    → type http:// in front$")
        assert command.end() == 0
    assert command.out.count("Nobody has come") == 1


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (
            {"event": "joined", "name": "ana", "client": "Chrome", "address": "192.168.1.57:4711"},
            "12:00:00  ana  joined  Chrome  192.168.1.57",
        ),
        (
            {"event": "left", "name": "ana", "address": "[fd00::1]:5", "code": 1006, "reason": ""},
            "12:00:00  ana  left  [fd00::1]  1006",
        ),
        ({"event": "said", "name": "", "text": "look\nup"}, "said  look up"),
        (
            {"event": "renamed", "name": "bob", "before": "xx"},
            "bob  renamed  before: xx",
        ),
        ({"event": "joined", "name": "\x1b[2J"}, "\\x1b[2J"),
    ],
)
def test_line_of_the_journal(row: dict[str, Any], line: str) -> None:
    """The time, who, what, and the facts that there are; no control character."""
    text = format_event({"time": NOON} | row).plain
    assert line in re.sub(r"(\w) {5,}", r"\1  ", text)
    assert text.startswith("12:00:00")
    assert "\x1b" not in text


def test_roster_shows_students_that_are_here_first() -> None:
    """With what their programs are, and how many tasks are passed."""
    away = {"name": "bob", "status": "away", "is_connected": False, "ping_ms": None, "tasks": {}}
    text = show(draw_roster("listening", snapshot(away, {}, reached={"192.168.1.20": 1}), 10))
    header, ana, bob, state = [
        line.split() for line in text.splitlines() if line.strip(" ─") and "─" not in line
    ]
    assert header == ["name", "status", "program", "ping", "behind", "drops", "passed"]
    assert ana == ["ana", "live", "Chrome", "12", "ms", "2", "1"]
    assert bob == ["bob", "away", "Chrome", "2"]
    assert " ".join(state) == "● listening 1 of 2 students here reached at 192.168.1.20"


def test_roster_fits_the_terminal() -> None:
    """What does not fit is counted."""
    seats = [{"name": f"s{number}"} for number in range(30)]
    text = show(draw_roster("listening", snapshot(*seats), 10))
    assert "and 20 more" in text
    assert len(text.splitlines()) == 10 + OTHER_LINES
    assert "0 of 0 students here" in show(draw_roster("listening", snapshot(), 10))
