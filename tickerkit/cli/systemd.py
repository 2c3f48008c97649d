"""systemd: notifies the service manager that a command runs, and of its state."""

from __future__ import annotations

import contextlib
import os
import socket

__all__ = ["notify_systemd"]


def notify_systemd(*states: str) -> None:
    """Send states such as "READY=1" or "STATUS=12 ticks" to systemd, where it asked for them.

    It asks by the variable NOTIFY_SOCKET, for a unit of `Type=notify`; see sd_notify(3). Without
    it, and if nobody listens there, nothing happens.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return
    # "@" stands for the zero byte that an abstract address begins with.
    target = f"\0{address[1:]}" if address[0] == "@" else address
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
    ):
        sender.setblocking(False)
        sender.sendto("\n".join(states).encode(), target)
