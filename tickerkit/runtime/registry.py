"""What runs in this process: every server and feed, so that they can be listed and stopped."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from typing import Protocol

import pandas as pd

from tickerkit.runtime.workers import hurry

__all__ = ["register", "running", "status", "stop_all", "unregister"]


EXIT_S = 1.0


class Service(Protocol):
    """Something with a life."""

    def stop(self) -> None:
        """End it; twice is no complaint."""

    def abandon_after_fork(self) -> None:
        """Count as stopped, in a forked child: it runs in the parent alone."""

    def summary(self) -> dict[str, str]:
        """Return `kind`, `address`, `status` and `about`, each in words."""


_lock = threading.Lock()
_running: list[Service] = []
_at_exit = False


def register(thing: Service) -> None:
    """List something as running."""
    global _at_exit
    with _lock:
        if thing not in _running:
            _running.append(thing)
        if not _at_exit:
            atexit.register(_leave)
            _at_exit = True


def unregister(thing: Service) -> bool:
    """Take something off the list; return whether it was on it: of two that stop it, one stops."""
    with _lock:
        if thing not in _running:
            return False
        _running.remove(thing)
        return True


def running() -> list[Service]:
    """Return what runs, oldest first."""
    with _lock:
        return list(_running)


def status() -> pd.DataFrame:
    """Return what tickerkit runs in this process: a row for each server and feed.

    Returns:
        A DataFrame of text: `kind`, `address`, `status`, `about`.
    """
    columns = ["kind", "address", "status", "about"]
    return pd.DataFrame([thing.summary() for thing in running()], columns=columns)


def stop_all() -> None:
    """Stop every server and feed of this process; its threads and ports are gone after."""
    # The newest first, and all of them, even if one of them raises.
    with contextlib.ExitStack() as stack:
        for thing in running():
            stack.callback(thing.stop)


def _leave() -> None:
    """Stop all as the process exits: threads that block have a second, all of them together."""
    hurry(EXIT_S)
    stop_all()


def _forget() -> None:
    """Begin anew, in a forked child: what runs, runs in its parent, and is not its to stop."""
    global _lock
    _lock = threading.Lock()
    for thing in _running:
        thing.abandon_after_fork()
    _running.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
