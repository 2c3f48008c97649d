"""The command line as a whole: help, wrong usage, failures and interrupts."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from commands import run_python

from tickerkit import __version__
from tickerkit.cli import main
from tickerkit.cli.app import COMMANDS
from tickerkit.cli.interrupt import Interrupt
from tickerkit.cli.terminal import escape_controls


def python(
    program: str, *arguments: str, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program in a Python of its own."""
    return run_python("-c", program, *arguments, cwd=cwd)


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`tickerkit --help` describes each command in one line."""
    assert main(["--help"]) == 0
    help_text = capsys.readouterr().out
    for command in COMMANDS:
        line = re.search(rf"^  {command} +[A-Z].*\.$", help_text, re.MULTILINE)
        assert line, command
        assert not line[0].endswith("...")


@pytest.mark.parametrize("command", COMMANDS)
def test_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`tickerkit COMMAND --help` prints its usage and exits with 0."""
    assert main([command, "--help"]) == 0
    assert f"Usage: tickerkit {command}" in capsys.readouterr().out


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`tickerkit --version` prints the version of the package."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"tickerkit {__version__}\n"


def test_python_m_tickerkit_runs_the_command_line() -> None:
    """`python -m tickerkit` is the same as `tickerkit`."""
    done = run_python("-m", "tickerkit", "--version")
    assert (done.returncode, done.stdout) == (0, f"tickerkit {__version__}\n")


def test_help_imports_nothing_heavy() -> None:
    """The help imports neither pandas, plotly, numpy nor websockets."""
    heavy = "pandas plotly numpy websockets ipywidgets"
    program = (
        "import sys; from tickerkit.cli import main; main(['--help']);"
        "print('loaded', [name for name in sys.argv[1].split() if name in sys.modules])"
    )
    done = python(program, heavy)
    assert done.stdout.endswith("loaded []\n"), done.stderr


WRONG_USAGE = {
    "no such command": (["frobnicate"], "frobnicate"),
    "no such option": (["serve", "--prot", "1"], "--prot"),
    "no number": (["serve", "--port", "http"], "--port"),
    "no such port": (["serve", "--port", "70000"], "--port"),
    "no ticks to hold": (["serve", "--history", "0"], "--history"),
    "no source": (["serve", "frobnicate"], "frobnicate"),
    "no such recording": (["serve", "frobnicate.csv"], "frobnicate.csv"),
    "token and none": (["serve", "--token", "a", "--no-token"], "--no-token"),
    "no address": (["watch"], "URL"),
    "no recording to verify": (["verify", "frobnicate.csv"], "frobnicate.csv"),
    "no recording to convert": (["convert", "frobnicate.csv", "out.csv"], "frobnicate.csv"),
    "no form": (["convert", __file__, "out.txt"], "out.txt"),
    "a safe Parquet file": (
        ["convert", __file__, "out.parquet", "--escape-formulas"],
        "--escape-formulas",
    ),
    "no file to record to": (["record", "sim:A"], "--out"),
    "no duration": (["record", "sim:A", "-o", "out.csv", "--for", "soon"], "soon"),
    "nothing to record": (["record", "frobnicate", "-o", "o.csv"], "'frobnicate' can't be"),
    "half an address": (["watch", "ws://[::1"], "ws://[::1"),
    "not the address of a websocket": (["watch", "ftp://127.0.0.1"], "URL 'ftp://127.0.0.1'"),
    "no port": (["watch", "ws://127.0.0.1:99999"], "99999"),
    "no symbols": (["watch", "ws://127.0.0.1:9/", "--symbols", ","], "--symbols"),
}


@pytest.mark.parametrize(("arguments", "named"), WRONG_USAGE.values(), ids=list(WRONG_USAGE))
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong usage is one line on stderr that names the argument, and nothing on stdout."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tickerkit: ")
    assert err.count("\n") == 1
    assert named in err


FAILURES = {
    "no such machine": (["serve", "--host", "nowhere.invalid"], "nowhere.invalid"),
}


@pytest.mark.parametrize(("arguments", "named"), FAILURES.values(), ids=list(FAILURES))
def test_failure_is_one_line_and_exit_code_1(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failure is one line on stderr that names its cause."""
    assert main(arguments) == 1
    err = capsys.readouterr().err
    assert err.startswith("tickerkit: ")
    assert err.count("\n") == 1
    assert named in err


def test_tickerkit_alone_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """`tickerkit` without a command is wrong usage, and prints the help to stderr."""
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Usage: tickerkit" in err


@pytest.mark.package  # it imports all of tickerkit in processes of its own: 4 s
def test_interrupt_during_imports_ends_cleanly() -> None:
    """Ctrl-C before a command has begun is exit code 0 without output."""
    program = """if True:
        import importlib.abc, signal, sys
        from tickerkit.cli import main

        class Interrupting(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                if name == "pandas":
                    signal.raise_signal(signal.SIGINT)

        sys.meta_path.insert(0, Interrupting())
        sys.exit(main(sys.argv[1:]))
    """
    for arguments in (["serve", "--port", "0"], ["watch", "ws://127.0.0.1:9/"]):
        done = python(program, *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_missing_package_is_one_line(tmp_path: Path) -> None:
    """A broken installation is one line on stderr, with exit code 1."""
    program = (
        "import sys; sys.modules['typer'] = None; from tickerkit.cli import main; exit(main())"
    )
    done = python(program, "--help")
    assert done.returncode == 1
    assert done.stderr.startswith("tickerkit: ModuleNotFoundError: ")
    assert done.stderr.count("\n") == 1


def test_second_interrupt_ends_without_cleanup(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first signal requests an end, its echo is ignored, a later one interrupts."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    before = signal.getsignal(signal.SIGINT)
    interrupt = Interrupt()
    with interrupt.handle_signals():
        assert not interrupt.requested
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert interrupt.requested
        assert interrupt.wait(60)
        now += 2
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_terminal_controls_are_escaped() -> None:
    """Control characters, line breaks and direction marks are printed as escapes."""
    assert escape_controls("a\x1b[2Jb\nc\x07\u202ed") == r"a\x1b[2Jb c\x07\u202ed"
    assert escape_controls("BRK.B é 株 [red]x[/red]") == "BRK.B é 株 [red]x[/red]"
