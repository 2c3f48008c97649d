"""Traps: what keeps students from reaching a teacher's machine, by its system."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

__all__ = ["FIREWALL_MAC", "System", "Trap", "find_python", "find_system", "list_traps"]

System: TypeAlias = Literal["Windows", "macOS", "Linux", "WSL", "container", "hub"]

FIREWALL_MAC = "/usr/libexec/ApplicationFirewall/socketfilterfw"
# The virtual machine of WSL, by Microsoft's documentation of the Hyper-V firewall.
WSL_MACHINE = "{40E0AC32-46A5-438A-A0B2-2B479E8F2E90}"


@dataclass(frozen=True, slots=True)
class Trap:
    """What may keep students out.

    Attributes:
        name: a few words.
        about: what happens, in a sentence.
        fix: what to do: a command, or words.
        is_command: whether the fix is a command.
    """

    name: str
    about: str
    fix: str
    is_command: bool = False


def find_system(root: Path = Path("/")) -> System:
    """Return the kind of system that this process runs in.

    Args:
        root: the folder in which the files of the system are.
    """
    if any(os.environ.get(name) for name in ("JUPYTERHUB_API_URL", "JUPYTERHUB_PUBLIC_URL")):
        return "hub"
    if any((root / name).exists() for name in (".dockerenv", "run/.containerenv")):
        return "container"
    try:
        if "microsoft" in (root / "proc/version").read_text().lower():
            return "WSL"
    except OSError:
        pass
    named: dict[str, System] = {"Windows": "Windows", "Darwin": "macOS"}
    return named.get(platform.system(), "Linux")


def list_traps(system: System, port: int = 8000, python: str = "") -> list[Trap]:
    """Return what may keep students out, the most likely first.

    Args:
        system: what the teacher's server runs in.
        port: the server's port.
        python: the program that listens; by default this Python.
    """
    return [*_LISTS[system](port, python or find_python()), *EVERYWHERE]


def find_python() -> str:
    """Return the program that listens when this Python does.

    The one in a virtual environment on Windows starts another, which firewalls know.
    """
    return getattr(sys, "_base_executable", "") or sys.executable


def _list_windows(port: int, python: str) -> list[Trap]:
    return [
        Trap(
            "public network",
            "Windows counts a new network as public, and then blocks all that comes in",
            "Get-NetConnectionProfile | Set-NetConnectionProfile -NetworkCategory Private",
            True,
        ),
        Trap(
            "blocked Python",
            "after one Cancel to the firewall's question, a rule blocks Python, and Windows does "
            "not ask again",
            f'Get-NetFirewallApplicationFilter -Program "{python}" | Get-NetFirewallRule | '
            "Where-Object Action -eq Block | Remove-NetFirewallRule",
            True,
        ),
        Trap(
            "firewall",
            "the firewall blocks what no rule allows; this one is for the port, in a PowerShell of "
            "an administrator",
            "New-NetFirewallRule -DisplayName tickerkit -Direction Inbound -Action Allow "
            f"-Protocol TCP -LocalPort {port}",
            True,
        ),
    ]


def _list_mac(port: int, python: str) -> list[Trap]:
    return [
        Trap(
            "firewall",
            "where the firewall of macOS is on, it may block Python",
            f'sudo {FIREWALL_MAC} --add "{python}" --unblockapp "{python}"',
            True,
        ),
        Trap(
            "block all",
            "the option to block all incoming connections overrides every rule",
            f"sudo {FIREWALL_MAC} --setblockall off",
            True,
        ),
    ]


def _list_linux(port: int, python: str) -> list[Trap]:
    return [
        Trap("ufw", "where ufw is active, it blocks the port", f"sudo ufw allow {port}/tcp", True),
        Trap(
            "firewalld",
            "where firewalld runs, as on Fedora, it blocks the port",
            f"sudo firewall-cmd --add-port={port}/tcp",
            True,
        ),
    ]


def _list_wsl(port: int, python: str) -> list[Trap]:
    return [
        Trap(
            "WSL",
            "a server in WSL 2 is behind Windows, and its address leads nowhere from outside",
            "start the class in Windows: py -m pip install tickerkit",
        ),
        Trap(
            "mirrored",
            "or give WSL the addresses of Windows: write [wsl2] and networkingMode=mirrored to "
            "%UserProfile%\\.wslconfig, run wsl --shutdown, and open the firewall in a PowerShell "
            "of an administrator",
            f"Set-NetFirewallHyperVVMSetting -Name '{WSL_MACHINE}' -DefaultInboundAction Allow",
            True,
        ),
    ]


def _list_container(port: int, python: str) -> list[Trap]:
    return [
        Trap(
            "container",
            "a server in a container has an address that only this machine knows; publish the "
            "port, and give students the address of the machine itself",
            f"docker run -p {port}:{port} …",
            True,
        )
    ]


def _list_hub(port: int, python: str) -> list[Trap]:
    return [
        Trap(
            "hub",
            "a server on a hub is reached through the hub's address only, by those who may log in "
            "there",
            "open the class on your own machine",
        )
    ]


_LISTS = {
    "Windows": _list_windows,
    "macOS": _list_mac,
    "Linux": _list_linux,
    "WSL": _list_wsl,
    "container": _list_container,
    "hub": _list_hub,
}

EVERYWHERE = (
    Trap(
        "other network",
        "guest wifi and mobile data are other networks than yours",
        "compare the addresses: their first three numbers are mostly the same in one network",
    ),
    Trap(
        "clients apart",
        "many schools' wifi lets its clients reach the internet, but not each other",
        "use a router of your own, which needs no internet, or a cable",
    ),
    Trap(
        "VPN",
        "a VPN, on your machine or a student's, may lead all connections elsewhere",
        "switch it off during the lesson",
    ),
    Trap(
        "https",
        "a browser that is given no http:// may try https:// and say that the site is not secure",
        "type http:// in front",
    ),
    Trap(
        "permission",
        "macOS and iOS ask whether a browser may find devices in the local network; after a no, "
        "the page is not reachable",
        "allow it: Settings, Privacy & Security, Local Network",
    ),
    Trap(
        "hotspot",
        "the hotspot of a phone or of Windows takes 5 to 10 devices",
        "30 students need a router",
    ),
)
