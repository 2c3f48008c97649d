"""Messages: the messages of the wire protocol, version 1, as msgspec structs."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from tickerkit.log import Epoch, Gap, Position, Seq, TimeNs

SUBPROTOCOL = "tickerkit.v1"
VERSION = 1
# No message of a server is larger: a client takes each within 50 ms, whatever it holds.
MAX_MESSAGE_BYTES = 2**20

encode = msgspec.json.Encoder().encode


class TextColumn(msgspec.Struct):
    """A column of text.

    Attributes:
        codes: for each tick, an index into the epoch's dictionary; -1 for no value.
        start: the code of the first new word.
        words: the words that first appear here.
    """

    codes: list[int]
    start: Seq = msgspec.field(name="from", default=0)
    words: list[str] = []


class Ticks(msgspec.Struct, tag="ticks", omit_defaults=True):
    """The `ticks` message: some ticks as columns, each of `count` values.

    Times are sent as differences, and seqs as a range. A tick then takes 19 bytes, and times and
    seqs are each decoded by one cumulative sum.

    Attributes:
        seq: seq of the first tick; of the tick before them if `count` is 0.
        count: how many ticks; 0 for a message that only adds words.
        time: the time of the first tick in epoch ns, then the difference of each to the one before.
        symbol: the symbols.
        price: null in a quote.
        size: left out if no tick has a size.
        steps: `count - 1` differences of the seqs; left out if all are 1.
        more: further columns; a column without a value in these ticks is left out.
        ints: further columns of 64-bit integers, likewise; 0 for no value.
        texts: further columns of text that have no dictionary, likewise; null for no value.
    """

    seq: Seq
    count: Seq
    time: list[int]
    symbol: TextColumn
    price: list[float | None]
    size: list[float | None] | None = None
    steps: list[int] | None = None
    more: dict[str, list[float | None] | TextColumn] = {}
    ints: dict[str, list[int]] = {}
    texts: dict[str, list[str | None]] = {}


class Hello(msgspec.Struct, tag="hello"):
    """The `hello` message: what the server holds. It comes again when an epoch begins.

    Attributes:
        epoch: the epoch of the ticks that follow.
        first: the oldest seq held.
        next: the seq that the next tick will get.
        symbols: the symbols so far, in the order of their codes.
        columns: for each further column its words so far, or `"number"` if it isn't text, or
            `"text"` if it is text without a dictionary. Where there are many symbols or words, the
            rest comes in `ticks` messages without ticks, before any that needs them.
        protocol: the version of the protocol.
        misfits: how many values the server has left out so far, by column; left out if none.
        units: the unit of each column that has one: "°C"; left out if none has.
    """

    epoch: Epoch
    first: Seq
    next: Seq
    symbols: list[str]
    columns: dict[str, str | list[str]]
    protocol: int = VERSION
    misfits: dict[str, Seq] | msgspec.UnsetType = msgspec.UNSET
    units: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class Misfits(msgspec.Struct, tag="misfits"):
    """The `misfits` message: the server has left out values of ticks that it took.

    Attributes:
        counts: how many so far, of all symbols, by column; those that have changed.
    """

    counts: dict[str, Seq]


class BookState(msgspec.Struct, tag="book"):
    """The `book` message: the newest order book of a symbol, whole.

    It is a state and no part of the stream of ticks: it has no position, is not resumed, and
    replaces the symbol's book before it. A client that knows no such message ignores it.

    Attributes:
        symbol: the symbol.
        seq: the newest tick of the epoch when it was so; 0 before the first.
        time: when it was so, in epoch ns.
        bids: price and size of each level, the highest price first; at most 1,000.
        asks: likewise, the lowest price first.
    """

    symbol: str
    seq: Seq
    time: TimeNs
    bids: list[tuple[float, float]]
    asks: list[tuple[float, float]]


class Subscribe(msgspec.Struct, tag="subscribe"):
    """The `subscribe` message: what the client wants.

    Attributes:
        symbols: only these; None for all.
        resume: continue after this tick.
        history: without `resume`, how many past ticks to send, counted after the selection of
            symbols; None for all.
    """

    symbols: list[str] | None = None
    resume: Position | None = None
    history: Annotated[int, msgspec.Meta(ge=0)] | None = 0


class At(msgspec.Struct, tag="at"):
    """The `at` message: the client has every tick up to `seq` that it subscribed to."""

    seq: Seq


class End(msgspec.Struct, tag="end"):
    """The `end` message: the source has ended, no tick will follow."""


class Error(msgspec.Struct, tag="error"):
    """The `error` message: what is wrong with a message, and what to send instead."""

    code: str
    message: str
    hint: str


class Note(msgspec.Struct, tag="note", omit_defaults=True):
    """The `note` message: a line of text from the server's owner, or from another client.

    Clients may send it too, if the server takes notes. It is not part of the stream of ticks: it
    may come at any time, also before `hello`, and a client may ignore it.

    Attributes:
        text: the text.
        sender: the name of the client; empty if it has none, None from the server's owner.
    """

    text: str
    sender: str | None = msgspec.field(name="from", default=None)


class Notes(msgspec.Struct, tag="notes"):
    """The `notes` message: the server takes notes of clients, and sends them to all."""


Aside: TypeAlias = Note | Notes
FromServer: TypeAlias = Hello | Ticks | BookState | Misfits | At | Gap | End | Error
FromClient: TypeAlias = Subscribe | Error
