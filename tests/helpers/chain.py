"""A chain of real processes: brokers, a maker, relays, a load balancer; and feeds that check it.

The maker's tick number n of an epoch has the price n, so each tick that arrives says whether it is
the right one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from tickerkit.feed import Feed
from tickerkit.log import TickLog

__all__ = ["FeedChecker", "Tickerkit", "is_ready", "wait_for", "write_maker"]

# A source of RATE ticks a second; they come every 10 ms, as a frame, which is read at once.
MAKER = """
import asyncio, time
import numpy as np, pandas as pd

async def ticks():
    sent, began = 0, time.monotonic()
    while True:
        count = min(int((time.monotonic() - began) * {rate}) - sent, 4000)
        if count > 0:
            numbers = np.arange(sent + 1, sent + count + 1)
            codes = (numbers % 50).astype("int8")
            symbols = pd.Categorical.from_codes(codes, [f"S{{n}}" for n in range(50)])
            yield pd.DataFrame({{"symbol": symbols, "price": numbers.astype(float)}})
            sent += count
        await asyncio.sleep(0.01)
"""


def is_ready(port: int) -> bool:
    """Return whether the server on a port says that it takes readers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class Tickerkit:
    """A command of tickerkit that a test kills and starts again, with the same arguments.

    Args:
        *arguments: the command and its arguments.
        prefix: what runs the command, such as `ip netns exec`.
    """

    def __init__(self, *arguments: str, prefix: Sequence[str] = ()) -> None:
        self.arguments = arguments
        self._prefix = prefix
        self.output = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end of the block
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    def start(self) -> None:
        """Start it, in a session of its own."""
        self.starts += 1
        self.process = subprocess.Popen(
            [*self._prefix, sys.executable, "-m", "tickerkit", *self.arguments],
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it, as a machine that loses power does."""
        self.send(signal.SIGKILL)
        if self.process is not None:
            self.process.wait(10)

    def end(self, timeout_s: float = 30) -> int:
        """Ask it to end, and return its exit code."""
        assert self.process is not None
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        return self.process.wait(timeout_s)

    def read_output(self) -> str:
        """Return what it has printed."""
        self.output.seek(0)
        return self.output.read().decode(errors="replace")

    def __enter__(self) -> Tickerkit:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.send(signal.SIGCONT)
        self.kill()
        self.output.close()


class FeedChecker:
    """Reads a feed's log as it grows, and notes everything that must not be.

    Args:
        feed: a feed that began before the maker's first tick, or with the whole history.

    Attributes:
        faults: what was wrong, as text.
        lasts: the seq of the newest tick of each epoch, oldest epoch first.
        ticks: how many ticks came.
    """

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.faults: list[str] = []
        self.lasts: dict[str, int] = {}
        self.ticks = 0
        self._log: TickLog = feed.log
        self._reader = self._log.reader(0)

    def check(self) -> None:
        """Check the ticks that came since the last call."""
        rows = self._reader.read()
        if rows.lost:
            self.faults.append(f"the check itself came {rows.lost} ticks too late")
        if not len(rows):
            return
        self.ticks += len(rows)
        codes, seq = rows.array("epoch"), rows.array("seq")
        edges = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(rows)]
        words = rows.dictionaries["epoch"].words
        for start, stop in pairwise(edges):
            epoch, part = words[codes[start]], seq[start:stop]
            if self.lasts and epoch in self.lasts and epoch != next(reversed(self.lasts)):
                self.faults.append(f"epoch {epoch} came again at {part[0]}")
            expected = self.lasts.get(epoch, 0) + 1
            if part[0] != expected:
                self.faults.append(f"{epoch}: {part[0]} came, and not {expected}")
            if len(part) != part[-1] - part[0] + 1 or (np.diff(part) != 1).any():
                self.faults.append(f"{epoch}: seqs between {part[0]} and {part[-1]} are wrong")
            if (rows.array("price")[start:stop] != part).any():
                self.faults.append(f"{epoch}: a tick from {part[0]} on has another's price")
            self.lasts[epoch] = int(part[-1])

    def list_gap_faults(self) -> list[str]:
        """Return what is wrong with the feed's gaps: one for each epoch that ended, no other."""
        frame = self.feed.gaps
        ends = [None if pd.isna(last) else int(last) for last in frame["to"]]
        epochs, firsts = frame["epoch"].astype(str), frame["from"].astype(int)
        reported = list(zip(epochs, firsts, ends, strict=True))
        ended = {epoch: last + 1 for epoch, last in list(self.lasts.items())[:-1]}
        faults = [f"reported twice: {gap}" for gap in set(reported) if reported.count(gap) > 1]
        for epoch, first, last in reported:
            # A maker may have been killed after it took over, and before it wrote a tick.
            if last is not None or first != (ended.get(epoch) if epoch in self.lasts else 1):
                faults.append(f"reported, but not missing: {epoch} {first}-{last}")
        missing = ended.keys() - {epoch for epoch, _, _ in reported}
        return faults + [f"missing: the end of {epoch} after {ended[epoch]}" for epoch in missing]


def wait_for(condition: Callable[[], object], timeout_s: float, what: str) -> None:
    """Wait until a condition holds.

    Raises:
        AssertionError: it does not hold in time.
    """
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"not within {timeout_s} s: {what}"
        time.sleep(0.02)


def write_maker(folder: Path, rate: int) -> str:
    """Write the maker's program; return the source of `tickerkit serve`."""
    path = folder / "maker.py"
    path.write_text(MAKER.format(rate=rate))
    return f"{path}:ticks"
