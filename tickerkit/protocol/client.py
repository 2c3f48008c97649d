"""Client: the client's end of the protocol, over all connections of a feed."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from tickerkit.errors import BadTick, ProtocolError
from tickerkit.limits import MAX_MISFIT_NAMES, MAX_NAME_LENGTH
from tickerkit.log import Gap, Position
from tickerkit.protocol.decode import decode_ticks
from tickerkit.protocol.messages import (
    VERSION,
    At,
    End,
    Error,
    FromServer,
    Hello,
    Misfits,
    Subscribe,
    Ticks,
    encode,
)
from tickerkit.protocol.words import ReceivedWords
from tickerkit.ticks import PIECE_BYTES, Batch, Text, cut_array, read_ticks


class _Header(msgspec.Struct):
    """The field that every message has, also a message of a type that a later version adds."""

    type: str


MAX_ENDED_EPOCHS = 1000
# Values of text that a log is given at once.
MAX_TEXTS = 2**14
# Invalid ticks in one message of a plain server, after which its rest is not read.
MAX_REFUSED = 1000
MAX_GAP_NOTICE_CHARACTERS = 200

_from_server: msgspec.json.Decoder[FromServer] = msgspec.json.Decoder(FromServer)
_header = msgspec.json.Decoder(_Header)
# A plain client notes the symbols of this many, which an error about a missing symbol lists.
MAX_SEEN = 1000
TYPES = frozenset(kind.__struct_config__.tag for kind in get_args(FromServer))


@dataclass(frozen=True, slots=True)
class Received:
    """Ticks for the log: each exactly once, in order.

    Attributes:
        batch: the ticks.
        epoch: the epoch of all of them.
        seq: their seqs, int64, shape `(batch.count,)`.
    """

    batch: Batch
    epoch: str
    seq: npt.NDArray[np.int64]


Event: TypeAlias = Received | Hello | At | Gap | End | Error


class Subscriber(Protocol):
    """The client's end of a protocol, over all connections of a feed.

    Attributes:
        epoch: the epoch of the newest tick; None before the first position is known.
        seq: the seq up to which the client has every tick, or knows that it will never come.
        duplicates: how many ticks arrived again and were left out.
    """

    epoch: str | None
    seq: int
    duplicates: int

    def start_connection(self) -> list[Event]:
        """Reset for a new connection; return the events that this alone causes, such as a gap."""

    def receive(self, data: str | bytes) -> Iterable[Event]:
        """Return the events of a message from the server.

        A large message of a plain server is read in pieces, while the events are iterated over, so
        that the caller can do other work between two of them.

        Raises:
            ProtocolError: the message is invalid; close with the error's `close_code`.
        """

    def take_replies(self) -> list[bytes]:
        """Return the messages to send to the server, each only once."""

    def known_symbols(self) -> list[str]:
        """Return the symbols of the server, as far as it has named them on this connection."""


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
    """

    def __init__(self, symbols: list[str] | None = None, history: int | None = 0) -> None:
        self.symbols = symbols
        self.history = history
        self.epoch: str | None = None
        self.seq = 0
        self.duplicates = 0
        self.misfits: dict[str, int] = {}
        self._server_misfits: dict[str, int] = {}
        # The epoch of this connection's newest hello, and of the ticks that come next. `epoch`
        # changes to it when the position advances: with the first tick, gap or `at`.
        self._stream_epoch: str | None = None
        self._words = ReceivedWords()
        self._replies: list[bytes] = []
        self._newest_gap = Gap("", 0, 0, "")
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
            # has one name more than the bound, "(others)".
            if name in self._server_misfits or len(self._server_misfits) <= MAX_MISFIT_NAMES:
                self._server_misfits[name] = count
            if name not in self.misfits and len(self.misfits) >= MAX_MISFIT_NAMES:
                name = "(others)"
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
            case Misfits():
                self._note_misfits(message.counts)
                return []
            case At():
                self._advance(message.seq)
            case Gap():
                if self._is_known(message):
                    return []
                # After any other gap (of a former epoch, or without an end) a hello follows.
                if message.epoch == self._stream_epoch and message.last is not None:
                    self._advance(message.last)
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
        return encode(Hello(self._stream_epoch, 0, seq + 1, known.get("symbol", []), columns))

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
        misfits = {} if hello.misfits is msgspec.UNSET else hello.misfits
        if self.epoch is None and self.history is not None and first:
            # Of ticks from before this feed.
            self._server_misfits = dict(misfits)
        else:
            self._note_misfits(misfits)
        if first:
            resume = None if self.epoch is None else Position(self.epoch, self.seq)
            self._replies.append(encode(Subscribe(self.symbols, resume, self.history)))

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
        self.epoch, self.seq = self._stream_epoch, seq
        self._ended_epochs.clear()

    def _read_ticks(self, message: Ticks) -> Iterable[Event]:
        assert self._stream_epoch is not None
        batch, seq = decode_ticks(message, self._words)
        # After a reconnect, a server such as a relay that lags may send some ticks again.
        if self.epoch == self._stream_epoch and len(seq) and seq[0] <= self.seq:
            new = seq > self.seq
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


class MessageReader(Protocol):
    """Reads messages whose ticks have other names than tickerkit's."""

    def start_connection(self) -> None:
        """Forget what belongs to the connection before."""

    def read(self, data: str | bytes) -> list[Batch] | None:
        """Return the ticks of a message; None if it is not such a message."""


class PlainClient:
    """The client's end of any websocket that sends ticks as JSON, without resume.

    Each connection begins an epoch. Between two connections lies a gap whose end isn't known,
    unless the first had no tick: then the gap before it goes on. A gap that a tickerkit server
    sends on `/ticks` is handled in the same way.

    A message is read up to its 1,000th invalid tick: it is most likely not one of ticks.

    Args:
        symbols: only these; None for all.
        foreign: reads messages that have ticks by other names; None to read no such messages.
    """

    def __init__(
        self, symbols: list[str] | None = None, foreign: MessageReader | None = None
    ) -> None:
        self.foreign = foreign
        self.symbols = None if symbols is None else frozenset(symbols)
        self._seen: dict[str, None] = {}
        self.epoch: str | None = None
        self.seq = 0
        self.duplicates = 0

    def start_connection(self) -> list[Event]:
        if self.foreign is not None:
            self.foreign.start_connection()
        return self.miss(None, "reconnected: a plain websocket can't report what was missed")

    def miss(self, count: int | None, reason: str) -> list[Event]:
        """Note that ticks are missing before the next one; return the gap, if there is one.

        Args:
            count: how many; None if that isn't known: the next tick then begins an epoch.
            reason: why they are missing.
        """
        gaps: list[Event] = []
        if count is None:
            if self.seq:
                assert self.epoch is not None
                gaps.append(Gap(self.epoch, self.seq + 1, None, reason))
            self._begin_epoch()
        elif count > 0 and self.epoch is not None:
            gaps.append(Gap(self.epoch, self.seq + 1, self.seq + count, reason))
            self.seq += count
        return gaps

    def known_symbols(self) -> list[str]:
        return list(self._seen)

    def _begin_epoch(self) -> None:
        self.epoch, self.seq = secrets.token_hex(8), 0

    def take_replies(self) -> list[bytes]:
        return []

    def receive(self, data: str | bytes) -> Iterable[Event]:
        if (gap := self._read_gap(data)) is not None:
            return [gap]
        if self.foreign is not None and (batches := self.foreign.read(data)) is not None:
            return [self.number(batch) for batch in batches]
        if len(data) <= PIECE_BYTES:
            return [self.number(_read_piece(data, MAX_REFUSED))]
        return self._read_pieces(data)

    def _read_pieces(self, data: str | bytes) -> Iterator[Event]:
        """Yield the ticks of a large message piece by piece."""
        left = MAX_REFUSED
        try:
            text = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
            for piece in cut_array(text):
                batch = _read_piece(piece, left)
                left -= batch.refused
                yield self.number(batch)
                if left <= 0:
                    return
        except BadTick as error:
            batch = read_ticks([])
            batch.refused, batch.errors = 1, [error]
            yield self.number(batch)

    def number(self, batch: Batch) -> Received:
        """Return ticks with their seqs, without those of other symbols."""
        assert self.epoch is not None
        if self.symbols is not None:
            if len(self._seen) < MAX_SEEN:
                self._seen.update(dict.fromkeys(_symbol_column(batch).words))
            batch = _select_symbols(batch, self.symbols)
        seq = np.arange(self.seq + 1, self.seq + 1 + batch.count, dtype=np.int64)
        self.seq += batch.count
        return Received(batch, self.epoch, seq)

    def _read_gap(self, data: str | bytes) -> Gap | None:
        """Return the gap that a tickerkit server sends on `/ticks`, None for other messages."""
        if len(data) > MAX_GAP_NOTICE_CHARACTERS:
            return None
        try:
            notice = _plain_gap.decode(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        assert self.epoch is not None
        last = "…" if notice.last is None else notice.last
        gap = Gap(
            self.epoch,
            self.seq + 1,
            None,
            f"the server reports that {notice.first}–{last} will never come",
        )
        self._begin_epoch()
        return gap


def _read_piece(data: str | bytes, max_refused: int) -> Batch:
    """Read ticks; where the reading stops at `max_refused`, the newest error says so."""
    batch = read_ticks(data, max_refused)
    if batch.refused >= max_refused:
        problem = f"has {MAX_REFUSED:,} invalid ticks; its rest was not read"
        fix = "check whether this is a websocket of ticks"
        batch.errors.insert(0, BadTick("message", data, problem, fix))
    return batch


def _symbol_column(batch: Batch) -> Text:
    column = batch.columns["symbol"]
    assert isinstance(column, Text)
    return column


def _select_symbols(batch: Batch, symbols: frozenset[str]) -> Batch:
    """Return the ticks of `symbols`; `refused`, `errors` and `misfits` are those of all ticks."""
    column = _symbol_column(batch)
    # One entry for each word, and a last one for the code -1.
    wanted = np.array([*(word in symbols for word in column.words), False], dtype=bool)
    some = batch.where(wanted[column.codes])
    some.refused, some.errors, some.misfits = batch.refused, batch.errors, batch.misfits
    return some


class _PlainGap(msgspec.Struct):
    type: Literal["gap"]
    first: int = msgspec.field(name="from")
    last: int | None = msgspec.field(name="to")


_plain_gap = msgspec.json.Decoder(_PlainGap)
