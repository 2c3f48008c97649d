"""Checks of `tickerkit doctor`: each looks for one known problem of a machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from urllib import request

from packaging.requirements import Requirement
from packaging.version import Version

from tickerkit.cli.findings import Finding, Level

__all__ = ["CHECKS", "PACKAGES", "Finding", "find_version"]

INSTALL_LAB = 'pip install "tickerkit[lab]"'
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
MAX_PLOTLY = 7  # the newest major version that tickerkit was tested with
PORT = 8000  # the default of tk.serve
EXTENSIONS = {"@jupyter-widgets/jupyterlab-manager": "jupyterlab_widgets", "anywidget": "anywidget"}
LOCAL_HOSTS = ("localhost", "127.0.0.1")
TICKS = 100
# Where the settings of a user are, by system; of VS Code and of editors that are made of it.
EDITORS = {"VS Code": "Code", "Positron": "Positron"}
SETTINGS = {
    "darwin": "~/Library/Application Support/{}/User/settings.json",
    "win32": "~/AppData/Roaming/{}/User/settings.json",
}
OTHER_SETTINGS = "~/.config/{}/User/settings.json"
WIDGET_SOURCES = '"jupyter.widgetScriptSources": ["jsdelivr.com", "unpkg.com"]'
PYTHON_S = 20.0  # how long another Python may take

# Prints whether a Jupyter server of this Python loads tickerkit's extension (null if it is not
# installed), whether the class of its connections is Jupyter's own, and the class. The extensions
# are linked but not loaded, since what they start then is not for a check.
SERVER = """
import json, logging
from jupyter_server.gateway.gateway_client import GatewayClient
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
app = ServerApp(log_level=logging.CRITICAL)
app.load_config_file()
app.gateway_config = GatewayClient.instance(parent=app)
app.find_server_extensions()
app.init_server_extensions()
extension = app.extension_manager.extensions.get("tickerkit")
found = app.kernel_websocket_connection_class
is_default = found is ZMQChannelsWebsocketConnection
name = f"{found.__module__}.{found.__qualname__}"
print(json.dumps([extension and extension.enabled, is_default, name]))
"""


def _problem(name: str, about: str, fix: str) -> Finding:
    return Finding(name, about, fix, "problem")


def find_version(package: str) -> str | None:
    """Return the version of an installed package; None if it isn't installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def check_packages() -> Iterator[Finding]:
    """Check for packages that are missing, or older than tickerkit needs."""
    try:
        lines = metadata.requires("tickerkit") or []
    except metadata.PackageNotFoundError:  # imported from a folder, not installed
        lines = []
    bounds = {
        requirement.name: bound.version
        for requirement in map(Requirement, lines)
        for bound in requirement.specifier
        if bound.operator == ">="
    }
    is_ok = True
    for name in (*NEEDED, *NESTED):
        found, minimum = find_version(name), bounds.get(name, "0")
        fix = f'pip install "{name}>={minimum}"'
        if found is None:
            is_ok = False
            yield _problem(name, "is missing", fix)
        elif Version(found) < Version(minimum):
            is_ok = False
            yield _problem(name, f"{found} is older than {minimum}", fix)
    plotly = find_version("plotly") or "0"
    if Version(plotly).major > MAX_PLOTLY:
        about = f"{plotly} is newer than tickerkit was tested with"
        fix = f'if charts fail: pip install "plotly<{MAX_PLOTLY + 1}"'
        yield Finding("plotly", about, fix, "note")
    if is_ok:
        yield Finding("packages", "all installed, none too old")


def check_kernel() -> Iterator[Finding]:
    """Check the Python that notebooks run in, and its ipykernel."""
    found = find_version("ipykernel")
    if found is None:
        yield Finding("notebooks", "not installed here", INSTALL_LAB, "note")
        return
    if Version(found).release[:2] == (7, 0):
        about = f"{found} loses what threads print"
        yield _problem("ipykernel", about, 'pip install "ipykernel>=7.1"')
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    fix = f'"{sys.executable}" -m ipykernel install --sys-prefix'
    try:
        python = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        yield _problem("kernel", "Jupyter has no Python 3 kernel", fix)
        return
    # Jupyter replaces a bare "python" by its own Python.
    if re.fullmatch(r"python[\d.]*", python):
        python = sys.executable
    prefix = _run_python(python, "import sys; print(sys.prefix)")
    if prefix == sys.prefix:
        yield Finding("kernel", f"notebooks run in this Python, ipykernel {found}")
    elif prefix and _run_python(python, "import tickerkit; print(1)"):
        about = f"notebooks run in another Python that has tickerkit: {python}"
        yield Finding("kernel", about, level="note")
    else:
        about = f"notebooks run in {python}, which has no tickerkit"
        yield _problem("kernel", about, fix)


def check_lab() -> Iterator[Finding]:
    """Check that JupyterLab can draw widgets: the one here, and the one of `jupyter lab`."""
    is_here = find_version("jupyterlab") is not None
    if is_here:
        from jupyter_core.paths import jupyter_path

        yield _check_extensions("", jupyter_path("labextensions"), "problem")
    elif find_version("ipykernel"):
        yield Finding("JupyterLab", "not installed here", INSTALL_LAB, "note")
    other = _find_environment(shutil.which("jupyter-lab"))
    if other is not None and other != Path(sys.prefix).resolve():
        if is_here:
            about = f"`jupyter lab` starts the one of {other}"
            yield Finding("JupyterLab", about, "start it with: tickerkit lab", "note")
        roots = [other, Path.home() / ".local"]
        folders = [str(root / "share/jupyter/labextensions") for root in roots]
        yield _check_extensions(f"the one of {other} ", folders, "note" if is_here else "problem")


def _check_extensions(which: str, folders: list[str], level: Level) -> Finding:
    """Check that folders of extensions have those that draw widgets."""
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


def _find_environment(program: str | None) -> Path | None:
    """Return the environment of an installed Python program; None if it can't be known."""
    if program is None:
        return None
    if os.name == "nt":
        return Path(program).resolve().parent.parent
    # The program's first line names its Python, also where the program is a link. The launcher of
    # a version manager has no such line.
    try:
        with Path(program).open(encoding="utf-8", errors="replace") as file:
            match = re.match(r"#!\s*(/\S*)/bin/python[\d.]*\s", file.readline(1024))
    except OSError:
        return None
    return Path(match[1]).resolve() if match else None


def check_updates() -> Iterator[Finding]:
    """Check that Jupyter sends each update of a chart at once: here, and where `jupyter lab` is."""
    if find_version("jupyter_server"):
        yield from _check_server("", sys.executable)
    other = _find_environment(shutil.which("jupyter-lab"))
    if other is not None and other != Path(sys.prefix).resolve():
        yield from _check_server(f"in {other}, ", str(other / "bin" / "python"))


def _check_server(which: str, python: str) -> Iterator[Finding]:
    """Check the server of a Python; nothing is found if it has none that works."""
    lines = (_run_python(python, SERVER) or "").splitlines()
    if not lines:
        return
    is_enabled, is_default, name = json.loads(lines[-1])  # a configuration may print, too
    if not is_default:
        about = f"{which}are sent by {name}, which tickerkit's server extension leaves as it is"
        yield Finding("updates", about, level="note")
    elif is_enabled:
        yield Finding("updates", f"{which}are sent at once by tickerkit's server extension")
    elif is_enabled is None:
        about = f"{which}may come 40 times a second: tickerkit's server extension is not installed"
        fix = "there: pip install tickerkit" if which else _name_reinstall()
        yield Finding("updates", about, fix, "note")
    else:
        about = f"{which}may come 40 times a second: tickerkit's server extension is disabled"
        fix = f'"{python}" -m jupyter_server extension enable tickerkit'
        yield Finding("updates", about, fix, "note")


def check_editors() -> Iterator[Finding]:
    """Check that VS Code and Positron may load anywidget's page side, which they do not have."""
    for name, folder in EDITORS.items():
        path = Path(SETTINGS.get(sys.platform, OTHER_SETTINGS).format(folder)).expanduser()
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeError):
            continue
        # The file may have comments, so it is not read as JSON.
        if re.search(r'^[^/\n]*"jupyter\.widgetScriptSources"\s*:\s*\[\s*"', text, re.M):
            yield Finding(name, "loads the page side of widgets from the internet, as it must")
        else:
            about = "shows no live chart: it may not load the page side of widgets"
            fix = f"add {WIDGET_SOURCES} to {path}; it needs the internet"
            yield Finding(name, about, fix, "note")


def _name_reinstall() -> str:
    """Return the command that installs tickerkit again, with the files for Jupyter."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        text = metadata.distribution("tickerkit").read_text("direct_url.json")
        origin = json.loads(text or "{}")
        if origin.get("dir_info", {}).get("editable"):
            return f'pip install --editable "{origin["url"]}"'
    return "pip install --force-reinstall --no-deps tickerkit"


def check_nested_loops() -> Iterator[Finding]:
    """Check that nest_asyncio is not applied where it does harm."""
    is_broken = sys.version_info >= (3, 14) and find_version("nest-asyncio")
    if is_broken and not find_version("nest-asyncio2"):
        about = "breaks asyncio.current_task on Python 3.14"
        yield _problem("nest-asyncio", about, "pip install nest-asyncio2")
    fix = "remove it; tickerkit doesn't need it"
    profile = Path(os.environ.get("IPYTHONDIR") or Path.home() / ".ipython")
    for file in sorted(profile.glob("profile_default/startup/*.py")):
        if "nest_asyncio" in file.read_text(errors="replace"):
            yield Finding("nest_asyncio", f"is applied in every notebook by {file}", fix, "note")
    if hasattr(asyncio, "_nest_patched"):
        yield Finding("nest_asyncio", "is applied at the start of every program", fix, "note")


def check_port() -> Iterator[Finding]:
    """Check that the default port of `tk.serve` is free."""
    from tickerkit.net.addresses import find_port_holder

    try:
        socket.create_server(("127.0.0.1", PORT)).close()
    except OSError:
        about = f"is taken by {find_port_holder(PORT) or 'another program'}"
        yield _problem(f"port {PORT}", about, "stop it, or take a free port: tk.serve(…, port=0)")
    else:
        yield Finding(f"port {PORT}", "is free")


def check_proxy() -> Iterator[Finding]:
    """Check that no proxy receives the connections to this machine."""
    proxies = request.getproxies_environment()
    schemes = [scheme for scheme in ("http", "https", "all", "ws") if proxies.get(scheme)]
    is_bypassed: Callable[..., bool] = request.proxy_bypass_environment  # type: ignore[attr-defined]
    proxied = [host for host in LOCAL_HOSTS if schemes and not is_bypassed(host, proxies)]
    if proxied:
        about = f"connections to {' and '.join(proxied)} go to {schemes[0].upper()}_PROXY"
        yield _problem("proxy", about, f"set NO_PROXY={','.join(LOCAL_HOSTS)}")
    elif schemes:
        yield Finding("proxy", "is not used for this machine's own addresses")


def check_shadowing() -> Iterator[Finding]:
    """Check for files in this folder that Python would import instead of a package."""
    # Only modules of the standard library that are in use: nobody misses `test` or `this`.
    names = {"tickerkit", *NEEDED, *(sys.stdlib_module_names & sys.modules.keys())}
    for file in sorted(Path.cwd().glob("*.py")):
        if file.stem in names:
            about = f"in this folder hides the real {file.stem} from notebooks"
            yield _problem(file.name, about, f"rename it: {file}")


def check_loopback() -> Iterator[Finding]:
    """Serve ticks on a free port, and read them back."""
    from tickerkit.feed import connect
    from tickerkit.server import serve

    prices = [{"symbol": "TEST", "price": 100 + index / 100} for index in range(TICKS)]
    began = time.monotonic()
    with (
        serve(None, port=0) as server,
        connect(server.url, history=None) as feed,
    ):
        server.publish(prices)
        received = feed.wait(TICKS).frame()["price"].tolist()
    took_ms = (time.monotonic() - began) * 1000
    if received == [price["price"] for price in prices]:
        yield Finding("loopback", f"{TICKS} ticks served and read back in {took_ms:.0f} ms")
    else:
        yield _problem("loopback", "received other ticks than were served", "please report this")


CHECKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "packages": check_packages,
    "kernel": check_kernel,
    "JupyterLab": check_lab,
    "updates": check_updates,
    "editors": check_editors,
    "nested loops": check_nested_loops,
    "port": check_port,
    "proxy": check_proxy,
    "loopback": check_loopback,
    # The last, after the modules that tickerkit uses were imported.
    "shadowing": check_shadowing,
}


def _run_python(python: str, program: str) -> str | None:
    """Return what a program prints in another Python; None if it fails."""
    try:
        # In another folder, so that the program imports nothing from the current one.
        done = subprocess.run(
            [python, "-c", program],
            cwd=Path(sys.executable).parent,
            capture_output=True,
            text=True,
            timeout=PYTHON_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
