"""process: a server in a process of its own behaves like any other, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import ssl
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cells import Kernel
from commands import environment, on_posix, port_is_free, run_python
from mirrors import make_mirrored_server
from peers import LOCAL, another_program, dial, free_port, receive, receive_all
from websockets.exceptions import ConnectionClosed, InvalidStatus

import tickerkit as tk
from tickerkit.errors import BadTick, PortTaken, ServerFailed, SourceError, Stopped, TickerkitError
from tickerkit.runtime import registry
from tickerkit.runtime.threads import BackgroundThread
from tickerkit.server.process import ProcessServer, child
from tickerkit.server.process import server as process
from tickerkit.ticks import read_ticks

pytestmark = [pytest.mark.process, pytest.mark.package]

Until = Callable[..., None]

TICK = {"symbol": "AAPL", "price": 187.25}
LATE_S = 60


def serve(source: object = None, **options: Any) -> ProcessServer:
    """Serve in a process of its own, on a free port."""
    server = tk.serve(source, **{"port": 0, **options}, process=True)
    assert isinstance(server, ProcessServer)
    return server


def is_alive(pid: int) -> bool:
    """Return whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with contextlib.suppress(OSError):  # a zombie is dead
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def pid_of(server: ProcessServer) -> int:
    """Return the id of a server's running process."""
    assert server.pid is not None
    return server.pid


def prices(server: tk.TickServer) -> list[float]:
    """Return the prices in a server's log."""
    return list(server.log.frame()["price"])


def cell(code: str) -> dict[str, Any]:
    """Run code as a notebook's cell; return its names."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(textwrap.dedent(code), "<cell>", "exec"), names)
    return names


# --- the interface of any server --------------------------------------------------------------


def test_process_server_has_the_interface_of_any_server(until: Until) -> None:
    """It listens when `serve` returns, in another process, with the same attributes."""
    server = serve()
    assert pid_of(server) != os.getpid()
    assert server.url == f"ws://127.0.0.1:{server.port}/"
    assert server.page == f"http://127.0.0.1:{server.port}/"
    assert (server.host, server.status, server.page_for_others) == (LOCAL, "listening", "")
    assert isinstance(server, tk.TickServer)
    assert registry.running() == [server]
    server.publish([TICK] * 3)
    with dial(server.url) as peer:
        assert receive(peer)[0]["symbol"] == "AAPL"
        until(lambda: server.stats["clients"] == 1)
        assert server.clients["kind"].tolist() == ["prices"]
        about = f"3 ticks, 1 client, in process {server.pid}"
        assert repr(server) == f"<TickServer {server.url} listening, {about}>"
        assert tk.status()["about"].tolist() == [about]
        assert server.page in server._repr_html_()
    with tk.serve(None, port=0) as usual:
        assert set(server.stats) == set(usual.stats)
        assert list(server.clients) == list(usual.clients)


def test_log_is_a_mirror(until: Until) -> None:
    """The mirror has the epoch, seqs, values and units that a feed gets."""
    source = tk.simulate(["AAPL", "MSFT"], rate=500, seed=1)
    source.units = {"price": "USD"}
    server = serve(source)
    feed = tk.connect(server.url, history=None)
    feed.wait(1000)
    server.publish({"symbol": "BY HAND", "price": 1, "note": "x"})
    until(lambda: "BY HAND" in feed.log.symbols())
    server.stop()
    mine, theirs = (log.frame().drop(columns="received") for log in (server.log, feed.log))
    assert len(mine) >= len(theirs)
    pd.testing.assert_frame_equal(mine.iloc[: len(theirs)], theirs, check_categorical=False)
    assert mine["seq"].tolist() == list(range(1, len(mine) + 1))
    assert server.log.epoch == feed.log.epoch
    assert server.log.units == feed.units == {"price": "USD"}
    assert len(mine) == server.stats["ticks"]


class Gappy(tk.Source):
    """Sends ticks with gaps, the last one at the end."""

    async def run(self, out: tk.Outlet) -> None:
        """Send the ticks and gaps."""
        await out.gap(4, "before all")
        for missing in (2, None, 3):
            await out.send([TICK, TICK])
            await out.gap(missing, "lost")


def test_mirror_has_the_gaps(until: Until) -> None:
    """The mirror's ticks have the same seqs, with the same gaps between them."""
    with serve(Gappy()) as server:
        until(lambda: server.status == "ended")
        server.publish(TICK)
        assert server.log.frame()["seq"].tolist() == [5, 6, 9, 10, 1, 2, 6]
        assert server.gaps["from"].tolist() == [1, 7, 11, 3]
        assert server.gaps["to"].fillna(0).tolist() == [4, 8, 0, 5]
        assert server.gaps["reason"].tolist() == ["before all", *["lost"] * 3]
        with tk.connect(server.url, history=None) as feed:
            feed.wait(7)
            assert feed.log.frame()["epoch"].tolist() == server.log.frame()["epoch"].tolist()
            pd.testing.assert_frame_equal(feed.gaps, server.gaps)


def test_published_ticks_are_in_the_mirror_at_once() -> None:
    """When `publish` returns, they are in both logs, in whatever form they were given."""
    server = serve()
    for ticks in (TICK, [TICK], pd.DataFrame([TICK]), '{"symbol": "AAPL", "price": 187.25}'):
        server.publish(ticks)
    assert prices(server) == [187.25] * 4


def test_publish_appends_good_ticks_and_raises_for_bad_ones() -> None:
    """The error holds the first bad value; the process counts it as refused."""
    server = serve()
    value = threading.Lock()
    with pytest.raises(BadTick) as caught:
        server.publish([{**TICK, "price": 1}, {**TICK, "price": value}, {**TICK, "price": 2}])
    assert caught.value.value is value
    assert prices(server) == [1, 2]
    assert server.stats["refused"] == 1
    assert "price" in server.stats["last_error"]


def test_publish_accepts_subclasses_of_str() -> None:
    """The process does not know their class, such as an enum defined in a cell."""

    class Odd(str):
        pass

    with serve() as server:
        server.publish({"symbol": Odd("A"), "price": 1, Odd("note"): Odd("x"), Odd("more"): [1]})
        assert prices(server) == [1]
        assert server.stats["misfits"] == {"more": 1}
        with pytest.raises(BadTick, match="price is not a number"):
            server.publish({"symbol": "A", "price": Odd("much")})
        assert server.status == "listening"


def test_publish_after_the_end_reaches_the_mirror(until: Until) -> None:
    """The mirror continues after the end of the source."""
    server = serve([TICK, TICK])
    until(lambda: server.status == "ended")
    assert prices(server) == [187.25] * 2
    for price in (1, 2):
        server.publish({**TICK, "price": price})
    assert prices(server)[2:] == [1, 2]
    assert (server.status, server.stats["status"]) == ("ended", "ended")


def test_publish_right_after_the_end_is_mirrored() -> None:
    """The ticks arrive even if the mirror's thread is not waiting for a message yet."""
    server = make_mirrored_server()

    async def receive_types() -> list[str]:
        types = [(await server.next_message())[0]]
        await server._end()
        while b"end" not in types[-1]:
            types.append((await server.next_message())[0])
        await server._publish(read_ticks(TICK))
        types.append((await asyncio.wait_for(server.next_message(), LATE_S))[0])
        return [json.loads(message)["type"] for message in types]

    assert asyncio.run(receive_types()) == ["hello", "at", "end", "ticks"]


def test_mirror_is_not_a_client(until: Until) -> None:
    """The mirror is not in `clients`, and does not count towards `max_clients`."""
    server = serve(max_clients=1, history=2)
    for _ in range(3):
        server.publish(TICK)
    assert server.clients.empty
    assert (server.stats["clients"], server.stats["connections"]) == (0, 0)
    assert (len(server.log), server.stats["held"]) == (2, 2)
    with dial(server.url):
        until(lambda: len(server.clients) == 1)
        with pytest.raises(InvalidStatus):
            dial(server.url)


def test_process_server_requires_its_token() -> None:
    """The token is in the addresses, and not in the process's command line."""
    server = serve(token="open sesame")
    server.publish(TICK)
    with dial(server.url) as peer:
        assert receive(peer)[0]["price"] == 187.25
    with dial(server.url.partition("?")[0]) as peer, pytest.raises(ConnectionClosed) as refused:
        peer.recv(5)
    assert refused.value.rcvd is not None
    assert refused.value.rcvd.code == 1008
    command = Path(f"/proc/{server.pid}/cmdline")
    if command.exists():
        assert b"sesame" not in command.read_bytes()


def test_tls_works_with_paths_only(tmp_path: Path) -> None:
    """The paths of a certificate and its key are sent; a context is refused."""
    trustme = pytest.importorskip("trustme")
    authority, pair = trustme.CA(), (tmp_path / "cert.pem", tmp_path / "key.pem")
    made = authority.issue_cert(LOCAL)
    made.cert_chain_pems[0].write_to_path(pair[0])
    made.private_key_pem.write_to_path(pair[1])
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    server = serve([TICK], ssl=pair)
    assert server.url.startswith("wss:")
    with tk.connect(server.url, ssl=tmp_path / "ca.pem") as feed:
        assert feed.wait(1).frame()["price"].tolist() == [187.25]
    with pytest.raises(TypeError, match="paths of the certificate"):
        serve(ssl=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def test_clients_are_served_while_this_process_computes() -> None:
    """A computation that blocks every thread here delays no client."""
    listen = """
        import sys, time
        from websockets.sync.client import connect
        with connect(sys.argv[1], compression=None, proxy=None) as peer:
            print("here", flush=True)
            while True:
                peer.recv()
                print(time.monotonic(), flush=True)
    """
    server = serve(tk.simulate(["AAPL"], rate=100))
    command = [sys.executable, "-c", textwrap.dedent(listen), server.url + "ticks"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as peer:
        assert peer.stdout is not None
        assert peer.stdout.readline() == "here\n"
        begin = time.monotonic()
        while time.monotonic() - begin < 1:
            sum(range(10_000_000))  # one step of the interpreter, which lets no other thread run
        end = time.monotonic()
        while float(peer.stdout.readline()) < begin:
            pass
        assert sum(begin < float(peer.stdout.readline()) < end for _ in range(20)) == 20
        peer.kill()


# --- sources sent to the process --------------------------------------------------------------


def test_function_of_a_cell_is_polled_in_the_process(until: Until) -> None:
    """The function is sent together with everything that it uses from other cells."""
    names = cell("""
        import os, math
        base = 40
        def more(x):
            return base + x
        def fetch():
            return {"symbol": "A", "price": more(math.floor(2.5)), "pid": os.getpid()}
    """)
    server = serve(names["fetch"], every=0.01)
    until(lambda: len(server.log) > 2)
    frame = server.log.frame()
    assert set(frame["price"]) == {42}
    assert set(frame["pid"]) == {server.pid}


def test_generator_function_and_source_class_of_a_cell_run_in_the_process(until: Until) -> None:
    """Classes defined in a notebook are sent too."""
    names = cell("""
        import tickerkit as tk
        def ticks():
            for price in range(1, 4):
                yield {"symbol": "A", "price": price}
        class Own(tk.Source):
            async def run(self, out):
                await out.send({"symbol": "A", "price": 4})
    """)
    for source, expected in ((names["ticks"], [1, 2, 3]), (names["Own"](), [4])):
        with serve(source) as server:
            until(lambda server=server: server.status == "ended")
            assert prices(server) == expected


def test_recording_is_replayed_in_the_process(until: Until) -> None:
    """The replay's DataFrame is sent to the process; this process can't control the replay."""
    frame = pd.DataFrame({"symbol": "A", "price": np.arange(1.0, 1001.0)})
    replay = tk.replay(frame, speed=float("inf"))
    server = serve(replay)
    with pytest.raises(TickerkitError, match="serve it without process=True"):
        replay.controls()
    until(lambda: server.status == "ended")
    assert prices(server) == frame["price"].tolist()
    assert "1,000 ticks" in server._repr_html_()


def test_source_that_cannot_be_pickled_is_refused_with_the_fix() -> None:
    """For example a running generator, or a function that uses a lock."""
    held = threading.Lock()
    for source in ((each for each in [TICK]), lambda: held):
        with pytest.raises(SourceError, match="without process=True"):
            serve(source)
    assert registry.running() == []


def test_source_that_cannot_be_restored_is_a_source_error() -> None:
    """An error while unpickling in the process is raised here."""
    names = cell("""
        class Odd(list):
            def __reduce__(self):
                return int, ("seventeen",)
    """)
    with pytest.raises(SourceError, match=r"can't be restored .*seventeen"):
        serve(names["Odd"]([1]))
    assert registry.running() == []


def test_output_of_a_source_is_not_shown(until: Until, capfd: pytest.CaptureFixture[str]) -> None:
    """The output disturbs neither the notebook nor the messages between the processes."""
    names = cell("""
        import os, sys
        def ticks():
            print("x" * 100_000)
            print("error", file=sys.stderr)
            os.system("echo also")
            yield {"symbol": "A", "price": 1}
    """)
    server = serve(names["ticks"])
    until(lambda: prices(server) == [1])
    server.stop()
    assert capfd.readouterr() == ("", "")


# --- failures at the start --------------------------------------------------------------------


def test_taken_port_raises_port_taken() -> None:
    """`PortTaken` has the same attributes as for a server in this process."""
    with another_program() as (pid, port), pytest.raises(PortTaken) as caught:
        serve(port=port)
    assert (caught.value.host, caught.value.port) == (LOCAL, port)
    assert "pass port=0" in str(caught.value)
    if caught.value.holder is not None:
        assert f"(pid {pid})" in caught.value.holder
    assert registry.running() == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"source": 17}, SourceError),
        ({"host": "192.0.2.1"}, OSError),
        ({"history": 0}, ValueError),
        ({"ssl": ("no.pem", "no.key")}, FileNotFoundError),
    ],
)
def test_failed_serve_leaves_nothing_running(
    options: dict[str, Any], error: type[Exception]
) -> None:
    """The error is raised by `serve`, in whichever process it occurs."""
    with pytest.raises(error):
        serve(**options)
    assert registry.running() == []


def test_process_that_does_not_start_raises_with_its_stderr(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error holds the exit code and the last lines of stderr."""
    code = "import sys; print('first', file=sys.stderr); sys.exit('no room')"
    monkeypatch.setattr(child, "COMMAND", ["-c", code])
    with pytest.raises(ServerFailed, match=r"exit code 1\): no room") as caught:
        serve()
    assert caught.value.__notes__ == ["It wrote last:\nfirst\nno room"]


@pytest.mark.parametrize("late_s", [0.1, 0.5])
def test_process_may_end_before_all_its_output_is_connected(
    monkeypatch: pytest.MonkeyPatch, late_s: float
) -> None:
    """The error says how it ended, however busy the machine is."""
    connect = asyncio.BaseEventLoop.connect_read_pipe

    async def connect_late(loop: Any, make_protocol: Any, pipe: Any) -> Any:
        connected = await connect(loop, make_protocol, pipe)
        await asyncio.sleep(late_s)
        return connected

    monkeypatch.setattr(asyncio.BaseEventLoop, "connect_read_pipe", connect_late)
    monkeypatch.setattr(child, "COMMAND", ["-c", "import sys; sys.exit('no room')"])
    with pytest.raises(ServerFailed, match=r"exit code 1\): no room"):
        serve()


@on_posix
@pytest.mark.parametrize("beside", [False, True])
def test_interrupted_start_leaves_nothing_running(
    monkeypatch: pytest.MonkeyPatch, beside: bool
) -> None:
    """Whether or not other services use the loop, the process ends."""
    other = tk.serve(None, port=0) if beside else None
    monkeypatch.setattr(child, "COMMAND", ["-c", f"import time; time.sleep({LATE_S})"])
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        serve()
    assert registry.running() == ([] if other is None else [other])
    # The fixture `nothing_left` checks that the process is gone.


# --- stop -------------------------------------------------------------------------------------


def test_stop_frees_the_port_and_ends_the_process() -> None:
    """Stop is idempotent, and the last stats stay readable."""
    server = serve()
    pid, port = pid_of(server), server.port
    server.publish([TICK] * 5)
    with dial(server.url) as peer:
        server.stop()
        receive_all(peer)
        assert (peer.close_code, peer.close_reason) == (1001, "the server is stopping")
    assert not is_alive(pid)
    assert port_is_free(port)
    server.stop()
    assert (server.status, server.pid, server.stats["ticks"]) == ("stopped", None, 5)
    assert (server.stats["clients"], len(server.clients), len(server.log)) == (0, 0, 5)
    assert "stopped" in repr(server)
    with pytest.raises(Stopped, match=r"tk\.serve"):
        server.publish(TICK)
    with pytest.raises(Stopped):
        server.start()


def test_no_thread_is_left_after_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that waits for the process's end has itself ended when `stop` returns."""
    is_joined = threading.Event()
    wait_for_exit, join_within = child.ChildProcess._wait_for_exit, BackgroundThread.join_within

    def wait_and_linger(self: child.ChildProcess) -> None:
        wait_for_exit(self)
        is_joined.wait(10)  # as on a busy machine, where a thread may wait for its turn

    def note_and_join(self: BackgroundThread, timeout_s: float) -> bool:
        if self.name.startswith("tickerkit process"):
            is_joined.set()
        return join_within(self, timeout_s)

    monkeypatch.setattr(child.ChildProcess, "_wait_for_exit", wait_and_linger)
    monkeypatch.setattr(BackgroundThread, "join_within", note_and_join)
    serve().stop()
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("tickerkit process")]


def test_stop_all_and_a_with_block_stop_it() -> None:
    """`stop_all` and the end of a `with` block end the process."""
    with serve() as first:
        pass
    second = serve()
    pid = pid_of(second)
    tk.stop_all()
    assert (first.status, second.status) == ("stopped", "stopped")
    assert not is_alive(pid)


def test_rerun_replaces_a_server_of_either_kind(kernel: Kernel) -> None:
    """The new server takes the port, and clients of the old one get 1012."""
    last, port = None, 0
    for in_process in (True, True, False, True):
        kernel.run("cell")
        with contextlib.ExitStack() as stack:
            peer = None if last is None else stack.enter_context(dial(last.url))
            server = tk.serve(None, port=0, process=in_process)
            if peer is not None and last is not None:
                receive_all(peer)
                assert (peer.close_code, last.status) == (1012, "stopped")
        assert server.port == (port or server.port)
        last, port = server, server.port
        assert registry.running() == [server]


def test_server_on_the_same_port_is_replaced() -> None:
    """A new server of either kind replaces it, also outside a notebook."""
    port = free_port()
    first = serve(port=port)
    second = tk.serve(None, port=port)
    third = serve(port=port)
    assert (first.status, second.status, third.status) == ("stopped", "stopped", "listening")


def test_blocked_source_does_not_delay_stop(until: Until) -> None:
    """The source ends with its process."""
    names = cell("""
        import time, threading
        def ticks():
            yield {"symbol": "A", "price": 1}
            threading.Thread(target=time.sleep, args=(3600,)).start()
            time.sleep(3600)
    """)
    server = serve(names["ticks"])
    until(lambda: prices(server) == [1])
    pid = pid_of(server)
    server.stop()
    assert not is_alive(pid)
    assert port_is_free(server.port)


@on_posix
def test_killed_process_is_reported_as_failed(until: Until) -> None:
    """Methods raise ServerFailed, and the port can be served again."""
    server = serve()
    server.publish(TICK)
    assert server.stats["ticks"] == 1
    server.publish(TICK)
    os.kill(pid_of(server), signal.SIGKILL)
    until(lambda: server.status == "failed")
    assert "was killed (SIGKILL)" in repr(server)
    assert "was killed (SIGKILL)" in server.stats["last_error"]
    assert (server.stats["ticks"], server.stats["held"], len(server.clients)) == (2, 2, 0)
    assert prices(server) == [187.25] * 2
    assert tk.status()["status"].tolist() == ["failed"]
    assert "href" not in server._repr_html_()
    with pytest.raises(ServerFailed, match=r"tk\.serve"):
        server.publish(TICK)
    again = serve(port=server.port)
    assert (server.status, again.status) == ("stopped", "listening")
    assert "was killed" in server.stats["last_error"]


def test_process_that_dies_reports_its_stderr(tmp_path: Path, until: Until) -> None:
    """Its stderr is in the error, and the last line in the stats."""
    names = cell("""
        import os, sys, time
        def ticks():
            while not path.exists():
                time.sleep(0.01)
            print("out of luck", file=sys.stderr)
            os._exit(3)
            yield
    """)
    names["path"] = tmp_path / "now"
    server = serve(names["ticks"])
    names["path"].touch()
    until(lambda: server.status == "failed")
    assert "ended by itself (exit code 3): out of luck" in server.stats["last_error"]
    with pytest.raises(ServerFailed) as caught:
        server.publish(TICK)
    assert "out of luck" in caught.value.__notes__[0]


@on_posix
def test_hung_process_does_not_block_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls raise after a timeout; a repr shows the last known stats."""
    server = serve()
    pid = pid_of(server)
    assert server.stats["ticks"] == 0
    server.publish([TICK] * 3)
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(process, "ANSWER_S", 0.1)
    monkeypatch.setattr(process, "QUICK_ANSWER_S", 0.1)
    monkeypatch.setattr(process, "STOP_S", 0.1)
    asking: list[Callable[[], object]] = [
        lambda: server.stats,
        lambda: server.clients,
        lambda: server.publish(TICK),
        lambda: server.publish([{**TICK, "note": "x" * 200}] * 2000),  # more than the pipe's buffer
    ]
    for ask in asking:
        with pytest.raises(ServerFailed, match=r"has not answered for .* wait, or stop the server"):
            ask()
    assert "has not answered" in repr(server)
    assert "3 ticks" in repr(server), "the mirror has them"
    assert tk.status()["status"].tolist() == ["listening"]
    assert "3 ticks" in tk.status()["about"].item()
    server.stop()
    assert not is_alive(pid)
    assert port_is_free(server.port)


# --- the end of the parent --------------------------------------------------------------------


@contextlib.contextmanager
def script(code: str, *names: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Run a script that serves in a process of its own, in a group of its own.

    Yields the process and the numbers that it prints first: the values of `names`.
    """
    begin = "import os, signal, sys, time, tickerkit as tk\n"
    begin += "server = tk.serve([{'symbol': 'A', 'price': 1}], port=0, process=True)\n"
    report = f"print({', '.join(names)}, flush=True)\n"
    command = [sys.executable, "-W", "ignore", "-c", begin + code.replace("REPORT\n", report)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, env=environment(), start_new_session=True
    ) as parent:
        assert parent.stdout is not None
        try:
            yield parent, [int(word) for word in parent.stdout.readline().split()]
        finally:
            parent.kill()


@on_posix
@pytest.mark.parametrize("fork", [False, True])
def test_process_ends_with_its_parent(fork: bool, until: Until) -> None:
    """The process ends even if the parent is killed while a forked child of it lives."""
    code = "forked = 0\nREPORT\nsys.stdin.read()\n"
    if fork:
        code = "forked = os.fork()\nif forked:\n    REPORT\nsys.stdin.read()\n"
    with script(code, "server.pid", "server.port", "forked") as (parent, numbers):
        pid, port, forked = numbers
        assert is_alive(pid)
        assert not port_is_free(port)
        parent.kill()
        parent.wait()
        until(lambda: not is_alive(pid), LATE_S)
        assert port_is_free(port)
        assert not fork or is_alive(forked)


@on_posix
def test_process_ends_with_a_script_that_never_stops_it() -> None:
    """The script exits at once."""
    with script("REPORT\n", "server.pid", "server.port") as (parent, (pid, port)):
        assert parent.wait(LATE_S) == 0
        assert not is_alive(pid)
        assert port_is_free(port)


def test_process_needs_no_child_watcher_of_the_event_loop_policy() -> None:
    """It starts and ends under uvloop too, whose policy has no child watcher."""
    code = """if True:
        import asyncio, threading

        class Policy(asyncio.DefaultEventLoopPolicy):
            def get_child_watcher(self):
                raise NotImplementedError

        asyncio.set_event_loop_policy(Policy())
        import tickerkit as tk

        with tk.serve(None, port=0, process=True) as server, tk.connect(server.url) as feed:
            server.publish({"symbol": "AAPL", "price": 187.25})
            print(feed.wait(1).frame()["price"].tolist(), server.stats["ticks"])
        print(server.status, threading.active_count())
    """
    done = run_python("-W", "ignore::DeprecationWarning", "-c", code)
    assert (done.stdout, done.stderr) == ("[187.25] 1\nstopped 1\n", "")


@on_posix
def test_ctrl_c_does_not_reach_the_process() -> None:
    """Ctrl-C ends a cell but not the servers."""
    code = (
        # Not signal.pause(): a signal that comes right before it would be waited for again.
        "try:\n    REPORT\n    while True:\n        time.sleep(0.01)\nexcept KeyboardInterrupt:\n"
        "    server.publish({'symbol': 'A', 'price': 2})\n"
        "    print(server.log.frame()['price'].tolist())\n"
    )
    with script(code, "server.pid") as (parent, _):
        os.killpg(parent.pid, signal.SIGINT)
        assert parent.stdout is not None
        assert parent.stdout.read() == "[1.0, 2.0]\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_process_server_counts_as_stopped_in_a_forked_child() -> None:
    """The child can read and stop its copy; the server continues to run for the parent."""
    code = """
import gc
forked = os.fork()
if not forked:
    assert (server.status, server.pid, len(tk.status())) == ("stopped", None, 0)
    assert repr(server) and server.clients.empty and server.stats["status"] == "stopped"
    server.stop()
    del server
    gc.collect()
    with tk.serve(None, port=0, process=True) as own:
        own.publish({'symbol': 'B', 'price': 2})
    os._exit(0)
_, code = os.waitpid(forked, 0)
server.publish({'symbol': 'A', 'price': 2})
n = len(server.log)
REPORT
"""
    with script(code, "code", "n") as (_, numbers):
        assert numbers == [0, 2]
