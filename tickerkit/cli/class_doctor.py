"""`tickerkit doctor --class`: whether students will reach a class on this machine."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tickerkit.classroom.room.traps import (
    EVERYWHERE,
    FIREWALL_MAC,
    Trap,
    find_python,
    find_system,
    list_traps,
)
from tickerkit.cli.checks import PORT
from tickerkit.cli.findings import Finding, Level
from tickerkit.net.addresses import find_port_holder
from tickerkit.net.interfaces import list_addresses

__all__ = ["CLASS_CHECKS"]

RUN_S = 20.0
WAIT_S = 10.0
PUBLIC = (0, "Public")
UFW = Path("/etc/ufw/ufw.conf")
POWERSHELL = ("powershell", "-NoProfile", "-NonInteractive", "-Command")
PROFILES = "Get-NetConnectionProfile | Select-Object InterfaceAlias,NetworkCategory"
BLOCKS = (
    "Get-NetFirewallApplicationFilter -Program '{}' | Get-NetFirewallRule | "
    "Where-Object {{ $_.Action -eq 'Block' -and $_.Enabled -eq 'True' }} | "
    "Select-Object DisplayName"
)


def check_addresses() -> Iterator[Finding]:
    """List the addresses of this machine, the one for students first."""
    found = [each for each in list_addresses() if ":" not in each.address]
    likely = [each for each in found if each.is_likely]
    if not likely:
        about = "this machine has none that others reach"
        yield Finding("address", about, "join a wifi, or plug in a cable", "problem")
    for number, each in enumerate(likely):
        where = f"{each.address}  {each.interface}: {each.why}"
        name = "also" if number else "address"
        yield Finding(name, where, level="note" if number else "ok")
    for each in found:
        if not each.is_likely:
            about = f"{each.address}  {each.interface}: {each.why}"
            yield Finding("not for others", about, level="note")


def check_port() -> Iterator[Finding]:
    """Check that the port of a class is free at all addresses."""
    try:
        socket.create_server(("0.0.0.0", PORT)).close()
    except OSError:
        holder = find_port_holder(PORT) or "another program"
        fix = "stop it, or take another port: tk.room(…, port=8001)"
        yield Finding(f"port {PORT}", f"is taken by {holder}", fix, "problem")
    else:
        yield Finding(f"port {PORT}", "is free")


def check_system() -> Iterator[Finding]:
    """Check for a firewall, and for a machine around this one."""
    system = find_system()
    traps = {trap.name: trap for trap in list_traps(system, PORT)}
    if system in ("WSL", "container", "hub"):
        for trap in traps.values():
            if trap not in EVERYWHERE:
                yield _as_finding(trap, "problem")
    elif system == "Windows":
        yield from check_windows(traps)
    elif system == "macOS":
        yield from check_mac(traps)
    else:
        yield from check_linux(traps)


def check_windows(traps: dict[str, Trap]) -> Iterator[Finding]:
    """Check for networks that count as public, and rules that block Python."""
    profiles = _run_powershell(PROFILES)
    if profiles is None:
        yield Finding("firewall", "PowerShell gives no answer", traps["firewall"].fix, "note")
        return
    public = [each["InterfaceAlias"] for each in profiles if each["NetworkCategory"] in PUBLIC]
    if public:
        yield _as_finding(traps["public network"], "problem", f"{', '.join(public)} is public: ")
    else:
        yield Finding("network", "is private, or that of a domain")
    blocks = _run_powershell(BLOCKS.format(find_python().replace("'", "''")))
    if blocks:
        yield _as_finding(traps["blocked Python"], "problem")
    yield _as_finding(traps["firewall"], "note")


def check_mac(traps: dict[str, Trap]) -> Iterator[Finding]:
    """Check the firewall of macOS."""
    state = _run(FIREWALL_MAC, "--getglobalstate") or ""
    if "enabled" not in state.lower() and "state = 1" not in state.lower():
        yield Finding("firewall", "is off, or its state can't be read")
        return
    if "enabled" in (_run(FIREWALL_MAC, "--getblockall") or "").lower():
        yield _as_finding(traps["block all"], "problem")
    yield _as_finding(traps["firewall"], "note", "is on: ")


def check_linux(traps: dict[str, Trap]) -> Iterator[Finding]:
    """Check ufw and firewalld, as far as it is possible without root."""
    is_found = False
    with contextlib.suppress(OSError):
        is_found = "ENABLED=yes" in UFW.read_text()
    if is_found:
        # Its rules can be read by root only.
        yield _as_finding(traps["ufw"], "note", "is active: ")
    if _run("firewall-cmd", "--state") == "running":
        is_found = True
        if _run("firewall-cmd", f"--query-port={PORT}/tcp") == "yes":
            yield Finding("firewalld", f"lets port {PORT} through")
        else:
            yield _as_finding(traps["firewalld"], "problem")
    if not is_found:
        yield Finding("firewall", "neither ufw nor firewalld is active")


def check_class() -> Iterator[Finding]:
    """Serve on all addresses, and connect by the one that students get."""
    from tickerkit.feed import connect
    from tickerkit.server import serve

    with serve(None, "0.0.0.0", 0, token=True) as server:
        server.publish({"symbol": "TEST", "price": 1})
        if not (url := server.url_for_others):
            return
        with connect(url, retry_for=WAIT_S) as feed:
            feed.wait(1, timeout=WAIT_S)
        host = url.partition("://")[2].partition(":")[0]
    about = f"this machine reaches itself at {host}; only the others can check whether they do"
    yield Finding("class", about, "on another machine: tickerkit doctor --reach URL")


def check_lesson() -> Iterator[Finding]:
    """Name what can't be checked from here."""
    for trap in EVERYWHERE:
        yield _as_finding(trap, "note")


CLASS_CHECKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "address": check_addresses,
    "port": check_port,
    "system": check_system,
    "class": check_class,
    "lesson": check_lesson,
}


def _as_finding(trap: Trap, level: Level, before: str = "") -> Finding:
    return Finding(trap.name, before + trap.about, trap.fix, level)


def _run_powershell(script: str) -> list[dict[str, Any]] | None:
    """Return the objects that a script of PowerShell prints; None if it fails."""
    text = _run(*POWERSHELL, f"@({script}) | ConvertTo-Json -Compress")
    if text is None:
        return None
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return None
    # PowerShell 5 prints a list of one as the one.
    return found if isinstance(found, list) else [found]


def _run(*command: str) -> str | None:
    """Return what a command prints; None if there is none, or it fails."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=RUN_S,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
