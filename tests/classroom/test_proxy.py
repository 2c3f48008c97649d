"""classroom.proxy: connections that break on purpose, the same way each time."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from cells import Kernel
from peers import LOCAL, free_port

import tickerkit as tk
from tickerkit.classroom import Fault, FaultProxy, random_faults

Until = Callable[..., None]


class Echo:
    """A TCP server that says back what it hears, and counts who ended how."""

    def __init__(self) -> None:
        self._listener = socket.create_server((LOCAL, 0))
        self.url = f"ws://{LOCAL}:{self._listener.getsockname()[1]}/"
        self.ends: list[str] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._echo, args=[peer]))
            self._threads[-1].start()

    def _echo(self, peer: socket.socket) -> None:
        with peer:
            try:
                while data := peer.recv(65536):
                    peer.sendall(data)
                self.ends.append("closed")
            except OSError:
                self.ends.append("reset")

    def stop(self) -> None:
        """Stop, and wait."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def echo() -> Iterator[Echo]:
    """Run an echo."""
    echo = Echo()
    yield echo
    echo.stop()


def dial(proxy: FaultProxy) -> socket.socket:
    """Connect to the proxy."""
    sock = socket.create_connection((LOCAL, proxy.port))
    sock.settimeout(5)
    return sock


def hear(sock: socket.socket, most: int = 2**20) -> tuple[bytes, str]:
    """Return what comes until the end, or until so much has come, and how it ended."""
    heard = b""
    while len(heard) < most:
        try:
            data = sock.recv(65536)
        except ConnectionError:
            return heard, "reset"
        if not data:
            return heard, "closed"
        heard += data
    return heard, "open"


def test_without_faults_everything_passes(echo: Echo) -> None:
    """Both ways, in order, of any size."""
    text = random.Random(1).randbytes(300_000)
    with FaultProxy(echo.url) as proxy, dial(proxy) as sock:
        threading.Thread(target=sock.sendall, args=[text]).start()
        assert hear(sock, len(text)) == (text, "open")
        assert proxy.accepted == 1
        assert proxy.broken == 0


@pytest.mark.parametrize(
    ("kind", "end"), [("reset", "reset"), ("truncate", "closed"), ("stall", "reset")]
)
def test_a_fault_comes_after_exactly_so_many_bytes(
    kind: str, end: str, echo: Echo, until: Until
) -> None:
    """Of what was sent after it nothing arrives, and both ends see how it ended."""
    fault = Fault(kind, after=5, duration_s=0.05)  # type: ignore[arg-type]
    with FaultProxy(echo.url, plan=lambda _: [fault]) as proxy, dial(proxy) as sock:
        sock.sendall(b"1234567890")
        heard, how = hear(sock)
        assert how == end
        # A reset may overtake what was sent before it.
        assert heard == b"12345" or (end == "reset" and b"12345".startswith(heard))
        until(lambda: echo.ends)
        assert proxy.faults == {kind: 1}
        assert proxy.broken == 1


def test_a_close_lets_pass_what_was_read(echo: Echo) -> None:
    """It falls between two reads, so messages are mostly whole."""
    fault = Fault("close", after=5)
    with FaultProxy(echo.url, plan=lambda _: [fault]) as proxy, dial(proxy) as sock:
        sock.sendall(b"1234567890")
        assert hear(sock) == (b"1234567890", "closed")


@pytest.mark.parametrize("kind", ["delay", "trickle"])
def test_a_mild_fault_loses_nothing(kind: str, echo: Echo) -> None:
    """All arrives in order, later or in small pieces."""
    text = bytes(range(256)) * 40
    fault = Fault(kind, after=100, duration_s=0.02)  # type: ignore[arg-type]
    with FaultProxy(echo.url, plan=lambda _: [fault]) as proxy, dial(proxy) as sock:
        sock.sendall(text)
        assert hear(sock, len(text)) == (text, "open")
        assert proxy.faults == {kind: 1}


def test_faults_have_a_direction(echo: Echo) -> None:
    """Toward the server: what the client says is cut, so that nothing comes back of it."""
    fault = Fault("truncate", after=3, toward="server")
    with FaultProxy(echo.url, plan=lambda _: [fault]) as proxy, dial(proxy) as sock:
        sock.sendall(b"123456")
        heard, end = hear(sock)
        assert b"123".startswith(heard)
        assert end == "closed"


def test_several_faults_befall_one_connection(echo: Echo) -> None:
    """In the order of their bytes."""
    plan = [Fault("truncate", 2000), Fault("trickle", 50), Fault("delay", 900, duration_s=0.01)]
    with FaultProxy(echo.url, plan=lambda _: plan) as proxy, dial(proxy) as sock:
        sock.sendall(b"x" * 5000)
        assert hear(sock) == (b"x" * 2000, "closed")
        assert proxy.faults == {"trickle": 1, "delay": 1, "truncate": 1}


def test_the_same_seed_gives_the_same_weather() -> None:
    """Connection by connection; another seed gives another."""

    def faults(seed: int) -> list[list[Fault]]:
        drawn: list[list[Fault]] = []

        def plan(chance: random.Random) -> list[Fault]:
            drawn.append(random_faults(chance))
            return [Fault("reset")]

        with FaultProxy(f"ws://{LOCAL}:{free_port()}/", plan, seed) as proxy:
            for _ in range(5):
                with dial(proxy) as sock:
                    hear(sock)
        return drawn

    assert faults(1) == faults(1)
    assert faults(1) != faults(2)


def test_weather_has_every_kind_of_fault() -> None:
    """And each connection's ends it."""
    drawn = [random_faults(random.Random(number)) for number in range(200)]
    assert {fault.kind for faults in drawn for fault in faults} == {
        "reset",
        "truncate",
        "close",
        "stall",
        "delay",
        "trickle",
    }
    assert {fault.toward for faults in drawn for fault in faults} == {"client", "server"}
    assert all(faults[-1].kind not in ("delay", "trickle") for faults in drawn)


def test_by_hand_it_resets_closes_stalls_and_refuses(echo: Echo, until: Until) -> None:
    """Whatever is connected at that moment; what comes later passes."""
    with FaultProxy(echo.url) as proxy:
        for end, how in ((proxy.reset, "reset"), (proxy.close, "closed")):
            with dial(proxy) as sock:
                sock.sendall(b"1")
                assert hear(sock, 1) == (b"1", "open")
                assert end() == 1
                assert hear(sock) == (b"", how)
        with dial(proxy) as sock:
            proxy.stall()
            sock.sendall(b"1")
            sock.settimeout(0.1)
            with pytest.raises(TimeoutError):
                sock.recv(1)
            assert proxy.status == "stalled"
            proxy.stall(False)
            sock.settimeout(5)
            assert hear(sock, 1) == (b"1", "open")
        proxy.refuse()
        assert proxy.status == "refusing"
        with dial(proxy) as sock:
            assert hear(sock)[0] == b""
        proxy.refuse(False)
        with dial(proxy) as sock:
            sock.sendall(b"1")
            assert hear(sock, 1) == (b"1", "open")


def test_it_hangs_up_where_nothing_listens_behind_it() -> None:
    """As a server that is not there, nearly."""
    with FaultProxy(f"ws://{LOCAL}:{free_port()}/") as proxy, dial(proxy) as sock:
        assert hear(sock)[0] == b""


def test_a_stop_does_not_wait_for_a_target_that_does_not_answer() -> None:
    """One whose system takes no more connections leaves those who try hanging for minutes."""
    with socket.create_server((LOCAL, 0), backlog=0) as deaf, contextlib.ExitStack() as stack:
        port = deaf.getsockname()[1]
        for _ in range(3):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex((LOCAL, port))
        with FaultProxy(f"ws://{LOCAL}:{port}/") as proxy:
            stack.enter_context(dial(proxy))
            stopping = threading.Thread(target=proxy.stop)
            stopping.start()
            stopping.join(10)
            assert not stopping.is_alive()


@pytest.mark.parametrize("target", ["127.0.0.1:8000", "ws://127.0.0.1/", ""])
def test_a_target_that_is_no_address_is_refused(target: str) -> None:
    """At once, not when somebody connects."""
    with pytest.raises(ValueError, match="give server"):
        FaultProxy(target)


def test_a_fault_or_a_plan_that_is_none_is_refused() -> None:
    """With what it should be."""
    with pytest.raises(ValueError, match="kind is one of reset, "):
        Fault("rest")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="toward is client or server"):
        Fault("reset", toward="up")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="plan is a function"):
        FaultProxy("ws://h:1/", plan=[Fault("reset")])  # type: ignore[arg-type]


def test_a_plan_that_fails_lets_everything_pass(echo: Echo) -> None:
    """Its error is told on the card, and nothing is printed."""
    with FaultProxy(echo.url, plan=lambda _: [1 / 0]) as proxy, dial(proxy) as sock:
        sock.sendall(b"1")
        assert hear(sock, 1) == (b"1", "open")
        assert "division by zero" in proxy._repr_html_()


def test_once_stopped_it_breaks_nothing_any_more(echo: Echo) -> None:
    """And says so."""
    with FaultProxy(echo.url) as proxy:
        assert proxy.start() is proxy
    for call in (proxy.reset, proxy.close, proxy.stall, proxy.refuse):
        with pytest.raises(tk.TickerkitError, match="start a new one"):
            call()


def test_who_comes_as_it_stops_is_not_left_hanging(echo: Echo) -> None:
    """However little of a connection there is yet, its client sees an end."""
    for _ in range(50):
        with FaultProxy(echo.url) as proxy:
            clients = [dial(proxy) for _ in range(5)]
        for client in clients:
            with client:
                assert hear(client)[1] != "open"


def test_it_has_a_life_like_the_others(echo: Echo) -> None:
    """A line of repr, a card, a place in tk.status, a stop that may come twice."""
    proxy = FaultProxy(echo.url + "path?token=sesame")
    assert proxy.status == "stopped"
    with proxy:
        assert proxy.url == f"ws://{LOCAL}:{proxy.port}/path?token=sesame"
        assert "listening" in repr(proxy)
        assert "sesame" not in repr(proxy) + proxy._repr_html_()
        assert tk.status()["kind"].tolist() == ["proxy"]
    proxy.stop()
    assert proxy.status == "stopped"
    with pytest.raises(tk.TickerkitError, match="start a new one"):
        proxy.start()
    assert tk.status().empty


def test_running_its_cell_again_replaces_it(echo: Echo, kernel: Kernel) -> None:
    """On the same port, so that who uses it finds it again."""
    kernel.run("cell")
    first = FaultProxy(echo.url).start()
    kernel.run("cell")
    second = FaultProxy(echo.url).start()
    assert (first.status, second.status) == ("stopped", "listening")
    assert second.port == first.port
    assert len(tk.status()) == 1
