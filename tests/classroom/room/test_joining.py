"""joining: QR codes and addresses of a class, and what keeps students out."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import segno

import tickerkit as tk
from tickerkit.classroom.room import joining
from tickerkit.classroom.room.joining import (
    describe_joining,
    make_qr,
    make_qr_lines,
    wifi_text,
)
from tickerkit.classroom.room.traps import _LISTS, EVERYWHERE, find_system, list_traps
from tickerkit.net.interfaces import Address

PAGE = "http://192.168.1.20:8000/otter42"


def modules(text: str) -> list[list[int]]:
    """Return the modules of a code, without a border."""
    return [[int(dark) for dark in row] for row in segno.make(text, error="m", micro=False).matrix]


def test_qr_is_a_svg_in_black_on_white() -> None:
    """It fills what it is put into, and has its own ground, so a dark theme does not matter."""
    svg = make_qr(PAGE)
    root = ElementTree.fromstring(svg)
    size = len(modules(PAGE)) + 8
    assert root.attrib == {"viewBox": f"0 0 {size} {size}"}
    ground, dark = root
    assert (ground.attrib["fill"], dark.attrib["stroke"]) == ("#fff", "#000")
    assert len(svg) < 4000


def test_lines_for_a_terminal_are_the_same_code() -> None:
    """Each sign has two modules, one above the other, with a white border of two modules."""
    upper, lower = {" ": 0, "▀": 1, "▄": 0, "█": 1}, {" ": 0, "▀": 0, "▄": 1, "█": 1}
    rows = []
    for line in make_qr_lines(PAGE):
        rows += [[upper[sign] for sign in line], [lower[sign] for sign in line]]
    assert [row[2:-2] for row in rows[2 : 2 + len(modules(PAGE))]] == modules(PAGE)
    assert len({len(row) for row in rows}) == 1
    assert len(rows[0]) < 80


@pytest.mark.parametrize("text", ["", "x" * 1001, None, 7])
def test_text_that_makes_no_code_is_refused(text: object) -> None:
    """A code with more could not be read from the back of a room."""
    with pytest.raises(tk.InvalidArgument, match="Invalid text"):
        make_qr(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ssid", "password", "text"),
    [
        ("Class 7b", "secret", "WIFI:T:WPA;P:secret;S:Class 7b;;"),
        ('a;b:"c"', "x,y\\z", 'WIFI:T:WPA;P:x\\,y\\\\z;S:a\\;b\\:\\"c\\";;'),
        ("open", "", "WIFI:T:nopass;S:open;;"),
    ],
)
def test_wifi_text_is_escaped(ssid: str, password: str, text: str) -> None:
    """Phones read a semicolon as the end of a field."""
    assert wifi_text(ssid, password) == text


ADDRESSES = [
    Address("192.168.1.20", "wlan0", 31, "a local network; the way to the internet"),
    Address("192.168.2.7", "eth0", 30, "a local network"),
    Address("fd00::20", "wlan0", 20, "IPv6"),
    Address("172.17.0.1", "docker0", 0, "virtual machines or containers"),
]


def test_class_is_described_with_each_address_that_may_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A board shows the first big, and the others in a list."""
    monkeypatch.setattr(joining, "list_addresses", lambda: ADDRESSES)
    described = describe_joining(8000, "otter42", ssid="Class 7b", password="secret")
    assert [each["page"] for each in described["addresses"]] == [
        "http://192.168.1.20:8000/otter42",
        "http://192.168.2.7:8000/otter42",
    ]
    assert described["addresses"][0]["qr"] == make_qr(PAGE)
    assert described["wifi"] == make_qr("WIFI:T:WPA;P:secret;S:Class 7b;;")
    assert set(described["traps"][0]) == {"name", "about", "fix", "is_command"}
    monkeypatch.setattr(joining, "list_addresses", lambda: ADDRESSES[3:])
    assert [each["address"] for each in describe_joining(8000)["addresses"]] == ["172.17.0.1"]
    monkeypatch.setattr(joining, "list_addresses", lambda: ADDRESSES[2:3])
    assert describe_joining(8000)["addresses"][0]["page"] == "http://[fd00::20]:8000/"
    monkeypatch.setattr(joining, "list_addresses", list)
    assert describe_joining(8000)["addresses"] == []
    assert describe_joining(8000)["wifi"] == ""


@pytest.mark.parametrize("system", _LISTS)
def test_traps_have_commands_with_the_port_and_the_python(system: str) -> None:
    """Those of the system come first, then those that are everywhere."""
    traps = list_traps(system, 8123, r"C:\Python\python.exe")  # type: ignore[arg-type]
    assert traps[-len(EVERYWHERE) :] == list(EVERYWHERE)
    assert len(traps) > len(EVERYWHERE)
    assert len({trap.name for trap in traps}) == len(traps)
    text = " ".join(trap.fix for trap in traps)
    assert ("8123" in text) == (system in ("Windows", "Linux", "container"))
    assert ("python.exe" in text) == (system in ("Windows", "macOS"))
    for trap in traps:
        assert trap.about[0].islower() or trap.about.startswith(("Windows", "macOS"))
        assert not re.search(r"\.$", trap.about + trap.fix) or trap.is_command


@pytest.mark.parametrize(
    ("files", "variables", "platform_name", "system"),
    [
        ({}, {}, "Linux", "Linux"),
        ({}, {}, "Darwin", "macOS"),
        ({}, {}, "Windows", "Windows"),
        ({"proc/version": "Linux version 5.15.90.1-microsoft-standard-WSL2"}, {}, "Linux", "WSL"),
        ({"proc/version": "Linux version 6.1.0-18-amd64"}, {}, "Linux", "Linux"),
        ({".dockerenv": ""}, {}, "Linux", "container"),
        ({"run/.containerenv": ""}, {}, "Linux", "container"),
        ({".dockerenv": ""}, {"JUPYTERHUB_API_URL": "http://hub:8081"}, "Linux", "hub"),
    ],
)
def test_system_is_found(
    files: dict[str, str],
    variables: dict[str, str],
    platform_name: str,
    system: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is around Linux counts more than Linux."""
    for name in ("JUPYTERHUB_API_URL", "JUPYTERHUB_PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("platform.system", lambda: platform_name)
    assert find_system(tmp_path) == system
