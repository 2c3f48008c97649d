"""`tickerkit record -o -`: ticks on stdout as they come, and nothing else there."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from commands import environment, on_posix
from numbered import ticks

import tickerkit as tk
from tickerkit.cli import main
from tickerkit.storage import load, write_csv


@pytest.fixture
def server() -> Iterator[tk.TickServer]:
    """Return a server that holds no tick yet."""
    with tk.serve(None, port=0) as server:
        yield server


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a recording of a hundred ticks."""
    return write_csv(ticks(*range(1, 101)), tmp_path / "source.csv")


def record(*arguments: object) -> int:
    """Run the command with stdout as its output."""
    return main(["record", *map(str, arguments), "-o", "-"])


def test_csv_on_stdout_has_every_tick(source: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It is what a file would have, with one header; all else is on stderr."""
    assert record(source) == 0
    out, err = capfd.readouterr()
    frame = pd.read_csv(io.StringIO(out))
    assert frame["seq"].tolist() == list(range(1, 101))
    assert frame["price"].tolist() == load(source).frame["price"].tolist()
    assert "100 ticks of 3 symbols" in err


def test_json_lines_on_stdout_have_every_tick(
    source: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each line is an object."""
    assert record(source, "--format", "jsonl") == 0
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [row["seq"] for row in rows] == list(range(1, 101))
    assert [row["price"] for row in rows] == load(source).frame["price"].tolist()


@contextlib.contextmanager
def recorded(server: tk.TickServer, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command in a process of its own, and kill it in the end."""
    arguments = ["record", server.url, "-o", "-", *options]
    program = [sys.executable, "-m", "tickerkit", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(program, env=environment(), stdout=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            process.kill()


@on_posix
def test_program_reads_each_tick_at_once_and_ends_the_command(
    server: tk.TickServer, until: Callable[..., None]
) -> None:
    """It waits for no flush. As with `| head`, the command ends quietly, while no tick comes."""
    with recorded(server, "--format", "jsonl") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        # A client gets the ticks that come after its first message, which subscribes.
        until(lambda: server.clients["messages"].max() > 0, timeout_s=30)
        for price in (1.5, 2.5):
            server.publish({"symbol": "A", "price": price})
            assert json.loads(process.stdout.readline())["price"] == price
        process.stdout.close()
        assert process.wait(30) == 0
        assert b"2 ticks of 1 symbol" in process.stderr.read()


@pytest.mark.parametrize(
    "options",
    [
        ["--rotate", "day"],
        ["--raw"],
        ["--new"],
        ["--overwrite"],
        ["--fsync"],
        ["--partition", "day"],
        ["--max-disk", "1GB"],
        ["--format", "parquet"],
    ],
    ids=" ".join,
)
def test_options_of_files_are_refused(
    source: Path, options: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """The error names the option, and nothing is written."""
    assert record(source, *options) == 2
    out, err = capfd.readouterr()
    assert (out, options[0] in err) == ("", True)


def test_empty_name_is_refused(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unset variable of a shell would otherwise record into the current folder."""
    assert main(["record", str(source), "-o", ""]) == 2
    assert "--out is empty" in capsys.readouterr().err


@on_posix
@pytest.mark.process
def test_reader_of_the_summary_that_ends_does_not_end_the_recording(
    source: Path, tmp_path: Path
) -> None:
    """`tickerkit record … | true` writes the file all the same."""
    out = tmp_path / "out.csv"
    program = [sys.executable, "-m", "tickerkit", "record", source, "-o", out]
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        program, env=environment(), stdout=theirs, stderr=theirs, check=False, timeout=60
    )
    os.close(theirs)
    assert done.returncode == 0
    assert load(out).frame["seq"].tolist() == list(range(1, 101))
