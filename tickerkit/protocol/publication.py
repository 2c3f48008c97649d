"""Publication: what all sessions of a server share, and how much each sends at first."""

from __future__ import annotations

from tickerkit.log import Gap, Gaps, Latest, TickLog
from tickerkit.protocol.books import BookMessages
from tickerkit.protocol.codec import encode_columns, encode_latest, encode_objects
from tickerkit.protocol.origin import Origin
from tickerkit.protocol.segments import BLOCK_SIZES, MAX_CACHE_BYTES, Segments, cached_bytes
from tickerkit.protocol.symbols import Symbols
from tickerkit.ticks import Array

__all__ = ["Publication", "SlowStart"]

# For how many choices of symbols the encoded newest prices are kept.
MAX_FILTERS = 1000


class Publication:
    """What all sessions of a server share: the log, its encodings, and whether it has ended.

    Args:
        log: the log.
        gaps: the gaps in the log; each is sent to every client that passes it.
        origin: what is known of the stream that the log comes from, if it comes from elsewhere.
            Then a reader may be ahead of the log, and a gap needs proof.

    Attributes:
        columns: the log as messages of `tickerkit.v1`.
        objects: the log as messages of `/ticks`.
        latest: the newest values of each symbol.
        books: the newest order book of each symbol as messages of `tickerkit.v1`.
        ended: whether the source has ended: sessions close once they have sent everything.
    """

    def __init__(
        self, log: TickLog, gaps: Gaps | None = None, origin: Origin | None = None
    ) -> None:
        self.log = log
        self.gaps = gaps
        self.origin = origin
        self.columns = Segments(log, encode_columns, gaps)
        self.objects = Segments(log, encode_objects, gaps)
        self.latest = Latest(log)
        self.books = BookMessages(log.books)
        self.ended = False
        self._prices: dict[Symbols, bytes | None] = {}
        self._prices_bytes = 0

    @property
    def is_ready(self) -> bool:
        """Whether clients can be served: not before a relay has caught up, and knows an epoch."""
        return self.origin is None or (self.origin.is_ready and bool(self.log.runs))

    def hold(self, horizon: int | None) -> None:
        """Have sessions send the rows up to `horizon` only, until the next call; None for all."""
        self.columns.hold(horizon)
        self.objects.hold(horizon)

    def epoch_at(self, row: int) -> str:
        """Return the epoch of `row`; at the end of the log, that of the next tick."""
        return self.log.run_at(row)[0].epoch if row < self.log.stop else self.log.epoch

    def gaps_at(self, row: int, epoch: str, seq: int) -> list[Gap]:
        """Return the gaps that lie before `row` and that a reader at this row doesn't know.

        Args:
            row: the next row that the reader gets.
            epoch: the epoch that the reader is in: that of the row before, or already of `row`.
            seq: the reader has, or knows to be missing, all ticks of the epoch up to here.
        """
        if self.gaps is None or row > self.gaps.newest:
            return []
        here, unknown = self.epoch_at(row), []
        for gap in self.gaps.at(row):
            if gap.last is None and gap.epoch == here:
                continue  # the epoch that follows has not begun yet
            if gap.epoch == epoch:
                known = seq
            elif gap.epoch == here:  # the reader is about to enter it
                known = 0
            else:  # the reader has left it
                continue
            if gap.last is None or gap.last > known:
                unknown.append(Gap(gap.epoch, max(gap.first, known + 1), gap.last, gap.reason))
        return unknown

    def seqs_at(self, row: int) -> tuple[int, int]:
        """Return the last seq before the gaps right before `row`, and the last seq in them.

        Only gaps in the epoch of `row` count. Without one, both are the seq before that of `row`.
        """
        log = self.log
        if self.gaps is not None and row <= self.gaps.newest:
            here = self.epoch_at(row)
            here_gaps = [gap for gap in self.gaps.at(row) if gap.epoch == here]
            lasts = [gap.last for gap in here_gaps if gap.last is not None]
            if lasts:
                # A hostile server's gaps may be in any order. A reader that has passed all of them
                # must be beyond each, or it would be sent them again without end.
                return max(here_gaps[0].first - 1, 0), max(lasts)
        if row >= log.stop:
            seq = log.last_seq
        elif row > log.start and log.run_at(row)[0].start < row:
            seq = log.seq_at(row - 1)
        else:
            seq = log.seq_at(row) - 1
        return seq, seq

    def prices(self, symbols: Symbols) -> bytes | None:
        """Return the newest values of each symbol as a message, encoded once for all sessions.

        None if there are none.
        """
        codes = self.price_codes(symbols)
        if self._prices_bytes > MAX_CACHE_BYTES or len(self._prices) > MAX_FILTERS:
            self._forget_prices()
        if symbols not in self._prices:
            message = encode_latest(self.latest, codes) if len(codes) else None
            self._prices[symbols] = message
            self._prices_bytes += cached_bytes(message, symbols)
        return self._prices[symbols]

    def price_codes(self, symbols: Symbols) -> Array:
        """Return the codes of the symbols that have values, after an update of `latest`."""
        if self.latest.update():
            self._forget_prices()
        codes = self.latest.codes()
        if symbols is None:
            return codes
        return codes[symbols.select(codes, self.log.dictionaries["symbol"])]

    def _forget_prices(self) -> None:
        self._prices.clear()
        self._prices_bytes = 0


class SlowStart:
    """How many rows a session sends in one message: few at first, more with each message.

    Why not always as many as possible? A connection that breaks every few hundred kilobytes, as on
    a train, would break before the first large message has arrived, and resume at the same row for
    ever. With small messages first, each connection gets further than the one before.

    Attributes:
        rows: how many rows the next message has at most.
    """

    def __init__(self) -> None:
        self.rows = BLOCK_SIZES[-1]

    def grow(self) -> None:
        """Allow more rows: the next of `BLOCK_SIZES`."""
        self.rows = min(self.rows * BLOCK_SIZES[0] // BLOCK_SIZES[1], BLOCK_SIZES[0])
