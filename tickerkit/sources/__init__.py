"""Sources: `as_source` turns the argument of `tk.serve` into a source of ticks."""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncIterable, Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tickerkit.brokers import STREAM_SCHEMES, Stream, StreamAddress
from tickerkit.errors import SourceError
from tickerkit.formatting import format_value
from tickerkit.net.urls import hide_secrets
from tickerkit.presets.files import list_presets
from tickerkit.sources.base import Outlet, Source
from tickerkit.sources.ccxt_venue import CcxtSource
from tickerkit.sources.events import EVENTS_SCHEME, EventsSource, events
from tickerkit.sources.iterable import IterableSource
from tickerkit.sources.lines import LinesSource, json_lines
from tickerkit.sources.mapped import MappedSource
from tickerkit.sources.mqtt import MQTT_SCHEMES, MqttSource, mqtt
from tickerkit.sources.poll import PollSource, check_every, poll
from tickerkit.sources.relay import RelaySource
from tickerkit.sources.replay.source import ReplaySource, replay
from tickerkit.sources.sensors import SimulatedSensors, simulate_sensors
from tickerkit.sources.simulate import SimulatedMarket, simulate
from tickerkit.sources.stream_relay import StreamRelay
from tickerkit.sources.venue import VenueSource, venue
from tickerkit.sources.venue_tables import freshness_frame, venues
from tickerkit.sources.websocket import WebsocketSource, websocket

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "EVENTS_SCHEME",
    "MQTT_SCHEMES",
    "CcxtSource",
    "EventsSource",
    "IterableSource",
    "LinesSource",
    "MappedSource",
    "MqttSource",
    "Outlet",
    "PollSource",
    "RelaySource",
    "ReplaySource",
    "SimulatedSensors",
    "SimulatedMarket",
    "Source",
    "StreamRelay",
    "VenueSource",
    "WebsocketSource",
    "as_source",
    "events",
    "freshness_frame",
    "is_websocket_url",
    "json_lines",
    "mqtt",
    "poll",
    "replay",
    "simulate",
    "simulate_sensors",
    "venue",
    "venues",
    "websocket",
]

KINDS = (
    "a function, an iterable of ticks, a DataFrame, the path of a recording, "
    '"sim:AAPL,MSFT", "sensors:kitchen,garden", "kraken:BTC/USD", "mqtt://host/topic", '
    '"events:https://host/stream", "nats://host/stream", '
    '"-" for the JSON lines of stdin, or a Source'
)


def as_source(given: object, every: float = 10.0, kinds: str = KINDS) -> Source | None:
    """Return `given` as a source; None stays None, for a server that only publishes by hand.

    Args:
        given: a `Source`, a function to poll, an iterable or async iterable of ticks, a DataFrame
            of ticks, the path of a recording, text such as `"sim:AAPL,MSFT"`, or `"-"` for stdin.
        every: seconds from one call of a function to the next.
        kinds: what to pass, for the error of a value that is no source.

    Raises:
        SourceError: `given` has another type, names no source, or is a list of symbols.
    """
    check_every(every)
    if given is None:
        return None
    if isinstance(given, Source):
        return given
    if isinstance(given, Stream):
        return StreamRelay(given.address)
    if isinstance(given, str):
        return _from_text(given, kinds)
    if isinstance(given, Path):
        return replay(given)
    if hasattr(given, "iloc") and hasattr(given, "columns"):
        return replay(cast("pd.DataFrame", given))
    if inspect.isgeneratorfunction(given) or inspect.isasyncgenfunction(given):
        return IterableSource.from_function(given)
    if isinstance(given, Mapping):
        return IterableSource([given])
    if isinstance(given, Collection) and _has_only_names(given):
        names = format_value(list(given))
        problem = "these are names, not ticks"
        fix = (
            f"pass tk.simulate({names}) for made-up ticks; for the ticks of a server, call "
            f"tk.connect(url, symbols={names})"
        )
        raise SourceError(given, problem, fix=fix)
    if isinstance(given, Iterable | AsyncIterable) and not isinstance(given, bytes | bytearray):
        return IterableSource(given)
    if callable(given) and not isinstance(given, type):
        return poll(given, every)
    problem = f"the type {type(given).__name__} is not supported"
    raise SourceError(given, problem, fix=f"pass {kinds}")


def is_websocket_url(text: str) -> bool:
    """Return whether a text is the address of a websocket, and not that of another source."""
    return "://" in text and not text.startswith((EVENTS_SCHEME, *MQTT_SCHEMES, *STREAM_SCHEMES))


def _has_only_names(items: Collection[object]) -> bool:
    """Return whether all items are text, and none can be JSON of a tick."""
    return len(items) > 0 and all(
        isinstance(item, str) and not item.lstrip().startswith(("{", "[")) for item in items
    )


def _from_text(text: str, kinds: str) -> Source:
    kind, _, rest = text.partition(":")
    if text == "-":
        return json_lines(sys.stdin)
    if kind == "sim":
        return simulate(rest)
    if kind == "sensors" and rest:
        return simulate_sensors(rest)
    if text.startswith(MQTT_SCHEMES):
        return mqtt(text)
    if text.startswith(STREAM_SCHEMES):
        return StreamRelay(StreamAddress.parse(text))
    if text.startswith(EVENTS_SCHEME):
        return events(text.removeprefix(EVENTS_SCHEME))
    if "://" in text:
        fix = (
            "pass tk.websocket(url, subscribe, fields), or tk.events(url) for Server-Sent Events, "
            "or call tk.connect(url)"
        )
        shown, problem = hide_secrets(text), "an address alone does not say where the ticks are"
        raise SourceError(shown, problem, fix=fix)
    if kind == "ccxt":
        name, _, rest = rest.partition(":")
        kind = f"ccxt:{name}"
    if kind.startswith("ccxt:") or kind in list_presets():
        if not rest:
            fix = f"add them, as in '{kind}:BTC/USD'"
            raise SourceError(text, "the venue's symbols are missing", fix=fix)
        return venue(kind, rest)
    if text and (Path(text).suffix or Path(text).exists()):
        return replay(text)
    if rest and (near := get_close_matches(kind.lower(), list_presets(), 1, 0.75)):
        fix = f"did you mean '{near[0]}:{rest}'?"
        raise SourceError(text, f"tickerkit knows no venue {kind!r}", fix=fix)
    raise SourceError(text, "there is no recording at this path", fix=f"pass {kinds}")
