"""The known traps of a machine, each as a function that says how it stands there."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal
from urllib import request

__all__ = ["CHECKS", "PACKAGES", "Finding", "version"]

LAB = 'pip install "tickerkit[lab]"'
NEEDED = (
    "anywidget",
    "cloudpickle",
    "ipywidgets",
    "msgspec",
    "numpy",
    "pandas",
    "plotly",
    "websockets",
)
NESTED = ("nest-asyncio2",) if sys.version_info >= (3, 14) else ("nest-asyncio",)
PACKAGES = (*NEEDED, "ipykernel", "jupyterlab", "nest-asyncio", "nest-asyncio2")
NEWEST_PLOTLY = 7  # the newest one that tickerkit was tried with
PORT = 8000
EXTENSIONS = {"@jupyter-widgets/jupyterlab-manager": "jupyterlab_widgets", "anywidget": "anywidget"}
LOCAL = ("localhost", "127.0.0.1")
TICKS = 100
KERNEL_S = 20.0

Level = Literal["fine", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """How something stands.

    Attributes:
        name: what was looked at.
        about: what was found.
        fix: what to do about it.
        level: "wrong" when something that is documented will not work; "note" for what is good to
            know; else "fine".
    """

    name: str
    about: str
    fix: str = ""
    level: Level = "fine"


def wrong(name: str, about: str, fix: str) -> Finding:
    """Return a finding that something will not work."""
    return Finding(name, about, fix, "wrong")


def version(package: str) -> str | None:
    """Return the version of an installed package, None where there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def packages() -> Iterator[Finding]:
    """Look for packages that are missing, or older than tickerkit needs."""
    try:
        needs = metadata.requires("tickerkit") or []
    except metadata.PackageNotFoundError:  # run from its source
        needs = []
    bounds = (re.match(r"([\w.-]+)>=([\d.]+)", each) for each in needs)
    least = {bound[1]: bound[2] for bound in bounds if bound}
    fine = True
    for name in (*NEEDED, *NESTED):
        found, wanted = version(name), least.get(name, "0")
        if found is None:
            fine = False
            yield wrong(name, "is missing", f'pip install "{name}>={wanted}"')
        elif _numbers(found) < _numbers(wanted):
            fine = False
            yield wrong(name, f"{found} is older than {wanted}", f'pip install "{name}>={wanted}"')
    plotly = version("plotly") or "0"
    if _numbers(plotly)[0] > NEWEST_PLOTLY:
        about = f"{plotly} is newer than tickerkit was tried with"
        fix = f'if charts fail: pip install "plotly<{NEWEST_PLOTLY + 1}"'
        yield Finding("plotly", about, fix, "note")
    if fine:
        yield Finding("packages", "all there, none too old")


def kernel() -> Iterator[Finding]:
    """Look at the Python that notebooks run in, and what runs them."""
    found = version("ipykernel")
    if found is None:
        yield Finding("notebooks", "not installed here", LAB, "note")
        return
    if _numbers(found)[:2] == (7, 0):
        about = f"{found} loses what threads print"
        yield wrong("ipykernel", about, 'pip install "ipykernel>=7.1"')
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    again = f'"{sys.executable}" -m ipykernel install --sys-prefix'
    try:
        python = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        yield wrong("kernel", "Jupyter knows no Python 3", again)
        return
    # Jupyter itself takes its own Python where a kernel just says so.
    if re.fullmatch(r"python[\d.]*", python):
        python = sys.executable
    prefix = _ask(python, "import sys; print(sys.prefix)")
    if prefix == sys.prefix:
        yield Finding("kernel", f"notebooks run in this Python, ipykernel {found}")
    elif prefix and _ask(python, "import tickerkit; print(1)"):
        about = f"notebooks run in another Python, which has tickerkit too: {python}"
        yield Finding("kernel", about, level="note")
    else:
        about = f"notebooks run in {python}, which has no tickerkit"
        yield wrong("kernel", about, again)


def lab() -> Iterator[Finding]:
    """Look for what draws widgets in JupyterLab, here and in the one that `jupyter lab` starts."""
    here = version("jupyterlab") is not None
    if here:
        from jupyter_core.paths import jupyter_path

        yield _widgets("", jupyter_path("labextensions"), "wrong")
    elif version("ipykernel"):
        yield Finding("JupyterLab", "not installed here", LAB, "note")
    other = _environment(shutil.which("jupyter-lab"))
    if other is not None and other != Path(sys.prefix).resolve():
        if here:
            about = f"`jupyter lab` starts the one of {other}"
            yield Finding("JupyterLab", about, "start it with: tickerkit lab", "note")
        roots = [other, Path.home() / ".local"]
        folders = [str(root / "share/jupyter/labextensions") for root in roots]
        yield _widgets(f"the one of {other} ", folders, "note" if here else "wrong")


def _widgets(which: str, folders: list[str], level: Level) -> Finding:
    """Return whether there is what draws widgets in some folders of extensions."""
    missing = [
        package
        for extension, package in EXTENSIONS.items()
        if not any((Path(folder) / extension).is_dir() for folder in folders)
    ]
    if not missing:
        return Finding("JupyterLab", f"{which}can draw widgets")
    about = f"{which}has no {' and no '.join(missing)}: charts stay empty"
    fix = f"{'there: ' if which else ''}pip install --force-reinstall {' '.join(missing)}"
    return Finding("JupyterLab", about, fix, level)


def _environment(program: str | None) -> Path | None:
    """Return the environment that a Python program belongs to, None where it does not say."""
    if program is None:
        return None
    if os.name == "nt":
        return Path(program).resolve().parent.parent
    # Its first line tells, also where it is linked to, and a version manager's stand-in has none.
    try:
        with Path(program).open(encoding="utf-8", errors="replace") as file:
            match = re.match(r"#!\s*(/\S*)/bin/python[\d.]*\s", file.readline(1024))
    except OSError:
        return None
    return Path(match[1]).resolve() if match else None


def nested() -> Iterator[Finding]:
    """Look for nest_asyncio where it does harm."""
    if sys.version_info >= (3, 14) and version("nest-asyncio") and not version("nest-asyncio2"):
        about = "breaks asyncio.current_task on Python 3.14"
        yield wrong("nest-asyncio", about, "pip install nest-asyncio2")
    startup = Path(os.environ.get("IPYTHONDIR") or Path.home() / ".ipython")
    for file in sorted(startup.glob("profile_default/startup/*.py")):
        if "nest_asyncio" in file.read_text(errors="replace"):
            about = f"is applied in every notebook by {file}"
            yield Finding("nest_asyncio", about, "tickerkit needs none; take it out", "note")
    if hasattr(asyncio, "_nest_patched"):
        about = "is applied before any program begins"
        yield Finding("nest_asyncio", about, "tickerkit needs none; take it out", "note")


def port() -> Iterator[Finding]:
    """Look whether the port that `tk.serve` takes by default is free."""
    from tickerkit.net.addresses import port_holder

    try:
        socket.create_server(("127.0.0.1", PORT)).close()
    except OSError:
        about = f"is taken by {port_holder(PORT) or 'another program'}"
        yield wrong(f"port {PORT}", about, "stop it, or take a free port: tk.serve(…, port=0)")
    else:
        yield Finding(f"port {PORT}", "is free")


def proxy() -> Iterator[Finding]:
    """Look for a proxy that gets what is meant for this machine."""
    proxies = request.getproxies_environment()
    ways = [way for way in ("http", "https", "all", "ws") if proxies.get(way)]
    bypassed: Callable[..., bool] = request.proxy_bypass_environment  # type: ignore[attr-defined]
    caught = [host for host in LOCAL if ways and not bypassed(host, proxies)]
    if caught:
        about = f"connections to {' and '.join(caught)} go to {ways[0].upper()}_PROXY"
        yield wrong("proxy", about, f"set NO_PROXY={','.join(LOCAL)}")
    elif ways:
        yield Finding("proxy", "leaves this machine's own addresses alone")


def shadows() -> Iterator[Finding]:
    """Look for files here that Python would import in place of a package."""
    # Of Python's own modules, those that are in use; nobody misses `test` or `this`.
    names = {"tickerkit", *NEEDED, *(sys.stdlib_module_names & sys.modules.keys())}
    here = Path.cwd()
    for file in sorted(here.glob("*.py")):
        if file.stem in names:
            about = f"here hides the real {file.stem} from notebooks"
            yield wrong(file.name, about, f"give it another name: {file}")


def loopback() -> Iterator[Finding]:
    """Serve some ticks on a free port, and read them back."""
    from tickerkit.feed import connect
    from tickerkit.server import serve

    prices = [{"symbol": "TEST", "price": 100 + index / 100} for index in range(TICKS)]
    began = time.monotonic()
    with (
        serve(None, port=0) as server,
        connect(server.url, history=None) as feed,
    ):
        server.publish(prices)
        back = feed.wait(TICKS).frame()["price"].tolist()
    took_ms = (time.monotonic() - began) * 1000
    if back == [price["price"] for price in prices]:
        yield Finding("loopback", f"{TICKS} ticks served and read back in {took_ms:.0f} ms")
    else:
        yield wrong("loopback", "other ticks came back than were served", "please report this")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    packages,
    kernel,
    lab,
    nested,
    port,
    proxy,
    loopback,
    # Last, when what is in use is imported.
    shadows,
)


def _numbers(text: str) -> tuple[int, ...]:
    """Return a version's numbers, for comparing."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(each) for each in match[0].split(".")) if match else (0,)


def _ask(python: str, program: str) -> str | None:
    """Return what a line of Python prints in another Python; None where it fails."""
    try:
        # Elsewhere, so that the current directory is not what it imports from.
        done = subprocess.run(
            [python, "-c", program],
            cwd=Path(sys.executable).parent,
            capture_output=True,
            text=True,
            timeout=KERNEL_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
