"""`tickerkit doctor --class` and `--reach`: why students do not reach a class."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from peers import LOCAL, another_program, free_port, plain_server, refusing

import tickerkit as tk
from tickerkit.classroom.room.room import Room
from tickerkit.classroom.room.traps import System, list_traps
from tickerkit.cli import class_doctor, main
from tickerkit.cli.class_doctor import check_addresses, check_class, check_port, check_system
from tickerkit.cli.findings import Finding
from tickerkit.cli.reach_doctor import (
    compare_networks,
    examine_reach,
    explain_http,
    explain_tcp,
    read_tick,
)
from tickerkit.net.interfaces import Address

WLAN = Address("192.168.1.20", "wlan0", 31, "a local network")
DOCKER = Address("172.17.0.1", "docker0", 0, "virtual machines or containers")
IPV6 = Address("fd00::20", "wlan0", 20, "IPv6")
PRIVATE = '{"InterfaceAlias":"Ethernet","NetworkCategory":1}'
PUBLIC = f'[{{"InterfaceAlias":"Wi-Fi","NetworkCategory":0}},{PRIVATE}]'
ON = "Firewall is enabled. (State = 1)"
BLOCKED = '[{"DisplayName":"python"}]'


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return what commands of the system print, by a part of the command; others fail."""
    printed: dict[str, str] = {}

    def run(*command: str) -> str | None:
        text = " ".join(command)
        return next((printed[part] for part in printed if part in text), None)

    monkeypatch.setattr(class_doctor, "_run", run)
    monkeypatch.setattr(class_doctor, "UFW", Path("/nowhere"))
    return printed


@pytest.mark.parametrize(
    ("system", "printed", "found"),
    [
        (
            "Windows",
            {"Profile |": PUBLIC, "Filter": BLOCKED},
            ["public network ✗", "blocked Python ✗", "firewall !"],
        ),
        ("Windows", {"Profile |": PRIVATE, "Filter": ""}, ["network ✓", "firewall !"]),
        ("Windows", {}, ["firewall !"]),
        ("macOS", {"globalstate": "Firewall is disabled. (State = 0)"}, ["firewall ✓"]),
        (
            "macOS",
            {"globalstate": ON, "blockall": "DISABLED!"},
            ["firewall !"],
        ),
        (
            "macOS",
            {"globalstate": ON, "blockall": "Block all ENABLED!"},
            ["block all ✗", "firewall !"],
        ),
        ("Linux", {}, ["firewall ✓"]),
        ("Linux", {"--state": "running", "--query-port": "yes"}, ["firewalld ✓"]),
        ("Linux", {"--state": "running", "--query-port": "no"}, ["firewalld ✗"]),
        ("Linux", {"--state": "not running"}, ["firewall ✓"]),
        ("WSL", {}, ["WSL ✗", "mirrored ✗"]),
        ("container", {}, ["container ✗"]),
        ("hub", {}, ["hub ✗"]),
    ],
)
def test_what_blocks_on_a_system_is_found(
    system: System,
    printed: dict[str, str],
    found: list[str],
    answers: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the answers of the system's own commands; each problem has a fix."""
    monkeypatch.setattr(class_doctor, "find_system", lambda: system)
    answers.update(printed)
    marks = {"ok": "✓", "note": "!", "problem": "✗"}
    findings = list(check_system())
    assert [f"{each.name} {marks[each.level]}" for each in findings] == found
    fixes = {trap.fix for trap in list_traps(system)}
    assert all(each.fix in fixes for each in findings if each.level == "problem")


def test_ufw_is_found_without_root(
    answers: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its rules can't be read then, so that it is a note."""
    (tmp_path / "ufw.conf").write_text("LOGLEVEL=low\nENABLED=yes\n")
    monkeypatch.setattr(class_doctor, "UFW", tmp_path / "ufw.conf")
    monkeypatch.setattr(class_doctor, "find_system", lambda: "Linux")
    (finding,) = check_system()
    assert (finding.level, finding.fix) == ("note", "sudo ufw allow 8000/tcp")


def test_addresses_are_listed_with_the_one_for_students_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of containers are shown apart; without any other there is a problem."""
    monkeypatch.setattr(class_doctor, "list_addresses", lambda: [WLAN, IPV6, DOCKER])
    best, docker = check_addresses()
    assert (best.level, best.about) == ("ok", "192.168.1.20  wlan0: a local network")
    assert (docker.name, docker.level) == ("not for others", "note")
    monkeypatch.setattr(class_doctor, "list_addresses", lambda: [DOCKER])
    assert [each.level for each in check_addresses()] == ["problem", "note"]


def test_port_that_is_taken_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by a program that listens on this machine's own address only."""
    monkeypatch.setattr(class_doctor, "PORT", free_port())
    assert [each.level for each in check_port()] == ["ok"]
    with another_program() as (_, port):
        monkeypatch.setattr(class_doctor, "PORT", port)
        (finding,) = check_port()
    assert finding.level == "problem"
    assert "port=8001" in finding.fix


def test_this_machine_reaches_itself_by_the_address_for_others() -> None:
    """A server on all addresses is started, and connected to."""
    assert [each.level for each in check_class()] in ([], ["ok"])


def test_missing_commands_are_no_errors() -> None:
    """A system may lack them, or they may fail."""
    assert class_doctor._run("no-such-command") is None
    assert class_doctor._run(sys.executable, "-c", "exit(1)") is None


def test_doctor_prints_what_it_finds_for_a_class(
    answers: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Notes are no problems, so that the exit code is 0."""
    monkeypatch.setattr(class_doctor, "find_system", lambda: "Linux")
    monkeypatch.setattr(class_doctor, "list_addresses", lambda: [WLAN])
    monkeypatch.setattr(class_doctor, "PORT", free_port())
    assert main(["doctor", "--class"]) == 0
    out = capsys.readouterr().out
    assert "✓ address" in out
    assert "! clients apart" in out
    assert "No problems found." in out


@pytest.mark.parametrize(
    "arguments",
    [["--class", "kraken"], ["--reach", "h:1/a", "--json"], ["--class", "--reach", "h:1/a"]],
)
def test_contradicting_options_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 2."""
    assert main(["doctor", *arguments]) == 2
    assert "--class and --reach" in capsys.readouterr().err


# --- from the other end ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    """Open a class with one price."""
    with tk.room("sim:AAPL", code="otter42", host=LOCAL, port=0, process=False) as running:
        yield running


def examine(url: str) -> list[Finding]:
    """Return what is found about an address."""
    return asyncio.run(examine_reach(url))


def test_class_that_is_reached_is_ok_at_each_step(
    room: Room, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the name to the first tick."""
    assert main(["doctor", "--reach", room.page]) == 0
    out = capsys.readouterr().out
    steps = [line.split()[:2] for line in out.splitlines() if line.startswith("✓")]
    assert steps == [["✓", name] for name in ("name", "TCP", "HTTP", "websocket", "tick")]
    assert "the first came: AAPL, number" in out
    assert [each.level for each in examine(room.url)] == ["ok"] * 5


def test_wrong_code_is_told_from_a_wrong_address(room: Room) -> None:
    """The page is missing, and the websocket is closed with 1008."""
    *_, http, websocket, token = examine(room.page.replace("otter42", "ottr42"))
    assert (http.name, http.level) == ("HTTP", "note")
    assert (websocket.level, token.name, token.level) == ("ok", "token", "problem")
    assert "1008" in token.about


def test_nothing_that_listens_ends_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 1, and the fix asks for the number after the colon."""
    assert main(["doctor", "--reach", f"{LOCAL}:{free_port()}/otter42"]) == 1
    out = capsys.readouterr().out
    assert "nothing listens" in out
    assert "1 problem found." in out
    assert main(["doctor", "--reach", "https://h/x"]) == 2


def test_unknown_name_asks_for_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of one network are often unknown in it."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    (finding,) = examine("teacher.local:8000/otter42")
    assert finding.level == "problem"
    assert "digits" in finding.fix


def test_other_servers_are_told_from_a_class() -> None:
    """One that refuses websockets, and one that closes without a tick."""
    with refusing(503, "full\n") as url:
        assert examine(url)[-1].about == "the answer is 503: full"
    with plain_server(lambda peer: peer.close(1013, "come later")) as url:
        last = examine(f"{url}ticks?token=x")[-1]
    assert last.about.startswith(("closed with 1013: come later", "the answer is"))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "no answer from 10.0.0.1"),
        (OSError(errno.ETIMEDOUT, "timed out"), "no answer from 10.0.0.1"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "nothing listens on port 8000"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no way leads to 10.0.0.1"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "no way leads to 10.0.0.1"),
        (OSError(errno.EACCES, "Permission denied"), "Permission denied"),
    ],
)
def test_each_error_of_tcp_is_explained(error: OSError, words: str) -> None:
    """With what to do."""
    finding = explain_tcp(error, "10.0.0.1", 8000)
    assert (finding.name, finding.level) == ("TCP", "problem")
    assert words in finding.about
    assert finding.fix


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n<!doctype html>", "ok", "the page comes"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://login\r\n\r\n", "problem", "login page"),
        (b"HTTP/1.1 511 Network Authentication Required\r\n\r\n", "problem", "login page"),
        (b"HTTP/1.1 404 Not Found\r\n\r\nThere is\nnothing", "note", "There is nothing"),
        (b"HTTP/1.1 429 Too Many Requests\r\n\r\n", "problem", "too many wrong codes"),
        (b"HTTP/1.1 500 Oops\r\n\r\n", "problem", "500"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "problem", "another program"),
        (b"", "problem", "another program"),
        (b"HTTP/1.1 two\r\n\r\n", "problem", "another program"),
    ],
)
def test_each_answer_of_http_is_explained(answer: bytes, level: str, words: str) -> None:
    """A login page of a wifi is told from a class."""
    finding = explain_http(answer, "/otter42")
    assert finding.level == level
    assert words in finding.about


@pytest.mark.parametrize(
    ("address", "own", "differs"),
    [
        ("192.168.1.20", ["192.168.1.57"], False),
        ("192.168.1.20", ["10.33.4.118"], True),
        ("192.168.1.20", ["10.33.4.118", "192.168.1.57", "fd00::1"], False),
        ("192.168.1.20", ["192.168.1.20"], False),
        ("192.168.1.20", [], True),
        ("192.168.1.20", ["fd00::1"], True),
        ("127.0.0.1", ["192.168.1.57"], False),
        ("8.8.8.8", ["192.168.1.57"], False),
        ("fd00::20", ["192.168.1.57"], False),
    ],
)
def test_other_network_is_noticed(address: str, own: list[str], differs: bool) -> None:
    """By the first three numbers, for addresses that are not of the internet."""
    assert bool(compare_networks(address, own)) == differs


@pytest.mark.parametrize(
    "message", ["", "no JSON", "{}", "[]", "[5]", '[{"price": 1}]', '{"type":"seat"}', b"\xff"]
)
def test_message_without_a_tick_is_passed_over(message: str | bytes) -> None:
    """Objects about a seat come before the first tick."""
    assert read_tick(message) is None
    assert read_tick(json.dumps([{"symbol": "AAPL", "price": 1}])) is not None
