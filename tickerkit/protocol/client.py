"""The client's end of the protocol: what it has, and what came of each message."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from tickerkit.errors import ProtocolError
from tickerkit.log import Gap, Position
from tickerkit.protocol.codec import decode_ticks
from tickerkit.protocol.messages import (
    VERSION,
    At,
    End,
    Error,
    FromServer,
    Hello,
    Subscribe,
    Ticks,
    encode,
)
from tickerkit.ticks import Batch, Text, read_ticks


class _Header(msgspec.Struct):
    """What every message has, also one of a type that a later version added."""

    type: str


_from_server: msgspec.json.Decoder[FromServer] = msgspec.json.Decoder(FromServer)
_header = msgspec.json.Decoder(_Header)
TYPES = frozenset(kind.__struct_config__.tag for kind in get_args(FromServer))


@dataclass(frozen=True, slots=True)
class Received:
    """Ticks for the log: each exactly once, in order."""

    batch: Batch
    epoch: str
    seq: npt.NDArray[np.int64]


Event: TypeAlias = Received | Hello | At | Gap | End | Error


class Subscriber(Protocol):
    """The client's end, over all connections of a feed.

    Attributes:
        epoch: the epoch of the last tick; None before the first position is known.
        seq: the last seq.
        duplicates: how many ticks came that it had already.
    """

    epoch: str | None
    seq: int
    duplicates: int

    def connected(self) -> list[Event]:
        """Begin a new connection; return what that alone says."""

    def receive(self, data: str | bytes) -> list[Event]:
        """Take a message of the server's; raises `ProtocolError` if it makes no sense."""

    def replies(self) -> list[bytes]:
        """Return what to send to the server, once."""


class Client:
    """The client's end of `tickerkit.v1`.

    It lives as long as the feed: on a new connection it resumes after the last tick it has.

    Args:
        symbols: only these; None for all.
        history: how many ticks from before now to ask for at first; None for all.
    """

    def __init__(self, symbols: list[str] | None = None, history: int | None = 0) -> None:
        self.symbols = symbols
        self.history = history
        self.epoch: str | None = None
        self.seq = 0
        self.duplicates = 0
        self._stream_epoch: str | None = None
        self._words: dict[str, list[str]] = {}
        self._replies: list[bytes] = []
        self._gap = Gap("", 0, 0, "")
        # Epochs that were told to go no further while the position is the same.
        self._dead: set[str] = set()

    def connected(self) -> list[Event]:
        self._stream_epoch = None
        self._words = {}
        self._replies = []
        return []

    def replies(self) -> list[bytes]:
        replies, self._replies = self._replies, []
        return replies

    def receive(self, data: str | bytes) -> list[Event]:
        message = _decode(data)
        if message is None:
            return []
        if self._stream_epoch is None and not isinstance(message, Hello | Error):
            raise ProtocolError(1002, f"{type(message).__name__.lower()} came before hello")
        match message:
            case Hello():
                self._greeted(message)
            case Ticks():
                received = self._ticks(message)
                return [received] if received.batch.count else []
            case At():
                self._advance(message.seq)
            case Gap():
                if self._was_told(message):
                    return []
                if message.epoch == self._stream_epoch and message.last is not None:
                    self._advance(message.last)
            case _:
                pass
        return [message]

    def hello(self) -> bytes | None:
        """Return a hello that says what this connection's did, and what came since; None before.

        With it what comes from here on can be read by a client that has not heard the rest.
        """
        if self._stream_epoch is None:
            return None
        columns: dict[str, str | list[str]] = {
            name: words for name, words in self._words.items() if name != "symbol"
        }
        seq = self.seq if self.epoch == self._stream_epoch else 0
        return encode(Hello(self._stream_epoch, 0, seq + 1, self._words.get("symbol", []), columns))

    def _greeted(self, hello: Hello) -> None:
        if hello.protocol != VERSION:
            problem = f"it speaks version {hello.protocol}, not {VERSION}: update the older of both"
            raise ProtocolError(1002, problem, final=True)
        self._words = {"symbol": hello.symbols}
        for name, column in hello.columns.items():
            if isinstance(column, list):
                self._words[name] = column
        first = self._stream_epoch is None
        self._stream_epoch = hello.epoch
        if first:
            resume = None if self.epoch is None else Position(self.epoch, self.seq)
            self._replies.append(encode(Subscribe(self.symbols, resume, self.history)))

    def _was_told(self, gap: Gap) -> bool:
        """Whether this was told before, as when a wire is cut right after a gap."""
        if gap.last is None:
            told = gap.epoch in self._dead
            self._dead.add(gap.epoch)
            return told
        last = self._gap
        within = last.first <= gap.first and gap.last <= (last.last or 0)
        if last.epoch == gap.epoch and within:
            return True
        self._gap = gap
        return False

    def _advance(self, seq: int) -> None:
        if self.epoch == self._stream_epoch and seq <= self.seq:
            return
        self.epoch, self.seq = self._stream_epoch, seq
        self._dead.clear()

    def _ticks(self, message: Ticks) -> Received:
        assert self._stream_epoch is not None
        batch, seq = decode_ticks(message, self._words)
        if self.epoch == self._stream_epoch and len(seq) and seq[0] <= self.seq:
            new = seq > self.seq
            self.duplicates += int(len(seq) - new.sum())
            batch, seq = batch.where(new), seq[new]
        self._advance(int(seq[-1]) if len(seq) else message.seq)
        return Received(batch, self._stream_epoch, seq)


def _decode(data: str | bytes) -> FromServer | None:
    """Decode a message of a server's; None for a type that a later version may have added."""
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
        raise ProtocolError(1007, f"a message is not of the protocol ({error})") from None


class PlainClient:
    """The client's end of any websocket that sends ticks as JSON, without resume.

    Each connection is an epoch of its own, and the seam between two a gap whose end is unknown; so
    is a gap that a tickerkit server's `/ticks` tells.
    """

    def __init__(self, symbols: list[str] | None = None) -> None:
        self.symbols = None if symbols is None else frozenset(symbols)
        self.epoch: str | None = None
        self.seq = 0
        self.duplicates = 0

    def connected(self) -> list[Event]:
        lost = self.epoch
        seam = (
            None
            if lost is None
            else Gap(
                lost, self.seq + 1, None, "reconnected: a plain websocket can't say what was missed"
            )
        )
        self._new_epoch()
        return [] if seam is None else [seam]

    def _new_epoch(self) -> None:
        self.epoch, self.seq = secrets.token_hex(8), 0

    def replies(self) -> list[bytes]:
        return []

    def receive(self, data: str | bytes) -> list[Event]:
        assert self.epoch is not None
        if (gap := self._gap(data)) is not None:
            return [gap]
        batch = read_ticks(data)
        if self.symbols is not None:
            batch = _only(batch, self.symbols)
        seq = np.arange(self.seq + 1, self.seq + 1 + batch.count, dtype=np.int64)
        self.seq += batch.count
        return [Received(batch, self.epoch, seq)]

    def _gap(self, data: str | bytes) -> Gap | None:
        """Read the gap notice of a tickerkit server's `/ticks`."""
        try:
            notice = _plain_gap.decode(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        assert self.epoch is not None
        to = "…" if notice.stop is None else notice.stop
        gap = Gap(
            self.epoch,
            self.seq + 1,
            None,
            f"the server says that {notice.start}–{to} will never come",
        )
        self._new_epoch()
        return gap


def _only(batch: Batch, symbols: frozenset[str]) -> Batch:
    """Return the ticks of `symbols`, with the refusals of all."""
    column = batch.columns["symbol"]
    assert isinstance(column, Text)
    wanted = np.array([*(word in symbols for word in column.words), False], dtype=bool)
    some = batch.where(wanted[column.codes])
    some.refused, some.errors, some.misfits = batch.refused, batch.errors, batch.misfits
    return some


class _PlainGap(msgspec.Struct):
    type: Literal["gap"]
    start: int = msgspec.field(name="from")
    stop: int | None = msgspec.field(name="to")


_plain_gap = msgspec.json.Decoder(_PlainGap)
