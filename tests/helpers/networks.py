"""Networks: processes in network namespaces of Linux, whose traffic a test cuts off (root only)."""

from __future__ import annotations

import os
import shutil
import subprocess
from itertools import count

import pytest

__all__ = ["Host", "Network"]

NOBODY = "02:00:00:00:00:99"
NUMBERS = count(os.getpid() % 1000 * 100)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


class Host:
    """A namespace with an address of its own.

    Attributes:
        name: its name, for `ip netns exec`.
        address: its address.
    """

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address

    @property
    def prefix(self) -> tuple[str, ...]:
        """What a command begins with to run there."""
        return ("ip", "netns", "exec", self.name)


class Network:
    """Hosts on one bridge, to which this process has an address, too.

    Args:
        size: how many hosts.
    """

    def __init__(self, size: int) -> None:
        if os.name != "posix" or shutil.which("ip") is None or os.geteuid() != 0:
            pytest.skip("network namespaces need Linux, the command ip, and root")
        number = next(NUMBERS) % 100_000
        self._bridge = f"tkb{number}"
        prefix = f"10.{200 + number % 50}.{number // 50 % 250}"
        self.hosts = [Host(f"tk{number}-{index}", f"{prefix}.{index + 2}") for index in range(size)]
        self.address = f"{prefix}.1"
        self._cut: set[tuple[Host, Host]] = set()

    def __enter__(self) -> Network:
        try:
            _run("ip", "link", "add", self._bridge, "type", "bridge")
            _run("ip", "addr", "add", f"{self.address}/24", "dev", self._bridge)
            _run("ip", "link", "set", self._bridge, "up")
            for index, host in enumerate(self.hosts):
                outer = f"{self._bridge}v{index}"
                _run("ip", "netns", "add", host.name)
                _run("ip", "link", "add", outer, "type", "veth", "peer", "eth0", "netns", host.name)
                _run("ip", "link", "set", outer, "master", self._bridge, "up")
                inside = ("ip", "-n", host.name)
                _run(*inside, "addr", "add", f"{host.address}/24", "dev", "eth0")
                _run(*inside, "link", "set", "eth0", "up")
                _run(*inside, "link", "set", "lo", "up")
        except subprocess.CalledProcessError as error:
            self.__exit__()
            pytest.skip(f"network namespaces can't be made here: {error.stderr!r}")
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts:
            subprocess.run(["ip", "netns", "del", host.name], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", self._bridge], capture_output=True, check=False)

    def cut(self, one: Host, other: Host) -> None:
        """Let nothing through between two hosts; their connections stand, and get nothing."""
        for source, target in ((one, other), (other, one)):
            if (source, target) not in self._cut:
                self._cut.add((source, target))
                # Frames to a device that no host has are lost without an error, as in a cable.
                device = ("lladdr", NOBODY, "dev", "eth0", "nud", "permanent")
                _run("ip", "-n", source.name, "neigh", "replace", target.address, *device)

    def heal(self) -> None:
        """Let all through again."""
        for source, target in self._cut:
            _run("ip", "-n", source.name, "neigh", "del", target.address, "dev", "eth0")
        self._cut.clear()
