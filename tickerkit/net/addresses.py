"""Network addresses: which program holds a port, and which addresses are this machine's own."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

__all__ = ["MAX_PORT", "describe_process", "find_port_holder", "find_port_process", "is_loopback"]

MAX_PORT = 65_535
# State of a listening socket in /proc/net/tcp.
LISTEN = "0A"
# In its environment a kernel of Jupyter has the path of its notebook.
NOTEBOOK = b"JPY_SESSION_NAME="


def find_port_holder(port: int) -> str | None:
    """Return the program that listens on a TCP port, such as "python3 (pid 123)".

    Of a kernel of Jupyter it is the notebook: "notebook 01_quickstart.ipynb (pid 123)". None where
    `find_port_process` returns None.
    """
    pid = find_port_process(port)
    return None if pid is None else describe_process(pid)


def find_port_process(port: int) -> int | None:
    """Return the id of the process that listens on a TCP port.

    Works on Linux, for processes of the same user. Returns None for other users' processes, on
    other systems, and for a free port.
    """
    inodes: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in (line.split() for line in lines):
            if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    if not inodes:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(fd) in inodes for fd in (process / "fd").iterdir()):
                return int(process.name)
        except OSError:  # the process belongs to another user, or has ended
            continue
    return None


def describe_process(pid: int) -> str | None:
    """Return the name of a process with its id, as in `find_port_holder`; None if it has ended."""
    process = Path(f"/proc/{pid}")
    try:
        name = (process / "comm").read_text().strip()
        variables = (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    for variable in variables:
        if variable.startswith(NOTEBOOK):
            path = os.fsdecode(variable.removeprefix(NOTEBOOK))
            name = f"notebook {os.path.basename(path)}"
    return f"{name} (pid {pid})"


def is_loopback(host: str) -> bool:
    """Return whether `host` can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
