"""What the tests share: the recorded data, waiting for conditions, and a tidy end of each."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from browser import artifacts, chromium, pytest_runtest_protocol, pytest_terminal_summary
from cells import Kernel
from lab import jupyter
from nats_cluster import NatsCluster
from parallel import (
    pytest_collection_finish,
    pytest_collection_modifyitems,
    pytest_runtest_teardown,
    pytest_xdist_make_scheduler,
)

__all__ = [
    "artifacts",
    "chromium",
    "fragile_nats",
    "jupyter",
    "kernel",
    "nats",
    "node",
    "nothing_left",
    "pytest_collection_finish",
    "pytest_collection_modifyitems",
    "pytest_runtest_protocol",
    "pytest_runtest_teardown",
    "pytest_terminal_summary",
    "pytest_xdist_make_scheduler",
    "recorded",
    "stream_name",
    "stream_url",
    "until",
]

LEAVE_S = 3.0
STREAMS = count(1)

# Missing for jsonschema, which plotly imports by nbformat: its import builds a grammar of addresses
# in 0.9 s, which no test needs.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def recorded() -> Path:
    """Return the folder of recorded market data, or skip where there is none."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TICKERKIT_DATA", default))
    if not folder.is_dir():
        pytest.skip("no recorded market data: set TICKERKIT_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def node() -> str:
    """Return the path of Node.js; skip without it, or fail in CI."""
    path = shutil.which("node")
    if path is None:
        if os.environ.get("TICKERKIT_REQUIRE_NODE") == "1" or os.environ.get("CI") == "true":
            pytest.fail("Node.js was not found")
        pytest.skip("Node.js was not found")
    return path


@pytest.fixture(scope="session")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    """Return one broker that all tests of a worker share: no test stops it."""
    with NatsCluster(tmp_path_factory.mktemp("nats")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def _fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    with NatsCluster(tmp_path_factory.mktemp("nats")) as cluster:
        yield cluster


@pytest.fixture
def fragile_nats(_fragile: NatsCluster) -> NatsCluster:
    """Return another broker, which tests may kill; it runs at the beginning of each."""
    if not _fragile.servers[0].is_running:
        _fragile.servers[0].start()
        _fragile.wait_ready()
    return _fragile


@pytest.fixture
def stream_name() -> str:
    """Return the name of a stream that no other test uses."""
    return f"test-{next(STREAMS)}"


@pytest.fixture
def stream_url(nats: NatsCluster, stream_name: str) -> str:
    """Return the address of a stream that no other test uses, on the shared broker."""
    return nats.url(stream_name)


@pytest.fixture
def until() -> Callable[..., None]:
    """Return a function that waits until a condition holds, and fails when it does not."""

    def wait(condition: Callable[[], object], timeout_s: float = 10, what: str = "") -> None:
        end = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"not within {timeout_s} s: {what or condition}")
            time.sleep(0.005)

    return wait


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """Return a kernel that runs no cell yet, and remembers nothing of other tests."""
    from tickerkit.runtime import rerun

    kernel = Kernel()
    monkeypatch.setattr(rerun, "_current_cell", lambda: kernel.current)
    monkeypatch.setattr(rerun, "_made", {})
    monkeypatch.setattr(rerun, "_calls", {})
    return kernel


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Stop what a test left running, then see that no thread, port or process of it is left."""
    before = _running(), _threads(), _ports(), _servers()
    yield
    for thing in reversed(_running()):
        if thing not in before[0]:
            thing.stop()
    end = time.monotonic() + LEAVE_S
    while left := [
        *(_threads() - before[1]),
        *(_ports() - before[2]),
        *(_servers() - before[3]),
    ]:
        assert time.monotonic() < end, f"still there after the test: {left}"
        time.sleep(0.005)


def _running() -> list[Any]:
    registry = sys.modules.get("tickerkit.runtime.registry")
    return registry.running() if registry is not None else []


def _threads() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name.startswith("tickerkit")}


def _servers() -> set[str]:
    """Return the processes of servers that this process has started, where Linux tells."""
    listed, servers = [], set()
    for children in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # of a thread that has ended meanwhile
            listed += children.read_text().split()
    for pid in listed:
        with contextlib.suppress(OSError):  # gone meanwhile
            if b"tickerkit.server.process" in Path(f"/proc/{pid}/cmdline").read_bytes():
                servers.add(f"process {pid}")
    return servers


def _ports() -> set[int]:
    """Return the TCP ports that this process listens on, where Linux tells."""
    ports = set()
    folder = Path("/proc/self/fd")
    for fd in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(OSError):
            if not os.readlink(fd).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(fd.name))) as sock:
                if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    name = sock.getsockname()
                    ports |= {name[1]} if isinstance(name, tuple) else set()
    return ports
