"""addresses: the program that holds a port, and addresses of this machine alone."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from peers import LOCAL, free_port

from tickerkit.net import addresses
from tickerkit.net.addresses import describe_process, find_port_holder, is_loopback

linux = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc")


@linux
def test_port_holder_names_program_and_pid() -> None:
    """The listening program is named with its process id."""
    with socket.create_server((LOCAL, 0)) as listener:
        holder = find_port_holder(listener.getsockname()[1])
    assert holder is not None
    assert holder.endswith(f"(pid {os.getpid()})")
    assert holder.startswith(Path("/proc/self/comm").read_text().strip())


@linux
def test_port_holder_finds_another_process() -> None:
    """Another process of the same user is found."""
    code = (
        "import socket; s = socket.create_server(('::1', 0), family=socket.AF_INET6);"
        "print(s.getsockname()[1], flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        holder = find_port_holder(int(other.stdout.readline()))
        other.communicate("\n")
    assert holder is not None
    assert holder.endswith(f"(pid {other.pid})")


@linux
def test_port_holder_names_the_notebook_of_a_kernel(tmp_path: Path) -> None:
    """A kernel of Jupyter is called as its notebook, not python3."""
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1]); "
    with subprocess.Popen(
        [sys.executable, "-uc", f"{code}input()"],
        env={**os.environ, "JPY_SESSION_NAME": str(tmp_path / "my prices.ipynb")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as kernel:
        assert kernel.stdout is not None
        holder = find_port_holder(int(kernel.stdout.readline()))
        kernel.communicate("\n")
    assert holder == f"notebook my prices.ipynb (pid {kernel.pid})"
    assert describe_process(kernel.pid) is None


def test_free_port_has_no_holder() -> None:
    """Neither a free port nor the port of an outgoing connection has a holder."""
    assert find_port_holder(free_port()) is None
    with (
        socket.create_server((LOCAL, 0)) as listener,
        socket.create_connection(listener.getsockname()) as peer,
    ):
        assert find_port_holder(peer.getsockname()[1]) is None


def test_port_holder_is_none_without_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Linux's tables in /proc the result is None."""
    monkeypatch.setattr(addresses, "Path", lambda path: tmp_path / str(path).lstrip("/"))
    with socket.create_server((LOCAL, 0)) as listener:
        assert find_port_holder(listener.getsockname()[1]) is None


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.0.1.1", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("127.evil.example", False),
        ("127.1", False),
        ("LOCALHOST", True),
        ("example.org", False),
    ],
)
def test_loopback_is_recognised(host: str, loopback: bool) -> None:
    """An address that other machines can reach does not count as loopback."""
    assert is_loopback(host) is loopback
