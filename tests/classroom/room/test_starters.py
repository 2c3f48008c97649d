"""starters: each program for students runs as it is given, against real servers."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from commands import environment
from peers import LOCAL
from websockets.sync.server import ServerConnection, serve

import tickerkit as tk
from tickerkit.classroom.room.starters import STARTERS, make_file, make_notebook

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]
MODULES = ROOT / ".ci" / "js" / "node_modules"
ADDRESS = "192.168.1.20:8000"
TICK = {"symbol": "AAPL", "price": 187.25}
PINGS = [b"", b"\x00\xff\x80beat", bytes(range(125))]
LONG = [TICK | {"seq": seq, "note": "ü" * 50} for seq in range(1, 700)]
# The programs that answer pings, and print ticks apart from objects.
COMPLETE = ["python", "python-socket", "node", "node with ws", "shell"]


def find_command(key: str, folder: Path) -> list[str]:
    """Return what runs a program; skip the test where this machine has nothing that does."""
    if key.startswith("python"):
        return [sys.executable, "-u"]
    if key.startswith("node"):
        node = shutil.which("node")
        if node is None:
            pytest.skip("Node.js was not found")
        version = subprocess.run([node, "-p", "process.versions.node"], capture_output=True)
        major = int(version.stdout.split(b".")[0])
        if key == "node":
            return [node] if major >= 22 else [node, "--experimental-websocket"]
        if not (MODULES / "ws").is_dir():
            pytest.skip("the package ws was not found")
        (folder / "node_modules").symlink_to(MODULES, target_is_directory=True)
        return [node, "--no-experimental-websocket"] if major >= 22 else [node]
    program = "curl" if key == "curl" else "bash"
    if shutil.which(program) is None or os.name != "posix":
        pytest.skip(f"{program} was not found")
    return ["bash"]


class Program:
    """A starter that runs, with what it has printed so far."""

    def __init__(self, key: str, folder: Path, address: str, token: str, name: str) -> None:
        starter = STARTERS[key.split()[0]]
        path = folder / starter.file
        path.write_text(starter.fill(address, token, name), encoding="utf-8")
        self.printed = b""
        self._process = subprocess.Popen(
            [*find_command(key, folder), path],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0 if os.name == "posix" else None,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while data := os.read(self._process.stdout.fileno(), 65536):
            self.printed += data

    def wait(self) -> str:
        """Return what the program has printed, once it has ended."""
        self._process.wait(20)
        self._reader.join(20)
        return self.printed.decode()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        if os.name == "posix" and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)  # curl, too, which bash runs
        self._process.kill()
        self._process.wait(20)
        self._reader.join(20)
        assert self._process.stdout is not None
        self._process.stdout.close()


@dataclass
class Visit:
    """What a server saw of a program."""

    path: str = ""
    pongs: int = 0
    code: int | None = None
    ended: threading.Event = field(default_factory=threading.Event)


@pytest.fixture(scope="module")
def strict() -> Iterator[tuple[str, list[Visit]]]:
    """Run a server that sends all that a class's server may send, and waits for each pong."""
    visits: list[Visit] = []

    def handle(peer: ServerConnection) -> None:
        assert peer.request is not None
        visits.append(visit := Visit(peer.request.path))
        peer.send(json.dumps([TICK | {"seq": 1}]))
        for payload in PINGS:
            visit.pongs += peer.ping(payload).wait(10)
        peer.send(json.dumps({"type": "gap", "from": 5, "to": 812}))
        peer.send(json.dumps(LONG))
        peer.send(json.dumps([TICK | {"seq": 813}]))
        peer.close(1001, "the lesson ends")
        visit.code = peer.close_code
        visit.ended.set()

    with serve(handle, LOCAL, 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"{LOCAL}:{server.socket.getsockname()[1]}", visits
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def class_server() -> Iterator[tk.TickServer]:
    """Run one server of tickerkit for all programs."""
    with tk.serve(None, port=0, token="otter42") as server:
        yield server


@pytest.mark.parametrize("key", COMPLETE)
def test_program_answers_pings_and_prints_objects_apart(
    key: str, strict: tuple[str, list[Visit]], tmp_path: Path
) -> None:
    """It answers each ping with the ping's bytes, reads long messages, and ends with the close."""
    address, visits = strict
    visits.clear()
    with Program(key, tmp_path, address, "otter42", "Ana ü") as program:
        printed = program.wait()
    (visit,) = visits
    assert visit.ended.wait(10)
    assert (visit.path, visit.pongs) == ("/ticks?token=otter42&name=Ana%20%C3%BC", len(PINGS))
    assert visit.code == 1001
    lines = printed.splitlines()
    (gap,) = [line for line in lines if line.startswith("!") and "812" in line]
    assert "gap" in gap
    assert sum(line.count("187.25") for line in lines) == 2 + len(LONG)
    assert "813" in printed[printed.index("699") :]
    if key != "python":  # iterating ends without an error at 1000 and 1001
        assert "! closed 1001 the lesson ends" in lines
    assert "Traceback" not in printed


@pytest.mark.parametrize("key", [*COMPLETE, "curl"])
def test_program_shows_ticks_of_a_server(
    key: str, class_server: tk.TickServer, tmp_path: Path, until: Callable[..., None]
) -> None:
    """Each tick that is published while it is connected is printed, and a stop ends it."""
    address = f"{LOCAL}:{class_server.port}"
    with Program(key, tmp_path, address, "otter42", "ana") as program:
        until(lambda: len(class_server.clients), what=key)
        assert class_server.clients["name"].tolist() == ["ana"]
        class_server.publish([TICK])
        until(lambda: b"AAPL" in program.printed and b"187.25" in program.printed)
    until(lambda: class_server.clients.empty)


@pytest.mark.parametrize("key", COMPLETE)
def test_wrong_code_is_shown_with_its_reason(
    key: str, class_server: tk.TickServer, tmp_path: Path
) -> None:
    """The server closes with code 1008, and each program shows it."""
    with Program(key, tmp_path, f"{LOCAL}:{class_server.port}", "ottr42", "ana") as program:
        printed = program.wait()
    assert "1008" in printed
    assert "token" in printed


@pytest.mark.browser
def test_console_of_a_browser_shows_ticks(
    class_server: tk.TickServer, chromium: Browser, until: Callable[..., None]
) -> None:
    """The text is pasted on the server's page."""
    page = chromium.new_page()
    lines: list[str] = []
    page.on("console", lambda message: lines.append(message.text))
    page.goto(class_server.page)
    text = STARTERS["browser"].fill(f"{LOCAL}:{class_server.port}", "otter42", "ana")
    page.evaluate(f"{text};null")  # a function that it ends with would be called
    until(lambda: "ana" in class_server.clients["name"].tolist())
    class_server.publish([TICK])
    until(lambda: page.wait_for_timeout(10) or any("AAPL 187.25" in line for line in lines))
    page.close()


@pytest.mark.parametrize("key", STARTERS)
def test_every_place_is_filled_in(key: str) -> None:
    """Whatever the student's name is, no program is broken by it."""
    name = "'\"$(ls)`%s\\ @URL@"
    text = STARTERS[key].fill(ADDRESS, "otter42", name)
    assert "otter42" in text
    assert ADDRESS in text or "192.168.1.20" in text
    code = text.replace(json.dumps(name), "")  # a name in quotes, in Python
    assert "$(ls)" not in code
    assert not re.search(r"@[A-Z]+@", code)
    assert make_file(STARTERS[key].file, ADDRESS, "otter42", name) == text


def test_programs_are_short() -> None:
    """A program with a library has at most 12 lines; that with nothing but a socket has 30."""

    def count(key: str) -> int:
        lines = STARTERS[key].text.splitlines()
        return sum(bool(line) and not line.startswith(("#", "//")) for line in lines)

    assert count("python") <= 12
    assert count("node") <= 12
    assert count("browser") <= 12
    assert count("python-socket") <= 30
    for starter in STARTERS.values():
        widest = max(map(len, starter.text.splitlines()))
        assert widest <= 100 or starter.file == "curl.sh"


def test_server_without_a_token_needs_none() -> None:
    """Neither a token nor a name leaves the address as short as it can be."""
    assert 'connect("ws://192.168.1.20:8000/ticks")' in STARTERS["python"].fill(ADDRESS)


@pytest.mark.parametrize("address", ["192.168.1.20", "a b:80", '":80', "[::1:80", ""])
def test_address_that_is_no_host_and_port_is_refused(address: str) -> None:
    """It would end up as code in a program of every student."""
    with pytest.raises(tk.InvalidArgument, match="expected a host and a port"):
        STARTERS["python"].fill(address)


def test_address_of_ipv6_is_filled_in_with_and_without_brackets() -> None:
    """URLs have brackets, sockets have none."""
    assert '("fd00::20", 8000)' in STARTERS["python-socket"].fill("[fd00::20]:8000")
    assert "ws://[fd00::20]:8000/" in STARTERS["node"].fill("[fd00::20]:8000")


def test_notebook_is_valid_and_filled_in() -> None:
    """Jupyter's own check accepts it; its first code joins the class."""
    notebook = nbformat.from_dict(make_notebook(ADDRESS, "otter42", "ana"))
    nbformat.validate(notebook)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert 'tk.join("192.168.1.20:8000/otter42", name="ana")' in code[0]
    for source in code:
        compile(source, "starter.ipynb", "exec")
    text = make_file("starter.ipynb", ADDRESS, "otter42", "ana")
    assert text is not None
    assert json.loads(text)["nbformat"] == 4


def test_other_files_do_not_exist() -> None:
    """A path of the package is no file for students."""
    for file in ("", "ticks.py.txt", "../starters.py", "starter.txt"):
        assert make_file(file, ADDRESS) is None


@pytest.mark.parametrize("key", ["node", "shell"])
def test_comment_says_how_to_run_the_file_as_it_is_named(key: str) -> None:
    """Who copies the command of the first lines finds the file."""
    starter = STARTERS[key]
    assert f" {starter.file};" in "".join(starter.text.splitlines()[:2])
