"""Client: the client's end of the protocol, over all connections of a feed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import get_args

import msgspec
import numpy as np

from tickerkit.errors import ProtocolError
from tickerkit.limits import MAX_MISFIT_NAMES, MAX_NAME_LENGTH, OTHERS
from tickerkit.log import MAX_SEQ, Gap, Position
from tickerkit.protocol.books import decode_book
from tickerkit.protocol.decode import decode_ticks
from tickerkit.protocol.messages import (
    VERSION,
    At,
    BookState,
    Error,
    FromServer,
    Hello,
    Misfits,
    Subscribe,
    Ticks,
    encode,
)
from tickerkit.protocol.subscriber import Event, Received
from tickerkit.protocol.words import ReceivedWords
from tickerkit.ticks import Text
from tickerkit.ticks.fields import select_units


class _Header(msgspec.Struct):
    """The field that every message has, also a message of a type that a later version adds."""

    type: str


MAX_ENDED_EPOCHS = 1000
# Values of text that a log is given at once.
MAX_TEXTS = 2**14
NO_SEQS = np.empty(0, dtype=np.int64)

_from_server: msgspec.json.Decoder[FromServer] = msgspec.json.Decoder(FromServer)
_header = msgspec.json.Decoder(_Header)
TYPES = frozenset(kind.__struct_config__.tag for kind in get_args(FromServer))


class Client:
    """The client's end of `tickerkit.v1`.

    It lives as long as the feed. On each further connection, it resumes after the newest tick that
    it has, and leaves out ticks and gaps that come again.

    Args:
        symbols: only these; None for all.
        history: how many past ticks to request on the first connection; None for all.

    Attributes:
        misfits: how many values servers have left out, by column, since the first connection; of
            all symbols.
        units: the unit of each column that has one, as the newest hello says.
    """

    def __init__(self, symbols: list[str] | None = None, history: int | None = 0) -> None:
        self.symbols = symbols
        self.history = history
        self.epoch: str | None = None
        self.seq = 0
        self.duplicates = 0
        self.misfits: dict[str, int] = {}
        self.units: dict[str, str] = {}
        self._server_misfits: dict[str, int] = {}
        # The epoch of this connection's newest hello, and of the ticks that come next. `epoch`
        # changes to it when the position advances: with the first tick, gap or `at`.
        self._stream_epoch: str | None = None
        self._words = ReceivedWords()
        self._replies: list[bytes] = []
        self._newest_gap = Gap("", 0, 0, "")
        # Up to where each epoch before the current one was received, the newest last.
        self._former: dict[str, int] = {}
        self._has_returned = False  # whether the current one was left before
        # The epochs for which a gap without an end came since the position last advanced.
        self._ended_epochs: set[str] = set()

    def start_connection(self) -> list[Event]:
        self._stream_epoch = None
        self._words = ReceivedWords()
        self._replies = []
        return []

    def _note_misfits(self, counts: dict[str, int]) -> None:
        """Add what the server has left out since its newest message about it."""
        for name, count in counts.items():
            # A log cuts names, too. A hostile server's could each be as long as a message.
            name = name[:MAX_NAME_LENGTH]
            known = self._server_misfits.get(name, 0)
            # A lower count than before is that of another server, or of one that was restarted.
            new = count - known if count >= known else count
            # By the server's names: the counts of different columns can't be subtracted. A server
            # has one name more than the bound, OTHERS.
            if name in self._server_misfits or len(self._server_misfits) <= MAX_MISFIT_NAMES:
                self._server_misfits[name] = count
            if name not in self.misfits and len(self.misfits) >= MAX_MISFIT_NAMES:
                name = OTHERS
            if new:
                self.misfits[name] = self.misfits.get(name, 0) + new

    def take_replies(self) -> list[bytes]:
        replies, self._replies = self._replies, []
        return replies

    def receive(self, data: str | bytes) -> Iterable[Event]:
        message = _decode(data)
        if message is None:
            return []
        if self._stream_epoch is None and not isinstance(message, Hello | Error):
            raise ProtocolError(1002, f"{type(message).__name__.lower()} came before hello")
        match message:
            case Hello():
                self._enter(message)
            case Ticks():
                return self._read_ticks(message)
            case BookState():
                return [Received(decode_book(message), self._stream_epoch or "", NO_SEQS)]
            case Misfits():
                self._note_misfits(message.counts)
                return []
            case At():
                self._advance(message.seq)
            case Gap():
                new = self._without_known(message)
                if new is None or self._is_known(new):
                    return []
                message = new
                # After any other gap (of a former epoch, or without an end) a hello follows.
                if message.epoch == self._stream_epoch and message.last is not None:
                    self._advance(message.last)
                elif message.epoch == self.epoch and message.last is not None:
                    # If the connection breaks now, this gap must not be sent again.
                    self.seq = max(self.seq, message.last)
            case _:
                pass
        return [message]

    def known_symbols(self) -> list[str]:
        return list(self._words.columns.get("symbol", ()))

    def current_hello(self) -> bytes | None:
        """Return a hello with which a client can read this connection from here on.

        It has the words of the hello that this connection received, and of the ticks since. None
        if no hello has been received yet.
        """
        if self._stream_epoch is None:
            return None
        known = self._words.columns
        columns: dict[str, str | list[str]] = {
            name: words for name, words in known.items() if name != "symbol"
        }
        seq = self.seq if self.epoch == self._stream_epoch else 0
        hello = Hello(self._stream_epoch, 0, seq + 1, known.get("symbol", []), columns)
        if self.units:
            hello.units = self.units
        return encode(hello)

    def _enter(self, hello: Hello) -> None:
        if hello.protocol != VERSION:
            problem = f"it speaks version {hello.protocol}, not {VERSION}: update the older side"
            raise ProtocolError(1002, problem, final=True)
        self._words = ReceivedWords()
        self._words.extend("symbol", 0, hello.symbols)
        for name, column in hello.columns.items():
            if isinstance(column, list) and name != "symbol":
                self._words.extend(name, 0, column)
        # A later hello on the same connection begins an epoch: the subscription stays.
        first = self._stream_epoch is None
        self._stream_epoch = hello.epoch
        self.units = {} if hello.units is msgspec.UNSET else select_units(hello.units)
        misfits = {} if hello.misfits is msgspec.UNSET else hello.misfits
        if self.epoch is None and self.history is not None and first:
            # Of ticks from before this feed.
            self._server_misfits = dict(misfits)
        else:
            self._note_misfits(misfits)
        if first:
            resume = None if self.epoch is None else Position(self.epoch, self.seq)
            self._replies.append(encode(Subscribe(self.symbols, resume, self.history)))

    def _without_known(self, gap: Gap) -> Gap | None:
        """Return the part of a gap that did not come; None if all of it came.

        A relay may have less of an epoch than the one before. A gap with an end, in an epoch that
        the client has never left, says that a server has lost what it had sent.
        """
        known = self.seq if gap.epoch == self.epoch else self._former.get(gap.epoch, 0)
        is_loss = gap.epoch == self.epoch and gap.last is not None and not self._has_returned
        if gap.first > known or is_loss:
            return gap
        if gap.last is not None and gap.last <= known:
            return None
        return msgspec.structs.replace(gap, first=min(known + 1, MAX_SEQ))

    def _is_known(self, gap: Gap) -> bool:
        """Return whether a gap was sent before, as when the connection broke right after it."""
        if gap.last is None:
            known = gap.epoch in self._ended_epochs
            if len(self._ended_epochs) >= MAX_ENDED_EPOCHS:  # of a hostile server
                self._ended_epochs.clear()
            self._ended_epochs.add(gap.epoch)
            return known
        newest = self._newest_gap
        within = newest.first <= gap.first and gap.last <= (newest.last or 0)
        if newest.epoch == gap.epoch and within:
            return True
        self._newest_gap = gap
        return False

    def _advance(self, seq: int) -> None:
        if self.epoch == self._stream_epoch and seq <= self.seq:
            return
        if self.epoch != self._stream_epoch:
            seq = self._leave_epoch(seq)
        self.epoch, self.seq = self._stream_epoch, seq
        self._ended_epochs.clear()

    def _leave_epoch(self, seq: int) -> int:
        """Remember the position, and return that in the epoch of the connection.

        It may be a former one again: the brokers of a stream have lost the newest epoch, or a relay
        has never had it, and sends what it has.
        """
        if self.epoch is not None:
            self._former[self.epoch] = self.seq
            if len(self._former) > MAX_ENDED_EPOCHS:
                del self._former[next(iter(self._former))]
        former = self._former.pop(self._stream_epoch or "", 0)
        self._has_returned = former > 0
        return max(seq, former)

    def _read_ticks(self, message: Ticks) -> Iterable[Event]:
        assert self._stream_epoch is not None
        batch, seq = decode_ticks(message, self._words)
        # After a reconnect, a server such as a relay that lags may send some ticks again.
        is_here = self.epoch == self._stream_epoch
        known = self.seq if is_here else self._former.get(self._stream_epoch, 0)
        if len(seq) and seq[0] <= known:
            new = seq > known
            self.duplicates += int(len(seq) - new.sum())
            batch, seq = batch.where(new), seq[new]
        if not batch.count:
            self._advance(message.seq)
            return []
        received = Received(batch, self._stream_epoch, seq)
        texts = sum(isinstance(column, Text) for column in batch.columns.values())
        max_rows = max(MAX_TEXTS // texts, 1)
        if batch.count > max_rows:
            return self._divide(received, max_rows)
        self._advance(int(seq[-1]))
        return [received]

    def _divide(self, whole: Received, max_rows: int) -> Iterator[Event]:
        """Yield ticks in parts, which take a log some 10 ms each; the position advances with them.

        Columns of ever new words take the longest: almost a microsecond for each.
        """
        for start in range(0, whole.batch.count, max_rows):
            stop = min(start + max_rows, whole.batch.count)
            seq = whole.seq[start:stop]
            self._advance(int(seq[-1]))
            yield Received(whole.batch.part(start, stop), whole.epoch, seq)


def _decode(data: str | bytes) -> FromServer | None:
    """Return a message from the server; None for a type that a later version may have added."""
    try:
        try:
            return _from_server.decode(data)
        except msgspec.ValidationError:
            if _header.decode(data).type not in TYPES:
                return None
            raise
    except RecursionError:
        raise ProtocolError(1007, "a message is nested too deep") from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ProtocolError(1007, f"a message doesn't follow the protocol ({error})") from None
