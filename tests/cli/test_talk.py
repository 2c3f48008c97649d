"""`tickerkit talk`: typed lines go out, what comes is printed, and it ends cleanly."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from commands import InProcess, environment
from peers import LOCAL, free_port, plain_server, refusing
from websockets.sync.server import ServerConnection

import tickerkit as tk
from tickerkit.cli import main

Start = Callable[..., InProcess]
Until = Callable[..., None]


class Keyboard(io.StringIO):
    """Lines that are typed when the test wants it."""

    def __init__(self) -> None:
        super().__init__()
        self._more = threading.Condition()
        self._lines: list[str] = []
        self._is_over = False

    def type(self, line: str) -> None:
        """Type a line."""
        with self._more:
            self._lines.append(f"{line}\n")
            self._more.notify_all()

    def end(self) -> None:
        """Type Ctrl-D."""
        with self._more:
            self._is_over = True
            self._more.notify_all()

    def __next__(self) -> str:
        with self._more:
            self._more.wait_for(lambda: self._lines or self._is_over)
            if not self._lines:
                raise StopIteration
            return self._lines.pop(0)


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyboard]:
    """Return a keyboard in place of stdin."""
    typed = Keyboard()
    monkeypatch.setattr(sys, "stdin", typed)
    yield typed
    typed.end()


def echo(peer: ServerConnection) -> None:
    """Send each message back."""
    for message in peer:
        peer.send(message)


def test_lines_are_sent_and_answers_printed(start: Start, keyboard: Keyboard) -> None:
    """The end of the lines alone does not end it; /close does."""
    with plain_server(echo) as url, start("talk", url) as command:
        command.until("^101 Switching Protocols$")
        keyboard.type("hello")
        command.until("^< hello$")
        keyboard.type("/ping")
        command.until(r"^< pong 1 after [\d.]+ ms$")
        keyboard.type("/close 1000 bye")
        assert command.wait() == 0
    assert command.out.endswith("< close 1000 bye\nclosed: 1000 bye\n")
    assert command.err == ""


def test_ctrl_c_closes_with_code_1000(start: Start, keyboard: Keyboard) -> None:
    """The server gets a close frame."""
    codes: list[int | None] = []

    def listen(peer: ServerConnection) -> None:
        echo(peer)
        codes.append(peer.close_code)

    with plain_server(listen) as url, start("talk", url) as command:
        keyboard.type("hello")
        command.until("< hello")
        assert command.end() == 0
    assert codes == [1000]


def test_ctrl_d_in_a_terminal_closes(
    start: Start, keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines of a pipe end sooner than the answers come, so there it goes on."""
    monkeypatch.setattr(keyboard, "isatty", lambda: True, raising=False)
    with plain_server(echo) as url, start("talk", url) as command:
        command.until("101")
        keyboard.end()
        assert command.wait() == 0


def test_class_sees_the_name_and_the_reason_is_shown(
    start: Start, keyboard: Keyboard, until: Until
) -> None:
    """A server's close with another code than 1000 or 1001 is a failure."""
    with tk.serve(None, port=0, token="otter42") as server:
        address = f"http://{LOCAL}:{server.port}/ticks?token=otter42"
        with start("talk", address, "--name", "Ana Ü", "--frames") as command:
            command.until("101")
            until(lambda: server.clients["name"].tolist() == ["Ana Ü"])
            assert server.clients["program"].tolist() == ["tickerkit"]
            server.publish({"symbol": "AAPL", "price": 187.25})
            command.until(r"^< FIN text \d+ bytes\n< \[\{\"symbol\":\"AAPL\"")
            keyboard.end()
        with start("talk", f"{LOCAL}:{server.port}/ticks?token=no") as command:
            assert command.wait() == 1
    assert "closed: 1008 Wrong token" in command.out


def test_token_of_the_environment_is_sent_to_this_machine(
    start: Start, keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """As for `tickerkit watch`."""
    monkeypatch.setenv("TICKERKIT_TOKEN", "otter42")
    with (
        tk.serve(None, port=0, token="otter42") as server,
        start("talk", f"{LOCAL}:{server.port}/ticks") as command,
    ):
        command.until("101")
        until(lambda: len(server.clients) == 1)
        keyboard.end()
        assert command.end() == 0


def test_refused_and_missing_servers_are_said_in_a_line(
    keyboard: Keyboard, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 1, and there is no traceback."""
    with refusing(403, "no such class\n") as url:
        assert main(["talk", url]) == 1
    assert capsys.readouterr().err == (
        "tickerkit: the server answered 403 Forbidden: no such class\n"
    )
    assert main(["talk", f"{LOCAL}:{free_port()}/?token=otter42"]) == 1
    err = capsys.readouterr().err
    assert "Connection refused; `tickerkit doctor --reach URL` says more" in err
    assert "otter42" not in err
    assert main(["talk", "ftp://x"]) == 2


def test_command_ends_while_it_waits_for_a_line() -> None:
    """The thread that reads the terminal does not hold the end of Python back."""
    with (
        plain_server(lambda peer: peer.close(1001, "the lesson ends")) as url,
        subprocess.Popen(
            [sys.executable, "-m", "tickerkit", "talk", url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        ) as command,
    ):
        assert command.wait(30) == 0
        assert command.stdout is not None
        assert command.stderr is not None
        assert command.stdout.read().endswith("closed: 1001 the lesson ends\n")
        assert command.stderr.read() == ""


def test_control_characters_do_not_reach_the_terminal(start: Start, keyboard: Keyboard) -> None:
    """A server can't clear the screen of a student."""
    with (
        plain_server(lambda peer: peer.send("\x1b[2Jhi\x07")) as url,
        start("talk", url) as command,
    ):
        command.until(r"< \\x1b\[2Jhi\\x07")
        command.wait()
    assert "\x1b" not in command.out
