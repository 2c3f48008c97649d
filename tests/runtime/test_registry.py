"""registry: the services that run in this process are listed and stopped."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator

import pytest
from commands import run_python

import tickerkit as tk
from tickerkit.runtime import registry


class FakeService:
    """A service."""

    def __init__(self, name: str, ended: list[str] | None = None, fails: bool = False) -> None:
        self.name = name
        self.ended = ended if ended is not None else []
        self.fails = fails
        registry.register(self)

    def stop(self) -> None:
        """Stop."""
        if self in registry.running():
            registry.unregister(self)
            self.ended.append(self.name)
            if self.fails:
                raise RuntimeError(f"{self.name} did not stop")

    def abandon_after_fork(self) -> None:
        """Count as stopped."""
        self.ended.append(f"{self.name} abandoned")

    def summary(self) -> dict[str, str]:
        """Return its row of tk.status."""
        return {"kind": "service", "address": self.name, "status": "live", "about": "a test"}


@pytest.fixture(autouse=True)
def tidy() -> Iterator[None]:
    """Unregister the services that a test left."""
    yield
    for thing in registry.running():
        registry.unregister(thing)


def test_running_services_are_listed_oldest_first() -> None:
    """Each service is listed once, until it stops."""
    first, second = FakeService("first"), FakeService("second")
    registry.register(first)
    assert registry.running() == [first, second]
    first.stop()
    assert registry.running() == [second]


def test_second_unregister_returns_false() -> None:
    """Of two threads that stop a service, only one gets True."""
    thing = FakeService("service")
    registry.unregister(thing)
    registry.unregister(thing)
    assert thing not in registry.running()


def test_status_has_a_row_for_each_service() -> None:
    """The columns are the same when nothing runs."""
    assert tk.status().empty
    columns = ["kind", "address", "status", "about"]
    assert list(tk.status().columns) == columns
    FakeService("first")
    FakeService("second")
    found = tk.status()
    assert list(found.columns) == columns
    assert found["address"].tolist() == ["first", "second"]


def test_stop_all_stops_the_newest_first() -> None:
    """A feed ends before the server that it is connected to."""
    ended: list[str] = []
    for name in ("server", "feed", "chart"):
        FakeService(name, ended)
    tk.stop_all()
    assert ended == ["chart", "feed", "server"]
    assert registry.running() == []
    tk.stop_all()


def test_stop_all_continues_after_an_error() -> None:
    """Every service is stopped, and the error is raised afterwards."""
    ended: list[str] = []
    FakeService("first", ended)
    FakeService("faulty", ended, fails=True)
    FakeService("last", ended)
    with pytest.raises(RuntimeError, match="faulty did not stop"):
        tk.stop_all()
    assert ended == ["last", "faulty", "first"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_child_has_nothing_to_stop() -> None:
    """`stop` in a child returns at once and leaves the parent's services running."""
    with tk.serve(None, port=0) as server, tk.connect(server.url) as feed:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 3.12 warns of forks in a process with threads
            child = os.fork()
        if not child:
            code = 1
            try:
                tk.stop_all()
                feed.stop()
                server.stop()
                code = len(registry.running())
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        server.publish({"symbol": "A", "price": 1})
        feed.wait(1)


def test_interpreter_exit_stops_everything() -> None:
    """A script that never calls stop exits quickly and prints nothing."""
    code = """
import tickerkit as tk
server = tk.serve(tk.simulate(["A"]), port=0)
feed = tk.connect(server.url)
feed.on_ticks(len)
feed.wait(5)
print(feed.status)
"""
    done = run_python("-c", code, timeout_s=20)
    assert (done.returncode, done.stdout, done.stderr) == (0, "live\n", "")
