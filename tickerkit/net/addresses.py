"""Network addresses: which program holds a port, and which addresses are this machine's own."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path

__all__ = ["MAX_PORT", "find_port_holder", "is_loopback"]

MAX_PORT = 65_535
# State of a listening socket in /proc/net/tcp.
LISTEN = "0A"


def find_port_holder(port: int) -> str | None:
    """Return the program that listens on a TCP port, such as "python3 (pid 123)".

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
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:  # the process belongs to another user, or has ended
            continue
    return None


def is_loopback(host: str) -> bool:
    """Return whether `host` can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
