"""Lifecycle: the order in which servers, feeds, recorders and proxies start and stop."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from tickerkit.errors import Stopped
from tickerkit.runtime.interrupts import allow_interrupts, hold_interrupts
from tickerkit.runtime.portal import portal
from tickerkit.runtime.registry import is_registered, register, unregister
from tickerkit.runtime.threads import UserThread

__all__ = ["Lifecycle"]

POLL_S = 0.005


class Lifecycle(ABC):
    """A service that is in the registry whenever it holds a thread, a port, a process or a file.

    It is registered before it acquires the first of them, and unregistered after it has released
    the last. Its methods wait inside `hold_interrupts`, so that an interrupt arrives only where
    they wait. An interrupted start releases what it has acquired. An interrupted stop releases all
    without waiting for it; the service stays listed, as "stopping", until another `stop`, or
    `stop_all`, has waited.

    Subclasses implement `stop`, `_acquire`, `_release` and `_summarize`.
    """

    _kind: ClassVar[str]
    _how_to_restart: ClassVar[str]

    def __init__(self) -> None:
        # One of "new", "starting", "running", "stopping" and "stopped".
        self._phase = "new"
        self._stopped_ns = 0  # when its stop began
        # Held while the service starts or stops. Reentrant: the handler of a signal may call `stop`
        # while its thread waits here.
        self._phase_lock = threading.RLock()

    @abstractmethod
    def stop(self) -> None:
        """Stop, by `_stop_service`; idempotent."""

    @abstractmethod
    def _acquire(self) -> None:
        """Start threads, open ports and so on; if it raises, `_release` is called."""

    @abstractmethod
    def _release(self) -> None:
        """Release whatever `_acquire` has acquired; called again after an interrupt."""

    @abstractmethod
    def _summarize(self) -> dict[str, str]:
        """Return the texts `kind`, `address`, `status` and `about` for `tk.status`."""

    @property
    def last_error(self) -> str:
        """The newest error, as text; empty without errors."""
        return ""

    @property
    def _stopped(self) -> bool:
        """Whether a stop has begun."""
        return self._phase in ("stopping", "stopped")

    def summary(self) -> dict[str, str]:
        """Return the row of `tk.status` for this service."""
        row = self._summarize()
        if self._phase in ("starting", "stopping"):
            row["status"] = self._phase
        return row

    def abandon_after_fork(self) -> None:
        """Count as stopped, in a forked child: the service runs in the parent only."""
        self._set_stopped("stopped")
        # A thread that the child doesn't have may hold the old lock.
        self._phase_lock = threading.RLock()

    def _start_service(self) -> None:
        """Register, then acquire; after an error or an interrupt, release and unregister.

        Raises:
            Stopped: if it was started before, or another thread or the handler of a signal stops
                it meanwhile.
        """
        with hold_interrupts():
            self._lock_phase()
            try:
                if self._phase != "new":
                    raise Stopped(self._kind, self._how_to_restart)
                self._phase = "starting"
                register(self)
                try:
                    self._acquire()
                    with allow_interrupts():  # one that came by now undoes the start
                        pass
                    self._set_running()
                except BaseException:
                    self._end_service(self._release)
                    raise
            finally:
                self._phase_lock.release()

    def _set_running(self) -> None:
        if self._phase != "starting":  # a handler of a signal has stopped it, in a wait
            raise Stopped(self._kind, self._how_to_restart)
        self._phase = "running"

    def _stop_service(self, release: Callable[[], None]) -> None:
        """Release, then unregister. Of several threads, each returns when the service has ended.

        In a source or a callback this returns at once if another thread is stopping the service,
        since that thread waits for the source or the callback.

        Raises:
            PortalError: in the portal's thread, which would wait for itself; nothing is stopped.
        """
        if not is_registered(self):
            return
        portal.check_other_thread("stop")
        with hold_interrupts():
            if not self._lock_phase():
                return
            try:
                self._end_service(release)
            finally:
                self._phase_lock.release()

    def _set_stopped(self, phase: str) -> None:
        if not self._stopped:
            self._stopped_ns = time.time_ns()
        self._phase = phase

    def _end_service(self, release: Callable[[], None]) -> None:
        if is_registered(self):
            self._set_stopped("stopping")
            release()
            self._phase = "stopped"
            unregister(self)

    def _lock_phase(self) -> bool:
        """Acquire the lock; return False in a thread that its holder waits for."""
        # Polled: an interrupt just after a blocking acquire() would leave the lock taken.
        while not self._phase_lock.acquire(blocking=False):
            if self._phase == "stopping" and isinstance(threading.current_thread(), UserThread):
                return False
            with allow_interrupts():
                time.sleep(POLL_S)
        return True
