"""lifecycle: a service is listed while it holds anything, in whatever order threads act."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator

import pytest

import tickerkit as tk
from tickerkit.errors import PortalError, Stopped
from tickerkit.runtime import registry
from tickerkit.runtime.lifecycle import Lifecycle
from tickerkit.runtime.portal import portal
from tickerkit.runtime.workers import Worker

Until = Callable[..., None]


class Service(Lifecycle):
    """A service that acquires and releases what the test wants."""

    _kind, _how_to_restart = "service", "make another"

    def __init__(
        self,
        acquire: Callable[[], object] = lambda: None,
        release: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__()
        self.acquire, self.release = acquire, release
        self.seen: list[str] = []

    def start(self) -> None:
        """Start."""
        self._start_service()

    def stop(self) -> None:
        """Stop."""
        self._stop_service(self._release)

    def _acquire(self) -> None:
        self.seen.append(self.summary()["status"])
        self.acquire()

    def _release(self) -> None:
        self.seen.append(self.summary()["status"])
        self.release()

    def _summarize(self) -> dict[str, str]:
        return {"kind": "service", "address": "", "status": "live", "about": ""}


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Have SIGINT raise KeyboardInterrupt."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    """Raise KeyboardInterrupt as a wait does."""
    raise KeyboardInterrupt


def in_thread(function: Callable[[], object]) -> threading.Thread:
    """Start a thread."""
    thread = threading.Thread(target=function)
    thread.start()
    return thread


def test_service_is_listed_from_before_its_start_to_after_its_end() -> None:
    """`tk.status` shows a service that starts or stops."""
    service = Service()
    service.acquire = service.release = lambda: service.seen.extend(tk.status()["status"])
    service.start()
    assert tk.status()["status"].tolist() == ["live"]
    service.stop()
    assert service.seen == ["starting", "starting", "stopping", "stopping"]
    assert tk.status().empty


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_failed_start_releases_and_unregisters(error: type[BaseException]) -> None:
    """After an interrupt, too."""

    def fail() -> None:
        raise error

    service = Service(fail)
    with pytest.raises(error):
        service.start()
    assert service.seen == ["starting", "stopping"]
    assert registry.running() == []


def test_interrupted_stop_stays_listed_until_the_next_one() -> None:
    """The next stop releases again, and waits to the end."""
    service = Service(release=interrupt)
    service.start()
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            service.stop()
        assert tk.status()["status"].tolist() == ["stopping"]
    service.release = lambda: None
    tk.stop_all()
    assert registry.running() == []
    service.stop()
    assert service.seen == ["starting", *["stopping"] * 3]


def test_interrupted_cleanup_of_a_start_stays_listed() -> None:
    """Two interrupts: the second one ends the release after the first."""
    service = Service(interrupt, interrupt)
    with pytest.raises(KeyboardInterrupt):
        service.start()
    assert registry.running() == [service]
    service.release = lambda: None
    tk.stop_all()
    assert registry.running() == []


def test_second_start_is_refused() -> None:
    """Also after a failed one, and after a stop; a running service is not disturbed."""
    service = Service()
    service.start()
    with pytest.raises(Stopped, match="make another"):
        service.start()
    assert registry.running() == [service]
    service.stop()
    with pytest.raises(Stopped):
        service.start()


def test_second_thread_that_stops_waits_for_the_first() -> None:
    """Both return when the service has ended, and it is released once."""
    releasing, held = threading.Event(), threading.Event()
    service = Service(release=lambda: (releasing.set(), held.wait(10)))
    service.start()
    first = in_thread(service.stop)
    assert releasing.wait(10)
    still_listed: list[bool] = []
    second = in_thread(lambda: (service.stop(), still_listed.append(registry.running() != [])))
    second.join(0.1)
    assert second.is_alive()
    held.set()
    first.join()
    second.join()
    assert still_listed == [False]
    assert service.seen == ["starting", "stopping"]


def test_stop_waits_for_a_start_in_another_thread() -> None:
    """`stop_all` stops a service that another thread was about to start."""
    acquiring, held = threading.Event(), threading.Event()
    service = Service(lambda: (acquiring.set(), held.wait(10)))
    starting = in_thread(service.start)
    assert acquiring.wait(10)
    stopping = in_thread(tk.stop_all)
    stopping.join(0.1)
    assert stopping.is_alive()
    held.set()
    starting.join()
    stopping.join()
    assert registry.running() == []


def test_interrupt_ends_the_wait_for_another_threads_stop() -> None:
    """The other thread continues, and the lock is not taken for ever."""
    releasing, held = threading.Event(), threading.Event()
    service = Service(release=lambda: (releasing.set(), held.wait(10)))
    service.start()
    first = in_thread(service.stop)
    assert releasing.wait(10)
    timer = threading.Timer(0.05, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        service.stop()
    timer.join()
    held.set()
    first.join()
    service.stop()
    assert registry.running() == []


def test_own_source_that_stops_does_not_wait_for_a_stop_that_waits_for_it(until: Until) -> None:
    """A thread of the user's code returns at once while another thread stops the service."""
    releasing, returned = threading.Event(), threading.Event()
    service = Service()

    async def source() -> None:
        releasing.wait(10)
        service.stop()
        returned.set()

    worker = Worker("tickerkit test", source)
    waited: list[bool] = []
    service.release = lambda: (releasing.set(), waited.append(returned.wait(10)))
    service.start()
    service.stop()
    assert waited == [True]
    assert worker.cancel()


def test_handler_of_a_signal_stops_what_is_starting() -> None:
    """The start then raises, and nothing is left running."""
    service = Service()
    service.acquire = service.stop
    with pytest.raises(Stopped):
        service.start()
    assert registry.running() == []


def test_stop_on_the_portals_thread_is_refused_and_loses_nothing(until: Until) -> None:
    """It would wait for itself; the service stays listed and can be stopped elsewhere."""
    service = Service()
    service.start()
    refused: list[BaseException] = []

    def stop() -> None:
        try:
            service.stop()
        except PortalError as error:
            refused.append(error)

    portal.enter("test")
    portal.post(stop)
    until(lambda: refused)
    portal.leave("test")
    assert registry.running() == [service]
    service.stop()
    assert registry.running() == []
