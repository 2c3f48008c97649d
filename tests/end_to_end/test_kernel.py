"""Life in a real kernel: cells run again, interrupts, restarts, and its end."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import on_posix, port_is_free, run_python
from kernels import CellError, RealKernel, real_kernel
from peers import dial, free_port, receive_all
from soaks import soak

import tickerkit as tk
from tickerkit.runtime.interrupts import Outcome
from tickerkit.runtime.workers import Worker

pytestmark = [pytest.mark.process, pytest.mark.package]

Until = Callable[..., None]

CELL = """
server = tk.serve(tk.simulate(["AAPL", "MSFT"], rate=200, seed=1), port={port})
feed = tk.connect(server.url)
handle = feed.on_ticks(seen.append)
figure = feed.chart()
_ = feed.wait(20)
figure
"""
START = """
import gc, threading, time, tickerkit as tk
seen = []
def ours():
    names = sorted(each.name for each in threading.enumerate() if "tickerkit" in each.name)
    # The one that sends for all figures comes and goes with what there is to send.
    return [name for name in names if name != "tickerkit figures"]
def figures():
    return sum(type(each).__name__ == "LiveFigure" and each.comm is not None
               for each in gc.get_objects())
def blocks():
    blocking.set()
    time.sleep(3600)
blocking = threading.Event()
"""


@pytest.fixture
def real(tmp_path: Path) -> Iterator[RealKernel]:
    """Run a kernel that has tickerkit and a few helpers."""
    with real_kernel(tmp_path) as kernel:
        kernel.run(START)
        yield kernel


@pytest.fixture(scope="module")
def shared_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKernel]:
    """Run one kernel for all tests that do not need a fresh one."""
    with real_kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        yield kernel


@pytest.fixture
def shared(shared_kernel: RealKernel) -> Iterator[RealKernel]:
    """Return the shared kernel with its helpers as new; stop what runs in it after the test."""
    shared_kernel.run(START)
    yield shared_kernel
    shared_kernel.run("tk.stop_all()")


@pytest.mark.parametrize("runs", [5, soak(50)])
def test_a_cell_run_again_leaves_one_of_each(real: RealKernel, runs: int) -> None:
    """One server on its port, one feed, one figure, the same threads, and no tick is lost."""
    count = "print(tk.status()['address'].tolist(), ours(), figures())"
    cell = CELL.format(port=free_port())
    real.run(cell, "cell")
    once = real.run(count)
    for _ in range(runs - 1):
        real.run(cell, "cell")
    assert real.run(count) == once
    real.run("feed.stop()")
    real.run("frame = feed.frame(); per_epoch = frame.groupby('epoch', observed=True)['seq']")
    # Each run's server begins anew; what it had not sent yet when it was replaced is a gap.
    assert real.run("print(frame['epoch'].nunique())") == f"{runs}\n"
    assert real.run("print(per_epoch.min().unique(), per_epoch.diff().dropna().unique())") == (
        "[1] [1.]\n"
    )
    assert (
        real.run("print(len(feed.gaps), feed.gaps['from'].isna().any())") == f"{runs - 1} False\n"
    )
    # From the first tick that the callback was given it has every one, once.
    real.run("called = [int(seq) for each in seen for seq in each['seq']]")
    assert real.run("print(called == frame['seq'].tolist()[-len(called):])") == "True\n"
    assert real.run("print(frame['epoch'].iloc[-len(called)] == frame['epoch'].iloc[0])") == (
        "True\n"
    )


@pytest.mark.parametrize("runs", [5, soak(50)])
def test_a_server_in_a_cell_of_its_own_loses_nothing_to_reruns(real: RealKernel, runs: int) -> None:
    """Where only connect and chart run again, every tick is there, once and in order."""
    serve, *rest = CELL.format(port=0).strip().splitlines()
    real.run(serve, "serve")
    for _ in range(runs):
        real.run("\n".join(rest), "chart")
    real.run("feed.stop()")
    real.run("seqs = feed.frame()['seq']")
    assert real.run("print(seqs.tolist() == list(range(1, len(seqs) + 1)), len(feed.gaps))") == (
        "True 0\n"
    )


def test_what_reruns_replace_is_freed(real: RealKernel) -> None:
    """Of what holds ticks or draws them the newest is left in memory, whatever Out[] keeps."""
    cell = CELL.format(port=free_port())
    kinds = ("TickLog", "Follower", "LiveFigure", "Feed", "ThreadServer", "Callback")
    count = f"""
gc.collect()
found = [type(each).__name__ for each in gc.get_objects()]
print([found.count(kind) for kind in {kinds}])
"""
    real.run(cell, "cell")
    real.run(cell, "cell")
    twice = real.run(count)
    for _ in range(3):
        real.run(cell, "cell")
    assert real.run(count) == twice


@on_posix
@pytest.mark.parametrize(
    "blocking",
    [
        "feed.wait(10**9, timeout=None)",
        "tk.serve(blocks, port=port); server.stop()",
        "tk.stop_all()",
    ],
)
def test_an_interrupt_ends_what_blocks(shared: RealKernel, blocking: str) -> None:
    """The stop button ends the waiting, and nothing is left half running."""
    port = free_port()
    shared.run(f"port = {port}")
    shared.run("server = tk.serve(blocks, port=port); feed = tk.connect(server.url)")
    shared.run("blocking.wait()")
    # Should it be over before the interrupt comes, the cell still has something to interrupt.
    run = shared.begin(f"print('now', flush=True)\n{blocking}\ntime.sleep(3600)")
    shared.wait_for_text(run, "now")
    shared.interrupt()
    with pytest.raises(CellError, match="KeyboardInterrupt"):
        shared.end(run)
    if "wait" in blocking:
        shared.run("server.publish({'symbol': 'A', 'price': 1}); feed.wait(1)")
        assert shared.run("print(feed.status, server.status)") == "live listening\n"
    shared.run("tk.stop_all()")
    assert port_is_free(port)
    assert "'tickerkit'" not in shared.run("print(ours())")


def no_news() -> list[object]:
    """Return what a function with nothing new returns."""
    return []


@pytest.mark.parametrize("moment", ["while connections close", "while the source ends"])
def test_an_interrupted_stop_leaves_nothing_running(
    moment: str, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """Wherever the interrupt comes, the port is free and no thread is left."""
    server = tk.serve(no_news, port=0)
    cancel = Worker.cancel

    def interrupted_wait(_: Outcome[None]) -> None:
        raise KeyboardInterrupt

    def interrupted_cancel(worker: Worker, timeout_s: float = 1.0) -> bool:
        if timeout_s:
            raise KeyboardInterrupt
        return cancel(worker, timeout_s)

    with dial(server.url + "ticks") as client:
        if moment == "while connections close":
            monkeypatch.setattr(Outcome, "wait", interrupted_wait)
        else:
            monkeypatch.setattr(Worker, "cancel", interrupted_cancel)
        with pytest.raises(KeyboardInterrupt):
            server.stop()
        monkeypatch.undo()
        assert receive_all(client) == []
    until(lambda: port_is_free(server.port))
    until(lambda: not any("tickerkit" in each.name for each in threading.enumerate()))


def test_a_restarted_kernel_has_its_port_again(real: RealKernel, until: Until) -> None:
    """The port is free once the old process has ended, and the same cell takes it again."""
    port = free_port()
    cell = CELL.format(port=port)
    real.run(cell, "cell")
    real.restart()
    until(lambda: port_is_free(port))
    real.until_ready()
    real.run(START)
    real.run(cell, "cell")
    assert real.run("print(server.port, feed.status)") == f"{port} live\n"


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for a process's children")
def test_a_killed_kernel_leaves_nothing_behind(
    real: RealKernel, until: Until, tmp_path: Path
) -> None:
    """Without a chance to tidy up there is still no port, process or temporary file of it."""
    before = set(tmp_path.rglob("*"))
    port = free_port()
    real.run(CELL.format(port=port), "cell")
    children = Path(f"/proc/{real.pid}/task/{real.pid}/children").read_text()
    real.kill()
    until(lambda: port_is_free(port))
    assert children == ""
    assert set(tmp_path.rglob("*")) <= before


def test_threads_neither_print_nor_stop_for_a_cell_that_computes(shared: RealKernel) -> None:
    """While a cell holds the interpreter ticks wait, none is lost, and nothing is written."""
    shared.run(CELL.format(port=0), "cell")
    # A sort in C, which lets no other thread run.
    assert shared.run("import random; _ = sorted(random.random() for _ in range(2_000_000))") == ""
    shared.run("last = server.log.stop; end = time.monotonic() + 30")
    shared.run("while feed.log.stop < last and time.monotonic() < end: time.sleep(0.01)")
    shared.run("seqs = feed.frame()['seq']")
    assert shared.run("print(seqs.tolist() == list(range(1, len(seqs) + 1)), len(feed.gaps))") == (
        "True 0\n"
    )
    assert shared.run("print(feed.stats['reconnects'], len(seqs) >= last)") == "0 True\n"


SCRIPT = """
import sys, threading, time, tickerkit as tk
blocking = threading.Event()
def blocks():
    blocking.set()
    time.sleep(3600)
by_hand = tk.serve(port=0)
blocked = tk.serve(blocks, port=0)
feed = tk.connect(by_hand.url)
for _ in range(3):
    feed.on_ticks(lambda frame: blocks())
figure = feed.chart()
by_hand.publish({"symbol": "A", "price": 1})
feed.wait(1)
blocking.wait()
"""


@pytest.mark.parametrize(
    ("ending", "code", "stderr"),
    [
        ("", 0, ""),
        pytest.param("sys.exit(3)", 3, "", marks=pytest.mark.soak),
        pytest.param("1 / 0", 1, "ZeroDivisionError: division by zero\n", marks=pytest.mark.soak),
    ],
)
def test_a_script_exits_though_code_of_the_users_blocks(
    ending: str, code: int, stderr: str
) -> None:
    """Its exit code is its own, and nothing is written but what it does itself."""
    done = run_python("-c", SCRIPT + ending)
    last = done.stderr.splitlines(keepends=True)[-1:]
    assert (done.returncode, done.stdout, "".join(last)) == (code, "", stderr)


def test_importing_patches_nothing() -> None:
    """After the import asyncio, threading, signals and hooks are those of Python itself."""
    code = """
import asyncio, signal, sys, threading
def state():
    return [
        asyncio.run, asyncio.Task, asyncio.Future, asyncio.get_event_loop_policy(),
        threading.Thread.run, threading.excepthook, sys.excepthook, sys.unraisablehook,
        sys.displayhook, sys.stdout, sys.stderr, threading.active_count(),
        *(signal.getsignal(number) for number in signal.valid_signals()),
    ]
before = state()
import tickerkit
for name in tickerkit.__all__:
    getattr(tickerkit, name)
assert state() == before
"""
    done = run_python("-W", "error::ImportWarning", "-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
