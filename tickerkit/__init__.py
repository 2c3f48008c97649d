"""tickerkit: live data in a notebook: markets, any websocket that sends JSON, sensors.

    import tickerkit as tk

    server = tk.serve(tk.simulate(["AAPL", "MSFT"]))    a websocket server in the background
    feed = tk.connect(server.url)                       a feed that resumes and loses nothing
    feed.chart()                                        a live plotly FigureWidget
    feed.frame()                                        a pandas DataFrame, at any moment

Importing it starts nothing, patches nothing, and loads no more than this file: each name below is
loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tickerkit.bars.indicators import indicators
    from tickerkit.brokers import stream
    from tickerkit.chart import Dashboard, LiveFigure, dashboard
    from tickerkit.classroom import tap
    from tickerkit.classroom.room.room import room
    from tickerkit.classroom.room.seat import join
    from tickerkit.errors import (
        BadTick,
        FeedFailed,
        FieldMapError,
        InvalidArgument,
        InvalidType,
        PortalError,
        PortTaken,
        ProtocolError,
        RecordingError,
        RecordingExists,
        RecordingWarning,
        ServerFailed,
        SourceError,
        Stopped,
        StreamError,
        TickerkitError,
        WaitTimeout,
    )
    from tickerkit.feed import Feed, Recorder, connect
    from tickerkit.feed.asof import asof
    from tickerkit.feed.relay import relay
    from tickerkit.log import Reader, TickLog
    from tickerkit.quickstart import live
    from tickerkit.runtime.nested_loops import allow_nested_loops
    from tickerkit.runtime.registry import status, stop_all
    from tickerkit.server import TickServer, serve
    from tickerkit.sources import (
        Outlet,
        Source,
        events,
        json_lines,
        mqtt,
        poll,
        replay,
        simulate,
        simulate_sensors,
        venue,
        venues,
        websocket,
    )
    from tickerkit.storage import read_csv, read_gaps, read_parquet
    from tickerkit.storage.dataset import dataset
    from tickerkit.storage.read import read

__version__ = "0.1.0"

_HOME = {
    "BadTick": "errors",
    "Dashboard": "chart",
    "Feed": "feed",
    "FeedFailed": "errors",
    "FieldMapError": "errors",
    "InvalidArgument": "errors",
    "InvalidType": "errors",
    "LiveFigure": "chart",
    "Outlet": "sources",
    "PortTaken": "errors",
    "PortalError": "errors",
    "ProtocolError": "errors",
    "Reader": "log",
    "Recorder": "feed",
    "RecordingError": "errors",
    "RecordingExists": "errors",
    "RecordingWarning": "errors",
    "ServerFailed": "errors",
    "Source": "sources",
    "SourceError": "errors",
    "Stopped": "errors",
    "StreamError": "errors",
    "TickLog": "log",
    "TickServer": "server",
    "TickerkitError": "errors",
    "WaitTimeout": "errors",
    "allow_nested_loops": "runtime.nested_loops",
    "asof": "feed.asof",
    "connect": "feed",
    "dashboard": "chart",
    "dataset": "storage.dataset",
    "events": "sources",
    "indicators": "bars.indicators",
    "join": "classroom.room.seat",
    "json_lines": "sources",
    "live": "quickstart",
    "mqtt": "sources",
    "poll": "sources",
    "read": "storage.read",
    "read_csv": "storage",
    "read_gaps": "storage",
    "read_parquet": "storage",
    "relay": "feed.relay",
    "replay": "sources",
    "room": "classroom.room.room",
    "serve": "server",
    "simulate": "sources",
    "simulate_sensors": "sources",
    "status": "runtime.registry",
    "stop_all": "runtime.registry",
    "stream": "brokers",
    "tap": "classroom",
    "venue": "sources",
    "venues": "sources",
    "websocket": "sources",
}

__all__ = [
    "BadTick",
    "Dashboard",
    "Feed",
    "FeedFailed",
    "FieldMapError",
    "InvalidArgument",
    "InvalidType",
    "LiveFigure",
    "Outlet",
    "PortTaken",
    "PortalError",
    "ProtocolError",
    "Reader",
    "Recorder",
    "RecordingError",
    "RecordingExists",
    "RecordingWarning",
    "ServerFailed",
    "Source",
    "SourceError",
    "Stopped",
    "StreamError",
    "TickLog",
    "TickServer",
    "TickerkitError",
    "WaitTimeout",
    "__version__",
    "allow_nested_loops",
    "asof",
    "connect",
    "dashboard",
    "dataset",
    "events",
    "indicators",
    "join",
    "json_lines",
    "live",
    "mqtt",
    "poll",
    "read",
    "read_csv",
    "read_gaps",
    "read_parquet",
    "relay",
    "replay",
    "room",
    "serve",
    "simulate",
    "simulate_sensors",
    "status",
    "stop_all",
    "stream",
    "tap",
    "venue",
    "venues",
    "websocket",
]


def __getattr__(name: str) -> object:
    """Load a name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Say where the extension is that a Jupyter server loads when it starts."""
    return [{"module": f"{__name__}.jupyter_extension"}]
