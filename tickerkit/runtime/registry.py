"""The registry: every server and feed that runs in this process, to list and to stop them."""

from __future__ import annotations

import atexit
import contextlib
import threading
from typing import Protocol

import pandas as pd

from tickerkit.runtime.forking import on_fork
from tickerkit.runtime.threads import shorten_joins

__all__ = ["Service", "is_registered", "register", "running", "status", "stop_all", "unregister"]


EXIT_S = 1.0


class Service(Protocol):
    """A server, feed, recorder or proxy, with the methods that the registry calls."""

    def stop(self) -> None:
        """Stop the service; idempotent."""

    def abandon_after_fork(self) -> None:
        """Count as stopped, in a forked child: the service runs in the parent only."""

    def summary(self) -> dict[str, str]:
        """Return the texts `kind`, `address`, `status` and `about`."""


# Reentrant: the handler of a signal may call `status` while its thread holds the lock.
_lock = threading.RLock()
_running: list[Service] = []
_at_exit = False


def register(service: Service) -> None:
    """List a service as running; idempotent."""
    global _at_exit
    with _lock:
        if service not in _running:
            _running.append(service)
        if not _at_exit:
            atexit.register(_stop_at_exit)
            _at_exit = True


def unregister(service: Service) -> None:
    """Take a service off the list; idempotent."""
    with _lock:
        if service in _running:
            _running.remove(service)


def is_registered(service: Service) -> bool:
    """Return whether a service is listed."""
    with _lock:
        return service in _running


def running() -> list[Service]:
    """Return the running services, oldest first."""
    with _lock:
        return list(_running)


def status() -> pd.DataFrame:
    """Return a table of all servers, feeds and recorders that run in this process.

    Returns:
        A DataFrame with the text columns `kind`, `address`, `status` and `about`.
    """
    columns = ["kind", "address", "status", "about"]
    return pd.DataFrame([service.summary() for service in running()], columns=columns)


def stop_all() -> None:
    """Stop every server, feed and recorder of this process, with their threads and ports.

    If it is interrupted, what has not been stopped stays in `tk.status()`; call it again.
    """
    # The newest first, and all of them even if one raises.
    with contextlib.ExitStack() as stack:
        for service in running():
            stack.callback(service.stop)


def _stop_at_exit() -> None:
    """Stop everything as the process exits, waiting one second in all for threads that block."""
    shorten_joins(EXIT_S)
    stop_all()


def _reset_after_fork() -> None:
    """Empty the list in a forked child: the services run in the parent only."""
    global _lock
    _lock = threading.RLock()
    for service in _running:
        service.abandon_after_fork()
    _running.clear()


on_fork(in_child=_reset_after_fork)
