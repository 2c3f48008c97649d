"""Times of a kernel's life: `python -m bench.kernel`, with the group `test` installed.

Prints how soon a kernel obeys an interrupt, how soon a port is free after a restart and after a
kill, what is left after the kill, and how long a script takes to exit.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from commands import environment, port_is_free
from kernels import CellError, RealKernel, real_kernel
from peers import free_port

ROUNDS = 5
START = """
import threading, time, tickerkit as tk
blocking = threading.Event()
def blocks(*_):
    blocking.set()
    time.sleep(3600)
"""
SERVE = """
server = tk.serve(tk.simulate(["AAPL", "MSFT"], rate=200), port={port})
feed = tk.connect(server.url)
feed.on_ticks(len)
figure = feed.chart()
_ = feed.wait(20)
"""
SERVE_BLOCKED = """
tk.stop_all()
blocking.clear()
server = tk.serve(blocks, port={port})
by_hand = tk.serve(port=0)
feed = tk.connect(by_hand.url)
blocking.wait()
"""
WAITS = ("feed.wait(10**9, timeout=None)", "server.stop()", "tk.stop_all()")
BLOCKED_CALLBACK = """
feed.on_ticks(blocks)
feed.on_ticks(blocks)
"""
BLOCKED_SOURCE = "blocked = tk.serve(blocks, port=0)\n"


def timed(what: str, measure: Callable[[], float]) -> None:
    values = [measure() for _ in range(ROUNDS)]
    print(f"{what:58} {statistics.median(values):7.3f} s, at most {max(values):.3f} s", flush=True)


def until_free(port: int) -> None:
    while not port_is_free(port):
        time.sleep(0.001)


def interrupt(kernel: RealKernel, call: str) -> float:
    kernel.run(SERVE_BLOCKED.format(port=free_port()))
    run = kernel.begin(f"print('now', flush=True)\n{call}\ntime.sleep(3600)")
    kernel.wait_for_text(run, "now")
    time.sleep(0.1)  # well into the call
    began = time.monotonic()
    kernel.interrupt()
    try:
        kernel.end(run)
    except CellError:
        return time.monotonic() - began
    raise AssertionError(f"{call} was not interrupted")


def restart(kernel: RealKernel) -> float:
    port = free_port()
    kernel.run(START + SERVE.format(port=port))
    with ThreadPoolExecutor() as pool:  # the restart also waits for the new process
        began = time.monotonic()
        restarted = pool.submit(kernel.restart)
        until_free(port)
        ended = time.monotonic()
        restarted.result()
    kernel.until_ready()
    return ended - began


def kill() -> float:
    with tempfile.TemporaryDirectory() as folder, real_kernel(Path(folder)) as kernel:
        port = free_port()
        kernel.run(START)
        before = set(Path(folder).rglob("*"))
        kernel.run(SERVE.format(port=port))
        children = Path(f"/proc/{kernel.pid}/task/{kernel.pid}/children").read_text().split()
        began = time.monotonic()
        kernel.kill()
        until_free(port)
        ended = time.monotonic()
        files = sorted(str(path) for path in set(Path(folder).rglob("*")) - before)
        if children or files:
            print(f"left by a killed kernel: children {children}, files {files}")
    return ended - began


def leave(more: str) -> float:
    script = f"{START}{SERVE.format(port=0)}{more}"
    script += "\nblocking.wait()" if more else ""
    script += "\nprint(time.monotonic(), flush=True)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    if done.stderr:
        print(f"it wrote to stderr: {done.stderr}")
    return time.monotonic() - float(done.stdout)


def main() -> None:
    argparse.ArgumentParser(prog="python -m bench.kernel", description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder, real_kernel(Path(folder)) as kernel:
        kernel.run(START)
        for call in WAITS:
            timed(f"interrupt of {call}", lambda call=call: interrupt(kernel, call))
        timed("restart until the port is free", lambda: restart(kernel))
    timed("kill until the port is free", kill)
    timed("exit of server, feed, callback and chart", lambda: leave(""))
    timed("exit, and a source that blocks", lambda: leave(BLOCKED_SOURCE))
    both = BLOCKED_SOURCE + BLOCKED_CALLBACK
    timed("exit, and a source and two callbacks that block", lambda: leave(both))


if __name__ == "__main__":
    main()
