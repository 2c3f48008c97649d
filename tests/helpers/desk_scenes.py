"""Scenes: what a kernel would say to the page of a dashboard, for its tests and pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["SCENES", "Scene", "make_scene"]

NAMES = ("AAPL", "MSFT", "NVDA", "AMZN", "GOOGL", "META", "TSLA", "AVGO", "BRK.B", "JPM", "LLY")
MORE = tuple(
    f"{first}{second}{third}" for first in "VXU" for second in "NOHM" for third in "ABCDEF"
)
PAIRS = ("BTC/USD", "ETH/USD", "SOL/USD", "XRP/USD", "ADA/USD", "DOGE/USD", "EUR/USD", "GBP/USD")
SENSORS = ("boiler-1", "boiler-2", "greenhouse", "cold-room", "outdoors", "server-rack")
NOW_MS = 1_795_945_271_000.0
INDICATORS = (
    ("sma(20)", "simple moving average: the mean of the last 20 closes"),
    ("ema(12)", "exponential moving average: newer bars count more"),
    ("wma(20)", "linearly weighted moving average"),
    ("vwap", "mean price weighted by volume, from midnight UTC"),
    ("bbands(20, 2)", "Bollinger bands: two standard deviations around the mean"),
    ("rsi(14)", "relative strength index: 0 to 100"),
    ("macd(12, 26, 9)", "difference of two moving averages, and its own"),
    ("atr(14)", "average true range: how far a bar usually reaches"),
    ("stoch(14, 3, 3)", "stochastic oscillator: where the close lies in the range"),
    ("obv", "on-balance volume"),
)


@dataclass
class Scene:
    """What the page of a dashboard gets: its traits and its messages."""

    menu: dict[str, Any]
    choices: dict[str, Any]
    status: dict[str, Any]
    rows: list[dict[str, Any]]
    events: list[dict[str, Any]] = field(default_factory=list)
    lines: dict[str, list[float]] = field(default_factory=dict)
    """What the chart shows: values by the names of lines."""
    note: str = ""

    def messages(self) -> list[dict[str, Any]]:
        """Return what the kernel sends after a page has asked for everything."""
        rows = {"kind": "rows", "whole": True, "rows": self.rows, "gone": []}
        events = {"kind": "events", "is_past": True, "events": self.events}
        return [self.status, rows, *([events] if self.events else [])]


def make_scene(name: str) -> Scene:
    """Return a scene by its name, one of `SCENES`."""
    return SCENES[name]()


def _make_walk(rng: np.random.Generator, start: float, count: int, swing: float) -> np.ndarray:
    return start * np.exp(np.cumsum(rng.normal(0, swing, count)))


def _make_row(place: int, symbol: str, **facts: Any) -> dict[str, Any]:
    rng = np.random.default_rng(place + 1)
    start = float(10 ** rng.uniform(1, 3))
    walk = _make_walk(rng, start, 60, 0.0006)
    decimals = int(facts.get("decimals", 2))
    last = round(float(walk[-1]), decimals)
    half = 10.0**-decimals * int(rng.integers(1, 4)) / 2
    row: dict[str, Any] = {
        "id": f"0 {symbol}",
        "feed": 0,
        "symbol": symbol,
        "place": place,
        "column": "price",
        "label": "",
        "unit": "",
        "decimals": decimals,
        "last": last,
        "move": int(rng.choice([-1, 1])),
        "change": float(walk[-1] / walk[0] - 1) * 100,
        "bid": last - half,
        "ask": last + half,
        "spread": 2 * half,
        "size": float(rng.integers(1, 900)),
        "others": [],
        "other_decimals": [],
        "rate": float(rng.uniform(0.2, 14)),
        "time_ms": NOW_MS,
        "age_s": float(rng.uniform(0, 2)),
        "status": "live",
        "pace_s": 0.2,
        "lag_ms": float(rng.uniform(2, 40)),
        "gaps": 0,
        "missing": 0,
        "repaired": 0,
        "detail": "",
        "is_stale": False,
        "spark": [float(value) for value in walk],
    }
    if symbol == "NVDA":
        row |= {"status": "quiet", "age_s": 3.4}
    if symbol == "BRK.B":
        row |= {"status": "mute", "age_s": 154.0, "rate": 0.0}
    return row | facts


def _make_menu(symbols: list[str], **facts: Any) -> dict[str, Any]:
    return {
        "feeds": ["127.0.0.1:8000"],
        "views": [
            {"view": view, "label": view, "description": f"the view {view}"}
            for view in ("percent", "price", "candles")
        ],
        "symbols": [{"feed": 0, "symbol": symbol} for symbol in symbols],
        "columns": ["price", "bid", "ask"],
        "shows_columns": False,
        "windows": ["30s", "1min", "5min", "15min", "1h"],
        "bars": ["1s", "5s", "15s", "1min", "5min"],
        "indicators": [
            {"text": text, "name": text.partition("(")[0], "description": description}
            for text, description in INDICATORS
        ],
        "others": [],
        "is_quoted": True,
        "is_market": True,
        "zone": "UTC",
        "height": 420,
    } | facts


def _make_choices(**facts: Any) -> dict[str, Any]:
    return {
        "view": "percent",
        "volume": False,
        "feed": 0,
        "symbol": None,
        "column": "price",
        "window": "5min",
        "bar": "5s",
        "indicators": [],
        "extent": "visible",
        "paused": False,
        "sort": "",
        "descending": False,
        "filter": "",
    } | facts


def _make_status(symbols: int, **facts: Any) -> dict[str, Any]:
    feed = {
        "name": "127.0.0.1:8000",
        "url": "ws://127.0.0.1:8000/",
        "status": "live",
        "reason": "",
        "ticks": 1_204_518,
        "rate": 1043.0,
        "symbols": symbols,
        "gaps": 0,
        "lag_ms": 11.6,
        "note": "",
        "error": "",
    }
    record = {"is_on": False, "text": "", "error": ""}
    return {"kind": "status", "every_s": 3600.0, "feeds": [feed | facts], "record": record}


def _make_event(number: int, kind: str, symbol: str, text: str) -> dict[str, Any]:
    return {
        "number": number,
        "type": kind,
        "feed": 0,
        "symbol": symbol,
        "text": text,
        "time_ms": NOW_MS - 1000 * (60 - 9 * number),
        "notify": False,
        "sound": False,
    }


EVENTS = [
    _make_event(0, "message", "", "recording to captures/127.0.0.1-8000-2026-11-29.csv"),
    _make_event(1, "alert", "AAPL", "AAPL above 24.10: 24.12"),
    _make_event(2, "gap", "", "38 ticks are missing: the server was restarted"),
    _make_event(3, "alert", "TSLA", "TSLA moved 1.2 % within 5min: 71.90"),
    _make_event(4, "alert", "NVDA", "NVDA silent for 3.4 s, beyond its pace of 0.2 s"),
]


def _lines(rows: list[dict[str, Any]], count: int = 10) -> dict[str, list[float]]:
    """Return the lines of a chart in percent."""
    return {
        row["symbol"]: [100 * (value / row["spark"][0] - 1) for value in row["spark"]]
        for row in rows[:count]
    }


def _make_market(count: int, **choices: Any) -> Scene:
    names = [*NAMES, *MORE, *(f"{name}.X" for name in MORE), *(f"{name}.L" for name in MORE)]
    names = names[:count]
    rows = [_make_row(place, name) for place, name in enumerate(names)]
    chosen = _make_choices(**choices)
    shown = [row for row in rows if chosen["symbol"] in (None, row["symbol"])]
    return Scene(_make_menu(names), chosen, _make_status(count), rows, [*EVENTS], _lines(shown))


def _make_one() -> Scene:
    scene = _make_market(1, view="price")
    scene.lines = {"AAPL": scene.rows[0]["spark"]}
    scene.events = []
    return scene


def _make_twelve() -> Scene:
    scene = _make_market(12, symbol="TSLA", view="candles", volume=True, indicators=["sma(20)"])
    record = {"is_on": True, "text": "captures/127.0.0.1-8000.csv, 81,204 ticks, 3.1 MB"}
    scene.status["record"] |= record
    return scene


def _make_empty() -> Scene:
    status = _make_status(0, status="live", ticks=0, rate=0.0, lag_ms=None)
    menu = _make_menu([], is_quoted=False)
    return Scene(menu, _make_choices(), status, [], note="Waiting for the first tick.")


def _make_stale() -> Scene:
    scene = _make_market(12)
    reason = "the server closed the connection; trying again in 4 s"
    scene.status["feeds"][0] |= {"status": "reconnecting", "reason": reason, "rate": 0.0}
    for row in scene.rows:
        row |= {"status": "mute", "age_s": row["age_s"] + 48, "rate": 0.0}
    for row in scene.rows[6:]:
        row["is_stale"] = True
    return scene


def _make_failed() -> Scene:
    reason = "no server answers at ws://127.0.0.1:8000/: start one there, or correct the address"
    status = _make_status(0, status="failed", reason=reason, ticks=0, rate=0.0, lag_ms=None)
    menu = _make_menu([], is_quoted=False)
    return Scene(menu, _make_choices(), status, [])


def _make_quotes() -> Scene:
    rows = [
        _make_row(place, name, label="mid", decimals=5 if "USD" in name[4:] else 2, size=None)
        for place, name in enumerate(PAIRS)
    ]
    for row in rows:
        row |= {"detail": "quotes live", "gaps": row["place"] % 3, "missing": 0, "repaired": 0}
    rows[2] |= {"status": "refused", "detail": "quotes refused: unknown pair", "last": None}
    rows[2] |= {"bid": None, "ask": None, "spread": None, "change": None, "spark": []}
    feed = {"name": "kraken", "url": "wss://ws.kraken.com/v2", "gaps": 5, "lag_ms": -42.0}
    menu = _make_menu([*PAIRS], feeds=["kraken"])
    return Scene(menu, _make_choices(), _make_status(8, **feed), rows, EVENTS[2:3], _lines(rows))


def _make_sensors() -> Scene:
    units = {"temperature": "°C", "humidity": "%", "pressure": "hPa"}
    rows = []
    for place, name in enumerate(SENSORS):
        rng = np.random.default_rng(place)
        walk = 20 + 9 * math.sin(place) + np.cumsum(rng.normal(0, 0.03, 60))
        facts = {"column": "temperature", "decimals": 1, "unit": "°C", "bid": None, "ask": None}
        values = {"last": float(walk[-1]), "spark": [float(value) for value in walk]}
        values["change"] = float(walk[-1] / walk[0] - 1) * 100
        others = {"others": [55.0 + place, 1012.3 - place], "other_decimals": [0, 1]}
        rest = {"spread": None, "size": None, "rate": 0.2, "pace_s": 5.0, "lag_ms": None}
        rows.append(_make_row(place, name, **facts, **values, **others, **rest))
    columns = [
        {"column": name, "label": name, "unit": unit}
        for name, unit in units.items()
        if name != "temperature"
    ]
    menu = _make_menu(
        [*SENSORS],
        columns=[*units],
        shows_columns=True,
        is_quoted=False,
        is_market=False,
        others=columns,
    )
    menu["views"][1]["label"] = "temperature"
    note = "feed.fields is a guess: symbol is 'id', temperature is 't'"
    status = _make_status(6, rate=1.2, lag_ms=None, ticks=8214, note=note)
    choices = _make_choices(view="price", column="temperature", window="1h")
    lines = {row["symbol"]: row["spark"] for row in rows}
    return Scene(menu, choices, status, rows, [], lines)


def _make_two_feeds() -> Scene:
    scene = _make_market(8, sort="change", descending=True)
    other = _make_quotes()
    scene.menu["feeds"] = ["127.0.0.1:8000", "kraken"]
    for row in other.rows:
        row |= {"feed": 1, "id": f"1 {row['symbol']}", "place": 100 + row["place"]}
    scene.rows += other.rows
    scene.menu["symbols"] += [{"feed": 1, "symbol": name} for name in PAIRS]
    scene.status["feeds"] += other.status["feeds"]
    return scene


SCENES = {
    "one": _make_one,
    "twelve": _make_twelve,
    "two-hundred": lambda: _make_market(200),
    "empty": _make_empty,
    "stale": _make_stale,
    "failed": _make_failed,
    "quotes": _make_quotes,
    "sensors": _make_sensors,
    "two-feeds": _make_two_feeds,
}
