"""V1Session: the server's end of `tickerkit.v1`."""

from __future__ import annotations

from itertools import islice

import numpy as np

from tickerkit.log import Gap, Position
from tickerkit.protocol.books import BookNews
from tickerkit.protocol.messages import (
    At,
    End,
    FromServer,
    Hello,
    Misfits,
    Subscribe,
    TextColumn,
    Ticks,
    encode,
)
from tickerkit.protocol.publication import Publication
from tickerkit.protocol.subscribe import take_subscribe
from tickerkit.protocol.tick_session import NOT_CAUGHT_UP, TickSession

__all__ = ["AT_S", "HEARTBEAT_S", "V1Session"]

# How long after the last message an `at` is due: `AT_S` if the client doesn't know its seq yet,
# otherwise `HEARTBEAT_S`.
AT_S = 1.0
HEARTBEAT_S = 5.0
# Characters of words in a hello, or in a message that brings only words. A word has four more.
MAX_MESSAGE_CHARACTERS = 2**15
WORD_CHARACTERS = 4


class V1Session(TickSession):
    """The server's end of `tickerkit.v1`: every tick, columnar, with resume.

    A hello has as many words as fit into a short message. Before the first tick that may need
    them, the other words follow in `ticks` messages without ticks, as the client reads them. So a
    client that reads nothing costs the same however many words there are.

    While the client has every tick, it also gets the newest order books, see `BookNews`.

    Args:
        publication: the log and what all sessions share.
        now: the time on the clock that `receive` and `next_message` are given, in seconds.
    """

    kind = "v1"

    def __init__(self, publication: Publication, now: float) -> None:
        super().__init__(publication, publication.columns)
        self._sent_at = now
        # How many words of each text column the client was sent, apart from those in segments.
        self._sent_words: dict[str, int] = {}
        # The row at which the client reads on, and may lack words of the rows before.
        self._entered_at: int | None = None
        # What the client was sent of the log's misfits, and their sum.
        self._sent_misfits: dict[str, int] = {}
        self._left_out = 0
        self._books = BookNews(publication.books)
        # Before a relay knows an epoch, its log has an id of its own, which no client may get.
        if self.close is None:
            self._send_hello(self.log.stop)

    def receive(self, data: str | bytes, now: float) -> None:
        # RFC 6455 section 7.4.1: 1003 for a type of data that the endpoint can't accept.
        if isinstance(data, bytes):
            self.close = (1003, "binary frames are not accepted; send JSON in text frames")
            return
        if (wanted := take_subscribe(self, self._pending, data)) is not None:
            self._subscribe(wanted)

    def next_message(self, now: float) -> bytes | None:
        message = self._pending.popleft() if self._pending else self._next_from_log()
        if message is None and (due := self._at_due()) is not None and now >= due:
            message = encode(At(self.seq))
            self._announced_seq = self.seq
        if message is not None:
            self._sent_at = now
        elif self.row is not None and self.close is None:
            # They do not count as a message: an `at` has to follow the ticks all the same.
            message = self._books.next_message(self.symbols, now)
        return message

    def due(self) -> float | None:
        times = [self._at_due(), self._books.due()]
        if times[0] is None:  # no client that reads
            return None
        return min(each for each in times if each is not None)

    def _at_due(self) -> float | None:
        """Return when an `at` is due; None if the client has not subscribed, or is to leave."""
        if self.row is None or self.close is not None:
            return None
        return self._sent_at + (HEARTBEAT_S if self.seq == self._announced_seq else AT_S)

    @property
    def position(self) -> tuple[int, str, int] | None:
        """The row, epoch and seq up to which all was sent; None while messages are pending."""
        return None if self.row is None or self._pending else (self.row, self.epoch, self.seq)

    def _send(self, message: FromServer) -> None:
        self._pending.append(encode(message))

    def _send_hello(self, row: int) -> None:
        """Send a hello with the epoch of `row`, and the first words of each column."""
        # Not only the words before `row`: later segments send some of them again, and known words
        # do a client no harm.
        log, rows = self.log, self.log.rows()
        self._sent_words, self._entered_at = {}, row
        words = self._take_words(log.stop)
        columns: dict[str, str | list[str]] = {
            name: words.get(name, [])
            if name in log.dictionaries
            else ("text" if rows.array(name).dtype == object else "number")
            for name in rows.names()
            if name not in ("seq", "time", "symbol", "received", "epoch")
        }
        self.epoch, first, last = log.epoch, log.last_seq + 1, log.last_seq
        if len(rows):
            run, stop = log.run_at(row)
            self.epoch = run.epoch
            if (start := max(run.start, log.start)) < log.stop:
                first = log.seq_at(start)
            last = log.last_seq if stop is None else log.seq_at(stop - 1)
        hello = Hello(self.epoch, first, last + 1, words.get("symbol", []), columns)
        self._sent_misfits, self._left_out = dict(log.misfits), log.left_out
        if log.misfits:
            hello.misfits = self._sent_misfits
        if log.units:
            hello.units = dict(log.units)
        self._send(hello)

    def _next_supplement(self, row: int) -> bytes | None:
        return self._next_words() or self._next_misfits()

    def _next_misfits(self) -> bytes | None:
        """Return how many values were left out, if some were since the newest message about it."""
        if self._left_out == self.log.left_out:
            return None
        sent, counts = self._sent_misfits, dict(self.log.misfits)
        news = {name: count for name, count in counts.items() if sent.get(name) != count}
        self._sent_misfits, self._left_out = counts, self.log.left_out
        return encode(Misfits(news))

    def _next_words(self) -> bytes | None:
        """Return words that the client needs to read on; None if it has all of them."""
        if self._entered_at is None:
            return None
        starts = dict(self._sent_words)
        words = self._take_words(self._entered_at)
        if not words:
            self._entered_at = None  # each segment from here on has the words that are new in it
            return None
        pieces = {name: TextColumn([], starts.get(name, 0), new) for name, new in words.items()}
        symbol = pieces.pop("symbol", None) or TextColumn([], starts.get("symbol", 0), [])
        return encode(Ticks(self.seq, 0, [], symbol, [], more={**pieces}))

    def _take_words(self, row: int) -> dict[str, list[str]]:
        """Return words of rows before `row` that were not sent, as many as fit into a message."""
        taken: dict[str, list[str]] = {}
        left = MAX_MESSAGE_CHARACTERS
        for name, dictionary in self.log.dictionaries.items():
            start, stop = self._sent_words.get(name, 0), dictionary.size_at(row)
            if name == "epoch" or start >= stop:
                continue
            new: list[str] = []
            for word in islice(dictionary.words, start, stop):
                left -= len(word) + WORD_CHARACTERS
                if left < 0 and (new or taken):
                    break
                new.append(word)
            if new:
                taken[name] = new
                self._sent_words[name] = start + len(new)
            if left < 0:
                break
        return taken

    def _enter(self, row: int) -> None:
        self._send_hello(row)
        super()._enter(row)

    def _send_seq(self) -> None:
        self._send(At(self.seq))

    def _send_gaps(self, gaps: list[Gap], row: int) -> None:
        for gap in gaps:
            # A client counts a gap to its position only in the epoch of its newest hello.
            if gap.epoch == self.publication.epoch_at(row) and gap.epoch != self.epoch:
                self._send_hello(row)
            self._send(gap)

    def _end(self) -> bytes | None:
        if (book := self._books.flush(self.symbols)) is not None:
            return book
        super()._end()
        return encode(End())

    def _subscribe(self, wanted: Subscribe) -> None:
        """Move to the row that a client requests, and send the messages that it needs first."""
        self._books.restart()
        if self.row is not None and self._entered_at is None:
            # Segments have brought the words up to here.
            self._sent_words = {
                name: max(self._sent_words.get(name, 0), dictionary.size_at(self.row))
                for name, dictionary in self.log.dictionaries.items()
            }
        row = (
            self._history_row(wanted.history)
            if wanted.resume is None
            else self._find_resume_row(wanted.resume)
        )
        if row is None:
            self.close = NOT_CAUGHT_UP
            return
        self.row = row
        if self.publication.epoch_at(self.row) != self.epoch:
            self._send_hello(self.row)
        self._entered_at = self.row
        before, after = self.publication.seqs_at(self.row)
        # A gap before the requested history isn't sent, unless the client asked for the whole
        # history, and the log begins with that gap.
        whole = wanted.resume is None and wanted.history is None and self.row == 0
        self.seq = self._announced_seq = before if whole else self._or_ahead(after)
        self._send_seq()

    def _history_row(self, wanted: int | None) -> int:
        """Return the row at which the newest `wanted` ticks of the session's symbols begin."""
        self._ahead_at = Position("", 0)
        log = self.log
        if wanted is None:
            return log.start
        if self.symbols is None:
            return max(log.start, log.stop - wanted)
        rows = log.rows()
        index = np.flatnonzero(
            self.symbols.select(rows.array("symbol"), log.dictionaries["symbol"])
        )
        if not (wanted and len(index)):
            return log.stop
        return rows.start + int(index[max(len(index) - wanted, 0)])
