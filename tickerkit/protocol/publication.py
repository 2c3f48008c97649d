"""Publication: what all sessions of a server share, and how each of them reads the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tickerkit.errors import BadTick
from tickerkit.formatting import format_line
from tickerkit.log import Gap, Latest, TickLog
from tickerkit.protocol.codec import Symbols, encode_columns, encode_latest, encode_objects
from tickerkit.protocol.messages import Error, FromClient, Subscribe
from tickerkit.protocol.segments import CACHE_BYTES, SIZES, Segments, cost

if TYPE_CHECKING:
    from tickerkit.log import Gaps

__all__ = [
    "MAX_SYMBOLS",
    "MAX_UNSENT",
    "TOO_MANY",
    "SlowStart",
    "Publication",
    "seq_at",
    "subscription",
]

MAX_SYMBOLS = 10_000
MAX_UNSENT = 100
MAX_FILTERS = 1000
TOO_MANY = (1008, "too many messages at once")

_from_client: msgspec.json.Decoder[FromClient] = msgspec.json.Decoder(FromClient)


class Publication:
    """What all sessions of a server share: the log, its encodings, and whether it has ended.

    Args:
        log: the log.
        gaps: the holes in it, which every reader that passes one is told.
    """

    def __init__(self, log: TickLog, gaps: Gaps | None = None) -> None:
        self.log = log
        self.gaps = gaps
        self.columns = Segments(log, encode_columns, gaps)
        self.objects = Segments(log, encode_objects, gaps)
        self.latest = Latest(log)
        self.ended = False
        self._prices: dict[Symbols, bytes | None] = {}
        self._prices_bytes = 0

    def epoch_at(self, row: int) -> str:
        """Return the epoch of `row`, or of the next tick."""
        return self.log.run_at(row)[0].epoch if row < self.log.stop else self.log.epoch

    def gaps_at(self, row: int, epoch: str, seq: int) -> list[Gap]:
        """Return what is to be told before `row` to a reader that stands there.

        Args:
            row: the next that it gets.
            epoch: which it stands in: that of the row before, or already that of `row`.
            seq: up to where it has, or was told, all of that epoch.
        """
        if self.gaps is None or row > self.gaps.newest:
            return []
        here, told = self.epoch_at(row), []
        for gap in self.gaps.at(row):
            if gap.epoch == epoch:
                known = seq
            elif gap.epoch == here:  # which it is about to enter
                known = 0
            else:  # which it has left
                continue
            if gap.last is None or gap.last > known:
                told.append(Gap(gap.epoch, max(gap.first, known + 1), gap.last, gap.reason))
        return told

    def seqs_at(self, row: int) -> tuple[int, int]:
        """Return the seqs, in the epoch of `row`, before and behind the gap that lies before it.

        They are the same where there is none.
        """
        log = self.log
        if self.gaps is not None and row <= self.gaps.newest:
            here = self.epoch_at(row)
            for gap in self.gaps.at(row):
                if gap.epoch == here and gap.last is not None:
                    return gap.first - 1, gap.last
        if row >= log.stop:
            seq = log.last_seq
        elif row > log.start and log.run_at(row)[0].start < row:
            seq = seq_at(log, row - 1)
        else:
            seq = seq_at(log, row) - 1
        return seq, seq

    def prices(self, symbols: Symbols) -> bytes | None:
        """Return the newest tick of every symbol as a message, encoded once for all who ask."""
        full = self._prices_bytes > CACHE_BYTES or len(self._prices) > MAX_FILTERS
        if self.latest.update() or full:
            self._prices.clear()
            self._prices_bytes = 0
        if symbols not in self._prices:
            self._prices[symbols] = message = encode_latest(self.latest, symbols)
            self._prices_bytes += cost(message, symbols)
        return self._prices[symbols]


def subscription(data: str | bytes) -> Subscribe | None:
    """Read a subscribe message, or raise a `BadTick` that says what is wrong with it.

    None for a client's error, which is not answered: it may be the answer to one.
    """
    fix = 'send {"type": "subscribe", "symbols": ["AAPL"]}, or null for all symbols'
    try:
        wanted = _from_client.decode(data)
    except RecursionError:
        raise BadTick("message", data, "is nested too deep", fix) from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        problem = f"is no subscribe message ({format_line(str(error))})"
        raise BadTick("message", data, problem, fix) from None
    if isinstance(wanted, Error):
        return None
    if wanted.symbols is not None and len(wanted.symbols) > MAX_SYMBOLS:
        raise BadTick("symbols", len(wanted.symbols), "are too many", f"name at most {MAX_SYMBOLS}")
    return wanted


class SlowStart:
    """How many rows at once: few first, so that each connection gets further on a bad wire."""

    def __init__(self) -> None:
        self.most = SIZES[-1]

    def grow(self) -> None:
        """Take more rows the next time."""
        self.most = min(self.most * SIZES[0] // SIZES[1], SIZES[0])


def seq_at(log: TickLog, row: int) -> int:
    """Return the number of the tick at a row that is held."""
    return int(log.rows(row, row + 1).array("seq")[0])
