"""`tickerkit replay`: serves recordings, and is controlled by keys."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pandas as pd
import pytest
from commands import Command, on_posix, port_is_free

import tickerkit as tk
from tickerkit.cli import main
from tickerkit.cli.keys import open_keyboard

pytestmark = on_posix


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of two recordings, each of 30 ticks, a second apart."""
    for name, start in (("a", 0), ("b", 30)):
        times = pd.date_range("2026-11-23T10:00:00Z", periods=60, freq="s")[start : start + 30]
        frame = pd.DataFrame({"time": times.strftime("%Y-%m-%dT%H:%M:%SZ"), "symbol": "AAPL"})
        frame.assign(price=range(start, start + 30)).to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


def websocket(command: Command) -> str:
    """Return the websocket's address that a command prints."""
    return command.until(r"websocket +(ws://\S+)")[1]


def test_exit_option_ends_after_the_last_tick_is_delivered(folder: Path) -> None:
    """A replay from a given time, at full speed, once a reader is connected."""
    options = ["--speed", "inf", "--from", "2026-11-23T10:00:10", "--wait-for", "1", "--exit"]
    with Command("replay", str(folder), *options, "--port", "0") as command:
        url = websocket(command)
        with tk.connect(url) as feed:
            feed.wait(50)
            assert feed.frame()["price"].tolist() == list(range(10, 60))
            assert command.wait() == 0
    assert command.until(r"^stopped after 50 ticks and 1 connection$")
    assert command.err == ""
    assert port_is_free(int(url.rpartition(":")[2].strip("/")))


def test_position_is_shown_on_a_terminal(folder: Path) -> None:
    """One line has state, position, speed and clients; it stays at the end until Ctrl-C."""
    options = ["--speed", "1000", "--from", "30", "--port", "0"]
    with Command("replay", "a.csv", "b.csv", *options, cwd=folder, terminal=24) as command:
        command.until(r"● ended  100%  10:00:59 of 10:00:59 UTC  1000×  0 clients")
        with tk.connect(websocket(command), history=None) as feed:
            feed.wait(30)
        assert command.end() == 0
    assert command.err == ""


def test_damaged_file_is_one_line(folder: Path) -> None:
    """A file that can't be read is exit code 1."""
    (folder / "bad.csv").write_text("one,two\n1,2\n")
    with Command("replay", str(folder / "bad.csv"), "--port", "0", "--exit") as command:
        assert command.wait() == 1
    assert command.err.startswith("tickerkit: ")
    assert command.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["missing.csv"], "there is no file at"),
        (["a.csv", "--from", "noon"], "Invalid --from 'noon'; expected a time such as"),
        (["a.csv", "--speed", "0"], "speed"),
        (["a.csv", "--loop", "--exit"], "never reaches the end"),
        (["a.csv", "--paused"], "needs a terminal"),
        ([], "Missing argument"),
    ],
)
def test_wrong_usage_is_one_line(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    problem: str,
) -> None:
    """Wrong usage is exit code 2, and the line names the problem."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert main(["replay", *options, "--port", "0"]) == 2
    error = capsys.readouterr().err
    assert problem in error
    assert error.count("\n") == 1


def test_keys_are_read_and_the_terminal_is_restored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both codes of the arrow keys are known; other keys are ignored."""
    import termios

    ours, theirs = os.openpty()
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp())
    try:
        with os.fdopen(theirs) as terminal:
            monkeypatch.setattr(sys, "stdin", terminal)
            before = termios.tcgetattr(theirs)
            with open_keyboard() as keys:
                assert keys is not None
                assert keys() == []
                os.write(ours, b" x\x1b[C\x1bOD\x1b[A")
                assert keys() == ["space", "right", "left"]
            assert termios.tcgetattr(theirs) == before
    finally:
        os.close(ours)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with open_keyboard() as keys:
        assert keys is None
