"""Random servers, filters, faults, restarts and readers, compared with what was published.

Every tick that a server accepted reaches each of its feeds once and unchanged, or lies in a gap;
so it is with recordings and callbacks. A seed decides everything but the speed of the machine.
`make test` tries a few seeds, and `make soak` 200.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from peers import free_port
from soaks import TIMEOUT_S, share_of

import tickerkit as tk
from tickerkit.classroom import FaultProxy, random_faults

Until = Callable[..., None]
Key = tuple[str, int]

SYMBOLS = ["AAPL", "MSFT", "Ünicode", "a b", "价格", *(f"S{n}" for n in range(25))]
NOTES = [None, "", "x", "=1+1", 'a "b"\n, c', "é" * 40]
VALUES = ["symbol", "price", "size", "number", "note"]
ENDINGS = [".csv", ".csv.gz", ".csv.zst", ".parquet"]
BAD = [{"symbol": "AAPL"}, {"symbol": "", "price": 1}, {"symbol": "A", "price": "x"}, 7]


@dataclass
class Reader:
    """A feed, with all that reads it."""

    feed: tk.Feed
    path: Path
    recorder: tk.Recorder
    calls: list[pd.DataFrame] = field(default_factory=list)


class World:
    """A server that is started again and again, behind a proxy that breaks connections."""

    def __init__(self, seed: int, folder: Path, until: Until) -> None:
        self.chance = random.Random(seed)
        self.folder = folder
        self.until = until
        self.port = free_port()
        self.history = self.chance.choice([200, 2_000, 50_000])
        self.symbols = self.chance.sample(SYMBOLS, self.chance.choice([1, 3, 30]))
        self.truth: dict[Key, dict[str, Any]] = {}
        self.epochs: list[str] = []
        self.made = 0
        self.start()
        self.proxy = FaultProxy(self.server.url, seed=seed).start()
        self.readers = [self.connect(n) for n in range(self.chance.choice([1, 2, 4]))]
        # A connection that ends before the first tick gives a feed no position to resume from.
        self.publish_each()
        self.catch_up()
        self.proxy.plan = random_faults

    def start(self) -> None:
        """Start a server on the same port, sometimes in a process of its own."""
        in_process = self.chance.random() < 0.1
        self.server = tk.serve(None, port=self.port, history=self.history, process=in_process)
        self.epochs.append(self.server.log.epoch)
        self.seq = 0

    def connect(self, number: int) -> Reader:
        """Connect a feed, and have it recorded and followed."""
        chance = self.chance
        wanted = chance.choice([None, None, chance.sample(self.symbols, 1), self.symbols[:3]])
        keep = chance.choice([100, 5_000, 1_000_000])
        # Feeds connect before the first tick, so that each one has to get all of them.
        feed = tk.connect(self.proxy.url, symbols=wanted, history=None, keep=keep)
        path = self.folder / f"recording-{number}{chance.choice(ENDINGS)}"
        rotate = chance.choice([None, None, 20_000])
        flush_s = chance.choice([0.02, 0.2, 1.0])
        path = self.folder / f"recording-{number}" if rotate else path
        reader = Reader(feed, path, feed.record(path, flush_s=flush_s, rotate=rotate))
        feed.on_ticks(reader.calls.append)
        return reader

    def make_tick(self) -> dict[str, Any]:
        """Return a tick that differs from all others."""
        self.made += 1
        tick = {
            "symbol": self.chance.choice(self.symbols),
            "price": self.chance.randrange(1, 10**9) / 100,
            "number": float(self.made),
        }
        if self.chance.random() < 0.5:
            tick["size"] = float(self.chance.randrange(1000))
        if (note := self.chance.choice(NOTES)) is not None:
            tick["note"] = note
        return tick

    def publish_each(self) -> None:
        """Publish one tick of each symbol."""
        self.publish(0, [self.make_tick() | {"symbol": symbol} for symbol in self.symbols])

    def publish(self, count: int, more: Sequence[dict[str, Any]] = ()) -> None:
        """Publish ticks, and sometimes among them what is no tick."""
        ticks = [*(self.make_tick() for _ in range(count)), *more]
        for tick in ticks:
            self.seq += 1
            self.truth[self.epochs[-1], self.seq] = tick
        batch: list[Any] = list(ticks)
        if self.chance.random() < 0.1:
            batch.insert(self.chance.randrange(len(ticks) + 1), self.chance.choice(BAD))
        with suppress(tk.BadTick):
            self.server.publish(batch)

    def catch_up(self) -> None:
        """Wait until each feed has the newest tick that there is for it."""
        for each in self.readers:
            last = max((seq for seq in self.wanted(each.feed, self.epochs[-1])), default=0)
            log = each.feed.log
            self.until(
                lambda log=log, last=last: (
                    not last or (log.last_seq, log.epoch) == (last, self.epochs[-1])
                ),
                60,
                f"{each.feed!r} has tick {last}",
            )

    def wanted(self, feed: tk.Feed, epoch: str) -> Iterator[int]:
        """Yield the seqs of an epoch that are for a feed."""
        for (of, seq), tick in self.truth.items():
            if of == epoch and (feed.symbols is None or tick["symbol"] in feed.symbols):
                yield seq

    def act(self) -> None:
        """Do one of the things that happen to a server."""
        what = self.chance.choices(
            ["publish", "pour", "reset", "away", "restart", "wait"], [50, 10, 10, 8, 4, 18]
        )[0]
        if what == "publish":
            self.publish(self.chance.randrange(1, 60))
        elif what == "pour":
            for _ in range(20):
                self.publish(self.chance.randrange(1, 100))
        elif what == "reset":
            self.proxy.reset()
        elif what == "away":
            self.proxy.refuse()
            self.proxy.reset()
            for _ in range(self.chance.randrange(1, 10)):
                self.publish(self.chance.randrange(1, 200))
            self.proxy.refuse(False)
        elif what == "restart":
            self.server.stop()
            self.start()
        else:
            self.catch_up()

    def end(self) -> None:
        """Stop the faults, publish each symbol once more, and stop the feeds."""
        self.proxy.plan = None
        self.publish_each()
        self.catch_up()
        for each in self.readers:
            each.feed.stop()


def values_of(frame: pd.DataFrame) -> Iterator[tuple[Key, dict[str, Any]]]:
    """Yield the position and the tick of each row; what a tick lacked is missing in both."""
    frame = frame.reindex(columns=["epoch", "seq", *VALUES])
    for epoch, seq, *values in frame.astype(object).itertuples(index=False):
        tick = {name: value for name, value in zip(VALUES, values, strict=True) if value == value}
        yield (epoch, seq), {name: value for name, value in tick.items() if value is not None}


def check(world: World, feed: tk.Feed, frame: pd.DataFrame, gaps: pd.DataFrame) -> list[Key]:
    """Assert that each tick came once, in order and unchanged; return those that are in no gap.

    The open gap of an epoch is also that of later epochs of which nothing came.
    """
    positions: list[Key] = []
    for position, tick in values_of(frame):
        assert tick == {k: v for k, v in world.truth[position].items() if v is not None}
        positions.append(position)
    order = {epoch: number for number, epoch in enumerate(world.epochs)}
    came = set(positions)
    assert len(came) == len(positions)
    assert positions == sorted(positions, key=lambda each: (order[each[0]], each[1]))
    ranges: dict[str, list[tuple[int, float]]] = {}
    for gap in gaps.to_dict("records"):
        stop = float("inf") if pd.isna(gap["to"]) else gap["to"]
        ranges.setdefault(gap["epoch"], []).append((gap["from"], stop))
    missing: list[Key] = []
    has_open_gap = False
    for epoch in world.epochs:
        here = ranges.get(epoch, [])
        for seq in world.wanted(feed, epoch):
            in_gap = any(first <= seq <= last for first, last in here)
            if (epoch, seq) in came:
                assert not in_gap, f"a gap covers {epoch} {seq}, which came"
            elif not in_gap and (here or not has_open_gap):
                missing.append((epoch, seq))
        has_open_gap = has_open_gap or any(last == float("inf") for _, last in here)
    return missing


def read(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the ticks and the gaps of a recording, or of all recordings of a folder."""
    files = sorted(
        each
        for each in ([path] if path.is_file() else path.iterdir())
        if each.suffix in {".csv", ".gz", ".zst", ".parquet"}
    )
    frames = [
        tk.read_parquet(each) if each.suffix == ".parquet" else tk.read_csv(each) for each in files
    ]
    gaps = pd.concat([tk.read_gaps(each) for each in files], ignore_index=True)
    return pd.concat(frames, ignore_index=True), gaps


SEEDS: Iterable[Any] = [
    *range(3),
    *(
        pytest.param(seed, marks=[pytest.mark.soak, pytest.mark.timeout(TIMEOUT_S)])
        for seed in range(100, 100 + share_of(200))
    ),
]


@pytest.mark.filterwarnings("ignore:.*:tickerkit.RecordingWarning")
@pytest.mark.parametrize("seed", SEEDS)
def test_each_tick_reaches_every_reader_or_lies_in_a_gap(
    seed: int, tmp_path: Path, until: Until
) -> None:
    """Feeds, recordings and callbacks have what was published, but for what their gaps list."""
    world = World(seed, tmp_path, until)
    for _ in range(world.chance.randrange(15, 40)):
        world.act()
    world.end()
    for each in world.readers:
        feed = each.feed
        dropped = check(world, feed, feed.frame(), feed.gaps)
        assert len(dropped) <= feed.stats["dropped"]
        assert check(world, feed, *read(each.path)) == []
        called = pd.concat(each.calls, ignore_index=True)
        assert check(world, feed, called, feed.gaps) == [] or feed.stats["callback_errors"]
    world.server.stop()
    world.proxy.stop()
