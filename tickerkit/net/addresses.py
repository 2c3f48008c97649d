"""Network addresses: which program holds a port, and this machine's address for others."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["MAX_PORT", "find_network_address", "find_port_holder", "is_loopback"]

MAX_PORT = 65_535
# State of a listening socket in /proc/net/tcp.
LISTEN = "0A"
# The ioctl that returns an interface's IPv4 address, by `sys.platform`.
SIOCGIFADDR = {"linux": 0x8915, "darwin": 0xC0206921}
IFREQ_BYTES = 256  # more than the struct has
VIRTUAL_INTERFACES = ("docker", "br-", "virbr", "vboxnet", "vmnet", "veth")


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


def find_network_address() -> str | None:
    """Return an IPv4 address at which other machines reach this one; None without a network.

    With several networks, it is the address in the one that leads to the internet; without the
    internet, as on a laptop that is a hotspot, the address of a network interface. It is never a
    loopback address.
    """
    return _find_default_address() or next(iter(_list_interface_addresses()), None)


def _find_default_address() -> str | None:
    """Return the address of the interface with the default route, if others may reach it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a UDP socket sends nothing: it only chooses the outgoing interface.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return address if _is_reachable(address) else None


def _list_interface_addresses() -> list[str]:
    """Return the addresses of all interfaces that others may reach, the most likely first."""
    addresses = dict(_read_interfaces())
    reachable = [name for name, address in addresses.items() if _is_reachable(address)]

    def rate(name: str) -> tuple[bool, bool]:
        # Interfaces of virtual machines and containers lead to no other machine.
        is_virtual = name.startswith(VIRTUAL_INTERFACES)
        return is_virtual, ipaddress.ip_address(addresses[name]).is_link_local

    return [addresses[name] for name in sorted(reachable, key=rate)]


def _read_interfaces() -> Iterator[tuple[str, str]]:
    """Yield the name and the IPv4 address of each interface that has one."""
    if (request := SIOCGIFADDR.get(sys.platform)) is not None:
        import fcntl

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            for _, name in socket.if_nameindex():
                # struct ifreq: the name in 16 bytes, then the address as a struct sockaddr_in.
                with contextlib.suppress(OSError):  # this interface has no IPv4 address
                    answer = fcntl.ioctl(probe, request, name.encode().ljust(IFREQ_BYTES, b"\0"))
                    yield name, socket.inet_ntoa(answer[20:24])
        return
    with contextlib.suppress(OSError):  # the name of this machine has no address
        for number, found in enumerate(
            socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET, socket.SOCK_STREAM)
        ):
            yield str(number), str(found[4][0])


def _is_reachable(address: str) -> bool:
    """Return whether an address may be reached from another machine."""
    parsed = ipaddress.ip_address(address)
    return not (parsed.is_loopback or parsed.is_unspecified)


def is_loopback(host: str) -> bool:
    """Return whether `host` can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
