"""Scripts of lesson 3: what a client and the terminal see of a server's program."""

from __future__ import annotations

from pathlib import Path

import pytest

from tickerkit.classroom.lessons.script import Script, count_connections, mend, try_both, try_out
from tickerkit.errors import InvalidArgument

pytestmark = pytest.mark.process

SERVER = """
import asyncio
import websockets

async def greet(websocket):
    await websocket.send("hello")
    await websocket.wait_closed()

async def main():
    async with websockets.serve(greet, "localhost", 8000) as server:
        await server.serve_forever()

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def server_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file server.py of an empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "server.py"
    path.write_text(SERVER, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "client", "terminal"),
    [
        ("", "", "got hello", "(nothing)"),
        ("import websockets", "", "found no server", "NameError: name 'websockets'"),
        ("(websocket):", "(websocket, path):", "cut off: 1011", "TypeError: greet() missing"),
        ("asyncio.run(main())", "1 / 0", "found no server", 'File "server.py", line 13'),
        ("asyncio.run(main())", "", "found no server", "(nothing)"),
    ],
)
def test_both_sides_of_a_script_are_shown(
    capsys: pytest.CaptureFixture[str], old: str, new: str, client: str, terminal: str
) -> None:
    """The client's view comes first, then the last traceback, with short paths."""
    if old:
        mend(old, new)
    try_out()
    first, _, rest = capsys.readouterr().out.partition("The server's terminal:\n")
    assert client in first
    assert terminal in rest
    assert str(Path.cwd()) not in rest


def test_second_program_on_a_port_gets_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """The last line of its terminal names the address."""
    try_both()
    assert "error while attempting to bind on address" in capsys.readouterr().out


def test_script_ends_with_its_block() -> None:
    """Its clients are cut off, and its port is free."""
    with Script(SERVER) as script, script.connect() as client:
        assert client.recv() == "hello"
    with Script(SERVER) as again, again.connect() as client:
        assert client.recv() == "hello"


def test_change_is_made_once(capsys: pytest.CaptureFixture[str], server_file: Path) -> None:
    """The cell that makes it can be run again; a part that is not there is refused."""
    mend("(greet,", "(welcome,")
    mend("(greet,", "(welcome,")
    assert capsys.readouterr().out == "server.py has this change already.\n\n"
    with pytest.raises(InvalidArgument, match="write the file again"):
        mend("no such text", "new")
    mend("async def main", "main = 1\n", to_the_end=True)
    assert server_file.read_text(encoding="utf-8").endswith("main = 1\n")
    server_file.unlink()
    for call in (try_out, try_both, lambda: mend("a", "b")):
        with pytest.raises(InvalidArgument, match=r"run the cell that writes server\.py"):
            call()


def test_requests_share_a_connection(capsys: pytest.CaptureFixture[str]) -> None:
    """HTTP/1.1 keeps it open for the next request."""
    count_connections(requests=4)
    assert capsys.readouterr().out.endswith("4 requests, 1 connection\n")
