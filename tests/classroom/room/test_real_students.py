"""Students on machines of their own, as far as one machine can have them: network namespaces."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import chromium_path
from networks import Host, Network
from rooms import find
from soaks import soak

import tickerkit as tk
from tickerkit.classroom.room.room import Room

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserType, Page

pytestmark = pytest.mark.process

Until = Callable[..., None]

# What runs each starter program. Node.js has WebSocket from 22 on, and from 20.10 on request.
STUDENTS = {
    "ana": ("starter.py", [sys.executable, "-u"]),
    "ben": ("starter.mjs", ["node", "--experimental-websocket", "--no-warnings"]),
    "cleo": ("starter.sh", ["bash"]),
}


@contextlib.contextmanager
def running(host: Host, room: Room, address: str, name: str, folder: Path) -> Iterator[None]:
    """Load a student's starter program from the class, run it on a host, and keep its output."""
    file, command = STUDENTS[name]
    page = f"http://{address}:{room.port}/{room.code}/{file}?name={name}"
    path = folder / f"{name}-{file}"
    with urllib.request.urlopen(page, timeout=10) as answer:
        path.write_bytes(answer.read())
    with (folder / f"{name}.txt").open("wb") as printed:  # a pipe that nobody reads would block it
        student = subprocess.Popen(
            [*host.prefix, *command, str(path)], stdout=printed, stderr=subprocess.STDOUT
        )
        with student:
            try:
                yield
            finally:
                student.kill()


@pytest.mark.usefixtures("node")
def test_students_of_three_machines_run_their_starter_programs(
    tmp_path: Path, until: Until
) -> None:
    """Python, Node.js and bash: each is in the roster with its own address, and gets ticks."""
    if shutil.which("bash") is None:
        pytest.skip("bash was not found")
    with (
        Network(len(STUDENTS)) as network,
        tk.room(tk.simulate("AAPL,MSFT", rate=50), port=0) as room,
        contextlib.ExitStack() as stack,
    ):
        hosts = dict(zip(STUDENTS, network.hosts, strict=True))
        for name, host in hosts.items():
            stack.enter_context(running(host, room, network.address, name, tmp_path))

        def shows(name: str, text: str) -> bool:
            return text in (tmp_path / f"{name}.txt").read_text(errors="replace")

        until(lambda: all(find(room, name).get("status") == "live" for name in STUDENTS), 30)
        seats = {seat["name"]: seat for seat in room.snapshot()["seats"]}
        for name, host in hosts.items():
            assert seats[name]["address"].startswith(host.address + ":")
        until(lambda: all(shows(name, "AAPL") for name in STUDENTS), 30)
        assert room.snapshot()["reached"] == {network.address: 3}
        assert room.say("look up") == 3
        until(lambda: all(shows(name, "look up") for name in STUDENTS), 30)
        room.wire("ana").drop()
        until(lambda: find(room, "ana")["drops"] >= 1)
        assert find(room, "ben")["drops"] == find(room, "cleo")["drops"] == 0


@contextlib.contextmanager
def phone(browsers: BrowserType, host: Host, folder: Path) -> Iterator[Page]:
    """Open a browser on a host, as large as a phone; errors of scripts fail the test."""
    program = folder / f"chromium-{host.name}"
    command = [*host.prefix, str(chromium_path(browsers.executable_path))]
    program.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    program.chmod(0o755)
    browser = browsers.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
    errors: list[str] = []
    try:
        context = browser.new_context(viewport={"width": 390, "height": 844})
        context.on("weberror", lambda error: errors.append(str(error.error)))
        yield context.new_page()
    finally:
        browser.close()
    assert errors == []


@pytest.mark.browser
@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("rounds", [soak(10)])
def test_a_stalled_student_delays_neither_programs_nor_phones(
    rounds: int, chromium: Browser, tmp_path: Path, artifacts: Path, until: Until
) -> None:
    """Three programs and two phones are in the roster; one wire stands still, the others go on."""
    if shutil.which("bash") is None:
        pytest.skip("bash was not found")
    phones = ("dora", "emil")
    names = [*STUDENTS, *phones]
    with (
        Network(len(names)) as network,
        tk.room(tk.simulate("AAPL,MSFT", rate=50), port=0) as room,
        contextlib.ExitStack() as stack,
    ):
        hosts = dict(zip(names, network.hosts, strict=True))
        pages = {}
        for name in phones:
            page = pages[name] = stack.enter_context(
                phone(chromium.browser_type, hosts[name], tmp_path)
            )
            page.goto(f"http://{network.address}:{room.port}/{room.code}")
            page.get_by_label("Your name in this class").fill(name)
            page.keyboard.press("Enter")
            page.locator("body[data-state=live]").wait_for()
        for name in STUDENTS:
            stack.enter_context(running(hosts[name], room, network.address, name, tmp_path))
        room.challenge()

        def taken(name: str) -> int:
            return (tmp_path / f"{name}.txt").read_text(errors="replace").count("AAPL")

        until(lambda: all(find(room, name).get("status") == "live" for name in names), 30)
        until(lambda: all(taken(name) > 20 for name in STUDENTS), 30)
        # Programs do tasks; of a page, none counts, and none is passed.
        until(lambda: all(find(room, name)["passed"] >= 1 for name in STUDENTS), 30)
        assert [find(room, name)["passed"] for name in phones] == [0, 0]
        room.end_challenge()
        for name in islice(cycle(STUDENTS), rounds):
            stall_one(room, name, pages, taken, until)
        assert all(find(room, name)["drops"] == 0 for name in names)
        for name in phones:
            pages[name].screenshot(path=artifacts / f"phone-{name}.png", full_page=True)


def stall_one(
    room: Room, name: str, pages: dict[str, Page], taken: Callable[[str], int], until: Until
) -> None:
    """Stall one program, until all others have come on, for less than the 8 s of a dead client."""
    assert room.wire(name).stall(60) == 1
    until(lambda: find(room, name)["status"] == "stalled", 30)
    before = {each: taken(each) for each in STUDENTS}
    texts = {each: page.inner_text("body") for each, page in pages.items()}
    others = [each for each in STUDENTS if each != name]
    until(lambda: all(taken(each) > before[each] + 25 for each in others), 30)
    until(lambda: all(page.inner_text("body") != texts[each] for each, page in pages.items()), 30)
    assert taken(name) <= before[name] + 1  # a line may have been half printed
    statuses = {each: find(room, each)["status"] for each in [*others, *pages]}
    assert set(statuses.values()) == {"live"}
    assert room.wire(name).resume() == 1
    until(lambda: taken(name) > before[name] + 25, 30)
