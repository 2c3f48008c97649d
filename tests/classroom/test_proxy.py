"""FaultProxy: connections that break on purpose, the same way each time."""

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
    """A TCP server that echoes all bytes, and notes how connections ended."""

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
        """Stop, and join all threads."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def echo() -> Iterator[Echo]:
    """Run an echo server."""
    echo = Echo()
    yield echo
    echo.stop()


def dial(proxy: FaultProxy) -> socket.socket:
    """Connect to the proxy."""
    sock = socket.create_connection((LOCAL, proxy.port))
    sock.settimeout(5)
    return sock


def receive(sock: socket.socket, max_bytes: int = 2**20) -> tuple[bytes, str]:
    """Return what arrives until the end, or until `max_bytes` arrived, and how it ended."""
    received = b""
    while len(received) < max_bytes:
        try:
            data = sock.recv(65536)
        except ConnectionError:
            return received, "reset"
        if not data:
            return received, "closed"
        received += data
    return received, "open"


def test_proxy_without_faults_passes_everything(echo: Echo) -> None:
    """Bytes of any number pass in both directions, in order."""
    text = random.Random(1).randbytes(300_000)
    with FaultProxy(echo.url) as proxy, dial(proxy) as sock:
        threading.Thread(target=sock.sendall, args=[text]).start()
        assert receive(sock, len(text)) == (text, "open")
        assert proxy.accepted == 1
        assert proxy.broken == 0


@pytest.mark.parametrize(
    ("kind", "end"), [("reset", "reset"), ("truncate", "closed"), ("stall", "reset")]
)
def test_fault_occurs_after_the_given_bytes(kind: str, end: str, echo: Echo, until: Until) -> None:
    """Nothing sent after it arrives, and both ends see how the connection ended."""
    fault = Fault(kind, after=5, duration_s=0.05)  # type: ignore[arg-type]
    with FaultProxy(echo.url, plan=lambda _: [fault]) as proxy, dial(proxy) as sock:
        sock.sendall(b"1234567890")
        received, how = receive(sock)
        assert how == end
        # A reset may overtake data sent before it.
        assert received == b"12345" or (end == "reset" and b"12345".startswith(received))
        until(lambda: echo.ends)
        assert proxy.faults == {kind: 1}
        assert proxy.broken == 1


def test_close_passes_what_was_read(echo: Echo) -> None:
    """The close comes between two reads, and so mostly between two messages."""
    fault = Fault("close", after=5)
    with FaultProxy(echo.url, plan=lambda _: [fault]) as proxy, dial(proxy) as sock:
        sock.sendall(b"1234567890")
        assert receive(sock) == (b"1234567890", "closed")


@pytest.mark.parametrize("kind", ["delay", "trickle"])
def test_mild_fault_loses_nothing(kind: str, echo: Echo) -> None:
    """All bytes arrive in order, later or in small pieces."""
    text = bytes(range(256)) * 40
    fault = Fault(kind, after=100, duration_s=0.02)  # type: ignore[arg-type]
    with FaultProxy(echo.url, plan=lambda _: [fault]) as proxy, dial(proxy) as sock:
        sock.sendall(text)
        assert receive(sock, len(text)) == (text, "open")
        assert proxy.faults == {kind: 1}


def test_fault_toward_the_server_cuts_what_the_client_sends(echo: Echo) -> None:
    """The echo of the bytes after it never comes."""
    fault = Fault("truncate", after=3, toward="server")
    with FaultProxy(echo.url, plan=lambda _: [fault]) as proxy, dial(proxy) as sock:
        sock.sendall(b"123456")
        received, end = receive(sock)
        assert b"123".startswith(received)
        assert end == "closed"


def test_faults_of_one_connection_occur_in_order(echo: Echo) -> None:
    """The order is that of their bytes, not of the plan."""
    plan = [Fault("truncate", 2000), Fault("trickle", 50), Fault("delay", 900, duration_s=0.01)]
    with FaultProxy(echo.url, plan=lambda _: plan) as proxy, dial(proxy) as sock:
        sock.sendall(b"x" * 5000)
        assert receive(sock) == (b"x" * 2000, "closed")
        assert proxy.faults == {"trickle": 1, "delay": 1, "truncate": 1}


def test_same_seed_gives_the_same_faults() -> None:
    """Each connection has the same faults again; another seed gives others."""

    def faults(seed: int) -> list[list[Fault]]:
        drawn: list[list[Fault]] = []

        def plan(rng: random.Random) -> list[Fault]:
            drawn.append(random_faults(rng))
            return [Fault("reset")]

        with FaultProxy(f"ws://{LOCAL}:{free_port()}/", plan, seed) as proxy:
            for _ in range(5):
                with dial(proxy) as sock:
                    receive(sock)
        return drawn

    assert faults(1) == faults(1)
    assert faults(1) != faults(2)


def test_random_faults_have_every_kind() -> None:
    """Every kind and direction occurs, and the last fault ends the connection."""
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


def test_proxy_resets_closes_stalls_and_refuses_by_hand(echo: Echo, until: Until) -> None:
    """Connections of that moment are affected; later ones pass."""
    with FaultProxy(echo.url) as proxy:
        for end, how in ((proxy.reset, "reset"), (proxy.close, "closed")):
            with dial(proxy) as sock:
                sock.sendall(b"1")
                assert receive(sock, 1) == (b"1", "open")
                assert end() == 1
                assert receive(sock) == (b"", how)
        with dial(proxy) as sock:
            proxy.stall()
            sock.sendall(b"1")
            sock.settimeout(0.1)
            with pytest.raises(TimeoutError):
                sock.recv(1)
            assert proxy.status == "stalled"
            proxy.stall(False)
            sock.settimeout(5)
            assert receive(sock, 1) == (b"1", "open")
        proxy.refuse()
        assert proxy.status == "refusing"
        with dial(proxy) as sock:
            assert receive(sock)[0] == b""
        proxy.refuse(False)
        with dial(proxy) as sock:
            sock.sendall(b"1")
            assert receive(sock, 1) == (b"1", "open")


def test_stall_and_refusal_end_after_the_given_seconds(echo: Echo, until: Until) -> None:
    """What was held back arrives then, and new connections pass again."""
    with FaultProxy(echo.url) as proxy, dial(proxy) as sock:
        proxy.stall(0.1)
        sock.sendall(b"1")
        assert receive(sock, 1) == (b"1", "open")
        assert proxy.status == "listening"
        proxy.refuse(0.2)
        with dial(proxy) as refused:
            assert receive(refused)[0] == b""
        until(lambda: proxy.status == "listening")
        with dial(proxy) as late:
            late.sendall(b"1")
            assert receive(late, 1) == (b"1", "open")


def test_a_later_order_replaces_the_time_of_an_earlier_one(echo: Echo) -> None:
    """A stall without an end outlasts the end of a short one."""
    with FaultProxy(echo.url) as proxy:
        proxy.stall(0.05)
        proxy.stall()
        proxy.refuse(0.05)
        proxy.refuse(3600)
        with dial(proxy) as refused:
            assert receive(refused)[0] == b""
        assert proxy.status == "refusing"
        proxy.refuse(False)
        with dial(proxy) as sock:
            sock.sendall(b"1")
            sock.settimeout(0.2)
            with pytest.raises(TimeoutError):
                sock.recv(1)
            assert proxy.status == "stalled"


def test_proxy_listens_on_the_given_address(echo: Echo) -> None:
    """With 0.0.0.0, clients reach it at each address of the machine."""
    with FaultProxy(echo.url, host="0.0.0.0") as proxy:
        for address in (LOCAL, "127.0.0.2"):
            with socket.create_connection((address, proxy.port)) as sock:
                sock.settimeout(5)
                sock.sendall(b"1")
                assert receive(sock, 1) == (b"1", "open")
        assert proxy.url == f"ws://{LOCAL}:{proxy.port}/"


def test_connection_closes_where_no_server_listens() -> None:
    """The client's connection is accepted, then closed."""
    with FaultProxy(f"ws://{LOCAL}:{free_port()}/") as proxy, dial(proxy) as sock:
        assert receive(sock)[0] == b""


def test_stop_does_not_wait_for_a_silent_target() -> None:
    """A target with a full backlog leaves connections pending for minutes."""
    with socket.create_server((LOCAL, 0), backlog=0) as silent, contextlib.ExitStack() as stack:
        port = silent.getsockname()[1]
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
def test_invalid_target_is_refused(target: str) -> None:
    """It is refused at once, not at the first connection."""
    with pytest.raises(ValueError, match="Invalid target="):
        FaultProxy(target)


def test_invalid_fault_or_plan_is_refused() -> None:
    """The error names the accepted values."""
    with pytest.raises(ValueError, match="Invalid kind='rest'"):
        Fault("rest")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Invalid toward='up'"):
        Fault("reset", toward="up")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Invalid plan="):
        FaultProxy("ws://h:1/", plan=[Fault("reset")])  # type: ignore[arg-type]


def test_failing_plan_passes_everything(echo: Echo) -> None:
    """Its error is shown on the card, and nothing is printed."""
    with FaultProxy(echo.url, plan=lambda _: [1 / 0]) as proxy, dial(proxy) as sock:
        sock.sendall(b"1")
        assert receive(sock, 1) == (b"1", "open")
        assert "division by zero" in proxy._repr_html_()


def test_stopped_proxy_refuses_commands(echo: Echo) -> None:
    """Every command raises Stopped."""
    with FaultProxy(echo.url) as proxy:
        assert proxy.start() is proxy
    for call in (proxy.reset, proxy.close, proxy.stall, proxy.refuse):
        with pytest.raises(tk.TickerkitError, match="start a new one"):
            call()


def test_stop_closes_connections_accepted_just_now(echo: Echo) -> None:
    """A client that connects during the stop sees its connection end."""
    for _ in range(50):
        with FaultProxy(echo.url) as proxy:
            clients = [dial(proxy) for _ in range(5)]
        for client in clients:
            with client:
                assert receive(client)[1] != "open"


def test_proxy_is_shown_like_other_services(echo: Echo) -> None:
    """It has a repr, a card and a row in tk.status, and stop is idempotent."""
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


def test_rerun_cell_replaces_the_proxy(echo: Echo, kernel: Kernel) -> None:
    """The new proxy has the same port, so that clients find it again."""
    kernel.run("cell")
    first = FaultProxy(echo.url).start()
    kernel.run("cell")
    second = FaultProxy(echo.url).start()
    assert (first.status, second.status) == ("stopped", "listening")
    assert second.port == first.port
    assert len(tk.status()) == 1
