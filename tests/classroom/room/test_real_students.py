"""Students on machines of their own, as far as one machine can have them: network namespaces."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from networks import Host, Network
from rooms import find

import tickerkit as tk
from tickerkit.classroom.room.room import Room

pytestmark = pytest.mark.process

Until = Callable[..., None]

# What runs each starter program. Node.js has WebSocket from 22 on, and from 20.10 on request.
STUDENTS = {
    "ana": ("starter.py", [sys.executable, "-u"]),
    "ben": ("starter.mjs", ["node", "--experimental-websocket", "--no-warnings"]),
    "cleo": ("starter.sh", ["bash"]),
}


@contextlib.contextmanager
def running(
    host: Host, room: Room, address: str, name: str, folder: Path
) -> Iterator[subprocess.Popen[str]]:
    """Load a student's starter program from the class, and run it on a host."""
    file, command = STUDENTS[name]
    page = f"http://{address}:{room.port}/{room.code}/{file}?name={name}"
    path = folder / f"{name}-{file}"
    with urllib.request.urlopen(page, timeout=10) as answer:
        path.write_bytes(answer.read())
    student = subprocess.Popen(
        [*host.prefix, *command, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with student:
        try:
            yield student
        finally:
            student.kill()


def test_students_of_three_machines_run_their_starter_programs(
    tmp_path: Path, until: Until
) -> None:
    """Python, Node.js and bash: each is in the roster with its own address, and gets ticks."""
    if shutil.which("node") is None or shutil.which("bash") is None:
        pytest.skip("node and bash are needed")
    with (
        Network(len(STUDENTS)) as network,
        tk.room(tk.simulate("AAPL,MSFT", rate=50), port=0) as room,
        contextlib.ExitStack() as stack,
    ):
        hosts = dict(zip(STUDENTS, network.hosts, strict=True))
        programs = {
            name: stack.enter_context(running(host, room, network.address, name, tmp_path))
            for name, host in hosts.items()
        }
        until(lambda: all(find(room, name).get("status") == "live" for name in STUDENTS), 30)
        seats = {seat["name"]: seat for seat in room.snapshot()["seats"]}
        for name, host in hosts.items():
            assert seats[name]["address"].startswith(host.address + ":")
            lines = programs[name].stdout
            assert lines is not None
            assert any("AAPL" in line for _, line in zip(range(50), lines, strict=False))
        assert room.snapshot()["reached"] == {network.address: 3}
        assert room.say("look up") == 3
        for program in programs.values():
            assert program.stdout is not None
            assert any(
                "look up" in line for _, line in zip(range(5000), program.stdout, strict=False)
            )
        room.wire("ana").drop()
        until(lambda: find(room, "ana")["drops"] >= 1)
        assert find(room, "ben")["drops"] == find(room, "cleo")["drops"] == 0
