"""`tickerkit health`, and what `tickerkit record` reports to it and to systemd."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from commands import InProcess, on_posix, run_python
from numbered import ticks

import tickerkit as tk
from tickerkit.cli import heartbeat, main
from tickerkit.cli.health_file import Health, find_problem
from tickerkit.storage import write_csv

Start = Callable[..., InProcess]
NOW = 1_800_000_000.0
WELL = Health(
    time=NOW,
    began=NOW - 1000,
    pid=12,
    source="ws://127.0.0.1:8000/",
    file="ticks.csv",
    status="recording",
    feed="live",
    feed_since=NOW - 900,
    reason="",
    last_tick=NOW - 0.4,
    late_s=0.0,
    written=12_345,
    waiting=0,
    lost=0,
    gaps=0,
    errors=0,
    last_error="",
)


@pytest.fixture
def server() -> Iterator[tk.TickServer]:
    """Return a server without ticks."""
    with tk.serve(None, port=0) as server:
        yield server


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the health file at each turn."""
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.0)


def read(path: Path) -> dict[str, Any]:
    """Return what a health file says."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def start_healthy(start: Start, server: tk.TickServer, out: Path, health: Path) -> InProcess:
    """Start to record a server to a file, with a health file."""
    return start("record", server.url, "-o", str(out), "--flush", "0.05", "--health", str(health))


@pytest.mark.parametrize(
    ("changes", "max_age_s", "is_well"),
    [
        ({}, None, True),
        ({}, 1, True),
        ({"last_tick": NOW - 60}, None, True),
        ({"last_tick": NOW - 60}, 30, False),
        ({"last_tick": NOW - 60}, 90, True),
        ({"last_tick": None}, None, True),
        ({"last_tick": None}, 2000, True),
        ({"last_tick": None}, 30, False),
        ({"time": NOW - 20}, None, True),
        ({"time": NOW - 40}, None, False),
        ({"time": NOW + 3600}, None, False),
        ({"status": "failing", "last_error": "the disk is full"}, None, False),
        ({"status": "stopped"}, None, False),
        ({"feed": "reconnecting", "feed_since": NOW - 5}, None, True),
        ({"feed": "reconnecting", "feed_since": NOW - 40}, None, False),
        ({"feed": "connecting", "feed_since": NOW - 40, "reason": "nobody"}, None, False),
        ({"waiting": 9, "late_s": 3.0}, None, True),
        ({"waiting": 9, "late_s": 40.0}, None, False),
        ({"lost": 3, "gaps": 1, "errors": 2}, None, True),
    ],
)
def test_recording_is_well_or_not(
    changes: dict[str, Any], max_age_s: float | None, is_well: bool
) -> None:
    """A quiet market is well without --max-age; a full disk or a dead process never is."""
    health = msgspec.structs.replace(WELL, **changes)
    assert (find_problem(health, NOW, max_age_s) == "") is is_well


@pytest.mark.usefixtures("often")
def test_record_writes_its_health(
    start: Start, server: tk.TickServer, tmp_path: Path, until: Callable[..., None]
) -> None:
    """From its beginning to its end, and `tickerkit health` reads it."""
    path, out = tmp_path / "run" / "health.json", tmp_path / "t.csv"
    with start_healthy(start, server, out, path) as command:
        until(lambda: path.exists() and read(path)["feed"] == "live")
        assert read(path)["last_tick"] is None
        server.publish([{"symbol": "A", "price": 1.5}] * 3)
        until(lambda: read(path)["written"] == 3)
        found = read(path)
        assert (found["pid"], found["file"], found["waiting"]) == (os.getpid(), str(out), 0)
        assert abs(found["last_tick"] - time.time()) < 60
        assert main(["health", str(path), "--max-age", "1m"]) == 0
        assert command.end() == 0
    assert read(path)["status"] == "stopped"
    assert main(["health", str(path)]) == 1
    assert [each.name for each in path.parent.iterdir()] == ["health.json"]


def test_health_that_is_not_there_is_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A supervisor may ask before the recording begins, and a file may be another one."""
    path = tmp_path / "health.json"
    assert main(["health", str(path)]) == 1
    for text in ("", "{}", "[1]", "not JSON", '{"time": "now"}'):
        path.write_text(text)
        assert main(["health", str(path)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 6
    assert main(["health", str(path), "--max-age", "soon"]) == 2


@pytest.mark.usefixtures("often")
def test_health_that_cannot_be_written_is_told_once(
    start: Start, server: tk.TickServer, tmp_path: Path, until: Callable[..., None]
) -> None:
    """The recording goes on without it."""
    path, out = tmp_path / "run" / "health.json", tmp_path / "t.csv"
    with start_healthy(start, server, out, path) as command:
        until(lambda: path.exists() and read(path)["feed"] == "live")
        (path.parent / ".health.json.tmp").mkdir()
        command.until("can't be written", stream="err")
        server.publish({"symbol": "A", "price": 1.5})
        until(lambda: out.read_bytes().count(b"\n") == 2)
        assert command.end() == 0
    assert command.err.count("can't be written") == 1


def test_health_without_a_place_is_refused_at_once(tmp_path: Path) -> None:
    """A wrong path is noticed before anything is recorded."""
    (tmp_path / "file").write_text("")
    source = write_csv(ticks(1, 2), tmp_path / "source.csv")
    out, path = tmp_path / "t.csv", tmp_path / "file" / "health.json"
    assert main(["record", str(source), "-o", str(out), "--health", str(path)]) == 1


@on_posix
@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, abstract: bool
) -> None:
    """That the recording runs, is alive, and ends."""
    name = f"@tickerkit-{os.getpid()}" if abstract else str(tmp_path / "notify")
    source = write_csv(ticks(*range(1, 100)), tmp_path / "source.csv")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0"))
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        assert main(["record", str(source), "-o", str(tmp_path / "t.csv")]) == 0
        manager.setblocking(False)
        got = []
        while not got or got[-1] != "STOPPING=1":
            got += manager.recv(4096).decode().splitlines()
    assert got[1] == "READY=1"
    assert got[0].startswith("STATUS=")


def test_health_needs_no_pandas(tmp_path: Path) -> None:
    """It runs every few seconds, for weeks."""
    path = tmp_path / "health.json"
    path.write_bytes(msgspec.json.encode(WELL))
    code = f"import sys; from tickerkit.cli import main; main(['health', {str(path)!r}])"
    done = run_python("-c", f"{code}; print('pandas' in sys.modules)")
    assert done.stdout.splitlines()[-1] == "False"
