"""Recorded market data for the tests: frames of venues as they arrived, and days of ticks."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd


def recordings(folder: Path) -> list[Path]:
    """Return the files of recorded frames."""
    return sorted([*folder.glob("frames/*.jsonl.gz"), *folder.glob("frames/*.jsonl")])


def wire_texts(path: Path) -> Iterator[str]:
    """Yield the text of each recorded frame, byte for byte what arrived."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="\n") as lines:
        for line in lines:
            yield line[line.index('"frame":') + 8 : line.rstrip("\n").rindex("}")]


def recorded_day(folder: Path, name: str) -> pd.DataFrame:
    """Return a recorded day as ticks: "SPY" trades, "IBM" quotes, or "ES", the E-mini."""
    if name == "ES":
        day: Any = pd.read_csv(
            folder / "ticks" / "mlfinpy-es-2013-tick_data.csv.gz",
            names=["time", "price", "size"],
            skiprows=1,
        )
        return day.assign(symbol=name)
    if name == "SPY":
        names = ["time", "price", "size", "exchange", "condition", "suspicious"]
        day = pd.read_csv(folder / "ticks" / "lean-spy-20131007-trade.csv.gz", names=names)
        day["price"] /= 10_000
        midnight = 1_381_118_400_000
    else:
        names = [
            "time",
            "bid",
            "bid_size",
            "ask",
            "ask_size",
            "exchange",
            "condition",
            "suspicious",
        ]
        day = pd.read_csv(folder / "ticks" / "lean-ibm-20131008-quote.csv.gz", names=names)
        for side in ("bid", "ask"):
            day[side] = (day[side] / 10_000).where(day[side] > 0)
        midnight = 1_381_204_800_000
    day["time"] = pd.to_datetime(midnight + day["time"], unit="ms", utc=True)
    return day.assign(symbol=name)
