"""The Jupyter server extension: it sends a kernel's messages at once, and changes nothing else."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("jupyter_server")
from jupyter_server.services.kernels.connection import channels
from lab import jupyter_server
from tornado import httpserver, testing, web, websocket

import tickerkit
from tickerkit.jupyter_extension import NoDelayConnection

pytestmark = pytest.mark.process

ENABLING = Path(__file__).parents[1] / "jupyter-config" / "tickerkit.json"

# Makes servers that listen nowhere, each with the extension as a user's configuration has it.
# Prints the class of each server's connections, and what the extension imports.
SERVERS = """
import importlib, json, logging, sys
from jupyter_server.gateway.gateway_client import GatewayClient
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

class Other(ZMQChannelsWebsocketConnection):
    pass

def link(app):
    app.kernel_websocket_connection_class = Other

sys.modules["another"] = another = type(sys)("another")
another.Other, another._link_jupyter_server_extension = Other, link
another._load_jupyter_server_extension = lambda app: None

def make(*arguments):
    GatewayClient.clear_instance()
    app = ServerApp(log_level=logging.ERROR)
    app.initialize([*arguments, "--ServerApp.reraise_server_extension_failures=True"],
                   new_httpserver=False)
    return app.web_app.settings["kernel_websocket_connection_class"].__qualname__

switch = "--ServerApp.jpserver_extensions={'another': %s, 'tickerkit': %s}"
off = make(switch % (False, False))
before = set(sys.modules)
on = make()
imported = sorted(set(sys.modules) - before)
print(json.dumps({
    "disabled": off,
    "enabled": on,
    "imported": imported,
    "configured": make("--ServerApp.kernel_websocket_connection_class=another.Other"),
    "gateway": make("--GatewayClient.url=http://127.0.0.1:9"),
    "another": make(switch % (True, True)),
}))
"""

# An extension that answers /nodelay with the websockets of kernels.
PROBE = """
import json, socket
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.web import RequestHandler

class Handler(RequestHandler):
    def get(self):
        sockets = [each.websocket_handler.ws_connection.stream.socket
                   for each in ZMQChannelsWebsocketConnection._open_sockets]
        self.write(json.dumps({"nodelay": [
            each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for each in sockets]}))

def _load_jupyter_server_extension(app):
    app.web_app.add_handlers(".*", [("/nodelay", Handler)])
"""


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what `SERVERS` prints, where the configuration has the file of the wheel."""
    folder = tmp_path_factory.mktemp("config")
    (folder / "jupyter_server_config.d").mkdir()
    shutil.copy(ENABLING, folder / "jupyter_server_config.d")
    done = subprocess.run(
        [sys.executable, "-c", SERVERS],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": str(Path(tickerkit.__file__).parents[1])}
        | {"JUPYTER_CONFIG_DIR": str(folder), "JUPYTER_RUNTIME_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_enabled_extension_replaces_the_class(classes: dict[str, str]) -> None:
    """The file that the wheel installs is enough."""
    assert classes["enabled"] == "NoDelayConnection"


def test_disabled_extension_changes_nothing(classes: dict[str, str]) -> None:
    """`jupyter server extension disable tickerkit` leaves the class of Jupyter."""
    assert classes["disabled"] == "ZMQChannelsWebsocketConnection"


@pytest.mark.parametrize(
    ("case", "name"),
    [("configured", "Other"), ("another", "Other"), ("gateway", "GatewayWebSocketConnection")],
)
def test_class_of_others_stays(classes: dict[str, str], case: str, name: str) -> None:
    """The class of the configuration, of another extension or of a gateway is not replaced."""
    assert classes[case] == name


def test_extension_imports_nothing_else(classes: dict[str, str]) -> None:
    """A server that loads the extension starts as quickly as without it."""
    own = [name for name in classes["imported"] if name.startswith("tickerkit")]
    assert own == ["tickerkit", "tickerkit.jupyter_extension"]
    assert not {"numpy", "pandas", "plotly", "websockets"} & set(classes["imported"])


async def close(page: websocket.WebSocketClientConnection) -> None:
    """Close a websocket, and wait until the other end has closed it."""
    page.close()
    while await page.read_message() is not None:
        pass


@pytest.mark.package
def test_installed_wheel_sends_messages_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stock server in an environment with tickerkit sets TCP_NODELAY on a kernel's websocket."""
    (tmp_path / "probe.py").write_text(PROBE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))

    def fetch(url: str, data: bytes | None = None) -> dict[str, str]:
        with urllib.request.urlopen(url, data) as response:
            return dict(json.load(response))

    async def ask(url: str) -> dict[str, str]:
        kernel = (await asyncio.to_thread(fetch, f"{url}/api/kernels", b"{}"))["id"]
        address = f"{url.replace('http', 'ws')}/api/kernels/{kernel}/channels"
        page = await websocket.websocket_connect(address)
        await page.read_message()  # the connection is made
        found = await asyncio.to_thread(fetch, f"{url}/nodelay")
        await close(page)
        return found

    probe = "--ServerApp.jpserver_extensions={'probe': True}"
    with jupyter_server(tmp_path, "", probe, "--ServerApp.disable_check_xsrf=True") as url:
        assert asyncio.run(asyncio.wait_for(ask(url), 60)) == {"nodelay": [1]}


def test_connection_sets_tcp_nodelay(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's socket has TCP_NODELAY, and the connection is made as usual."""
    found: list[object] = []
    monkeypatch.setattr(
        channels.ZMQChannelsWebsocketConnection, "connect", lambda self: found.append("connected")
    )

    class Page(websocket.WebSocketHandler):
        def open(self, *args: str, **kwargs: str) -> None:
            connection = NoDelayConnection.__new__(NoDelayConnection)
            connection._trait_values["websocket_handler"] = self
            before = self.nodelay()
            connection.connect()
            found.extend([before, self.nodelay()])
            opened.set()

        def nodelay(self) -> bool:
            stream = self.ws_connection.stream
            return bool(stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    opened = asyncio.Event()

    async def visit() -> None:
        sock, port = testing.bind_unused_port()
        server = httpserver.HTTPServer(web.Application([("/", Page)]))
        server.add_sockets([sock])
        page = await websocket.websocket_connect(f"ws://127.0.0.1:{port}/")
        await opened.wait()
        await close(page)
        server.stop()
        await server.close_all_connections()

    asyncio.run(asyncio.wait_for(visit(), 10))
    assert found == ["connected", False, True]
