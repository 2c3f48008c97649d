"""interfaces: which of this machine's addresses other machines reach."""

from __future__ import annotations

import socket

import ifaddr
import pytest

from tickerkit.net.addresses import is_loopback
from tickerkit.net.interfaces import find_network_address, list_addresses, rank

# What machines list, as ifaddr returns it, with the address that has the default route. The first
# of the expected addresses is what a class is told; the others are those at which nobody comes.
LINUX_WITH_DOCKER = """
lo               127.0.0.1
lo               ::1
docker0          172.17.0.1
br-5f2c1a9d0e4b  172.18.0.1
veth3b1c9ff      fe80::d4ab:7fff:fe0c:1
enp3s0           192.168.1.20
enp3s0           fe80::7e83:34ff:fe11:20
"""
LINUX_WITH_VPN = """
lo         127.0.0.1
tun0       10.8.0.6
wlp2s0     192.168.178.44
wlp2s0     2001:db8:44::9a1
"""
LINUX_WITH_WIREGUARD = """
lo             127.0.0.1
wg-mullvad     10.66.120.7
wlan0          10.33.4.118
"""
LINUX_IN_WSL = """
lo        127.0.0.1
lo        10.255.255.254
eth0      172.29.112.5
docker0   172.17.0.1
"""
LINUX_WITH_LIBVIRT = """
lo        127.0.0.1
virbr0    192.168.122.1
br0       192.168.1.20
vnet0     fe80::fc54:ff:fe1d:1
"""
LINUX_HOTSPOT = """
lo        127.0.0.1
eth0      192.168.1.20
wlp2s0    10.42.0.1
"""
OFFLINE_ROUTER = """
lo        127.0.0.1
docker0   172.17.0.1
enp3s0    192.168.0.101
"""
TAILSCALE = """
lo           127.0.0.1
tailscale0   100.101.102.103
tailscale0   fd7a:115c:a1e0::1
wlp2s0       192.168.1.20
"""
TWO_CARDS = """
lo        127.0.0.1
eno1      10.20.30.40
wlp2s0    192.168.1.20
"""
CAMPUS = """
lo      127.0.0.1
eno1    198.51.100.77
"""
IPV6_ONLY = """
lo      127.0.0.1
lo      ::1
eth0    2001:db8:1::20
eth0    fe80::7e83:34ff:fe11:20
"""
LINK_LOCAL_ONLY = """
lo        127.0.0.1
docker0   172.17.0.1
enp3s0    169.254.81.7
"""
MAC_WITH_VPN = """
lo0         127.0.0.1
lo0         ::1
lo0         fe80::1
en0         192.168.1.20
en0         fe80::c2c:8f4d:1a2b:3c4d
awdl0       fe80::a0c1:2cff:fe33:1
utun0       fe80::7f1a:22bb:33cc:1
utun4       10.14.0.2
bridge100   192.168.64.1
"""
MAC_SHARES_ITS_CONNECTION = """
lo0         127.0.0.1
en0         169.254.12.3
en7         192.168.1.20
bridge100   192.168.2.1
"""
WINDOWS_WITH_WSL_AND_VIRTUALBOX = """
vEthernet (Default Switch), Hyper-V Virtual Ethernet Adapter              172.23.16.1
vEthernet (WSL (Hyper-V firewall)), Hyper-V Virtual Ethernet Adapter #2   172.29.112.1
Ethernet 3, VirtualBox Host-Only Ethernet Adapter                         192.168.56.1
Local Area Connection* 9, Microsoft Wi-Fi Direct Virtual Adapter          169.254.33.8
Wi-Fi, Intel(R) Wi-Fi 6 AX201 160MHz                                      192.168.1.20
Bluetooth Network Connection, Bluetooth Device (Personal Area Network)    169.254.201.4
Loopback Pseudo-Interface 1, Software Loopback Interface 1                127.0.0.1
"""
WINDOWS_WITH_VPN = """
Ethernet 4, PANGP Virtual Ethernet Adapter Secure               10.200.7.31
Ethernet 5, TAP-Windows Adapter V9                              169.254.9.9
VMware Network Adapter VMnet8, VMware Virtual Ethernet Adapter  192.168.80.1
Wi-Fi, Realtek 8822CE Wireless LAN 802.11ac PCI-E NIC           172.16.4.90
Loopback Pseudo-Interface 1, Software Loopback Interface 1      127.0.0.1
"""
WINDOWS_WITH_EXTERNAL_SWITCH = """
vEthernet (External), Hyper-V Virtual Ethernet Adapter                  192.168.1.20
vEthernet (Default Switch), Hyper-V Virtual Ethernet Adapter #2         172.23.16.1
Loopback Pseudo-Interface 1, Software Loopback Interface 1              127.0.0.1
"""
WINDOWS_HOTSPOT = """
Ethernet, Intel(R) Ethernet Connection (14) I219-V                  10.1.2.3
Local Area Connection* 10, Microsoft Wi-Fi Direct Virtual Adapter   192.168.137.1
Loopback Pseudo-Interface 1, Software Loopback Interface 1          127.0.0.1
"""

# The list, its default address, the best address, and how many others may be reached.
RECORDED = {
    "Linux with Docker": (LINUX_WITH_DOCKER, "192.168.1.20", "192.168.1.20", 0),
    "a VPN has the default route": (LINUX_WITH_VPN, "10.8.0.6", "192.168.178.44", 1),
    "WireGuard has the default route": (LINUX_WITH_WIREGUARD, "10.66.120.7", "10.33.4.118", 0),
    "inside WSL": (LINUX_IN_WSL, "172.29.112.5", "172.29.112.5", 1),
    "a bridge to the network": (LINUX_WITH_LIBVIRT, "192.168.1.20", "192.168.1.20", 0),
    "a hotspot of Linux": (LINUX_HOTSPOT, "192.168.1.20", "10.42.0.1", 1),
    "a router without a gateway": (OFFLINE_ROUTER, None, "192.168.0.101", 0),
    "Tailscale": (TAILSCALE, "192.168.1.20", "192.168.1.20", 0),
    "two cards, the first has the route": (TWO_CARDS, "10.20.30.40", "10.20.30.40", 1),
    "two cards, the second has the route": (TWO_CARDS, "192.168.1.20", "192.168.1.20", 1),
    "a campus with public addresses": (CAMPUS, "198.51.100.77", "198.51.100.77", 0),
    "IPv6 only": (IPV6_ONLY, None, "2001:db8:1::20", 0),
    "no DHCP": (LINK_LOCAL_ONLY, None, "169.254.81.7", 0),
    "macOS with a VPN and a VM": (MAC_WITH_VPN, "10.14.0.2", "192.168.1.20", 0),
    "macOS shares its connection": (MAC_SHARES_ITS_CONNECTION, "192.168.1.20", "192.168.2.1", 2),
    "Windows with WSL": (WINDOWS_WITH_WSL_AND_VIRTUALBOX, "192.168.1.20", "192.168.1.20", 2),
    "Windows with a VPN": (WINDOWS_WITH_VPN, "10.200.7.31", "172.16.4.90", 0),
    "an external switch": (WINDOWS_WITH_EXTERNAL_SWITCH, "192.168.1.20", "192.168.1.20", 0),
    "a hotspot of Windows": (WINDOWS_HOTSPOT, "10.1.2.3", "192.168.137.1", 1),
}


def read(recorded: str) -> list[tuple[str, str]]:
    """Return the names and addresses of a list."""
    return [tuple(line.rsplit(maxsplit=1)) for line in recorded.split("\n") if line]  # type: ignore[misc]


@pytest.mark.parametrize(("recorded", "default", "best", "others"), RECORDED.values(), ids=RECORDED)
def test_best_address_is_the_one_that_students_reach(
    recorded: str, default: str | None, best: str, others: int
) -> None:
    """Whatever has the default route, tunnels and virtual machines come after real networks."""
    ranked = rank(read(recorded), default)
    assert ranked[0].address == best
    assert sum(each.is_likely for each in ranked) == 1 + others
    assert all(each.why for each in ranked)
    assert not any(is_loopback(each.address) for each in ranked)


@pytest.mark.parametrize("recorded", [each[0] for each in RECORDED.values()])
def test_the_order_of_the_list_does_not_matter(recorded: str) -> None:
    """A system may list its interfaces in any order."""
    interfaces = read(recorded)
    forward, backward = rank(interfaces, None), rank(interfaces[::-1], None)
    assert forward[0].score == backward[0].score
    assert {each.address for each in forward} == {each.address for each in backward}


def test_machine_without_a_network_has_no_address() -> None:
    """Loopback is no address for others."""
    assert (
        rank([("lo", "127.0.0.1"), ("lo", "::1"), ("0", "0.0.0.0"), ("0", "127.0.1.1")], None) == []
    )


def test_containers_are_listed_where_there_is_nothing_else() -> None:
    """The only address is given, and said to be unlikely."""
    (only,) = rank([("lo", "127.0.0.1"), ("docker0", "172.17.0.1")], None)
    assert (only.address, only.is_likely) == ("172.17.0.1", False)
    assert only.why == "virtual machines or containers"


def test_addresses_of_this_machine_can_be_bound() -> None:
    """They are its own, and none is loopback."""
    for each in list_addresses():
        family = socket.AF_INET6 if ":" in each.address else socket.AF_INET
        socket.create_server((each.address, 0), family=family).close()
        assert not is_loopback(each.address)
    if (address := find_network_address()) is not None:
        assert address in [each.address for each in list_addresses()]


def test_default_address_remains_where_the_system_lists_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A system may refuse to list its interfaces; without a route there is then no address."""

    def fail(*_: object) -> None:
        raise OSError("not permitted")

    monkeypatch.setattr(ifaddr, "get_adapters", fail)
    monkeypatch.setattr(socket.socket, "getsockname", lambda _: ("192.168.1.20", 9))
    monkeypatch.setattr(socket.socket, "connect", lambda *_: None)
    assert find_network_address() == "192.168.1.20"
    assert find_network_address(6) is None
    monkeypatch.setattr(socket.socket, "connect", fail)
    assert find_network_address() is None
    assert list_addresses() == []
