"""Load balancers: HAProxy and nginx, run with the files of `deploy/` on this machine."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from peers import LOCAL, ask, free_port

__all__ = ["BALANCERS", "DEPLOY", "Balancer", "check", "run_balancer"]

DEPLOY = Path(__file__).parents[2] / "deploy"
BALANCERS = ("haproxy", "nginx")
START_S = 10.0


class Balancer:
    """A balancer that runs.

    Attributes:
        port: the port that it listens on.
        url: the address for readers.
        log: the file with what it prints.
    """

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self.url = f"ws://{LOCAL}:{port}/"
        self.log = log


def find_program(name: str) -> str:
    """Return the path of a balancer; skip without it, or fail where it must be there."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        if os.environ.get("TICKERKIT_REQUIRE_PROXIES") == "1":
            pytest.fail(f"{name} was not found")
        pytest.skip(f"{name} was not found")
    return path


def check(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Let a balancer check its file; return the finished process, with what it printed."""
    arguments = _arguments(name, folder, free_port(), [9, 9])
    option = "-c" if name == "haproxy" else "-t"
    command = [find_program(name), option, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@contextlib.contextmanager
def run_balancer(name: str, folder: Path, relays: Sequence[int]) -> Iterator[Balancer]:
    """Run a balancer in front of relays.

    Args:
        name: "haproxy" or "nginx".
        folder: for its files.
        relays: the ports of two relays, or of more.
    """
    program, port = find_program(name), free_port()
    log = folder / "log"
    command = [program, *_arguments(name, folder, port, relays)]
    with (
        log.open("w") as output,
        subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL) as made,
    ):
        try:
            end = time.monotonic() + START_S
            while True:
                with contextlib.suppress(OSError):
                    ask(port, "/healthz")
                    break
                assert made.poll() is None, log.read_text()
                assert time.monotonic() < end, f"{name} did not listen: {log.read_text()}"
                time.sleep(0.01)
            yield Balancer(port, log)
        finally:
            made.terminate()


def _arguments(name: str, folder: Path, port: int, relays: Sequence[int]) -> list[str]:
    """Write the file of a balancer with the addresses of this test; return its arguments."""
    file = "haproxy.cfg" if name == "haproxy" else "nginx.conf"
    text = (DEPLOY / file).read_text(encoding="utf-8")
    more = [f"    server relay{number} {LOCAL}:{port}" for number, port in enumerate(relays[2:], 3)]
    if name == "haproxy":
        text = text.replace("    server relay1", "\n".join([*more, "    server relay1"]))
    for number, relay in enumerate(relays[:2], 1):
        text, count = re.subn(rf"\brelay{number}:8000\b", f"{LOCAL}:{relay}", text)
        assert count == 1
    made = folder / file
    if name == "haproxy":
        # A test machine may allow fewer open files.
        text = text.replace("bind :80\n", f"bind {LOCAL}:{port}\n").replace("maxconn 50000", "")
        made.write_text(text, encoding="utf-8")
        return ["-db", "-f", str(made)]
    text = text.replace("listen 80;", f"listen {LOCAL}:{port};")
    text = text.replace("worker_rlimit_nofile 100000;", "").replace("40000;", "200;")
    # Where another user than root may write, and in the log of the test.
    paths = [f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi")]
    paths += [f"{kind}_temp_path {folder};" for kind in ("uwsgi", "scgi")]
    text = text.replace("http {", "\n".join(["http {", *paths]))
    text = text.replace("/dev/stdout", str(folder / "log"))
    made.write_text(text, encoding="utf-8")
    directives = f"daemon off; pid {folder}/pid;"
    return ["-p", str(folder), "-e", "stderr", "-c", str(made), "-g", directives]
