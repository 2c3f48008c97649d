"""Forks in user code: neither the parent nor the child is disturbed."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from cells import Kernel
from commands import environment, port_is_free, run_python
from peers import dial, receive_all
from websockets.exceptions import ConnectionClosed

import tickerkit as tk
from tickerkit.chart.instruments import Instruments
from tickerkit.errors import Stopped
from tickerkit.log import TickLog
from tickerkit.runtime.portal import portal

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

Until = Callable[..., None]

TICK = {"symbol": "AAPL", "price": 187.25}


class Child:
    """A forked child that runs a function, then lives until `end`.

    Attributes:
        pid: its process id.
    """

    def __init__(self, run: Callable[[], object]) -> None:
        end_reader, end_writer = os.pipe()
        done_reader, done_writer = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 3.12 warns of forks in a process with threads
            self.pid = os.fork()
        if not self.pid:
            code = 1
            try:
                os.close(end_writer)
                run()
                os.write(done_writer, b"done")
                os.read(end_reader, 1)
                code = 0
            finally:
                os._exit(code)
        os.close(end_reader)
        os.close(done_writer)
        self._end_writer, self._done_reader = end_writer, done_reader

    def has_run(self) -> bool:
        """Wait until it has run the function; return whether that succeeded."""
        return os.read(self._done_reader, 4) == b"done"

    def end(self) -> int:
        """End it, and return its exit code."""
        os.close(self._end_writer)
        os.close(self._done_reader)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@contextlib.contextmanager
def forked(run: Callable[[], object] = lambda: None) -> Iterator[Child]:
    """Fork a child that runs the function and then lives for the length of a block."""
    child = Child(run)
    try:
        assert child.has_run(), "the child's function failed; see its stderr"
        yield child
    finally:
        code = child.end()
    assert code == 0


def serve_and_connect() -> None:
    """Serve, connect and stop, as a script would."""
    with tk.serve([TICK], port=0) as server, tk.connect(server.url) as feed:
        assert feed.wait(1).latest()["price"].tolist() == [187.25]
        assert len(tk.status()) == 2
    assert tk.status().empty


def test_child_can_use_tickerkit_like_a_new_process() -> None:
    """The child gets a thread, a server and a feed of its own; the parent keeps its own."""
    with tk.serve(port=0) as server, tk.connect(server.url) as feed:
        server.publish(TICK)
        feed.wait(1)
        with forked(serve_and_connect):
            server.publish(TICK)
            feed.wait(1)
            assert tk.status()["kind"].tolist() == ["server", "feed"]
        assert feed.log.stop == 2
        assert feed.gaps.empty


def test_child_of_a_child_can_use_tickerkit_too() -> None:
    """The second child releases the sockets of the first."""

    def fork_again() -> None:
        with tk.serve(port=0) as server, tk.connect(server.url) as feed, forked(serve_and_connect):
            server.publish(TICK)
            feed.wait(1)

    with forked(fork_again):
        pass


def test_port_is_free_while_a_child_lives() -> None:
    """A child that outlives the parent's server keeps neither its port nor its connections."""
    server = tk.serve(port=0)
    port = server.port
    with dial(server.url + "ticks") as client, forked() as child:
        server.publish(TICK)
        server.stop()
        assert [tick["price"] for [tick] in receive_all(client)] == [187.25]
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        assert port_is_free(port)
        assert os.waitpid(child.pid, os.WNOHANG) == (0, 0)
        with tk.serve(port=port):
            pass


def test_connections_end_when_the_parent_is_killed() -> None:
    """The port is free and clients see the end, although a child lives on."""
    code = """
import os, sys, tickerkit as tk
server = tk.serve(port=0)
child = os.fork()
if child:
    print(server.port, child, flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-W", "ignore", "-c", code]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment()) as parent:
        assert parent.stdout is not None
        port, child = map(int, parent.stdout.readline().split())
        with dial(f"ws://127.0.0.1:{port}/ticks") as client:
            parent.kill()
            parent.wait()
            os.kill(child, 0)
            assert receive_all(client) == []
        assert port_is_free(port)
    # The child ends at the end of its stdin, which came with its parent's.


def test_child_releases_a_connection_that_pauses_reading() -> None:
    """A socket that the loop does not watch during the fork is released too."""

    async def connect(port: int) -> asyncio.Transport:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
        transport.pause_reading()
        return transport

    async def abort(transport: asyncio.Transport) -> None:
        transport.abort()

    portal.enter("test")
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            transport = portal.call(connect, listener.getsockname()[1])
            peer, _ = listener.accept()
            with peer, forked():
                portal.call(abort, transport)
                peer.settimeout(5)
                assert peer.recv(1) == b""
    finally:
        portal.leave("test")


def test_child_keeps_files_of_the_user(tmp_path: Path) -> None:
    """A descriptor number that once was a socket may belong to the user's file by now."""
    with tk.serve(port=0) as server:
        for _ in range(20):
            with dial(server.url):
                pass
        with contextlib.ExitStack() as stack:
            paths = [tmp_path / str(number) for number in range(20)]
            files = [stack.enter_context(path.open("wb", buffering=0)) for path in paths]
            with forked(lambda: [file.write(b"by the child") for file in files]):
                assert {path.read_bytes() for path in paths} == {b"by the child"}


def test_services_of_the_parent_are_stopped_in_the_child() -> None:
    """Their data can be read, `stop` does nothing, and calls that need the thread raise Stopped."""
    server = tk.serve(port=0)
    feed = tk.connect(server.url)
    handle = feed.on_ticks(len)
    server.publish(TICK)
    feed.wait(1)

    def use() -> None:
        assert (server.status, feed.status, len(tk.status())) == ("stopped", "stopped", 0)
        assert feed.frame()["price"].tolist() == feed.latest()["price"].tolist() == [187.25]
        assert repr(server), repr(feed)
        with pytest.raises(Stopped, match=r"tk\.connect"):
            feed.wait(1, timeout=None)
        with pytest.raises(Stopped, match=r"tk\.serve"):
            server.publish(TICK)
        handle.stop()
        feed.stop()
        server.stop()
        tk.stop_all()

    with forked(use):
        server.publish(TICK)
        feed.wait(1)
    assert (server.status, feed.status) == ("listening", "live")


def test_child_that_reruns_a_cell_makes_its_own_server(kernel: Kernel) -> None:
    """The server that the cell made runs in the parent and is not replaced."""
    kernel.run("cell")
    with tk.serve(port=0) as server:

        def run_again() -> None:
            kernel.run("cell")
            with tk.serve(port=0) as another:
                assert another.port != server.port

        with forked(run_again):
            pass
        assert server.status == "listening"


def test_child_that_exits_leaves_the_parent_running() -> None:
    """The child's exit handlers stop no service of the parent, and print nothing."""
    code = """
import os, sys, tickerkit as tk
server = tk.serve(port=0)
feed = tk.connect(server.url)
chart = feed.chart()
feed.on_ticks(len)
for price in (1, 2):
    server.publish({"symbol": "A", "price": price})
    feed.wait(1)
    if price == 1 and not os.fork():
        sys.exit(3)
    _, status = os.wait() if price == 1 else (0, 0)
    print(os.waitstatus_to_exitcode(status), server.status, feed.status, feed.log.stop)
"""
    done = run_python("-W", "ignore", "-c", code)
    assert (done.stdout, done.stderr) == ("3 listening live 1\n0 listening live 2\n", "")
    assert done.returncode == 0


def test_figure_is_consistent_in_the_child() -> None:
    """A fork waits for a thread that changes a figure; its lock is free in the child."""
    figure = tk.LiveFigure([{"name": "A"}])
    drawing = threading.Event()

    def draw() -> None:
        with figure._lock:
            drawing.set()
            time.sleep(0.2)  # the fork happens during this time, and waits
            figure.append(1, 2)

    thread = threading.Thread(target=draw)
    thread.start()
    assert drawing.wait(5)
    with forked(lambda: list(figure.data[0].x) == [1] or os.abort()):
        figure.append(2, 3)
    thread.join()
    figure.close()


def test_instruments_are_free_in_the_child() -> None:
    """A lock of instruments that was held during the fork is not held in the child."""
    log = TickLog()
    with (
        Instruments.of(log)._lock,
        forked(lambda: Instruments.of(log)._lock.acquire(blocking=False) or os.abort()),
    ):
        pass


def total(frame: pd.DataFrame) -> float:
    """Return a sum over a part of a frame; runs in a process of a pool."""
    return float(frame["price"].sum())


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")
def test_forked_pool_computes_on_a_frame_while_ticks_arrive(until: Until) -> None:
    """Forked processes compute parts of a frame while the feed continues."""
    source = tk.simulate(["AAPL", "MSFT"], rate=500)
    with tk.serve(source, port=0) as server, tk.connect(server.url) as feed:
        feed.on_ticks(len)
        frame = feed.wait(1000).frame(last=1000)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            parts = pool.map(total, [frame[start : start + 100] for start in range(0, 1000, 100)])
            assert sum(parts) == pytest.approx(frame["price"].sum())
            feed.wait(100)
            pool.close()
            pool.join()
        assert feed.gaps.empty
        seqs = feed.frame()["seq"]
        assert (seqs.diff().dropna() == 1).all()


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for a process's files")
def test_subprocess_inherits_no_descriptors() -> None:
    """A subprocess with a `preexec_fn` has the same open files as one without."""

    def files(before: Callable[[], object] | None) -> bytes:
        command = ["ls", "/proc/self/fd"]
        return subprocess.check_output(command, close_fds=False, preexec_fn=before)

    with tk.serve(port=0) as server, tk.connect(server.url) as feed, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of forks in a process with threads
        assert files(os.getpid) == files(None)
        server.publish(TICK)
        assert feed.wait(1).log.stop == 1
