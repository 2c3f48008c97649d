"""Network interfaces: this machine's addresses, those that other machines likely reach first."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Address", "find_network_address", "list_addresses", "rank"]

PRIVATE = [ipaddress.ip_network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
# Addresses behind a provider's NAT; Tailscale and ChromeOS use them, too.
SHARED = ipaddress.ip_network("100.64.0.0/10")
# What Linux (NetworkManager), Windows and macOS give themselves where they share a connection.
HOTSPOT = {"10.42.0.1": "", "192.168.137.1": "", "192.168.2.1": "bridge1"}

# Names of interfaces on Linux and macOS begin so; those of Windows contain such words.
TUNNEL = re.compile(
    r"(utun|tun|tap|wg|ppp|ipsec|gpd|nordlynx|tailscale|ts\d|zt|wwan|rmnet|pdp_ip)[\w.-]*|"
    r".*(\bTAP\b|Wintun|WireGuard|OpenVPN|NordLynx|Tailscale|ZeroTier|AnyConnect|PANGP|Fortinet|"
    r"Juniper|Pulse Secure|Check Point|SonicWall|VPN|WAN Miniport|Mobile Broadband)\b.*",
    re.IGNORECASE,
)
VIRTUAL = re.compile(
    r"(docker|veth|br\d|br-|bridge|virbr|vnet|vboxnet|vmnet|vmenet|lxc|lxd|incus|podman|cni|"
    r"flannel|cali|kube|waydroid|anbox).*|"
    r".*(vEthernet|Hyper-V|WSL|VirtualBox|VMware|Npcap|Loopback).*",
    re.IGNORECASE,
)

PRIVATE_SCORE, PUBLIC_SCORE, IPV6_SCORE, SHARED_SCORE, LINK_LOCAL_SCORE = 30, 25, 20, 10, 5
TUNNEL_SCORE, VIRTUAL_SCORE = -35, -30
HOTSPOT_SCORE, DEFAULT_SCORE = 2, 1


@dataclass(frozen=True, slots=True)
class Address:
    """An address of this machine.

    Attributes:
        address: an IPv4 or IPv6 address.
        interface: the name of its network interface; on Windows with its adapter.
        score: how likely other machines reach it; less than 5 if they most likely don't.
        why: what the score is made of, in words.
    """

    address: str
    interface: str
    score: int
    why: str

    @property
    def is_likely(self) -> bool:
        """Whether other machines may reach it at all."""
        return self.score >= LINK_LOCAL_SCORE


def find_network_address(version: int = 4) -> str | None:
    """Return the address at which other machines most likely reach this one; None without one.

    It is never a loopback address.

    Args:
        version: 4 or 6, of the internet protocol.
    """
    for each in list_addresses():
        if ipaddress.ip_address(each.address).version == version:
            return each.address
    return None


def list_addresses() -> list[Address]:
    """Return the addresses of this machine that are not loopback, the most likely first."""
    import ifaddr

    default = _find_default_address()
    try:
        adapters = list(ifaddr.get_adapters())
    except OSError:  # the system does not list them
        return rank([("", default)] if default else [], default)
    found = []
    for adapter in adapters:
        for ip in adapter.ips:
            # Of IPv6, ifaddr returns a tuple of address, flow and scope.
            address = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            # On Windows, the name of the connection and the description of its adapter.
            names = dict.fromkeys((ip.nice_name, adapter.nice_name))
            found.append((", ".join(names), address))
    return rank(found, default)


def rank(interfaces: Iterable[tuple[str, str]], default: str | None) -> list[Address]:
    """Return addresses, the most likely to be reached by other machines first.

    Which one other machines use can't be known: this is a guess by names and numbers.

    Args:
        interfaces: names of interfaces, each with one of its addresses.
        default: the address from which the internet is reached; None without one. A VPN may have
            taken it.
    """
    found = [
        judged
        for name, address in interfaces
        if (judged := _judge(name, address, is_default=address == default)) is not None
    ]
    return sorted(found, key=lambda each: -each.score)


def _judge(name: str, address: str, *, is_default: bool) -> Address | None:
    """Return an address with its score; None if no other machine can ever use it."""
    ip = ipaddress.ip_address(address)
    if ip.is_loopback or ip.is_unspecified or ip.is_multicast:
        return None
    if ip.version == 6 and ip.is_link_local:
        return None  # it needs the name of the other machine's interface; browsers take none
    if ip.is_link_local:
        score, why = LINK_LOCAL_SCORE, "no router gave this address; only a cable leads here"
    elif ip.version == 6:
        score, why = IPV6_SCORE, "IPv6"
    elif any(ip in network for network in PRIVATE):
        score, why = PRIVATE_SCORE, "a local network"
    elif ip in SHARED:
        score, why = SHARED_SCORE, "a shared address, as of a VPN or a mobile network"
    else:
        score, why = PUBLIC_SCORE, "a public address"
    shared_by = HOTSPOT.get(address)
    if shared_by is not None and name.startswith(shared_by):
        return Address(address, name, score + HOTSPOT_SCORE, "this machine's own hotspot")
    if TUNNEL.fullmatch(name):
        return Address(address, name, score + TUNNEL_SCORE, "a VPN, or a mobile network")
    if VIRTUAL.fullmatch(name) and not is_default:
        # With the default route, it is a bridge to the real network.
        return Address(address, name, score + VIRTUAL_SCORE, "virtual machines or containers")
    if is_default:
        return Address(address, name, score + DEFAULT_SCORE, f"{why}; the way to the internet")
    return Address(address, name, score, why)


def _find_default_address() -> str | None:
    """Return the address from which this machine reaches the internet; None without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a UDP socket sends nothing: it only chooses the outgoing interface.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])
