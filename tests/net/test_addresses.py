"""network: who holds a port, and where this machine is."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from peers import LOCAL, free_port

from tickerkit.net import addresses
from tickerkit.net.addresses import network_address, port_holder

linux = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux tells")


@linux
def test_the_holder_of_a_port_is_named() -> None:
    """The program that listens is told by its name and its process id."""
    with socket.create_server((LOCAL, 0)) as listener:
        holder = port_holder(listener.getsockname()[1])
    assert holder is not None
    assert holder.endswith(f"(pid {os.getpid()})")
    assert holder.startswith(Path("/proc/self/comm").read_text().strip())


@linux
def test_the_holder_may_be_another_process() -> None:
    """A process of the same user is found."""
    code = (
        "import socket; s = socket.create_server(('::1', 0), family=socket.AF_INET6);"
        "print(s.getsockname()[1], flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        holder = port_holder(int(other.stdout.readline()))
        other.communicate("\n")
    assert holder is not None
    assert holder.endswith(f"(pid {other.pid})")


def test_a_free_port_has_no_holder() -> None:
    """Where nothing listens nothing is named, nor is who only connects from there."""
    assert port_holder(free_port()) is None
    with (
        socket.create_server((LOCAL, 0)) as listener,
        socket.create_connection(listener.getsockname()) as peer,
    ):
        assert port_holder(peer.getsockname()[1]) is None


def test_other_systems_tell_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Linux's tables the answer is None."""
    monkeypatch.setattr(addresses, "Path", lambda path: tmp_path / str(path).lstrip("/"))
    with socket.create_server((LOCAL, 0)) as listener:
        assert port_holder(listener.getsockname()[1]) is None


def test_this_machines_address_is_one_that_it_can_listen_on() -> None:
    """Where it is in a network, others reach it there."""
    if (address := network_address()) is not None:
        socket.create_server((address, 0)).close()


def test_a_machine_without_a_network_has_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then there is no link for others to show."""

    def fail(*_: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", fail)
    assert network_address() is None
