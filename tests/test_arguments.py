"""Arguments: each public function refuses a wrong value at once, by the argument's name."""

from __future__ import annotations

import inspect
import math
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import pytest

import tickerkit as tk
from tickerkit.chart import feed_chart as chart_options
from tickerkit.classroom import FaultProxy, Tap
from tickerkit.classroom.link import Target
from tickerkit.cli.options import parse_symbols
from tickerkit.errors import BadTick, SourceError, TickerkitError
from tickerkit.runtime import registry

MAX_TEXT_LENGTH = 400
TICKS = [{"symbol": "AAPL", "price": 1.0, "time": 1}, {"symbol": "MSFT", "price": 2.0, "time": 2}]

NUMBERS = [object(), None, "ten", "5", [5], math.nan, True, b"1", pd.Timestamp(0)]
WHOLE = [*NUMBERS, 5.5, -3, math.inf]
FLAGS = [object(), None, "yes", 1, [True]]
SYMBOLS = [object(), 5, b"AAPL", [5], ["AAPL", None], [""], "", " , ", math.nan, True]
LASTS = [object(), 5.5, -3, True, b"1", [5], "10 secnds", "10", "-5min", "", pd.Timestamp(0), "NaT"]
TIMES = [object(), 5, 5.5, True, b"1", [5], "yesterday", "10:99", "", pd.NaT]
LENGTHS = [object(), None, 0, -1, True, math.nan, math.inf, "10", "10 secnds", "-5min", b"1", [5]]
PATHS = [object(), None, 5, [5], "", "a\0b", b"ticks.csv"]
TEXTS = [object(), None, 5, [5], b"x"]
CHOICES = [object(), 5, [5], b"new", "", "none of them"]
URLS = [
    *[8478, None, object(), b"ws://127.0.0.1:1/", [5]],
    *["", "ws://", "ws//host", "ws:/host", "ftp://x", "ws://h:99999", "ws://h:0", "ws://[::1"],
    *["localhost 8000", "ws://h/a b", "sim:AAPL"],
]
PORTS = [*WHOLE, 99_999]
INDICATORS = [object(), 5, [5], b"x", True, "", "smaa(20)", "sma(0)", "sma(20)x", "macd(9, 3)"]
TOKENS = [object(), 5, [5], b"sesame", "two\nlines", " sesame", "euro€", "x" * 9000]


@dataclass
class Call:
    """A public function, its wrong values by argument, and arguments that are left out.

    Attributes:
        make: returns the function; it gets the folder of the test.
        wrong: the wrong values of each argument.
        valid: the other arguments that a call needs.
        unchecked: arguments that accept anything, or are the business of plotly.
    """

    make: Callable[[tk.Feed, tk.TickServer, Path], Callable[..., Any]]
    wrong: dict[str, list[Any]]
    valid: dict[str, Any] = field(default_factory=dict)
    unchecked: set[str] = field(default_factory=set)


STREAMS = [object(), None, 5, [5], b"x", "", "x", "nats://h", "nats://h/a b", "nats://h:0/a"]
FILES = [object(), 5, [5], b"x", "", "nowhere"]
LOGIN = {"creds": FILES, "ca": FILES, "cert": FILES, "key": FILES}
SERVE = {
    "host": TEXTS,
    "port": PORTS,
    "every": [*NUMBERS, 0, -1],
    "history": [*WHOLE, 0],
    "token": TOKENS,
    "ssl": [object(), 5, "cert.pem", ("a",), (5, 5), True],
    "origins": [object(), None, 5, [5], [None]],
    "hosts": [object(), None, 5, [5], [None]],
    "max_clients": [*WHOLE, 0],
    "stall_timeout": [*[each for each in NUMBERS if each is not None], 0, -1],
    "write_buffer": [*WHOLE, 0],
    "process": FLAGS,
    "metrics_port": [*(each for each in PORTS if each is not None), -1],
    "publish": [*(each for each in STREAMS if each is not None), "ws://h/a"],
    "page": [object(), 5, b"x", "", "no/page.html"],
    "notes": FLAGS,
}
CONNECT = {
    "symbols": [*SYMBOLS, []],
    "history": [each for each in WHOLE if each is not None],
    "keep": [*WHOLE, 0],
    "token": TOKENS,
    "ssl": [object(), 5, ("a", "b"), True],
    "retry_for": [*[each for each in NUMBERS if each is not None], -1],
    "resume": [object(), 5, "a1b2", ("a1b2",), (5, 5), ("a1b2", -1), ("a1b2", "5"), ("x" * 257, 5)],
}
FIELDS = [object(), 5, "", [], {}, {"symbol": "s"}, {"symbol": 5, "price": "p"}]
FIELDS += [{"symbol": "s", "pric": "p"}, {"rows": "[", "symbol": "s", "price": "p"}, [5], b"x"]
CONDITIONS = [object(), 5, "x", [5], {"a": object()}, {"": "x"}, {5: "x"}, b"x"]
TALK = {
    "subscribe": [object(), 5, b"x", [5], {"a": object()}, {"a": math.nan}],
    "fields": FIELDS,
    "ping": [object(), 5, b"x", {"a": object()}],
    "ping_every_s": [*NUMBERS, 0, -1],
    "wait_for": CONDITIONS,
    "ignore": CONDITIONS,
    "headers": [object(), 5, "x", [5], {"a": 5}, {5: "a"}, {"a": "b\nc"}, {"a b": "c"}],
    "silent_s": [*[each for each in NUMBERS if each is not None], 0, -1],
}
EXPORT = {
    "symbol": SYMBOLS,
    "last": LASTS,
    "start": TIMES,
    "end": TIMES,
    "mode": [*CHOICES, None],
}
WINDOWS = [object(), None, 5.5, 0, -3, True, "10", "10 secnds", "-5min", "", [5], b"5min"]
ZONES = [object(), None, 5, "", "Mars", "America", "../UTC", "a\0b", b"UTC", [5]]
CHART = {
    "kind": [*CHOICES, None],
    "symbols": [*SYMBOLS, []],
    "window": WINDOWS,
    "y": [object(), 5, [5], b"new", ""],
    "bar": LENGTHS,
    "tz": ZONES,
    "height": [*WHOLE, 0, 5],
    "indicators": INDICATORS,
}
LEVELS = [object(), "ten", "5", [5], math.nan, math.inf, True, b"1", pd.Timestamp(0)]
LINKS = [object(), "1", 5.5, -3, 0, True, [5]]
CALLS = {
    "serve": Call(
        lambda *_: tk.serve,
        {"source": [object(), 5, b"x", "nothing", ["AAPL", "MSFT"]], **SERVE},
        {"port": 0},
    ),
    "connect": Call(
        lambda *_: tk.connect,
        {"url": URLS, **CONNECT, **TALK},
        {"url": "ws://127.0.0.1:1/"},
    ),
    "stream": Call(
        lambda *_: tk.stream,
        {
            "url": [*STREAMS, "ws://h/a"],
            "keep": [object(), 5, [5], b"x", "", "much", "0GB"],
            "replicas": [*[each for each in WHOLE if each is not None], 0, 6],
            **LOGIN,
        },
        {"url": "nats://127.0.0.1:1/a"},
    ),
    "relay": Call(
        lambda *_: tk.relay,
        {
            "url": [*URLS, "nats://h", "nats://h/a b", []],
            "token": CONNECT["token"],
            "ssl": CONNECT["ssl"],
            "wait_s": [*[each for each in NUMBERS if each is not None], -1],
            **LOGIN,
        },
        {"url": "ws://127.0.0.1:1/"},
    ),
    "websocket": Call(
        lambda *_: tk.websocket,
        {"url": URLS, "symbols": [*SYMBOLS, []], "ssl": CONNECT["ssl"], **TALK},
        {"url": "ws://127.0.0.1:1/"},
    ),
    "events": Call(
        lambda *_: tk.events,
        {
            "url": [*[each for each in URLS if each != "localhost 8000"], "ws://host/"],
            "symbols": [*SYMBOLS, []],
            "ssl": CONNECT["ssl"],
            **{name: TALK[name] for name in ("fields", "headers", "silent_s")},
        },
        {"url": "https://127.0.0.1:1/"},
    ),
    "venue": Call(
        lambda *_: tk.venue,
        {
            "name": [*TEXTS, "", "krakn", "none"],
            "symbols": [*SYMBOLS, None, [], "x" * 65],
            "channels": [object(), None, 5, "trade", ["trades", 5], []],
            "url": [*[each for each in URLS if each is not None], ["ws://h/", 5]],
            "rest": [*[each for each in URLS if each is not None], "ws://h/"],
            "feeds": [*WHOLE, 0, 1000],
        },
        {"name": "kraken", "symbols": "BTC/USD"},
        {"keys"},
    ),
    "simulate": Call(
        lambda *_: tk.simulate,
        {
            "symbols": [*SYMBOLS, None, [], ["A", "A"], ["x" * 65]],
            "rate": [*NUMBERS, 0, -1, math.inf],
            "seed": [each for each in WHOLE if each is not None],
            "levels": [*WHOLE, -1, 1001],
        },
        {"symbols": "AAPL"},
    ),
    "simulate_sensors": Call(
        lambda *_: tk.simulate_sensors,
        {
            "symbols": [*SYMBOLS, None, [], ["A", "A"], ["x" * 65]],
            "rate": [*NUMBERS, 0, -1, math.inf],
            "seed": [each for each in WHOLE if each is not None],
        },
    ),
    "json_lines": Call(
        lambda *_: tk.json_lines,
        {"file": [object(), None, 5, "ticks.jsonl"], "fields": [5, [], {}, {"symbool": "s"}]},
        {"file": sys.__stdin__},
    ),
    "mqtt": Call(
        lambda *_: tk.mqtt,
        {
            "url": [object(), None, 5, "", "ws://host/x", "mqtt://host", "mqtt://host:0/x"],
            "fields": [5, [], {}, {"symbool": "s"}],
            "ssl": [5, ("a", "b"), True],
        },
        {"url": "mqtt://host/x"},
    ),
    "poll": Call(
        lambda *_: tk.poll,
        {
            "func": [object(), None, "x", 5],
            "every": [*NUMBERS, 0, -1],
            "units": [object(), 5, "%", [5], {"a": 5}, {5: "%"}, {"a": ""}, {"a": "x" * 33}],
        },
        {"func": dict},
    ),
    "replay": Call(
        lambda *_: tk.replay,
        {
            "what": [object(), None, 5, [], [5], "", "missing.csv", "a\0b", b"x"],
            "speed": [*NUMBERS, 0, -1],
            "wait_for": WHOLE,
            "loop": FLAGS,
        },
        {"what": pd.DataFrame(TICKS)},
    ),
    "read": Call(
        lambda *_: tk.read,
        {
            "path": PATHS,
            "symbols": SYMBOLS,
            "start": TIMES,
            "end": TIMES,
            "columns": [object(), 5, "price", b"price", [], [5], [["price"]], ["bid", "bid"]],
        },
        {"path": "missing.csv"},
    ),
    "dataset": Call(lambda *_: tk.dataset, {"path": PATHS}),
    "read_csv": Call(lambda *_: tk.read_csv, {"path": PATHS}),
    "read_parquet": Call(lambda *_: tk.read_parquet, {"path": PATHS}),
    "read_gaps": Call(lambda *_: tk.read_gaps, {"path": PATHS}),
    "TickLog": Call(
        lambda *_: tk.TickLog, {"keep": [*WHOLE, 0], "epoch": [object(), 5, b"x", "x" * 257]}
    ),
    "feed.frame": Call(
        lambda feed, *_: feed.frame,
        {"symbol": SYMBOLS, "last": LASTS, "mark_gaps": FLAGS, "start": TIMES, "end": TIMES},
    ),
    "log.frame": Call(lambda feed, *_: feed.log.frame, {"symbol": SYMBOLS, "last": LASTS}),
    "feed.to_arrow": Call(lambda feed, *_: feed.to_arrow, {"symbol": SYMBOLS, "last": LASTS}),
    "asof": Call(
        lambda *_: tk.asof,
        {
            "trades": [object(), None, 5, "x", b"x", [5], {}],
            "quotes": [object(), None, 5, "x", b"x", [5], {}],
            "on": [*CHOICES, None, "price"],
            "by": [*CHOICES, "side"],
            "tolerance": [each for each in LENGTHS if each is not None],
            "direction": [*CHOICES, None],
            "suffixes": [object(), None, 5, [5], b"x", "", "xy", ("a", "a"), (5, 6), ("a",)],
        },
        {"trades": tk.TickLog(), "quotes": tk.TickLog()},
    ),
    "feed.latest": Call(lambda feed, *_: feed.latest, {}),
    "feed.book": Call(lambda feed, *_: feed.book, {"symbol": TEXTS}, {"symbol": "AAPL"}),
    "feed.ladder": Call(
        lambda feed, *_: feed.ladder,
        {"symbol": [each for each in TEXTS if each is not None], "levels": [*WHOLE, 0, 101]},
    ),
    "feed.bars": Call(
        lambda feed, *_: feed.bars,
        {
            "interval": LENGTHS,
            "symbol": SYMBOLS,
            "value": [*CHOICES, None],
            "indicators": INDICATORS,
            "last": [each for each in WHOLE if each is not None],
        },
        {"interval": "1s"},
    ),
    "feed.bar_arrays": Call(
        lambda feed, *_: feed.bar_arrays,
        {
            "interval": LENGTHS,
            "symbol": TEXTS,
            "value": [*CHOICES, None],
            "indicators": INDICATORS,
            "since_ns": [object(), "x", 5.5, [5], True],
        },
        {"interval": "1s", "symbol": "AAPL"},
    ),
    "feed.wait": Call(
        lambda feed, *_: feed.wait,
        {"ticks": WHOLE, "timeout": [each for each in [*NUMBERS, -1] if each is not None]},
        {"ticks": 0},
    ),
    "feed.on_ticks": Call(
        lambda feed, *_: feed.on_ticks,
        {"callback": [object(), None, "x", 5, [print], lambda: 1, lambda a, b: 1]},
    ),
    "feed.alert": Call(
        lambda feed, *_: feed.alert,
        {
            "symbol": [*SYMBOLS, []],
            "above": LEVELS,
            "below": LEVELS,
            "column": TEXTS,
            "call": [object(), "x", 5, [print], lambda: 1, lambda a, b: 1],
            "webhook": [object(), 5, "", "x", "ws://h/", "http://", "http://h/a b", b"http://h/"],
            "csv": [each for each in PATHS if each is not None],
            "notify": FLAGS,
            "sound": FLAGS,
            "past": FLAGS,
            "gap": FLAGS,
            "name": [5, "", " ", b"x", [5]],
        },
        {"crossing": 1.0},
        # Only one condition is allowed, see tests/feed/test_alerts.py.
        {"crossing", "move", "within", "silence", "lag", "when", "bars"},
    ),
    "feed.to_csv": Call(
        lambda feed, *_: feed.to_csv,
        {**EXPORT, "path": [*PATHS, "x.xlsx", "x.parquet", "x.json"], "escape_formulas": FLAGS},
        {"path": "ticks.csv"},
    ),
    "feed.to_parquet": Call(
        lambda feed, *_: feed.to_parquet,
        {**EXPORT, "path": [*PATHS, "x.csv", "x.xlsx", "x.csv.gz"]},
        {"path": "ticks.parquet"},
    ),
    "feed.record": Call(
        lambda feed, *_: feed.record,
        {
            "path": [*PATHS, "x.xlsx"],
            "mode": [*CHOICES, None],
            "flush_s": [*NUMBERS, -1, math.inf],
            "fsync": FLAGS,
            "rotate": [object(), 5.5, -3, True, "weekly", "", [5], b"day"],
            "compression": CHOICES,
            "format": CHOICES,
            "partition": [object(), 5, True, b"day", "", "minute", [5], [], ["day", "day"], "day,"],
            "max_disk": [object(), 5.5, -3, True, "much", "", [5], b"1GB"],
            "raw": FLAGS,
        },
        {"path": "captures/"},
    ),
    "server.publish": Call(
        lambda _, server, __: server.publish, {"ticks": [object(), None, 5, "x", b"x", [5], {}]}
    ),
    "server.stop": Call(
        lambda _, server, __: server.stop,
        {
            "code": [*WHOLE, 0, 5000],
            "reason": [*TEXTS, "x" * 124],
            "drain": [*NUMBERS, -1, 1e9],
        },
    ),
    "feed.chart": Call(
        lambda feed, *_: feed.chart,
        {
            **CHART,
            "height": [each for each in CHART["height"] if each is not None],
            "smooth": FLAGS,
            "alerts": FLAGS,
        },
    ),
    "feed.dashboard": Call(lambda feed, *_: feed.dashboard, CHART),
    "dashboard": Call(lambda feed, *_: partial(tk.dashboard, feed), CHART, unchecked={"feeds"}),
    "live": Call(
        lambda *_: tk.live,
        {"source_or_url": [object(), 5, b"x", "AAPL", ["AAPL", "MSFT"]], **CONNECT, **TALK} | CHART,
        {"source_or_url": "ws://127.0.0.1:1/"},
    ),
    "LiveFigure": Call(
        lambda *_: tk.LiveFigure,
        {
            "window": WINDOWS,
            "tz": ZONES,
            "theme": [*CHOICES, None],
            "labels": FLAGS,
            "smooth": FLAGS,
        },
        unchecked={"data", "layout", "frames", "skip_invalid", "options"},
    ),
    "FaultProxy": Call(
        lambda *_: FaultProxy,
        {
            "target": [object(), None, 5, b"x", "", "ws://h", "ws://h:99999"],
            "plan": [object(), 5, "x"],
            "seed": WHOLE,
            "port": PORTS,
            "host": TEXTS,
        },
        {"target": "ws://127.0.0.1:1/"},
    ),
    "join": Call(
        lambda *_: tk.join,
        {
            "address": [*URLS, "https://h:1/otter42", "h:1/a/b"],
            "name": [object(), None, 5, b"x", "x" * 33, "a\tb"],
        },
        {"address": "192.168.1.20:8000/otter42"},
    ),
    "room": Call(
        lambda *_: tk.room,
        {
            "source": [object(), 5, b"x", "nothing", ["AAPL", "MSFT"]],
            "code": [object(), 5, [5], b"otter42", "", "a b", "ticks", "ünder", "x" * 40],
            "port": PORTS,
            "host": TEXTS,
            "save": [each for each in PATHS if each is not None],
            "every": [*NUMBERS, 0, -1],
            "history": [*WHOLE, 0],
            "process": FLAGS,
            "wifi": [object(), 5, [5], b"x", "", ("", "x"), ("a", 5), ("a", "b", "c")],
        },
        {"port": 0},
    ),
    "tap": Call(
        lambda *_: tk.tap,
        {
            "server_or_url": URLS,
            "port": PORTS,
            "host": TEXTS,
            "keep": [object(), None, 5.5, -3, 0, True, "much", "", [5], b"1MB"],
            "hold": FLAGS,
            "compression": FLAGS,
            "secrets": FLAGS,
            "ssl": CONNECT["ssl"],
        },
        {"server_or_url": "ws://127.0.0.1:1/"},
    ),
    "tap.frames": Call(lambda *_: tapped().frames, {"last": [*WHOLE[2:], -1], "link": LINKS}),
    "tap.handshake": Call(lambda *_: tapped().handshake, {"link": LINKS}),
    "tap.save": Call(
        lambda *_: tapped().save,
        {"path": [*PATHS, "x.csv", "x"], "mode": [*CHOICES[1:], "append", None]},
        {"path": "lesson.jsonl"},
    ),
    "tap.hold": Call(lambda *_: tapped().hold, {"link": LINKS}),
    "tap.step": Call(lambda *_: tapped().step, {"frames": [*WHOLE, 0], "link": LINKS}),
    "tap.run": Call(
        lambda *_: tapped().run,
        {"rate": [*[each for each in NUMBERS if each is not None], 0, -1], "link": LINKS},
    ),
    "tap.drop": Call(lambda *_: tapped().drop, {"link": LINKS}),
    "tap.stall": Call(
        lambda *_: tapped().stall, {"seconds": [*NUMBERS, -1], "link": LINKS}, {"seconds": 1}
    ),
    "tap.delay": Call(
        lambda *_: tapped().delay,
        {"seconds": [*NUMBERS, -1, 1e9], "jitter": [*NUMBERS, -1, 1e9], "link": LINKS},
        {"seconds": 1},
    ),
    "tap.trickle": Call(lambda *_: tapped().trickle, {"count": [*WHOLE, 0], "link": LINKS}),
    "tap.truncate": Call(lambda *_: tapped().truncate, {"toward": CHOICES, "link": LINKS}),
    "tap.corrupt": Call(
        lambda *_: tapped().corrupt,
        {"kind": CHOICES, "toward": CHOICES, "link": LINKS},
        {"kind": "rsv"},
    ),
    "tap.fragment": Call(
        lambda *_: tapped().fragment,
        {"parts": [*WHOLE, 0, 1, 5000], "toward": CHOICES, "link": LINKS},
        {"parts": 2},
    ),
    "tap.ping": Call(lambda *_: tapped().ping, {"toward": CHOICES, "link": LINKS}),
    "tap.close": Call(
        lambda *_: tapped().close,
        {"code": [*WHOLE, 70_000], "reason": [*TEXTS, "x" * 124, "\udc80"], "link": LINKS},
    ),
    "tap.send": Call(
        lambda *_: tapped().send,
        {"data": [object(), None, 5, [5], "\udc80"], "toward": CHOICES, "link": LINKS},
        {"data": "a"},
    ),
    "replay.step": Call(lambda *_: played().step, {"ticks": [*WHOLE, 0]}),
    "replay.seek": Call(
        lambda *_: played().seek, {"time": [object(), None, "soon", math.nan, [5], True, b"1"]}
    ),
}
# The public functions that take no argument of the user's, or whose arguments have tests elsewhere.
NO_ARGUMENTS = {"status", "stop_all", "allow_nested_loops", "venues", "indicators"}


def tapped() -> Tap:
    """Return a tap that has been stopped: it checks the arguments of each call first."""
    parts = urlsplit("ws://127.0.0.1:1/")
    options = {"is_held": False, "shows_secrets": False, "has_page": False}
    return Tap(parts, Target("127.0.0.1", 1), "127.0.0.1", 0, keep_bytes=1, **options)


def played() -> Any:
    """Return a replay of a few ticks."""
    return tk.replay(pd.DataFrame(TICKS))


def raised_by(function: Callable[..., Any], arguments: dict[str, Any]) -> Exception | None:
    """Return the error that a call raises; None if it raises none."""
    try:
        function(**arguments)
    except Exception as error:
        return error
    return None


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[tk.TickServer, tk.Feed]]:
    """Return a server with a few ticks, and a feed that has them."""
    with tk.serve(None, port=0) as server, tk.connect(server.url) as feed:
        server.publish(TICKS)
        feed.wait(2)
        yield server, feed


@pytest.mark.parametrize(
    ("name", "argument"),
    [(name, argument) for name, call in CALLS.items() for argument in call.wrong],
)
def test_wrong_value_is_refused_by_the_name_of_its_argument(
    name: str,
    argument: str,
    running: tuple[tk.TickServer, tk.Feed],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It raises one of tickerkit's errors, which says what is expected; nothing starts."""
    server, feed = running
    monkeypatch.chdir(tmp_path)
    call = CALLS[name]
    before = set(threading.enumerate()), registry.running()
    for value in call.wrong[argument]:
        error = raised_by(call.make(feed, server, tmp_path), {**call.valid, argument: value})
        refused_by_name = f"Invalid {argument}" in str(error)
        assert isinstance(error, TickerkitError), f"{value!r}: {error!r}"
        assert refused_by_name or isinstance(error, SourceError | BadTick), f"{value!r}: {error!r}"
        assert "\n" not in str(error)
        assert len(str(error)) < MAX_TEXT_LENGTH
    assert (set(threading.enumerate()), registry.running()) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", CALLS)
def test_each_argument_of_a_public_function_has_wrong_values(
    name: str, running: tuple[tk.TickServer, tk.Feed], tmp_path: Path
) -> None:
    """An argument that is added later is walked, too."""
    server, feed = running
    function = CALLS[name].make(feed, server, tmp_path)
    names = set(inspect.signature(function).parameters) - CALLS[name].unchecked
    assert names == set(CALLS[name].wrong)


def test_each_public_function_is_walked() -> None:
    """A function that is added to the front page later is walked, too."""
    functions = {
        name
        for name in tk.__all__
        if inspect.isfunction(getattr(tk, name)) and name not in NO_ARGUMENTS
    }
    assert functions <= set(CALLS)


@pytest.mark.parametrize("given", ["AAPL,MSFT", " AAPL , MSFT, ", ["AAPL", "MSFT"]])
def test_text_with_a_comma_is_several_symbols_everywhere(
    given: str | list[str], running: tuple[tk.TickServer, tk.Feed], tmp_path: Path
) -> None:
    """One rule holds for whatever takes symbols."""
    server, feed = running
    both = ["AAPL", "MSFT"]
    assert feed.frame(given)["symbol"].tolist() == both
    assert feed.log.frame(given)["symbol"].tolist() == both
    assert feed.bars("1s", given).index.get_level_values("symbol").tolist() == both
    assert tk.read_csv(feed.to_csv(tmp_path / "t.csv", given))["symbol"].tolist() == both
    path = feed.to_parquet(tmp_path / "t.parquet", given)
    assert tk.read_parquet(path)["symbol"].tolist() == both
    assert tk.read(feed.to_csv(tmp_path / "all.csv"), symbols=given)["symbol"].tolist() == both
    assert tk.simulate(given).symbols == both
    assert chart_options.list_symbols(given) == ("AAPL", "MSFT")
    with tk.connect(server.url, symbols=given) as other:
        assert other.symbols == both
        assert len(other.wait(2).frame()) == 2
    with tk.live(server.url, symbols=given) as other:
        assert other.symbols == both
    if isinstance(given, str):
        assert parse_symbols(given) == both


def test_item_of_a_list_is_one_symbol_as_it_is_written() -> None:
    """A symbol with a comma in it can be had, too."""
    with tk.serve(None, port=0) as server, tk.connect(server.url, symbols=["a, b"]) as feed:
        server.publish([{"symbol": name, "price": 1.0} for name in ("a", "b", "a, b")])
        assert feed.wait(1).frame(["a, b"])["symbol"].tolist() == ["a, b"]
        assert feed.frame("a, b").empty
        assert len(feed.bars("1s", ["a, b"])) == 1
        dashboard = feed.dashboard(kind="candles")
        try:
            dashboard.choose(symbol="a, b", extent="all")
            assert b"a, b" in b"".join(dashboard._make_file().blocks)
        finally:
            dashboard.close()


def test_list_of_names_given_as_a_source_says_what_to_pass() -> None:
    """Its fix is code that can be copied, for made-up ticks and for those of a server."""
    for start in (tk.serve, tk.live):
        with pytest.raises(SourceError, match="names, not ticks") as caught:
            start(["AAPL", "MSFT"])
        assert "tk.simulate(['AAPL', 'MSFT'])" in caught.value.fix
        assert "tk.connect(url, symbols=['AAPL', 'MSFT'])" in caught.value.fix
    lines = ['{"symbol": "AAPL", "price": 1}', ' [{"symbol": "MSFT", "price": 2}]']
    with tk.serve(lines, port=0) as server, tk.connect(server.url) as feed:
        assert len(feed.wait(2).frame()) == 2


def test_missing_argument_is_a_type_error() -> None:
    """It is Python's own error, which names the argument."""
    with pytest.raises(TypeError, match="symbols"):
        tk.simulate()  # type: ignore[call-arg]
