"""The page for programmers: its programs are those that a class hands out, and its facts hold."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import environment
from peers import LOCAL, dial, receive
from websockets.sync.server import ServerConnection, serve

import tickerkit as tk
from tickerkit.classroom.room.starters import STARTERS
from tickerkit.net.liveness import CHECK_S, MAX_SILENT_CHECKS
from tickerkit.protocol.prices import PRICES_S
from tickerkit.protocol.segments import MAX_ROWS
from tickerkit.server.client_facts import MAX_NAME_CHARACTERS
from tickerkit.server.client_handler import MAX_MESSAGES_PER_S

pytestmark = pytest.mark.process

PAGE = (Path(__file__).parents[3] / "docs" / "programs.md").read_text(encoding="utf-8")
SERVER = "192.168.1.20:8000"
TICK = {"symbol": "AAPL", "price": 187.25}


def block(kind: str) -> str:
    """Return the only code block of a kind."""
    (code,) = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.M | re.S)
    return str(code)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("python client", "python"),
        ("python socket", "python-socket"),
        ("js console", "browser"),
        ("js node", "node"),
        ("bash client", "shell"),
        ("bash curl", "curl"),
        ("bash tools", "websocat"),
    ],
)
def test_programs_of_the_page_are_those_that_a_class_hands_out(kind: str, key: str) -> None:
    """Their own tests run them against real servers."""
    starter = STARTERS[key].fill(SERVER, "otter42", "ana")
    assert block(kind).startswith(starter)
    assert block(kind).count("\n") <= starter.count("\n") + 1


def test_program_that_resumes_misses_and_repeats_nothing(
    tmp_path: Path, until: Callable[..., None]
) -> None:
    """Each time the server ends the connection, it asks for what comes after its newest tick."""
    asked: list[str] = []

    def handle(peer: ServerConnection) -> None:
        assert peer.request is not None
        asked.append(peer.request.path.partition("after=")[2])
        if len(asked) == 1:
            peer.send(json.dumps({"type": "at", "epoch": "e1", "seq": 4}))
            peer.send(json.dumps([TICK | {"seq": 5}, TICK | {"seq": 6}]))
            peer.socket.shutdown(2)  # as if the wire were cut
        elif len(asked) == 2:
            peer.send(json.dumps({"type": "gap", "from": 7, "to": 9}))
            peer.send(json.dumps({"type": "at", "epoch": "e1", "seq": 9}))
            peer.close(1012, "the server restarts")
        else:
            peer.close(1001)

    with serve(handle, LOCAL, 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"{LOCAL}:{server.socket.getsockname()[1]}"
        code = block("python resume").replace(SERVER, address)
        code = code.replace('"now", 1', '"now", 0.1').replace('["seq"], 1', '["seq"], 0.1')
        path = tmp_path / "resume.py"
        path.write_text(code)
        program = subprocess.Popen(
            [sys.executable, "-u", path], stdout=subprocess.PIPE, text=True, env=environment()
        )
        try:
            until(lambda: len(asked) >= 3)
        finally:
            program.kill()
            printed = program.communicate()[0]
            server.shutdown()
            thread.join()
    assert asked[:3] == ["now&epoch=", "6&epoch=e1", "9&epoch=e1"]
    assert "'seq': 6" in printed
    assert "! {'type': 'gap', 'from': 7, 'to': 9}" in printed
    assert "! again: received 1012" in printed


def test_objects_of_the_page_are_those_of_the_server() -> None:
    """A gap, where ticks go on, an error, a note and a seat have the fields that are told."""
    told = {
        (example := json.loads(text))["type"]: set(example) - {"type"}
        for text in re.findall(r'^\| `(\{"type": .*?\})` \|', PAGE, re.M)
    }
    came: dict[str, set[str]] = {}
    with tk.room(code="otter42", host=LOCAL, port=0, process=False) as room:
        room.server.publish(TICK)
        with dial(f"{room.url}&name=ana&after=90&epoch=old") as peer:
            peer.send("x")
            room.say("look")
            while len(came) < 5:
                message = receive(peer)
                if isinstance(message, dict):
                    came[message.pop("type")] = set(message)
    for kind, fields in came.items():
        assert told[kind] <= fields, kind
    assert set(told) == {*came, "ask"}


def test_limits_of_the_page_are_those_of_the_code() -> None:
    """A number that is changed in one place is changed in both."""
    assert f"for {MAX_SILENT_CHECKS * CHECK_S:g} seconds" in PAGE
    assert f"at most {1 / PRICES_S:g} times a second" in PAGE
    assert f"more than {MAX_ROWS:,} symbols" in PAGE
    assert f"{MAX_NAME_CHARACTERS} printable characters" in PAGE
    assert f"{MAX_MESSAGES_PER_S:g} messages a second" in PAGE
